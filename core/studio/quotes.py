"""Quotes: what a selection is expected to cost and how long it takes, before it is ordered."""

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from core.models import Kind
from core.store.spending.balances import Balance
from core.studio.order import Selection
from core.studio.planning import Part, plan_parts
from core.studio.studio import Studio


@dataclass(frozen=True, kw_only=True)
class Quote:
    """What a selection is expected to cost and how long it takes. Amounts are by unit."""

    #: Expected cost, as far as it is known.
    costs: Mapping[str, float]
    #: Kinds whose cost is not known beforehand.
    unknown: Sequence[Kind]
    #: What counts in a budget until the cost is known; only units with a budget.
    assumed: Mapping[str, float]
    #: Units in which nothing can be assumed, so that the order holds the rest of the budget.
    holding: frozenset[str]
    #: The budgets that the order uses.
    balances: Mapping[str, Balance]
    #: Seconds until the last item is saved; None: not known.
    seconds: float | None

    @property
    def exceeds_budget(self) -> bool:
        """Whether a budget does not allow the order, as `BudgetStore.within_budget` decides."""
        for unit, balance in self.balances.items():
            amount = self.costs.get(unit, 0.0) + self.assumed.get(unit, 0.0)
            left = balance.left - round(amount, 6)
            if left < 0 or (unit in self.holding and left <= 0):
                return True
        return False


def quote(studio: Studio, selection: Selection, user_id: str) -> Quote:
    """Return what a selection is expected to cost a user and how long it takes.

    Where a provider declares no price, the last similar items decide.

    Raises:
        InvalidInput: it cannot be generated; the text says why.
        DatabaseError: the database does not answer.
    """
    parts = plan_parts(selection, studio.catalogue)
    spending = studio.store.budgets
    costs: dict[str, float] = defaultdict(float)
    assumed: dict[str, float] = defaultdict(float)
    unknown, holding = [], set()
    for part in parts:
        if not part.capability.paid:
            continue
        unit, each = part.cost.unit, _expected_cost(studio, selection, part)
        costs[unit] += (each or 0.0) * part.number
        if each is None:
            unknown.append(part.kind)
            each = spending.assumed(part.provider.name, part.capability.model, unit)
            assumed[unit] += (each or 0.0) * part.number
            if each is None:
                holding.add(unit)
    balances = spending.balances(user_id)
    return Quote(
        costs=costs,
        unknown=unknown,
        assumed={unit: amount for unit, amount in assumed.items() if unit in balances},
        holding=frozenset(holding),
        balances={unit: balances[unit] for unit in costs if unit in balances},
        seconds=_seconds(studio, parts, user_id),
    )


def _expected_cost(studio: Studio, selection: Selection, part: Part) -> float | None:
    """Return what one item costs: as declared, or as the last similar ones did."""
    if part.cost.estimated is not None:
        return part.cost.estimated
    return studio.store.assets.typical_cost_of(
        part.provider.name,
        part.capability.model,
        part.kind,
        part.params,
        edited=selection.source is not None,
    )


def _seconds(studio: Studio, parts: Sequence[Part], user_id: str) -> float | None:
    """Return how many seconds it takes until the last item is saved; None: not known.

    Items already in progress at the same model come first, and so do the user's own waiting
    items and as many of each other user, since users take turns.
    """
    eta = studio.store.eta
    lanes: dict[tuple[str, str], list[float]] = defaultdict(list)
    for part in parts:
        lane = (part.provider.name, part.capability.model)
        takes = eta.typical_seconds(*lane, part.kind, part.params.get("seconds"))
        if takes is None:
            return None
        lanes[lane] += [takes] * part.number
    longest = 0.0
    for lane, takes_each in lanes.items():
        waiting = eta.waiting(lane)
        place = waiting.items.get(user_id, 0) + len(takes_each)  # of the user's last item
        turn = eta.active(lane) + waiting.turns(user_id, place)
        mean = sum(takes_each) / len(takes_each)
        rounds = math.ceil(turn / _concurrency(studio, *lane))
        longest = max(longest, mean * rounds, *takes_each)
    return longest


def _concurrency(studio: Studio, provider: str, model: str) -> int:
    """Return how many items of a model run at the same time."""
    limits = studio.catalogue.limits(provider).narrowed(studio.catalogue.limits(provider, model))
    allowed = max(limits.at_once or 1, 1)
    found = studio.catalogue.providers.get(provider)
    capability = studio.catalogue.model(provider, model)
    if found is None or capability is None or not found.local:
        return allowed
    serving = [each for each in studio.store.workers.alive() if capability.queue in each.queues]
    return allowed * max(len(serving), 1)
