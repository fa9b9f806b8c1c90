"""The library: everything that a user has made, found again, counted, and sorted in.

It holds finished items only, those in the bin apart from the others (`bin.py`). Pages go by a key,
not by a number, so that they neither slip while items are added nor get slower further down.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from pymongo import ASCENDING, DESCENDING
from pymongo.database import Database

from core.i18n import gettext as _
from core.i18n import number
from core.models import EPOCH, TOMBSTONE, Asset, AssetState, InvalidInput, Kind
from core.store.documents.expressions import array_at
from core.store.documents.reading import read_each
from core.store.jobs.search import search

Document = dict[str, Any]

MAX_ITEMS_PER_REQUEST: Final = 500
"""Items that can be changed, or downloaded, in one go."""
PAGE: Final = 100
"""Items of a page at most."""
STARS: Final = 5
NOTE_CHARACTERS: Final = 2_000
COLLECTIONS: Final = 100
COLLECTIONS_AN_ITEM: Final = 20
COLLECTION_CHARACTERS: Final = 60

_DONE: Final = str(AssetState.DONE)
_SAVED: Final = "timings.saved_at"
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


@dataclass(frozen=True)
class Page:
    """Some items, and the token that the next ones are asked for with; None: these are the last."""

    assets: list[Asset]
    next: str | None


@dataclass(frozen=True)
class Facets:
    """What there is to filter by, each value with the number of its items.

    Attributes:
        kinds: how many of each kind.
        binned: how many lie in the bin, whatever was asked for.
        first: when the oldest was saved.
        last: when the newest was saved.
    """

    kinds: Counter[Kind] = field(default_factory=Counter)
    providers: Counter[str] = field(default_factory=Counter)
    models: Counter[str] = field(default_factory=Counter)
    ratios: Counter[str] = field(default_factory=Counter)
    collections: Counter[str] = field(default_factory=Counter)
    binned: int = 0
    first: datetime | None = None
    last: datetime | None = None


@dataclass(frozen=True, kw_only=True)
class Change:
    """What an owner makes of items; None or empty: it stays as it is.

    Attributes:
        favourite: whether they are favourites.
        rating: how many stars, 0 to `STARS`.
        note: what the owner notes of it; of a single item.
        collect: the name of a collection that they are put into.
        uncollect: the name of a collection that they are taken out of.
    """

    favourite: bool | None = None
    rating: int | None = None
    note: str | None = None
    collect: str = ""
    uncollect: str = ""


class LibraryStore:
    """Finds a user's finished items, and keeps what their owner makes of them."""

    def __init__(self, database: Database[Document]) -> None:
        self._assets = database["assets"]

    def find(self, wanted: Filter, after: str = "", limit: int = PAGE) -> Page:
        """Return a page of items.

        Args:
            wanted: which, and in which order.
            after: the token of the page before; empty: the first page.
            limit: how many at most.

        Raises:
            InvalidInput: the token is none of this order, or the words cannot be searched for.
        """
        query = _query(wanted)
        from_there = {"$and": [query, _beyond(after, wanted)]} if after else query
        found = self._assets.find(from_there).sort(_by(wanted)).limit(limit + 1)
        if hint := _index(query, wanted):
            found = found.hint(hint)
        documents = list(found)
        shown = documents[:limit]
        more = len(documents) > limit
        return Page(list(read_each(Asset, shown)), _token(shown, wanted) if more else None)

    def total(self, wanted: Filter) -> int:
        """Return how many items there are.

        Raises:
            InvalidInput: the words cannot be searched for.
        """
        query = _query(wanted)
        # Of two indexes that would do, the one with the stars needs not look at the items.
        counted = replace(wanted, sort=Sort.RATING) if wanted.rating else wanted
        if hint := _index(query, counted):
            return self._assets.count_documents(query, hint=hint)
        return self._assets.count_documents(query)

    def facets(self, owner: str, *, binned: bool = False, collections: bool = True) -> Facets:
        """Return what a user's items can be filtered by.

        Args:
            owner: whose items.
            binned: of those in the bin instead of all others.
            collections: whether by collections, too.
        """
        wanted = Filter(owner=owner, binned=binned)
        query = _query(wanted)
        facets = Facets(
            collections=self._collections(query, wanted) if collections else Counter(),
            binned=self.total(Filter(owner=owner, binned=True)),
        )
        group = {
            "_id": {
                "kind": "$kind",
                "provider": "$provider",
                "model": "$model",
                "ratio": "$params.ratio",
            },
            "items": {"$sum": 1},
            "first": {"$min": f"${_SAVED}"},
            "last": {"$max": f"${_SAVED}"},
        }
        times: list[datetime] = []
        pipeline = [{"$match": query}, {"$group": group}]
        for each in self._assets.aggregate(pipeline, hint=_index(query, wanted)):
            by, items = each["_id"], each["items"]
            facets.kinds[Kind(by["kind"])] += items
            counters = {"provider": facets.providers, "model": facets.models}
            for name, counter in (counters | {"ratio": facets.ratios}).items():
                if isinstance(value := by.get(name), str) and value:
                    counter[value] += items
            times += [each[end] for end in ("first", "last") if isinstance(each[end], datetime)]
        first, last = (min(times), max(times)) if times else (None, None)
        return replace(facets, first=first, last=last)

    def named(self, owner: str, asset_ids: Sequence[str]) -> list[Asset]:
        """Return those of the items that are a user's own, in the order of their ids.

        Those in the bin are among them, but none that is being removed.
        """
        query = _own(owner, asset_ids) | {"binned_at": {"$ne": TOMBSTONE}}
        found = {each.id: each for each in read_each(Asset, self._assets.find(query))}
        return [found[each] for each in dict.fromkeys(asset_ids) if each in found]

    def change(self, owner: str, asset_ids: Sequence[str], change: Change) -> None:
        """Keep what an owner makes of items; ids that are not the owner's are left alone.

        Raises:
            InvalidInput: it is too much, too long or no text; nothing is changed then.
        """
        own = _own(owner, asset_ids)
        if change.collect or change.uncollect:
            none = {"collections": {"$not": {"$type": "array"}}}
            self._assets.update_many(own | none, {"$set": {"collections": []}})
        changes: Document = {}
        if change.favourite is not None:
            changes["favourite"] = change.favourite
        if change.rating is not None:
            changes["rating"] = _parse_rating(change.rating)
        if change.note is not None:
            changes["note"] = _parse_note(change.note, asset_ids)
        update: Document = {"$set": changes} if changes else {}
        if change.collect:
            update["$addToSet"] = {"collections": self._for_more(own, owner, change.collect)}
        if change.uncollect:
            taken_out = {"$pull": {"collections": parse_collection(change.uncollect)}}
            self._assets.update_many(own, taken_out)
        if update:
            self._assets.update_many(own, update)

    def rename(self, owner: str, collection: str, name: str) -> None:
        """Call a collection something else; where there is one of that name, they become one.

        Raises:
            InvalidInput: a name is none.
        """
        old, new = parse_collection(collection), parse_collection(name)
        others = {
            "$filter": {
                "input": array_at("$collections"),
                "as": "each",
                "cond": {"$not": [{"$in": ["$$each", {"$literal": [old, new]}]}]},
            }
        }
        renamed = {"$concatArrays": [others, {"$literal": [new]}]}
        of_old = {"user_id": owner, "collections": old}
        self._assets.update_many(of_old, [{"$set": {"collections": renamed}}])

    def dissolve(self, owner: str, collection: str) -> None:
        """Take a collection away; its items stay.

        Raises:
            InvalidInput: the name is none.
        """
        name = parse_collection(collection)
        of_it = {"user_id": owner, "collections": {"$eq": name, "$type": "array"}}
        self._assets.update_many(of_it, {"$pull": {"collections": name}})

    def _collections(self, query: Document, wanted: Filter) -> Counter[str]:
        in_some = query | {"collections": {"$gt": ""}}
        found = self._assets.aggregate(
            [
                {"$match": in_some},
                {"$unwind": "$collections"},
                {"$group": {"_id": "$collections", "items": {"$sum": 1}}},
            ],
            hint=_index(in_some, wanted),
        )
        names = ((each["_id"], each["items"]) for each in found)
        return Counter({name: items for name, items in names if isinstance(name, str)})

    def _for_more(self, own: Document, owner: str, typed: str) -> str:
        """Return the name of a collection that items can be put into.

        Raises:
            InvalidInput: there are too many of them already.
        """
        name = parse_collection(typed)
        names = self._assets.distinct("collections", {"user_id": owner, "collections": {"$gt": ""}})
        if name not in names and len(names) >= COLLECTIONS:
            raise InvalidInput(
                _("There can be {most} collections at most.").format(most=COLLECTIONS)
            )
        full = {f"collections.{COLLECTIONS_AN_ITEM - 1}": {"$exists": True}}
        if self._assets.find_one({"$and": [own, full, {"collections": {"$ne": name}}]}, {"_id": 1}):
            raise InvalidInput(
                _("An item can be in {most} collections at most.").format(most=COLLECTIONS_AN_ITEM)
            )
        return name


