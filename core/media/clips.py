"""Reading untrusted clips: bounded, with the times of their frames."""

import io
import struct
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Final, cast

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.codeccontext import VideoCodecContext
from av.video.frame import VideoFrame
from av.video.stream import VideoStream

from core.media.formats import CLIP_EXTENSIONS
from core.media.stills import TooLarge

MAX_PIXELS: Final = 8192 * 4352  # 8K, in whole blocks
MAX_SIDE: Final = 16384
LEADING_BYTES: Final = 64 * 1024  # that may precede an MP4 file

# Files and addresses that a file refers to are not opened.
_OPTIONS: Final = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm," + ",".join(CLIP_EXTENSIONS),
    "protocol_whitelist": "file",
    "max_streams": "64",
}
_EBML: Final = b"\x1a\x45\xdf\xa3"
_SEGMENT: Final = b"\x18\x53\x80\x67"


class _OffsetFile(io.FileIO):
    """A file without its first bytes."""

    def __init__(self, path: Path, start: int) -> None:
        super().__init__(path)
        self._start = start
        super().seek(start)

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        ahead = self._start if whence == io.SEEK_SET else 0
        return super().seek(offset + ahead, whence) - self._start

    def tell(self) -> int:
        return super().tell() - self._start


@dataclass(frozen=True)
class Clip:
    """An opened clip.

    Attributes:
        path: of the file.
        container: the opened file.
        stream: its video.
        decoder: of the video.
        start: offset at which the clip begins in the file.
    """

    path: Path
    container: InputContainer
    stream: VideoStream
    decoder: VideoCodecContext
    start: int

    @property
    def extension(self) -> str:
        """The extension for the file's name, by its format."""
        name = CLIP_EXTENSIONS.get(self.container.format.name.split(",")[0], "")
        if name == "mov":
            brand = self.container.metadata.get("major_brand", "qt").strip()
            return "mov" if brand == "qt" else "mp4"
        if name == "mkv":
            with self.path.open("rb") as file:
                return "webm" if b"webm" in file.read(64) else "mkv"
        return name

    @property
    def frame_duration(self) -> Fraction:
        """The duration of a frame where the file does not have it, in seconds."""
        rate = self.stream.average_rate or self.stream.guessed_rate
        return 1 / rate if rate else Fraction(1, 25)

    def frames(self, broken: list[Exception]) -> Iterator[tuple[Fraction, Fraction, VideoFrame]]:
        """Decode the video to its end.

        Args:
            broken: errors of packets that could not be decoded are added here.

        Returns:
            the time and the duration of each frame, in seconds, and the frame.

        Raises:
            TooLarge: a frame is larger than the header says, and too large.
        """
        due = Fraction(0)
        for packet in self.container.demux(self.stream):
            if packet.is_corrupt:
                broken.append(ValueError("a packet breaks off"))
            try:
                decoded = self.decoder.decode(packet)
            except (av.error.InvalidDataError, av.error.PatchWelcomeError) as error:
                broken.append(error)
                continue
            for frame in decoded:
                check_size(frame.width, frame.height)
                base = frame.time_base or self.stream.time_base
                if frame.pts is not None and base:
                    due = frame.pts * base
                lasts = frame.duration * base if frame.duration and base else self.frame_duration
                yield due, lasts, frame
                due += lasts


@contextmanager
def opened(path: Path) -> Iterator[Clip]:
    """Open a clip whose header says that it can be decoded.

    Raises:
        TooLarge: it has too many pixels.
        ValueError: it has no video.
        av.error.FFmpegError: it is no clip of a kind in `CLIP_EXTENSIONS`.
    """
    start = _beginning(path)
    with (
        _OffsetFile(path, start) if start else nullcontext(str(path)) as source,
        av.open(cast("Any", source), options=_OPTIONS) as container,
    ):
        stream = _video_stream(container)
        if stream is None:
            raise ValueError("nothing moves in it")
        decoder = _decoder(stream)
        check_size(stream.codec_context.width, stream.codec_context.height)
        decoder.thread_count = 2
        yield Clip(path, container, stream, decoder, start)


def check_size(width: int, height: int) -> None:
    """Check that frames of a size may be decoded.

    Raises:
        TooLarge: they may not.
    """
    if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
        raise TooLarge(width, height)


def bytes_missing(path: Path) -> int:
    """Return how many bytes a file lacks by its own header: MP4, WebM and AVI have one for that."""
    size = path.stat().st_size
    with path.open("rb") as file:
        head = file.read(64)
        if head[:4] == b"RIFF":
            return max(0, int.from_bytes(head[4:8], "little") + 8 - size)
        if head[:4] == _EBML:
            return max(0, _end_of_segment(head) - size)
        at = _beginning(path)
        while at + 8 <= size:
            file.seek(at)
            length, name = struct.unpack(">I4s", file.read(8))
            if not name.isalnum() and at > 0:
                return 0  # what follows the last box is no box
            if length == 1:
                (length,) = struct.unpack(">Q", file.read(8).ljust(8, b"\xff"))
            if length < 8:  # noqa: PLR2004  # 0: to the end of the file
                return 0
            if name in {b"mdat", b"moov", b"moof"} and at + length > size:
                return int(at + length - size)
            at += length
    return 0


def _end_of_segment(head: bytes) -> int:
    """Return the end of a Matroska file by its header; 0: unknown (RFC 8794, 6)."""
    at = head.find(_SEGMENT)
    if at < 0 or at + 5 > len(head):
        return 0
    width = 9 - head[at + 4].bit_length()
    field = head[at + 4 : at + 4 + width]
    value = int.from_bytes(field, "big") & ((1 << 7 * width) - 1)
    known = len(field) == width and value != (1 << 7 * width) - 1
    return at + 4 + width + value if known else 0


def _beginning(path: Path) -> int:
    """Return the offset of an MP4 file within a file; 0 for all others."""
    with path.open("rb") as file:
        head = file.read(LEADING_BYTES)
    if head[:4] in {b"RIFF", _EBML} or head[4:8] in {b"ftyp", b"moov", b"mdat", b"free", b"wide"}:
        return 0
    return max(0, head.find(b"ftyp") - 4)


def _video_stream(container: InputContainer) -> VideoStream | None:
    """Return the video stream that is displayed; a cover picture is none."""
    for stream in container.streams.video:
        cover = Disposition.attached_pic | Disposition.timed_thumbnails
        if not stream.disposition & cover and stream.codec_context is not None:
            return stream
    return None


def _decoder(stream: VideoStream) -> VideoCodecContext:
    """Return a stream's decoder; FFmpeg's own for VP8 and VP9 ignore transparency."""
    name = stream.codec_context.name
    alpha = stream.metadata.get("alpha_mode", stream.metadata.get("ALPHA_MODE"))
    if alpha == "1" and name in {"vp8", "vp9"}:
        other = "libvpx" if name == "vp8" else "libvpx-vp9"
        return cast("VideoCodecContext", av.CodecContext.create(other, "r"))
    return stream.codec_context
