"""What an order is expected to cost and how long it takes, said before it is sent."""

import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Final

from babel.dates import format_timedelta

from core.i18n import gettext as _
from core.i18n import listed, locale
from core.models import Asset, InvalidInput, Kind
from core.web.money import amount_text, amounts_text
from core.web.studio import Order, Studio, plan

_FEW_SECONDS: Final = 10
_ROUNDED: Final = 5


@dataclass(frozen=True)
class Estimate:
    """What is expected of an order, each a sentence or empty.

    Attributes:
        cost: what it costs.
        time: when it is ready.
        left: what the user's budget has left for it.
        beyond: whether that is too little.
    """

    cost: str = ""
    time: str = ""
    left: str = ""
    beyond: bool = False

    @property
    def text(self) -> str:
        """All of it in one line."""
        return " ".join(filter(None, (self.cost, self.time, self.left)))


def estimate(order: Order, studio: Studio) -> Estimate:
    """Return what is expected of an order; nothing where it cannot be made as it is.

    What a provider does not say beforehand is taken from what the last ones like it took.

    Raises:
        DatabaseError: the database does not answer.
    """
    try:
        assets = studio.store.spending.expected(plan(order, studio.catalogue)[1])
    except InvalidInput:
        return Estimate()
    costs: Counter[str] = Counter()
    unknown = []
    for kind, group in groupby(assets, key=lambda each: each.kind):
        alike = [each for each in group if _paid(each, studio)]
        known = [each.cost.estimated for each in alike if each.cost.estimated is not None]
        if alike and not known:
            unknown.append(kind)
        if alike:
            costs[alike[0].cost.unit] += sum(known)  # type: ignore[assignment]  # floats too
    left = studio.store.spending.left(order.user_id)
    concerned = {unit: left[unit] for unit in costs if unit in left}
    return Estimate(
        cost=_cost_text(costs, unknown),
        time=_time_text(seconds_until_made(assets, studio)),
        left=_left_text(concerned),
        beyond=any(
            round(costs[unit], 6) > amount or (unknown and not amount)
            for unit, amount in concerned.items()
        ),
    )


def seconds_until_made(assets: Sequence[Asset], studio: Studio) -> float | None:
    """Return how long items that are ordered now take until the last is saved; None: not known.

    What is being made already at the same model comes first, and so does what waits there: the
    user's own, and of other users' as much, for they take turns.
    """
    pace = studio.store.pace
    lanes: dict[tuple[str, str], list[float]] = defaultdict(list)
    for asset in assets:
        length = asset.params.get("seconds")
        takes = pace.typical_seconds(asset.provider, asset.model, asset.kind, length)
        if takes is None:
            return None
        lanes[asset.provider, asset.model].append(takes)
    longest = 0.0
    for lane, takes_each in lanes.items():
        user_id, waiting = assets[0].user_id, pace.waiting(lane)
        place = waiting.items.get(user_id, 0) + len(takes_each)  # of the last one among the user's
        turn = pace.active(lane) + waiting.turns(user_id, place)
        mean = sum(takes_each) / len(takes_each)
        rounds = math.ceil(turn / _places(*lane, studio))
        longest = max(longest, mean * rounds, *takes_each)
    return longest


def _places(provider: str, model: str, studio: Studio) -> int:
    """Return how many items of a model are made at once."""
    limits = studio.catalogue.limits(provider).narrowed(studio.catalogue.limits(provider, model))
    at_once = max(limits.at_once or 1, 1)
    found = studio.catalogue.providers.get(provider)
    capability = studio.catalogue.model(provider, model)
    if found is None or capability is None or not found.local:
        return at_once
    serving = [each for each in studio.store.workers.alive() if capability.queue in each.queues]
    return at_once * max(len(serving), 1)


def _paid(asset: Asset, studio: Studio) -> bool:
    found = studio.catalogue.capability(asset.provider, asset.kind, asset.model, asset.task)
    return found is not None and found.paid


def _cost_text(costs: Counter[str], unknown: Sequence[Kind]) -> str:
    about = _("About {amounts}.").format(amounts=amounts_text(costs)) if any(costs.values()) else ""
    if not unknown:
        return about
    if len(unknown) > 1:
        rest = _("What the images and videos cost is not known beforehand.")
    elif Kind.IMAGE in unknown:
        rest = _("What the images cost is not known beforehand.")
    else:
        rest = _("What the videos cost is not known beforehand.")
    return f"{about} {rest}".strip()


def _time_text(seconds: float | None) -> str:
    if seconds is None:
        return ""
    if seconds < _FEW_SECONDS:
        return _("Ready in a few seconds.")
    rounded = timedelta(seconds=_ROUNDED * math.ceil(seconds / _ROUNDED))
    return _("Ready in about {time}.").format(
        time=format_timedelta(rounded, threshold=1.5, locale=locale())
    )


def _left_text(left: dict[str, float]) -> str:
    amounts = [amount_text(round(amount, 2), unit) for unit, amount in sorted(left.items())]
    if not amounts:
        return ""
    return _("{amounts} of this month's budget left.").format(amounts=listed(amounts))
