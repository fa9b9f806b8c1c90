"""Weather in front of the scene: rain, snow, petals, fireflies, fog, lightning."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from core.providers.illustrator.canvas.noise import fractal, smoothstep
from core.providers.illustrator.canvas.palette import hex_colour, mix

if TYPE_CHECKING:
    from core.providers.illustrator.canvas.noise import Array
    from core.providers.illustrator.canvas.stage import Layer, Moment, Stage


def add_fog(stage: Stage, y: float, thick: float, power: float, depth: float) -> Layer:
    """Add a drifting bank of fog about row `y`, `thick` pixels high."""
    rows, columns = round(thick * 2), round(stage.width * 1.3)
    veil = cv2.resize(fractal(stage.rng, (128, 512), (40, 150), 4), (columns, rows))
    across = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    alpha = np.exp(-((across * 1.9) ** 2)) * smoothstep(-0.9, 0.9, veil + 0.25) * power
    edge = np.clip(np.minimum(across + 1, 1 - across) * 5, 0, 1)
    colour = np.ones((rows, columns, 3), np.float32) * mix(stage.light.haze, stage.light.sun, 0.15)
    return stage.add(
        colour, (alpha * edge).astype(np.float32), left=-0.15 * stage.width, top=y - thick,
        depth=depth, drift=stage.unit * 0.012 * (1 if depth < 0.5 else -1.4),
    )  # fmt: skip


def add_rain(stage: Stage) -> None:
    """Add slanting rain in three distances."""
    rng = stage.rng
    count = 420
    start, near = rng.random((count, 2)), rng.uniform(0.3, 1.0, count) ** 1.5
    slant = rng.uniform(0.08, 0.2) * stage.side

    def paint(frame: Array, stage: Stage, moment: Moment) -> None:
        rows, columns = frame.shape[:2]
        veil = np.zeros((rows, columns), np.uint8)
        fall = (start[:, 1] + moment.seconds * (1.1 + 1.1 * near)) % 1.25 - 0.15
        drift = (start[:, 0] - fall * slant) % 1.2 - 0.1
        for x, y, size in zip(drift * columns, fall * rows, near, strict=True):
            length = stage.unit * 0.075 * size
            a = (round(x * 16), round(y * 16))
            b = (round((x - slant * length) * 16), round((y + length) * 16))
            cv2.line(
                veil,
                a,
                b,
                round(20 + 44 * size),
                1 + round(0.9 * size * stage.unit / 900),
                cv2.LINE_AA,
                4,
            )
        frame[...] = cv2.add(frame, cv2.cvtColor(veil, cv2.COLOR_GRAY2RGB))

    stage.painters.append(paint)


def add_falling(stage: Stage, kind: str, count: int) -> None:
    """Add falling 'snow', 'petals' or 'leaves' that sway, near ones larger and softer."""
    rng = stage.rng
    inks = {
        "snow": ["#ffffff"],
        "petals": ["#fbd3e0", "#f7b5cb", "#ffffff"],
        "leaves": ["#e08a2e", "#c9512f", "#edb544"],
    }[kind]
    colours = [stage.light.surface(hex_colour(code), 0.9) for code in inks]
    if kind == "snow":
        colours = [mix(colours[0], np.ones(3, np.float32), 0.5)]
    start, near = rng.random((count, 2)), rng.uniform(0.25, 1.0, count) ** 2.2
    phase, spin = rng.uniform(0, math.tau, count), rng.uniform(-1, 1, count)
    size = stage.unit * (0.0065 if kind == "snow" else 0.011) * (0.35 + near)

    def paint(frame: Array, stage: Stage, moment: Moment) -> None:
        rows, columns = frame.shape[:2]
        speed = 0.10 if kind == "snow" else 0.06
        y = (start[:, 1] + moment.seconds * speed * (0.4 + near)) % 1.1 - 0.05
        x = (
            start[:, 0]
            + 0.018 * np.sin(phase + moment.seconds * 1.4)
            + moment.seconds * 0.022 * stage.side * near
        )
        x = (x * columns + moment.x * near) % (columns * 1.1) - columns * 0.05
        for tone, ink in enumerate(colours):
            veil = np.zeros((rows, columns), np.uint8)
            for i in range(tone, count, len(colours)):
                at = (round(x[i] * 16), round(y[i] * rows * 16))
                if kind == "snow":
                    cv2.circle(
                        veil,
                        at,
                        round(size[i] * 16 * 0.55),
                        round(250 - 90 * near[i]),
                        -1,
                        cv2.LINE_AA,
                        4,
                    )
                    continue
                turn = phase[i] + spin[i] * moment.seconds * 2.4
                wide = size[i] * (0.35 + 0.65 * abs(math.cos(turn * 1.3)))
                box = np.array([[1, 0], [0.25, 0.55], [-1, 0.1], [0.25, -0.5]]) * (size[i], wide)
                c, s = math.cos(turn), math.sin(turn)
                points = (box @ np.array([[c, s], [-s, c]]) + (x[i], y[i] * rows)) * 16
                cv2.fillPoly(veil, [np.round(points).astype(np.int32)], 235, cv2.LINE_AA, 4)
            _blend(frame, veil, ink * 255)

    stage.painters.append(paint)


def add_fireflies(stage: Stage, count: int) -> None:
    """Add small warm lights that wander and pulsate."""
    rng = stage.rng
    place = np.stack(
        [
            rng.random(count) * stage.width,
            stage.horizon + rng.uniform(-0.1, 0.9, count) * (stage.height - stage.horizon),
        ],
        -1,
    )
    phase, size = rng.uniform(0, math.tau, count), rng.uniform(0.5, 1.3, count) * stage.unit * 0.02
    tone = hex_colour("#ffe58a") * 255

    def paint(frame: Array, stage: Stage, moment: Moment) -> None:
        rows, columns = frame.shape[:2]
        for (x, y), p, s in zip(place, phase, size, strict=True):
            half = max(3, round(s))
            cx = x - stage.margin_x + moment.x * 0.7 + s * 1.6 * math.sin(moment.seconds * 0.7 + p)
            cy = y - stage.margin_y + moment.y * 0.7 + s * math.sin(moment.seconds * 0.9 + p * 1.7)
            left, top = math.floor(cx) - half, math.floor(cy) - half
            if left < 0 or top < 0 or left + 2 * half >= columns or top + 2 * half >= rows:
                continue
            axis = np.arange(2 * half, dtype=np.float32) - half
            r = np.hypot(axis[None] - (cx % 1), axis[:, None] - (cy % 1)) / half
            level = 0.55 + 0.45 * math.sin(moment.seconds * 1.8 + p * 3)
            light = (np.clip(1 - r, 0, 1) ** 3 * 0.7 + np.clip(1.25 - r * 6, 0, 1)) * level
            spot = frame[top : top + 2 * half, left : left + 2 * half]
            spot[...] = np.clip(spot + light[..., None] * tone, 0, 255).astype(np.uint8)

    stage.painters.append(paint)


def add_lightning(stage: Stage) -> None:
    """Add a forked bolt of lightning; in a clip it strikes repeatedly."""
    rng = stage.rng
    bolts: list[list[tuple[float, float]]] = []
    start = (stage.width * (0.5 + 0.28 * stage.side), stage.horizon * 0.02)
    for fork in range(4):
        at = start if fork == 0 else bolts[0][int(rng.integers(5, min(16, len(bolts[0]))))]
        points: list[tuple[float, float]] = []
        while at[1] < stage.horizon * (0.97 if fork == 0 else 0.75) and len(points) < 30:
            points.append(at)
            lean = 0.0 if fork == 0 else (-1) ** fork * 0.02
            at = (
                at[0] + (rng.normal(0, 0.022) + lean) * stage.unit,
                at[1] + rng.uniform(0.015, 0.05) * stage.unit,
            )
        bolts.append(points)

    def paint(frame: Array, stage: Stage, moment: Moment) -> None:
        beat = (moment.seconds + 0.05) % 2.6
        power = math.exp(-beat * 4.5) * (1 if beat < 0.12 or beat > 0.2 else 0.45)
        if power < 0.03:
            return
        veil = np.zeros(frame.shape[:2], np.uint8)
        for fork, points in enumerate(bolts):
            line = np.array(
                [((x - stage.margin_x) * 16, (y - stage.margin_y) * 16) for x, y in points]
            )
            wide = max(1, round(stage.unit * (0.004 if fork == 0 else 0.002)))
            cv2.polylines(
                veil,
                [np.round(line).astype(np.int32)],
                isClosed=False,
                color=255,
                thickness=wide,
                lineType=cv2.LINE_AA,
                shift=4,
            )
        small = cv2.resize(veil, None, fx=0.125, fy=0.125, interpolation=cv2.INTER_AREA)
        halo: Array = cv2.GaussianBlur(small, (0, 0), stage.unit * 0.006).astype(np.float32) * 5
        halo = cv2.resize(
            np.clip(halo + 12, 0, 150),
            (frame.shape[1], frame.shape[0]),
            interpolation=cv2.INTER_LINEAR,
        )
        flash = (np.clip(veil + halo, 0, 255) * power).astype(np.uint8)
        light = cv2.cvtColor(flash, cv2.COLOR_GRAY2RGB)
        frame[...] = cv2.add(cv2.multiply(frame, cv2.bitwise_not(light), scale=1 / 255), light)

    stage.painters.append(paint)


def _blend(frame: Array, veil: Array, ink: Array) -> None:
    """Lay `ink` over the frame in place where the uint8 `veil` covers it."""
    cover = cv2.cvtColor(veil, cv2.COLOR_GRAY2RGB)
    tone = np.empty_like(frame)
    tone[...] = np.clip(ink, 0, 255).astype(np.uint8)
    frame[...] = cv2.add(
        cv2.multiply(frame, cv2.bitwise_not(cover), scale=1 / 255),
        cv2.multiply(tone, cover, scale=1 / 255),
    )
