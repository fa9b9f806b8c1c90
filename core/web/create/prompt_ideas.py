"""“Surprise me”: random prompts, combined from lists of subjects, places and lights.

Each language has lists of its own in `prompt_worlds/`: German sentences cannot be assembled from
translated English parts. Within a world, any subject fits any place and any light; a frame says
how the picture is seen and fits every world.
"""

import json
import secrets
from functools import cache
from pathlib import Path
from typing import Final, TypedDict

from core.i18n import ENGLISH

_WORLDS: Final = Path(__file__).parent / "prompt_worlds"


class _World(TypedDict):
    """Parts of a prompt that can be combined freely."""

    subjects: list[str]
    places: list[str]
    lights: list[str]


class _Language(TypedDict):
    """The content of one file of `prompt_worlds/`."""

    frames: list[str]
    worlds: list[_World]


def surprise(language: str, last: str = "") -> str:
    """Return a random prompt.

    Args:
        language: the code of the language to write it in; English if there are no lists for it.
        last: the previous prompt, which is not returned again.
    """
    lists = _read(language if language in _languages() else ENGLISH)
    while True:
        world = secrets.choice(lists["worlds"])
        parts = (world["subjects"], world["places"], world["lights"], lists["frames"])
        subject, place, light, frame = (secrets.choice(part) for part in parts)
        prompt = ", ".join(filter(None, (f"{subject} {place}", light, frame)))
        if prompt != last:
            return prompt


@cache
def _languages() -> frozenset[str]:
    return frozenset(file.stem for file in _WORLDS.glob("*.json"))


@cache
def _read(language: str) -> _Language:
    found: _Language = json.loads((_WORLDS / f"{language}.json").read_text(encoding="utf-8"))
    return found
