"""One builder for each setting of a scene: the land, water and plants that it consists of."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.providers.illustrator import place, subjects
from core.providers.illustrator.canvas.noise import smoothstep
from core.providers.illustrator.canvas.palette import COLOURS, hex_colour, mix
from core.providers.illustrator.scenery import city, flora, sky, weather, woods
from core.providers.illustrator.scenery.terrain import Strip, add_land
from core.providers.illustrator.scenery.water import add_shine, add_water

if TYPE_CHECKING:
    from collections.abc import Callable

    from core.providers.illustrator.canvas.noise import Array
    from core.providers.illustrator.canvas.stage import Stage
    from core.providers.illustrator.scenery.terrain import Land

# Form, ground, near, far, amplitude, base, scale, haze, depth, mist, rise: see `Strip`.
_STRIPS = {
    "far peaks": Strip("peaks", "rock", 8, 26, 6.2, -0.8, 34, 0.50, 0.10, 0.55, 0.5),
    "near peaks": Strip("peaks", "rock", 5, 12, 2.4, -0.6, 62, 0.28, 0.16, 0.5, 0.4),
    "distant peaks": Strip("peaks", "rock", 12, 30, 4.5, -0.8, 34, 0.62, 0.06, 0.6, 0.4),
    "wooded hills": Strip("hills", "forest", 3.4, 8, 1.3, -0.5, 90, 0.22, 0.26, 0.3, 0.25),
    "far hills": Strip("hills", "forest", 6, 15, 1.9, -0.35, 60, 0.36, 0.13, 0.35, 0.2),
    "middle hills": Strip("hills", "grass", 3.2, 8, 1.1, -0.3, 80, 0.22, 0.24, 0.25, 0.2),
    "slope": Strip("hills", "grass", 1.1, 4.2, 0.6, -0.22, 110, 0.06, 0.55, 0.1),
    "bank": Strip("hills", "grass", 0.85, 3, 0.5, -0.05, 105, 0.06, 0.58),
    "islands": Strip("peaks", "forest", 11, 22, 2.3, -0.5, 40, 0.6, 0.07, 0.45, 0.3),
    "headland": Strip("cliffs", "grass", 2.2, 5, 1.15, -0.28, 70, 0.08, 0.4, 0.0, 0.12),
    "beach": Strip("plain", "sand", 0.85, 3, 0.24, -0.02, 150, 0.0, 0.7),
    "far mesas": Strip("mesas", "mesa", 12, 34, 3.2, -0.2, 34, 0.52, 0.07, 0.4, 0.2),
    "mesas": Strip("mesas", "mesa", 7, 14, 1.3, -0.2, 50, 0.3, 0.13, 0.35, 0.2),
    "far dunes": Strip("dunes", "sand", 3.2, 13, 1.25, -0.35, 75, 0.24, 0.25, 0.0, 0.15),
    "dunes": Strip("dunes", "sand", 1.1, 4.2, 0.55, -0.25, 150, 0.02, 0.6),
    "ice cliffs": Strip("cliffs", "snow", 6, 10, 1.3, -0.3, 60, 0.2, 0.16, 0.0, 0.1),
    "floe": Strip("plain", "snow", 0.85, 3, 0.35, -0.03, 120, 0.03, 0.55),
    "moon peaks": Strip("peaks", "moon", 4, 12, 1.5, -0.6, 60, 0.0, 0.3, 0.0, 0.3),
    "moon floor": Strip("craters", "moon", 1.0, 5, 0.35, -0.2, 110, 0.0, 0.6),
}
_WATERY = {"green", "emerald", "teal", "turquoise", "cyan", "blue", "azure", "indigo"}


def _land(
    stage: Stage, name: str, *, shape: Array | None = None, shore: Array | None = None
) -> Land:
    """Add one of `_STRIPS`, snow-covered in winter."""
    strip = _STRIPS[name]
    winter = stage.scene.season == "winter"
    if winter and strip.ground in ("grass", "forest", "sand"):
        strip = strip._replace(ground="snow")
    strip = strip._replace(amplitude=strip.amplitude * stage.rng.uniform(0.88, 1.15))
    snow_line = (-0.4 if winter else 0.38) if strip.ground == "rock" else None
    return add_land(stage, strip, snow_line=snow_line, shape=shape, shore=shore)


def _water(stage: Stage, code: str, *, rough: float, clear: float) -> None:
    """Add water, in the prompt's colour where water can have it."""
    named = [name for name in stage.scene.colours if name in _WATERY]
    tint = mix(hex_colour(code), hex_colour(COLOURS[named[0]]), 0.75) if named else hex_colour(code)
    add_water(stage, tint, rough=rough, clear=clear - 0.15 * bool(named))


