"""Accounts."""

import hmac
import secrets
from typing import Any

from pymongo import ReturnDocument
from pymongo.database import Database

from core.models import User, now

Document = dict[str, Any]


class UserStore:
    """Keeps one document a user_id."""

    def __init__(self, database: Database[Document]) -> None:
        self._users = database["users"]
        self._installation = database["installation"]
        self._key: bytes | None = None

    def get(self, user_id: str) -> User | None:
        """Return an account, or None where there is none."""
        document = self._users.find_one({"_id": user_id})
        return None if document is None else User.from_document(document)

    def ensure(self, user_id: str) -> None:
        """Make the account where there is none, without a login."""
        self._users.update_one(
            {"_id": user_id}, {"$setOnInsert": {"created_at": now()}}, upsert=True
        )

    def choose(self, user_id: str, **chosen: Any) -> None:  # noqa: ANN401  # fields of `User`
        """Store what a user has chosen: `notify`, `zone`, `email`, `webhook`."""
        document = User(id=user_id, created_at=now(), **chosen).to_document()
        self._users.update_one(
            {"_id": user_id}, {"$set": {name: document[name] for name in chosen}}
        )

    def pseudonym(self, user_id: str) -> str:
        """Return what tells a user apart without saying who it is: a keyed hash, in hex.

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

    def login(self, user_id: str) -> tuple[User, bool]:
        """Note a login, making the account where there was none.

        Args:
            user_id: as `core.models.parse_user_id` returns it.

        Returns:
            the account, and whether it is new.
        """
        moment = now()
        document = self._users.find_one_and_update(
            {"_id": user_id},
            {"$set": {"last_login_at": moment}, "$setOnInsert": {"created_at": moment}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        if document is None:  # an upsert always answers; the driver's types do not know
            raise KeyError(user_id)
        user = User.from_document(document)
        return user, user.created_at == moment
