"""What the world can do to a worker: each fault ends in the right state, with a sentence."""

import asyncio
import errno
import logging
import signal
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from pydantic import SecretStr

from core.generation.transport import BrokerUnavailable, check
from core.models import AssetState, JobStatus, now
from core.providers.base import Deadlines
from core.settings import Settings
from core.store import DatabaseError, Store, open_store
from core.store.embedded import EmbeddedMongo
from core.system.backoff import Backoff
from tests.brokers import Broker, start_broker
from tests.contract.fakes import FakeProvider
from tests.integration.job_harness import JobHarness, NewHarness, run, until
from tests.profiles import by_profile

GONE_SECONDS = by_profile(12, 30)  # four or ten leases


@pytest.fixture
def mongo(tmp_path: Path) -> Iterator[EmbeddedMongo]:
    """A database of the test's own, to be broken."""
    running = EmbeddedMongo(tmp_path / "mongo")
    running.start()
    yield running
    running.stop()


@pytest.fixture
def fragile(mongo: EmbeddedMongo, settings: Settings) -> Iterator[Store]:
    own = settings.model_copy(update={"mongodb_uri": SecretStr(mongo.uri or "")})
    with open_store(own) as store:
        store.ensure_schema()
        yield store


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_a_database_that_is_gone_or_hangs_for_several_leases_loses_nothing(
    mongo: EmbeddedMongo, fragile: Store, settings: Settings, how: signal.Signals
) -> None:
    harness = JobHarness(settings, fragile, FakeProvider(paid=True, resumable=True))

    async def main() -> None:
        harness.provider.hold.clear()
        async with harness.worker(lease_seconds=3):
            await until(lambda: harness.states()[AssetState.RUNNING] == 10)
            assert mongo.process is not None
            mongo.process.send_signal(how)
            harness.provider.hold.set()  # the provider has finished; nobody can store it
            await asyncio.sleep(GONE_SECONDS)
            if how == signal.SIGKILL:
                mongo.process.wait()
                await asyncio.to_thread(mongo.start)
            else:
                mongo.process.send_signal(signal.SIGCONT)
            await until(completed)

    def completed() -> bool:
        with suppress(DatabaseError):  # it may still be starting
            return harness.status == JobStatus.COMPLETED
        return False

    run(main())
    assert len(harness.provider.submitted) == 10


@pytest.mark.parametrize("name", ["redis", "rabbitmq"])
def test_a_broker_that_is_gone_for_several_leases_only_costs_time(
    new_harness: NewHarness, tmp_path: Path, name: str
) -> None:
    harness = new_harness(FakeProvider(limit=2))
    broker: Broker = start_broker(name, tmp_path / name)

    async def main() -> None:
        harness.provider.hold.clear()
        async with harness.worker(broker_url=SecretStr(broker.url), lease_seconds=3):
            await until(lambda: harness.states()[AssetState.RUNNING] == 2)
            broker.kill()
            harness.provider.hold.set()
            await asyncio.sleep(GONE_SECONDS)
            assert harness.status == JobStatus.PROCESSING
            await asyncio.to_thread(broker.start)
            await until(lambda: harness.status == JobStatus.COMPLETED)

    try:
        run(main())
    finally:
        broker.stop()
    assert len(harness.provider.submitted) == 10


@pytest.mark.parametrize("name", ["redis", "rabbitmq"])
def test_the_doctor_says_whether_the_broker_answers(
    request: pytest.FixtureRequest, name: str
) -> None:
    broker: Broker = request.getfixturevalue(name)
    assert asyncio.run(check(broker.url)).endswith("answers")
    port = urlsplit(broker.url).port
    with pytest.raises(BrokerUnavailable, match="does not answer") as refused:
        asyncio.run(check(broker.url.replace(f":{port}", ":1")))
    assert "guest:guest" not in str(refused.value)


