"""Turning what a user asks for into a job and its assets."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from core.i18n import gettext as _
from core.i18n import number as written
from core.models import (
    DUE_NOW,
    MAX_ITEMS,
    MIN_ITEMS,
    Asset,
    AssetState,
    Cost,
    InvalidInput,
    Job,
    Kind,
    Notify,
    Options,
    Requested,
    Task,
    new_id,
    now,
    parse_prompt,
)
from core.providers.base import AUTO, Capability, Provider
from core.providers.registry import Catalogue
from core.studio.styles import STYLES, styled

CLIP_FPS: Final = 24
FREE: Final = Cost(unit="")
SCALE: Final = 2  # of what is upscaled, where nothing else was chosen
SEEDS: Final = 2**31  # every provider takes that many
_SIZE: Final = re.compile(r"(\d+)\D(\d+)")


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Who makes one kind, and how.

    Attributes:
        provider: its name; None: the preferred one.
        model: one of its models; None: the preferred one.
        options: values by the names of the model's `Option`s, as typed.
    """

    provider: str | None = None
    model: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Makers:
    """Who makes what, as it is typed on the command line.

    Attributes:
        image_provider: who makes the images; None: the preferred one.
        image_model: with which model.
        video_provider: who makes the clips.
        video_model: with which model.
        options: `NAME=VALUE` for each kind that has the option, `image.NAME=VALUE` for one.
    """

    image_provider: str | None = None
    image_model: str | None = None
    video_provider: str | None = None
    video_model: str | None = None
    options: Sequence[str] = ()

    def choices(
        self, catalogue: Catalogue, task: Task = Task.CREATE, source: Asset | None = None
    ) -> dict[Kind, Choice]:
        """Return the choice for each kind that is made.

        Args:
            catalogue: the configured providers.
            task: what is to be done.
            source: what it is done to; None: it is made of a text alone.

        Raises:
            InvalidInput: nobody makes that, or nothing has such an option.
        """
        makers = {
            Kind.IMAGE: (self.image_provider, self.image_model),
            Kind.VIDEO: (self.video_provider, self.video_model),
        }
        makers = {kind: makers[kind] for kind in _kinds(task, source)}
        known = {
            kind: [option.name for option in _chosen(catalogue, kind, *maker, task)[1].options]
            for kind, maker in makers.items()
        }
        values: dict[Kind, dict[str, str]] = {kind: {} for kind in makers}
        for typed in self.options:
            name, equals, value = typed.partition("=")
            which, _, plain = name.rpartition(".")
            having = [kind for kind in makers if which in ("", kind) and plain in known[kind]]
            if not equals or not having:
                there = ", ".join(f"{kind}.{each}" for kind in known for each in known[kind])
                raise InvalidInput(f"“{typed}” is no NAME=VALUE of: {there or 'none'}.")
            for kind in having:
                values[kind][plain] = value
        return {
            kind: Choice(provider=provider, model=model, options=values[kind])
            for kind, (provider, model) in makers.items()
        }


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a user asks for, not yet checked.

    Attributes:
        user_id: who asks, as `core.models.parse_user_id` returns it.
        prompt: the text, as typed; of what is upscaled, the item's own.
        task: what is to be done. An image is animated in any number of clips; what is upscaled is
            one item, whose shape, length and prompt are those of the source.
        source: a finished item of the user's that it is done to; None where it is `CREATE`.
        images: number of images.
        videos: number of videos.
        ratio: aspect ratio; None: each model's own preference.
        seconds: clip length; None: the model's own preference.
        seed: makes the same pictures again where a model can; None: by chance.
        choices: who makes each kind, and how; what is not there is left to preference.
        style: one of `core.studio.styles.STYLES`; None: as the prompt says.
        variations: prompts to make single items of, by kind and in slot order, instead of `prompt`.
        accepted: names of the providers whose conditions the user accepts.
        notify: where and when the user wants to be told that it has ended.
    """

    user_id: str
    prompt: str
    task: Task = Task.CREATE
    source: Asset | None = None
    images: int = MIN_ITEMS
    videos: int = MIN_ITEMS
    ratio: str | None = None
    seconds: int | None = None
    seed: int | None = None
    choices: Mapping[Kind, Choice] = field(default_factory=dict)
    style: str | None = None
    variations: Mapping[Kind, Sequence[str]] = field(default_factory=dict)
    accepted: frozenset[str] = frozenset()
    notify: Notify = field(default_factory=Notify)


@dataclass(frozen=True)
class _Part:
    """Who makes the items of one kind, and how many."""

    kind: Kind
    number: int
    provider: Provider
    capability: Capability


def plan(order: Order, catalogue: Catalogue) -> tuple[Job, list[Asset]]:
    """Check an order and return the job and the assets to store.

    Raises:
        InvalidInput: something in the order cannot be made; the text says what.
    """
    enlarged = order.source if order.task == Task.UPSCALE else None
    if enlarged is not None:
        order = replace(order, images=1, videos=1, seconds=None, style=None)
    prompt = parse_prompt(order.prompt) if enlarged is None else order.prompt
    if order.style is not None and order.style not in STYLES:
        raise InvalidInput(
            _("There is no style “{name}”; there are {known}.").format(
                name=order.style, known=", ".join(STYLES)
            )
        )
    parts = _parts(order, catalogue)
    numbers = {part.kind: part.number for part in parts}
    planned = [
        (part, _params(order, part) if enlarged is None else _upscaled(enlarged, order, part))
        for part in parts
    ]
    moment = now()
    seed = secrets.randbelow(SEEDS) if order.seed is None else order.seed
    job = Job(
        id=new_id(),
        user_id=order.user_id,
        prompt=prompt,
        created_at=moment,
        updated_at=moment,
        requested=Requested(images=numbers.get(Kind.IMAGE, 0), videos=numbers.get(Kind.VIDEO, 0)),
        options=Options(
            ratio=planned[0][1]["ratio"],
            seconds=order.seconds or parts[-1].capability.default_seconds,
            seed=seed,
            style=order.style,
        ),
        notify=order.notify,
    )
    assets = []
    for part, params in planned:
        kind, capability = part.kind, part.capability
        prompts = _prompts(order, part) if enlarged is None else [prompt]
        assets += [
            Asset(
                id=f"{job.id}-{kind}-{slot}",
                job_id=job.id,
                user_id=order.user_id,
                kind=kind,
                slot=slot,
                provider=part.provider.name,
                model=capability.model,
                params=params | _seed(capability, seed, slot),
                prompt=text if text != prompt else None,
                words=text,
                task=order.task,
                source=None if order.source is None else order.source.id,
                cost=capability.estimate(params) if capability.paid else FREE,
                next_attempt_at=DUE_NOW,
                timings={"queued_at": moment},
            )
            for slot, text in enumerate(prompts, 1)
        ]
    return job, assets


def _kinds(task: Task, source: Asset | None) -> Sequence[Kind]:
    """Return what is made.

    Raises:
        InvalidInput: this cannot be done to that item.
    """
    if task == Task.CREATE:
        return tuple(Kind)
    kind = None if source is None or source.state != AssetState.DONE else source.kind
    if task == Task.ANIMATE:
        if kind != Kind.IMAGE:
            raise InvalidInput(_("Only a finished image can be animated."))
        return (Kind.VIDEO,)
    if kind is None:
        raise InvalidInput(_("Only what is finished can be upscaled."))
    return (kind,)


def _parts(order: Order, catalogue: Catalogue) -> list[_Part]:
    """Return who makes what; what is made of an item comes alone."""
    numbers = {Kind.IMAGE: order.images, Kind.VIDEO: order.videos}
    least = MIN_ITEMS if order.task == Task.CREATE else 1
    wanted = [(kind, numbers[kind]) for kind in _kinds(order.task, order.source)]
    for kind, number in wanted:
        if not least <= number <= MAX_ITEMS:
            said = (
                _("The number of videos goes from {least} to {most}.")
                if kind == Kind.VIDEO
                else _("The number of images goes from {least} to {most}.")
            )
            raise InvalidInput(said.format(least=least, most=MAX_ITEMS))
    parts = []
    for kind, number in wanted:
        choice = order.choices.get(kind, Choice())
        provider, capability = _chosen(catalogue, kind, choice.provider, choice.model, order.task)
        if provider.consent and provider.name not in order.accepted:
            raise InvalidInput(
                _("{provider} can be used only if you accept this: {terms}").format(
                    provider=_(provider.title), terms=_(provider.consent)
                )
            )
        parts.append(_Part(kind, number, provider, capability))
    return parts


def _chosen(
    catalogue: Catalogue,
    kind: Kind,
    provider: str | None,
    model: str | None,
    task: Task,
) -> tuple[Provider, Capability]:
    try:
        return catalogue.choose(kind, provider, model, task)
    except LookupError as error:
        raise InvalidInput(str(error)) from None


def _prompts(order: Order, part: _Part) -> list[str]:
    """Return the text of each item."""
    given = list(order.variations.get(part.kind, ()))[: part.number]
    texts = [text if text.strip() else order.prompt for text in given]
    texts += [order.prompt] * (part.number - len(texts))
    prompts = [styled(parse_prompt(text), order.style) for text in texts]
    most = part.capability.max_prompt
    for prompt in prompts:
        length = part.capability.prompt_length(prompt)
        if length > most:
            said = (
                _(
                    "{provider} takes prompts of at most {most} characters for {model}; this one "
                    "has {length} with its style."
                )
                if order.style
                else _(
                    "{provider} takes prompts of at most {most} characters for {model}; this one "
                    "has {length}."
                )
            )
            raise InvalidInput(
                said.format(
                    provider=_(part.provider.title),
                    most=written(most),
                    model=part.capability.model,
                    length=written(length),
                )
            )
    return prompts


def _params(order: Order, part: _Part) -> dict[str, Any]:
    capability = part.capability
    ratio = order.ratio or next(iter(capability.ratios))
    if ratio not in capability.ratios:
        offered = ", ".join(capability.ratios)
        said = (
            _("{model} makes videos in {offered}, not {ratio}.")
            if capability.kind == Kind.VIDEO
            else _("{model} makes images in {offered}, not {ratio}.")
        )
        raise InvalidInput(said.format(model=capability.model, offered=offered, ratio=ratio))
    width, height = capability.ratios[ratio]
    params: dict[str, Any] = {"width": width, "height": height, "ratio": ratio}
    if capability.kind == Kind.VIDEO:
        seconds = order.seconds or capability.default_seconds
        if seconds not in capability.seconds:
            raise InvalidInput(_other_length(capability, seconds))
        params |= {"seconds": seconds, "fps": CLIP_FPS}
    return params | _options(order, part)


def _upscaled(source: Asset, order: Order, part: _Part) -> dict[str, Any]:
    """Return the parameters of an item that is the source with more pixels."""
    options = _options(order, part)
    width, height = upscaled_size(source, options)
    most = part.capability.max_pixels
    if most is not None and width * height > most:
        raise InvalidInput(
            _("{model} makes at most {most} million pixels; this would be {number}.").format(
                model=part.capability.model,
                most=f"{most / 1e6:.3g}",
                number=f"{width * height / 1e6:.3g}",
            )
        )
    params = {"width": width, "height": height, "ratio": source.params.get("ratio", AUTO)}
    length = {"seconds": source.seconds} if source.kind == Kind.VIDEO else {}
    return params | length | options


def upscaled_size(source: Asset, options: Mapping[str, Any]) -> tuple[int, int]:
    """Return the width and height in pixels that an item has once it is upscaled.

    Args:
        source: the item.
        options: what is chosen of the model's options.
    """
    scale = int(options.get("scale_factor") or SCALE)
    width, height = source.width or source.params["width"], source.height or source.params["height"]
    return scale * width, scale * height


def _other_length(capability: Capability, seconds: float | None) -> str:
    """Return which lengths there are instead."""
    lengths = sorted(capability.seconds)
    first, last = lengths[0], lengths[-1]
    if lengths == list(range(first, last + 1)) and len(lengths) > 1:
        said = _("A clip lasts {first} to {last} seconds here, not {seconds}.")
        return said.format(first=first, last=last, seconds=seconds)
    known = _(" or ").join(map(str, lengths))
    return _("A clip lasts {known} seconds here, not {seconds}.").format(
        known=known, seconds=seconds
    )


def _options(order: Order, part: _Part) -> dict[str, Any]:
    """Return the chosen options' values, and the defaults of the others."""
    chosen = dict(order.choices.get(part.kind, Choice()).options)
    values = {
        option.name: option.parse(chosen.pop(option.name, None))
        for option in part.capability.options
    }
    if chosen:
        there = ", ".join(values) or _("none")
        raise InvalidInput(
            _("{model} has no option “{name}”; it has: {known}.").format(
                model=part.capability.model, name=next(iter(chosen)), known=there
            )
        )
    params = {name: value for name, value in values.items() if value is not None}
    part.capability.look_over(params)
    if (size := _SIZE.fullmatch(str(params.get("size", "")))) is not None:
        params |= {"width": int(size[1]), "height": int(size[2])}
    return params


def _seed(capability: Capability, seed: int, slot: int) -> dict[str, int]:
    if capability.seed == "none":
        return {}
    return {"seed": seed if capability.seed == "job" else (seed + slot - 1) % SEEDS}
