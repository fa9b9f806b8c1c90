"""Logging in and out: two routes with JSON, for our own pages only."""

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
from core.web.page_list import LOGIN, page_paths
from core.web.resources import WebStudio

CONCURRENT_LOGINS: Final = 8  # of one process

_BODY_BYTES: Final = 16_384
_CROSS_SITE: Final = N_("Please log in on Fivefold's own page.")
_ELSEWHERE: Final = N_("Please open Fivefold at {address} and log in there.")
_REASONS: Final = {Forbidden: "cross-site", BodyTooLarge: "too long", InvalidInput: "malformed"}
"""The reasons in the login log for malformed requests."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Form:
    """The fields of the login form."""

    user_id: str = ""
    passphrase: str = ""
    invite: str = ""
    ticket: str = ""
    register: bool = False
    next: str = "/"


def own_page(address: str) -> str:
    """Return the page of an address, with its query; `/` if it is not one of our pages."""
    if any(character < "!" or character == "\\" for character in address):
        return "/"  # browsers drop blanks and control characters and read \ as /
    try:
        parts = urlsplit(address)
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

    The first takes JSON with `user_id` and, as needed, `passphrase`, `register` (whether to create
    the account), `invite`, `next` (the page to open); or `ticket`, the signed claims of an identity
    provider. It responds with `next`. If it refuses, the problem details have `ask` (whether a
    passphrase is needed) and `wait` (seconds until the next attempt).

    Args:
        open_studio: returns the shared studio; may raise `DatabaseUnavailable`.
        identity: writes the cookie.
        sessions: forgets sessions that end here at once.
    """
    slots = asyncio.Semaphore(CONCURRENT_LOGINS)  # so that threads are left for other routes

    async def login(request: Request) -> Response:
        client = requester(request)
        try:
            _check_origin(request)
            form = await _read(request)
        except tuple(_REASONS) as error:
            await run_in_threadpool(_log_refusal, open_studio, _REASONS[type(error)], client)
            raise
        async with slots:
            entered = await run_in_threadpool(_enter, open_studio, identity, form, client)
        await _end(request, open_studio, sessions)  # the cookie is replaced
        response = JSONResponse({"next": own_page(form.next)})
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
    """End the session of a request, in all tabs.

    Raises:
        DatabaseError, DatabaseUnavailable: the session was not ended.
    """
    if current_user_id(request) is not None:
        session_id = request.state.session.id
        await run_in_threadpool(lambda: log_out(open_studio().store, session_id))
        sessions.ended(session_id)


def _check_origin(request: Request) -> None:
    if not same_origin(request):
        address = request.state.address
        raise Forbidden(_(_ELSEWHERE).format(address=address) if address else _(_CROSS_SITE))


async def _read(request: Request) -> _Form:
    """Return the fields of the form.

    Raises:
        BodyTooLarge, InvalidInput: the body is no login form.
    """
    too_long = _("That is too long for a user id and a passphrase.")
    body = await read_body(request, _BODY_BYTES, too_long)
    try:
        fields = json.loads(body)
        form = _Form(
            **{name: fields[name] for name in _Form.__dataclass_fields__ if name in fields}
        )
        types = {name: type(value) for name, value in vars(_Form()).items()}
        if any(type(value) is not types[name] for name, value in vars(form).items()):
            raise TypeError(form)  # noqa: TRY301
        for each in (form.invite, form.ticket, form.next):
            each.encode()  # fails for lone surrogates
        if not fields.keys() & {"user_id", "ticket", "invite"}:
            raise KeyError("user_id")  # noqa: TRY301
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InvalidInput(_("Please type a user id.")) from None
    return form


def _enter(
    open_studio: Callable[[], WebStudio], identity: Identity, form: _Form, client: Requester
) -> Entered:
    studio = open_studio()
    accounts = Accounts(studio.store, studio.settings)
    if form.ticket:
        claims = identity.read_ticket(form.ticket)
        if claims is None or studio.settings.login != "oidc":
            accounts.note_refusal("", "ticket ended", client, "oidc")
            raise LoginRefused("ticket ended", _("This login has ended. Please log in again."))
        return accounts.recognise(claims, studio.settings.oidc_claim, form.invite, client)
    if form.register:
        return accounts.register(form.user_id, form.passphrase, form.invite, client)
    return accounts.log_in(form.user_id, form.passphrase, client)


def _log_refusal(open_studio: Callable[[], WebStudio], reason: str, client: Requester) -> None:
    try:
        studio = open_studio()
        Accounts(studio.store, studio.settings).note_refusal("", reason, client)
    except (DatabaseError, DatabaseUnavailable) as error:
        _log.warning("a refused login (%s) was not stored: %s", reason, error)
