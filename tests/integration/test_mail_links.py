import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import NoReturn

import pytest
from starlette.testclient import TestClient

from core.media.folder import FolderStore
from core.models import EmailAddress, NoticeKind, now
from core.settings import Settings
from core.store import DatabaseUnavailable, Store
from core.web.app.asgi import AppParts
from core.web.identity.cookies import Identity
from tests.web import HOST, app_of, served, studio_of

WRONG = "no-such-token"
ONE_CLICK = "List-Unsubscribe=One-Click"  # RFC 8058, section 3.1
MULTIPART = (
    '--x\r\nContent-Disposition: form-data; name="List-Unsubscribe"\r\n\r\nOne-Click\r\n--x--\r\n'
)


@pytest.fixture
def client(settings: Settings, store: Store, content: FolderStore) -> Iterator[TestClient]:
    """A browser that is not logged in and sends neither a cookie nor where it comes from."""
    studio = studio_of(settings, store, content)
    with TestClient(app_of(studio), HOST) as opened:
        yield opened


@pytest.fixture
def unconfirmed(store: Store) -> EmailAddress:
    """Ana's address, whose owner was asked and has not answered."""
    return store.email_addresses.request_confirmation("ana", "a&b@example.org")


@pytest.fixture
def confirmed(store: Store, unconfirmed: EmailAddress) -> EmailAddress:
    found = store.email_addresses.confirm(unconfirmed.confirm_token or "")
    assert found is not None
    return found


def stored(store: Store) -> EmailAddress:
    found = store.email_addresses.get("ana", "a&b@example.org")
    assert found is not None
    return found


def test_a_link_asks_whose_address_it_is_and_changes_nothing(
    client: TestClient, store: Store, unconfirmed: EmailAddress
) -> None:
    path = f"/mail/confirm/{unconfirmed.confirm_token}"
    response = client.get(path)
    assert response.status_code == 200
    assert "ana would like to be told at a&amp;b@example.org" in response.text
    assert '<form method="post"><button class="button">Yes' in response.text
    head = client.head(path)
    assert (head.status_code, head.content) == (200, b"")
    assert stored(store) == unconfirmed


def test_the_button_confirms_and_what_waited_is_due_at_once(
    client: TestClient, store: Store, unconfirmed: EmailAddress
) -> None:
    waiting = store.notices.add("ana", NoticeKind.JOB, "email", unconfirmed.address)
    [claimed] = store.outbox.claim("email", "test:1", 60)
    store.outbox.postpone([claimed], 3600, "It is not confirmed yet.")
    assert store.outbox.claim("email", "test:1", 60) == []

    response = client.post(f"/mail/confirm/{unconfirmed.confirm_token}")
    assert response.status_code == 200
    assert "From now on ana is told at a&amp;b@example.org." in response.text
    assert 'href="../../"' in response.text
    assert stored(store).takes_mail
    assert [each.id for each in store.outbox.claim("email", "t", 60)] == [waiting.id]


def test_a_link_confirms_once(client: TestClient, store: Store, unconfirmed: EmailAddress) -> None:
    path = f"/mail/confirm/{unconfirmed.confirm_token}"
    client.post(path)
    store.email_addresses.unsubscribe(unconfirmed.unsubscribe_token)
    for response in (client.post(path), client.get(path)):
        assert response.status_code == 404
        assert "used before" in response.text
    assert not stored(store).takes_mail


def test_a_link_that_ended_confirms_nothing_and_says_so(
    client: TestClient, store: Store, unconfirmed: EmailAddress
) -> None:
    ended = {"$set": {"confirm_until": now() - timedelta(seconds=1)}}
    store.email_addresses._addresses.update_one({"_id": unconfirmed.id}, ended)  # noqa: SLF001  # time passes
    for method in ("GET", "POST"):
        response = client.request(method, f"/mail/confirm/{unconfirmed.confirm_token}")
        assert response.status_code == 410
        assert "ask for a new one" in response.text
        assert 'href="../../notifications"' in response.text
    assert stored(store).confirmed_at is None


def test_a_newer_link_takes_the_place_of_an_older(
    client: TestClient, store: Store, unconfirmed: EmailAddress
) -> None:
    newer = store.email_addresses.request_confirmation("ana", unconfirmed.address)
    assert client.post(f"/mail/confirm/{unconfirmed.confirm_token}").status_code == 404
    assert stored(store).confirmed_at is None
    assert client.post(f"/mail/confirm/{newer.confirm_token}").status_code == 200


