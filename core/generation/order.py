"""Turning what a user asks for into a job and its assets."""

import secrets
from dataclasses import dataclass

from core.models import (
    AT_ONCE,
    MAX_ITEMS,
    MIN_ITEMS,
    Asset,
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
from core.providers.base import Capability
from core.providers.registry import Catalogue

CLIP_FPS = 24


@dataclass(frozen=True, kw_only=True)
class Order:
    """What a user asks for, not yet checked.

    Attributes:
        user_id: who asks, as `core.models.parse_user_id` returns it.
        prompt: the text, as typed.
        images: number of images.
        videos: number of videos.
        ratio: aspect ratio; None: each provider's own preference.
        seconds: clip length; None: the provider's own preference.
        seed: makes the same pictures again where a provider can; None: by chance.
    """

    user_id: str
    prompt: str
    images: int = MIN_ITEMS
    videos: int = MIN_ITEMS
    ratio: str | None = None
    seconds: int | None = None
    seed: int | None = None


def plan(
    order: Order, catalogue: Catalogue, notify: Notify | None = None
) -> tuple[Job, list[Asset]]:
    """Check an order and return the job and the assets to store.

    Raises:
        InvalidInput: something in the order cannot be made; the text says what.
    """
    prompt = parse_prompt(order.prompt)
    for name, number in (("images", order.images), ("videos", order.videos)):
        if not MIN_ITEMS <= number <= MAX_ITEMS:
            raise InvalidInput(f"The number of {name} goes from {MIN_ITEMS} to {MAX_ITEMS}.")
    moment = now()
    seed = secrets.randbelow(2**31) if order.seed is None else order.seed
    chosen = {kind: catalogue.choose(kind) for kind in Kind}
    job = Job(
        id=new_id(),
        user_id=order.user_id,
        prompt=prompt,
        created_at=moment,
        updated_at=moment,
        requested=Requested(images=order.images, videos=order.videos),
        options=Options(
            ratio=order.ratio or _preferred_ratio(chosen[Kind.IMAGE][1]),
            seconds=order.seconds or chosen[Kind.VIDEO][1].default_seconds,
            seed=seed,
        ),
        notify=notify or Notify(),
    )
    assets = []
    for kind, number in ((Kind.IMAGE, order.images), (Kind.VIDEO, order.videos)):
        provider, capability = chosen[kind]
        if len(prompt) > capability.max_prompt:
            raise InvalidInput(
                f"{provider.title} takes prompts of at most {capability.max_prompt:,} characters; "
                f"this one has {len(prompt):,}."
            )
        params = _params(order, capability, seed)
        assets += [
            Asset(
                id=f"{job.id}-{kind}-{slot}",
                job_id=job.id,
                user_id=order.user_id,
                kind=kind,
                slot=slot,
                provider=provider.name,
                model=capability.model,
                params=params,
                cost=capability.cost,
                next_attempt_at=AT_ONCE,
                timings={"queued_at": moment},
            )
            for slot in range(1, number + 1)
        ]
    return job, assets


def _params(order: Order, capability: Capability, seed: int) -> dict[str, int | None]:
    ratio = order.ratio or _preferred_ratio(capability)
    if ratio not in capability.ratios:
        offered = ", ".join(capability.ratios)
        raise InvalidInput(
            f"{capability.model} makes {capability.kind}s in {offered}, not {ratio}."
        )
    width, height = capability.ratios[ratio]
    params: dict[str, int | None] = {"width": width, "height": height, "seed": seed}
    if capability.kind == Kind.VIDEO:
        seconds = order.seconds or capability.default_seconds
        if seconds not in capability.seconds:
            shortest, longest = min(capability.seconds), max(capability.seconds)
            raise InvalidInput(f"A clip lasts {shortest} to {longest} seconds here, not {seconds}.")
        params |= {"seconds": seconds, "fps": CLIP_FPS}
    return params


def _preferred_ratio(capability: Capability) -> str:
    return next(iter(capability.ratios))
