"""Images as what is looked over next knows them: PNG or JPEG."""

import asyncio
from io import BytesIO
from pathlib import Path

from PIL import Image


def as_image_file(content: bytes) -> bytes:
    """Return an image as PNG or JPEG: untouched where it is one, else as PNG.

    Raises:
        OSError: it is no image.
    """
    try:
        with Image.open(BytesIO(content)) as image:
            if image.format in {"PNG", "JPEG"}:
                return content
            buffer = BytesIO()
            image.save(buffer, "PNG")
            return buffer.getvalue()
    except Image.DecompressionBombError as error:
        raise OSError(str(error)) from error


async def convert_still(path: Path) -> None:
    """Make a PNG of an image that is neither PNG nor JPEG."""
    await asyncio.to_thread(_convert, path)


def _convert(path: Path) -> None:
    content = path.read_bytes()
    try:
        converted = as_image_file(content)
    except (OSError, ValueError, SyntaxError):
        return  # whoever looks it over says what is wrong with it
    if converted is not content:
        path.write_bytes(converted)
