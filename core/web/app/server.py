"""The server: uvicorn, with limits on what a connection may cost.

Streamlit starts uvicorn and passes on few of its settings, and uvicorn has no time-outs for headers
and bodies. So `bound_server` replaces its two protocols by subclasses with limits.
"""

import asyncio
import resource
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Literal

import h11
from streamlit.web.server.starlette import starlette_server
from uvicorn.protocols.http.h11_impl import H11Protocol
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from core.web.http.rate_limits import Bucket
from core.web.http.socket_limits import MESSAGE_BYTES

HEADER_SECONDS: Final = 10.0
"""How long the request line and headers may take, from connecting or from their first byte."""
BODY_SECONDS: Final = 10.0
"""In each such period at least `BODY_BYTES` of a body must arrive, or its end."""
BODY_BYTES: Final = 10_240
MAX_UNFINISHED: Final = 500
"""Connections with an incomplete request; beyond that the oldest of them is closed."""
MAX_CONNECTIONS: Final = 4_000
"""Of one process; beyond that new ones get 503. Fewer where the system allows fewer."""
FRAMES: Final = 200.0
"""Of a websocket at once, pings too; then `FRAMES_A_SECOND`."""
FRAMES_A_SECOND: Final = 50.0
_SLICE_BYTES: Final = 4_096  # of a websocket, between two checks of its rate
_SPARE_FILES: Final = 256  # open files that are no connections of ours
_POLICY: Final = 1008
_BUSY: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\nretry-after: 10\r\n"
    b"content-length: 0\r\n\r\n"
)


class BoundedHTTP(H11Protocol):
    """A connection whose requests must arrive within a time limit (slow loris)."""

    _unfinished: "OrderedDict[BoundedHTTP, None]" = OrderedDict()  # noqa: RUF012  # of the process
    _awaited: Literal["headers", "body"] | None = None
    _timer: asyncio.TimerHandle | None = None
    _received = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin the time limit of the first request."""
        super().connection_made(transport)
        if len(self.connections) > max_connections():
            transport.write(_BUSY)
            transport.close()
        else:
            self._wait_for("headers")

    def connection_lost(self, exc: Exception | None) -> None:
        """Cancel the time limit."""
        self._wait_for(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Parse data, and update the time limit."""
        self._received += len(data)
        super().data_received(data)
        self._update_limit()

    def on_response_complete(self) -> None:
        """Begin the time limit of the connection's next request."""
        super().on_response_complete()
        self._update_limit()

    def _update_limit(self) -> None:
        """Set the time limit by the state of the request."""
        state = self.conn.their_state
        if self.transport.is_closing() or self.transport.get_protocol() is not self:
            self._wait_for(None)  # the latter: it is a websocket now
        elif state is h11.SEND_BODY:
            self._wait_for("body")
        elif state is h11.IDLE and self.conn.trailing_data[0]:
            self._wait_for("headers")
        else:
            self._wait_for(None)  # between two requests uvicorn has its own time limit

    def _wait_for(self, awaited: Literal["headers", "body"] | None) -> None:
        if awaited == self._awaited:
            return
        self._awaited, self._received = awaited, 0
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._unfinished.pop(self, None)
        if awaited is None:
            return
        self._unfinished[self] = None
        if awaited == "headers":
            self._timer = self.loop.call_later(HEADER_SECONDS, self.transport.abort)
        else:
            self._timer = self.loop.call_later(BODY_SECONDS, self._check_body)
        if len(self._unfinished) > MAX_UNFINISHED:
            oldest, _ = self._unfinished.popitem(last=False)
            oldest.transport.abort()

    def _check_body(self) -> None:
        if self._received < BODY_BYTES and not self.flow.read_paused:
            self.transport.abort()
            return
        self._received = 0
        self._timer = self.loop.call_later(BODY_SECONDS, self._check_body)


class BoundedSocket(WebSocketsSansIOProtocol):
    """A websocket that is closed when it sends more frames than a page does.

    One read, up to 256 KiB, can have 40,000 frames: it is parsed in slices.
    """

    def connection_made(self, transport: Any) -> None:  # noqa: ANN401  # as uvicorn has it
        """Begin to count frames."""
        self._frames = Bucket(FRAMES, FRAMES_A_SECOND)
        super().connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Parse data in slices, while the limit is kept."""
        for start in range(0, len(data), _SLICE_BYTES):
            if self.close_sent or self.transport.is_closing():
                return
            super().data_received(data[start : start + _SLICE_BYTES])

    def handle_events(self) -> None:
        """Handle what was parsed, or close where it is too much."""
        if self.handshake_complete and not self._frames.take(len(self.conn.events)):
            self.conn.fail(_POLICY, "too many messages")
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.close_sent = True
            self.transport.close()
            return
        super().handle_events()


def max_connections() -> int:
    """Return how many connections this process accepts."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return MAX_CONNECTIONS
    return min(MAX_CONNECTIONS, max(files - _SPARE_FILES, files // 2))


def bound_server() -> None:
    """Make Streamlit start uvicorn with these limits; to be called before it does.

    It also raises the number of files that the process may have open, where the system lets it.
    """
    chosen: Callable[[], dict[str, Any]] = starlette_server._get_uvicorn_config_kwargs  # noqa: SLF001  # no setting for it

    def bounded() -> dict[str, Any]:
        return chosen() | {"http": BoundedHTTP, "ws": BoundedSocket, "ws_max_size": MESSAGE_BYTES}

    starlette_server._get_uvicorn_config_kwargs = bounded  # noqa: SLF001
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MAX_CONNECTIONS + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
