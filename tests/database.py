"""Databases of tests: made once, and emptied after each test rather than made anew."""

import secrets
from pathlib import Path
from typing import Any, Final

import psutil
from pymongo import MongoClient

from core.store.connection import LOG_DAYS
from core.store.documents import schema

Document = dict[str, Any]

_MEMORY: Final = Path("/dev/shm")  # noqa: S108  # its folders there are made by mkdtemp
_RESTING: Final = 2  # a process of the last test may still be writing when the next one begins
_ROOM: Final = 4 << 30  # bytes that must be free there, as a worker of the suite needs up to 1 GiB


def in_memory() -> Path | None:
    """Return a folder in memory with room for a server's files; None: there is none."""
    if not _MEMORY.is_dir():
        return None
    free = min(psutil.disk_usage(str(_MEMORY)).free, psutil.virtual_memory().available)
    return _MEMORY if free > _ROOM else None


class Databases:
    """Databases with Fivefold's schema, each lent to one test at a time.

    A schema takes most of a second to make, and a few milliseconds to compare. A database is
    emptied when it is lent, and removed if its schema was changed.

    Args:
        uri: the server.
    """

    def __init__(self, uri: str) -> None:
        self._client = MongoClient[Document](uri)
        self._free: list[str] = []
        self._schema: dict[str, Document] = {}
        self._documents: dict[str, list[Document]] = {}  # those that come with the schema

    def lend(self) -> str:
        """Return the name of a database that holds nothing but the schema."""
        while len(self._free) > _RESTING:
            name = self._free.pop(0)
            if self._is_as_new(name):
                return name
            self._client.drop_database(name)
        name = f"test-{secrets.token_hex(6)}"
        schema.ensure(self._client[name], LOG_DAYS)
        if not self._schema:
            self._schema = self._schema_of(name)
            database = self._client[name]
            self._documents = {each: list(database[each].find()) for each in self._filled(name)}
        return name

    def take_back(self, name: str) -> None:
        """Have a database for a later test."""
        self._free.append(name)

    def empty(self, name: str) -> None:
        """Leave nothing in a database but the documents that come with the schema."""
        database = self._client[name]
        for each in self._filled(name):
            database[each].delete_many({})
        for each, documents in self._documents.items():
            database[each].insert_many(documents)

    def _filled(self, name: str) -> list[str]:
        """Return the collections that hold documents, found in one request."""
        first, *others = self._schema
        looks: dict[str, list[Document]] = {
            each: [{"$limit": 1}, {"$project": {"_id": 0, "name": {"$literal": each}}}]
            for each in self._schema
        }
        unions: list[Document] = [
            {"$unionWith": {"coll": each, "pipeline": looks[each]}} for each in others
        ]
        return [each["name"] for each in self._client[name][first].aggregate(looks[first] + unions)]

    def _is_as_new(self, name: str) -> bool:
        """Empty a database; return whether its schema is what it was."""
        if self._schema_of(name) != self._schema:
            return False
        self.empty(name)
        return True

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _schema_of(self, name: str) -> dict[str, Document]:
        """Return the options and indexes of each collection."""
        database = self._client[name]
        return {
            each["name"]: {
                "options": each["options"],
                "indexes": database[each["name"]].index_information(),
            }
            for each in database.list_collections()
        }
