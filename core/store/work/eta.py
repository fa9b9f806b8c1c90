"""Estimates: an item's place in the queue, how long it takes, and when a job will have ended.

All of it is for the eye, so what was counted a moment ago is good enough.
"""

import threading
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from statistics import median
from typing import Any, Final, NamedTuple, TypeGuard, TypeVar

from cachetools import TLRUCache
from pymongo import ASCENDING, DESCENDING
from pymongo.database import Database

from core.models import ACTIVE_STATES, OPEN_STATES, Asset, AssetState, now
from core.store.work.queue import QUEUED, Lane, of_lane

Document = dict[str, Any]
Found = TypeVar("Found")

_LAST: Final = 9  # finished items that the next one is estimated from
_RECENT: Final = 60  # among which those of the same length are looked for
_COUNTED_SECONDS: Final = 1.0  # how long a count is good for
_ORDERED_SECONDS: Final = 3.0
_TYPICAL_SECONDS: Final = 10.0
_REMEMBERED: Final = 5_000
_MOST_AHEAD: Final = 500  # of one user's own items; no place is shown beyond that
_LEAST_LEFT: Final = 0.1  # of what an item takes, when it has taken that long already


@dataclass(frozen=True)
class Eta:
    """When a job's items will be done.

    Attributes:
        places: the place in the queue of those that wait, by id; 1 is the next one.
        own: the same among those of their user alone.
        behind: whether another job of the same user waits before this one.
        expected: how many seconds those take that have not ended, by id; only where that is known.
        left: in how many seconds all have ended, about; None: that is not known.
    """

    places: Mapping[str, int] = field(default_factory=dict)
    own: Mapping[str, int] = field(default_factory=dict)
    behind: bool = False
    expected: Mapping[str, float] = field(default_factory=dict)
    left: float | None = None


class Backlog:
    """What waits in a lane, in which users take turns.

    Args:
        items: how many items, by user.
    """

    def __init__(self, items: Mapping[str, int]) -> None:
        self.items = items
        self._rounds: dict[int, int] = {}

    def turns(self, user_id: str, place: int) -> int:
        """Return with which turn an item comes that is at a place among its user's own."""
        if place not in self._rounds:
            self._rounds[place] = sum(min(place, items) for items in self.items.values())
        return self._rounds[place] - min(place, self.items.get(user_id, 0)) + place


