"""Style presets: words that are added to a prompt."""

from typing import Final

from core.i18n import N_

STYLES: Final = {
    "photo": (N_("Photograph"), "a photograph, natural light, fine detail"),
    "cinematic": (N_("Cinematic"), "cinematic film still, shallow depth of field, dramatic light"),
    "watercolour": (N_("Watercolour"), "watercolour painting, soft washes, paper grain"),
    "oil": (N_("Oil painting"), "oil painting, visible brush strokes, rich colours"),
    "sketch": (N_("Pencil sketch"), "pencil sketch, hatching, on white paper"),
    "anime": (N_("Anime"), "anime illustration, clean lines, flat bright colours"),
    "3d": (N_("3D render"), "3D render, soft global illumination, high detail"),
    "pixel": (N_("Pixel art"), "pixel art, limited palette"),
}
"""Style → (its title, the words)."""


def styled(prompt: str, style: str | None) -> str:
    """Return a prompt with a style's words after it.

    Raises:
        KeyError: there is no such style.
    """
    return prompt if style is None else f"{prompt.rstrip()}, {STYLES[style][1]}"
