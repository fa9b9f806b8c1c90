"""The whole login with a certified OpenID Connect provider as it is by default.

A real web process, the provider's own process, and a browser's requests between them.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2
import pytest
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from core.settings import Settings
from core.store import Store
from tests.product import free_port
from tests.servers import web
from tests.servers.oidc_provider import SECRET, CertifiedProvider, cancel, certified, sign_in


class Person:
    """Somebody with a browser that opens a Fivefold."""

    def __init__(self, fivefold: web.Web) -> None:
        self._web = fivefold
        self.origin = f"http://localhost:{fivefold.port}"
        self.browser = httpx2.Client(
            base_url=self.origin, trust_env=False, follow_redirects=True, timeout=30
        )
        self.browser.get("/_stcore/health")  # Streamlit's own token, for its websocket

    def to_provider(self) -> httpx2.Response:
        """Press the button of the login page; return the first page that comes of it."""
        target = self._draw(pressed="provider").redirect
        assert target
        return self.browser.get(target)

    def log_in(self, login: str = "ana") -> httpx2.Response:
        """Go through the provider's pages, and hand in what it said as our login page does."""
        page = sign_in(self.browser, self.to_provider(), login)
        assert page.url.host == "localhost", page.text
        ticket = self._draw(page.url.query.decode()).login["ticket"]
        assert ticket, self.refusal(page)
        return self.browser.post(
            "/auth/login",
            json={"ticket": ticket},
            headers={"Origin": self.origin},
        )

    def refusal(self, page: httpx2.Response) -> str:
        """What the login page says at the address that a login led back to."""
        assert page.url.host == "localhost", page.text
        said = self._draw(page.url.query.decode()).login["refusal"]
        assert isinstance(said, str)
        return said

    def _draw(self, query: str = "", pressed: str = "") -> "Drawn":
        cookies = "; ".join(
            f"{each.name}={each.value}"
            for each in self.browser.cookies.jar
            if each.domain.startswith("localhost")
        )
        token = self.browser.cookies["_streamlit_xsrf"]
        found = Drawn()
        with self._web.socket(
            {"Cookie": cookies, "Origin": self.origin, "Host": self.origin.partition("://")[2]},
            subprotocols=["streamlit", token],
        ) as socket:
            found.read(socket, query)
            if pressed:
                found.read(socket, query, pressed)
        return found


class Drawn:
    """What a browser is sent for the login page."""

    def __init__(self) -> None:
        self.login: dict[str, Any] = {}
        self.redirect = ""
        self._widget = self._page = ""

    def read(self, socket: Any, query: str, pressed: str = "") -> None:
        asked = BackMsg()
        asked.rerun_script.query_string = query
        if pressed:
            asked.rerun_script.page_script_hash = self._page
            state = asked.rerun_script.widget_states.widgets.add()
            state.id = f"$$STREAMLIT_INTERNAL_KEY_{self._widget}__events"
            state.json_trigger_value = json.dumps([{"event": pressed, "value": "1"}])
        else:
            asked.rerun_script.page_name = "login"
        socket.send(asked.SerializeToString())
        finished = False
        while not finished or (pressed and not self.redirect):
            said = ForwardMsg()
            said.ParseFromString(socket.recv(60, decode=False))
            kind = said.WhichOneof("type")
            component = said.delta.new_element.bidi_component
            if component.component_name == "fivefold_login":
                self.login, self._widget = json.loads(component.json), component.id
            elif kind == "navigation":
                self._page = said.navigation.page_script_hash
            elif kind == "auth_redirect":
                self.redirect = said.auth_redirect.url
            finished = finished or kind == "script_finished"


@dataclass(frozen=True)
class Federated:
    """A Fivefold whose people log in by a provider.

    Attributes:
        person: opens a browser of somebody who was never there.
    """

    provider: CertifiedProvider
    person: Callable[[], Person]


Start = Callable[..., Federated]
"""Starts a provider and a Fivefold: the fixture `start`."""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "web.log"


@pytest.fixture
def start(settings: Settings, store: Store, log: Path) -> Iterator[Start]:
    assert store.ping()
    with ExitStack() as stack:

        def begin(
            *, secret: str = SECRET, environment: dict[str, str] | None = None, **provider: Any
        ) -> Federated:
            port = free_port()
            callback = f"http://localhost:{port}/oauth2callback"
            running = stack.enter_context(certified(callback, client_secret=secret, **provider))
            chosen = running.environment | {"PORT": str(port)} | (environment or {})
            fivefold = stack.enter_context(web.serving(settings, chosen, log))

            def person() -> Person:
                came = Person(fivefold)
                stack.callback(came.browser.close)
                return came

            return Federated(running, person)

        yield begin


def test_people_log_in_and_out_and_in_again_with_the_providers_defaults(
    start: Start, store: Store, log: Path
) -> None:
    fivefold = start()
    person = fivefold.person()
    answer = person.log_in()
    assert (answer.status_code, answer.json()) == (200, {"next": "/"})
    entry = store.logins.of_user("ana")[0]
    assert (entry.outcome, entry.method) == ("accepted", "oidc")
    kept = {each.name for each in person.browser.cookies.jar if each.value}
    assert "fivefold_session" in kept
    assert not any(name.startswith("_streamlit_user") for name in kept)

    left = person.browser.post("/auth/logout", headers={"Origin": person.origin})
    assert left.status_code == 200
    fivefold.provider.rotate_keys()
    assert person.log_in().status_code == 200  # the provider still knows them, by its own cookie
    assert len(store.logins.of_user("ana")) == 2

    stranger = fivefold.person()
    refused = cancel(stranger.browser, stranger.to_provider())
    said = stranger.refusal(refused)
    assert "access_denied: End-User aborted interaction" in said
    assert "refused a login: access_denied: End-User aborted" in log.read_text()
    assert store.logins.of_user("")[0].method == "oidc"
    assert stranger.log_in("ben").status_code == 200
    assert "Traceback" not in log.read_text()
