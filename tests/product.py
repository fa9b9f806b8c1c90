"""The product as a user runs it: `python -m core run` in a folder of its own."""

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from core.settings import Settings
from tests.kept_secret import look_over

ROOT: Final = Path(__file__).parents[1]
START_SECONDS: Final = 180
OWN_SECRETS: Final = ("session.key", "mongod.key")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Product:
    """A running Fivefold; its processes end with `stop`."""

    def __init__(self, folder: Path, **settings: str) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.environment = os.environ | {
            "DATA_DIR": str(folder / "data"),
            "CONTENT_URL": str(folder / "generated_content"),
            "PORT": str(self.port),
            "PYTHONUNBUFFERED": "1",
            **settings,
        }
        self.prefix: list[str] = []  # a command that runs the product, as another account, say
        self.output = ""
        self._heard = threading.Condition()
        self._ended = False

    @property
    def settings(self) -> Settings:
        """Settings that open its database and its files."""
        return Settings(
            _env_file=None,
            data_dir=Path(self.environment["DATA_DIR"]),
            content_url=self.environment["CONTENT_URL"],
        )

    def start(self) -> "Product":
        self.process = subprocess.Popen(
            [*self.prefix, sys.executable, "-m", "core", "run"],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            self.hear("Fivefold is ready", START_SECONDS)
        except AssertionError:  # nobody would stop it
            self.process.kill()
            raise
        return self

    def hear(self, text: str, seconds: float = 180) -> None:
        """Wait until the product has printed `text`."""
        with self._heard:
            heard = self._heard.wait_for(lambda: text in self.output or self._ended, seconds)
            heard = heard and text in self.output
        assert heard, f"{text!r} was not printed:\n{self.output}"

    def children(self) -> dict[str, psutil.Process]:
        """The processes below the supervisor by name: web, worker, notifier, mongod."""
        found = {}
        for child in psutil.Process(self.process.pid).children():
            with suppress(psutil.NoSuchProcess):  # it died a moment ago
                command = child.cmdline()
                if not command:
                    continue  # likewise
                found["mongod" if "--dbpath" in command else command[-1]] = child
        return found

    def command(self, *arguments: str, timeout: float = 240) -> subprocess.CompletedProcess[str]:
        """Run `python -m core …` beside it."""
        ran = subprocess.run(
            [*self.prefix, sys.executable, "-m", "core", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )
        look_over(ran.stdout + ran.stderr, f"`{arguments[0]}`", self._own_secrets())
        return ran

    def stop(self, how: int = signal.SIGINT) -> int:
        """Stop it as Ctrl-C does and return its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(how)
        code = self.process.wait(90)
        self._reader.join(30)
        if self.process.stdout is not None:
            self.process.stdout.close()
        look_over(self.output, "the product", self._own_secrets())
        return code

    def _own_secrets(self) -> list[str]:
        """What it has made for itself: the signing secret, the database's key."""
        folder = Path(self.environment["DATA_DIR"])
        found = []
        for name in OWN_SECRETS:
            with suppress(OSError):  # it has none
                found.append((folder / name).read_text().strip())
        return [each for each in found if each]

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            with self._heard:
                self.output += line
                self._heard.notify_all()
        with self._heard:
            self._ended = True
            self._heard.notify_all()
