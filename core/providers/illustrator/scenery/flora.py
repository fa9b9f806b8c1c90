"""Plants: conifers, leafy trees, palms, cacti, grass and flowers."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from core.providers.illustrator.canvas.palette import hex_colour, mix
from core.providers.illustrator.canvas.pen import Cel, Pen, ink

if TYPE_CHECKING:
    from core.providers.illustrator.canvas.noise import Array
    from core.providers.illustrator.canvas.stage import Layer, Stage
    from core.providers.illustrator.scenery.terrain import Land

LEAVES = {
    "spring": ["#f7c6d6", "#f29cbc", "#fbe0e6", "#e77fa6"],
    "summer": ["#5f9a45", "#7db350", "#4a8440", "#9cc45c"],
    "autumn": ["#d9742b", "#e89a35", "#c2452d", "#f0bb4a"],
    "winter": ["#e9f0f7", "#f6f9fc", "#dbe6f0", "#ffffff"],
}
_FLOWERS = {
    "spring": ["#f7b7cf", "#ffffff", "#f2d65c", "#c9a3e6"],
    "summer": ["#e8463c", "#f6d13f", "#ffffff", "#8a6fd8", "#f08ab0"],
    "autumn": ["#d98a35", "#b5562f", "#e8c05a"],
    "winter": ["#ffffff"],
}


def conifer(stage: Stage, size: float, haze: float) -> Array:
    """Return a fir as a sprite, `size` pixels high."""
    rng = stage.rng
    snowy = stage.scene.season == "winter"
    pen = Pen(size, 0.62)
    dark, lit = (
        mix(stage.light.surface(hex_colour(code), amount), stage.light.haze, haze)
        for code, amount in (("#1f3d33", 0.05), ("#3f6b4a", 0.75))
    )
    white = mix(stage.light.surface(hex_colour("#f2f6fb"), 0.7), stage.light.haze, haze)
    pen.line([(0, 0), (0, 0.5)], 0.022, mix(dark, hex_colour("#3a2a22"), 0.4))
    large = size > 260
    tiers = int(rng.integers(13, 16) if large else rng.integers(7, 10))
    tips = np.linspace(-1, 1, 13 if large else 7)
    for tier in range(tiers):
        low = 0.06 + 0.84 * tier / tiers
        reach = 0.27 * (1 - tier / tiers) ** 0.85 + 0.015
        top = min(1.0, low + (0.2 if large else 0.27) * (1 - 0.6 * tier / tiers))
        left, right = (reach * rng.uniform(0.8, 1.12) for _ in range(2))
        droop = 0.03 * (1 - tier / tiers)
        fringe = [
            (
                t * (right if t > 0 else left),
                low - droop * abs(t) + rng.uniform(0.012, 0.024) * (i % 2) * (1.2 - abs(t)),
            )
            for i, t in enumerate(tips)
        ]
        pen.poly([*fringe, (0, top)], dark)
        edge, inner = (right, 0.25) if stage.side > 0 else (-left, -0.25)
        bright = (
            fringe[-(len(fringe) // 2 - 1) :]
            if stage.side > 0
            else fringe[: len(fringe) // 2 - 1][::-1]
        )
        raised = [(x * 0.97, y + 0.012) for x, y in bright]
        tone = white if snowy else mix(dark, lit, rng.uniform(0.55, 1.0))
        pen.poly([*raised, (0, low + 0.7 * (top - low)), (reach * inner * 0.6, low + 0.05)], tone)
        if snowy:
            pen.poly(
                [(-edge * 0.9, low - droop * 0.6), (-edge * 0.5, low + 0.06), (0, top)],
                mix(white, dark, 0.35),
            )
    return pen.sprite()


def add_wood(stage: Stage, land: Land, count: int, height: float, haze: float) -> Layer:
    """Add a conifer wood on the land, `height` units high and hazier with distance."""
    rng = stage.rng
    spots = land.spots(rng, count)
    levels = [min(0.92, haze + step * (1 - haze) * 0.22) for step in (2, 1, 0)]
    groves = [[conifer(stage, 200, level) for _ in range(3)] for level in levels]
    cel = Cel(stage.height, stage.width)
    clump = stage.rng.uniform(0, math.tau, 3)
    for order, (x, y, scale) in enumerate(spots):
        if (
            math.sin(x / stage.unit * 9 + clump[0])
            + math.sin(x / stage.unit * 23 + y * 0.05 + clump[1])
            < -0.5
        ):
            continue  # leave clearings
        grove = groves[min(2, order * 3 // len(spots))]
        tall = height * scale * rng.uniform(0.55, 1.15)
        cel.stamp(grove[int(rng.integers(3))], x, y + tall * 0.05, tall)
    return add_cel(stage, cel, land.layer.depth)


def add_cel(stage: Stage, cel: Cel, depth: float, **how: object) -> Layer:
    """Add a stamped sheet as a layer."""
    colour = cel.pixels[..., :3].astype(np.float32)
    alpha = cel.pixels[..., 3].astype(np.float32)
    straight = colour / np.maximum(alpha, 1)[..., None]
    return stage.add(straight, alpha / 255, depth=depth, **how)


def leafy_tree(stage: Stage, size: float, haze: float = 0.0) -> Array:
    """Return a broad tree in the season's leaf as a sprite, `size` pixels high."""
    rng = stage.rng
    pen = Pen(size, 1.15)
    light, season = stage.light, stage.scene.season
    bark = [mix(light.surface(hex_colour("#4a382f"), lit), light.haze, haze) for lit in (0.0, 0.6)]
    pen.poly([(-0.045, 0), (-0.02, 0.09), (0.02, 0.09), (0.05, 0)], bark[0])
    tips = _branches(stage, pen, bark)
    codes = LEAVES[season]
    dabs = 3 if season == "winter" else 30 if size > 200 else 12
    if size <= 200:
        tips = [(x, y, radius * 1.15) for x, y, radius in tips]
    middle = float(np.mean([y for _, y, _ in tips]))
    for lit in (0.0, 0.3, 0.62, 1.0):  # dark leaves first, the lit ones over them
        inks = [mix(light.surface(hex_colour(code), lit), light.haze, haze) for code in codes]
        for x, y, radius in tips:
            angle = rng.uniform(0, math.tau, dabs)
            away = radius * np.sqrt(rng.random(dabs))
            facing = (np.cos(angle) * stage.side * 0.6 + np.sin(angle)) * away / radius
            facing += 1.6 * (y - middle) + 0.6 * x * stage.side
            leaf = rng.uniform(0.004, 0.0105, dabs) * (1.0 if size > 200 else 1.5)
            for i in np.flatnonzero(np.abs(facing + 0.75 - lit * 1.5) < 0.62):
                at = x + math.cos(angle[i]) * away[i] * 1.15, y + math.sin(angle[i]) * away[i] * 0.9
                tone = inks[int(rng.integers(len(inks)))]
                pen.oval(*at, leaf[i] * 1.3, leaf[i], tone, rng.uniform(0, 180))
    return pen.sprite()


