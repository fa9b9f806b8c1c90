"""A desktop session of its own: a private D-Bus, and a notification service on it."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import pytest
from dbus_fast import Message, MessageType, Variant
from dbus_fast.aio.message_bus import MessageBus
from dbus_fast.annotations import DBusDict, DBusInt32, DBusSignature, DBusStr, DBusUInt32
from dbus_fast.errors import DBusError
from dbus_fast.service import ServiceInterface, dbus_method, dbus_signal

SERVICE = "org.freedesktop.Notifications"
PATH = "/org/freedesktop/Notifications"
DISMISSED = 2

# Without folders of services: on a developer's machine nothing real is started for a test.
CONFIG = """<!DOCTYPE busconfig PUBLIC "-//freedesktop//DTD D-Bus Bus Configuration 1.0//EN"
 "http://www.freedesktop.org/standards/dbus/1.0/busconfig.dtd">
<busconfig>
  <type>session</type>
  <listen>{address}</listen>
  <auth>EXTERNAL</auth>
  <policy context="default">
    <allow send_destination="*" eavesdrop="true"/>
    <allow eavesdrop="true"/>
    <allow own="*"/>
  </policy>
</busconfig>
"""

Strings = Annotated[list[str], DBusSignature("as")]
ServerInformation = Annotated[tuple[str, str, str, str], DBusSignature("ssss")]
Closed = Annotated[tuple[int, int], DBusSignature("uu")]
Invoked = Annotated[tuple[int, str], DBusSignature("us")]


def need_dbus() -> None:
    """Skip the test where there is no D-Bus; fail it where `REQUIRE_DBUS` says that there is."""
    if sys.platform != "linux":
        pytest.skip("D-Bus carries notifications on Linux only")
    if shutil.which("dbus-daemon") is None:
        missing = "dbus-daemon is not installed (Debian's package dbus)"
        if os.environ.get("REQUIRE_DBUS"):
            pytest.fail(missing)
        pytest.skip(missing)


class Bus:
    """A D-Bus daemon that nobody else knows of.

    Args:
        folder: where its socket and configuration go.
    """

    def __init__(self, folder: Path) -> None:
        self.socket = folder / "bus"
        self.address = f"unix:path={self.socket}"
        self._config = folder / "bus.conf"
        self._config.write_text(CONFIG.format(address=self.address))
        self._daemon: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it listens, which is when it prints its address."""
        daemon = subprocess.Popen(
            ["dbus-daemon", f"--config-file={self._config}", "--nofork", "--print-address"],  # noqa: S607
            stdout=subprocess.PIPE,
        )
        assert daemon.stdout is not None
        with daemon.stdout as output:
            assert output.readline().startswith(self.address.encode())
        self._daemon = daemon

    def kill(self) -> None:
        if self._daemon is not None:
            self._daemon.kill()
            self._daemon.wait(10)
            self._daemon = None

    @contextlib.contextmanager
    def frozen(self) -> Iterator[None]:
        """Let it do nothing while the block runs."""
        assert self._daemon is not None
        self._daemon.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._daemon.send_signal(signal.SIGCONT)


@contextlib.contextmanager
def private_bus(folder: Path) -> Iterator[Bus]:
    """Run a bus while the block runs."""
    bus = Bus(folder)
    bus.start()
    try:
        yield bus
    finally:
        bus.kill()


@dataclass(frozen=True)
class Shown:
    """A notification that the service was asked to show."""

    id: int
    app: str
    icon: str
    title: str
    text: str
    actions: list[str]
    hints: dict[str, Variant]


class NotificationService(ServiceInterface):
    """The service, as far as desktop-notifier asks it.

    Attributes:
        shown: what it was asked to show.
        refuses: whether it answers with an error when it is asked to show something.
    """

    def __init__(self, product: str, capabilities: list[str]) -> None:
        super().__init__(SERVICE)
        self.product = product
        self.capabilities = capabilities
        self.shown: list[Shown] = []
        self.refuses = False

    @dbus_method(name="GetCapabilities")
    def get_capabilities(self) -> Strings:
        return self.capabilities

    @dbus_method(name="GetServerInformation")
    def get_server_information(self) -> ServerInformation:
        return self.product, "tests", "1.0", "1.2"

    @dbus_method(name="Notify")
    def notify(  # noqa: PLR0913, PLR0917  # the specification's
        self,
        app: DBusStr,
        _replaces: DBusUInt32,
        icon: DBusStr,
        title: DBusStr,
        text: DBusStr,
        actions: Strings,
        hints: DBusDict,
        _timeout: DBusInt32,
    ) -> DBusUInt32:
        if self.refuses:
            raise DBusError(f"{SERVICE}.Error.ExcessNotificationGeneration", "Too many")
        self.shown.append(Shown(len(self.shown) + 1, app, icon, title, text, actions, hints))
        return len(self.shown)

    @dbus_method(name="CloseNotification")
    def close_notification(self, number: DBusUInt32) -> None:
        self.notification_closed(number, 3)

    @dbus_signal(name="NotificationClosed")
    def notification_closed(self, number: int, reason: int) -> Closed:
        return number, reason

    @dbus_signal(name="ActionInvoked")
    def action_invoked(self, number: int, action: str) -> Invoked:
        return number, action


class Screen:
    """A notification service on a bus, in a thread of its own.

    Args:
        address: the bus.
        product: what the service is called.
        capabilities: what it says that it can do.

    Attributes:
        hangs: whether it leaves every call without an answer.
    """

    def __init__(
        self,
        address: str,
        product: str = "Screen for tests",
        capabilities: tuple[str, ...] = ("actions", "body", "body-markup"),
    ) -> None:
        self.hangs = False
        self._service = NotificationService(product, list(capabilities))
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._bus: MessageBus = self._run(self._own(address))

    @property
    def shown(self) -> list[Shown]:
        return self._service.shown

    def refuse(self) -> None:
        """Answer with an error to whatever is to be shown from now on."""
        self._service.refuses = True

    def click(self, shown: Shown, action: str = "default") -> None:
        """Click a notification, which closes it."""

        def clicked() -> None:
            self._service.action_invoked(shown.id, action)
            self._service.notification_closed(shown.id, DISMISSED)

        self._call(clicked)

    def dismiss(self, shown: Shown) -> None:
        """Wave a notification away."""
        self._call(lambda: self._service.notification_closed(shown.id, DISMISSED))

    def vanish(self) -> None:
        """Leave the bus."""
        self._run(self._leave())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    async def _own(self, address: str) -> MessageBus:
        bus = await MessageBus(bus_address=address).connect()
        bus.add_message_handler(self._swallow)
        bus.export(PATH, self._service)
        await bus.request_name(SERVICE)
        return bus

    async def _leave(self) -> None:
        self._bus.disconnect()
        with contextlib.suppress(Exception):  # the bus may have been killed before
            await self._bus.wait_for_disconnect()  # type: ignore[no-untyped-call]

    def _swallow(self, message: Message) -> bool:
        """Whether a message is to be left without an answer."""
        return self.hangs and message.message_type is MessageType.METHOD_CALL

    def _call(self, do: Callable[[], None]) -> None:
        async def done() -> None:
            do()

        self._run(done())

    def _run(self, doing: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(doing, self._loop).result(10)


@contextlib.contextmanager
def screen(address: str, **options: Any) -> Iterator[Screen]:
    """Run a notification service while the block runs."""
    running = Screen(address, **options)
    try:
        yield running
    finally:
        running.vanish()
