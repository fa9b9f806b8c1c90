"""Reading the image in a response of OpenAI's endpoints: one JSON, or an event stream."""

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
_DETAIL_FIELDS: Final = ("revised_prompt", "quality", "background", "output_format", "size")
_STREAM_PREFIXES: Final = (b"data:", b"event:", b"id:", b"retry:", b":")

# Sentences about a response without media: of a call that may be charged, and of a free one.
_EMPTY: Final = (
    N_("{provider} answered with nothing in it; it may have been charged."),
    N_("{provider} answered with nothing in it."),
)
_TEXT_INSTEAD: Final = (
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
    """An image that is being received.

    Attributes:
        model: that makes it.
        kind: of the medium; clips may come in the same way.
        parts: the rest of the response, an event stream; None: it has been read.
        media: contents or addresses; empty: none received.
        details: fields of the response worth keeping.
        usage: its tokens; None: unknown.
        failure: code and message of the vendor's error; None: it reported none.
        said: any other text of the vendor, such as a chat model's or a page's.
        broken: what broke the response off.
        reply: the raw response without previews.
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
        """Send a request and return its response, which stays open."""
        response = await asked.__aenter__()
        self._opened = asked
        return response

    async def close(self) -> None:
        """Close the connection, whatever state it is in."""
        opened, self._opened, self.parts = self._opened, None, None
        if opened is not None:
            with suppress(Exception):
                await opened.__aexit__(None, None, None)

    def no_media_sentence(self, said: str, *, paid: bool) -> str:
        """Return the sentence about a response without media.

        Args:
            said: its text, cleaned.
            paid: whether it may have been charged.
        """
        texts = _BROKEN_OFF if self.broken is not None else _TEXT_INSTEAD if said else _EMPTY
        return texts[0 if paid else 1]

    async def whole(self, response: Any, call: Call) -> bytes:  # noqa: ANN401  # the SDK's
        """Return the body of a response as far as it was received, and close it."""
        try:
            return await read_body(response.aiter_bytes(), call)
        except (httpx2.RequestError, httpx2.StreamError, ReplyTooLarge) as error:
            self.broken = error
            return call.reply or b""
        finally:
            await self.close()

    async def read(self, raw: bytes) -> None:
        """Read a response that has been received, in either form."""
        self.reply = raw
        start = raw.lstrip(b"\xef\xbb\xbf \r\n\t")
        if start.startswith(_STREAM_PREFIXES) and not start.startswith(
            (b"data:image/", b"data:video/")
        ):
            await self.read_events(_once(raw), 0, None)
        else:
            self._take(await asyncio.to_thread(read_reply, raw, Kind.IMAGE))

    async def read_events(
        self, parts: AsyncIterator[bytes], previews: int, report: Report | None
    ) -> None:
        """Read an event stream, up to its final image.

        Args:
            parts: of the stream.
            previews: number of previews that were requested.
            report: takes the previews; None: they are ignored.
        """
        reader = EventReader()
        kept, preview = bytearray(), b""
        async for event in reader.events(parts):
            if _is_preview(event):
                preview = event.raw
                await _report_preview(event, previews, report)
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
            kept += (
                b"data: " + preview.strip() + b"\n\n"
            )  # better than nothing for `Provider.reread`
        self.reply = bytes(kept)

    def _take(self, reply: Reply, kind: str = "") -> None:
        if reply.media and not (self.media and self.media[0].sure):
            self.media = reply.media
        if self.media:
            self.details |= {name: said for name in _DETAIL_FIELDS if (said := reply.text(name))}
            self.usage = reply.mapping("usage") or self.usage
        elif reply.refused or "error" in kind or "failed" in kind:
            code = "" if reply.code == kind else reply.code
            self.failure = self.failure or (code, reply.message)
        else:
            self.said = reply.message or self.said


def request_id(headers: Mapping[str, str]) -> dict[str, str]:
    """Return the vendor's id of a request, as a detail; empty: there is none."""
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


async def _report_preview(event: Event, previews: int, report: Report | None) -> None:
    """Report a preview; an error in it does not stop the image."""
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
