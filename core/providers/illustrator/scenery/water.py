"""Water: a moving reflection of the scene behind it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from core.providers.illustrator.canvas.noise import fractal, sample, smoothstep
from core.providers.illustrator.canvas.palette import gradient, mix

if TYPE_CHECKING:
    from core.providers.illustrator.canvas.noise import Array
    from core.providers.illustrator.canvas.stage import Moment, Painter, Stage


def add_water(stage: Stage, tint: Array, *, rough: float, clear: float = 0.55) -> None:
    """Add water from the horizon down.

    It reflects what was added to the stage before it; what stands in it is added afterwards.

    Args:
        stage: where to.
        tint: colour of the water.
        rough: height of the waves, from 0, a mirror, to 1, a rough sea.
        clear: strength of the reflection, 0..1, at the foot of the picture.
    """
    painter = water(stage, tint, rough=rough, clear=clear)
    stage.painters.append(painter)
    stage.waters.append(painter)


def water(stage: Stage, tint: Array, *, rough: float, clear: float) -> Painter:
    """Return the painter of `add_water`."""
    light, unit = stage.light, stage.unit
    rng = np.random.default_rng(int(stage.rng.integers(2**32)))
    swell = fractal(rng, (512, 512), (64, 110), 4, 0.55)
    chop = fractal(rng, (512, 512), (28, 60), 4, 0.6)
    # Colours of the water's body from pale (0) to deep (255), looked up by the slope of the wave.
    deep = light.surface(tint, 0.25) * 0.85
    shallow = mix(light.surface(tint, 0.8), light.haze, 0.35)
    body_inks = (gradient([shallow, deep], np.linspace(0, 1, 256)) * 255).astype(np.uint8)
    low = light.height < 0.4 or light.stars > 0.6
    glints = np.arange(256)[:, None] * light.sun * (0.75 if low else 0.9)
    glint_inks = np.clip(glints, 0, 255).astype(np.uint8)
    gleam = 0.1 if stage.scene.weather not in ("clear", "clouds") else 0.95 if low else 0.4

    def paint(frame: Array, stage: Stage, moment: Moment) -> None:
        rows, columns = frame.shape[:2]
        waterline = stage.horizon - stage.margin_y + 0.04 * moment.y
        top = max(1, round(waterline))
        if top >= rows:
            return
        # Waves are computed for every other column: they are wider than high.
        x = np.arange(0, columns, 2, dtype=np.float32)[None]
        down = np.arange(top, rows, dtype=np.float32)[:, None] - waterline + 1.5
        nearness = np.clip(down / (0.62 * unit), 0, 1.4)
        away = 0.42 * unit / down  # distance, 1 at the viewer's feet
        slide = moment.x * (0.04 + 0.9 * nearness)
        across = (x - columns / 2 - slide) / (0.42 * unit) * away
        t = moment.seconds
        fine = 1 + 1.6 * nearness  # else the ripples in the foreground would look like clouds
        big = sample(swell, across * fine * 190 + 11 * t, away * fine * 260 + 17 * t)
        small = sample(chop, across * fine * 330 - 13 * t, away * fine * 430 + 23 * t)
        slope = big * 0.6 + small * 0.55
        # Waves tilt the reflection: near ones by more pixels, far ones blur into each other.
        lift = slope * ((0.10 + 0.55 * rough) * 0.55 * down)
        map_y = waterline - down * (0.86 - 0.12 * rough) - np.abs(lift) * 0.8 + lift * 0.4
        map_x = x + (big - small) * ((0.02 + 0.07 * rough) * down)
        mirrored = 0.92 - (0.92 - clear) * smoothstep(0, 1, nearness)
        glass: Array = np.clip(mirrored * (1 - 0.35 * rough * np.clip(slope, -0.6, 1)), 0, 1)
        body = nearness * 0.9 - slope * ((0.15 + 0.5 * rough) * np.minimum(1, down / (0.02 * unit)))
        spread = (x - stage.sun[0] + stage.margin_x) / (unit * (0.05 + 0.22 * nearness))
        path = (np.exp(-(spread**2)) * gleam + 0.04) * (1 - 0.45 * nearness)
        crest = smoothstep(0.42, 0.66, slope * 0.7 + 0.5 * small) * path
        size = (columns, rows - top)
        source_x, source_y, glass, body, crest = (
            cv2.resize(part.astype(np.float32), size, interpolation=cv2.INTER_LINEAR)
            for part in (map_x, np.clip(map_y, 0, top - 1), glass, body * 255, crest * 255)
        )
        mirror = cv2.remap(
            frame, source_x, source_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
        )
        inside = np.take(body_inks, np.clip(body, 0, 255).astype(np.uint8), axis=0)
        light_on_top = np.take(glint_inks, np.clip(crest, 0, 255).astype(np.uint8), axis=0)
        frame[top:] = cv2.add(cv2.blendLinear(mirror, inside, glass, 1 - glass), light_on_top)

    return paint


def add_shine(
    stage: Stage, at: tuple[float, float], radius: float, colour: Array, power: float, **how: object
) -> None:
    """Add a round glow of light about a point of the stage, `radius` pixels wide."""
    x, y = at
    size = max(3, round(radius * 2))
    axis = np.linspace(-1, 1, size, dtype=np.float32)
    fall = np.clip(1 - np.hypot(axis[None], axis[:, None]), 0, 1) ** 2 * power
    light = np.ones((size, size, 3), np.float32) * colour
    stage.add(light, fall, left=x - size / 2, top=y - size / 2, glow=True, **how)
