"""Leases: who may work on a document, and until when.

A lease is an owner, a token and an end. Taking a document writes a new token; every later write of
its holder names that token (fencing), so whoever lost the lease changes nothing. The database's
clock decides, so a wrong clock on a machine moves nothing.
"""

from datetime import datetime
from typing import Any, Final, Literal

Document = dict[str, Any]
Moment = datetime | Literal["$$NOW"]
"""A time: the database's present one, unless a test names another."""

NOW: Final = "$$NOW"
UNTIL: Final = "$lease.until"


def from_now(seconds: float, moment: Moment = NOW) -> Document:
    """Return the time in so many seconds, for an update pipeline."""
    return {"$add": [moment, round(1000 * seconds)]}


def free(moment: Moment = NOW, until: str = UNTIL) -> Document:
    """Return the condition that nobody holds a document, which need not have a lease."""
    return {"$lt": [{"$ifNull": [until, None]}, moment]}


def expired(moment: Moment = NOW, until: str = UNTIL) -> Document:
    """Return the condition that a lease has run out; unlike `free` it is found by an index."""
    return {"$lt": [until, moment]}


def held(moment: Moment = NOW, until: str = UNTIL) -> Document:
    """Return the condition that somebody holds a document."""
    return {"$gte": [until, moment]}


def grant(owner: str, token: str, seconds: float, moment: Moment = NOW) -> Document:
    """Return the field of a new lease, for an update pipeline."""
    until = from_now(seconds, moment)
    literal = {"owner": {"$literal": owner}, "token": {"$literal": token}}
    return {"lease": literal | {"until": until}}


def renewed(seconds: float) -> list[Document]:
    """Return the update that makes leases end in so many seconds."""
    return [{"$set": {"lease.until": from_now(seconds)}}]
