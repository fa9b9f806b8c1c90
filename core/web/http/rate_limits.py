"""Rate limits: token buckets, and a bounded number of them by key."""

import time
from collections.abc import Callable
from typing import Final

from cachetools import LRUCache

MAX_BUCKETS: Final = 10_000


class Bucket:
    """A token bucket.

    Args:
        capacity: how many tokens at once.
        refill_rate: tokens that are added each second.
        clock: monotonic seconds.
    """

    def __init__(
        self, capacity: float, refill_rate: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._capacity, self._refill_rate, self._clock = capacity, refill_rate, clock
        self._tokens, self._at = capacity, clock()

    def take(self, number: float = 1.0) -> bool:
        """Take tokens; return whether there were enough, else none is taken."""
        now = self._clock()
        self._tokens = min(self._capacity, self._tokens + (now - self._at) * self._refill_rate)
        self._at = now
        if number > self._tokens:
            return False
        self._tokens -= number
        return True


class Buckets:
    """A bucket for each key, for the `MAX_BUCKETS` keys that were used last.

    Args:
        capacity: see `Bucket`.
        refill_rate: see `Bucket`.
    """

    def __init__(self, capacity: float, refill_rate: float) -> None:
        self._capacity, self._refill_rate = capacity, refill_rate
        self._buckets: LRUCache[str, Bucket] = LRUCache(MAX_BUCKETS)

    def __getitem__(self, key: str) -> Bucket:
        if key not in self._buckets:
            self._buckets[key] = Bucket(self._capacity, self._refill_rate)
        return self._buckets[key]
