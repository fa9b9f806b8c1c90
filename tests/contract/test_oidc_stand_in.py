"""The stand-in OpenID Connect provider, asked by Authlib as Streamlit's `st.login` asks with it."""

import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any, Final

import httpx2
import pytest
from authlib.integrations.starlette_client import (  # type: ignore[import-untyped]
    OAuth,
    OAuthError,
)
from joserfc.errors import JoseError
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.settings import Settings
from tests.servers.oidc import (
    ANA,
    BEN,
    Fault,
    Lie,
    Person,
    Provider,
    environment_of,
    providing,
    settings_of,
)
from tests.servers.wire import serving

# The example of RFC 7636, appendix B.
VERIFIER: Final = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
CHALLENGE: Final = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

LONG_AGO: Final = 1_000_000_000  # 2001
FAR_AHEAD: Final = 4_000_000_000  # 2096


class RelyingParty:
    """An application that people log in to; it makes its client anew each time, as Streamlit does.

    Attributes:
        url: where it listens.
        secret: what it proves itself with.
        more: settings of the client, beside those that Streamlit has.
    """

    def __init__(self, provider: Provider) -> None:
        self.url = ""
        self.secret = provider.client_secret
        self.more: dict[str, Any] = {}
        self._provider = provider

    @property
    def callback_uri(self) -> str:
        return f"{self.url}/oauth2callback"

    def application(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/login", self._login),
                Route("/oauth2callback", self._callback),
            ],
            middleware=[Middleware(SessionMiddleware, secret_key=secrets.token_hex())],
        )

    def _client(self) -> Any:
        settings = {
            "scope": "openid email profile",
            "prompt": None,
            "code_challenge_method": "S256",
        }
        return OAuth().register(
            "default",
            server_metadata_url=self._provider.metadata_url,
            client_id=self._provider.client_id,
            client_secret=self.secret,
            client_kwargs=settings | self.more,
        )

    async def _login(self, request: Request) -> Response:
        try:
            response = await self._client().authorize_redirect(request, self.callback_uri)
        except httpx2.HTTPError as error:
            return _fault(error)
        assert isinstance(response, Response)
        return response

    async def _callback(self, request: Request) -> Response:
        client = self._client()
        try:
            token = await client.authorize_access_token(request)
            userinfo = await client.userinfo(token=token)
        except (OAuthError, JoseError, httpx2.HTTPError) as error:
            return _fault(error)
        return JSONResponse({"claims": token["userinfo"], "userinfo": userinfo})


def _fault(error: Exception) -> Response:
    return JSONResponse({"fault": type(error).__name__, "text": str(error)})


@pytest.fixture(scope="module")
def running() -> Iterator[tuple[Provider, RelyingParty]]:
    with providing() as provider:
        party = RelyingParty(provider)
        with serving(party.application()) as party.url:
            yield provider, party


@pytest.fixture
def provider(running: tuple[Provider, RelyingParty]) -> Provider:
    """A provider that knows Ana, Ben and the application, and has no faults."""
    provider, party = running
    provider.people = [ANA, BEN]
    provider.redirect_uris = [party.callback_uri]
    for remembered in (provider.requests, provider.faults, provider.lies):
        remembered.clear()
    return provider


@pytest.fixture
def party(running: tuple[Provider, RelyingParty], provider: Provider) -> RelyingParty:
    party = running[1]
    party.secret = provider.client_secret
    party.more.clear()
    return party


@pytest.fixture
def browser(party: RelyingParty) -> Iterator[httpx2.Client]:
    with httpx2.Client(base_url=party.url, follow_redirects=True, timeout=30) as client:
        yield client


def log_in(browser: httpx2.Client, **choice: str) -> Any:  # JSON
    """Go through the whole login and return what the application makes of it."""
    page = browser.get("/login")
    return browser.post(page.url, data=choice).json()


def pick(browser: httpx2.Client, person: Person) -> Any:  # JSON
    return log_in(browser, sub=person.sub)


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_the_application_is_told_who_was_picked(
    provider: Provider, party: RelyingParty, browser: httpx2.Client, method: str
) -> None:
    party.more["token_endpoint_auth_method"] = method
    response = pick(browser, BEN)
    assert response["userinfo"] == asdict(BEN)
    claims = response["claims"]
    assert claims.items() >= asdict(BEN).items()
    assert (claims["iss"], claims["aud"]) == (provider.url, "fivefold")
    assert time.time() - 60 < claims["iat"] <= time.time() < claims["exp"]
    assert claims["nonce"] == provider.requests[-1]["nonce"]


def test_the_page_offers_everybody_and_was_asked_for_as_our_settings_have_streamlit_ask(
    provider: Provider, browser: httpx2.Client
) -> None:
    page = browser.get("/login")
    assert page.url.path == "/authorize"
    for person in provider.people:
        assert f'<button name="sub" value="{person.sub}">{person.name}' in page.text
    assert '<input name="username"' in page.text
    assert '<button name="refuse"' in page.text
    [authorization] = provider.requests
    assert authorization["scope"] == "openid email profile"
    assert "prompt" not in authorization
    assert authorization["code_challenge_method"] == "S256"


