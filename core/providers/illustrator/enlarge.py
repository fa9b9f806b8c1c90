"""Upscaling any picture or clip: resampled, with crisp edges."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from core.media import clips
from core.media.display_frames import Turner
from core.media.encoding import encode_clip
from core.media.stills import on_background

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from core.providers.illustrator.canvas.noise import Array


def enlarge(picture: Array, width: int, height: int) -> Array:
    """Return an RGB uint8 picture resampled to `width` x `height` pixels."""
    size = (width, height)
    large = cv2.resize(picture, size, interpolation=cv2.INTER_LANCZOS4)
    soft = cv2.GaussianBlur(large, (0, 0), width / picture.shape[1] * 0.7)
    sharp = cv2.addWeighted(large, 1.8, soft, -0.8, 0)
    # Values stay within those of the neighbouring pixels, so that edges get no halos.
    around = np.ones((3, 3), np.uint8)
    darkest, brightest = (
        cv2.resize(each(picture, around), size, interpolation=cv2.INTER_NEAREST)
        for each in (cv2.erode, cv2.dilate)
    )
    kept: Array = np.clip(sharp, darkest, brightest)
    return kept


def enlarge_clip(
    source: Path, path: Path, width: int, height: int, on_progress: Callable[[float], None]
) -> None:
    """Write a clip resampled to a size, of the same length and with the same sound.

    Args:
        source: the clip.
        path: the file to write.
        width: in pixels, even.
        height: in pixels, even.
        on_progress: called with the completed share, 0..1.
    """
    with clips.opened(source) as clip:
        total = max(1, clip.stream.frames)
        turner = Turner(clip.stream.sample_aspect_ratio)

        def frames() -> Iterator[Any]:
            for index, (_, _, frame) in enumerate(clip.frames([])):
                on_progress(min(index / total, 1.0))
                picture = np.asarray(on_background(turner.picture(frame)))
                yield enlarge(picture, width, height)

        encode_clip(frames(), path, width, height, 1 / clip.frame_duration, sound=source)
