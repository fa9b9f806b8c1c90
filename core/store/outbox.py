"""The outbox: one row a message to be sent, unique on job, channel and recipient."""

from datetime import timedelta
from typing import Any, Final

from pymongo import ASCENDING
from pymongo.database import Database

from core.models import Notice, now

Document = dict[str, Any]

LONGEST_PAUSE_SECONDS: Final = 300
PUT_OFF_SECONDS: Final = 5


class Outbox:
    """Hands out due rows and keeps what became of them."""

    def __init__(self, database: Database[Document]) -> None:
        self._rows = database["outbox"]

    def due(self, limit: int = 100) -> list[Notice]:
        """Return rows whose time has come, oldest first."""
        found = self._rows.find({"status": "due", "due_at": {"$lte": now()}})
        return [Notice.from_document(row) for row in found.sort("due_at", ASCENDING).limit(limit)]

    def of_job(self, job_id: str) -> list[Notice]:
        """Return all rows of a job."""
        return [Notice.from_document(row) for row in self._rows.find({"job_id": job_id})]

    def sent(self, notice_id: str) -> None:
        """Store that a row was sent."""
        self._rows.update_one(
            {"_id": notice_id, "status": "due"},
            {"$set": {"status": "sent", "sent_at": now(), "error": None}, "$inc": {"attempts": 1}},
        )

    def failed(self, notice: Notice, reason: str) -> None:
        """Store that sending failed; the row is due again after a pause that grows."""
        pause = timedelta(seconds=min(2**notice.attempts, LONGEST_PAUSE_SECONDS))
        self._rows.update_one(
            {"_id": notice.id, "status": "due"},
            {"$set": {"error": reason, "due_at": now() + pause}, "$inc": {"attempts": 1}},
        )

    def put_off(self, notice_id: str) -> None:
        """Let a row wait a little, so that it is in nobody's way."""
        self._rows.update_one(
            {"_id": notice_id, "status": "due"},
            {"$set": {"due_at": now() + timedelta(seconds=PUT_OFF_SECONDS)}},
        )

    def gave_up(self, notice_id: str, reason: str) -> None:
        """Store that a row can never be sent."""
        self._rows.update_one(
            {"_id": notice_id, "status": "due"}, {"$set": {"status": "failed", "error": reason}}
        )
