"""Invitations: links by which an account is made, or a passphrase chosen anew."""

import secrets
from datetime import timedelta
from typing import Any, Final

from pymongo import DESCENDING, ReturnDocument
from pymongo.database import Database

from core.models import Invitation, now
from core.redaction import redact
from core.store.accounts.login_sessions import hashed
from core.store.documents.reading import read, read_each

Document = dict[str, Any]

INVITE_DAYS: Final = 7
TERMINAL: Final = "terminal"  # made by this machine's command line
LISTED: Final = 50


class InvitationStore:
    """Keeps one document an invitation; its secret is only in the link."""

    def __init__(self, database: Database[Document]) -> None:
        self._invites = database["invites"]
        self._users = database["users"]

    def make(self, made_by: str, user_id: str | None = None) -> str:
        """Make an invitation and return the secret of its link.

        Args:
            made_by: which admin makes it, or `TERMINAL`.
            user_id: the account that it is for; None: any new one.
        """
        secret, moment = secrets.token_urlsafe(24), now()
        redact.issue(secret)
        invite = Invitation(
            id=hashed(secret),
            made_by=made_by,
            created_at=moment,
            expires_at=moment + timedelta(days=INVITE_DAYS),
            user_id=user_id,
        )
        self._invites.insert_one(invite.to_document())
        return secret

    def get(self, secret: str) -> Invitation | None:
        """Return the invitation of a link, or None where it leads nowhere (any more)."""
        query = {"_id": hashed(secret), "used_at": None, "expires_at": {"$gt": now()}}
        invite = read(Invitation, self._invites.find_one(query))
        if invite is None:
            return None
        redact.issue(secret)
        creator = {"_id": invite.made_by, "admin": True, "deleting_at": None}
        if invite.made_by != TERMINAL and self._users.find_one(creator, {"_id": True}) is None:
            return None  # who made it has no right to do so any more
        return invite

    def use(self, invite: Invitation, user_id: str) -> bool:
        """Use an invitation up; return whether nobody was faster."""
        document = self._invites.find_one_and_update(
            {"_id": invite.id, "used_at": None, "expires_at": {"$gt": now()}},
            {"$set": {"used_at": now(), "used_by": user_id}},
            return_document=ReturnDocument.AFTER,
        )
        return document is not None

    def release(self, invite: Invitation) -> None:
        """Take back a use that came to nothing."""
        self._invites.update_one({"_id": invite.id}, {"$set": {"used_at": None, "used_by": None}})

    def open(self) -> list[Invitation]:
        """Return the invitations that can still be used, newest first."""
        query = {"used_at": None, "expires_at": {"$gt": now()}}
        found = self._invites.find(query).sort("created_at", DESCENDING).limit(LISTED)
        return list(read_each(Invitation, found))

    def withdraw_for(self, user_id: str) -> None:
        """Make all links to choose an account's passphrase lead nowhere."""
        self._invites.delete_many({"user_id": user_id, "used_at": None})

    def withdraw(self, invite_id: str) -> None:
        """Make an invitation's link lead nowhere."""
        self._invites.delete_one({"_id": invite_id, "used_at": None})
