"""Probes: the checks of one part of Fivefold, for `doctor` and `make run`."""

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from core.providers.errors import ProviderError


@dataclass(frozen=True)
class Probe:
    """The check of one part, by the code that uses it in production."""

    #: The part.
    name: str
    #: Returns the facts; anything that it raises is the fault.
    check: Callable[[], str]
    #: The quick part of the check, without the network, which `make run` does before its banner;
    #: None: there is none.
    quick: Callable[[], str] | None = None

    @classmethod
    def all_quick(cls, name: str, check: Callable[[], str]) -> "Probe":
        """Return a probe whose whole check is quick."""
        return cls(name, check, check)


@dataclass(frozen=True)
class Finding:
    """The result of one check."""

    #: The part that was checked.
    name: str
    ok: bool
    #: The facts, or what is wrong and what to do.
    text: str

    def to_json(self) -> dict[str, Any]:
        """Return the finding for `--json`."""
        return asdict(self)


def finding_of(name: str, check: Callable[[], str]) -> Finding:
    """Run a check and return its result."""
    try:
        return Finding(name, ok=True, text=check())
    except ProviderError as error:
        return Finding(name, ok=False, text=error.final)  # `doctor` does not retry
    except Exception as error:  # noqa: BLE001  # any error is a finding
        return Finding(name, ok=False, text=str(error))
