"""What `doctor` says of links and of the ways in which users are told."""

import re
import socket
import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, cast

import httpx2
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from core.cli import doctor_web
from core.cli.doctor import Finding, _budgets, _encoder, examine
from core.cli.doctor_web import check_links
from core.media import inspection
from core.media.bounded_process import OutOfBounds
from core.media.inspection import BrokenMedia
from core.media.storage import open_content
from core.providers.registry import open_catalogue
from core.settings import Settings, load_settings
from core.settings.sections import OpenAIServer
from core.store import DatabaseUnavailable, Store
from core.web.app.health import health_routes
from core.web.resources import WebStudio
from tests.conftest import announced
from tests.product import free_port
from tests.servers import web
from tests.servers.wire import serving


def health_of(store: Store) -> Starlette:
    class Pages:
        """As much of a studio as the route asks for."""

        def __init__(self) -> None:
            self.store, self.settings = store, load_settings()
            self.content = open_content(self.settings.content_url)

    return Starlette(routes=health_routes(lambda: cast(WebStudio, Pages())))


def finding(settings: Settings, name: str, **changed: Any) -> Finding:
    found = {each.name: each for each in examine(settings.model_copy(update=changed))}
    return found[name]


def links(settings: Settings, **changed: Any) -> Finding:
    """What is said of links alone."""
    try:
        description = check_links(settings.model_copy(update=changed))
    except LookupError as error:
        return Finding("links", ok=False, text=str(error))
    return Finding("links", ok=True, text=description)


