"""Who is asking: one signed cookie, read for pages, websockets and our own routes alike."""

import os
import secrets
from pathlib import Path
from typing import Final

from itsdangerous import BadData, TimestampSigner
from starlette.requests import cookie_parser
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from core.models import InvalidInput, parse_user_id
from core.settings import Settings

COOKIE: Final = "fivefold_session"
USER_HEADER: Final = "x-fivefold-user"  # .streamlit/config.toml turns it into `st.user.user_id`
_SECONDS_A_DAY: Final = 86_400


class Identity:
    """Writes and reads the session cookie.

    Args:
        key: the secret that signs it.
        days: how long a login lasts.
        secure: whether the cookie may travel over HTTPS only.
    """

    def __init__(self, key: str, *, days: int, secure: bool) -> None:
        self._signer = TimestampSigner(key, salt="fivefold-session")
        self._lifetime = days * _SECONDS_A_DAY
        self._secure = secure

    def remember(self, response: Response, user_id: str) -> None:
        """Log a user in: put the cookie on a response."""
        value = self._signer.sign(user_id).decode()
        response.set_cookie(
            COOKIE, value, self._lifetime, httponly=True, samesite="lax", secure=self._secure
        )

    def forget(self, response: Response) -> None:
        """Log out: take the cookie away."""
        response.delete_cookie(COOKIE, httponly=True, samesite="lax", secure=self._secure)

    def read(self, cookies: str) -> str | None:
        """Return the user that a `Cookie` header proves, or None: absent, forged or expired."""
        value = cookie_parser(cookies).get(COOKIE, "")
        try:
            user_id = self._signer.unsign(value, max_age=self._lifetime).decode()
            return user_id if parse_user_id(user_id) == user_id else None
        except (BadData, UnicodeError, InvalidInput):
            return None


class IdentityMiddleware:
    """Tells everything behind it who is asking, and lets nobody claim it for themselves.

    The verified user_id goes into `USER_HEADER` (for Streamlit) and into `request.state.user_id`
    (for our routes; None where nobody is logged in). A copy of the header that a client sent
    is dropped.
    """

    def __init__(self, app: ASGIApp, identity: Identity) -> None:
        self._app = app
        self._identity = identity

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on with the user it proves."""
        if scope["type"] in ("http", "websocket"):
            header = USER_HEADER.encode()
            headers = [(name, value) for name, value in scope["headers"] if name.lower() != header]
            cookies = b"; ".join(value for name, value in headers if name.lower() == b"cookie")
            user_id = self._identity.read(cookies.decode("latin-1"))
            if user_id is not None:
                headers.append((header, user_id.encode()))
            state = {**scope.get("state", {}), "user_id": user_id}
            scope = {**scope, "headers": headers, "state": state}
        await self._app(scope, receive, send)


def open_identity(settings: Settings) -> Identity:
    """Return the identity that the settings describe, making the key at the first start.

    Raises:
        OSError: the key cannot be kept in the data folder.
    """
    key = settings.session_secret.get_secret_value() or _kept_key(settings.data_dir)
    secure = settings.public_url.startswith("https://")
    return Identity(key, days=settings.session_days, secure=secure)


def _kept_key(data_dir: Path) -> str:
    """Return the key in `DATA_DIR/session.key`; of processes that make one at once, one wins."""
    kept = data_dir / "session.key"
    if not kept.exists():
        data_dir.mkdir(parents=True, exist_ok=True)
        made = data_dir / f".session.key.{os.getpid()}.{secrets.token_hex(4)}"
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(secrets.token_urlsafe(48))
            file.flush()
            os.fsync(file.fileno())
        try:
            kept.hardlink_to(made)  # fails where another process was faster
        except FileExistsError:
            pass
        finally:
            made.unlink()
    return kept.read_text().strip()
