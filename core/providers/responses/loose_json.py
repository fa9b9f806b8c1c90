"""Reading JSON as vendors really send it: with more around it, with less at its end, and twice."""

import json
import math
import re
from typing import Any, Final

_MOST_DIGITS: Final = 300
_OPENING: Final = re.compile(r"[\[{]")
_PAGE: Final = re.compile(r"(?i)\s*<(!doctype|html|head|body|\?xml)")
_MISSES: Final = 32  # brackets that are no JSON, until a text is taken for none
_DOCUMENTS: Final = 10_000
_NESTED: Final = 200
_TOKENS: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},]', re.DOTALL)


def read_json(raw: bytes) -> Any:  # noqa: ANN401  # whatever it says
    """Return what JSON says, with a byte order mark, NaN or more after it; None: it is none."""
    text = _text(raw)
    try:
        document, _end = _decoder().raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict | list | str) else None


def read_documents(raw: bytes) -> list[Any]:
    """Return everything that is JSON in a text, whatever stands around it.

    That is one document, one a line, the events of a stream, or what follows a warning; a document
    that breaks off is read as far as its values came whole. A page of HTML has none: what stands in
    there is about the page.
    """
    if (document := read_json(raw)) is not None and isinstance(document, str):
        return [document]
    found: list[Any] = []
    text, misses, at = _text(raw), 0, 0
    while misses < _MISSES and len(found) < _DOCUMENTS and not (not found and _PAGE.match(text)):
        start = _OPENING.search(text, at)
        if start is None:
            break
        try:
            document, at = _decoder().raw_decode(text, start.start())
        except (ValueError, RecursionError):
            misses, at = misses + 1, start.end()
            if misses == 1 and (document := _broken_off(text[start.start() :])):
                return [*found, document]
        else:
            found.append(document)
    return [each for each in found if each]


def _text(raw: bytes) -> str:
    try:
        return raw.decode(json.detect_encoding(raw), "replace").lstrip("\ufeff \t\r\n")
    except LookupError:
        return ""


def _decoder() -> json.JSONDecoder:
    return json.JSONDecoder(strict=False, parse_int=_integer, object_pairs_hook=_without_losing)


def _broken_off(text: str) -> Any:  # noqa: ANN401  # whatever it says
    """Return what JSON says that ends too early, without the value in which it ends; or None."""
    closing: list[str] = []
    end, closed = 0, ""
    for token in _TOKENS.finditer(text):
        mark = token[0]
        if mark == '"':
            break  # of a text that breaks off
        if mark in {"{", "["}:
            closing.append("}" if mark == "{" else "]")
        elif mark in {"}", "]"}:
            if not closing or closing.pop() != mark or not closing:
                return None  # it is broken in another way
            end, closed = token.end(), "".join(reversed(closing))
        elif mark == ",":
            end, closed = token.start(), "".join(reversed(closing))
        if len(closing) > _NESTED:
            return None
    try:
        return _decoder().decode(text[:end] + closed) if end else None
    except (ValueError, RecursionError):
        return None


def _integer(digits: str) -> float:
    return int(digits) if len(digits) < _MOST_DIGITS else math.inf


def _without_losing(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's fields; of two of one name, the one that says something."""
    fields: dict[str, Any] = {}
    for name, value in pairs:
        poorer = isinstance(fields.get(name), dict | list) and not isinstance(value, dict | list)
        if name not in fields or (value not in (None, "", [], {}) and not poorer):
            fields[name] = value
    return fields
