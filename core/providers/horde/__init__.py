"""The AI Horde."""

from core.providers.base import Provider
from core.settings import Settings


def from_settings(settings: Settings) -> list[Provider]:
    """Return the AI Horde where `AI_HORDE` is true."""
    if not settings.ai_horde:
        return []
    from core.providers.horde.provider import Horde  # noqa: PLC0415  # only where wanted

    key = settings.ai_horde_api_key.get_secret_value()
    models = settings.ai_horde_models
    return [Horde(key, base_url=settings.ai_horde_base_url, models=models)]
