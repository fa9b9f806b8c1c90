"""`make run`: starts the database, web, worker and notifier, and restarts those that die."""

import errno
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.client import HTTPException
from typing import Final
from urllib.request import ProxyHandler, build_opener

from core.runtime.crash_report import CANNOT_START, SUPERVISED, TEMPORARY
from core.settings import Settings
from core.store import open_store
from core.store.embedded import EmbeddedMongo, exit_description
from core.store.mongod_files import EmbeddedUnavailable
from core.system.disks import DiskFull, FolderUnusable, check_data_folder
from core.system.filesystem import lock

READY_SECONDS: Final = 60.0
STOP_SECONDS: Final = 60.0  # more than a worker takes to finish its items
RESTART_PAUSES: Final = (0.5, 1.0, 2.0, 5.0, 10.0)  # seconds, after one death, two in a row, …
STEADY_SECONDS: Final = 60.0  # after which a death counts as the first again
MAX_START_FAILURES: Final = 4  # exits with an error soon after the start, in a row
_OTHER_PORTS: Final = (8600, 8700)
_TAIL_LINES: Final = 12
LOOK_SECONDS: Final = 0.2


class CannotStart(Exception):
    """Fivefold cannot start; the message says why and what to do."""


class Child:
    """A process that is restarted whenever it dies.

    Args:
        name: the subcommand of `python -m core` that it runs.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self._deaths = self._failures = 0
        self._restart_at = 0.0
        self._said: deque[str] = deque(maxlen=_TAIL_LINES)
        self._start()

    def _start(self) -> None:
        self._started_at = time.monotonic()
        self.process = subprocess.Popen(  # noqa: S603  # our own interpreter and module
            [sys.executable, "-m", "core", self.name],
            stdin=subprocess.PIPE,  # closes when this process dies: see core.runtime.process
            stderr=subprocess.PIPE,  # passed on; its last lines say why it ended
            env=os.environ | {SUPERVISED: "1"},
            start_new_session=True,  # Ctrl-C is for the supervisor alone
        )
        self._listener = threading.Thread(target=self._pass_on, args=[self.process], daemon=True)
        self._listener.start()

    def _pass_on(self, process: subprocess.Popen[bytes]) -> None:
        """Copy the process's standard error to our own, and remember the last lines."""
        if process.stderr is None:
            return
        with process.stderr as stream:
            for line in iter(stream.readline, b""):
                text = line.decode(errors="replace")
                self._said.append(text.rstrip())
                with suppress(OSError, ValueError):  # the terminal may be gone
                    sys.stderr.write(text)
                    sys.stderr.flush()

    def keep_running(self) -> None:
        """Restart the process if it has died, after a pause that grows with every death.

        Raises:
            CannotStart: a restart does not help.
        """
        if self.process.poll() is None:
            return
        if self.process.stdin is not None:
            self.process.stdin.close()
        if self.process.returncode == CANNOT_START:
            raise CannotStart(f"{self.name} cannot start: {self.last_words()}")
        moment = time.monotonic()
        if not self._restart_at:
            steady = moment - self._started_at > STEADY_SECONDS
            self._deaths = 1 if steady else self._deaths + 1
            # After a kill, or while the database is away, the next start may succeed.
            failed = self.process.returncode > 0 and self.process.returncode != TEMPORARY
            self._failures = self._failures + 1 if failed and not steady else int(failed)
            if self._failures >= MAX_START_FAILURES:
                raise CannotStart(
                    f"{self.name} ended {self._failures} times "
                    f"({exit_description(self.process.returncode)}): {self.last_words()}"
                )
            pause = RESTART_PAUSES[min(self._deaths, len(RESTART_PAUSES)) - 1]
            self._restart_at = moment + pause
            ending = exit_description(self.process.returncode)
            _say(f"  {self.name} ended ({ending}); starting it again in {pause:g} s")
        elif moment >= self._restart_at:
            self._restart_at = 0.0
            self._start()

    def last_words(self) -> str:
        """Return the last line that the process logged."""
        self._listener.join(1.0)
        lines = [line.strip() for line in self._said if line.strip()]
        return lines[-1].removeprefix("fivefold: ") if lines else "it said nothing."

    def stop(self, *, at_once: bool) -> None:
        """Ask the process to stop; `at_once`: a worker does not finish its items first."""
        if self.process.poll() is None:
            hurried = at_once and self.name == "worker"
            self.process.send_signal(signal.SIGINT if hurried else signal.SIGTERM)

    def wait(self, deadline: float) -> None:
        """Wait until the process has stopped; kill it at the deadline."""
        try:
            self.process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def supervise(
    settings: Settings,
    warnings: Callable[[Settings], list[str]],
    overview: Callable[[Settings], list[tuple[str, str]]],
) -> None:
    """Run all processes until SIGINT, SIGTERM or SIGHUP, then stop them.

    Args:
        settings: for all processes.
        warnings: returns the problems to report, one sentence each; called during the start.
        overview: returns the banner's rows, each a name and its text; called when all are ready.

    Raises:
        CannotStart: the data folder is in use or the port is busy.
        EmbeddedUnavailable: the database cannot be started.
        DatabaseUnavailable: the database at MONGODB_URI does not respond.
    """
    signals: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda received, _: signals.append(received))
    with _locked(settings), _database(settings) as mongo:
        children: list[Child] = []
        restart = _DatabaseRestarter(mongo) if mongo is not None else None
        try:
            children += [Child(name) for name in ("web", "worker", "notifier")]
            found = _StartupChecks(settings, warnings)
            announced = False
            ready_by = time.monotonic() + READY_SECONDS
            while not signals:
                if restart is not None:
                    restart.attempt(children)
                for child in children:
                    child.keep_running()
                if not announced and found.done and _is_healthy(settings):
                    announced = True
                    _say(_banner(settings, found.lines, overview(settings)))
                elif not announced and time.monotonic() > ready_by:
                    raise CannotStart(
                        f"The page was not ready in {READY_SECONDS:.0f} s. The last that its "
                        f"process said: {children[0].last_words()}"
                    )
                time.sleep(LOOK_SECONDS)
        finally:
            # After Ctrl-C nobody wants to wait for items that could still be finished.
            for child in children:
                child.stop(at_once=signal.SIGINT in signals)
            _say("\n  Stopping …")
            deadline = time.monotonic() + STOP_SECONDS
            for child in children:
                child.wait(deadline)
    _say("  Stopped.")


