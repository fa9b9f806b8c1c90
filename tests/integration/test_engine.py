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
from tests.integration.job_harness import JobHarness, NewHarness, run, until

T = TypeVar("T")


def noting(note: Callable[[object], None], call: Callable[..., T]) -> Callable[..., T]:
    """Return a function that does the same, and notes that it is called."""

    def noted(*args: object) -> T:
        note(args)
        return call(*args)

    return noted


def ordered(harness: JobHarness, user_id: str) -> list[Asset]:
    """Store another job, of this user."""
    job, assets = plan(Order(user_id=user_id, prompt="y"), harness.catalogue)
    harness.store.jobs.create(job, assets)
    return assets


def test_an_orderly_stop_hands_back_what_is_unfinished(harness: JobHarness) -> None:
    async def main() -> None:
        harness.provider.hold.clear()
        async with harness.worker(worker_concurrency=3):
            await until(lambda: harness.states()[AssetState.RUNNING] == 3)

    run(main())
    assert harness.states() == {AssetState.QUEUED: 10}
    assert [asset.attempts for asset in harness.store.assets.of_job(harness.job.id)] == [0] * 10
    assert harness.store.workers.alive() == []
    assert harness.store.workers.leader() is None


def test_an_orderly_stop_lets_end_what_can(harness: JobHarness) -> None:
    async def main() -> None:
        harness.provider.hold.clear()
        async with harness.worker(worker_concurrency=3) as (stop, _):
            await until(lambda: harness.states()[AssetState.RUNNING] == 3)
            stop.set()
            await until(lambda: harness.store.workers.alive() == [])
            harness.provider.hold.set()
            await until(lambda: harness.states()[AssetState.DONE] == 3)

    run(main())
    assert harness.states() == {AssetState.QUEUED: 7, AssetState.DONE: 3}


def test_what_a_provider_works_on_is_handed_back_to_be_resumed(new_harness: NewHarness) -> None:
    harness = new_harness(FakeProvider(paid=True, resumable=True))

    async def main() -> None:
        harness.provider.hold.clear()
        async with harness.worker():
            await until(lambda: harness.states()[AssetState.RUNNING] == 10)
        harness.provider.hold.set()
        async with harness.worker():
            await until(lambda: harness.status == JobStatus.COMPLETED)

    run(main())
    assert len(harness.provider.submitted) == 10


