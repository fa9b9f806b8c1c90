"""Accounts."""

import hmac
import secrets
from typing import Any

from pymongo import ASCENDING, ReturnDocument
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from core.models import Subject, User, now
from core.store.documents.reading import read, read_each

Document = dict[str, Any]


class UserStore:
    """Keeps one document a user_id."""

    def __init__(self, database: Database[Document]) -> None:
        self._users = database["users"]
        self._installation = database["installation"]
        self._key: bytes | None = None

    def get(self, user_id: str) -> User | None:
        """Return an account, or None where there is none."""
        return read(User, self._users.find_one({"_id": user_id}))

    def ensure(self, user_id: str) -> None:
        """Make the account where there is none, without a login."""
        self._users.update_one(
            {"_id": user_id}, {"$setOnInsert": {"created_at": now()}}, upsert=True
        )

    def create(
        self,
        user_id: str,
        *,
        admin: bool = False,
        passphrase_hash: str | None = None,
        subject: Subject | None = None,
    ) -> bool:
        """Make a new account; return whether there was none of that user_id."""
        document: Document = {"_id": user_id, "created_at": now(), "admin": admin}
        if passphrase_hash is not None:
            document |= {"passphrase_hash": passphrase_hash, "protected": True}
        if subject is not None:
            document["subject"] = subject.to_document()
        try:
            self._users.insert_one(document)
        except DuplicateKeyError:
            return False
        return True

    def by_subject(self, subject: Subject) -> User | None:
        """Return the account of somebody whom the identity provider knows."""
        return read(User, self._users.find_one({"subject": subject.to_document()}))

    def bind(self, user_id: str, subject: Subject) -> bool:
        """Give an account to somebody whom the identity provider knows, where it is nobody's."""
        query = {"_id": user_id, "subject": None, "deleting_at": None}
        change = {"$set": {"subject": subject.to_document()}}
        return bool(self._users.update_one(query, change).modified_count)

    def passphrase_hash(self, user_id: str) -> str | None:
        """Return the hash of an account's passphrase; None where it has none.

        One that cannot be read is empty: no passphrase matches it, and it is not none.
        """
        document = self._users.find_one({"_id": user_id}, {"passphrase_hash": True})
        found = None if document is None else document.get("passphrase_hash")
        return found if found is None or isinstance(found, str) else ""

    def set_passphrase_hash(self, user_id: str, passphrase_hash: str | None) -> bool:
        """Store the hash of a passphrase, or that there is none, which no admin can have.

        Returns:
            whether there is such a user.
        """
        change = {"passphrase_hash": passphrase_hash, "protected": passphrase_hash is not None}
        query: Document = {"_id": user_id}
        if passphrase_hash is None:
            query["admin"] = {"$ne": True}
        return bool(self._users.update_one(query, {"$set": change}).matched_count)

    def make_admin(self, user_id: str, *, admin: bool, unprotected: bool = False) -> bool:
        """Make somebody an admin, or no longer.

        Args:
            user_id: who.
            admin: whether they are one from now on.
            unprotected: whether an admin may be without a passphrase: where an identity provider
                says who somebody is.

        Returns:
            whether there is such a user.
        """
        query: Document = {"_id": user_id}
        if admin and not unprotected:
            query["passphrase_hash"] = {"$type": "string"}
        change = {"$set": {"admin": admin}}
        return bool(self._users.update_one(query, change).matched_count)

    def admins(self) -> list[str]:
        """Return the user_ids of the admins."""
        return [each["_id"] for each in self._users.find({"admin": True}, {"_id": True})]

    def ids(self, limit: int = 1000) -> list[str]:
        """Return the user_ids of the accounts, in their order."""
        found = self._users.find({}, {"_id": True}).sort("_id", ASCENDING).limit(limit)
        return [each["_id"] for each in found]

    def all(self) -> list[User]:
        """Return the accounts, by their user_ids."""
        found = self._users.find().sort("_id", ASCENDING)
        return list(read_each(User, found))

    def set_preferences(self, user_id: str, **chosen: Any) -> None:  # noqa: ANN401  # fields of `User`
        """Store what a user has chosen: `notify`, `zone`, `language`, `email`, `webhook`."""
        document = User(id=user_id, created_at=now(), **chosen).to_document()
        self._users.update_one(
            {"_id": user_id}, {"$set": {name: document[name] for name in chosen}}
        )

    def pseudonym(self, user_id: str) -> str:
        """Return what distinguishes a user without identifying them: a keyed hash, in hex.

        Nobody who lacks this installation's key can find out by trying user_ids.
        """
        if self._key is None:
            document = self._installation.find_one_and_update(
                {"_id": "pseudonym_key"},
                {"$setOnInsert": {"value": secrets.token_bytes(32)}},
                upsert=True,
                return_document=ReturnDocument.AFTER,
            )
            if document is None:  # an upsert always answers; the driver's types do not know
                raise KeyError("pseudonym_key")
            self._key = bytes(document["value"])
        return hmac.new(self._key, user_id.encode(), "sha256").hexdigest()

    def note_login(self, user_id: str, **known: str | None) -> bool:
        """Note a login.

        Args:
            user_id: whose.
            known: what must still be as it was when it was looked at, such as `passphrase_hash`.

        Returns:
            whether there is such an account, and it is not being deleted.
        """
        query = {"_id": user_id, "deleting_at": None, **known}
        change = {"$set": {"last_login_at": now()}}
        return bool(self._users.update_one(query, change).matched_count)
