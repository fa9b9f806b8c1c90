"""Turning what a user asks for into a job and its assets."""

import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from core.generation.styles import STYLES, styled
from core.models import (
    AT_ONCE,
    MAX_ITEMS,
    MIN_ITEMS,
    Asset,
    AssetState,
    InvalidInput,
    Job,
    Kind,
    Notify,
    Options,
    Requested,
    new_id,
    now,
    parse_prompt,
)
from core.providers.base import Capability, Provider
from core.providers.registry import Catalogue

CLIP_FPS: Final = 24
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

    def choices(self, catalogue: Catalogue, *, animates: bool = False) -> dict[Kind, Choice]:
        """Return the choice for each kind that is made.

        Raises:
            InvalidInput: nobody makes that, or nothing has such an option.
        """
        makers = {
            Kind.IMAGE: (self.image_provider, self.image_model),
            Kind.VIDEO: (self.video_provider, self.video_model),
        }
        if animates:
            del makers[Kind.IMAGE]
        known = {
            kind: [option.name for option in _chosen(catalogue, kind, *maker, animates)[1].options]
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
        prompt: the text, as typed.
        images: number of images.
        videos: number of videos.
        ratio: aspect ratio; None: each model's own preference.
        seconds: clip length; None: the model's own preference.
        seed: makes the same pictures again where a model can; None: by chance.
        choices: who makes each kind, and how; what is not there is left to preference.
        style: one of `core.generation.styles.STYLES`; None: as the prompt says.
        variations: prompts to make single items of, by kind and in slot order, instead of `prompt`.
        source: a finished image of the user's, to make clips of.
        accepted: names of the providers whose conditions the user accepts.
        notify: where and when the user wants to be told that it has ended.
    """

    user_id: str
    prompt: str
    images: int = MIN_ITEMS
    videos: int = MIN_ITEMS
    ratio: str | None = None
    seconds: int | None = None
    seed: int | None = None
    choices: Mapping[Kind, Choice] = field(default_factory=dict)
    style: str | None = None
    variations: Mapping[Kind, Sequence[str]] = field(default_factory=dict)
    source: Asset | None = None
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
    prompt = parse_prompt(order.prompt)
    if order.style is not None and order.style not in STYLES:
        raise InvalidInput(f"There is no style “{order.style}”; there are {', '.join(STYLES)}.")
    parts = _parts(order, catalogue)
    moment = now()
    seed = secrets.randbelow(SEEDS) if order.seed is None else order.seed
    job = Job(
        id=new_id(),
        user_id=order.user_id,
        prompt=prompt,
        created_at=moment,
        updated_at=moment,
        requested=Requested(images=_images(order), videos=order.videos),
        options=Options(
            ratio=order.ratio or next(iter(parts[0].capability.ratios)),
            seconds=order.seconds or parts[-1].capability.default_seconds,
            seed=seed,
            style=order.style,
        ),
        notify=order.notify,
    )
    assets = []
    for part in parts:
        kind, capability = part.kind, part.capability
        prompts = _prompts(order, part)
        params = _params(order, part)
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
                source=None if order.source is None else order.source.id,
                cost=capability.estimate(params),
                next_attempt_at=AT_ONCE,
                timings={"queued_at": moment},
            )
            for slot, text in enumerate(prompts, 1)
        ]
    return job, assets


def _images(order: Order) -> int:
    return 0 if order.source is not None else order.images


def _parts(order: Order, catalogue: Catalogue) -> list[_Part]:
    """Return who makes what; clips of an image come alone."""
    wanted = [(Kind.IMAGE, order.images), (Kind.VIDEO, order.videos)]
    least = MIN_ITEMS
    if order.source is not None:
        if order.source.kind != Kind.IMAGE or order.source.state != AssetState.DONE:
            raise InvalidInput("Only a finished image can be animated.")
        wanted, least = wanted[1:], 1
    for kind, number in wanted:
        if not least <= number <= MAX_ITEMS:
            raise InvalidInput(f"The number of {kind}s goes from {least} to {MAX_ITEMS}.")
    parts = []
    for kind, number in wanted:
        choice = order.choices.get(kind, Choice())
        animates = order.source is not None
        provider, capability = _chosen(catalogue, kind, choice.provider, choice.model, animates)
        if provider.consent and provider.name not in order.accepted:
            raise InvalidInput(
                f"{provider.title} can be used only if you accept this: {provider.consent}"
            )
        parts.append(_Part(kind, number, provider, capability))
    return parts


def _chosen(
    catalogue: Catalogue,
    kind: Kind,
    provider: str | None,
    model: str | None,
    animates: bool,  # noqa: FBT001  # handed on
) -> tuple[Provider, Capability]:
    try:
        return catalogue.choose(kind, provider, model, animates=animates)
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
            with_style = " with its style" if order.style else ""
            raise InvalidInput(
                f"{part.provider.title} takes prompts of at most {most:,} characters for "
                f"{part.capability.model}; this one has {length:,}{with_style}."
            )
    return prompts


def _params(order: Order, part: _Part) -> dict[str, Any]:
    capability = part.capability
    ratio = order.ratio or next(iter(capability.ratios))
    if ratio not in capability.ratios:
        offered = ", ".join(capability.ratios)
        raise InvalidInput(
            f"{capability.model} makes {capability.kind}s in {offered}, not {ratio}."
        )
    width, height = capability.ratios[ratio]
    params: dict[str, Any] = {"width": width, "height": height, "ratio": ratio}
    if capability.kind == Kind.VIDEO:
        seconds = order.seconds or capability.default_seconds
        if seconds not in capability.seconds:
            raise InvalidInput(f"{_lengths(capability)} here, not {seconds}.")
        params |= {"seconds": seconds, "fps": CLIP_FPS}
    return params | _options(order, part)


def _lengths(capability: Capability) -> str:
    lengths = sorted(capability.seconds)
    if lengths == list(range(lengths[0], lengths[-1] + 1)) and len(lengths) > 1:
        return f"A clip lasts {lengths[0]} to {lengths[-1]} seconds"
    return f"A clip lasts {' or '.join(map(str, lengths))} seconds"


def _options(order: Order, part: _Part) -> dict[str, Any]:
    """Return the chosen options' values, and the defaults of the others."""
    chosen = dict(order.choices.get(part.kind, Choice()).options)
    values = {
        option.name: option.parse(chosen.pop(option.name, None))
        for option in part.capability.options
    }
    if chosen:
        there = ", ".join(values) or "none"
        raise InvalidInput(
            f"{part.capability.model} has no option “{next(iter(chosen))}”; it has: {there}."
        )
    params = {name: value for name, value in values.items() if value is not None}
    if (size := _SIZE.fullmatch(str(params.get("size", "")))) is not None:
        params |= {"width": int(size[1]), "height": int(size[2])}
    return params


def _seed(capability: Capability, seed: int, slot: int) -> dict[str, int]:
    if capability.seed == "none":
        return {}
    return {"seed": seed if capability.seed == "job" else (seed + slot - 1) % SEEDS}