def test_a_new_job_is_begun_without_waiting_for_the_poll(
    harness: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with harness.worker():
            await until(lambda: len(harness.provider.submitted) == 10)
            monkeypatch.setattr("core.generation.dispatcher.POLL_SECONDS", 3600)
            await until(lambda: harness.states()[AssetState.DONE] == 10)
            ordered(harness, "ben")
            await until(lambda: len(harness.provider.submitted) == 20)

    run(main())


def test_a_job_whose_worker_died_before_settling_is_settled_by_the_next(
    harness: JobHarness,
) -> None:
    async def main() -> None:
        for asset in harness.assets:
            claimed = claim(harness.store, asset.id, 60, "dead:1")
            assert claimed is not None
            harness.store.transitions.done(claimed, {"path": f"generated_content/ana/{asset.id}"})
        async with harness.worker():
            await until(lambda: harness.status == JobStatus.COMPLETED)

    run(main())


def test_users_take_turns(harness: JobHarness) -> None:
    async def main() -> None:
        ordered(harness, "ana")
        ordered(harness, "ben")
        ordered(harness, "cleo")
        async with harness.worker(worker_concurrency=1):
            await until(lambda: len(harness.provider.submitted) >= 12)

    run(main())
    users = {
        asset.id: asset.user_id for name in ("ana", "ben", "cleo") for asset in of(harness, name)
    }
    turns = [users[asset_id] for asset_id in harness.provider.submitted[:12]]
    assert turns == ["ana", "ben", "cleo"] * 4


def of(harness: JobHarness, user_id: str) -> list[Asset]:
    jobs = harness.store.jobs.of_user(user_id)
    return [asset for job in jobs for asset in harness.store.assets.of_job(job.id)]


@pytest.mark.parametrize(
    ("model_limit", "provider_limit", "concurrency", "expected"),
    [(4, None, 50, 4), (9, 3, 50, 3), (9, 8, 2, 2)],
)
def test_no_more_is_in_flight_than_model_provider_and_workers_take(  # noqa: PLR0913, PLR0917
    new_harness: NewHarness,
    monkeypatch: pytest.MonkeyPatch,
    model_limit: int,
    provider_limit: int | None,
    concurrency: int,
    expected: int,
) -> None:
    harness = new_harness(FakeProvider(limit=model_limit))
    harness.provider.limits = Limits(at_once=provider_limit)

    async def main() -> None:
        harness.provider.hold.clear()
        async with harness.worker(worker_concurrency=concurrency):
            await until(lambda: harness.states()[AssetState.RUNNING] == expected)
            ordered(harness, "ben")  # wakes the dispatcher, which finds no room
            rounds: list[object] = []
            monkeypatch.setattr(
                harness.store.queue, "lanes", noting(rounds.append, harness.store.queue.lanes)
            )
            await until(lambda: len(rounds) >= 2)
            harness.provider.hold.set()
            await until(lambda: harness.status == JobStatus.COMPLETED)

    run(main())
    assert harness.provider.most_at_once <= expected


def test_a_provider_has_room_again_while_its_file_is_being_saved(new_harness: NewHarness) -> None:
    harness = new_harness(FakeProvider(limit=1))

    async def main() -> None:
        harness.provider.hold_fetch.clear()
        async with harness.worker(worker_concurrency=3):
            await until(lambda: harness.states()[AssetState.SAVING] == 3)
            harness.provider.hold_fetch.set()
            await until(lambda: harness.status == JobStatus.COMPLETED)

    run(main())
    assert harness.provider.most_at_once == 1


def test_work_of_a_queue_that_nobody_serves_waits(
    new_harness: NewHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = new_harness(FakeProvider(queue="gpu"))

    async def main() -> None:
        async with harness.worker():
            await until(lambda: harness.store.workers.leader() is not None)
            rounds: list[object] = []
            monkeypatch.setattr(
                harness.store.queue, "lanes", noting(rounds.append, harness.store.queue.lanes)
            )
            await until(lambda: len(rounds) >= 2)
            assert harness.states() == {AssetState.QUEUED: 10}
        async with harness.worker(worker_queues="gpu"):
            await until(lambda: harness.status == JobStatus.COMPLETED)

    run(main())


def test_a_lost_message_only_costs_time(
    harness: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.generation.dispatcher.TICKET_SECONDS", 0.5)
    harness.store.queue.hand_out([asset.id for asset in harness.assets], "lost", 1)

    async def main() -> None:
        async with harness.worker():
            await until(lambda: harness.status == JobStatus.COMPLETED)

    run(main())
    assert len(harness.provider.submitted) == 10


@pytest.mark.parametrize("paid", [True, False])
def test_cancelling_reaches_what_is_running(new_harness: NewHarness, *, paid: bool) -> None:
    harness = new_harness(FakeProvider(paid=paid, resumable=paid))

    async def main() -> None:
        harness.provider.hold.clear()
        async with harness.worker():
            await until(lambda: harness.states()[AssetState.RUNNING] == 10)
            harness.store.job_actions.cancel(harness.job.id, "ana", harness.first)
            await until(lambda: harness.asset().state == AssetState.CANCELLED)
            assert len(harness.provider.cancelled) == 1
            harness.store.job_actions.cancel(harness.job.id, "ana")
            await until(lambda: harness.status == JobStatus.CANCELLED)
            assert len(harness.provider.cancelled) == 10

    run(main())


def test_cancelling_while_no_worker_is_there_takes_effect_with_the_next(
    new_harness: NewHarness,
) -> None:
    harness = new_harness(FakeProvider(paid=True, resumable=True))
    harness.abandoned(AssetState.RUNNING, "remote-1")
    harness.store.job_actions.cancel(harness.job.id, "ana")
    assert harness.states() == {AssetState.CANCELLED: 9, AssetState.RUNNING: 1}

    async def main() -> None:
        async with harness.worker():
            await until(lambda: harness.status == JobStatus.CANCELLED)

    run(main())
    assert harness.provider.submitted == []
    assert [each.remote_id for each in harness.provider.cancelled] == ["remote-1"]


def test_cancelling_a_paid_call_that_is_out_waits_for_its_answer(
    new_harness: NewHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = new_harness(FakeProvider(paid=True, resumable=True))
    heard: list[object] = []
    monkeypatch.setattr(ItemRun, "cancel", noting(heard.append, ItemRun.cancel))

    async def main() -> None:
        harness.provider.hold_submit.clear()
        harness.provider.hold.clear()
        async with harness.worker():
            await until(lambda: len(harness.provider.submitted) == 10)
            harness.store.job_actions.cancel(harness.job.id, "ana", harness.first)
            await until(lambda: len(heard) == 1)
            assert harness.asset().state == AssetState.SUBMITTING
            harness.provider.hold_submit.set()
            await until(lambda: harness.asset().state == AssetState.CANCELLED)

    run(main())
    assert [each.remote_id for each in harness.provider.cancelled] == [f"remote-{harness.first}"]


def test_a_provider_that_cannot_be_told_to_stop_is_admitted(new_harness: NewHarness) -> None:
    harness = new_harness(FakeProvider(paid=True, resumable=True))
    harness.provider.fail_cancel = [OSError("gone")]
    harness.abandoned(AssetState.RUNNING, "remote-1")
    harness.store.job_actions.cancel(harness.job.id, "ana", harness.first)
    run(harness.make())
    asset = harness.asset()
    assert asset.state == AssetState.CANCELLED
    assert asset.error is not None
    assert "may go on and charge" in asset.error.message


def test_retry_makes_what_failed_and_resend_what_is_unknown(new_harness: NewHarness) -> None:
    harness = new_harness(FakeProvider(paid=True, resumable=True))
    harness.provider.fail_submit = [ValueError("broke off"), RuntimeError("broke off")]

    async def main() -> None:
        async with harness.worker():
            await until(lambda: harness.status == JobStatus.FAILED)
            assert harness.states()[AssetState.UNKNOWN] == 2
            assert harness.store.job_actions.retry(harness.job.id, "ana") == 0
            assert harness.store.job_actions.resend(harness.job.id, "ana") == 2
            await until(lambda: harness.status == JobStatus.COMPLETED)

    run(main())
    assert len(harness.provider.submitted) == 12


def test_what_was_paid_for_and_only_not_saved_is_fetched_again(
    new_harness: NewHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = new_harness(FakeProvider(paid=True, resumable=True))

    def broken(_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("core.media.folder.flush", broken)
    run(harness.make())
    assert harness.asset().state == AssetState.FAILED
    monkeypatch.undo()
    harness.store.job_actions.retry(harness.job.id, "ana", harness.first)
    run(harness.make())
    assert harness.asset().state == AssetState.DONE
    assert len(harness.provider.submitted) == 1


def test_a_leader_that_leaves_is_followed_by_the_one_that_stood_by(
    harness: JobHarness, store: Store
) -> None:
    async def main() -> None:
        harness.provider.hold.clear()
        async with AsyncExitStack() as first, AsyncExitStack() as second:
            await first.enter_async_context(harness.worker(lease_seconds=2, worker_concurrency=1))
            await until(lambda: harness.states()[AssetState.RUNNING] == 1)
            leader = store.workers.leader()
            await second.enter_async_context(harness.worker(lease_seconds=2))
            await until(lambda: len(store.workers.alive()) == 2)
            assert store.workers.leader() == leader
            await first.aclose()
            await until(lambda: harness.states()[AssetState.RUNNING] == 10)
            assert store.workers.leader() not in (leader, None)

    run(main())


@pytest.mark.parametrize("name", ["redis", "rabbitmq"])
def test_over_a_broker_two_workers_share_the_work_and_make_nothing_twice(
    harness: JobHarness, request: pytest.FixtureRequest, name: str
) -> None:
    broker: Broker = request.getfixturevalue(name)
    url = {"broker_url": SecretStr(broker.url), "worker_concurrency": 5}

    async def main() -> None:
        harness.provider.hold.clear()
        async with harness.worker(**url), harness.worker(**url):
            await until(lambda: harness.states()[AssetState.RUNNING] == 10)
            holders = {asset.lease.owner for asset in of(harness, "ana") if asset.lease}
            assert len(holders) == 2
            harness.provider.hold.set()
            await until(lambda: harness.status == JobStatus.COMPLETED)

    run(main())
    assert len(harness.provider.submitted) == 10


def test_who_waits_for_a_pause_holds_up_nobody(harness: JobHarness) -> None:
    for asset in harness.assets:
        claimed = claim(harness.store, asset.id)
        assert claimed is not None
        harness.store.transitions.hand_back(claimed, 3600, counted=False)
    theirs = ordered(harness, "ben")

    async def main() -> None:
        async with harness.worker(worker_concurrency=1):
            await until(lambda: set(harness.provider.submitted) == {asset.id for asset in theirs})

    run(main())


def test_lanes_take_turns(harness: JobHarness) -> None:
    other = FakeProvider()
    other.name = "zebra"
    harness.catalogue.providers["zebra"] = other
    job, assets = plan(Order(user_id="ben", prompt="y"), Catalogue({"zebra": other}))
    harness.store.jobs.create(job, assets)

    async def main() -> None:
        async with harness.worker(worker_concurrency=1):
            await until(lambda: len(harness.provider.submitted) >= 5)

    run(main())
    assert len(other.submitted) >= 4


def test_an_orderly_stop_waits_for_the_answers_to_paid_calls(new_harness: NewHarness) -> None:
    harness = new_harness(FakeProvider(paid=True, resumable=True))

    async def main() -> None:
        harness.provider.hold_submit.clear()
        harness.provider.hold.clear()
        async with harness.worker() as (_, at_once):
            await until(lambda: len(harness.provider.submitted) == 10)
            at_once.set()
            await until(lambda: harness.store.workers.alive() == [])
            harness.provider.hold_submit.set()

    run(main())
    assert all(asset.remote_id is not None for asset in of(harness, "ana"))


def test_an_item_of_a_provider_that_is_missing_here_is_left_to_others(
    new_harness: NewHarness,
) -> None:
    harness = new_harness(FakeProvider(paid=True, resumable=True))
    harness.abandoned(AssetState.RUNNING, "remote-1")
    provider = harness.catalogue.providers.pop("fake")
    run(harness.make())
    asset = harness.asset()
    assert (asset.state, asset.remote_id) == (AssetState.QUEUED, "remote-1")
    assert asset.error is not None
    assert "not configured" in asset.error.message
    harness.catalogue.providers["fake"] = provider
    run(harness.make(harness.assets[1].id))
    assert harness.asset(harness.assets[1].id).state == AssetState.DONE


@pytest.mark.parametrize("error", [InvalidCredentials(), ProviderError("No."), ValueError("odd")])
def test_a_task_that_only_could_not_be_followed_is_taken_up_again_and_not_paid_again(
    new_harness: NewHarness, error: Exception
) -> None:
    harness = new_harness(FakeProvider(paid=True, resumable=True))
    harness.provider.fail_follow = [error]
    run(harness.make())
    assert harness.asset().state == AssetState.FAILED
    harness.store.job_actions.retry(harness.job.id, "ana")
    run(harness.make())
    assert harness.asset().state == AssetState.DONE
    assert len(harness.provider.submitted) == 1


def test_a_providers_own_time_out_is_not_taken_for_ours(new_harness: NewHarness) -> None:
    harness = new_harness(FakeProvider(paid=True, resumable=True))
    harness.provider.fail_follow = [TimeoutError()]
    run(harness.make())
    assert harness.asset().state == AssetState.QUEUED
    assert harness.provider.cancelled == []


def test_a_cancelled_call_whose_outcome_is_not_known_stays_unknown(new_harness: NewHarness) -> None:
    harness = new_harness(FakeProvider(paid=True, resumable=True))
    harness.abandoned(AssetState.SUBMITTING)
    harness.store.job_actions.cancel(harness.job.id, "ana")
    run(harness.make())
    assert harness.asset().state == AssetState.UNKNOWN
    assert harness.store.job_actions.retry(harness.job.id, "ana", harness.first) == 0


def test_a_cancelled_call_that_was_refused_costs_nothing(
    new_harness: NewHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = new_harness(FakeProvider(paid=True))
    harness.provider.hold_submit.clear()
    harness.provider.fail_submit = [PromptRejected()]

    async def main() -> None:
        making = asyncio.create_task(harness.make())
        await until(lambda: len(harness.provider.submitted) == 1)
        harness.store.job_actions.cancel(harness.job.id, "ana", harness.first)
        noted = noting(lambda _: harness.provider.hold_submit.set(), ItemRun.cancel)
        monkeypatch.setattr(ItemRun, "cancel", noted)
        await making

    run(main())
    assert (harness.asset().state, harness.asset().error) == (AssetState.CANCELLED, None)


def test_what_is_paid_for_and_cannot_be_fetched_again_is_saved_when_it_can_be(
    new_harness: NewHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.generation.item_file.SAVE_AGAIN", (3, 0.0))
    harness = new_harness(FakeProvider(paid=True))
    failures = [OSError(28, "No space left on device")] * 2

    def sometimes_full(_: object) -> None:
        if failures:
            raise failures.pop()

    monkeypatch.setattr("core.media.folder.flush", sometimes_full)
    run(harness.make())
    assert harness.asset().state == AssetState.DONE
    assert len(harness.provider.submitted) == 1


def test_what_a_killed_worker_had_begun_to_write_is_removed(
    harness: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.generation.sweeper.SWEEP_SECONDS", 0.1)
    folder = harness.content.root / ".drafts"
    folder.mkdir(parents=True)
    left = folder / f"{harness.first}.0a0b0c0d.part"
    left.write_bytes(b"half")
    (folder / "something-else.part").write_bytes(b"not ours")
    held = folder / f"{harness.assets[1].id}-poster.webp.0a0b0c0d.part"
    held.write_bytes(b"being written")
    claim(harness.store, harness.assets[1].id, 600)

    async def main() -> None:
        async with harness.worker():
            await until(lambda: not left.exists())

    run(main())
    assert held.exists()
    assert (folder / "something-else.part").exists()
