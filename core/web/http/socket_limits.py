"""Limits on the pages' websockets: by connection, and by login or address."""

import asyncio
import logging
from collections import Counter
from ipaddress import IPv6Address, ip_address
from typing import Final, NamedTuple

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.web.http.rate_limits import Bucket, Buckets
from core.web.http.requests import requester

MAX_SOCKETS: Final = 2_000
"""Of one process."""
MESSAGE_BYTES: Final = 524_288
"""The largest message; the largest that pages send is an address with a long prompt in it."""
_OPENING_COST: Final = 5.0  # in messages: opening one begins a Streamlit session
_POLICY: Final = 1008
_TOO_BIG: Final = 1009

_log = logging.getLogger(__name__)


class Bounds(NamedTuple):
    """Limits on websockets.

    Attributes:
        sockets: how many at once, of one login or one address.
        message: bytes of a message.
        burst: messages of one websocket at once.
        rate: messages of one websocket a second, then.
        total_burst: messages of all websockets of a login or address at once.
        total_rate: their messages a second, then.
    """

    sockets: int
    message: int
    burst: float
    rate: float
    total_burst: float
    total_rate: float


GUESTS: Final = Bounds(200, 65_536, 30, 3, 600, 60)
"""Of one address before anybody is logged in: a school behind one address opens its login pages."""
USERS: Final = Bounds(200, MESSAGE_BYTES, 100, 20, 1_000, 100)
"""Of one login, with all tabs."""


class SocketLimits:
    """Closes websockets that send more than pages do.

    It runs after the identity middleware.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open: Counter[str] = Counter()
        self._sent = {
            bounds: Buckets(bounds.total_burst, bounds.total_rate) for bounds in (GUESTS, USERS)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a websocket on, within its limits."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        owner, bounds = _owner(HTTPConnection(scope))
        sent = self._sent[bounds][owner]
        if (
            self._open[owner] >= bounds.sockets
            or self._open.total() >= MAX_SOCKETS
            or not sent.take(_OPENING_COST)
        ):
            _log.warning("a websocket was refused: %s has too many", owner)
            await send({"type": "websocket.close", "code": _POLICY, "reason": "too many"})
            return
        self._open[owner] += 1
        try:
            await self._app(scope, *_bounded(receive, send, bounds, sent))
        finally:
            self._open[owner] -= 1
            if not self._open[owner]:
                del self._open[owner]


def _owner(connection: HTTPConnection) -> tuple[str, Bounds]:
    """Return what a websocket counts for: a login or an address (IPv6: its /64), and its limits."""
    session = connection.state.session
    if session is not None:
        return f"login {session.id}", USERS
    address = requester(connection).address
    try:
        found = ip_address(address)
    except ValueError:
        return address, GUESTS
    if isinstance(found, IPv6Address):
        address = f"{IPv6Address(int(found) >> 64 << 64)}/64"
    return address, GUESTS


def _bounded(
    receive: Receive, send: Send, bounds: Bounds, of_owner: Bucket
) -> tuple[Receive, Send]:
    """Return a `receive` and a `send` that close the websocket when it exceeds its limits."""
    own = Bucket(bounds.burst, bounds.rate)
    closed = False

    async def limited_receive() -> Message:
        nonlocal closed
        await asyncio.sleep(0)  # else ready messages would keep all other tasks waiting
        message = await receive()
        if message["type"] != "websocket.receive":
            return message
        size = len(message.get("bytes") or message.get("text") or "")
        if size <= bounds.message and own.take() and of_owner.take():
            return message
        code = _TOO_BIG if size > bounds.message else _POLICY
        closed = True
        await send({"type": "websocket.close", "code": code, "reason": "too much"})
        return {"type": "websocket.disconnect", "code": code, "reason": "too much"}

    async def limited_send(message: Message) -> None:
        if not closed:
            await send(message)

    return limited_receive, limited_send