def _branches(stage: Stage, pen: Pen, bark: list[Array]) -> list[tuple[float, float, float]]:
    """Draw a tree's branches and return the places of its leaves: (x, y, radius)."""
    rng, side = stage.rng, stage.side
    tips: list[tuple[float, float, float]] = []

    def grow(x: float, y: float, angle: float, length: float, width: float) -> None:
        bend = angle + rng.normal(0, 0.12)
        x1, y1 = x + length * math.sin(bend), y + length * math.cos(bend)
        pen.line([(x, y), (x1, y1)], width, bark[0])
        gleam = [(x + side * width * 0.25, y), (x1 + side * width * 0.2, y1)]
        pen.line(gleam, width * 0.4, bark[1])
        if width < 0.03:
            tips.append((x1, y1, rng.uniform(0.045, 0.08)))
        if width < 0.009:
            return
        for turn in (-0.5, 0.42) if rng.random() < 0.75 else (-0.62, 0.03, 0.6):
            way = angle + turn * rng.uniform(0.75, 1.3)
            grow(x1, y1, way, length * rng.uniform(0.7, 0.86), width * 0.64)

    grow(0, 0.05, rng.normal(0, 0.06), 0.2, 0.042)
    return tips


def add_grove(stage: Stage, land: Land, count: int, height: float, haze: float) -> None:
    """Add scattered leafy trees, `height` units high, on the land."""
    trees = [leafy_tree(stage, 150, haze) for _ in range(2)]
    cel = Cel(stage.height, stage.width)
    for x, y, scale in land.spots(stage.rng, count):
        tall = height * scale * stage.rng.uniform(0.7, 1.25)
        cel.stamp(trees[int(stage.rng.integers(2))], x, y + tall * 0.04, tall)
    add_cel(stage, cel, land.layer.depth)


