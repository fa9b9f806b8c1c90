"""Logging in and out: two routes that answer JSON to our own pages only."""

import json
import logging
from collections.abc import Callable
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.models import InvalidInput, LoginEntry, now, parse_user_id
from core.store import DatabaseError, DatabaseUnavailable
from core.web.identity import Identity
from core.web.studio import Studio

PAGES: Final = ("/", "/gallery", "/job", "/notifications")
"""Where a login may lead to."""

_BODY_BYTES: Final = 8_192
_LOGGED_CHARACTERS: Final = 200  # of what was typed, and of the browser's name
_SORRY: Final = "Logging in does not work at the moment. Please try again in a minute."

_log = logging.getLogger(__name__)


class _Refused(Exception):
    """A login that is not granted.

    Args:
        status: the HTTP status.
        reason: for the log.
        message: the sentence for the user.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


def own_page(wanted: str) -> str:
    """Return the page of ours that an address names, with its query; `/` for anything else."""
    if any(character < "!" or character == "\\" for character in wanted):
        return "/"  # browsers drop blanks and control characters and read \ as /
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return "/"
    if parts.scheme or parts.netloc or parts.path not in PAGES:
        return "/"
    query = urlencode(parse_qsl(parts.query, errors="replace"))
    return f"{parts.path}?{query}" if query else parts.path


def auth_routes(open_studio: Callable[[], Studio], identity: Identity) -> list[Route]:
    """Return `POST /auth/login` and `POST /auth/logout`.

    Args:
        open_studio: returns the shared studio; may raise `DatabaseUnavailable`.
        identity: writes the cookie.
    """

    async def login(request: Request) -> Response:
        typed = ""
        try:
            _check_origin(request)
            typed, wanted = await _read(request)
            user_id = _parsed(typed)
            await run_in_threadpool(_enter, open_studio, user_id, _entry(request, user_id))
        except _Refused as refusal:
            entry = _entry(request, typed, refusal.reason)
            await run_in_threadpool(_note, open_studio, entry)
            return JSONResponse({"message": str(refusal)}, refusal.status)
        except (DatabaseError, DatabaseUnavailable) as error:
            _log.warning("a login of %r failed: %s", typed[:_LOGGED_CHARACTERS], error)
            return JSONResponse({"message": _SORRY}, 503)
        response = JSONResponse({"next": own_page(wanted)})
        identity.remember(response, user_id)
        return response

    async def logout(request: Request) -> Response:
        try:
            _check_origin(request)
        except _Refused as refusal:
            return JSONResponse({"message": str(refusal)}, refusal.status)
        response = JSONResponse({"next": "/login"})
        identity.forget(response)
        return response

    return [
        Route("/auth/login", login, methods=["POST"]),
        Route("/auth/logout", logout, methods=["POST"]),
    ]


def same_origin(request: Request) -> bool:
    """Return whether a page of ours sent a request, and not another site's.

    Browsers say where a request comes from in `Sec-Fetch-Site`; on plain HTTP beyond
    localhost only `Origin` tells. A request with neither comes from no page of ours.
    """
    site = request.headers.get("sec-fetch-site")
    origin = urlsplit(request.headers.get("origin", ""))
    host = request.headers.get("host")
    return site == "same-origin" if site else bool(host) and origin.netloc == host


def _check_origin(request: Request) -> None:
    if not same_origin(request):
        raise _Refused(403, "cross-site", "Please log in on Fivefold's own page.")


async def _read(request: Request) -> tuple[str, str]:
    """Return the user_id as typed and the page wanted next."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > _BODY_BYTES:
            raise _Refused(413, "too long", "A user id has at most 64 characters.")
    try:
        form = json.loads(body)
        typed, wanted = form["user_id"], form.get("next", "/")
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _Refused(400, "malformed", "Please type a user id.") from None
    if not isinstance(typed, str) or not isinstance(wanted, str):
        raise _Refused(400, "malformed", "Please type a user id.")
    return typed, wanted


def _parsed(typed: str) -> str:
    try:
        return parse_user_id(typed)
    except InvalidInput as error:
        raise _Refused(422, "invalid user_id", str(error)) from None


def _entry(request: Request, typed: str, reason: str = "") -> LoginEntry:
    cut = typed[:_LOGGED_CHARACTERS].encode(errors="replace").decode()
    return LoginEntry(
        user_id=cut,
        outcome="refused" if reason else "accepted",
        reason=reason,
        address=request.client.host if request.client else "",
        agent=request.headers.get("user-agent", "")[:_LOGGED_CHARACTERS],
        time=now(),
    )


def _enter(open_studio: Callable[[], Studio], user_id: str, entry: LoginEntry) -> None:
    store = open_studio().store
    store.users.login(user_id)
    store.logins.add(entry)


def _note(open_studio: Callable[[], Studio], entry: LoginEntry) -> None:
    try:
        open_studio().store.logins.add(entry)
    except (DatabaseError, DatabaseUnavailable) as error:
        _log.warning("a refused login (%s) was not stored: %s", entry.reason, error)
