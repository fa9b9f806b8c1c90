"""What an order is expected to cost and how long it takes, said before it is sent."""

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby
from typing import Final

from babel.dates import format_timedelta

from core.i18n import gettext as _
from core.i18n import listed, locale
from core.models import Asset, InvalidInput, Kind
from core.store.spending.balances import Balance
from core.web.resources import Order, Studio, plan
from core.web.text.money import amount_text, amounts_text

_FEW_SECONDS: Final = 10
_ROUNDED: Final = 5
_CENT: Final = 0.01


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
        assets = studio.store.budgets.expected(plan(order, studio.catalogue)[1])
    except InvalidInput:
        return Estimate()
    spending = studio.store.budgets
    costs: Counter[str] = Counter()
    assumed: Counter[str] = Counter()
    unknown, holding = [], set()
    for kind, group in groupby(assets, key=lambda each: each.kind):
        alike = [each for each in group if _paid(each, studio)]
        if not alike:
            continue
        first = alike[0]
        unit, each = first.cost.unit, first.cost.estimated
        costs[unit] += (each or 0.0) * len(alike)  # type: ignore[assignment]  # floats too
        if each is None:
            unknown.append(kind)
            each = spending.assumed(first.provider, first.model, unit)
            assumed[unit] += (each or 0.0) * len(alike)  # type: ignore[assignment]  # floats too
            if each is None:
                holding.add(unit)
    found = spending.balances(order.user_id)
    concerned = {unit: found[unit] for unit in costs if unit in found}
    assumed = Counter({unit: amount for unit, amount in assumed.items() if unit in concerned})
    return Estimate(
        cost=_cost_text(costs, unknown, assumed),
        time=_time_text(seconds_until_made(assets, studio)),
        left=_left_text(concerned, holding),
        beyond=any(
            _beyond(balance, costs[unit] + assumed[unit], holds=unit in holding)
            for unit, balance in concerned.items()
        ),
    )


def _beyond(balance: Balance, amount: float, *, holds: bool) -> bool:
    """Return whether a budget does not allow an order, as `within_budget` would say."""
    left = balance.left - round(amount, 6)
    return left < 0 or (holds and left <= 0)


def seconds_until_made(assets: Sequence[Asset], studio: Studio) -> float | None:
    """Return how long items that are ordered now take until the last is saved; None: not known.

    What is being made already at the same model comes first, and so does what waits there: the
    user's own, and of other users' as much, for they take turns.
    """
    eta = studio.store.eta
    lanes: dict[tuple[str, str], list[float]] = defaultdict(list)
    for asset in assets:
        length = asset.params.get("seconds")
        takes = eta.typical_seconds(asset.provider, asset.model, asset.kind, length)
        if takes is None:
            return None
        lanes[asset.provider, asset.model].append(takes)
    longest = 0.0
    for lane, takes_each in lanes.items():
        user_id, waiting = assets[0].user_id, eta.waiting(lane)
        place = waiting.items.get(user_id, 0) + len(takes_each)  # of the last one among the user's
        turn = eta.active(lane) + waiting.turns(user_id, place)
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


def _cost_text(costs: Counter[str], unknown: Sequence[Kind], assumed: Counter[str]) -> str:
    about = _("About {amounts}.").format(amounts=amounts_text(costs)) if any(costs.values()) else ""
    if not unknown:
        return about
    if len(unknown) > 1:
        rest = _("What the images and videos cost is not known beforehand.")
    elif Kind.IMAGE in unknown:
        rest = _("What the images cost is not known beforehand.")
    else:
        rest = _("What the videos cost is not known beforehand.")
    if any(assumed.values()):
        counts = _("Until it is known, it counts as {amounts} in your budget.")
        rest = f"{rest} {counts.format(amounts=amounts_text(assumed))}"
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


def _left_text(balances: dict[str, Balance], holding: set[str]) -> str:
    """Return what is left of budgets, what of it is held, and what this order will hold.

    Args:
        balances: how the user stands, by unit.
        holding: the units in which nobody knows what this order costs.
    """
    left = {unit: each.left for unit, each in balances.items() if not each.held}
    held = {unit: each.held for unit, each in balances.items() if each.held}
    taken = {unit: amount for unit, amount in left.items() if amount and unit in holding}
    said = [
        (left, _("{amounts} of this month's budget left.")),
        (taken, _("This order holds {amounts} until its cost is known.")),
        (held, _("{amounts} of this month's budget on hold: items of unknown cost come first.")),
    ]
    return " ".join(
        text.format(amounts=listed([_rounded_down(each, amounts) for each in sorted(amounts)]))
        for amounts, text in said
        if amounts
    )


def _rounded_down(unit: str, amounts: Mapping[str, float]) -> str:
    """Return an amount as text, which is never more than there is."""
    amount = amounts[unit]
    if amount > _CENT:
        amount = math.floor(round(amount / _CENT, 4)) * _CENT
    return amount_text(round(amount, 6), unit)
