"""Things a prompt may be about: each function draws one as a sprite, lit by the stage's light."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TYPE_CHECKING

import cv2
import numpy as np

from core.providers.illustrator.noise import fractal, sample, smoothstep
from core.providers.illustrator.palette import COLOURS, gradient, hex_colour, mix
from core.providers.illustrator.pen import Pen, spline

if TYPE_CHECKING:
    from core.providers.illustrator.noise import Array
    from core.providers.illustrator.stage import Moment, Painter, Stage

WINDOW = "#ffd27a"


def _pair(stage: Stage, code: str, haze: float = 0.0) -> tuple[Array, Array]:
    """Return a colour as it looks in the light and in the shade."""
    light = stage.light
    lit, dark = (mix(light.surface(hex_colour(code), a), light.haze, haze) for a in (0.95, 0.05))
    return lit, dark


def evening(stage: Stage) -> bool:
    """Tell whether lamps are lit."""
    return stage.light.stars > 0.2 or stage.scene.time in ("sunset", "dawn") or stage.scene.weather != "clear"


def _window(stage: Stage) -> Array:
    return hex_colour(WINDOW) if evening(stage) else stage.light.surface(hex_colour("#3a4a5c"), 0.3)


def _accent(stage: Stage, default: str) -> str:
    """Return the prompt's first real colour, for the thing the picture is about."""
    return next((COLOURS[c] for c in stage.scene.colours if c not in ("white", "black")), default)


def lighthouse(stage: Stage, size: float) -> Array:
    """Return a banded lighthouse with its keeper's house; the lantern is at 0.835 of its height."""
    pen, side = Pen(size, 0.72), stage.side
    lit, dark = _pair(stage, "#f5f0e6")
    red, red_dark = _pair(stage, _accent(stage, "#c8392f"))
    roof, roof_dark = _pair(stage, "#5b3a35")
    x = -0.2 * side
    pen.poly([(x - 0.11, 0), (x + 0.11, 0), (x + 0.11, 0.13), (x - 0.11, 0.13)], mix(lit, dark, 0.45))
    pen.poly([(x + 0.03 * side, 0), (x + 0.11 * side, 0), (x + 0.11 * side, 0.13), (x + 0.03 * side, 0.13)], lit)
    pen.poly([(x - 0.13, 0.12), (x + 0.13, 0.12), (x + 0.08, 0.2), (x - 0.08, 0.2)], mix(roof, roof_dark, 0.5))
    pen.poly([(x - 0.06, 0.05), (x - 0.02, 0.05), (x - 0.02, 0.095), (x - 0.06, 0.095)], _window(stage))
    edges = np.linspace(0, 0.74, 6)
    for band, (low, high) in enumerate(zip(edges[:-1], edges[1:], strict=True)):
        a, b = (0.105 - 0.045 * y / 0.74 for y in (low, high))
        colours = (red, red_dark) if band % 2 else (lit, dark)
        pen.column((0, low, a), (0, high, b), *colours, side)
    for y in (0.2, 0.4, 0.6):
        pen.poly([(-0.008, y), (0.012, y), (0.012, y + 0.035), (-0.008, y + 0.035)], _window(stage))
    iron, iron_dark = _pair(stage, "#3b3f4a")
    pen.column((0, 0.735, 0.085), (0, 0.755, 0.085), iron, iron_dark, side)
    glass = hex_colour("#fff1b8") if evening(stage) else hex_colour("#d5e6ea")
    pen.poly([(-0.045, 0.755), (0.045, 0.755), (0.045, 0.865), (-0.045, 0.865)], glass)
    for i in np.linspace(-0.045, 0.045, 4):
        pen.line([(i, 0.755), (i, 0.865)], 0.006, iron_dark)
    for i in np.linspace(-0.083, 0.083, 8):
        pen.line([(i, 0.755), (i, 0.795)], 0.004, iron_dark)
    pen.line([(-0.085, 0.795), (0.085, 0.795)], 0.005, iron_dark)
    pen.column((0, 0.862, 0.062), (0, 0.93, 0.012), red, red_dark, side)
    pen.line([(0, 0.93), (0, 0.985)], 0.007, iron_dark)
    return pen.sprite()


