"""Display copies of files that browsers do not display: PNG, JPEG, or H.264 in MP4.

The original is kept as it came. Copies are made in a process of their own (`bounded`).
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any, Final

import av
import numpy as np
from av.audio.frame import AudioFrame
from av.audio.stream import AudioStream
from av.container import OutputContainer
from av.video.frame import VideoFrame
from av.video.reformatter import ColorRange, Colorspace
from av.video.stream import VideoStream
from PIL import Image

from core.media import clips, stills
from core.media.display_frames import Turner, has_alpha
from core.media.inspection import is_animation
from core.models import Kind

COPY_SECONDS: Final = 900.0
MAX_SIDE: Final = 4096  # of a clip's copy; phones and television sets decode no larger H.264

_MOVING_PIXELS: Final = 64 * 2**20  # of all frames of a copy together, as it is PNG
_TICKS: Final = 90_000  # a second, as MPEG counts
_BT709: Final = 1  # ITU-T H.273
_SAMPLES: Final = 48_000  # a second
_GAP: Final = 10  # 1/10 s; from here on, sound counts as missing
_SQUARE: Final = 16  # pixels, of the checkerboard behind transparency
_FASTSTART: Final = {"movflags": "+faststart"}
_LOSSY: Final = frozenset({"WEBP", "AVIF", "JPEG2000"})

Shown = Iterator[tuple[Fraction, Fraction, VideoFrame]]


def make_copy(path: Path, kind: Kind, copy: Path) -> str | None:
    """Write the display copy of a file that was inspected.

    Args:
        path: the file.
        kind: its kind.
        copy: the file to write.

    Returns:
        the extension for the copy's name; None: browsers display the original, and an animated
        copy would be too large.

    Raises:
        Exception: any error of decoder or encoder; then there is no copy.
    """
    if kind == Kind.IMAGE:
        return _copy_image(path, copy)
    if is_animation(path):
        _copy_animation(path, copy)
    else:
        _copy_clip(path, copy)
    return "mp4"


def _copy_image(path: Path, copy: Path) -> str | None:
    with stills.opened(path) as image:
        if stills.is_moving(image):
            moves = getattr(image, "n_frames", 1) * image.width * image.height
            if moves > _MOVING_PIXELS:
                return None
            image.save(copy, "PNG", save_all=True)
            return "png"
        image.load()
        shown = stills.displayed(image)
        lossy = image.format in _LOSSY
    if lossy and shown.mode == "RGB":
        shown.save(copy, "JPEG", quality=92)
        return "jpg"
    shown.save(copy, "PNG", compress_level=3)
    return "png"


def _copy_clip(path: Path, copy: Path) -> None:
    broken: list[Exception] = []
    with clips.opened(path) as clip:
        turner = Turner(clip.stream.sample_aspect_ratio, MAX_SIDE, even=True)
        rate = 1 / clip.frame_duration
        with av.open(str(copy), "w", format="mp4", options=_FASTSTART) as container:
            _encode(container, clip.frames(broken), turner, rate, path if _sounds(clip) else None)


def _copy_animation(path: Path, copy: Path) -> None:
    with (
        stills.opened(path) as image,
        av.open(str(copy), "w", format="mp4", options=_FASTSTART) as container,
    ):

        def frames() -> Shown:
            due = Fraction(0)
            for picture, seconds in stills.frames(image):
                lasts = Fraction(round(1000 * seconds), 1000)
                yield due, lasts, _on_checkerboard(stills.displayed(picture))
                due += lasts

        _encode(container, frames(), Turner(None, MAX_SIDE, even=True), Fraction(25), None)


def _encode(
    container: OutputContainer, frames: Shown, turner: Turner, rate: Fraction, sound: Path | None
) -> None:
    """Write frames at their times, interleaved with a file's sound."""
    stream: VideoStream | None = None
    sound_track: _SoundTrack | None = None
    start = last = Fraction(0)
    lengths: dict[int, int] = {}
    for due, lasts, frame in frames:
        if stream is None:
            start, last = due, due - 1
            stream = _video_stream(container, turner.size(frame), rate)
            sound_track = _SoundTrack(container, sound, due) if sound else None
        ticks = round((due - start) * _TICKS)
        if ticks <= round((last - start) * _TICKS):
            continue  # two frames at one time: the first is shown
        last = due
        shown = _without_alpha(frame, turner) if has_alpha(frame) else turner.yuv(frame)
        shown.pts, shown.time_base = ticks, Fraction(1, _TICKS)
        lengths[ticks] = round(lasts * _TICKS)
        _mux(container, stream, shown, lengths)
        if sound_track:
            sound_track.encode_until(due)
    if stream is None:
        raise ValueError("no frame decodes")
    _mux(container, stream, None, lengths)
    if sound_track:
        sound_track.encode_until(last + 1)
        sound_track.end()


