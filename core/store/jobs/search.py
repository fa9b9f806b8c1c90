"""Searching in prompts: what was typed, as a query on the text index over `words`.

The index knows no language, so that nothing is lost in any: no word is left out as too common, and
none is cut. Instead a word of plain letters is looked for in the forms that English has for it,
which is also how many other languages make plurals. The database asks that one of the forms is
there as a word; and then that each root occurs, if only as a part of a word.
"""

import re
import unicodedata
from typing import Any, Final

from core.i18n import gettext as _
from core.models import InvalidInput

Document = dict[str, Any]

CHARACTERS: Final = 200
WORDS: Final = 20

_LEAST_ROOT: Final = 3
_ENDINGS: Final = ("ies", "ing", "es", "ed", "s", "y", "e")
_FORMS: Final = ("", "s", "es", "e", "ed", "ing", "y", "ies")
_DOUBLED: Final = re.compile(r"([bdgmnprt])\1")
_PLAIN: Final = re.compile(r"[a-z]+")
# Scripts that put no blanks between words (Chinese, Japanese, Thai and its neighbours) or tie
# particles to them (Korean): there a word is any part of the text.
_UNSPACED: Final = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1100-\u11ff\u1780-\u17ff\u3040-\u30ff\u3130-\u318f\u3400-\u9fff"
    "\uac00-\ud7af\uf900-\ufaff\uff66-\uff9f\U00020000-\U0003ffff]"
)


def search(typed: str) -> Document:
    """Return the query that finds the prompts in which all words occur that were typed.

    Args:
        typed: any text; case, accents and punctuation do not matter.

    Raises:
        InvalidInput: it is too long.
    """
    text = unicodedata.normalize("NFC", typed).lower()
    words = [word for part in text.split() for word in _words(part)]
    if len(text) > CHARACTERS or len(words) > WORDS:
        raise InvalidInput(
            _("A search has at most {words} words and {characters} characters.").format(
                words=WORDS, characters=CHARACTERS
            )
        )
    parts = [word for word in words if not _is_indexed(word)]
    indexed = [word for word in words if _is_indexed(word)]
    query: Document = {}
    if indexed:
        asked = [each for word in indexed for each in (f'"{_root(word)}"', *_forms(word))]
        query["$text"] = {"$search": " ".join(dict.fromkeys(asked))}
    if parts:
        query["$and"] = [{"words": {"$regex": re.escape(part), "$options": "i"}} for part in parts]
    return query


def _words(part: str) -> list[str]:
    """Return what stands between punctuation; symbols alone, such as an emoji, count too."""
    found = re.findall(r"\w+", part)
    return found or [part] * any(unicodedata.category(each) == "So" for each in part)


def _is_indexed(word: str) -> bool:
    return re.match(r"\w", word) is not None and _UNSPACED.search(word) is None


def _root(word: str) -> str:
    """Return what all forms of a word begin with."""
    if not _PLAIN.fullmatch(word) or word.endswith("ss"):
        return word
    for ending in _ENDINGS:
        root = word.removesuffix(ending)
        if root != word and len(root) >= _LEAST_ROOT:
            doubled = ending in ("ing", "ed") and _DOUBLED.fullmatch(root[-2:])
            return root[:-1] if doubled and len(root) > _LEAST_ROOT else root
    return word


def _forms(word: str) -> list[str]:
    """Return a word with the others that it may stand for."""
    if not _PLAIN.fullmatch(word) or len(word) < _LEAST_ROOT:
        return [word]
    root = _root(word)
    doubled = root + root[-1]
    return [word, *(root + ending for ending in _FORMS), f"{doubled}ing", f"{doubled}ed"]