def boat(stage: Stage, size: float) -> Array:
    """Return a sailing boat, its waterline at the foot."""
    pen, side = Pen(size, 0.95), stage.side
    sail, sail_dark = _pair(stage, "#fbf4e4")
    hull, hull_dark = _pair(stage, _accent(stage, "#8a3b2e"))
    wood, wood_dark = _pair(stage, "#6b4a35")
    pen.line([(0.02, 0.1), (0.02, 0.98)], 0.012, wood_dark)
    main = [(0.035, 0.95), *[(0.035 + 0.31 * t + 0.10 * math.sin(t * 3.1) * (1 - t * 0.3), 0.95 - 0.75 * t) for t in np.linspace(0.1, 1, 9)], (0.035, 0.19)]
    jib = [(0.005, 0.88), *[(0.005 - 0.32 * t - 0.055 * math.sin(t * 3.1), 0.88 - 0.69 * t) for t in np.linspace(0.1, 1, 9)], (-0.03, 0.22)]
    bright, other = (main, jib) if side > 0 else (jib, main)
    pen.poly(other, mix(sail, sail_dark, 0.62))
    pen.poly(bright, mix(sail, sail_dark, 0.12))
    pen.poly([(x * 0.55 + 0.009, y * 0.97 + 0.01) for x, y in main], mix(sail, sail_dark, 0.3 if side > 0 else 0.7))
    for t in (0.3, 0.52, 0.74):
        pen.line([(0.035, 0.95 - 0.75 * t), (0.035 + 0.31 * t + 0.07, 0.95 - 0.75 * t + 0.01)], 0.004, mix(sail, sail_dark, 0.75))
    pen.poly([(0.02, 0.98), (0.1, 0.965), (0.02, 0.95)], hull)
    shape = [(-0.4, 0.16), (-0.15, 0.125), (0.15, 0.125), (0.38, 0.15), (0.31, 0.0), (-0.28, 0.0)]
    pen.poly(shape, mix(hull, hull_dark, 0.65))
    pen.poly([(-0.4, 0.16), (-0.15, 0.125), (0.15, 0.125), (0.38, 0.15), (0.36, 0.1), (-0.36, 0.1)], mix(hull, hull_dark, 0.15))
    pen.line([(-0.4, 0.16), (-0.15, 0.128), (0.15, 0.128), (0.38, 0.152)], 0.014, sail)
    pen.poly([(-0.1, 0.13), (-0.08, 0.175), (0.12, 0.175), (0.15, 0.13)], mix(wood, wood_dark, 0.4))
    return pen.sprite()


def cabin(stage: Stage, size: float) -> Array:
    """Return a cabin seen from a corner, its windows alight in the evening."""
    pen, side = Pen(size, 1.5), stage.side
    wall, wall_dark = _pair(stage, _accent(stage, "#9a5b3c"))
    roof, roof_dark = _pair(stage, "#eef3f8" if stage.scene.season == "winter" else "#5a4a48")
    stone, stone_dark = _pair(stage, "#8d8780")
    front = wall if side < 0 else mix(wall, wall_dark, 0.75)
    flank = wall if side > 0 else mix(wall, wall_dark, 0.75)
    pen.poly([(0.3, 0.5), (0.4, 0.5), (0.4, 0.98), (0.3, 0.98)], mix(stone, stone_dark, 0.3))
    pen.poly([(0.3, 0.5), (0.34, 0.5), (0.34, 0.98), (0.3, 0.98)], mix(stone, stone_dark, 0.3 if side < 0 else 0.85))
    pen.poly([(-0.56, 0), (-0.08, 0), (-0.08, 0.42), (-0.32, 0.78), (-0.56, 0.42)], front)
    pen.poly([(-0.08, 0), (0.6, 0.03), (0.6, 0.42), (-0.08, 0.42)], flank)
    for y in np.arange(0.05, 0.42, 0.05):
        pen.line([(-0.56, y), (-0.08, y), (0.6, y * 0.95 + 0.02)], 0.006, mix(wall, wall_dark, 0.95))
    pen.poly([(-0.32, 0.85), (0.42, 0.8), (0.7, 0.37), (-0.02, 0.35)], roof if side > 0 else mix(roof, roof_dark, 0.55))
    pen.poly([(-0.32, 0.85), (-0.32, 0.77), (-0.62, 0.33), (-0.66, 0.38)], mix(roof, roof_dark, 0.2 if side < 0 else 0.6))
    pen.poly([(-0.32, 0.85), (-0.32, 0.77), (-0.05, 0.33), (-0.0, 0.37)], mix(roof, roof_dark, 0.4))
    glow, frame = _window(stage), mix(wall, wall_dark, 1.0) * 0.6
    for x, y, w, h in ((-0.46, 0.18, 0.11, 0.15), (0.08, 0.17, 0.14, 0.15), (0.38, 0.18, 0.13, 0.14), (-0.35, 0.5, 0.07, 0.09)):
        pen.poly([(x - 0.014, y - 0.014), (x + w + 0.014, y - 0.014), (x + w + 0.014, y + h + 0.014), (x - 0.014, y + h + 0.014)], frame)
        pen.poly([(x, y), (x + w, y), (x + w, y + h), (x, y + h)], glow)
        pen.line([(x + w / 2, y), (x + w / 2, y + h)], 0.01, frame)
        pen.line([(x, y + h / 2), (x + w, y + h / 2)], 0.01, frame)
    pen.poly([(-0.28, 0), (-0.15, 0), (-0.15, 0.3), (-0.28, 0.3)], frame)
    return pen.sprite()


