"""What the form on Create holds: its fields, what stands in them, and how an address names them.

Nothing here knows Streamlit; `widgets.py` draws it.
"""

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, Final

from core.models import MAX_ITEMS, MIN_ITEMS, Asset, Kind, Notify, Task
from core.providers.base import Option
from core.web.resources import STYLES, Choice, Maker, Order

LARGEST_SEED: Final = 2**31 - 1
NUMBERS: Final = {Kind.IMAGE: "images", Kind.VIDEO: "videos"}
"""The fields that say how many."""
MODELS: Final = {Kind.IMAGE: "image_model", Kind.VIDEO: "video_model"}
"""The fields that say by whom."""
_MOST_DIGITS: Final = 40
_TERMS_DIGITS: Final = 16


@dataclass(frozen=True, kw_only=True)
class Field:
    """Something that can be chosen.

    Attributes:
        name: as it is written in an address.
        default: what it is where nothing was chosen.
        choices: what can be chosen; None: any value of the type that is within the bounds.
        of: the type of a value that is not one of some choices.
        least: the smallest number.
        most: the greatest number, or the most characters.
        option: what it is at the provider; None: it is none of a model's own options.
    """

    name: str
    default: Any = None
    choices: Sequence[Any] | None = None
    of: type[int] | type[float] | type[str] = str
    least: float | None = None
    most: float | None = None
    option: Option | None = None

    def read(self, text: str) -> Any:  # noqa: ANN401  # of the field's own type
        """Return the value that a text in an address means.

        Raises:
            ValueError: it means none that can be chosen.
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


@dataclass
class Form:
    """The choices of one visit to the form.

    Attributes:
        makers: who makes each kind, by `Maker.key`, the preferred one first.
        task: what is asked for.
        source: what it is done to; None where something new is made.
        values: what was chosen, by the names of the fields. What the chosen models do not have is
            kept here all the same, for they may be chosen otherwise again.
        refused: the names of the fields for which something was chosen that is not offered.
    """

    makers: Mapping[Kind, Mapping[str, Maker]]
    task: Task = Task.CREATE
    source: Asset | None = None
    values: dict[str, Any] = field(default_factory=dict)
    refused: list[str] = field(default_factory=list)

    def maker(self, kind: Kind) -> Maker:
        """Return who is chosen to make a kind."""
        offered = self.makers[kind]
        chosen = offered.get(self.values.get(MODELS[kind], ""))
        return chosen if chosen is not None else next(iter(offered.values()))

    @property
    def chosen(self) -> dict[Kind, Maker]:
        """Who is chosen to make each kind."""
        return {kind: self.maker(kind) for kind in self.makers}

    @property
    def fields(self) -> dict[str, Field]:
        """What can be chosen at present, by name; what leaves no choice is not there."""
        fields = [
            Field(name=MODELS[kind], default=next(iter(offered)), choices=list(offered))
            for kind, offered in self.makers.items()
        ]
        if self.task != Task.UPSCALE:
            fields += [*self._numbers(), *self._shape(), *self._looks()]
        for kind, maker in self.chosen.items():
            options = maker.capability.options
            for option in options:
                fields.append(_option_field(kind, option, self._ruled_out(kind, option, options)))
        return {each.name: each for each in fields}

    def choose(self, name: str, value: object) -> bool:
        """Keep what a browser says was chosen; return whether it could be, which it else is not."""
        found = self.fields.get(name)
        if found is None or not found.takes(value):
            return False
        self.values[name] = value
        return True

    def drop_unknown(self) -> list[str]:
        """Forget chosen models that are not offered any more, and return their fields' names."""
        names = [MODELS[kind] for kind in self.makers]
        unknown = [
            name
            for name, kind in zip(names, self.makers, strict=True)
            if name in self.values and self.values[name] not in self.makers[kind]
        ]
        for name in unknown:
            del self.values[name]
        return unknown

    @property
    def terms(self) -> str:
        """What tells who makes what here, and at what price, from any other time.

        It does not depend on what is chosen, so a choice on its way does not change it.
        """
        offered = [
            (kind, key, maker.capability.paid, maker.provider.consent, maker.price)
            for kind, makers in self.makers.items()
            for key, maker in makers.items()
        ]
        return sha256(repr(offered).encode(errors="replace")).hexdigest()[:_TERMS_DIGITS]

    def value(self, name: str) -> Any:  # noqa: ANN401  # of the field's own type
        """Return what stands in a field; None where there is no such field at present."""
        found = self.fields.get(name)
        if found is None:
            return None
        value = self.values.get(name, found.default)
        return value if found.takes(value) else found.default

    def fill(self, texts: Mapping[str, str]) -> list[str]:
        """Fill in what an address says, and return the names of what cannot be.

        Args:
            texts: by the names of the fields; everything else is left alone.
        """
        refused = []
        for kind in self.makers:  # they decide what else there is
            refused += self._fill_one(MODELS[kind], texts)
        for name in self.fields:
            if name not in MODELS.values():
                refused += self._fill_one(name, texts)
        return refused

    def address(self) -> dict[str, str]:
        """Return what fills the form as it is, by the names of the fields."""
        fields = self.fields
        values = {name: self.value(name) for name in fields}
        return {
            name: str(value)
            for name, value in values.items()
            if value not in (None, fields[name].default)
        }

    def options(self, kind: Kind) -> dict[str, Any]:
        """Return what is chosen of a model's own options; not what is left to the model."""
        values = {
            option.name: self.value(f"{kind}.{option.name}")
            for option in self.maker(kind).capability.options
        }
        return {name: value for name, value in values.items() if value not in (None, "")}

    def order(
        self,
        user_id: str,
        prompt: str,
        *,
        accepted: frozenset[str] = frozenset(),
        notify: Notify | None = None,
        variations: Mapping[Kind, Sequence[str]] | None = None,
    ) -> Order:
        """Return what is asked for; see `Order` for the arguments."""
        return Order(
            user_id=user_id,
            prompt=prompt,
            images=self.value("images") or MIN_ITEMS,
            videos=self.value("videos") or MIN_ITEMS,
            ratio=self.value("ratio"),
            seconds=self.value("seconds"),
            seed=self.value("seed"),
            style=self.value("style"),
            task=self.task,
            source=self.source,
            accepted=accepted,
            notify=notify or Notify(),
            variations=variations or {},
            choices={
                kind: Choice(
                    provider=maker.provider.name,
                    model=maker.capability.model,
                    options=self.options(kind),
                )
                for kind, maker in self.chosen.items()
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

    def _ruled_out(self, kind: Kind, option: Option, options: Sequence[Option]) -> set[str]:
        """Return the choices of an option that what is chosen of the others leaves no room for."""

        def is_chosen(name: str, choice: str) -> bool:
            return self.values.get(f"{kind}.{name}") == choice

        found = {each for each, other in option.excludes.items() if is_chosen(*other)}
        for other in options:
            for choice, (name, ruled_out) in other.excludes.items():
                if name == option.name and is_chosen(other.name, choice):
                    found.add(ruled_out)
        return found

    def _numbers(self) -> list[Field]:
        least = 1 if self.task == Task.ANIMATE else MIN_ITEMS
        return [
            Field(name=NUMBERS[kind], default=least, of=int, least=least, most=MAX_ITEMS)
            for kind in self.makers
        ]

    def _shape(self) -> list[Field]:
        """Return shape and length, where there is a choice."""
        found = []
        shapes = [maker.capability.ratios for maker in self.chosen.values()]
        if self.source is not None:
            if len(shapes[0]) > 1:
                nearest = _nearest(self.source, shapes[0])
                found.append(Field(name="ratio", default=nearest, choices=list(shapes[0])))
        else:
            common = [ratio for ratio in shapes[0] if all(ratio in shape for shape in shapes)]
            if common and any(len(shape) > 1 for shape in shapes):
                found.append(Field(name="ratio", choices=[None, *common]))
        if Kind.VIDEO in self.makers:
            capability = self.maker(Kind.VIDEO).capability
            lengths, usual = list(capability.seconds), capability.default_seconds
            if len(lengths) > 1:
                default = usual if usual in lengths else lengths[0]
                found.append(Field(name="seconds", default=default, choices=lengths))
        return found

    def _looks(self) -> list[Field]:
        """Return style and, where a model takes one, seed."""
        found = [Field(name="style", choices=[None, *STYLES])]
        if any(maker.capability.seed != "none" for maker in self.chosen.values()):
            found.append(Field(name="seed", of=int, least=0, most=LARGEST_SEED))
        return found


def _nearest(source: Asset, shape: Mapping[str, tuple[int, int]]) -> str:
    """Return which ratio is the most like an item's own."""
    own = (source.width or 1) / (source.height or 1)
    return min(shape, key=lambda ratio: abs(math.log(shape[ratio][0] / shape[ratio][1] / own)))


def _option_field(kind: Kind, option: Option, ruled_out: Collection[str]) -> Field:
    name = f"{kind}.{option.name}"
    if option.choices or option.type == "flag":
        offered: list[str] = [str(choice) for choice in option.choices] or ["yes", "no"]
        offered = [choice for choice in offered if choice not in ruled_out]
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
