"""How much a websocket may send before and after a login, and how many there may be."""

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from starlette.types import Message, Receive, Scope, Send

from core.web.http.socket_limits import GUESTS, USERS, Bounds, SocketLimits


def scope(address: str = "192.0.2.1", session: str | None = None) -> Scope:
    found = None if session is None else SimpleNamespace(id=session)
    return {
        "type": "websocket",
        "client": (address, 1),
        "headers": [],
        "state": {"session": found},
    }


class Behind:
    """What stands behind the limits: it takes messages until there are no more."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.open = 0
        self.hold: asyncio.Event | None = None

    async def __call__(self, _scope: Scope, receive: Receive, send: Send) -> None:
        self.open += 1
        if self.hold is not None:
            await self.hold.wait()
        while (message := await receive())["type"] == "websocket.receive":
            self.taken.append(message["bytes"])
            await send({"type": "websocket.send", "bytes": b"x"})
        await send({"type": "websocket.send", "bytes": b"too late"})


async def sent_to(limits: SocketLimits, about: Scope, messages: list[bytes]) -> list[Message]:
    """Open a websocket, send these messages, and return what is sent back."""
    sent: list[Message] = []
    left: list[Message] = [{"type": "websocket.receive", "bytes": each} for each in messages]
    left.append({"type": "websocket.disconnect", "code": 1005})

    async def receive() -> Message:
        return left.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    await limits(about, receive, send)
    return sent


def codes(sent: list[Message]) -> list[int]:
    return [each["code"] for each in sent if each["type"] == "websocket.close"]


def run(test: Callable[[], Any]) -> None:
    asyncio.run(test())


@pytest.mark.parametrize(("session", "bounds"), [(None, GUESTS), ("s", USERS)])
def test_a_flood_is_closed_after_what_is_allowed(session: str | None, bounds: Bounds) -> None:
    async def test() -> None:
        behind = Behind()
        limits = SocketLimits(behind)
        sent = await sent_to(limits, scope(session=session), [b"ab"] * 40_000)
        assert codes(sent) == [1008]
        assert bounds.burst <= len(behind.taken) < bounds.burst + 100
        assert {"type": "websocket.send", "bytes": b"too late"} not in sent
        behind.taken.clear()
        assert codes(await sent_to(limits, scope("192.0.2.2", "other"), [b"ab"] * 5)) == []
        assert len(behind.taken) == 5

    run(test)


def test_a_long_message_is_for_those_who_are_logged_in() -> None:
    async def test() -> None:
        behind = Behind()
        limits = SocketLimits(behind)
        assert codes(await sent_to(limits, scope(), [b"x" * GUESTS.message])) == []
        assert codes(await sent_to(limits, scope(), [b"x" * (GUESTS.message + 1)])) == [1009]
        assert codes(await sent_to(limits, scope(session="s"), [b"x" * USERS.message])) == []
        sent = await sent_to(limits, scope(session="s"), [b"x" * (USERS.message + 1), b"more"])
        assert codes(sent) == [1009]
        assert [len(each) for each in behind.taken] == [GUESTS.message, USERS.message]

    run(test)


def test_many_websockets_of_one_address_share_their_bounds() -> None:
    async def test() -> None:
        behind = Behind()
        limits = SocketLimits(behind)
        sent = []
        for number in range(200):
            address = f"2001:db8::{number:x}"  # one /64 is one subscriber
            sent += codes(await sent_to(limits, scope(address), [b"ab"] * 20))
        assert 1008 in sent
        assert len(behind.taken) < 2 * GUESTS.total_burst
        assert codes(await sent_to(limits, scope("2001:db8:1::1"), [b"ab"] * 20)) == []
        assert codes(await sent_to(limits, scope("192.0.2.1", "s"), [b"ab"] * 20)) == []

    run(test)


def test_so_many_are_open_at_once_and_no_more() -> None:
    async def test() -> None:
        behind = Behind()
        behind.hold = asyncio.Event()
        limits = SocketLimits(behind)
        limits._sent[GUESTS]["192.0.2.1"]._tokens = 10_000  # noqa: SLF001  # only their number counts here
        limits._sent[GUESTS]["192.0.2.1"]._capacity = 10_000  # noqa: SLF001
        first = [asyncio.create_task(sent_to(limits, scope(), [])) for _ in range(GUESTS.sockets)]
        await asyncio.sleep(0)
        assert behind.open == GUESTS.sockets
        assert codes(await sent_to(limits, scope(), [])) == [1008]
        other = asyncio.create_task(sent_to(limits, scope("192.0.2.9"), []))
        await asyncio.sleep(0)
        assert behind.open == GUESTS.sockets + 1
        behind.hold.set()
        await asyncio.gather(*first, other)
        assert codes(await sent_to(limits, scope(), [])) == []
        assert not limits._open  # noqa: SLF001

    run(test)