def castle(stage: Stage, size: float) -> Array:
    """Return a castle of many towers."""
    pen, side = Pen(size, 1.1), stage.side
    stone, stone_dark = _pair(stage, "#cdbfae")
    roof, roof_dark = _pair(stage, _accent(stage, "#3f5a86"))

    def tower(x: float, base: float, width: float, tall: float, *, cone: bool = True) -> None:
        pen.column((x, base, width), (x, tall, width), stone, stone_dark, side)
        if cone:
            pen.column((x, tall - 0.015, width * 1.3), (x, tall + width * 4.2, 0.001), roof, roof_dark, side)
        else:
            for i in np.linspace(-1, 0.72, 6):
                pen.poly([(x + width * i * 1.1, tall), (x + width * (i + 0.22) * 1.1, tall), (x + width * (i + 0.22) * 1.1, tall + 0.025), (x + width * i * 1.1, tall + 0.025)], mix(stone, stone_dark, 0.5 - 0.4 * i * side))
        for y in np.arange(base + 0.1, tall - 0.03, 0.11):
            pen.oval(x - width * 0.2 * side, y, width * 0.11, width * 0.26, _window(stage) if evening(stage) else stone_dark * 0.6)

    tower(-0.1, 0.2, 0.055, 0.66)
    tower(0.17, 0.2, 0.045, 0.56)
    tower(0.03, 0.2, 0.07, 0.7)
    pen.column((0, 0, 0.33), (0, 0.34, 0.33), mix(stone, stone_dark, 0.2), stone_dark, side)
    for i in np.arange(-0.33, 0.31, 0.052):
        pen.poly([(i, 0.34), (i + 0.028, 0.34), (i + 0.028, 0.365), (i, 0.365)], mix(stone, stone_dark, 0.45))
    tower(-0.33, 0, 0.065, 0.46)
    tower(0.33, 0, 0.075, 0.42)
    tower(-0.15, 0, 0.05, 0.4, cone=False)
    tower(0.14, 0, 0.05, 0.4, cone=False)
    gate = [(-0.06, 0), (-0.06, 0.13), (-0.03, 0.18), (0, 0.195), (0.03, 0.18), (0.06, 0.13), (0.06, 0)]
    pen.poly(gate, stone_dark * 0.45)
    return pen.sprite()


def windmill(stage: Stage, size: float) -> Array:
    """Return a windmill."""
    pen, side = Pen(size, 1.0), stage.side
    wall, wall_dark = _pair(stage, "#efe6d6")
    cap, cap_dark = _pair(stage, _accent(stage, "#8a4a38"))
    wood, wood_dark = _pair(stage, "#5c4636")
    pen.column((0, 0, 0.15), (0, 0.56, 0.095), wall, wall_dark, side)
    pen.column((0, 0.55, 0.115), (0, 0.68, 0.02), cap, cap_dark, side)
    pen.poly([(-0.04, 0), (0.04, 0), (0.04, 0.13), (-0.04, 0.13)], wood_dark)
    for y in (0.25, 0.4):
        pen.poly([(-0.02, y), (0.02, y), (0.02, y + 0.05), (-0.02, y + 0.05)], _window(stage))
    for quarter in range(4):
        angle = math.radians(28 + 90 * quarter)
        c, s = math.cos(angle), math.sin(angle)

        def at(r: float, w: float, c: float = c, s: float = s) -> tuple[float, float]:
            return r * c - w * s, 0.6 + r * s + w * c

        pen.poly([at(0.07, 0.0), at(0.4, 0.0), at(0.4, 0.085), at(0.07, 0.06)], mix(wall, wall_dark, 0.3))
        for r in np.linspace(0.07, 0.4, 7):
            pen.line([at(r, 0), at(r, 0.085)], 0.006, wood_dark)
        pen.line([at(0, 0), at(0.41, 0)], 0.016, mix(wood, wood_dark, 0.4))
    pen.oval(0, 0.6, 0.022, 0.022, wood)
    return pen.sprite()


