"""How often something may be done: token buckets, and a bounded number of them by who does it."""

import time
from collections.abc import Callable
from typing import Final

from cachetools import LRUCache

MOST_KEPT: Final = 10_000


class Bucket:
    """A token bucket: so much at once, then so much a second.

    Args:
        most: how much at once.
        a_second: how much more comes each second.
        clock: seconds that only go on.
    """

    def __init__(
        self, most: float, a_second: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._most, self._a_second, self._clock = most, a_second, clock
        self._left, self._at = most, clock()

    def take(self, number: float = 1.0) -> bool:
        """Return whether there is so much, and take it; what is not there is not taken."""
        now = self._clock()
        self._left = min(self._most, self._left + (now - self._at) * self._a_second)
        self._at = now
        if number > self._left:
            return False
        self._left -= number
        return True


class Buckets:
    """A bucket for each key, for the `MOST_KEPT` keys that were used last.

    Args:
        most: see `Bucket`.
        a_second: see `Bucket`.
    """

    def __init__(self, most: float, a_second: float) -> None:
        self._most, self._a_second = most, a_second
        self._kept: LRUCache[str, Bucket] = LRUCache(MOST_KEPT)

    def __getitem__(self, key: str) -> Bucket:
        if key not in self._kept:
            self._kept[key] = Bucket(self._most, self._a_second)
        return self._kept[key]
