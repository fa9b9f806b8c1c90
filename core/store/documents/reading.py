"""Reading stored documents, whatever is in them: the one place where that is done.

What was stored by hand, by another version, or by a mistake must not take anything else down. So a
document is read in three steps:

- as its model has it;
- with what its model can do without left out: a part that cannot be read counts as not written,
  where that opens nothing and costs nothing (`Vital`), and a number counts as text where text is
  meant;
- a job or an item, which somebody misses, with placeholders, marked as `unreadable`.

What cannot be read by any of them is left out, and logged once.
"""

import copy
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Final, Generic, TypeVar, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from core.models import Document
from core.models.base import Vital

Stored = dict[str, Any]
Model = TypeVar("Model", bound=Document)

_ROUNDS: Final = 8  # what is left out may show the next thing that is not as it should be
_REMEMBERED: Final = 10_000
_UNREADABLE: Final = "unreadable"  # of the models; nothing that is stored says it
_MISSING: Final = object()
_ID: Final = "_id"

_log = logging.getLogger(__name__)
_logged: dict[tuple[str, str], None] = {}


@dataclass(frozen=True)
class Fault:
    """What is wrong with a document.

    Attributes:
        field: where, such as `cost.actual`.
        reason: what is wrong there.
        vital: whether nothing may stand in for it.
    """

    field: str
    reason: str
    vital: bool


@dataclass(frozen=True)
class Reading(Generic[Model]):
    """A document as far as it could be read.

    Attributes:
        value: the document; None: it cannot be read, not even in part.
        faults: what is wrong with it.
    """

    value: Model | None
    faults: tuple[Fault, ...] = ()

    @property
    def vital(self) -> list[Fault]:
        """What is wrong, and nothing may stand in for."""
        return [each for each in self.faults if each.vital]


Placeholders = Callable[[Stored, set[str]], Stored | None]
"""Returns values for what a document cannot be shown without; None: nothing may stand in.

It is called with what can be read, and with the names of the fields that cannot.
"""
_placeholders: dict[type[Document], Placeholders] = {}


def use_placeholders(model: type[Document], values: Placeholders) -> None:
    """Give unreadable fields of a model placeholders, so that its documents are still shown."""
    _placeholders[model] = values


def read(model: type[Model], document: Mapping[str, Any] | None) -> Model | None:
    """Return a document as far as it can be read; None: there is none, or not at all.

    What cannot be read is logged, once.
    """
    if document is None:
        return None
    reading = look(model, document)
    if reading.faults:
        _log_once(model, document, reading)
    return reading.value


def read_each(model: type[Model], documents: Iterable[Mapping[str, Any]]) -> Iterator[Model]:
    """Return documents as far as they can be read, without those that cannot be at all."""
    for document in documents:
        found = read(model, document)
        if found is not None:
            yield found


def look(model: type[Model], document: Mapping[str, Any]) -> Reading[Model]:
    """Return a document with what is wrong with it."""
    stored = dict(document)
    stored.pop(_UNREADABLE, None)
    faults: list[Fault] = []
    value = _validated(model, stored, faults)
    missing = [name for name in _always_stored(model) if name not in document]
    faults += [Fault(name, "it is missing", vital=True) for name in missing]
    vital = [each.field for each in faults if each.vital]
    if not vital:
        return Reading(value, tuple(faults))
    if _ID in vital or model not in _placeholders:
        return Reading(None, tuple(faults))
    shown = {name: each for name, each in stored.items() if name not in _tops(vital)}
    values = _placeholders[model](shown, _tops(vital))
    standing = None if values is None else _validated(model, shown | values, [])
    fields = tuple(dict.fromkeys(vital))
    marked = None if standing is None else standing.model_copy(update={_UNREADABLE: fields})
    return Reading(marked, tuple(faults))


def mends(reading: Reading[Any], document: Mapping[str, Any]) -> Stored:
    """Return the fields that are stored otherwise than they were read, as they were read."""
    if reading.value is None:
        return {}
    faulty = _tops(each.field for each in reading.faults)
    return {
        name: each
        for name, each in reading.value.to_document().items()
        if name in faulty or (name in document and not _same(each, document[name]))
    }


def _same(one: Any, other: Any) -> bool:  # noqa: ANN401  # whatever is stored
    """Return whether two values are stored alike; to MongoDB, True is not 1."""
    if isinstance(one, dict) and isinstance(other, dict):
        # What a newer version has besides stays as it is.
        return all(name in other and _same(each, other[name]) for name, each in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)


