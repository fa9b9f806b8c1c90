"""Executor and dispatcher against a real MongoDB and a provider that does as it is told."""

import asyncio
import errno
from collections.abc import Awaitable, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from core.generation.dispatcher import Dispatcher
from core.generation.executor import MAX_ATTEMPTS, Executor
from core.generation.order import Order, plan
from core.media.storage import ContentStore
from core.models import Asset, AssetState, Job, JobStatus
from core.providers.errors import (
    OutcomeUnknown,
    PromptRejected,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
)
from core.store import Store
from tests.contract.fakes import FakeProvider, catalogue_of

Made = tuple[Job, list[Asset]]


class Bench:
    """A job of ten items, an executor and the provider that it drives."""

    def __init__(self, store: Store, content: ContentStore, provider: FakeProvider) -> None:
        self.store = store
        self.content = content
        self.provider = provider
        self.catalogue = catalogue_of(provider)
        self.job, self.assets = plan(Order(user_id="ana", prompt="x"), self.catalogue)
        store.jobs.create(self.job, self.assets)
        self.first = self.assets[0].id

    def executor(self, owner: str = "test:1", lease_seconds: float = 60.0) -> Executor:
        return Executor(
            self.store, self.catalogue, self.content, owner=owner, lease_seconds=lease_seconds
        )

    def asset(self, asset_id: str | None = None) -> Asset:
        found = self.store.assets.get(asset_id or self.first)
        assert found is not None
        return found

    def abandoned(self, state: AssetState, remote_id: str | None = None) -> None:
        """Leave the first asset as a worker that was killed leaves it."""
        asset = self.store.assets.claim(self.first, "dead:1", -1)
        assert asset is not None
        if state in (AssetState.SUBMITTING, AssetState.RUNNING, AssetState.SAVING):
            self.store.assets.submitting(asset)
        if state in (AssetState.RUNNING, AssetState.SAVING):
            self.store.assets.running(asset, remote_id)
        if state == AssetState.SAVING:
            self.store.assets.saving(asset)


@pytest.fixture
def bench(store: Store, content: ContentStore) -> Bench:
    return Bench(store, content, FakeProvider())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


def run(main: Coroutine[Any, Any, None] | Awaitable[None]) -> None:
    asyncio.run(main)  # type: ignore[arg-type]


def test_an_item_ends_as_a_checked_file_with_previews(bench: Bench) -> None:
    run(bench.executor().run(bench.first))
    asset = bench.asset()
    assert (asset.state, asset.lease, asset.error) == (AssetState.DONE, None, None)
    assert asset.path is not None
    assert asset.preview is not None
    place = bench.content.locate("ana", asset.path)
    assert place.stat().st_size == asset.bytes
    assert bench.content.locate("ana", asset.preview).suffix == ".webp"
    assert not list(place.parent.glob(".*.part"))


def test_a_whole_job_ends_completed_and_its_paths_are_files(bench: Bench) -> None:
    async def main() -> None:
        stop = asyncio.Event()
        dispatcher = Dispatcher(bench.store, bench.executor(), capacity=4)
        running = asyncio.create_task(dispatcher.run(stop))
        await until(lambda: bench.store.jobs.get(bench.job.id).status != JobStatus.PROCESSING)  # type: ignore[union-attr]
        stop.set()
        await running

    run(main())
    job = bench.store.jobs.get(bench.job.id)
    assert job is not None
    assert job.status == JobStatus.COMPLETED
    assert len(job.image_paths) == len(job.video_paths) == 5
    assert all(Path(path).is_file() for path in job.image_paths + job.video_paths)
    assert len(bench.provider.submitted) == len(set(bench.provider.submitted)) == 10


def test_a_free_item_of_a_killed_worker_is_begun_again(bench: Bench) -> None:
    bench.abandoned(AssetState.RUNNING)
    run(bench.executor().run(bench.first))
    assert bench.asset().state == AssetState.DONE
    assert bench.provider.submitted == [bench.first]


