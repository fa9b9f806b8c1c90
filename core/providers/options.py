"""Options of a model: what can be chosen, and checking what was."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from core.i18n import gettext as _
from core.models import InvalidInput


@dataclass(frozen=True, kw_only=True)
class Option:
    """A choice for a model beside ratio, length and seed.

    An option called `size` has choices such as `1536x1024` and replaces the ratio's pixels; one
    called `scale_factor` says by how much an upscaled item is wider and higher (else it is twice).

    Attributes:
        name: as it is written on the command line and kept with the item.
        title: as it is written in the form.
        type: of its value.
        default: what applies where nothing is chosen; None: it is left to the model.
        choices: what can be chosen; empty: anything of the type.
        minimum: the least number.
        maximum: the greatest number, or the most characters of a text.
        help: a sentence about it.
        excludes: choices that another option's choice rules out: choice → (that option's name, its
            choice). Neither is offered while the other is chosen.
    """

    name: str
    title: str
    type: Literal["text", "integer", "number", "flag"] = "text"
    default: str | float | bool | None = None
    choices: Sequence[str] = ()
    minimum: float | None = None
    maximum: float | None = None
    help: str = ""
    excludes: Mapping[str, tuple[str, str]] = field(default_factory=dict)

    def parse(self, value: object) -> str | float | bool | None:
        """Return a value as the provider takes it; None where nothing is chosen.

        Args:
            value: as the form has it, or as it was typed.

        Raises:
            InvalidInput: it cannot be used; the text says why.
        """
        text = str(value).strip()
        if value is None or not text:
            return self.default
        if self.choices and text not in self.choices:
            offered = ", ".join(self.choices)
            raise InvalidInput(
                _("“{title}” is one of {offered}, not “{text}”.").format(
                    title=_(self.title), offered=offered, text=text
                )
            )
        if self.type == "flag":
            return self._flag(text)
        if self.type == "text":
            if self.maximum is not None and len(text) > self.maximum:
                raise InvalidInput(
                    _("“{title}” has at most {most} characters.").format(
                        title=_(self.title), most=f"{self.maximum:g}"
                    )
                )
            return text
        return self._number(text)

    def _flag(self, text: str) -> bool:
        words = {"true": True, "yes": True, "on": True, "1": True}
        words |= {"false": False, "no": False, "off": False, "0": False}
        if text.lower() not in words:
            said = _("“{title}” is yes or no, not “{text}”.")
            raise InvalidInput(said.format(title=_(self.title), text=text))
        return words[text.lower()]

    def _number(self, text: str) -> float:
        try:
            number = int(text) if self.type == "integer" else float(text)
        except ValueError:
            said = _("“{title}” is a number, not “{text}”.")
            raise InvalidInput(said.format(title=_(self.title), text=text)) from None
        least = -math.inf if self.minimum is None else self.minimum
        most = math.inf if self.maximum is None else self.maximum
        if not (least <= number <= most and math.isfinite(number)):
            raise InvalidInput(self._out_of_range(text))
        return number

    def _out_of_range(self, text: str) -> str:
        """Return the message about a number outside the limits."""
        said = _("“{title}” goes to any number, not {text}.")
        if self.minimum is not None and self.maximum is not None:
            said = _("“{title}” goes from {least} to {most}, not {text}.")
        elif self.minimum is not None:
            said = _("“{title}” goes from {least}, not {text}.")
        elif self.maximum is not None:
            said = _("“{title}” goes to {most}, not {text}.")
        least, most = f"{self.minimum or 0:g}", f"{self.maximum or 0:g}"
        return said.format(title=_(self.title), least=least, most=most, text=text)
