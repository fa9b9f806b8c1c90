"""Placing subjects on the ground, on the water and in the air, with shadow, reflection and glow."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from core.providers.illustrator import subjects
from core.providers.illustrator.canvas.palette import hex_colour
from core.providers.illustrator.scenery import flora
from core.providers.illustrator.scenery.water import add_shine

if TYPE_CHECKING:
    from core.providers.illustrator.canvas.noise import Array
    from core.providers.illustrator.canvas.stage import Layer, Stage
    from core.providers.illustrator.scenery.terrain import Land

# Heights as a share of the stage's unit length.
_STANDING = {
    "lighthouse": 0.40, "castle": 0.34, "cabin": 0.17, "windmill": 0.30, "fox": 0.20,
    "deer": 0.27, "cat": 0.20, "tree": 0.50, "cactus": 0.34, "palm": 0.50,
}  # fmt: skip
_AFLOAT = {"boat": 0.36, "whale": 0.40}


def place(
    stage: Stage, sprite: Array, x: float, foot: float, *, haze: float = 0.0, **how: object
) -> Layer:
    """Add a sprite as a layer with the middle of its foot at (`x`, `foot`)."""
    pixels = sprite.astype(np.float32) / 255
    alpha = pixels[..., 3]
    colour = pixels[..., :3] / np.maximum(alpha, 1e-3)[..., None]
    colour += (stage.light.haze - colour) * haze
    return stage.add(colour, alpha, left=x - sprite.shape[1] / 2, top=foot - len(sprite), **how)


def stands(stage: Stage) -> bool:
    """Return whether the scene has a subject that stands on the ground."""
    return any(name in _STANDING for name in stage.scene.subjects)


def stand(stage: Stage, land: Land, depth: float, at: float = 0.42) -> None:
    """Add the subjects that stand on land around the focus, at a row 0..1 from horizon to foot."""
    column = stage.focus
    if stage.horizon > 0.68 * stage.height:
        at *= 0.6  # keep clear of the grass in the foreground
    target = stage.horizon + at * (stage.height - stage.margin_y - stage.horizon)
    for name in stage.scene.subjects:
        if name not in _STANDING or (name == "tree" and stage.scene.setting == "forest"):
            continue
        row, tall = land.stand(column, target), _STANDING[name] * stage.unit * stage.big
        _add_shadow(stage, column, row, tall * 0.45, depth)
        if name == "lighthouse" and subjects.evening(stage):
            _add_beam(stage, column, row - tall * 0.81, depth)
        sway = tall * 0.012 if name in ("tree", "palm") else 0.0
        sprite = _draw(stage, name, tall)
        place(stage, sprite, column, row + tall * 0.02, depth=depth, sway=sway)
        if subjects.evening(stage):
            _add_lamp(stage, name, column, row, tall, depth)
        column -= stage.side * 0.22 * stage.unit


def _draw(stage: Stage, name: str, tall: float) -> Array:
    plants = {"tree": flora.leafy_tree, "cactus": flora.cactus, "palm": flora.palm}
    if name in plants:
        return plants[name](stage, tall)
    return subjects.draw(stage, name, tall)


def _add_lamp(stage: Stage, name: str, x: float, row: float, tall: float, depth: float) -> None:
    if name == "lighthouse":
        tone, wide = hex_colour("#ffe9a8"), stage.unit * 0.16
        add_shine(stage, (x, row - tall * 0.79), wide, tone, 0.9, depth=depth, pulse=0.25)
    elif name == "cabin":
        tone = hex_colour("#ffb04a")
        add_shine(stage, (x, row - 0.25 * tall), tall * 1.1, tone, 0.5, depth=depth, pulse=0.08)


def _add_shadow(stage: Stage, x: float, y: float, width: float, depth: float) -> None:
    """Add a subject's soft shadow at its foot, away from the light."""
    rows, columns = max(3, round(width * 0.22)), max(4, round(width * 2))
    u = np.linspace(-1, 1, columns, dtype=np.float32)[None]
    v = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    alpha = np.clip(1 - np.hypot(u, v), 0, 1) ** 0.8 * 0.55
    colour = np.ones((rows, columns, 3), np.float32) * stage.light.shade * 0.25
    left = x - columns / 2 - stage.side * width * 0.35
    stage.add(colour, alpha, left=left, top=y - rows / 2, depth=depth)


def _add_beam(stage: Stage, x: float, y: float, depth: float) -> None:
    """Add the beam of a lighthouse, away from the sun."""
    length, half = stage.unit * 1.1, stage.unit * 0.11
    rows, columns = round(half * 2), round(length)
    u = np.linspace(0, 1, columns, dtype=np.float32)[None]
    v = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    beam = np.clip(1 - np.abs(v) / (0.08 + 0.9 * u), 0, 1) ** 1.2 * (1 - u) ** 1.5 * 0.5
    left = x - columns if stage.side > 0 else x
    beam = np.ascontiguousarray(beam[:, :: -stage.side])
    colour = np.ones((rows, columns, 3), np.float32) * hex_colour("#ffeab0")
    stage.add(colour, beam, left=left, top=y - half, depth=depth, glow=True, pulse=0.35)


def float_on(stage: Stage) -> None:
    """Add swimming and sailing subjects with their reflections."""
    shallow = min(1.0, 2.2 * (1 - stage.horizon / stage.height))
    for name in stage.scene.subjects:
        if name not in _AFLOAT:
            continue
        tall = _AFLOAT[name] * stage.unit * stage.big
        sprite = subjects.draw(stage, name, tall)
        foot = stage.horizon + (0.10 + 0.06 * stage.big) * stage.unit * shallow
        fade = np.linspace(0.5, 0.0, len(sprite))[:, None, None]
        mirror = (sprite[::-1] * fade).astype(np.uint8)[: round(tall * 0.8)]
        low = foot + len(mirror) - 2
        place(stage, mirror, stage.focus, low, depth=0.3, ripple=tall * 0.02)
        heave = 0.012 if name == "boat" else 0.05
        place(stage, sprite, stage.focus, foot, depth=0.3, bob=(tall * heave, 1.6, 4.2))


def add_balloons(stage: Stage) -> None:
    """Add a large hot-air balloon at the focus and small ones over the sky."""
    rng = stage.rng
    spots = [(stage.focus, 0.34, 0.34 * stage.big)]
    for _ in range(9):
        x, y = rng.uniform(0.05, 0.95) * stage.width, rng.uniform(0.12, 0.8)
        if abs(x - stage.focus) > 0.2 * stage.unit:
            spots.append((x, y, rng.uniform(0.04, 0.15)))
    for x, y, size in sorted(spots, key=lambda spot: spot[2]):
        tall = size * stage.unit
        place(
            stage,
            subjects.balloon(stage, tall),
            x,
            stage.horizon * y + tall * 0.5,
            haze=max(0.0, 0.5 - size * 2.2),
            depth=0.08 + size,
            bob=(tall * 0.05, 1.2, 5 + 2 * rng.random()),
            drift=stage.unit * 0.01 * stage.side * (0.4 + size),
        )
