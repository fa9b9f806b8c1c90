"""The bin: where items lie for some time before they are removed for good.

An item lies in it from `binned_at` on. One that is being removed, for its time is over or because
its owner wants that at once, lies in it since `TOMBSTONE`: nobody is shown it any more, and nobody
can take it out again.
A job that was put there as a whole takes all of its items along, also those that were not made.

An item that is removed leaves a receipt: what it cost, and when its provider was called. So what a
job cost stays right, and limits, budgets and statistics still count it.
"""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any, Final

from pymongo import DESCENDING
from pymongo.client_session import ClientSession
from pymongo.database import Database

from core import models
from core.i18n import gettext as _
from core.store.accounts.account_deletion import QUIET_SECONDS
from core.store.documents.lease_fields import NOW, from_now
from core.store.documents.reading import read, read_each
from core.store.documents.transaction import in_transaction
from core.store.jobs.settlement import SettlementStore

Document = dict[str, Any]

_KEPT: Final = (
    *("job_id", "user_id", "kind", "provider", "model", "state"),
    *("cost", "timings", "called_at", "charged"),
)
"""What a receipt has of its item."""


class BinStore:
    """Puts items into the bin, takes them out again, and removes those whose time is over.

    Args:
        database: where everything is.
        settlement: settles jobs that items are removed from.
    """

    def __init__(
        self,
        database: Database[Document],
        settlement: SettlementStore,
    ) -> None:
        self._database = database
        self._settlement = settlement

    def put(self, owner: str, asset_ids: Sequence[str]) -> None:
        """Put a user's finished items into the bin; those that lie there stay as they are."""
        query = {
            "_id": {"$in": list(asset_ids)},
            "user_id": owner,
            "state": str(models.AssetState.DONE),
            "binned_at": None,
        }
        self._database["assets"].update_many(query, [{"$set": {"binned_at": NOW}}])

    def put_job(self, owner: str, job_id: str) -> None:
        """Put a user's job into the bin with all of its items.

        Raises:
            InvalidInput: it has not ended.
        """
        ended = {
            "_id": job_id,
            "user_id": owner,
            "status": {"$ne": str(models.JobStatus.PROCESSING)},
        }
        binned: list[Document] = [{"$set": {"binned_at": {"$ifNull": ["$binned_at", NOW]}}}]

        def write(session: ClientSession) -> None:
            # A retry writes to the job too, so that of the two the later one sees the other.
            found = self._database["jobs"].update_one(ended, binned, session=session)
            if not found.matched_count:
                raise models.InvalidInput(
                    _("This is still being made. It can be deleted when it has ended.")
                )
            self._database["assets"].update_many({"job_id": job_id}, binned, session=session)

        in_transaction(self._database, write)

    def restore(self, owner: str, asset_ids: Sequence[str]) -> None:
        """Take a user's items out of the bin; their job, and what was not made of it, comes along.

        What is being removed at once stays where it is.
        """
        binned = {"user_id": owner, "binned_at": {"$gt": models.TOMBSTONE}}
        chosen = binned | {"_id": {"$in": list(asset_ids)}}
        out = {"$set": {"binned_at": None}}
        job_ids = self._database["assets"].distinct("job_id", chosen)

        def write(session: ClientSession) -> None:
            self._database["assets"].update_many(chosen, out, session=session)
            jobs = {"_id": {"$in": job_ids}, "user_id": owner}
            self._database["jobs"].update_many(jobs, out, session=session)
            unmade = {"job_id": {"$in": job_ids}, "state": {"$ne": str(models.AssetState.DONE)}}
            self._database["assets"].update_many(binned | unmade, out, session=session)

        in_transaction(self._database, write)

    def remove(self, owner: str, asset_ids: Sequence[str]) -> None:
        """Have items that lie in a user's bin removed for good by the next sweep.

        With the last one of a job that lies there as a whole goes what was not made of it.
        """
        assets = self._database["assets"]
        in_bin = {"user_id": owner, "binned_at": {"$gt": models.TOMBSTONE}}
        at_once = {"$set": {"binned_at": models.TOMBSTONE}}
        chosen = in_bin | {"_id": {"$in": list(asset_ids)}}
        job_ids = assets.distinct("job_id", chosen)
        assets.update_many(chosen, at_once)
        binned = {"_id": {"$in": job_ids}, "binned_at": {"$ne": None}}
        whole = {each["_id"] for each in self._database["jobs"].find(binned, {"_id": True})}
        left = {"job_id": {"$in": job_ids}, "state": str(models.AssetState.DONE)}
        whole -= set(assets.distinct("job_id", left | {"binned_at": {"$ne": models.TOMBSTONE}}))
        assets.update_many(in_bin | {"job_id": {"$in": list(whole)}}, at_once)

    def due(self, days: float, limit: int) -> list[models.Asset]:
        """Return items that are to be removed, and that nothing is being made of.

        Args:
            days: how long items lie there.
            limit: how many at most.
        """
        assets = self._database["assets"]
        over = {"$lte": ["$binned_at", from_now(-86_400 * days)]}
        in_bin: Document = {"binned_at": {"$gt": models.TOMBSTONE}, "$expr": over}
        assets.update_many(in_bin, {"$set": {"binned_at": models.TOMBSTONE}})
        going_on = [str(state) for state in models.OPEN_STATES]
        needed = assets.distinct("source", {"source": {"$gt": ""}, "state": {"$in": going_on}})
        quiet = {"$not": {"$gte": models.now() - timedelta(seconds=QUIET_SECONDS)}}
        query = {
            "binned_at": models.TOMBSTONE,
            "_id": {"$nin": needed},
            "state": {"$nin": going_on},  # an answer may come late, also in the bin
            "timings.failed_at": quiet,
        }
        found = assets.find(query).limit(limit)
        return list(read_each(models.Asset, found))

    def receipts(self, user_id: str) -> Iterator[Document]:
        """Return what is still known of a user's items that were removed, the last one first."""
        found = self._database["receipts"].find({"user_id": user_id})
        for each in read_each(models.Receipt, found.sort("removed_at", DESCENDING)):
            yield each.to_document()

    def forget(self, asset: models.Asset) -> None:
        """Remove an item whose files are removed; with the last one of a job, the job.

        May be repeated.
        """
        database = self._database
        of_job = {"job_id": asset.job_id}

        def write(session: ClientSession) -> None:
            document = database["assets"].find_one({"_id": asset.id}, session=session)
            found = asset if document is None else read(models.Asset, document)
            if document is None or found is None:
                return
            receipt = found.model_dump(include=set(_KEPT)) | {"removed_at": models.now()}
            database["receipts"].replace_one(
                {"_id": asset.id}, receipt, upsert=True, session=session
            )
            database["partials"].delete_one({"_id": asset.id}, session=session)
            database["assets"].delete_one({"_id": asset.id}, session=session)
            # Written whatever comes of it, so that who settles beside this has to look again.
            changed = {"$set": {"updated_at": models.now()}}
            database["jobs"].update_one({"_id": asset.job_id}, changed, session=session)
            if database["assets"].find_one(of_job, {"_id": True}, session=session) is not None:
                self._settlement.settle_within(asset.job_id, session)
                return
            for name in ("outbox", "shares"):
                database[name].delete_many(of_job, session=session)
            database["jobs"].delete_one({"_id": asset.job_id}, session=session)

        in_transaction(self._database, write)
