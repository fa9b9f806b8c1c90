"""Subjects of prompts, drawn as sprites in the stage's light."""

from __future__ import annotations

import math
from functools import cache
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np

from core.providers.illustrator.canvas.noise import fractal, sample, smoothstep
from core.providers.illustrator.canvas.palette import COLOURS, gradient, hex_colour, mix
from core.providers.illustrator.canvas.pen import Pen

if TYPE_CHECKING:
    from core.providers.illustrator.canvas.noise import Array
    from core.providers.illustrator.canvas.stage import Moment, Stage

_LAMPLIGHT = "#ffd27a"
_BALLOONS = [
    ("#d8483a", "#f6e3c0"),
    ("#e8a13a", "#b8402f"),
    ("#2f7f9a", "#f4d58a"),
    ("#7a4a9a", "#f0b25c"),
    ("#f0ece0", "#d9563f"),
    ("#2f6a58", "#f0d9a0"),
]
_PLANETS = [
    "#7a3b2e #d98a52 #f3cf98 #b5603f #f7e6c4",
    "#22406f #3f86b5 #9fd4dc #2f5f9a #e4f2ea",
    "#4a2a63 #9a5a9f #e8a8b4 #6a3f86 #f7dccf",
    "#2f5a4f #6aa583 #d9e0a8 #3f7a68 #f0ecc8",
]


def evening(stage: Stage) -> bool:
    """Return whether lamps are lit."""
    scene = stage.scene
    return stage.light.stars > 0.2 or scene.time != "day" or scene.weather != "clear"


def draw(stage: Stage, name: str, size: float) -> Array:
    """Return a figure of figures.txt as a sprite, `size` pixels high."""
    aspect, inks, shapes = _figures()[name]
    pen = Pen(size, aspect)
    pairs = {key: _pair(stage, kind, codes) for key, (kind, codes) in inks.items()}
    for shape, key, numbers, points in shapes:
        lit, dark = pairs[key]
        if shape == "lathe":
            pen.lathe(numbers[0], points, lit, dark)
            continue
        colour = mix(lit, dark, numbers[0])
        if shape == "line":
            pen.line(points, numbers[1], colour)
        elif shape == "oval":
            pen.oval(*points[0], numbers[1], numbers[2], colour)
        else:
            (pen.blob if shape == "blob" else pen.poly)(points, colour)
    sprite = pen.sprite()
    return np.ascontiguousarray(sprite[:, :: stage.side])


_Shape = tuple[str, str, list[float], list[tuple[float, float]]]


@cache
def _figures() -> dict[str, tuple[float, dict[str, tuple[str, list[str]]], list[_Shape]]]:
    """Return aspect, inks and shapes of every figure in figures.txt."""
    figures: dict[str, tuple[float, dict[str, tuple[str, list[str]]], list[_Shape]]] = {}
    name = ""
    for line in Path(__file__).with_name("figures.txt").read_text("utf-8").splitlines():
        word, *rest = line.split() or ["#"]
        if word == "figure":
            name = rest[0]
            figures[name] = float(rest[1]), {}, []
        elif word in ("ink", "accent", "roof", "window", "lantern", "paint"):
            figures[name][1][rest[0]] = word, rest[1:]
        elif not word.startswith("#"):
            numbers = [float(part) for part in rest[1:] if "," not in part]
            points = [part.split(",") for part in rest[1:] if "," in part]
            places = [(float(x), float(y)) for x, y in points]
            figures[name][2].append((word, rest[0], numbers, places))
    return figures


def _pair(stage: Stage, kind: str, codes: list[str]) -> tuple[Array, Array]:
    """Return an ink's colours in the light and in the shade."""
    code = codes[0]
    if kind == "paint":
        return hex_colour(codes[0]), hex_colour(codes[1])
    if kind in ("window", "lantern") and evening(stage):
        glow = hex_colour("#fff1b8" if kind == "lantern" else _LAMPLIGHT)
        return glow, glow
    if kind == "accent":
        code = _accent(stage, code)
    if kind == "roof" and stage.scene.season == "winter":
        code = "#eef3f8"
    surface = stage.light.surface
    return surface(hex_colour(code), 0.95), surface(hex_colour(code), 0.05)


