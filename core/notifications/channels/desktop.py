"""The desktop of whoever runs Fivefold on their own machine.

desktop-notifier speaks to the notification service: over D-Bus on Linux, and to the Notification
Center on macOS. There a click opens nothing: that takes a run loop of Apple's in the main thread,
which is the notifier's.
"""

import asyncio
import logging
import os
import sys
import threading
import webbrowser
from collections.abc import Callable, Coroutine
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeVar
from urllib.parse import quote

from core.i18n import N_
from core.i18n import gettext as _
from core.notifications.channels import Channel, ChannelDown, Recipient
from core.notifications.message import Message, shortened

if TYPE_CHECKING:
    from dbus_fast.aio.message_bus import MessageBus
    from desktop_notifier import DesktopNotifier

_TEXT_CHARACTERS: Final = 500
_CLOSE_SECONDS: Final = 2.0
_BUS: Final = "DBUS_SESSION_BUS_ADDRESS"
_NOTHING_ANSWERS: Final = N_(
    "The desktop's notification service does not answer. Please see that Fivefold runs inside a "
    "desktop session that shows notifications."
)
_REFUSED: Final = N_(
    "The desktop's notification service refused to show it; it may have too much to show."
)
_NOT_ALLOWED: Final = N_(
    "macOS does not let Python show notifications. Please allow it under System Settings, "
    "Notifications, Python."
)
_NO_BUNDLE: Final = N_(
    "macOS shows notifications of signed applications only. Please run Fivefold with the Python "
    "from python.org."
)

_T = TypeVar("_T")


def session_bus() -> bool:
    """Whether there is a desktop session here that can be notified."""
    if sys.platform == "linux":
        return bool(os.environ.get(_BUS)) or _usual_bus() is not None
    return sys.platform == "darwin"