def _backdrop(stage: Stage) -> None:
    """Add the sky, with clouds by weather and view."""
    scene, rng = stage.scene, stage.rng
    sky.add_sky(stage)
    fair = scene.weather == "clear" and scene.time != "night"
    if "aurora" in scene.moods:
        sky.add_aurora(stage)
    elif scene.weather in ("storm", "rain", "cloudy", "snow"):
        sky.add_high_clouds(stage, 0.85 if scene.weather == "storm" else 0.7, streaks=False)
    elif scene.weather == "clouds" or (fair and stage.view in (1, 3)):
        sky.add_high_clouds(stage, 0.25, streaks=True)
        sky.add_cumulus(stage, 6, rng.uniform(0.55, 0.8))
    else:
        cover = 0.16 if scene.time == "night" else rng.uniform(0.28, 0.5)
        sky.add_high_clouds(stage, cover, streaks=stage.view != 2)
    if scene.weather == "storm":
        weather.add_lightning(stage)
    if "balloon" in scene.subjects:
        place.add_balloons(stage)
    if "birds" in scene.subjects or (fair and rng.random() < 0.35):
        subjects.add_birds(stage, int(rng.integers(5, 12)), stage.unit * rng.uniform(0.012, 0.018))


def _foreground(stage: Stage, flowers: int) -> None:
    """Add the grass in the foreground and, in some views, firs that frame the picture."""
    if stage.scene.setting in ("mountains", "lake") and stage.view in (1, 3):
        for shift, size in ((0.43, 0.95), (0.53, 0.72)):
            tall = stage.unit * size * stage.rng.uniform(0.85, 1.1)
            x = stage.width / 2 - stage.side * shift * (stage.width - stage.margin_x)
            fir, sway = flora.conifer(stage, tall, 0.0), tall * 0.012
            place.place(stage, fir, x, stage.height + tall * 0.12, depth=0.85, sway=sway)
    flora.add_grass(stage, stage.unit * stage.rng.uniform(0.07, 0.13), flowers=flowers)


def _bay(stage: Stage, middle: float, width: float) -> Array:
    """Return a land shape (one factor a column) that leaves a bay open about `middle` 0..1."""
    x = np.linspace(0, 1, stage.width, dtype=np.float32) - middle
    return smoothstep(width * 0.25, width * 1.2, np.abs(x))


def _shore(stage: Stage) -> Array:
    """Return how far the near bank reaches into the water: a tongue of land at the focus."""
    x = (np.arange(stage.width, dtype=np.float32) - stage.focus) / stage.unit
    outward = np.where(x * stage.side < 0, 0.25 * x, x)  # the bank leaves the picture on one side
    tongue = np.exp(-((outward / 0.34) ** 2))
    wave = 0.12 * np.sin(x * 9 + stage.rng.uniform(0, 6)) + 0.06 * np.sin(x * 23)
    shore: Array = (1.12 + 1.5 * tongue + wave).astype(np.float32)
    return shore


def _mountains(stage: Stage) -> None:
    _backdrop(stage)
    _land(stage, "far peaks")
    if stage.view in (0, 1, 3):
        _land(stage, "near peaks")
    flora.add_wood(stage, _land(stage, "wooded hills"), 700, 0.22, 0.32)
    weather.add_fog(stage, stage.horizon + 0.1 * stage.unit, stage.unit * 0.09, 0.5, 0.3)
    if stage.view in (2, 3):
        _water(stage, "#2f6f8f", rough=0.12, clear=0.6)
        ground = _land(stage, "bank", shore=_shore(stage))
    else:
        ground = _land(stage, "slope")
    flora.add_wood(stage, ground, 40, 0.42, 0.05)
    place.stand(stage, ground, 0.6)
    _foreground(stage, flowers=40)


def _lake(stage: Stage) -> None:
    _backdrop(stage)
    _land(stage, "far peaks")
    flora.add_wood(stage, _land(stage, "far hills"), 900, 0.30, 0.3)
    _water(stage, "#2a6a88", rough=0.1, clear=0.62)
    weather.add_fog(stage, stage.horizon, stage.unit * 0.05, 0.5, 0.12)
    bank = _land(stage, "bank", shore=_shore(stage))
    flora.add_wood(stage, bank, 40, 0.5, 0.06)
    place.float_on(stage)
    place.stand(stage, bank, 0.58)
    _foreground(stage, flowers=14)


def _sea(stage: Stage) -> None:
    scene, view = stage.scene, stage.view
    _backdrop(stage)
    tropical = "palm" in scene.subjects
    high_ground = place.stands(stage) and not tropical
    if view in (0, 2, 3) or high_ground:
        _land(stage, "islands", shape=_bay(stage, 0.5 - stage.side * 0.1, 0.5))
    calm = 0.22 if "calm" in scene.moods else 0.42
    rough = {"storm": 1.0, "rain": 0.6}.get(scene.weather, calm)
    _water(stage, "#12808f" if scene.time == "day" else "#17607e", rough=rough, clear=0.55)
    place.float_on(stage)
    if high_ground:
        x = (np.arange(stage.width, dtype=np.float32) - stage.focus) * -stage.side / stage.unit
        cape = np.maximum(np.exp(-(((x - 0.22) / 0.42) ** 2)), smoothstep(0.2, 0.7, x))
        place.stand(stage, _land(stage, "headland", shape=cape), 0.4, at=0.1)
    elif tropical or view in (1, 2):
        place.stand(stage, _land(stage, "beach", shore=_shore(stage)), 0.7)
    if not tropical and (high_ground or view in (0, 4)):
        _foreground(stage, flowers=10)


