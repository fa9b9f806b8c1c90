"""A vendor's own words, wherever they stand in its reply."""

# ruff: noqa: SIM905  # names of fields read better as words than as a list of quoted ones

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from html import unescape
from typing import Any, Final

from core.providers.responses.loose_json import read_json
from core.providers.responses.media_search import plain_name

_DEPTH: Final = 6
_WORDS: Final = 2000
_LEVELS: Final = 50
_WRAPPERS: Final = (
    "data task result results response output video job generation prediction predictions body"
    " payload item baseresp promptfeedback generatevideoresponse choices candidates message"
    " status state".split()
)
"""Fields that hold what the reply is about, one level further down."""
_SENTENCES: Final = (
    "message msg detail details failure failurereason failreason failmsg reason errormessage"
    " errormsg errordescription taskstatusmsg statusmsg statusmessage blockreason"
    " raimediafilteredreasons raifilteredreason description title error errors baseresp".split()
)
_GENERAL: Final = frozenset("message msg statusmsg statusmessage description title".split())
"""Where some vendors say of every call that it went well, whatever became of its task."""
_CAUSES: Final = (
    "metadata raw innererror cause issues violations validationerrors invalidparams".split()
)
"""Where the reason stands when the sentence only says that there is one."""
_SAID: Final = "refusal content text".split()  # what a chat model says instead
_CODES: Final = "code errorcode failurecode failcode rc statuscode type".split()
_OUTCOMES: Final = "code errorcode rc statuscode".split()
ERRORS: Final = "error errors failure failurereason failreason detail".split()
FINE: Final = frozenset(
    "ok success successful succeeded succeed done completed created accepted".split()
)
_WELL: Final = FINE | {"0", "200", "201", "202"}
# Codes and words of OpenAI, Azure, Volcengine, DashScope, MiniMax, Kling, Stability, New API,
# OpenRouter, xAI, SiliconFlow and KIE: each gateway passes on those of whom it asks.
_REFUSALS: Final = (
    "moderation",
    "contentpolicy",
    "contentfilter",
    "sensitivecontent",
    "datainspection",
    "responsibleai",
)
_REFUSED: Final = re.compile(
    r"(?i)(input|prompt|request|content) was flagged|\bcontent (moderation|management policy)\b"
    r"|\b(moderation|safety) system\b|\bnew_sensitive\b"
)
_NO_MONEY: Final = ("insufficientuserquota", "insufficientquota", "accountoverdue", "arrear")
_SPENT: Final = re.compile(
    r"(?i)\b(insufficient|not enough|out of|not have (any|enough)|doesn.t have (any|enough))"
    r" (\w+ )?(balance|credits?|funds)\b"
    r"|\b(balance|credits?|funds)( (is|are))? (insufficient|not enough|exhausted|used up)\b"
    r"|额度不足|余额不足"
)


def words(document: object) -> tuple[str, str]:
    """Return the code and the words of an error, whichever of the usual shapes it has.

    Args:
        document: decoded JSON, or text, perhaps a page of HTML.
    """
    if isinstance(document, str):
        return "", plain_text(document)
    levels = list(levels_of(document))
    codes: list[str] = []
    sentence = ""
    # What says that the call went well is no reason, if another level gives one.
    for names, well in ((_SENTENCES, False), (_SENTENCES, True), (_SAID, True)):
        for level in levels:
            code, said = _words_of(level, names, well=well)
            codes += [code] if code else []
            if said:
                sentence = said
                break
        if sentence:
            break
    code = next((each for each in codes if not each.isdigit()), codes[0] if codes else "")
    return code[:200], sentence[:_WORDS]


def _words_of(level: Mapping[str, Any], names: Sequence[str], *, well: bool) -> tuple[str, str]:
    """Return the code and the words of one level.

    Args:
        level: of a reply.
        names: of fields that hold words.
        well: whether general words count where the level says that all is well.
    """
    if not well and _is_well(level):
        names = [name for name in names if name not in _GENERAL]
    code, sentence = "", ""
    for name in names:
        value = first(level, [name])
        if value is None or isinstance(value, bool | int | float):
            continue
        inner_code, said = _sentence(value)
        code = code if code and not code.isdigit() else inner_code or code
        if said and not sentence and plain_name(said) not in FINE:
            sentence = said
    own = first(level, _CODES)
    is_code = isinstance(own, str | int) and plain_name(own) not in _WELL
    code = code or (str(own) if is_code else "")
    inner_code, sentence = _with_cause(level, sentence, 0)
    return (code if code and not code.isdigit() else inner_code or code), sentence


def _is_well(level: Mapping[str, Any]) -> bool:
    """Whether a level says that the call went well."""
    codes = [first(level, [name]) for name in _OUTCOMES]
    return first(level, ["success"]) is True or any(
        plain_name(each) in _WELL for each in codes if each is not None
    )


