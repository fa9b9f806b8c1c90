"""What changes: one change stream over jobs, their items and notices, for whoever shows them."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from threading import Event
from typing import Any, Final

from pymongo.database import Database
from pymongo.errors import PyMongoError

Document = dict[str, Any]

_AWAIT_MS: Final = 500
_PAUSE_SECONDS: Final = 1.0
_SHOWN: Final = (
    *("state", "progress", "waiting", "partial", "error", "cancel_requested", "next_attempt_at"),
    *("kept", "charged"),
    *("favourite", "rating", "collections", "note", "binned_at", "status", "updated_at"),
)
"""What is on the screen; leases, which change all the time, are not."""

_CHANGED: Final = {
    "ns.coll": {"$in": ["assets", "jobs", "outbox"]},
    "$or": [
        {"ns.coll": "outbox"},
        {"operationType": {"$in": ["insert", "replace", "delete"]}},
        *({f"updateDescription.updatedFields.{name}": {"$exists": True}} for name in _SHOWN),
    ],
}
_PIPELINE: Final[Sequence[Document]] = [
    {"$match": _CHANGED},
    {"$project": {"documentKey": 1, "ns": 1, "operationType": 1, "fullDocument.user_id": 1}},
]


class ChangeStream:
    """Reports changes as the database makes them."""

    def __init__(self, database: Database[Document]) -> None:
        self._database = database

    def watch(self, changed: Callable[[str | None, str | None], None], stop: Event) -> None:
        """Call `changed` whenever something that is shown has changed, until `stop` is set. Blocks.

        It only saves waiting time: where the stream breaks it is opened again, and changes may
        have been missed. Then, and when it opens first, everything counts as changed.

        Args:
            changed: called with the id of the job that changed, or that an item of changed; and
                with the id of its owner where the job is new. With an owner alone: a notice of
                theirs changed. Both None: anything may have changed.
            stop: ends it, within about half a second.
        """
        while not stop.is_set():
            with (
                suppress(PyMongoError),
                self._database.watch(_PIPELINE, max_await_time_ms=_AWAIT_MS) as stream,
            ):
                changed(None, None)
                while stream.alive and not stop.is_set():
                    change = stream.try_next()
                    if change is not None and change["ns"]["coll"] == "outbox":
                        self._notice_changed(change["documentKey"]["_id"], changed)
                    elif change is not None:
                        changed(*_what(change))
            stop.wait(_PAUSE_SECONDS)

    def _notice_changed(
        self, notice_id: object, changed: Callable[[str | None, str | None], None]
    ) -> None:
        """Call `changed` with a notice's owner, which an update does not name."""
        found = self._database["outbox"].find_one({"_id": notice_id}, {"user_id": True})
        owner = None if found is None else found.get("user_id")
        if isinstance(owner, str):
            changed(None, owner)


def _what(change: Document) -> tuple[str, str | None]:
    """Return the job that a change is about; and its owner where it is new."""
    is_job = change["ns"]["coll"] == "jobs"
    job_id = str(change["documentKey"]["_id"]).split("-", 1)[0]  # an item's begins with its job's
    is_new = is_job and change["operationType"] == "insert"
    owner = change["fullDocument"].get("user_id") if is_new else None
    return job_id, owner if isinstance(owner, str) else None