def _desert(stage: Stage) -> None:
    _backdrop(stage)
    if stage.view in (0, 3, 4):
        _land(stage, "far mesas")
        _land(stage, "mesas")
    _land(stage, "far dunes")
    dunes = _land(stage, "dunes")
    if "balloon" not in stage.scene.subjects:
        for x, y, scale in dunes.spots(stage.rng, 3):
            tall = scale * 0.2 * stage.rng.uniform(0.6, 1.2)
            place.place(stage, flora.cactus(stage, tall), x, y + 0.02 * tall, depth=0.5, haze=0.08)
    place.stand(stage, dunes, 0.6)


def _meadow(stage: Stage) -> None:
    _backdrop(stage)
    if stage.view in (0, 4):
        _land(stage, "distant peaks")
    flora.add_wood(stage, _land(stage, "far hills"), 500, 0.3, 0.45)
    flora.add_grove(stage, _land(stage, "middle hills"), 10, 0.4, 0.3)
    field = _land(stage, "slope")
    if stage.scene.season != "winter":
        flora.add_flower_field(stage, field, 2600)
    place.stand(stage, field, 0.6)
    _foreground(stage, flowers=110)


def _arctic(stage: Stage) -> None:
    _backdrop(stage)
    _land(stage, "far peaks")
    swimming = bool({"whale", "boat"} & set(stage.scene.subjects))
    if stage.view in (0, 2, 4) or swimming:
        _land(stage, "ice cliffs", shape=_bay(stage, 0.5, 0.3))
        _water(stage, "#2b7f9c", rough=0.16, clear=0.6)
        place.float_on(stage)
        if swimming:
            return
        ground = _land(stage, "floe", shore=_shore(stage))
    else:
        flora.add_wood(stage, _land(stage, "wooded hills"), 160, 0.3, 0.3)
        ground = _land(stage, "slope")
    place.stand(stage, ground, 0.6)


def _forest(stage: Stage) -> None:
    _backdrop(stage)
    place.stand(stage, woods.add_forest(stage), 0.6)
    flora.add_grass(stage, stage.unit * 0.1, flowers=16)


def _city(stage: Stage) -> None:
    _backdrop(stage)
    city.add_city(stage)
    place.float_on(stage)


def _space(stage: Stage) -> None:
    rng, unit, rising = stage.rng, stage.unit, stage.view == 2
    sky.add_nebula(stage)
    world = unit * (0.46 if rising else 0.24 * stage.big)
    y = stage.height * (0.98 if rising else rng.uniform(0.34, 0.48))
    globe = subjects.planet(stage, world, ringed=not rising)
    x, bob = stage.width - stage.focus, (unit * 0.004, 0.0, 9.0)
    place.place(stage, globe, x, y + len(globe) / 2, depth=0.16, bob=bob)
    moon = subjects.planet(stage, unit * rng.uniform(0.035, 0.07), ringed=False)
    x, y = stage.focus + unit * rng.uniform(-0.1, 0.1), stage.height * rng.uniform(0.14, 0.3)
    place.place(stage, moon, x, y, depth=0.1)
    if stage.view in (1, 4):
        stage.horizon = stage.height * 0.82
        _land(stage, "moon peaks")
        place.stand(stage, _land(stage, "moon floor"), 0.6)
    if "rocket" in stage.scene.subjects:
        tall = unit * 0.34 * stage.big
        turn = -stage.side * rng.uniform(22, 48)
        craft = subjects.tilted(subjects.draw(stage, "rocket", tall), turn)
        foot = stage.height * (0.5 if rising else 0.62) + len(craft) * 0.5
        glow = stage.focus - stage.side * 0.12 * tall, foot - len(craft) * 0.3
        tone, bob = hex_colour("#ff9a4a"), (unit * 0.012, 1.0, 4.5)
        add_shine(stage, glow, tall * 0.5, tone, 0.5, depth=0.4, pulse=0.3)
        place.place(stage, craft, stage.focus, foot, depth=0.4, bob=bob)


SCENE_BUILDERS: dict[str, Callable[[Stage], None]] = {
    "mountains": _mountains,
    "lake": _lake,
    "sea": _sea,
    "desert": _desert,
    "meadow": _meadow,
    "arctic": _arctic,
    "space": _space,
    "forest": _forest,
    "city": _city,
}
