"""Jobs: what users asked for and how it stands."""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING, MongoClient, ReturnDocument, timeout
from pymongo.client_session import ClientSession
from pymongo.database import Database

from core.i18n import gettext as _
from core.models import (
    DUE_NOW,
    ENDED_STATES,
    OPEN_STATES,
    TERMINAL,
    Asset,
    AssetState,
    InvalidInput,
    Job,
    JobStatus,
    Kind,
    Notice,
    NoticeStatus,
    Notify,
    Receipt,
    User,
    When,
    now,
    recipient_of,
)
from core.store.documents.expressions import number_at
from core.store.documents.lease import NOW, free, held
from core.store.documents.placeholders import ended, is_over
from core.store.documents.reading import look, mends, read, read_each
from core.store.spending.budgets import STORE_SECONDS, BudgetStore
from core.store.work.queue import QUEUED

Document = dict[str, Any]

_A_MOMENT: Final = timedelta(milliseconds=1)
_HISTORY_FACTOR: Final = 6  # so many jobs are looked at for each prompt, of which many repeat
_UNMADE: Final = (AssetState.FAILED, AssetState.CANCELLED)
_ID_TYPES: Final = ["string", "int", "long", "double"]  # a number is read as text
_RESUMABLE: Final[Document] = {"remote_id": {"$type": _ID_TYPES}}