def _validated(model: type[Model], stored: Stored, faults: list[Fault]) -> Model | None:
    """Return the model of what is stored, with what it can do without left out.

    What is left out, and what nothing may stand in for, is added to `faults`.
    """
    try:
        return model.from_document(stored)
    except ValidationError as error:
        found = error
    stored = copy.deepcopy(stored)
    for _ in range(_ROUNDS):
        lost = [
            each for each in found.errors(include_url=False) if not _mended(model, stored, each)
        ]
        faults += [
            Fault(_name(each["loc"]), each["msg"], vital=each in lost)
            for each in found.errors(include_url=False)
        ]
        if lost:
            return None
        stored = _without_gaps(stored)
        try:
            return model.from_document(stored)
        except ValidationError as error:
            found = error
    faults.append(Fault("", "there is too much wrong with it", vital=True))
    return None


def _mended(model: type[Document], stored: Stored, error: Any) -> bool:  # noqa: ANN401  # pydantic's
    """Mend one error in what is stored; return whether that could be done."""
    path = error["loc"]
    if path[0] == _ID:
        return False  # what is stored keeps it for good, and nothing would be found by another
    value = _value(stored, path)
    if error["type"] == "string_type" and (text := as_text(value)) is not None:
        _value(stored, path[:-1])[path[-1]] = text
        return True
    fields = list(_fields(model, path))
    if any(isinstance(each, Vital) for info in fields if info for each in info.metadata):
        return False
    for end in range(len(path), 0, -1):
        info = fields[end - 1]
        if info is not None and info.is_required():
            continue  # then what it belongs to, where that may be left out
        return _left_out(stored, path[:end])
    return False


def _left_out(stored: Stored, path: tuple[int | str, ...]) -> bool:
    """Leave a part out; return whether that could be done."""
    holder, key = _value(stored, path[:-1]), path[-1]
    if isinstance(holder, dict):
        holder.pop(key, None)
    elif isinstance(holder, list) and isinstance(key, int) and key < len(holder):
        holder[key] = _MISSING  # the places of the others still count
    return True


def _without_gaps(stored: Stored) -> Stored:
    """Return a document whose lists have lost what was left out of them."""
    return {
        name: [each for each in value if each is not _MISSING] if isinstance(value, list) else value
        for name, value in stored.items()
    } | {name: _without_gaps(value) for name, value in stored.items() if isinstance(value, dict)}


def text_or_empty(value: object) -> str:
    """Return a stored text, or an empty one where something else is stored."""
    return value if isinstance(value, str) else ""


def as_text(value: object) -> str | None:
    """Return a number as text, None: it is none; shells store whole ones as floating-point ones."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 2**53 else None
    return str(int(value))


def _fields(model: type[Document], path: tuple[int | str, ...]) -> Iterator[FieldInfo | None]:
    """Return the model's field for each step of a path; None: a part of a list or a mapping."""
    current: type[Document] | None = model
    for step in path:
        info = None if current is None else field_of(current, step)
        yield info
        current = None if info is None else inner_model(info.annotation)


def field_of(model: type[Document], name: int | str) -> FieldInfo | None:
    """Return a model's field by its name, or as it is stored; None: it has none."""
    for field, info in model.model_fields.items():
        if name in (info.alias, field):
            return info
    return None


def inner_model(annotation: object) -> type[Document] | None:
    """Return the model that a field's type is, or is where it is not None."""
    if isinstance(annotation, type) and issubclass(annotation, Document):
        return annotation
    if get_origin(annotation) in (Union, UnionType):
        for each in get_args(annotation):
            if each is not NoneType and (found := inner_model(each)) is not None:
                return found
    return None


def _value(stored: Any, path: tuple[int | str, ...]) -> Any:  # noqa: ANN401  # whatever is stored
    for step in path:
        try:
            stored = stored[step]
        except (LookupError, TypeError):
            return None
    return stored


@cache
def _always_stored(model: type[Document]) -> list[str]:
    return [
        name
        for name, info in model.model_fields.items()
        if any(isinstance(each, Vital) and each.stored for each in info.metadata)
    ]


def _tops(fields: Iterable[str]) -> set[str]:
    return {each.split(".", 1)[0] for each in fields}


def _name(path: Iterable[int | str]) -> str:
    return ".".join(map(str, path))


def _log_once(model: type[Document], document: Mapping[str, Any], reading: Reading[Any]) -> None:
    key = (model.__name__, repr(document.get("_id"))[:100])
    if key in _logged:
        return
    if len(_logged) >= _REMEMBERED:
        _logged.pop(next(iter(_logged)))
    _logged[key] = None
    _log.warning(
        "a stored %s cannot be read %s (%s: %s); `python -m core repair` says more",
        *(key[0].lower(), "in full" if reading.value is not None else "at all"),
        *(key[1], ", ".join(each.field for each in reading.faults)[:200]),
    )
