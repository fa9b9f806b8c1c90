"""Which generators the settings switch on. Each is loaded only where it is."""

from dataclasses import replace

from core.i18n import N_
from core.providers.base import Limits, Provider
from core.providers.registry import Catalogue, configured
from core.settings import Settings


def open_catalogue(settings: Settings) -> Catalogue:
    """Return the providers that the settings switch on, those to be preferred first."""
    narrowed = {name: Limits(**each.model_dump()) for name, each in settings.limits.items()}
    return configured(
        [*_openai(settings), *_runway(settings), *_diffusers(settings)],
        _horde(settings),
        drawing_processes=settings.drawing_processes,
        narrowed=narrowed,
    )


def _openai(settings: Settings) -> list[Provider]:
    key = settings.openai_api_key.get_secret_value()
    base_url = settings.openai_base_url or None
    if not (key or base_url or settings.openai_servers):
        return []
    from core.providers.openai.models import Price  # noqa: PLC0415
    from core.providers.openai.provider import OpenAI, Server  # noqa: PLC0415

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
                prices={
                    model: Price(**price.model_dump())
                    for model, price in settings.openai_prices.items()
                },
            )
        )
    for name, server in settings.openai_servers.items():
        fields = server.model_dump() | {
            "title": server.title or name,
            "api_key": server.api_key.get_secret_value(),
        }
        servers.append(Server(name=name, key_setting="OPENAI_SERVERS", **fields))
    return [OpenAI(replace(server, closed_ports={settings.port})) for server in servers]


def _runway(settings: Settings) -> list[Provider]:
    secret = settings.runwayml_api_secret.get_secret_value()
    if not secret:
        return []
    from core.providers.runway.provider import Runway  # noqa: PLC0415

    return [Runway(secret, base_url=settings.runwayml_base_url or None)]


def _diffusers(settings: Settings) -> list[Provider]:
    images, videos = settings.diffusers_image_models, settings.diffusers_video_models
    if not (images or videos):
        return []
    from core.providers.diffusion.provider import Diffusion  # noqa: PLC0415

    device, batch = settings.diffusers_device, settings.diffusers_batch
    return [Diffusion(images, videos, device=device, batch=batch)]


def _horde(settings: Settings) -> list[Provider]:
    if not settings.ai_horde:
        return []
    from core.providers.horde.provider import Horde  # noqa: PLC0415

    key = settings.ai_horde_api_key.get_secret_value()
    models = settings.ai_horde_models
    return [Horde(key, base_url=settings.ai_horde_base_url, models=models)]
