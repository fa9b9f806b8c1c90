"""A recorder in front of a stand-in: what was asked, and what it answered."""

from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass
class Exchange:
    """One request and its answer, byte for byte.

    Attributes:
        asked: the request's body.
        answered: the answer's body.
        media_type: of the answer, without its parameters.
    """

    method: str
    path: str
    asked: bytes = field(default=b"", repr=False)
    status: int = 0
    media_type: str = ""
    answered: bytes = field(default=b"", repr=False)


class Recorded:
    """An ASGI middleware that keeps what is asked and answered, in its order.

    Args:
        app: the stand-in.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.exchanges: list[Exchange] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        seen = Exchange(scope["method"], scope["path"])
        self.exchanges.append(seen)

        async def take() -> Message:
            message = await receive()
            seen.asked += message.get("body", b"")
            return message

        async def give(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers: dict[bytes, Any] = dict(message["headers"])
                seen.status = message["status"]
                media_type = headers.get(b"content-type", b"").decode()
                seen.media_type = media_type.partition(";")[0]
            else:
                seen.answered += message.get("body", b"")
            await send(message)

        await self.app(scope, take, give)
