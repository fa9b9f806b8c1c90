"""Turning any value into what MongoDB can store and its readers understand.

What providers say is untrusted: it must never lose an item, which may be paid for. So a
fact that cannot be kept is left out and logged, and everything else is stored.
"""

import logging
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Final

import bson
from pydantic import TypeAdapter, ValidationError

from core.models import Asset, AssetError, Document
from core.models.base import encodable
from core.store.documents.reading import as_text, field_of, inner_model

Fields = dict[str, Any]

CHARACTERS: Final = 4_000
"""Of a text at most."""
ITEMS: Final = 100
"""Of a list or a mapping at most."""
DEPTH: Final = 8
NAME_CHARACTERS: Final = 100
FACTS_BYTES: Final = 128 * 1024
"""Of all that a provider says at one time."""
REMOTE_ID_CHARACTERS: Final = 16_000

_INT64: Final = 2**63
_PRINTED_BITS: Final = 4_096  # of an integer; Python refuses to print very long ones

_log = logging.getLogger(__name__)


def plain(value: Any, depth: int = DEPTH) -> Any:  # noqa: ANN401  # of any type, and then of one that can be stored
    """Return a value as MongoDB can store it and JSON can show it, and not too much of it."""
    if isinstance(value, Mapping | list | tuple | set | frozenset):
        if depth <= 0:
            return "…"
        some = list(value.items() if isinstance(value, Mapping) else value)[:ITEMS]
        if isinstance(value, Mapping):
            return {field_name(key): plain(each, depth - 1) for key, each in some}
        return [plain(each, depth - 1) for each in some]
    return _plain_scalar(value)


def _plain_scalar(value: Any) -> Any:  # noqa: ANN401  # see `plain`
    fits = isinstance(value, int) and -_INT64 <= value < _INT64
    finite = isinstance(value, float) and math.isfinite(value)
    if value is None or isinstance(value, bool) or fits or finite:
        return value
    if isinstance(value, int):
        return str(value) if value.bit_length() <= _PRINTED_BITS else "…"
    if isinstance(value, datetime):
        return value if value.tzinfo is not None else value.replace(tzinfo=UTC)
    if isinstance(value, bytes | bytearray | memoryview):
        return f"{memoryview(value).nbytes} bytes"
    return short(_printed(value))


def short(text: str, characters: int = CHARACTERS) -> str:
    """Return the beginning of a text, without what no text has in it."""
    cut: str = encodable(text[:characters].replace("\x00", ""))
    return cut


def field_name(said: object) -> str:
    """Return a name that MongoDB takes for a field: no dot or NUL in it, no `$` before it."""
    name = short(_printed(said), NAME_CHARACTERS).replace(".", "_")
    return (f"_{name[1:]}" if name.startswith("$") else name) or "_"


def facts(said: Mapping[str, Any]) -> Fields:
    """Return what a provider said of an item as fields to store, such as `cost.actual`.

    Each is read as the item's model has it. What that cannot read is left out and logged, never
    the item: it may be paid for.
    """
    kept: Fields = {}
    for path, value in said.items():
        head, _dot, rest = path.partition(".")
        if head == "details" and rest:
            kept[f"details.{field_name(rest)}"] = plain(value)
            continue
        try:
            kept[path] = checked(Asset, path, value)
        except (ValidationError, ValueError, RecursionError):
            _log.warning("what was said of %s is not kept, for it cannot be read", path[:100])
    return _not_too_much(kept)


def remote_id(said: object) -> str | None:
    """Return what an item is followed by as text; None: it is none that can be kept."""
    text = said if isinstance(said, str) else as_text(said)
    if text is None or len(text) > REMOTE_ID_CHARACTERS or encodable(text) != text:
        if said is not None:
            _log.warning("an item's id at its provider is not kept, for it cannot be read")
        return None
    return str(text)


def error_document(error: AssetError) -> Fields:
    """Return an error as it is stored; it often has a vendor's own words in it."""
    return AssetError(
        code=short(error.code, NAME_CHARACTERS),
        message=short(error.message),
        retryable=error.retryable,
    ).to_document()


def checked(model: type[Document], path: str, value: Any) -> Any:  # noqa: ANN401  # whatever its model makes of it
    """Return a new value of a field as its model reads it, ready to be stored.

    Args:
        model: the model of the whole document.
        path: the field, such as `cost.actual`.
        value: what is to be stored; a number where text is meant becomes text.

    Raises:
        ValueError: the model has no such field, or it cannot read that.
    """
    adapter = _adapter(model, *path.split(".")[:2])
    try:
        found = adapter.validate_python(value)
    except ValidationError:
        if (text := as_text(value)) is None:
            raise
        found = adapter.validate_python(text)
    return encodable(adapter.dump_python(found, by_alias=True))


@cache
def _adapter(model: type[Document], name: str, part: str | None = None) -> TypeAdapter[Any]:
    info = field_of(model, name)
    if info is None:
        raise ValueError(f"{model.__name__} has no {name}")
    if part is None:
        whole: Any = info.annotation
        return TypeAdapter(Annotated[whole, *info.metadata] if info.metadata else whole)
    nested = inner_model(info.annotation)
    if nested is None:
        raise ValueError(f"{name} has no parts")
    return _adapter(nested, part)


def _not_too_much(fields: Fields) -> Fields:
    """Leave the largest details out until the rest is no more than may be stored."""
    sizes = {path: len(bson.encode({"value": value})) for path, value in fields.items()}
    total = sum(sizes.values())
    for path in sorted(sizes, key=sizes.__getitem__, reverse=True):
        if total <= FACTS_BYTES:
            break
        if path.startswith("details."):
            total -= sizes[path]
            del fields[path]
            _log.warning("%s of an item is too much to be kept", path)
    return fields


def _printed(value: object) -> str:
    try:
        return str(value)
    except Exception:  # noqa: BLE001  # whatever a library's object does
        return type(value).__name__
