"""The pen: anti-aliased shapes on a small transparent sheet, and stamping sheets on a stage."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from core.providers.illustrator.canvas.noise import Array

    Points = Sequence[tuple[float, float]] | Array

_FINE = 3  # shapes are drawn three times as large and averaged down


class Pen:
    """Draws in units of the sheet's height: x grows to the right, y up from the foot, 0..1."""

    def __init__(self, height: float, aspect: float = 1.0) -> None:
        """Take a sheet `height` pixels high, `aspect` times as wide; x is 0 at its middle."""
        self.height = max(4, round(height))
        self.width = max(4, round(height * aspect))
        self._sheet = np.zeros((self.height * _FINE, self.width * _FINE, 4), np.uint8)

    def _pixels(self, points: Points) -> Array:
        at = np.asarray(points, np.float32) * self.height
        at = np.stack([at[:, 0] + self.width / 2, self.height - at[:, 1]], -1)
        return np.round(at * _FINE * 16).astype(np.int32)

    def poly(self, points: Points, colour: Array) -> None:
        """Fill a polygon."""
        cv2.fillPoly(self._sheet, [self._pixels(points)], ink(colour), cv2.LINE_8, 4)

    def blob(self, points: Points, colour: Array) -> None:
        """Fill a smooth closed curve through the points (Catmull-Rom)."""
        self.poly(spline(points), colour)

    def line(self, points: Points, width: float, colour: Array) -> None:
        """Draw a polyline `width` thick."""
        thick = max(1, round(width * self.height * _FINE))
        cv2.polylines(
            self._sheet,
            [self._pixels(points)],
            isClosed=False,
            color=ink(colour),
            thickness=thick,
            lineType=cv2.LINE_8,
            shift=4,
        )

    def oval(
        self, x: float, y: float, rx: float, ry: float, colour: Array, turn: float = 0
    ) -> None:
        """Fill an ellipse, turned by degrees."""
        angle = np.linspace(0, 2 * np.pi, 36, endpoint=False)
        c, s = np.cos(np.radians(turn)), np.sin(np.radians(turn))
        px, py = rx * np.cos(angle), ry * np.sin(angle)
        self.poly(np.stack([x + px * c - py * s, y + px * s + py * c], -1), colour)

    def lathe(self, x: float, profile: Points, lit: Array, dark: Array) -> None:
        """Fill a round body about column `x`, lit from the right; `profile` is (y, half-width)."""
        heights, widths = np.asarray(profile, np.float32).T
        edges = np.linspace(-1, 1, 12)
        for a, b in pairwise(edges):
            amount = float(np.clip(0.5 + 0.6 * np.sin((a + b) / 2 * 1.35 - 0.25), 0, 1))
            left, right = (np.stack([x + widths * edge, heights], -1) for edge in (a, b))
            self.poly(np.concatenate([left, right[::-1]]), dark * (1 - amount) + lit * amount)

    def sprite(self) -> Array:
        """Return the sheet as premultiplied uint8 RGBA, (height, width, 4)."""
        return cv2.resize(self._sheet, (self.width, self.height), interpolation=cv2.INTER_AREA)


def spline(points: Points, steps: int = 8) -> Array:
    """Return a closed Catmull-Rom curve through the points."""
    p = np.asarray(points, np.float32)
    before, after, later = np.roll(p, 1, 0), np.roll(p, -1, 0), np.roll(p, -2, 0)
    t = np.linspace(0, 1, steps, endpoint=False, dtype=np.float32)[None, :, None]
    a, b, c, d = (q[:, None] for q in (before, p, after, later))
    curve: Array = 0.5 * (
        2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3
    )
    return curve.reshape(-1, 2)


def ink(colour: Array) -> tuple[int, int, int, int]:
    """Return a float colour as OpenCV takes it: opaque, 0..255."""
    r, g, b = (round(float(v) * 255) for v in np.clip(colour[:3], 0, 1))
    return r, g, b, 255


class Cel:
    """A transparent sheet the size of the stage on which sprites are stamped."""

    def __init__(self, height: int, width: int) -> None:
        """Start with nothing on it."""
        self.pixels = np.zeros((height, width, 4), np.uint8)

    def stamp(self, sprite: Array, x: float, foot: float, height: float) -> None:
        """Stamp a sprite with the middle of its foot at (`x`, `foot`), `height` pixels high."""
        rows = max(2, round(height))
        columns = max(2, round(height * sprite.shape[1] / sprite.shape[0]))
        left, top = round(x - columns / 2), round(foot - rows)
        right, bottom = left + columns, top + rows
        x0, y0 = max(left, 0), max(top, 0)
        x1, y1 = min(right, self.pixels.shape[1]), min(bottom, self.pixels.shape[0])
        if x0 >= x1 or y0 >= y1:
            return
        shrink = cv2.INTER_AREA if rows < sprite.shape[0] else cv2.INTER_LINEAR
        piece = cv2.resize(sprite, (columns, rows), interpolation=shrink)
        piece = piece[y0 - top : y1 - top, x0 - left : x1 - left]
        under = self.pixels[y0:y1, x0:x1]
        cover = 255 - piece[..., 3:].astype(np.uint16)
        under[...] = piece + ((under * cover + 127) // 255).astype(np.uint8)
