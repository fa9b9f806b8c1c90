"""What the stand-ins for real vendors share: records, faults on demand, pictures, a server.

Each stand-in speaks one vendor's wire format and is called by the vendor's own SDK. It counts what
the vendor would have charged, by prompt.
"""

import asyncio
import contextlib
import socket
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import uvicorn
from PIL import Image, ImageDraw
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from core.media.encoding import encode_clip, encode_png

FPS = 24


class Fault(BaseModel):
    """What the next `times` creating calls, or what they make, meet.

    On the call: `refuse` answers `status` with `code` and `message` (and Retry-After) and charges
    nothing; `cut_before` and `slow_before` close the connection, or wait `seconds` and then close
    it, without having read the request; `cut_after` and `slow_after` do so after it was
    charged.
    On what it makes: `fail` lets it end badly with `code`, charged where `charged`; `garbage` sends
    a page of HTML, `truncate` a third of the file, `expire` says 403 to the first address given.
    """

    what: Literal[
        "refuse",
        "cut_before",
        "slow_before",
        "cut_after",
        "slow_after",
        "fail",
        "garbage",
        "truncate",
        "expire",
    ]
    times: int = 1
    status: int = 500
    code: str = ""
    message: str = ""
    retry_after: str | None = None
    seconds: float = 2.0
    charged: bool = False


@dataclass(kw_only=True)
class TimedTask:
    """Work that a vendor does; its state follows from the time.

    Attributes:
        id: the vendor's own.
        params: what the creating call asks for.
        begun_at: by the monotonic clock.
        seconds: that it takes.
        fault: what it meets.
    """

    id: str
    params: dict[str, Any]
    begun_at: float
    seconds: float
    fault: Fault | None

    @property
    def share(self) -> float:
        """How much is done: below 0 while it is held up, 1 at the end."""
        return min((time.monotonic() - self.begun_at) / max(self.seconds, 0.001), 1.0)


class VendorRecords:
    """What a vendor records of its customers' requests.

    Attributes:
        charges: the number of charges, by prompt.
        requests: every creating call that was read, as the vendor understood it.
        faults: what the next creating calls meet.
        key: the one key that is accepted.
    """

    def __init__(self, key: str = "key-for-tests") -> None:
        self.charges: Counter[str] = Counter()
        self.requests: list[dict[str, Any]] = []
        self.faults: deque[Fault] = deque()
        self.key = key

    def next_fault(self) -> Fault | None:
        if not self.faults:
            return None
        fault = self.faults[0]
        fault.times -= 1
        if fault.times <= 0:
            self.faults.popleft()
        return fault


async def cut(request: Request, seconds: float = 0.0) -> Response:
    """Close the connection without an answer, after a while."""
    await asyncio.sleep(seconds)
    request.state.transport.abort()
    await asyncio.sleep(0)  # the loop closes it; what is answered then goes nowhere
    return Response()


async def before_charging(
    request: Request, fault: Fault | None, refuse: Callable[[Fault, dict[str, str]], Response]
) -> Response | None:
    """Return the response to a call that is not charged; None: it goes on.

    Args:
        request: the creating call.
        fault: what it meets.
        refuse: returns the vendor's own error for a fault, with these headers.
    """
    if fault is not None and fault.what == "refuse":
        after = fault.retry_after
        return refuse(fault, {} if after is None else {"Retry-After": after})
    if fault is not None and fault.what in {"cut_before", "slow_before"}:
        return await cut(request, fault.seconds if fault.what == "slow_before" else 0.0)
    return None


async def after_charging(request: Request, fault: Fault | None) -> Response | None:
    """Close the connection of a call that was charged and gets no response; None: it gets one."""
    if fault is not None and fault.what in {"cut_after", "slow_after"}:
        return await cut(request, fault.seconds if fault.what == "slow_after" else 0.0)
    return None


class DroppableProtocol(H11Protocol):
    """Lets a handler close its connection without an answer."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


def control_routes(records: VendorRecords) -> Sequence[BaseRoute]:
    """Return routes to set faults and to read the records, for a stand-in that runs by itself."""

    async def faults(request: Request) -> Response:
        if request.method == "DELETE":
            records.faults.clear()
        else:
            records.faults.append(Fault.model_validate_json(await request.body()))
        return Response(status_code=204)

    async def read(_: Request) -> Response:
        return JSONResponse({"charges": records.charges, "requests": records.requests})

    return [
        Route("/_faults", faults, methods=["POST", "DELETE"]),
        Route("/_records", read, methods=["GET"]),
    ]


@contextlib.contextmanager
def serving(application: ASGIApp) -> Iterator[str]:
    """Serve an application on loopback, in a thread, while the block runs; yield its address."""
    listening = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(
        application,
        http=DroppableProtocol,
        ws="none",
        lifespan="off",
        log_level="warning",
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
    thread.start()
    deadline = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    try:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(60)  # it closes the socket itself; closed under it, its thread would die of it


@cache
def picture(words: str, width: int, height: int) -> bytes:
    """Return a PNG file that shows the prompt."""
    return encode_png(_drawn(words, width, height, 0.0))


@cache
def clip(words: str, width: int, height: int, seconds: float) -> bytes:
    """Return an MP4 file that shows the prompt."""
    total = max(1, round(seconds * FPS))
    stills = [
        np.asarray(_drawn(words, width, height, step / 4), dtype=np.uint8) for step in range(4)
    ]
    frames = (stills[4 * number // total] for number in range(total))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        encode_clip(frames, path, width, height, FPS)
        return path.read_bytes()


def spoilt(content: bytes, fault: Fault | None) -> bytes:
    """Return a file as a fault leaves it."""
    if fault is not None and fault.what == "garbage":
        return b"<html>Bad gateway</html>"
    if fault is not None and fault.what == "truncate":
        return content[: len(content) // 3]
    return content


def _drawn(words: str, width: int, height: int, share: float) -> Image.Image:
    hue = sum(words.encode()) % 256
    band = Image.linear_gradient("L").resize((width, height))
    tint = Image.new("L", (width, height), (hue + round(40 * share)) % 256)
    flat = Image.new("L", (width, height), 110)
    image = Image.merge("HSV", (tint, flat, band)).convert("RGB")
    draw = ImageDraw.Draw(image)
    x = round(share * width * 0.5)
    draw.ellipse((x, height * 0.4, x + width * 0.2, height * 0.4 + width * 0.2), fill="white")
    draw.text((width * 0.04, height * 0.04), words[:80], fill="white")
    return image
