"""Web processes to measure, ours and the contender's, and the visitors who open their pages."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self
from urllib.parse import urlencode

import httpx2
import psutil
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.asyncio.client import ClientConnection, connect

from benchmarks.harness import PYTHON, Fivefold, await_ready, started
from core.web.identity.cookies import COOKIE, Identity
from tests.product import ROOT, free_port

KEY: Final = "a-key-for-benchmarks"
USER: Final = "ana"
IDLE_SECONDS: Final = 0.02  # of the processor in half a second
_IDENTITY: Final = Identity(KEY, days=1, secure=False)


@dataclass(frozen=True)
class Web:
    """A running web process.

    Attributes:
        port: where it is on this machine.
        native: whether it is the contender.
        process: the process.
    """

    port: int
    native: bool
    process: psutil.Process

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://localhost:{self.port}"

    def processor(self) -> float:
        """Return the processor seconds that it has used so far."""
        used = self.process.cpu_times()
        return used.user + used.system

    def megabytes(self) -> float:
        """Return its memory (RSS)."""
        return float(self.process.memory_info().rss / 1e6)


@contextmanager
def serving(fivefold: Fivefold, *, native: bool) -> Iterator[Web]:
    """Run our web process, or the contender, on an installation beside the block."""
    port, log = free_port(), fivefold.folder / "web.log"
    environment = os.environ | fivefold.environment
    environment |= {
        "DATA_DIR": str(fivefold.folder / "data"),
        "SESSION_SECRET": KEY,
        "PORT": str(port),
        "PYTHONPATH": str(ROOT),
    }
    folder: Path = ROOT
    command = [*PYTHON, "core", "web"]
    if native:  # away from our .streamlit/config.toml: with the defaults
        folder = fivefold.folder
        command = [*PYTHON, "streamlit", "run", str(ROOT / "benchmarks" / "native.py")]
        command += ["--server.headless", "true", "--browser.gatherUsageStats", "false"]
        command += ["--server.port", str(port), "--server.address", "127.0.0.1"]
    with started(command, log, environment, folder) as process:
        health = f"http://127.0.0.1:{port}/_stcore/health"
        await_ready(lambda: httpx2.get(health, trust_env=False).is_success, process, log)
        yield Web(port, native, psutil.Process(process.pid))


def cookie(fivefold: Fivefold) -> str:
    """Return the value of a cookie that proves a new login of the benchmarks' user."""
    secret, _ = fivefold.store.login_sessions.begin(USER, 1)
    return _IDENTITY._signer.sign(secret).decode()  # noqa: SLF001  # as the login route does


class Tab:
    """A browser tab as Streamlit's server sees it: a websocket that asks for a page."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket

    @classmethod
    async def open(cls, web: Web, cookie: str) -> Self:
        """Return a tab that has nothing drawn yet; it is open for as long as it is kept."""
        headers = {"Cookie": f"{COOKIE}={cookie}"}
        address = f"ws://127.0.0.1:{web.port}/_stcore/stream"
        socket = await connect(
            address, additional_headers=headers, proxy=None, max_size=None, open_timeout=60
        )
        return cls(socket)

    async def draw(self, page: str = "", **query: str) -> "list[ForwardMsg]":
        """Ask for a page and return all that comes until it is drawn."""
        asked = BackMsg()
        asked.rerun_script.query_string = urlencode(query)
        asked.rerun_script.page_name = page
        return await self._run(asked)

    async def draw_fragment(self, fragment_id: str) -> "list[ForwardMsg]":
        """Have a fragment run again, as `run_every` does."""
        asked = BackMsg()
        asked.rerun_script.fragment_id = fragment_id
        asked.rerun_script.is_auto_rerun = True
        return await self._run(asked)

    async def _run(self, asked: BackMsg) -> "list[ForwardMsg]":
        await self._socket.send(asked.SerializeToString())
        heard = []
        while True:
            said = ForwardMsg()
            said.ParseFromString(await self._socket.recv(decode=False))
            heard.append(said)
            if said.WhichOneof("type") == "script_finished":
                return heard


async def open_tabs(
    web: Web, cookie: str, number: int, page: str, **query: str
) -> "list[tuple[Tab, list[ForwardMsg]]]":
    """Open so many tabs with a page drawn, a few at a time; they end when nobody keeps them."""
    few = asyncio.Semaphore(5)

    async def one() -> "tuple[Tab, list[ForwardMsg]]":
        async with few:
            tab = await Tab.open(web, cookie)
            return tab, await tab.draw(page, **query)

    return await asyncio.gather(*(one() for _ in range(number)))


def settle(web: Web, seconds: float = 10) -> None:
    """Wait until a process has come to rest, for so long at most."""
    end, before = time.monotonic() + seconds, -1.0
    while time.monotonic() < end and web.processor() - before > IDLE_SECONDS:
        before = web.processor()
        time.sleep(0.5)
