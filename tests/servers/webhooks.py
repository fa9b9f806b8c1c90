"""A receiver of webhooks on loopback: it keeps what it gets, and responds as a test says."""

import asyncio
import contextlib
import json
import ssl
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Literal

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from tests.servers.wire import cut, serving

DISCORD_CHARACTERS = 2000


@dataclass(frozen=True)
class Got:
    """A post that was received, its headers by their names in lower case."""

    path: str
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> dict[str, object]:
        read = json.loads(self.body)
        assert isinstance(read, dict)
        return read


@dataclass(frozen=True)
class Answer:
    """What a post is answered with.

    `cut` closes the connection without an answer; `silence` never answers; `drip` sends an endless
    header, a byte at a time; `flood` answers with a body that never ends; `noise` is no HTTP.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    what: Literal["answer", "cut", "silence", "drip", "flood", "noise"] = "answer"


class Receiver:
    """The receiver: `/hook` responds as a test says, `/slack` and `/discord` as these do.

    Attributes:
        url: where it listens.
        got: what it received.
        answers: what the next posts to `/hook` are answered with; then it is 200.
    """

    def __init__(self) -> None:
        self.url = ""
        self.got: list[Got] = []
        self.answers: deque[Answer] = deque()

    async def hook(self, request: Request) -> Response:
        await self._keep(request)
        response = self.answers.popleft() if self.answers else Answer()
        if response.what == "answer":
            return Response("taken", response.status, response.headers)
        if response.what != "cut":
            await _misbehave(request.state.transport, response.what)
        return await cut(request)

    async def slack(self, request: Request) -> Response:
        """Answer as Slack's incoming webhooks do."""
        got = await self._keep(request)
        if got.headers["content-type"] != "application/json":
            return PlainTextResponse("invalid_payload", 400)
        if not got.json().get("text"):
            return PlainTextResponse("no_text", 400)
        return PlainTextResponse("ok")

    async def discord(self, request: Request) -> Response:
        """Answer as Discord's webhooks do."""
        content = (await self._keep(request)).json().get("content")
        if not isinstance(content, str) or not content.strip():
            return JSONResponse({"message": "Cannot send an empty message", "code": 50006}, 400)
        if len(content) > DISCORD_CHARACTERS:
            return JSONResponse({"content": ["Must be 2000 or fewer in length."]}, 400)
        return Response(status_code=204)

    async def _keep(self, request: Request) -> Got:
        got = Got(request.url.path, dict(request.headers), await request.body())
        self.got.append(got)
        return got


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver while the block runs."""
    receiver = Receiver()
    application = Starlette(
        routes=[
            Route("/hook", receiver.hook, methods=["POST", "GET"]),
            Route("/slack", receiver.slack, methods=["POST"]),
            Route("/discord", receiver.discord, methods=["POST"]),
        ]
    )
    with serving(application) as receiver.url:
        yield receiver


@dataclass
class TlsReceiver:
    """A receiver that proves its name: what it was called, in TLS and in HTTP, by each post."""

    port: int = 0
    names: list[str | None] = field(default_factory=list)
    hosts: list[str] = field(default_factory=list)


@contextlib.contextmanager
def receiving_tls(context: ssl.SSLContext) -> Iterator[TlsReceiver]:
    """Run a receiver with a certificate while the block runs."""
    receiver = TlsReceiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            receiver.hosts.append(self.headers["host"])
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
            pass

    class Server(ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A client that breaks off the handshake is what some tests are about."""

    def note_name(_socket: object, name: str | None, _context: object) -> None:
        receiver.names.append(name)

    context.sni_callback = note_name
    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        receiver.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join(10)


async def _misbehave(transport: asyncio.Transport, what: str) -> None:
    """Answer badly until the other side goes away, which it does within its deadline."""
    begin = {
        "drip": b"HTTP/1.1 200 OK\r\nx-endless: ",
        "flood": b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n",
        "noise": b"220 mail.example.org ESMTP\r\n\r\n",
        "silence": b"",
    }
    transport.write(begin[what])
    if what == "noise":
        return
    for _ in range(3000):  # a minute; nobody stays longer
        if transport.is_closing():
            return
        if what != "silence":
            transport.write(b"x" * (1 if what == "drip" else 65536))
        await asyncio.sleep(0.02)
