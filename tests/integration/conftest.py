"""Benches: a job, a provider, a worker."""

from functools import partial

import pytest

from core.settings import Settings
from core.store import Store
from tests.brokers import rabbitmq, redis
from tests.contract.fakes import FakeProvider
from tests.integration.bench import Bench, NewBench

__all__ = ["rabbitmq", "redis"]


@pytest.fixture
def new_bench(settings: Settings, store: Store) -> NewBench:
    return partial(Bench, settings, store)


@pytest.fixture
def bench(new_bench: NewBench) -> Bench:
    return new_bench(FakeProvider())
