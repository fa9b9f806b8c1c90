"""Dispatcher, engine and worker: who is handed what, and what stops it."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import TypeVar

import pytest
from pydantic import SecretStr

from core.generation.item_run import ItemRun
from core.models import Asset, AssetState, JobStatus
from core.providers.base import Limits
from core.providers.errors import InvalidCredentials, PromptRejected, ProviderError
from core.providers.registry import Catalogue
from core.store import Store
from core.studio.order import Order
from core.studio.planning import plan
from tests.brokers import Broker
from tests.conftest import claim
from tests.contract.fakes import FakeProvider
from tests.integration.bench import Bench, NewBench, run, until

T = TypeVar("T")


def noting(note: Callable[[object], None], call: Callable[..., T]) -> Callable[..., T]:
    """Return a function that does the same, and notes that it is called."""

    def noted(*args: object) -> T:
        note(args)
        return call(*args)

    return noted


def ordered(bench: Bench, user_id: str) -> list[Asset]:
    """Store another job, of this user."""
    job, assets = plan(Order(user_id=user_id, prompt="y"), bench.catalogue)
    bench.store.jobs.create(job, assets)
    return assets


def test_an_orderly_stop_hands_back_what_is_unfinished(bench: Bench) -> None:
    async def main() -> None:
        bench.provider.hold.clear()
        async with bench.worker(worker_concurrency=3):
            await until(lambda: bench.states()[AssetState.RUNNING] == 3)

    run(main())
    assert bench.states() == {AssetState.QUEUED: 10}
    assert [asset.attempts for asset in bench.store.assets.of_job(bench.job.id)] == [0] * 10
    assert bench.store.workers.alive() == []
    assert bench.store.workers.leader() is None


def test_an_orderly_stop_lets_end_what_can(bench: Bench) -> None:
    async def main() -> None:
        bench.provider.hold.clear()
        async with bench.worker(worker_concurrency=3) as (stop, _):
            await until(lambda: bench.states()[AssetState.RUNNING] == 3)
            stop.set()
            await until(lambda: bench.store.workers.alive() == [])
            bench.provider.hold.set()
            await until(lambda: bench.states()[AssetState.DONE] == 3)

    run(main())
    assert bench.states() == {AssetState.QUEUED: 7, AssetState.DONE: 3}


def test_what_a_provider_works_on_is_handed_back_to_be_resumed(new_bench: NewBench) -> None:
    bench = new_bench(FakeProvider(paid=True, resumable=True))

    async def main() -> None:
        bench.provider.hold.clear()
        async with bench.worker():
            await until(lambda: bench.states()[AssetState.RUNNING] == 10)
        bench.provider.hold.set()
        async with bench.worker():
            await until(lambda: bench.status == JobStatus.COMPLETED)

    run(main())
    assert len(bench.provider.submitted) == 10


def test_a_new_job_is_begun_without_waiting_for_the_poll(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with bench.worker():
            await until(lambda: len(bench.provider.submitted) == 10)
            monkeypatch.setattr("core.generation.dispatcher.POLL_SECONDS", 3600)
            await until(lambda: bench.states()[AssetState.DONE] == 10)
            ordered(bench, "ben")
            await until(lambda: len(bench.provider.submitted) == 20)

    run(main())


def test_a_job_whose_worker_died_before_settling_is_settled_by_the_next(bench: Bench) -> None:
    async def main() -> None:
        for asset in bench.assets:
            claimed = claim(bench.store, asset.id, 60, "dead:1")
            assert claimed is not None
            bench.store.transitions.done(claimed, {"path": f"generated_content/ana/{asset.id}"})
        async with bench.worker():
            await until(lambda: bench.status == JobStatus.COMPLETED)

    run(main())


def test_users_take_turns(bench: Bench) -> None:
    async def main() -> None:
        ordered(bench, "ana")
        ordered(bench, "ben")
        ordered(bench, "cleo")
        async with bench.worker(worker_concurrency=1):
            await until(lambda: len(bench.provider.submitted) >= 12)

    run(main())
    users = {
        asset.id: asset.user_id for name in ("ana", "ben", "cleo") for asset in of(bench, name)
    }
    turns = [users[asset_id] for asset_id in bench.provider.submitted[:12]]
    assert turns == ["ana", "ben", "cleo"] * 4


def of(bench: Bench, user_id: str) -> list[Asset]:
    jobs = bench.store.jobs.of_user(user_id)
    return [asset for job in jobs for asset in bench.store.assets.of_job(job.id)]


@pytest.mark.parametrize(
    ("model_limit", "provider_limit", "concurrency", "expected"),
    [(4, None, 50, 4), (9, 3, 50, 3), (9, 8, 2, 2)],
)
def test_no_more_is_in_flight_than_model_provider_and_workers_take(  # noqa: PLR0913, PLR0917
    new_bench: NewBench,
    monkeypatch: pytest.MonkeyPatch,
    model_limit: int,
    provider_limit: int | None,
    concurrency: int,
    expected: int,
) -> None:
    bench = new_bench(FakeProvider(limit=model_limit))
    bench.provider.limits = Limits(at_once=provider_limit)

    async def main() -> None:
        bench.provider.hold.clear()
        async with bench.worker(worker_concurrency=concurrency):
            await until(lambda: bench.states()[AssetState.RUNNING] == expected)
            ordered(bench, "ben")  # wakes the dispatcher, which finds no room
            rounds: list[object] = []
            monkeypatch.setattr(
                bench.store.queue, "lanes", noting(rounds.append, bench.store.queue.lanes)
            )
            await until(lambda: len(rounds) >= 2)
            bench.provider.hold.set()
            await until(lambda: bench.status == JobStatus.COMPLETED)

    run(main())
    assert bench.provider.most_at_once <= expected


def test_a_provider_has_room_again_while_its_file_is_being_saved(new_bench: NewBench) -> None:
    bench = new_bench(FakeProvider(limit=1))

    async def main() -> None:
        bench.provider.hold_fetch.clear()
        async with bench.worker(worker_concurrency=3):
            await until(lambda: bench.states()[AssetState.SAVING] == 3)
            bench.provider.hold_fetch.set()
            await until(lambda: bench.status == JobStatus.COMPLETED)

    run(main())
    assert bench.provider.most_at_once == 1


def test_work_of_a_queue_that_nobody_serves_waits(
    new_bench: NewBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = new_bench(FakeProvider(queue="gpu"))

    async def main() -> None:
        async with bench.worker():
            await until(lambda: bench.store.workers.leader() is not None)
            rounds: list[object] = []
            monkeypatch.setattr(
                bench.store.queue, "lanes", noting(rounds.append, bench.store.queue.lanes)
            )
            await until(lambda: len(rounds) >= 2)
            assert bench.states() == {AssetState.QUEUED: 10}
        async with bench.worker(worker_queues="gpu"):
            await until(lambda: bench.status == JobStatus.COMPLETED)

    run(main())


def test_a_lost_message_only_costs_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.generation.dispatcher.TICKET_SECONDS", 0.5)
    bench.store.queue.hand_out([asset.id for asset in bench.assets], "lost", 1)

    async def main() -> None:
        async with bench.worker():
            await until(lambda: bench.status == JobStatus.COMPLETED)

    run(main())
    assert len(bench.provider.submitted) == 10


@pytest.mark.parametrize("paid", [True, False])
def test_cancelling_reaches_what_is_running(new_bench: NewBench, *, paid: bool) -> None:
    bench = new_bench(FakeProvider(paid=paid, resumable=paid))

    async def main() -> None:
        bench.provider.hold.clear()
        async with bench.worker():
            await until(lambda: bench.states()[AssetState.RUNNING] == 10)
            bench.store.job_actions.cancel(bench.job.id, "ana", bench.first)
            await until(lambda: bench.asset().state == AssetState.CANCELLED)
            assert len(bench.provider.cancelled) == 1
            bench.store.job_actions.cancel(bench.job.id, "ana")
            await until(lambda: bench.status == JobStatus.CANCELLED)
            assert len(bench.provider.cancelled) == 10

    run(main())


def test_cancelling_while_no_worker_is_there_takes_effect_with_the_next(
    new_bench: NewBench,
) -> None:
    bench = new_bench(FakeProvider(paid=True, resumable=True))
    bench.abandoned(AssetState.RUNNING, "remote-1")
    bench.store.job_actions.cancel(bench.job.id, "ana")
    assert bench.states() == {AssetState.CANCELLED: 9, AssetState.RUNNING: 1}

    async def main() -> None:
        async with bench.worker():
            await until(lambda: bench.status == JobStatus.CANCELLED)

    run(main())
    assert bench.provider.submitted == []
    assert [each.remote_id for each in bench.provider.cancelled] == ["remote-1"]


def test_cancelling_a_paid_call_that_is_out_waits_for_its_answer(
    new_bench: NewBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = new_bench(FakeProvider(paid=True, resumable=True))
    heard: list[object] = []
    monkeypatch.setattr(ItemRun, "cancel", noting(heard.append, ItemRun.cancel))

    async def main() -> None:
        bench.provider.hold_submit.clear()
        bench.provider.hold.clear()
        async with bench.worker():
            await until(lambda: len(bench.provider.submitted) == 10)
            bench.store.job_actions.cancel(bench.job.id, "ana", bench.first)
            await until(lambda: len(heard) == 1)
            assert bench.asset().state == AssetState.SUBMITTING
            bench.provider.hold_submit.set()
            await until(lambda: bench.asset().state == AssetState.CANCELLED)

    run(main())
    assert [each.remote_id for each in bench.provider.cancelled] == [f"remote-{bench.first}"]


def test_a_provider_that_cannot_be_told_to_stop_is_admitted(new_bench: NewBench) -> None:
    bench = new_bench(FakeProvider(paid=True, resumable=True))
    bench.provider.fail_cancel = [OSError("gone")]
    bench.abandoned(AssetState.RUNNING, "remote-1")
    bench.store.job_actions.cancel(bench.job.id, "ana", bench.first)
    run(bench.make())
    asset = bench.asset()
    assert asset.state == AssetState.CANCELLED
    assert asset.error is not None
    assert "may go on and charge" in asset.error.message


def test_retry_makes_what_failed_and_resend_what_is_unknown(new_bench: NewBench) -> None:
    bench = new_bench(FakeProvider(paid=True, resumable=True))
    bench.provider.fail_submit = [ValueError("broke off"), RuntimeError("broke off")]

    async def main() -> None:
        async with bench.worker():
            await until(lambda: bench.status == JobStatus.FAILED)
            assert bench.states()[AssetState.UNKNOWN] == 2
            assert bench.store.job_actions.retry(bench.job.id, "ana") == 0
            assert bench.store.job_actions.resend(bench.job.id, "ana") == 2
            await until(lambda: bench.status == JobStatus.COMPLETED)

    run(main())
    assert len(bench.provider.submitted) == 12


def test_what_was_paid_for_and_only_not_saved_is_fetched_again(
    new_bench: NewBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = new_bench(FakeProvider(paid=True, resumable=True))

    def broken(_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("core.media.folder.flush", broken)
    run(bench.make())
    assert bench.asset().state == AssetState.FAILED
    monkeypatch.undo()
    bench.store.job_actions.retry(bench.job.id, "ana", bench.first)
    run(bench.make())
    assert bench.asset().state == AssetState.DONE
    assert len(bench.provider.submitted) == 1


def test_a_leader_that_leaves_is_followed_by_the_one_that_stood_by(
    bench: Bench, store: Store
) -> None:
    async def main() -> None:
        bench.provider.hold.clear()
        async with AsyncExitStack() as first, AsyncExitStack() as second:
            await first.enter_async_context(bench.worker(lease_seconds=2, worker_concurrency=1))
            await until(lambda: bench.states()[AssetState.RUNNING] == 1)
            leader = store.workers.leader()
            await second.enter_async_context(bench.worker(lease_seconds=2))
            await until(lambda: len(store.workers.alive()) == 2)
            assert store.workers.leader() == leader
            await first.aclose()
            await until(lambda: bench.states()[AssetState.RUNNING] == 10)
            assert store.workers.leader() not in (leader, None)

    run(main())


@pytest.mark.parametrize("name", ["redis", "rabbitmq"])
def test_over_a_broker_two_workers_share_the_work_and_make_nothing_twice(
    bench: Bench, request: pytest.FixtureRequest, name: str
) -> None:
    broker: Broker = request.getfixturevalue(name)
    url = {"broker_url": SecretStr(broker.url), "worker_concurrency": 5}

    async def main() -> None:
        bench.provider.hold.clear()
        async with bench.worker(**url), bench.worker(**url):
            await until(lambda: bench.states()[AssetState.RUNNING] == 10)
            holders = {asset.lease.owner for asset in of(bench, "ana") if asset.lease}
            assert len(holders) == 2
            bench.provider.hold.set()
            await until(lambda: bench.status == JobStatus.COMPLETED)

    run(main())
    assert len(bench.provider.submitted) == 10


def test_who_waits_for_a_pause_holds_up_nobody(bench: Bench) -> None:
    for asset in bench.assets:
        claimed = claim(bench.store, asset.id)
        assert claimed is not None
        bench.store.transitions.hand_back(claimed, 3600, counted=False)
    theirs = ordered(bench, "ben")

    async def main() -> None:
        async with bench.worker(worker_concurrency=1):
            await until(lambda: set(bench.provider.submitted) == {asset.id for asset in theirs})

    run(main())


def test_lanes_take_turns(bench: Bench) -> None:
    other = FakeProvider()
    other.name = "zebra"
    bench.catalogue.providers["zebra"] = other
    job, assets = plan(Order(user_id="ben", prompt="y"), Catalogue({"zebra": other}))
    bench.store.jobs.create(job, assets)

    async def main() -> None:
        async with bench.worker(worker_concurrency=1):
            await until(lambda: len(bench.provider.submitted) >= 5)

    run(main())
    assert len(other.submitted) >= 4


def test_an_orderly_stop_waits_for_the_answers_to_paid_calls(new_bench: NewBench) -> None:
    bench = new_bench(FakeProvider(paid=True, resumable=True))

    async def main() -> None:
        bench.provider.hold_submit.clear()
        bench.provider.hold.clear()
        async with bench.worker() as (_, at_once):
            await until(lambda: len(bench.provider.submitted) == 10)
            at_once.set()
            await until(lambda: bench.store.workers.alive() == [])
            bench.provider.hold_submit.set()

    run(main())
    assert all(asset.remote_id is not None for asset in of(bench, "ana"))


def test_an_item_of_a_provider_that_is_missing_here_is_left_to_others(new_bench: NewBench) -> None:
    bench = new_bench(FakeProvider(paid=True, resumable=True))
    bench.abandoned(AssetState.RUNNING, "remote-1")
    provider = bench.catalogue.providers.pop("fake")
    run(bench.make())
    asset = bench.asset()
    assert (asset.state, asset.remote_id) == (AssetState.QUEUED, "remote-1")
    assert asset.error is not None
    assert "not configured" in asset.error.message
    bench.catalogue.providers["fake"] = provider
    run(bench.make(bench.assets[1].id))
    assert bench.asset(bench.assets[1].id).state == AssetState.DONE


@pytest.mark.parametrize("error", [InvalidCredentials(), ProviderError("No."), ValueError("odd")])
def test_a_task_that_only_could_not_be_followed_is_taken_up_again_and_not_paid_again(
    new_bench: NewBench, error: Exception
) -> None:
    bench = new_bench(FakeProvider(paid=True, resumable=True))
    bench.provider.fail_follow = [error]
    run(bench.make())
    assert bench.asset().state == AssetState.FAILED
    bench.store.job_actions.retry(bench.job.id, "ana")
    run(bench.make())
    assert bench.asset().state == AssetState.DONE
    assert len(bench.provider.submitted) == 1


def test_a_providers_own_time_out_is_not_taken_for_ours(new_bench: NewBench) -> None:
    bench = new_bench(FakeProvider(paid=True, resumable=True))
    bench.provider.fail_follow = [TimeoutError()]
    run(bench.make())
    assert bench.asset().state == AssetState.QUEUED
    assert bench.provider.cancelled == []


def test_a_cancelled_call_whose_outcome_is_not_known_stays_unknown(new_bench: NewBench) -> None:
    bench = new_bench(FakeProvider(paid=True, resumable=True))
    bench.abandoned(AssetState.SUBMITTING)
    bench.store.job_actions.cancel(bench.job.id, "ana")
    run(bench.make())
    assert bench.asset().state == AssetState.UNKNOWN
    assert bench.store.job_actions.retry(bench.job.id, "ana", bench.first) == 0


def test_a_cancelled_call_that_was_refused_costs_nothing(
    new_bench: NewBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = new_bench(FakeProvider(paid=True))
    bench.provider.hold_submit.clear()
    bench.provider.fail_submit = [PromptRejected()]

    async def main() -> None:
        making = asyncio.create_task(bench.make())
        await until(lambda: len(bench.provider.submitted) == 1)
        bench.store.job_actions.cancel(bench.job.id, "ana", bench.first)
        noted = noting(lambda _: bench.provider.hold_submit.set(), ItemRun.cancel)
        monkeypatch.setattr(ItemRun, "cancel", noted)
        await making

    run(main())
    assert (bench.asset().state, bench.asset().error) == (AssetState.CANCELLED, None)


def test_what_is_paid_for_and_cannot_be_fetched_again_is_saved_when_it_can_be(
    new_bench: NewBench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.generation.item_file.SAVE_AGAIN", (3, 0.0))
    bench = new_bench(FakeProvider(paid=True))
    failures = [OSError(28, "No space left on device")] * 2

    def sometimes_full(_: object) -> None:
        if failures:
            raise failures.pop()

    monkeypatch.setattr("core.media.folder.flush", sometimes_full)
    run(bench.make())
    assert bench.asset().state == AssetState.DONE
    assert len(bench.provider.submitted) == 1


def test_what_a_killed_worker_had_begun_to_write_is_removed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.generation.sweeper.SWEEP_SECONDS", 0.1)
    folder = bench.content.root / ".drafts"
    folder.mkdir(parents=True)
    left = folder / f"{bench.first}.0a0b0c0d.part"
    left.write_bytes(b"half")
    (folder / "something-else.part").write_bytes(b"not ours")
    held = folder / f"{bench.assets[1].id}-poster.webp.0a0b0c0d.part"
    held.write_bytes(b"being written")
    claim(bench.store, bench.assets[1].id, 600)

    async def main() -> None:
        async with bench.worker():
            await until(lambda: not left.exists())

    run(main())
    assert held.exists()
    assert (folder / "something-else.part").exists()
