"""Moving an item through its states: the executor's side of the assets.

Every write carries the token of the item's lease (fencing): who has lost it changes nothing and
is told so. All times that decide anything are the database's own.
"""

from collections.abc import Mapping
from typing import Any, Final

from pymongo import ReturnDocument, UpdateOne, timeout
from pymongo.database import Database
from pymongo.write_concern import WriteConcern

from core.models import AT_ONCE, Asset, AssetError, AssetState, new_id, now
from core.store.queue import ACTIVE, QUEUED, from_now

Document = dict[str, Any]

CALLS_KEPT: Final = 100  # times of calls that an item remembers


class LeaseLost(Exception):
    """The item was taken over, cancelled or deleted; its former holder must stop."""


class LeaseStore:
    """Claims items, keeps the claims, and stores what comes of the items."""

    def __init__(self, database: Database[Document]) -> None:
        self._assets = database["assets"]
        self._partials = database["partials"]

    def claim(self, asset_id: str, ticket: str, owner: str, lease_seconds: float) -> Asset | None:
        """Take an item that was handed out.

        Args:
            asset_id: the item.
            ticket: the token it was handed out with.
            owner: who takes it.
            lease_seconds: how long the lease lasts without being renewed.

        Returns:
            the asset with its new lease, its state still the one it was found in (an abandoned
            one is to be resumed from there); None where the ticket is not valid (any more).
        """
        lease = {
            "owner": {"$literal": owner},
            "token": {"$literal": new_id()},
            "until": from_now(lease_seconds),
        }
        document = self._assets.find_one_and_update(
            {
                "_id": asset_id,
                "lease.token": ticket,
                "state": {"$in": [QUEUED, *ACTIVE]},
                "$expr": {"$gte": ["$lease.until", "$$NOW"]},
            },
            [{"$set": {"lease": lease, "attempts": {"$add": ["$attempts", 1]}}}],
            return_document=ReturnDocument.AFTER,
        )
        return None if document is None else Asset.from_document(document)

    def renew(self, held: Mapping[str, str], lease_seconds: float) -> set[str]:
        """Prolong leases.

        Args:
            held: tokens by asset id.
            lease_seconds: how long they last from now on.

        Returns:
            the ids of those that are still held; the others are lost.
        """
        ours = {"_id": {"$in": list(held)}, "lease.token": {"$in": list(held.values())}}
        with timeout(lease_seconds / 3):  # a database that hangs must not make it look held
            self._assets.update_many(ours, [{"$set": {"lease.until": from_now(lease_seconds)}}])
            return {document["_id"] for document in self._assets.find(ours, {"_id": True})}

    def to_cancel(self, owner: str) -> list[str]:
        """Return the ids of an owner's items whose user wants them cancelled."""
        query = {"cancel_requested": True, "lease.owner": owner}
        return [document["_id"] for document in self._assets.find(query, {"_id": True})]

    def submitting(self, asset: Asset) -> None:
        """Store the intent to call the provider, before the call."""
        called_at = {"$concatArrays": [{"$ifNull": ["$called_at", []]}, ["$$NOW"]]}
        intent = {
            "state": str(AssetState.SUBMITTING),
            "call": _token(asset),
            "called_at": {"$slice": [called_at, -CALLS_KEPT]},
            "progress": 0.0,
            "waiting": "",
            "error": None,
            "timings.submitted_at": "$$NOW",
        }
        self._update(asset, [{"$set": intent}])

    def running(
        self, asset: Asset, remote_id: str | None, learnt: Mapping[str, Any] | None = None
    ) -> None:
        """Store that the provider took the item, with the id to follow it by.

        Args:
            asset: the claimed asset.
            remote_id: what to resume it by.
            learnt: more fields to store, such as `details.request_id`.
        """
        changes: Document = {"state": str(AssetState.RUNNING), "remote_id": remote_id}
        changes |= {"error": None, "waits": 0, **(learnt or {})}
        self._write(asset, changes | {"timings.started_at": now()})

    def resumed(self, asset: Asset) -> None:
        """Store that an item which the provider took earlier is being followed again."""
        started = {"$ifNull": ["$timings.started_at", "$$NOW"]}
        changes = {"state": str(AssetState.RUNNING), "error": None, "timings.started_at": started}
        self._update(asset, [{"$set": changes}])

    def answered_late(self, asset: Asset, remote_id: str) -> bool:
        """Store an answer that came after the lease was lost.

        Returns:
            whether the item still waits for the answer to this very call; it is then resumed by
            this id, even where it was called `unknown` meanwhile. May be repeated.
        """
        waits = {
            "_id": asset.id,
            "call": _token(asset),
            "state": {"$in": [QUEUED, str(AssetState.SUBMITTING), str(AssetState.UNKNOWN)]},
            "remote_id": {"$in": [None, remote_id]},
        }
        unknown = {"$eq": ["$state", str(AssetState.UNKNOWN)]}
        changes = {
            "remote_id": {"$literal": remote_id},
            "state": {"$cond": [unknown, QUEUED, "$state"]},
            "next_attempt_at": AT_ONCE,
            "error": None,
        }
        return self._assets.update_one(waits, [{"$set": changes}]).matched_count == 1

    def progress(self, held: Mapping[tuple[str, str], tuple[float, str]]) -> None:
        """Store how far items are, from 0 to 1, and what they wait for; lost leases are skipped.

        Both go by asset id and token.

        It is only for the eye, so it waits for no other member of the replica set.
        """
        shown = self._assets.with_options(write_concern=WriteConcern(w=1, j=False))
        shown.bulk_write(
            [
                UpdateOne(
                    {"_id": asset_id, "lease.token": token, "state": str(AssetState.RUNNING)},
                    {"$set": {"progress": min(max(fraction, 0.0), 1.0), "waiting": waiting}},
                )
                for (asset_id, token), (fraction, waiting) in held.items()
            ],
            ordered=False,
        )

    def partial(self, asset: Asset, webp: bytes) -> None:
        """Store a small picture (WebP) of an item half done."""
        if self._assets.count_documents({"_id": asset.id, "lease.token": _token(asset)}) == 0:
            raise LeaseLost(asset.id)
        picture = {"webp": webp, "at": now()}
        self._partials.replace_one({"_id": asset.id}, picture, upsert=True)
        self._update(asset, {"$inc": {"partial": 1}})  # told of when it is there

    def saving(self, asset: Asset, learnt: Mapping[str, Any] | None = None) -> None:
        """Store that the provider has finished and its file is being fetched.

        Args:
            asset: the claimed asset.
            learnt: more fields to store, such as `cost.actual`.
        """
        changes: Document = {"state": str(AssetState.SAVING), "progress": 1.0, "waiting": ""}
        self._write(asset, changes | {**(learnt or {})})

    def done(self, asset: Asset, saved: Document) -> None:
        """Store the saved file's facts and end the item.

        Args:
            asset: the claimed asset.
            saved: `path`, `display_path`, `display_note`, `preview`, `poster`, `width`, `height`,
                `seconds`, `bytes`, `sha256`.
        """
        ending = {
            "state": str(AssetState.DONE),
            "progress": 1.0,
            "lease": None,
            "cancel_requested": False,
            "error": None,
        }
        self._write(asset, saved | ending | {"timings.saved_at": now()})

    def failed(
        self,
        asset: Asset,
        error: AssetError,
        *,
        resumable: bool = False,
        learnt: Mapping[str, Any] | None = None,
    ) -> None:
        """End the item with an error.

        Args:
            asset: the claimed asset.
            error: what the user is told.
            resumable: whether the provider still has what it made, so that a retry by the user
                fetches that instead of paying for another.
            learnt: more fields to store, such as `cost.actual`.
        """
        forgotten = {} if resumable else {"remote_id": None}
        self._end(asset, AssetState.FAILED, error, forgotten | {**(learnt or {})})

    def unknown(self, asset: Asset, error: AssetError) -> None:
        """End a paid item whose call's outcome is not known; only the user sends it again.

        Should the answer have come a moment ago, after all, the item is queued to be resumed.
        """
        known = {"$ne": ["$remote_id", None]}
        changes = {
            "state": {"$cond": [known, QUEUED, str(AssetState.UNKNOWN)]},
            "cancel_requested": {"$cond": [known, "$cancel_requested", False]},
            "error": {"$cond": [known, None, {"$literal": error.to_document()}]},
            "next_attempt_at": AT_ONCE,
            "lease": None,
            "timings.failed_at": now(),
        }
        self._update(asset, [{"$set": changes}])

    def cancelled(self, asset: Asset, note: AssetError | None) -> None:
        """End an item as its user wished; the note says what could not be undone."""
        self._end(asset, AssetState.CANCELLED, note, {"remote_id": None})

    def hand_back(
        self,
        asset: Asset,
        pause: float = 0.0,
        error: AssetError | None = None,
        *,
        counted: bool,
        anew: bool = False,
    ) -> None:
        """Put the item back into the queue; a remote id that it has stays, to be resumed by.

        Args:
            asset: the claimed asset.
            pause: seconds until it may be taken again.
            error: what the user is told meanwhile.
            counted: whether this was one of the attempts that an item has.
            anew: whether its remote id is of no use any more.
        """
        changes = {
            "state": QUEUED,
            "progress": 0.0,
            "waiting": "",
            "remote_id": None if anew else "$remote_id",
            "lease": None,
            "error": {"$literal": None if error is None else error.to_document()},
            "attempts": {"$subtract": ["$attempts", 0 if counted else 1]},
            "waits": {"$add": [{"$ifNull": ["$waits", 0]}, 1 if pause and not counted else 0]},
            # Who wants it cancelled does not wait for it.
            "next_attempt_at": {"$cond": ["$cancel_requested", AT_ONCE, from_now(pause)]},
        }
        self._update(asset, [{"$set": changes}])

    def _end(
        self,
        asset: Asset,
        state: AssetState,
        error: AssetError | None,
        more: Document | None = None,
    ) -> None:
        ending = {
            "state": str(state),
            "lease": None,
            "cancel_requested": False,
            "error": None if error is None else error.to_document(),
        }
        self._write(asset, ending | (more or {}) | {"timings.failed_at": now()})

    def _write(self, asset: Asset, changes: Document) -> None:
        self._update(asset, {"$set": changes})

    def _update(self, asset: Asset, update: Document | list[Document]) -> None:
        held = {"_id": asset.id, "lease.token": _token(asset)}
        if self._assets.update_one(held, update).matched_count == 0:
            raise LeaseLost(asset.id)


def _token(asset: Asset) -> str:
    if asset.lease is None:
        raise LeaseLost(asset.id)
    return asset.lease.token
