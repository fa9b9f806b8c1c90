"""The sky: gradient, sun and moon, stars, clouds, aurora, nebula."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from core.providers.illustrator.canvas.noise import fractal, sample, smoothstep, warp
from core.providers.illustrator.canvas.palette import gradient, hex_colour, mix

if TYPE_CHECKING:
    from core.providers.illustrator.canvas.noise import Array
    from core.providers.illustrator.canvas.stage import Moment, Painter, Stage


def add_sky(stage: Stage, *, disc: bool = True) -> None:
    """Add the opaque backdrop: the hour's gradient, the glow of sun or moon, and its disc."""
    light, (sun_x, sun_y) = stage.light, stage.sun
    rows, columns = stage.height, stage.width
    y = np.arange(rows, dtype=np.float32)[:, None]
    x = np.arange(columns, dtype=np.float32)[None]
    far = np.hypot(x - sun_x, (y - sun_y) * 1.15) / stage.unit
    # Around a low sun the colours of the horizon reach higher.
    height = y / stage.horizon + (0.16 * np.exp(-far * 2.2) if light.height < 0.4 else 0)
    drift = fractal(stage.rng, (256, 256), (40, 160), 4)
    height = height + 0.02 * cv2.resize(drift, (columns, rows), interpolation=cv2.INTER_CUBIC)
    colour = gradient(list(light.sky), np.clip(height, 0, 1).astype(np.float32))
    night = light.stars > 0.6
    cloudy = stage.scene.weather in ("storm", "rain", "snow", "fog", "cloudy")
    strength = 0.25 if cloudy else 0.5 if night else 0.62
    halo = strength * (
        0.65 * np.exp(-far * (9 if night else 5)) + 0.45 * np.exp(-((far * 2.1) ** 2))
    )
    colour = 1 - (1 - colour) * (1 - halo[..., None] * light.sun)
    if light.stars and not cloudy:
        colour = colour + _stars(stage)
    if disc and not cloudy:
        colour = _disc(stage, colour, night=night)
    stage.add(colour.astype(np.float32), depth=0.02)
    if light.stars > 0.3 and not cloudy:
        stage.painters.append(_twinkle(stage))


def _disc(stage: Stage, colour: Array, *, night: bool) -> Array:
    big = "moon" in stage.scene.subjects
    radius = stage.unit * (
        0.085 if big else 0.034 if night else 0.042 if stage.light.height < 0.4 else 0.026
    )
    x = np.arange(stage.width, dtype=np.float32)[None] - stage.sun[0]
    y = np.arange(stage.height, dtype=np.float32)[:, None] - stage.sun[1]
    soft = 1.0 if night or stage.light.height < 0.4 else radius * 0.8  # the noon sun has no edge
    inside = np.clip((radius - np.hypot(x, y)) / soft + 0.5, 0, 1)[..., None]
    face: Array = np.ones((1, 1, 3), np.float32) * mix(stage.light.sun, np.ones(3, np.float32), 0.5)
    if night:
        seas = fractal(stage.rng, (128, 128), 50, 5)
        seas = sample(seas, x * 40 / radius + 64, np.repeat(y * 40 / radius + 64, stage.width, 1))
        rim = np.sqrt(np.clip(1 - (x**2 + y**2) / radius**2, 0, 1))
        spots = (1 - 0.2 * smoothstep(0.0, 0.5, seas)) * (0.82 + 0.18 * rim)
        face = face * spots[..., None].astype(np.float32)
    drawn: Array = colour * (1 - inside) + face * inside
    return drawn


def _stars(stage: Stage) -> Array:
    """Return fixed stars and the Milky Way as light to add."""
    rng, rows, columns = stage.rng, stage.height, stage.width
    field = np.zeros((rows, columns, 3), np.float32)
    x = np.arange(columns, dtype=np.float32)[None] / stage.unit
    y = np.arange(rows, dtype=np.float32)[:, None] / stage.unit
    slope = rng.uniform(0.5, 1.1) * -stage.side
    band = (y - 0.3) - slope * (x - rng.uniform(0.2, 0.8) * columns / stage.unit)
    dust = cv2.resize(
        fractal(rng, (512, 512), 120, 6), (columns, rows), interpolation=cv2.INTER_LINEAR
    )
    river = np.exp(-((band + 0.12 * dust) ** 2) / 0.035) * smoothstep(-0.7, 0.9, dust)
    chance = 0.0011 + 0.006 * river
    lucky = rng.random((rows, columns), np.float32) < chance * (900 / stage.unit) ** 2
    power = rng.random((rows, columns), np.float32) ** 4 * lucky
    warmth = rng.random((rows, columns), np.float32)[..., None]
    tone = hex_colour("#bcd2ff") * (1 - warmth) + hex_colour("#ffe9cf") * warmth
    soft = cv2.GaussianBlur(power, (0, 0), 0.6 * stage.unit / 900) * 1.8
    field += (soft[..., None] * 1.6) * tone
    field += river[..., None] * mix(stage.light.sky[-1], hex_colour("#c9b8ff"), 0.5) * 0.16
    fade = smoothstep(0.0, 0.45, 1 - y * stage.unit / stage.horizon)
    return field * fade[..., None] * stage.light.stars


