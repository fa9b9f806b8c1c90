"""Jobs: what users asked for, stored and read."""

from collections.abc import Sequence
from typing import Any, Final

from pymongo import DESCENDING
from pymongo.client_session import ClientSession
from pymongo.database import Database

from core.i18n import gettext as _
from core.models import Asset, InvalidInput, Job, JobStatus
from core.store.documents.reading import read, read_each, text_or_empty
from core.store.spending.budgets import BudgetStore

Document = dict[str, Any]

_HISTORY_FACTOR: Final = 6  # so many jobs are looked at for each prompt, of which many repeat


class JobStore:
    """Creates jobs and reads them."""

    def __init__(self, database: Database[Document], budgets: BudgetStore) -> None:
        self._budgets = budgets
        self._jobs = database["jobs"]
        self._assets = database["assets"]
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
        return read(Job, self._jobs.find_one(query))

    def of_user(self, user_id: str, limit: int = 50) -> list[Job]:
        """Return a user's jobs, newest first; those in the bin are left out."""
        query = {"user_id": user_id, "binned_at": None}
        found = self._jobs.find(query).sort("created_at", DESCENDING)
        return list(read_each(Job, found.limit(limit)))

    def by_ids(self, job_ids: Sequence[str]) -> dict[str, Job]:
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
        return {each["_id"]: text_or_empty(each.get("prompt")) for each in found}

    def history(self, user_id: str, limit: int) -> list[str]:
        """Return the different prompts of a user's latest jobs, the newest first.

        Those of jobs in the bin are left out.
        """
        found = self._jobs.find({"user_id": user_id, "binned_at": None}, {"prompt": True})
        latest = found.sort("created_at", DESCENDING).limit(_HISTORY_FACTOR * limit)
        prompts = (text_or_empty(each.get("prompt")) for each in latest)
        return list(dict.fromkeys(filter(None, prompts)))[:limit]
