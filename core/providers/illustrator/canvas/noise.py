"""Fractal noise, from which ridges, clouds and waves are made."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]


def fractal(
    rng: np.random.Generator,
    shape: tuple[int, int],
    cell: float | tuple[float, float],
    octaves: int = 5,
    gain: float = 0.5,
    *,
    ridged: bool = False,
) -> Array:
    """Return float32 noise of `shape` (rows, columns) that tiles without a seam.

    `cell` is the size in pixels of the largest features (rows, columns). Plain noise is about
    -1..1 round 0; `ridged` noise is 0..1 with sharp crests, as eroded mountains have.
    """
    rows, columns = shape
    cell_y, cell_x = cell if isinstance(cell, tuple) else (cell, cell)
    total = np.zeros(shape, np.float32)
    weight: Array | float = 1.0
    amplitude, norm = 1.0, 0.0
    for octave in range(octaves):
        ny = max(1, round(rows / cell_y * 2**octave))
        nx = max(1, round(columns / cell_x * 2**octave))
        if ny > rows or nx > columns:
            break
        grid = np.pad(rng.standard_normal((ny, nx)).astype(np.float32), 2, mode="wrap")
        # Two wrapped cells of border, so that the cubic filter sees the other side of the tile.
        scale_y, scale_x = rows / ny, columns / nx
        matrix = np.array(
            [[1 / scale_x, 0, 1.5 + 0.5 / scale_x], [0, 1 / scale_y, 1.5 + 0.5 / scale_y]]
        )
        layer = cv2.warpAffine(
            grid, matrix, (columns, rows), flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        )
        if ridged:
            layer = (1 - np.minimum(np.abs(layer), 1)) ** 1.4 * weight
            weight = np.clip(layer * 2, 0, 1)
        total += amplitude * layer
        norm += amplitude
        amplitude *= gain
    return total / norm if ridged else total / (norm * 0.9)


def warp(texture: Array, dx: Array, dy: Array) -> Array:
    """Return `texture` (a tile) displaced by `dx`, `dy` pixels: bends straight features."""
    rows, columns = texture.shape[:2]
    x = np.arange(columns, dtype=np.float32)[None] + dx
    y = np.arange(rows, dtype=np.float32)[:, None] + dy
    return sample(texture, x, y)


def sample(tile: Array, x: Array, y: Array) -> Array:
    """Return the tile's values at float positions `x`, `y` in pixels, wrapping at its edges."""
    rows, columns = tile.shape[:2]
    x, y = np.broadcast_arrays(x, y)
    # float32 maps only: OpenCV 5 can spin for minutes on float64 ones.
    return cv2.remap(
        tile,
        np.mod(x, columns).astype(np.float32),
        np.mod(y, rows).astype(np.float32),
        cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )


def smoothstep(low: float, high: float, value: Array) -> Array:
    """Return 0 below `low`, 1 above `high`, and an S-curve between."""
    x = np.clip((value - low) / (high - low), 0, 1)
    return x * x * (3 - 2 * x)
