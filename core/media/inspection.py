"""Inspecting a finished file before it is published.

Whatever decodes is kept as it came. `inspect` reads untrusted files, so workers call it in a
process of its own (`bounded`).
"""

import hashlib
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Final

import av
from PIL import Image

from core.i18n import N_
from core.media import clips, stills
from core.media.bounded_process import OutOfBounds, bounded
from core.media.display_frames import Turner, has_alpha, turns
from core.media.formats import STILL_EXTENSIONS
from core.media.previews import POSTER_PIXELS, Sample, preview_bytes
from core.models import Kind

INSPECT_SECONDS: Final = 300.0
UNBOUNDED: Final = N_("The file that came takes more memory or time to read than a file may take.")

ALMOST: Final = 0.01
"""The share that a file may lack at its end: the rest is displayed, and was paid for."""
_LENGTH_TOLERANCE: Final = 0.5  # seconds; encoders round to whole frames
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
_COMMON_TURNS: Final = ((), ("transpose=clock",), ("transpose=cclock",), ("hflip", "vflip"))
_H264: Final = frozenset({"Baseline", "Constrained Baseline", "Main", "High"})
_AAC: Final = frozenset({"LC", "HE-AAC", "HE-AACv2"})


class BrokenMedia(Exception):
    """The file is not what was requested; the text says in which way."""


@dataclass(frozen=True)
class Inspection:
    """The properties of a file.

    Attributes:
        extension: for the file's name, without the dot, by its format.
        width: as it is displayed, in pixels.
        height: likewise.
        seconds: a clip's length; None for an image.
        preview: a small WebP file, animated where the image is.
        poster: a larger one of a clip; None for an image.
        displayable: whether it is PNG, JPEG or MP4 and all browsers display it; else a display copy
            is made (`core.media.display_copies`).
        bytes: the file's size.
        sha256: of the file's content, in hex.
    """

    extension: str
    width: int
    height: int
    seconds: float | None
    preview: bytes
    poster: bytes | None
    displayable: bool
    bytes: int
    sha256: str

    @property
    def still(self) -> Image.Image:
        """The image, or a frame from a third into the clip, as large as a preview or poster."""
        with Image.open(BytesIO(self.poster or self.preview)) as image:
            return image.convert("RGB")


def inspect(
    path: Path,
    kind: Kind,
    *,
    width: int | None = None,
    height: int | None = None,
    seconds: float | None = None,
) -> Inspection:
    """Decode a file to its end and compare it with what was requested.

    Args:
        path: the file.
        kind: the expected kind.
        width: the expected width in pixels; None: any.
        height: the expected height in pixels; None: any.
        seconds: the expected length of a clip; None: any.

    Raises:
        BrokenMedia: it does not decode, or is of another kind, size or length.
    """
    if path.stat().st_size == 0:
        raise BrokenMedia(N_("The file that came is empty."))
    try:
        found = (_read_image if kind == Kind.IMAGE else _read_clip)(path)
    except stills.TooLarge as error:
        raise BrokenMedia(str(error)) from None
    except MemoryError:
        raise BrokenMedia(UNBOUNDED) from None
    except (OSError, ValueError, SyntaxError, EOFError, av.error.FFmpegError) as error:
        raise BrokenMedia(_UNREADABLE[kind]) from error
    if (width, height) != (None, None) and (found.width, found.height) != (width, height):
        raise BrokenMedia(
            _OTHER_SIZE[kind].format(
                has_width=found.width, has_height=found.height, width=width, height=height
            )
        )
    length = found.seconds
    if length is not None and seconds is not None and abs(length - seconds) > _LENGTH_TOLERANCE:
        sentence = N_("The clip lasts {has_seconds} s instead of {seconds} s.")
        raise BrokenMedia(sentence.format(has_seconds=f"{length:.1f}", seconds=f"{seconds:g}"))
    return found


def _read_image(path: Path) -> Inspection:
    with stills.opened(path) as image:
        extension = STILL_EXTENSIONS[str(image.format)]
        sample, size = Sample(), None
        for frame, lasts in stills.frames(image):
            size = size or stills.displayed_size(frame)  # a TIFF file is rotated as it is decoded
            sample.add(frame, lasts)
        width, height = size or stills.displayed_size(image)
        preview = preview_bytes(sample.frames)
    shown = extension in {"png", "jpg"}
    return Inspection(extension, width, height, None, preview, None, shown, *_content(path))


