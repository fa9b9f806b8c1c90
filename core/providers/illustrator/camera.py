"""Clips of a picture: a camera that pans and zooms slowly over it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from core.providers.illustrator.canvas.noise import Array

# Position of the camera: horizontal and vertical, -1..1 of the available range, and zoom.
_Place = tuple[float, float, float]
_MOVES: Final[dict[str, tuple[_Place, _Place]]] = {
    "in": ((0.0, 0.0, 1.0), (0.2, -0.1, 1.3)),
    "right": ((-1.0, 0.0, 1.2), (1.0, 0.0, 1.2)),
    "out": ((-0.2, 0.1, 1.3), (0.0, 0.0, 1.0)),
    "left": ((1.0, 0.1, 1.2), (-1.0, -0.1, 1.2)),
    "up": ((0.0, 1.0, 1.15), (0.0, -1.0, 1.25)),
    "down": ((0.0, -1.0, 1.25), (0.0, 1.0, 1.15)),
}
_WORDS: Final = {
    "out": r"zoom(s|ing)? out|pull(s|ing)? (back|out)|away|farther|further|wider",
    "in": r"zoom(s|ing)? in|push(es|ing)? in|closer|nearer|approach\w*",
    "left": r"left",
    "right": r"right",
    "up": r"up|upwards?|rises?|rising|climb\w*|ascend\w*",
    "down": r"down|downwards?|sinks?|sinking|descend\w*",
}
_VARIATION: Final = (0.2, 0.3, 0.05)  # of each clip's start and end
_MAX_SPEED: Final = 0.07  # of the frame in a second


def move_over(
    picture: Array,
    prompt: str,
    *,
    seed: int,
    slot: int,
    width: int,
    height: int,
    seconds: float,
    fps: int,
) -> Iterator[Array]:
    """Film a picture, frame by frame.

    Args:
        picture: RGB, of any size; what sticks out of the frame's shape is seen in passing.
        prompt: names the move, such as "closer" or "to the left"; else it goes by chance.
        seed: of the job.
        slot: 1 and up; each is another move, or the same one in another way.
        width: of the frames, in pixels.
        height: of the frames, in pixels.
        seconds: length of the clip.
        fps: frames a second.

    Yields:
        `round(seconds * fps)` frames, uint8 RGB arrays of shape (height, width, 3).
    """
    places = np.array(_MOVES[_move(prompt, seed + slot - 1)])
    chance = np.random.default_rng([seed, slot])
    first, last = places + chance.uniform(-1, 1, places.shape) * _VARIATION
    first[2], last[2] = max(first[2], 1.0), max(last[2], 1.0)
    nearest = max(first[2], last[2])
    rows, columns = picture.shape[:2]
    fit = nearest * max(width / columns, height / rows)
    size = (max(width, round(columns * fit)), max(height, round(rows * fit)))
    how = cv2.INTER_AREA if fit < 1 else cv2.INTER_LANCZOS4
    large = cv2.resize(picture, size, interpolation=how)
    whole, frame = np.array(size), np.array([width, height])
    frames = round(seconds * fps)
    for index in range(frames):
        share = (index + 0.5) / max(1, frames)
        # Mostly even, with a soft start and end.
        go = 0.5 * share + 0.5 * share * share * (3 - 2 * share)
        place = np.clip(first + (last - first) * go, -1, 1)[:2]
        near = first[2] * (last[2] / first[2]) ** go  # so it grows evenly to the eye
        zoom = near / nearest
        reach = np.minimum(whole * zoom - frame, frame * _MAX_SPEED * seconds) / 2
        left, top = (whole - frame / zoom) / 2 + place * reach / zoom
        matrix = np.array([[1 / zoom, 0, left], [0, 1 / zoom, top]])
        yield cv2.warpAffine(
            large,
            matrix,
            (width, height),
            flags=cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )


def _move(prompt: str, number: int) -> str:
    """Return the move that a prompt names, else the one of that number."""
    for name, words in _WORDS.items():
        if re.search(rf"\b({words})\b", prompt, re.IGNORECASE):
            return name
    return list(_MOVES)[number % len(_MOVES)]
