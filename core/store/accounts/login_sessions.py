"""Logins that last. A browser's cookie carries a secret; only its hash is stored here."""

import hashlib
import secrets
from collections.abc import Collection, Iterable
from datetime import timedelta
from typing import Any, Final

from pymongo import DESCENDING, timeout
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from core.i18n import gettext as _
from core.models import SESSION_METHODS, InvalidInput, LoginSession, Method, now
from core.redaction import redact
from core.store.documents.reading import read_each

Document = dict[str, Any]

SEEN: Final = timedelta(minutes=1)  # how exactly the last use is known
LISTED: Final = 50
ANSWER_SECONDS: Final = 5


def hashed(secret: str) -> str:
    """Return the SHA-256 of a secret that is too long to be guessed, in hex."""
    return hashlib.sha256(secret.encode()).hexdigest()


class LoginSessionStore:
    """Keeps one document a login; those that are over are removed by the database.

    Args:
        database: where.
        methods: only sessions that began so go on; None: all do.
    """

    def __init__(
        self, database: Database[Document], methods: Collection[Method] | None = None
    ) -> None:
        self._database = database
        self._sessions = database["sessions"]
        self._goes_on: Document = {"revoked_at": None}
        if methods is not None:
            unknown = [None, ""] if Method.USER_ID in methods else []
            self._goes_on["method"] = {"$in": [*map(str, methods), *unknown]}

    def under(self, login: str) -> "LoginSessionStore":
        """Return the same sessions, of which only those go on that a `LOGIN` allows."""
        return LoginSessionStore(self._database, SESSION_METHODS[login])

    def begin(  # noqa: PLR0913  # what a login is
        self,
        user_id: str,
        days: int,
        *,
        address: str = "",
        agent: str = "",
        method: Method = Method.USER_ID,
        nonce: str | None = None,
    ) -> tuple[str, LoginSession]:
        """Begin a session.

        Args:
            user_id: whose it is.
            days: how long it lasts.
            address: where the login comes from.
            agent: what the browser calls itself.
            method: what proved who it is.
            nonce: of the proof that was shown, which begins no second session.

        Returns:
            the secret for the cookie, and the session.

        Raises:
            InvalidInput: the nonce was used before.
        """
        secret, moment = secrets.token_urlsafe(32), now()
        redact.issue(secret)
        session = LoginSession(
            id=hashed(secret),
            user_id=user_id,
            created_at=moment,
            seen_at=moment,
            expires_at=moment + timedelta(days=days),
            address=address,
            agent=agent,
            method=method,
        )
        proof = {} if nonce is None else {"nonce": nonce}
        try:
            self._sessions.insert_one(session.to_document() | proof)
        except DuplicateKeyError:
            raise InvalidInput(_("This login was used before. Please log in again.")) from None
        return secret, session

    def active(self, ids: Iterable[str]) -> dict[str, LoginSession]:
        """Return those of some sessions that have not ended, by id."""
        query = self._goes_on | {"_id": {"$in": list(ids)}, "expires_at": {"$gt": now()}}
        with timeout(ANSWER_SECONDS):  # every request waits for this
            found = list(self._sessions.find(query))
        return {each.id: each for each in read_each(LoginSession, found)}

    def touch(self, session: LoginSession) -> None:
        """Note that a session was used, where that is not known to the minute."""
        if now() - session.seen_at > SEEN:
            self._sessions.update_one({"_id": session.id}, {"$max": {"seen_at": now()}})

    def set_method(self, session_id: str, method: Method) -> None:
        """Note what proves from now on who a session's user is."""
        self._sessions.update_one({"_id": session_id}, {"$set": {"method": str(method)}})

    def of_user(self, user_id: str) -> list[LoginSession]:
        """Return a user's sessions that have not ended, the last used first."""
        query = self._goes_on | {"user_id": user_id, "expires_at": {"$gt": now()}}
        found = self._sessions.find(query).sort("seen_at", DESCENDING).limit(LISTED)
        return list(read_each(LoginSession, found))

    def revoke(self, session_id: str, user_id: str | None = None) -> bool:
        """End a session at once.

        Args:
            session_id: which one.
            user_id: whose it must be; None: anybody's.

        Returns:
            whether it was going on.
        """
        query: Document = {"_id": session_id, "revoked_at": None}
        if user_id is not None:
            query["user_id"] = user_id
        return bool(
            self._sessions.update_one(query, {"$set": {"revoked_at": now()}}).modified_count
        )

    def revoke_all(self, user_id: str, but: str | None = None) -> int:
        """End all of a user's sessions at once, but one; return how many that were."""
        query: Document = {"user_id": user_id, "revoked_at": None, "_id": {"$ne": but}}
        return self._sessions.update_many(query, {"$set": {"revoked_at": now()}}).modified_count
