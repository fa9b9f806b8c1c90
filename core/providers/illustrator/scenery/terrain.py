"""Land in perspective: height fields seen from a camera, lit, shadowed and hazy with distance."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from core.providers.illustrator.canvas.noise import fractal, sample, smoothstep, warp
from core.providers.illustrator.canvas.palette import gradient, hex_colour

if TYPE_CHECKING:
    from core.providers.illustrator.canvas.noise import Array
    from core.providers.illustrator.canvas.stage import Layer, Stage

_TILE = 1024
_SLICES = 480

# Colours of the ground from low and gentle to high, for each season where it matters.
_GROUNDS = {
    "rock": ["#6b6a5c", "#7d766c", "#8f8880", "#a39c96"],
    "sand": ["#c98d55", "#dba567", "#e8bb80", "#f2cf9c"],
    "mesa": ["#c27a4c", "#b5613f", "#c9764a", "#d99466"],
    "snow": ["#dfe8f2", "#e8eff6", "#f2f6fa", "#ffffff"],
    "moon": ["#5b5a66", "#77757f", "#97949a", "#b9b5b5"],
    "grass": ["#4f7a3a", "#66913f", "#86a94c", "#a9bd62"],
    "grass-spring": ["#5a9447", "#78ad52", "#9cc463", "#c2d67d"],
    "grass-autumn": ["#7d6a35", "#a07f3a", "#bb9145", "#cfa657"],
    "forest-floor": ["#6a4a2c", "#8f5f30", "#b0743a", "#c98d48"],
    "forest": ["#2c4f38", "#3a6140", "#4c7449", "#6a8a58"],
    "forest-autumn": ["#7a4a2a", "#a8602c", "#c57b33", "#d79c48"],
}


@dataclass
class Land:
    """A layer of land, and where subjects can stand on it."""

    layer: Layer
    rows: Array  # screen row of each slice (slice, column), nearest first
    visible: Array  # which of those points can be seen
    distance: Array  # of each slice
    focal: float

    def spots(self, rng: np.random.Generator, count: int) -> list[tuple[float, float, float]]:
        """Return up to `count` visible places (column, row, pixels per unit), farthest first."""
        slices, columns = np.nonzero(self.visible)
        if not len(slices):
            return []
        # Ground area grows with distance, so an even scatter favours far slices by z squared.
        weight = self.distance[slices] ** 1.5
        chosen = rng.choice(len(slices), size=count, p=weight / weight.sum())
        found = [
            (
                float(columns[i]),
                float(self.rows[slices[i], columns[i]]),
                self.focal / float(self.distance[slices[i]]),
            )
            for i in chosen
        ]
        return sorted(found, key=lambda spot: spot[2])

    def stand(self, column: float, row: float) -> float:
        """Return the row of the visible ground at `column`, as near to `row` as there is."""
        at = int(np.clip(round(column), 0, self.rows.shape[1] - 1))
        off = np.abs(self.rows[:, at] - row) + 1e5 * ~self.visible[:, at]
        return float(self.rows[int(np.argmin(off)), at])


@cache
def _height(kind: str, variant: int) -> Array:
    """Return a tile of heights 0..1: peaks, hills, dunes, mesas, cliffs, craters or a plain.

    Tiles are cached for the life of the process: a picture shifts and mirrors one, which is a
    hundred times faster than computing its own.
    """
    rng = np.random.default_rng([variant, len(kind), ord(kind[0])])
    shape = (_TILE, _TILE)
    if kind == "peaks":
        bend = fractal(rng, shape, 200, 5, 0.55) * 45
        crests = warp(fractal(rng, shape, 256, 8, 0.5, ridged=True), bend, np.roll(bend, 333, 0))
        # Crests alone run level; a second noise lifts summits out of them and cuts passes.
        massif = warp(fractal(rng, shape, 170, 7, 0.5), np.roll(bend, 111, 1), bend)
        height = crests * (0.35 + 0.65 * smoothstep(-0.7, 1.0, massif)) + 0.30 * massif
        height = np.clip(height + 0.25, 0, None) ** 1.25
    elif kind == "dunes":
        bend = fractal(rng, shape, 300, 3) * 90
        crest = fractal(rng, shape, (150, 420), 2, 0.3)
        crest = warp(crest, bend, np.roll(bend, 300, 1))
        height = (1 - np.abs(np.clip(crest, -1, 1))) ** 1.4 + 0.12 * fractal(rng, shape, 300, 2)
        height = cv2.GaussianBlur(height, (0, 0), 2.5, borderType=cv2.BORDER_REFLECT_101)
    elif kind == "mesas":
        body = fractal(rng, shape, 190, 6, 0.5)
        height = smoothstep(0.15, 0.27, body) * 0.62 + smoothstep(0.42, 0.52, body) * 0.38
        height = height + 0.05 * body
    elif kind == "cliffs":
        body = fractal(rng, shape, 240, 7, 0.5)
        height = 0.8 * smoothstep(-0.75, -0.2, body) + 0.25 * body
    elif kind == "craters":
        height = 0.3 * fractal(rng, shape, 200, 7, 0.5)
        y, x = np.mgrid[0:_TILE, 0:_TILE].astype(np.float32)
        for _ in range(40):
            size = rng.uniform(14, 70)
            away = np.hypot(x - rng.uniform(0, _TILE), y - rng.uniform(0, _TILE)) / size
            height += (
                size / 110 * (np.exp(-((away - 1) ** 2) * 14) - 0.8 * np.exp(-((away * 1.2) ** 4)))
            )
    else:
        height = fractal(rng, shape, 300 if kind == "hills" else 420, 6, 0.34)
    low, high = float(height.min()), float(height.max())
    return ((height - low) / (high - low)).astype(np.float32)


@cache
def _texture(name: str) -> Array:
    """Return a cached tile of 'grain' (fine) or 'patch' (coarse) noise."""
    cell, gain = (24, 0.7) if name == "grain" else (200, 0.5)
    return fractal(np.random.default_rng(len(name)), (_TILE, _TILE), cell, 5, gain)


def tones(value: Array, count: int, softness: float = 0.3) -> Array:
    """Quantize `value` (0..1) into `count` tones with soft steps, as in gouache."""
    scaled = np.clip(value, 0, 1) * (count - 1)
    whole = np.floor(scaled)
    steps: Array = whole + smoothstep(0.5 - softness, 0.5 + softness, scaled - whole)
    return steps / (count - 1)


class Strip(NamedTuple):
    """A strip of land; lengths in units of the camera's height above the ground."""

    form: str  # of its height field
    ground: str  # of its colours
    near: float  # distances between which it lies
    far: float
    amplitude: float  # of its heights, and the height of its lowest point
    base: float
    scale: float  # pixels of the height tile that a unit spans
    haze: float  # 0..1, how far the air has taken its colour
    depth: float  # of its layer
    mist: float = 0.0  # 0..1, how far its foot is veiled
    rise: float = 0.0  # share of its distance over which it climbs to its full height


