"""The catalogue of a Fivefold without settings and plug-ins."""

from core.providers.illustrator.provider import Illustrator
from core.providers.registry import Catalogue


def illustrator_only() -> Catalogue:
    """A catalogue of the built-in illustrator."""
    drawing = Illustrator()
    return Catalogue({drawing.name: drawing})
