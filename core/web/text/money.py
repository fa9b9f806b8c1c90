"""Amounts and costs in words."""

from collections.abc import Mapping

from babel.numbers import format_currency

from core.i18n import N_, listed, locale, number
from core.i18n import gettext as _
from core.models import Job

_DOLLAR = "USD"
_CREDITS = N_("credits")  # the unit of providers with their own currency


def amount_text(amount: float, unit: str) -> str:
    """Return an amount such as “$0.21”, “less than 1 cent” or “125 credits”."""
    if unit != _DOLLAR:
        return f"{number(amount, ',.10g')} {_(unit)}"
    if 0 < amount < 0.01:  # noqa: PLR2004  # a cent
        return _("less than 1 cent")
    return format_currency(amount, unit, locale=locale())


def amounts_text(amounts: Mapping[str, float]) -> str:
    """Return amounts by unit in words; empty if there are none."""
    return listed([amount_text(amount, unit) for unit, amount in sorted(amounts.items()) if amount])


def job_cost_text(job: Job) -> str:
    """Return what a job cost, as far as it is known; what may have been charged is not free."""
    known = amounts_text(job.cost)
    if not job.uncertain_cost:
        return known or _("Free")
    perhaps = amounts_text(job.uncertain_cost)
    if known and perhaps:
        return _("{amount}, perhaps {more} more").format(amount=known, more=perhaps)
    if perhaps:
        return _("Perhaps {amount}").format(amount=perhaps)
    return _("{amount} or more").format(amount=known) if known else _("Not known")
