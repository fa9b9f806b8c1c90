"""`make run`: starts the database, web, worker and notifier, and restarts what dies."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPException
from typing import Final
from urllib.request import ProxyHandler, build_opener

from core.process import SUPERVISED
from core.settings import Settings
from core.store import open_store
from core.store.embedded import EmbeddedMongo, EmbeddedUnavailable

READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 60.0  # more than a worker takes to end what it can
RESTART_PAUSES: Final = (0.5, 1.0, 2.0, 5.0, 10.0)  # seconds, after one death, two in a row, …
STEADY_SECONDS: Final = 60.0  # a process that ran this long starts again from the first pause
LOOK_SECONDS: Final = 0.2


class CannotStart(Exception):
    """Fivefold cannot start here; the text says why and what to do."""


class Child:
    """One process that is kept running.

    Args:
        name: the subcommand of `python -m core` that it runs.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._deaths = 0
        self._restart_at = 0.0
        self._start()

    def _start(self) -> None:
        self._started_at = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
            [sys.executable, "-m", "core", self.name],
            stdin=subprocess.PIPE,  # closes when this process dies: see core.process
            env=os.environ | {SUPERVISED: "1"},
            start_new_session=True,  # Ctrl-C is for the supervisor alone
        )

    def keep_running(self) -> None:
        """Start it again where it has died, after a pause that grows with every death."""
        if self.process.poll() is None:
            return
        moment = time.monotonic()
        if not self._restart_at:
            steady = moment - self._started_at > STEADY_SECONDS
            self._deaths = 1 if steady else self._deaths + 1
            pause = RESTART_PAUSES[min(self._deaths, len(RESTART_PAUSES)) - 1]
            self._restart_at = moment + pause
            _say(f"  {self.name} ended ({_ending(self.process)}); starting it again in {pause:g} s")
        elif moment >= self._restart_at:
            self._restart_at = 0.0
            self._start()

    def stop(self, *, at_once: bool) -> None:
        """Ask it to stop; only a worker has something to finish where there is time."""
        if self.process.poll() is None:
            hurried = at_once and self.name == "worker"
            self.process.send_signal(signal.SIGINT if hurried else signal.SIGTERM)

    def wait(self, deadline: float) -> None:
        """Wait until it has stopped, and kill it at the deadline."""
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def supervise(settings: Settings) -> None:
    """Run everything until SIGINT or SIGTERM, then stop all of it.

    Raises:
        CannotStart: the data folder is in use or the port is busy.
        EmbeddedUnavailable: the database cannot be started.
        DatabaseUnavailable: the database that MONGODB_URI names does not answer.
    """
    asked: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: asked.append(received))
    with _locked(settings), _database(settings) as mongo:
        children = [Child(name) for name in ("web", "worker", "notifier")]
        try:
            announced = False
            ready_by = time.monotonic() + READY_SECONDS
            while not asked:
                if mongo is not None and not mongo.running:
                    _restart(mongo, children)
                for child in children:
                    child.keep_running()
                if not announced and _answers(settings):
                    announced = True
                    _say(_banner(settings))
                elif not announced and time.monotonic() > ready_by:
                    raise CannotStart(f"The page was not ready in {READY_SECONDS:.0f} s.")
                time.sleep(LOOK_SECONDS)
        finally:
            _say("\n  Stopping …")
            # Somebody at the keyboard does not want to wait for what could still be finished.
            for child in children:
                child.stop(at_once=signal.SIGINT in asked)
            deadline = time.monotonic() + STOP_SECONDS
            for child in children:
                child.wait(deadline)
    _say("  Stopped.")


def _restart(mongo: EmbeddedMongo, children: list[Child]) -> None:
    """Start a database that has died; where its address changed, so must all who use it."""
    _say("  the database ended; starting it again")
    former = mongo.uri
    try:
        mongo.start()
    except EmbeddedUnavailable as error:
        _say(f"  {error} Trying again in {RESTART_PAUSES[-1]:g} s")
        time.sleep(RESTART_PAUSES[-1])
    if mongo.uri != former:
        for child in children:
            child.stop(at_once=True)


@contextmanager
def _locked(settings: Settings) -> Iterator[None]:
    """Hold the data folder and see that the port is free."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        lock = (settings.data_dir / "lock").open("w")
    except OSError as error:
        raise CannotStart(
            f"The data folder {settings.data_dir} cannot be used: {error.strerror}. "
            "Set DATA_DIR to a folder that can be written to."
        ) from None
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise CannotStart(
                f"Fivefold already runs on the data folder {settings.data_dir.resolve()}. "
                "Stop it, or set DATA_DIR to another folder and PORT to another port."
            ) from None
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((settings.bind_address, settings.port))
            except OSError as error:
                raise CannotStart(
                    f"Port {settings.port} on {settings.bind_address} cannot be used "
                    f"({error.strerror}). Set PORT to a free one: `PORT=8600 make run`."
                ) from None
        yield


@contextmanager
def _database(settings: Settings) -> Iterator[EmbeddedMongo | None]:
    """Start the embedded database where no other is named, and bring its schema up to date."""
    mongo = None
    if not settings.mongodb_uri.get_secret_value():
        mongo = EmbeddedMongo(settings.data_dir)
        mongo.start()
    try:
        with open_store(settings) as store:
            store.ensure_schema()
        yield mongo
    finally:
        if mongo is not None:
            mongo.stop()


def _answers(settings: Settings) -> bool:
    address = settings.bind_address.replace("0.0.0.0", "127.0.0.1")  # noqa: S104  # compared only
    # Not through the proxy that the environment may name: it does not reach our loopback.
    direct = build_opener(ProxyHandler({}))
    health = f"http://{address}:{settings.port}/_stcore/health"
    with suppress(HTTPException, OSError), direct.open(health, timeout=1) as answer:
        return bool(answer.status == HTTPStatus.OK)
    return False


def _banner(settings: Settings) -> str:
    from core.doctor import overview  # noqa: PLC0415  # loads the providers: not before the start

    lines = [f"  Fivefold is ready: {settings.link_base}", ""]
    lines += [f"  {name:<14} {text}" for name, text in overview(settings)]
    return "\n".join(["", *lines, "", "  Ctrl-C stops it.", ""])


def _ending(process: subprocess.Popen[bytes]) -> str:
    code = process.returncode
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


def _say(text: str) -> None:
    with suppress(OSError):  # the terminal may be gone; stopping goes on without it
        print(text, flush=True)  # noqa: T201
