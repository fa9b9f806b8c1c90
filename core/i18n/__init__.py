"""Fivefold's words in the reader's language: GNU gettext, with the catalogues in `locales`.

Every sentence that a person reads stands in the code in English, marked by `_` (or `ngettext`
where a number decides its form, or `N_` where it is translated later), in Python and JavaScript
alike. `make texts` gathers all of them in one place, `locales/messages.pot`, and brings each
language's `messages.po` up to date; the catalogues are read as they are, so nothing is compiled.

What a worker says is stored in English, for it does not know who will read it; `translated` says
it again in the reader's language.
"""

import gettext as gnu
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, lru_cache
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from babel import Locale
from babel.core import negotiate_locale
from babel.messages import Catalog
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import get_decimal_symbol, get_group_symbol

LANGUAGES: Final = {"en": "English", "de": "Deutsch"}
"""By code, each called as its speakers call it."""
ENGLISH: Final = "en"

_FOLDER: Final = Path(__file__).with_name("locales")
_PLACE: Final = re.compile(r"\{(\w+)\}")
_WANTED_CHARACTERS: Final = 200  # of `Accept-Language`
_LITERALS: Final = 10  # characters of its own that identify a sentence
_spoken: ContextVar[str | None] = ContextVar("language", default=None)
_asked: list[Callable[[], str | None]] = []


def language() -> str:
    """Return the code of the language that is spoken here and now."""
    spoken = _spoken.get()
    if spoken is None:
        spoken = next(filter(None, (ask() for ask in _asked)), None)
    return spoken or ENGLISH


def ask_language(source: Callable[[], str | None]) -> None:
    """Have `source` asked for the language wherever `speaking` has not set one.

    Args:
        source: returns a code of `LANGUAGES`; None: it does not know.
    """
    if source not in _asked:
        _asked.append(source)


@contextmanager
def speaking(code: str | None) -> Iterator[None]:
    """Speak a language within the block; None: whatever is spoken outside."""
    token = _spoken.set(code if code in LANGUAGES else _spoken.get())
    try:
        yield
    finally:
        _spoken.reset(token)


def negotiated(wanted: str | None) -> str:
    """Return the best of our languages for what a browser asks for.

    Args:
        wanted: `Accept-Language` (RFC 9110, 12.5.4) or a single language tag; what comes after the
            first few languages is not looked at, and not kept.
    """
    return _negotiated((wanted or "")[:_WANTED_CHARACTERS])


@lru_cache(maxsize=1024)
def _negotiated(wanted: str) -> str:
    tags = []
    for part in wanted.split(","):
        tag, _, quality = part.strip().partition(";q=")
        try:
            tags.append((-float(quality or 1), tag.strip().replace("-", "_")))
        except ValueError:
            continue
    ordered = [tag for weight, tag in sorted(tags, key=lambda each: each[0]) if tag and weight]
    return negotiate_locale(ordered, list(LANGUAGES)) or ENGLISH


def gettext(text: str) -> str:
    """Return a text in the language spoken, or as it is where there is no translation."""
    return _translations(language()).gettext(text) if text else ""


def ngettext(one: str, many: str, number: int) -> str:
    """Return the form of a text that goes with a number."""
    return _translations(language()).ngettext(one, many, number)


def pgettext(context: str, text: str) -> str:
    """Return a text where the same English word means different things."""
    return _translations(language()).pgettext(context, text)


def N_(text: str) -> str:  # noqa: N802  # gettext's own name for it
    """Mark a text that is translated where it is used."""
    return text


_ = gettext


def translated(text: str) -> str:
    """Return what was stored in English in the language spoken; as it is, where it is not ours.

    Args:
        text: a whole sentence of ours, with whatever was put into it.
    """
    return _translated(text, language())


def listed(parts: Sequence[str]) -> str:
    """Return several things as one text, such as “a, b and c”."""
    *first, last = parts or [""]
    return _("{some} and {last}").format(some=", ".join(first), last=last) if first else last


def number(value: float, spec: str = ",") -> str:
    """Return a number as it is written in the language spoken.

    Args:
        value: the number.
        spec: Python's own format for it, such as `.1f`.
    """
    here = locale()
    symbols = str.maketrans(",.", get_group_symbol(here) + get_decimal_symbol(here))
    return format(value, spec).translate(symbols)


def locale() -> Locale:
    """Return how the language spoken here writes numbers and dates."""
    return _locale(language())


@cache
def catalogue(code: str) -> Catalog:
    """Return a language's catalogue as it lies on disk; empty for English."""
    path = _FOLDER / code / "LC_MESSAGES" / "messages.po"
    if not path.exists():
        return Catalog(code)
    with path.open("rb") as file:
        return read_po(file, code)


@cache
def for_browsers() -> dict[str, dict[str, Any]]:
    """Return what the front-end components say, by language: text → translation or its forms."""
    return {
        code: {
            message.id if isinstance(message.id, str) else message.id[0]: message.string
            for message in catalogue(code)
            if message.id and any(place.endswith(".js") for place, _line in message.locations)
        }
        for code in LANGUAGES
        if code != ENGLISH
    }


@cache
def _locale(code: str) -> Locale:
    return Locale.parse(code)


@lru_cache(maxsize=4096)
def _translated(text: str, code: str) -> str:
    found = _translations(code).gettext(text) if text else ""
    if found == text:
        for pattern, translation in _sentences(code):
            if values := pattern.fullmatch(text):
                return translation.format(**values.groupdict())
    return found


@cache
def _sentences(code: str) -> list[tuple[re.Pattern[str], str]]:
    """Return the sentences with placeholders, the most specific first."""
    found = []
    for message in catalogue(code):
        if not isinstance(message.id, str) or not isinstance(message.string, str):
            continue
        parts = _PLACE.split(message.id)
        names, own = parts[1::2], sum(map(len, parts[::2]))
        if names and own >= _LITERALS and message.string and len(set(names)) == len(names):
            parts[::2] = map(re.escape, parts[::2])
            parts[1::2] = [f"(?P<{name}>.+)" for name in names]
            found.append((own, re.compile("".join(parts), re.DOTALL), message.string))
    found.sort(key=lambda each: -each[0])
    return [(pattern, translation) for _own, pattern, translation in found]


@cache
def _translations(code: str) -> gnu.NullTranslations:
    if code == ENGLISH:
        return gnu.NullTranslations()
    compiled = BytesIO()
    write_mo(compiled, catalogue(code))
    compiled.seek(0)
    return gnu.GNUTranslations(compiled)
