"""How a part of Fivefold is checked: one probe each, for `doctor` and for `make run`."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from core.providers.errors import ProviderError


@dataclass(frozen=True)
class Probe:
    """One part, and how it is checked: by what works with it in production.

    Attributes:
        name: the part.
        check: returns the facts; whatever it raises is what is wrong.
        quick: what of that takes no time and asks nobody outside, which `make run` does before its
            banner; None: nothing of it.
    """

    name: str
    check: Callable[[], str]
    quick: Callable[[], str] | None = None

    @classmethod
    def all_quick(cls, name: str, check: Callable[[], str]) -> "Probe":
        """Return a probe that takes no time."""
        return cls(name, check, check)


@dataclass(frozen=True)
class Finding:
    """What one check found.

    Attributes:
        name: what was checked.
        ok: whether it is in order.
        text: the facts, or what is wrong and what to do.
    """

    name: str
    ok: bool
    text: str

    def to_json(self) -> dict[str, Any]:
        """Return the finding for `--json`."""
        return asdict(self)


def looked_at(name: str, check: Callable[[], str]) -> Finding:
    """Return what a check finds."""
    try:
        return Finding(name, ok=True, text=check())
    except ProviderError as error:
        return Finding(name, ok=False, text=error.final)  # nobody tries again here
    except Exception as error:  # noqa: BLE001  # whatever it is, it is the finding
        return Finding(name, ok=False, text=str(error))
