"""One tolerant reader for what vendors send.

Raw bytes in, a small record out. Media are looked for first, wherever they are; each fact is
taken if it parses and dropped if not; then the vendor's words are read. Nothing in a reply, however
odd, raises.
"""

# ruff: noqa: SIM905  # names of fields read better as words than as a list of quoted ones

import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from html import unescape
from typing import Any, Final

from core.models import Kind
from core.providers.media_search import Medium, find_in_fragment, find_media, plain_name
from core.providers.signatures import HEAD, may_be

_MOST_DIGITS: Final = 300
_ID_CHARACTERS: Final = 500
_DEPTH: Final = 6
_WORDS: Final = 2000
_WRAPPERS: Final = (
    "data task result response output video job generation prediction body payload item".split()
)
"""Fields that hold what the reply is about, one level further down."""
_IDS: Final = (
    "id taskid videoid jobid generationid predictionid uuid requestid name operation".split()
)
_STATES: Final = "status state taskstatus jobstatus phase".split()
_PROGRESS: Final = "progress percent percentage progresspercent".split()
_SENTENCES: Final = (
    "message msg detail details failure failurereason failreason reason errormessage errormsg"
    " errordescription statusmsg statusmessage description title error errors baseresp".split()
)
_CODES: Final = "code errorcode failurecode rc statuscode type".split()
_ERRORS: Final = "error errors failure failurereason failreason detail".split()
_FINE: Final = frozenset("ok success successful succeeded done completed created accepted".split())


class State(StrEnum):
    """What a vendor's word for a task's state means."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


_MEANINGS: Final = {
    word: state
    for state, words in {
        State.WAITING: "queued pending throttled waiting inqueue submitted notstart notstarted"
        " created starting scheduled enqueued accepted new queueing queuing",
        State.RUNNING: "inprogress processing preprocessing postprocessing running generating"
        " started active working rendering uploading saving executing dreaming",
        State.DONE: "completed complete succeeded succeed success successful finished done"
        " ready ok",
        State.FAILED: "failed failure fail error errored rejected contentfiltered moderated"
        " requestmoderated contentmoderated expired timedout nsfw",
        State.CANCELLED: "cancelled canceled aborted deleted revoked",
    }.items()
    for word in words.split()
}


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What a vendor's reply holds.

    Attributes:
        media: the images or clips in it, the likeliest first.
        id: of the task, as text; empty: none.
        state: what its word for the task's state means; None: it has none.
        word: that word.
        progress: from 0 to 1; None: not said.
        code: the vendor's code of an error; empty: none.
        message: the vendor's words, as they came; empty: none.
        refused: whether it says that something is wrong, in a field made for that.
        document: the decoded JSON; None: it is none.
    """

    media: Sequence[Medium] = field(default=(), repr=False)
    id: str = ""
    state: State | None = None
    word: str = ""
    progress: float | None = None
    code: str = ""
    message: str = ""
    refused: bool = False
    document: Any = field(default=None, repr=False)

    def fact(self, name: str) -> Any:  # noqa: ANN401  # whatever the vendor said
        """Return what it says of something, at the outermost level that says anything; or None."""
        for level in _levels(self.document):
            value = _first(level, [plain_name(name)])
            if value is not None:
                return value
        return None

    def text(self, name: str) -> str | None:
        """Return a fact that is a text; None: there is none."""
        value = self.fact(name)
        return value.strip() if isinstance(value, str) and value.strip() else None

    def mapping(self, name: str) -> dict[str, Any] | None:
        """Return a fact that has fields of its own; None: there is none."""
        value = self.fact(name)
        return dict(value) if isinstance(value, Mapping) and value else None


def read_reply(raw: bytes, kind: Kind) -> Reply:
    """Return what a reply holds.

    Args:
        raw: its body, decompressed.
        kind: what was asked for.
    """
    if may_be(raw[:HEAD], kind, sure=False):  # the reply is the file itself
        return Reply(media=(Medium(content=raw),))
    document = read_json(raw)
    if document is None:
        text = raw.decode("utf-8", "replace")
        media = find_media(text.strip(), kind) or find_in_fragment(text, kind)
        return Reply(media=media, message="" if media else _plain(text), refused=False)
    return read_document(document, kind)


def read_document(document: object, kind: Kind) -> Reply:
    """Return what a reply's decoded JSON holds; arguments as above."""
    media = find_media(document, kind)
    levels = list(_levels(document))
    state, word = _state(levels)
    code, message = words(document)
    return Reply(
        media=media,
        id=_id(levels),
        state=state,
        word=word,
        progress=_progress(levels),
        code=code,
        message=message,
        refused=_refuses(levels, message),
        document=document,
    )


def read_json(raw: bytes) -> Any:  # noqa: ANN401  # whatever it says
    """Return what JSON says, with a byte order mark, NaN or more after it; None: it is none."""
    try:
        text = raw.decode(json.detect_encoding(raw), "replace").lstrip("\ufeff \t\r\n")
        decoder = json.JSONDecoder(
            strict=False, parse_int=_integer, object_pairs_hook=_without_losing
        )
        document, _end = decoder.raw_decode(text)
    except (ValueError, RecursionError, LookupError):
        return None
    return document if isinstance(document, dict | list | str) else None


def words(document: object) -> tuple[str, str]:
    """Return the code and the words of an error, whichever of the usual shapes it has.

    Args:
        document: decoded JSON, or text, perhaps a page of HTML.
    """
    if isinstance(document, str):
        return "", _plain(document)
    code, sentence = "", ""
    for level in _levels(document):
        for name in _SENTENCES:
            value = _first(level, [name])
            if value is None or isinstance(value, bool | int | float):
                continue
            inner_code, said = _sentence(value)
            code = code or inner_code
            if said and not sentence and plain_name(said) not in _FINE:
                sentence = said
        own = _first(level, _CODES)
        if not code and isinstance(own, str | int) and plain_name(own) not in _FINE | {"200", "0"}:
            code = str(own)
        if sentence:
            break
    return code[:200], sentence[:_WORDS]


