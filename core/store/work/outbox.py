"""The outbox: one row a message to one recipient; of a job, one for each channel.

Several notifiers may share it: who sends a row holds a lease on it, and every write that says
what came of it carries the lease's token. A row whose holder died is claimed again when its lease
has run out. All times that decide anything are the database's own, unless a test names another.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, Literal

from pymongo import ASCENDING, DESCENDING, ReturnDocument, UpdateOne
from pymongo.database import Database

from core.i18n import N_, language
from core.models import DUE_NOW, Notice, NoticeKind, NoticeStatus, new_id, now
from core.store.documents.expressions import number_at
from core.store.documents.reading import read, read_each
from core.store.documents.storable import short

Document = dict[str, Any]
Moment = datetime | Literal["$$NOW"]

NOW: Final = "$$NOW"
DUE: Final = str(NoticeStatus.DUE)
FIRST_PAUSE_SECONDS: Final = 5
LONGEST_PAUSE_SECONDS: Final = 900
UNREADABLE: Final = N_("It could not be read; perhaps a newer version of Fivefold wrote it.")
UNSERVED: Final = N_("Nobody sends over this channel here any more.")
DIGEST_ROWS: Final = 100
TRY_FOR: Final = timedelta(days=1)


class Outbox:
    """Hands out due rows and keeps what became of them."""

    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["outbox"]

    # What the notifier does.

    def claim(
        self,
        channel: str,
        owner: str,
        lease_seconds: float,
        moment: Moment = NOW,
        *,
        in_turn: bool = False,
    ) -> list[Notice]:
        """Take what is to be sent next over a channel.

        Args:
            channel: the channel's name.
            owner: who takes it.
            lease_seconds: how long the lease lasts without being renewed.
            moment: the present time.
            in_turn: whether nothing more is taken of users of whom something is being sent.

        Returns:
            one row, or the due rows of one recipient's digest (at most `DIGEST_ROWS`), oldest
            first; nothing where nothing is due.
        """
        due: Document = {"status": DUE, "channel": channel}
        is_free = {"$expr": {"$and": [_arrived(moment), free(moment)]}}
        if in_turn:
            sending = {"lease.owner": {"$exists": True}, "$expr": {"$not": free(moment)}}
            # `distinct` does not know the present time.
            held = self._rows.find(due | sending, {"user_id": True})
            due["user_id"] = {"$nin": [row.get("user_id") for row in held]}
        token = new_id()
        lease = {"owner": owner, "token": token, "until": _later(moment, lease_seconds)}
        take = [{"$set": {"lease": lease}}]
        waiting: set[str] = set()  # users of whose digest something is being sent
        while True:
            past = {"$nor": [{"digest": True, "user_id": {"$in": list(waiting)}}]}
            fields = {"digest": True} | dict.fromkeys(_GROUP, True)
            found = self._rows.find(due | is_free | past, fields).sort("due_at", ASCENDING)
            candidates, unreadable = list(found.limit(_CANDIDATES)), False
            # Others may be claiming beside us: what one of them was faster with is passed over.
            for row in candidates:
                if not all(isinstance(row.get(name), str) for name in _GROUP):
                    self._give_up(row)
                    unreadable = True
                    continue
                if row.get("digest") is not True:
                    one = {"_id": row["_id"]} | due | is_free
                    taken = self._rows.update_one(one, take).modified_count
                else:
                    taken = self._claim_digest(row, due, is_free, take, moment)
                    waiting |= set() if taken else {row["user_id"]}
                if taken and (notices := self._claimed(token)):
                    return notices
                unreadable = unreadable or bool(taken)
            if not unreadable and not any(row.get("digest") is True for row in candidates):
                return []

    def _claim_digest(
        self, row: Document, due: Document, is_free: Document, take: list[Document], moment: Moment
    ) -> int:
        """Take the due rows of a recipient's digest; two notifiers would share it between them.

        So who holds the first of them takes the others.
        """
        group = due | {"digest": True} | {name: row[name] for name in _GROUP}
        arrived = {"$expr": _arrived(moment)}
        first = self._rows.find_one(group | arrived, {"_id": True}, sort=[("_id", ASCENDING)])
        if first is None or not self._rows.update_one(first | group | is_free, take).modified_count:
            return 0
        rest = self._rows.find(group | is_free, {"_id": True}).limit(DIGEST_ROWS - 1)
        others = {"_id": {"$in": [each["_id"] for each in rest]}}
        return 1 + self._rows.update_many(others | group | is_free, take).modified_count

    def _claimed(self, token: str) -> list[Notice]:
        """Return the rows of a lease; one that cannot be read is given up."""
        notices = []
        for row in self._rows.find({"lease.token": token}).sort("due_at", ASCENDING):
            notice = read(Notice, row)
            if notice is None:
                self._give_up(row)
            else:
                notices.append(notice)
        return notices

    def _give_up(self, row: Document) -> None:
        given_up = {"status": str(NoticeStatus.FAILED), "error": UNREADABLE, "lease": None}
        self._rows.update_one({"_id": row["_id"]}, {"$set": given_up})

    def renew(self, tokens: Collection[str], lease_seconds: float) -> int:
        """Prolong leases, named by their tokens; return how many rows they still hold."""
        held = {"status": DUE, "lease.token": {"$in": list(tokens)}}
        until = _later(NOW, lease_seconds)
        return self._rows.update_many(held, [{"$set": {"lease.until": until}}]).matched_count

    def sent(self, said: Mapping[str, tuple[str, str]]) -> None:
        """Store that rows were sent.

        This is so whoever holds them now: a lease that ran out does not make it untrue.

        Args:
            said: title and text of what was told, by the row's id.
        """
        done: Document = {"sent_at": NOW, "due_at": NOW}  # the second for its place among others
        done |= {"status": str(NoticeStatus.SENT), "error": None, "lease": None}
        updates = [
            UpdateOne(
                {"_id": notice_id, "status": DUE},
                [{"$set": done | {"title": _literal(title), "text": _literal(text)}}],
            )
            for notice_id, (title, text) in said.items()
        ]
        self._rows.bulk_write(updates)

    def failed(
        self, notices: Sequence[Notice], reason: str, retry_in: float | None, moment: Moment = NOW
    ) -> None:
        """Store that sending claimed rows failed.

        Args:
            notices: the rows.
            reason: why, in a sentence for their user.
            retry_in: seconds until they are due again; None: they are given up.
            moment: the present time. Rows that have been tried for `TRY_FOR` are given up.
        """
        tried = {"$eq": [{"$type": "$tried_since"}, "date"]}
        since = {"$cond": [tried, "$tried_since", moment]}
        over = {"$gte": [{"$subtract": [moment, since]}, TRY_FOR // timedelta(milliseconds=1)]}
        given_up = True if retry_in is None else over
        changes = {
            "status": {"$cond": [given_up, str(NoticeStatus.FAILED), DUE]},
            "due_at": {"$cond": [given_up, moment, _later(moment, retry_in or 0)]},
            "tried_since": since,
            "attempts": {"$add": [number_at("$attempts"), 1]},
            "error": {"$literal": short(reason)},
            "lease": None,
        }
        self._write(notices, changes)

    def put_off(
        self, notices: Sequence[Notice], seconds: float, reason: str | None, moment: Moment = NOW
    ) -> None:
        """Let claimed rows wait, at no fault of their channel."""
        changes = {"due_at": _later(moment, seconds), "lease": None, "tried_since": None}
        self._write(notices, changes | {"error": {"$literal": reason and short(reason)}})

    def give_up_unserved(self, served: Collection[str]) -> None:
        """Give up what is long overdue over channels that nobody looks after any more.

        Args:
            served: the channels that are looked after here.
        """
        late = {"$lt": ["$due_at", {"$subtract": [NOW, TRY_FOR // timedelta(milliseconds=1)]}]}
        query = {"status": DUE, "channel": {"$nin": list(served)}}
        given_up = {"status": str(NoticeStatus.FAILED), "error": UNSERVED, "due_at": NOW}
        self._rows.update_many(query | {"$expr": {"$and": [late, free(NOW)]}}, [{"$set": given_up}])

    def overdue(self, seconds: float) -> int:
        """Return how much has been due for so long without being tried."""
        late = {"$lt": ["$due_at", {"$subtract": [NOW, round(1000 * seconds)]}]}
        untried = {"status": DUE, "error": None, "tried_since": None}
        return self._rows.count_documents(untried | {"$expr": {"$and": [late, free(NOW)]}})

    # What users see and do. Another user's rows are never touched.

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
        """Return what the app tells a user, newest first: messages sent to it, and failures."""
        found = self._rows.find(_told(user_id)).hint(_OF_USER)
        rows = found.sort("due_at", DESCENDING).limit(limit)
        return list(read_each(Notice, rows))

    def unread(self, user_id: str) -> int:
        """Return how much of that the user has not seen."""
        return self._rows.count_documents(_told(user_id) | {"read_at": None}, hint=_OF_USER)

    def mark_read(self, user_id: str, job_id: str | None = None) -> None:
        """Store that a user has seen what the app tells: of one job, or all."""
        query = _told(user_id) | {"read_at": None} | ({} if job_id is None else {"job_id": job_id})
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
        same = {name: row.pop(name) for name in ("kind", *_GROUP, "status", "lease")}
        hurried = {"$set": {"due_at": row.pop("due_at")}, "$setOnInsert": row}
        found = self._rows.find_one_and_update(
            same, hurried, upsert=True, return_document=ReturnDocument.AFTER
        )
        return (None if found is None else read(Notice, found)) or notice

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
        query = {"user_id": user_id, "status": DUE, "channel": channel, "$expr": free(NOW)}
        self._rows.update_many(query, {"$set": {"status": str(NoticeStatus.CANCELLED)}})

    def readdress(self, user_id: str, former: str, address: str) -> None:
        """Let a user's mail that is due go to another address."""
        mail = {"user_id": user_id, "status": DUE, "channel": "email", "recipient": former}
        jobs = {"kind": {"$ne": str(NoticeKind.CONFIRM)}, "$expr": free(NOW)}
        self._rows.update_many(mail | jobs, {"$set": {"recipient": address}})

    def added(self, user_id: str, kind: NoticeKind, since: datetime) -> int:
        """Return how many messages of a kind a user has had since a time."""
        statuses = {"$in": [str(each) for each in NoticeStatus]}  # the index begins with them
        query = {"user_id": user_id, "status": statuses, "kind": str(kind)}
        return self._rows.count_documents(query | {"created_at": {"$gte": since}})

    def hurry(self, user_id: str, recipient: str) -> None:
        """Let rows that waited for their recipient's address to be confirmed be tried at once."""
        waited = {"user_id": user_id, "status": DUE, "recipient": recipient}
        self._rows.update_many(waited | {"error": {"$ne": None}}, {"$set": {"due_at": DUE_NOW}})

    def _change(
        self, notice_id: str, user_id: str, statuses: Sequence[str], changes: Document
    ) -> bool:
        query = {"_id": notice_id, "user_id": user_id, "status": {"$in": list(statuses)}}
        is_free = {"$expr": free(NOW)}  # one that is being sent cannot be changed any more
        return bool(self._rows.update_one(query | is_free, [{"$set": changes}]).modified_count)

    def _write(self, notices: Sequence[Notice], changes: Document) -> None:
        """Change rows of which the caller still holds the lease."""
        tokens = {each.lease.token for each in notices if each.lease is not None}
        ids = [each.id for each in notices]
        held = {"_id": {"$in": ids}, "status": DUE, "lease.token": {"$in": list(tokens)}}
        self._rows.update_many(held, [{"$set": changes}])