def parse_collection(text: str) -> str:
    """Return the name of a collection as it is stored.

    Raises:
        InvalidInput: it is empty, too long, or no text.
    """
    name = " ".join(unicodedata.normalize("NFC", text).split())
    if not 1 <= len(name) <= COLLECTION_CHARACTERS:
        raise InvalidInput(
            _("The name of a collection has 1 to {most} characters.").format(
                most=COLLECTION_CHARACTERS
            )
        )
    if not _is_text(name):
        raise InvalidInput(_("The name has a character that is not text; please remove it."))
    return name


def parse_ids(asset_ids: Sequence[str]) -> list[str]:
    """Return ids as they are asked for, each once.

    Raises:
        InvalidInput: they are too many.
    """
    if len(asset_ids) > MAX_ITEMS_PER_REQUEST:
        raise InvalidInput(
            _("Please choose {most} items at most at a time.").format(most=MAX_ITEMS_PER_REQUEST)
        )
    return list(dict.fromkeys(asset_ids))


def _parse_rating(rating: int) -> int:
    if not 0 <= rating <= STARS:
        raise InvalidInput(_("A rating goes from 0 to {most}.").format(most=STARS))
    return rating


def _parse_note(text: str, asset_ids: Sequence[str]) -> str:
    note = text.strip()
    if len(asset_ids) != 1:
        raise InvalidInput(_("A note is about one item."))
    if len(note) > NOTE_CHARACTERS:
        raise InvalidInput(
            _("A note has at most {most} characters; this one has {number}.").format(
                most=number(NOTE_CHARACTERS), number=number(len(note))
            )
        )
    if not _is_text(note.replace("\n", "").replace("\t", "")):
        raise InvalidInput(_("The note has a character that is not text; please remove it."))
    return note