def number(value: object) -> float | None:
    """Return a finite number of at least 0, also of a text; None: it is none."""
    if isinstance(value, str):
        try:
            value = float(value.strip().rstrip("%"))
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        found = float(value)
    except OverflowError:
        return None
    return found if math.isfinite(found) and found >= 0 else None


def identifier(value: object) -> str:
    """Return an id as text; empty: it is none."""
    if isinstance(value, list) and value:
        value = value[0]
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        return ""
    text = str(value).strip()
    fits = 0 < len(text) <= _ID_CHARACTERS and text.isprintable()
    return text if fits and " " not in text else ""


def _levels(document: object) -> Iterator[Mapping[str, Any]]:
    """Yield the mappings that a reply consists of, from the outermost to what it wraps."""
    level = document
    for _ in range(_DEPTH):
        if isinstance(level, list):
            level = level[0] if level and isinstance(level[0], Mapping) else None
        if not isinstance(level, Mapping):
            return
        yield level
        inner = (_first(level, [name]) for name in _WRAPPERS)
        level = next((each for each in inner if _is_wrapped(each)), None)


def _is_wrapped(value: object) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)
    )


def _first(level: Mapping[str, Any], names: Sequence[str]) -> Any:  # noqa: ANN401
    """Return the first of the named fields that is there and not empty, in the names' order."""
    fields = {plain_name(key): value for key, value in level.items()}
    return next(
        (fields[name] for name in names if fields.get(name) not in (None, "", [], {})), None
    )


def _id(levels: Sequence[Mapping[str, Any]]) -> str:
    for name in _IDS:
        for level in levels:
            if found := identifier(_first(level, [name])):
                return found
    return ""


def _state(levels: Sequence[Mapping[str, Any]]) -> tuple[State | None, str]:
    """Return the state that a reply says.

    An outer word that is known counts, but for one that may say only that the call went well.
    """
    found: tuple[State | None, str] = (None, "")
    for level in levels:
        for name in _STATES:
            word = _first(level, [name])
            if not isinstance(word, str):
                continue
            meaning = _MEANINGS.get(plain_name(word), State.UNKNOWN)
            if meaning not in {State.DONE, State.UNKNOWN}:
                return meaning, word
            if found[0] != State.UNKNOWN or meaning == State.DONE:
                found = (meaning, word)
    return found


def _progress(levels: Sequence[Mapping[str, Any]]) -> float | None:
    for level in levels:
        value = _first(level, _PROGRESS)
        share = number(value)
        if share is not None:
            hundredths = share > 1 or (isinstance(value, str) and value.strip().endswith("%"))
            return min(share / 100 if hundredths else share, 1.0)
    return None


def _refuses(levels: Sequence[Mapping[str, Any]], message: str) -> bool:
    """Whether a reply says that something is wrong, rather than that all is well."""
    if plain_name(message) in _FINE or not message:
        return any(isinstance(_first(each, ["error"]), Mapping) for each in levels)
    return any(
        _first(level, _ERRORS) is not None or _first(level, ["message", "msg"]) is not None
        for level in levels
    )


def _sentence(value: object, depth: int = 0) -> tuple[str, str]:
    """Return the code and the words in the value of a field that says what is wrong."""
    if isinstance(value, str):
        document = read_json(value.encode()) if value.lstrip()[:1] in {"{", "["} else None
        return _sentence(document, depth + 1) if document is not None else ("", _plain(value))
    if depth > _DEPTH:
        return "", ""
    if isinstance(value, list):
        parts = [_sentence(each, depth + 1) for each in value[:10]]
        said = "; ".join(dict.fromkeys(text for _code, text in parts if text))
        return next((code for code, _text in parts if code), ""), said
    if not isinstance(value, Mapping):
        return "", ""
    code = _first(value, _CODES)
    inner_code, said = "", ""
    for name in _SENTENCES:
        inner = _first(value, [name])
        if inner is not None and not said:
            inner_code, said = _sentence(inner, depth + 1)
    if said and (place := _first(value, ["loc", "field", "param", "path"])):
        parts = place if isinstance(place, list) else [place]
        said = f"{'.'.join(map(str, parts[:6]))}: {said}"
    if not said:  # {"prompt": ["Too long."]}
        each = ((key, _sentence(inner, depth + 1)[1]) for key, inner in value.items())
        texts = [f"{key}: {text}" for key, text in each if text and plain_name(key) not in _CODES]
        said = "; ".join(texts[:10])
    own = str(code) if isinstance(code, str | int) else ""
    return own or inner_code, said


def _plain(text: str) -> str:
    """Return text as one line; of a page of HTML, what a person reads of it."""
    text = text[: 64 * 1024]
    if "<" in text:
        text = re.sub(r"(?is)<(script|style|head)\b.*?(</\1\s*>|$)", " ", text) or text
        text = unescape(re.sub(r"(?s)<[^>]*>", " ", text))
    return " ".join(text.split())[:_WORDS]


def _integer(digits: str) -> float:
    return int(digits) if len(digits) < _MOST_DIGITS else math.inf


def _without_losing(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object's fields; of two of one name, the one that says something."""
    fields: dict[str, Any] = {}
    for name, value in pairs:
        if name not in fields or value not in (None, "", [], {}):
            fields[name] = value
    return fields
