"""What a provider said of an item, as fields that can be stored whatever they are."""

from math import isfinite
from typing import Any

from core.providers.base import Outcome, Submission
from core.providers.errors import ProviderError


def provider_fields(said: Submission | Outcome | ProviderError) -> dict[str, Any]:
    """Return what a provider said as fields to store: details, and what it costs.

    Whatever that is, the store makes of it what can be stored (`core.store.documents.storable`).
    """
    fields: dict[str, Any] = {
        f"details.{name}": value for name, value in said.details.items() if name.isidentifier()
    }
    if _is_amount(said.cost):
        expected = isinstance(said, Submission)
        fields["cost.estimated" if expected else "cost.actual"] = said.cost
    return fields


def _is_amount(cost: object) -> bool:
    """Return whether that is a number, which is all that is ever added up."""
    return isinstance(cost, int | float) and not isinstance(cost, bool) and isfinite(cost)
