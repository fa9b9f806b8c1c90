"""A tolerant reader of vendors' replies: raw bytes in, a small record out.

Media are looked for first, wherever they are; each field is taken if it parses and dropped if not;
then the error is read. Nothing in a reply, however odd, raises.
"""

# ruff: noqa: SIM905  # names of fields read better as words than as a list of quoted ones

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import chain
from typing import Any, Final
from urllib.parse import unquote

from core.models import Kind
from core.providers.responses import vendor_message
from core.providers.responses.loose_json import read_documents
from core.providers.responses.media_search import Medium, find_in_fragment, find_media, plain_name
from core.providers.responses.signatures import HEAD, may_be

_ID_CHARACTERS: Final = 500
_ID_FIELDS: Final = "id taskid videoid jobid generationid predictionid uuid".split()
_CALL_ID_FIELDS: Final = "requestid name operation".split()
"""Fields that identify a task at some vendors, and only the call at others."""
_STATE_FIELDS: Final = "status state taskstatus jobstatus phase".split()
_PROGRESS_FIELDS: Final = "progress percent percentage progresspercent".split()


class State(StrEnum):
    """The meaning of a vendor's name for a task's state."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


_STATES_BY_WORD: Final = {
    word: state
    for state, names in {
        State.WAITING: "queued pending throttled waiting inqueue submitted notstart notstarted"
        " created starting scheduled enqueued accepted new queueing queuing",
        State.RUNNING: "inprogress processing preprocessing postprocessing running generating"
        " started active working rendering uploading saving executing dreaming",
        State.DONE: "completed complete succeeded succeed success successful finished done"
        " ready ok",
        State.FAILED: "failed failure fail error errored rejected contentfiltered moderated"
        " requestmoderated contentmoderated expired timedout timeout nsfw killed dead declined"
        " blocked banned unsuccessful",
        State.CANCELLED: "cancelled canceled cancel aborted deleted revoked terminated stopped",
    }.items()
    for word in names.split()
}
_PREFIXES: Final = re.compile(r"^(task|job|generation|video)?(status|state)(?=.)")


@dataclass(frozen=True, kw_only=True)
class Reply:
    """The contents of a vendor's reply.

    Attributes:
        media: the images or clips in it, the likeliest first.
        id: of the task, as text; empty: none.
        state: of the task; None: the reply has none.
        word: the vendor's name for that state.
        progress: from 0 to 1; None: unknown.
        code: the vendor's code of an error; empty: none.
        message: the vendor's message, as it came; empty: none.
        refused: whether it reports that something is wrong, in a field for that.
        failed: whether it reports an error as such, by a field or a code, so that no other field
            means that anything was created.
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
    failed: bool = False
    document: Any = field(default=None, repr=False)

    def fact(self, name: str) -> Any:  # noqa: ANN401  # whatever the vendor sent
        """Return a field, of the outermost level where it is not empty; None: there is none."""
        for level in vendor_message.nested_objects(self.document):
            value = vendor_message.first_field(level, [plain_name(name)])
            if value is not None:
                return value
        return None

    def text(self, name: str) -> str | None:
        """Return a field that is a text; None: there is none."""
        value = self.fact(name)
        return value.strip() if isinstance(value, str) and value.strip() else None

    def mapping(self, name: str) -> dict[str, Any] | None:
        """Return a field that is an object; None: there is none."""
        value = self.fact(name)
        return dict(value) if isinstance(value, Mapping) and value else None


def read_reply(raw: bytes, kind: Kind) -> Reply:
    """Read a reply.

    Args:
        raw: its body, decompressed.
        kind: what was requested.
    """
    if may_be(raw[:HEAD], kind, sure=False):  # the reply is the file itself
        return Reply(media=(Medium(content=raw),))
    replies = [read_document(each, kind) for each in read_documents(raw)]
    if not replies:
        text = raw.decode("utf-8", "replace")
        media = find_media(text.strip(), kind) or find_in_fragment(text, kind)
        return Reply(
            media=media, message="" if media else vendor_message.plain_text(text), refused=False
        )
    latest = list(reversed(replies))  # of several, such as lines of progress
    return next(
        chain(
            (each for each in latest if any(medium.sure for medium in each.media)),
            (each for each in latest if each.failed),
            (each for each in latest if each.media or each.id or each.state or each.refused),
            replies,
        )
    )


def read_document(document: object, kind: Kind) -> Reply:
    """Read a reply's decoded JSON; `kind` as above."""
    levels = list(vendor_message.nested_objects(document))
    code, message = vendor_message.code_and_message(document)
    failed = bool(message) and any(map(vendor_message.names_error, levels))
    refused = failed or _reports_error(levels, message)
    media = find_media(document, kind)
    state, word = _state(levels)
    if state in {None, State.UNKNOWN} and any(
        vendor_message.first_field(each, ["done"]) is True for each in levels
    ):
        state = State.FAILED if failed else State.DONE
    return Reply(
        media=[each for each in media if each.sure or not refused],
        id=_id(levels, _ID_FIELDS) or ("" if failed else _id(levels, _CALL_ID_FIELDS)),
        state=state,
        word=word,
        progress=_progress(levels),
        code=code,
        message=message,
        refused=refused,
        failed=failed,
        document=document,
    )


def number(value: object) -> float | None:
    """Return a finite number of at least 0, perhaps parsed from text; None: it is none."""
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


def last_part(address: str) -> str:
    """Return the id that an address ends with; empty: there is none."""
    place = address.partition("?")[0].rstrip("/")
    return identifier(unquote(place.rpartition("/")[2]))


def _id(levels: Sequence[Mapping[str, Any]], names: Sequence[str]) -> str:
    for level in levels:
        for name in names:
            if found := identifier(vendor_message.first_field(level, [name])):
                return found
    return ""


def _state(levels: Sequence[Mapping[str, Any]]) -> tuple[State | None, str]:
    """Return the state that a reply reports, and the vendor's name for it.

    The outermost known state counts, except one that may only mean that the call succeeded.
    """
    found: tuple[State | None, str] = (None, "")
    for level in levels:
        for name in _STATE_FIELDS:
            word = vendor_message.first_field(level, [name])
            if isinstance(word, Mapping):
                word = vendor_message.first_field(word, [*_STATE_FIELDS, "code", "name", "value"])
            if not isinstance(word, str):
                continue
            plain = plain_name(word)
            meaning = _STATES_BY_WORD.get(plain) or _STATES_BY_WORD.get(
                _PREFIXES.sub("", plain), State.UNKNOWN
            )
            if meaning not in {State.DONE, State.UNKNOWN}:
                return meaning, word
            if found[0] != State.UNKNOWN or meaning == State.DONE:
                found = (meaning, word)
    return found


def _progress(levels: Sequence[Mapping[str, Any]]) -> float | None:
    for level in levels:
        value = vendor_message.first_field(level, _PROGRESS_FIELDS)
        share = number(value)
        if share is not None:
            hundredths = share > 1 or (isinstance(value, str) and value.strip().endswith("%"))
            return min(share / 100 if hundredths else share, 1.0)
    return None


def _reports_error(levels: Sequence[Mapping[str, Any]], message: str) -> bool:
    """Whether a reply reports that something is wrong, rather than success."""
    if plain_name(message) in vendor_message.SUCCESS_WORDS or not message:
        return any(
            isinstance(vendor_message.first_field(each, ["error"]), Mapping) for each in levels
        )
    return any(
        vendor_message.first_field(level, vendor_message.ERROR_FIELDS) is not None
        or isinstance(vendor_message.first_field(level, ["message", "msg"]), str | list)
        for level in levels
    )
