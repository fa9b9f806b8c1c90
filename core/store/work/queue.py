"""What waits and what is in flight: the dispatcher's side of the assets.

An item is handed out by putting a short lease on it whose token, the ticket, travels with the
message. Only who shows the ticket while it is valid may claim the item, so that a message which
was lost, doubled or late does no harm. All times here are the database's own.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from threading import Event
from typing import Any, Final

from pymongo import ASCENDING
from pymongo.database import Database
from pymongo.errors import PyMongoError

from core.models import ACTIVE_STATES, ENDED_STATES, AssetState, now, time_of_id
from core.store.documents.expressions import array_at
from core.store.documents.lease_fields import NOW, expired, free, from_now, grant, held, renewed

Document = dict[str, Any]
Lane = tuple[str, str]
"""A provider's name and one of its models: what limits count by."""

CLOCKS_DIFFER_SECONDS: Final = 600

QUEUED: Final = str(AssetState.QUEUED)
ACTIVE: Final = [str(state) for state in ACTIVE_STATES]
_SAVING: Final = str(AssetState.SAVING)

_IN_ORDER: Final = [(key, ASCENDING) for key in ("next_attempt_at", "job_id", "kind", "slot")]
_LANE: Final = {"provider": "$provider", "model": "$model"}
_DUE: Final = {"state": QUEUED, "$expr": {"$and": [{"$lte": ["$next_attempt_at", NOW]}, free()]}}
_ABANDONED: Final = {"state": {"$in": ACTIVE}, "$expr": expired()}
_HANDED_OUT: Final = {
    "state": QUEUED,
    "remote_id": None,
    "$expr": held(),
}
_AT_PROVIDER: Final = {"state": QUEUED, "remote_id": {"$type": "string"}}
"""Put back, while the provider goes on with it: in flight, and to be followed before new work."""


@dataclass(frozen=True)
class QueueLength:
    """What waits in one lane, due or not.

    Attributes:
        items: how many.
        since: when the oldest one's job was made.
    """

    items: int
    since: datetime