def is_wrong(level: Mapping[str, Any]) -> bool:
    """Whether a level names an error: in a field made for that, or by a code."""
    outcome = next((each for name in _OUTCOMES if (each := first(level, [name])) is not None), 0)
    is_code = isinstance(outcome, str | int) and not isinstance(outcome, bool)
    errors = (first(level, [name]) for name in ERRORS)
    return (
        first(level, ["success"]) is False
        or any(each not in (None, False, 0, "0") for each in errors)
        or (is_code and plain_name(outcome) not in _WELL)
    )


def levels_of(document: object) -> Iterator[Mapping[str, Any]]:
    """Yield the mappings that a reply consists of, from the outermost to what it wraps."""
    left: deque[tuple[object, int]] = deque([(document, 0)])
    for _ in range(_LEVELS):
        if not left:
            return
        level, depth = left.popleft()
        if isinstance(level, list):
            level = level[0] if level and isinstance(level[0], Mapping) else None
        if not isinstance(level, Mapping):
            continue
        yield level
        inner = (first(level, [name]) for name in _WRAPPERS)
        left.extend((each, depth + 1) for each in inner if depth < _DEPTH and _is_wrapped(each))


def _is_wrapped(value: object) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)
    )


def first(level: Mapping[str, Any], names: Sequence[str]) -> Any:  # noqa: ANN401
    """Return the first of the named fields that is there and not empty, in the names' order."""
    fields = {plain_name(key): value for key, value in level.items()}
    return next(
        (fields[name] for name in names if fields.get(name) not in (None, "", [], {})), None
    )


def _sentence(value: object, depth: int = 0) -> tuple[str, str]:
    """Return the code and the words in the value of a field that says what is wrong."""
    if isinstance(value, str):
        document = read_json(value.encode()) if value.lstrip()[:1] in {"{", "["} else None
        return _sentence(document, depth + 1) if document is not None else ("", plain_text(value))
    if depth > _DEPTH:
        return "", ""
    if isinstance(value, list):
        parts = [_sentence(each, depth + 1) for each in value[:10]]
        said = "; ".join(dict.fromkeys(text for _code, text in parts if text))
        return next((code for code, _text in parts if code), ""), said
    if not isinstance(value, Mapping):
        return "", ""
    code = first(value, _CODES)
    inner_code, said = "", ""
    for name in _SENTENCES:
        inner = first(value, [name])
        if inner is not None and not said:
            inner_code, said = _sentence(inner, depth + 1)
    if said and (place := first(value, ["loc", "field", "param", "path"])):
        parts = place if isinstance(place, list) else [place]
        said = f"{'.'.join(map(str, parts[:6]))}: {said}"
    if not said:  # {"prompt": ["Too long."]}
        each = ((key, _sentence(inner, depth + 1)[1]) for key, inner in value.items())
        texts = [f"{key}: {text}" for key, text in each if text and plain_name(key) not in _CODES]
        said = "; ".join(texts[:10])
    own = str(code) if isinstance(code, str | int) else ""
    cause_code, said = _with_cause(value, said, depth)
    codes = [each for each in (own, inner_code, cause_code) if each]
    return next((each for each in codes if not each.isdigit()), codes[0] if codes else ""), said


def _with_cause(level: Mapping[str, Any], said: str, depth: int) -> tuple[str, str]:
    """Return words with the reason that is given beside them, and the reason's code."""
    found = ""
    for name in _CAUSES if said else ():
        value = first(level, [name])
        if isinstance(value, Mapping) and name == "metadata":
            value = first(value, ["raw", "reasons"])
        if value is None or isinstance(value, bool | int | float):
            continue
        code, cause = _sentence(value, depth + 1)
        found = found or code
        if cause and cause not in said:
            said = f"{said}: {cause}"
    return found, said


def plain_text(text: str) -> str:
    """Return text as one line; of a page of HTML, what a person reads of it."""
    text = text[: 64 * 1024]
    if "<" in text:
        text = re.sub(r"(?is)<(script|style|head)\b.*?(</\1\s*>|$)", " ", text) or text
        text = unescape(re.sub(r"(?s)<[^>]*>", " ", text))
    return " ".join(text.split())[:_WORDS]


def objects(code: str, message: str) -> bool:
    """Whether a vendor objects to a prompt, or to what came of it; arguments as `words` returns."""
    plain = plain_name(code)
    return any(each in plain for each in _REFUSALS) or _REFUSED.search(message) is not None


def is_about_money(code: str, message: str) -> bool:
    """Whether a vendor says that an account has no money left; arguments as above."""
    plain = plain_name(code)
    return any(each in plain for each in _NO_MONEY) or _SPENT.search(message) is not None