def _twinkle(stage: Stage) -> Painter:
    """Return a painter of bright, twinkling stars and of one shooting star."""
    rng = stage.rng
    count = round(34 * stage.light.stars)
    place = rng.random((count, 2)) * (stage.width, stage.horizon * 0.75)
    size = rng.uniform(0.5, 1.0, count) ** 3 * stage.unit * 0.011
    phase, speed = rng.uniform(0, math.tau, count), rng.uniform(0.8, 2.2, count)
    start = rng.random(2) * (stage.width * 0.5, stage.horizon * 0.3)
    stars = [_glint(max(3, round(s))) for s in size]

    def paint(frame: Array, stage: Stage, moment: Moment) -> None:
        rows, columns = frame.shape[:2]
        level = 0.5 + 0.35 * np.sin(phase + speed * moment.seconds)
        for glint, (x, y), power in zip(stars, place, level, strict=True):
            half = glint.shape[0] // 2
            left, top = round(x - stage.margin_x) - half, round(y - stage.margin_y) - half
            right, bottom = left + glint.shape[1], top + glint.shape[0]
            if left < 0 or top < 0 or right > columns or bottom > rows:
                continue
            spot = frame[top:bottom, left:right]
            light = (glint * power)[..., None] * stage.light.sun * 255
            spot[...] = np.clip(spot + light, 0, 255).astype(np.uint8)
        age = (moment.seconds - 1.2) / 0.9
        if 0 < age < 1:
            head = start + np.array([0.42, 0.2]) * stage.unit * age
            tail = head - np.array([0.16, 0.076]) * stage.unit * math.sin(age * math.pi)
            trail = np.zeros((rows, columns), np.uint8)
            for part in range(6):
                a, b = (tail + (head - tail) * (part + d) / 6 for d in (0, 1))
                points = [(round(p[0] * 16), round(p[1] * 16)) for p in (a, b)]
                cv2.line(trail, points[0], points[1], 40 * part + 20, 1 + part // 4, cv2.LINE_AA, 4)
            frame[...] = cv2.add(frame, cv2.cvtColor(trail, cv2.COLOR_GRAY2RGB))

    return paint


def _glint(half: int) -> Array:
    """Return a four-pointed star as float32 light, (2 half + 1) square."""
    axis = np.abs(np.arange(-half, half + 1, dtype=np.float32)) / half
    x, y = axis[None], axis[:, None]
    rays = np.exp(-x * 4) * np.exp(-((y * half / 0.8) ** 2)) + np.exp(-y * 4) * np.exp(
        -((x * half / 0.8) ** 2)
    )
    core = np.exp(-((np.hypot(x, y) * 5) ** 2))
    glint: Array = np.clip(0.7 * rays * (1 - np.maximum(x, y)) + core, 0, 1)
    return glint


def add_high_clouds(stage: Stage, cover: float, *, streaks: bool) -> None:
    """Add a cloud deck in perspective over `cover` (0..1) of the sky, in `streaks` or heaps."""
    rng, light = stage.rng, stage.light
    rows, columns = round(stage.horizon * 0.98), round(stage.width * 1.12)
    tile = fractal(rng, (512, 512), (60, 190) if streaks else 110, 6, 0.55)
    bend = fractal(rng, (512, 512), 128, 3) * (26 if streaks else 14)
    tile = warp(tile, bend, np.roll(bend, 200, 1))
    y = np.arange(rows, dtype=np.float32)[:, None]
    x = np.arange(columns, dtype=np.float32)[None] - columns / 2
    away = 1 / (1.06 - y / stage.horizon)  # distance along a flat ceiling
    u = x * away * 150 / stage.unit + rng.uniform(0, 512) + away * 22 * stage.side
    v = away * 130 + np.zeros_like(x) + rng.uniform(0, 512)
    density = sample(tile, u, v)
    toward = sample(tile, u + 7 * stage.side, v - 7)
    edge = 0.9 - 1.5 * cover
    alpha = smoothstep(edge, edge + 0.75, density)
    lit = np.clip(0.5 + 1.1 * (density - toward) - 0.25 * (density - edge), 0, 1)
    near_sun = np.exp(
        -((np.hypot(x + columns / 2 - stage.sun[0], y - stage.sun[1]) / stage.unit * 2.2) ** 2)
    )
    lit = np.clip(lit + 0.45 * near_sun, 0, 1)
    low = light.height < 0.4
    bright = mix(light.sun, light.sky[-1 if low else -2], 0.45 if low else 0.1)
    dark = mix(light.sky[1], light.sky[2], 0.35)
    if light.stars > 0.6:
        bright, dark = mix(light.sky[-1], light.sun, 0.18), light.sky[1]
    colour = gradient([dark, mix(dark, bright, 0.55), bright], lit)
    fade = 1 - smoothstep(0.78, 1.0, y / stage.horizon)
    top = 0.55 + 0.45 * smoothstep(0.0, 0.5, y / stage.horizon)
    alpha = alpha * fade * top * (0.75 if streaks else 0.92)
    stage.add(
        colour, alpha.astype(np.float32), left=-0.06 * stage.width, depth=0.05,
        drift=stage.unit * 0.006 * stage.side,
    )  # fmt: skip


def add_cumulus(stage: Stage, count: int, size: float) -> None:
    """Add `count` cumulus clouds, modelled as lit spheres roughened by noise."""
    rng, light = stage.rng, stage.light
    noise = fractal(rng, (512, 512), 90, 6, 0.6)
    low = light.height < 0.4
    bright = mix(light.sun, light.sky[-1], 0.35) if low else mix(light.sun, light.sky[-1], 0.12)
    dark = mix(light.sky[1], light.sky[-2], 0.35 if low else 0.5)
    if light.stars > 0.6:
        bright, dark = mix(light.sky[-1], light.sun, 0.25), light.sky[1]
    for index in range(count):
        near = (index + 1) / count  # later ones are nearer: larger, higher, crisper
        width = stage.unit * size * rng.uniform(0.5, 0.9) * (0.45 + 0.75 * near)
        base = stage.horizon * (0.98 - 0.5 * near * rng.uniform(0.75, 1.1))
        heap = _heap(rng, round(width), round(width * 0.5), noise, stage.side)
        lit, alpha = heap
        haze = 0.62 * (1 - near)
        colour = gradient(
            [
                mix(dark, light.haze, haze),
                mix(mix(dark, bright, 0.6), light.haze, haze),
                mix(bright, light.haze, haze),
            ],
            lit,
        )
        stage.add(
            colour, alpha * (0.94 - 0.2 * (1 - near)),
            left=rng.uniform(-0.2, 0.9) * stage.width, top=base - heap[1].shape[0],
            depth=0.03 + 0.06 * near, drift=stage.unit * 0.004 * (0.4 + near) * -stage.side,
        )  # fmt: skip


def _heap(
    rng: np.random.Generator, columns: int, rows: int, noise: Array, side: int
) -> tuple[Array, Array]:
    """Return (lit, alpha) of one cumulus: flat below, domed above, light from `side`."""
    height = np.zeros((rows, columns), np.float32)
    y, x = np.mgrid[0:rows, 0:columns].astype(np.float32)
    towers = rng.uniform(0.25, 0.75, 3)
    for _ in range(70):
        cx = rng.beta(1.6, 1.6)
        dome = max(1 - (abs(cx - t) / 0.3) ** 2 for t in towers)
        rise = rng.uniform(0, 1) * max(dome, 0.12) * min(1, 3.2 * cx * (1 - cx) + 0.1)
        radius = (
            rows * (0.24 - 0.13 * rise) * rng.uniform(0.7, 1.2) * min(1, 5 * cx * (1 - cx) + 0.2)
        )
        centre_x, centre_y = (0.12 + 0.76 * cx) * columns, rows * (0.8 - 0.62 * rise)
        np.maximum(height, radius**2 - (x - centre_x) ** 2 - (y - centre_y) ** 2, out=height)
    dome_height = np.sqrt(height)
    rough = sample(noise, x * 420 / columns + rng.uniform(0, 512), y * 420 / columns)
    heap = dome_height + rows * rough * np.where(height > 0, np.float32(0.085), np.float32(0.035))
    smooth = cv2.GaussianBlur(heap, (0, 0), rows * 0.016)
    gx = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=0.25)
    gy = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=0.25)
    normal = 1 / np.sqrt(gx**2 + gy**2 + 0.6)
    lit = (gx * -side * 0.55 + gy * 0.75) * normal
    lit = np.clip(0.52 + 0.5 * lit + 0.3 * (0.55 - y / rows), 0, 1)
    alpha = smoothstep(rows * 0.02, rows * 0.13, smooth)
    alpha *= 1 - smoothstep(0.68, 0.9, y / rows + 0.1 * rough)
    return lit.astype(np.float32), alpha.astype(np.float32)