class Desktop(Channel):
    """Shows messages on the desktop; a click opens the message's link in the browser.

    Nothing is connected before the first message. The connection, and the thread that waits for
    clicks, then live until the channel is closed.

    Args:
        seconds: how long the notification service may take.
    """

    name: ClassVar[str] = "desktop"

    def __init__(self, *, seconds: float = 15.0) -> None:
        self._seconds = seconds
        self._turn = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._notifier: DesktopNotifier | None = None

    def send(self, recipient: Recipient, message: Message) -> None:  # noqa: ARG002  # one desktop
        """Show a message.

        Raises:
            ChannelDown: the desktop shows none at the moment.
        """
        self._ask(lambda: self._show(message))

    def check(self) -> str:
        """Say which service shows messages, having asked it.

        Raises:
            ChannelDown: none does at the moment.
        """
        return f"shown by {self._ask(self._service)}"

    def close(self) -> None:
        """End the connection and the thread; what is shown stays there, but opens nothing."""
        with self._turn:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
            if loop is None or thread is None:
                return
            with suppress(TimeoutError):
                asyncio.run_coroutine_threadsafe(self._forget(), loop).result(2 * _CLOSE_SECONDS)
            loop.call_soon_threadsafe(loop.stop)
            thread.join(_CLOSE_SECONDS)
            if not thread.is_alive():
                loop.close()

    def _ask(self, question: Callable[[], Coroutine[Any, Any, _T]]) -> _T:
        """Run something in the loop, and forget the connection where it does not answer.

        Raises:
            ChannelDown: it failed, or took too long.
        """

        async def bounded() -> _T:
            try:
                async with asyncio.timeout(self._seconds):
                    return await question()
            except ChannelDown:  # it answers, and what is shown can still be clicked
                raise
            except Exception:
                await self._forget()
                raise

        with self._turn:
            asked = asyncio.run_coroutine_threadsafe(bounded(), self._running_loop())
            try:
                return asked.result(self._seconds + 2 * _CLOSE_SECONDS)
            except ChannelDown:
                raise
            except Exception as error:
                # A time-out, or whatever D-Bus, its library or Objective-C make of it.
                raise ChannelDown(_NOTHING_ANSWERS) from error

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
            self._thread = threading.Thread(
                target=self._loop.run_forever, name="desktop", daemon=True
            )
            self._thread.start()
        return self._loop

    async def _show(self, message: Message) -> None:
        from desktop_notifier import Button, Capability, Urgency  # noqa: PLC0415  # loaded late

        def open_link() -> None:
            # Some browsers keep whoever opens them waiting.
            threading.Thread(target=webbrowser.open, args=[message.link], daemon=True).start()

        notifier = await self._connected()
        able = await notifier.get_capabilities()
        text = shortened(message.text, _TEXT_CHARACTERS)
        if await _reads_markup(notifier):
            text = escape(text, quote=False)
        # Xfce's service knows buttons, but no click beside them.
        needs_button = Capability.ON_CLICKED not in able and Capability.BUTTONS in able
        dispatched = asyncio.Event()
        await notifier.send(
            message.title,
            text,
            urgency=Urgency.Normal,
            buttons=[Button(_("Open"), open_link)] if needs_button else [],
            on_clicked=open_link,
            on_dispatched=dispatched.set,
        )
        if not dispatched.is_set():  # the library raises nothing
            raise ChannelDown(_REFUSED)

    async def _service(self) -> str:
        service = _service_on_bus(await self._connected())
        if service is None:
            return "the Notification Center"
        name, *_ = await service.call_get_server_information()
        return str(name)

    async def _connected(self) -> "DesktopNotifier":
        """Return a notifier that a notification service has answered to.

        Raises:
            ChannelDown: it may not show anything.
        """
        from desktop_notifier import Capability, DesktopNotifier  # noqa: PLC0415  # loaded late

        bus = _bus(self._notifier)
        if bus is not None and not bus.connected:
            await self._forget()
        if self._notifier is None:
            usual = _usual_bus()
            if not os.environ.get(_BUS) and usual is not None:  # the library looks elsewhere
                os.environ[_BUS] = f"unix:path={quote(str(usual))}"
            # Where it would log the traceback of what is said in a sentence here.
            logging.getLogger("desktop_notifier.backends.base").setLevel(logging.ERROR)
            self._notifier = DesktopNotifier("Fivefold", app_icon=None)
        able = await self._notifier.get_capabilities()
        if Capability.TITLE not in able:  # the library's dummy, which shows nothing
            raise ChannelDown(_NO_BUNDLE)
        if not await self._notifier.request_authorisation():
            raise ChannelDown(_NOT_ALLOWED)
        return self._notifier

    async def _forget(self) -> None:
        """End the connection, so that the next message makes a new one."""
        bus, self._notifier = _bus(self._notifier), None
        if bus is None:
            return
        bus.disconnect()
        # This fails where the bus went away first, which asyncio would complain of otherwise.
        with suppress(Exception):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await bus.wait_for_disconnect()  # type: ignore[no-untyped-call]


async def _reads_markup(notifier: "DesktopNotifier") -> bool:
    """Whether tags in a text would not be shown as they are, but followed.

    https://specifications.freedesktop.org/notification-spec/latest/markup.html
    """
    service = _service_on_bus(notifier)
    return service is not None and "body-markup" in await service.call_get_capabilities()


# desktop-notifier does not say what it is connected to, and never ends a connection.


def _service_on_bus(notifier: "DesktopNotifier") -> Any | None:  # noqa: ANN401  # made at run time
    """Return the notification service as an object of D-Bus; None on macOS."""
    return getattr(notifier._backend, "interface", None)  # noqa: SLF001  # see above


def _bus(notifier: "DesktopNotifier | None") -> "MessageBus | None":
    """Return the connection to D-Bus, where there is one."""
    return None if notifier is None else getattr(notifier._backend, "bus", None)  # noqa: SLF001


def _usual_bus() -> Path | None:
    """Return the socket of the user's bus where systemd puts it."""
    folder = os.environ.get("XDG_RUNTIME_DIR")
    bus = Path(folder, "bus") if folder else None
    return bus if bus is not None and bus.is_socket() else None
