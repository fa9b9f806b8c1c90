"""How users stand with their budgets, and why an order is not taken."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from babel.dates import format_date

from core.i18n import gettext as _
from core.i18n import locale, number

DIGITS: Final = 6  # what is beyond them comes of adding decimal fractions up in binary
_NEXT_TO_NOTHING: Final = 1e-9


@dataclass
class Balance:
    """How a user stands with one budget this month.

    Attributes:
        budget: what may be spent.
        amount: what was spent or is expected to be, as far as anything is known.
        items: how many items there are.
        unpriced: how many of them cost something that nobody knows; they hold what is left.
        waiting: how many of these have not ended, so that it may become known.
        sent: how many of these are ordered, or sent again, at the moment that is looked at.
    """

    budget: float = 0.0
    amount: float = 0.0
    items: int = 0
    unpriced: int = 0
    waiting: int = 0
    sent: int = 0

    @property
    def rest(self) -> float:
        """What is not spent, whether it is held or not."""
        return round(max(self.budget - self.amount, 0.0), DIGITS)

    @property
    def held(self) -> float:
        """What is not spent, and cannot be spent because items of unknown cost hold it."""
        return self.rest if self.unpriced else 0.0

    @property
    def left(self) -> float:
        """What may still be spent."""
        return 0.0 if self.unpriced else self.rest


def refusal(unit: str, before: Balance, after: Balance, moment: datetime) -> str | None:
    """Return why an order is not taken that brings a user from one balance to another; or None.

    Args:
        unit: what both count in.
        before: without it.
        after: with it.
        moment: when it is ordered.
    """
    cost = after.amount - before.amount
    costs_more = cost > _NEXT_TO_NOTHING
    if not (costs_more or after.sent):
        return None
    budget, rest = _amount(before.budget, unit), _amount(before.rest, unit)
    day = format_date(next_month(moment), "long", locale=locale())
    beyond = round(after.amount - after.budget, DIGITS)
    if before.unpriced and before.rest:
        said = _held(before)
    elif costs_more and beyond > 0:
        said = _(
            "Of your budget of {budget} a month, {left} is left, and this is expected to cost "
            "{cost}. It is renewed on {day} (UTC)."
        )
    elif after.sent and not before.rest:
        said = _("Your budget of {budget} a month is spent. It is renewed on {day} (UTC).")
    elif after.sent and beyond >= 0:
        said = _(
            "Of your budget of {budget} a month, {left} is left, and this is expected to cost "
            "more than {cost}. It is renewed on {day} (UTC)."
        )
    else:
        return None
    return said.format(budget=budget, left=rest, cost=_amount(cost, unit), day=day)


def _held(balance: Balance) -> str:
    """Return what to say where items of unknown cost hold what is left."""
    if balance.waiting:
        return _(
            "Of your budget of {budget} a month, {left} is left, but it is on hold: what you "
            "ordered before is still being generated, and its cost is not known yet. Please try "
            "again when it is finished. The budget is renewed on {day} (UTC)."
        )
    return _(
        "Of your budget of {budget} a month, {left} is left, but it is on hold: the provider has "
        "not said what some of your items cost. An admin can set what they count as. The budget "
        "is renewed on {day} (UTC)."
    )


def _amount(amount: float, unit: str) -> str:
    return f"{number(round(amount, 4) or round(amount, DIGITS), ',.10g')} {_(unit)}"


def month_of(moment: datetime) -> datetime:
    """Return when the month of a moment began (UTC)."""
    return moment.replace(day=1, hour=0, minute=0, second=0, microsecond=0)


def next_month(moment: datetime) -> datetime:
    """Return when the month after that of a moment begins (UTC)."""
    month = month_of(moment)
    return month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
