"""HTTP clients for vendors: they observe what was sent, and bound the responses."""

import ssl
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cache
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import httpx2

from core.providers.errors import REPLY_MAX_BYTES

MAX_KEEPALIVE_CONNECTIONS: Final = 20
"""Idle connections that an HTTP client keeps: looking through a thousand takes a core."""
ERROR_MAX_BYTES: Final = 1024**2
"""The most that is read of an error response; the rest is left unread."""
STREAM_MAX_BYTES: Final = 4 * REPLY_MAX_BYTES
"""The most that an event stream may send in all, previews included."""
_FIRST_ERROR_STATUS: Final = 400
_GZIP: Final = b"\x1f\x8b"
# Beginnings of bodies that are not compressed, whatever the header says.
_UNCOMPRESSED: Final = (b"{", b"[", b"\x89PNG", b"\xff\xd8\xff", b"RIFF", b"\x1aE\xdf\xa3")


class ReplyTooLarge(Exception):
    """A vendor's reply exceeds its limit, perhaps when decompressed."""


@dataclass
class Call:
    """One call to a vendor.

    Attributes:
        sent: whether the first byte of its request was sent. What fails before that cannot have
            been charged.
        reply: the raw body as far as it was received; None: none.
    """

    sent: bool = False
    reply: bytes | None = None

    async def trace(self, event: str, info: Mapping[str, Any]) -> None:
        """Note an event of the HTTP library: the `trace` extension of its requests."""
        if event.endswith(".send_request_headers.started"):
            # A CONNECT to a proxy is not the request yet.
            self.sent = self.sent or info["request"].method != b"CONNECT"
        elif event.endswith(".send_request_headers.failed") and _is_refused_here(info):
            self.sent = False


def _is_refused_here(info: Mapping[str, Any]) -> bool:
    """Whether the HTTP library itself refused a request before it wrote anything."""
    return type(info.get("exception")).__name__ == "LocalProtocolError"


_CALL: Final[ContextVar[Call | None]] = ContextVar("vendor_call", default=None)


@contextmanager
def observe_call() -> Iterator[Call]:
    """Observe the requests that are sent in the block."""
    call = Call()
    token = _CALL.set(call)
    try:
        yield call
    finally:
        _CALL.reset(token)


def may_use_proxy(base_url: str | None) -> bool:
    """Whether a proxy of the environment applies to this address.

    It is for vendors on the internet, and does not reach servers on this machine.
    """
    return urlsplit(base_url or "").hostname not in {"localhost", "127.0.0.1", "::1"}


@cache
def tls() -> ssl.SSLContext:
    """Return the TLS context, made once: reading all certificates takes long."""
    return httpx2.create_ssl_context()


def http_client(base_url: str | None = None) -> httpx2.AsyncClient:
    """Return a client for a vendor that follows no redirects and keeps few connections.

    Args:
        base_url: the vendor's address; None: the SDK knows it.

    Raises:
        ValueError: the proxy that the environment names cannot be used.
    """
    return httpx2.AsyncClient(
        verify=tls(),
        follow_redirects=False,
        trust_env=may_use_proxy(base_url),
        limits=httpx2.Limits(
            max_connections=None, max_keepalive_connections=MAX_KEEPALIVE_CONNECTIONS
        ),
        event_hooks={"request": [_observe_request], "response": [_bound_response]},
    )


def httpx_client(base_url: str | None = None) -> httpx.AsyncClient:
    """Return the same for an SDK that takes only `httpx`, the older of the two libraries."""
    return httpx.AsyncClient(
        transport=_HttpxBridge(http_client(base_url)), follow_redirects=False, trust_env=False
    )


@asynccontextmanager
async def open_response(
    client: httpx2.AsyncClient,
    method: str,
    url: str,
    **more: Any,  # noqa: ANN401  # as it takes them
) -> AsyncIterator[httpx2.Response]:
    """Send a request that the SDK has no method for, and open its response.

    Raises:
        httpx2.HTTPStatusError: it is no success; its body has been read.
    """
    async with client.stream(method, url, **more) as response:
        if not response.is_success:
            await response.aread()
        response.raise_for_status()
        yield response


async def read_body(parts: AsyncIterator[bytes], call: Call | None = None) -> bytes:
    """Return a body.

    Args:
        parts: of it.
        call: keeps what was received where it breaks off.
    """
    body = bytearray()
    try:
        async for part in parts:
            body += part
    except ReplyTooLarge:
        del body[ERROR_MAX_BYTES:]
        raise
    finally:
        if call is not None:
            call.reply = bytes(body)
    return bytes(body)


