"""A login: who asks for it, and how it ends."""

from dataclasses import dataclass
from typing import Final

from core import models

_LOGGED_CHARACTERS: Final = 200  # of what was typed, and of the browser's name


@dataclass(frozen=True)
class Requester:
    """Who asks to log in, as far as the network shows.

    Attributes:
        address: where the request comes from.
        agent: what the browser calls itself.
    """

    address: str
    agent: str


@dataclass(frozen=True)
class Entered:
    """A login that was granted.

    Attributes:
        user_id: who it is.
        secret: for the session's cookie.
        session: what began.
    """

    user_id: str
    secret: str
    session: models.LoginSession


class LoginRefused(Exception):
    """A login that is not granted; the text is for the user.

    Args:
        reason: for the log.
        message: the sentence for the user.
        wait: the seconds after which another attempt is allowed.
        ask: whether a passphrase is needed and was not given.
    """

    def __init__(self, reason: str, message: str, *, wait: float = 0, ask: bool = False) -> None:
        super().__init__(message)
        self.reason = reason
        self.wait = wait
        self.ask = ask


def login_entry(
    typed: str, reason: str, requester: Requester, method: str, session: str | None = None
) -> models.LoginEntry:
    """Return the log entry of an attempt; without a reason it was accepted."""
    try:
        user_id = models.parse_user_id(typed)
    except models.InvalidInput:
        user_id = shortened(typed)
    return models.LoginEntry(
        user_id=user_id,
        outcome="refused" if reason else "accepted",
        reason=reason,
        address=requester.address,
        agent=shortened(requester.agent),
        time=models.now(),
        method=method,
        session=session,
    )


def shortened(typed: str) -> str:
    """Return what can be stored of what somebody typed."""
    return typed[:_LOGGED_CHARACTERS].encode(errors="replace").decode()
