"""What is pushed of notifications: to the bell, and to their page."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from starlette.applications import Starlette

from core.models import NoticeKind, NoticeStatus, Notify, When, now
from core.store import Store
from tests.conftest import stored_job
from tests.integration.test_live import Server, opened
from tests.integration.test_notifications import ended_job


@pytest.fixture
def server(app: Starlette) -> Iterator[Server]:
    with Server(app) as running:
        yield running


def sent(store: Store, user_id: str, title: str) -> None:
    """Send a test message to the app, as a notifier does."""
    store.notices.add(user_id, NoticeKind.TEST, "app", user_id)
    [claimed] = store.outbox.claim("app", "test:1", 60)
    store.outbox.sent({claimed.id: (title, "It reaches you.")})


def titles(data: Any) -> list[str]:
    return [each["title"] for each in data["notices"]]


def rows(data: Any, section: str) -> list[dict[str, Any]]:
    [found] = [each["rows"] for each in data["sections"] if each["id"] == section] or [[]]
    return list(found)


def test_the_bell_is_told_when_a_message_is_sent_and_when_it_is_read(
    server: Server, store: Store
) -> None:
    browser = server.browser("ana")
    with opened(browser, "/events/bell") as stream:
        name, first = stream.next()
        assert (name, first) == ("snapshot", {"user": "ana", "unread": 0, "notices": []})
        sent(store, "ana", "It is ready")
        pushed = stream.until(lambda _, data: bool(data["unread"]))
        assert titles(pushed) == ["It is ready"]
        assert pushed == browser.get("/bell").json()
        assert browser.post("/bell/read").is_success
        stream.until(lambda _, data: data["unread"] == 0)


def test_nobody_is_told_what_is_anothers(server: Server, store: Store) -> None:
    with (
        opened(server.browser("ana"), "/events/bell") as anas,
        opened(server.browser("eve"), "/events/bell") as eves,
    ):
        assert (anas.next()[1]["user"], eves.next()[1]["user"]) == ("ana", "eve")
        sent(store, "ana", "For Ana")
        sent(store, "eve", "For Eve")
        assert titles(anas.until(lambda _, data: bool(data["unread"]))) == ["For Ana"]
        assert titles(eves.until(lambda _, data: bool(data["unread"]))) == ["For Eve"]


def test_the_page_is_told_what_becomes_of_a_message(server: Server, store: Store) -> None:
    tomorrow = now() + timedelta(days=1)
    job = ended_job(store, Notify(channels=("app",), when=When.AT, at=tomorrow))
    browser = server.browser("ana")
    with opened(browser, "/events/notices?zone=Europe/Berlin") as stream:
        name, first = stream.next()
        assert name == "snapshot"
        [due] = rows(first, "due")
        assert due["state"] == NoticeStatus.DUE
        assert store.notices.send_now(due["id"], "ana")
        [claimed] = store.outbox.claim("app", "test:1", 60)
        assert claimed.job_id == job.id
        store.outbox.sent({claimed.id: ("It is ready", "")})
        pushed = stream.until(lambda _, data: bool(rows(data, "sent")))
        assert rows(pushed, "due") == []
        asked = browser.get("/events/notices/live?zone=Europe/Berlin").json()
        assert rows(asked, "sent") == rows(pushed, "sent")


def test_the_page_is_told_of_a_new_job(server: Server, store: Store) -> None:
    with opened(server.browser("ana"), "/events/notices") as stream:
        assert rows(stream.next()[1], "due") == []
        job, _ = stored_job(store)
        pushed = stream.until(lambda _, data: bool(rows(data, "due")))
        assert [each["id"] for each in rows(pushed, "due")] == [job.id]


@pytest.mark.parametrize("path", ["/events/bell", "/events/notices", "/events/notices/live"])
def test_notices_need_a_login(server: Server, path: str) -> None:
    assert server.browser().get(path).status_code == 401


def test_what_is_seen_only_after_a_while_needs_no_stream_of_changes(
    server: Server, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Changes that were missed are found by looking."""
    monkeypatch.setattr("core.web.inbox.feeds.BellFeed.poll_seconds", 0.2)
    monkeypatch.setattr("core.web.live.hub.Hub.changed", lambda *_: None)
    with opened(server.browser("ana"), "/events/bell") as stream:
        assert stream.next()[1]["unread"] == 0
        sent(store, "ana", "It is ready")
        stream.until(lambda _, data: data["unread"] == 1)