def _read_clip(path: Path) -> Inspection:
    if is_animation(path):
        return _read_animation(path)
    broken: list[Exception] = []
    with clips.opened(path) as clip:
        missing = clips.bytes_missing(path)
        if missing > ALMOST * path.stat().st_size:
            raise ValueError("it breaks off")
        turner = Turner(clip.stream.sample_aspect_ratio)
        first = last = still = None
        count, end = 0, Fraction(0)
        third = _third(clip)
        for due, lasts, frame in clip.frames(broken):
            first = (due, frame) if first is None else first
            if still is None or due - first[0] <= third:
                still = frame
            count, end, last = count + 1, max(end, due + lasts), frame
        if first is None or last is None or still is None:
            raise ValueError("no frame decodes")
        width, height = turner.size(first[1])
        picture = turner.picture(still)
        # Players differ in how much of a clip they show whose edit list leaves something out.
        shown = not missing and not broken and count >= clip.stream.frames and _plays(clip, still)
        extension = clip.extension
    picture.thumbnail((POSTER_PIXELS, POSTER_PIXELS))
    poster = preview_bytes([(picture, 0.0)], POSTER_PIXELS)
    preview = preview_bytes([(picture, 0.0)])
    length = round(float(end - first[0]), 3)
    return Inspection(extension, width, height, length, preview, poster, shown, *_content(path))


def _read_animation(path: Path) -> Inspection:
    """Inspect an animated image that came as a clip."""
    with stills.opened(path) as image:
        extension = STILL_EXTENSIONS[str(image.format)]
        width, height = stills.displayed_size(image)
        sample, seconds, poster = Sample(), 0.0, b""
        for frame, lasts in stills.frames(image):
            sample.add(frame, lasts)
            poster = poster or preview_bytes([(stills.displayed(frame, POSTER_PIXELS), 0.0)])
            seconds += lasts
        preview = preview_bytes(sample.frames)
    length, shown = round(seconds, 3), False
    return Inspection(extension, width, height, length, preview, poster, shown, *_content(path))


def _content(path: Path) -> tuple[int, str]:
    """Return a file's size and its SHA-256."""
    with path.open("rb") as content:
        return path.stat().st_size, hashlib.file_digest(content, "sha256").hexdigest()


def is_animation(path: Path) -> bool:
    """Return whether a file is an animated image."""
    try:
        with stills.opened(path) as image:
            return stills.is_moving(image)
    except (OSError, ValueError, SyntaxError):
        return False


def _third(clip: clips.Clip) -> Fraction:
    """Return a third of a clip's length by its header, in seconds."""
    stream, container = clip.stream, clip.container
    if stream.duration and stream.time_base:
        return stream.duration * stream.time_base / 3
    return Fraction(container.duration or 0, 3 * av.time_base)


def _plays(clip: clips.Clip, frame: av.VideoFrame) -> bool:
    """Return whether Chromium, Firefox and Safari all play a clip as it is; False when in doubt.

    By MDN's “Media container formats” and “Web video codec guide”, these are safe everywhere: MP4
    that begins with its `ftyp` box; H.264 in a profile without anything beyond 8 bits and 4:2:0,
    progressive; AAC or MP3 for its sound, or none. Not all of them rotate mirrored pictures, or
    stretch pixels that are not square.
    """
    codec = clip.stream.codec_context
    pictures = [s for s in clip.container.streams.video if s.codec_context is not None]
    sounds = [s.codec_context for s in clip.container.streams.audio]
    return (
        clip.extension == "mp4"
        and clip.start == 0
        and _head(clip.path)[4:] == b"ftyp"
        and len(pictures) == 1
        and codec.name == "h264"
        and codec.profile in _H264
        and frame.format.name in {"yuv420p", "yuvj420p"}
        and not frame.interlaced_frame
        and not has_alpha(frame)
        and (clip.stream.sample_aspect_ratio or 1) == 1
        and turns(frame) in _COMMON_TURNS
        and all(
            sound is not None and _is_playable_sound(sound.name, sound.profile) for sound in sounds
        )
    )


def _is_playable_sound(codec: str, profile: str | None) -> bool:
    return codec in {"mp3", "mp3float"} or (codec == "aac" and profile in _AAC)


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(8)


async def inspect_bounded(
    path: Path, kind: Kind, width: int | None, height: int | None, seconds: float | None
) -> Inspection:
    """Call `inspect` in a process that is bounded in memory and time.

    Raises:
        BrokenMedia: as `inspect` does, or it takes too much of these.
    """
    try:
        call = partial(inspect, width=width, height=height, seconds=seconds)
        return await bounded(call, path, kind, seconds=INSPECT_SECONDS)
    except OutOfBounds:
        raise BrokenMedia(UNBOUNDED) from None
