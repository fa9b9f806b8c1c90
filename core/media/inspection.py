"""Looking a finished file over before anybody is told that it is there."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
from PIL import Image

from core.i18n import N_
from core.models import Kind

_IMAGE_EXTENSIONS: Final = {"PNG": "png", "JPEG": "jpg"}
_LENGTH_TOLERANCE: Final = 0.5  # seconds; encoders round to whole frames


class BrokenMedia(Exception):
    """The file is not what was promised; the text says in which way."""


@dataclass(frozen=True)
class Inspection:
    """What a file turned out to be.

    Attributes:
        extension: of the file's name, without the dot.
        width: in pixels.
        height: in pixels.
        seconds: a clip's length; None for an image.
        bytes: the file's size.
        sha256: of the file's content, in hex.
        still: the image, or a frame from a third into the clip, RGB.
    """

    extension: str
    width: int
    height: int
    seconds: float | None
    bytes: int
    sha256: str
    still: Image.Image


def inspect(
    path: Path, kind: Kind, *, width: int | None, height: int | None, seconds: float | None
) -> Inspection:
    """Decode a file to its end and compare it with what was promised.

    Args:
        path: the file.
        kind: what it has to be.
        width: the promised width in pixels; None: any.
        height: the promised height in pixels; None: any.
        seconds: the promised length of a clip; None: any.

    Raises:
        BrokenMedia: it does not decode, or is of another kind, size or length.
    """
    size = path.stat().st_size
    if size == 0:
        raise BrokenMedia(N_("The file that came is empty."))
    try:
        if kind == Kind.IMAGE:
            extension, still = _read_image(path)
            length = None
        else:
            extension = "mp4"
            still, length = _read_clip(path)
    except (OSError, ValueError, SyntaxError, av.error.FFmpegError) as error:
        raise BrokenMedia(_UNREADABLE[kind]) from error
    if (width, height) != (None, None) and still.size != (width, height):
        raise BrokenMedia(
            _OTHER_SIZE[kind].format(
                has_width=still.width, has_height=still.height, width=width, height=height
            )
        )
    if length is not None and seconds is not None and abs(length - seconds) > _LENGTH_TOLERANCE:
        sentence = N_("The clip lasts {has_seconds} s instead of {seconds} s.")
        raise BrokenMedia(sentence.format(has_seconds=f"{length:.1f}", seconds=f"{seconds:g}"))
    with path.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
    return Inspection(extension, still.width, still.height, length, size, digest, still)


_UNREADABLE: Final = {
    Kind.IMAGE: N_("The file that came does not open as an image."),
    Kind.VIDEO: N_("The file that came does not open as a video."),
}
_OTHER_SIZE: Final = {
    Kind.IMAGE: N_(
        "The image has {has_width} × {has_height} pixels instead of {width} × {height}."
    ),
    Kind.VIDEO: N_(
        "The video has {has_width} × {has_height} pixels instead of {width} × {height}."
    ),
}


def _read_image(path: Path) -> tuple[str, Image.Image]:
    with Image.open(path, formats=list(_IMAGE_EXTENSIONS)) as image:
        image.load()
        return _IMAGE_EXTENSIONS[str(image.format)], image.convert("RGB")


def _read_clip(path: Path) -> tuple[Image.Image, float]:
    """Decode every frame; return one from a third into the clip, and the length in seconds."""
    with av.open(str(path)) as container:
        if not container.streams.video or "mp4" not in container.format.name:
            raise ValueError("no MP4 video")
        stream = container.streams.video[0]
        expected, rate = stream.frames, stream.average_rate
        still, count = None, 0
        for frame in container.decode(stream):
            count += 1
            if still is None or count == expected // 3:
                still = frame
        if still is None or rate is None or count < expected:
            raise ValueError("frames are missing")
        image: Image.Image = still.to_image()  # type: ignore[no-untyped-call]  # PyAV leaves it so
        return image, float(count / rate)