def test_a_name_is_text_on_the_page(provider: Provider, browser: httpx2.Client) -> None:
    provider.people = [Person('"><script>', name="<script>alert(1)</script>")]
    assert "<script" not in browser.get("/login").text
    assert pick(browser, provider.people[0])["claims"]["name"] == "<script>alert(1)</script>"


def test_whoever_types_a_name_that_somebody_has_is_somebody_else(
    browser: httpx2.Client,
) -> None:
    claims = log_in(browser, username=" ana ")["claims"]
    assert claims["preferred_username"] == "ana"
    assert claims["sub"] != ANA.sub
    assert log_in(browser, username="ana")["claims"]["sub"] == claims["sub"]


def test_two_people_may_differ_in_their_subject_alone(
    provider: Provider, browser: httpx2.Client
) -> None:
    namesake = replace(ANA, sub="2001", email_verified=False)
    provider.people.append(namesake)
    first, second = pick(browser, ANA)["claims"], pick(browser, namesake)["claims"]
    assert (first["sub"], second["sub"]) == ("1001", "2001")
    assert first["preferred_username"] == second["preferred_username"] == "ana"
    assert (first["email_verified"], second["email_verified"]) == (True, False)


def test_what_is_not_known_of_a_person_is_not_said(
    provider: Provider, browser: httpx2.Client
) -> None:
    provider.people = [Person("3001")]
    response = pick(browser, provider.people[0])
    assert response["userinfo"] == {"sub": "3001"}
    assert response["claims"].keys() == {"iss", "sub", "aud", "iat", "exp", "nonce"}


def test_nobody_else_can_be_picked(provider: Provider, browser: httpx2.Client) -> None:
    page = browser.get("/login")
    response = browser.post(page.url, data={"sub": "4001"})
    assert response.status_code == 400
    assert str(response.url).startswith(provider.url)


@pytest.mark.parametrize(
    ("lie", "fault"),
    [
        (Lie({"nonce": "another"}), "InvalidClaimError"),
        (Lie({"nonce": None}), "MissingClaimError"),
        (Lie({"iss": "https://id.example.org"}), "InvalidClaimError"),
        (Lie({"aud": "another"}), "MissingClaimError"),  # `azp`, which would have to say why
        (Lie({"sub": None}), "MissingClaimError"),
        (Lie({"iat": FAR_AHEAD}), "InvalidClaimError"),
        (Lie({"exp": LONG_AGO}), "ExpiredTokenError"),
        (Lie(forged=True), "BadSignatureError"),
    ],
    ids=str,
)
def test_a_lie_in_a_token_is_seen_and_the_next_token_is_true(
    provider: Provider, browser: httpx2.Client, lie: Lie, fault: str
) -> None:
    provider.lies.append(lie)
    assert pick(browser, ANA)["fault"] == fault
    assert pick(browser, ANA)["claims"]["sub"] == ANA.sub


def test_authlib_takes_an_old_token_so_its_age_is_for_us_to_judge(
    provider: Provider, browser: httpx2.Client
) -> None:
    provider.lies.append(Lie({"iat": LONG_AGO}))
    assert pick(browser, ANA)["claims"]["iat"] == LONG_AGO


FAULTS: Final = [("status", "HTTPStatusError"), ("cut", "RemoteProtocolError")]


@pytest.mark.parametrize(("what", "seen"), [*FAULTS, ("silence", "ReadTimeout")])
def test_a_login_does_not_begin_without_the_discovery_document(
    provider: Provider, party: RelyingParty, browser: httpx2.Client, what: Any, seen: str
) -> None:
    if what == "silence":
        party.more["timeout"] = 0.3
    provider.faults.append(Fault("discovery", what))
    assert browser.get("/login").json()["fault"] == seen
    assert not provider.requests
    party.more.clear()
    assert pick(browser, ANA)["claims"]["sub"] == ANA.sub


@pytest.mark.parametrize("at", ["token", "jwks", "userinfo"])
@pytest.mark.parametrize(("what", "seen"), FAULTS)
def test_a_login_does_not_end_well_when_an_endpoint_fails(
    provider: Provider, browser: httpx2.Client, at: Any, what: Any, seen: str
) -> None:
    provider.faults.append(Fault(at, what))
    assert pick(browser, ANA)["fault"] == seen
    assert pick(browser, ANA)["claims"]["sub"] == ANA.sub


def test_a_fault_is_met_as_often_as_was_said(provider: Provider) -> None:
    provider.faults.append(Fault("discovery", status=503, times=2))
    statuses = [httpx2.get(provider.metadata_url).status_code for _ in range(3)]
    assert statuses == [503, 503, 200]