class JobStore:
    """Creates jobs, reads them, and settles them from their assets."""

    def __init__(
        self,
        client: MongoClient[Document],
        database: Database[Document],
        budgets: BudgetStore,
    ) -> None:
        self._client = client
        self._budgets = budgets
        self._jobs = database["jobs"]
        self._assets = database["assets"]
        self._receipts = database["receipts"]
        self._outbox = database["outbox"]
        self._users = database["users"]

    def create(self, job: Job, assets: Sequence[Asset]) -> None:
        """Store a job together with its assets: all of it or nothing (a transaction).

        Raises:
            InvalidInput: the account is being deleted, or it costs more than its budget allows.
        """
        assets = self._budgets.expected(assets)
        leaving = {"_id": job.user_id, "deleting_at": {"$ne": None}}

        def write(session: ClientSession) -> None:
            if self._users.find_one(leaving, {"_id": True}, session=session) is not None:
                raise InvalidInput(
                    _("This account is being deleted, so nothing new is made for it.")
                )
            with self._budgets.within_budget(job.user_id, session) as moment:
                self._jobs.insert_one(job.to_document(), session=session)
                documents = [asset.to_document() for asset in assets]
                if moment is not None:
                    for document in documents:
                        document["timings"]["queued_at"] = moment
                self._assets.insert_many(documents, session=session)

        self._budgets.in_turn(job.user_id, write)

    def get(self, job_id: str, user_id: str | None = None) -> Job | None:
        """Return a job, or None where there is none (or, with `user_id`, none of that user)."""
        query = {"_id": job_id} | ({} if user_id is None else {"user_id": user_id})
        document = self._jobs.find_one(query)
        return None if document is None else read(Job, document)

    def of_user(self, user_id: str, limit: int = 50) -> list[Job]:
        """Return a user's jobs, newest first; those in the bin are left out."""
        query = {"user_id": user_id, "binned_at": None}
        found = self._jobs.find(query).sort("created_at", DESCENDING)
        return list(read_each(Job, found.limit(limit)))

    def named(self, job_ids: Sequence[str]) -> dict[str, Job]:
        """Return the given jobs, by id; those that there are."""
        found = self._jobs.find({"_id": {"$in": list(job_ids)}})
        return {job.id: job for job in read_each(Job, found)}

    def processing(self, user_id: str, limit: int = 50) -> list[Job]:
        """Return a user's jobs that are being made, newest first."""
        going_on = {"user_id": user_id, "status": str(JobStatus.PROCESSING)}
        found = self._jobs.find(going_on).sort("created_at", DESCENDING).limit(limit)
        return list(read_each(Job, found))

    def prompts(self, job_ids: Sequence[str]) -> dict[str, str]:
        """Return the prompts of the given jobs, by job id."""
        found = self._jobs.find({"_id": {"$in": list(job_ids)}}, {"prompt": True})
        return {each["_id"]: _text(each.get("prompt")) for each in found}

    def history(self, user_id: str, limit: int) -> list[str]:
        """Return the different prompts of a user's latest jobs, the newest first.

        Those of jobs in the bin are left out.
        """
        found = self._jobs.find({"user_id": user_id, "binned_at": None}, {"prompt": True})
        latest = found.sort("created_at", DESCENDING).limit(_HISTORY_FACTOR * limit)
        prompts = (_text(each.get("prompt")) for each in latest)
        return list(dict.fromkeys(filter(None, prompts)))[:limit]

    def unsettled(self) -> list[str]:
        """Return the ids of jobs called `Processing` with nothing left to do, or the reverse."""
        states = [str(state) for state in OPEN_STATES]
        found = self._assets.distinct("job_id", {"state": {"$in": states}})
        going_on = {job_id for job_id in found if isinstance(job_id, str)}
        processing = {
            document["_id"]
            for document in self._jobs.find({"status": str(JobStatus.PROCESSING)}, {"_id": True})
        }
        return list(processing ^ going_on)

    def end_unreadable(self) -> list[str]:
        """End open items that cannot be read and that nobody holds, for nobody hands them out.

        What could be read all the same is stored as it was read, so that it goes on.

        Returns:
            the ids of the jobs that are to be settled.
        """
        states = [str(state) for state in OPEN_STATES]
        job_ids = set()
        for document in self._assets.find({"state": {"$in": states}}):
            reading = look(Asset, document)
            item = read(Asset, document)  # tells the log
            if item is None or not reading.faults or _is_held(item):
                continue
            changes = ended(document) if item.unreadable else mends(reading, document)
            same = {name: document[name] for name in ("_id", "state")}
            self._assets.update_one(same, {"$set": changes})
            job_ids.add(item.job_id)
        return sorted(job_ids)

    def of_no_status(self) -> list[str]:
        """Return the ids of jobs whose status is none of ours; it looks at all jobs."""
        known = {"status": {"$nin": [str(status) for status in JobStatus]}}
        return [each["_id"] for each in self._jobs.find(known, {"_id": True})]

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
            "charged": {"$or": ["$charged", "$reread"]},
            "next_attempt_at": DUE_NOW,
            # What waits in the queue was not taken whenever it was sent, so it costs nothing.
            "timings.submitted_at": {"$cond": [begun, "$timings.submitted_at", "$$REMOVE"]},
        }
        query = _chosen(job_id, user_id, asset_id, OPEN_STATES)

        def write(session: ClientSession) -> int:
            return self._change(query, changes, session)

        with timeout(STORE_SECONDS), self._client.start_session() as session:
            return session.with_transaction(write)

    def retry(self, job_id: str, user_id: str, asset_id: str | None = None) -> int:
        """Make failed and cancelled items again where that pays for nothing a second time.

        An item whose task at its provider is known, and not known to have failed, is taken up by
        the task's id, and never made anew. One that was or may have been charged, without such a
        task, is left alone: see `resend`. Arguments and result are those of `cancel`.

        Raises:
            InvalidInput: it costs more than the user's budget allows.
        """
        free_or_resumable = {"$or": [_RESUMABLE, {"charged": {"$ne": True}}]}
        query = _chosen(job_id, user_id, asset_id, _UNMADE)
        return self._again(user_id, query | free_or_resumable)

    def resend(self, job_id: str, user_id: str, asset_id: str | None = None) -> int:
        """Make items anew that were charged, or may have been, at the user's word.

        All of a job's: those that are `unknown`, and those that ended without a task to ask after.
        One item: also one that has a task, which is given up. Arguments, result and errors are
        those of `retry`.
        """
        charged: Document = {"state": {"$in": [str(each) for each in _UNMADE]}, "charged": True}
        if asset_id is None:
            charged["remote_id"] = None
        paid = [{"state": str(AssetState.UNKNOWN)}, charged]
        if asset_id is not None:
            paid.append(_RESUMABLE)
        query = _chosen(job_id, user_id, asset_id, (*_UNMADE, AssetState.UNKNOWN))
        return self._again(user_id, query | {"$or": paid}, pays=True)

    def recover(self, job_id: str, user_id: str, asset_id: str | None = None) -> int:
        """Have what is kept of paid calls read again, which costs nothing.

        Arguments and result are those of `cancel`.
        """
        again = {
            "state": QUEUED,
            "reread": True,
            "progress": 0.0,
            "waiting": "",
            "partial": 0,
            "attempts": 0,
            "waits": 0,
            "error": None,
            "lease": None,
            "cancel_requested": False,
            "next_attempt_at": DUE_NOW,
        }
        query = _chosen(job_id, user_id, asset_id, (*_UNMADE, AssetState.UNKNOWN))
        query["kept.what"] = {"$gt": ""}

        def write(session: ClientSession) -> int:
            return self._change(query, again, session)

        with timeout(STORE_SECONDS), self._client.start_session() as session:
            return session.with_transaction(write)

    def put_first(self, job_id: str, user_id: str, asset_id: str | None = None) -> int:
        """Have a job's waiting items, or one of them, made before all others of their user.

        Users take turns all the same. What is put off after a failure stays put off. Arguments and
        result are those of `cancel`.
        """
        ready = {"user_id": user_id, "state": QUEUED, "$expr": {"$lte": ["$next_attempt_at", NOW]}}
        dated = {"next_attempt_at": {"$type": "date"}}
        chosen: Document = ready | {"job_id": job_id}
        if asset_id is not None:
            chosen["_id"] = asset_id
        moved = 0
        with timeout(STORE_SECONDS):
            for lane in _lanes(self._assets.find(chosen, {"provider": True, "model": True})):
                first = self._assets.find_one(
                    ready | lane | dated,
                    {"next_attempt_at": True},
                    sort=[("next_attempt_at", ASCENDING)],
                )
                if first is not None and isinstance(first["next_attempt_at"], datetime):
                    before = {"next_attempt_at": first["next_attempt_at"] - _A_MOMENT}
                    moved += self._assets.update_many(chosen | lane, {"$set": before}).matched_count
        return moved

    def settle(self, job_id: str) -> JobStatus:
        """Bring a job's paths, status and notices in line with its assets.

        Idempotent, and safe beside itself: it runs in a transaction on the job's document, so
        that of two at once the later one sees what the earlier one wrote. The notices go into
        the outbox with the change of status, never without it.

        Raises:
            KeyError: there is no such job.
        """
        with timeout(STORE_SECONDS), self._client.start_session() as session:
            return session.with_transaction(lambda session: self.settle_within(job_id, session))

    def announce(self, job_id: str, user_id: str, notify: Notify) -> None:
        """Change where and when a user is told of a job; what was sent stays sent.

        Args:
            job_id: the job.
            user_id: whose it is; another's is left alone.
            notify: the new wish; no channels: only the terminal tells of it.
        """
        of_job = {"job_id": job_id, "$expr": free()}
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
            if document.get("status") == str(JobStatus.PROCESSING):
                # Of an earlier ending; the next one makes them anew.
                unsent = {"$or": [due, given_up]}
                self._outbox.delete_many(of_job | unsent, session=session)
                return
            self._outbox.update_many(of_job | due, {"$set": given_up}, session=session)
            job = read(Job, document)
            for notice in [] if job is None else self._notices(job, session):
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
        settings = read(User, self._users.find_one({"_id": job.user_id}, session=session) or {})
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
                language=job.language,
            )
            for channel in dict.fromkeys((TERMINAL, *job.notify.channels))
            if (recipient := recipient_of(channel, job.notify, job.user_id, settings)) is not None
        ]

    def _again(self, user_id: str, query: Document, *, pays: bool = False) -> int:
        """Make a user's items again, as far as the budget allows; `pays`: see `_anew`."""

        def write(session: ClientSession) -> int:
            with self._budgets.within_budget(user_id, session) as moment:
                self._budgets.price(query, session)
                changes = _anew(self._budgets.uncertain, moment or now(), pays=pays)
                return self._change(query, changes, session)

        return self._budgets.in_turn(user_id, write)

    def _change(self, query: Document, changes: Document, session: ClientSession) -> int:
        """Change items of a job, and settle the job with them."""
        found = self._assets.update_many(query, [{"$set": changes}], session=session)
        if found.matched_count:
            # Written whatever comes of it, so that who settles beside this has to look again.
            changed = {"$set": {"updated_at": now()}}
            self._jobs.update_one({"_id": query["job_id"]}, changed, session=session)
            with suppress(KeyError):  # of an item whose job is not known any more
                self.settle_within(query["job_id"], session)
        return found.matched_count

    def settle_within(self, job_id: str, session: ClientSession) -> JobStatus:
        """Settle a job within a transaction; see `settle`."""
        document = self._jobs.find_one({"_id": job_id}, session=session)
        if document is None:
            raise KeyError(job_id)
        job = read(Job, document)
        assets = self._settled_items(job_id, session)
        if job is None:
            return JobStatus.FAILED
        if not assets and job.status != JobStatus.PROCESSING:
            return job.status  # they are being removed, and the job with them
        receipts = self._receipts.find({"job_id": job_id}, session=session)
        removed = list(read_each(Receipt, receipts))
        # One without items lost them: they are stored together with it.
        status = _status(assets) if assets else JobStatus.FAILED
        moment = now()
        changes: Document = {
            "image_paths": _paths(assets, Kind.IMAGE),
            "video_paths": _paths(assets, Kind.VIDEO),
            "status": str(status),
            "generated_at": _last_saved(assets, removed)
            if status != JobStatus.PROCESSING
            else None,
            "cost": _spent(assets, removed),
            "uncertain_cost": _uncertain(assets),
        }
        if any(document.get(name) != value for name, value in changes.items()):
            self._jobs.update_one(
                {"_id": job_id}, {"$set": changes | {"updated_at": moment}}, session=session
            )
        begun = job.status == JobStatus.PROCESSING or "status" in job.unreadable
        if begun and status != JobStatus.PROCESSING:
            # A job that ended before and was tried again has its notices already.
            for notice in self._notices(job, session):
                row = notice.to_document()
                key = {"_id": row.pop("_id")}
                self._outbox.update_one(key, {"$setOnInsert": row}, upsert=True, session=session)
        return status

    def _settled_items(self, job_id: str, session: ClientSession) -> list[Asset]:
        """Return a job's items; those that are open and cannot be read end as failed.

        One that somebody holds a lease on is left to its holder, who may be able to read it.
        """
        found = self._assets.find({"job_id": job_id}, session=session).sort("slot", ASCENDING)
        items = []
        for document in found:
            item = read(Asset, document)
            if item is not None and item.unreadable and not is_over(document):
                ours = {"_id": item.id, "$expr": held()}
                if self._assets.find_one(ours, {"_id": True}, session=session) is not None:
                    item = item.model_copy(update={"state": AssetState.SAVING})
                else:
                    end = {"$set": ended(document)}
                    self._assets.update_one({"_id": item.id}, end, session=session)
                    item = read(Asset, document | ended(document))
            items += [] if item is None else [item]
        return items


