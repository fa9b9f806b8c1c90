"""Collections, their validators and the indexes that their queries need."""

from typing import Any, Final

from pymongo import ASCENDING, DESCENDING, TEXT, IndexModel
from pymongo.database import Database
from pymongo.errors import CollectionInvalid

from core.models import TOMBSTONE, AssetState, JobStatus, Kind, NoticeStatus, Via

Document = dict[str, Any]

FORGET_WORKERS_SECONDS: Final = 3600
FORGET_INVITES_SECONDS: Final = 30 * 86_400
FORGET_SHARES_SECONDS: Final = 30 * 86_400
FORMER_INDEXES: Final = {
    "assets": ("ready", "leases", "waiting", "gallery"),
    "outbox": ("once", "due"),
}  # of earlier versions; not used any more
_TEXT: Final = {"bsonType": "string"}
_DATE: Final = {"bsonType": "date"}
_NUMBER: Final = {"bsonType": ["int", "long", "double"]}
_PATHS: Final = {"bsonType": "array", "items": _TEXT}
_DONE: Final = {"state": str(AssetState.DONE)}
_IN_LIBRARY: Final = [
    (key, ASCENDING) for key in ("user_id", "state", "binned_at", "kind", "timings.saved_at", "_id")
]
"""All that a query of the library always names, so that it is counted in the index alone."""


def _or_null(rule: Document) -> Document:
    return {"anyOf": [rule, {"bsonType": "null"}]}


def _object(required: list[str], properties: Document) -> Document:
    return {"bsonType": "object", "required": required, "properties": properties}


VALIDATORS: Final[dict[str, Document]] = {
    "users": _object(["created_at"], {"_id": _TEXT, "created_at": _DATE}),
    "jobs": _object(
        [
            *("user_id", "prompt", "video_paths", "image_paths", "status", "generated_at"),
            *("created_at", "updated_at", "requested", "options", "notify"),
        ],
        {
            "_id": _TEXT,
            "user_id": _TEXT,
            "prompt": {"bsonType": "string", "minLength": 1},
            "video_paths": _PATHS,
            "image_paths": _PATHS,
            "status": {"enum": [str(status) for status in JobStatus]},
            "generated_at": _or_null(_DATE),
            "created_at": _DATE,
            "updated_at": _DATE,
            "requested": _object(["images", "videos"], {"images": _NUMBER, "videos": _NUMBER}),
        },
    ),
    "assets": _object(
        ["job_id", "user_id", "kind", "slot", "provider", "model", "state", "next_attempt_at"],
        {
            "_id": _TEXT,
            "job_id": _TEXT,
            "user_id": _TEXT,
            "kind": {"enum": [str(kind) for kind in Kind]},
            "slot": _NUMBER,
            "state": {"enum": [str(state) for state in AssetState]},
            "progress": {**_NUMBER, "minimum": 0, "maximum": 1},
            "path": _or_null(_TEXT),
            "display_path": _or_null(_TEXT),
            "next_attempt_at": _DATE,
        },
    ),
    "partials": _object(["webp", "at"], {"at": _DATE}),
    "receipts": _object(
        ["job_id", "user_id", "kind", "provider", "model", "cost", "removed_at"],
        {"job_id": _TEXT, "user_id": _TEXT, "removed_at": _DATE},
    ),
    "installation": _object(["value"], {}),
    "quarantine": _object(["collection", "at"], {"collection": _TEXT, "at": _DATE}),
    "outbox": _object(
        ["user_id", "channel", "recipient", "status", "due_at"],
        {"status": {"enum": [str(status) for status in NoticeStatus]}, "due_at": _DATE},
    ),
    "addresses": _object(
        ["user_id", "address", "unsubscribe_token"], {"user_id": _TEXT, "address": _TEXT}
    ),
    "workers": _object(
        ["host", "pid", "broker", "queues", "started_at", "seen_at"], {"seen_at": _DATE}
    ),
    "spending": {"bsonType": "object"},
    "leader": _object(["owner", "until"], {"owner": _TEXT, "until": _DATE}),
    "sessions": _object(
        ["user_id", "created_at", "seen_at", "expires_at"],
        {"user_id": _TEXT, "expires_at": _DATE},
    ),
    "attempts": _object(["count"], {"count": _NUMBER}),
    "invites": _object(["made_by", "expires_at"], {"expires_at": _DATE}),
    "shares": _object(
        ["job_id", "user_id", "created_at", "expires_at"],
        {"job_id": _TEXT, "user_id": _TEXT, "expires_at": _DATE},
    ),
    "login_log": _object(
        ["user_id", "outcome", "reason", "address", "agent", "time"], {"time": _DATE}
    ),
    "view_log": _object(["user_id", "action", "time"], {"time": _DATE}),
}

