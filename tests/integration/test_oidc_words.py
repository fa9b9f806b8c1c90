"""What a strict OpenID Connect provider says is heard: by `doctor`, on the page and in the log."""

import logging
from urllib.parse import parse_qs, urlsplit

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.runtime.secrets import AttrDict
from streamlit.web.server.starlette import starlette_auth_routes

from core.media.folder import FolderStore
from core.settings import Settings
from core.store import Store
from core.web.oidc import ProviderMiddleware, refusal_text, streamlit_secrets
from tests.integration.test_doctor import finding
from tests.servers.oidc import Person, Provider, providing
from tests.web import studio_of


def settings_for(settings: Settings, provider: Provider, **more: object) -> Settings:
    return settings.model_copy(
        update={
            "login": "oidc",
            "oidc_metadata_url": provider.metadata_url,
            "oidc_client_id": provider.client_id,
            "oidc_client_secret": SecretStr(provider.client_secret),
            **more,
        }
    )


def test_doctor_begins_a_login(settings: Settings, store: Store) -> None:
    assert store.ping()
    with providing() as provider:
        provider.people = [Person("1", name="Ana")]
        chosen = settings_for(settings, provider)
        assert finding(chosen, "login").ok, finding(chosen, "login").text
        asked = provider.asked[-1]
        assert "prompt" not in asked
        assert asked["redirect_uri"] == f"{chosen.link_base}/oauth2callback"
        refused = finding(chosen, "login", oidc_prompt="select_account")
        assert not refused.ok
        assert "invalid_request: unsupported prompt value requested" in refused.text
        stranger = finding(chosen, "login", oidc_client_id="somebody else")
        assert not stranger.ok
        assert "Nobody is sent there from here. Please look over OIDC_CLIENT_ID" in stranger.text


@pytest.mark.parametrize(("prompt", "asked"), [("", None), ("login", ["login"])])
def test_streamlit_asks_for_a_prompt_only_where_a_setting_does(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch, prompt: str, asked: object
) -> None:
    with providing() as provider:
        chosen = settings_for(settings, provider, oidc_prompt=prompt)
        studio = studio_of(chosen, store, FolderStore(chosen.data_dir))
        given = streamlit_secrets(chosen, studio.identity)
        assert given is not None

        section = AttrDict(given["auth"])
        monkeypatch.setattr(starlette_auth_routes, "get_secrets_auth_section", lambda: section)
        client, _ = starlette_auth_routes._create_oauth_client("default")  # noqa: SLF001  # the real one
        assert client.client_kwargs["scope"] == "openid email profile"

        async def begin(request: Request) -> Response:
            answer = await client.authorize_redirect(request, "http://x/oauth2callback")
            assert isinstance(answer, Response)
            return answer

        sessions = Middleware(SessionMiddleware, secret_key="x")  # noqa: S106
        app = Starlette(routes=[Route("/", begin)], middleware=[sessions])
        location = TestClient(app).get("/", follow_redirects=False).headers["location"]
        assert parse_qs(urlsplit(location).query).get("prompt") == asked


def test_the_providers_own_words_are_shown_and_logged_and_nobody_elses(
    settings: Settings, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    chosen = settings.model_copy(update={"login": "oidc"})
    studio = studio_of(chosen, store, FolderStore(chosen.data_dir))
    caplog.set_level(logging.WARNING)

    def begin(_: Request) -> Response:
        return RedirectResponse("http://provider/authorize?state=begun-here&client_id=x")

    def answer(_: Request) -> Response:
        return RedirectResponse("/")

    app = Starlette(
        routes=[Route("/auth/login", begin), Route("/oauth2callback", answer)],
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
    forged = {"refused": "said", "said": "call this number"}
    assert "call this number" not in refusal_text(forged, studio.identity)
