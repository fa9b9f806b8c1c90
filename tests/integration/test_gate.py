"""What stands in front of the web process, tried from outside on the real process."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.routing import Route
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection

from core.media.storage import open_content
from core.settings import Settings
from core.store import Store
from core.web.app.asgi import AppParts
from core.web.frontend import assets
from core.web.http.origins import Origins
from core.web.identity.cookies import Identity
from core.web.tab_session import all_pages
from tests.conftest import stored_job
from tests.servers.watched import asked_outside, watching
from tests.servers.web import Web, cookie, drawn, rerun, serving
from tests.web import app_of, browser_of, log_in, served, studio_of

PRIVATE = "what only ana may know"
PROXIED = "https://studio.example.org:8443"


@pytest.fixture
def web(settings: Settings, store: Store) -> Iterator[Web]:
    assert store.ping()
    with serving(settings) as served:
        yield served


def foreign_origins(port: int) -> list[str]:
    return [
        "http://evil.example.org",
        f"http://evil.example.org:{port}",
        "http://localhost:9999",
        "http://127.0.0.1:9999",
        "http://localhost",
        f"https://localhost:{port}",
        f"http://localhost.evil.example.org:{port}",
        "http://192.0.2.1",
        "http://[2001:db8::1]",
        "null",
        "",
    ]


def test_the_web_process_asks_nothing_of_anybody_outside(
    settings: Settings, store: Store, tmp_path: Path
) -> None:
    """Not at its start, nor for honest or hostile requests: no connection, no DNS question."""
    secret, _ = store.login_sessions.begin("ana", 30)
    environment, network = watching(tmp_path)
    with serving(settings, environment) as web:
        for origin in foreign_origins(web.port):
            for host in (f"127.0.0.1:{web.port}", "evil.example.org", "localhost:9999"):
                with pytest.raises(InvalidStatus):
                    web.socket(cookie(secret) | {"Host": host, "Origin": origin})
        for own in (None, f"http://localhost:{web.port}", f"http://127.0.0.1:{web.port}"):
            with web.socket(cookie(secret), origin=own) as opened:
                assert "header" in drawn(opened)
                assert "gallery" in drawn(opened, page="gallery")
        with web.client(Origin=web.url) as client:
            for path in ("/", "/gallery", "/_stcore/health", "/_stcore/host-config", "/health"):
                assert client.get(path).is_success
            assert client.post("/auth/login", json={"user_id": "ana"}).is_success
        assert asked_outside(network) == []


def test_another_port_of_this_machine_is_another_site(web: Web, store: Store) -> None:
    job, _ = stored_job(store, "ana", PRIVATE)
    secret, _ = store.login_sessions.begin("ana", 30)
    for origin in foreign_origins(web.port):
        headers = cookie(secret) | {"Origin": origin}
        with pytest.raises(InvalidStatus) as refused:
            web.socket(headers)
        assert refused.value.response.status_code == 403
        with web.client(**headers) as client:
            for path, body in (
                ("/auth/login", {"user_id": "eve"}),
                ("/auth/logout", {}),
                (f"/jobs/{job.id}/acts", {"name": "cancel"}),
                ("/bell/read", {}),
                ("/library/items", {"ids": [], "favourite": True}),
                ("/library/collections", {"name": "a", "to": "b"}),
            ):
                response = client.post(path, json=body)
                assert (path, response.status_code) == (path, 403)
                assert response.json()["detail"]
    with web.socket(cookie(secret), origin=f"http://localhost:{web.port}") as opened:
        assert PRIVATE in drawn(opened, f"id={job.id}", "job")


def test_a_login_from_another_address_says_the_right_one(web: Web, store: Store) -> None:
    with web.client(Origin="http://192.0.2.7:8501") as client:
        response = client.post("/auth/login", json={"user_id": "ana"})
    assert response.status_code == 403
    assert f"http://localhost:{web.port}" in response.json()["detail"]
    assert store.users.get("ana") is None


def test_a_proxy_may_send_what_it_likes_as_host(settings: Settings, store: Store) -> None:
    """PUBLIC_URL's origin decides: nginx sends `$host` without the port, or the upstream's name."""
    secret, _ = store.login_sessions.begin("ana", 30)
    with serving(settings, {"PUBLIC_URL": PROXIED}) as web:
        for host in ("studio.example.org", "studio.example.org:8443", "backend", "b.example.net"):
            headers = {"Host": host, "Origin": PROXIED, "Sec-Fetch-Site": "same-origin"}
            with web.client(**headers) as client:
                response = client.post("/auth/login", json={"user_id": "ana"})
                assert response.is_success, host
                assert "Secure" in response.headers["set-cookie"]
            with web.socket(cookie(secret) | {"Host": host, "Origin": PROXIED}) as opened:
                assert "header" in drawn(opened)
            wrong = headers | {"Origin": "https://studio.example.org"}
            with web.client(**wrong) as client:
                assert client.post("/auth/login", json={"user_id": "ana"}).status_code in (400, 403)
        with web.client() as client:
            for host in ("evil.example.org", f"evil.example.org:{web.port}"):
                response = client.get("/", headers={"Host": host})
                assert response.status_code == 400
                assert PROXIED in response.text
        # On the machine itself it is still opened without TLS; such a page keeps no Secure cookie.
        with web.client(Origin=f"http://localhost:{web.port}") as client:
            response = client.post("/auth/login", json={"user_id": "ana"})
            assert response.is_success
            assert "Secure" not in response.headers["set-cookie"]


def test_a_proxy_may_send_no_host_at_all(settings: Settings, store: Store) -> None:
    assert store.ping()
    body = json.dumps({"user_id": "ana"})
    head = f"POST /auth/login HTTP/1.0\r\nOrigin: {PROXIED}\r\nContent-Length: {len(body)}"
    with (
        serving(settings, {"PUBLIC_URL": PROXIED}) as web,
        socket.create_connection(("127.0.0.1", web.port), 30) as raw,
    ):
        raw.sendall(f"{head}\r\n\r\n{body}".encode())
        assert raw.recv(100).startswith(b"HTTP/1.1 200")


CLOSED = [
    *("/_stcore/metrics", "/_stcore/script-health-check", "/_stcore/nothing", "/_stcore/"),
    *("/_stcore/upload_file/a/b", "/_stcore/bidi-components/a/b.js", "/component/a/index.html"),
    *("/_stcore/agent/mcp", "/_stcore/agent/openapi.json", "/_stcore/agent/interact"),
    *("/app/static/x", "/oauth2callback", "/job/_stcore/health", "/gallery/_stcore/host-config"),
    *("/wp-login.php", "/.env", "/gallery/more", "/_stcore/stream", "/job/_stcore/stream"),
]


def test_of_streamlit_only_what_the_pages_need_is_served(web: Web, store: Store) -> None:
    secret, _ = store.login_sessions.begin("ana", 30)
    same = {"Origin": web.url, "Sec-Fetch-Site": "same-origin"}
    for headers in ({}, cookie(secret)):
        with web.client(**headers, **same) as client:
            for path in CLOSED:
                for method in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"):
                    response = client.request(method, path, content=b"x" * 1000)
                    assert response.status_code == 404, (method, path)
            for page in all_pages():
                response = client.get(page)
                assert response.is_success
                assert "<title>Streamlit</title>" in response.text
                for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
                    assert client.request(method, page).status_code == 404
            assert client.get("/_stcore/health").text == "ok"
            assert client.get("/_stcore/host-config").is_success
            for path in (f"/jobs/{'x' * 50_000}/acts", f"/gallery/{'x' * 50_000}"):
                assert client.request("POST", path).status_code == 404
            moved = client.get("/gallery/?sort=newest")
            assert (moved.status_code, moved.headers["location"]) == (301, "../gallery?sort=newest")
    for path in ("/", "/gallery", "/_stcore/health", "/job/_stcore/stream"):
        with pytest.raises(InvalidStatus) as refused:
            web.socket(path=path)
        assert refused.value.response.status_code == 404


def test_every_route_that_changes_something_is_for_our_own_pages_only(
    settings: Settings, store: Store
) -> None:
    """Links in mails work by their token; nothing else answers another site."""
    studio = studio_of(settings, store, open_content(settings.content_url))
    parts = AppParts(lambda: studio, Identity("key", days=1, secure=False), Origins())
    changing = [
        route.path
        for route in parts.routes
        if isinstance(route, Route) and route.methods and not route.methods <= {"GET", "HEAD"}
    ]
    assert "/library/items" in changing
    with browser_of(app_of(studio)) as client:
        log_in(client, "ana")
        for path in changing:
            if path.startswith("/mail/") or path == "/origin":  # which only says what it is
                continue
            filled = path.replace("{id}", "a").replace("{asset_id}", "a")
            response = client.post(filled, json={}, headers={"Origin": "http://evil.example.org"})
            assert (path, response.status_code) == (path, 403)


def test_what_a_websocket_may_send_is_bounded_and_others_go_on(web: Web, store: Store) -> None:
    secret, _ = store.login_sessions.begin("ana", 30)
    with web.socket(cookie(secret)) as honest:
        for headers in ({}, cookie(secret)):
            with web.socket(headers) as flooding:
                assert closing_code(flooding, [b"ab"] * 5_000) in (1002, 1008)
            with web.socket(headers) as flooding:
                assert closing_code(flooding, [rerun()] * 5_000) in (None, 1008)
            with web.socket(headers) as flooding:
                assert closing_code(flooding, [b"x" * 19_000_000]) in (None, 1009)
            with web.socket(headers) as opened:
                assert drawn(opened)
        assert "header" in drawn(honest)


def closing_code(connection: ClientConnection, messages: list[bytes]) -> int | None:
    """Send these, and return with which code the connection is closed; None: with none."""
    with pytest.raises(ConnectionClosed) as closed:
        for each in messages:
            connection.send(each)
        while True:
            connection.recv(60)
    return None if closed.value.rcvd is None else closed.value.rcvd.code


def test_an_id_of_any_length_and_kind_makes_nothing_stay(settings: Settings, store: Store) -> None:
    studio = studio_of(settings, store, open_content(settings.content_url))
    parts = AppParts(lambda: studio, studio.identity)
    app = served(parts)
    with browser_of(app) as client:
        log_in(client, "ana")
        for number in range(50):
            for job_id in (f"{number}", f"{number:0>1900}"):
                response = client.post(f"/jobs/{job_id}/acts", json={"name": "cancel"})
                assert response.status_code in (200, 404)
        assert not parts.hub._changes.jobs  # noqa: SLF001


def test_under_a_path_everything_works_whether_the_proxy_cuts_it_or_not(
    settings: Settings, store: Store
) -> None:
    secret, _ = store.login_sessions.begin("ana", 30)
    public = "https://studio.example.org"
    check = f"/{assets.address('pages/connection_check.js')}"
    with serving(settings, {"PUBLIC_URL": f"{public}/studio/"}) as web:
        for prefix in ("/studio", ""):
            with web.client(Origin=public, Host="studio.example.org") as client:
                response = client.post(f"{prefix}/auth/login", json={"user_id": "ana"})
                assert response.is_success
                assert "Path=/studio;" in response.headers["set-cookie"]
                for page in ("/", "/gallery", "/job?id=a"):
                    shown = client.get(prefix + page)
                    assert shown.is_success
                    assert f'<script type="module" src=".{check}"' in shown.text
                for path in (check, "/_stcore/health", "/health", "/favicon.png"):
                    assert client.get(prefix + path).is_success, path
                assert client.get(f"{prefix}/_stcore/metrics").status_code == 404
                assert client.post(f"{prefix}/origin").json() == {"ours": True}
            headers = cookie(secret) | {"Origin": public}
            with web.socket(headers, f"{prefix}/_stcore/stream") as opened:
                assert "header" in drawn(opened)
        with web.client() as client:
            moved = client.get("/studio?a=b")
            assert (moved.status_code, moved.headers["location"]) == (301, "studio/?a=b")
            for path in ("/studios/gallery", "/studio/studio/gallery", "/studio//gallery"):
                assert client.get(path).status_code == 404
        with web.client(Origin=f"http://localhost:{web.port}") as client:
            response = client.post("/auth/login", json={"user_id": "ana"})
            assert "Path=/;" in response.headers["set-cookie"]
        with web.client(Origin="http://192.0.2.7:8501") as client:  # opened by its address
            refusal = client.post("/origin").json()
            assert refusal["ours"] is False
            assert f"{public}/studio" in refusal["message"]
