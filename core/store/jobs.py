"""Jobs: what users asked for and how it stands."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING, MongoClient, timeout
from pymongo.client_session import ClientSession
from pymongo.database import Database

from core.models import (
    ENDED_STATES,
    Asset,
    AssetState,
    Job,
    JobStatus,
    Kind,
    Notice,
    now,
)

Document = dict[str, Any]

STORE_SECONDS: Final = 10  # a person waits; the driver alone would try for two minutes


class JobStore:
    """Creates jobs, reads them, and settles them from their assets."""

    def __init__(self, client: MongoClient[Document], database: Database[Document]) -> None:
        self._client = client
        self._jobs = database["jobs"]
        self._assets = database["assets"]
        self._outbox = database["outbox"]

    def create(self, job: Job, assets: Sequence[Asset]) -> None:
        """Store a job together with its assets: all of it or nothing (a transaction)."""

        def write(session: ClientSession) -> None:
            self._jobs.insert_one(job.to_document(), session=session)
            self._assets.insert_many([asset.to_document() for asset in assets], session=session)

        with timeout(STORE_SECONDS), self._client.start_session() as session:
            session.with_transaction(write)

    def get(self, job_id: str, user_id: str | None = None) -> Job | None:
        """Return a job, or None where there is none (or, with `user_id`, none of that user)."""
        query = {"_id": job_id} | ({} if user_id is None else {"user_id": user_id})
        document = self._jobs.find_one(query)
        return None if document is None else Job.from_document(document)

    def of_user(self, user_id: str, limit: int = 50) -> list[Job]:
        """Return a user's jobs, newest first."""
        found = self._jobs.find({"user_id": user_id}).sort("created_at", DESCENDING)
        return [Job.from_document(document) for document in found.limit(limit)]

    def prompts(self, job_ids: Sequence[str]) -> dict[str, str]:
        """Return the prompts of the given jobs, by job id."""
        found = self._jobs.find({"_id": {"$in": list(job_ids)}}, {"prompt": True})
        return {document["_id"]: document["prompt"] for document in found}

    def processing(self) -> list[str]:
        """Return the ids of all jobs that have not ended."""
        found = self._jobs.find({"status": str(JobStatus.PROCESSING)}, {"_id": True})
        return [document["_id"] for document in found]

    def settle(self, job_id: str) -> JobStatus:
        """Bring a job's paths, status and notices in line with its assets.

        Idempotent, and safe beside itself: it runs in a transaction on the job's document, so
        that of two at once the later one sees what the earlier one wrote. The notices go into
        the outbox with the change of status, never without it.

        Raises:
            KeyError: there is no such job.
        """

        def write(session: ClientSession) -> JobStatus:
            document = self._jobs.find_one({"_id": job_id}, session=session)
            if document is None:
                raise KeyError(job_id)
            job = Job.from_document(document)
            found = self._assets.find({"job_id": job_id}, session=session)
            assets = [Asset.from_document(each) for each in found.sort("slot", ASCENDING)]
            status = _status(assets)
            moment = now()
            changes: Document = {
                "image_paths": _paths(assets, Kind.IMAGE),
                "video_paths": _paths(assets, Kind.VIDEO),
                "status": str(status),
                "generated_at": _last_saved(assets) if status != JobStatus.PROCESSING else None,
            }
            if any(document[name] != value for name, value in changes.items()):
                self._jobs.update_one(
                    {"_id": job_id}, {"$set": changes | {"updated_at": moment}}, session=session
                )
            if job.status == JobStatus.PROCESSING and status != JobStatus.PROCESSING:
                notices = [
                    _notice(job, channel, moment).to_document() for channel in job.notify.channels
                ]
                if notices:
                    self._outbox.insert_many(notices, session=session)
            return status

        with self._client.start_session() as session:
            return session.with_transaction(write)


def _status(assets: Sequence[Asset]) -> JobStatus:
    states = {asset.state for asset in assets}
    if not states <= set(ENDED_STATES):
        return JobStatus.PROCESSING
    if states == {AssetState.DONE}:
        return JobStatus.COMPLETED
    if states <= {AssetState.DONE, AssetState.CANCELLED}:
        return JobStatus.CANCELLED
    return JobStatus.FAILED


def _paths(assets: Sequence[Asset], kind: Kind) -> list[str]:
    return [asset.path for asset in assets if asset.kind == kind and asset.path is not None]


def _last_saved(assets: Sequence[Asset]) -> datetime | None:
    saved = [asset.timings["saved_at"] for asset in assets if "saved_at" in asset.timings]
    return max(saved, default=None)


def _notice(job: Job, channel: str, moment: datetime) -> Notice:
    recipient = (job.notify.email if channel == "email" else None) or job.user_id
    return Notice(
        id=f"{job.id}-{channel}",
        job_id=job.id,
        user_id=job.user_id,
        channel=channel,
        recipient=recipient,
        due_at=max(moment, job.notify.at or moment),
        created_at=moment,
    )