def add_land(
    stage: Stage,
    strip: Strip,
    *,
    snow_line: float | None = None,
    shape: Array | None = None,
    shore: Array | None = None,
) -> Land:
    """Add a strip of land. Where it meets water, parts below height 0 are not drawn.

    Args:
        stage: where to.
        strip: its form and colours.
        snow_line: height, 0..1, above which snow lies; None: no snow.
        shape: a factor 0..1 for each column that lowers the land to keep a view open.
        shore: for each column the distance at which the land sinks into the water; distances are
            then relative to the foot of the picture, which is 1.
    """
    kind, ground, near, far, amplitude, base, scale, *_ = strip
    island = shore is not None or kind == "cliffs"
    rng, rows, columns = stage.rng, stage.height, stage.width
    tile = _height(kind, int(rng.integers(2)))
    step = 1 if stage.unit > 400 else 2  # a small picture shows half of the detail
    turn_y, turn_x = rng.choice([-step, step], 2)
    tile, scale = np.ascontiguousarray(tile[::turn_y, ::turn_x]), scale / step
    paint = _painted(stage, tile, ground, amplitude * scale, snow_line)
    focal = 0.9 * stage.unit
    if shore is not None:  # measured from where the ground enters the picture
        entry = focal / max(1.0, rows - stage.horizon)
        near, far, shore = near * entry, far * entry, shore * entry
    distance = np.geomspace(near, far, _SLICES).astype(np.float32)
    across = (np.arange(columns, dtype=np.float32) - columns / 2) / np.float32(focal)
    offset = rng.uniform(0, _TILE, 2).astype(np.float32)
    u = across[None] * distance[:, None] * scale + offset[0]
    v = distance[:, None] * scale + offset[1]
    height = base + amplitude * sample(tile, u, v) * (1.0 if shape is None else shape[None])
    height = _shaped(height, strip, distance, shore)
    screen = (stage.horizon + (1 - height) * focal / distance[:, None]).astype(np.float32)
    edge = np.minimum.accumulate(screen, 0)  # the skyline of all that is nearer
    visible = (screen <= edge + 0.5) & (screen < rows) & (screen > 0)

    top, solid, at = _resolve(stage, screen, edge)
    y = top + (np.arange(len(at), dtype=np.float32)[:, None] + 0.5) / 2
    far_part = at / np.float32(_SLICES - 1)  # 0 at `near`, 1 at `far`
    z = np.float32(near) * np.exp(far_part * np.float32(np.log(far / near)))
    colour = sample(
        paint, across[None] * z * np.float32(scale) + offset[0], z * np.float32(scale) + offset[1]
    )

    if island:
        _add_surf(stage, height, at, colour, solid)
    _add_haze(stage, strip, colour, far_part, y - edge[-1][None])
    # The fine rows are averaged, which softens every crest.
    half = (columns, len(at) // 2)
    alpha = cv2.resize(solid, half, interpolation=cv2.INTER_AREA)
    colour = cv2.resize(colour * solid[..., None], half, interpolation=cv2.INTER_AREA)
    colour = colour / np.maximum(alpha, 1e-3)[..., None]
    layer = stage.add(colour, alpha, depth=strip.depth, top=top)
    if island:
        visible &= height > 0.04
    return Land(layer, screen, visible, distance, focal)


def _shaped(height: Array, strip: Strip, distance: Array, shore: Array | None) -> Array:
    """Return heights that climb from the near edge of a strip and sink at its shore."""
    base = strip.base
    if strip.rise:
        climb = smoothstep(0.0, strip.rise, np.linspace(0, 1, _SLICES, dtype=np.float32))
        height = base + (height - base) * (0.08 + 0.92 * climb[:, None])
    if shore is not None:
        sink = smoothstep(0.62, 1.0, distance[:, None] / shore[None])
        height = height - (height - base + 0.02) * sink - 0.06 * sink
    return height


def _add_surf(stage: Stage, height: Array, at: Array, colour: Array, solid: Array) -> None:
    """Draw foam on the waterline and leave out what is below it; changes `colour` and `solid`."""
    columns = np.arange(colour.shape[1])[None]
    level = sample(height.astype(np.float32), columns, np.minimum(at, _SLICES - 1.01))
    foam = 0.6 * (1 - smoothstep(0.006, 0.016, level))[..., None]
    colour += (stage.light.surface(np.full(3, 0.95, np.float32), 0.6) - colour) * foam
    solid *= smoothstep(0.0, 0.006, level)


def _add_haze(stage: Stage, strip: Strip, colour: Array, far_part: Array, below: Array) -> None:
    """Fade `colour` by distance, 0..1 of the strip, and by mist, in rows `below` its skyline."""
    air = strip.haze * (1 + 0.4 * (1 - strip.haze) * far_part)
    if strip.mist:
        foot = np.clip(below / np.float32(stage.unit * 0.16), 0, 1)
        air = 1 - (1 - air) * (1 - strip.mist * smoothstep(0.15, 1.0, foot))
    colour += (stage.light.haze - colour) * air[..., None].astype(np.float32)


def _resolve(stage: Stage, screen: Array, edge: Array) -> tuple[int, Array, Array]:
    """Return which slice is visible where, on rows sampled twice as finely as the stage's.

    Returns:
        the stage's row at which the following start; for each fine row and column 1 for land or 0;
        likewise the slice, interpolated between two.
    """
    rows, columns = stage.height, screen.shape[1]
    # Only the rows that show: from the skyline to a skirt under the nearest slice.
    top = int(np.clip(edge[-1].min() - 1, 0, rows - 1))
    foot = int(np.clip(edge[0].max() + 0.12 * stage.unit, top + 1, rows))
    fine = (foot - top) * 2
    column = np.arange(columns, dtype=np.int32)[None]
    first = np.clip(np.ceil((edge - top) * 2 - 0.5), 0, fine).astype(np.int32)
    bins = (first * columns + column).ravel()
    counts = np.bincount(bins, minlength=(fine + 1) * columns).reshape(fine + 1, columns)
    index = _SLICES - np.cumsum(counts[:fine].astype(np.int16), 0, dtype=np.int16)
    behind = np.clip(index, 1, _SLICES - 1).astype(np.int32)
    flat = behind * columns + column
    y0, y1 = screen.ravel()[flat - columns], screen.ravel()[flat]
    y = top + (np.arange(fine, dtype=np.float32)[:, None] + 0.5) / 2
    part = np.clip((y0 - y) / np.where(np.abs(y0 - y1) < 1e-3, np.float32(1e-3), y0 - y1), 0, 1)
    return top, (index < _SLICES).astype(np.float32), (behind - 1 + part).astype(np.float32)


def _painted(
    stage: Stage, tile: Array, ground: str, relief: float, snow_line: float | None
) -> Array:
    """Return the tile's colours: ground by height, snow, light and shade."""
    light = stage.light
    gx = cv2.Sobel(tile, cv2.CV_32F, 1, 0, scale=0.125 * relief)
    gz = cv2.Sobel(tile, cv2.CV_32F, 0, 1, scale=0.125 * relief)
    steep = np.sqrt(gx**2 + gz**2)
    tan = 0.5 if light.height < 0.4 else 0.9  # of the sun's elevation, as the land sees it
    cos = 1 / np.sqrt(1 + tan**2)
    lit = (-gx * (stage.side * cos * 0.9) + gz * (0.3 * cos) + tan * cos) / np.sqrt(1 + steep**2)
    step = _TILE // len(tile)
    lit = lit * _shadow(tile * relief, tan * 0.9, stage.side)
    grain, patch = (_texture(name)[::step, ::step] for name in ("grain", "patch"))
    lit = tones(lit * 0.95 + 0.07 * grain, 5)
    name = f"{ground}-{stage.scene.season}"
    stops = [hex_colour(code) for code in _GROUNDS.get(name, _GROUNDS[ground])]
    value = 0.18 + 0.5 * tile + 0.12 * grain + 0.25 * patch
    if ground == "mesa":
        value = value + 0.28 * np.sin(tile * 60 + 2 * patch)
    albedo = gradient(stops, tones(value, 6))
    if snow_line is not None:
        hold = tile - snow_line + 0.1 * grain
        hold = smoothstep(-0.03, 0.03, hold) * (1 - smoothstep(1.5, 1.8, steep + 0.5 * grain))
        albedo += (hex_colour("#f4f7fb") - albedo) * hold[..., None]
    return light.surface(albedo, lit * np.float32(0.85)).astype(np.float32)


def _shadow(height: Array, tan: float, side: int) -> Array:
    """Return 1 where light from `side` reaches the land and 0 in cast shadow."""
    lifted = height[:, ::-1] if side > 0 else height
    # A point is in shadow where land towards the light rises above the ray to it.
    slope = np.arange(lifted.shape[1], dtype=np.float32) * tan
    crest = np.maximum.accumulate(lifted + slope[None], 1)
    open_ = 1 - smoothstep(0.5, 6.0, crest - lifted - slope[None])
    shadow = open_[:, ::-1] if side > 0 else open_
    return cv2.GaussianBlur(np.ascontiguousarray(shadow), (0, 0), 1.2)
