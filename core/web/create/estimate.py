"""The quote for the form, in words."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from babel.dates import format_timedelta

from core.i18n import gettext as _
from core.i18n import listed, locale
from core.models import Kind
from core.store.spending.balances import Balance
from core.studio.quotes import Quote
from core.web.text.money import amount_text, amounts_text

_FEW_SECONDS: Final = 10
_ROUNDED: Final = 5
_CENT: Final = 0.01


@dataclass(frozen=True)
class Estimate:
    """A quote in words."""

    #: Cost, time and budget in one line; empty: nothing is known.
    text: str = ""
    #: Whether the order exceeds the user's budget.
    exceeds_budget: bool = False

    @classmethod
    def of(cls, quote: Quote) -> "Estimate":
        """Return a quote in words."""
        sentences = (
            _cost_text(quote.costs, quote.unknown, quote.assumed),
            _time_text(quote.seconds),
            _left_text(quote.balances, quote.holding),
        )
        return cls(" ".join(filter(None, sentences)), quote.exceeds_budget)


def _cost_text(
    costs: Mapping[str, float], unknown: Sequence[Kind], assumed: Mapping[str, float]
) -> str:
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


def _left_text(balances: Mapping[str, Balance], holding: frozenset[str]) -> str:
    """Return what is left of budgets, what of it is held, and what this order will hold.

    Args:
        balances: the budgets, by unit.
        holding: the units in which the cost of this order is not known.
    """
    left = {unit: each.left for unit, each in balances.items() if not each.held}
    held = {unit: each.held for unit, each in balances.items() if each.held}
    taken = {unit: amount for unit, amount in left.items() if amount and unit in holding}
    sentences = [
        (left, _("{amounts} of this month's budget left.")),
        (taken, _("This order holds {amounts} until its cost is known.")),
        (held, _("{amounts} of this month's budget on hold: items of unknown cost come first.")),
    ]
    return " ".join(
        text.format(amounts=listed([_rounded_down(each, amounts) for each in sorted(amounts)]))
        for amounts, text in sentences
        if amounts
    )


def _rounded_down(unit: str, amounts: Mapping[str, float]) -> str:
    """Return an amount as text, never more than there is."""
    amount = amounts[unit]
    if amount > _CENT:
        amount = math.floor(round(amount / _CENT, 4)) * _CENT
    return amount_text(round(amount, 6), unit)
