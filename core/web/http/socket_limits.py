"""How much the pages' websockets may send: by connection, and by whose they are."""

import asyncio
import logging
from collections import Counter
from ipaddress import IPv6Address, ip_address
from typing import Final, NamedTuple

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.web.app.server import MESSAGE_BYTES
from core.web.http.rate_limits import Bucket, Buckets
from core.web.http.requests import requester

MOST_SOCKETS: Final = 2_000
"""Of one process."""
_OPENING: Final = 5.0  # messages that opening one counts as: it begins a session
_POLICY: Final = 1008
_TOO_BIG: Final = 1009

_log = logging.getLogger(__name__)


class Bounds(NamedTuple):
    """What websockets may do.

    Attributes:
        sockets: how many at once, of one login or one address.
        message: bytes of a message.
        at_once: messages of one websocket at once.
        a_second: and then each second.
        all_at_once: messages of all of them together at once.
        all_a_second: and then each second.
    """

    sockets: int
    message: int
    at_once: float
    a_second: float
    all_at_once: float
    all_a_second: float


GUESTS: Final = Bounds(200, 65_536, 30, 3, 600, 60)
"""Of one address before anybody is logged in: a school behind one address opens its login pages."""
USERS: Final = Bounds(200, MESSAGE_BYTES, 100, 20, 1_000, 100)
"""Of one login, with all tabs."""


class SocketLimits:
    """Closes a websocket that sends more than pages do; others go on.

    It stands behind what finds out who is logged in.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._open: Counter[str] = Counter()
        self._sent = {
            bounds: Buckets(bounds.all_at_once, bounds.all_a_second) for bounds in (GUESTS, USERS)
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a websocket on, within its bounds."""
        if scope["type"] != "websocket":
            await self._app(scope, receive, send)
            return
        owner, bounds = _owner(HTTPConnection(scope))
        sent = self._sent[bounds][owner]
        if (
            self._open[owner] >= bounds.sockets
            or self._open.total() >= MOST_SOCKETS
            or not sent.take(_OPENING)
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
    """Return whose websocket it is: a login's or an address's (IPv6: its /64's)."""
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
    """Return both ends of a websocket, which is closed where it goes beyond its bounds."""
    own = Bucket(bounds.at_once, bounds.a_second)
    closed = False

    async def hear() -> Message:
        nonlocal closed
        await asyncio.sleep(0)  # messages that lie ready would keep all others waiting
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

    async def say(message: Message) -> None:
        if not closed:
            await send(message)

    return hear, say
