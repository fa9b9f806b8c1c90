"""Stable Diffusion on the worker's own machine."""

from core.providers.base import Provider
from core.settings import Settings


def from_settings(settings: Settings) -> list[Provider]:
    """Return diffusers where `DIFFUSERS_IMAGE_MODELS` or `DIFFUSERS_VIDEO_MODELS` is set."""
    images, videos = settings.diffusers_image_models, settings.diffusers_video_models
    if not (images or videos):
        return []
    from core.providers.diffusion.provider import Diffusion  # noqa: PLC0415  # only where wanted

    device, batch = settings.diffusers_device, settings.diffusers_batch
    return [Diffusion(images, videos, device=device, batch=batch)]
