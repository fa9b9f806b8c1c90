"""The stand-in vendor as a process of its own."""

import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Self

import httpx2

from tests.product import ROOT, free_port

START_SECONDS = 30


class StudioProcess:
    """`python -m tests.servers.studio`, for as long as the `with` block lasts.

    Args:
        folder: its charges and its log are written there.
        address: where it listens.
        options: of its command line, such as `image=(0.1, 1)` or `jitter=0.5`.
    """

    def __init__(self, folder: Path, address: str = "127.0.0.1", **options: object) -> None:
        self.port = free_port()
        self.url = f"http://{address}:{self.port}"
        self._folder = folder
        self._address = address
        self._options: list[str] = []
        for name, value in options.items():
            values = value if isinstance(value, tuple) else (value,)
            self._options += [f"--{name}", *map(str, values)]
        # Not through the proxy that the environment may name: it does not reach our loopback.
        self._client = httpx2.Client(base_url=self.url, trust_env=False, timeout=30)

    def __enter__(self) -> Self:
        command = [sys.executable, "-m", "tests.servers.studio", "--address", self._address]
        command += ["--port", str(self.port), "--ledger", str(self._folder / "charges.jsonl")]
        with (self._folder / "studio.log").open("w") as log:
            self.process = subprocess.Popen(
                [*command, *self._options], cwd=ROOT, stdout=log, stderr=log
            )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self.process.poll() is None, (self._folder / "studio.log").read_text()
            assert time.monotonic() < deadline, "the stand-in did not start"
            time.sleep(0.05)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.close()
        self.process.terminate()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def fault(self, what: str, **details: float) -> None:
        """Let the next creations meet a fault; see `tests.servers.vendor.Fault`."""
        self._client.post("/faults", json={"what": what, **details}).raise_for_status()

    def ledger(self) -> dict[str, dict[str, Any]]:
        """What every asset was charged, and its tasks."""
        found: dict[str, dict[str, Any]] = self._client.get("/ledger").raise_for_status().json()
        return found

    def _answers(self) -> bool:
        try:
            return self._client.get("/health").is_success
        except httpx2.TransportError:
            return False
