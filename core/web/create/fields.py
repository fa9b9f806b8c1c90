"""The fields of the form on Create: their choices, and their names in an address."""

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final

from core.i18n import N_
from core.models import Kind
from core.providers.base import Option

LARGEST_SEED: Final = 2**31 - 1
PROMPT: Final = "prompt"
NUMBERS: Final = {Kind.IMAGE: "images", Kind.VIDEO: "videos"}
"""The fields for the number of items."""
MODELS: Final = {Kind.IMAGE: "image_model", Kind.VIDEO: "video_model"}
"""The fields for the model."""
TITLES: Final = {
    PROMPT: N_("Prompt"),
    "images": N_("Images"),
    "videos": N_("Videos"),
    "image_model": N_("Images by"),
    "video_model": N_("Videos by"),
    "ratio": N_("Aspect ratio"),
    "seconds": N_("Clip length"),
    "style": N_("Style"),
    "seed": N_("Seed"),
}
"""The display names of the fields, except the models' own options."""
_MOST_DIGITS: Final = 40


@dataclass(frozen=True, kw_only=True)
class Field:
    """A field of the form."""

    #: The name in an address.
    name: str
    default: Any = None
    #: The possible values; None: any value of the type within the bounds.
    choices: Sequence[Any] | None = None
    #: The type of a value, unless there are `choices`.
    of: type[int] | type[float] | type[str] = str
    #: The smallest number.
    least: float | None = None
    #: The largest number, or the largest number of characters.
    most: float | None = None
    #: The provider's option; None: the field is none of a model's own options.
    option: Option | None = None

    def read(self, text: str) -> Any:  # noqa: ANN401  # of the field's own type
        """Return the value for a text in an address.

        Raises:
            ValueError: the text is no value that can be chosen.
        """
        if self.choices is not None:
            value = {str(choice): choice for choice in self.choices}.get(text)
        elif self.of is str or len(text) <= _MOST_DIGITS:
            value = self.of(text)
        else:
            value = None
        if value is None or not self.takes(value):
            raise ValueError(text)
        return value

    def takes(self, value: object) -> bool:
        """Return whether a value can be chosen."""
        if self.choices is not None:
            return any(type(value) is type(each) and value == each for each in self.choices)
        if value is None:
            return self.default is None
        if self.of is str:
            return isinstance(value, str) and (self.most is None or len(value) <= self.most)
        if isinstance(value, bool) or not isinstance(
            value, int if self.of is int else (int, float)
        ):
            return False
        least = -math.inf if self.least is None else self.least
        most = math.inf if self.most is None else self.most
        return math.isfinite(value) and least <= value <= most


def option_field(kind: Kind, option: Option, excluded: Collection[str]) -> Field:
    """Return the field for a model's option.

    Args:
        kind: the kind that the model is chosen for.
        option: the option.
        excluded: choices that the values of other options exclude.
    """
    name = f"{kind}.{option.name}"
    if option.choices or option.type == "flag":
        offered: list[str] = [str(choice) for choice in option.choices] or ["yes", "no"]
        offered = [choice for choice in offered if choice not in excluded]
        usual = option.default
        if option.type == "flag" and usual is not None:
            usual = "yes" if usual else "no"
        if usual is not None and str(usual) in offered:
            return Field(name=name, default=str(usual), choices=offered, option=option)
        return Field(name=name, choices=[None, *offered], option=option)
    if option.type == "text":
        return Field(name=name, default="", most=option.maximum, option=option)
    return Field(
        name=name,
        of=int if option.type == "integer" else float,
        least=option.minimum,
        most=option.maximum,
        option=option,
    )
