"""Small pictures for grids: WebP previews, and posters for clips."""

from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final

from PIL import Image

PREVIEW_PIXELS: Final = 480  # the longer side
POSTER_PIXELS: Final = 1280


def save_preview(still: Image.Image, path: Path | BinaryIO, pixels: int = PREVIEW_PIXELS) -> None:
    """Write a picture as WebP, no side longer than `pixels`."""
    small = still.copy()
    small.thumbnail((pixels, pixels), Image.Resampling.LANCZOS)
    small.save(path, "WEBP", quality=82, method=4)


def preview_of(content: bytes) -> bytes:
    """Return an image file's picture as a small WebP file.

    Raises:
        OSError: it is no image.
    """
    buffer = BytesIO()
    with Image.open(BytesIO(content)) as image:
        save_preview(image.convert("RGB"), buffer)
    return buffer.getvalue()
