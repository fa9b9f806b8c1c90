"""What an honest user feels under load: `python -m benchmarks.hostile_load`.

One process tree on one machine, so the load itself takes its part of the processor. Everything goes
over loopback, and each load has its end.
"""

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import httpx2
import psutil
from websockets.asyncio.client import connect

from tests.product import Product

SECONDS: Final = 12.0
"""How long each load lasts."""
Load = Callable[[str, float], Coroutine[Any, Any, None]]


async def idle(_url: str, until: float) -> None:
    """Do nothing."""
    await asyncio.sleep(max(0.0, until - time.monotonic()))


async def event_streams(url: str, until: float) -> None:
    """Hold 500 event streams of one user."""
    limits = httpx2.Limits(max_connections=600)
    async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=60, limits=limits) as user:
        await _log_in(user, "watcher")

        async def watch() -> None:
            with suppress(httpx2.HTTPError, TimeoutError):
                async with (
                    asyncio.timeout_at(_loop_time(until)),
                    user.stream("GET", "/events/cards") as answer,
                ):
                    async for _ in answer.aiter_bytes():
                        pass

        await asyncio.gather(*(watch() for _ in range(500)))


async def half_open(url: str, until: float) -> None:
    """Hold 800 requests whose headers do not end, and open those again that are closed."""

    async def hold() -> None:
        while time.monotonic() < until:
            with suppress(OSError, TimeoutError):
                port = int(url.rpartition(":")[2])
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                try:
                    writer.write(b"GET / HTTP/1.1\r\nHost: localhost\r\nX-A: ")
                    async with asyncio.timeout_at(_loop_time(until)):
                        await reader.read()
                finally:
                    writer.close()
            await asyncio.sleep(0.5)

    await asyncio.gather(*(hold() for _ in range(800)))


async def logins(url: str, until: float) -> None:
    """Log in 200 times, ten at once."""
    left = iter(range(200))

    async def log_in() -> None:
        async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=60) as user:
            for number in left:
                if time.monotonic() > until:
                    return
                await _log_in(user, f"guest{number}")

    await asyncio.gather(*(log_in() for _ in range(10)))
    await idle(url, until)


async def websocket_flood(url: str, until: float) -> None:
    """Open ten websockets again and again, each of which sends 40,000 messages of two bytes."""

    async def flood() -> None:
        while time.monotonic() < until:
            with suppress(Exception):  # closed, refused: what is to be expected
                address = url.replace("http", "ws") + "/_stcore/stream"
                async with connect(address, origin=url, proxy=None) as websocket:  # type: ignore[arg-type]
                    for _ in range(40_000):
                        await websocket.send(b"ab")
            await asyncio.sleep(0.1)

    await asyncio.gather(*(flood() for _ in range(10)))


async def upload_flood(url: str, until: float) -> None:
    """Send 1 MB to Streamlit's route for uploads, ten at once."""

    async def upload() -> None:
        async with httpx2.AsyncClient(base_url=url, trust_env=False, timeout=60) as guest:
            while time.monotonic() < until:
                with suppress(httpx2.HTTPError):
                    files = {"file": ("a.bin", bytes(1_000_000))}
                    await guest.put("/_stcore/upload_file/a/b", files=files)

    await asyncio.gather(*(upload() for _ in range(10)))


LOADS: Final[dict[str, Load]] = {
    "idle": idle,
    "500 event streams": event_streams,
    "800 half-open": half_open,
    "200 logins": logins,
    "websocket flood": websocket_flood,
    "upload flood": upload_flood,
}


def main() -> None:
    """Run each load, in a process of its own, and print the table."""
    if len(sys.argv) > 1:
        name, url, seconds = sys.argv[1:]
        asyncio.run(LOADS[name](url, time.monotonic() + float(seconds)))
        return
    with tempfile.TemporaryDirectory() as folder:
        product = Product(Path(folder)).start()
        try:
            print(f"load average at the start: {os.getloadavg()[0]:.1f}")
            print("| load | `/library/items` p95 | login p95 | RSS |\n|---|---|---|---|")
            for name in LOADS:
                _measure(name, product)
        finally:
            product.stop()


def _measure(name: str, product: Product) -> None:
    web = product.children()["web"]
    before = web.memory_info().rss
    load = subprocess.Popen(
        [sys.executable, "-m", "benchmarks.hostile_load", name, product.url, str(SECONDS)]
    )
    listed: list[float] = []
    entered: list[float] = []
    most = before
    headers = {"Origin": product.url}
    with httpx2.Client(base_url=product.url, trust_env=False, timeout=60, headers=headers) as user:
        user.post("/auth/login", json={"user_id": "honest"}).raise_for_status()
        while load.poll() is None:
            entered.append(_timed(lambda: user.post("/auth/login", json={"user_id": "honest"})))
            listed += [_timed(lambda: user.get("/library/items")) for _ in range(4)]
            with suppress(psutil.NoSuchProcess):
                most = max(most, web.memory_info().rss)
            time.sleep(0.05)
    grown = (most - before) / 1e6
    print(f"| {name} | {_p95(listed)} ms | {_p95(entered)} ms | +{grown:.0f} MB |", flush=True)


def _timed(ask: Callable[[], httpx2.Response]) -> float:
    started = time.monotonic()
    ask().raise_for_status()
    return (time.monotonic() - started) * 1000


def _p95(times: list[float]) -> str:
    return f"{statistics.quantiles(times, n=20)[-1]:.0f}" if len(times) > 1 else "none"


async def _log_in(user: httpx2.AsyncClient, name: str) -> None:
    origin = {"Origin": str(user.base_url).rstrip("/")}
    with suppress(httpx2.HTTPError):
        await user.post("/auth/login", json={"user_id": name, "register": True}, headers=origin)


def _loop_time(until: float) -> float:
    return asyncio.get_running_loop().time() + until - time.monotonic()


if __name__ == "__main__":
    main()
