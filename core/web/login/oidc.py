"""Logging in with an OpenID Connect provider, by Streamlit's `st.login`.

Streamlit talks to the provider, verifies the ID token (Authlib) and stores its claims in a cookie
of its own. They are good for one login of ours: `streamlit_claims` reads them, a ticket carries
them to `POST /auth/login`, and the response deletes Streamlit's cookie.
"""

import logging
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import streamlit as st
from authlib.common.errors import AuthlibBaseError  # type: ignore[import-untyped]
from authlib.integrations.base_client.errors import (  # type: ignore[import-untyped]
    MismatchingStateError,
    OAuthError,
)
from cachetools import LRUCache
from joserfc.errors import JoseError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from streamlit.web.server.starlette import starlette_auth_routes

from core.accounts.rules import Accounts
from core.i18n import N_
from core.i18n import gettext as _
from core.notifications.message import shortened
from core.redaction import redact
from core.settings import Settings
from core.store import DatabaseError, DatabaseUnavailable
from core.web.http.requests import requester
from core.web.identity.cookies import STREAMLIT_COOKIES, Identity
from core.web.login.oidc_client import basic_secret, callback_address, with_userinfo
from core.web.resources import WebStudio

REFUSED: Final = {
    "unreachable": N_(
        "The identity provider does not answer at the moment. Please try again in a minute."
    ),
    "refused": N_(
        "The identity provider did not let you in, or its answer came too late. Please try again."
    ),
    "unproven": N_(
        "What the identity provider said of you could not be verified. Please try again; if it "
        "happens again, tell whoever runs this Fivefold."
    ),
    "said": N_("The identity provider refused the login and said: “{said}”"),
}
"""The messages of the login page after a failed login, by its query parameter `refused`."""

_BEGIN: Final = "/auth/login"  # these two routes are Streamlit's
_CALLBACK: Final = "/oauth2callback"
_BAD: Final = 400
_MAX_LOGINS: Final = 10_000  # in progress
_ERROR_CHARACTERS: Final = 300
_EXPECTED: Final = (AuthlibBaseError, JoseError, httpx2.HTTPError)

_streamlits_log = logging.getLogger(starlette_auth_routes.__name__)
_caught: ContextVar[list[BaseException] | None] = ContextVar("caught", default=None)
_log = logging.getLogger(__name__)


def streamlit_secrets(settings: Settings, identity: Identity) -> dict[str, Any] | None:
    """Return the secrets that enable `st.login`; None if it is not used."""
    if settings.login != "oidc":
        return None
    secret = basic_secret(settings)
    redact.add(secret)
    return {
        "auth": {
            "redirect_uri": callback_address(settings),
            "cookie_secret": identity.derived_key("streamlit"),
            "client_id": settings.oidc_client_id,
            "client_secret": secret,
            "server_metadata_url": settings.oidc_metadata_url,
            "expose_tokens": ["access"],  # to this process alone, for `streamlit_claims`
            # One parameter for each in the list, so none for an empty one; without the list,
            # Streamlit asks for "select_account".
            "client_kwargs": {"prompt": [settings.oidc_prompt] if settings.oidc_prompt else []},
        }
    }


def refusal_text(query: Mapping[str, str], identity: Identity) -> str:
    """Return the message about a failed login for the login page; empty: there was none."""
    refused = query.get("refused", "")
    if refused != "said":
        return _(REFUSED.get(refused, ""))
    ticket = identity.read_ticket(query.get("said", "")) or {}
    provider_error = ticket.get("said")
    if not isinstance(provider_error, str):  # the ticket has expired, or is not ours
        refused = "refused"
    sentence = REFUSED[refused]
    return _(sentence).format(said=provider_error)


def streamlit_claims(settings: Settings) -> dict[str, Any] | None:
    """Return the provider's claims about the user of this tab; None: there are none."""
    if not st.user.get("is_logged_in"):
        return None
    claims: dict[str, Any] = dict(st.user.to_dict())
    tokens = claims.pop("tokens", None) or {}  # a ticket must not contain them
    return with_userinfo(settings, claims, tokens.get("access", ""))


