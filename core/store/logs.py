"""The two logs: every attempt to log in, every look at content."""

from typing import Any, Generic, TypeVar

from pymongo import DESCENDING
from pymongo.collection import Collection

from core.models import LoginEntry, ViewEntry

Entry = TypeVar("Entry", LoginEntry, ViewEntry)


class Log(Generic[Entry]):
    """What users did, entry by entry.

    Args:
        entries: the collection that keeps it.
        model: what an entry is.
    """

    def __init__(self, entries: Collection[dict[str, Any]], model: type[Entry]) -> None:
        self._entries = entries
        self._model: type[Entry] = model

    def add(self, entry: Entry) -> None:
        """Store one entry."""
        self._entries.insert_one(entry.to_document())

    def of_user(self, user_id: str, limit: int = 50) -> list[Entry]:
        """Return a user's entries, newest first."""
        found = self._entries.find({"user_id": user_id}).sort("time", DESCENDING).limit(limit)
        return [self._model.from_document(document) for document in found]
