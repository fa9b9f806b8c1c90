"""Reading the image in an answer of OpenAI's endpoints: one JSON, or a stream of events."""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

import httpx2

from core.i18n import N_
from core.models import Kind
from core.providers.base import Report
from core.providers.errors import REPLY_MAX_BYTES
from core.providers.http.client import Call, ReplyTooLarge, read_body
from core.providers.responses.event_stream import Event, EventReader
from core.providers.responses.media_search import Medium
from core.providers.responses.reader import Reply, number, read_document, read_reply

_PREVIEWS: Final = ("partial", "preview", "progress")
_ENDED: Final = ("complete", "done", "success", "succeed", "failed")
_FACTS: Final = ("revised_prompt", "quality", "background", "output_format", "size")
_LINES: Final = (b"data:", b"event:", b"id:", b"retry:", b":")

# What came of a call that came through: where it may have been charged, and where it is free.
_EMPTY: Final = (
    N_("{provider} answered with nothing in it; it may have been charged."),
    N_("{provider} answered with nothing in it."),
)
_OTHER: Final = (
    N_("{provider} answered with words instead; it may have been charged. It said: {said}"),
    N_("{provider} answered with words instead: {said}"),
)
_BROKEN_OFF: Final = (
    N_("{provider} broke off; it may have been charged."),
    N_("{provider} broke off."),
)

_log = logging.getLogger(__name__)


@dataclass
class Picture:
    """An image on its way.

    Attributes:
        model: whose it is.
        kind: what it is, for a clip may come like that, too.
        parts: the rest of the answer, a stream of events; None: it has been read.
        media: what it is, or where; empty: nothing has come.
        details: what the vendor says of it.
        usage: what it says that it used; None: nothing that can be read.
        failure: its code and words, where it said that something went wrong.
        said: its words otherwise, such as a chat model's or a page's.
        broken: what broke the answer off.
        reply: the raw answer without previews.
    """

    model: str
    kind: Kind = Kind.IMAGE
    parts: AsyncIterator[bytes] | None = None
    media: Sequence[Medium] = ()
    details: dict[str, Any] = field(default_factory=dict)
    usage: dict[str, Any] | None = None
    failure: tuple[str, str] | None = None
    said: str = ""
    broken: BaseException | None = None
    reply: bytes = b""
    _opened: AbstractAsyncContextManager[Any] | None = field(default=None, repr=False)

    async def open(self, asked: AbstractAsyncContextManager[Any]) -> Any:  # noqa: ANN401  # the SDK's
        """Send a request and return the head of its answer, which stays open."""
        answer = await asked.__aenter__()
        self._opened = asked
        return answer

    async def close(self) -> None:
        """Close the connection, whatever state it is in."""
        opened, self._opened, self.parts = self._opened, None, None
        if opened is not None:
            with suppress(Exception):
                await opened.__aexit__(None, None, None)

    def nothing(self, said: str, *, paid: bool) -> str:
        """Return the sentence of an answer without media.

        Args:
            said: its words, cleaned.
            paid: whether it may have been charged.
        """
        texts = _BROKEN_OFF if self.broken is not None else _OTHER if said else _EMPTY
        return texts[0 if paid else 1]

    async def whole(self, response: Any, call: Call) -> bytes:  # noqa: ANN401  # the SDK's
        """Return the body of an answer, as far as it came, and close it."""
        try:
            return await read_body(response.aiter_bytes(), call)
        except (httpx2.RequestError, httpx2.StreamError, ReplyTooLarge) as error:
            self.broken = error
            return call.reply or b""
        finally:
            await self.close()

    async def read(self, raw: bytes) -> None:
        """Take what is in an answer that is here already, whichever form it has."""
        self.reply = raw
        start = raw.lstrip(b"\xef\xbb\xbf \r\n\t")
        if start.startswith(_LINES) and not start.startswith((b"data:image/", b"data:video/")):
            await self.read_events(_once(raw), 0, None)
        else:
            self._take(await asyncio.to_thread(read_reply, raw, Kind.IMAGE))

    async def read_events(
        self, parts: AsyncIterator[bytes], previews: int, report: Report | None
    ) -> None:
        """Take what is in a stream of events.

        Once the image is here nothing that comes afterwards is waited for.

        Args:
            parts: of the stream.
            previews: how many were asked for.
            report: where they are shown; None: nowhere.
        """
        reader = EventReader()
        kept, preview = bytearray(), b""
        async for event in reader.events(parts):
            if _is_preview(event):
                preview = event.raw
                await _show(event, previews, report)
                continue
            if len(kept) + len(event.raw) < REPLY_MAX_BYTES:
                kept += b"data: " + event.raw.strip().replace(b"\n", b"\ndata: ") + b"\n\n"
            self._take(read_document(event.document, Kind.IMAGE), event.kind)
            if self.media and self.media[0].sure and _is_final(event):
                break
        self.broken = reader.broken
        if not self.media and reader.rest:
            kept += reader.rest
            self._take(read_reply(bytes(reader.rest), Kind.IMAGE))
        if not self.media and preview and len(kept) + len(preview) < REPLY_MAX_BYTES:
            kept += b"data: " + preview.strip() + b"\n\n"  # better than nothing, should it be read
        self.reply = bytes(kept)

    def _take(self, reply: Reply, kind: str = "") -> None:
        if reply.media and not (self.media and self.media[0].sure):
            self.media = reply.media
        if self.media:
            self.details |= {name: said for name in _FACTS if (said := reply.text(name))}
            self.usage = reply.mapping("usage") or self.usage
        elif reply.refused or "error" in kind or "failed" in kind:
            code = "" if reply.code == kind else reply.code
            self.failure = self.failure or (code, reply.message)
        else:
            self.said = reply.message or self.said


def request_id(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the id that a vendor gave a request, as a detail; empty: it gave none."""
    found = headers.get("x-request-id")
    return {} if found is None else {"request_id": found}


def _is_preview(event: Event) -> bool:
    known = isinstance(event.document, dict) and "partial_image_index" in event.document
    kind = f"{event.kind} {event.name}".lower()
    ended = any(each in kind for each in _ENDED)  # Volcengine's `partial_succeeded` is one of many
    return known or (not ended and any(each in kind for each in _PREVIEWS))


def _is_final(event: Event) -> bool:
    kind = event.kind.lower()
    return not kind or any(each in kind for each in ("final", *_ENDED))


async def _show(event: Event, previews: int, report: Report | None) -> None:
    """Show a preview; whatever is odd about it, the image goes on."""
    if report is None:
        return
    try:
        index = number(event.document.get("partial_image_index"))
        share = None if index is None else min((index + 1) / (previews + 1), 0.95)
        media = read_document(event.document, Kind.IMAGE).media
        content = next((each.decoded() for each in media if not each.address), None)
        await report(share, preview=content or None)
    except Exception as error:  # noqa: BLE001  # as above
        _log.info("a preview is not shown: %s", type(error).__name__)


async def _once(raw: bytes) -> AsyncIterator[bytes]:
    yield raw
