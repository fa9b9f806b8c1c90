"""Machines in network namespaces, on cables that can be pulled."""

import os
import secrets
import shutil
import subprocess
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Self

import pytest


@dataclass(frozen=True)
class Machine:
    """A machine of its own as far as the network goes; files are those of this machine.

    Attributes:
        name: of its network namespace.
        cable: the end of its cable that is plugged in here.
    """

    name: str
    cable: str

    @property
    def command(self) -> list[str]:
        """What to put before a command to run it there."""
        return [_ip(), "netns", "exec", self.name]

    def pull(self) -> None:
        """Cut it off: nothing gets through any more, and nobody is told."""
        _run("link", "set", self.cable, "down")

    def plug(self) -> None:
        """Connect it again."""
        _run("link", "set", self.cable, "up")


class Network:
    """A bridge here, with machines on it. Everything is gone after the `with` block."""

    def __init__(self) -> None:
        self._tag = secrets.token_hex(2)
        self._stack = ExitStack()
        self._machines = 0
        self._prefix = f"10.213.{secrets.randbelow(250) + 1}"
        self.address = f"{self._prefix}.1"

    def __enter__(self) -> Self:
        if os.geteuid() != 0 or not shutil.which("ip"):
            pytest.skip("network namespaces need root and iproute2")
        bridge = f"fivefold-{self._tag}"
        try:
            _run("link", "add", bridge, "type", "bridge")
        except subprocess.CalledProcessError as error:
            pytest.skip(f"no network can be made here: {error.stderr}")
        self._stack.callback(_run, "link", "delete", bridge)
        _run("address", "add", f"{self.address}/24", "dev", bridge)
        _run("link", "set", bridge, "up")
        self._bridge = bridge
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()

    def add_machine(self) -> Machine:
        self._machines += 1
        name = f"fivefold-{self._tag}-{self._machines}"
        machine = Machine(name, cable=f"ff-{self._tag}-{self._machines}")
        _run("netns", "add", name)
        self._stack.callback(_run, "netns", "delete", name)  # its cable goes with it
        there = ("peer", "name", "eth0", "netns", name)
        _run("link", "add", machine.cable, "type", "veth", *there)
        _run("link", "set", machine.cable, "master", self._bridge, "up")
        own = f"{self._prefix}.{self._machines + 1}/24"
        _run("-n", name, "address", "add", own, "dev", "eth0")
        for link in ("lo", "eth0"):
            _run("-n", name, "link", "set", link, "up")
        return machine


def _run(*arguments: str) -> None:
    subprocess.run([_ip(), *arguments], check=True, capture_output=True, text=True)


def _ip() -> str:
    return shutil.which("ip") or "ip"
