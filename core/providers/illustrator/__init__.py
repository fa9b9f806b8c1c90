"""The built-in illustrator: draws what a prompt speaks of with our own code, not an AI model.

`provider` is what the rest of Fivefold sees; `render` draws, in the processes of its pool.
"""

from core.providers.base import Provider
from core.settings import Settings


def from_settings(settings: Settings) -> list[Provider]:
    """Return the illustrator, which is always there."""
    from core.providers.illustrator.provider import Illustrator  # noqa: PLC0415  # loads Pebble

    return [Illustrator(settings.drawing_processes)]