def _is_text(text: str) -> bool:
    return not any(unicodedata.category(character) in ("Cc", "Cs") for character in text)


def _own(owner: str, asset_ids: Sequence[str]) -> Document:
    return {"_id": {"$in": list(asset_ids)}, "user_id": owner, "state": _DONE}


def _query(wanted: Filter) -> Document:
    """Return the query of a filter; every one names the owner, the state, and whether binned."""
    kinds = Kind if wanted.kind is None else (wanted.kind,)
    query: Document = {
        "user_id": wanted.owner,
        "state": _DONE,
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
        query[_SAVED] = times
    return query


def _time_field(wanted: Filter) -> str:
    return "binned_at" if wanted.binned else _SAVED


def _by(wanted: Filter) -> list[tuple[str, int]]:
    way = ASCENDING if wanted.sort == Sort.OLDEST else DESCENDING
    by = [(_time_field(wanted), way), ("_id", way)]
    return [("rating", DESCENDING), *by] if wanted.sort == Sort.RATING else by


def _index(query: Document, wanted: Filter) -> str | None:
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


def _token(documents: Sequence[Document], wanted: Filter) -> str:
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


def _beyond(token: str, wanted: Filter) -> Document:
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
    # The bound on the time is what the database begins at; the rest tells those of one moment.
    return {name: {f"{past}e": moment}, "$or": beside}
