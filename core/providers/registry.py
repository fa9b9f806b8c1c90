"""Which providers there are, and which one makes what."""

from dataclasses import dataclass

from core.models import Kind
from core.providers.base import Capability, Provider
from core.providers.illustrator.provider import Illustrator


@dataclass(frozen=True)
class Catalogue:
    """The configured providers by name, those to be preferred first."""

    providers: dict[str, Provider]

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

    async def close(self) -> None:
        """Close every provider."""
        for provider in self.providers.values():
            await provider.close()


def configured(*, drawing_processes: int = 0) -> Catalogue:
    """Return the providers that are switched on.

    Args:
        drawing_processes: processes that the built-in illustrator draws in; 0: one a CPU core.
    """
    illustrator = Illustrator(drawing_processes)
    return Catalogue({illustrator.name: illustrator})