def palm(stage: Stage, size: float) -> Array:
    """Return a leaning palm as a sprite."""
    rng = stage.rng
    pen = Pen(size, 1.1)
    surface = stage.light.surface
    lean = rng.uniform(0.1, 0.25) * rng.choice([-1, 1])
    trunk = [(lean * (t**1.7) - lean * 0.5, 0.74 * t) for t in np.linspace(0, 1, 14)]
    pen.line(trunk, 0.03, surface(hex_colour("#5a4434"), 0.05))
    pen.line(
        [(x + stage.side * 0.007, y) for x, y in trunk], 0.011, surface(hex_colour("#8a6a4c"), 0.9)
    )
    x0, y0 = trunk[-1]
    for index, angle in enumerate(np.linspace(-2.15, 2.15, 13) + rng.normal(0, 0.08, 13)):
        lit = 0.15 + 0.8 * (index % 2) * (0.6 + 0.4 * math.sin(angle) * stage.side)
        colour = surface(hex_colour("#3f7a48" if index % 2 else "#2a5a3c"), lit)
        reach, drop = rng.uniform(0.3, 0.4), rng.uniform(0.13, 0.24)
        spine = [
            (x0 + reach * t * math.sin(angle), y0 + 0.26 * t * math.cos(angle) - drop * t**2.2)
            for t in np.linspace(0, 1, 9)
        ]
        width = [0.0, 0.03, 0.042, 0.044, 0.04, 0.034, 0.026, 0.015, 0.0]
        upper = [(x, y + w * 0.35) for (x, y), w in zip(spine, width, strict=True)]
        lower = [(x, y - w) for (x, y), w in zip(spine, width, strict=True)]
        pen.poly([*upper, *lower[::-1]], colour)
    return pen.sprite()


def cactus(stage: Stage, size: float) -> Array:
    """Return a saguaro as a sprite."""
    rng = stage.rng
    pen = Pen(size, 0.8)
    lit, dark = (stage.light.surface(hex_colour("#5d8a56"), amount) for amount in (1.0, 0.0))

    def arm(points: list[tuple[float, float]], width: float) -> None:
        for share, colour in ((1.0, dark), (0.62, mix(dark, lit, 0.55)), (0.26, lit)):
            shift = stage.side * width * (1 - share) * 0.42
            pen.line([(x + shift, y) for x, y in points], width * share, colour)
            x, y = points[-1]
            pen.oval(x + shift, y, width * share / 2, width * share / 2, colour)

    for turn in rng.permutation([-1, 1]):
        low, high = rng.uniform(0.3, 0.5), rng.uniform(0.6, 0.85)
        bow = [(turn * x, low + y) for x, y in ((0.05, 0), (0.13, 0.01), (0.18, 0.05), (0.2, 0.12))]
        arm([*bow, (turn * 0.2, high)], 0.075)
    arm([(0, 0), (0, 0.5), (0, 0.93)], 0.115)
    return pen.sprite()


