"""Shares: permission for everybody with the link to look at a job."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from pymongo import DESCENDING
from pymongo.database import Database

from core.models import Share, new_id, now
from core.store.documents.reading import read, read_each

Document = dict[str, Any]


class ShareStore:
    """Keeps one document a share; the link itself is signed, see `core.web.identity.cookies`."""

    def __init__(self, database: Database[Document]) -> None:
        self._shares = database["shares"]
        self._views = database["view_log"]

    def make(self, job_id: str, user_id: str, expires_at: datetime) -> Share:
        """Share a user's own job."""
        share = Share(
            id=new_id(), job_id=job_id, user_id=user_id, created_at=now(), expires_at=expires_at
        )
        self._shares.insert_one(share.to_document())
        return share

    def get(self, share_id: str) -> Share | None:
        """Return a share that holds at present, or None."""
        share = read(Share, self._shares.find_one({"_id": share_id}))
        return share if share is not None and share.holds(now()) else None

    def of_job(self, job_id: str, user_id: str) -> list[Share]:
        """Return the shares of a user's job that hold at present, newest first."""
        query = {
            "job_id": job_id,
            "user_id": user_id,
            "withdrawn_at": None,
            "expires_at": {"$gt": now()},
        }
        found = self._shares.find(query).sort("created_at", DESCENDING)
        return list(read_each(Share, found))

    def looks(self, share_ids: Sequence[str]) -> dict[str, int]:
        """Return how often the jobs of these shares were opened by them, by share id."""
        opened = {"share": {"$in": list(share_ids)}, "action": "open_job"}
        grouped = self._views.aggregate(
            [{"$match": opened}, {"$group": {"_id": "$share", "times": {"$sum": 1}}}]
        )
        return dict.fromkeys(share_ids, 0) | {each["_id"]: each["times"] for each in grouped}

    def withdraw(self, share_id: str, user_id: str) -> bool:
        """Take back a share of a user's own; return whether it held."""
        held = {"_id": share_id, "user_id": user_id, "withdrawn_at": None}
        change = {"$set": {"withdrawn_at": now()}}
        return bool(self._shares.update_one(held, change).modified_count)