def _accent(stage: Stage, default: str) -> str:
    """Return the prompt's first colour other than black and white, else `default`."""
    plain = ("white", "black")
    return next((COLOURS[name] for name in stage.scene.colours if name not in plain), default)


def balloon(stage: Stage, size: float) -> Array:
    """Return a hot-air balloon in stripes."""
    pen = Pen(size, 0.78)
    first, second = _BALLOONS[int(stage.rng.integers(len(_BALLOONS)))]
    pairs = [_pair(stage, "accent", [first]), _pair(stage, "ink", [second])]
    heights = np.linspace(0.26, 1.0, 26)
    profile = 0.355 * np.sin(np.linspace(0, 1, 26) ** 0.62 * math.pi).clip(0) ** 0.62
    profile[0], profile[-1] = 0.07, 0.0
    edges = np.sin(np.linspace(-math.pi / 2, math.pi / 2, 13))
    for gore, (a, b) in enumerate(pairwise(edges)):
        lit, dark = pairs[gore % 2]
        sides = [np.stack([profile * edge, heights], -1) for edge in (a, b)]
        facing = float(np.clip(0.5 + 0.31 * (a + b) * stage.side, 0, 1))
        pen.poly(np.concatenate([sides[0], sides[1][::-1]]), mix(dark, lit, facing))
    lit, dark = _pair(stage, "ink", ["#7a5636"])
    for x in (-0.055, 0.055):
        pen.line([(x, 0.27), (x * 0.8, 0.1)], 0.005, dark)
    pen.poly([(-0.052, 0.1), (0.052, 0.1), (0.042, 0.0), (-0.042, 0.0)], mix(lit, dark, 0.5))
    near, far = 0.01 * stage.side, 0.05 * stage.side
    pen.poly([(near, 0.1), (far, 0.1), (far * 0.8, 0.0), (near, 0.0)], lit)
    pen.line([(-0.055, 0.1), (0.055, 0.1)], 0.012, dark)
    return pen.sprite()


def tilted(sprite: Array, degrees: float) -> Array:
    """Return a sprite rotated anticlockwise, on a sheet large enough for all of it."""
    rows, columns = sprite.shape[:2]
    size = math.ceil(math.hypot(rows, columns))
    matrix = cv2.getRotationMatrix2D((columns / 2, rows / 2), degrees, 1)
    matrix[:, 2] += size / 2 - columns / 2, size / 2 - rows / 2
    return cv2.warpAffine(sprite, matrix, (size, size), flags=cv2.INTER_LINEAR)


