from typing import NoReturn
from urllib.parse import urljoin, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from core.store import DatabaseUnavailable
from core.web.app.asgi import AppParts
from core.web.identity.cookies import Identity
from core.web.login.routes import own_page
from core.web.page_list import page_paths
from tests.web import HOST, browser_of, served


@pytest.mark.parametrize(
    ("wanted", "page"),
    [
        ("/", "/"),
        ("/gallery", "/gallery"),
        ("/job?id=01abc", "/job?id=01abc"),
        ("/job?id=a%20b&x=%3C", "/job?id=a+b&x=%3C"),
        ("/gallery#top", "/gallery"),
        ("", "/"),
        ("/auth/logout", "/"),
        ("/content/1?download=1", "/"),
        ("//evil.example.org/gallery", "/"),
        ("https://evil.example.org/gallery", "/"),
        ("/\\evil.example.org", "/"),
        ("\t//evil.example.org", "/"),
        ("/\n/evil.example.org", "/"),
        ("javascript:alert(1)", "/"),
        ("//[", "/"),
    ],
)
def test_a_login_leads_to_pages_of_ours_only(wanted: str, page: str) -> None:
    assert own_page(wanted) == page


hostile = st.text(alphabet="/\\:@.?#&=%[] \t\r\njobgalery0xE2\u202e")


@given(
    st.one_of(
        st.text(), hostile, st.builds("{}{}".format, st.sampled_from(sorted(page_paths())), hostile)
    )
)
def test_no_address_whatever_leads_elsewhere(wanted: str) -> None:
    target = urlsplit(urljoin(HOST, own_page(wanted)))
    assert f"{target.scheme}://{target.netloc}" == HOST
    assert target.path in page_paths() - {"/login"}
    assert own_page(own_page(wanted)) == own_page(wanted)


def database_down() -> NoReturn:
    raise DatabaseUnavailable("It does not answer.")


@pytest.fixture
def client() -> TestClient:
    parts = AppParts(database_down, Identity("key", days=30, secure=False))
    return browser_of(served(parts))


def test_a_database_that_is_down_gives_a_sentence_and_no_login(client: TestClient) -> None:
    response = client.post("/auth/login", json={"user_id": "ana"})
    assert response.status_code == 503
    assert "try again" in response.json()["detail"]
    assert "set-cookie" not in response.headers


def test_a_refusal_is_told_even_when_it_cannot_be_logged(client: TestClient) -> None:
    response = client.post("/auth/login", json={"id": "ana"})
    assert response.status_code == 400
    assert "type a user id" in response.json()["detail"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example.org"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": HOST, "Sec-Fetch-Site": "cross-site"},
        {"Origin": HOST, "Sec-Fetch-Site": "same-site"},
    ],
)
def test_another_sites_page_can_neither_log_in_nor_out(
    client: TestClient, headers: dict[str, str]
) -> None:
    for path in ("/auth/login", "/auth/logout"):
        response = client.post(path, json={"user_id": "ana"}, headers=headers)
        assert response.status_code == 403
        assert "set-cookie" not in response.headers


def test_the_browsers_word_counts_behind_a_proxy_that_changes_the_host(client: TestClient) -> None:
    headers = {"Origin": "https://public.example.org", "Sec-Fetch-Site": "same-origin"}
    assert client.post("/auth/logout", headers=headers).status_code == 200


def test_logging_out_takes_the_cookie_away(client: TestClient) -> None:
    response = client.post("/auth/logout")
    assert response.json() == {"next": "/login"}
    assert 'fivefold_session=""' in response.headers["set-cookie"]
    assert "Max-Age=0" in response.headers["set-cookie"]


def test_what_is_not_a_login_is_refused(client: TestClient) -> None:
    bodies = [b"", b"[]", b"1", b'{"user_id": 1}', b'{"user_id": "a", "next": []}']
    bodies += [b"\xff", b"{}", b'{"user_id": "a", "register": 1}', b'{"user_id": null}']
    for body in [*bodies, b"[" * 5000]:
        assert client.post("/auth/login", content=body).status_code == 400
    assert client.post("/auth/login", content=b"x" * 20_000).status_code == 413