class _Caught(logging.Filter):
    """Collects the exceptions of Streamlit's routes from their log records, the only place.

    Expected ones are logged by us, in one line; others keep their traceback.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Store an exception for its request; return whether to log it."""
        caught, error = _caught.get(), record.exc_info and record.exc_info[1]
        if caught is None or not error:
            return True
        caught.append(error)
        return not isinstance(error, _EXPECTED)


_CAUGHT: Final = _Caught()


class ProviderMiddleware:
    """Detects logins that fail in Streamlit's routes, which do not report it.

    Such a login is logged and redirected to the login page, with a message.
    """

    def __init__(self, app: ASGIApp, open_studio: Callable[[], WebStudio]) -> None:
        self._app = app
        self._open_studio = open_studio
        _streamlits_log.addFilter(_CAUGHT)
        self._begun: LRUCache[str, bool] = LRUCache(_MAX_LOGINS)  # by `state`

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; redirect it if the response shows that the login failed."""
        path = scope["type"] == "http" and scope["method"] == "GET" and scope["path"]
        if path not in (_BEGIN, _CALLBACK):
            await self._app(scope, receive, send)
            return
        refused = ""

        async def send_unless_failed(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start":
                refused = _failure(path, message)
                if path == _BEGIN:
                    self._remember(Headers(raw=message["headers"]).get("location", ""))
            if not refused:
                await send(message)

        caught: list[BaseException] = []
        token = _caught.set(caught)
        try:
            await self._app(scope, receive, send_unless_failed)
        finally:
            _caught.reset(token)
        if refused:
            request = Request(scope)
            words = self._provider_error(request) if path == _CALLBACK else ""
            for error in caught:
                refused, words = _reason(error, refused, words)
            await run_in_threadpool(self._log_refusal, request, refused)
            query = {"refused": refused}
            if words:
                _log.warning("the identity provider refused a login: %s", words)
                query = {
                    "refused": "said",
                    "said": self._open_studio().identity.ticket({"said": words}),
                }
            await RedirectResponse(f"/login?{urlencode(query)}", 303)(scope, receive, send)

    def _remember(self, location: str) -> None:
        for state in parse_qs(urlsplit(location).query).get("state", []):
            self._begun[state] = True

    def _provider_error(self, request: Request) -> str:
        """Return the provider's error for a login that began here; empty: none, or a forged one."""
        query = request.query_params
        if query.get("state") not in self._begun:
            return ""
        del self._begun[query["state"]]
        return _joined(query.get("error", ""), query.get("error_description", ""))

    def _log_refusal(self, request: Request, refused: str) -> None:
        try:
            studio = self._open_studio()
            if studio.settings.login != "oidc":
                return
            accounts = Accounts(studio.store, studio.settings)
            accounts.note_refusal("", f"provider {refused}", requester(request), "oidc")
        except (DatabaseError, DatabaseUnavailable) as error:
            _log.warning("a login that the provider refused was not stored: %s", error)


def _failure(path: str, start: Message) -> str:
    """Return why a login failed, as a key of `REFUSED`; empty: it did not."""
    if path == _BEGIN:
        return "unreachable" if start["status"] >= _BAD else ""
    cookies = Headers(raw=start["headers"]).getlist("set-cookie")
    given = (each for each in cookies if each.startswith(f"{STREAMLIT_COOKIES}="))
    return "" if any('=""' not in each for each in given) else "refused"


def _reason(error: BaseException, refused: str, words: str) -> tuple[str, str]:
    """Return why a login with this exception failed, and the provider's error message.

    Args:
        error: the exception.
        refused: the reason, if the exception gives none.
        words: the provider's error message, if the exception has none.
    """
    if isinstance(error, MismatchingStateError):  # too late, or begun in another browser
        return refused, words
    if isinstance(error, OAuthError):
        return refused, _joined(str(error.error or ""), str(error.description or ""))
    text = _joined(type(error).__name__, str(error))
    if isinstance(error, httpx2.HTTPError):
        _log.warning("the identity provider does not answer: %s", text)
        return "unreachable", words
    _log.warning("the identity provider's answer cannot be used: %s", text)
    return "unproven", words


def _joined(*parts: str) -> str:
    text = " ".join(": ".join(filter(None, parts)).split())
    printable = "".join(each for each in text if each.isprintable())
    return shortened(printable, _ERROR_CHARACTERS) if printable else ""
