"""What owners do about their jobs: cancel, retry, send again, recover, put first."""

from collections.abc import Iterable
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Any, Final

from pymongo import ASCENDING, timeout
from pymongo.client_session import ClientSession
from pymongo.database import Database

from core.models import DUE_NOW, OPEN_STATES, AssetState, now
from core.store.documents.expressions import number_at
from core.store.documents.lease_fields import NOW
from core.store.documents.reading import text_or_empty
from core.store.documents.transaction import STORE_SECONDS, in_transaction
from core.store.jobs.settlement import SettlementStore
from core.store.spending.budgets import BudgetStore
from core.store.work.queue import QUEUED

Document = dict[str, Any]

_A_MOMENT: Final = timedelta(milliseconds=1)
_UNMADE: Final = (AssetState.FAILED, AssetState.CANCELLED)
_ID_TYPES: Final = ["string", "int", "long", "double"]  # a number is read as text
_REQUEUED: Final[Document] = {
    "state": QUEUED,
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
"""The fields of an item that is put back into the queue to begin again."""
_RESUMABLE: Final[Document] = {"remote_id": {"$type": _ID_TYPES}}


class JobActionStore:
    """Changes a user's items, each job settled with them; another user's are left alone.

    Args:
        database: where jobs and items are.
        budgets: allow what costs money again.
        settlement: settles the jobs.
    """

    def __init__(
        self,
        database: Database[Document],
        budgets: BudgetStore,
        settlement: SettlementStore,
    ) -> None:
        self._database = database
        self._budgets = budgets
        self._settlement = settlement
        self._jobs = database["jobs"]
        self._assets = database["assets"]

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
        return self._change_now(query, changes)

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
        again = _REQUEUED | {"reread": True}
        query = _chosen(job_id, user_id, asset_id, (*_UNMADE, AssetState.UNKNOWN))
        query["kept.what"] = {"$gt": ""}
        return self._change_now(query, again)

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

    def _again(self, user_id: str, query: Document, *, pays: bool = False) -> int:
        """Make a user's items again, as far as the budget allows; `pays`: see `_anew`."""

        def write(session: ClientSession) -> int:
            with self._budgets.within_budget(user_id, session) as moment:
                self._budgets.price(query, session)
                changes = _anew(self._budgets.uncertain, moment or now(), pays=pays)
                return self._change(query, changes, session)

        return self._budgets.in_turn(user_id, write)

    def _change_now(self, query: Document, changes: Document) -> int:
        return in_transaction(self._database, lambda session: self._change(query, changes, session))

    def _change(self, query: Document, changes: Document, session: ClientSession) -> int:
        """Change items of a job, and settle the job with them."""
        found = self._assets.update_many(query, [{"$set": changes}], session=session)
        if found.matched_count:
            # Written whatever comes of it, so that who settles beside this has to look again.
            changed = {"$set": {"updated_at": now()}}
            self._jobs.update_one({"_id": query["job_id"]}, changed, session=session)
            with suppress(KeyError):  # of an item whose job is not known any more
                self._settlement.settle_within(query["job_id"], session)
        return found.matched_count


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
    return _REQUEUED | {
        "call": {"$cond": [taken_up, "$call", None]},
        "remote_id": {"$cond": [taken_up, "$remote_id", None]},
        "charged": False,
        "reread": False,
        "details": {"$cond": [taken_up, "$details", {"$literal": {}}]},
        "cost.earlier": {"$add": [number_at("$cost.earlier"), {"$cond": [taken_up, 0.0, actual]}]},
        "cost.risked": {"$add": [number_at("$cost.risked"), {"$cond": [taken_up, 0.0, uncertain]}]},
        "cost.actual": {"$cond": [taken_up, "$cost.actual", None]},
        # Its provider has it already, so it costs something, also where it is stopped now.
        "timings": {"queued_at": moment, "started_at": {"$cond": [taken_up, moment, "$$REMOVE"]}},
    }


def _lanes(found: Iterable[Document]) -> list[Document]:
    """Return the different providers with their models among items."""
    lanes = {
        (text_or_empty(each.get("provider")), text_or_empty(each.get("model"))) for each in found
    }
    return [{"provider": provider, "model": model} for provider, model in sorted(lanes)]