INDEXES: Final[dict[str, list[IndexModel]]] = {
    "users": [
        IndexModel(
            [("subject", ASCENDING)],
            name="of_subject",
            unique=True,
            partialFilterExpression={"subject": {"$type": "object"}},
        ),
        IndexModel([("deleting_at", ASCENDING)], name="to_delete", sparse=True),
        IndexModel([("admin", ASCENDING)], name="admins", partialFilterExpression={"admin": True}),
    ],
    "sessions": [
        IndexModel([("user_id", ASCENDING), ("seen_at", DESCENDING)], name="of_user"),
        IndexModel([("nonce", ASCENDING)], name="once", unique=True, sparse=True),
        IndexModel([("expires_at", ASCENDING)], name="over", expireAfterSeconds=0),
    ],
    "attempts": [IndexModel([("forget_at", ASCENDING)], name="over", expireAfterSeconds=0)],
    "invites": [
        IndexModel(
            [("expires_at", ASCENDING)], name="over", expireAfterSeconds=FORGET_INVITES_SECONDS
        )
    ],
    "shares": [
        IndexModel([("job_id", ASCENDING), ("created_at", DESCENDING)], name="of_job"),
        IndexModel([("user_id", ASCENDING)], name="of_user"),
        IndexModel(
            [("expires_at", ASCENDING)], name="over", expireAfterSeconds=FORGET_SHARES_SECONDS
        ),
    ],
    "jobs": [
        IndexModel([("user_id", ASCENDING), ("created_at", DESCENDING)], name="of_user"),
        IndexModel([("created_at", DESCENDING)], name="latest"),
        IndexModel(
            [("status", ASCENDING)],
            name="processing",
            partialFilterExpression={"status": str(JobStatus.PROCESSING)},
        ),
    ],
    "assets": [
        IndexModel(
            [("job_id", ASCENDING), ("kind", ASCENDING), ("slot", ASCENDING)],
            name="of_job",
            unique=True,
        ),
        IndexModel(
            [
                (key, ASCENDING)
                for key in (
                    *("state", "provider", "model", "user_id"),
                    *("next_attempt_at", "job_id", "kind", "slot"),
                )
            ],
            name="due",
        ),
        IndexModel(
            [(key, ASCENDING) for key in ("state", "provider", "model")],
            name="at_provider",
            partialFilterExpression={"remote_id": {"$type": "string"}},
        ),
        IndexModel(
            [(key, ASCENDING) for key in ("state", "lease.until", "provider", "model")],
            name="in_flight",
        ),
        IndexModel(
            [("lease.owner", ASCENDING)],
            name="to_cancel",
            partialFilterExpression={"cancel_requested": True},
        ),
        IndexModel(
            [("lease.owner", ASCENDING)],
            name="handed_out",
            partialFilterExpression={"lease.owner": {"$gte": "queue:", "$lt": "queue;"}},
        ),
        IndexModel([(key, ASCENDING) for key in ("user_id", "state", "job_id")], name="of_user"),
        IndexModel(_IN_LIBRARY, name="library", partialFilterExpression=_DONE),
        IndexModel(
            [*_IN_LIBRARY[:-2], ("rating", ASCENDING), *_IN_LIBRARY[-2:]],
            name="stars",
            partialFilterExpression=_DONE,
        ),
        IndexModel(
            _IN_LIBRARY,
            name="favourites",
            partialFilterExpression=_DONE | {"favourite": True},
        ),
        IndexModel(
            [_IN_LIBRARY[0], ("collections", ASCENDING), *_IN_LIBRARY[1:]],
            name="collections",
            partialFilterExpression={"collections": {"$gt": ""}},
        ),
        IndexModel(
            [("user_id", ASCENDING), ("words", TEXT)],
            name="words",
            default_language="none",  # see `core.store.jobs.search`
            partialFilterExpression=_DONE,
        ),
        IndexModel(
            [(key, ASCENDING) for key in ("user_id", "binned_at", "_id")],
            name="bin",
            partialFilterExpression={"binned_at": {"$gte": TOMBSTONE}},
        ),
        IndexModel(
            [("binned_at", ASCENDING)],
            name="to_remove",
            partialFilterExpression={"binned_at": {"$gte": TOMBSTONE}},
        ),
        IndexModel(
            [("source", ASCENDING), ("state", ASCENDING)],
            name="made_of",
            partialFilterExpression={"source": {"$gt": ""}},
        ),
        IndexModel(
            [("state", ASCENDING)],
            name="kept",
            partialFilterExpression={"kept.what": {"$gt": ""}},
        ),
        IndexModel([(key, ASCENDING) for key in ("provider", "model", "called_at")], name="called"),
        IndexModel([("user_id", ASCENDING), ("timings.queued_at", DESCENDING)], name="spending"),
        IndexModel(
            [
                *((key, ASCENDING) for key in ("provider", "model", "state", "kind")),
                ("timings.saved_at", DESCENDING),
            ],
            name="costs",
        ),
    ],
    "partials": [IndexModel([("at", ASCENDING)], name="old", expireAfterSeconds=3600)],
    "receipts": [
        IndexModel([("forget_at", ASCENDING)], name="month_over", expireAfterSeconds=0),
        IndexModel([("job_id", ASCENDING)], name="of_job"),
        IndexModel([("user_id", ASCENDING), ("timings.queued_at", DESCENDING)], name="of_user"),
        IndexModel([(key, ASCENDING) for key in ("provider", "model", "called_at")], name="called"),
    ],
    "installation": [],
    "quarantine": [IndexModel([("user_id", ASCENDING)], name="of_user")],
    "spending": [],
    "outbox": [
        IndexModel(
            [("job_id", ASCENDING), ("channel", ASCENDING), ("recipient", ASCENDING)],
            name="once_a_job",
            unique=True,
            partialFilterExpression={"job_id": {"$type": "string"}},
        ),
        IndexModel([("job_id", ASCENDING)], name="of_job"),  # the partial one is not used for that
        IndexModel([(key, ASCENDING) for key in ("status", "channel", "due_at")], name="to_send"),
        IndexModel([("lease.token", ASCENDING)], name="held", sparse=True),
        IndexModel([("lease.owner", ASCENDING)], name="holders", sparse=True),
        IndexModel([(key, ASCENDING) for key in ("user_id", "status", "due_at")], name="of_user"),
    ],
    "addresses": [
        IndexModel([("mailbox", ASCENDING)], name="of_mailbox"),
        IndexModel([("forget_at", ASCENDING)], name="over", expireAfterSeconds=0),
        IndexModel([("user_id", ASCENDING)], name="of_user"),
        IndexModel([("confirm_token", ASCENDING)], name="to_confirm", sparse=True),
        IndexModel([("unsubscribe_token", ASCENDING)], name="to_unsubscribe", unique=True),
    ],
    "workers": [
        IndexModel([("seen_at", ASCENDING)], name="gone", expireAfterSeconds=FORGET_WORKERS_SECONDS)
    ],
    "leader": [],
    "login_log": [
        IndexModel([("user_id", ASCENDING), ("time", DESCENDING)], name="of_user"),
        IndexModel(
            [("outcome", ASCENDING), ("address", ASCENDING), ("time", DESCENDING)],
            name="of_address",
        ),
    ],
    "view_log": [
        IndexModel([("user_id", ASCENDING), ("time", DESCENDING)], name="of_user"),
        IndexModel([("owner", ASCENDING), ("time", DESCENDING)], name="of_owner"),
        IndexModel([("job_id", ASCENDING), ("time", DESCENDING)], name="of_job"),
        IndexModel(
            [("owner", ASCENDING), ("via", ASCENDING), ("time", DESCENDING)],
            name="by_others",
            partialFilterExpression={"via": {"$in": [str(Via.ADMIN), str(Via.SHARE)]}},
        ),
        IndexModel(
            [("share", ASCENDING), ("action", ASCENDING)],
            name="of_share",
            partialFilterExpression={"share": {"$gt": ""}},
        ),
    ],
}
_LEVEL: Final = "moderate"
"""What is stored already and does not fit can still be changed, or its job would never end."""
LOGS: Final = {"login_log": "time", "view_log": "time", "receipts": "removed_at"}
"""What is kept for `LOG_DAYS`, and since when."""
LONGEST_MONTH: Final = 31  # of days; a month's budget counts receipts