@pytest.mark.parametrize("state", [AssetState.RUNNING, AssetState.SAVING])
def test_a_remote_task_is_resumed_and_never_created_again(
    store: Store, content: ContentStore, state: AssetState
) -> None:
    bench = Bench(store, content, FakeProvider(paid=True, resumable=True))
    bench.abandoned(state, remote_id=f"remote-{bench.first}")
    run(bench.executor().run(bench.first))
    assert bench.asset().state == AssetState.DONE
    assert bench.provider.submitted == []


def test_a_paid_call_whose_outcome_is_not_known_is_not_made_again(
    store: Store, content: ContentStore
) -> None:
    bench = Bench(store, content, FakeProvider(paid=True, resumable=True))
    bench.abandoned(AssetState.SUBMITTING)
    run(bench.executor().run(bench.first))
    assert bench.asset().state == AssetState.UNKNOWN
    assert bench.provider.submitted == []
    bench.provider.fail_submit = [OutcomeUnknown()]
    run(bench.executor().run(bench.assets[1].id))
    assert bench.asset(bench.assets[1].id).state == AssetState.UNKNOWN


@pytest.mark.parametrize(
    ("error", "code"),
    [(PromptRejected(), "prompt_rejected"), (ProviderError("No."), "provider_error")],
)
def test_a_refusal_ends_the_item_with_its_sentence(
    bench: Bench, error: ProviderError, code: str
) -> None:
    bench.provider.fail_submit = [error]
    run(bench.executor().run(bench.first))
    asset = bench.asset()
    assert asset.state == AssetState.FAILED
    assert asset.error is not None
    assert (asset.error.code, asset.error.message) == (code, str(error))


def test_a_busy_provider_is_asked_again_when_it_said(bench: Bench) -> None:
    bench.provider.fail_submit = [RateLimited(retry_after=600)]
    run(bench.executor().run(bench.first))
    asset = bench.asset()
    assert asset.state == AssetState.QUEUED
    assert asset.error is not None
    wait = asset.next_attempt_at - asset.timings["submitted_at"]
    assert 599 <= wait.total_seconds() <= 601


@pytest.mark.parametrize("resumable", [True, False])
def test_trouble_after_a_paid_call_never_pays_again(
    store: Store, content: ContentStore, *, resumable: bool
) -> None:
    bench = Bench(store, content, FakeProvider(paid=True, resumable=resumable))
    bench.provider.fail_follow = [RateLimited(retry_after=1e-9)]

    async def main() -> None:
        await bench.executor().run(bench.first)
        await bench.executor().run(bench.first)

    run(main())
    assert bench.asset().state == (AssetState.DONE if resumable else AssetState.FAILED)
    assert bench.provider.submitted == [bench.first]


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionResetError(), ValueError()])
def test_a_paid_call_that_broke_off_is_unknown(
    store: Store, content: ContentStore, error: Exception
) -> None:
    bench = Bench(store, content, FakeProvider(paid=True, resumable=True))
    bench.provider.fail_submit = [error]
    run(bench.executor().run(bench.first))
    assert bench.asset().state == AssetState.UNKNOWN


def test_orderly_stops_do_not_use_up_the_attempts(bench: Bench) -> None:
    async def main() -> None:
        bench.provider.hold.clear()
        for _ in range(MAX_ATTEMPTS + 1):
            task = asyncio.create_task(bench.executor().run(bench.first))
            await until(lambda: bench.asset().state == AssetState.RUNNING)
            task.cancel()
            await asyncio.wait([task])
        bench.provider.hold.set()
        await bench.executor().run(bench.first)

    run(main())
    assert bench.asset().state == AssetState.DONE


def test_an_unreachable_provider_is_given_up_after_a_bound(bench: Bench) -> None:
    async def main() -> None:
        for _ in range(MAX_ATTEMPTS):
            bench.provider.fail_submit = [RateLimited(retry_after=1e-9)]
            await bench.executor().run(bench.first)

    run(main())
    assert bench.asset().state == AssetState.FAILED
    assert len(bench.provider.submitted) == MAX_ATTEMPTS
    bench.provider.fail_submit = [ProviderUnavailable()]
    run(bench.executor().run(bench.assets[1].id))
    assert bench.asset(bench.assets[1].id).state == AssetState.QUEUED