def test_a_worker_whose_clock_is_wrong_keeps_what_it_holds_and_gets_what_is_due(
    harness: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        harness.provider.hold.clear()
        async with harness.worker(lease_seconds=2, worker_concurrency=5):
            await until(lambda: harness.states()[AssetState.RUNNING] == 5)
            modules = (
                "models",
                "store.work.transitions",
                "generation.executor",
            )
            for module in modules:
                monkeypatch.setattr(f"core.{module}.now", lambda: now() + timedelta(hours=-5))
            harness.provider.hold.set()
            await until(lambda: harness.status == JobStatus.COMPLETED)

    run(main())
    assert len(harness.provider.submitted) == 10


@pytest.mark.parametrize("paid", [True, False])
def test_a_provider_that_never_answers_a_request_is_given_up(
    new_harness: NewHarness, *, paid: bool
) -> None:
    harness = new_harness(FakeProvider(paid=paid))
    harness.provider.deadlines = Deadlines(submit=0.1)
    harness.provider.hold_submit.clear()
    run(harness.make())
    asset = harness.asset()
    assert asset.error is not None
    if paid:
        assert asset.state == AssetState.UNKNOWN
        assert "may have been charged" in asset.error.message
    else:
        assert (asset.state, asset.attempts) == (AssetState.QUEUED, 1)
        assert asset.error.message == "The provider cannot be reached."


def test_a_free_provider_that_never_finishes_is_stopped_and_given_up(
    new_harness: NewHarness,
) -> None:
    harness = new_harness(FakeProvider(resumable=True))
    harness.provider.deadlines = Deadlines(follow=0.1)
    harness.provider.hold.clear()
    run(harness.make())
    asset = harness.asset()
    assert asset.state == AssetState.FAILED
    assert asset.error is not None
    assert "did not finish it" in asset.error.message
    assert len(harness.provider.cancelled) == 1
    assert asset.remote_id is None


def test_a_paid_task_that_runs_into_its_deadline_is_asked_for_again_and_never_made_anew(
    new_harness: NewHarness,
) -> None:
    harness = new_harness(FakeProvider(paid=True, resumable=True))
    harness.provider.deadlines = Deadlines(follow=0.1)
    harness.provider.hold.clear()
    run(harness.make())
    asset = harness.asset()
    assert (asset.state, asset.charged) == (AssetState.FAILED, True)
    assert asset.remote_id == f"remote-{asset.id}"
    assert harness.provider.cancelled == [], "it may yet finish"
    harness.provider.hold.set()
    assert harness.store.job_actions.retry(harness.job.id, "ana", harness.first) == 1
    run(harness.make())
    assert harness.asset().state == AssetState.DONE
    assert len(harness.provider.submitted) == 1


def test_a_file_that_never_comes_is_asked_for_again_and_not_paid_again(
    new_harness: NewHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.generation.executor.BACKOFF", Backoff(0.0, 0.0))
    harness = new_harness(FakeProvider(paid=True, resumable=True))
    harness.provider.deadlines = Deadlines(fetch=0.1)
    harness.provider.hold_fetch.clear()
    run(harness.make())
    assert harness.asset().state == AssetState.QUEUED
    harness.provider.hold_fetch.set()
    harness.provider.deadlines = Deadlines()
    run(harness.make())
    assert harness.asset().state == AssetState.DONE
    assert len(harness.provider.submitted) == 1


@pytest.fixture
def small_disk(settings: Settings) -> Iterator[Path]:
    """A real disk of 256 KiB under the content folder."""
    place = Path(settings.content_url)
    place.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a disk")
    yield place
    subprocess.run(["/bin/umount", str(place)], check=True)


@pytest.mark.parametrize(
    ("paid", "resumable", "reply"),
    [
        (True, True, None),
        (True, False, b"{the raw reply}"),  # the content store has no room for it, the database has
        (False, False, None),
        (False, True, None),
    ],
)
def test_what_a_full_disk_does_not_take_is_saved_when_there_is_room(  # noqa: PLR0913  # what is varied
    new_harness: NewHarness,
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    paid: bool,
    resumable: bool,
    reply: bytes | None,
) -> None:
    monkeypatch.setattr("core.generation.executor.BACKOFF", Backoff(0.0, 0.0))
    harness = new_harness(FakeProvider(paid=paid, resumable=resumable))
    harness.provider.reply = reply
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space"):
        filler.write_bytes(bytes(1024**2))
    for _ in range(7):  # more often than an item may fail
        run(harness.make())
        asset = harness.asset()
        assert asset.state == AssetState.QUEUED
        assert asset.error is not None
        assert asset.error.message.startswith(f"The disk of CONTENT_URL, {small_disk}, is full (")
        assert " free). Make room there" in asset.error.message
    assert list(small_disk.rglob("*.part")) == []
    filler.unlink()
    run(harness.make())
    assert harness.asset().state == AssetState.DONE
    if paid:
        assert len(harness.provider.submitted) == 1


def test_what_is_nowhere_else_waits_for_room_and_is_not_given_up(
    new_harness: NewHarness, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither disk nor database take the reply, and there is no task to ask after."""
    monkeypatch.setattr("core.generation.item_file.SAVE_AGAIN", (2, 0.01))
    harness = new_harness(FakeProvider(paid=True))
    filler = small_disk / "filler"
    with pytest.raises(OSError, match="No space"):
        filler.write_bytes(bytes(1024**2))
    tries = 0
    fetch = harness.provider.fetch

    async def counted(*arguments: Any) -> None:
        nonlocal tries
        tries += 1
        if tries == 9:
            filler.unlink()
        await fetch(*arguments)

    monkeypatch.setattr(harness.provider, "fetch", counted)

    def no_room(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(harness.store.kept_replies, "save", no_room)
    run(harness.make())
    assert harness.asset().state == AssetState.DONE
    assert tries >= 9
    assert len(harness.provider.submitted) == 1


def test_nothing_new_is_begun_on_a_full_disk(
    new_harness: NewHarness, small_disk: Path, caplog: pytest.LogCaptureFixture
) -> None:
    assert small_disk.exists()
    caplog.set_level(logging.WARNING)
    harness = new_harness(FakeProvider(paid=True))

    async def main() -> None:
        async with harness.worker():
            await until(lambda: "CONTENT_URL" in caplog.text)

    run(main())
    assert harness.states() == {AssetState.QUEUED: 10}
    assert harness.provider.submitted == []
    assert caplog.text.count(f"The disk of CONTENT_URL, {small_disk}, is full (256 KiB free)") == 1


def test_a_folder_that_cannot_be_written_to_is_said(
    new_harness: NewHarness, small_disk: Path
) -> None:
    subprocess.run(["/bin/mount", "-o", "remount,ro", str(small_disk)], check=True)
    harness = new_harness(FakeProvider())
    run(harness.make())
    error = harness.asset().error
    assert error is not None
    assert (
        error.message == "The content folder cannot be written to, so the file could not be saved."
    )
