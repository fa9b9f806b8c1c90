"""Who sends a request: one middleware for pages, websockets and our own routes."""

import asyncio
import logging
from contextlib import suppress
from typing import Final

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.models import LoginSession
from core.store import DatabaseError, DatabaseUnavailable
from core.store.accounts.login_sessions import hashed
from core.web.identity.cookies import Identity
from core.web.identity.session_cache import SessionCache

# .streamlit/config.toml turns these headers into attributes of `st.user`.
USER_HEADER: Final = "x-fivefold-user"
SESSION_HEADER: Final = "x-fivefold-session"
TROUBLE_HEADER: Final = "x-fivefold-trouble"

_HEADERS: Final = tuple(name.encode() for name in (USER_HEADER, SESSION_HEADER, TROUBLE_HEADER))
_STATIC: Final = ("/static/", "/_stcore/", "/assets/")  # the same for everybody
_ENDED: Final = 4401  # our own close code: log in again

_log = logging.getLogger(__name__)


class IdentityMiddleware:
    """Authenticates requests by the session cookie.

    The owner of the cookie's session goes into `USER_HEADER` (for Streamlit) and, with the
    session, into `request.state` (for our routes; see `current_user_id`). The same headers from a
    client are dropped, so that they cannot be forged. A websocket whose session ends
    is closed, so that open tabs end with it; the browser connects again without a login.
    """

    def __init__(self, app: ASGIApp, identity: Identity, sessions: SessionCache) -> None:
        self._app = app
        self._identity = identity
        self._sessions = sessions

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with its user and session."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        headers = [each for each in scope["headers"] if each[0].lower() not in _HEADERS]
        cookies = b"; ".join(value for name, value in headers if name.lower() == b"cookie")
        secret = self._identity.read(cookies.decode("latin-1"))
        session: LoginSession | None = None
        trouble = False
        if secret is not None and _depends_on_user(scope):
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
            active = session is not None
            with self._sessions.watched(hashed(secret), active=active) as changed:
                await _until(changed, self._app, scope, receive, send)
        else:
            await self._app(scope, receive, send)


def current_user_id(connection: HTTPConnection) -> str | None:
    """Return the id of the user who sent a request; None: nobody is logged in.

    Raises:
        DatabaseUnavailable: the session could not be looked up.
    """
    if connection.state.trouble:
        raise DatabaseUnavailable("The database does not answer.")
    found: str | None = connection.state.user_id
    return found


def _depends_on_user(scope: Scope) -> bool:
    """Return whether the response to a request depends on its user."""
    return scope["type"] == "websocket" or not scope["path"].startswith(_STATIC)


async def _until(
    ended: asyncio.Event, app: ASGIApp, scope: Scope, receive: Receive, send: Send
) -> None:
    """Serve a websocket until it is closed or `ended` is set, as if the client disconnected."""
    ending = asyncio.create_task(ended.wait())
    cut = False

    async def receive_until_ended() -> Message:
        nonlocal cut
        message = asyncio.ensure_future(receive())
        await asyncio.wait({message, ending}, return_when=asyncio.FIRST_COMPLETED)
        if not ended.is_set():
            return await message
        message.cancel()
        with suppress(asyncio.CancelledError):
            await message
        cut = True
        return {"type": "websocket.disconnect", "code": _ENDED, "reason": ""}

    async def send_until_ended(message: Message) -> None:
        if not ended.is_set() or message["type"] != "websocket.send":
            await send(message)

    try:
        await app(scope, receive_until_ended, send_until_ended)
    finally:
        ending.cancel()
    if cut:
        await send({"type": "websocket.close", "code": _ENDED, "reason": "Please log in again."})
