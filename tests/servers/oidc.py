"""An OpenID Connect provider on loopback: people log in by one click, and it lies on demand.

It speaks the authorization code flow (OpenID Connect Core 1.0, section 3.1) with PKCE (RFC 7636)
for one client. It keeps nobody logged in: each request for a login shows the page on which a person
is picked. What a certified provider does by default, `tests/servers/oidc_provider` shows; this one
is for what that never does.
"""

import asyncio
import contextlib
import hashlib
import secrets
import time
from base64 import b64decode, urlsafe_b64encode
from collections import deque
from collections.abc import Awaitable, Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from html import escape
from typing import Any, Final, Literal
from urllib.parse import unquote_plus

from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey
from starlette.applications import Starlette
from starlette.datastructures import URL, FormData
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from tests.servers.wire import cut, serving

TOKEN_SECONDS: Final = 300


@dataclass(frozen=True)
class Person:
    """Somebody with an account at the provider, and what it says of them; None: nothing.

    `sub` is who it is for good; two people may have the same of everything else.
    """

    sub: str
    preferred_username: str | None = None
    name: str | None = None
    email: str | None = None
    email_verified: bool | None = None


ANA: Final = Person("1001", "ana", "Ana Lima", "ana@example.org", email_verified=True)
BEN: Final = Person("1002", "ben", "Ben Okafor", "ben@example.org", email_verified=True)


@dataclass
class Fault:
    """What a client meets the next `times` that it gets to a place.

    `what`: it gets `status` for an answer; the connection is closed without any; it waits for ever.
    """

    at: Literal["discovery", "jwks", "token", "userinfo"]
    what: Literal["status", "cut", "silence"] = "status"
    status: int = 500
    times: int = 1


@dataclass(frozen=True)
class Lie:
    """What is wrong with an ID token.

    `claims` stand in the place of the true ones, None for one that is left out. One that is
    `forged` is signed with another key than the provider's, under its name.
    """

    claims: Mapping[str, Any] = field(default_factory=dict)
    forged: bool = False


@dataclass(frozen=True)
class _Grant:
    """What a code stands for."""

    person: Person
    redirect_uri: str
    nonce: str | None
    code_challenge: str | None

    def is_proved_by(self, verifier: str | None) -> bool:
        """Return whether the verifier is the one that the login began with (RFC 7636, 4.6)."""
        if verifier is None:
            return self.code_challenge is None
        digest = hashlib.sha256(verifier.encode()).digest()
        return urlsafe_b64encode(digest).rstrip(b"=").decode() == self.code_challenge


