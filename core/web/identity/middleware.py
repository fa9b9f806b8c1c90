"""Who is asking: what we sign, and one middleware for pages, websockets and our own routes."""

import asyncio
import hmac
import logging
import secrets
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from itsdangerous import BadData, BadSignature, Signer, TimestampSigner, URLSafeTimedSerializer
from starlette.requests import HTTPConnection, Request, cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.models import LoginSession
from core.redaction import redact
from core.settings import Settings
from core.store import DatabaseError, DatabaseUnavailable
from core.store.accounts.login_sessions import hashed
from core.system.filesystem import kept_secret
from core.web.identity.session_cache import LiveSessions

COOKIE: Final = "fivefold_session"
# .streamlit/config.toml turns these headers into attributes of `st.user`.
USER_HEADER: Final = "x-fivefold-user"
SESSION_HEADER: Final = "x-fivefold-session"
TROUBLE_HEADER: Final = "x-fivefold-trouble"
STREAMLIT_COOKIES: Final = "_streamlit_user"  # what `st.login` leaves behind begins with this

_HEADERS: Final = tuple(name.encode() for name in (USER_HEADER, SESSION_HEADER, TROUBLE_HEADER))
_STATIC: Final = ("/static/", "/_stcore/")  # Streamlit's own files, the same for everybody
_SECONDS_A_DAY: Final = 86_400
_TICKET_SECONDS: Final = 60
_ENDED: Final = 4401  # our own close code: log in again

_log = logging.getLogger(__name__)


class Identity:
    """Signs what browsers carry for us, and knows it again.

    Args:
        key: the secret that signs.
        days: how long a login lasts.
        secure: whether the cookie may travel over HTTPS only.
    """

    def __init__(self, key: str, *, days: int, secure: bool) -> None:
        self._key = key
        self._signer = TimestampSigner(key, salt="fivefold-session")
        self._shares = Signer(key, salt="fivefold-share")
        self._tickets = URLSafeTimedSerializer(key, salt="fivefold-ticket")
        self._lifetime = days * _SECONDS_A_DAY
        self._secure = secure

    def remember(self, request: Request, response: Response, secret: str) -> None:
        """Log a user in: put the cookie with a session's secret on a response."""
        response.set_cookie(
            COOKIE,
            self._signer.sign(secret).decode(),
            self._lifetime,
            path=_path(request),
            httponly=True,
            samesite="lax",
            secure=self._is_secure(request),
        )
        _forget_proof(request, response)

    def forget(self, request: Request, response: Response) -> None:
        """Log out: take the cookie away."""
        secure = self._is_secure(request)
        for path in {"/", _path(request)}:  # earlier versions knew no other
            response.delete_cookie(COOKIE, path, httponly=True, samesite="lax", secure=secure)
        _forget_proof(request, response)

    def _is_secure(self, request: Request) -> bool:
        """Return whether the page that sent a request came over HTTPS.

        Its `Origin` says it, where the proxy that speaks TLS tells us nothing; and a page that
        this machine opens without TLS could not keep a cookie for HTTPS only.
        """
        scheme, mark, _ = request.headers.get("origin", "").partition("://")
        if mark and request.state.same_origin:
            return scheme.lower() == "https"
        return self._secure or request.url.scheme == "https"

    def read(self, cookies: str) -> str | None:
        """Return the secret in a `Cookie` header, or None: absent, forged or expired."""
        value = cookie_parser(cookies).get(COOKIE, "")
        try:
            secret = self._signer.unsign(value, max_age=self._lifetime).decode()
        except (BadData, UnicodeError):
            return None
        redact.issue(secret)
        return secret

    def share_key(self, share_id: str) -> str:
        """Return what stands for a share in its link."""
        key = self._shares.sign(share_id).decode()
        redact.issue(key.removeprefix(share_id))
        return key

    def read_share(self, key: str) -> str | None:
        """Return the id of the share that a link is about, or None: it is not ours."""
        try:
            share_id = self._shares.unsign(key.encode(errors="replace")).decode()
        except (BadSignature, UnicodeError):
            return None
        redact.issue(key.removeprefix(share_id))
        return share_id

    def ticket(self, claims: Mapping[str, Any]) -> str:
        """Return what an identity provider said, to be handed in within a minute."""
        ticket = str(self._tickets.dumps(dict(claims)))
        redact.issue(ticket)
        return ticket

    def read_ticket(self, ticket: str) -> dict[str, Any] | None:
        """Return the claims in a ticket, or None: it is forged or too old."""
        try:
            claims = self._tickets.loads(ticket, max_age=_TICKET_SECONDS)
        except BadData:
            return None
        return claims if isinstance(claims, dict) else None

    def derived_key(self, purpose: str) -> str:
        """Return a key for something else, from which this one cannot be told."""
        key = hmac.new(self._key.encode(), purpose.encode(), "sha256").hexdigest()
        redact.add(key)
        return key


