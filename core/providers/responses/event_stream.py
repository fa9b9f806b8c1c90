"""Reading server-sent events as vendors really send them.

By the WHATWG's specification, and more tolerant: frames that are no JSON are skipped, a body that
is no event stream is kept as it is, and a broken connection ends the stream without an error.
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
        document: its decoded JSON.
        raw: the frame's data.
    """

    name: str
    document: Any = field(repr=False)
    raw: bytes = field(repr=False)

    @property
    def kind(self) -> str:
        """Its type: that of its JSON, else its name."""
        said = self.document.get("type") if isinstance(self.document, dict) else None
        return said if isinstance(said, str) and said else self.name


@dataclass
class EventReader:
    """Turns a stream's bytes into events.

    Attributes:
        broken: what broke the connection, or a line without end; None: nothing.
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
        """Yield the lines, whatever their line ends and wherever the parts are cut."""
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
        except Exception as error:  # noqa: BLE001  # whatever it is, what was received counts
            self.broken = error
        yield bytes(held)


def _event(name: str, data: bytearray) -> Event | None:
    """Return a frame's event; None: it holds none.

    JSON that is cut off, or that follows other text (`data: data: {…}`), is read as far as
    possible; an error may be plain text.
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
