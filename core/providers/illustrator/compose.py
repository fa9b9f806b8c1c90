"""Composition: from a prompt's scene to a stage, different for each slot."""

from __future__ import annotations

import zlib

import numpy as np

from core.providers.illustrator.canvas.palette import light_for
from core.providers.illustrator.canvas.stage import Stage
from core.providers.illustrator.scene import read_scene
from core.providers.illustrator.scene_builders import SCENE_BUILDERS
from core.providers.illustrator.scenery import weather

# Five viewpoints: (horizon as a share of the height, scale of the subject).
_VIEWS = [(0.58, 1.0), (0.72, 0.85), (0.40, 0.9), (0.64, 1.4), (0.66, 0.72)]
_AGAINST_THE_LIGHT = 4


def set_stage(
    prompt: str, *, seed: int, slot: int, width: int, height: int, margin: float
) -> Stage:
    """Return the stage of a prompt for a frame.

    Args:
        prompt: any text.
        seed: of the job.
        slot: 1 and up.
        width: of the frame, in pixels.
        height: likewise.
        margin: share of the frame that is added on every side for the camera to move in.
    """
    scene = read_scene(prompt, seed=seed, slot=slot)
    key = zlib.crc32(prompt.encode("utf-8", "replace"))
    rng = np.random.default_rng([key, seed & 0xFFFFFFFF, slot])
    light = light_for(scene, rng)
    view = (slot - 1 + key + seed) % len(_VIEWS)
    # From the sixth slot on the five viewpoints are repeated, mirrored in turn.
    side = 1 if (slot + (slot - 1) // len(_VIEWS) + key // 8) % 2 else -1
    margin_x, margin_y = round(width * margin), round(height * margin)
    full_x, full_y = width + 2 * margin_x, height + 2 * margin_y
    share, big = _VIEWS[view]
    share += rng.uniform(-0.03, 0.03)
    horizon = margin_y + height * (share if height <= width * 1.2 else share * 0.92 + 0.04)
    sun_x = full_x * (0.5 + side * rng.uniform(0.14, 0.32))
    focus = full_x * (0.5 - side * rng.uniform(0.13, 0.20))
    if view == _AGAINST_THE_LIGHT:
        focus = sun_x - side * width * rng.uniform(0.0, 0.06)
    stage = Stage(
        scene=scene,
        light=light,
        rng=rng,
        width=full_x,
        height=full_y,
        margin_x=margin_x,
        margin_y=margin_y,
        horizon=horizon,
        sun=(sun_x, horizon - (horizon - margin_y) * light.height),
        focus=focus,
        side=side,
        view=view,
        big=big,
    )
    SCENE_BUILDERS[scene.setting](stage)
    if scene.setting != "space":
        _add_weather(stage)
    return stage


def _add_weather(stage: Stage) -> None:
    scene, unit = stage.scene, stage.unit
    leafy = scene.setting in ("meadow", "forest", "lake", "mountains")
    light_snow = scene.season == "winter" and stage.view in (0, 3) and "aurora" not in scene.moods
    if scene.weather == "fog":
        for depth, power in ((0.3, 0.55), (0.6, 0.42), (0.9, 0.3)):
            y = stage.horizon + (depth - 0.2) * 0.5 * (stage.height - stage.horizon)
            weather.add_fog(stage, y, unit * 0.22, power, depth)
    if scene.weather in ("rain", "storm"):
        weather.add_rain(stage)
    elif scene.weather == "snow" or light_snow:
        weather.add_falling(stage, "snow", 420 if scene.weather == "snow" else 160)
    elif scene.season == "spring" and leafy:
        weather.add_falling(stage, "petals", 70)
    elif scene.season == "autumn" and leafy:
        weather.add_falling(stage, "leaves", 46)
    elif scene.time in ("night", "dusk") and scene.setting in ("meadow", "forest"):
        weather.add_fireflies(stage, 46)
