"""Assets as pages show them. The workers' side: `work/queue.py` and `work/item_leases.py`."""

import math
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING
from pymongo.database import Database

from core.models import ENDED_STATES, Asset, AssetState
from core.store.documents.reading import read, read_each
from core.store.spending.costs import WHAT_COSTS

Document = dict[str, Any]

_LAST: Final = 10


class AssetStore:
    """Reads assets."""

    def __init__(self, database: Database[Document]) -> None:
        self._assets = database["assets"]
        self._partials = database["partials"]

    def get(self, asset_id: str, user_id: str | None = None) -> Asset | None:
        """Return an asset, or None where there is none (or, with `user_id`, none of that user)."""
        query = {"_id": asset_id} | ({} if user_id is None else {"user_id": user_id})
        return read(Asset, self._assets.find_one(query))

    def of_job(self, job_id: str, *, binned: bool = False) -> list[Asset]:
        """Return a job's assets: images, then videos, each in slot order.

        Args:
            job_id: the job.
            binned: whether those in the bin are wanted too.
        """
        return self.of_jobs([job_id], binned=binned)[job_id]

    def of_jobs(self, job_ids: Sequence[str], *, binned: bool = False) -> dict[str, list[Asset]]:
        """Return the assets of several jobs, by job id; see `of_job`."""
        query = {"job_id": {"$in": list(job_ids)}} | ({} if binned else {"binned_at": None})
        order = [("job_id", ASCENDING), ("kind", ASCENDING), ("slot", ASCENDING)]
        assets: dict[str, list[Asset]] = {job_id: [] for job_id in job_ids}
        for asset in read_each(Asset, self._assets.find(query).sort(order)):
            if asset.job_id in assets:
                assets[asset.job_id].append(asset)
        return assets

    def finished_with_kept(self, limit: int) -> list[Asset]:
        """Return finished items of whose last call something is still kept."""
        query = {
            "state": str(AssetState.DONE),
            "kept.what": {"$gt": ""},
            "$expr": {"$in": ["$call", "$kept.call"]},
        }
        return list(read_each(Asset, self._assets.find(query).limit(limit)))

    def with_kept(self, user_id: str | None = None) -> list[Asset]:
        """Return items without a file of which something is kept, of a user or (None) of all."""
        unmade = [str(state) for state in ENDED_STATES if state != AssetState.DONE]
        query: Document = {
            "$or": [{"state": {"$in": unmade}}, {"reread": True}],
            "kept.what": {"$gt": ""},
            "binned_at": None,
        }
        query |= {} if user_id is None else {"user_id": user_id}
        return list(read_each(Asset, self._assets.find(query).sort("_id", ASCENDING)))

    def partial(self, asset_id: str) -> bytes | None:
        """Return the latest picture (WebP) of an item half done; None where there is none."""
        document = self._partials.find_one({"_id": asset_id})
        webp = None if document is None else document.get("webp")
        return webp if isinstance(webp, bytes) else None

    def typical_cost(self, like: Asset) -> float | None:
        """Return what the last finished items like one cost on average; None: none is known.

        Args:
            like: of the same provider, model, kind, size, length and quality.
        """
        return self.typical_cost_of(
            like.provider, like.model, like.kind, like.params, edited=like.source is not None
        )

    def typical_cost_of(
        self, provider: str, model: str, kind: str, params: Mapping[str, Any], *, edited: bool
    ) -> float | None:
        """Return what `typical_cost` does, of items described so.

        Args:
            provider: who made them.
            model: with which model.
            kind: what they are.
            params: their parameters; only those that decide the cost are looked at.
            edited: whether they were derived from another item.
        """
        query: Document = {
            "state": str(AssetState.DONE),
            "provider": provider,
            "model": model,
            "kind": str(kind),
            "cost.actual": {"$type": ["double", "int", "long"], "$gte": 0, "$lt": math.inf},
            "source": {"$ne": None} if edited else None,
        }
        for name in WHAT_COSTS:
            query[f"params.{name}"] = params.get(name)
        found = self._assets.find(query, {"cost.actual": True})
        last = found.sort("timings.saved_at", DESCENDING).limit(_LAST)
        costs = [each["cost"]["actual"] for each in last]
        return sum(costs) / len(costs) if costs else None
