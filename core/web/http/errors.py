"""The one table from exceptions to HTTP responses.

Programs get problem details (RFC 9457), people a page with the same sentence. Starlette applies
the table around every route (`exception_handlers`), so routes raise and never respond with errors.
"""

import logging
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response

from core.accounts.login import LoginRefused
from core.i18n import N_, speaking, translated
from core.i18n import gettext as _
from core.models import InvalidInput
from core.settings import load_settings
from core.store import DatabaseError, DatabaseUnavailable
from core.store.embedded import full_database_disk
from core.studio.errors import JobNotFound, OwnerOnly
from core.web.http.html_page import html_page, link_button
from core.web.http.locale_middleware import requested_language
from core.web.http.security_headers import NO_STORE

DATABASE_UNAVAILABLE: Final = N_("The database does not answer. Please try again in a minute.")
"""On a page, beside what was asked for."""
PROBLEM_JSON: Final = "application/problem+json"

_UNAVAILABLE: Final = N_(
    "The database does not answer at the moment. Please try again in a minute."
)
_RETRY: Final = {"Retry-After": "60"}  # seconds
_LOGIN_STATUS: Final = {
    "taken": HTTPStatus.CONFLICT,
    "weak passphrase": HTTPStatus.BAD_REQUEST,
    "invalid user_id": HTTPStatus.BAD_REQUEST,
    "another's link": HTTPStatus.BAD_REQUEST,
}
_NO_ADDRESS: Final = (HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED)
_TITLES: Final = {
    HTTPStatus.UNAUTHORIZED: N_("Log in"),
    HTTPStatus.NOT_FOUND: N_("There is nothing here"),
    HTTPStatus.METHOD_NOT_ALLOWED: N_("There is nothing here"),
    HTTPStatus.SERVICE_UNAVAILABLE: N_("Please try again in a minute"),
}
_OTHER_TITLE: Final = N_("Something went wrong here")

_log = logging.getLogger(__name__)


class LoginRequired(Exception):
    """The client is not logged in, and this is for users only."""

    def __init__(self) -> None:
        super().__init__(_("Please log in."))


class Forbidden(Exception):
    """The client may not do this; the text is for the user."""


class NotFound(Exception):
    """There is no such thing, or the client may not know of it; the text is for the user."""


class BodyTooLarge(Exception):
    """A request's body has more bytes than the route accepts; the text is for the user."""


class TooManyStreams(Exception):
    """There is no room for another event stream."""

    def __init__(self) -> None:
        super().__init__(_("Too many pages are open at the moment."))


def database_unavailable_text(sentence: str = DATABASE_UNAVAILABLE) -> str:
    """Return the message for an unavailable database, in the reader's language.

    Args:
        sentence: the message, unless the cause is known (a full disk).
    """
    full = full_database_disk(load_settings())
    return translated(full) if full else _(sentence)


def error_response(
    client: HTTPConnection,
    status: int,
    detail: str,
    headers: Mapping[str, str] | None = None,
    **extensions: object,
) -> Response:
    """Return an error as problem details, or as a page where the client names `text/html`.

    Only a browser that opens an address names it; its scripts and images do not.

    Args:
        client: the request, or a websocket's handshake.
        status: the HTTP status.
        detail: the sentence for the user, in the language of the request.
        headers: further headers.
        extensions: further members of the problem details (RFC 9457, section 3.2).
    """
    headers = NO_STORE | dict(headers or {})
    if "text/html" in client.headers.get("accept", ""):
        return _page(client, status, detail, headers)
    problem = {
        "type": "about:blank",  # no more than the status: section 4.2.1
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    return JSONResponse(problem | extensions, status, headers, media_type=PROBLEM_JSON)


def _page(client: HTTPConnection, status: int, detail: str, headers: dict[str, str]) -> Response:
    title = _(_TITLES.get(HTTPStatus(status), _OTHER_TITLE))
    # Relative, for only a proxy may know the path before our addresses (`PUBLIC_URL`).
    home = "../" * (client.scope["path"].count("/") - 1) or "./"
    below = ""
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        below = link_button("", _("Try again"))
    elif status == HTTPStatus.UNAUTHORIZED:
        below = link_button(f"{home}login", _("Log in"))
    elif status in (*_NO_ADDRESS, HTTPStatus.FORBIDDEN):
        below = link_button(home, _("Go to Fivefold"))
    text = "" if detail == f"{title}." else detail
    return html_page(title, text, below=below, status=status, headers=headers)


def _with_status(
    status: int, headers: Mapping[str, str] | None = None
) -> Callable[[Request, Exception], Response]:
    """Return a handler of exceptions whose text is for the user."""

    def handle(request: Request, error: Exception) -> Response:
        return error_response(request, status, str(error), headers)

    return handle


def _login_refused(request: Request, error: LoginRefused) -> Response:
    headers = {}
    if error.wait:
        status = HTTPStatus.TOO_MANY_REQUESTS
        headers["Retry-After"] = str(round(error.wait))
    elif error.ask:
        status = HTTPStatus.UNAUTHORIZED
    else:
        status = _LOGIN_STATUS.get(error.reason, HTTPStatus.FORBIDDEN)
    return error_response(request, status, str(error), headers, ask=error.ask, wait=error.wait)


def _database_unavailable(request: Request, error: Exception) -> Response:
    _log_unavailable(request, error)
    return error_response(request, 503, database_unavailable_text(_UNAVAILABLE), _RETRY)


def _files_unavailable(request: Request, error: Exception) -> Response:
    _log_unavailable(request, error)
    detail = _("The files cannot be reached at the moment. Please try again in a minute.")
    return error_response(request, 503, detail, _RETRY)


def _log_unavailable(request: Request, error: Exception) -> None:
    """Log with the route's template: paths of links in mails hold tokens."""
    route = getattr(request.scope.get("route"), "path", "")
    _log.warning("%s %s failed: %s", request.method, route, error or type(error).__name__)


def _http_exception(request: Request, error: HTTPException) -> Response:
    nowhere = error.status_code in _NO_ADDRESS
    detail = _("There is nothing here.") if nowhere else error.detail
    return error_response(request, error.status_code, detail, error.headers)


def _unexpected(request: Request, _error: Exception) -> Response:
    """Respond in one sentence; Starlette then raises the error again, and the server logs it."""
    with speaking(requested_language(request)):  # this handler is outside all middleware
        detail = _("This page could not be shown. Nothing is lost; please load it again.")
        return error_response(request, 500, detail)


EXCEPTION_HANDLERS: Final[Mapping[type[Exception], Callable[[Request, Any], Response]]] = {
    InvalidInput: _with_status(400),
    JobNotFound: _with_status(404),
    OwnerOnly: _with_status(403),
    LoginRequired: _with_status(401),
    LoginRefused: _login_refused,
    Forbidden: _with_status(403),
    NotFound: _with_status(404),
    BodyTooLarge: _with_status(413),
    TooManyStreams: _with_status(503, _RETRY),
    DatabaseError: _database_unavailable,
    DatabaseUnavailable: _database_unavailable,
    OSError: _files_unavailable,  # `StorageUnavailable` is one
    HTTPException: _http_exception,
    Exception: _unexpected,
}
"""The response to each exception, and to its subclasses; for Starlette's `exception_handlers`."""
