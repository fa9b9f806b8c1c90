"""Inside a forest: rows of trunks in haze, a leaf canopy, shafts of light."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from core.providers.illustrator.canvas.noise import fractal, smoothstep
from core.providers.illustrator.canvas.palette import hex_colour, mix
from core.providers.illustrator.canvas.pen import Cel, ink
from core.providers.illustrator.scenery.flora import LEAVES, add_cel, conifer
from core.providers.illustrator.scenery.terrain import Strip, add_land
from core.providers.illustrator.scenery.weather import add_fog

if TYPE_CHECKING:
    from core.providers.illustrator.canvas.noise import Array
    from core.providers.illustrator.canvas.stage import Stage
    from core.providers.illustrator.scenery.terrain import Land


def add_forest(stage: Stage) -> Land:
    """Add the forest, of firs or of leafy trees by season and view, and return its floor."""
    _add_glow(stage)
    if stage.scene.season == "winter" or (stage.view in (1, 4) and stage.scene.season == "summer"):
        return _firs(stage)
    return _leafy_forest(stage)


def _floor(stage: Stage, depth: float) -> Land:
    ground = {"winter": "snow", "autumn": "forest-floor"}.get(stage.scene.season, "grass")
    return add_land(stage, Strip("hills", ground, 1.02, 5, 0.42, -0.2, 120, 0.1, depth))


def _firs(stage: Stage) -> Land:
    """Add rows of firs that fade into mist."""
    rng, unit = stage.rng, stage.unit
    foggy = stage.scene.weather in ("fog", "rain", "snow")
    for rank in range(5):
        near = rank / 4
        haze = (0.86 if foggy else 0.7) * (1 - near) ** 0.8 + 0.04
        tall = unit * (0.2 + 0.42 * near**1.4)
        foot = stage.horizon + unit * (0.02 + 0.17 * near**1.6)
        trees = [conifer(stage, min(420, tall), haze) for _ in range(4)]
        cel = Cel(stage.height, stage.width)
        step = tall * (0.2 + 0.22 * near)
        swell = rng.uniform(0, math.tau)
        for x in np.arange(-0.2 * unit, stage.width + 0.2 * unit, step):
            # The nearest rows leave a gap in the middle for the view.
            if rank >= 3 and abs(x - stage.width * (0.5 - 0.08 * stage.side)) < unit * (
                0.1 + 0.2 * near
            ):
                continue
            lift = unit * 0.06 * math.sin(x / unit * 3.3 + swell) * (1 - near)
            size = tall * rng.uniform(0.62, 1.15)
            cel.stamp(
                trees[int(rng.integers(4))],
                x + rng.normal(0, step * 0.3),
                foot + lift + 0.1 * size,
                size,
            )
        if rank < 4:
            rows = slice(max(0, round(foot)), None)
            ground = mix(stage.light.surface(hex_colour("#3a5a44"), 0.3), stage.light.haze, haze)
            cel.pixels[rows] = ink(ground)
        add_cel(stage, cel, 0.08 + 0.4 * near)
        if rank < 4:
            add_fog(
                stage, foot, unit * (0.07 + 0.05 * near), 0.75 if foggy else 0.5, 0.1 + 0.4 * near
            )
    return _floor(stage, 0.6)


def _leafy_forest(stage: Stage) -> Land:
    """Add rows of trunks under a leaf canopy."""
    rng, unit = stage.rng, stage.unit
    floor = None
    foggy = stage.scene.weather == "fog"
    for rank in range(4):
        near = rank / 3
        haze = (0.88 if foggy else 0.76) * (1 - near) ** 0.9 + 0.02
        depth = 0.12 + 0.42 * near
        if rank == 2:
            floor = _floor(stage, 0.5)
        foot = stage.horizon + unit * (0.03 + 0.26 * near**1.7)
        sheet = np.zeros((stage.height * 2, stage.width * 2, 4), np.uint8)
        width = unit * (0.012 + 0.05 * near**1.5)
        count = round(stage.width / unit * (17 - 12 * near))
        for index in range(count):
            x = (index + rng.uniform(0.1, 0.9)) / count * stage.width
            if rank >= 2 and abs(x - stage.focus) < unit * 0.2 * (0.6 + near):
                continue
            if rank == 3 and abs(x - stage.width / 2) < 0.26 * stage.width:
                continue
            _trunk(
                stage,
                sheet,
                x,
                foot + rng.normal(0, 0.02) * unit * near,
                width * rng.uniform(0.6, 1.25),
                haze,
            )
        if rank < 2:
            ground = mix(stage.light.surface(hex_colour("#5a5236"), 0.4), stage.light.haze, haze)
            sheet[round(foot * 2) :] = ink(ground)
        _leaves(stage, sheet, haze, near)
        cel = Cel(stage.height, stage.width)
        cel.pixels[...] = cv2.resize(
            sheet, (stage.width, stage.height), interpolation=cv2.INTER_AREA
        )
        add_cel(stage, cel, depth)
        if rank < 3:
            add_fog(stage, foot, unit * 0.14, 0.62 if foggy else 0.3, depth)
        if rank == 1:
            _add_rays(stage)
    assert floor is not None  # noqa: S101 - rank 2 laid it
    return floor


def _trunk(stage: Stage, sheet: Array, x: float, foot: float, width: float, haze: float) -> None:
    """Draw a trunk that leaves the picture at the top, at twice the stage's scale."""
    rng = stage.rng
    top, lean = -0.05 * stage.height, rng.normal(0, 0.025) * foot
    t = np.linspace(0, 1, 14)
    wander = np.cumsum(rng.normal(0, width * 0.07, 14))
    middle = x + lean * t + wander - wander[0]
    half = width * (0.5 - 0.17 * t) * (1 + 0.9 * np.exp(-t * 22))
    y = foot + (top - foot) * t
    for share, lit in ((1.0, 0.0), (0.66, 0.35), (0.3, 0.95)):
        colour = mix(stage.light.surface(hex_colour("#57443a"), lit), stage.light.haze, haze)
        centre = middle + stage.side * half * (1 - share) * 0.9
        edge = np.stack(
            [np.r_[centre - half * share, (centre + half * share)[::-1]], np.r_[y, y[::-1]]], -1
        )
        cv2.fillPoly(sheet, [np.round(edge * 32).astype(np.int32)], ink(colour), cv2.LINE_8, 4)
        if share == 1.0:
            for _ in range(3):
                at = int(rng.integers(6, 13))
                way = rng.choice([-1, 1])
                tip = (
                    middle[at] + way * width * rng.uniform(1.5, 4),
                    y[at] - width * rng.uniform(1, 3),
                )
                ends = [(round(a * 32), round(b * 32)) for a, b in ((middle[at], y[at]), tip)]
                cv2.line(
                    sheet, ends[0], ends[1], ink(colour), max(1, round(width * 0.35)), cv2.LINE_8, 4
                )