def add_aurora(stage: Stage) -> None:
    """Add slowly waving curtains of northern lights."""
    rng, rows, columns = stage.rng, round(stage.horizon), stage.width
    y = np.arange(rows, dtype=np.float32)[:, None]
    x = np.arange(columns, dtype=np.float32)[None]
    greens = [hex_colour(code) for code in ("#1cff9a", "#35f0c0", "#7a5cff", "#d050e0")]
    for curtain in range(3):
        meander = fractal(rng, (8, 1024), (8, 420), 3)[4]
        rays = fractal(rng, (8, 2048), (8, 60), 5, 0.7)[4]
        fold = np.interp(np.linspace(0, 1023, columns), np.arange(1024), meander)
        foot = rows * (
            0.62 - 0.14 * curtain + 0.16 * fold + 0.18 * (x[0] / columns - 0.5) * stage.side
        )
        ray = np.interp(np.linspace(0, 2047, columns), np.arange(2048), rays)
        reach = rows * (0.34 + 0.16 * ray) * (1 - 0.12 * curtain)
        up = (foot[None] - y) / reach[None]  # 0 at the foot, 1 at the top
        veil = np.where(up > 0, np.exp(-up * 2.1), np.exp(np.minimum(up, 0) * 26))
        veil = veil * (1 - smoothstep(0.8, 1.9, up)) * (0.62 + 0.38 * ray[None])
        strip = gradient(greens, np.clip(up * 0.85, 0, 1).astype(np.float32))
        power = np.clip(veil * (0.75 - 0.17 * curtain), 0, 1)
        layer = stage.add(strip * power[..., None], np.clip(power, 0, 1).astype(np.float32))
        layer.pixels[..., :3] = np.clip(strip * power[..., None] * 255, 0, 255)[
            int(layer.top) : int(layer.top) + layer.pixels.shape[0],
            int(layer.left) : int(layer.left) + layer.pixels.shape[1],
        ]
        layer.depth, layer.glow, layer.pulse = 0.03, True, 0.12
        layer.sway, layer.drift = stage.unit * 0.03, stage.unit * 0.003 * (curtain - 1)


