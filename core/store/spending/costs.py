"""What items and receipts count in a budget, as aggregation expressions.

What is stored as a cost and is none is not known.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from core.models import OPEN_STATES, AssetState, Cost
from core.store.documents.expressions import amount_at, number_at

Expression = dict[str, Any]

WHAT_COSTS: Final = ("width", "height", "seconds", "quality", "audio", "resolution")
"""The parameters that decide what an item costs."""

OPEN: Final[Expression] = {"$in": ["$state", [str(state) for state in OPEN_STATES]]}
"""Whether an item has not ended."""

LIKE: Final[Expression] = {
    **{name: f"${name}" for name in ("provider", "model", "kind")},
    "edited": {"$gt": ["$source", None]},
    "params": {name: f"$params.{name}" for name in WHAT_COSTS},
}
"""What items have in common that cost the same; see `AssetStore.typical_cost`."""


def _is_date(field: str) -> Expression:
    return {"$eq": [{"$type": field}, "date"]}


_SENT: Final = _is_date("$timings.submitted_at")
_TAKEN: Final = _is_date("$timings.started_at")
_MAY_BE_CHARGED: Final[Expression] = {
    "$switch": {
        "branches": [
            # Stopped while a provider worked on it, which most charge for all the same.
            {
                "case": {"$eq": ["$state", str(AssetState.CANCELLED)]},
                "then": {"$or": [_SENT, _TAKEN]},
            },
            # What a provider refused to begin with costs nothing; what it took and then could not
            # make may be on its bill.
            {
                "case": {"$eq": ["$state", str(AssetState.FAILED)]},
                "then": {"$or": [_TAKEN, {"$eq": ["$charged", True]}]},
            },
        ],
        "default": True,
    }
}
"""Whether an item costs something, or may; what is waiting will."""


def sent_at(moment: datetime) -> Expression:
    """Return whether an item was ordered, or is sent again, at that very moment.

    One that its provider has already is only taken up again, which costs nothing more.
    """
    return {"$and": [{"$eq": ["$timings.queued_at", moment]}, {"$not": [_TAKEN]}]}


def uncertain(assumed: Mapping[str, float]) -> Expression:
    """Return what an item is expected to cost, or to have cost, where nobody has said what it did.

    Args:
        assumed: what is to be assumed; see `assumed_cost`.
    """
    return {"$cond": [_unbilled(), {"$ifNull": [_expected(assumed), 0.0]}, 0.0]}


def unpriced(assumed: Mapping[str, float]) -> Expression:
    """Return whether an item costs something that nobody can say anything about."""
    return {"$and": [_unbilled(), {"$eq": [_expected(assumed), None]}]}


def counted(assumed: Mapping[str, float]) -> Expression:
    """Return the amount that an item counts with, as far as anything can be said about it."""
    certain = [number_at(f"$cost.{name}") for name in _CERTAIN]
    return {"$add": [*certain, uncertain(assumed)]}


def assumed_cost(
    assumed: Mapping[str, float], provider: str, model: str, unit: str
) -> float | None:
    """Return what an item is assumed to cost of which nothing is known; None: nothing is assumed.

    Args:
        assumed: amounts by `provider/model`, `provider` or unit; the first of these counts.
        provider: who makes it.
        model: with which model.
        unit: what they count in.
    """
    keys = (f"{provider}/{model}", provider, unit)
    return next((assumed[key] for key in keys if key in assumed), None)


_CERTAIN: Final = ("earlier", "risked", "actual")


def _unbilled() -> Expression:
    return {"$and": [{"$eq": [amount_at("$cost.actual"), None]}, _MAY_BE_CHARGED]}


def _expected(assumed: Mapping[str, float]) -> Expression:
    texts = [{"$eq": [{"$type": field}, "string"]} for field in ("$provider", "$model")]
    lane = {"$cond": [{"$and": texts}, {"$concat": ["$provider", "/", "$model"]}, None]}
    branches = [
        {"case": {"$eq": [field, {"$literal": key}]}, "then": amount}
        for field in (lane, "$provider", {"$ifNull": ["$cost.unit", Cost().unit]})
        for key, amount in assumed.items()
    ]
    fallback = {"$switch": {"branches": branches, "default": None}} if branches else None
    return {"$ifNull": [amount_at("$cost.estimated"), fallback]}