def planet(stage: Stage, radius: float, *, ringed: bool) -> Array:
    """Return a banded planet with atmosphere and rings, as a square of premultiplied RGBA."""
    rng = stage.rng
    half = round(radius * (2.5 if ringed else 1.25))
    axis = np.arange(-half, half + 1, dtype=np.float32) / radius
    x, y = axis[None], axis[:, None]
    tilt = rng.uniform(0.25, 0.5) * rng.choice([-1, 1])
    u = x * math.cos(tilt) + y * math.sin(tilt)
    v = y * math.cos(tilt) - x * math.sin(tilt)
    away = np.hypot(x, y)
    z = np.sqrt(np.clip(1 - away**2, 0, 1))
    stops = [hex_colour(code) for code in _PLANETS[int(rng.integers(len(_PLANETS)))].split()]
    if stage.scene.colours:
        stops = [mix(stop, hex_colour(_accent(stage, "#d98a52")), 0.55) for stop in stops]
    noise = fractal(rng, (256, 512), (20, 110), 5)
    swirl = sample(noise, (u / (0.4 + z)) * 90 + 200, v * 110 + 128)
    bands = 0.5 + 0.32 * np.sin(v * 9 + 1.1 * swirl + 1) + 0.18 * np.sin(v * 23 + 2 * swirl)
    toward = np.array([0.75 * stage.side, -0.45], np.float32)  # the sun, on the picture's plane
    lit = x * toward[0] + y * toward[1] + z * 0.48
    rim = (1 - z) ** 2.5 * smoothstep(-0.2, 0.5, lit) * 0.55
    disc = np.clip((1 - away) * radius + 0.5, 0, 1)
    colour = gradient(stops, bands) * (0.05 + 1.05 * smoothstep(-0.12, 0.9, lit))[..., None]
    colour = (colour + rim[..., None] * mix(stops[2], np.ones(3, np.float32), 0.5)) * disc[
        ..., None
    ]
    air = np.exp(-np.clip(away - 1, 0, 3) * 16) * (1 - disc) * smoothstep(-0.4, 0.9, lit) * 0.5
    colour += air[..., None] * stops[2]
    alpha = np.maximum(disc, air)
    if ringed:
        reach = np.hypot(u, v / 0.26)
        density = np.clip(0.62 + 0.12 * rng.standard_normal(160).cumsum(), 0.08, 1)
        ring = np.interp(reach, np.linspace(1.35, 2.3, 160), density).astype(np.float32)
        ring *= smoothstep(1.35, 1.38, reach) * (1 - smoothstep(2.24, 2.3, reach))
        ring *= smoothstep(0.01, 0.03, np.abs(reach - 1.93)) * np.where(v > 0, 1, 1 - disc)
        # The planet's shadow falls on the ring behind it.
        behind = (x * toward[0] + y * toward[1] < 0) * (
            1 - smoothstep(0.7, 0.9, np.abs(x * toward[1] - y * toward[0]))
        )
        tone = mix(stops[2], stops[4], 0.4) * (1 - 0.6 * behind)[..., None]
        colour += (tone - colour) * (0.92 * ring)[..., None]
        alpha = np.maximum(alpha, 0.92 * ring)
    sheet = np.dstack([np.minimum(colour, alpha[..., None]), alpha])
    pixels: Array = (np.clip(sheet, 0, 1) * 255).astype(np.uint8)
    return pixels


def add_birds(stage: Stage, count: int, size: float) -> None:
    """Add a flock of birds that flaps across the sky."""
    rng = stage.rng
    heading = -stage.side
    middle = stage.width * rng.uniform(0.35, 0.65), stage.horizon * rng.uniform(0.3, 0.55)
    rank = np.arange(count) - count / 2
    place = np.stack([-np.abs(rank) * size * 1.5 * heading, rank * size * 0.75], -1)
    place += middle + rng.normal(0, size * 0.45, (count, 2))
    scale, phase = rng.uniform(0.7, 1.15, count) * size, rng.uniform(0, math.tau, count)
    tone = mix(stage.light.surface(hex_colour("#2d2f3a"), 0.2), stage.light.haze, 0.2)
    if stage.scene.time == "day" and stage.scene.setting == "sea":
        tone = hex_colour("#e2e6ea")
    colour = tuple(round(float(v) * 255) for v in tone)

    def paint(frame: Array, stage: Stage, moment: Moment) -> None:
        for (x, y), s, p in zip(place, scale, phase, strict=True):
            flown = heading * moment.seconds * stage.unit * 0.035
            cx = x - stage.margin_x + flown + moment.x * 0.15
            cy = y - stage.margin_y + moment.y * 0.15 + s * 0.2 * math.sin(moment.seconds * 1.3 + p)
            lift = 0.32 * math.sin(moment.seconds * 5.2 + p) + 0.12
            right = [(0.12, 0.06), (0.55, lift + 0.1), (1, lift * 0.55 - 0.05)]
            right += [(0.5, lift - 0.02), (0.1, -0.1)]
            wings = np.array([*right, (0, -0.13), *[(-a, b) for a, b in right[::-1]]])
            points = (np.array([cx, cy]) + wings * (s, -s)) * 16
            cv2.fillPoly(frame, [np.round(points).astype(np.int32)], colour, cv2.LINE_AA, 4)

    stage.painters.append(paint)