class QueueStore:
    """Finds what is to be done next and hands it out. No query here scans a collection."""

    def __init__(self, database: Database[Document]) -> None:
        self._assets = database["assets"]

    def lanes(self) -> list[Lane]:
        """Return the lanes in which something waits."""
        return [
            (provider, model)
            for provider in self._distinct("provider", {"state": QUEUED})
            for model in self._distinct("model", {"state": QUEUED, "provider": provider})
        ]

    def users(self, lane: Lane) -> list[str]:
        """Return whose items wait in a lane, in alphabetical order."""
        return sorted(self._distinct("user_id", {"state": QUEUED} | of_lane(lane)))

    def due(self, lane: Lane, user_id: str, limit: int) -> list[str]:
        """Return the ids of a user's next items in a lane, oldest job first."""
        query = _DUE | of_lane(lane) | {"user_id": user_id}
        found = self._assets.find(query, {"_id": True}).sort(_IN_ORDER).limit(limit)
        return [document["_id"] for document in found]

    def orphaned(self, lane: Lane, limit: int) -> list[str]:
        """Return a lane's items that a provider may be working on while nobody follows them."""
        ids = []
        for query in (_ABANDONED, _DUE | _AT_PROVIDER):
            found = self._assets.find(query | of_lane(lane), {"_id": True}).limit(limit)
            ids += [document["_id"] for document in found]
        return ids[:limit]

    def to_cancel(self, limit: int) -> list[str]:
        """Return items that are to be cancelled and that nobody holds."""
        query = {"cancel_requested": True, "$or": [_DUE, _ABANDONED]}
        return [
            document["_id"] for document in self._assets.find(query, {"_id": True}).limit(limit)
        ]

    def in_flight(self) -> Counter[Lane]:
        """Return how many items are handed out, at their provider or being worked on, by lane."""
        # In this order an item that moves on meanwhile is counted twice, never missed.
        return self._count(_HANDED_OUT, _AT_PROVIDER, {"state": {"$in": ACTIVE}})

    def saving(self) -> Counter[Lane]:
        """Return how many of the items in flight are being saved, and so need no provider now."""
        return self._count({"state": _SAVING})

    def handed_out(self) -> Counter[Lane]:
        """Return how many items are on their way to a provider that was not called yet."""
        return self._count(_HANDED_OUT)

    def called(self, provider: str, model: str | None, seconds: int) -> int:
        """Return how often a provider was called lately.

        Args:
            provider: its name.
            model: one of its models; None: all.
            seconds: how far back to look.
        """
        # The index gets along with this machine's clock, give or take; what counts is the
        # database's.
        about = now() - timedelta(seconds=seconds + CLOCKS_DIFFER_SECONDS)
        lately = {"$gte": ["$$this", from_now(-seconds)]}
        calls = {"$filter": {"input": array_at("$called_at"), "as": "this", "cond": lately}}
        query: Document = {"provider": provider, "called_at": {"$gte": about}}
        query |= {} if model is None else {"model": model}
        found = self._assets.aggregate(
            [
                {"$match": query},
                {"$unionWith": {"coll": "receipts", "pipeline": [{"$match": query}]}},
                {"$group": {"_id": None, "calls": {"$sum": {"$size": calls}}}},
            ]
        )
        return sum(document["calls"] for document in found)

    def held(self, asset_ids: Sequence[str]) -> set[str]:
        """Return those of the items that somebody holds a lease on."""
        query = {"_id": {"$in": list(asset_ids)}, "$expr": held()}
        return {document["_id"] for document in self._assets.find(query, {"_id": True})}

    def waiting(self) -> dict[Lane, QueueLength]:
        """Return how much waits, by lane; it counts, so it is for the eye, not for every round."""
        group = {"_id": _LANE, "items": {"$sum": 1}, "oldest": {"$min": "$job_id"}}
        found = self._assets.aggregate([{"$match": {"state": QUEUED}}, {"$group": group}])
        return {
            lane: QueueLength(each["items"], time_of_id(str(each["oldest"])) or now())
            for each in found
            if (lane := _lane(each["_id"])) is not None
        }

    def hand_out(
        self, asset_ids: Sequence[str], ticket: str, seconds: float, queue: str = "io"
    ) -> None:
        """Reserve items for whoever shows the ticket; what was taken meanwhile stays as it is.

        Args:
            asset_ids: the items.
            ticket: what they can be claimed with.
            seconds: how long.
            queue: whose workers are to make them; `tickets` finds them by it.
        """
        self._assets.update_many(
            {"_id": {"$in": list(asset_ids)}, "$or": [_DUE, _ABANDONED]},
            [{"$set": grant(_for_queue(queue), ticket, seconds)}],
        )

    def tickets(self, queue: str, limit: int) -> list[tuple[str, str]]:
        """Return ids and tickets of items that were handed out to a queue and not claimed yet."""
        handed_out = {
            "lease.owner": _for_queue(queue),
            "$expr": held(),
        }
        found = self._assets.find(handed_out, {"lease.token": True}).limit(limit)
        return [(document["_id"], document["lease"]["token"]) for document in found]

    def take_back(self, asset_ids: Sequence[str], ticket: str) -> None:
        """Free items again whose message could not be sent."""
        self._assets.update_many(
            {"_id": {"$in": list(asset_ids)}, "lease.token": ticket},
            renewed(0),
        )

    def _count(self, *queries: Document) -> Counter[Lane]:
        counts: Counter[Lane] = Counter()
        for query in queries:
            group = {"$group": {"_id": _LANE, "items": {"$sum": 1}}}
            for found in self._assets.aggregate([{"$match": query}, group]):
                if (lane := _lane(found["_id"])) is not None:
                    counts[lane] += found["items"]
        return counts

    def _distinct(self, field: str, query: Document) -> list[str]:
        """Return the different texts in a field; what is none is nobody's lane."""
        return [each for each in self._assets.distinct(field, query) if isinstance(each, str)]

    def watch(self, wake: Callable[[], None], stop: Event) -> None:
        """Call `wake` when an item is queued, made or ended, until `stop` is set. Blocks.

        A change stream only saves waiting time: where it breaks it is opened again, and who
        waits for `wake` must look from time to time anyway.
        """
        of_interest = [QUEUED, _SAVING, *(str(state) for state in ENDED_STATES)]
        changed = {
            "$or": [
                {"operationType": "insert"},
                {"updateDescription.updatedFields.state": {"$in": of_interest}},
            ]
        }
        pipeline: Sequence[Document] = [{"$match": changed}, {"$project": {"_id": True}}]
        while not stop.is_set():
            try:
                with self._assets.watch(pipeline, max_await_time_ms=500) as stream:
                    while not stop.is_set():
                        if stream.try_next() is not None:
                            wake()
            except PyMongoError:
                stop.wait(1.0)


def _for_queue(name: str) -> str:
    """Return the holder of an item that was handed out to a queue; no worker is called so."""
    return f"queue:{name}"


def _lane(group: Document) -> Lane | None:
    """Return the lane of a group of items; None: what is stored there is none."""
    provider, model = group.get("provider"), group.get("model")
    return (provider, model) if isinstance(provider, str) and isinstance(model, str) else None


def of_lane(lane: Lane) -> Document:
    """Return what picks the items of a lane."""
    provider, model = lane
    return {"provider": provider, "model": model}