def test_one_items_failure_takes_no_other_down(bench: Bench) -> None:
    bench.provider.fail_follow = [ZeroDivisionError()]

    async def main() -> None:
        await asyncio.gather(*(bench.executor().run(asset.id) for asset in bench.assets))

    run(main())
    states = [asset.state for asset in bench.store.assets.of_job(bench.job.id)]
    assert states.count(AssetState.DONE) == 9
    assert states.count(AssetState.FAILED) == 1
    job = bench.store.jobs.get(bench.job.id)
    assert job is not None
    assert job.status == JobStatus.FAILED


@pytest.mark.parametrize("body", [b"", b"<html>busy</html>"])
def test_a_file_that_does_not_decode_is_an_error_in_words(bench: Bench, body: bytes) -> None:
    bench.provider.content = body
    run(bench.executor().run(bench.first))
    error = bench.asset().error
    assert error is not None
    assert error.code == "broken_file"
    assert not list((bench.content.root / "ana").iterdir())


def test_a_full_disk_is_an_error_in_words(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("core.media.storage.os.fsync", full)
    run(bench.executor().run(bench.first))
    error = bench.asset().error
    assert error is not None
    assert error.message == "The disk is full, so the file could not be saved."
    assert not list((bench.content.root / "ana").rglob("*.part"))


def test_an_executor_whose_item_was_taken_over_stops(bench: Bench) -> None:
    async def main() -> None:
        bench.provider.hold.clear()
        task = asyncio.create_task(bench.executor(lease_seconds=0.6).run(bench.first))
        await until(lambda: bench.asset().state == AssetState.RUNNING)
        lease = bench.asset().lease
        assert lease is not None
        stolen = lease.model_copy(update={"token": "thief"}).model_dump()
        bench.store.assets._assets.update_one(  # noqa: SLF001  # as another worker would
            {"_id": bench.first}, {"$set": {"lease": stolen}}
        )
        await asyncio.wait_for(task, 10)
        assert len(bench.provider.cancelled) == 1

    run(main())
    assert bench.asset().state == AssetState.RUNNING


def test_an_orderly_stop_hands_back_what_is_unfinished(bench: Bench) -> None:
    async def main() -> None:
        bench.provider.hold.clear()
        stop = asyncio.Event()
        dispatcher = Dispatcher(bench.store, bench.executor(), capacity=3)
        running = asyncio.create_task(dispatcher.run(stop))
        await until(lambda: bench.store.assets.queue()["active"] == 3)
        stop.set()
        await asyncio.wait_for(running, 10)

    run(main())
    assert bench.store.assets.queue() == {"queued": 10, "active": 0}


def test_a_new_job_is_begun_without_waiting_for_the_poll(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.generation.dispatcher.POLL_SECONDS", 3600)

    async def main() -> None:
        stop = asyncio.Event()
        dispatcher = Dispatcher(bench.store, bench.executor(), capacity=50)
        running = asyncio.create_task(dispatcher.run(stop))
        await until(lambda: len(bench.provider.submitted) == 10)
        job, assets = plan(Order(user_id="ben", prompt="y"), bench.catalogue)
        await until(lambda: bench.store.assets.queue() == {"queued": 0, "active": 0})
        bench.store.jobs.create(job, assets)
        await until(lambda: len(bench.provider.submitted) == 20)
        stop.set()
        await running

    run(main())


def test_a_job_whose_worker_died_before_settling_is_settled_by_the_next(bench: Bench) -> None:
    async def main() -> None:
        for asset in bench.assets:
            claim = bench.store.assets.claim(asset.id, "dead:1", 60)
            assert claim is not None
            bench.store.assets.done(claim, {"path": f"generated_content/ana/{asset.id}"})
        stop = asyncio.Event()
        dispatcher = Dispatcher(bench.store, bench.executor(), capacity=1)
        running = asyncio.create_task(dispatcher.run(stop))
        await until(lambda: bench.store.jobs.processing() == [])
        stop.set()
        await running

    run(main())
