"""From a stage to pixels: one image, or the frames of a clip."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image

from core.providers.illustrator.canvas.stage import Layer, Moment, Stage
from core.providers.illustrator.compose import set_stage
from core.providers.illustrator.styles import stylise

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from core.providers.illustrator.canvas.noise import Array

_MARGIN = 0.06  # of the frame, on every side, for the camera of a clip


def draw_image(
    prompt: str,
    *,
    seed: int,
    slot: int,
    width: int,
    height: int,
    on_progress: Callable[[float], None] | None = None,
) -> Image.Image:
    """Draw the picture of one slot of a job.

    Args:
        prompt: any text; a hash of it chooses what its known words leave open.
        seed: of the job; the same arguments give the same pixels on the same machine.
        slot: 1 and up; each is another composition.
        width: in pixels.
        height: in pixels.
        on_progress: called with the completed share, 0..1.

    Returns:
        An RGB image of that size.
    """
    report = on_progress or (lambda _: None)
    stage = set_stage(prompt, seed=seed, slot=slot, width=width, height=height, margin=0.0)
    report(0.5)
    frame = stage.paint(Moment(0.0))
    report(0.6)
    picture = _finish(stylise(frame, stage.scene.style), _paper(stage, stage.scene.style))
    report(1.0)
    return Image.fromarray(picture)


def draw_clip(
    prompt: str, *, seed: int, slot: int, width: int, height: int, seconds: float, fps: int = 24
) -> Iterator[Array]:
    """Draw the clip of one slot of a job, frame by frame.

    Args:
        prompt: as for `draw_image`.
        seed: as for `draw_image`.
        slot: 1 and up; each is another composition and another move of the camera.
        width: in pixels.
        height: in pixels.
        seconds: length of the clip.
        fps: frames a second.

    Yields:
        `round(seconds * fps)` frames, uint8 RGB arrays of shape (height, width, 3).
    """
    stage = set_stage(prompt, seed=seed, slot=slot, width=width, height=height, margin=_MARGIN)
    if stage.scene.style:
        _restyle(stage)
    paper = _paper(stage, stage.scene.style)
    frames = round(seconds * fps)
    for index in range(frames):
        share = (index + 0.5) / max(1, frames)
        yield _finish(stage.paint(_camera(stage, slot, share, index / fps)), paper)


def _camera(stage: Stage, slot: int, share: float, seconds: float) -> Moment:
    """Return the camera's position after `share` (0..1) of the clip."""
    moves = [(1, 0, 0), (0, 0, 1), (-1, 0.2, 0.35), (0.15, 1, 0.3), (0.6, -0.5, 0.8)]
    x, y, zoom = moves[(slot - 1) % len(moves)]
    # Mostly even, with a soft start and end.
    go = 2 * (0.65 * share + 0.35 * share * share * (3 - 2 * share)) - 1
    return Moment(
        seconds,
        x * go * stage.margin_x * 0.95,
        y * go * stage.margin_y * 0.95,
        zoom * 0.055 * (go + 1),
    )


def _restyle(stage: Stage) -> None:
    """Stylise the stage once, and cut the result back into its layers.

    The network would take minutes for all frames of a clip. Where a layer is hidden by nearer
    ones, its pixels are shifted by the change of colour around them.
    """
    still = [p for p in stage.painters if isinstance(p, Layer) or p in stage.waters]
    plain = replace(stage, margin_x=0, margin_y=0, painters=still).paint(Moment(0.0))
    styled = stylise(plain, stage.scene.style).astype(np.float32)
    covered = np.zeros(plain.shape[:2], np.float32)
    for layer in reversed(stage.painters):
        if not isinstance(layer, Layer) or layer.glow:
            continue
        x, y = round(layer.left), round(layer.top)
        rows, columns = layer.pixels.shape[:2]
        x0, y0, x1, y1 = (
            max(0, x),
            max(0, y),
            min(x + columns, stage.width),
            min(y + rows, stage.height),
        )
        if x0 >= x1 or y0 >= y1:
            continue
        part = layer.pixels[y0 - y : y1 - y, x0 - x : x1 - x]
        alpha = part[..., 3].astype(np.float32) / 255
        own = part[..., :3] / np.maximum(alpha, 1 / 255)[..., None]
        seen = (alpha**2 * (1 - covered[y0:y1, x0:x1]))[..., None]
        change = styled[y0:y1, x0:x1] - own
        around = _blurred(seen * change) / np.maximum(_blurred(seen), 1e-3)
        around = around if around.ndim == change.ndim else around[..., None]
        own = np.clip(own + change * seen + around * (1 - seen), 0, 255)
        part[..., :3] = own * alpha[..., None]
        region = covered[y0:y1, x0:x1]
        region[...] = 1 - (1 - region) * (1 - alpha)


def _blurred(values: Array) -> Array:
    """Return a wide blur, computed at a small size for speed; keeps three axes."""
    rows, columns = values.shape[:2]
    size = (max(1, columns // 16), max(1, rows // 16))
    small = cv2.GaussianBlur(cv2.resize(values, size, interpolation=cv2.INTER_AREA), (0, 0), 6)
    wide = cv2.resize(small, (columns, rows), interpolation=cv2.INTER_LINEAR)
    return wide if wide.ndim == values.ndim else wide[..., None]


def _paper(stage: Stage, style: str) -> Array:
    """Return the factor of every frame: grain of the paper and vignette."""
    rows, columns = stage.height - 2 * stage.margin_y, stage.width - 2 * stage.margin_x
    rng = np.random.default_rng(3)
    grain = cv2.GaussianBlur(rng.standard_normal((rows, columns)).astype(np.float32), (0, 0), 0.7)
    x = np.linspace(-1, 1, columns, dtype=np.float32)[None]
    y = np.linspace(-1, 1, rows, dtype=np.float32)[:, None]
    corner = np.clip(np.hypot(x, y) / math.sqrt(2) - 0.45, 0, 1) ** 2
    shade = 0.985 - (0.1 if style == "sketch" else 0.36) * corner + 0.016 * grain
    return cv2.cvtColor((np.clip(shade, 0, 1) * 255).astype(np.uint8), cv2.COLOR_GRAY2RGB)


def _finish(frame: Array, paper: Array) -> Array:
    """Return the frame with bloom around its lights, multiplied by `paper`."""
    small = cv2.resize(frame, None, fx=0.125, fy=0.125, interpolation=cv2.INTER_AREA)
    bright = cv2.subtract(small, np.full_like(small, 165))
    bloom = cv2.GaussianBlur(bright, (0, 0), max(1.0, small.shape[0] * 0.03))
    bloom = cv2.resize(bloom, (frame.shape[1], frame.shape[0]), interpolation=cv2.INTER_LINEAR)
    lit = cv2.add(cv2.multiply(frame, cv2.bitwise_not(bloom), scale=1 / 255), bloom)
    return cv2.multiply(lit, paper, scale=1 / 255)
