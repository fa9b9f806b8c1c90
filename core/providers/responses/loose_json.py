"""Reading JSON as vendors really send it: within other text, cut off, or several in one reply."""

import json
import math
import re
from typing import Any, Final

_MOST_DIGITS: Final = 300
_OPENING: Final = re.compile(r"[\[{]")
_PAGE: Final = re.compile(r"(?i)\s*<(!doctype|html|head|body|\?xml)")
_MISSES: Final = 32  # brackets that begin no JSON, until a text is given up
_DOCUMENTS: Final = 10_000
_NESTED: Final = 200
_TOKENS: Final = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|["\[\]{},]', re.DOTALL)


def read_json(raw: bytes) -> Any:  # noqa: ANN401  # whatever it holds
    """Decode JSON that may have a byte order mark, NaN or trailing text; None: it is none."""
    text = _text(raw)
    try:
        document, _end = _decoder().raw_decode(text.lstrip())
    except (ValueError, RecursionError):
        return None
    return document if isinstance(document, dict | list | str) else None


def read_documents(raw: bytes) -> list[Any]:
    """Return all JSON documents in a text, whatever is around them.

    That is one document, one a line, the events of a stream, or what follows a warning. Of a
    document that is cut off, the complete values are read. A page of HTML has none: any JSON in
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
            if misses == 1 and (document := _complete_part(text[start.start() :])):
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
    return json.JSONDecoder(strict=False, parse_int=_integer, object_pairs_hook=_keep_informative)


def _complete_part(text: str) -> Any:  # noqa: ANN401  # whatever it holds
    """Return what is complete in JSON that is cut off; None: nothing, or it is broken otherwise."""
    closing: list[str] = []
    end, closed = 0, ""
    for token in _TOKENS.finditer(text):
        mark = token[0]
        if mark == '"':
            break  # of a text that is cut off
        if mark in {"{", "["}:
            closing.append("}" if mark == "{" else "]")
        elif mark in {"}", "]"}:
            if not closing or closing.pop() != mark or not closing:
                return None  # it is broken otherwise
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


def _keep_informative(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's fields; of two of one name, the one that is not empty."""
    fields: dict[str, Any] = {}
    for name, value in pairs:
        poorer = isinstance(fields.get(name), dict | list) and not isinstance(value, dict | list)
        if name not in fields or (value not in (None, "", [], {}) and not poorer):
            fields[name] = value
    return fields
