"""Removing an account: marked at once, then taken apart step by step until nothing is left.

Every step may be broken off by a kill and is safe to repeat; the account's own document, which
carries the mark, goes last. The logs stay until their time is over (`LOG_DAYS`), and what was spent
until the month is over, under another name (`BudgetStore.keep`).
"""

from datetime import timedelta
from typing import Any, Final

from pymongo import ASCENDING
from pymongo.database import Database

from core.models import OPEN_STATES, JobStatus, NoticeStatus, Notify, now
from core.store.accounts.email_addresses import EmailAddressStore
from core.store.accounts.login_sessions import LoginSessionStore
from core.store.accounts.login_throttle import LoginThrottle
from core.store.documents.lease_fields import NOW, from_now
from core.store.jobs.job_actions import JobActionStore
from core.store.spending.budgets import BudgetStore

Document = dict[str, Any]

SETTLED_SECONDS: Final = 60
"""By then no order is still being stored that has not seen the mark: so long a transaction may
last (MongoDB's `transactionLifetimeLimitSeconds`)."""
QUIET_SECONDS: Final = 600
"""After a job's end. A worker that was stopped may still be uploading what it has."""
BATCH: Final = 20


class AccountDeletion:
    """Takes accounts apart; their files are removed by who calls it, before the documents.

    Args:
        database: where everything of an account is.
        job_actions: cancels what is being made.
        budgets: keeps what counts in a budget.
        sessions: ends logins.
        attempts: forgets how often a login was tried.
        addresses: forgets where mail went.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # whatever keeps something of an account
        self,
        database: Database[Document],
        job_actions: JobActionStore,
        budgets: BudgetStore,
        sessions: LoginSessionStore,
        attempts: LoginThrottle,
        addresses: EmailAddressStore,
    ) -> None:
        self._database = database
        self._job_actions = job_actions
        self._budgets = budgets
        self._sessions = sessions
        self._attempts = attempts
        self._addresses = addresses

    def request(self, user_id: str) -> None:
        """Mark an account to be removed, end its logins and shares, and stop what it costs.

        May be repeated, and is, until the account is gone: so also what a race or a kill let slip
        comes to its end.
        """
        of_user: Document = {"user_id": user_id}
        mark = {"deleting_at": {"$ifNull": ["$deleting_at", NOW]}}
        self._database["users"].update_one({"_id": user_id}, [{"$set": mark}])
        self._sessions.revoke_all(user_id)
        withdrawn = {"$set": {"withdrawn_at": now()}}
        self._database["shares"].update_many(of_user | {"withdrawn_at": None}, withdrawn)
        unsent = {"status": {"$ne": str(NoticeStatus.SENT)}}
        self._database["outbox"].delete_many(of_user | unsent)
        self._addresses.forget(user_id)
        self._cancel(user_id)

    def due(self) -> list[str]:
        """Return the accounts that are being removed, the first asked for first."""
        found = self._database["users"].find(_MARKED, {"_id": True})
        return [document["_id"] for document in found.sort("deleting_at", ASCENDING)]

    def ended(self, user_id: str) -> list[str]:
        """Return the ids of jobs that nobody works on any more, at most `BATCH`."""
        ended = {
            "user_id": user_id,
            "status": {"$ne": str(JobStatus.PROCESSING)},
            "updated_at": {"$not": {"$gte": now() - timedelta(seconds=QUIET_SECONDS)}},
            "_id": {"$nin": self._database["assets"].distinct("job_id", _open(user_id))},
        }
        found = self._database["jobs"].find(ended, {"_id": True}).limit(BATCH)
        return [document["_id"] for document in found]

    def forget_job(self, job_id: str) -> None:
        """Remove a job whose files are removed, with its items."""
        assets = list(self._database["assets"].find({"job_id": job_id}))
        for user_id in {document["user_id"] for document in assets}:  # one, or none any more
            self._budgets.keep(user_id, assets)
        asset_ids = [document["_id"] for document in assets]
        self._database["partials"].delete_many({"_id": {"$in": asset_ids}})
        self._database["assets"].delete_many({"job_id": job_id})
        self._database["jobs"].delete_one({"_id": job_id})

    def is_empty(self, user_id: str) -> bool:
        """Return whether an account has no jobs any more, and none can come."""
        settled = {"$lt": ["$deleting_at", from_now(-SETTLED_SECONDS)]}
        account = _MARKED | {"_id": user_id, "$expr": settled}
        return (
            self._database["users"].find_one(account, {"_id": True}) is not None
            and self._database["jobs"].find_one({"user_id": user_id}, {"_id": True}) is None
        )

    def forget(self, user_id: str) -> None:
        """Remove what is left of an account that is empty, and at last the account itself."""
        for name in ("receipts", "assets"):
            self._budgets.keep(user_id, self._database[name].find({"user_id": user_id}))
        for name in ("outbox", "shares", "sessions", "invites", "receipts", "assets", "quarantine"):
            self._database[name].delete_many({"user_id": user_id})
        self._database["invites"].delete_many({"made_by": user_id, "used_at": None})
        self._database["spending"].delete_one({"_id": user_id})
        self._attempts.forget_account(user_id)
        self._addresses.forget(user_id)
        self._database["users"].delete_one(_MARKED | {"_id": user_id})

    def _cancel(self, user_id: str) -> None:
        """Cancel what is being made, and notify nobody of it."""
        going_on = {"user_id": user_id, "status": str(JobStatus.PROCESSING)}
        self._database["jobs"].update_many(
            going_on, {"$set": {"notify": Notify(channels=()).to_document()}}
        )
        uncancelled = _open(user_id) | {"cancel_requested": {"$ne": True}}
        for job_id in self._database["assets"].distinct("job_id", uncancelled):
            self._job_actions.cancel(job_id, user_id)


_MARKED: Final[Document] = {"deleting_at": {"$type": "date"}}


def _open(user_id: str) -> Document:
    """Return what picks a user's items that have not ended."""
    return {"user_id": user_id, "state": {"$in": [str(state) for state in OPEN_STATES]}}
