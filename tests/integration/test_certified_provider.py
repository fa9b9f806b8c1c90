"""The whole login with a certified OpenID Connect provider as it is by default.

A real web process, the provider's own process, and a browser's requests between them.
"""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import httpx2
import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg

from core.cli.doctor import Finding
from core.settings import Settings
from core.store import Store
from tests.integration.test_doctor import finding
from tests.product import free_port
from tests.servers import web, wire
from tests.servers.oidc_provider import SECRET, CertifiedProvider, cancel, certified, sign_in

PEOPLE: Final = {
    "1001": {"preferred_username": "ana", "name": "Ana Lima", "email": "ana@example.org"},
}
CLAIMS: Final = {"profile": ["name", "preferred_username"], "email": ["email"]}
ODD: Final = "a+b%41/c=d:e&f g~"  # as `openssl rand -base64` makes them, and worse


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
        message = self._draw(page.url.query.decode()).login["refusal"]
        assert isinstance(message, str)
        return message

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
            message = ForwardMsg()
            message.ParseFromString(socket.recv(60, decode=False))
            kind = message.WhichOneof("type")
            component = message.delta.new_element.bidi_component
            if component.component_name == "fivefold_login":
                self.login, self._widget = json.loads(component.json), component.id
            elif kind == "navigation":
                self._page = message.navigation.page_script_hash
            elif kind == "auth_redirect":
                self.redirect = message.auth_redirect.url
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
    response = person.log_in()
    assert (response.status_code, response.json()) == (200, {"next": "/"})
    entry = store.login_log.of_user("ana")[0]
    assert (entry.outcome, entry.method) == ("accepted", "oidc")
    kept = {each.name for each in person.browser.cookies.jar if each.value}
    assert "fivefold_session" in kept
    assert not any(name.startswith("_streamlit_user") for name in kept)

    left = person.browser.post("/auth/logout", headers={"Origin": person.origin})
    assert left.status_code == 200
    fivefold.provider.rotate_keys()
    assert person.log_in().status_code == 200  # the provider still knows them, by its own cookie
    assert len(store.login_log.of_user("ana")) == 2

    stranger = fivefold.person()
    refused = cancel(stranger.browser, stranger.to_provider())
    message = stranger.refusal(refused)
    assert "access_denied: End-User aborted interaction" in message
    assert "refused a login: access_denied: End-User aborted" in log.read_text()
    assert store.login_log.of_user("")[0].method == "oidc"
    assert stranger.log_in("ben").status_code == 200
    assert "Traceback" not in log.read_text()


def test_a_claim_that_only_userinfo_has_makes_an_account(
    start: Start, store: Store, log: Path
) -> None:
    chosen = {"OIDC_CLAIM": "preferred_username"}
    fivefold = start(environment=chosen, people=PEOPLE, claims=CLAIMS)
    assert fivefold.person().log_in("1001").status_code == 200
    assert store.login_log.of_user("ana")[0].outcome == "accepted"
    nameless = fivefold.person().log_in("1002")
    assert nameless.status_code == 403
    assert "does not say “preferred_username”" in nameless.json()["detail"]
    assert "Traceback" not in log.read_text()


def test_a_secret_may_hold_any_characters(start: Start, log: Path) -> None:
    fivefold = start(secret=ODD, environment={"OIDC_CLIENT_SECRET": ODD})
    assert fivefold.person().log_in().status_code == 200
    assert ODD not in log.read_text()


def test_a_wrong_secret_is_said_on_the_page_and_in_the_log(
    start: Start, store: Store, log: Path
) -> None:
    fivefold = start(environment={"OIDC_CLIENT_SECRET": "another"})
    person = fivefold.person()
    message = person.refusal(sign_in(person.browser, person.to_provider()))
    assert message.endswith("said: “invalid_client: client authentication failed”")
    assert "refused a login: invalid_client: client authentication failed" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert store.login_log.of_user("")[0].reason == "provider refused"


def test_a_prompt_that_the_provider_does_not_know_is_said(start: Start, log: Path) -> None:
    fivefold = start(environment={"OIDC_PROMPT": "select_account"})
    person = fivefold.person()
    words = "invalid_request: unsupported prompt value requested"
    assert words in person.refusal(person.to_provider())
    assert words in log.read_text()


def test_metadata_of_another_issuer_prove_nobody(start: Start, store: Store, log: Path) -> None:
    metadata: dict[str, Any] = {}

    def discovery(_: Request) -> Response:
        return JSONResponse(metadata)

    with wire.serving(Starlette(routes=[Route("/metadata", discovery)])) as url:
        fivefold = start(environment={"OIDC_METADATA_URL": f"{url}/metadata"})
        real = httpx2.get(fivefold.provider.environment["OIDC_METADATA_URL"], trust_env=False)
        metadata |= real.json() | {"issuer": "https://id.example.org"}
        person = fivefold.person()
        message = person.refusal(sign_in(person.browser, person.to_provider()))
    assert "could not be verified" in message
    assert "invalid_claim: Invalid claim: 'iss'" in log.read_text()
    assert "Traceback" not in log.read_text()
    assert store.login_log.of_user("")[0].reason == "provider unproven"


def test_doctor_says_what_a_login_would_meet(settings: Settings, store: Store) -> None:
    assert store.ping()
    redirect = f"{settings.link_base}/oauth2callback"
    with certified(redirect, client_secret="a+b%41 c") as provider:  # noqa: S106  # it opens nothing
        right: dict[str, Any] = {
            name.lower(): value for name, value in provider.environment.items()
        }
        right["oidc_client_secret"] = SecretStr("a+b%41 c")

        def login(**changed: Any) -> Finding:
            return finding(settings, "login", **(right | changed))

        assert login().ok, login().text
        for changed, words in (
            ({"oidc_client_id": "another"}, "invalid_client error_description: client is invalid"),
            (
                {"public_url": "https://studio.example.org"},
                "redirect_uri did not match any of the client's registered redirect_uris",
            ),
            ({"oidc_prompt": "select_account"}, "unsupported prompt value requested"),
            (
                {"oidc_client_secret": SecretStr("another")},
                "does not know Fivefold by its secret: invalid_client: client authentication",
            ),
            ({"oidc_claim": "preferred_username"}, "does not say “preferred_username” of anybody"),
            ({"oidc_metadata_url": f"{provider.url}/elsewhere"}, "Is OIDC_METADATA_URL right?"),
        ):
            refused = login(**changed)
            assert not refused.ok
            assert words in refused.text
            assert "oops" not in refused.text.partition("oops! something went wrong")[2]
