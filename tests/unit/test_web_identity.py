import stat
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mongomock
import pytest
from itsdangerous import TimestampSigner
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket, WebSocketDisconnect

from core.models import Method
from core.settings import Settings
from core.store import DatabaseUnavailable
from core.store.accounts.login_sessions import LoginSessionStore
from core.web.identity.cookies import COOKIE, Identity, open_identity
from core.web.identity.middleware import (
    SESSION_HEADER,
    TROUBLE_HEADER,
    USER_HEADER,
    IdentityMiddleware,
    current_user_id,
)
from core.web.identity.session_cache import SessionCache

KEY = "a-key-for-tests"
IDENTITY = Identity(KEY, days=30, secure=False)
HEADERS = (USER_HEADER, SESSION_HEADER, TROUBLE_HEADER)
NOBODY: dict[str, list[str]] = {name: [] for name in HEADERS}


def cookie_of(identity: Identity, secret: str) -> str:
    response = Response()
    request = Request({"type": "http", "scheme": "http", "path": "/", "headers": []})
    identity.remember(request, response, secret)
    return response.headers["set-cookie"]


def value_of(identity: Identity, secret: str) -> str:
    return cookie_of(identity, secret).split(";")[0].removeprefix(f"{COOKIE}=")


@pytest.fixture
def sessions() -> LoginSessionStore:
    return LoginSessionStore(mongomock.MongoClient(tz_aware=True)["fivefold"])


@pytest.fixture
def live(sessions: LoginSessionStore) -> SessionCache:
    return SessionCache(lambda: sessions)


