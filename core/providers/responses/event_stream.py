"""Reading streams of server-sent events as vendors really send them.

After the rules of the WHATWG's specification, with what is not in it: frames that are no JSON are
skipped, a body that is no stream of events at all is handed on as it is, and whatever breaks the
connection ends the stream without an error of its own.
"""

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any, Final

from core.providers.errors import REPLY_MAX_BYTES
from core.providers.http.client import ReplyTooLarge
from core.providers.responses.loose_json import read_documents, read_json

MAX_LINE_BYTES: Final = REPLY_MAX_BYTES
_FIELDS: Final = (b"data", b"event", b"id", b"retry")


@dataclass(frozen=True)
class Event:
    """One event.

    Attributes:
        name: of the frame; empty: it has none.
        document: what its JSON says.
        raw: the frame's data.
    """

    name: str
    document: Any = field(repr=False)
    raw: bytes = field(repr=False)

    @property
    def kind(self) -> str:
        """What it says that it is: in its JSON, else by its name."""
        said = self.document.get("type") if isinstance(self.document, dict) else None
        return said if isinstance(said, str) and said else self.name


@dataclass
class EventReader:
    """Takes a stream's bytes, and gives its events.

    Attributes:
        broken: whether the connection broke, or what came has no end.
        rest: lines that belong to no frame, such as a bare JSON; bounded.
    """

    broken: BaseException | None = None
    rest: bytearray = field(default_factory=bytearray, repr=False)

    async def events(self, parts: AsyncIterator[bytes]) -> AsyncIterator[Event]:
        """Yield the events that hold JSON, to the end of the stream or of the connection."""
        name, data = "", bytearray()
        async for line in self._lines(parts):
            if not line:
                if event := _event(name, data):
                    yield event
                name, data = "", bytearray()
                continue
            key, colon, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if key == b"data" and len(data) + len(value) <= MAX_LINE_BYTES:
                data += value + b"\n"
            elif key == b"event":
                name = value.decode("utf-8", "replace").strip()
            elif key and not (colon and key in _FIELDS):
                if event := _event("", bytearray(line)):  # one JSON a line
                    yield event
                elif len(self.rest) + len(line) <= MAX_LINE_BYTES:
                    self.rest += line + b"\n"
        if event := _event(name, data):
            yield event

    async def _lines(self, parts: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """Yield the lines, however they end and wherever they are cut."""
        held = bytearray()
        first, after_return = True, False
        try:
            async for part in parts:
                whole = part.removeprefix(b"\n") if after_return else part
                after_return = part.endswith(b"\r")
                start, *lines = whole.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
                held += start
                for line in lines:
                    yield bytes(held.removeprefix(b"\xef\xbb\xbf") if first else held)
                    first, held = False, bytearray(line)
                if len(held) > MAX_LINE_BYTES:
                    self.broken = ReplyTooLarge(len(held))
                    return
        except Exception as error:  # noqa: BLE001  # whatever it is, what came counts
            self.broken = error
        yield bytes(held)


def _event(name: str, data: bytearray) -> Event | None:
    """Return a frame's event; None: it says nothing.

    JSON that breaks off, or that has more before it (`data: data: {…}`), is read as far as it goes;
    an error may be told in plain words.
    """
    if not data.strip():
        return None
    raw = bytes(data)
    document = read_json(raw)
    if document is None:
        document = next(iter(read_documents(raw)), None)
    if not isinstance(document, dict | list) and "error" in name.lower():
        document = {"error": document or raw.decode("utf-8", "replace").strip()}
    return Event(name, document, raw) if isinstance(document, dict | list) else None
