"""The two logs: every attempt to log in, every look at content."""

from typing import Any

from pymongo import DESCENDING
from pymongo.database import Database

from core.models import LoginEntry, ViewEntry

Document = dict[str, Any]


class LoginLog:
    """Every attempt to log in, refused ones too."""

    def __init__(self, database: Database[Document]) -> None:
        self._entries = database["login_log"]

    def add(self, entry: LoginEntry) -> None:
        """Store one attempt."""
        self._entries.insert_one(entry.to_document())

    def of_user(self, user_id: str, limit: int = 50) -> list[LoginEntry]:
        """Return a user's attempts, newest first."""
        found = self._entries.find({"user_id": user_id}).sort("time", DESCENDING).limit(limit)
        return [LoginEntry.from_document(document) for document in found]


class ViewLog:
    """Every page, image, clip and download that a user looked at."""

    def __init__(self, database: Database[Document]) -> None:
        self._entries = database["view_log"]

    def add(self, entry: ViewEntry) -> None:
        """Store one look."""
        self._entries.insert_one(entry.to_document())

    def of_user(self, user_id: str, limit: int = 50) -> list[ViewEntry]:
        """Return a user's looks, newest first."""
        found = self._entries.find({"user_id": user_id}).sort("time", DESCENDING).limit(limit)
        return [ViewEntry.from_document(document) for document in found]
