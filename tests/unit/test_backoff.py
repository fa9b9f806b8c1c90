"""How long to wait after failures."""

from itertools import pairwise

import pytest

from core.system.backoff import Backoff


def test_each_pause_is_twice_as_long_up_to_the_longest() -> None:
    backoff = Backoff(first=5, longest=60)
    assert [backoff.seconds(failures) for failures in range(1, 7)] == [5, 10, 20, 40, 60, 60]


@pytest.mark.parametrize("failures", [-1, 0, 1])
def test_no_failure_counts_as_the_first_one(failures: int) -> None:
    assert Backoff(first=2, longest=60).seconds(failures) == 2


def test_a_million_failures_wait_no_longer_than_the_longest() -> None:
    assert Backoff(first=1, longest=900).seconds(1_000_000) == 900


def test_jitter_spreads_pauses_around_the_plain_one() -> None:
    backoff = Backoff(first=100, longest=1000, jitter=0.25)
    pauses = sorted(backoff.seconds(1) for _ in range(100))
    assert all(75 <= pause <= 125 for pause in pauses)
    assert any(later > earlier for earlier, later in pairwise(pauses))
