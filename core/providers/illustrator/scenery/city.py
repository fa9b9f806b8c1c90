"""A city: rows of towers in haze, windows, signs, and a wet street that reflects them."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from core.providers.illustrator.canvas.palette import hex_colour, mix
from core.providers.illustrator.scenery.water import add_water

if TYPE_CHECKING:
    from core.providers.illustrator.canvas.noise import Array
    from core.providers.illustrator.canvas.stage import Moment, Stage

_LAMPS = ["#ffd48a", "#ffe3b0", "#ffbe6a", "#cfe6ff"]
_SIGNS = ["#ff3da8", "#2ff3ff", "#a64bff", "#ffb02e", "#3dff9e", "#ff4a5e"]


def add_city(stage: Stage) -> None:
    """Add the skyline and the wet street or river in front of it."""
    unit = stage.unit
    dark = stage.light.stars > 0.2 or stage.scene.weather in ("rain", "storm", "fog")
    lamps = 0.26 if dark else 0.2 if stage.scene.time in ("sunset", "dawn") else 0.06
    neon = "neon" in stage.scene.moods
    canyon = (
        neon or stage.scene.weather != "clear" or stage.view in (1, 3, 4)
    )  # a street between near towers rather than a far skyline
    ranks = 4
    for rank in range(ranks):
        near = rank / (ranks - 1)
        _add_rank(stage, near, lamps, neon=neon, canyon=canyon)
    wet = stage.scene.weather in ("rain", "storm") or neon or canyon
    tint = hex_colour("#2a3148" if wet else "#1f5570")
    add_water(stage, tint, rough=0.13 if wet else 0.2, clear=0.6 if wet else 0.5)
    if wet:
        _add_traffic(stage, unit)


def _add_rank(stage: Stage, near: float, lamps: float, *, neon: bool, canyon: bool) -> None:
    """Add one row of towers; `near` runs from 0, the farthest, to 1."""
    rng, unit, light = stage.rng, stage.unit, stage.light
    haze = 0.72 * (1 - near) ** 1.1 + 0.03
    rows, columns = round(stage.horizon) + 2, stage.width
    body = np.zeros((rows, columns, 4), np.float32)
    glow = np.zeros((rows, columns, 3), np.float32)
    codes = (
        ["#3d4763", "#4a4f68", "#5a5468", "#394a5e", "#665a5f"]
        if not neon
        else ["#2a2550", "#1f2a55", "#33214f", "#1d2444"]
    )
    x = -unit * rng.uniform(0, 0.1)
    gap = stage.width * (0.5 - 0.07 * stage.side)
    while x < columns:
        width = unit * rng.uniform(0.05, 0.11) * (0.65 + 0.9 * near)
        middle = x + width / 2
        away = abs(middle - gap) / stage.width
        tall = unit * rng.uniform(0.22, 0.5) * (1.15 - 0.55 * near)
        if canyon:  # towers rise to the sides, and near ones leave the middle free
            tall = unit * (0.16 + 0.5 * near + 1.1 * away) * rng.uniform(0.7, 1.1)
            if near > 0.3 and away < 0.10 + 0.22 * (near - 0.3):
                x += width
                continue
        elif near > 0.6 and rng.random() < 0.25:
            x += width * rng.uniform(0.4, 1.1)
            continue
        code = codes[int(rng.integers(len(codes)))]
        _tower(
            stage,
            body,
            glow,
            round(x),
            round(width),
            min(rows - 4, round(tall)),
            code,
            haze,
            near,
            lamps,
        )
        if neon and near > 0.2 and rng.random() < 0.75:
            _sign(
                stage,
                body,
                glow,
                round(x + width * rng.choice([-0.02, 0.62])),
                round(rows - tall * rng.uniform(0.35, 0.8)),
                near,
            )
        x += width * rng.uniform(0.92, 1.12)
    depth = 0.05 + 0.3 * near
    # A band of lit air between this row and the next gives the street its depth.
    veil = np.linspace(0, 1, rows, dtype=np.float32)[:, None, None] ** 3 * 0.5 * (1 - near)
    air = mix(light.haze, hex_colour("#ff4fc0"), 0.35) if neon else light.haze
    body[..., :3] += (air - body[..., :3]) * veil
    stage.add(body[..., :3], body[..., 3], depth=depth)
    _add_halo(stage, glow, depth, neon=neon)


def _add_halo(stage: Stage, glow: Array, depth: float, *, neon: bool) -> None:
    """Add the light that surrounds lit windows and signs."""
    rows, columns = glow.shape[:2]
    bloom = cv2.GaussianBlur(glow, (0, 0), stage.unit * 0.004) * 0.6
    wide = cv2.resize(glow, None, fx=0.125, fy=0.125, interpolation=cv2.INTER_AREA)
    wide = cv2.GaussianBlur(wide, (0, 0), stage.unit * 0.004) * (1.2 if neon else 0.55)
    bloom += cv2.resize(wide, (columns, rows), interpolation=cv2.INTER_LINEAR)
    power = np.clip(bloom.max(-1), 0, 1)
    halo = stage.add(bloom / np.maximum(power, 1e-3)[..., None], power, depth=depth, glow=True)
    halo.pulse = 0.10 if neon else 0.05


def _tower(
    stage: Stage, body: Array, glow: Array, x: int, width: int, tall: int, code: str, haze: float,
    near: float, lamps: float,
) -> None:  # fmt: skip
    """Draw one tower with setbacks, a lit side and a grid of windows."""
    rng, light = stage.rng, stage.light
    rows, columns = body.shape[:2]
    lit, dark = (mix(light.surface(hex_colour(code), a), light.haze, haze) for a in (0.9, 0.15))
    crown = rng.random()
    steps = (
        [(0.0, 1.0)]
        if crown < 0.45
        else [(0.0, 0.86), (0.14, 1.0)]
        if crown < 0.8
        else [(0.0, 0.78), (0.12, 0.91), (0.27, 1.0)]
    )
    pitch = max(3.0, stage.unit * (0.0065 + 0.009 * near))
    for inset, share in reversed(steps):
        x0, x1 = round(x + width * inset), round(x + width * (1 - inset))
        y0 = round(rows - tall * share)
        a, b = max(0, x0), min(columns, x1)
        if a >= b:
            continue
        flank = np.clip((np.arange(a, b) - x0) / max(1, x1 - x0), 0, 1)
        flank = flank if stage.side > 0 else 1 - flank
        face = np.where(flank > 0.62, 0.85, 0.12)[None, :, None].astype(np.float32)
        fall = np.linspace(0.1, -0.12, rows - y0, dtype=np.float32)[:, None, None]
        body[y0:, a:b, :3] = dark + (lit - dark) * np.clip(face + fall, 0, 1)
        body[y0:, a:b, 3] = 1
        if x1 - x0 < 5 * pitch * 0.6:
            continue
        _light_windows(stage, body, glow, (x0, x1, y0), pitch, haze, lamps)
    if crown > 0.6:
        top = rows - tall
        mast = (
            slice(max(0, top - round(tall * 0.12)), top),
            slice(
                max(0, x + width // 2), max(0, x + width // 2) + max(1, round(stage.unit * 0.0022))
            ),
        )
        body[mast[0], mast[1], :3] = dark
        body[mast[0], mast[1], 3] = 1
        cv2.circle(
            glow,
            (x + width // 2, mast[0].start),
            max(1, round(stage.unit * 0.002)),
            (1.0, 0.15, 0.1),
            -1,
        )


def _light_windows(
    stage: Stage, body: Array, glow: Array, face: tuple[int, int, int], pitch: float, haze: float,
    lamps: float,
) -> None:  # fmt: skip
    """Light a share of `lamps` of the windows of a face: its left, right and top in pixels."""
    rng, (x0, x1, y0) = stage.rng, face
    inks = [hex_colour(code) for code in _LAMPS]
    dimmed = [mix(ink, stage.light.haze, haze * 0.6) for ink in inks]
    for y in np.arange(y0 + pitch * 1.2, len(body) - pitch, pitch * 1.35):
        floor_on = rng.random() < 0.12
        for x in np.arange(x0 + pitch * 0.8, x1 - pitch, pitch):
            if rng.random() > (0.85 * lamps * 2 if floor_on else lamps):
                continue
            box = (
                slice(round(y), round(y + pitch * 0.72)),
                slice(max(0, round(x)), max(0, round(x + pitch * 0.58))),
            )
            kind, level = int(rng.integers(4)), rng.uniform(0.55, 1.0)
            body[box[0], box[1], :3] = dimmed[kind] * level
            glow[box[0], box[1]] += inks[kind] * (level * 0.55 * (1 - haze))


def _sign(stage: Stage, body: Array, glow: Array, x: int, y: int, near: float) -> None:
    """Draw a framed neon sign of strokes that spell nothing."""
    rng, unit = stage.rng, stage.unit
    wide = max(5, round(unit * rng.uniform(0.02, 0.04) * (0.4 + near)))
    tone = hex_colour(_SIGNS[int(rng.integers(len(_SIGNS)))])
    other = hex_colour(_SIGNS[int(rng.integers(len(_SIGNS)))])
    cells = int(rng.integers(3, 6))
    stroke = max(1, round(wide * 0.09))
    bottom = y + wide * cells
    if bottom > body.shape[0] or x < 0 or x + wide > body.shape[1]:
        return
    body[y:bottom, x : x + wide] = [0.05, 0.04, 0.09, 1]
    for canvas, gain in ((body, 1.0), (glow, 1.1)):
        ink = [float(v) * gain for v in mix(tone, np.ones(3, np.float32), 0.25)] + [1.0] * (
            canvas.shape[2] == 4
        )
        frame = [float(v) * gain for v in other] + [1.0] * (canvas.shape[2] == 4)
        cv2.rectangle(canvas, (x, y), (x + wide - 1, bottom - 1), frame, stroke)
        local = np.random.default_rng(x * 7919 + y)
        for cell in range(cells):
            top = y + cell * wide
            for _ in range(4):
                a, b = local.uniform(0.22, 0.78, (2, 2))
                axis = int(local.integers(2))
                b[axis] = a[axis]  # upright or level, as most strokes of writing are
                ends = [(round(x + p[0] * wide), round(top + p[1] * wide)) for p in (a, b)]
                cv2.line(canvas, ends[0], ends[1], ink, stroke, cv2.LINE_8)


def _add_traffic(stage: Stage, unit: float) -> None:
    """Add the lights of cars that drive along the street."""
    rng = stage.rng
    lanes = [(-1, "#fff1cf"), (1, "#ff3b30")]
    cars = [
        (way, hex_colour(code), rng.random(), rng.uniform(0.05, 0.085))
        for way, code in lanes
        for _ in range(4)
    ]
    gap = stage.width * (0.5 - 0.07 * stage.side)

    def paint(frame: Array, stage: Stage, moment: Moment) -> None:
        rows, columns = frame.shape[:2]
        light = np.zeros((rows // 2, columns // 2, 3), np.float32)
        for way, tone, start, speed in cars:
            run = (start - way * moment.seconds * speed) % 1.0
            z = 1.0 + 9.0 * run**1.3  # distance: near ones move faster
            fade = math.sin(run * math.pi) ** 0.5
            y = stage.horizon - stage.margin_y + 0.30 * unit / z
            for lamp in (-1, 1):
                x = gap - stage.margin_x + (way * 0.30 + lamp * 0.052) * unit / z + moment.x * 0.3
                radius = max(0.6, 0.013 * unit / z) / 2
                centre = (round(x * 8), round(y * 8))
                colour = [float(v) * fade for v in tone]
                cv2.circle(light, centre, round(radius * 16), colour, -1, cv2.LINE_8, 4)
                streak = (round(x * 8), round((y + 0.12 * unit / z) * 8))
                dim = [v * 0.3 for v in colour]
                cv2.line(light, centre, streak, dim, max(1, round(radius * 1.5)), cv2.LINE_8, 4)
        blur: Array = cv2.GaussianBlur(light, (0, 0), unit * 0.0022)
        small = cv2.resize(light, None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA)
        wide = cv2.GaussianBlur(small, (0, 0), unit * 0.003) * 1.4
        blur += cv2.resize(wide, (blur.shape[1], blur.shape[0]), interpolation=cv2.INTER_LINEAR)
        blur = cv2.resize(
            np.clip(blur * 255, 0, 255).astype(np.uint8),
            (columns, rows),
            interpolation=cv2.INTER_LINEAR,
        )
        frame[...] = cv2.add(frame, blur)

    stage.painters.append(paint)
