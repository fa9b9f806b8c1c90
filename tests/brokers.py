"""Real brokers on loopback, each in a folder of its own, for as long as a test needs them."""

import os
import secrets
import shutil
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Self

import psutil
import pytest

from tests.product import free_port

START_SECONDS = 60
STOP_SECONDS = 20
RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # not the one that becomes another user


class Broker(ABC):
    """A server that can be killed and started again on the same port and data."""

    def __init__(self, folder: Path, address: str = "127.0.0.1") -> None:
        self.folder = folder
        self.address = address
        self.port = free_port()
        folder.mkdir(parents=True, exist_ok=True)

    @property
    @abstractmethod
    def url(self) -> str:
        """What BROKER_URL is set to."""

    @abstractmethod
    def start(self) -> Self:
        """Start it and wait until it takes connections."""

    @abstractmethod
    def kill(self) -> None:
        """End it with SIGKILL."""

    @abstractmethod
    def stop(self) -> None:
        """End it in order, with all that it started."""

    def _start(self, command: list[str], environment: dict[str, str]) -> "subprocess.Popen[bytes]":
        with (self.folder / "output.log").open("ab") as log:
            return subprocess.Popen(
                command,
                cwd=self.folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def _await_answer(self, process: "subprocess.Popen[bytes]", question: bytes) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not self._answers(question):
            log = (self.folder / "output.log").read_text(errors="replace")
            assert process.poll() is None, log
            assert time.monotonic() < deadline, f"{self.url} did not start: {log}"
            time.sleep(0.05)

    def _answers(self, question: bytes) -> bool:
        with (
            suppress(OSError),
            socket.create_connection((self.address, self.port), timeout=1) as connection,
        ):
            connection.sendall(question)
            return bool(connection.recv(1))
        return False


class Redis(Broker):
    """A `redis-server` that has every write on disk before it answers."""

    @property
    def url(self) -> str:
        return f"redis://{self.address}:{self.port}/0"

    def start(self) -> Self:
        options = {
            "port": str(self.port),
            "bind": self.address,
            "protected-mode": "no",  # it is bound to an address that only this machine reaches
            "dir": str(self.folder),
            "save": "",
            "appendonly": "yes",
            "appendfsync": "always",
        }
        flags = [part for name, value in options.items() for part in (f"--{name}", value)]
        self.process = self._start([_found("redis-server"), *flags], dict(os.environ))
        self._await_answer(self.process, b"PING\r\n")
        return self

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def stop(self) -> None:
        _end(self.process)


class RabbitMQ(Broker):
    """A `rabbitmq-server` with a name server (epmd) of its own.

    Started by itself, epmd becomes a daemon that outlives everybody; started here, it is ours.
    """

    def __init__(self, folder: Path, address: str = "127.0.0.1") -> None:
        super().__init__(folder, address)
        self._epmd_port, self._peer_port = free_port(), free_port()
        self._node = f"fivefold-{secrets.token_hex(4)}@localhost"
        self._epmd: subprocess.Popen[bytes] | None = None
        for name in ("rabbitmq.conf", "rabbitmq-env.conf"):
            (folder / name).touch()
        (folder / "enabled_plugins").write_text("[].")

    @property
    def url(self) -> str:
        return f"amqp://guest:guest@{self.address}:{self.port}/"

    def start(self) -> Self:
        if self._epmd is None:
            epmd = [_found("epmd"), "-address", "127.0.0.1", "-port", str(self._epmd_port)]
            self._epmd = self._start(epmd, self._environment())
        self.process = self._start([str(RABBITMQ)], self._environment())
        self._await_answer(self.process, b"AMQP\x00\x00\x09\x01")
        return self

    def kill(self) -> None:
        self._server().kill()  # the script that started it ends after it
        self.process.wait(STOP_SECONDS)

    def stop(self) -> None:
        if self.process.poll() is None:
            server = self._server()
            server.terminate()
            try:
                server.wait(STOP_SECONDS)
            except psutil.TimeoutExpired:
                server.kill()
            self.process.wait(STOP_SECONDS)
        if self._epmd is not None:
            _end(self._epmd)
            self._epmd = None

    def _server(self) -> psutil.Process:
        children = psutil.Process(self.process.pid).children()
        return next(child for child in children if child.name().startswith("beam"))

    def _environment(self) -> dict[str, str]:
        return os.environ | {
            "HOME": str(self.folder),  # the cookie that its parts know each other by
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": self._node,
            "RABBITMQ_NODE_IP_ADDRESS": self.address,
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._peer_port),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "log"),
            "RABBITMQ_PID_FILE": str(self.folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(self.folder / "rabbitmq-env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "enabled_plugins"),
        }


def start_broker(name: str, folder: Path, address: str = "127.0.0.1") -> Broker:
    """Start the broker of a name: `redis` or `rabbitmq`."""
    return {"redis": Redis, "rabbitmq": RabbitMQ}[name](folder, address).start()


def require(name: str) -> None:
    """Skip the test where a broker is not installed; fail it where REQUIRE_BROKERS is set."""
    installed = RABBITMQ.exists() and shutil.which("epmd") if name == "rabbitmq" else _which(name)
    if installed:
        return
    message = f"{name}-server is not installed"
    if os.environ.get("REQUIRE_BROKERS") == "1":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[Broker]:
    require("redis")
    broker = start_broker("redis", tmp_path / "redis")
    yield broker
    broker.stop()


# Once for all tests: it takes seconds to start.
@pytest.fixture(scope="session")
def rabbitmq(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    require("rabbitmq")
    broker = start_broker("rabbitmq", tmp_path_factory.mktemp("rabbitmq"))
    yield broker
    broker.stop()


def _which(name: str) -> str | None:
    return shutil.which(f"{name}-server")


def _found(program: str) -> str:
    path = shutil.which(program)
    assert path, f"{program} is not installed"
    return path


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
