"""Files as vendors send them: clips and images of every kind, made here."""

import io
import struct
import zlib
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from PIL import Image

RED, BLUE = (230, 20, 20), (20, 20, 230)
MAGENTA = (255, 0, 255)


def clip(  # noqa: PLR0913  # what a clip is
    path: Path,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    *,
    size: tuple[int, int] = (128, 72),
    times: list[float] | None = None,
    sound: str | None = None,
    turned: int = 0,
    aspect: Fraction | None = None,
    form: str | None = None,
    options: dict[str, str] | None = None,
    alpha: int = 255,
    colours: tuple[int, int, int] | None = None,
) -> Path:
    """Write a clip of two seconds, red on the left and blue on the right.

    Args:
        path: the file.
        codec: FFmpeg's name of the encoder.
        pixels: FFmpeg's name of the pixel format.
        size: in pixels.
        times: when each frame is shown, in seconds; None: 48 frames, evenly.
        sound: FFmpeg's name of an encoder for two seconds of a tone.
        turned: degrees counterclockwise that a player has to turn it by.
        aspect: of a pixel.
        form: the container, where the name does not say it.
        options: of the container.
        alpha: how opaque it is.
        colours: primaries, transfer and matrix (ITU-T H.273).
    """
    times = [index / 24 for index in range(48)] if times is None else times
    with av.open(str(path), "w", format=form, options=options or {}) as container:
        stream: Any = container.add_stream(codec, rate=24)
        stream.width, stream.height, stream.pix_fmt = *size, pixels
        stream.codec_context.time_base = Fraction(1, 24 if codec in {"mpeg4", "gif"} else 24000)
        stream.options = {"log-level": "none"} if codec == "libx265" else {}
        if codec == "libx265":
            stream.options = {"x265-params": "log-level=none"}
        if turned:
            stream.set_display_rotation(turned)
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if colours:
            coder = stream.codec_context
            coder.color_primaries, coder.color_trc, coder.colorspace = colours
        voice: Any = container.add_stream(sound, rate=48000, layout="stereo") if sound else None
        picture = np.empty((size[1], size[0], 4), np.uint8)
        picture[...] = (*BLUE, alpha)
        picture[:, : size[0] // 2] = (*RED, alpha)
        for seconds in times:
            frame = av.VideoFrame.from_ndarray(picture, format="rgba")
            frame.pts = round(seconds / stream.codec_context.time_base)
            frame.time_base = stream.codec_context.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
        if voice:
            speak(container, voice)
    return path


def speak(container: Any, voice: Any) -> None:
    """Put two seconds of a tone into a clip."""
    wave = np.sin(np.arange(96_000) / 48_000 * 2 * np.pi * 440).astype(np.float32) * 0.3
    for start in range(0, len(wave), 1024):
        part = np.stack([wave[start : start + 1024]] * 2)
        frame = av.AudioFrame.from_ndarray(part, format="fltp", layout="stereo")
        frame.rate, frame.pts = 48_000, start
        container.mux(voice.encode(frame))
    container.mux(voice.encode(None))


def atom(name: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + name + content


def with_edit_list(content: bytes, seconds: float) -> bytes:
    """Return an MP4 file of ours of which an edit list shows only the first seconds."""
    path = (b"moov", b"trak")
    elst = atom(b"elst", struct.pack(">IIIiI", 0, 1, round(seconds * 1000), 1024, 0x10000))
    edts = atom(b"edts", elst)
    return _patched(content, path, edts)


def _patched(content: bytes, path: tuple[bytes, ...], edts: bytes) -> bytes:
    """Replace `edts` in the first track of a file whose index is at its end."""
    parts, at = [], 0
    while at < len(content):
        length, name = struct.unpack(">I4s", content[at : at + 8])
        body = content[at + 8 : at + length]
        if name == b"edts":
            body, name, length = b"", b"", 0
        at += struct.unpack(">I", content[at : at + 4])[0]
        if not name:
            continue
        if path and name == path[0]:
            body = _patched(body, path[1:], edts)
        parts.append(atom(name, body))
    if not path:
        parts.insert(1, edts)
    return b"".join(parts)


def bomb(side: int, chunks: bytes = b"") -> bytes:
    """Return a small PNG file with so many pixels a side, all alike."""
    packer = zlib.compressobj(1)
    row = b"\0" + b"\x80" * 3 * side
    pixels = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunks
        + chunk(b"IDAT", pixels)
        + chunk(b"IEND", b"")
    )


def chunk(name: bytes, content: bytes) -> bytes:
    return (
        struct.pack(">I", len(content))
        + name
        + content
        + struct.pack(">I", zlib.crc32(name + content))
    )


def animation(form: str, frames: int = 6, size: tuple[int, int] = (96, 64)) -> bytes:
    """Return an animation of red and blue frames, a tenth of a second each."""
    pictures = [Image.new("RGB", size, (RED, BLUE)[at % 2]) for at in range(frames)]
    for at, picture in enumerate(pictures):
        picture.putpixel(
            (at % size[0], at // size[0] % size[1]), (0, 255, 0)
        )  # or equal frames become one
    buffer = io.BytesIO()
    pictures[0].save(buffer, form, save_all=True, append_images=pictures[1:], duration=100, loop=0)
    return buffer.getvalue()


def saved(image: Image.Image, form: str, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()
