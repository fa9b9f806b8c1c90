"""What users see and do of the outbox: messages to come, in the app, failed, put off."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING, ReturnDocument
from pymongo.database import Database

from core.i18n import language
from core.models import APP, DUE_NOW, EMAIL, Notice, NoticeKind, NoticeStatus, new_id, now
from core.store.documents.lease_fields import NOW, free
from core.store.documents.reading import read, read_each
from core.store.work.outbox import DUE, GROUP

Document = dict[str, Any]

_AFRESH: Final = {"tried_since": None, "attempts": 0, "error": None, "read_at": None}
_OF_USER: Final = "of_user"  # left alone, the server goes through everybody's


class NoticeStore:
    """Reads and changes a user's rows of the outbox; another user's are never touched."""

    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["outbox"]

    def of_job(self, job_id: str) -> list[Notice]:
        """Return all rows of a job."""
        return list(read_each(Notice, self._rows.find({"job_id": job_id})))

    def of_user(
        self, user_id: str, statuses: Sequence[NoticeStatus], limit: int = 50
    ) -> list[Notice]:
        """Return a user's rows that stand so: the next due first, or the last sent first."""
        query = {"user_id": user_id, "status": {"$in": [str(each) for each in statuses]}}
        order = ASCENDING if NoticeStatus.DUE in statuses else DESCENDING
        rows = self._rows.find(query).sort("due_at", order).limit(limit)
        return list(read_each(Notice, rows))

    def in_app(self, user_id: str, limit: int = 10) -> list[Notice]:
        """Return what the bell shows a user, newest first: messages to the app, and failures."""
        found = self._rows.find(_in_bell(user_id)).hint(_OF_USER)
        rows = found.sort("due_at", DESCENDING).limit(limit)
        return list(read_each(Notice, rows))

    def unread(self, user_id: str) -> int:
        """Return how much of that the user has not seen."""
        return self._rows.count_documents(_in_bell(user_id) | {"read_at": None}, hint=_OF_USER)

    def mark_read(self, user_id: str, job_id: str | None = None) -> None:
        """Store that a user has read the notices of the app: of one job, or all."""
        query = (
            _in_bell(user_id) | {"read_at": None} | ({} if job_id is None else {"job_id": job_id})
        )
        self._rows.update_many(query, {"$set": {"read_at": now()}}, hint=_OF_USER)

    def add(self, user_id: str, kind: NoticeKind, channel: str, recipient: str) -> Notice:
        """Store a message that announces no job, due at once; one that waits already is hurried."""
        notice = Notice(
            id=new_id(),
            kind=kind,
            user_id=user_id,
            channel=channel,
            recipient=recipient,
            due_at=DUE_NOW,
            created_at=now(),
            language=language(),
        )
        row = notice.to_document()
        same = {name: row.pop(name) for name in ("kind", *GROUP, "status", "lease")}
        hurried = {"$set": {"due_at": row.pop("due_at")}, "$setOnInsert": row}
        found = self._rows.find_one_and_update(
            same, hurried, upsert=True, return_document=ReturnDocument.AFTER
        )
        return read(Notice, found) or notice

    def send_now(self, notice_id: str, user_id: str) -> bool:
        """Make a row due at once, also one that failed; return whether it could be."""
        states = [DUE, str(NoticeStatus.FAILED)]
        return self._change(notice_id, user_id, states, _AFRESH | {"status": DUE, "due_at": NOW})

    def reschedule(self, notice_id: str, user_id: str, due_at: datetime) -> bool:
        """Let a row that was not sent be due at another time; return whether it could be."""
        moved = {"due_at": due_at, "digest": False}
        return self._change(notice_id, user_id, [DUE], _AFRESH | moved)

    def cancel(self, notice_id: str, user_id: str) -> bool:
        """Let a row never be sent, or put one that failed away; return whether it could be."""
        states = [DUE, str(NoticeStatus.FAILED)]
        return self._change(notice_id, user_id, states, {"status": str(NoticeStatus.CANCELLED)})

    def cancel_channel(self, user_id: str, channel: str) -> None:
        """Let nothing that is due over a channel be sent to a user, but what is being sent."""
        query = {"user_id": user_id, "status": DUE, "channel": channel, "$expr": free()}
        self._rows.update_many(query, {"$set": {"status": str(NoticeStatus.CANCELLED)}})

    def readdress(self, user_id: str, former: str, address: str) -> None:
        """Let a user's mail that is due go to another address."""
        mail = {"user_id": user_id, "status": DUE, "channel": EMAIL, "recipient": former}
        jobs = {"kind": {"$ne": str(NoticeKind.CONFIRM)}, "$expr": free()}
        self._rows.update_many(mail | jobs, {"$set": {"recipient": address}})

    def count_since(self, user_id: str, kind: NoticeKind, since: datetime) -> int:
        """Return how many messages of a kind a user has had since a time."""
        statuses = {"$in": [str(each) for each in NoticeStatus]}  # the index begins with them
        query = {"user_id": user_id, "status": statuses, "kind": str(kind)}
        return self._rows.count_documents(query | {"created_at": {"$gte": since}})

    def retry_now(self, user_id: str, recipient: str) -> None:
        """Let rows that waited for their recipient's address to be confirmed be tried at once."""
        waited = {"user_id": user_id, "status": DUE, "recipient": recipient}
        self._rows.update_many(waited | {"error": {"$ne": None}}, {"$set": {"due_at": DUE_NOW}})

    def _change(
        self, notice_id: str, user_id: str, statuses: Sequence[str], changes: Document
    ) -> bool:
        query = {"_id": notice_id, "user_id": user_id, "status": {"$in": list(statuses)}}
        is_free = {"$expr": free()}  # one that is being sent cannot be changed any more
        return bool(self._rows.update_one(query | is_free, [{"$set": changes}]).modified_count)


def _in_bell(user_id: str) -> Document:
    """Return what picks the rows of the bell: sent to the app, or failed elsewhere."""
    return {
        "user_id": user_id,
        "$or": [
            {"status": str(NoticeStatus.SENT), "channel": APP},
            {"status": str(NoticeStatus.FAILED)},
        ],
    }