def _video_stream(container: OutputContainer, size: tuple[int, int], rate: Fraction) -> VideoStream:
    stream = container.add_stream("libx264", rate=min(max(rate, Fraction(1)), Fraction(120)))
    stream.width, stream.height, stream.pix_fmt = *size, "yuv420p"
    # Two threads and a short lookahead, to save memory.
    stream.options = {"preset": "veryfast", "crf": "19", "rc-lookahead": "20", "threads": "2"}
    codec: Any = stream.codec_context
    codec.time_base = Fraction(1, _TICKS)
    codec.colorspace = codec.color_primaries = codec.color_trc = _BT709
    codec.color_range = ColorRange.MPEG
    return stream


def _mux(
    container: OutputContainer,
    stream: VideoStream,
    frame: VideoFrame | None,
    lengths: dict[int, int],
) -> None:
    for packet in stream.encode(frame):
        if packet.pts is not None and packet.pts in lengths:
            packet.duration = lengths.pop(packet.pts)
        container.mux(packet)


class _SoundTrack:
    """A file's sound, encoded as AAC in step with the frames.

    Args:
        container: the file to write to.
        path: the file with the sound.
        start: time of the first frame; earlier sound is left out.
    """

    def __init__(self, container: OutputContainer, path: Path, start: Fraction) -> None:
        self._container = container
        self._stream: AudioStream = container.add_stream("aac", rate=_SAMPLES, layout="stereo")
        self._frames = self._decoded(path)
        self._start = start
        self._position = 0
        self._next: AudioFrame | None = next(self._frames, None)

    def encode_until(self, until: Fraction) -> None:
        """Encode the sound up to a time."""
        while self._next is not None and _time(self._next) <= until:
            frame, self._next = self._next, next(self._frames, None)
            begins = round((_time(frame) - self._start) * frame.rate)
            if begins < 0:
                continue
            # Samples are counted, for times are rounded; the times tell where samples are missing.
            if begins - self._position > frame.rate / _GAP:
                self._position = begins
            frame.pts, frame.time_base = self._position, Fraction(1, frame.rate)
            self._position += frame.samples
            self._container.mux(self._stream.encode(frame))

    def end(self) -> None:
        """Flush the encoder."""
        self._container.mux(self._stream.encode(None))

    @staticmethod
    def _decoded(path: Path) -> Iterator[AudioFrame]:
        with clips.opened(path) as clip:
            stream = _sounds(clip)[0]
            for packet in clip.container.demux(stream):
                try:
                    frames = packet.decode()
                except av.error.FFmpegError:
                    continue  # an audible glitch is accepted
                yield from (each for each in frames if each.pts is not None)


def _time(frame: AudioFrame) -> Fraction:
    return (frame.pts or 0) * (frame.time_base or Fraction(1, _SAMPLES))


def _sounds(clip: clips.Clip) -> list[AudioStream]:
    """Return a clip's audio streams that can be decoded."""
    return [each for each in clip.container.streams.audio if each.codec_context is not None]


def _without_alpha(frame: VideoFrame, turner: Turner) -> VideoFrame:
    """Return a frame on a checkerboard, for H.264 has no transparency."""
    return _on_checkerboard(turner.picture(frame)).reformat(
        format="yuv420p", dst_colorspace=Colorspace.ITU709, dst_color_range=ColorRange.MPEG
    )


def _on_checkerboard(image: Image.Image) -> VideoFrame:
    """Return an image as a frame, on a checkerboard where it is transparent."""
    if image.mode != "RGBA":
        return VideoFrame.from_ndarray(np.asarray(image))
    across, down = (-(-side // _SQUARE) for side in image.size)
    # One pixel a square: black where the sum of row and column is even.
    squares = Image.new("L", (across, down))
    squares.putdata([255 * ((at % across + at // across) % 2) for at in range(across * down)])
    board = Image.merge("RGB", [squares.point(lambda dark: 204 + dark // 5)] * 3)
    ground = board.resize((across * _SQUARE, down * _SQUARE), Image.Resampling.NEAREST)
    ground = ground.crop((0, 0, *image.size))
    ground.paste(image, mask=image.getchannel("A"))
    return VideoFrame.from_ndarray(np.asarray(ground))