class EtaStore:
    """Counts what waits, and looks back at how long things took."""

    def __init__(self, database: Database[Document]) -> None:
        self._assets = database["assets"]
        # Each value is kept as long as `_remembered` says, and read by several threads.
        self._known: TLRUCache[Hashable, _Known] = TLRUCache(_REMEMBERED, _expiry)
        self._lock = threading.Lock()

    def of_items(self, assets: Sequence[Asset]) -> Eta:
        """Return how fast the items of a job go, of which some may have ended."""
        going = [each for each in assets if each.state in OPEN_STATES]
        expected = {}
        for each in going:
            takes = self.typical_seconds(
                each.provider, each.model, each.kind, each.params.get("seconds")
            )
            if takes is not None:
                expected[each.id] = takes
        own, places, behind = {}, {}, False
        for each in going:
            if each.state != AssetState.QUEUED or each.next_attempt_at > now():
                continue
            lane = (each.provider, each.model)
            order = self._order(lane, each.user_id)
            place = order.get((each.job_id, str(each.kind), each.slot))
            if place is not None:
                own[each.id] = place
                places[each.id] = self.waiting(lane).turns(each.user_id, place)
                behind = behind or next(iter(order))[0] != each.job_id
        return Eta(places, own, behind, expected, self._left(going, places, expected))

    def typical_seconds(
        self, provider: str, model: str, kind: str, seconds: float | None = None
    ) -> float | None:
        """Return how many seconds an item takes from being sent until it is saved.

        It is the median of the last ones of the same kind and, where there are any, length; None:
        there are none yet.

        Args:
            provider: who makes it.
            model: with which model.
            kind: `image` or `video`.
            seconds: the length of a clip.
        """

        def look() -> float | None:
            query = {
                "provider": provider,
                "model": model,
                "state": str(AssetState.DONE),
                "kind": str(kind),
                "timings.saved_at": {"$type": "date"},
            }
            found = self._assets.find(query, {"timings": True, "params.seconds": True})
            last = list(found.sort("timings.saved_at", DESCENDING).limit(_RECENT))
            alike = [each for each in last if _length(each) == seconds] or last
            took = [span for each in alike[:_LAST] if (span := _took(each)) is not None]
            return max(median(took), 0.0) if took else None

        return self._remembered(("typical", provider, model, kind, seconds), _TYPICAL_SECONDS, look)

    def waiting(self, lane: Lane) -> "Backlog":
        """Return what waits in a lane."""

        def count() -> Backlog:
            group = {"$group": {"_id": "$user_id", "items": {"$sum": 1}}}
            found = self._assets.aggregate([{"$match": {"state": QUEUED} | of_lane(lane)}, group])
            users = ((each["_id"], each["items"]) for each in found)
            return Backlog({user: items for user, items in users if isinstance(user, str)})

        return self._remembered(("waiting", lane), _COUNTED_SECONDS, count)

    def forget(self) -> None:
        """Count anew, after a change whose outcome is to be seen at once."""
        with self._lock:
            self._known.clear()

    def active(self, lane: Lane) -> int:
        """Return how many items of a lane are being made at the moment."""
        states = {"state": {"$in": [str(state) for state in ACTIVE_STATES]}}
        return self._remembered(
            ("active", lane),
            _COUNTED_SECONDS,
            lambda: self._assets.count_documents(states | of_lane(lane)),
        )

    def _order(self, lane: Lane, user_id: str) -> dict[tuple[str, str, int], int]:
        """Return at which place among a user's own items in a lane each of them is."""

        def look() -> dict[tuple[str, str, int], int]:
            order = ("next_attempt_at", "job_id", "kind", "slot")
            found = self._assets.find(
                {"state": QUEUED, "user_id": user_id} | of_lane(lane),
                {"_id": False} | dict.fromkeys(order, True),
            )
            last = found.sort([(key, ASCENDING) for key in order]).limit(_MOST_AHEAD)
            keys = [tuple(each.get(name) for name in order[1:]) for each in last]
            return {key: place for place, key in enumerate(keys, 1) if _is_key(key)}

        return self._remembered(("order", lane, user_id), _ORDERED_SECONDS, look)

    def _left(
        self,
        going: Sequence[Asset],
        places: Mapping[str, int],
        expected: Mapping[str, float],
    ) -> float | None:
        if not going or any(each.id not in expected for each in going):
            return None
        moment, longest = now(), 0.0
        for each in going:
            takes = expected[each.id]
            if each.state == AssetState.QUEUED:
                if each.id not in places:
                    return None
                at_once = max(self.active((each.provider, each.model)), 1)
                left = takes * (places[each.id] / at_once + 0.5)  # half-way through those before
            else:
                begun = each.timings.get("submitted_at", moment)
                left = max(takes - (moment - begun).total_seconds(), takes * _LEAST_LEFT)
            longest = max(longest, left)
        return longest

    def _remembered(self, key: Hashable, seconds: float, look: Callable[[], Found]) -> Found:
        """Return what `look` finds, or found lately."""
        with self._lock:
            known = self._known.get(key)
        if known is None:
            known = _Known(look(), seconds)
            with self._lock:
                self._known[key] = known
        found: Found = known.value
        return found


class _Known(NamedTuple):
    value: Any
    seconds: float


def _expiry(_key: Hashable, known: _Known, moment: float) -> float:
    return moment + known.seconds


def _is_key(key: tuple[Any, ...]) -> TypeGuard[tuple[str, str, int]]:
    job_id, kind, slot = key
    return isinstance(job_id, str) and isinstance(kind, str) and isinstance(slot, int)


def _length(document: Document) -> object:
    params = document.get("params")
    return params.get("seconds") if isinstance(params, dict) else None


def _took(document: Document) -> float | None:
    """Return how many seconds an item took; None: it is not stored."""
    times = [document["timings"].get(name) for name in ("submitted_at", "saved_at")]
    if not all(isinstance(each, datetime) for each in times):
        return None
    span: float = (times[1] - times[0]).total_seconds()
    return span
