"""What users spend in a month, and the budgets that nobody gets past."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from babel.dates import format_date
from pymongo.client_session import ClientSession
from pymongo.database import Database

from core.i18n import gettext as _
from core.i18n import locale, number
from core.models import OPEN_STATES, Asset, AssetState, Cost, InvalidInput, now
from core.store.assets import AssetStore
from core.store.expressions import amount_at, number_at

Document = dict[str, Any]

_CALLED: Final = {"$eq": [{"$type": "$timings.submitted_at"}, "date"]}
_EXPECTED_STATES: Final = [
    str(state) for state in (*OPEN_STATES, AssetState.DONE, AssetState.UNKNOWN)
]
_EXPECTED: Final = {
    "$or": [
        {"$in": ["$state", _EXPECTED_STATES]},
        # Stopped while a provider worked on it, which most charge for all the same.
        {"$and": [{"$eq": ["$state", str(AssetState.CANCELLED)]}, _CALLED]},
    ]
}
_OPEN: Final = {
    "$and": [
        {"$in": ["$state", [str(state) for state in OPEN_STATES]]},
        {
            "$eq": [
                {"$ifNull": [amount_at("$cost.estimated"), amount_at("$cost.actual"), None]},
                None,
            ]
        },
    ]
}
UNCERTAIN: Final = {
    "$cond": [
        {"$and": [{"$eq": [amount_at("$cost.actual"), None]}, _EXPECTED]},
        number_at("$cost.estimated"),
        0.0,
    ]
}
"""What an item is expected to cost, or to have cost, where nobody has said what it did."""
_COUNTED: Final = {
    "$add": [
        *(number_at(f"$cost.{name}") for name in ("earlier", "risked", "actual")),
        UNCERTAIN,
    ]
}
_DIGITS: Final = 6  # what is beyond them comes of adding decimal fractions up in binary


class SpendingStore:
    """Adds up what a user's items cost in a calendar month (UTC), and holds it to a budget.

    An item counts with what it cost; where that is not known (yet), with what it is expected to
    cost, unless it failed, or was cancelled before its provider was asked. Each time that it was
    sent counts, also where nobody ever said what that cost. It counts in the month in which it was
    last ordered: made again, it counts then. What was deleted stays spent, by its receipt
    (`bin.py`).

    Args:
        database: the database.
        assets: knows what items like one have cost.
        budgets: what each user may spend in a month, by unit; other units have no bound.
    """

    def __init__(
        self, database: Database[Document], assets: AssetStore, budgets: Mapping[str, float]
    ) -> None:
        self._items = database["assets"]
        self._receipts = database["receipts"]
        self._turns = database["spending"]
        self._assets = assets
        self.budgets = budgets

    def spent(self, user_id: str) -> Mapping[str, float]:
        """Return what a user has spent this month, by unit."""
        return self._totals(user_id)[0]

    def left(self, user_id: str) -> dict[str, float]:
        """Return what a user may still spend this month, by unit; only units with a budget."""
        if not self.budgets:
            return {}
        spent = self.spent(user_id)
        return {
            unit: round(max(budget - spent.get(unit, 0.0), 0.0), _DIGITS)
            for unit, budget in self.budgets.items()
        }

    def renewed_at(self) -> datetime:
        """Return when the next month begins."""
        month = _month(now())
        return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)

    def expected(self, assets: Sequence[Asset]) -> list[Asset]:
        """Return items with what they are expected to cost, where their provider does not say.

        That is what the last ones like them did cost.
        """
        typical: dict[tuple[str, str, str], float | None] = {}
        found = []
        for asset in assets:
            like = (asset.provider, asset.model, asset.kind)  # an order's are alike
            if asset.cost.estimated is None and like not in typical:
                typical[like] = self._assets.typical_cost(asset)
            known = asset.cost.estimated if asset.cost.estimated is not None else typical[like]
            cost = asset.cost.model_copy(update={"estimated": known})
            found.append(asset.model_copy(update={"cost": cost}))
        return found

    @contextmanager
    def within_budget(self, user_id: str, session: ClientSession) -> Iterator[None]:
        """Let the block order items in a transaction; refuse where that goes beyond a budget.

        What nobody can say the cost of is let through as long as anything is left.
        It begins with a write to the user's one document here, so that of two transactions at
        once one is begun anew after the other: together they do not go beyond it either.

        Raises:
            InvalidInput: the budget does not allow it; the transaction must not be committed.
        """
        if not self.budgets:
            yield
            return
        turn = {"$inc": {"turn": 1}}
        self._turns.update_one({"_id": user_id}, turn, upsert=True, session=session)
        before, open_before = self._totals(user_id, session)
        yield
        after, open_after = self._totals(user_id, session)
        for unit, budget in self.budgets.items():
            was, amount = before.get(unit, 0.0), after.get(unit, 0.0)
            if amount > budget and amount > was:
                raise InvalidInput(self._refusal(unit, budget, was, amount - was))
            if was >= budget and open_after.get(unit, 0) > open_before.get(unit, 0):
                raise InvalidInput(self._refusal(unit, budget, was, None))

    def _totals(
        self, user_id: str, session: ClientSession | None = None
    ) -> tuple[Mapping[str, float], Mapping[str, int]]:
        """Return what was spent this month, and how many items nobody knows the cost of yet."""
        since = _month(now())
        of_month = {"user_id": user_id, "timings.queued_at": {"$gte": since}}
        totals = {"amount": {"$sum": _COUNTED}, "open": {"$sum": {"$cond": [_OPEN, 1, 0]}}}
        pipeline: list[Document] = [
            {"$match": of_month},
            {"$group": {"_id": "$cost.unit"} | totals},
        ]
        spent: dict[str, float] = defaultdict(float)
        open_items: Counter[str] = Counter()
        for items in (self._items, self._receipts):  # a transaction takes no $unionWith
            for each in items.aggregate(pipeline, session=session):
                unit = each["_id"] if isinstance(each["_id"], str) else Cost().unit
                spent[unit] += each["amount"]
                open_items[unit] += each["open"]
        return {unit: round(amount, _DIGITS) for unit, amount in spent.items()}, open_items

    def _refusal(self, unit: str, budget: float, spent: float, cost: float | None) -> str:
        left, day = max(budget - spent, 0.0), self._renewal_day()
        if cost is None:
            return _(
                "Your budget of {budget} a month is spent. It is renewed on {day} (UTC)."
            ).format(budget=_amount(budget, unit), day=day)
        return _(
            "Of your budget of {budget} a month, {left} is left, and this is expected to cost "
            "{cost}. It is renewed on {day} (UTC)."
        ).format(
            budget=_amount(budget, unit),
            left=_amount(left, unit),
            cost=_amount(cost, unit),
            day=day,
        )

    def _renewal_day(self) -> str:
        return format_date(self.renewed_at(), "long", locale=locale())


def _amount(amount: float, unit: str) -> str:
    return f"{number(round(amount, 2), ',.10g')} {_(unit)}"


def _month(moment: datetime) -> datetime:
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