def _is_held(item: Asset) -> bool:
    return item.lease is not None and item.lease.until > now()


def _text(found: object) -> str:
    return found if isinstance(found, str) else ""


def _chosen(
    job_id: str, user_id: str, asset_id: str | None, states: Iterable[AssetState]
) -> Document:
    """Return what picks a user's items of a job, or one of them, that are in one of `states`."""
    query: Document = {
        "job_id": job_id,
        "user_id": user_id,
        "state": {"$in": [str(state) for state in states]},
        "binned_at": None,  # what lies in the bin stays as it is
    }
    return query if asset_id is None else query | {"_id": asset_id}


def _anew(uncertain: Document, moment: datetime, *, pays: bool) -> Document:
    """Return what an item is when it begins again, for an update pipeline.

    Args:
        uncertain: what it may have cost until now, where nobody said what it did.
        moment: now.
        pays: whether it is made anew even where its task at its provider is known.
    """
    # By its task's id, not paid anew; a number is read as text.
    resumable = {"$in": [{"$type": "$remote_id"}, _ID_TYPES]}
    taken_up: Document = {"$and": [resumable, not pays]}
    actual = number_at("$cost.actual")
    return {
        "state": QUEUED,
        "progress": 0.0,
        "attempts": 0,
        "waits": 0,
        "call": {"$cond": [taken_up, "$call", None]},
        "remote_id": {"$cond": [taken_up, "$remote_id", None]},
        "error": None,
        "lease": None,
        "cancel_requested": False,
        "waiting": "",
        "partial": 0,
        "charged": False,
        "reread": False,
        "details": {"$cond": [taken_up, "$details", {"$literal": {}}]},
        "cost.earlier": {"$add": [number_at("$cost.earlier"), {"$cond": [taken_up, 0.0, actual]}]},
        "cost.risked": {"$add": [number_at("$cost.risked"), {"$cond": [taken_up, 0.0, uncertain]}]},
        "cost.actual": {"$cond": [taken_up, "$cost.actual", None]},
        "next_attempt_at": DUE_NOW,
        # Its provider has it already, so it costs something, also where it is stopped now.
        "timings": {"queued_at": moment, "started_at": {"$cond": [taken_up, moment, "$$REMOVE"]}},
    }