def balloon(stage: Stage, size: float, rng: np.random.Generator) -> Array:
    """Return a hot-air balloon in stripes."""
    pen, side = Pen(size, 0.78), stage.side
    schemes = [
        ("#d8483a", "#f6e3c0"), ("#e8a13a", "#b8402f"), ("#2f7f9a", "#f4d58a"), ("#7a4a9a", "#f0b25c"),
        ("#f0ece0", "#d9563f"), ("#2f6a58", "#f0d9a0"),
    ]  # fmt: skip
    first, second = schemes[int(rng.integers(len(schemes)))]
    pairs = [_pair(stage, _accent(stage, first)), _pair(stage, second)]
    heights = np.linspace(0.26, 1.0, 26)
    part = (heights - 0.26) / 0.74
    profile = 0.355 * np.sin(np.clip(part, 0, 1) ** 0.62 * math.pi) ** 0.62
    profile[0], profile[-1] = 0.07, 0.0
    gores = 12
    for gore in range(gores):
        a, b = (math.sin(-math.pi / 2 + math.pi * (gore + d) / gores) for d in (0, 1))
        lit, dark = pairs[gore % 2]
        facing = (a + b) / 2 * side
        colour = mix(dark, lit, float(np.clip(0.5 + 0.62 * facing, 0, 1)))
        left = np.stack([profile * a, heights], -1)
        right = np.stack([profile * b, heights], -1)
        pen.poly(np.concatenate([left, right[::-1]]), colour)
    lit, dark = _pair(stage, "#7a5636")
    for x in (-0.055, 0.055):
        pen.line([(x, 0.27), (x * 0.8, 0.1)], 0.005, dark)
    pen.poly([(-0.052, 0.1), (0.052, 0.1), (0.042, 0.0), (-0.042, 0.0)], mix(lit, dark, 0.5))
    pen.poly([(0.01 * side, 0.1), (0.052 * side, 0.1), (0.042 * side, 0.0), (0.01 * side, 0.0)], lit)
    pen.line([(-0.055, 0.1), (0.055, 0.1)], 0.012, dark)
    return pen.sprite()


def rocket(stage: Stage, size: float) -> Array:
    """Return a rocket under way, pointing up, on its plume."""
    pen, side = Pen(size, 0.7), stage.side
    body, _ = _pair(stage, "#f4f1ea")
    body, dark = np.maximum(body, 0.82), hex_colour("#5a6078")
    red, red_dark = hex_colour(_accent(stage, "#e0483a")), hex_colour("#7a1f2c")
    for share, code in ((1.0, "#ff7a2a"), (0.72, "#ffb347"), (0.42, "#fff3c4")):
        flame = [(-0.075 * share, 0.36), (-0.085 * share, 0.25), (0, 0.36 - 0.35 * share), (0.085 * share, 0.25), (0.075 * share, 0.36)]
        pen.blob(flame, hex_colour(code))
    for turn in (-1, 1):
        fin = [(0.09 * turn, 0.52), (0.22 * turn, 0.4), (0.23 * turn, 0.28), (0.09 * turn, 0.37)]
        pen.poly(fin, red if turn == side else red_dark)
    heights = np.linspace(0.35, 1.0, 30)
    part = (heights - 0.35) / 0.65
    profile = 0.125 * np.sin(np.clip(0.28 + 0.72 * part, 0, 1) * math.pi) ** 0.8
    for strip in range(11):
        a, b = (-1 + 2 * (strip + d) / 11 for d in (0, 1))
        amount = float(np.clip(0.5 + 0.62 * math.sin((a + b) / 2 * side * 1.4 - 0.2), 0, 1))
        for low, high, lit, shade in ((0, 21, body, dark), (20, 30, red, red_dark)):
            edge_a = np.stack([profile * a, heights], -1)[low:high]
            edge_b = np.stack([profile * b, heights], -1)[low:high]
            pen.poly(np.concatenate([edge_a, edge_b[::-1]]), mix(shade, lit, amount))
    pen.oval(0, 0.66, 0.056, 0.056, red_dark)
    pen.oval(0, 0.66, 0.042, 0.042, hex_colour("#2f5f86"))
    pen.oval(0.012 * side, 0.675, 0.017, 0.014, hex_colour("#bfe4f2"))
    pen.poly([(-0.012, 0.42), (0.012, 0.42), (0.008, 0.28), (-0.008, 0.28)], red_dark)
    return pen.sprite()