def test_each_link_does_its_own_thing_only(
    client: TestClient, store: Store, unconfirmed: EmailAddress
) -> None:
    for method in ("GET", "POST"):
        for path in (
            f"/mail/confirm/{unconfirmed.unsubscribe_token}",
            f"/mail/unsubscribe/{unconfirmed.confirm_token}",
            f"/mail/confirm/{WRONG}",
            f"/mail/unsubscribe/{WRONG}",
            "/mail/confirm/%00%ff%3Cscript%3E",
        ):
            response = client.request(method, path)
            assert response.status_code == 404
            assert "leads nowhere" in response.text
            assert "example.org" not in response.text
            assert "<script" not in response.text
    assert stored(store) == unconfirmed


def test_looking_at_the_link_in_a_mail_ends_no_mail(
    client: TestClient, store: Store, confirmed: EmailAddress
) -> None:
    path = f"/mail/unsubscribe/{confirmed.unsubscribe_token}"
    response = client.get(path)
    assert response.status_code == 200
    assert "no longer write to a&amp;b@example.org about what ana makes" in response.text
    assert '<form method="post"><button class="button">Unsubscribe' in response.text
    assert client.head(path).status_code == 200
    assert stored(store) == confirmed


@pytest.mark.parametrize(
    ("content", "headers"),
    [
        (ONE_CLICK, {"Content-Type": "application/x-www-form-urlencoded"}),
        (MULTIPART, {"Content-Type": "multipart/form-data; boundary=x"}),
        ("", {}),
        ("what \x00 ever" * 1000, {"Content-Type": "multipart/form-data"}),
        (ONE_CLICK, {"Origin": "https://mail.example.com", "Sec-Fetch-Site": "cross-site"}),
    ],
)
def test_one_click_from_anywhere_ends_the_mail(
    client: TestClient, store: Store, confirmed: EmailAddress, content: str, headers: dict[str, str]
) -> None:
    path = f"/mail/unsubscribe/{confirmed.unsubscribe_token}"
    response = client.post(path, content=content, headers=headers)
    assert response.status_code == 200
    assert "no longer writes to a&amp;b@example.org" in response.text
    assert "set-cookie" not in response.headers
    assert not stored(store).takes_mail


def test_a_second_click_changes_nothing(
    client: TestClient, store: Store, confirmed: EmailAddress
) -> None:
    path = f"/mail/unsubscribe/{confirmed.unsubscribe_token}"
    client.post(path, content=ONE_CLICK)
    for method in ("POST", "GET"):
        response = client.request(method, path)
        assert response.status_code == 200
        assert "You will get no more mail" in response.text
        assert "<form" not in response.text
    assert not stored(store).takes_mail


def test_no_page_loads_anything_can_be_framed_or_gives_its_address_away(
    client: TestClient, unconfirmed: EmailAddress
) -> None:
    for path in (
        f"/mail/confirm/{unconfirmed.confirm_token}",
        f"/mail/unsubscribe/{unconfirmed.unsubscribe_token}",
        f"/mail/confirm/{WRONG}",
    ):
        response = client.get(path)
        policy = dict(
            part.strip().split(" ", 1)
            for part in response.headers["content-security-policy"].split(";")
        )
        assert policy == {
            "default-src": "'none'",
            "style-src": "'unsafe-inline'",
            "form-action": "'self'",
            "frame-ancestors": "'none'",
            "base-uri": "'none'",
        }
        assert response.headers["referrer-policy"] == "no-referrer"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["content-type"] == "text/html; charset=utf-8"
        assert '<html lang="en">' in response.text
        assert "src=" not in response.text
        assert "http" not in response.text.replace("http://www.w3.org/2000/svg", "")


def test_a_database_that_is_down_gives_a_page_and_no_token_in_the_log(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def down() -> NoReturn:
        raise DatabaseUnavailable("mongodb.internal:27017 does not answer")

    parts = AppParts(down, Identity("key", days=30, secure=False))
    client = TestClient(served(parts), HOST, headers={"Accept": "text/html,*/*;q=0.8"})
    with caplog.at_level(logging.DEBUG, logger="core"):
        for path in ("/mail/confirm/secret-token", "/mail/unsubscribe/secret-token"):
            for method in ("GET", "POST"):
                response = client.request(method, path)
                assert response.status_code == 503
                assert "<h1>Please try again in a minute</h1>" in response.text
                assert "secret-token" not in response.text
                assert "internal" not in response.text
    assert "does not answer" in caplog.text
    assert "secret-token" not in caplog.text
