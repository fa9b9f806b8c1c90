"""A recorder in front of a stand-in: requests and responses."""

from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send


@dataclass
class Exchange:
    """One request and its response, byte for byte.

    Attributes:
        request_body: as it was sent.
        response_body: as it was returned.
        media_type: of the response, without its parameters.
    """

    method: str
    path: str
    request_body: bytes = field(default=b"", repr=False)
    status: int = 0
    media_type: str = ""
    response_body: bytes = field(default=b"", repr=False)


class Recorded:
    """An ASGI middleware that keeps requests and responses, in their order.

    Args:
        app: the stand-in.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app
        self.exchanges: list[Exchange] = []

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass one request on, and record it."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        exchange = Exchange(scope["method"], scope["path"])
        self.exchanges.append(exchange)

        async def take() -> Message:
            message = await receive()
            exchange.request_body += message.get("body", b"")
            return message

        async def give(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers: dict[bytes, Any] = dict(message["headers"])
                exchange.status = message["status"]
                media_type = headers.get(b"content-type", b"").decode()
                exchange.media_type = media_type.partition(";")[0]
            else:
                exchange.response_body += message.get("body", b"")
            await send(message)

        await self.app(scope, take, give)
