import json
from datetime import datetime, timedelta
from typing import Any, NoReturn

import pytest
from starlette.testclient import TestClient

from core.models import Notice, NoticeKind, now
from core.store import DatabaseUnavailable, Store
from core.web.app.asgi import AppParts
from core.web.identity.cookies import Identity
from tests.conftest import stored_job
from tests.web import browser_of, log_in, served

HOSTILE = "</script><img src=x onerror=alert(1)> \u2028 \"'\u202e 🦊"


def bell(client: TestClient) -> dict[str, Any]:
    response = client.get("/bell")
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["content-type"] == "application/json"
    found: dict[str, Any] = response.json()
    return found


def added(store: Store, user_id: str, channel: str) -> Notice:
    """Store a test message and claim it, as a notifier does."""
    notice = store.notices.add(user_id, NoticeKind.TEST, channel, user_id)
    [claimed] = store.outbox.claim(channel, "test:1", 60)
    assert claimed.id == notice.id
    return claimed


def sent(store: Store, user_id: str = "ana", title: str = "This is a test") -> Notice:
    notice = added(store, user_id, "app")
    store.outbox.sent({notice.id: (title, "It reaches you.")})
    return notice


def failed(store: Store, channel: str, reason: str, user_id: str = "ana") -> Notice:
    notice = added(store, user_id, channel)
    store.outbox.failed([notice], reason, None)
    return notice


def announced(store: Store, user_id: str = "ana", prompt: str = "the sea") -> str:
    """Store a job that was cancelled, and that the app has told so; return its id."""
    job, _ = stored_job(store, user_id, prompt)
    store.job_actions.cancel(job.id, user_id)
    store.settlement.settle(job.id)
    [notice] = store.outbox.claim("app", "test:1", 60)
    assert notice.job_id == job.id
    store.outbox.sent({notice.id: ("Your request was cancelled", f"“{prompt}”")})
    return job.id


def test_the_bell_tells_what_was_sent_to_the_app_the_newest_first(
    client: TestClient, store: Store
) -> None:
    before = now()
    job_id, test = announced(store), sent(store)
    log_in(client, "ana")
    shown = bell(client)
    assert (shown["user"], shown["unread"]) == ("ana", 2)
    first, second = shown["notices"]
    assert first | {"time": ""} == {
        "id": test.id,
        "title": "This is a test",
        "text": "It reaches you.",
        "href": "/notifications",
        "time": "",
        "unread": True,
        "failed": False,
    }
    assert second["href"] == f"/job?id={job_id}"
    assert second["title"] == "Your request was cancelled"
    times = [datetime.fromisoformat(each["time"]) for each in (second, first)]
    assert before - timedelta(seconds=1) < times[0] <= times[1]
    assert times[0].utcoffset() == timedelta()


def test_what_was_sent_ahead_of_its_time_is_the_newest(client: TestClient, store: Store) -> None:
    usual = sent(store)
    early = store.notices.add("ana", NoticeKind.TEST, "app", "ana")
    store.notices.send_now(early.id, "ana")
    [claimed] = store.outbox.claim("app", "test:1", 60)
    store.outbox.sent({claimed.id: ("This is a test", "")})
    log_in(client, "ana")
    assert [each["id"] for each in bell(client)["notices"]] == [early.id, usual.id]


@pytest.mark.parametrize(
    ("channel", "words"),
    [
        ("email", "An e-mail"),
        ("desktop", "A desktop notification"),
        ("webhook", "your webhook"),
        ("carrier pigeon", "A message"),
    ],
)
def test_what_could_not_be_sent_elsewhere_is_told_in_words(
    client: TestClient, store: Store, channel: str, words: str
) -> None:
    failed(store, channel, "Nobody is there.")
    log_in(client, "ana")
    [notice] = bell(client)["notices"]
    assert words in notice["title"]
    assert "could not be" in notice["title"]
    assert (notice["text"], notice["href"]) == ("Nobody is there.", "/notifications")
    assert (notice["failed"], notice["unread"]) == (True, True)


def test_what_is_due_or_was_mailed_is_not_told(client: TestClient, store: Store) -> None:
    mail = added(store, "ana", "email")
    store.outbox.sent({mail.id: ("Your content is ready", "")})
    waiting = added(store, "ana", "webhook")
    store.outbox.failed([waiting], "Not now.", 60)
    store.notices.add("ana", NoticeKind.TEST, "app", "ana")
    log_in(client, "ana")
    assert bell(client) == {"user": "ana", "unread": 0, "notices": []}


