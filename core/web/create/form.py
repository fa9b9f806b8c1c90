"""The form on Create: the chosen values, also in an address. `widgets.py` draws it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from core.i18n import gettext as _
from core.models import MAX_ITEMS, MIN_ITEMS, Asset, Kind, Task
from core.providers.base import Option
from core.studio.offers import Offer
from core.studio.order import Choice, Selection
from core.studio.styles import STYLES
from core.web.create.fields import LARGEST_SEED, MODELS, NUMBERS, TITLES, Field, option_field

_TERMS_DIGITS: Final = 16


@dataclass
class Form:
    """The chosen values."""

    #: The models for each kind, by `Offer.key`; the preferred one comes first.
    offers: Mapping[Kind, Mapping[str, Offer]]
    task: Task = Task.CREATE
    #: The source of the task; None for `CREATE`.
    source: Asset | None = None
    #: What was chosen, by the names of the fields. Values that the chosen models do not offer are
    #: kept, since other models may be chosen again.
    values: dict[str, Any] = field(default_factory=dict)
    #: The names of the fields for which something was chosen that is not offered.
    refused: list[str] = field(default_factory=list)

    def offer(self, kind: Kind) -> Offer:
        """Return the chosen model for a kind."""
        offered = self.offers[kind]
        chosen = offered.get(self.values.get(MODELS[kind], ""))
        return chosen if chosen is not None else next(iter(offered.values()))

    @property
    def chosen(self) -> dict[Kind, Offer]:
        """The chosen model for each kind."""
        return {kind: self.offer(kind) for kind in self.offers}

    @property
    def fields(self) -> dict[str, Field]:
        """The fields with a choice at present, by name."""
        fields = [
            Field(name=MODELS[kind], default=next(iter(offered)), choices=list(offered))
            for kind, offered in self.offers.items()
        ]
        if self.task != Task.UPSCALE:
            fields += [*self._numbers(), *self._shape(), *self._style_and_seed()]
        for kind, offer in self.chosen.items():
            options = offer.capability.options
            for option in options:
                fields.append(option_field(kind, option, self._excluded(kind, option, options)))
        return {each.name: each for each in fields}

    def choose(self, name: str, value: object) -> bool:
        """Store a value from a browser if it can be chosen; return whether it can."""
        found = self.fields.get(name)
        if found is None or not found.takes(value):
            return False
        self.values[name] = value
        return True

    def drop_unknown(self) -> list[str]:
        """Discard chosen models that are no longer offered; return the names of their fields."""
        names = [MODELS[kind] for kind in self.offers]
        unknown = [
            name
            for name, kind in zip(names, self.offers, strict=True)
            if name in self.values and self.values[name] not in self.offers[kind]
        ]
        for name in unknown:
            del self.values[name]
        return unknown

    @property
    def terms(self) -> str:
        """A digest of all offers with their prices.

        It does not depend on the choices, so a pending choice does not change it.
        """
        offered = [
            (kind, key, offer.capability.paid, offer.provider.consent, offer.price)
            for kind, offers in self.offers.items()
            for key, offer in offers.items()
        ]
        return sha256(repr(offered).encode(errors="replace")).hexdigest()[:_TERMS_DIGITS]

    def value(self, name: str) -> Any:  # noqa: ANN401  # of the field's own type
        """Return the value of a field; None if there is no such field at present."""
        found = self.fields.get(name)
        if found is None:
            return None
        value = self.values.get(name, found.default)
        return value if found.takes(value) else found.default

    def fill(self, texts: Mapping[str, str]) -> list[str]:
        """Fill in values from an address, and return the names of fields that do not take theirs.

        Args:
            texts: the values by the names of the fields; anything else is ignored.
        """
        refused = []
        for kind in self.offers:  # they decide which other fields there are
            refused += self._fill_one(MODELS[kind], texts)
        for name in self.fields:
            if name not in MODELS.values():
                refused += self._fill_one(name, texts)
        return refused

    def address(self) -> dict[str, str]:
        """Return the values that differ from the defaults, by the names of the fields."""
        fields = self.fields
        values = {name: self.value(name) for name in fields}
        return {
            name: str(value)
            for name, value in values.items()
            if value not in (None, fields[name].default)
        }

    def options(self, kind: Kind) -> dict[str, Any]:
        """Return the chosen values of a model's options; not those left to the model."""
        values = {
            option.name: self.value(f"{kind}.{option.name}")
            for option in self.offer(kind).capability.options
        }
        return {name: value for name, value in values.items() if value not in (None, "")}

    def title(self, name: str) -> str:
        """Return the display name of a field."""
        found = self.fields.get(name)
        return _(TITLES[name] if found is None or found.option is None else found.option.title)

    @property
    def selection(self) -> Selection:
        """The choices as the service takes them."""
        return Selection(
            images=self.value("images") or MIN_ITEMS,
            videos=self.value("videos") or MIN_ITEMS,
            ratio=self.value("ratio"),
            seconds=self.value("seconds"),
            seed=self.value("seed"),
            style=self.value("style"),
            task=self.task,
            source=self.source,
            choices={
                kind: Choice(
                    provider=offer.provider.name,
                    model=offer.capability.model,
                    options=self.options(kind),
                )
                for kind, offer in self.chosen.items()
            },
        )

    def _fill_one(self, name: str, texts: Mapping[str, str]) -> list[str]:
        if name not in texts:
            return []
        try:
            self.values[name] = self.fields[name].read(texts[name])
        except ValueError:
            return [name]
        return []

    def _excluded(self, kind: Kind, option: Option, options: Sequence[Option]) -> set[str]:
        """Return the choices of an option that the chosen values of others exclude."""

        def is_chosen(name: str, choice: str) -> bool:
            return self.values.get(f"{kind}.{name}") == choice

        found = {each for each, other in option.excludes.items() if is_chosen(*other)}
        for other in options:
            for choice, (name, excluded) in other.excludes.items():
                if name == option.name and is_chosen(other.name, choice):
                    found.add(excluded)
        return found

    def _numbers(self) -> list[Field]:
        least = 1 if self.task == Task.ANIMATE else MIN_ITEMS
        return [
            Field(name=NUMBERS[kind], default=least, of=int, least=least, most=MAX_ITEMS)
            for kind in self.offers
        ]

    def _shape(self) -> list[Field]:
        """Return aspect ratio and clip length, each only if there is a choice."""
        found = []
        shapes = [offer.capability.ratios for offer in self.chosen.values()]
        if self.source is not None:
            if len(shapes[0]) > 1:
                nearest = _nearest(self.source, shapes[0])
                found.append(Field(name="ratio", default=nearest, choices=list(shapes[0])))
        else:
            common = [ratio for ratio in shapes[0] if all(ratio in shape for shape in shapes)]
            if common and any(len(shape) > 1 for shape in shapes):
                found.append(Field(name="ratio", choices=[None, *common]))
        if Kind.VIDEO in self.offers:
            capability = self.offer(Kind.VIDEO).capability
            lengths, usual = list(capability.seconds), capability.default_seconds
            if len(lengths) > 1:
                default = usual if usual in lengths else lengths[0]
                found.append(Field(name="seconds", default=default, choices=lengths))
        return found

    def _style_and_seed(self) -> list[Field]:
        """Return style and, if a model takes one, seed."""
        found = [Field(name="style", choices=[None, *STYLES])]
        if any(offer.capability.seed != "none" for offer in self.chosen.values()):
            found.append(Field(name="seed", of=int, least=0, most=LARGEST_SEED))
        return found


def _nearest(source: Asset, shape: Mapping[str, tuple[int, int]]) -> str:
    """Return the ratio closest to an item's own."""
    own = (source.width or 1) / (source.height or 1)
    return min(shape, key=lambda ratio: abs(math.log(shape[ratio][0] / shape[ratio][1] / own)))
