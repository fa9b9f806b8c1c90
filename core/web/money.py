"""What things cost, in words."""

from collections.abc import Mapping

_DOLLAR = "USD"


def amount_text(amount: float, unit: str) -> str:
    """Return an amount such as “$0.21”, “less than 1 cent” or “125 credits”."""
    if unit != _DOLLAR:
        return f"{amount:,.10g} {unit}"
    if 0 < amount < 0.01:  # noqa: PLR2004  # a cent
        return "less than 1 cent"
    return f"${amount:,.2f}"


def amounts_text(amounts: Mapping[str, float]) -> str:
    """Return amounts by unit as one text; empty where there are none."""
    return " and ".join(
        amount_text(amount, unit) for unit, amount in sorted(amounts.items()) if amount
    )
