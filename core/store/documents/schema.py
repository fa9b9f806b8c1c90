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


def _index(
    name: str, keys: str, where: Document | None = None, **options: bool | int
) -> IndexModel:
    """Return an index.

    Args:
        name: the index's name.
        keys: the fields in their order; those after “-” descending.
        where: which documents are in it; None: all.
        options: further options of the server's.
    """
    fields = [
        (key.removeprefix("-"), DESCENDING if key.startswith("-") else ASCENDING)
        for key in keys.split()
    ]
    some = {} if where is None else {"partialFilterExpression": where}
    return IndexModel(fields, name=name, **some, **options)


INDEXES: Final[dict[str, list[IndexModel]]] = {
    "users": [
        _index("of_subject", "subject", {"subject": {"$type": "object"}}, unique=True),
        _index("to_delete", "deleting_at", sparse=True),
        _index("admins", "admin", {"admin": True}),
    ],
    "sessions": [
        _index("of_user", "user_id -seen_at"),
        _index("once", "nonce", unique=True, sparse=True),
        _index("over", "expires_at", expireAfterSeconds=0),
    ],
    "attempts": [_index("over", "forget_at", expireAfterSeconds=0)],
    "invites": [_index("over", "expires_at", expireAfterSeconds=FORGET_INVITES_SECONDS)],
    "shares": [
        _index("of_job", "job_id -created_at"),
        _index("of_user", "user_id"),
        _index("over", "expires_at", expireAfterSeconds=FORGET_SHARES_SECONDS),
    ],
    "jobs": [
        _index("of_user", "user_id -created_at"),
        _index("latest", "-created_at"),
        _index("processing", "status", {"status": str(JobStatus.PROCESSING)}),
    ],
    "assets": [
        _index("of_job", "job_id kind slot", unique=True),
        _index("due", "state provider model user_id next_attempt_at job_id kind slot"),
        _index("at_provider", "state provider model", {"remote_id": {"$type": "string"}}),
        _index("in_flight", "state lease.until provider model"),
        _index("to_cancel", "lease.owner", {"cancel_requested": True}),
        _index("handed_out", "lease.owner", {"lease.owner": {"$gte": "queue:", "$lt": "queue;"}}),
        _index("of_user", "user_id state job_id"),
        # All that a query of the library always names, so that it is counted in the index alone.
        _index("library", "user_id state binned_at kind timings.saved_at _id", _DONE),
        _index("stars", "user_id state binned_at kind rating timings.saved_at _id", _DONE),
        _index(
            "favourites",
            "user_id state binned_at kind timings.saved_at _id",
            _DONE | {"favourite": True},
        ),
        _index(
            "collections",
            "user_id collections state binned_at kind timings.saved_at _id",
            {"collections": {"$gt": ""}},
        ),
        IndexModel(
            [("user_id", ASCENDING), ("words", TEXT)],
            name="words",
            default_language="none",  # see `core.store.jobs.search`
            partialFilterExpression=_DONE,
        ),
        _index("bin", "user_id binned_at _id", {"binned_at": {"$gte": TOMBSTONE}}),
        _index("to_remove", "binned_at", {"binned_at": {"$gte": TOMBSTONE}}),
        _index("made_of", "source state", {"source": {"$gt": ""}}),
        _index("kept", "state", {"kept.what": {"$gt": ""}}),
        _index("called", "provider model called_at"),
        _index("spending", "user_id -timings.queued_at"),
        _index("costs", "provider model state kind -timings.saved_at"),
    ],
    "partials": [_index("old", "at", expireAfterSeconds=3600)],
    "receipts": [
        _index("month_over", "forget_at", expireAfterSeconds=0),
        _index("of_job", "job_id"),
        _index("of_user", "user_id -timings.queued_at"),
        _index("called", "provider model called_at"),
    ],
    "installation": [],
    "quarantine": [_index("of_user", "user_id")],
    "spending": [],
    "outbox": [
        _index(
            "once_a_job", "job_id channel recipient", {"job_id": {"$type": "string"}}, unique=True
        ),
        _index("of_job", "job_id"),  # the partial one is not used for that
        _index("to_send", "status channel due_at"),
        _index("held", "lease.token", sparse=True),
        _index("holders", "lease.owner", sparse=True),
        _index("of_user", "user_id status due_at"),
    ],
    "addresses": [
        _index("of_mailbox", "mailbox"),
        _index("over", "forget_at", expireAfterSeconds=0),
        _index("of_user", "user_id"),
        _index("to_confirm", "confirm_token", sparse=True),
        _index("to_unsubscribe", "unsubscribe_token", unique=True),
    ],
    "workers": [_index("gone", "seen_at", expireAfterSeconds=FORGET_WORKERS_SECONDS)],
    "leader": [],
    "login_log": [
        _index("of_user", "user_id -time"),
        _index("of_address", "outcome address -time"),
    ],
    "view_log": [
        _index("of_user", "user_id -time"),
        _index("of_owner", "owner -time"),
        _index("of_job", "job_id -time"),
        _index("by_others", "owner via -time", {"via": {"$in": [str(Via.ADMIN), str(Via.SHARE)]}}),
        _index("of_share", "share action", {"share": {"$gt": ""}}),
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
