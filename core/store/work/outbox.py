"""The outbox: one row a message to one recipient; of a job, one for each channel.

Several notifiers may share it: who sends a row holds a lease on it, and every write that says
what came of it carries the lease's token. A row whose holder died is claimed again when its lease
has run out. All times that decide anything are the database's own, unless a test names another.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from pymongo import ASCENDING, UpdateOne
from pymongo.database import Database

from core.i18n import N_
from core.models import Notice, NoticeStatus, new_id
from core.store.documents.expressions import number_at
from core.store.documents.lease_fields import NOW, Moment, free, from_now, grant, held, renewed
from core.store.documents.reading import read
from core.store.documents.storable import short

Document = dict[str, Any]

DUE: Final = str(NoticeStatus.DUE)
UNREADABLE: Final = N_("It could not be read; perhaps a newer version of Fivefold wrote it.")
UNSERVED: Final = N_("Nobody sends over this channel here any more.")
DIGEST_ROWS: Final = 100
TRY_FOR: Final = timedelta(days=1)
GROUP: Final = ("user_id", "channel", "recipient")
"""What the rows of one digest have in common."""

_CANDIDATES: Final = 32


class Outbox:
    """Hands out due rows and keeps what became of them."""

    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["outbox"]

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
            sending = {"lease.owner": {"$exists": True}, "$expr": held(moment)}
            # `distinct` does not know the present time.
            busy = self._rows.find(due | sending, {"user_id": True})
            due["user_id"] = {"$nin": [row.get("user_id") for row in busy]}
        token = new_id()
        take = [{"$set": grant(owner, token, lease_seconds, moment)}]
        waiting: set[str] = set()  # users of whose digest something is being sent
        while True:
            past = {"$nor": [{"digest": True, "user_id": {"$in": list(waiting)}}]}
            fields = {"digest": True} | dict.fromkeys(GROUP, True)
            found = self._rows.find(due | is_free | past, fields).sort("due_at", ASCENDING)
            candidates, unreadable = list(found.limit(_CANDIDATES)), False
            # Others may be claiming beside us: what one of them was faster with is passed over.
            for row in candidates:
                if not all(isinstance(row.get(name), str) for name in GROUP):
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
        group = due | {"digest": True} | {name: row[name] for name in GROUP}
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
        """Renew leases, named by their tokens; return how many rows they still hold."""
        ours = {"status": DUE, "lease.token": {"$in": list(tokens)}}
        return self._rows.update_many(ours, renewed(lease_seconds)).matched_count

    def sent(self, said: Mapping[str, tuple[str, str]]) -> None:
        """Store that rows were sent.

        This is so whoever holds them now: a lease that ran out does not make it untrue.

        Args:
            said: title and text of the message, by the row's id.
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
            "due_at": {"$cond": [given_up, moment, from_now(retry_in or 0, moment)]},
            "tried_since": since,
            "attempts": {"$add": [number_at("$attempts"), 1]},
            "error": {"$literal": short(reason)},
            "lease": None,
        }
        self._write(notices, changes)

    def postpone(
        self, notices: Sequence[Notice], seconds: float, reason: str | None, moment: Moment = NOW
    ) -> None:
        """Let claimed rows wait, at no fault of their channel."""
        changes = {"due_at": from_now(seconds, moment), "lease": None, "tried_since": None}
        self._write(notices, changes | {"error": {"$literal": reason and short(reason)}})

    def give_up_unserved(self, served: Collection[str]) -> None:
        """Give up what is long overdue over channels that nobody looks after any more.

        Args:
            served: the channels that are looked after here.
        """
        late = {"$lt": ["$due_at", from_now(-TRY_FOR.total_seconds())]}
        query = {"status": DUE, "channel": {"$nin": list(served)}}
        given_up = {"status": str(NoticeStatus.FAILED), "error": UNSERVED, "due_at": NOW}
        self._rows.update_many(query | {"$expr": {"$and": [late, free()]}}, [{"$set": given_up}])

    def overdue(self, seconds: float) -> int:
        """Return how much has been due for so long without being tried."""
        late = {"$lt": ["$due_at", from_now(-seconds)]}
        untried = {"status": DUE, "error": None, "tried_since": None}
        return self._rows.count_documents(untried | {"$expr": {"$and": [late, free()]}})

    def _write(self, notices: Sequence[Notice], changes: Document) -> None:
        """Change rows of which the caller still holds the lease."""
        tokens = {each.lease.token for each in notices if each.lease is not None}
        ids = [each.id for each in notices]
        ours = {"_id": {"$in": ids}, "status": DUE, "lease.token": {"$in": list(tokens)}}
        self._rows.update_many(ours, [{"$set": changes}])


def _literal(text: str) -> Document:
    return {"$literal": short(text)}


def _arrived(moment: Moment) -> Document:
    return {"$lte": ["$due_at", moment]}
