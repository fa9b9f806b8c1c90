"""Whose words the login page shows: the provider's of a login that began here, nobody else's."""

import logging
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient

from core.cli.doctor_login import check_provider
from core.media.folder import FolderStore
from core.settings import Settings
from core.store import Store
from core.web.login.oidc import ProviderMiddleware, refusal_text
from tests.servers.wire import serving
from tests.web import studio_of


def test_the_providers_own_words_are_shown_and_logged_and_nobody_elses(
    settings: Settings, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = settings.model_copy(update={"login": "oidc"})
    studio = studio_of(chosen, store, FolderStore(chosen.data_dir))
    caplog.set_level(logging.WARNING)

    def begin(_: Request) -> Response:
        return RedirectResponse("http://provider/authorize?state=begun-here&client_id=x")

    def response(_: Request) -> Response:
        return RedirectResponse("/")

    app = Starlette(
        routes=[Route("/auth/login", begin), Route("/oauth2callback", response)],
        middleware=[Middleware(ProviderMiddleware, open_studio=lambda: studio)],
    )
    client = TestClient(app, follow_redirects=False)

    def shown(state: str) -> str:
        words = {"error": "invalid_request", "error_description": "no\nsuch <b>prompt</b>"}
        found = client.get("/oauth2callback", params=words | {"state": state})
        assert found.status_code == 303
        query = dict(parse_qs(urlsplit(found.headers["location"]).query))
        return refusal_text({name: value[0] for name, value in query.items()}, studio.identity)

    assert "did not let you in" in shown("somebody else's")
    client.get("/auth/login")
    assert shown("begun-here") == (
        "The identity provider refused the login and said: “invalid_request: no such <b>prompt</b>”"
    )
    assert "refused a login: invalid_request: no such <b>prompt</b>" in caplog.text
    assert "did not let you in" in shown("begun-here")  # once
    client.get("/auth/login")
    wordless = client.get("/oauth2callback", params={"state": "begun-here"})
    assert wordless.headers["location"] == "/login?refused=refused"
    forged = {"refused": "said", "said": "call this number"}
    assert "call this number" not in refusal_text(forged, studio.identity)


@pytest.mark.parametrize(
    ("odd", "words"),
    [
        ({"issuer": "https://id.example.org/{tenantid}/v2.0"}, "Take the address of one tenant"),
        ({"authorization_endpoint": "/to-refusal"}, "HTTP 403: Access blocked: wrong client"),
        ({"authorization_endpoint": "/round"}, ""),
        ({"token_endpoint": "/nowhere"}, "does not end logins at"),
        ({"jwks_uri": "/nowhere"}, "cannot be read"),
        ({"claims_supported": ["sub", "email"]}, "does not say “preferred_username” of anybody"),
        ({"claims_supported": None}, ""),
    ],
)
def test_doctor_sees_what_other_providers_do(
    settings: Settings, odd: dict[str, object], words: str
) -> None:
    def discovery(request: Request) -> Response:
        base = str(request.base_url).rstrip("/")
        paths = {
            "authorization_endpoint": "/page",
            "token_endpoint": "/token",
            "jwks_uri": "/jwks",
            **{name: value for name, value in odd.items() if str(value).startswith("/")},
        }
        addresses = {name: f"{base}{path}" for name, path in paths.items()}
        return JSONResponse({"issuer": base} | odd | addresses)

    page = "<head><title>Sorry</title></head><p>Access blocked: <b>wrong client</b>.</p>"
    app = Starlette(
        routes=[
            Route("/metadata", discovery),
            Route("/page", lambda _: HTMLResponse("Who are you?")),
            Route("/to-refusal", lambda _: RedirectResponse("/refusal")),
            Route("/refusal", lambda _: HTMLResponse(page, 403)),
            Route("/round", lambda _: RedirectResponse("/round")),
            Route("/jwks", lambda _: JSONResponse({"keys": [{}]})),
            Route(
                "/token", lambda _: JSONResponse({"error": "invalid_grant"}, 400), methods=["POST"]
            ),
        ]
    )
    with serving(app) as url:
        chosen = settings.model_copy(
            update={"login": "oidc", "oidc_metadata_url": f"{url}/metadata", "oidc_client_id": "x"}
        )
        if not words:
            assert check_provider(chosen) == url
            return
        with pytest.raises(LookupError, match=re.escape(words)):
            check_provider(chosen)