class IdentityMiddleware:
    """Tells everything behind it who is asking, and lets nobody claim it for themselves.

    The owner of the cookie's session goes into `USER_HEADER` (for Streamlit) and, with the
    session, into `request.state` (for our routes; see `whose`). Copies of the headers that a
    client sent are dropped. A websocket whose session ends is closed, so that an open tab shows
    and does nothing any more; the browser connects again as what it is then.
    """

    def __init__(self, app: ASGIApp, identity: Identity, sessions: LiveSessions) -> None:
        self._app = app
        self._identity = identity
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with the user it proves."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = [each for each in scope["headers"] if each[0].lower() not in _HEADERS]
        cookies = b"; ".join(value for name, value in headers if name.lower() == b"cookie")
        secret = self._identity.read(cookies.decode("latin-1"))
        session: LoginSession | None = None
        trouble = False
        if secret is not None and _matters(scope):
            try:
                session = await self._sessions.find(secret)
            except (DatabaseError, DatabaseUnavailable) as error:
                _log.warning("a session could not be looked up: %s", error)
                trouble = True
        if session is not None:
            headers.append((USER_HEADER.encode(), session.user_id.encode()))
            headers.append((SESSION_HEADER.encode(), session.id.encode()))
        elif trouble:
            headers.append((TROUBLE_HEADER.encode(), b"1"))
        state = {**scope.get("state", {}), "session": session, "trouble": trouble}
        state["user_id"] = None if session is None else session.user_id
        scope = {**scope, "headers": headers, "state": state}
        if scope["type"] == "websocket" and secret is not None and (session or trouble):
            going_on = session is not None
            with self._sessions.watched(hashed(secret), going_on=going_on) as changed:
                await _until(changed, self._app, scope, receive, send)
        else:
            await self._app(scope, receive, send)


def whose(connection: HTTPConnection) -> str | None:
    """Return who is asking; None: nobody is logged in.

    Raises:
        DatabaseUnavailable: somebody may be, but that cannot be looked up.
    """
    if connection.state.trouble:
        raise DatabaseUnavailable("The database does not answer.")
    found: str | None = connection.state.user_id
    return found


def _matters(scope: Scope) -> bool:
    """Return whether it makes a difference for a request who is asking."""
    return scope["type"] == "websocket" or not scope["path"].startswith(_STATIC)


async def _until(
    ended: asyncio.Event, app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    """Serve a websocket until it is closed, or `ended` is set: then as if the browser had gone."""
    ending = asyncio.create_task(ended.wait())
    cut = False

    async def hear() -> Message:
        nonlocal cut
        hearing = asyncio.ensure_future(receive())
        await asyncio.wait({hearing, ending}, return_when=asyncio.FIRST_COMPLETED)
        if not ended.is_set():
            return await hearing
        hearing.cancel()
        with suppress(asyncio.CancelledError):
            await hearing
        cut = True
        return {"type": "websocket.disconnect", "code": _ENDED, "reason": ""}

    async def say(message: Message) -> None:
        if not ended.is_set() or message["type"] != "websocket.send":
            await send(message)

    try:
        await app(scope, hear, say)
    finally:
        ending.cancel()
    if cut:
        await send({"type": "websocket.close", "code": _ENDED, "reason": "Please log in again."})


def _path(request: Request) -> str:
    found: str = getattr(request.state, "cookie_path", "/")
    return found


def _forget_proof(request: Request, response: Response) -> None:
    """Take away what `st.login` left: it has served, and would log in again by itself."""
    for name in request.cookies:
        if name.startswith(STREAMLIT_COOKIES):
            response.delete_cookie(name, httponly=True, samesite="lax")


def open_identity(settings: Settings) -> Identity:
    """Return the identity that the settings describe, making the key at the first start.

    Raises:
        OSError: the key cannot be kept in the data folder.
    """
    key = settings.session_secret.get_secret_value() or _kept_key(settings.data_dir)
    secure = settings.public_url.startswith("https://")
    return Identity(key, days=settings.session_days, secure=secure)


def _kept_key(data_dir: Path) -> str:
    """Return the key in `DATA_DIR/session.key`."""
    key = kept_secret(data_dir / "session.key", lambda: secrets.token_urlsafe(48))
    redact.add(key)
    return key