def tilted(sprite: Array, degrees: float) -> Array:
    """Return a sprite turned anticlockwise on a sheet that holds it whole."""
    rows, columns = sprite.shape[:2]
    size = math.ceil(math.hypot(rows, columns))
    matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), degrees, 1)
    matrix[:, 2] += size / 2 - columns / 2, size / 2 - rows / 2
    return cv2.warpAffine(sprite, matrix, (size, size), flags=cv2.INTER_LINEAR)


def planet(stage: Stage, radius: float, rng: np.random.Generator, *, ringed: bool) -> Array:
    """Return a banded planet, (6 radii) square when ringed, as premultiplied RGBA."""
    half = round(radius * (2.5 if ringed else 1.25))
    axis = np.arange(-half, half + 1, dtype=np.float32) / radius
    x, y = axis[None], axis[:, None]
    tilt = rng.uniform(0.25, 0.5) * rng.choice([-1, 1])
    u, v = x * math.cos(tilt) + y * math.sin(tilt), -x * math.sin(tilt) + y * math.cos(tilt)
    z = np.sqrt(np.clip(1 - x**2 - y**2, 0, 1))
    noise = fractal(rng, (256, 512), (20, 110), 5)
    swirl = sample(noise, (u / (0.4 + z)) * 90 + 200, v * 110 + 128)
    schemes = ["#7a3b2e #d98a52 #f3cf98 #b5603f #f7e6c4", "#22406f #3f86b5 #9fd4dc #2f5f9a #e4f2ea",
               "#4a2a63 #9a5a9f #e8a8b4 #6a3f86 #f7dccf", "#2f5a4f #6aa583 #d9e0a8 #3f7a68 #f0ecc8"]  # fmt: skip
    stops = [hex_colour(c) for c in schemes[int(rng.integers(4))].split()]
    if stage.scene.colours:
        stops = [mix(s, hex_colour(_accent(stage, "#d98a52")), 0.55) for s in stops]
    bands = 0.5 + 0.32 * np.sin(v * 9 + 1.1 * swirl + 1) + 0.18 * np.sin(v * 23 + 2 * swirl)
    colour = gradient(stops, np.clip(bands, 0, 1))
    sx, sy, sz = 0.75 * stage.side, -0.45, 0.48
    lit = np.clip(x * sx + y * sy + z * sz, -0.2, 1)
    day = smoothstep(-0.12, 0.9, lit)
    disc = np.clip((1 - np.hypot(x, y)) * radius + 0.5, 0, 1)
    rim = (1 - z) ** 2.5 * smoothstep(-0.2, 0.5, lit)
    colour = colour * (0.05 + 1.05 * day)[..., None] + rim[..., None] * mix(stops[2], np.ones(3, np.float32), 0.5) * 0.55
    alpha = disc.copy()
    aura = np.exp(-np.clip(np.hypot(x, y) - 1, 0, 3) * 16) * (1 - disc) * smoothstep(-0.4, 0.9, x * sx + y * sy) * 0.5
    colour = colour * disc[..., None] + aura[..., None] * stops[2]
    if ringed:
        flat = v / 0.26
        r = np.hypot(u, flat)
        stripes = np.interp(r, np.linspace(1.35, 2.3, 160), np.clip(0.62 + 0.35 * rng.standard_normal(160).cumsum() * 0.35, 0.08, 1)).astype(np.float32)
        gap = 1 - smoothstep(0.0, 0.02, 0.03 - np.abs(r - 1.93))
        ring = smoothstep(1.35, 1.38, r) * (1 - smoothstep(2.24, 2.3, r)) * stripes * gap * 0.92
        shaded = 1 - 0.85 * ((np.abs(u * -sy + v * sx) < 0.9) & (u * sx + v * sy < 0)).astype(np.float32) * (1 - smoothstep(0.8, 1.0, np.abs(x * sy - y * sx)))
        tone = mix(stops[2], stops[4], 0.4) * (0.35 + 0.65 * shaded[..., None])
        before = ring * np.where(v > 0, 1.0, 1 - disc)
        colour = colour * (1 - before[..., None]) + tone * before[..., None]
        alpha = np.maximum(alpha, before)
    alpha = np.clip(np.maximum(alpha, aura), 0, 1)
    return np.clip(np.dstack([np.minimum(colour, alpha[..., None]), alpha]) * 255, 0, 255).astype(np.uint8)


