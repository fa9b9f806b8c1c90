"""The bounds of connections: half requests, bodies that drip, frames by the thousand."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame, Opcode
from websockets.sync.client import connect

from core.web.app import server
from core.web.app.server import FRAMES, BoundedHTTP, BoundedSocket
from core.web.http.rate_limits import MAX_BUCKETS, Bucket, Buckets
from core.web.http.socket_limits import MESSAGE_BYTES

GET = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
received: list[int] = []


async def replied(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


async def hear(websocket: WebSocket) -> None:
    await websocket.accept()
    async for message in websocket.iter_bytes():
        received.append(len(message))
        await websocket.send_text("heard")


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A server with our bounds; its seconds are short."""
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.5)
    monkeypatch.setattr(server, "BODY_SECONDS", 0.5)
    monkeypatch.setattr(server, "BODY_BYTES", 20)
    monkeypatch.setattr(server, "MAX_UNFINISHED", 20)
    received.clear()
    app = Starlette(
        routes=[Route("/", replied, methods=["GET", "POST"]), WebSocketRoute("/hear", hear)]
    )
    with socket.create_server(("127.0.0.1", 0), backlog=1_000) as listening:
        config: Any = uvicorn.Config(
            app, http=BoundedHTTP, ws=BoundedSocket, ws_max_size=MESSAGE_BYTES, log_level="error"
        )
        running = uvicorn.Server(config)
        thread = threading.Thread(target=lambda: asyncio.run(running.serve([listening])))
        thread.start()
        yield listening.getsockname()[1]
        running.should_exit = True
        thread.join(120)
        assert not thread.is_alive()
    assert not BoundedHTTP._unfinished  # noqa: SLF001


def opened(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), 20)


def all_of(connection: socket.socket) -> bytes:
    """What is said until the server closes; a reset ends it as well."""
    found = b""
    try:
        while part := connection.recv(4_096):
            found += part
    except ConnectionResetError:
        pass
    return found


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"GET / HT",
        b"GET / HTTP/1.1\r\nHost: a\r\nX: ",
        b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\nabc",
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    ],
)
def test_half_a_request_is_given_up(port: int, begun: bytes) -> None:
    with opened(port) as first:
        first.sendall(begun)
        assert all_of(first) == b""
    with opened(port) as later:  # after a whole request on the same connection
        later.sendall(GET + begun)
        assert all_of(later).count(b"HTTP/1.1 200") == 1


def test_a_request_that_drips_is_given_up_and_a_slow_one_is_not(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "BODY_SECONDS", 3)
    monkeypatch.setattr(server, "BODY_BYTES", 400)
    stop, pace = threading.Event(), threading.Event()
    with opened(port) as dripping, opened(port) as slow:
        head = b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 40000\r\n\r\n"
        slow.sendall(head)

        def drip() -> None:
            try:
                while not stop.wait(0.1):
                    dripping.sendall(b"x")
            except OSError:
                stop.set()

        dripping.sendall(head)
        thread = threading.Thread(target=drip)
        thread.start()
        for _ in range(80):
            slow.sendall(b"x" * 500)
            pace.wait(0.05)
        assert slow.recv(4_096).startswith(b"HTTP/1.1 200")
        assert all_of(dripping) == b""
        stop.set()
        thread.join(120)


def test_many_half_requests_keep_nobody_out(port: int) -> None:
    with ExitStack() as stack:
        half = [stack.enter_context(opened(port)) for _ in range(100)]
        for each in half:
            each.sendall(b"GET / HTTP/1.1\r\nHost: ")
        with opened(port) as honest:
            honest.sendall(GET)
            assert honest.recv(4_096).startswith(b"HTTP/1.1 200")
        assert all_of(half[0]) == b""
        assert len(BoundedHTTP._unfinished) <= 20  # noqa: SLF001


def test_beyond_the_most_connections_new_ones_are_turned_away(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server, "MAX_CONNECTIONS", 3)
    with ExitStack() as stack:
        held = [stack.enter_context(opened(port)) for _ in range(3)]
        for each in held:
            each.sendall(GET)
            assert each.recv(4_096).startswith(b"HTTP/1.1 200")
        with opened(port) as more:
            assert all_of(more).startswith(b"HTTP/1.1 503")


@pytest.mark.parametrize("opcode", [Opcode.BINARY, Opcode.PING, Opcode.PONG])
def test_frames_by_the_thousand_end_their_own_websocket_only(port: int, opcode: Opcode) -> None:
    flood = Frame(opcode, b"ab").serialize(mask=True) * 40_000
    with connect(f"ws://127.0.0.1:{port}/hear", proxy=None) as honest, opened(port) as raw:
        raw.sendall(
            b"GET /hear HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert raw.recv(4_096).startswith(b"HTTP/1.1 101")
        with suppress(OSError):
            raw.sendall(flood)
        all_of(raw)
        honest.send(b"abc")
        assert honest.recv(20) == "heard"
    assert len(received) <= FRAMES + 500


def test_a_message_that_is_too_long_is_not_taken(port: int) -> None:
    address = f"ws://127.0.0.1:{port}/hear"
    with connect(address, proxy=None, max_size=None) as websocket:
        websocket.send(b"x" * MESSAGE_BYTES)
        assert websocket.recv(20) == "heard"
        with pytest.raises(ConnectionClosed) as closed:
            websocket.send(b"x" * 19_000_000)
            websocket.recv(20)
        assert closed.value.rcvd is None or closed.value.rcvd.code == 1009
    assert received == [MESSAGE_BYTES]


def test_a_bucket_fills_with_time_only() -> None:
    now = 0.0
    bucket = Bucket(3, 0.5, lambda: now)
    assert [bucket.take() for _ in range(5)] == [True, True, True, False, False]
    now = 2.0
    assert [bucket.take() for _ in range(2)] == [True, False]
    now = 1_000.0
    assert [bucket.take() for _ in range(4)] == [True, True, True, False]
    assert not bucket.take(4)


def test_as_many_buckets_are_kept_as_there_may_be() -> None:
    buckets = Buckets(1, 0)
    assert buckets["first"].take()
    assert not buckets["first"].take()
    for number in range(MAX_BUCKETS + 10):
        assert buckets[str(number)].take()
    assert len(buckets._buckets) == MAX_BUCKETS  # noqa: SLF001
