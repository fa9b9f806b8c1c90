"""Frames of a clip as browsers display them: upright, in square pixels, in the colours of HD."""

import struct
from fractions import Fraction
from typing import Any, Final

from av.filter import Graph
from av.video.frame import VideoFrame
from PIL import Image

from core.media.clips import MAX_PIXELS, MAX_SIDE

_TURNS: Final[dict[tuple[int, ...], tuple[str, ...]]] = {
    (-1, 0, 0, -1): ("hflip", "vflip"),
    (0, 1, -1, 0): ("transpose=clock",),
    (0, -1, 1, 0): ("transpose=cclock",),
    (-1, 0, 0, 1): ("hflip",),
    (1, 0, 0, -1): ("vflip",),
    (0, 1, 1, 0): ("transpose=cclock_flip",),
    (0, -1, -1, 0): ("transpose=clock_flip",),
}
"""Filters by the signs of a, b, c and d in a display matrix (ISO/IEC 14496-12, 6.2.2)."""
_HDR: Final = frozenset({16, 18})  # transfer characteristics PQ and HLG, ITU-T H.273
_UNSPECIFIED: Final = frozenset({0, 2})
_BT709: Final = 1
_BT601: Final = 6
_BT2020: Final = 9
_HD_HEIGHT: Final = 720  # from here on, browsers assume HD colours where the file names none


class Turner:
    """Converts frames to how they are displayed.

    Args:
        aspect: the width of a pixel by its height, by the file; None: unknown.
        most: the maximum of either side; None: any.
        even: whether width and height must be even.
    """

    def __init__(
        self, aspect: Fraction | None = None, most: int | None = None, *, even: bool = False
    ) -> None:
        self._aspect = aspect if aspect and aspect > 0 else Fraction(1)
        self._most = most
        self._even = even
        self._graph: Graph | None = None
        self._fits: tuple[Any, ...] = ()

    def size(self, frame: VideoFrame) -> tuple[int, int]:
        """Return the displayed size of a frame: stretched, never squeezed, then rotated."""
        width = float(frame.width * max(self._aspect, Fraction(1)))
        height = float(frame.height / min(self._aspect, Fraction(1)))
        if width * height > MAX_PIXELS or max(width, height) > MAX_SIDE:
            width, height = frame.width, frame.height
        if any("transpose" in turn for turn in turns(frame)):
            width, height = height, width
        share = min(1.0, self._most / max(width, height)) if self._most else 1.0
        return _rounded(width * share, even=self._even), _rounded(height * share, even=self._even)

    def picture(self, frame: VideoFrame) -> Image.Image:
        """Return a frame as an image, RGB, or RGBA where it has transparency."""
        form = "rgba" if has_alpha(frame) else "rgb24"
        turned = self._turned(frame, form)
        return Image.fromarray(turned.to_ndarray(format=form))

    def yuv(self, frame: VideoFrame) -> VideoFrame:
        """Return a frame for the encoder."""
        return self._turned(frame, "yuv420p")

    def _turned(self, frame: VideoFrame, form: str) -> VideoFrame:
        fits = (frame.width, frame.height, frame.format.name, form, *_colours(frame))
        if self._graph is None or fits != self._fits:
            self._graph, self._fits = self._built(frame, form), fits
        self._graph.push(frame)
        turned = self._graph.pull()
        assert isinstance(turned, VideoFrame)  # noqa: S101  # a video graph has no others
        return turned

    def _built(self, frame: VideoFrame, form: str) -> Graph:
        width, height = self.size(frame)
        primaries, transfer, matrix, levels = _colours(frame)
        scale = f"scale=w={width}:h={height}:out_color_matrix=bt709:out_range=tv"
        if transfer in _HDR:  # swscale maps tones where both sides are given
            scale += ":out_primaries=bt709:out_transfer=bt709"
        graph = Graph()
        base = frame.time_base or Fraction(1, 90_000)
        last = graph.add_buffer(
            width=frame.width, height=frame.height, format=frame.format, time_base=base
        )
        colours = f"color_primaries={primaries}:color_trc={transfer}:colorspace={matrix}"
        for step in (
            f"setparams={colours}:range={levels}",
            *turns(frame),
            scale,
            f"format={form}",
            "setsar=1",
            "buffersink",
        ):
            name, _, options = step.partition("=")
            node = graph.add(name, options)
            last.link_to(node)
            last = node
        graph.configure()
        return graph


def turns(frame: VideoFrame) -> tuple[str, ...]:
    """Return the filters that rotate a frame upright."""
    found: Any = frame.side_data.get("DISPLAYMATRIX")
    if found is None:
        return ()
    matrix = struct.unpack("=9i", bytes(found)[:36])
    parts = (matrix[0], matrix[1], matrix[3], matrix[4])
    most = max(abs(part) for part in parts)
    signs = tuple(0 if abs(part) < most / 2 else (1 if part > 0 else -1) for part in parts)
    return _TURNS.get(signs, ())


def has_alpha(frame: VideoFrame) -> bool:
    """Return whether a frame may have transparent pixels."""
    return frame.format.name == "pal8" or any(each.is_alpha for each in frame.format.components)


def _colours(frame: VideoFrame) -> tuple[int, int, int, int]:
    """Return primaries, transfer, matrix and range of a frame; guessed where unspecified."""
    usual = _BT709 if frame.height >= _HD_HEIGHT else _BT601
    primaries, transfer = int(frame.color_primaries), int(frame.color_trc)
    matrix, levels = int(frame.colorspace), int(frame.color_range)
    is_rgb = frame.format.is_rgb or frame.format.name == "pal8"
    if transfer in _HDR:
        usual = _BT2020
    return (
        usual if primaries in _UNSPECIFIED else primaries,
        _BT709 if transfer in _UNSPECIFIED else transfer,
        0 if is_rgb else usual if matrix in _UNSPECIFIED else matrix,
        levels or (2 if is_rgb or "yuvj" in frame.format.name else 1),
    )


def _rounded(side: float, *, even: bool) -> int:
    return max(2, round(side / 2) * 2) if even else max(1, round(side))