class BoundedBody(httpx2.AsyncByteStream):
    """A response's body, decompressed piece by piece up to a limit.

    Args:
        response: whose body it is.
        limit: bytes that it may have.
        cut: whether it is cut at the limit, rather than an error.
    """

    def __init__(self, response: httpx2.Response, limit: int, *, cut: bool) -> None:
        self._stream = response.stream
        self._coding = response.headers.get("content-encoding", "")
        self._limit = limit
        self._cut = cut

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the decompressed pieces."""
        size = 0
        parts = aiter(self._stream)  # type: ignore[arg-type]
        first = await anext(parts, b"")
        is_plain = first.startswith(_UNCOMPRESSED) or first[4:8] == b"ftyp"
        named = self._coding.strip().lower().endswith("gzip")
        coding = "" if is_plain or (named and not first.startswith(_GZIP)) else self._coding
        for again in (True, True, False):
            headers = {"content-encoding": coding} if coding else {}
            whole = httpx2.Response(200, headers=headers, stream=_Joined(first, parts))
            parts = whole.aiter_bytes()
            if not again:
                break
            first = await anext(parts, b"")
            if not first.startswith(_GZIP):  # compressed once more, or without a header
                parts = aiter(_Joined(first, parts))
                break
            coding = "gzip"
        async for part in parts:
            size += len(part)
            if size > self._limit:
                if self._cut:
                    yield part[: len(part) - (size - self._limit)]
                    return
                raise ReplyTooLarge(size)
            yield part

    async def aclose(self) -> None:
        """Close the connection."""
        if isinstance(self._stream, httpx2.AsyncByteStream):
            await self._stream.aclose()


class _Joined(httpx2.AsyncByteStream):
    def __init__(self, first: bytes, parts: AsyncIterator[bytes]) -> None:
        self._first = first
        self._parts = parts

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._first
        async for part in self._parts:
            yield part


async def _observe_request(request: httpx2.Request) -> None:
    call = _CALL.get()
    if call is not None:
        request.extensions = {**request.extensions, "trace": call.trace}


async def _bound_response(response: httpx2.Response) -> None:
    failed = response.status_code >= _FIRST_ERROR_STATUS
    streams = "text/event-stream" in response.headers.get("content-type", "")
    limit = ERROR_MAX_BYTES if failed else STREAM_MAX_BYTES if streams else REPLY_MAX_BYTES
    response.stream = BoundedBody(response, limit, cut=failed)
    for name in ("content-encoding", "content-length"):
        response.headers.pop(name, None)


class _HttpxBridge(httpx.AsyncBaseTransport):
    """Sends the requests of `httpx` with a client of `httpx2`, so that one code bounds both."""

    def __init__(self, client: httpx2.AsyncClient) -> None:
        self._client = client

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        timeout = request.extensions.get("timeout", {})
        sent = httpx2.Request(
            request.method,
            str(request.url),
            headers=request.headers.raw,
            stream=_RequestBody(request.stream),  # type: ignore[arg-type]
            extensions={"timeout": timeout},
        )
        with _as_httpx(request):
            response = await self._client.send(sent, stream=True)
        return httpx.Response(
            response.status_code,
            headers=response.headers.raw,
            stream=_ResponseBody(response, request),
            request=request,
        )

    async def aclose(self) -> None:
        await self._client.aclose()


class _RequestBody(httpx2.AsyncByteStream):
    """The body of a request of `httpx`."""

    def __init__(self, stream: httpx.AsyncByteStream) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._stream:
            yield part


class _ResponseBody(httpx.AsyncByteStream):
    """The body of a response of `httpx2`, for `httpx`."""

    def __init__(self, response: httpx2.Response, request: httpx.Request) -> None:
        self._response = response
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx(self._request):
            async for part in self._response.aiter_bytes():
                yield part

    async def aclose(self) -> None:
        await self._response.aclose()


@contextmanager
def _as_httpx(request: httpx.Request) -> Iterator[None]:
    """Turn errors of `httpx2` into those of `httpx`, which have the same names."""
    try:
        yield
    except httpx2.RequestError as error:
        kind: type[httpx.RequestError] = getattr(httpx, type(error).__name__, httpx.TransportError)
        raise kind(str(error), request=request) from error
