"""Style presets: words that are added to a prompt."""

from typing import Final

STYLES: Final = {
    "photo": ("Photograph", "a photograph, natural light, fine detail"),
    "cinematic": ("Cinematic", "cinematic film still, shallow depth of field, dramatic light"),
    "watercolour": ("Watercolour", "watercolour painting, soft washes, paper grain"),
    "oil": ("Oil painting", "oil painting, visible brush strokes, rich colours"),
    "sketch": ("Pencil sketch", "pencil sketch, hatching, on white paper"),
    "anime": ("Anime", "anime illustration, clean lines, flat bright colours"),
    "3d": ("3D render", "3D render, soft global illumination, high detail"),
    "pixel": ("Pixel art", "pixel art, limited palette"),
}
"""Style → (its title, the words)."""


def styled(prompt: str, style: str | None) -> str:
    """Return a prompt with a style's words after it.

    Raises:
        KeyError: there is no such style.
    """
    return prompt if style is None else f"{prompt.rstrip()}, {STYLES[style][1]}"