def whale(stage: Stage, size: float) -> Array:
    """Return a whale breaching, its foot in the water."""
    pen, side = Pen(size, 1.15), -stage.side
    back, dark = _pair(stage, _accent(stage, "#3f5f7f"))
    belly, belly_dark = _pair(stage, "#dfe6ea")
    body = [(-0.22, -0.06), (-0.2, 0.2), (-0.12, 0.46), (0.03, 0.7), (0.22, 0.86), (0.4, 0.93), (0.47, 0.88),
            (0.46, 0.78), (0.4, 0.64), (0.3, 0.44), (0.2, 0.22), (0.16, -0.06)]  # fmt: skip
    under = [(0.02, -0.06), (0.08, 0.2), (0.18, 0.44), (0.3, 0.66), (0.42, 0.8), (0.465, 0.82), (0.44, 0.72),
             (0.38, 0.58), (0.3, 0.42), (0.2, 0.2), (0.16, -0.06)]  # fmt: skip
    turn = lambda points: [(x * side, y) for x, y in points]  # noqa: E731
    pen.blob(turn(body), mix(back, dark, 0.35))
    pen.blob(turn([(x * 0.72 - 0.055, y * 0.96) for x, y in body]), mix(back, dark, 0.05))
    pen.blob(turn(under), mix(belly, belly_dark, 0.3))
    for i in range(5):
        groove = [(0.06 + 0.022 * i, 0.02), (0.13 + 0.022 * i, 0.3), (0.27 + 0.022 * i, 0.6 - 0.01 * i)]
        pen.line(turn(groove), 0.006, mix(belly, belly_dark, 0.8))
    pen.blob(turn([(0.0, 0.36), (-0.06, 0.3), (-0.3, 0.4), (-0.42, 0.52), (-0.3, 0.5), (-0.1, 0.46)]), mix(back, dark, 0.75))
    pen.blob(turn([(0.26, 0.4), (0.32, 0.36), (0.46, 0.3), (0.52, 0.22), (0.42, 0.24), (0.3, 0.3)]), dark)
    pen.oval(0.3 * side, 0.71, 0.013, 0.013, dark * 0.3)
    foam, foam_dark = _pair(stage, "#f4f8fa")
    spread = np.random.default_rng(5)
    for _ in range(90):
        x = spread.normal(-0.02, 0.2)
        y = abs(spread.normal(0, 0.05)) + max(0, 0.1 - abs(abs(x) - 0.24)) * spread.random()
        pen.oval(x * side, y, spread.uniform(0.006, 0.026), spread.uniform(0.006, 0.02), mix(foam, foam_dark, spread.random() * 0.6))
    return pen.sprite()


