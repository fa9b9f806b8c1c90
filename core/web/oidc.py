"""Logging in with an OpenID Connect provider: what Streamlit's `st.login` needs, and gives.

Streamlit talks to the provider, checks its word (Authlib) and keeps it in a cookie of its own.
That word is good for one login of ours: `streamlit_claims` finds it, a ticket carries it to
`POST /auth/login`, and the answer takes Streamlit's cookie away.
"""

import logging
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qs, urlencode, urlsplit

import streamlit as st
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import RedirectResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.accounts import Accounts
from core.i18n import N_
from core.i18n import gettext as _
from core.notifications.message import shortened
from core.settings import Settings
from core.store import DatabaseError, DatabaseUnavailable
from core.web.identity import STREAMLIT_COOKIES, Identity
from core.web.studio import Studio
from core.web.visitors import visitor

REFUSED: Final = {
    "unreachable": N_(
        "The identity provider does not answer at the moment. Please try again in a minute."
    ),
    "refused": N_(
        "The identity provider did not let you in, or its answer came too late. Please try again."
    ),
    "said": N_("The identity provider refused the login and said: “{said}”"),
}
"""What the login page says after a login that came to nothing, by the page's `refused`."""

_BEGIN: Final = "/auth/login"  # these two routes are Streamlit's
_ANSWER: Final = "/oauth2callback"
_BAD: Final = 400
_LOGINS: Final = 10_000
_SAID_CHARACTERS: Final = 300

_log = logging.getLogger(__name__)


def streamlit_secrets(settings: Settings, identity: Identity) -> dict[str, Any] | None:
    """Return the secrets that switch `st.login` on; None where it is not wanted."""
    if settings.login != "oidc":
        return None
    return {
        "auth": {
            "redirect_uri": f"{settings.link_base}/oauth2callback",
            "cookie_secret": identity.derived_key("streamlit"),
            "client_id": settings.oidc_client_id,
            "client_secret": settings.oidc_client_secret.get_secret_value(),
            "server_metadata_url": settings.oidc_metadata_url,
            # One parameter for each in the list, so none for an empty one; without the list,
            # Streamlit asks for "select_account".
            "client_kwargs": {"prompt": [settings.oidc_prompt] if settings.oidc_prompt else []},
        }
    }


def refusal_text(query: Mapping[str, str], identity: Identity) -> str:
    """Return what the login page says of a login that came to nothing; empty: there was none."""
    refused = query.get("refused", "")
    if refused != "said":
        return _(REFUSED.get(refused, ""))
    ticket = identity.read_ticket(query.get("said", "")) or {}
    words = ticket.get("said")
    if not isinstance(words, str):  # the ticket is too old, or not ours
        refused = "refused"
    sentence = REFUSED[refused]
    return _(sentence).format(said=words)


def streamlit_claims() -> dict[str, Any] | None:
    """Return what the provider said of whoever opened this tab; None: nothing."""
    if not st.user.get("is_logged_in"):
        return None
    return dict(st.user.to_dict())


class ProviderMiddleware:
    """Sees when Streamlit got no word from the provider, which it tells nobody.

    Such a login is logged, and leads back to the login page with a sentence.
    """

    def __init__(self, app: ASGIApp, open_studio: Callable[[], Studio]) -> None:
        self._app = app
        self._open_studio = open_studio
        self._begun: OrderedDict[str, None] = OrderedDict()  # the states of logins on their way

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on; answer it where Streamlit's answer says that nothing came of it."""
        asked = scope["type"] == "http" and scope["method"] == "GET" and scope["path"]
        if asked not in (_BEGIN, _ANSWER):
            await self._app(scope, receive, send)
            return
        refused = ""

        async def say(message: Message) -> None:
            nonlocal refused
            if message["type"] == "http.response.start":
                refused = _refused(asked, message)
                if asked == _BEGIN:
                    self._remember(Headers(raw=message["headers"]).get("location", ""))
            if not refused:
                await send(message)

        await self._app(scope, receive, say)
        if refused:
            request = Request(scope)
            words = self._words(request) if asked == _ANSWER else ""
            await run_in_threadpool(self._note, request, refused)
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
            self._begun[state] = None
        while len(self._begun) > _LOGINS:
            self._begun.popitem(last=False)

    def _words(self, request: Request) -> str:
        """Return what the provider said of a login that began here; nobody else's words count."""
        query = request.query_params
        if query.get("state") not in self._begun:
            return ""
        del self._begun[query["state"]]
        parts = (query.get("error", ""), query.get("error_description", ""))
        text = " ".join(": ".join(filter(None, parts)).split())
        printable = "".join(each for each in text if each.isprintable())
        return shortened(printable, _SAID_CHARACTERS)

    def _note(self, request: Request, refused: str) -> None:
        try:
            studio = self._open_studio()
            if studio.settings.login != "oidc":
                return
            accounts = Accounts(studio.store, studio.settings)
            accounts.note_refusal("", f"provider {refused}", visitor(request), "oidc")
        except (DatabaseError, DatabaseUnavailable) as error:
            _log.warning("a login that the provider refused was not stored: %s", error)


def _refused(asked: str, start: Message) -> str:
    """Return why nothing comes of a login, as `REFUSED` names it; empty: it goes on."""
    if asked == _BEGIN:
        return "unreachable" if start["status"] >= _BAD else ""
    cookies = Headers(raw=start["headers"]).getlist("set-cookie")
    given = (each for each in cookies if each.startswith(f"{STREAMLIT_COOKIES}="))
    return "" if any('=""' not in each for each in given) else "refused"