_WORDS_MARK: Final = {"_id": "words"}  # in `installation`: the items of earlier versions have them
_OF_OWNERS: Final[Document] = {
    "favourite": False,
    "rating": 0,
    "collections": [],
    "note": "",
    "binned_at": None,
}
"""What an owner makes of items, where that is nothing yet."""


def ensure(database: Database[Document], log_days: int) -> None:
    """Create what is missing and update the validators; safe to call at every start.

    Args:
        database: where.
        log_days: how long the logs keep an entry.
    """
    existing = set(database.list_collection_names())
    for name, rule in VALIDATORS.items():
        validator = {"$jsonSchema": rule}
        if name not in existing:
            try:
                database.create_collection(name, validator=validator, validationLevel=_LEVEL)
            except CollectionInvalid:  # another process was faster
                database.command("collMod", name, validator=validator, validationLevel=_LEVEL)
        else:
            database.command("collMod", name, validator=validator, validationLevel=_LEVEL)
        for former in set(FORMER_INDEXES.get(name, ())) & set(database[name].index_information()):
            database[name].drop_index(former)
        if INDEXES[name]:
            database[name].create_indexes(INDEXES[name])
    for name, since in LOGS.items():
        days = max(log_days, LONGEST_MONTH) if name == "receipts" else log_days
        _keep_for(database, name, since, days * 86_400)
    _fill_in(database)