def add_grass(stage: Stage, height: float, *, flowers: int = 0) -> Layer:
    """Add a swaying foreground of blades, `height` pixels high, along the foot of the stage."""
    rng, light, season = stage.rng, stage.light, stage.scene.season
    code = {"winter": "#c9d5de", "autumn": "#8a6a32"}.get(season, "#3f6f38")
    rows, columns = round(height * 1.3), stage.width
    sheet = np.zeros((rows * 2, columns * 2, 4), np.uint8)
    greens = [
        ink(light.surface(hex_colour(code) * value, lit))
        for value in (0.8, 0.95, 1.1, 1.25)
        for lit in (0.0, 0.2, 0.55, 0.95)
    ]
    swell = rng.uniform(0, math.tau)

    def tuft(x: float) -> float:
        """Return how high the grass stands at `x`."""
        return height * (0.78 + 0.22 * math.sin(7 * x / columns + swell))

    t = np.linspace(0, 1, 6)
    for x in rng.uniform(0, columns, round(columns * 0.55)):
        tall = tuft(x) * rng.uniform(0.35, 1.0)
        bow = x + rng.normal(0.1 * stage.side, 0.16) * tall * t**2
        half = rng.uniform(0.010, 0.02) * height * (1 - t) ** 0.8
        y = rows - tall * t
        blade = np.stack([np.r_[bow - half, (bow + half)[::-1]], np.r_[y, y[::-1]]], -1)
        green = greens[int(rng.integers(len(greens)))]
        cv2.fillPoly(sheet, [np.round(blade * 32).astype(np.int32)], green, cv2.LINE_8, 4)
    blooms = [hex_colour(bloom) for bloom in _two(rng, season)]
    for x in rng.uniform(0, columns, flowers):
        tall, radius = tuft(x) * rng.uniform(0.5, 1.05), height * rng.uniform(0.03, 0.062)
        head = x + 0.12 * tall * stage.side, rows - tall
        _flower(stage, sheet, (x, rows), head, radius, blooms[int(rng.integers(2))], greens[6])
    small = cv2.resize(sheet, (columns, rows), interpolation=cv2.INTER_AREA).astype(np.float32)
    straight = small[..., :3] / np.maximum(small[..., 3:], 1)
    top = stage.height - rows + 0.06 * height
    return stage.add(straight, small[..., 3] / 255, top=top, depth=0.9, sway=height * 0.10)


def _flower(
    stage: Stage,
    sheet: Array,
    foot: tuple[float, float],
    head: tuple[float, float],
    radius: float,
    bloom: Array,
    green: tuple[int, int, int, int],
) -> None:
    """Draw a flower of six petals on its stalk, at twice the scale of the stage."""
    (x0, y0), (x, y) = ((round(a * 32), round(b * 32)) for a, b in (foot, head))
    cv2.line(sheet, (x0, y0), (x, y), green, max(1, round(radius * 0.25)), cv2.LINE_8, 4)
    bright, shaded = (ink(stage.light.surface(bloom, lit)) for lit in (0.95, 0.35))
    for angle in np.arange(6) * math.tau / 6 + foot[0]:
        at = round(x + 20 * radius * math.cos(angle)), round(y + 16 * radius * math.sin(angle))
        facing = math.cos(angle) * stage.side - math.sin(angle) > -0.4
        petal = bright if facing else shaded
        cv2.circle(sheet, at, round(radius * 18), petal, -1, cv2.LINE_8, 4)
    heart = ink(stage.light.surface(hex_colour("#e8b53a"), 0.8))
    cv2.circle(sheet, (x, y), round(radius * 12), heart, -1, cv2.LINE_8, 4)


def add_flower_field(stage: Stage, land: Land, count: int) -> None:
    """Add patches of flowers on the land: dabs that shrink with distance."""
    rng, unit = stage.rng, stage.unit
    inks = [
        [ink(stage.light.surface(hex_colour(code), lit)) for lit in (0.3, 0.65, 0.95)]
        for code in _two(rng, stage.scene.season)
    ]
    sheet = np.zeros((stage.height * 2, stage.width * 2, 4), np.uint8)
    phase = rng.uniform(0, math.tau, 3)
    for x, y, scale in land.spots(rng, count):
        u, v = x / unit, y / unit
        if math.sin(u * 5 + v * 17 + phase[0]) + math.sin(u * 11 + phase[1]) < -0.2:
            continue  # between the patches
        patch = math.sin(u * 3 + v * 9 + phase[2]) > 0
        tones = inks[int(patch if rng.random() < 0.8 else not patch)]
        wide = max(1.2, scale * rng.uniform(0.008, 0.016))
        at, axes = (
            (round(x * 32), round((y - wide * 0.4) * 32)),
            (round(wide * 16), round(wide * 11)),
        )
        tone = tones[int(rng.integers(3))]
        cv2.ellipse(sheet, at, axes, 0, 0, 360, tone, -1, cv2.LINE_8, 4)
    cel = Cel(stage.height, stage.width)
    cel.pixels[...] = cv2.resize(sheet, (stage.width, stage.height), interpolation=cv2.INTER_AREA)
    add_cel(stage, cel, land.layer.depth)


def _two(rng: np.random.Generator, season: str) -> list[str]:
    """Return two colours of the season's flowers; more would look like confetti."""
    codes = _FLOWERS[season]
    return [codes[i % len(codes)] for i in rng.permutation(max(2, len(codes)))[:2]]
