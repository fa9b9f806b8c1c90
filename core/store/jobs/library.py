"""The library: everything that a user has made, found again, counted, and sorted in.

It holds finished items only, those in the bin apart from the others (`bin.py`). Pages go by a key,
not by a number, so that they neither slip while items are added nor get slower further down.
"""

import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Final

from pymongo.database import Database

from core.i18n import gettext as _
from core.i18n import number
from core.models import TOMBSTONE, Asset, InvalidInput, Kind
from core.store.documents.expressions import array_at
from core.store.documents.reading import read_each
from core.store.jobs import library_filter

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

    def find(self, wanted: library_filter.Filter, after: str = "", limit: int = PAGE) -> Page:
        """Return a page of items.

        Args:
            wanted: which, and in which order.
            after: the token of the page before; empty: the first page.
            limit: how many at most.

        Raises:
            InvalidInput: the token is none of this order, or the words cannot be searched for.
        """
        query = library_filter.query_of(wanted)
        from_there = (
            {"$and": [query, library_filter.after_token(after, wanted)]} if after else query
        )
        found = (
            self._assets.find(from_there).sort(library_filter.sort_keys(wanted)).limit(limit + 1)
        )
        if hint := library_filter.index_for(query, wanted):
            found = found.hint(hint)
        documents = list(found)
        shown = documents[:limit]
        more = len(documents) > limit
        return Page(
            list(read_each(Asset, shown)),
            library_filter.page_token(shown, wanted) if more else None,
        )

    def total(self, wanted: library_filter.Filter) -> int:
        """Return how many items there are.

        Raises:
            InvalidInput: the words cannot be searched for.
        """
        query = library_filter.query_of(wanted)
        # Of two indexes that would do, the one with the stars needs not look at the items.
        counted = replace(wanted, sort=library_filter.Sort.RATING) if wanted.rating else wanted
        if hint := library_filter.index_for(query, counted):
            return self._assets.count_documents(query, hint=hint)
        return self._assets.count_documents(query)

    def facets(self, owner: str, *, binned: bool = False, collections: bool = True) -> Facets:
        """Return what a user's items can be filtered by.

        Args:
            owner: whose items.
            binned: of those in the bin instead of all others.
            collections: whether by collections, too.
        """
        wanted = library_filter.Filter(owner=owner, binned=binned)
        query = library_filter.query_of(wanted)
        facets = Facets(
            collections=self._collections(query, wanted) if collections else Counter(),
            binned=self.total(library_filter.Filter(owner=owner, binned=True)),
        )
        group = {
            "_id": {
                "kind": "$kind",
                "provider": "$provider",
                "model": "$model",
                "ratio": "$params.ratio",
            },
            "items": {"$sum": 1},
            "first": {"$min": f"${library_filter.SAVED}"},
            "last": {"$max": f"${library_filter.SAVED}"},
        }
        times: list[datetime] = []
        pipeline = [{"$match": query}, {"$group": group}]
        for each in self._assets.aggregate(pipeline, hint=library_filter.index_for(query, wanted)):
            by, items = each["_id"], each["items"]
            facets.kinds[Kind(by["kind"])] += items
            counters = {"provider": facets.providers, "model": facets.models}
            for name, counter in (counters | {"ratio": facets.ratios}).items():
                if isinstance(value := by.get(name), str) and value:
                    counter[value] += items
            times += [each[end] for end in ("first", "last") if isinstance(each[end], datetime)]
        first, last = (min(times), max(times)) if times else (None, None)
        return replace(facets, first=first, last=last)

    def by_ids(self, owner: str, asset_ids: Sequence[str]) -> list[Asset]:
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

    def rename_collection(self, owner: str, collection: str, name: str) -> None:
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

    def delete_collection(self, owner: str, collection: str) -> None:
        """Take a collection away; its items stay.

        Raises:
            InvalidInput: the name is none.
        """
        name = parse_collection(collection)
        of_it = {"user_id": owner, "collections": {"$eq": name, "$type": "array"}}
        self._assets.update_many(of_it, {"$pull": {"collections": name}})

    def _collections(self, query: Document, wanted: library_filter.Filter) -> Counter[str]:
        in_some = query | {"collections": {"$gt": ""}}
        found = self._assets.aggregate(
            [
                {"$match": in_some},
                {"$unwind": "$collections"},
                {"$group": {"_id": "$collections", "items": {"$sum": 1}}},
            ],
            hint=library_filter.index_for(in_some, wanted),
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
    return {"_id": {"$in": list(asset_ids)}, "user_id": owner, "state": library_filter.DONE}
