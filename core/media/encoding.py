"""Encoding pixels: PNG images and H.264 clips that all browsers play."""

from collections.abc import Iterable
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import OutputContainer
from av.video.reformatter import ColorRange, Colorspace
from numpy.typing import NDArray
from PIL import Image

_BT709 = 1  # the code point in ITU-T H.273 for primaries, transfer and matrix of HD video


def encode_png(image: Image.Image) -> bytes:
    """Return an image as PNG; lightly compressed, which is three times as fast."""
    buffer = BytesIO()
    image.save(buffer, "PNG", compress_level=3)
    return buffer.getvalue()


def encode_clip(  # noqa: PLR0913  # each is a property of the clip
    frames: Iterable[NDArray[np.uint8]],
    path: Path,
    width: int,
    height: int,
    fps: int | Fraction,
    *,
    sound: Path | None = None,
) -> None:
    """Write frames as H.264 in MP4: yuv420p, BT.709, index at the front for instant playback.

    Args:
        frames: RGB, each (height, width, 3).
        path: the file to write.
        width: in pixels, even.
        height: in pixels, even.
        fps: frames a second.
        sound: an MP4 file whose sound is copied, where it has any.
    """
    with av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream = container.add_stream("libx264", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.options = {"preset": "veryfast", "crf": "20"}
        codec: Any = stream.codec_context
        codec.colorspace = codec.color_primaries = codec.color_trc = _BT709
        codec.color_range = ColorRange.MPEG
        heard = _sound_of(sound, container)
        for pixels in frames:
            frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
                format="yuv420p",
                dst_colorspace=Colorspace.ITU709,
                dst_color_range=ColorRange.MPEG,
            )
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        container.mux(heard)


def _sound_of(path: Path | None, container: OutputContainer) -> list[Any]:
    """Add a stream for a file's sound to the container; return its packets."""
    if path is None:
        return []
    with av.open(str(path)) as source:
        if not source.streams.audio:
            return []
        heard = source.streams.audio[0]
        stream = container.add_stream_from_template(heard)
        packets = [packet for packet in source.demux(heard) if packet.dts is not None]
        for packet in packets:
            packet.stream = stream
        return packets
