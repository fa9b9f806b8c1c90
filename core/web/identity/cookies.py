"""What we sign: the session cookie, share keys and login tickets."""

import hmac
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from itsdangerous import BadData, BadSignature, Signer, TimestampSigner, URLSafeTimedSerializer
from starlette.requests import Request, cookie_parser
from starlette.responses import Response

from core.redaction import redact
from core.settings import Settings
from core.system.filesystem import read_or_create_secret

COOKIE: Final = "fivefold_session"
STREAMLIT_COOKIES: Final = "_streamlit_user"  # the prefix of the cookies of `st.login`

_SECONDS_A_DAY: Final = 86_400
_TICKET_SECONDS: Final = 60


class Identity:
    """Signs and verifies cookies, share keys and tickets.

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
        """Set the session cookie on a response."""
        response.set_cookie(
            COOKIE,
            self._signer.sign(secret).decode(),
            self._lifetime,
            path=_path(request),
            httponly=True,
            samesite="lax",
            secure=self._is_secure(request),
        )
        _delete_streamlit_cookies(request, response)

    def forget(self, request: Request, response: Response) -> None:
        """Delete the session cookie."""
        secure = self._is_secure(request)
        for path in {"/", _path(request)}:  # the path without a prefix
            response.delete_cookie(COOKIE, path, httponly=True, samesite="lax", secure=secure)
        _delete_streamlit_cookies(request, response)

    def _is_secure(self, request: Request) -> bool:
        """Return whether the page that sent a request was loaded over HTTPS.

        `Origin` says so where the TLS proxy sends no forwarding header; and a page that is opened
        without TLS on this machine could not keep a `Secure` cookie.
        """
        scheme, mark, _ = request.headers.get("origin", "").partition("://")
        if mark and request.state.same_origin:
            return scheme.lower() == "https"
        return self._secure or request.url.scheme == "https"

    def read(self, cookies: str) -> str | None:
        """Return the session's secret in a `Cookie` header; None: absent, forged or expired."""
        value = cookie_parser(cookies).get(COOKIE, "")
        try:
            secret = self._signer.unsign(value, max_age=self._lifetime).decode()
        except (BadData, UnicodeError):
            return None
        redact.issue(secret)
        return secret

    def share_key(self, share_id: str) -> str:
        """Return the key of a share, for its link."""
        key = self._shares.sign(share_id).decode()
        redact.issue(key.removeprefix(share_id))
        return key

    def read_share(self, key: str) -> str | None:
        """Return the id of the share of a key; None: the key is forged."""
        try:
            share_id = self._shares.unsign(key.encode(errors="replace")).decode()
        except (BadSignature, UnicodeError):
            return None
        redact.issue(key.removeprefix(share_id))
        return share_id

    def ticket(self, claims: Mapping[str, Any]) -> str:
        """Return the claims of an identity provider as a signed ticket, valid for a minute."""
        ticket = str(self._tickets.dumps(dict(claims)))
        redact.issue(ticket)
        return ticket

    def read_ticket(self, ticket: str) -> dict[str, Any] | None:
        """Return the claims in a ticket; None: it is forged or expired."""
        try:
            claims = self._tickets.loads(ticket, max_age=_TICKET_SECONDS)
        except BadData:
            return None
        return claims if isinstance(claims, dict) else None

    def derived_key(self, purpose: str) -> str:
        """Return a key for another purpose, from which this one cannot be derived."""
        key = hmac.new(self._key.encode(), purpose.encode(), "sha256").hexdigest()
        redact.add(key)
        return key


def _path(request: Request) -> str:
    found: str = getattr(request.state, "cookie_path", "/")
    return found


def _delete_streamlit_cookies(request: Request, response: Response) -> None:
    """Delete the cookies of `st.login`, which would log in again automatically."""
    for name in request.cookies:
        if name.startswith(STREAMLIT_COOKIES):
            response.delete_cookie(name, httponly=True, samesite="lax")


def open_identity(settings: Settings) -> Identity:
    """Return the identity by the settings; the key is generated at the first start.

    Raises:
        OSError: the key cannot be stored in the data folder.
    """
    key = settings.session_secret.get_secret_value() or _kept_key(settings.data_dir)
    secure = settings.public_url.startswith("https://")
    return Identity(key, days=settings.session_days, secure=secure)


def _kept_key(data_dir: Path) -> str:
    """Return the key in `DATA_DIR/session.key`."""
    key = read_or_create_secret(data_dir / "session.key", lambda: secrets.token_urlsafe(48))
    redact.add(key)
    return key