@pytest.fixture
def client(live: SessionCache) -> Iterator[TestClient]:
    """A web process that tells who asked, and whose websocket repeats what it hears."""

    async def http(request: Request) -> Response:
        return JSONResponse(found(request) | {"whose": current_user_id(request)})

    async def websocket(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_json(found(socket))
        try:
            while True:
                await socket.send_text(await socket.receive_text())
        except WebSocketDisconnect:
            pass

    def found(connection: Request | WebSocket) -> dict[str, Any]:
        return {name: connection.headers.getlist(name) for name in HEADERS}

    routes = [Route("/", http), WebSocketRoute("/ws", websocket)]
    middleware = [Middleware(IdentityMiddleware, identity=IDENTITY, sessions=live)]
    with TestClient(Starlette(routes=routes, middleware=middleware)) as opened:
        yield opened


def seen(client: TestClient, headers: dict[str, str]) -> Any:
    """What is behind the middleware, the same over HTTP and over a websocket."""
    over_http = client.get("/", headers=headers).json()
    with client.websocket_connect("/ws", headers=headers) as socket:
        over_websocket = socket.receive_json()
    assert {name: over_http[name] for name in HEADERS} == over_websocket
    assert over_http["whose"] == next(iter(over_http[USER_HEADER]), None)
    return over_websocket


def test_a_user_who_logged_in_is_known_to_pages_and_websockets(
    client: TestClient, sessions: LoginSessionStore
) -> None:
    secret, session = sessions.begin("ana.b-c_1", 30)
    assert seen(client, {"Cookie": f"{COOKIE}={value_of(IDENTITY, secret)}"}) == {
        USER_HEADER: ["ana.b-c_1"],
        SESSION_HEADER: [session.id],
        TROUBLE_HEADER: [],
    }


def test_headers_that_the_client_sent_are_dropped(
    client: TestClient, sessions: LoginSessionStore
) -> None:
    claimed = {"X-Fivefold-User": "eve", "X-FIVEFOLD-SESSION": "1", "x-fivefold-trouble": "1"}
    assert seen(client, claimed) == NOBODY
    secret, session = sessions.begin("ana", 30)
    cookie = {"Cookie": f"{COOKIE}={value_of(IDENTITY, secret)}"}
    assert seen(client, claimed | cookie)[USER_HEADER] == ["ana"]
    assert seen(client, claimed | cookie)[SESSION_HEADER] == [session.id]


def test_a_good_signature_is_not_enough(client: TestClient, sessions: LoginSessionStore) -> None:
    secret, session = sessions.begin("ana", 30)
    over, _ = sessions.begin("ana", 0)
    sessions.revoke(session.id)
    for each in (secret, over, "ana", "never begun", session.id):
        cookie = {"Cookie": f"{COOKIE}={value_of(IDENTITY, each)}"}
        assert seen(client, cookie) == NOBODY


def test_a_websocket_hears_nothing_more_once_its_session_has_ended(
    client: TestClient, sessions: LoginSessionStore, live: SessionCache
) -> None:
    secret, session = sessions.begin("ana", 30)
    cookie = {"Cookie": f"{COOKIE}={value_of(IDENTITY, secret)}"}
    with client.websocket_connect("/ws", headers=cookie) as socket:
        socket.receive_json()
        socket.send_text("before")
        assert socket.receive_text() == "before"
        sessions.revoke(session.id)
        assert client.portal is not None
        client.portal.call(live.ended, session.id)
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
        assert closed.value.code == 4401


def test_a_websocket_ends_where_login_no_longer_allows_how_it_began(
    client: TestClient,
    sessions: LoginSessionStore,
    live: SessionCache,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("core.web.identity.session_cache.CHECK_SECONDS", 0.01)
    secret, _ = sessions.begin("ana", 30)
    proven, _ = sessions.begin("eve", 30, method=Method.PASSPHRASE)
    cookies = [{"Cookie": f"{COOKIE}={value_of(IDENTITY, each)}"} for each in (secret, proven)]
    with (
        client.websocket_connect("/ws", headers=cookies[0]) as socket,
        client.websocket_connect("/ws", headers=cookies[1]) as others,
    ):
        for each in (socket, others):
            each.receive_json()
        monkeypatch.setattr(live, "_open", lambda: sessions.under("passphrase"))
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_text()
        assert closed.value.code == 4401
        others.send_text("still here")
        assert others.receive_text() == "still here"
    assert seen(client, cookies[0]) == NOBODY


def test_an_end_that_another_process_brought_about_is_seen_within_seconds(
    client: TestClient, sessions: LoginSessionStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.web.identity.session_cache.CHECK_SECONDS", 0.01)
    secret, session = sessions.begin("ana", 30)
    other, _ = sessions.begin("eve", 30)
    cookies = [{"Cookie": f"{COOKIE}={value_of(IDENTITY, each)}"} for each in (secret, other)]
    with (
        client.websocket_connect("/ws", headers=cookies[0]) as socket,
        client.websocket_connect("/ws", headers=cookies[1]) as others,
    ):
        socket.receive_json()
        others.receive_json()
        sessions.revoke(session.id)
        with pytest.raises(WebSocketDisconnect):
            socket.receive_text()
        others.send_text("still here")
        assert others.receive_text() == "still here"


def test_while_the_database_does_not_answer_nobody_is_anybody(
    client: TestClient,
    sessions: LoginSessionStore,
    live: SessionCache,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def down() -> LoginSessionStore:
        raise DatabaseUnavailable("It does not answer.")

    monkeypatch.setattr("core.web.identity.session_cache.CHECK_SECONDS", 0.01)
    secret, _ = sessions.begin("ana", 30)
    cookie = {"Cookie": f"{COOKIE}={value_of(IDENTITY, secret)}"}
    with monkeypatch.context() as patched:
        patched.setattr(live, "_open", down)
        with pytest.raises(DatabaseUnavailable):
            client.get("/", headers=cookie)
        socket = client.websocket_connect("/ws", headers=cookie).__enter__()
        assert socket.receive_json() == {
            USER_HEADER: [],
            SESSION_HEADER: [],
            TROUBLE_HEADER: ["1"],
        }
    with pytest.raises(WebSocketDisconnect):  # so that the browser connects again, as the user
        socket.receive_text()
    socket.__exit__(None, None, None)
    assert seen(client, cookie)[USER_HEADER] == ["ana"]


def test_a_shares_key_is_ours_and_for_that_share() -> None:
    key = IDENTITY.share_key("01abc")
    assert IDENTITY.read_share(key) == "01abc"
    other = Identity("another key", days=30, secure=False).share_key("01abc")
    cookie = value_of(IDENTITY, "01abc")
    for forged in (other, cookie, key[:-1], key.replace("01abc", "01abd"), "", "é", "." * 5000):
        assert IDENTITY.read_share(forged) is None
    assert IDENTITY.read(f"{COOKIE}={key}") is None


@pytest.mark.parametrize(
    "value",
    [
        "",
        "ana",
        "ana.abc.def",
        "ana..",
        "\u00ff\u00fe.x.y",
        value_of(Identity("another key", days=30, secure=False), "ana"),
        value_of(IDENTITY, "ana").replace("ana", "eve"),
        value_of(IDENTITY, "ana")[:-1],
        "." * 5000,
    ],
    ids=range(9),  # what is signed has the time in it
)
def test_a_cookie_that_proves_nothing_means_nobody(value: str) -> None:
    assert IDENTITY.read(f"{COOKIE}={value}") is None
    assert IDENTITY.read(f"other=1; {COOKIE}={value}; more") is None


def test_two_users_cookies_cannot_be_put_together() -> None:
    ana, eve = value_of(IDENTITY, "ana"), value_of(IDENTITY, "eve")
    mixed = ".".join([eve.rsplit(".", 2)[0], *ana.rsplit(".", 2)[1:]])
    assert IDENTITY.read(f"{COOKIE}={mixed}") is None


def test_a_login_lasts_as_long_as_it_should(monkeypatch: pytest.MonkeyPatch) -> None:
    cookie = f"{COOKIE}={value_of(IDENTITY, 'ana')}"
    start = TimestampSigner("").get_timestamp()
    for days, expected in ((29.9, "ana"), (30.1, None), (-1, None)):
        moment = start + round(days * 86_400)
        monkeypatch.setattr(TimestampSigner, "get_timestamp", lambda _, at=moment: at)
        assert IDENTITY.read(cookie) == expected


def test_the_cookie_is_out_of_reach_of_scripts_and_other_sites() -> None:
    cookie = cookie_of(IDENTITY, "ana").lower()
    assert "httponly" in cookie
    assert "samesite=lax" in cookie
    assert "max-age=2592000" in cookie
    assert "secure" not in cookie
    assert "secure" in cookie_of(Identity(KEY, days=1, secure=True), "ana").lower()


def settings(folder: Path, secret: str = "", public_url: str = "") -> Settings:
    return Settings(data_dir=folder, session_secret=SecretStr(secret), public_url=public_url)


def test_the_key_is_made_once_and_kept_to_its_owner(tmp_path: Path) -> None:
    cookie = cookie_of(open_identity(settings(tmp_path)), "ana")
    assert open_identity(settings(tmp_path)).read(cookie) == "ana"
    assert stat.S_IMODE((tmp_path / "session.key").stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.iterdir()] == ["session.key"]
    assert open_identity(settings(tmp_path / "other")).read(cookie) is None


def test_a_key_from_the_settings_wins(tmp_path: Path) -> None:
    identity = open_identity(settings(tmp_path, KEY, "https://studio.example.org"))
    assert identity.read(cookie_of(IDENTITY, "ana")) == "ana"
    assert "secure" in cookie_of(identity, "ana").lower()
    assert not any(tmp_path.iterdir())


def test_processes_that_start_at_once_agree_on_the_key(tmp_path: Path) -> None:
    gate = threading.Barrier(8)
    made: list[Identity] = []

    def start() -> None:
        gate.wait()
        made.append(open_identity(settings(tmp_path / "data")))

    threads = [threading.Thread(target=start) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {identity.read(cookie_of(made[0], "ana")) for identity in made} == {"ana"}
