"""Composition: sets the stage of a prompt, one way for each slot."""

from __future__ import annotations

import math
import zlib
from typing import TYPE_CHECKING

import numpy as np

from core.providers.illustrator import city, flora, subjects, weather, woods
from core.providers.illustrator.noise import smoothstep
from core.providers.illustrator.palette import hex_colour, light_for, mix
from core.providers.illustrator.scene import read_scene
from core.providers.illustrator.sky import add_aurora, add_cumulus, add_high_clouds, add_nebula, add_sky
from core.providers.illustrator.stage import Stage
from core.providers.illustrator.terrain import add_land
from core.providers.illustrator.water import add_shine, add_water

if TYPE_CHECKING:
    from core.providers.illustrator.noise import Array
    from core.providers.illustrator.terrain import Land

# Five ways to look at a scene: (horizon as a share of the height, size of the subject)
_VIEWS = [(0.58, 1.0), (0.72, 0.85), (0.40, 0.9), (0.64, 1.4), (0.66, 0.72)]

# Heights as a share of the stage's unit length.
_SIZES = {
    "lighthouse": 0.40, "castle": 0.34, "cabin": 0.17, "windmill": 0.30, "fox": 0.20, "deer": 0.27,
    "cat": 0.20,
}  # fmt: skip


def set_stage(prompt: str, *, seed: int, slot: int, width: int, height: int, margin: float) -> Stage:
    """Return the stage of a prompt for a `width` x `height` frame.

    `margin` is the share of the frame that is added on every side for a camera to move in.
    """
    scene = read_scene(prompt, seed=seed, slot=slot)
    key = zlib.crc32(prompt.encode("utf-8", "replace"))
    rng = np.random.default_rng([key, seed & 0xFFFFFFFF, slot])
    light = light_for(scene, rng)
    view = (slot - 1 + key + seed) % len(_VIEWS)
    # Slots six and up see the same five viewpoints mirrored, and so on in turn.
    side = 1 if (slot + (slot - 1) // len(_VIEWS) + key // 8) % 2 else -1
    margin_x, margin_y = round(width * margin), round(height * margin)
    full_x, full_y = width + 2 * margin_x, height + 2 * margin_y
    share = _VIEWS[view][0] + rng.uniform(-0.03, 0.03)
    horizon = margin_y + height * (share if height <= width * 1.2 else share * 0.92 + 0.04)
    sun_x = full_x * (0.5 + side * rng.uniform(0.14, 0.32))
    focus = full_x * (0.5 - side * rng.uniform(0.13, 0.20))
    if view == 4:  # against the light
        focus = sun_x - side * width * rng.uniform(0.0, 0.06)
    sun = (sun_x, horizon - (horizon - margin_y) * light.height)
    stage = Stage(
        scene, light, rng, full_x, full_y, margin_x, margin_y, horizon, sun, focus, side, view
    )
    _SETTINGS[scene.setting](stage)
    _add_weather(stage)
    return stage


def _backdrop(stage: Stage) -> None:
    """Add the sky, with the clouds that the weather and the view call for."""
    scene, rng = stage.scene, stage.rng
    add_sky(stage)
    if "aurora" in scene.moods:
        add_aurora(stage)
    elif scene.weather in ("storm", "rain", "cloudy", "snow"):
        add_high_clouds(stage, 0.85 if scene.weather == "storm" else 0.7, streaks=False)
    elif scene.weather == "clouds" or (scene.weather == "clear" and stage.view in (1, 3) and scene.time != "night"):
        add_high_clouds(stage, 0.25, streaks=True)
        add_cumulus(stage, 6, rng.uniform(0.55, 0.8))
    elif scene.time != "night":
        add_high_clouds(stage, rng.uniform(0.28, 0.5), streaks=bool(stage.view != 2))
    else:
        add_high_clouds(stage, 0.16, streaks=True)
    if scene.weather == "storm":
        weather.add_lightning(stage)
    if "balloon" in scene.subjects:
        _add_balloons(stage)
    if "birds" in scene.subjects or (scene.time != "night" and rng.random() < 0.35 and scene.weather == "clear"):
        subjects.add_birds(stage, int(rng.integers(5, 12)), stage.unit * rng.uniform(0.012, 0.018))


def _add_balloons(stage: Stage) -> None:
    rng, big = stage.rng, _VIEWS[stage.view][1]
    places = [(stage.focus, 0.34, 0.34 * big)]
    for index in range(9):
        places.append((rng.uniform(0.05, 0.95) * stage.width, rng.uniform(0.12, 0.8), rng.uniform(0.04, 0.13) * (1 + 0.3 * (index < 2))))
    for x, y, size in sorted(places, key=lambda place: place[2]):
        if size < 0.2 and abs(x - stage.focus) < 0.2 * stage.unit:
            continue
        tall = size * stage.unit
        sprite = subjects.balloon(stage, tall, rng)
        haze = max(0.0, 0.5 - size * 2.2)
        _place(stage, sprite, x, stage.horizon * y + tall * 0.5, depth=0.08 + size, haze=haze, bob=(tall * 0.05, 1.2, 5 + 2 * rng.random()), drift=stage.unit * 0.01 * stage.side * (0.4 + size))


def _place(stage: Stage, sprite: Array, x: float, foot: float, *, haze: float = 0.0, **how: object) -> None:
    """Add a sprite as a layer with the middle of its foot at (`x`, `foot`)."""
    pixels = sprite.astype(np.float32) / 255
    alpha = pixels[..., 3]
    colour = pixels[..., :3] / np.maximum(alpha, 1e-3)[..., None]
    if haze:
        colour = colour * (1 - haze) + stage.light.haze * haze
    stage.add(colour, alpha, left=x - sprite.shape[1] / 2, top=foot - sprite.shape[0], **how)


def _stand(stage: Stage, land: Land, depth: float, at: float = 0.42) -> None:
    """Add the scene's standing subjects on the land, about the focus; `at` 0..1 from horizon to foot."""
    big = _VIEWS[stage.view][1]
    column = stage.focus
    if stage.horizon > 0.68 * stage.height:
        at *= 0.6  # keep clear of the grass at our feet
    target = stage.horizon + at * (stage.height - stage.margin_y - stage.horizon)
    for name in stage.scene.subjects:
        row = land.stand(column, target)
        if name in subjects.STANDING:
            tall = _SIZES[name] * stage.unit * big
            sprite = subjects.STANDING[name](stage, tall)
            _shadow(stage, column, row, tall * 0.45, depth)
            if name == "lighthouse":
                _add_beam(stage, column, row - tall * 0.81, depth)
            _place(stage, sprite, column, row + tall * 0.02, depth=depth)
            if name == "lighthouse" and (stage.light.stars or stage.scene.time != "day"):
                add_shine(stage, column, row - tall * 0.79, stage.unit * 0.16, hex_colour("#ffe9a8"), 0.9, depth=depth, pulse=0.25)
            if name == "cabin" and subjects.evening(stage):
                add_shine(stage, column + 0.05 * tall, row - 0.25 * tall, tall * 1.1, hex_colour("#ffb04a"), 0.5, depth=depth, pulse=0.08)
        elif name == "tree" and stage.scene.setting != "forest":
            tall = stage.unit * 0.5 * big
            _shadow(stage, column, row, tall * 0.5, depth)
            sprite = flora.leafy_tree(stage, stage.rng, tall)
            _place(stage, sprite, column, row + tall * 0.03, depth=depth, sway=tall * 0.012)
        elif name in ("cactus", "palm"):
            tall = stage.unit * (0.34 if name == "cactus" else 0.5) * big
            _shadow(stage, column, row, tall * 0.3, depth)
            draw = flora.cactus if name == "cactus" else flora.palm
            _place(stage, draw(stage, stage.rng, tall), column, row + tall * 0.02, depth=depth, sway=tall * 0.015 * (name == "palm"))
        else:
            continue
        column -= stage.side * 0.22 * stage.unit


def _shadow(stage: Stage, x: float, y: float, width: float, depth: float) -> None:
    """Add the soft shadow of a thing at its foot, falling away from the light."""
    rows, columns = max(3, round(width * 0.22)), max(4, round(width * 2))
    u = np.linspace(-1, 1, columns, dtype=np.float32)[None]
    v = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    alpha = np.clip(1 - np.hypot(u, v), 0, 1) ** 0.8 * 0.55
    colour = np.ones((rows, columns, 3), np.float32) * stage.light.shade * 0.25
    stage.add(colour, alpha, left=x - columns / 2 - stage.side * width * 0.35, top=y - rows / 2, depth=depth)


def _add_beam(stage: Stage, x: float, y: float, depth: float) -> None:
    if stage.scene.time == "day" and stage.scene.weather == "clear":
        return
    length, half = stage.unit * 1.1, stage.unit * 0.11
    rows, columns = round(half * 2), round(length)
    u = np.linspace(0, 1, columns, dtype=np.float32)[None]
    v = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    beam = np.clip(1 - np.abs(v) / (0.08 + 0.9 * u), 0, 1) ** 1.2 * (1 - u) ** 1.5 * 0.5
    beam = beam if stage.side < 0 else beam[:, ::-1]
    left = x if stage.side < 0 else x - columns
    colour = np.ones((rows, columns, 3), np.float32) * hex_colour("#ffeab0")
    stage.add(colour, np.ascontiguousarray(beam), left=left, top=y - half, depth=depth, glow=True, pulse=0.35)


def _ground(stage: Stage, default: str = "grass") -> str:
    return "snow" if stage.scene.season == "winter" else default


def _mountains(stage: Stage) -> None:
    rng, view = stage.rng, stage.view
    _backdrop(stage)
    snow = {"winter": -0.5}.get(stage.scene.season, rng.uniform(0.30, 0.42))
    tall = rng.uniform(5.5, 7.5)
    add_land(stage, "peaks", "rock", near=8, far=26, amplitude=tall, base=-0.8, scale=34, haze=0.5, snow_line=snow, depth=0.10, mist=0.55, rise=0.5)
    if view in (0, 1, 3):
        add_land(stage, "peaks", "rock", near=5, far=12, amplitude=2.4, base=-0.6, scale=62, haze=0.28, snow_line=snow + 0.1, depth=0.16, mist=0.5, rise=0.4)
    far_hills = add_land(stage, "hills", _ground(stage, "forest"), near=3.4, far=8, amplitude=1.3, base=-0.5, scale=90, haze=0.22, depth=0.26, mist=0.3, rise=0.25)
    flora.add_wood(stage, far_hills, 700, 0.22, 0.32)
    weather.add_fog(stage, stage.horizon + 0.1 * stage.unit, stage.unit * 0.09, 0.5, 0.3)
    if view in (2, 3) :
        add_water(stage, hex_colour("#2f6f8f"), rough=0.12, clear=0.6)
        bank = add_land(stage, "hills", _ground(stage), near=0.97, far=3, amplitude=0.5, base=-0.05, scale=110, haze=0.05, depth=0.6, shore=_shore(stage), island=True)
    else:
        bank = add_land(stage, "hills", _ground(stage), near=1.1, far=4.2, amplitude=0.7, base=-0.25, scale=110, haze=0.06, depth=0.55, mist=0.1)
    flora.add_wood(stage, bank, 40, 0.42, 0.05)
    _stand(stage, bank, 0.6)
    _foreground(stage, flowers=40)


def _lake(stage: Stage) -> None:
    rng = stage.rng
    _backdrop(stage)
    snow = {"winter": -0.3}.get(stage.scene.season, 0.4)
    add_land(stage, "peaks", "rock", near=9, far=26, amplitude=rng.uniform(4, 6), base=-0.8, scale=34, haze=0.52, snow_line=snow, depth=0.08, mist=0.5, rise=0.5)
    hills = add_land(stage, "hills", _ground(stage, "forest"), near=5, far=12, amplitude=1.9, base=-0.35, scale=70, haze=0.26, depth=0.14, mist=0.3, rise=0.2)
    flora.add_wood(stage, hills, 900, 0.30, 0.3)
    add_water(stage, hex_colour("#2a6a88"), rough=0.1, clear=0.62)
    weather.add_fog(stage, stage.horizon, stage.unit * 0.05, 0.5, 0.12)
    bank = add_land(stage, "hills", _ground(stage), near=0.97, far=3, amplitude=0.5, base=-0.05, scale=105, haze=0.06, depth=0.55, shore=_shore(stage), island=True)
    flora.add_wood(stage, bank, 40, 0.5, 0.06)
    _afloat(stage)
    _stand(stage, bank, 0.58)
    _foreground(stage, flowers=14)


def _sea(stage: Stage) -> None:
    rng, scene, view = stage.rng, stage.scene, stage.view
    _backdrop(stage)
    standing = any(name in subjects.STANDING for name in scene.subjects)
    if view in (0, 2, 3) or standing:
        shape = _open(stage, stage.width * (0.5 - stage.side * 0.1), 0.5)
        add_land(stage, "peaks" if view != 2 else "hills", _ground(stage, "forest"), near=11, far=22, amplitude=2.3, base=-0.5, scale=40, haze=0.6, depth=0.07, mist=0.45, shape=shape, rise=0.3)
    rough = {"storm": 1.0, "rain": 0.6}.get(scene.weather, 0.22 if "calm" in scene.moods else 0.42)
    add_water(stage, hex_colour("#12808f" if scene.time == "day" else "#17607e"), rough=rough)
    _afloat(stage)
    tropical = "palm" in scene.subjects
    if standing:
        shape = np.exp(-(((np.arange(stage.width) - stage.focus + stage.side * 0.22 * stage.unit) / (0.42 * stage.unit)) ** 2)).astype(np.float32)
        shape = np.maximum(shape, smoothstep(0.2, 0.7, -stage.side * (np.arange(stage.width, dtype=np.float32) - stage.focus) / stage.unit))
        cliff = add_land(stage, "cliffs", _ground(stage), near=2.2, far=5, amplitude=1.15, base=-0.28, scale=70, haze=0.08, depth=0.4, shape=shape, island=True, rise=0.12)
        _stand(stage, cliff, 0.4, at=0.1)
    if tropical or (view in (1, 2) and not standing):
        beach = add_land(stage, "plain", _ground(stage, "sand"), near=0.97, far=3, amplitude=0.24, base=-0.02, scale=150, haze=0.0, depth=0.7, shore=_shore(stage), island=True)
        if not standing:
            _stand(stage, beach, 0.7)
    if standing or view in (0, 4):
        _foreground(stage, flowers=10)


def _afloat(stage: Stage) -> None:
    """Add what swims or sails, with its reflection."""
    unit, big = stage.unit, _VIEWS[stage.view][1]
    for name in stage.scene.subjects:
        if name == "boat":
            tall, deep = unit * 0.36 * big, 0.10 + 0.06 * big
            sprite = subjects.boat(stage, tall)
        elif name == "whale":
            tall, deep = unit * 0.40 * big, 0.17
            sprite = subjects.whale(stage, tall)
        else:
            continue
        foot = stage.horizon + deep * unit * min(1.0, 2.2 * (1 - stage.horizon / stage.height))
        mirror = sprite[::-1].copy()
        fade = np.linspace(0.5, 0.0, mirror.shape[0])[:, None, None]
        mirror = np.ascontiguousarray((mirror * fade).astype(np.uint8)[: round(tall * 0.8)])
        depth = 0.3
        _place(stage, mirror, stage.focus, foot + mirror.shape[0] - 2, depth=depth, ripple=tall * 0.02)
        rocking = (tall * 0.012, 1.6, 4.2) if name == "boat" else (tall * 0.05, 1.5, 4.0)
        _place(stage, sprite, stage.focus, foot, depth=depth, bob=rocking)


def _desert(stage: Stage) -> None:
    rng, view = stage.rng, stage.view
    _backdrop(stage)
    if view in (0, 3, 4):
        add_land(stage, "mesas", "mesa", near=12, far=34, amplitude=3.2, base=-0.2, scale=34, haze=0.52, depth=0.07, mist=0.4, rise=0.2)
        add_land(stage, "mesas", "mesa", near=7, far=14, amplitude=1.3, base=-0.2, scale=50, haze=0.3, depth=0.13, mist=0.35, rise=0.2)
    far_dunes = add_land(stage, "dunes", "sand", near=3.2, far=13, amplitude=1.25, base=-0.35, scale=75, haze=0.24, depth=0.25, rise=0.15)
    near_dunes = add_land(stage, "dunes", "sand", near=1.1, far=4.2, amplitude=0.55, base=-0.25, scale=150, haze=0.02, depth=0.6)
    del far_dunes
    for x, y, scale in near_dunes.spots(rng, 5, 1.6, 4.2):
        if rng.random() < 0.6 and "balloon" not in stage.scene.subjects:
            tall = scale * 0.2 * rng.uniform(0.6, 1.2)
            _shadow(stage, x, y, tall * 0.35, 0.5)
            _place(stage, flora.cactus(stage, rng, tall), x, y + tall * 0.02, depth=0.5, haze=0.08)
    _stand(stage, near_dunes, 0.6)


def _meadow(stage: Stage) -> None:
    rng, view = stage.rng, stage.view
    _backdrop(stage)
    if view in (0, 4):
        add_land(stage, "peaks", "rock", near=12, far=30, amplitude=4.5, base=-0.8, scale=34, haze=0.62, snow_line=0.4, depth=0.06, mist=0.6, rise=0.4)
    hills = add_land(stage, "hills", _ground(stage, "forest"), near=7, far=18, amplitude=1.9, base=-0.35, scale=50, haze=0.45, depth=0.12, mist=0.4, rise=0.2)
    flora.add_wood(stage, hills, 500, 0.3, 0.5)
    middle = add_land(stage, "hills", _ground(stage), near=3.2, far=8, amplitude=1.1, base=-0.3, scale=80, haze=0.22, depth=0.24, mist=0.25, rise=0.2)
    flora.add_grove(stage, middle, 10, 0.4, 0.3)
    field = add_land(stage, "hills", _ground(stage), near=1.05, far=4, amplitude=0.5, base=-0.22, scale=110, haze=0.05, depth=0.55)
    flora.add_flower_field(stage, field, 2600 if stage.scene.season != "winter" else 0)
    _stand(stage, field, 0.6)
    _foreground(stage, flowers=110)


def _arctic(stage: Stage) -> None:
    rng, view = stage.rng, stage.view
    _backdrop(stage)
    add_land(stage, "peaks", "snow", near=9, far=26, amplitude=rng.uniform(4, 6), base=-0.8, scale=36, haze=0.5, depth=0.08, mist=0.5, rise=0.5)
    if view in (0, 2, 4):
        shape = _open(stage, stage.width * 0.5, 0.3)
        add_land(stage, "cliffs", "snow", near=6, far=10, amplitude=1.3, base=-0.3, scale=60, haze=0.2, depth=0.16, shape=shape, rise=0.1)
        add_water(stage, hex_colour("#2b7f9c"), rough=0.16, clear=0.6)
        floe = add_land(stage, "plain", "snow", near=0.97, far=3, amplitude=0.35, base=-0.03, scale=120, haze=0.03, depth=0.55, shore=_shore(stage), island=True)
        _afloat(stage)
    else:
        hills = add_land(stage, "hills", "snow", near=3.2, far=9, amplitude=1.2, base=-0.35, scale=70, haze=0.25, depth=0.2, rise=0.2)
        flora.add_wood(stage, hills, 160, 0.3, 0.3)
        floe = add_land(stage, "hills", "snow", near=1.05, far=4, amplitude=0.5, base=-0.22, scale=110, haze=0.03, depth=0.55)
    _stand(stage, floe, 0.6)


def _space(stage: Stage) -> None:
    rng, unit, view = stage.rng, stage.unit, stage.view
    add_nebula(stage)
    big = _VIEWS[view][1]
    world = unit * (0.24 * big if view != 2 else 0.46)
    x, y = stage.width - stage.focus, stage.height * rng.uniform(0.34, 0.48)
    if view == 2:  # a giant that rises from below
        y = stage.height * 0.98
    ringed = view != 2
    globe = subjects.planet(stage, world, rng, ringed=ringed)
    _place(stage, globe, x, y + globe.shape[0] / 2, depth=0.16, bob=(unit * 0.004, 0.0, 9.0))
    moon = subjects.planet(stage, unit * rng.uniform(0.035, 0.07), rng, ringed=False)
    _place(stage, moon, stage.focus + unit * rng.uniform(-0.1, 0.1), stage.height * rng.uniform(0.14, 0.3), depth=0.1)
    if view in (1, 4):
        stage.horizon = stage.height * 0.82
        add_land(stage, "peaks", "moon", near=4, far=12, amplitude=1.5, base=-0.6, scale=60, haze=0.0, depth=0.3, rise=0.3)
        floor = add_land(stage, "craters", "moon", near=1.0, far=5, amplitude=0.35, base=-0.2, scale=110, haze=0.0, depth=0.6)
        _stand(stage, floor, 0.6)
    if "rocket" in stage.scene.subjects:
        tall = unit * 0.34 * big
        craft = subjects.tilted(subjects.rocket(stage, tall), -stage.side * rng.uniform(22, 48))
        foot = stage.height * (0.62 if view != 2 else 0.5) + craft.shape[0] * 0.5
        add_shine(stage, stage.focus + stage.side * -0.12 * tall, foot - craft.shape[0] * 0.3, tall * 0.5, hex_colour("#ff9a4a"), 0.5, depth=0.4, pulse=0.3)
        _place(stage, craft, stage.focus, foot, depth=0.4, bob=(unit * 0.012, 1.0, 4.5))


def _foreground(stage: Stage, flowers: int) -> None:
    """Add the grass at our feet and, in some views, a fir that frames the picture."""
    if stage.scene.setting in ("mountains", "lake") and stage.view in (1, 3):
        side = stage.side if stage.view == 4 else -stage.side
        for shift, size in ((0.43, 0.95), (0.53, 0.72)):
            tall = stage.unit * size * stage.rng.uniform(0.85, 1.1)
            sprite = flora.conifer(stage, stage.rng, tall, 0.0)
            x = stage.width / 2 + side * shift * (stage.width - stage.margin_x)
            _place(stage, sprite, x, stage.height + tall * 0.12, depth=0.85, sway=tall * 0.012)
    flora.add_grass(stage, stage.unit * stage.rng.uniform(0.07, 0.13), flowers=flowers)


def _open(stage: Stage, middle: float, width: float) -> Array:
    """Return a land shape (one factor a column) that leaves a bay open about `middle`."""
    x = (np.arange(stage.width, dtype=np.float32) - middle) / stage.width
    return smoothstep(width * 0.25, width * 1.2, np.abs(x))


def _shore(stage: Stage) -> Array:
    """Return how far the near bank reaches into the water: a tongue of land under the subject."""
    x = (np.arange(stage.width, dtype=np.float32) - stage.focus) / stage.unit
    outward = np.where(x * stage.side < 0, 0.25 * x, x)  # the bank runs out of the picture's edge
    tongue = np.exp(-((outward / 0.34) ** 2))
    wave = 0.12 * np.sin(x * 9 + stage.rng.uniform(0, 6)) + 0.06 * np.sin(x * 23)
    return (1.12 + 1.5 * tongue + wave).astype(np.float32)


def _add_weather(stage: Stage) -> None:
    scene, unit = stage.scene, stage.unit
    if scene.setting == "space":
        return
    if scene.weather == "fog":
        for depth, power in ((0.3, 0.55), (0.6, 0.42), (0.9, 0.3)):
            y = stage.horizon + (depth - 0.2) * 0.5 * (stage.height - stage.horizon)
            weather.add_fog(stage, y, unit * 0.22, power, depth)
    if scene.weather in ("rain", "storm"):
        weather.add_rain(stage)
    elif scene.weather == "snow" or (scene.season == "winter" and stage.view in (0, 3) and "aurora" not in scene.moods):
        weather.add_falling(stage, "snow", 420 if scene.weather == "snow" else 160)
    elif scene.season == "spring" and scene.setting in ("meadow", "forest", "lake", "mountains"):
        weather.add_falling(stage, "petals", 70)
    elif scene.season == "autumn" and scene.setting in ("meadow", "forest", "lake", "mountains"):
        weather.add_falling(stage, "leaves", 46)
    elif scene.time in ("night", "dusk") and scene.setting in ("meadow", "forest"):
        weather.add_fireflies(stage, 46)


def _forest(stage: Stage) -> None:
    _backdrop(stage)
    floor = woods.add_forest(stage)
    _stand(stage, floor, 0.6)
    flora.add_grass(stage, stage.unit * 0.1, flowers=16)


def _city(stage: Stage) -> None:
    _backdrop(stage)
    city.add_city(stage)
    _afloat(stage)


_SETTINGS = {
    "mountains": _mountains, "lake": _lake, "sea": _sea, "desert": _desert, "meadow": _meadow,
    "arctic": _arctic, "space": _space, "forest": _forest, "city": _city,
}  # fmt: skip
