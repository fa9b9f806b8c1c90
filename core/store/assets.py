"""Assets as pages and people see them. The engine's side: `queue.py` and `leases.py`."""

from typing import Any

from pymongo import ASCENDING, DESCENDING
from pymongo.database import Database

from core.models import Asset, AssetState, Kind

Document = dict[str, Any]


class AssetStore:
    """Reads assets."""

    def __init__(self, database: Database[Document]) -> None:
        self._assets = database["assets"]

    def get(self, asset_id: str, user_id: str | None = None) -> Asset | None:
        """Return an asset, or None where there is none (or, with `user_id`, none of that user)."""
        query = {"_id": asset_id} | ({} if user_id is None else {"user_id": user_id})
        document = self._assets.find_one(query)
        return None if document is None else Asset.from_document(document)

    def of_job(self, job_id: str) -> list[Asset]:
        """Return a job's assets: images, then videos, each in slot order."""
        order = [("kind", ASCENDING), ("slot", ASCENDING)]
        found = self._assets.find({"job_id": job_id}).sort(order)
        return [Asset.from_document(document) for document in found]

    def gallery(self, user_id: str, kind: Kind, limit: int = 60) -> list[Asset]:
        """Return a user's finished assets of a kind, newest first."""
        found = self._assets.find(_finished(user_id, kind)).sort("timings.saved_at", DESCENDING)
        return [Asset.from_document(document) for document in found.limit(limit)]

    def count(self, user_id: str, kind: Kind) -> int:
        """Return how many finished assets of a kind a user has."""
        return self._assets.count_documents(_finished(user_id, kind))


def _finished(user_id: str, kind: Kind) -> Document:
    return {"user_id": user_id, "kind": str(kind), "state": str(AssetState.DONE)}
