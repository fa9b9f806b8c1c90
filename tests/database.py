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
        self._new: Document = {}

    def lend(self) -> str:
        """Return the name of a database that holds nothing but the schema."""
        while len(self._free) > _RESTING:
            name = self._free.pop(0)
            if self._is_as_new(name):
                return name
            self._client.drop_database(name)
        name = f"test-{secrets.token_hex(6)}"
        schema.ensure(self._client[name], LOG_DAYS)
        self._new = self._new or self._kept(name)
        return name

    def take_back(self, name: str) -> None:
        """Have a database for a later test."""
        self._free.append(name)

    def empty(self, name: str) -> None:
        """Leave nothing in a database but what comes with the schema."""
        database = self._client[name]
        for each in database.list_collection_names():
            database[each].delete_many({})
        for each, documents in self._new["documents"].items():
            database[each].insert_many(documents)

    def _is_as_new(self, name: str) -> bool:
        """Empty a database; return whether its schema is what it was."""
        if set(self._client[name].list_collection_names()) != self._new["collections"].keys():
            return False
        self.empty(name)
        return self._kept(name) == self._new

    def close(self) -> None:
        """Close the connections."""
        self._client.close()

    def _kept(self, name: str) -> Document:
        database = self._client[name]
        collections = {each["name"]: each["options"] for each in database.list_collections()}
        return {
            "collections": collections,
            "indexes": {each: database[each].index_information() for each in collections},
            "documents": {
                each: found for each in collections if (found := list(database[each].find()))
            },
        }
