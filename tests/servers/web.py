"""The web process on a test's database, alone; and its websocket, spoken to by hand."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx2
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import ClientConnection, connect

from core.settings import Settings
from core.web.identity.cookies import COOKIE, Identity
from tests.product import ROOT, START_SECONDS, free_port

KEY = "a-key-for-tests"
IDENTITY = Identity(KEY, days=30, secure=False)


class Web:
    """A running web process.

    Attributes:
        port: where it listens.
        process: it.
    """

    def __init__(self, port: int, process: "subprocess.Popen[bytes]") -> None:
        self.port = port
        self.url = f"http://127.0.0.1:{port}"
        self.process = process

    def client(self, **headers: str) -> httpx2.Client:
        """A program with these headers and no proxy."""
        return httpx2.Client(base_url=self.url, headers=headers, trust_env=False, timeout=30)

    def socket(
        self, headers: dict[str, str] | None = None, path: str = "/_stcore/stream", **more: Any
    ) -> ClientConnection:
        """Open the pages' websocket; `Host` among the headers is the only one sent."""
        headers = dict(headers or {})
        host = headers.pop("Host", f"127.0.0.1:{self.port}")
        raw = socket.create_connection(("127.0.0.1", self.port), 30)
        more.setdefault("max_size", None)
        connection: ClientConnection = connect(
            f"ws://{host}{path}", additional_headers=headers, sock=raw, proxy=None, **more
        )
        return connection


@contextmanager
def serving(
    settings: Settings, environment: dict[str, str] | None = None, log: Path | None = None
) -> Iterator[Web]:
    """Run `python -m core web` until it answers, and end it afterwards.

    Args:
        settings: where its database and folders are.
        environment: further settings; `PORT` where it has to be known before.
        log: the file that all it writes goes to; None: where the test's own output goes.
    """
    port = int((environment or {}).get("PORT") or free_port())
    with ExitStack() as stack:
        output = None if log is None else stack.enter_context(log.open("wb"))
        process = subprocess.Popen(
            [sys.executable, "-m", "core", "web"],
            cwd=ROOT,
            env=os.environ
            | {
                "MONGODB_URI": settings.mongodb_uri.get_secret_value(),
                "MONGODB_DATABASE": settings.mongodb_database,
                "DATA_DIR": str(settings.data_dir),
                "CONTENT_URL": settings.content_url,
                "SESSION_SECRET": KEY,
                "PORT": str(port),
            }
            | (environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output and subprocess.STDOUT,
        )
        web = Web(port, process)
        try:
            deadline = time.monotonic() + START_SECONDS
            while not _answers(web):
                assert process.poll() is None
                assert time.monotonic() < deadline
                time.sleep(0.05)
            yield web
        finally:
            process.terminate()
            code = process.wait(30)
    assert code in (0, -15)


def _answers(web: Web) -> bool:
    try:
        return httpx2.get(f"{web.url}/health", trust_env=False).is_success
    except httpx2.HTTPError:
        return False


def cookie(secret: str, identity: Identity = IDENTITY) -> dict[str, str]:
    """The cookie of a session's secret."""
    return {"Cookie": f"{COOKIE}={identity._signer.sign(secret).decode()}"}  # noqa: SLF001


def rerun(query: str = "", page: str = "") -> bytes:
    """What a browser sends to have a page drawn."""
    message = BackMsg()
    message.rerun_script.query_string = query
    message.rerun_script.page_name = page
    return bytes(message.SerializeToString())


def drawn(connection: ClientConnection, query: str = "", page: str = "") -> str:
    """Have a page drawn, and return all that was said of it."""
    connection.send(rerun(query, page))
    found = ""
    while True:
        said = ForwardMsg()
        said.ParseFromString(connection.recv(30, decode=False))
        found += str(said)
        if said.WhichOneof("type") == "script_finished":
            return found
