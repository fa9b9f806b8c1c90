"""The pages' websocket, spoken to as no browser would: by hand, with made-up cookies."""

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx2
import pytest
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from core.settings import Settings
from core.store import Store
from core.web.identity.cookies import COOKIE, Identity
from tests.conftest import stored_job
from tests.servers.web import Web, cookie, rerun, serving

PRIVATE = "what only ana may know"


@pytest.fixture
def store(emptied_store: Store) -> Store:
    return emptied_store


@pytest.fixture(scope="module")
def web(shared_settings: Settings) -> Iterator[Web]:
    """A web process without worker and notifier."""
    with serving(shared_settings) as running:
        yield running


@pytest.fixture
def port(web: Web, store: Store) -> int:
    assert store.ping()
    return web.port


def opened(port: int, headers: dict[str, str] | None = None, **more: Any) -> ClientConnection:
    address = f"ws://127.0.0.1:{port}/_stcore/stream"
    connection: ClientConnection = connect(
        address, additional_headers=headers or {}, proxy=None, max_size=None, **more
    )
    return connection


def drawn(socket: ClientConnection, query: str = "", page: str = "") -> dict[str, Any]:
    """Ask for a page and return what each component on it is given, by name, once it is drawn."""
    socket.send(rerun(query, page))
    found: dict[str, Any] = {}
    while True:
        message = ForwardMsg()
        message.ParseFromString(socket.recv(30, decode=False))
        found["all"] = found.get("all", "") + str(message)
        component = message.delta.new_element.bidi_component
        if component.component_name:
            found[component.component_name.removeprefix("fivefold_")] = json.loads(component.json)
        if message.WhichOneof("type") == "script_finished":
            return found


def test_without_a_cookie_that_proves_something_there_is_the_login_and_nothing_else(
    port: int, store: Store
) -> None:
    job, _ = stored_job(store, "ana", PRIVATE)
    secret, session = store.login_sessions.begin("ana", 30)
    ended, over = store.login_sessions.begin("ana", 30)
    store.login_sessions.revoke(over.id)
    spoofed = {"X-Fivefold-User": "ana", "X-Fivefold-Session": session.id}
    other = Identity("another key", days=30, secure=False)
    for headers in (
        {},
        spoofed,
        spoofed | cookie(ended),
        cookie(ended),
        cookie("ana"),
        cookie(session.id),
        cookie(secret, other),
        {"Cookie": f"{COOKIE}=ana; {COOKIE}={secret}"},
    ):
        with opened(port, headers) as socket:
            for page in ("", "job", "gallery", "notifications", "activity", "account"):
                found = drawn(socket, f"id={job.id}&user=ana", page)
                assert set(found) == {"all", "login"}, (headers, page)
                assert PRIVATE not in found["all"]
    with opened(port, cookie(secret)) as socket:
        assert drawn(socket)["header"]["user"] == "ana"
        assert PRIVATE in drawn(socket, f"id={job.id}", "job")["all"]


def test_a_page_of_another_site_cannot_open_it(port: int, store: Store) -> None:
    secret, _ = store.login_sessions.begin("ana", 30)
    with pytest.raises(InvalidStatus) as refused:
        opened(port, cookie(secret), origin="http://evil.example.org")
    assert refused.value.response.status_code == 403


def test_the_id_of_somebodys_tab_gives_nobody_that_tab(port: int, store: Store) -> None:
    """Browsers take a tab up again by its id, in the third of the websocket's subprotocols."""
    stored_job(store, "ana", PRIVATE)
    secret, _ = store.login_sessions.begin("ana", 30)
    others, _ = store.login_sessions.begin("eve", 30)
    with opened(port, cookie(secret)) as socket:
        tab = session_id_of(drawn(socket)["all"])
    names: Any = ["streamlit", "xsrf", tab]
    for headers in ({}, cookie(others)):
        with opened(port, headers, subprotocols=names) as socket:
            found = drawn(socket)
            assert found.get("header", {}).get("user") != "ana"
            assert PRIVATE not in found["all"]
            assert session_id_of(found["all"]) != tab
    with opened(port, cookie(secret), subprotocols=names) as socket:
        assert session_id_of(drawn(socket)["all"]) == tab  # its own browser does get it


def session_id_of(message: str) -> str:
    [found, *_] = [line for line in message.splitlines() if "session_id" in line]
    return found.split('"')[1]


def test_an_open_tab_ends_within_seconds_of_its_session(port: int, store: Store) -> None:
    secret, session = store.login_sessions.begin("ana", 30)
    with opened(port, cookie(secret)) as socket:
        assert "header" in drawn(socket)
        store.login_sessions.revoke(session.id)
        started = time.monotonic()
        with pytest.raises(ConnectionClosed) as closed:
            while time.monotonic() < started + 20:
                socket.recv(20)
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 4401


def test_addresses_are_believed_of_a_trusted_proxy_only(port: int, store: Store) -> None:
    origin = f"http://127.0.0.1:{port}"
    for name in ("X-Forwarded-For", "Forwarded", "X-Real-IP", "CF-Connecting-IP"):
        headers = {name: "203.0.113.9", "Origin": origin}
        response = httpx2.post(
            f"{origin}/auth/login", json={"user_id": "ana"}, headers=headers, trust_env=False
        )
        assert response.is_success
    assert {entry.address for entry in store.login_log.of_user("ana")} == {"127.0.0.1"}


def test_a_name_of_another_site_that_leads_here_is_refused(port: int) -> None:
    """DNS rebinding: to a browser such a page would be of the same origin as ours."""
    for host in ("evil.example.org", f"evil.example.org:{port}", "127.0.0.1.evil.example.org"):
        response = httpx2.post(
            f"http://127.0.0.1:{port}/auth/login",
            json={"user_id": "ana"},
            headers={"Host": host, "Origin": f"http://{host}"},
            trust_env=False,
        )
        assert response.status_code == 400
