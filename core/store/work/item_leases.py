"""Taking items and keeping them: the executor's claims on the assets."""

from collections.abc import Mapping
from typing import Any

from pymongo import ReturnDocument, timeout
from pymongo.database import Database

from core.models import Asset, new_id
from core.store.documents.expressions import number_at
from core.store.documents.lease_fields import grant, held, renewed
from core.store.documents.placeholders import ended
from core.store.documents.reading import look, mends, read
from core.store.work.queue import ACTIVE, QUEUED

Document = dict[str, Any]


class LeaseLost(Exception):
    """The item was taken over, cancelled or deleted; its former holder must stop."""


class Unreadable(Exception):
    """An item that was claimed cannot be read; it has ended as failed.

    Attributes:
        job_id: the job that is to be settled.
    """

    def __init__(self, asset_id: str, job_id: str) -> None:
        super().__init__(asset_id)
        self.job_id = job_id


class LeaseStore:
    """Claims items that were handed out, and renews the leases on them."""

    def __init__(self, database: Database[Document]) -> None:
        self._assets = database["assets"]

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

        Raises:
            Unreadable: it cannot be read, so it has ended; its job is to be settled.
        """
        taken = grant(owner, new_id(), lease_seconds)
        document = self._assets.find_one_and_update(
            {
                "_id": asset_id,
                "lease.token": ticket,
                "state": {"$in": [QUEUED, *ACTIVE]},
                "$expr": held(),
            },
            [{"$set": taken | {"attempts": {"$add": [number_at("$attempts"), 1]}}}],
            return_document=ReturnDocument.AFTER,
        )
        return None if document is None else self._readable(document)

    def _readable(self, document: Document) -> Asset:
        """Return a claimed item; what is read otherwise than it is stored is stored so.

        So nothing that is done with it later on stumbles over that.
        """
        ours = {"_id": document["_id"], "lease.token": document["lease"]["token"]}
        reading = look(Asset, document)
        asset = read(Asset, document)  # logs what is wrong
        if asset is None or asset.unreadable:
            self._assets.update_one(ours, {"$set": ended(document)})
            raise Unreadable(document["_id"], str(document.get("job_id")))
        if mended := mends(reading, document):
            self._assets.update_one(ours, {"$set": mended})
        return asset

    def renew(self, tokens: Mapping[str, str], lease_seconds: float) -> set[str]:
        """Renew leases.

        Args:
            tokens: by asset id.
            lease_seconds: how long they last from now on.

        Returns:
            the ids of those that are still held; the others are lost.
        """
        ours = {"_id": {"$in": list(tokens)}, "lease.token": {"$in": list(tokens.values())}}
        with timeout(lease_seconds / 3):  # a database that hangs must not make it look held
            self._assets.update_many(ours, renewed(lease_seconds))
            return {document["_id"] for document in self._assets.find(ours, {"_id": True})}

    def to_cancel(self, owner: str) -> list[str]:
        """Return the ids of an owner's items whose user wants them cancelled."""
        query = {"cancel_requested": True, "lease.owner": owner}
        return [document["_id"] for document in self._assets.find(query, {"_id": True})]
