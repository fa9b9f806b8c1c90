"""Jobs: what users asked for and how it stands."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING, MongoClient, ReturnDocument, timeout
from pymongo.client_session import ClientSession
from pymongo.database import Database

from core.models import (
    AT_ONCE,
    ENDED_STATES,
    OPEN_STATES,
    Asset,
    AssetState,
    ChannelName,
    InvalidInput,
    Job,
    JobStatus,
    Kind,
    Notice,
    NoticeStatus,
    Notify,
    When,
    now,
)
from core.models.notices import ALWAYS
from core.store.outbox import NOW, free
from core.store.queue import QUEUED

Document = dict[str, Any]

STORE_SECONDS: Final = 10  # somebody waits; the driver alone would try for two minutes


class JobStore:
    """Creates jobs, reads them, and settles them from their assets."""

    def __init__(self, client: MongoClient[Document], database: Database[Document]) -> None:
        self._client = client
        self._jobs = database["jobs"]
        self._assets = database["assets"]
        self._outbox = database["outbox"]
        self._users = database["users"]

    def create(self, job: Job, assets: Sequence[Asset]) -> None:
        """Store a job together with its assets: all of it or nothing (a transaction).

        Raises:
            InvalidInput: the account is being deleted.
        """
        leaving = {"_id": job.user_id, "deleting_at": {"$ne": None}}

        def write(session: ClientSession) -> None:
            if self._users.find_one(leaving, {"_id": True}, session=session) is not None:
                raise InvalidInput("This account is being deleted, so nothing new is made for it.")
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

    def named(self, job_ids: Sequence[str]) -> dict[str, Job]:
        """Return the given jobs, by id; those that there are."""
        found = self._jobs.find({"_id": {"$in": list(job_ids)}})
        return {document["_id"]: Job.from_document(document) for document in found}

    def processing(self, user_id: str, limit: int = 50) -> list[Job]:
        """Return a user's jobs that are being made, newest first."""
        going_on = {"user_id": user_id, "status": str(JobStatus.PROCESSING)}
        found = self._jobs.find(going_on).sort("created_at", DESCENDING).limit(limit)
        return [Job.from_document(document) for document in found]

    def prompts(self, job_ids: Sequence[str]) -> dict[str, str]:
        """Return the prompts of the given jobs, by job id."""
        found = self._jobs.find({"_id": {"$in": list(job_ids)}}, {"prompt": True})
        return {document["_id"]: document["prompt"] for document in found}

    def unsettled(self) -> list[str]:
        """Return the ids of jobs called `Processing` with nothing left to do, or the reverse."""
        states = [str(state) for state in OPEN_STATES]
        going_on = set(self._assets.distinct("job_id", {"state": {"$in": states}}))
        processing = {
            document["_id"]
            for document in self._jobs.find({"status": str(JobStatus.PROCESSING)}, {"_id": True})
        }
        return list(processing ^ going_on)

    def cancel(self, job_id: str, user_id: str, asset_id: str | None = None) -> int:
        """Stop a job, or one item of it, from costing anything more.

        What has not begun is cancelled at once. What a provider works on is marked; the worker
        that holds it, or the next one, stops it there.

        Args:
            job_id: the job.
            user_id: whose it is; another's is left alone.
            asset_id: one item; None: all that have not ended.

        Returns:
            how many items this is about.
        """
        begun = {"$or": [{"$ne": ["$state", QUEUED]}, {"$ne": ["$remote_id", None]}]}
        changes = {
            "cancel_requested": begun,
            "state": {"$cond": [begun, "$state", str(AssetState.CANCELLED)]},
            "lease": {"$cond": [begun, "$lease", None]},
            "error": {"$cond": [begun, "$error", None]},
            "next_attempt_at": AT_ONCE,
        }
        states = [str(state) for state in OPEN_STATES]
        return self._change(job_id, user_id, asset_id, states, changes)

    def retry(self, job_id: str, user_id: str, asset_id: str | None = None) -> int:
        """Make failed and cancelled items again. Arguments and result are those of `cancel`.

        An item that its provider still has, and that only could not be followed, fetched or saved,
        is taken up from there.
        """
        states = [str(AssetState.FAILED), str(AssetState.CANCELLED)]
        return self._change(job_id, user_id, asset_id, states, _anew())

    def resend(self, job_id: str, user_id: str, asset_id: str | None = None) -> int:
        """Send `unknown` items again, at the user's word: they may be charged twice.

        Arguments and result are those of `cancel`.
        """
        return self._change(job_id, user_id, asset_id, [str(AssetState.UNKNOWN)], _anew())

    def settle(self, job_id: str) -> JobStatus:
        """Bring a job's paths, status and notices in line with its assets.

        Idempotent, and safe beside itself: it runs in a transaction on the job's document, so
        that of two at once the later one sees what the earlier one wrote. The notices go into
        the outbox with the change of status, never without it.

        Raises:
            KeyError: there is no such job.
        """
        with timeout(STORE_SECONDS), self._client.start_session() as session:
            return session.with_transaction(lambda session: self._settle(job_id, session))

    def announce(self, job_id: str, user_id: str, notify: Notify) -> None:
        """Change where and when a user is told of a job; what was sent stays sent.

        Args:
            job_id: the job.
            user_id: whose it is; another's is left alone.
            notify: the new wish; no channels: only the terminal tells of it.
        """
        of_job = {"job_id": job_id, "$expr": free(NOW)}
        due = {"status": str(NoticeStatus.DUE)}
        given_up = {"status": str(NoticeStatus.CANCELLED)}

        def write(session: ClientSession) -> None:
            wish = {"$set": {"notify": notify.to_document(), "updated_at": now()}}
            document = self._jobs.find_one_and_update(
                {"_id": job_id, "user_id": user_id},
                wish,
                session=session,
                return_document=ReturnDocument.AFTER,
            )
            if document is None:
                return
            if document["status"] == str(JobStatus.PROCESSING):
                # Of an earlier ending; the next one makes them anew.
                unsent = {"$or": [due, given_up]}
                self._outbox.delete_many(of_job | unsent, session=session)
                return
            self._outbox.update_many(of_job | due, {"$set": given_up}, session=session)
            for notice in self._notices(Job.from_document(document), session):
                row = notice.to_document()
                key = {"_id": row["_id"]}
                self._outbox.delete_one(key | given_up, session=session)
                self._outbox.update_one(key, {"$setOnInsert": row}, upsert=True, session=session)

        with timeout(STORE_SECONDS), self._client.start_session() as session:
            session.with_transaction(write)

    def _notices(self, job: Job, session: ClientSession) -> list[Notice]:
        """Return what announces a job that has ended now, one row a channel."""
        # By the clock that sends them; what a command returns has no zone.
        ended_at = self._client.admin.command("hello")["localTime"].replace(tzinfo=UTC)
        settings = self._users.find_one({"_id": job.user_id}, session=session) or {}
        try:
            due_at = job.notify.due_at(ended_at)
        except InvalidInput:  # a zone that this machine does not know: a job must end all the same
            due_at = ended_at
        return [
            Notice(
                id=f"{job.id}-{channel}",
                job_id=job.id,
                user_id=job.user_id,
                channel=channel,
                recipient=recipient,
                digest=job.notify.when == When.DAILY,
                due_at=due_at,
                created_at=ended_at,
            )
            for channel in dict.fromkeys((ALWAYS, *job.notify.channels))
            if (recipient := _recipient(job, channel, settings)) is not None
        ]

    def _change(
        self,
        job_id: str,
        user_id: str,
        asset_id: str | None,
        states: Sequence[str],
        changes: Document,
    ) -> int:
        """Change a user's items that are in one of `states`, and settle the job with them."""
        query: Document = {"job_id": job_id, "user_id": user_id, "state": {"$in": list(states)}}
        if asset_id is not None:
            query["_id"] = asset_id

        def write(session: ClientSession) -> int:
            found = self._assets.update_many(query, [{"$set": changes}], session=session)
            if found.matched_count:
                # Written whatever comes of it, so that who settles beside this has to look again.
                changed = {"$set": {"updated_at": now()}}
                self._jobs.update_one({"_id": job_id}, changed, session=session)
                self._settle(job_id, session)
            return found.matched_count

        with timeout(STORE_SECONDS), self._client.start_session() as session:
            return session.with_transaction(write)

    def _settle(self, job_id: str, session: ClientSession) -> JobStatus:
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
            "cost": _spent(assets),
        }
        if any(document.get(name) != value for name, value in changes.items()):
            self._jobs.update_one(
                {"_id": job_id}, {"$set": changes | {"updated_at": moment}}, session=session
            )
        if job.status == JobStatus.PROCESSING and status != JobStatus.PROCESSING:
            # A job that ended before and was tried again has its notices already.
            for notice in self._notices(job, session):
                row = notice.to_document()
                key = {"_id": row.pop("_id")}
                self._outbox.update_one(key, {"$setOnInsert": row}, upsert=True, session=session)
        return status