def fox(stage: Stage, size: float) -> Array:
    """Return a fox that sits and looks to the light."""
    pen, side = Pen(size, 1.0), stage.side
    fur, fur_dark = _pair(stage, "#d9652a")
    white, white_dark = _pair(stage, "#f7ece0")
    black = stage.light.surface(hex_colour("#2c2224"), 0.3)
    turn = lambda points: [(x * side, y) for x, y in points]  # noqa: E731
    shade = mix(fur, fur_dark, 0.55)
    pen.blob(turn([(-0.1, 0.02), (-0.3, 0.0), (-0.44, 0.06), (-0.47, 0.2), (-0.4, 0.33), (-0.34, 0.22), (-0.26, 0.15), (-0.12, 0.14)]), shade)
    pen.blob(turn([(-0.47, 0.2), (-0.4, 0.34), (-0.345, 0.24), (-0.4, 0.2)]), white)
    pen.blob(turn([(-0.2, 0.01), (-0.24, 0.18), (-0.14, 0.4), (-0.02, 0.58), (0.12, 0.6), (0.17, 0.45), (0.15, 0.25), (0.14, 0.01)]), shade)
    pen.blob(turn([(-0.02, 0.55), (0.14, 0.6), (0.175, 0.45), (0.155, 0.25), (0.1, 0.2), (0.04, 0.36)]), fur)
    pen.blob(turn([(0.08, 0.56), (0.17, 0.56), (0.19, 0.44), (0.15, 0.28), (0.1, 0.34)]), mix(white, white_dark, 0.15))
    pen.blob(turn([(-0.2, 0.02), (-0.2, 0.2), (-0.08, 0.27), (0.02, 0.18), (0.03, 0.02)]), mix(fur, fur_dark, 0.35))
    pen.poly(turn([(0.07, 0.3), (0.15, 0.3), (0.15, 0.02), (0.09, 0.02)]), mix(fur, fur_dark, 0.15))
    pen.poly(turn([(0.085, 0.13), (0.152, 0.13), (0.17, 0.0), (0.08, 0.0)]), black)
    pen.blob(turn([(-0.02, 0.0), (0.0, 0.035), (0.05, 0.04), (0.07, 0.0)]), black)
    for x, dark in ((-0.005, 0.7), (0.1, 0.1)):
        pen.poly(turn([(x, 0.76), (x + 0.005, 0.97), (x + 0.1, 0.8)]), mix(fur, fur_dark, dark))
        pen.poly(turn([(x + 0.025, 0.8), (x + 0.02, 0.92), (x + 0.075, 0.81)]), black)
    head = [(-0.04, 0.66), (-0.01, 0.78), (0.1, 0.83), (0.2, 0.78), (0.26, 0.7), (0.35, 0.645), (0.36, 0.62), (0.25, 0.59), (0.12, 0.555), (0.02, 0.57)]
    pen.blob(turn(head), mix(fur, fur_dark, 0.1))
    pen.blob(turn([(-0.04, 0.64), (0.06, 0.64), (0.16, 0.645), (0.26, 0.635), (0.34, 0.625), (0.25, 0.588), (0.12, 0.55), (0.02, 0.565)]), white)
    pen.oval(0.352 * side, 0.637, 0.017, 0.014, black)
    pen.oval(0.175 * side, 0.7, 0.014, 0.017, black)
    return pen.sprite()


def deer(stage: Stage, size: float) -> Array:
    """Return a stag, standing."""
    pen, side = Pen(size, 0.95), stage.side
    coat, coat_dark = _pair(stage, "#8a5a38")
    pale, _ = _pair(stage, "#d9bf9c")
    turn = lambda points: [(x * side, y) for x, y in points]  # noqa: E731
    for x, back, shade in ((-0.2, -0.035, 0.9), (0.17, 0.02, 0.9), (-0.25, -0.045, 0.45), (0.11, 0.0, 0.3)):
        knee = (x + back, 0.2)
        pen.poly(turn([(x - 0.05, 0.4), (x + 0.05, 0.4), (knee[0] + 0.018, 0.2), (x + 0.012, 0.0), (x - 0.018, 0.0), (knee[0] - 0.018, 0.2)]), mix(coat, coat_dark, shade))
    body = [(-0.31, 0.47), (-0.28, 0.56), (-0.12, 0.58), (0.08, 0.575), (0.2, 0.58), (0.23, 0.46), (0.17, 0.37), (0.0, 0.35), (-0.16, 0.36), (-0.28, 0.37)]
    pen.blob(turn(body), mix(coat, coat_dark, 0.5))
    pen.blob(turn([(-0.28, 0.52), (-0.1, 0.575), (0.08, 0.57), (0.2, 0.575), (0.17, 0.5), (-0.1, 0.49)]), mix(coat, coat_dark, 0.05))
    pen.blob(turn([(0.08, 0.54), (0.2, 0.7), (0.24, 0.78), (0.31, 0.76), (0.28, 0.62), (0.23, 0.44), (0.16, 0.42)]), mix(coat, coat_dark, 0.25))
    pen.blob(turn([(0.2, 0.76), (0.23, 0.825), (0.29, 0.825), (0.36, 0.77), (0.42, 0.735), (0.41, 0.705), (0.33, 0.705), (0.25, 0.71)]), mix(coat, coat_dark, 0.1))
    pen.blob(turn([(0.2, 0.8), (0.13, 0.845), (0.12, 0.83), (0.18, 0.78)]), mix(coat, coat_dark, 0.4))
    pen.blob(turn([(-0.32, 0.54), (-0.345, 0.47), (-0.31, 0.42), (-0.285, 0.5)]), pale)
    pen.oval(0.29 * side, 0.785, 0.009, 0.009, coat_dark * 0.3)
    pen.oval(0.412 * side, 0.722, 0.012, 0.012, coat_dark * 0.3)
    horn = mix(pale, coat_dark, 0.4)
    for lean, shade in ((-0.05, 0.5), (0.04, 0.0)):
        beam = [(0.235, 0.82), (0.2 + lean, 0.89), (0.19 + lean * 1.6, 0.95), (0.22 + lean * 2.2, 0.99)]
        pen.line(turn(beam), 0.014, mix(horn, coat_dark, shade))
        for at, dx, dy in ((1, 0.075, 0.045), (2, 0.06, 0.03), (1, -0.05, 0.05)):
            x, y = beam[at]
            pen.line(turn([(x, y), (x + dx, y + dy)]), 0.01, mix(horn, coat_dark, shade))
    return pen.sprite()


