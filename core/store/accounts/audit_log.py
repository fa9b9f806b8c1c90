"""The two logs: every attempt to log in, every look at content."""

import atexit
import logging
import queue
import threading
from typing import Any, Final, Generic, TypeVar

from pymongo import DESCENDING
from pymongo.collection import Collection
from pymongo.errors import BulkWriteError, PyMongoError

from core.models import LoginEntry, ViewEntry
from core.store.documents.reading import read_each

Entry = TypeVar("Entry", LoginEntry, ViewEntry)

MOST_WAITING: Final = 10_000
BATCH: Final = 500
AGAIN_SECONDS: Final = 1.0  # after the database did not take a batch
FLUSH_SECONDS: Final = 5.0
DUPLICATE: Final = 11000  # MongoDB's code for a key that is there already

_log = logging.getLogger(__name__)


class AuditLog(Generic[Entry]):
    """What users did, entry by entry.

    Args:
        entries: the collection that keeps it.
        model: what an entry is.
    """

    def __init__(self, entries: Collection[dict[str, Any]], model: type[Entry]) -> None:
        self._entries = entries
        self._model: type[Entry] = model
        self._waiting: queue.Queue[Entry] = queue.Queue(MOST_WAITING)
        self._starting = threading.Lock()
        self._writer: threading.Thread | None = None
        self._closing = threading.Event()

    def add(self, entry: Entry) -> None:
        """Store one entry; it is there when this returns."""
        self._entries.insert_one(entry.to_document())

    def note(self, entry: Entry) -> None:
        """Store one entry soon, so that nobody waits for it.

        It is there a few milliseconds later; a process that is killed within them takes it along.
        While the database does not answer it waits, with `MOST_WAITING` others at most.
        """
        try:
            self._waiting.put_nowait(entry)
        except queue.Full:
            _log.error("an entry is lost, because too many wait: %s", self._entries.name)
            return
        with self._starting:
            if self._writer is None:
                self._writer = threading.Thread(
                    target=self._write, name=self._entries.name, daemon=True
                )
                self._writer.start()
                atexit.register(self.close)

    def flush(self, seconds: float = FLUSH_SECONDS) -> None:
        """Wait until everything that was noted is stored, for so long at most."""
        with self._waiting.all_tasks_done:
            self._waiting.all_tasks_done.wait_for(
                lambda: not self._waiting.unfinished_tasks, seconds
            )

    def close(self) -> None:
        """Store what waits, and end."""
        if self._writer is not None:
            self.flush()
            self._closing.set()
            atexit.unregister(self.close)

    def of_user(self, user_id: str, limit: int = 50) -> list[Entry]:
        """Return a user's entries, newest first."""
        self.flush()
        found = self._entries.find({"user_id": user_id}).sort("time", DESCENDING).limit(limit)
        return list(read_each(self._model, found))

    def _write(self) -> None:
        while not self._closing.is_set():
            try:
                batch = [self._waiting.get(timeout=1)]
            except queue.Empty:
                continue
            while len(batch) < BATCH and not self._waiting.empty():
                batch.append(self._waiting.get_nowait())
            documents = [entry.to_document() for entry in batch]
            while not self._stored(documents) and not self._closing.wait(AGAIN_SECONDS):
                pass
            for _ in batch:
                self._waiting.task_done()

    def _stored(self, documents: list[dict[str, Any]]) -> bool:
        """Store a batch; return whether there is nothing left to try again."""
        try:
            self._entries.insert_many(documents, ordered=False)
        except BulkWriteError as error:
            # Those that an earlier try has stored are known by the _id that it gave them.
            errors = error.details.get("writeErrors", [])
            lost = [each for each in errors if each.get("code") != DUPLICATE]
            if lost:
                _log.error("%d entries are lost: %s", len(lost), lost[0].get("errmsg"))
        except PyMongoError as error:
            _log.warning("%d entries wait: %s", len(documents), error)
            return False
        except Exception:  # noqa: BLE001  # what cannot be stored must not end the log
            _log.exception("%d entries are lost", len(documents))
        return True


class LoginLog(AuditLog[LoginEntry]):
    """Every attempt to log in."""

    def accepted_from(self, user_id: str, address: str) -> bool:
        """Return whether an account's owner has logged in from an address before."""
        query = {"user_id": user_id, "outcome": "accepted", "address": address}
        return self._entries.find_one(query, {"_id": True}) is not None
