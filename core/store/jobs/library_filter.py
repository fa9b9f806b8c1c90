"""Which finished items are wanted, in which order, and where a page of them ends."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING

from core.i18n import gettext as _
from core.models import EPOCH, TOMBSTONE, AssetState, InvalidInput, Kind
from core.store.jobs.search import search

Document = dict[str, Any]

DONE: Final = str(AssetState.DONE)
SAVED: Final = "timings.saved_at"
_TOKEN: Final = re.compile(r"([a-z]+)\.(\d)\.(\d{1,14})\.([0-9a-z-]{1,100})", re.ASCII)
_MILLISECOND: Final = timedelta(milliseconds=1)


class Sort(StrEnum):
    """An order of items. In the bin, their time is when they came there."""

    NEWEST = "newest"
    OLDEST = "oldest"
    RATING = "rating"


@dataclass(frozen=True, kw_only=True)
class Filter:
    """Which items are wanted, and in which order; what is left empty does not matter.

    Attributes:
        owner: whose items.
        kind: images or clips.
        words: what occurs in the prompt; all of it.
        provider: who made them, by name.
        model: with which model.
        ratio: of which aspect ratio.
        since: saved at this time or later.
        until: saved before this time.
        favourite: only favourites.
        rating: with so many stars at least.
        collection: the name of one that they are in.
        job: of which job.
        binned: those in the bin instead of all others.
        sort: the order.
    """

    owner: str
    kind: Kind | None = None
    words: str = ""
    provider: str = ""
    model: str = ""
    ratio: str = ""
    since: datetime | None = None
    until: datetime | None = None
    favourite: bool = False
    rating: int = 0
    collection: str = ""
    job: str = ""
    binned: bool = False
    sort: Sort = Sort.NEWEST


def query_of(wanted: Filter) -> Document:
    """Return the query of a filter; every one names the owner, the state, and whether binned."""
    kinds = Kind if wanted.kind is None else (wanted.kind,)
    query: Document = {
        "user_id": wanted.owner,
        "state": DONE,
        "binned_at": {"$gt": TOMBSTONE} if wanted.binned else None,
        "kind": {"$in": [str(kind) for kind in kinds]},
    }
    query |= search(wanted.words) if wanted.words else {}
    for name, value in (
        ("provider", wanted.provider),
        ("model", wanted.model),
        ("params.ratio", wanted.ratio),
        ("collections", wanted.collection),
        ("job_id", wanted.job),
    ):
        if value:
            query[name] = value
    if wanted.favourite:
        query["favourite"] = True
    if wanted.rating:
        query["rating"] = {"$gte": wanted.rating}
    bounds = {"$gte": wanted.since, "$lt": wanted.until}
    if times := {sign: moment for sign, moment in bounds.items() if moment is not None}:
        query[SAVED] = times
    return query


def _time_field(wanted: Filter) -> str:
    return "binned_at" if wanted.binned else SAVED


def sort_keys(wanted: Filter) -> list[tuple[str, int]]:
    """Return the fields to sort by, each with its direction."""
    way = ASCENDING if wanted.sort == Sort.OLDEST else DESCENDING
    by = [(_time_field(wanted), way), ("_id", way)]
    return [("rating", DESCENDING), *by] if wanted.sort == Sort.RATING else by


def index_for(query: Document, wanted: Filter) -> str | None:
    """Return the index that gives the items in their order; None: the database chooses.

    Left to itself it tries several, and keeps to what was best for the first who asked.
    """
    if "$text" in query:
        return None  # it has the one that it must use
    if wanted.job:
        return "of_job"
    if wanted.binned:
        return "bin"
    if "collections" in query:
        return "collections"
    if wanted.sort == Sort.RATING:
        return "stars"
    return "favourites" if wanted.favourite else "library"


def page_token(documents: Sequence[Document], wanted: Filter) -> str:
    """Return where a page ends: the order, and the place in it of the last item that has one."""
    places = [place for each in documents if (place := _place(each, wanted)) is not None]
    rating, milliseconds, asset_id = places[-1] if places else (0, 0, documents[-1]["_id"])
    return f"{wanted.sort}.{rating}.{milliseconds}.{asset_id}"


def _place(document: Document, wanted: Filter) -> tuple[int, int, str] | None:
    """Return an item's stars, time and id; None: what is stored of them is none."""
    timings = document.get("timings")
    saved_at = timings.get("saved_at") if isinstance(timings, dict) else None
    moment = document.get("binned_at") if wanted.binned else saved_at
    rating = document.get("rating", 0)
    if not isinstance(moment, datetime) or not isinstance(rating, int) or moment < EPOCH:
        return None
    return max(int(rating), 0), (moment - EPOCH) // _MILLISECOND, document["_id"]


def after_token(token: str, wanted: Filter) -> Document:
    """Return what picks the items after a token.

    Raises:
        InvalidInput: it is none of this order.
    """
    read = _TOKEN.fullmatch(token)
    if read is None or read[1] != wanted.sort:
        raise InvalidInput(_("This place in the library is not known; please load it anew."))
    moment = EPOCH + int(read[3]) * _MILLISECOND
    name = _time_field(wanted)
    past = "$gt" if wanted.sort == Sort.OLDEST else "$lt"
    beside: list[Document] = [{name: {past: moment}}, {name: moment, "_id": {past: read[4]}}]
    if wanted.sort == Sort.RATING:
        lower = {"rating": {"$lt": int(read[2])}}
        return {"rating": {"$lte": int(read[2])}, "$or": [lower, *beside]}
    # The bound on the time is what the index begins at; the rest orders items of the same time.
    return {name: {f"{past}e": moment}, "$or": beside}