def pause(attempts: int) -> float:
    """Return after how many seconds a row that failed so often is tried again."""
    return float(min(FIRST_PAUSE_SECONDS * 2 ** min(attempts, 16), LONGEST_PAUSE_SECONDS))


_AFRESH: Final = {"tried_since": None, "attempts": 0, "error": None, "read_at": None}
_OF_USER: Final = "of_user"  # left alone, the server goes through everybody's
_GROUP: Final = ("user_id", "channel", "recipient")
_CANDIDATES: Final = 32


def _literal(text: str) -> Document:
    return {"$literal": short(text)}


def _arrived(moment: Moment) -> Document:
    return {"$lte": ["$due_at", moment]}


def free(moment: Moment) -> Document:
    """Return the condition that nobody holds a row."""
    return {"$lt": [{"$ifNull": ["$lease.until", None]}, moment]}


def _later(moment: Moment, seconds: float) -> Document:
    return {"$add": [moment, round(1000 * seconds)]}


def _told(user_id: str) -> Document:
    """Rows that the app tells of: what was sent to it, and what could not be sent elsewhere."""
    return {
        "user_id": user_id,
        "$or": [
            {"status": str(NoticeStatus.SENT), "channel": "app"},
            {"status": str(NoticeStatus.FAILED)},
        ],
    }