def _fill_in(database: Database[Document]) -> None:
    """Give items of earlier versions what the library finds them by; once an installation."""
    if database["installation"].find_one(_WORDS_MARK) is not None:
        return
    of_job = {"from": "jobs", "localField": "job_id", "foreignField": "_id", "as": "job"}
    kept = {name: {"$ifNull": [f"${name}", value]} for name, value in _OF_OWNERS.items()}
    database["assets"].aggregate(
        [
            {"$match": {"words": {"$exists": False}}},
            {"$lookup": of_job},
            {"$set": {"words": {"$ifNull": ["$prompt", {"$first": "$job.prompt"}, ""]}}},
            {"$project": {"words": True}},
            {
                "$merge": {
                    "into": "assets",
                    "whenMatched": [{"$set": {"words": "$$new.words", **kept}}],
                    "whenNotMatched": "discard",
                }
            },
        ]
    )
    database["installation"].update_one(_WORDS_MARK, {"$set": {"value": 1}}, upsert=True)


def _keep_for(database: Database[Document], name: str, since: str, seconds: int) -> None:
    """Have a log's entries removed so many seconds after their time.

    Args:
        database: where.
        name: the collection.
        since: the field with the time.
        seconds: how long they are kept.
    """
    if "over" in database[name].index_information():
        index = {"name": "over", "expireAfterSeconds": seconds}
        database.command("collMod", name, index=index)
    else:
        database[name].create_index(since, name="over", expireAfterSeconds=seconds)