class _DatabaseRestarter:
    """Restarts the embedded database when it has died."""

    def __init__(self, mongo: EmbeddedMongo) -> None:
        self._mongo = mongo
        self._said = ""
        self._not_before = 0.0

    def attempt(self, children: list[Child]) -> None:
        """Restart it if it is dead; if its address changed, restart the processes that use it."""
        if self._mongo.running or time.monotonic() < self._not_before:
            return
        if not self._said:
            self._say("the database ended; starting it again")
        former = self._mongo.uri
        try:
            self._mongo.start()
        except EmbeddedUnavailable as error:
            self._say(f"{error} Trying again every {RESTART_PAUSES[-1]:g} s")
            self._not_before = time.monotonic() + RESTART_PAUSES[-1]
            return
        self._say("the database answers again")
        self._said = ""
        if self._mongo.uri != former:
            for child in children:
                child.stop(at_once=True)

    def _say(self, text: str) -> None:
        if text != self._said:  # a disk may be full for hours
            _say(f"  {text}")
        self._said = text


class _StartupChecks:
    """Runs the quick checks of `doctor` in a thread while the processes start."""

    def __init__(self, settings: Settings, warnings: Callable[[Settings], list[str]]) -> None:
        self.lines: list[str] = []
        self._settings, self._warnings = settings, warnings
        self._looking = threading.Thread(target=self._look, daemon=True)
        self._looking.start()

    @property
    def done(self) -> bool:
        """Whether all checks have finished."""
        return not self._looking.is_alive()

    def _look(self) -> None:
        self.lines = [f"  WARNING {each}" for each in self._warnings(self._settings)]


