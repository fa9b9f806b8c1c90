"""Small pictures for grids: WebP previews, and posters of clips."""

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import BinaryIO, Final

from PIL import Image

from core.media import stills

PREVIEW_PIXELS: Final = 480  # the longer side
POSTER_PIXELS: Final = 1280
MAX_FRAMES: Final = 48  # of an animated preview

Frame = tuple[Image.Image, float]
"""A picture and its duration in seconds."""


def save_preview(still: Image.Image, path: Path | BinaryIO, pixels: int = PREVIEW_PIXELS) -> None:
    """Write a picture as WebP with transparency, no side longer than `pixels`."""
    small = still.copy()
    small.thumbnail((pixels, pixels), Image.Resampling.LANCZOS)
    small.save(path, "WEBP", quality=82, method=4)


def preview_bytes(frames: Sequence[Frame], pixels: int = PREVIEW_PIXELS) -> bytes:
    """Return pictures as a small WebP file, animated where there are several."""
    buffer = BytesIO()
    if len(frames) == 1:
        save_preview(frames[0][0], buffer, pixels)
        return buffer.getvalue()
    first, *rest = (picture for picture, _ in frames)
    durations = [round(1000 * seconds) for _, seconds in frames]
    first.save(
        buffer, "WEBP", save_all=True, append_images=rest, duration=durations, loop=0, quality=75
    )
    return buffer.getvalue()


class Sample:
    """Frames of an animation for its preview: at most `MAX_FRAMES`, evenly spread."""

    def __init__(self) -> None:
        self.frames: list[Frame] = []
        self._every = 1
        self._seen = 0

    def add(self, image: Image.Image, seconds: float) -> None:
        """Add a frame, or extend the duration of the one before it."""
        if self._seen % self._every:
            picture, before = self.frames[-1]
            self.frames[-1] = (picture, before + seconds)
        else:
            self.frames.append((stills.displayed(image, PREVIEW_PIXELS), seconds))
        self._seen += 1
        if len(self.frames) > MAX_FRAMES:
            self._every *= 2
            self.frames = [
                (picture, seconds + sum(each for _, each in self.frames[at + 1 : at + 2]))
                for at, (picture, seconds) in enumerate(self.frames)
                if at % 2 == 0
            ]


def preview_of(content: bytes) -> bytes:
    """Return the preview of an image file.

    Raises:
        OSError: it is no image.
        ValueError: likewise, or it is too large.
    """
    with NamedTemporaryFile(prefix="fivefold-") as file:
        file.write(content)
        file.flush()
        with stills.opened(Path(file.name)) as image:
            image.load()
            return preview_bytes([(stills.displayed(image, PREVIEW_PIXELS), 0.0)])