class Proxy(socketserver.ThreadingTCPServer):
    """A reverse proxy in front of a web process.

    Attributes:
        to: the port behind it; 0: it says 502.
        upgrades: whether it passes `Upgrade` on; nginx does where it is told to.
        deaf: whether it passes nothing on after the head.
    """

    daemon_threads = True
    to, upgrades, deaf = 0, True, False

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Proxied(socketserver.BaseRequestHandler):
    server: Proxy

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            head += self.request.recv(1)
        if not self.server.to:
            self.request.sendall(b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n")
            return
        if not self.server.upgrades:
            head = re.sub(rb"(?i)\r\n(upgrade|connection):[^\r]*", b"", head)
            head = head.replace(b"\r\n", b"\r\nConnection: close\r\n", 1)
        with socket.create_connection(("127.0.0.1", self.server.to), 20) as behind:
            behind.sendall(head)
            if not self.server.deaf:
                threading.Thread(target=self.pump, args=(self.request, behind), daemon=True).start()
            self.pump(behind, self.request)

    def pump(self, source: socket.socket, to: socket.socket) -> None:
        with suppress(OSError):
            while part := source.recv(4096):
                to.sendall(part)
            to.shutdown(socket.SHUT_WR)


@contextmanager
def proxy() -> Iterator[Proxy]:
    with Proxy(("127.0.0.1", 0), Proxied) as served:
        threading.Thread(target=served.serve_forever, daemon=True).start()
        try:
            yield served
        finally:
            served.shutdown()


def works(store: Store) -> None:
    """Have a worker be there: Fivefold is running."""
    store.workers.announce(announced(queues={"image": 1}))


def test_links_lead_here_where_the_running_pages_can_be_used(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.ping()
    monkeypatch.setattr(doctor_web, "SECONDS", 20.0)
    with (
        proxy() as ours,
        proxy() as other,
        web.serving(settings, {"PUBLIC_URL": ours.url}) as pages,
    ):
        ours.to = other.to = pages.port
        local = finding(settings, "links", port=pages.port)
        assert local.ok, local.text
        assert "for this machine only" in local.text
        found = links(settings, public_url=ours.url)
        assert found.ok, found.text
        assert found.text == f"start with {ours.url}, which leads here"
        # Started with another PUBLIC_URL than doctor reads, or the proxy changes it.
        found = links(settings, public_url=other.url)
        assert not found.ok
        assert f"refuses the websocket of pages that are opened there (origin {other.url}" in (
            found.text
        )
        ours.upgrades = False
        found = links(settings, public_url=ours.url)
        assert not found.ok
        assert "no websocket can be opened there (HTTP 404)" in found.text
        assert "let websockets (“Upgrade”) through" in found.text
        ours.upgrades, ours.deaf = True, True
        monkeypatch.setattr(doctor_web, "SECONDS", 2.0)
        found = links(settings, public_url=ours.url)
        assert not found.ok
        assert "it opens, and nothing comes back" in found.text


def test_links_lead_here_under_a_path(settings: Settings, store: Store) -> None:
    assert store.ping()
    with proxy() as ours:
        base = f"{ours.url}/studio"
        with web.serving(settings, {"PUBLIC_URL": base}) as pages:
            ours.to = pages.port
            found = links(settings, public_url=base)
            assert found.ok, found.text
            found = links(settings, public_url=f"{ours.url}/other")
            assert not found.ok
            assert "does not lead to this Fivefold (HTTP 404: There is nothing here.)" in found.text


def test_a_wrong_address_is_said(settings: Settings, store: Store) -> None:
    assert store.ping()
    with serving(Starlette(routes=[Route("/health", lambda _: PlainTextResponse("ok"))])) as url:
        found = links(settings, public_url=url)
    assert not found.ok
    assert found.text == f"{url} does not lead to this Fivefold. Is PUBLIC_URL right?"


def test_where_browsers_are_sent_on_is_said(settings: Settings, store: Store) -> None:
    assert store.ping()

    def secure(_: Request) -> Response:
        return RedirectResponse("https://studio.example.org/a/health", 301)

    with serving(Starlette(routes=[Route("/health", secure)])) as url:
        found = links(settings, public_url=url)
    assert not found.ok
    assert found.text.startswith(f"{url} sends browsers on to https://studio.example.org/a. ")


def test_an_origin_that_our_own_gate_refuses_is_said(settings: Settings) -> None:
    found = links(settings, public_url="http://ana@127.0.0.1:9")
    assert not found.ok
    assert "would be refused" in found.text


def test_what_is_not_running_is_no_fault_of_the_links(settings: Settings, store: Store) -> None:
    """Red is that nobody answers there while Fivefold runs."""
    closed = f"http://127.0.0.1:{free_port()}"
    with proxy() as bare:
        for running in (False, True):
            if running:
                works(store)
            for url, why in ((closed, "ConnectError"), (bare.url, "HTTP 502")):
                found = links(settings, public_url=url)
                assert found.ok is not running
                assert found.text == (
                    f"{url} cannot be reached from here ({why}). Is Fivefold running, and is "
                    "PUBLIC_URL right?"
                )


@pytest.mark.parametrize(
    "changed", [{"smtp_host": "mail.example.org", "mail_from": "a@x.org"}, {"bind_address": "::"}]
)
def test_a_missing_address_is_said_where_others_get_links(
    settings: Settings, changed: dict[str, str]
) -> None:
    found = links(settings, **changed)  # running or not
    assert not found.ok
    assert "Set PUBLIC_URL" in found.text


def test_clips_are_read_back_as_those_of_items_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """In the bounded process: where that can read nothing, the encoder alone proves nothing."""
    assert "are written and read back" in _encoder()

    async def dies(*_arguments: object, **_limits: object) -> None:
        raise OutOfBounds

    monkeypatch.setattr(inspection, "bounded", dies)
    with pytest.raises(BrokenMedia):
        _encoder()


def test_every_way_to_be_told_is_tried(settings: Settings, store: Store) -> None:
    assert store.ping()
    assert finding(settings, "told by app").ok
    assert finding(settings, "told by terminal").ok
    port = free_port()
    mail = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_password": SecretStr("s3cret")}
    found = finding(settings, "told by email", mail_from="a@x.org", **mail)
    assert not found.ok
    assert f"127.0.0.1:{port}" in found.text
    assert "s3cret" not in found.text


def test_health_says_which_installation_it_is_and_when_the_database_is_gone(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone() -> WebStudio:
        raise DatabaseUnavailable("It does not answer.")

    with serving(health_of(store)) as url:
        response = httpx2.get(f"{url}/health", trust_env=False)
    assert response.json() == {"installation": store.installation()}
    with serving(Starlette(routes=health_routes(gone))) as url:
        assert httpx2.get(f"{url}/health", trust_env=False).status_code == 503
    monkeypatch.setattr(store, "ping", gone)
    with serving(health_of(store)) as url:
        assert httpx2.get(f"{url}/health", trust_env=False).status_code == 503


def priced(**changed: Any) -> Finding:
    """What is said of budgets where OpenAI's images cost dollars that nobody knows beforehand."""
    server = OpenAIServer(base_url="http://127.0.0.1:9/v1", image_models=("fox-1",), paid=True)
    settings = Settings(openai_servers={"ours": server}, **changed)
    try:
        return Finding("budgets", ok=True, text=_budgets(settings, open_catalogue(settings)))
    except LookupError as error:
        return Finding("budgets", ok=False, text=str(error))


def test_what_budgets_bind_is_said() -> None:
    assert priced().text == "none: what users spend has no bound (BUDGETS)"
    result = priced(budgets={"USD": 20})
    assert result.ok
    assert result.text.startswith("20 USD a month for each user. Not known beforehand")
    assert "ours/fox-1" in result.text
    assumed = priced(budgets={"USD": 20}, assumed_costs={"ours": 0.2})
    assert assumed.text == "20 USD a month for each user"


@pytest.mark.parametrize(
    "changed",
    [
        {"budgets": {"EUR": 20}},
        {"budgets": {"USD": 20, "credits": 3}},
        {"budgets": {"USD": 20}, "assumed_costs": {"ours/fox-2": 0.2}},
        {"budgets": {"USD": 20}, "assumed_costs": {"illustrator": 0.2}},
    ],
)
def test_what_binds_nothing_is_a_finding(changed: dict[str, Any]) -> None:
    found = priced(**changed)
    assert not found.ok
    assert "binds nothing" in found.text


def quickly(settings: Settings) -> dict[str, str]:
    """What `make run` finds before its banner."""
    return {each.name: each.text for each in examine(settings, quick=True) if not each.ok}


def test_make_run_looks_at_what_is_quick(settings: Settings, store: Store) -> None:
    assert store.ping()
    assert quickly(settings) == {}
    server = OpenAIServer(base_url="http://127.0.0.1:9/v1", image_models=("fox-1",), paid=True)
    budgets = {"USD": 20, "credits": 3}
    changed = {
        "openai_servers": {"ours": server},
        "budgets": budgets,
        "diffusers_image_models": ("a/b",),
        "broker_url": SecretStr(f"redis://127.0.0.1:{free_port()}"),
        "bind_address": "0.0.0.0",  # noqa: S104  # compared only
    }
    found = quickly(settings.model_copy(update=changed))
    assert set(found) == {"budgets", "queues", "broker", "login", "links"}
    assert "“credits” in BUDGETS binds nothing" in found["budgets"]
    assert "No worker serves the queue “gpu”" in found["queues"]
    assert "LOGIN=passphrase" in found["login"]
    assert "Set PUBLIC_URL" in found["links"]


def test_make_run_asks_nobody_outside(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is quick makes no connection but to the database and the broker."""
    assert store.ping()
    there = {store._client.address[1]}  # type: ignore[index]  # noqa: SLF001
    asked = []
    connect = socket.socket.connect

    def noting(self: socket.socket, address: Any) -> None:
        asked.append(address)
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", noting)
    changed = {
        "login": "oidc",
        "oidc_metadata_url": "http://127.0.0.1:9/.well-known/openid-configuration",
        "smtp_host": "127.0.0.1",
        "mail_from": "a@x.org",
        "public_url": "http://127.0.0.1:9",
        "ai_horde": True,
        "ai_horde_base_url": "http://127.0.0.1:9",
        "openai_base_url": "http://127.0.0.1:9/v1",
    }
    assert quickly(settings.model_copy(update=changed)) == {}
    assert {address[1] for address in asked if address[1] not in there} == set()


def test_workers_that_hear_of_work_by_different_brokers_are_a_finding(
    settings: Settings, store: Store
) -> None:
    works(store)
    assert finding(settings, "queues").ok is False, "it serves another queue"
    for name, broker in (("one", ""), ("two", "redis://there:6379")):
        store.workers.announce(announced(id=name, broker=broker))
    found = finding(settings, "queues")
    assert not found.ok
    assert "none and redis://there:6379 are their brokers" in found.text