@contextmanager
def _locked(settings: Settings) -> Iterator[None]:
    """Lock the data folder and check that the port is free."""
    try:
        check_data_folder(settings.data_dir)
    except DiskFull as error:
        if not settings.mongodb_uri.get_secret_value():  # else a warning, with the banner
            text = str(error)
            raise CannotStart(f"Fivefold cannot start: {text[0].lower()}{text[1:]}") from None
    except FolderUnusable as error:
        raise CannotStart(str(error)) from None
    with (settings.data_dir / "lock").open("w") as file:
        if not lock(file):
            raise CannotStart(
                f"Fivefold already runs on the data folder {settings.data_dir.resolve()}. "
                "Stop it, or set DATA_DIR to another folder and PORT to another port."
            ) from None
        check_address_is_free(settings.bind_address, settings.port)
        yield


def check_address_is_free(address: str, port: int) -> None:
    """Check that this process can listen on an address.

    Raises:
        CannotStart: it cannot; the message says why and what to do.
    """
    try:
        found = socket.getaddrinfo(
            address, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE | socket.AI_NUMERICSERV
        )
    except (OSError, UnicodeError):
        raise CannotStart(
            f"BIND_ADDRESS={address} is no address of a network interface, nor a name that leads "
            "to one. Set it to 127.0.0.1 for this machine alone, or to 0.0.0.0 for the network."
        ) from None
    family, kind, protocol, _, place = found[0]
    try:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(place)
    except OSError as error:
        raise CannotStart(
            f"Port {port} on {address} cannot be used: {_why(error)}. {_advice(error, port)}"
        ) from None


def _why(error: OSError) -> str:
    return error.strerror or str(error)


def _advice(error: OSError, port: int) -> str:
    """Return what to do if an address cannot be listened on."""
    match error.errno:
        case errno.EADDRINUSE:
            other = next(each for each in _OTHER_PORTS if each != port)
            return f"Set PORT to a free one: `PORT={other} make run`."
        case errno.EACCES | errno.EPERM:
            return (
                "Ports below 1024 are root's on this machine: set PORT to a higher one, such as "
                "8501, and put a reverse proxy in front of it."
            )
        case errno.EADDRNOTAVAIL:
            return "No network interface of this machine has that address: set BIND_ADDRESS to one."
        case errno.EAFNOSUPPORT | errno.EPROTONOSUPPORT:
            return "This machine has no IPv6: set BIND_ADDRESS to 127.0.0.1, or to 0.0.0.0."
    return "Set BIND_ADDRESS and PORT to ones that can be used."


@contextmanager
def _database(settings: Settings) -> Iterator[EmbeddedMongo | None]:
    """Start the embedded database unless MONGODB_URI is set, and update the schema."""
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


def _is_healthy(settings: Settings) -> bool:
    address = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(  # noqa: S104  # compared only
        settings.bind_address, settings.bind_address
    )
    address = f"[{address}]" if ":" in address else address
    # Not through a proxy of the environment: it does not reach our loopback interface.
    direct = build_opener(ProxyHandler({}))
    health = f"http://{address}:{settings.port}/_stcore/health"
    with suppress(HTTPException, OSError), direct.open(health, timeout=1) as answer:
        return bool(answer.status == HTTPStatus.OK)
    return False


def _banner(settings: Settings, warnings: list[str], overview: list[tuple[str, str]]) -> str:
    lines = [f"  Fivefold is ready: {settings.link_base}", ""]
    lines += [f"  {name:<14} {text}" for name, text in overview]
    return "\n".join(["", *warnings, "", *lines, "", "  Ctrl-C stops it.", ""])


def _say(text: str) -> None:
    with suppress(OSError, ValueError):  # the terminal may be gone; stopping goes on without it
        print(text, flush=True)  # noqa: T201
