"""Moving a claimed item through its states.

Every write carries the token of the item's lease (fencing): whoever lost it changes nothing and
gets `LeaseLost`. All times that decide anything are the database's own.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from bson.errors import BSONError
from pymongo import UpdateOne
from pymongo.database import Database
from pymongo.errors import DocumentTooLarge, WriteError
from pymongo.write_concern import WriteConcern

from core.models import DUE_NOW, Asset, AssetError, AssetState, Kept, now
from core.store.documents.lease_fields import NOW, from_now
from core.store.documents.storable import checked, error_document, facts, short
from core.store.documents.storable import remote_id as stored_id
from core.store.work.item_leases import LeaseLost
from core.store.work.queue import QUEUED

Document = dict[str, Any]

_OWN: Final = ("charged", "kept", "reread", "remote_id")
"""What is stored whatever a provider said besides."""
CALLS_KEPT: Final = 100  # times of calls that an item remembers

_log = logging.getLogger(__name__)


class TransitionStore:
    """Stores each step of an item, as long as the caller holds its lease."""

    def __init__(self, database: Database[Document]) -> None:
        self._assets = database["assets"]
        self._partials = database["partials"]

    def submitting(self, asset: Asset) -> None:
        """Store the intent to call the provider, before the call."""
        called_at = {"$concatArrays": [{"$ifNull": ["$called_at", []]}, [NOW]]}
        intent = {
            "state": str(AssetState.SUBMITTING),
            "call": _token(asset),
            "called_at": {"$slice": [called_at, -CALLS_KEPT]},
            "progress": 0.0,
            "waiting": "",
            "error": None,
            "timings.submitted_at": NOW,
            # An earlier call came to nothing and cost nothing, or this one would not be made.
            "timings.started_at": "$$REMOVE",
        }
        self._update(asset, [{"$set": intent}])

    def running(
        self, asset: Asset, remote_id: str | None, fields: Mapping[str, Any] | None = None
    ) -> None:
        """Store that the provider took the item, with the id to follow it by.

        Args:
            asset: the claimed asset.
            remote_id: what to resume it by.
            fields: more fields to store, such as `details.request_id`.
        """
        changes: Document = {"state": str(AssetState.RUNNING), "remote_id": stored_id(remote_id)}
        changes |= {"error": None, "waits": 0, "reread": False, "timings.started_at": now()}
        self._write(asset, changes, fields)

    def resumed(self, asset: Asset) -> None:
        """Store that an item which the provider took earlier is being followed again."""
        started = {"$ifNull": ["$timings.started_at", NOW]}
        changes = {"state": str(AssetState.RUNNING), "error": None, "timings.started_at": started}
        self._update(asset, [{"$set": changes}])

    def answered_late(self, asset: Asset, remote_id: str | None, kept: Sequence[Kept] = ()) -> bool:
        """Store an answer that came after the lease was lost.

        Args:
            asset: the item, as it was claimed for the call.
            remote_id: what to resume it by; None: by the kept reply.
            kept: what was kept of the answer.

        Returns:
            whether the item still waits for the answer to this very call; it is then resumed by
            it, even where it was called `unknown` meanwhile. May be repeated.
        """
        remote = stored_id(remote_id)
        replies = {"$literal": [each.to_document() for each in kept]}
        waits = {
            "_id": asset.id,
            "call": _token(asset),
            "state": {"$in": [QUEUED, str(AssetState.SUBMITTING), str(AssetState.UNKNOWN)]},
            "remote_id": {"$in": [None, remote]},
        }
        unknown = {"$eq": ["$state", str(AssetState.UNKNOWN)]}
        changes = {
            "remote_id": {"$literal": remote},
            "state": {"$cond": [unknown, QUEUED, "$state"]},
            "kept": {"$setUnion": [{"$ifNull": ["$kept", []]}, replies]},
            "reread": remote_id is None,
            "charged": False,
            "next_attempt_at": DUE_NOW,
            "error": None,
            "timings.started_at": {"$ifNull": ["$timings.started_at", NOW]},
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
                    {
                        "$set": {
                            "progress": min(max(0.0, fraction), 1.0),  # 0 where it is no number
                            "waiting": short(waiting),
                        }
                    },
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
        self._update(asset, {"$inc": {"partial": 1}})  # pushed once the picture is there

    def saving(self, asset: Asset, fields: Mapping[str, Any] | None = None) -> None:
        """Store that the provider has finished and its file is being fetched.

        Args:
            asset: the claimed asset.
            fields: more fields to store, such as `cost.actual`.
        """
        changes: Document = {"state": str(AssetState.SAVING), "progress": 1.0, "waiting": ""}
        self._write(asset, changes, fields)

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
            "charged": False,
            "reread": False,
        }
        file = {name: checked(Asset, name, value) for name, value in saved.items()}
        self._write(asset, file | ending | {"timings.saved_at": now()})

    def forget_kept(self, asset: Asset) -> None:
        """Store that nothing is kept any more of the call that made a finished item."""
        done = {"_id": asset.id, "state": str(AssetState.DONE)}
        self._assets.update_one(done, {"$pull": {"kept": {"call": asset.call}}})

    def failed(
        self,
        asset: Asset,
        error: AssetError,
        *,
        remote_id: str | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        """End the item with an error.

        Args:
            asset: the claimed asset.
            error: what the user is shown.
            remote_id: the task at the provider, unless that is known to have failed: a retry by
                the user asks after it again instead of paying for another.
            fields: more fields to store, such as `cost.actual`, `charged` and `kept`.
        """
        ending = _ending(AssetState.FAILED, error) | {"remote_id": stored_id(remote_id)}
        self._write(asset, ending, fields)

    def unknown(
        self, asset: Asset, error: AssetError, fields: Mapping[str, Any] | None = None
    ) -> None:
        """End a paid item whose call's outcome is not known; only the user sends it again.

        Should the answer have come a moment ago, after all, the item is queued to be resumed.
        `fields`: more fields to store, such as `kept`.
        """
        known = {"$ne": ["$remote_id", None]}
        changes = {
            "state": {"$cond": [known, QUEUED, str(AssetState.UNKNOWN)]},
            "cancel_requested": {"$cond": [known, "$cancel_requested", False]},
            "error": {"$cond": [known, None, {"$literal": error_document(error)}]},
            "next_attempt_at": DUE_NOW,
            "lease": None,
            "charged": True,
            "reread": False,
            "timings.failed_at": now(),
        }
        self._update(asset, [{"$set": changes | _said(fields)}])

    def cancelled(
        self,
        asset: Asset,
        note: AssetError | None,
        *,
        remote_id: str | None = None,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        """End an item as its user wished.

        What no provider took costs nothing, so it is not kept that it was sent.

        Args:
            asset: the claimed asset.
            note: what could not be undone.
            remote_id: the task at the provider, where that could not be stopped.
            fields: more fields to store, such as `charged` and `kept`.
        """
        taken = {
            "$or": [
                {"$eq": [{"$type": "$timings.started_at"}, "date"]},
                {"$in": [{"$type": "$remote_id"}, ["string", "int", "long", "double"]]},
            ]
        }
        sent = {"timings.submitted_at": {"$cond": [taken, "$timings.submitted_at", "$$REMOVE"]}}
        ending = _ending(AssetState.CANCELLED, note) | {"remote_id": stored_id(remote_id)}
        self._update(asset, [{"$set": sent}, {"$set": _literal(ending) | _said(fields)}])

    def hand_back(  # noqa: PLR0913  # what of an item is known may be any of these
        self,
        asset: Asset,
        pause: float = 0.0,
        error: AssetError | None = None,
        *,
        counted: bool,
        anew: bool = False,
        fields: Mapping[str, Any] | None = None,
    ) -> None:
        """Put the item back into the queue; a remote id that it has stays, to be resumed by.

        Args:
            asset: the claimed asset.
            pause: seconds until it may be taken again.
            error: what the user is shown meanwhile.
            counted: whether this was one of the attempts that an item has.
            anew: whether its remote id is of no use any more.
            fields: more fields to store, such as `kept` and `reread`.
        """
        changes = {
            "state": QUEUED,
            "progress": 0.0,
            "waiting": "",
            "remote_id": None if anew else "$remote_id",
            "lease": None,
            "error": {"$literal": None if error is None else error_document(error)},
            "attempts": {"$subtract": ["$attempts", 0 if counted else 1]},
            "waits": {"$add": [{"$ifNull": ["$waits", 0]}, 1 if pause and not counted else 0]},
            # Who wants it cancelled does not wait for it.
            "next_attempt_at": {"$cond": ["$cancel_requested", DUE_NOW, from_now(pause)]},
        }
        self._update(asset, [{"$set": changes | _said(fields)}])

    def _write(
        self, asset: Asset, changes: Document, fields: Mapping[str, Any] | None = None
    ) -> None:
        """Store changes, with what the provider said besides, where that can be stored."""
        own, said = _split(fields)
        changes |= own
        try:
            self._update(asset, {"$set": changes | said})
        except (WriteError, DocumentTooLarge, BSONError, OverflowError) as error:
            if not said:
                raise
            _log.warning("%s: what was said of it is not kept: %s", asset.id, error)
            self._update(asset, {"$set": changes})

    def _update(self, asset: Asset, update: Document | list[Document]) -> None:
        held = {"_id": asset.id, "lease.token": _token(asset)}
        if self._assets.update_one(held, update).matched_count == 0:
            raise LeaseLost(asset.id)


def _ending(state: AssetState, error: AssetError | None) -> Document:
    """Return what an item is that has ended without a file."""
    return {
        "state": str(state),
        "lease": None,
        "cancel_requested": False,
        "reread": False,
        "error": None if error is None else error_document(error),
        "timings.failed_at": now(),
    }


def _literal(fields: Mapping[str, Any]) -> Document:
    """Return fields for an update pipeline, where a text with a `$` would mean a field."""
    return {name: {"$literal": value} for name, value in fields.items()}


def _split(fields: Mapping[str, Any] | None) -> tuple[Document, Document]:
    """Return what we know ourselves, and what a provider said, both as it is stored."""
    given = dict(fields or {})
    own: Document = {name: given.pop(name) for name in _OWN if name in given}
    if "remote_id" in own:
        own["remote_id"] = stored_id(own["remote_id"])
    return own, facts(given)


def _said(fields: Mapping[str, Any] | None) -> Document:
    """Return such fields for an update pipeline."""
    own, said = _split(fields)
    return _literal(said | own)


def _token(asset: Asset) -> str:
    if asset.lease is None:
        raise LeaseLost(asset.id)
    return asset.lease.token
