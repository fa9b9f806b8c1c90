"""Aspect ratios and sizes of RunwayML's models, from the values of their parameter `ratio`."""

import re
from collections import defaultdict
from collections.abc import Sequence
from math import log, sqrt
from typing import Final

from core.i18n import N_
from core.models import Kind, Task
from core.providers.base import AUTO, Option

_AREA: Final = 1280 * 720
_SQUARE: Final = (1024, 1024)
_ASPECTS: Final = ("16:9", "9:16", "1:1", "4:3", "3:4", "3:2", "2:3", "21:9", "9:21", "5:4", "4:5")
_ODD_ASPECTS: Final = ("2:1", "1:2", "20:9", "9:20", "4:1", "1:4", "8:1", "1:8")
_TOLERANCE: Final = 0.03  # the vendors themselves call 1152x896 5:4 and 1536x672 21:9
_FEWEST_PIXELS: Final = 100  # a literal with smaller numbers is an aspect ratio, such as "16:9"

_Size = tuple[int, int]


def shapes_of(
    literals: Sequence[str], kind: Kind, task: Task
) -> tuple[dict[str, _Size], list[Option]]:
    """Return aspect ratios with their pixels, and options for what these leave open."""
    words = ratio_words(literals)
    auto = _SQUARE if kind == Kind.IMAGE else _size(16 / 9)
    options = _resolution_option(words) if task == Task.ANIMATE or kind == Kind.IMAGE else []
    # A clip of an image follows its image where it can, and a clip of a text has none to follow.
    if (task == Task.ANIMATE and words) or not literals:
        return {AUTO: auto}, options
    shapes, sizes = _ratios_and_sizes([each for each in literals if each not in words], kind)
    if words and kind == Kind.IMAGE:
        shapes[AUTO] = auto
    if set(sizes) - set(shapes.values()):
        choices = [f"{width}x{height}" for width, height in sizes]
        options.insert(0, Option(name="size", title=N_("Exact size"), choices=choices))
    return shapes, options


def _resolution_option(words: Sequence[str]) -> list[Option]:
    """Return an option for the resolutions of an automatic ratio, where there are several."""
    tiers = [word.removeprefix(f"{AUTO}_") for word in words if word.startswith(f"{AUTO}_")]
    if len(tiers) <= 1:
        return []
    return [
        Option(
            name="resolution",
            title=N_("Resolution"),
            choices=tiers,
            default="720p" if "720p" in tiers else tiers[0],
            help=N_("Applies where the ratio is chosen automatically."),
        )
    ]


def _ratios_and_sizes(
    literals: Sequence[str], kind: Kind
) -> tuple[dict[str, _Size], Sequence[_Size]]:
    """Return aspect ratios with their pixels, the usual ones first, and all sizes in pixels.

    Args:
        literals: aspect ratios such as `16:9`, or sizes such as `1280:720`.
        kind: what the model makes.
    """
    by_aspect: dict[str, list[_Size]] = defaultdict(list)
    sizes: list[_Size] = []
    for literal in literals:
        width, height = map(int, literal.split(":"))
        if max(width, height) < _FEWEST_PIXELS:
            by_aspect[literal].append(_size(width / height))
        else:
            sizes.append((width, height))
            by_aspect[_aspect(width, height)].append((width, height))
    preferred = (*(("1:1",) if kind == Kind.IMAGE else ()), *_ASPECTS, *_ODD_ASPECTS)
    shapes = {
        aspect: min(by_aspect[aspect], key=lambda size: abs(log(size[0] * size[1] / _AREA)))
        for aspect in (*preferred, *by_aspect)
        if aspect in by_aspect and aspect
    }
    return shapes, sizes


def ratio_words(ratios: Sequence[str]) -> list[str]:
    """Return those ratios that are no numbers: `auto`, `auto_720p`, `adaptive`."""
    return [each for each in ratios if re.fullmatch(r"\d+:\d+", each) is None]


def _aspect(width: int, height: int) -> str:
    """Return the simple aspect ratio that pixels have, about; empty where they have none."""

    def distance(aspect: str) -> float:
        across, down = map(int, aspect.split(":"))
        return abs(log(width * down / (height * across)))

    nearest = min(_ASPECTS + _ODD_ASPECTS, key=distance)
    return nearest if distance(nearest) <= _TOLERANCE else ""


def _size(shape: float) -> _Size:
    """Return even pixels of a shape (width by height) with the area of 1280x720."""
    return 2 * round(sqrt(_AREA * shape) / 2), 2 * round(sqrt(_AREA / shape) / 2)
