"""Making one item: executor and store against a real MongoDB and a provider that obeys."""

import asyncio
import errno
from pathlib import Path

import pytest

from core.generation.item_run import MAX_ATTEMPTS
from core.models import AssetState, JobStatus
from core.providers import errors
from core.system.backoff import Backoff
from tests.contract.fakes import FakeProvider
from tests.integration.job_harness import JobHarness, NewHarness, run, until


def test_an_item_ends_as_a_checked_file_with_previews(harness: JobHarness) -> None:
    run(harness.make())
    asset = harness.asset()
    assert (asset.state, asset.lease, asset.error) == (AssetState.DONE, None, None)
    assert asset.path is not None
    assert asset.preview is not None
    place = harness.content.locate("ana", asset.path)
    assert place.stat().st_size == asset.bytes
    assert harness.content.locate("ana", asset.preview).suffix == ".webp"
    assert harness.content.drafts() == []


def test_a_whole_job_ends_completed_and_its_paths_are_files(harness: JobHarness) -> None:
    async def main() -> None:
        async with harness.worker(worker_concurrency=4):
            await until(lambda: harness.status != JobStatus.PROCESSING)

    run(main())
    job = harness.store.jobs.get(harness.job.id)
    assert job is not None
    assert job.status == JobStatus.COMPLETED
    assert len(job.image_paths) == len(job.video_paths) == 5
    assert all(Path(path).is_file() for path in job.image_paths + job.video_paths)
    assert len(harness.provider.submitted) == len(set(harness.provider.submitted)) == 10


def test_a_free_item_of_a_killed_worker_is_begun_again(harness: JobHarness) -> None:
    harness.abandoned(AssetState.RUNNING)
    run(harness.make())
    assert harness.asset().state == AssetState.DONE
    assert harness.provider.submitted == [harness.first]


@pytest.mark.parametrize("state", [AssetState.RUNNING, AssetState.SAVING])
def test_a_remote_task_is_resumed_and_never_created_again(
    new_harness: NewHarness, state: AssetState
) -> None:
    harness = new_harness(FakeProvider(paid=True, resumable=True))
    harness.abandoned(state, remote_id=f"remote-{harness.first}")
    run(harness.make())
    assert harness.asset().state == AssetState.DONE
    assert harness.provider.submitted == []


def test_a_paid_call_whose_outcome_is_not_known_is_not_made_again(new_harness: NewHarness) -> None:
    harness = new_harness(FakeProvider(paid=True, resumable=True))
    harness.abandoned(AssetState.SUBMITTING)
    run(harness.make())
    assert harness.asset().state == AssetState.UNKNOWN
    assert harness.provider.submitted == []
    harness.provider.fail_submit = [errors.OutcomeUnknown()]
    run(harness.make(harness.assets[1].id))
    assert harness.asset(harness.assets[1].id).state == AssetState.UNKNOWN


@pytest.mark.parametrize(
    ("error", "code"),
    [(errors.PromptRejected(), "prompt_rejected"), (errors.ProviderError("No."), "provider_error")],
)
def test_a_refusal_ends_the_item_with_its_sentence(
    harness: JobHarness, error: errors.ProviderError, code: str
) -> None:
    harness.provider.fail_submit = [error]
    run(harness.make())
    asset = harness.asset()
    assert asset.state == AssetState.FAILED
    assert asset.error is not None
    assert (asset.error.code, asset.error.message) == (code, str(error))


def test_a_busy_provider_is_asked_again_when_it_said(harness: JobHarness) -> None:
    harness.provider.fail_submit = [errors.RateLimited(retry_after=600)]
    run(harness.make())
    asset = harness.asset()
    assert asset.state == AssetState.QUEUED
    assert asset.error is not None
    wait = asset.next_attempt_at - asset.timings["submitted_at"]
    assert 599 <= wait.total_seconds() <= 601


@pytest.mark.parametrize("resumable", [True, False])
def test_trouble_after_a_paid_call_never_pays_again(
    new_harness: NewHarness, *, resumable: bool
) -> None:
    harness = new_harness(FakeProvider(paid=True, resumable=resumable))
    harness.provider.fail_follow = [errors.RateLimited(retry_after=1e-9)]

    async def main() -> None:
        await harness.make()
        await harness.make()

    run(main())
    assert harness.asset().state == (AssetState.DONE if resumable else AssetState.FAILED)
    assert harness.provider.submitted == [harness.first]


