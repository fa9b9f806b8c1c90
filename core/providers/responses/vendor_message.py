"""The code and the message of a vendor's error, wherever they are in its reply."""

# ruff: noqa: SIM905  # names of fields read better as words than as a list of quoted ones

import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from html import unescape
from typing import Any, Final

from core.providers.responses.loose_json import read_json
from core.providers.responses.media_search import plain_name

_MAX_DEPTH: Final = 6
_MAX_CHARACTERS: Final = 2000
_MAX_OBJECTS: Final = 50
_WRAPPERS: Final = (
    "data task result results response output video job generation prediction predictions body"
    " payload item baseresp promptfeedback generatevideoresponse choices candidates message"
    " status state".split()
)
"""Fields that wrap the body of the reply, one level further down."""
_MESSAGE_FIELDS: Final = (
    "message msg detail details failure failurereason failreason failmsg reason errormessage"
    " errormsg errordescription taskstatusmsg statusmsg statusmessage blockreason"
    " raimediafilteredreasons raifilteredreason description title error errors baseresp".split()
)
_GENERAL_FIELDS: Final = frozenset("message msg statusmsg statusmessage description title".split())
"""Where some vendors report that the call succeeded, whatever became of its task."""
_CAUSE_FIELDS: Final = (
    "metadata raw innererror cause issues violations validationerrors invalidparams".split()
)
"""Where the reason is when the message only says that there is one."""
_CHAT_FIELDS: Final = "refusal content text".split()  # where a chat model writes instead
_CODE_FIELDS: Final = "code errorcode failurecode failcode rc statuscode type".split()
_STATUS_FIELDS: Final = "code errorcode rc statuscode".split()
ERROR_FIELDS: Final = "error errors failure failurereason failreason detail".split()
SUCCESS_WORDS: Final = frozenset(
    "ok success successful succeeded succeed done completed created accepted".split()
)
_SUCCESS_CODES: Final = SUCCESS_WORDS | {"0", "200", "201", "202"}
# Codes and phrases of OpenAI, Azure, Volcengine, DashScope, MiniMax, Kling, Stability, New API,
# OpenRouter, xAI, SiliconFlow and KIE: each gateway passes on those of its vendors.
_REJECTION_CODES: Final = (
    "moderation",
    "contentpolicy",
    "contentfilter",
    "sensitivecontent",
    "datainspection",
    "responsibleai",
)
_REJECTION_PHRASES: Final = re.compile(
    r"(?i)(input|prompt|request|content) was flagged|\bcontent (moderation|management policy)\b"
    r"|\b(moderation|safety) system\b|\bnew_sensitive\b"
)
_FUNDS_CODES: Final = ("insufficientuserquota", "insufficientquota", "accountoverdue", "arrear")
_FUNDS_PHRASES: Final = re.compile(
    r"(?i)\b(insufficient|not enough|out of|not have (any|enough)|doesn.t have (any|enough))"
    r" (\w+ )?(balance|credits?|funds)\b"
    r"|\b(balance|credits?|funds)( (is|are))? (insufficient|not enough|exhausted|used up)\b"
    r"|额度不足|余额不足"
)


def code_and_message(document: object) -> tuple[str, str]:
    """Return the code and the message of an error, in whichever of the usual shapes.

    Args:
        document: decoded JSON, or text, perhaps a page of HTML.
    """
    if isinstance(document, str):
        return "", plain_text(document)
    levels = list(nested_objects(document))
    codes: list[str] = []
    sentence = ""
    # A report that the call succeeded is no reason, if another level gives one.
    for names, well in ((_MESSAGE_FIELDS, False), (_MESSAGE_FIELDS, True), (_CHAT_FIELDS, True)):
        for level in levels:
            code, message = _code_and_message_at(level, names, success_counts=well)
            codes += [code] if code else []
            if message:
                sentence = message
                break
        if sentence:
            break
    code = next((each for each in codes if not each.isdigit()), codes[0] if codes else "")
    return code[:200], sentence[:_MAX_CHARACTERS]


def _code_and_message_at(
    level: Mapping[str, Any], names: Sequence[str], *, success_counts: bool
) -> tuple[str, str]:
    """Return the code and the message at one level.

    Args:
        level: of a reply.
        names: of fields that hold messages.
        success_counts: whether general messages count where the level reports success.
    """
    if not success_counts and _reports_success(level):
        names = [name for name in names if name not in _GENERAL_FIELDS]
    code, sentence = "", ""
    for name in names:
        value = first_field(level, [name])
        if value is None or isinstance(value, bool | int | float):
            continue
        inner_code, message = _message_of(value)
        code = code if code and not code.isdigit() else inner_code or code
        if message and not sentence and plain_name(message) not in SUCCESS_WORDS:
            sentence = message
    own = first_field(level, _CODE_FIELDS)
    is_code = isinstance(own, str | int) and plain_name(own) not in _SUCCESS_CODES
    code = code or (str(own) if is_code else "")
    inner_code, sentence = _add_cause(level, sentence, 0)
    return (code if code and not code.isdigit() else inner_code or code), sentence


def _reports_success(level: Mapping[str, Any]) -> bool:
    """Whether a level reports that the call succeeded."""
    codes = [first_field(level, [name]) for name in _STATUS_FIELDS]
    return first_field(level, ["success"]) is True or any(
        plain_name(each) in _SUCCESS_CODES for each in codes if each is not None
    )