class Provider:
    """A provider with its people and its one client.

    Args:
        people: who can be picked.
        client_id: what the client is called.
        client_secret: the secret that it proves itself with.
        redirect_uris: where people may be sent back to; None: anywhere.

    Attributes:
        url: where it listens; it is also the issuer.
        people: as above; changes show at the next login.
        requests: every request for a login, as it was read.
        faults: what clients will meet.
        lies: what is wrong with the next ID tokens, one each.
    """

    def __init__(
        self,
        people: Iterable[Person],
        *,
        client_id: str,
        client_secret: str,
        redirect_uris: Collection[str] | None = None,
    ) -> None:
        self.url = ""
        self.people = list(people)
        self.client_id = client_id
        self.client_secret = client_secret
        self.redirect_uris = redirect_uris
        self.requests: list[dict[str, str]] = []
        self.faults: deque[Fault] = deque()
        self.lies: deque[Lie] = deque()
        self._key = _new_key()
        self._grants: dict[str, _Grant] = {}
        self._holders: dict[str, Person] = {}

    @property
    def metadata_url(self) -> str:
        return f"{self.url}/.well-known/openid-configuration"

    def application(self) -> Starlette:
        """Return what it answers."""
        return Starlette(
            routes=[
                Route(
                    "/.well-known/openid-configuration", self._meeting("discovery", self._discovery)
                ),
                Route("/jwks", self._meeting("jwks", self._jwks)),
                Route("/authorize", self._authorize, methods=["GET", "POST"]),
                Route("/token", self._meeting("token", self._token), methods=["POST"]),
                Route("/userinfo", self._meeting("userinfo", self._userinfo)),
            ]
        )

    def _meeting(
        self, at: str, endpoint: Callable[[Request], Awaitable[Response]]
    ) -> Callable[[Request], Awaitable[Response]]:
        """Return an endpoint before which a client meets the faults that are set for the place."""

        async def response(request: Request) -> Response:
            fault = next((each for each in self.faults if each.at == at), None)
            if fault is None:
                return await endpoint(request)
            fault.times -= 1
            if not fault.times:
                self.faults.remove(fault)
            await request.body()  # a connection that is closed before is reset, at times
            if fault.what == "status":
                return Response(status_code=fault.status)
            if fault.what == "silence":
                await _until_gone(request)
            return await cut(request)

        return response

    async def _discovery(self, request: Request) -> Response:
        """Answer as OpenID Connect Discovery 1.0, section 3, says."""
        issuer = _issuer(request)
        return JSONResponse(
            {
                "issuer": issuer,
                "authorization_endpoint": f"{issuer}/authorize",
                "token_endpoint": f"{issuer}/token",
                "userinfo_endpoint": f"{issuer}/userinfo",
                "jwks_uri": f"{issuer}/jwks",
                "response_types_supported": ["code"],
                "grant_types_supported": ["authorization_code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": [
                    "client_secret_basic",
                    "client_secret_post",
                ],
                "code_challenge_methods_supported": ["S256"],
                "scopes_supported": ["openid", "email", "profile"],
            }
        )

    async def _jwks(self, _: Request) -> Response:
        return JSONResponse(KeySet([self._key]).as_dict(private=False))

    async def _authorize(self, request: Request) -> Response:
        """Show the page; it posts to its own address, which so carries state and nonce along."""
        query = dict(request.query_params)
        if query.get("client_id") != self.client_id or not self._knows(query.get("redirect_uri")):
            return _page("<p>Nobody is sent there from here.", 400)
        objection = _objection(query)
        if objection:
            return _back(query, **objection)
        if request.method == "GET":
            self.requests.append(query)
            return _page(self._choice())
        form = await request.form()
        if "refuse" in form:
            return _back(query, error="access_denied", error_description="The person refused.")
        person = self._picked(form)
        if person is None:
            return _page(self._choice(), 400)
        code = secrets.token_urlsafe()
        self._grants[code] = _Grant(
            person, query["redirect_uri"], query.get("nonce"), query.get("code_challenge")
        )
        return _back(query, code=code)

    async def _token(self, request: Request) -> Response:
        form = await request.form()
        if _credentials(request, form) != (self.client_id, self.client_secret):
            return JSONResponse(
                {"error": "invalid_client"}, 401, {"WWW-Authenticate": 'Basic realm="token"'}
            )
        if form.get("grant_type") != "authorization_code":
            return JSONResponse({"error": "unsupported_grant_type"}, 400)
        grant = self._grants.pop(_text(form, "code") or "", None)
        if (
            grant is None
            or form.get("redirect_uri") != grant.redirect_uri
            or not grant.is_proved_by(_text(form, "code_verifier"))
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        access_token = secrets.token_urlsafe()
        self._holders[access_token] = grant.person
        response = {
            "access_token": access_token,
            "token_type": "Bearer",
            "expires_in": TOKEN_SECONDS,
            "id_token": self._id_token(_issuer(request), grant),
        }
        return JSONResponse(response, headers={"Cache-Control": "no-store"})

    async def _userinfo(self, request: Request) -> Response:
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        person = self._holders.get(token) if scheme.lower() == "bearer" else None
        if person is None:
            refusal = {"WWW-Authenticate": 'Bearer error="invalid_token"'}
            return Response(status_code=401, headers=refusal)
        return JSONResponse(_without_none(asdict(person)))

    def _knows(self, redirect_uri: str | None) -> bool:
        if self.redirect_uris is None:
            return (redirect_uri or "").startswith(("http://", "https://"))
        return redirect_uri in self.redirect_uris

    def _choice(self) -> str:
        buttons = [
            f'<p><button name="sub" value="{escape(person.sub)}">'
            f"{escape(person.name or person.preferred_username or '')} ({escape(person.sub)})"
            "</button>"
            for person in self.people
        ]
        return (
            f'<h1>Who are you?</h1><form method="post">{"".join(buttons)}</form>'
            '<form method="post"><p><label>Somebody else, called '
            '<input name="username" required></label> <button>Log in</button></form>'
            '<form method="post"><p><button name="refuse">Refuse</button></form>'
        )

    def _picked(self, form: FormData) -> Person | None:
        """Return who was picked, or a stranger of the name that was typed."""
        typed = (_text(form, "username") or "").strip()
        if typed:
            return Person(f"typed {typed}", typed, typed)
        return next((each for each in self.people if each.sub == form.get("sub")), None)

    def _id_token(self, issuer: str, grant: _Grant) -> str:
        lie = self.lies.popleft() if self.lies else Lie()
        now = int(time.time())
        claims = {
            "iss": issuer,
            "aud": self.client_id,
            "iat": now,
            "exp": now + TOKEN_SECONDS,
            "nonce": grant.nonce,
            **asdict(grant.person),
            **lie.claims,
        }
        header = {"alg": "RS256", "kid": self._key.kid}
        return jwt.encode(header, _without_none(claims), _new_key() if lie.forged else self._key)


def application(
    people: Iterable[Person],
    *,
    client_id: str,
    client_secret: str,
    redirect_uris: Collection[str] | None = None,
) -> Starlette:
    """Return a provider that runs by itself and never lies; see `Provider` for the arguments."""
    return Provider(
        people, client_id=client_id, client_secret=client_secret, redirect_uris=redirect_uris
    ).application()


@contextlib.contextmanager
def providing(
    people: Iterable[Person] = (ANA, BEN),
    *,
    client_id: str = "fivefold",
    client_secret: str = "secret-for-tests",  # noqa: S107  # it opens nothing
    redirect_uris: Collection[str] | None = None,
) -> Iterator[Provider]:
    """Run a provider while the block runs; see `Provider` for the arguments."""
    provider = Provider(
        people, client_id=client_id, client_secret=client_secret, redirect_uris=redirect_uris
    )
    with serving(provider.application()) as provider.url:
        yield provider


def settings_of(provider: Provider) -> dict[str, Any]:
    """Return the settings that make people log in by a provider."""
    return {
        "login": "oidc",
        "oidc_metadata_url": provider.metadata_url,
        "oidc_client_id": provider.client_id,
        "oidc_client_secret": provider.client_secret,
    }


def environment_of(provider: Provider) -> dict[str, str]:
    """Return the environment of a process in which people log in by a provider."""
    return {name.upper(): value for name, value in settings_of(provider).items()}


def _objection(query: Mapping[str, str]) -> dict[str, str]:
    """Return the error that a request for a login is answered with; empty: none.

    The codes are those of RFC 6749, section 4.1.2.1, and OpenID Connect Core 1.0, section 3.1.2.6.
    """
    if query.get("response_type") != "code":
        return {"error": "unsupported_response_type"}
    if "openid" not in query.get("scope", "").split():
        return {"error": "invalid_scope"}
    if "code_challenge" in query and query.get("code_challenge_method") != "S256":
        return {"error": "invalid_request"}
    if "none" in query.get("prompt", "").split():
        return {"error": "login_required"}
    if not set(query.get("prompt", "").split()) <= {"login", "consent"}:
        # In the words of `oidc-provider` (npm), which takes no others unless it is told to.
        words = "unsupported prompt value requested"
        return {"error": "invalid_request", "error_description": words}
    return {}


def _back(query: Mapping[str, str], **response: str) -> Response:
    """Send a person back to the client, with its state."""
    state = {"state": query["state"]} if "state" in query else {}
    target = URL(query["redirect_uri"]).include_query_params(**response, **state)
    return RedirectResponse(target, 303)


def _credentials(request: Request, form: FormData) -> tuple[str | None, str | None]:
    """Return what the client calls itself and proves itself with (RFC 6749, section 2.3.1)."""
    scheme, _, coded = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return _text(form, "client_id"), _text(form, "client_secret")
    name, _, secret = b64decode(coded).decode().partition(":")
    return unquote_plus(name), unquote_plus(secret)


def _issuer(request: Request) -> str:
    return str(request.base_url).rstrip("/")


def _new_key() -> RSAKey:
    return RSAKey.generate_key(2048, {"use": "sig", "alg": "RS256"}, auto_kid=True)


def _page(body: str, status: int = 200) -> Response:
    head = "<!doctype html><html lang=en><meta charset=utf-8><title>Stand-in provider</title>"
    return HTMLResponse(head + body, status)


def _text(form: FormData, name: str) -> str | None:
    value = form.get(name)
    return value if isinstance(value, str) else None


async def _until_gone(request: Request) -> None:
    """Wait until the client gives up."""
    for _ in range(3000):  # a minute; nobody stays longer
        if request.state.transport.is_closing():
            return
        await asyncio.sleep(0.02)


def _without_none(claims: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if value is not None}