@pytest.mark.parametrize("error", [TimeoutError(), ConnectionResetError(), ValueError()])
def test_a_paid_call_that_broke_off_is_unknown(new_harness: NewHarness, error: Exception) -> None:
    harness = new_harness(FakeProvider(paid=True, resumable=True))
    harness.provider.fail_submit = [error]
    run(harness.make())
    assert harness.asset().state == AssetState.UNKNOWN


def test_orderly_stops_do_not_use_up_the_attempts(harness: JobHarness) -> None:
    async def main() -> None:
        harness.provider.hold.clear()
        for _ in range(MAX_ATTEMPTS + 1):
            task = asyncio.create_task(harness.make())
            await until(lambda: harness.asset().state == AssetState.RUNNING)
            task.cancel()
            await asyncio.wait([task])
        harness.provider.hold.set()
        await harness.make()

    run(main())
    assert harness.asset().state == AssetState.DONE


def test_an_unreachable_provider_is_given_up_after_a_bound(
    harness: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.generation.executor.BACKOFF", Backoff(0.0, 0.0))

    async def main() -> None:
        for _ in range(MAX_ATTEMPTS):
            harness.provider.fail_submit = [errors.ProviderUnavailable()]
            await harness.make()

    run(main())
    assert harness.asset().state == AssetState.FAILED
    assert len(harness.provider.submitted) == MAX_ATTEMPTS


def test_waiting_for_ones_turn_is_no_failure(harness: JobHarness) -> None:
    async def main() -> None:
        for _ in range(2 * MAX_ATTEMPTS):
            harness.provider.fail_submit = [errors.RateLimited(retry_after=1e-9)]
            await harness.make()
        await harness.make()

    run(main())
    assert harness.asset().state == AssetState.DONE


def test_one_items_failure_takes_no_other_down(harness: JobHarness) -> None:
    harness.provider.fail_follow = [ZeroDivisionError()]

    async def main() -> None:
        await asyncio.gather(*(harness.make(asset.id) for asset in harness.assets))

    run(main())
    states = [asset.state for asset in harness.store.assets.of_job(harness.job.id)]
    assert states.count(AssetState.DONE) == 9
    assert states.count(AssetState.FAILED) == 1
    job = harness.store.jobs.get(harness.job.id)
    assert job is not None
    assert job.status == JobStatus.FAILED


@pytest.mark.parametrize("body", [b"", b"<html>busy</html>"])
def test_a_file_that_does_not_decode_is_an_error_in_words(harness: JobHarness, body: bytes) -> None:
    harness.provider.content = body
    run(harness.make())
    error = harness.asset().error
    assert error is not None
    assert error.code == "broken_file"
    assert not (harness.content.root / "ana").exists()
    assert harness.content.drafts() == []


def test_a_full_disk_is_an_error_in_words(
    harness: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("core.media.folder.flush", full)
    run(harness.make())
    asset = harness.asset()
    assert asset.error is not None
    assert asset.error.code == "disk_full"
    assert asset.error.message.startswith(
        f"The disk of CONTENT_URL, {harness.content.place}, is full"
    )
    assert asset.state == AssetState.QUEUED, "it is saved when there is room again"
    assert harness.content.drafts() == []


def test_an_executor_whose_item_was_taken_over_stops(harness: JobHarness) -> None:
    async def main() -> None:
        harness.provider.hold.clear()
        task = asyncio.create_task(harness.make(lease_seconds=0.6))
        await until(lambda: harness.asset().state == AssetState.RUNNING)
        lease = harness.asset().lease
        assert lease is not None
        stolen = lease.model_copy(update={"token": "thief"}).model_dump()
        harness.store.assets._assets.update_one(  # noqa: SLF001  # as another worker would
            {"_id": harness.first}, {"$set": {"lease": stolen}}
        )
        await asyncio.wait_for(task, 120)
        assert len(harness.provider.cancelled) == 1

    run(main())
    assert harness.asset().state == AssetState.RUNNING