def add_nebula(stage: Stage) -> None:
    """Add deep space, opaque: coloured gas, dark dust and stars."""
    rng, light = stage.rng, stage.light
    rows, columns = stage.height, stage.width
    gas = fractal(rng, (512, 512), 170, 7, 0.55)
    bend = fractal(rng, (512, 512), 170, 4) * 60
    gas = warp(gas, bend, np.roll(bend, 171, 0))
    tone = warp(fractal(rng, (512, 512), 256, 3), bend, bend)
    dust = warp(fractal(rng, (512, 512), 128, 6, 0.6, ridged=True), bend, -bend)
    x = np.arange(columns, dtype=np.float32)[None] / stage.unit
    y = np.arange(rows, dtype=np.float32)[:, None] / stage.unit
    at = (np.repeat(x * 420, rows, 0), np.repeat(y * 420, columns, 1))
    gas, tone, dust = (sample(tile, *at) for tile in (gas, tone, dust))
    angle = rng.uniform(-0.9, 0.9)
    axis = (x - columns / stage.unit * 0.5) * math.sin(angle) + (
        y - rows / stage.unit * 0.45
    ) * math.cos(angle)
    band = np.exp(-((axis + 0.1 * gas) ** 2) / 0.07)
    families = [
        ("#0a0d2a #253a8f #2aa6c9 #9fe8e0", "#1a0b2e #7a2a8f #f0609a #ffd0a8"),
        ("#0a0a22 #4a2a86 #d0508f #ffc48a", "#06142a #125a86 #38b0b0 #d8f0c0"),
        ("#0b0a1c #6a2450 #e0653f #ffd988", "#08122e #2a4aa0 #7a8aff #e0d8ff"),
    ]
    cold, warm = (
        [hex_colour(c) for c in codes.split()] for codes in families[int(rng.integers(3))]
    )
    if stage.scene.colours:
        warm = [mix(colour, light.sky[2], 0.6) for colour in warm]
    value = np.clip(0.06 + 0.86 * band * smoothstep(-0.55, 0.95, gas), 0, 1)
    part = smoothstep(-0.45, 0.45, tone)[..., None]
    colour = gradient(cold, value) * (1 - part) + gradient(warm, value) * part
    colour *= 1 - 0.55 * (smoothstep(0.55, 0.9, dust) * band)[..., None]
    colour += _stars(stage) * 1.1
    stage.add(np.clip(colour, 0, 1), depth=0.04)
    stage.painters.append(_twinkle(stage))