def _leaves(stage: Stage, sheet: Array, haze: float, near: float) -> None:
    """Draw the leaf canopy along the top, denser at the sides of near rows."""
    rng, unit, light = stage.rng, stage.unit, stage.light
    codes = LEAVES[stage.scene.season if stage.scene.season != "winter" else "autumn"]
    if (
        stage.scene.season == "spring"
        and "pink" not in stage.scene.colours
        and "tree" not in stage.scene.subjects
    ):
        codes = ["#8fbf4f", "#a8cf5f", "#75ab48", "#c4df7a"]
    clusters = round(stage.width / unit * (70 - 26 * near))
    size = unit * (0.006 + 0.007 * near)
    for lit in (0.05, 0.4, 0.85):
        inks = [ink(mix(light.surface(hex_colour(c), lit), light.haze, haze)) for c in codes]
        for _ in range(clusters // 2):
            x = rng.uniform(-0.05, 1.05) * stage.width
            side = abs(x / stage.width - 0.5) * 2
            reach = stage.horizon * (0.5 - 0.26 * near + 0.42 * near * side**2)
            y = rng.random() ** 1.3 * reach
            spread = unit * (0.035 + 0.025 * near)
            for dx, dy, leaf in rng.normal(0, 1, (20, 3)):
                at = (
                    round((x + dx * spread) * 32),
                    round((y + dy * spread * 0.6 - lit * spread * 0.6) * 32),
                )
                axes = (round(size * 32 * (1 + 0.25 * math.tanh(leaf))), round(size * 19))
                cv2.ellipse(
                    sheet,
                    at,
                    axes,
                    float(leaf * 60),
                    0,
                    360,
                    inks[int(rng.integers(len(inks)))],
                    -1,
                    cv2.LINE_8,
                    4,
                )


def _add_glow(stage: Stage) -> None:
    """Add the bright haze between the trees."""
    y = np.arange(stage.height, dtype=np.float32)[:, None]
    x = np.arange(stage.width, dtype=np.float32)[None]
    far = np.hypot(x - stage.sun[0], (y - stage.horizon * 0.75) * 1.2) / stage.unit
    veil = np.clip(0.88 * smoothstep(-0.1, 0.9, y / stage.horizon) + 0.3 * np.exp(-far * 3), 0, 1)
    glow = np.exp(-far * 2.2)[..., None]
    colour = (
        stage.light.haze * (1 - 0.6 * glow)
        + mix(stage.light.haze, stage.light.sun, 0.75) * 0.6 * glow
    )
    stage.add(colour, veil.astype(np.float32), depth=0.03)


def _add_rays(stage: Stage) -> None:
    """Add shafts of light from the side of the sun."""
    if stage.scene.weather in ("rain", "storm", "snow"):
        return
    rows, columns = stage.height, stage.width
    y = np.arange(rows, dtype=np.float32)[:, None] + 0.25 * rows
    x = np.arange(columns, dtype=np.float32)[None] - stage.sun[0]
    angle = np.arctan2(x, y)
    rays = fractal(stage.rng, (8, 1024), (8, 46), 3, 0.6)[4]
    beam = np.interp(angle, np.linspace(-1.6, 1.6, 1024), rays).astype(np.float32)
    length = np.hypot(x, y) / stage.unit
    power = smoothstep(-0.1, 1.0, beam) * np.exp(-((length - 0.5) ** 2) * 1.6) * 0.42
    power *= 0.35 if stage.scene.time == "night" else 1.0
    colour = np.ones((rows, columns, 3), np.float32) * mix(stage.light.sun, stage.light.key, 0.4)
    stage.add(colour, power.astype(np.float32), depth=0.25, glow=True, pulse=0.15)
