"""Exponential backoff: how long to wait after each failure."""

import random
from dataclasses import dataclass
from typing import Final

_MOST_DOUBLINGS: Final = 32  # beyond any longest pause; keeps the power small


@dataclass(frozen=True)
class Backoff:
    """A pause that doubles with every failure in a row.

    Attributes:
        first: seconds after the first failure.
        longest: seconds that a pause is at most, before the jitter.
        jitter: the share by which a pause is shortened or lengthened at random, so that many that
            failed together do not come back together.
    """

    first: float
    longest: float
    jitter: float = 0.0

    def seconds(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row; the first one is 1."""
        doublings = min(max(failures - 1, 0), _MOST_DOUBLINGS)
        pause: float = min(self.first * 2**doublings, self.longest)
        return pause * random.uniform(1 - self.jitter, 1 + self.jitter)