def test_a_person_may_refuse(browser: httpx2.Client) -> None:
    response = log_in(browser, refuse="")
    assert response["fault"] == "OAuthError"
    assert "access_denied" in response["text"]


def asking(provider: Provider, party: RelyingParty, **other: str) -> httpx2.URL:
    """The address of a request for a login, with other parameters than the right ones."""
    right = {
        "response_type": "code",
        "client_id": provider.client_id,
        "redirect_uri": party.callback_uri,
        "scope": "openid",
        "state": "s 1",
        "nonce": "n-1",
        "code_challenge": CHALLENGE,
        "code_challenge_method": "S256",
    }
    return httpx2.URL(f"{provider.url}/authorize", params=right | other)


def code_of(provider: Provider, party: RelyingParty) -> str:
    """Log Ana in and return the code that her browser takes to the application."""
    response = httpx2.post(asking(provider, party), data={"sub": ANA.sub})
    assert response.status_code == 303
    target = httpx2.URL(response.headers["location"])
    assert target.params["state"] == "s 1"
    return target.params["code"]


def redeem(provider: Provider, party: RelyingParty, /, **other: str) -> httpx2.Response:
    """Hand in the `code`, with other parameters than the right ones; empty: with none."""
    right = {
        "grant_type": "authorization_code",
        "redirect_uri": party.callback_uri,
        "code_verifier": VERIFIER,
        "client_id": provider.client_id,
        "client_secret": provider.client_secret,
    }
    sent = {name: value for name, value in (right | other).items() if value}
    return httpx2.post(f"{provider.url}/token", data=sent)


def test_a_code_is_good_once(provider: Provider, party: RelyingParty) -> None:
    code = code_of(provider, party)
    response = redeem(provider, party, code=code)
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    again = redeem(provider, party, code=code)
    assert (again.status_code, again.json()) == (400, {"error": "invalid_grant"})


@pytest.mark.parametrize(
    ("other", "status", "error"),
    [
        ({"code": "another"}, 400, "invalid_grant"),
        ({"redirect_uri": "http://127.0.0.1:9/oauth2callback"}, 400, "invalid_grant"),
        ({"code_verifier": "x" * 43}, 400, "invalid_grant"),
        ({"code_verifier": ""}, 400, "invalid_grant"),
        ({"client_id": "another"}, 401, "invalid_client"),
        ({"client_secret": "another"}, 401, "invalid_client"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
    ],
    ids=str,
)
def test_a_code_is_good_for_its_own_login_and_client_only(
    provider: Provider, party: RelyingParty, other: dict[str, str], status: int, error: str
) -> None:
    response = redeem(provider, party, **{"code": code_of(provider, party)} | other)
    assert (response.status_code, response.json()) == (status, {"error": error})


def test_a_verifier_is_refused_where_the_login_began_without_one(
    provider: Provider, party: RelyingParty
) -> None:
    begun = asking(provider, party).copy_remove_param("code_challenge")
    response = httpx2.post(begun, data={"sub": ANA.sub})
    code = httpx2.URL(response.headers["location"]).params["code"]
    assert redeem(provider, party, code=code).json() == {"error": "invalid_grant"}


@pytest.mark.parametrize(
    ("other", "error"),
    [
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "email"}, "invalid_scope"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"prompt": "none"}, "login_required"),
    ],
    ids=str,
)
def test_a_request_that_cannot_be_met_is_sent_back_with_its_state(
    provider: Provider, party: RelyingParty, other: dict[str, str], error: str
) -> None:
    response = httpx2.get(asking(provider, party, **other))
    target = httpx2.URL(response.headers["location"])
    assert str(target).startswith(f"{party.callback_uri}?")
    assert dict(target.params) == {"error": error, "state": "s 1"}


@pytest.mark.parametrize(
    "other", [{"client_id": "another"}, {"redirect_uri": "http://127.0.0.1:9/"}], ids=str
)
def test_nobody_is_sent_where_the_application_is_not(
    provider: Provider, party: RelyingParty, other: dict[str, str]
) -> None:
    response = httpx2.get(asking(provider, party, **other))
    assert response.status_code == 400
    assert "location" not in response.headers


def test_a_wrong_access_token_opens_nothing(provider: Provider) -> None:
    response = httpx2.get(f"{provider.url}/userinfo", headers={"Authorization": "Bearer wrong"})
    assert response.status_code == 401


def test_a_wrong_secret_is_seen_by_the_application(
    party: RelyingParty, browser: httpx2.Client
) -> None:
    party.secret += "!"
    response = pick(browser, ANA)
    assert response["fault"] == "OAuthError"
    assert "invalid_client" in response["text"]


def test_its_settings_lead_the_product_to_it(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = Settings(**settings_of(provider))
    assert settings.login == "oidc"
    document = httpx2.get(settings.oidc_metadata_url).json()
    assert document["issuer"] == provider.url
    for name, value in environment_of(provider).items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings
