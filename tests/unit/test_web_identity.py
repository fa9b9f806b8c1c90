import stat
import threading
from pathlib import Path

import pytest
from itsdangerous import TimestampSigner
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route, WebSocketRoute
from starlette.testclient import TestClient
from starlette.websockets import WebSocket

from core.settings import Settings
from core.web.identity import COOKIE, USER_HEADER, Identity, IdentityMiddleware, open_identity

KEY = "a-key-for-tests"
IDENTITY = Identity(KEY, days=30, secure=False)


def cookie_of(identity: Identity, user_id: str) -> str:
    response = Response()
    identity.remember(response, user_id)
    return response.headers["set-cookie"]


def value_of(identity: Identity, user_id: str) -> str:
    return cookie_of(identity, user_id).split(";")[0].removeprefix(f"{COOKIE}=")


def client() -> TestClient:
    async def http(request: Request) -> Response:
        header = request.headers.getlist(USER_HEADER)
        return JSONResponse({"header": header, "state": request.state.user_id})

    async def websocket(socket: WebSocket) -> None:
        await socket.accept()
        header = socket.headers.getlist(USER_HEADER)
        await socket.send_json({"header": header, "state": socket.state.user_id})
        await socket.close()

    routes = [Route("/", http), WebSocketRoute("/ws", websocket)]
    middleware = [Middleware(IdentityMiddleware, identity=IDENTITY)]
    return TestClient(Starlette(routes=routes, middleware=middleware))


def seen(headers: dict[str, str]) -> list[object]:
    """What is behind the middleware, over HTTP and over a websocket."""
    found: list[object] = [client().get("/", headers=headers).json()]
    with client().websocket_connect("/ws", headers=headers) as socket:
        found.append(socket.receive_json())
    return found


def test_a_user_who_logged_in_is_known_to_pages_and_websockets() -> None:
    known = {"header": ["ana.b-c_1"], "state": "ana.b-c_1"}
    assert seen({"Cookie": f"{COOKIE}={value_of(IDENTITY, 'ana.b-c_1')}"}) == [known, known]


def test_a_header_that_the_client_sent_is_dropped() -> None:
    nobody: dict[str, object] = {"header": [], "state": None}
    assert seen({"X-Fivefold-User": "ana"}) == [nobody, nobody]
    cookie = f"{COOKIE}={value_of(IDENTITY, 'ana')}"
    known = {"header": ["ana"], "state": "ana"}
    assert seen({"X-FIVEFOLD-USER": "eve", "Cookie": cookie}) == [known, known]


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
        value_of(IDENTITY, "Not A User"),
        "." * 5000,
    ],
    ids=range(10),  # what is signed has the time in it
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