def _lanes(found: Iterable[Document]) -> list[Document]:
    """Return the different providers with their models among items."""
    lanes = {(_text(each.get("provider")), _text(each.get("model"))) for each in found}
    return [{"provider": provider, "model": model} for provider, model in sorted(lanes)]


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
    """Return the paths of what pages display; a copy for that is always PNG, JPEG or MP4."""
    return [asset.displayed for asset in assets if asset.kind == kind and asset.displayed]


def _spent(assets: Sequence[Asset], removed: Sequence[Receipt]) -> dict[str, float]:
    """Return what the items have cost, by unit; also those that are only receipts any more."""
    spent: dict[str, float] = {}
    costs = [asset.cost for asset in assets]
    for cost in costs + [receipt.cost for receipt in removed]:
        if cost.spent:
            spent[cost.unit] = spent.get(cost.unit, 0.0) + cost.spent
    return {unit: round(amount, 6) for unit, amount in spent.items()}


def _uncertain(assets: Sequence[Asset]) -> dict[str, float]:
    """Return what the items may have cost besides, by unit; see `Job.uncertain_cost`."""
    uncertain: dict[str, float] = {}
    for asset in assets:
        open_now = asset.charged and asset.cost.actual is None
        if open_now or asset.cost.risked:
            amount = asset.cost.risked + ((asset.cost.estimated or 0.0) if open_now else 0.0)
            uncertain[asset.cost.unit] = uncertain.get(asset.cost.unit, 0.0) + amount
    return {unit: round(amount, 6) for unit, amount in uncertain.items()}


def _last_saved(assets: Sequence[Asset], removed: Sequence[Receipt]) -> datetime | None:
    timings = [asset.timings for asset in assets] + [receipt.timings for receipt in removed]
    return max((each["saved_at"] for each in timings if "saved_at" in each), default=None)
