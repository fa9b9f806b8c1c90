"""Assets: the items of work, from queued to done, and the leases on them."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from threading import Event
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.database import Database
from pymongo.errors import PyMongoError

from core.models import ACTIVE_STATES, Asset, AssetError, AssetState, Kind, new_id, now

Document = dict[str, Any]

_QUEUED: Final = str(AssetState.QUEUED)
_ACTIVE: Final = [str(state) for state in ACTIVE_STATES]


class LeaseLost(Exception):
    """The item was taken over, cancelled or deleted; its former holder must stop."""


class AssetStore:
    """Reads assets and moves them through their states.

    Every write of an executor carries the token of its lease; one without a valid lease
    changes nothing and raises `LeaseLost`.
    """

    def __init__(self, database: Database[Document]) -> None:
        self._assets = database["assets"]

    def get(self, asset_id: str, user_id: str | None = None) -> Asset | None:
        """Return an asset, or None where there is none (or, with `user_id`, none of that user)."""
        query = {"_id": asset_id} | ({} if user_id is None else {"user_id": user_id})
        document = self._assets.find_one(query)
        return None if document is None else Asset.from_document(document)

    def of_job(self, job_id: str) -> list[Asset]:
        """Return a job's assets: images, then videos, each in slot order."""
        order = [("kind", ASCENDING), ("slot", ASCENDING)]
        found = self._assets.find({"job_id": job_id}).sort(order)
        return [Asset.from_document(document) for document in found]

    def gallery(self, user_id: str, kind: Kind, limit: int = 60) -> list[Asset]:
        """Return a user's finished assets of a kind, newest first."""
        found = self._assets.find(_finished(user_id, kind)).sort("timings.saved_at", DESCENDING)
        return [Asset.from_document(document) for document in found.limit(limit)]

    def count(self, user_id: str, kind: Kind) -> int:
        """Return how many finished assets of a kind a user has."""
        return self._assets.count_documents(_finished(user_id, kind))

    def queue(self) -> dict[str, int]:
        """Return how many assets wait and how many are being worked on."""
        return {
            "queued": self._assets.count_documents({"state": _QUEUED}),
            "active": self._assets.count_documents({"state": {"$in": _ACTIVE}}),
        }

    def ready(self, limit: int) -> list[str]:
        """Return ids of assets to work on: abandoned ones first, then queued ones that are due."""
        moment = now()
        abandoned = self._assets.find(_abandoned(moment), {"_id": True})
        ids = [document["_id"] for document in abandoned.limit(limit)]
        if len(ids) < limit:
            due = self._assets.find(_takeable(moment), {"_id": True}).sort(
                [("next_attempt_at", ASCENDING), ("kind", ASCENDING), ("slot", ASCENDING)]
            )
            ids += [document["_id"] for document in due.limit(limit - len(ids))]
        return ids

    def claim(self, asset_id: str, owner: str, lease_seconds: float) -> Asset | None:
        """Take an asset that is due, or whose holder is gone.

        Returns:
            the asset with its new lease, its state still the one it was found in (an abandoned
            one is to be resumed from there); None where somebody else has it or it has ended.
        """
        moment = now()
        lease = {
            "owner": owner,
            "token": new_id(),
            "until": moment + timedelta(seconds=lease_seconds),
        }
        document = self._assets.find_one_and_update(
            {"_id": asset_id, "$or": [_takeable(moment), _abandoned(moment)]},
            {"$set": {"lease": lease}, "$inc": {"attempts": 1}},
            return_document=ReturnDocument.AFTER,
        )
        return None if document is None else Asset.from_document(document)

    def heartbeat(self, asset: Asset, lease_seconds: float) -> None:
        """Prolong the lease.

        Raises:
            LeaseLost: it is no longer held.
        """
        self._write(asset, {"lease.until": now() + timedelta(seconds=lease_seconds)})

    def submitting(self, asset: Asset) -> None:
        """Store the intent to call the provider, before the call."""
        state = str(AssetState.SUBMITTING)
        self._write(
            asset, {"state": state, "progress": 0.0, "error": None, "timings.submitted_at": now()}
        )

    def running(self, asset: Asset, remote_id: str | None) -> None:
        """Store that the provider took the item, with the id to follow it by."""
        changes = {"state": str(AssetState.RUNNING), "remote_id": remote_id}
        self._write(asset, changes | {"timings.started_at": now()})

    def progress(self, asset: Asset, fraction: float) -> None:
        """Store how far the item is, from 0 to 1."""
        self._write(asset, {"progress": min(max(fraction, 0.0), 1.0)})

    def saving(self, asset: Asset) -> None:
        """Store that the provider has finished and its file is being fetched."""
        self._write(asset, {"state": str(AssetState.SAVING), "progress": 1.0})

    def done(self, asset: Asset, saved: Document) -> None:
        """Store the saved file's facts and end the item.

        Args:
            asset: the claimed asset.
            saved: `path`, `preview`, `poster`, `width`, `height`, `seconds`, `bytes`, `sha256`.
        """
        ending = {"state": str(AssetState.DONE), "progress": 1.0, "lease": None}
        self._write(asset, saved | ending | {"timings.saved_at": now()})

    def failed(self, asset: Asset, error: AssetError) -> None:
        """End the item with an error."""
        self._end(asset, AssetState.FAILED, error)

    def unknown(self, asset: Asset, error: AssetError) -> None:
        """End a paid item whose call's outcome is not known; only the user sends it again."""
        self._end(asset, AssetState.UNKNOWN, error)

    def hand_back(self, asset: Asset, due: datetime, error: AssetError | None = None) -> None:
        """Put the item back into the queue, to be taken again from `due` on."""
        self._write(
            asset, _requeued(due) | {"error": None if error is None else error.to_document()}
        )

    def give_back(self, asset: Asset) -> None:
        """Put an item back whose work was stopped in order; the attempt does not count."""
        self._write(asset, _requeued(now()), {"attempts": -1})

    def watch_ready(self, wake: Callable[[], None], stop: Event) -> None:
        """Call `wake` whenever an asset enters the queue, until `stop` is set. Blocks.

        A change stream only saves waiting time: where it breaks it is opened again, and who
        waits for `wake` must look from time to time anyway.
        """
        entered = {
            "$or": [
                {"operationType": "insert"},
                {"updateDescription.updatedFields.state": _QUEUED},
            ]
        }
        pipeline: Sequence[Document] = [{"$match": entered}, {"$project": {"_id": True}}]
        while not stop.is_set():
            try:
                with self._assets.watch(pipeline, max_await_time_ms=500) as stream:
                    while not stop.is_set():
                        if stream.try_next() is not None:
                            wake()
            except PyMongoError:
                stop.wait(1.0)

    def _end(self, asset: Asset, state: AssetState, error: AssetError) -> None:
        ending = {"state": str(state), "lease": None, "error": error.to_document()}
        self._write(asset, ending | {"timings.failed_at": now()})

    def _write(self, asset: Asset, changes: Document, added: Document | None = None) -> None:
        if asset.lease is None:
            raise LeaseLost(asset.id)
        held = {"_id": asset.id, "lease.token": asset.lease.token}
        update = {"$set": changes} | ({"$inc": added} if added else {})
        if self._assets.update_one(held, update).matched_count == 0:
            raise LeaseLost(asset.id)


def _takeable(moment: datetime) -> Document:
    """Queued, due, and not just claimed by somebody who has yet to store what is next."""
    free = {"$not": {"$gte": moment}}  # no lease matches too
    return {"state": _QUEUED, "next_attempt_at": {"$lte": moment}, "lease.until": free}


def _abandoned(moment: datetime) -> Document:
    """Being worked on, by somebody whose lease ran out."""
    return {"state": {"$in": _ACTIVE}, "lease.until": {"$lt": moment}}


def _finished(user_id: str, kind: Kind) -> Document:
    return {"user_id": user_id, "kind": str(kind), "state": str(AssetState.DONE)}


def _requeued(due: datetime) -> Document:
    return {"state": _QUEUED, "progress": 0.0, "lease": None, "next_attempt_at": due}
