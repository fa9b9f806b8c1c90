"""The stage: a picture is a stack of painters, back to front."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from core.providers.illustrator.canvas.noise import Array
    from core.providers.illustrator.canvas.palette import Light
    from core.providers.illustrator.scene import Scene


@dataclass(frozen=True)
class Moment:
    """One instant of a clip: its time and the position of the camera."""

    seconds: float
    x: float = 0.0  # camera offset in pixels, applied in full at depth 1
    y: float = 0.0
    zoom: float = 0.0  # relative growth at depth 1


@dataclass
class Layer:
    """A sprite on the stage that moves with the camera: premultiplied uint8 RGBA."""

    pixels: Array
    left: float = 0.0
    top: float = 0.0
    depth: float = 0.0  # 0 is at infinity, 1 is at the camera's feet
    drift: float = 0.0  # pixels a second to the right
    bob: tuple[float, float, float] = (0.0, 0.0, 4.0)  # pixels, degrees, seconds
    ripple: float = 0.0  # pixels by which rows shift, as a reflection does
    sway: float = 0.0  # pixels by which the top moves in the wind
    glow: bool = False  # adds light instead of covering
    pulse: float = 0.0  # how much a glow pulsates, 0..1

    def paint(self, frame: Array, stage: Stage, moment: Moment) -> None:
        """Draw the layer on `frame` (uint8 RGB) as it stands at that moment."""
        rows, columns = self.pixels.shape[:2]
        scale = 1 + moment.zoom * self.depth
        phase = math.tau * moment.seconds / self.bob[2] + self.left * 0.01
        x = self.left + self.drift * moment.seconds
        y = self.top + self.bob[0] * math.sin(phase)
        # Stage to frame: grow about the vanishing point, then slide.
        left = (
            (x - stage.vanish[0]) * scale + stage.vanish[0] - stage.margin_x + moment.x * self.depth
        )
        top = (
            (y - stage.vanish[1]) * scale + stage.vanish[1] - stage.margin_y + moment.y * self.depth
        )
        turn = math.radians(self.bob[1]) * math.sin(phase * 0.8 + 1)
        reach = abs(self.sway) + self.ripple + abs(math.sin(turn)) * max(rows, columns)
        x0, x1 = (
            max(0, math.floor(left - reach)),
            min(frame.shape[1], math.ceil(left + columns * scale + reach)),
        )
        y0, y1 = (
            max(0, math.floor(top - reach)),
            min(frame.shape[0], math.ceil(top + rows * scale + reach)),
        )
        if x0 >= x1 or y0 >= y1:
            return
        if self.ripple or self.sway:
            piece = self._swayed(scale, left - x0, top - y0, (x1 - x0, y1 - y0), moment.seconds)
        else:
            c, s = math.cos(turn) * scale, math.sin(turn) * scale
            middle_x, middle_y = columns / 2, rows  # things rock about their foot
            shift_x = left - x0 + middle_x * scale - c * middle_x + s * middle_y
            shift_y = top - y0 + middle_y * scale - s * middle_x - c * middle_y
            matrix = np.array([[c, -s, shift_x], [s, c, shift_y]])
            piece = cv2.warpAffine(self.pixels, matrix, (x1 - x0, y1 - y0), flags=cv2.INTER_LINEAR)
        level = 1 + self.pulse * math.sin(phase * 1.3) if self.pulse else 1.0
        composite(frame[y0:y1, x0:x1], piece, glow=self.glow, level=level)

    def _swayed(
        self, scale: float, left: float, top: float, size: tuple[int, int], seconds: float
    ) -> Array:
        rows = self.pixels.shape[0]
        x = (np.arange(size[0], dtype=np.float32) - np.float32(left)) / np.float32(scale)
        y = (np.arange(size[1], dtype=np.float32) - np.float32(top)) / np.float32(scale)
        wave = np.sin(x * 0.012 + seconds * 1.7) + 0.5 * np.sin(x * 0.031 - seconds * 2.9)
        bend = np.clip(1 - y / rows, 0, 1) ** 1.5 * self.sway / 1.5
        map_x = x[None] + bend[:, None] * wave[None]
        if self.ripple:
            row = np.sin(y * 0.32 - seconds * 3.1) + 0.7 * np.sin(y * 0.13 + seconds * 2.3)
            map_x = map_x + (row * self.ripple * (0.25 + 0.75 * np.clip(y / rows, 0, 1)))[:, None]
        map_y = np.repeat(y[:, None], size[0], 1)
        return cv2.remap(
            self.pixels, map_x.astype(np.float32), map_y.astype(np.float32), cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_CONSTANT,
        )  # fmt: skip


Painter = Callable[["Array", "Stage", Moment], None]


@dataclass
class Stage:
    """A scene under construction: its dimensions, its light, and the painters added so far.

    The stage is larger than the frame by the margins, so that a camera can move on it.
    """

    scene: Scene
    light: Light
    rng: np.random.Generator
    width: int
    height: int
    margin_x: int
    margin_y: int
    horizon: float  # row on the stage
    sun: tuple[float, float]  # place on the stage
    focus: float  # column of the main subject
    side: int  # -1: the light comes from the left, 1: from the right
    view: int  # which of the viewpoints of `compose` this is
    big: float  # size that this viewpoint gives to subjects
    painters: list[Layer | Painter] = field(default_factory=list)
    waters: list[Painter] = field(default_factory=list)  # those that a still shows as well

    @property
    def unit(self) -> float:
        """A length that suits any ratio: the geometric mean of the frame's sides."""
        return math.sqrt((self.width - 2 * self.margin_x) * (self.height - 2 * self.margin_y))

    @property
    def vanish(self) -> tuple[float, float]:
        """The vanishing point."""
        return self.width / 2, self.horizon

    def add(self, colour: Array, alpha: Array | None = None, **how: object) -> Layer:
        """Add a layer of float `colour` (0..1) with `alpha`, trimmed to its visible part."""
        rows, columns = colour.shape[:2]
        if alpha is None:
            alpha = np.ones((rows, columns), np.float32)
        seen_y = np.flatnonzero(alpha.max(1) > 0.004)
        seen_x = np.flatnonzero(alpha.max(0) > 0.004)
        if not len(seen_y):
            seen_y = seen_x = np.array([0])
        box = slice(seen_y[0], seen_y[-1] + 1), slice(seen_x[0], seen_x[-1] + 1)
        colour, alpha = colour[box], alpha[box][..., None]
        pixels = np.concatenate([np.clip(colour, 0, 1) * alpha, alpha], -1) * 255
        # Half a level of noise before rounding keeps gradients free of bands.
        noise = np.random.default_rng(7).random(pixels.shape[:2], np.float32)[..., None]
        layer = Layer(
            np.minimum(pixels + noise * (alpha > 0), 255).astype(np.uint8),
            left=float(seen_x[0]),
            top=float(seen_y[0]),
        )
        for name, value in how.items():
            setattr(layer, name, getattr(layer, name) + value if name in ("left", "top") else value)
        self.painters.append(layer)
        return layer

    def paint(self, moment: Moment) -> Array:
        """Return the frame at that moment, uint8 RGB without margins."""
        frame = np.zeros(
            (self.height - 2 * self.margin_y, self.width - 2 * self.margin_x, 3), np.uint8
        )
        for painter in self.painters:
            if isinstance(painter, Layer):
                painter.paint(frame, self, moment)
            else:
                painter(frame, self, moment)
        return frame


def composite(target: Array, piece: Array, *, glow: bool = False, level: float = 1.0) -> None:
    """Lay premultiplied RGBA `piece` over RGB `target` in place, or add its light."""
    colour = cv2.cvtColor(piece, cv2.COLOR_RGBA2RGB)
    if level != 1:
        colour = cv2.convertScaleAbs(colour, alpha=level)
    if glow:  # screen, so that light on light never clips hard
        cover = cv2.bitwise_not(colour)
    else:
        cover = cv2.cvtColor(cv2.bitwise_not(cv2.extractChannel(piece, 3)), cv2.COLOR_GRAY2RGB)
    target[...] = cv2.add(cv2.multiply(target, cover, scale=1 / 255), colour)
