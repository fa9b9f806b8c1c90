"""Which providers there are, and which one makes what."""

import logging
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Final

from core.models import Kind
from core.providers.base import Capability, Provider
from core.providers.illustrator.provider import Illustrator

ENTRY_POINTS: Final = "fivefold.providers"
"""Group of the entry points by which an installed package adds a provider: each names a function
without arguments that returns a `Provider`, or None where it is not switched on."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Catalogue:
    """The configured providers by name, those to be preferred first.

    Attributes:
        providers: by their names.
        broken: providers that could not be made, by the names of their entry points, with the
            reason.
    """

    providers: dict[str, Provider]
    broken: dict[str, str] = field(default_factory=dict)

    def choose(self, kind: Kind) -> tuple[Provider, Capability]:
        """Return the provider and model that make a kind where the user chose none.

        Raises:
            LookupError: no configured provider makes it.
        """
        for provider in self.providers.values():
            for capability in provider.capabilities():
                if capability.kind == kind:
                    return provider, capability
        raise LookupError(f"No configured provider makes {kind}s.")

    def capability(self, provider: str, kind: Kind, model: str) -> Capability | None:
        """Return what a provider's model can do; None where it is not configured (any more)."""
        found = self.providers.get(provider)
        capabilities = () if found is None else found.capabilities()
        return next(
            (each for each in capabilities if (each.kind, each.model) == (kind, model)), None
        )

    def model(self, provider: str, model: str) -> Capability | None:
        """Return a capability of a provider's model, whichever kind; limits are the model's."""
        found = self.providers.get(provider)
        capabilities = () if found is None else found.capabilities()
        return next((each for each in capabilities if each.model == model), None)

    async def close(self) -> None:
        """Close every provider."""
        for provider in self.providers.values():
            await provider.close()


def configured(*, drawing_processes: int = 0) -> Catalogue:
    """Return the providers that are switched on.

    Args:
        drawing_processes: processes that the built-in illustrator draws in; 0: one a CPU core.
    """
    providers: dict[str, Provider] = {}
    broken: dict[str, str] = {}
    for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda each: each.name):
        try:
            added = entry.load()()
        except Exception as error:  # noqa: BLE001  # one package's mistake takes no other down
            _log.exception("the provider “%s” cannot be used", entry.name)
            broken[entry.name] = f"{type(error).__name__}: {error}"
        else:
            if added is not None:
                providers[added.name] = added
    illustrator = Illustrator(drawing_processes)
    return Catalogue(providers | {illustrator.name: illustrator}, broken)