def _anew() -> Document:
    """Return what an item is when it begins again, for an update pipeline."""
    taken_up = {"$eq": [{"$type": "$remote_id"}, "string"]}  # from its provider, not paid anew
    actual = {"$ifNull": ["$cost.actual", 0.0]}
    return {
        "state": QUEUED,
        "progress": 0.0,
        "attempts": 0,
        "waits": 0,
        "call": None,
        "error": None,
        "lease": None,
        "cancel_requested": False,
        "waiting": "",
        "partial": 0,
        "details": {"$cond": [taken_up, "$details", {"$literal": {}}]},
        "cost.earlier": {
            "$add": [{"$ifNull": ["$cost.earlier", 0.0]}, {"$cond": [taken_up, 0.0, actual]}]
        },
        "cost.actual": {"$cond": [taken_up, "$cost.actual", None]},
        "next_attempt_at": AT_ONCE,
        "timings": {"$literal": {"queued_at": now()}},
    }


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


def _spent(assets: Sequence[Asset]) -> dict[str, float]:
    """Return what the items have cost, by unit."""
    spent: dict[str, float] = {}
    for asset in assets:
        if asset.cost.spent:
            spent[asset.cost.unit] = spent.get(asset.cost.unit, 0.0) + asset.cost.spent
    return {unit: round(amount, 6) for unit, amount in spent.items()}


def _last_saved(assets: Sequence[Asset]) -> datetime | None:
    saved = [asset.timings["saved_at"] for asset in assets if "saved_at" in asset.timings]
    return max(saved, default=None)


def _recipient(job: Job, channel: str, settings: Document) -> str | None:
    """Return who a channel tells; None where it leads nowhere (any more).

    Args:
        job: what is told of.
        channel: the channel's name.
        settings: the user's document; only what is needed is read, whatever else is in it.
    """
    if channel == ChannelName.EMAIL:
        return job.notify.email or settings.get("email")
    if channel == ChannelName.WEBHOOK and not settings.get("webhook"):
        return None
    return job.user_id
