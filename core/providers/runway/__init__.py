"""RunwayML."""

from core.providers.base import Provider
from core.settings import Settings


def from_settings(settings: Settings) -> list[Provider]:
    """Return RunwayML where `RUNWAYML_API_SECRET` is set."""
    secret = settings.runwayml_api_secret.get_secret_value()
    if not secret:
        return []
    from core.providers.runway.provider import Runway  # noqa: PLC0415  # loads the SDK

    return [Runway(secret, base_url=settings.runwayml_base_url or None)]