def cat(stage: Stage, size: float) -> Array:
    """Return a cat that sits with its back to us and looks at the view."""
    pen, side = Pen(size, 0.9), stage.side
    fur, fur_dark = _pair(stage, _accent(stage, "#4a4348"))
    edge = mix(fur, stage.light.sun, 0.35)
    for shift, colour in ((0.012 * side, edge), (0.0, mix(fur, fur_dark, 0.7))):
        pen.line([(x + shift, y) for x, y in spline([(0.14, 0.03), (0.34, 0.02), (0.4, 0.14), (0.34, 0.24), (0.4, 0.14), (0.34, 0.02)])[:30]], 0.055, colour)
        body = [(-0.2, 0.0), (-0.22, 0.16), (-0.15, 0.4), (-0.1, 0.56), (0.1, 0.56), (0.15, 0.4), (0.22, 0.16), (0.2, 0.0)]
        pen.blob([(x + shift, y) for x, y in body], colour)
        pen.blob([(x + shift, y) for x, y in [(-0.15, 0.68), (-0.1, 0.82), (0.1, 0.82), (0.15, 0.68), (0.09, 0.55), (-0.09, 0.55)]], colour)
        for ear in (-1, 1):
            pen.poly([(0.15 * ear + shift, 0.72), (0.135 * ear + shift, 0.95), (0.03 * ear + shift, 0.81)], colour)
    return pen.sprite()


def add_birds(stage: Stage, count: int, size: float) -> None:
    """Add a flock that crosses the sky on beating wings."""
    rng = stage.rng
    heading = -stage.side
    centre = np.array([stage.width * rng.uniform(0.35, 0.65), stage.horizon * rng.uniform(0.3, 0.55)])
    rank = np.arange(count) - count / 2
    place = centre + np.stack([-np.abs(rank) * size * 1.5 * heading, rank * size * 0.75], -1)
    place += rng.normal(0, size * 0.45, (count, 2))
    scale, phase = rng.uniform(0.7, 1.15, count) * size, rng.uniform(0, math.tau, count)
    tone = mix(stage.light.surface(hex_colour("#2d2f3a"), 0.2), stage.light.haze, 0.2)
    bright = (hex_colour("#f2f4f6") * 0.9) if stage.scene.time == "day" and stage.scene.setting == "sea" else tone
    colour = tuple(round(float(v) * 255) for v in bright)

    def paint(frame: Array, stage: Stage, moment: Moment) -> None:
        for (x, y), s, p in zip(place, scale, phase, strict=True):
            cx = x - stage.margin_x + heading * moment.seconds * stage.unit * 0.035 + moment.x * 0.15
            cy = y - stage.margin_y + moment.y * 0.15 + s * 0.2 * math.sin(moment.seconds * 1.3 + p)
            beat = math.sin(moment.seconds * 5.2 + p)
            lift = 0.32 * beat + 0.12
            wing = [(-1, lift * 0.55 - 0.05), (-0.55, lift + 0.1), (-0.12, 0.06), (0.12, 0.06), (0.55, lift + 0.1), (1, lift * 0.55 - 0.05),
                    (0.5, lift - 0.02), (0.1, -0.1), (0, -0.13), (-0.1, -0.1), (-0.5, lift - 0.02)]  # fmt: skip
            points = np.array([((cx + a * s) * 16, (cy - b * s) * 16) for a, b in wing])
            cv2.fillPoly(frame, [np.round(points).astype(np.int32)], colour, cv2.LINE_AA, 4)

    stage.painters.append(paint)


STANDING: dict[str, Callable[[Stage, float], Array]] = {
    "lighthouse": lighthouse, "cabin": cabin, "castle": castle, "windmill": windmill, "fox": fox,
    "deer": deer, "cat": cat,
}  # fmt: skip
