"""Bringing jobs in line with their items: paths, status, cost, and who is notified."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from pymongo import ASCENDING, ReturnDocument
from pymongo.client_session import ClientSession
from pymongo.database import Database

from core import models
from core.store.documents.lease_fields import free, held
from core.store.documents.placeholders import ended, is_over
from core.store.documents.reading import look, mends, read, read_each
from core.store.documents.transaction import in_transaction

Document = dict[str, Any]


class SettlementStore:
    """Settles jobs from their assets, and plans how they are announced."""

    def __init__(self, database: Database[Document]) -> None:
        self._database = database
        self._jobs = database["jobs"]
        self._assets = database["assets"]
        self._receipts = database["receipts"]
        self._outbox = database["outbox"]
        self._users = database["users"]

    def settle(self, job_id: str) -> models.JobStatus:
        """Bring a job's paths, status and notices in line with its assets.

        Idempotent, and safe beside itself: it runs in a transaction on the job's document, so
        that of two at once the later one sees what the earlier one wrote. The notices go into
        the outbox with the change of status, never without it.

        Raises:
            KeyError: there is no such job.
        """
        return in_transaction(self._database, lambda session: self.settle_within(job_id, session))

    def settle_within(self, job_id: str, session: ClientSession) -> models.JobStatus:
        """Settle a job within a transaction; see `settle`."""
        document = self._jobs.find_one({"_id": job_id}, session=session)
        if document is None:
            raise KeyError(job_id)
        job = read(models.Job, document)
        assets = self._settled_items(job_id, session)
        if job is None:
            return models.JobStatus.FAILED
        if not assets and job.status != models.JobStatus.PROCESSING:
            return job.status  # they are being removed, and the job with them
        receipts = self._receipts.find({"job_id": job_id}, session=session)
        removed = list(read_each(models.Receipt, receipts))
        # One without items lost them: they are stored together with it.
        status = _status(assets) if assets else models.JobStatus.FAILED
        moment = models.now()
        changes: Document = {
            "image_paths": _paths(assets, models.Kind.IMAGE),
            "video_paths": _paths(assets, models.Kind.VIDEO),
            "status": str(status),
            "generated_at": _last_saved(assets, removed)
            if status != models.JobStatus.PROCESSING
            else None,
            "cost": _spent(assets, removed),
            "uncertain_cost": _uncertain(assets),
        }
        if any(document.get(name) != value for name, value in changes.items()):
            self._jobs.update_one(
                {"_id": job_id}, {"$set": changes | {"updated_at": moment}}, session=session
            )
        begun = job.status == models.JobStatus.PROCESSING or "status" in job.unreadable
        if begun and status != models.JobStatus.PROCESSING:
            # A job that ended before and was tried again has its notices already.
            for notice in self._notices(job, session):
                row = notice.to_document()
                key = {"_id": row.pop("_id")}
                self._outbox.update_one(key, {"$setOnInsert": row}, upsert=True, session=session)
        return status

    def unsettled(self) -> list[str]:
        """Return the ids of jobs called `Processing` with nothing left to do, or the reverse."""
        states = [str(state) for state in models.OPEN_STATES]
        found = self._assets.distinct("job_id", {"state": {"$in": states}})
        going_on = {job_id for job_id in found if isinstance(job_id, str)}
        processing = {
            document["_id"]
            for document in self._jobs.find(
                {"status": str(models.JobStatus.PROCESSING)}, {"_id": True}
            )
        }
        return list(processing ^ going_on)

    def end_unreadable(self) -> list[str]:
        """End open items that cannot be read and that nobody holds, for nobody hands them out.

        What could be read all the same is stored as it was read, so that it goes on.

        Returns:
            the ids of the jobs that are to be settled.
        """
        states = [str(state) for state in models.OPEN_STATES]
        job_ids = set()
        for document in self._assets.find({"state": {"$in": states}}):
            reading = look(models.Asset, document)
            item = read(models.Asset, document)  # logs what is wrong
            if item is None or not reading.faults or _is_held(item):
                continue
            changes = ended(document) if item.unreadable else mends(reading, document)
            same = {name: document[name] for name in ("_id", "state")}
            self._assets.update_one(same, {"$set": changes})
            job_ids.add(item.job_id)
        return sorted(job_ids)

    def of_no_status(self) -> list[str]:
        """Return the ids of jobs whose status is none of ours; it looks at all jobs."""
        known = {"status": {"$nin": [str(status) for status in models.JobStatus]}}
        return [each["_id"] for each in self._jobs.find(known, {"_id": True})]

    def announce(self, job_id: str, user_id: str, notify: models.Notify) -> None:
        """Change where and when a user is notified of a job; what was sent stays sent.

        Args:
            job_id: the job.
            user_id: whose it is; another's is left alone.
            notify: the new preferences; no channels: the terminal alone.
        """
        of_job = {"job_id": job_id, "$expr": free()}
        due = {"status": str(models.NoticeStatus.DUE)}
        given_up = {"status": str(models.NoticeStatus.CANCELLED)}

        def write(session: ClientSession) -> None:
            changes = {"$set": {"notify": notify.to_document(), "updated_at": models.now()}}
            document = self._jobs.find_one_and_update(
                {"_id": job_id, "user_id": user_id},
                changes,
                session=session,
                return_document=ReturnDocument.AFTER,
            )
            if document is None:
                return
            if document.get("status") == str(models.JobStatus.PROCESSING):
                # Of an earlier ending; the next one makes them anew.
                unsent = {"$or": [due, given_up]}
                self._outbox.delete_many(of_job | unsent, session=session)
                return
            self._outbox.update_many(of_job | due, {"$set": given_up}, session=session)
            job = read(models.Job, document)
            for notice in [] if job is None else self._notices(job, session):
                row = notice.to_document()
                key = {"_id": row["_id"]}
                self._outbox.delete_one(key | given_up, session=session)
                self._outbox.update_one(key, {"$setOnInsert": row}, upsert=True, session=session)

        in_transaction(self._database, write)

    def _notices(self, job: models.Job, session: ClientSession) -> list[models.Notice]:
        """Return what announces a job that has ended now, one row a channel."""
        # By the clock that sends them; what a command returns has no zone.
        ended_at = self._database.client.admin.command("hello")["localTime"].replace(tzinfo=UTC)
        settings = read(
            models.User, self._users.find_one({"_id": job.user_id}, session=session) or {}
        )
        try:
            due_at = job.notify.due_at(ended_at)
        except (
            models.InvalidInput
        ):  # a zone that this machine does not know: a job must end all the same
            due_at = ended_at
        return [
            models.Notice(
                id=f"{job.id}-{channel}",
                job_id=job.id,
                user_id=job.user_id,
                channel=channel,
                recipient=recipient,
                digest=job.notify.when == models.When.DAILY,
                due_at=due_at,
                created_at=ended_at,
                language=job.language,
            )
            for channel in dict.fromkeys((models.TERMINAL, *job.notify.channels))
            if (recipient := models.recipient_of(channel, job.notify, job.user_id, settings))
            is not None
        ]

    def _settled_items(self, job_id: str, session: ClientSession) -> list[models.Asset]:
        """Return a job's items; those that are open and cannot be read end as failed.

        One that somebody holds a lease on is left to its holder, who may be able to read it.
        """
        found = self._assets.find({"job_id": job_id}, session=session).sort("slot", ASCENDING)
        items = []
        for document in found:
            item = read(models.Asset, document)
            if item is not None and item.unreadable and not is_over(document):
                ours = {"_id": item.id, "$expr": held()}
                if self._assets.find_one(ours, {"_id": True}, session=session) is not None:
                    item = item.model_copy(update={"state": models.AssetState.SAVING})
                else:
                    end = {"$set": ended(document)}
                    self._assets.update_one({"_id": item.id}, end, session=session)
                    item = read(models.Asset, document | ended(document))
            items += [] if item is None else [item]
        return items


def _is_held(item: models.Asset) -> bool:
    return item.lease is not None and item.lease.until > models.now()


def _status(assets: Sequence[models.Asset]) -> models.JobStatus:
    states = {asset.state for asset in assets}
    if not states <= set(models.ENDED_STATES):
        return models.JobStatus.PROCESSING
    if states == {models.AssetState.DONE}:
        return models.JobStatus.COMPLETED
    if states <= {models.AssetState.DONE, models.AssetState.CANCELLED}:
        return models.JobStatus.CANCELLED
    return models.JobStatus.FAILED


def _paths(assets: Sequence[models.Asset], kind: models.Kind) -> list[str]:
    """Return the paths of what pages display; a copy for that is always PNG, JPEG or MP4."""
    return [asset.displayed for asset in assets if asset.kind == kind and asset.displayed]


def _spent(assets: Sequence[models.Asset], removed: Sequence[models.Receipt]) -> dict[str, float]:
    """Return what the items have cost, by unit; also those that are only receipts any more."""
    spent: dict[str, float] = {}
    costs = [asset.cost for asset in assets]
    for cost in costs + [receipt.cost for receipt in removed]:
        if cost.spent:
            spent[cost.unit] = spent.get(cost.unit, 0.0) + cost.spent
    return {unit: round(amount, 6) for unit, amount in spent.items()}


def _uncertain(assets: Sequence[models.Asset]) -> dict[str, float]:
    """Return what the items may have cost besides, by unit; see `Job.uncertain_cost`."""
    uncertain: dict[str, float] = {}
    for asset in assets:
        open_now = asset.charged and asset.cost.actual is None
        if open_now or asset.cost.risked:
            amount = asset.cost.risked + ((asset.cost.estimated or 0.0) if open_now else 0.0)
            uncertain[asset.cost.unit] = uncertain.get(asset.cost.unit, 0.0) + amount
    return {unit: round(amount, 6) for unit, amount in uncertain.items()}


def _last_saved(
    assets: Sequence[models.Asset], removed: Sequence[models.Receipt]
) -> datetime | None:
    timings = [asset.timings for asset in assets] + [receipt.timings for receipt in removed]
    return max((each["saved_at"] for each in timings if "saved_at" in each), default=None)
