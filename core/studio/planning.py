"""Planning: checking an order against what the providers declare, and what is stored for it."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, TypeVar

from core import models
from core.i18n import gettext as _
from core.i18n import number as formatted
from core.providers.base import Capability, Provider
from core.providers.registry import Catalogue
from core.studio.order import Choice, Order, Selection
from core.studio.parameters import params_of, upscaled_params
from core.studio.styles import STYLES, styled

SEEDS: Final = 2**31  # every provider takes that many
_FREE: Final = models.Cost(unit="")

Selected = TypeVar("Selected", bound=Selection)


@dataclass(frozen=True)
class Part:
    """The items of one kind in an order; they differ in prompt and seed only."""

    kind: models.Kind
    number: int
    provider: Provider
    capability: Capability
    params: dict[str, Any]

    @property
    def cost(self) -> models.Cost:
        """What one item costs, as far as the provider declares it."""
        return self.capability.estimate(self.params) if self.capability.paid else _FREE


def plan(order: Order, catalogue: Catalogue) -> tuple[models.Job, list[models.Asset]]:
    """Check an order and return the job and the assets to store.

    Raises:
        InvalidInput: something in the order cannot be done; the text says what.
    """
    order = _applicable(order)
    prompt = (
        order.prompt if order.task == models.Task.UPSCALE else models.parse_prompt(order.prompt)
    )
    parts = plan_parts(order, catalogue)
    for part in parts:
        _check_consent(part.provider, order.accepted)
    numbers = {part.kind: part.number for part in parts}
    moment = models.now()
    seed = secrets.randbelow(SEEDS) if order.seed is None else order.seed
    job = models.Job(
        id=models.new_id(),
        user_id=order.user_id,
        prompt=prompt,
        created_at=moment,
        updated_at=moment,
        requested=models.Requested(
            images=numbers.get(models.Kind.IMAGE, 0), videos=numbers.get(models.Kind.VIDEO, 0)
        ),
        options=models.Options(
            ratio=parts[0].params["ratio"],
            seconds=order.seconds or parts[-1].capability.default_seconds,
            seed=seed,
            style=order.style,
        ),
        notify=order.notify or models.Notify(),
    )
    return job, [asset for part in parts for asset in _assets(job, order, part)]


def plan_parts(selection: Selection, catalogue: Catalogue) -> list[Part]:
    """Check a selection and return what is to be generated, by kind; images come first.

    Raises:
        InvalidInput: something in it cannot be done; the text says what.
    """
    selection = _applicable(selection)
    if selection.style is not None and selection.style not in STYLES:
        raise models.InvalidInput(
            _("There is no style “{name}”; there are {known}.").format(
                name=selection.style, known=", ".join(STYLES)
            )
        )
    numbers = {models.Kind.IMAGE: selection.images, models.Kind.VIDEO: selection.videos}
    kinds = kinds_of(selection.task, selection.source)
    for kind in kinds:
        _check_number(selection.task, kind, numbers[kind])
    parts = []
    for kind in kinds:
        choice = selection.choices.get(kind, Choice())
        provider, capability = choose_model(
            catalogue, kind, choice.provider, choice.model, selection.task
        )
        make_params = upscaled_params if selection.task == models.Task.UPSCALE else params_of
        params = make_params(selection, capability)
        parts.append(Part(kind, numbers[kind], provider, capability, params))
    return parts


def kinds_of(task: models.Task, source: models.Asset | None) -> Sequence[models.Kind]:
    """Return the kinds that a task generates.

    Raises:
        InvalidInput: the task cannot be done to that item.
    """
    if task == models.Task.CREATE:
        return tuple(models.Kind)
    kind = None if source is None or source.state != models.AssetState.DONE else source.kind
    if task == models.Task.ANIMATE:
        if kind != models.Kind.IMAGE:
            raise models.InvalidInput(_("Only a finished image can be animated."))
        return (models.Kind.VIDEO,)
    if kind is None:
        raise models.InvalidInput(_("Only what is finished can be upscaled."))
    return (kind,)


def choose_model(
    catalogue: Catalogue,
    kind: models.Kind,
    provider: str | None,
    model: str | None,
    task: models.Task,
) -> tuple[Provider, Capability]:
    """Return the provider and the model for a kind; None: the preferred one.

    Raises:
        InvalidInput: there is none; the text says so.
    """
    try:
        return catalogue.choose(kind, provider, model, task)
    except LookupError as error:
        raise models.InvalidInput(str(error)) from None


def _applicable(selection: Selected) -> Selected:
    """Return a selection without what does not apply to its task."""
    if selection.task != models.Task.UPSCALE:
        return selection
    return replace(selection, images=1, videos=1, seconds=None, style=None)


def _check_number(task: models.Task, kind: models.Kind, number: int) -> None:
    least = models.MIN_ITEMS if task == models.Task.CREATE else 1
    if not least <= number <= models.MAX_ITEMS:
        text = (
            _("The number of videos goes from {least} to {most}.")
            if kind == models.Kind.VIDEO
            else _("The number of images goes from {least} to {most}.")
        )
        raise models.InvalidInput(text.format(least=least, most=models.MAX_ITEMS))


def _check_consent(provider: Provider, accepted: frozenset[str]) -> None:
    if provider.consent and provider.name not in accepted:
        raise models.InvalidInput(
            _("{provider} can be used only if you accept this: {terms}").format(
                provider=_(provider.title), terms=_(provider.consent)
            )
        )


def _assets(job: models.Job, order: Order, part: Part) -> list[models.Asset]:
    prompts = [job.prompt] if order.task == models.Task.UPSCALE else _prompts(order, part)
    seed = job.options.seed
    return [
        models.Asset(
            id=f"{job.id}-{part.kind}-{slot}",
            job_id=job.id,
            user_id=order.user_id,
            kind=part.kind,
            slot=slot,
            provider=part.provider.name,
            model=part.capability.model,
            params=part.params | _seed(part.capability, seed, slot),
            prompt=text if text != job.prompt else None,
            words=text,
            task=order.task,
            source=None if order.source is None else order.source.id,
            cost=part.cost,
            next_attempt_at=models.DUE_NOW,
            timings={"queued_at": job.created_at},
        )
        for slot, text in enumerate(prompts, 1)
    ]


def _prompts(order: Order, part: Part) -> list[str]:
    """Return the prompt of each item, with its style."""
    given = list(order.variations.get(part.kind, ()))[: part.number]
    texts = [text if text.strip() else order.prompt for text in given]
    texts += [order.prompt] * (part.number - len(texts))
    prompts = [styled(models.parse_prompt(text), order.style) for text in texts]
    for prompt in prompts:
        _check_length(prompt, part, has_style=order.style is not None)
    return prompts


def _check_length(prompt: str, part: Part, *, has_style: bool) -> None:
    most, length = part.capability.max_prompt, part.capability.prompt_length(prompt)
    if length <= most:
        return
    text = (
        _(
            "{provider} takes prompts of at most {most} characters for {model}; this one "
            "has {length} with its style."
        )
        if has_style
        else _(
            "{provider} takes prompts of at most {most} characters for {model}; this one "
            "has {length}."
        )
    )
    raise models.InvalidInput(
        text.format(
            provider=_(part.provider.title),
            most=formatted(most),
            model=part.capability.model,
            length=formatted(length),
        )
    )


def _seed(capability: Capability, seed: int, slot: int) -> dict[str, int]:
    if capability.seed == "none":
        return {}
    return {"seed": seed if capability.seed == "job" else (seed + slot - 1) % SEEDS}
