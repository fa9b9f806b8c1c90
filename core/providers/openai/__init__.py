"""OpenAI, and servers that speak its language."""

from dataclasses import replace

from core.i18n import N_
from core.providers.base import Provider
from core.settings import Settings


def from_settings(settings: Settings) -> list[Provider]:
    """Return a provider for OpenAI or `OPENAI_BASE_URL`, and one for each of `OPENAI_SERVERS`."""
    key = settings.openai_api_key.get_secret_value()
    base_url = settings.openai_base_url or None
    if not (key or base_url or settings.openai_servers):
        return []
    from core.providers.openai.provider import OpenAI, Server  # noqa: PLC0415  # loads the SDK

    servers = []
    if key or base_url:
        servers.append(
            Server(
                title="OpenAI" if base_url is None else N_("OpenAI-compatible"),
                base_url=base_url,
                api_key=key,
                image_models=settings.openai_image_models,
                video_models=settings.openai_video_models,
                paid=bool(key),  # a server that wants no key sends no bill
                moderated=settings.openai_moderation,
                partial_images=settings.openai_partial_images,
                dialect=settings.openai_dialect,
                prices=settings.openai_prices,
            )
        )
    for name, server in settings.openai_servers.items():
        fields = server.model_dump() | {
            "title": server.title or name,
            "api_key": server.api_key.get_secret_value(),
        }
        servers.append(Server(name=name, key_setting="OPENAI_SERVERS", **fields))
    return [OpenAI(replace(server, closed_ports={settings.port})) for server in servers]
