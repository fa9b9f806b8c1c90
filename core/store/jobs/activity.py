"""What users did over time: logins, looks at content, jobs. Counted by the database."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, TypeVar

from pymongo import DESCENDING
from pymongo.collection import Collection
from pymongo.cursor import Cursor
from pymongo.database import Database
from pymongo.errors import OperationFailure
from ulid import ULID

from core.models import Job, JobStatus, LoginEntry, Via, ViewEntry
from core.store.documents.expressions import number_at
from core.store.documents.reading import read_each
from core.store.jobs.activity_scope import (
    ACTIONS,
    BY_OTHERS,
    ActionKind,
    Scope,
    matching,
    matching_views_by_others,
    of_kinds,
)

Document = dict[str, Any]
Entry = TypeVar("Entry", LoginEntry, ViewEntry, Job)

LATEST: Final = 200
MOST: Final = 20
BATCH: Final = 1000
PATIENCE_MS: Final = 10_000  # somebody waits, and so do others for the same database
UNKNOWN_ZONE: Final = 40485  # MongoDB's code; its list of zones may be older than ours


@dataclass(frozen=True)
class Bar:
    """How often something was done in a day or month that begins at `start`."""

    start: datetime
    name: str
    number: int


@dataclass(frozen=True)
class JobViews:
    """How often a job was looked at; `owner`: whose it is."""

    job_id: str
    owner: str
    number: int
    last: datetime


@dataclass(frozen=True)
class ViewsByOther:
    """What somebody else looked at by one right; `job_id`: None: no single job."""

    user_id: str
    via: Via
    job_id: str | None
    number: int
    downloads: int
    last: datetime


@dataclass(frozen=True)
class ProviderTotals:
    """What a provider made, or could not make; `costs`: amounts by unit.

    `uncertain`: how many items may have been charged besides.
    """

    provider: str
    images: int
    videos: int
    failed: int
    costs: dict[str, float]
    uncertain: int = 0


@dataclass(frozen=True)
class UserTotals:
    """How much a user did."""

    user_id: str
    logins: int
    views: int
    jobs: int
    last: datetime


@dataclass(frozen=True)
class RefusedLogins:
    """How often logins from an address failed; `accounts`: with how many user_ids."""

    address: str
    number: int
    accounts: int
    last: datetime


class ActivityStore:
    """Reads and counts the logs and the jobs; what it counts stays in the database."""

    def __init__(self, database: Database[Document]) -> None:
        self._logins = database["login_log"]
        self._views = database["view_log"]
        self._jobs = database["jobs"]
        self._assets = database["assets"]

    def logins(self, scope: Scope, limit: int = LATEST) -> list[LoginEntry]:
        """Return the latest attempts to log in, newest first."""
        found = self._logins.find(matching(scope)).sort("time", DESCENDING)
        return _read(found, LoginEntry, limit)

    def views(self, scope: Scope, limit: int = LATEST) -> list[ViewEntry]:
        """Return the latest looks by the scope's user, newest first."""
        found = self._views.find(matching(scope) | of_kinds(scope)).sort("time", DESCENDING)
        return _read(found, ViewEntry, limit)

    def views_by_others(self, scope: Scope) -> list[ViewsByOther]:
        """Return who else looked at the scope's user's content, the last look first."""
        is_download = {"$in": ["$action", ACTIONS[ActionKind.DOWNLOADS]]}
        found = _counted(
            self._views,
            [
                {"$match": matching_views_by_others(scope) | of_kinds(scope)},
                {
                    "$group": {
                        "_id": {"user_id": "$user_id", "via": "$via", "job_id": "$job_id"},
                        "number": {"$sum": 1},
                        "downloads": {"$sum": {"$cond": [is_download, 1, 0]}},
                        "last": {"$max": "$time"},
                    }
                },
                {"$sort": {"last": -1}},
                {"$limit": LATEST},
            ],
        )
        return [
            ViewsByOther(
                each["_id"]["user_id"],
                Via(each["_id"]["via"]),
                each["_id"].get("job_id"),
                *(each[name] for name in ("number", "downloads", "last")),
            )
            for each in found
            if isinstance(each["_id"].get("user_id"), str) and each["_id"]["via"] in BY_OTHERS
        ]

    def jobs(self, scope: Scope, limit: int = LATEST) -> list[Job]:
        """Return the latest jobs, newest first."""
        found = self._jobs.find(matching(scope, "created_at")).sort("created_at", DESCENDING)
        return _read(found, Job, limit)

    def every_login(self, scope: Scope) -> Iterator[LoginEntry]:
        """Return all attempts to log in, newest first, a batch in memory at a time."""
        return _each(self._logins.find(matching(scope)).sort("time", DESCENDING), LoginEntry)

    def every_view(self, scope: Scope) -> Iterator[ViewEntry]:
        """Return all looks by the user and at their content, newest first, as `every_login`."""
        whose: Document = matching(scope)
        if scope.user_id is not None:
            whose = {"$or": [whose, matching_views_by_others(scope)]}
        found = self._views.find(whose | of_kinds(scope)).sort("time", DESCENDING)
        return _each(found, ViewEntry)

    def every_job(self, scope: Scope) -> Iterator[Job]:
        """Return all jobs, newest first, as `every_login`."""
        found = self._jobs.find(matching(scope, "created_at")).sort("created_at", DESCENDING)
        return _each(found, Job)

    def views_over_time(self, scope: Scope) -> list[Bar]:
        """Return how many looks there were, by day or month and `ActionKind`."""
        branches = [
            {"case": {"$in": ["$action", actions]}, "then": str(kind)}
            for kind, actions in ACTIONS.items()
        ]
        name = {"$switch": {"branches": branches, "default": str(ActionKind.VIEWS)}}
        return self._bars(self._views, matching(scope) | of_kinds(scope), scope, "time", name)

    def jobs_over_time(self, scope: Scope) -> list[Bar]:
        """Return how many jobs were begun, by day or month and status.

        Those that failed, and of which something is there, have the status “Completed in part”.
        """
        at = "created_at"
        paths = [{"$ifNull": [f"${kind}_paths", []]} for kind in ("image", "video")]
        some = {"$gt": [{"$size": {"$concatArrays": paths}}, 0]}
        in_part = {"$and": [{"$eq": ["$status", str(JobStatus.FAILED)]}, some]}
        name = {"$cond": [in_part, "Completed in part", "$status"]}
        return self._bars(self._jobs, matching(scope, at), scope, at, name)

    def most_viewed_jobs(self, scope: Scope) -> list[JobViews]:
        """Return the jobs that the scope's user looked at most."""
        match = matching(scope) | of_kinds(scope) | {"job_id": {"$gt": ""}}
        found = _counted(
            self._views,
            [
                {"$match": match},
                {
                    "$group": {
                        "_id": "$job_id",
                        "owner": {"$first": {"$ifNull": ["$owner", "$user_id"]}},
                        "number": {"$sum": 1},
                        "last": {"$max": "$time"},
                    }
                },
                {"$sort": {"number": -1, "last": -1}},
                {"$limit": MOST},
            ],
        )
        return [
            JobViews(each["_id"], each["owner"], each["number"], each["last"])
            for each in found
            if isinstance(each["_id"], str) and isinstance(each["owner"], str)
        ]

    def provider_totals(self, scope: Scope) -> list[ProviderTotals]:
        """Return what came of the items of the jobs, by provider."""
        # An item's job has an id that sorts by its time of creation, and an index.
        match: Document = {"job_id": {"$gte": str(ULID.from_datetime(scope.since)).lower()}}
        if scope.user_id is not None:
            match["user_id"] = scope.user_id
        costs = [number_at(f"$cost.{name}") for name in ("earlier", "actual")]
        by_unit = {
            "_id": {"provider": "$provider", "unit": "$cost.unit"},
            "images": _number_of({"kind": "image", "state": "done"}),
            "videos": _number_of({"kind": "video", "state": "done"}),
            "failed": _number_of({"state": "failed"}),
            "spent": {"$sum": {"$add": costs}},
            "uncertain": _number_of({"charged": True}),
        }
        by_provider = {
            "_id": "$_id.provider",
            **{name: {"$sum": f"${name}"} for name in ("images", "videos", "failed", "uncertain")},
            "costs": {"$push": {"k": "$_id.unit", "v": "$spent"}},
        }
        found = _counted(
            self._assets,
            [
                {"$match": match},
                {"$unionWith": {"coll": "receipts", "pipeline": [{"$match": match}]}},
                {"$group": by_unit},
                {"$group": by_provider},
                {"$sort": {"_id": 1}},
            ],
        )
        return [
            ProviderTotals(
                provider=each["_id"],
                images=each["images"],
                videos=each["videos"],
                failed=each["failed"],
                uncertain=each["uncertain"],
                costs={
                    cost["k"]: round(cost["v"], 6)
                    for cost in each["costs"]
                    if cost["v"] and isinstance(cost.get("k"), str)
                },
            )
            for each in found
            if isinstance(each["_id"], str)
        ]

    def user_totals(self, scope: Scope) -> list[UserTotals]:
        """Return who did most, of all users."""
        parts = {
            "login_log": ("logins", matching(scope) | {"outcome": "accepted"}, "$time"),
            "jobs": ("jobs", matching(scope, "created_at"), "$created_at"),
        }
        others = [
            {"$unionWith": {"coll": each, "pipeline": _by_user(*part)}}
            for each, part in parts.items()
        ]
        total = {name: {"$sum": f"${name}"} for name in ("logins", "views", "jobs")}
        found = _counted(
            self._views,
            [
                *_by_user("views", matching(scope) | of_kinds(scope), "$time"),
                *others,
                {"$group": {"_id": "$_id", **total, "last": {"$max": "$last"}}},
                {"$sort": {"views": -1, "jobs": -1, "_id": 1}},
                {"$limit": LATEST},
            ],
        )
        return [
            UserTotals(each["_id"], each["logins"], each["views"], each["jobs"], each["last"])
            for each in found
            if isinstance(each["_id"], str)
        ]

    def refused_by_address(self, scope: Scope) -> list[RefusedLogins]:
        """Return the addresses that most failed logins came from."""
        # Counting user_ids in two steps keeps no list of them, which somebody could make too long.
        by_both = {
            "_id": {"address": "$address", "user_id": "$user_id"},
            "number": {"$sum": 1},
            "last": {"$max": "$time"},
        }
        by_address = {
            "_id": "$_id.address",
            "number": {"$sum": "$number"},
            "accounts": {"$sum": 1},
            "last": {"$max": "$last"},
        }
        found = _counted(
            self._logins,
            [
                {"$match": {"outcome": "refused"} | matching(scope)},
                {"$group": by_both},
                {"$group": by_address},
                {"$sort": {"number": -1, "last": -1}},
                {"$limit": LATEST},
            ],
        )
        return [
            RefusedLogins(each["_id"], each["number"], each["accounts"], each["last"])
            for each in found
            if isinstance(each["_id"], str)
        ]

    def _bars(
        self,
        collection: Collection[Document],
        match: Document,
        scope: Scope,
        at: str,
        name: str | Document,
    ) -> list[Bar]:
        def count(zone: str) -> list[Document]:
            start = {"$dateTrunc": {"date": f"${at}", "unit": scope.unit, "timezone": zone}}
            group = {"_id": {"start": start, "name": name}, "number": {"$sum": 1}}
            dated = {"$expr": {"$eq": [{"$type": f"${at}"}, "date"]}}  # no list of dates, either
            return _counted(
                collection,
                [{"$match": match}, {"$match": dated}, {"$group": group}, {"$sort": {"_id": 1}}],
            )

        try:
            found = count(scope.zone.key)
        except OperationFailure as error:
            if error.code != UNKNOWN_ZONE:
                raise
            found = count(f"{datetime.now(scope.zone):%z}")
        return [
            Bar(each["_id"]["start"], each["_id"]["name"], each["number"])
            for each in found
            if isinstance(each["_id"].get("name"), str)
        ]


def _by_user(name: str, match: Document, at: str) -> list[Document]:
    group = {"_id": "$user_id", name: {"$sum": 1}, "last": {"$max": at}}
    return [{"$match": match}, {"$group": group}]


def _number_of(fields: dict[str, str | bool]) -> Document:
    equal = [{"$eq": [f"${field}", value]} for field, value in fields.items()]
    return {"$sum": {"$cond": [{"$and": equal}, 1, 0]}}


def _counted(collection: Collection[Document], pipeline: list[Document]) -> list[Document]:
    return list(collection.aggregate(pipeline, maxTimeMS=PATIENCE_MS))


def _read(found: Cursor[Document], model: type[Entry], limit: int) -> list[Entry]:
    return list(read_each(model, found.limit(limit).max_time_ms(PATIENCE_MS)))


def _each(found: Cursor[Document], model: type[Entry]) -> Iterator[Entry]:
    with found.batch_size(BATCH):
        yield from read_each(model, found)
