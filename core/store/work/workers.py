"""Which workers there are, and which of them hands out the work."""

from typing import Any, Final

from pymongo import ReturnDocument, timeout
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from core.models import Worker
from core.store.documents.lease_fields import NOW, free, from_now, held
from core.store.documents.reading import read_each

Document = dict[str, Any]

ALIVE_SECONDS: Final = 15.0  # a worker that has not been seen for so long is gone
_DISPATCHER: Final = "dispatcher"
_UNTIL: Final = "$until"  # the leader's whole document is its lease


class WorkerStore:
    """Announces workers, and grants the leadership to one of them at a time.

    All times are the database's own, so that a wrong clock on one machine moves nothing.
    """

    def __init__(self, database: Database[Document]) -> None:
        self._workers = database["workers"]
        self._leader = database["leader"]

    def announce(self, worker: Worker) -> None:
        """Store that a worker is there; to be repeated well within `ALIVE_SECONDS`."""
        said = {key: {"$literal": value} for key, value in worker.to_document().items()}
        self._workers.update_one(
            {"_id": worker.id}, [{"$set": said | {"seen_at": NOW}}], upsert=True
        )

    def remove(self, owner: str) -> None:
        """Remove a worker that stops, and end its leadership."""
        self._workers.delete_one({"_id": owner})
        self._leader.delete_one({"_id": _DISPATCHER, "owner": owner})

    def alive(self) -> list[Worker]:
        """Return the workers that were seen a moment ago."""
        since = from_now(-ALIVE_SECONDS)
        found = self._workers.find({"$expr": {"$gt": ["$seen_at", since]}}).sort("_id")
        return list(read_each(Worker, found))

    def lead(self, owner: str, seconds: float) -> bool:
        """Acquire the leadership, or renew it.

        Args:
            owner: the worker that asks.
            seconds: how long it has it without asking again.

        Returns:
            whether `owner` has it now.
        """
        me = {"$literal": owner}
        mine = {"$or": [{"$eq": ["$owner", me]}, free(until=_UNTIL)]}
        taken = {
            "owner": {"$cond": [mine, me, "$owner"]},
            "until": {"$cond": [mine, from_now(seconds), _UNTIL]},
        }
        try:
            with timeout(seconds / 2):
                found = self._leader.find_one_and_update(
                    {"_id": _DISPATCHER},
                    [{"$set": taken}],
                    upsert=True,
                    return_document=ReturnDocument.AFTER,
                )
        except DuplicateKeyError:  # somebody else was the first ever, a moment ago
            return False
        return found is not None and bool(found["owner"] == owner)

    def leader(self) -> str | None:
        """Return who leads; None where nobody does."""
        found = self._leader.find_one({"_id": _DISPATCHER, "$expr": held(until=_UNTIL)})
        return None if found is None else str(found["owner"])
