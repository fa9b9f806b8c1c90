"""Logging in and out: two routes that answer JSON to our own pages only."""

import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.accounts.login import Entered, LoginRefused, Requester
from core.accounts.rules import Accounts
from core.i18n import N_
from core.i18n import gettext as _
from core.models import InvalidInput
from core.store import DatabaseError, DatabaseUnavailable
from core.studio.account import log_out
from core.web.http.errors import BodyTooLarge, Forbidden
from core.web.http.requests import read_body, requester, same_origin
from core.web.identity.cookies import Identity
from core.web.identity.middleware import current_user_id
from core.web.identity.session_cache import SessionCache
from core.web.pages import LOGIN, page_paths
from core.web.resources import WebStudio

CONCURRENT_LOGINS: Final = 8  # logins in one process

_BODY_BYTES: Final = 16_384
_CROSS_SITE: Final = N_("Please log in on Fivefold's own page.")
_ELSEWHERE: Final = N_("Please open Fivefold at {address} and log in there.")
_REASONS: Final = {Forbidden: "cross-site", BodyTooLarge: "too long", InvalidInput: "malformed"}
"""What the log is told of a request that is no login."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Typed:
    """What the login form sends."""

    user_id: str = ""
    passphrase: str = ""
    invite: str = ""
    ticket: str = ""
    register: bool = False
    next: str = "/"


def own_page(wanted: str) -> str:
    """Return the page of ours that an address names, with its query; `/` for anything else."""
    if any(character < "!" or character == "\\" for character in wanted):
        return "/"  # browsers drop blanks and control characters and read \ as /
    try:
        parts = urlsplit(wanted)
    except ValueError:
        return "/"
    if parts.scheme or parts.netloc or parts.path not in page_paths() - {LOGIN}:
        return "/"
    query = urlencode(parse_qsl(parts.query, errors="replace"))
    return f"{parts.path}?{query}" if query else parts.path


def login_routes(
    open_studio: Callable[[], WebStudio], identity: Identity, sessions: SessionCache
) -> list[Route]:
    """Return `POST /auth/login` and `POST /auth/logout`.

    The first takes JSON with `user_id` and, as needed, `passphrase`, `register` (whether to make
    the account), `invite`, `next` (the page to go to); or `ticket`, what an identity provider
    said. It answers with `next`; where it refuses, the problem details have `ask` (whether a
    passphrase is needed) and `wait` (seconds until it may be tried again).

    Args:
        open_studio: returns the shared studio; may raise `DatabaseUnavailable`.
        identity: writes the cookie.
        sessions: learns at once of those that end here.
    """
    turns = asyncio.Semaphore(CONCURRENT_LOGINS)  # so that others still find a thread

    async def login(request: Request) -> Response:
        who = requester(request)
        try:
            _check_origin(request)
            typed = await _read(request)
        except tuple(_REASONS) as error:
            await run_in_threadpool(_note, open_studio, _REASONS[type(error)], who)
            raise
        async with turns:
            entered = await run_in_threadpool(_enter, open_studio, identity, typed, who)
        await _end(request, open_studio, sessions)  # the cookie is another one now
        response = JSONResponse({"next": own_page(typed.next)})
        identity.remember(request, response, entered.secret)
        return response

    async def logout(request: Request) -> Response:
        _check_origin(request)
        await _end(request, open_studio, sessions)
        response = JSONResponse({"next": "/login"})
        identity.forget(request, response)
        return response

    return [
        Route("/auth/login", login, methods=["POST"]),
        Route("/auth/logout", logout, methods=["POST"]),
    ]


async def _end(
    request: Request, open_studio: Callable[[], WebStudio], sessions: SessionCache
) -> None:
    """End the session that a request came with, in all tabs.

    Raises:
        DatabaseError, DatabaseUnavailable: it goes on.
    """
    if current_user_id(request) is not None:
        session_id = request.state.session.id
        await run_in_threadpool(lambda: log_out(open_studio().store, session_id))
        sessions.ended(session_id)


def _check_origin(request: Request) -> None:
    if not same_origin(request):
        address = request.state.address
        said = _(_ELSEWHERE).format(address=address) if address else _(_CROSS_SITE)
        raise Forbidden(said)


async def _read(request: Request) -> _Typed:
    """Return what the form sent."""
    too_long = _("That is too long for a user id and a passphrase.")
    body = await read_body(request, _BODY_BYTES, too_long)
    try:
        form = json.loads(body)
        typed = _Typed(**{name: form[name] for name in _Typed.__dataclass_fields__ if name in form})
        types = {name: type(value) for name, value in vars(_Typed()).items()}
        if any(type(value) is not types[name] for name, value in vars(typed).items()):
            raise TypeError(typed)  # noqa: TRY301
        for each in (typed.invite, typed.ticket, typed.next):
            each.encode()  # half a character is none
        if not form.keys() & {"user_id", "ticket", "invite"}:
            raise KeyError("user_id")  # noqa: TRY301
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InvalidInput(_("Please type a user id.")) from None
    return typed


def _enter(
    open_studio: Callable[[], WebStudio], identity: Identity, typed: _Typed, who: Requester
) -> Entered:
    studio = open_studio()
    accounts = Accounts(studio.store, studio.settings)
    if typed.ticket:
        claims = identity.read_ticket(typed.ticket)
        if claims is None or studio.settings.login != "oidc":
            accounts.note_refusal("", "ticket ended", who, "oidc")
            raise LoginRefused("ticket ended", _("This login has ended. Please log in again."))
        return accounts.recognise(claims, studio.settings.oidc_claim, typed.invite, who)
    if typed.register:
        return accounts.register(typed.user_id, typed.passphrase, typed.invite, who)
    return accounts.log_in(typed.user_id, typed.passphrase, who)


def _note(open_studio: Callable[[], WebStudio], reason: str, who: Requester) -> None:
    try:
        studio = open_studio()
        Accounts(studio.store, studio.settings).note_refusal("", reason, who)
    except (DatabaseError, DatabaseUnavailable) as error:
        _log.warning("a refused login (%s) was not stored: %s", reason, error)
