"""Notifications on the desktop, with the real library on a real bus that is the test's own."""

import gc
import subprocess
import sys
import threading
import time
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import psutil
import pytest

pytest.importorskip("dbus_fast", reason="desktops are notified over D-Bus on Linux only")

from desktop_notifier import Capability
from desktop_notifier import main as library
from desktop_notifier.backends.dummy import DummyNotificationCenter

from core.models import NoticeKind
from core.notifications.channels import ChannelDown, Recipient
from core.notifications.channels.desktop import Desktop, session_bus
from core.notifications.message import Message
from tests.conftest import MOMENT
from tests.servers.desktop import Bus, Screen, need_dbus, private_bus, screen

BUS = "DBUS_SESSION_BUS_ADDRESS"
ANA = Recipient(user_id="ana", address="ana")
LINK = "http://localhost:8501/job?id=01j"


def a_message(
    title: str = "Your content is ready: “the sea”",
    text: str = "5 videos and 5 images are ready.",
    link: str = LINK,
) -> Message:
    return Message(
        id="m", kind=NoticeKind.JOB, title=title, text=text, link=link, created_at=MOMENT
    )


@pytest.fixture(autouse=True)
def no_real_desktop(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Nothing shows on the desktop of whoever runs the tests."""
    monkeypatch.setenv(BUS, f"unix:path={tmp_path}/none")
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))


@pytest.fixture(autouse=True)
def no_noise(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """What goes wrong is a sentence to the user: neither libraries nor asyncio log more of it."""
    yield
    gc.collect()  # of errors that nobody asked for asyncio speaks when they are thrown away
    assert caplog.get_records("call") + caplog.get_records("teardown") == []


@pytest.fixture
def bus(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Bus]:
    need_dbus()
    with private_bus(tmp_path) as running:
        monkeypatch.setenv(BUS, running.address)
        yield running


@pytest.fixture
def shows(bus: Bus) -> Iterator[Screen]:
    with screen(bus.address) as running:
        yield running


@pytest.fixture
def desktop() -> Iterator[Desktop]:
    channel = Desktop(seconds=10)
    yield channel
    channel.close()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> "Queue[str]":
    """The links that are opened in the browser."""
    links: Queue[str] = Queue()
    monkeypatch.setattr(webbrowser, "open", links.put)
    return links


def test_a_message_is_shown(shows: Screen, desktop: Desktop) -> None:
    desktop.send(ANA, a_message())
    (shown,) = shows.shown
    assert shown.app == "Fivefold"
    assert shown.title == "Your content is ready: “the sea”"
    assert shown.text == "5 videos and 5 images are ready."
    assert shown.hints["urgency"].value == 1  # normal
    assert shown.icon == ""  # not the library's own


def test_a_click_opens_the_link_of_what_was_clicked(
    shows: Screen, desktop: Desktop, opened: "Queue[str]"
) -> None:
    for number in (1, 2, 3):
        desktop.send(ANA, a_message(link=f"{LINK}-{number}"))
    first, second, third = shows.shown
    shows.dismiss(first)
    shows.click(third)
    shows.click(second)
    assert {opened.get(timeout=60), opened.get(timeout=60)} == {f"{LINK}-2", f"{LINK}-3"}
    assert opened.empty()


def test_a_browser_that_blocks_holds_nothing_up(
    shows: Screen, desktop: Desktop, monkeypatch: pytest.MonkeyPatch
) -> None:
    opening, release = threading.Event(), threading.Event()

    def blocks(_: str) -> None:
        opening.set()
        release.wait(60)

    monkeypatch.setattr(webbrowser, "open", blocks)
    desktop.send(ANA, a_message())
    shows.click(shows.shown[0])
    assert opening.wait(10)
    desktop.send(ANA, a_message())
    release.set()
    assert len(shows.shown) == 2


def test_where_there_are_no_clicks_a_button_opens_the_link(
    bus: Bus, desktop: Desktop, opened: "Queue[str]"
) -> None:
    with screen(bus.address, product="Xfce Notify Daemon") as shows:
        desktop.send(ANA, a_message())
        (shown,) = shows.shown
        button, words = shown.actions
        assert words == "Open"
        shows.click(shown, button)
        assert opened.get(timeout=60) == LINK


@pytest.mark.parametrize(
    ("capabilities", "text"),
    [
        (("body", "body-markup"), "“&lt;b&gt;x&lt;/b&gt; &amp; &lt;img src='y'/&gt;” is ready."),
        (("body",), "“<b>x</b> & <img src='y'/>” is ready."),
    ],
)
def test_markup_in_a_prompt_stays_text(
    bus: Bus, desktop: Desktop, capabilities: tuple[str, ...], text: str
) -> None:
    """A service without `body-markup` shows a text as it is, and so does every one with titles."""
    with screen(bus.address, capabilities=capabilities) as shows:
        desktop.send(
            ANA, a_message("Ready: “<b>x</b> & y”", "“<b>x</b> & <img src='y'/>” is ready.")
        )
        (shown,) = shows.shown
    assert shown.title == "Ready: “<b>x</b> & y”"
    assert shown.text == text


def test_a_long_text_is_shortened(shows: Screen, desktop: Desktop) -> None:
    desktop.send(ANA, a_message(text="<" * 5000 + "\x00\n"))
    (shown,) = shows.shown
    assert shown.text == "&lt;" * 499 + "…"


def down(desktop: Desktop, says: str = "does not answer") -> None:
    """Send in vain, which is known soon, and at the latest when the desktop's time is over."""
    begun = time.monotonic()
    with pytest.raises(ChannelDown, match=says) as caught:
        desktop.send(ANA, a_message())
    assert time.monotonic() - begun < 30
    assert not caught.value.permanent


def test_without_a_bus_it_is_down(desktop: Desktop) -> None:
    down(desktop)


def test_without_a_service_it_is_down_until_there_is_one(bus: Bus, desktop: Desktop) -> None:
    down(desktop)
    with pytest.raises(ChannelDown):
        desktop.check()
    with screen(bus.address) as shows:
        desktop.send(ANA, a_message())
        assert len(shows.shown) == 1


def test_a_service_that_hangs_is_left(shows: Screen) -> None:
    desktop = Desktop(seconds=1.5)
    shows.hangs = True
    down(desktop)
    shows.hangs = False
    desktop.send(ANA, a_message())
    shows.hangs = True  # now that it is connected
    down(desktop)
    shows.hangs = False
    desktop.send(ANA, a_message())
    desktop.close()
    assert len(shows.shown) == 2


def test_a_bus_that_hangs_is_left(bus: Bus, shows: Screen) -> None:
    desktop = Desktop(seconds=1.5)
    with bus.frozen():
        down(desktop)
    desktop.send(ANA, a_message())
    with bus.frozen():
        down(desktop)
    desktop.send(ANA, a_message())
    desktop.close()
    assert len(shows.shown) == 2


def assert_found_again(bus: Bus, desktop: Desktop, opened: "Queue[str]") -> None:
    down(desktop)
    with screen(bus.address) as shows:
        desktop.send(ANA, a_message())
        (shown,) = shows.shown
        shows.click(shown)
        assert opened.get(timeout=60) == LINK


def test_a_bus_that_was_killed_and_came_back_is_found_again(
    bus: Bus, desktop: Desktop, opened: "Queue[str]"
) -> None:
    with screen(bus.address) as shows:
        desktop.send(ANA, a_message())
        bus.kill()
        down(desktop)
        assert len(shows.shown) == 1
    bus.start()
    assert_found_again(bus, desktop, opened)


def test_a_service_that_was_restarted_is_found_again(
    bus: Bus, desktop: Desktop, opened: "Queue[str]"
) -> None:
    with screen(bus.address):
        desktop.send(ANA, a_message())
    assert_found_again(bus, desktop, opened)


def test_what_the_service_refuses_is_not_taken_for_shown(
    shows: Screen, desktop: Desktop, opened: "Queue[str]"
) -> None:
    desktop.send(ANA, a_message())
    shows.refuse()
    down(desktop, "refused")
    (shown,) = shows.shown
    shows.click(shown)  # what was shown before still leads somewhere
    assert opened.get(timeout=60) == LINK


def test_what_fails_leaves_nothing_open(bus: Bus, desktop: Desktop) -> None:
    down(desktop)
    open_files = psutil.Process().num_fds()
    for _ in range(5):
        down(desktop)
    bus.kill()
    for _ in range(5):
        down(desktop)
    assert psutil.Process().num_fds() <= open_files


def test_its_check_names_the_service(shows: Screen, desktop: Desktop) -> None:
    assert desktop.check() == "shown by Screen for tests"
    assert shows.shown == []
    assert (desktop.name, desktop.at_once) == ("desktop", 1)


def test_it_can_be_closed_at_any_time_and_used_again(shows: Screen) -> None:
    threads, open_files = threading.active_count(), psutil.Process().num_fds()
    desktop = Desktop()
    desktop.close()
    for _ in range(2):
        desktop.send(ANA, a_message())
        desktop.close()
        desktop.close()
        assert threading.active_count() == threads
        assert psutil.Process().num_fds() == open_files
    assert len(shows.shown) == 2


def test_it_can_be_closed_after_the_bus_was_killed(bus: Bus) -> None:
    desktop = Desktop()
    with screen(bus.address):
        desktop.send(ANA, a_message())
        bus.kill()
    desktop.close()


def test_the_user_s_usual_bus_is_found(
    bus: Bus, shows: Screen, desktop: Desktop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`XDG_RUNTIME_DIR` is where the bus of these tests is, too."""
    monkeypatch.setenv(BUS, "")
    assert bus.socket.name == "bus"
    assert session_bus()
    desktop.send(ANA, a_message())
    assert len(shows.shown) == 1


def test_whether_there_is_a_session(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "linux")
    assert session_bus()
    monkeypatch.setenv(BUS, "")
    assert not session_bus()
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert not session_bus()
    monkeypatch.setattr(sys, "platform", "darwin")
    assert session_bus()
    monkeypatch.setattr(sys, "platform", "win32")
    assert not session_bus()


class Forbidden(DummyNotificationCenter):
    """macOS's Notification Center, as long as its user does not allow notifications."""

    async def request_authorisation(self) -> bool:
        return False

    async def _get_capabilities(self) -> frozenset[Capability]:
        return frozenset({Capability.TITLE})


@pytest.mark.parametrize(
    ("backend", "says"),
    [(DummyNotificationCenter, "python.org"), (Forbidden, "System Settings, Notifications")],
)
def test_what_macos_wants_is_said(
    desktop: Desktop,
    monkeypatch: pytest.MonkeyPatch,
    backend: type[DummyNotificationCenter],
    says: str,
) -> None:
    monkeypatch.setattr(library, "get_backend_class", lambda: backend)
    for ask in (lambda: desktop.send(ANA, a_message()), desktop.check):
        with pytest.raises(ChannelDown, match=says):
            ask()


def test_the_library_is_loaded_for_the_first_message_only() -> None:
    """The pages, which only ask whether there is a desktop, do without it."""
    look = (
        "import sys; from core.notifications.channels.desktop import Desktop, session_bus; "
        "session_bus(); Desktop().close(); print('desktop_notifier' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", look], capture_output=True, text=True, check=True
    )
    assert result.stdout == "False\n"