def test_ten_are_shown_and_all_are_counted(client: TestClient, store: Store) -> None:
    notices = [sent(store, title=f"Test {number}") for number in range(12)]
    log_in(client, "ana")
    shown = bell(client)
    assert shown["unread"] == 12
    assert {each["id"] for each in shown["notices"]} <= {each.id for each in notices}
    assert len(shown["notices"]) == 10
    times = [each["time"] for each in shown["notices"]]
    assert times == sorted(times, reverse=True)


def test_nobody_is_told_what_is_anothers(client: TestClient, store: Store) -> None:
    announced(store, "ana")
    failed(store, "email", "Nobody is there.")
    assert client.get("/bell").status_code == 401
    assert client.post("/bell/read").status_code == 401
    log_in(client, "eve")
    assert bell(client) == {"user": "eve", "unread": 0, "notices": []}


def test_a_jobs_notices_are_read_and_no_others(client: TestClient, store: Store) -> None:
    job_id, other = announced(store), announced(store)
    log_in(client, "ana")
    response = client.post("/bell/read", json={"job_id": job_id})
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == bell(client)
    assert response.json()["unread"] == 1
    unread = {each["href"]: each["unread"] for each in response.json()["notices"]}
    assert unread == {f"/job?id={job_id}": False, f"/job?id={other}": True}


@pytest.mark.parametrize("body", [b"", b"{}", b'{"job_id": null}'])
def test_without_a_job_all_are_read(client: TestClient, store: Store, body: bytes) -> None:
    announced(store)
    failed(store, "email", "Nobody is there.")
    sent(store, "ben")
    log_in(client, "ana")
    shown = client.post("/bell/read", content=body).json()
    assert shown["unread"] == 0
    assert [each["unread"] for each in shown["notices"]] == [False, False]
    assert store.notices.unread("ben") == 1


def test_nobody_reads_what_is_anothers(client: TestClient, store: Store) -> None:
    job_id = announced(store, "ana")
    log_in(client, "eve")
    for body in ({"job_id": job_id}, {}):
        response = client.post("/bell/read", json=body)
        assert response.json() == {"user": "eve", "unread": 0, "notices": []}
    assert store.notices.unread("ana") == 1


@pytest.mark.parametrize(
    "headers", [{"Origin": "http://evil.example.org"}, {"Sec-Fetch-Site": "cross-site"}]
)
def test_another_sites_page_marks_nothing_as_read(
    client: TestClient, store: Store, headers: dict[str, str]
) -> None:
    sent(store)
    log_in(client, "ana")
    assert client.post("/bell/read", headers=headers).status_code == 403
    assert bell(client)["unread"] == 1


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"job_id": {"$ne": null}}', 400),
        (b'{"job_id": 7}', 400),
        (b"[]", 400),
        (b"{", 400),
        (b"\xff", 400),
        (b"[" * 1000, 400),
        (b" " * 1025, 413),
    ],
)
def test_what_names_no_job_marks_nothing_as_read(
    client: TestClient, store: Store, body: bytes, status: int
) -> None:
    announced(store)
    log_in(client, "ana")
    response = client.post("/bell/read", content=body)
    assert response.status_code == status
    assert response.json()["detail"].endswith(".")
    assert bell(client)["unread"] == 1


def test_looking_marks_nothing_as_read(client: TestClient, store: Store) -> None:
    sent(store)
    log_in(client, "ana")
    assert client.get("/bell/read").status_code == 405
    assert client.head("/bell").content == b""
    assert [bell(client)["unread"] for _ in range(2)] == [1, 1]


def test_whatever_a_prompt_says_stays_a_text_in_json(client: TestClient, store: Store) -> None:
    sent(store, title=HOSTILE)
    log_in(client, "ana")
    response = client.get("/bell")
    assert response.headers["x-content-type-options"] == "nosniff"
    assert json.loads(response.content)["notices"][0]["title"] == HOSTILE


def test_a_database_that_is_down_gives_a_sentence() -> None:
    def down() -> NoReturn:
        raise DatabaseUnavailable("mongodb.internal:27017 does not answer")

    identity = Identity("key", days=30, secure=False)
    parts = AppParts(down, identity)
    client = browser_of(served(parts))
    client.cookies.set("fivefold_session", identity._signer.sign("secret").decode())  # noqa: SLF001
    for response in (client.get("/bell"), client.post("/bell/read")):
        assert response.status_code == 503
        assert "try again" in response.json()["detail"]
        assert "internal" not in response.text
        assert response.headers["cache-control"] == "no-store"
