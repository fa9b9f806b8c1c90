"""Small pictures for grids: WebP previews, and posters for clips."""

from pathlib import Path
from typing import Final

from PIL import Image

PREVIEW_PIXELS: Final = 480  # the longer side
POSTER_PIXELS: Final = 1280


def save_preview(still: Image.Image, path: Path, pixels: int = PREVIEW_PIXELS) -> None:
    """Write a picture as WebP, no side longer than `pixels`."""
    small = still.copy()
    small.thumbnail((pixels, pixels), Image.Resampling.LANCZOS)
    small.save(path, "WEBP", quality=82, method=4)
