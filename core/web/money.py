"""What things cost, in words."""

from collections.abc import Mapping

from babel.numbers import format_currency

from core.i18n import N_, listed, locale, number
from core.i18n import gettext as _

_DOLLAR = "USD"
_CREDITS = N_("credits")  # what the providers' own money is called


def amount_text(amount: float, unit: str) -> str:
    """Return an amount such as “$0.21”, “less than 1 cent” or “125 credits”."""
    if unit != _DOLLAR:
        return f"{number(amount, ',.10g')} {_(unit)}"
    if 0 < amount < 0.01:  # noqa: PLR2004  # a cent
        return _("less than 1 cent")
    return format_currency(amount, unit, locale=locale())


def amounts_text(amounts: Mapping[str, float]) -> str:
    """Return amounts by unit as one text; empty where there are none."""
    return listed([amount_text(amount, unit) for unit, amount in sorted(amounts.items()) if amount])