def names_error(level: Mapping[str, Any]) -> bool:
    """Whether a level reports an error: in a field for that, or by a code."""
    outcome = next(
        (each for name in _STATUS_FIELDS if (each := first_field(level, [name])) is not None), 0
    )
    is_code = isinstance(outcome, str | int) and not isinstance(outcome, bool)
    errors = (first_field(level, [name]) for name in ERROR_FIELDS)
    return (
        first_field(level, ["success"]) is False
        or any(each not in (None, False, 0, "0") for each in errors)
        or (is_code and plain_name(outcome) not in _SUCCESS_CODES)
    )


def nested_objects(document: object) -> Iterator[Mapping[str, Any]]:
    """Yield the objects that a reply consists of, from the outermost to what it wraps."""
    left: deque[tuple[object, int]] = deque([(document, 0)])
    for _ in range(_MAX_OBJECTS):
        if not left:
            return
        level, depth = left.popleft()
        if isinstance(level, list):
            level = level[0] if level and isinstance(level[0], Mapping) else None
        if not isinstance(level, Mapping):
            continue
        yield level
        inner = (first_field(level, [name]) for name in _WRAPPERS)
        left.extend((each, depth + 1) for each in inner if depth < _MAX_DEPTH and _is_wrapped(each))


def _is_wrapped(value: object) -> bool:
    return isinstance(value, Mapping) or (
        isinstance(value, list) and bool(value) and isinstance(value[0], Mapping)
    )


def first_field(level: Mapping[str, Any], names: Sequence[str]) -> Any:  # noqa: ANN401
    """Return the first of the named fields that is not empty, in the order of the names."""
    fields = {plain_name(key): value for key, value in level.items()}
    return next(
        (fields[name] for name in names if fields.get(name) not in (None, "", [], {})), None
    )


def _message_of(value: object, depth: int = 0) -> tuple[str, str]:
    """Return the code and the message in the value of an error field."""
    if isinstance(value, str):
        document = read_json(value.encode()) if value.lstrip()[:1] in {"{", "["} else None
        return _message_of(document, depth + 1) if document is not None else ("", plain_text(value))
    if depth > _MAX_DEPTH:
        return "", ""
    if isinstance(value, list):
        parts = [_message_of(each, depth + 1) for each in value[:10]]
        message = "; ".join(dict.fromkeys(text for _code, text in parts if text))
        return next((code for code, _text in parts if code), ""), message
    if not isinstance(value, Mapping):
        return "", ""
    code = first_field(value, _CODE_FIELDS)
    inner_code, message = "", ""
    for name in _MESSAGE_FIELDS:
        inner = first_field(value, [name])
        if inner is not None and not message:
            inner_code, message = _message_of(inner, depth + 1)
    if message and (place := first_field(value, ["loc", "field", "param", "path"])):
        parts = place if isinstance(place, list) else [place]
        message = f"{'.'.join(map(str, parts[:6]))}: {message}"
    if not message:  # {"prompt": ["Too long."]}
        each = ((key, _message_of(inner, depth + 1)[1]) for key, inner in value.items())
        texts = [
            f"{key}: {text}" for key, text in each if text and plain_name(key) not in _CODE_FIELDS
        ]
        message = "; ".join(texts[:10])
    own = str(code) if isinstance(code, str | int) else ""
    cause_code, message = _add_cause(value, message, depth)
    codes = [each for each in (own, inner_code, cause_code) if each]
    return next((each for each in codes if not each.isdigit()), codes[0] if codes else ""), message


def _add_cause(level: Mapping[str, Any], message: str, depth: int) -> tuple[str, str]:
    """Return the code of a reason beside a message, and the message with the reason."""
    found = ""
    for name in _CAUSE_FIELDS if message else ():
        value = first_field(level, [name])
        if isinstance(value, Mapping) and name == "metadata":
            value = first_field(value, ["raw", "reasons"])
        if value is None or isinstance(value, bool | int | float):
            continue
        code, cause = _message_of(value, depth + 1)
        found = found or code
        if cause and cause not in message:
            message = f"{message}: {cause}"
    return found, message


def plain_text(text: str) -> str:
    """Return text as one line; of a page of HTML, its visible text."""
    text = text[: 64 * 1024]
    if "<" in text:
        text = re.sub(r"(?is)<(script|style|head)\b.*?(</\1\s*>|$)", " ", text) or text
        text = unescape(re.sub(r"(?s)<[^>]*>", " ", text))
    return " ".join(text.split())[:_MAX_CHARACTERS]


def is_prompt_rejection(code: str, message: str) -> bool:
    """Whether a vendor rejects a prompt, or the result; arguments as `code_and_message` returns."""
    plain = plain_name(code)
    return (
        any(each in plain for each in _REJECTION_CODES)
        or _REJECTION_PHRASES.search(message) is not None
    )


def is_out_of_funds(code: str, message: str) -> bool:
    """Whether an error says that the account's balance is spent; arguments as above."""
    plain = plain_name(code)
    return any(each in plain for each in _FUNDS_CODES) or _FUNDS_PHRASES.search(message) is not None
