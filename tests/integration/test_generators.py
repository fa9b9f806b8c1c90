"""What a real generator asks of the engine: limits, costs, errors, previews, images to animate."""

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest
from PIL import Image
from pymongo.errors import AutoReconnect

from core.generation.executor import BACKOFF, LONGEST_WAIT_SECONDS
from core.generation.item_run import MAX_ATTEMPTS
from core.media.encoding import encode_png
from core.media.folder import FolderStore
from core.media.inspection import inspect
from core.media.storage import ContentStore, open_content
from core.models import Asset, AssetState, Cost, JobStatus, Kind, Task
from core.providers import errors
from core.providers.base import Capability, Limits, Outcome, Report, Request, Submission
from core.providers.openai.provider import OpenAI, Server
from core.providers.registry import Catalogue
from core.settings import Settings
from core.store import open_store
from core.studio.order import Order
from core.studio.planning import plan
from core.system.backoff import Backoff
from tests.contract.fakes import SIZE, FakeProvider
from tests.integration.job_harness import JobHarness, NewHarness, run, until
from tests.servers.object_store import object_store
from tests.servers.openai import application
from tests.servers.wire import VendorRecords, serving

DAY = 24 * 3600
TEAL = encode_png(Image.new("RGB", (64, 64), "teal"))
SUNBURST = "gpt-image-2.6-sunburst"

Script = Callable[[Report], Awaitable[None]]


class Vendor(FakeProvider):
    """Tells more: details and costs, what it waits for, new ids for new tasks; works on items."""

    def __init__(self, *, paid: bool = True, resumable: bool = True, **more: Any) -> None:
        super().__init__(paid=paid, resumable=resumable, **more)
        self.provider_fields: dict[str, Any] = {}
        self.script: Script | None = None
        self.followed: list[str | None] = []
        self.fail_fetch: list[Exception] = []
        self.sources: list[tuple[Path, bytes]] = []
        self.units = {Kind.IMAGE: "USD", Kind.VIDEO: "USD"}

    def capabilities(self) -> Sequence[Capability]:
        text = [
            replace(each, cost=Cost(unit=self.units[each.kind])) for each in super().capabilities()
        ]
        clip = {"seconds": (1,), "default_seconds": 1, **self.each}
        mover = Capability(kind=Kind.VIDEO, model="mover", task=Task.ANIMATE, ratios=SIZE, **clip)
        # It hands back what it got, whatever size was promised.
        lens = [replace(each, model="lens", task=Task.UPSCALE, exact=False) for each in text]
        return [*text, mover, *lens]

    async def submit(self, request: Request) -> Submission:
        if request.source is not None:
            self.sources.append((request.source, request.source.read_bytes()))
        taken = await super().submit(request)
        if taken.remote_id is not None:
            taken = replace(taken, remote_id=f"{taken.remote_id}-{len(self.submitted)}")
        return replace(taken, **self.provider_fields)

    async def follow(self, submission: Submission, report: Report) -> Outcome:
        self.followed.append(submission.remote_id)
        if self.script is not None:
            await self.script(report)
        return await super().follow(submission, report)

    async def fetch(self, submission: Submission, destination: Path) -> None:
        if self.fail_fetch:
            raise self.fail_fetch.pop(0)
        await super().fetch(submission, destination)


class Vendors(JobHarness):
    """A harness whose provider is a `Vendor`."""

    provider: Vendor


NewVendors = Callable[[Vendor], Vendors]


@pytest.fixture
def vendors(new_harness: NewHarness) -> NewVendors:
    def made(vendor: Vendor) -> Vendors:
        found = new_harness(vendor)
        found.__class__ = Vendors
        assert isinstance(found, Vendors)
        return found

    return made


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing pauses before it is tried again, and looks are frequent."""
    monkeypatch.setattr("core.generation.executor.BACKOFF", Backoff(0.0, 0.0))
    monkeypatch.setattr("core.generation.dispatcher.POLL_SECONDS", 0.05)
    monkeypatch.setattr("core.generation.heartbeat.LOOK_SECONDS", 0.02)


def change(
    harness: JobHarness, changes: Mapping[str, Any], query: Mapping[str, Any] | None = None
) -> None:
    """Change stored assets, as time or another process does."""
    assets = harness.store.assets._assets  # noqa: SLF001  # nobody else may
    assets.update_many(query or {}, [{"$set": changes}])


def spent(harness: JobHarness) -> dict[str, float]:
    job = harness.store.jobs.get(harness.job.id)
    assert job is not None
    return job.cost


def sums(**amounts: float) -> object:
    return pytest.approx(amounts)


def ordered(harness: JobHarness, **more: Any) -> list[Asset]:
    job, assets = plan(Order(**({"user_id": "ana", "prompt": "y"} | more)), harness.catalogue)
    harness.store.jobs.create(job, assets)
    return assets


# How much is begun, over the installation


async def looked(harness: JobHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    """Return when whoever leads has looked for work once more, from beginning to end."""
    rounds, lanes = [], harness.store.queue.lanes

    def noted() -> list[tuple[str, str]]:
        rounds.append(True)
        return lanes()

    monkeypatch.setattr(harness.store.queue, "lanes", noted)
    await until(lambda: len(rounds) >= 3)
    monkeypatch.setattr(harness.store.queue, "lanes", lanes)


def passes(harness: JobHarness, seconds: float) -> None:
    """Let time pass for the calls that were made so far."""
    called_at = {"$ifNull": ["$called_at", []]}
    earlier = {"$subtract": ["$$at", round(1000 * seconds)]}
    change(harness, {"called_at": {"$map": {"input": called_at, "as": "at", "in": earlier}}})


def limited(harness: JobHarness, where: str, limits: Limits) -> None:
    if where == "model":
        harness.provider.each |= {"per_minute": limits.per_minute, "per_day": limits.per_day}
    elif where == "provider":
        harness.provider.limits = limits
    else:
        loose = Limits(per_minute=9, per_day=9)
        harness.provider.limits = loose
        harness.catalogue = replace(harness.catalogue, narrowed={where: limits})


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("where", ["model", "provider", "fake", "fake/tiny"])
@pytest.mark.parametrize(("window", "seconds"), [("per_minute", 60), ("per_day", DAY)])
def test_no_more_is_begun_in_a_while_than_is_allowed_and_the_rest_follows(
    harness: JobHarness, monkeypatch: pytest.MonkeyPatch, where: str, window: str, seconds: int
) -> None:
    limited(harness, where, Limits(**{window: 4}))

    def has_made(total: int) -> bool:
        return harness.states()[AssetState.DONE] == total

    async def main() -> None:
        async with harness.worker(), harness.worker():
            for expected in (4, 8):
                await until(partial(has_made, expected))
                passes(harness, seconds / 2)
                await looked(harness, monkeypatch)
                assert len(harness.provider.submitted) == expected
                passes(harness, seconds / 2)
                if where not in ("model", "provider"):
                    passes(harness, DAY)  # also out of the looser limits
            await until(lambda: harness.status == JobStatus.COMPLETED)

    run(main())
    assert len(harness.provider.submitted) == 10


@pytest.mark.usefixtures("quick")
def test_who_comes_anew_knows_what_was_begun_and_what_is_on_its_way(
    harness: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(harness, "model", Limits(per_minute=4))
    harness.store.queue.hand_out([asset.id for asset in harness.assets[:2]], "lost", 3600, "gpu")

    async def main() -> None:
        for _ in range(2):
            async with harness.worker():
                await until(lambda: harness.states()[AssetState.DONE] == 2)
                await looked(harness, monkeypatch)
        assert len(harness.provider.submitted) == 2
        harness.store.queue.take_back([asset.id for asset in harness.assets[:2]], "lost")
        async with harness.worker():
            await until(lambda: harness.states()[AssetState.DONE] == 4)
            await looked(harness, monkeypatch)

    run(main())
    assert len(harness.provider.submitted) == 4


@pytest.mark.usefixtures("quick")
def test_the_limit_of_one_model_holds_up_no_other(
    vendors: NewVendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = vendors(Vendor())
    run(harness.make())
    clips = ordered(harness, task=Task.ANIMATE, source=harness.asset(), videos=3)
    harness.catalogue = replace(harness.catalogue, narrowed={"fake/tiny": Limits(per_minute=2)})

    async def main() -> None:
        async with harness.worker():
            await until(lambda: all(harness.asset(each.id).path for each in clips))
            await until(lambda: harness.states()[AssetState.DONE] == 2)
            await looked(harness, monkeypatch)

    run(main())
    assert len(harness.provider.submitted) == 5


@pytest.mark.usefixtures("quick")
def test_each_try_counts_as_a_call(harness: JobHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    limited(harness, "model", Limits(per_minute=4))
    harness.provider.fail_submit = [
        errors.ProviderUnavailable(),
        errors.RateLimited(retry_after=1e-9),
    ]

    async def main() -> None:
        async with harness.worker():
            await until(lambda: harness.states()[AssetState.DONE] == 2)
            await until(lambda: len(harness.provider.submitted) == 4)
            await looked(harness, monkeypatch)
            assert len(harness.provider.submitted) == 4
            passes(harness, 60)
            await until(lambda: harness.states()[AssetState.DONE] == 6)

    run(main())


# What was sent, what came back, what it cost


def test_what_a_provider_says_is_kept_with_the_item(vendors: NewVendors) -> None:
    harness = vendors(Vendor())
    harness.provider.provider_fields = {"details": {"request_id": "r-1"}, "cost": 0.5}
    usage = {"tokens": {"in.put": 3, "$out": 4}}
    harness.provider.outcome = Outcome(cost=0.25, details={"seed": 9, "usage": usage})

    async def main() -> None:
        harness.provider.hold.clear()
        making = asyncio.create_task(harness.make())
        await until(lambda: harness.asset().state == AssetState.RUNNING)
        asset = harness.asset()
        assert asset.details == {"request_id": "r-1"}
        assert (asset.cost.estimated, asset.cost.actual) == (0.5, None)
        harness.provider.hold.set()
        await making

    run(main())
    asset = harness.asset()
    stored = {"tokens": {"in_put": 3, "_out": 4}}  # names that an update would read otherwise
    assert asset.details == {"request_id": "r-1", "seed": 9, "usage": stored}
    assert (asset.cost.estimated, asset.cost.actual) == (0.5, 0.25)
    assert spent(harness) == sums(USD=0.25)


def test_what_is_not_said_leaves_the_estimate_and_costs_nothing(vendors: NewVendors) -> None:
    harness = vendors(Vendor())
    harness.provider.outcome = Outcome(cost=0.0)
    change(harness, {"cost.estimated": 0.3})
    run(harness.make())
    assert (harness.asset().cost.estimated, harness.asset().cost.actual) == (0.3, 0.0)
    assert spent(harness) == {}


def test_what_a_job_costs_is_summed_by_unit(vendors: NewVendors) -> None:
    vendor = Vendor()
    vendor.units[Kind.VIDEO] = "credits"
    vendor.outcome = Outcome(cost=0.1)
    harness = vendors(vendor)

    async def main() -> None:
        async with harness.worker():
            await until(lambda: harness.status == JobStatus.COMPLETED)

    run(main())
    assert spent(harness) == {"USD": 0.5, "credits": 0.5}


@pytest.mark.parametrize("step", ["fail_submit", "fail_follow", "fail_fetch"])
def test_a_failure_says_what_it_cost_and_a_retry_adds_to_that(
    vendors: NewVendors, step: str
) -> None:
    harness = vendors(Vendor())
    failure = errors.GenerationFailed("No.", cost=0.1, details={"reason": "dark"})
    getattr(harness.provider, step).append(failure)
    harness.provider.outcome = Outcome(cost=0.25)
    run(harness.make())
    asset = harness.asset()
    assert asset.state == AssetState.FAILED
    assert (asset.cost.actual, asset.details["reason"]) == (0.1, "dark")
    assert spent(harness) == sums(USD=0.1)

    harness.store.job_actions.retry(harness.job.id, "ana", harness.first)
    assert harness.asset().state == AssetState.FAILED  # what was charged is not paid for unasked
    harness.store.job_actions.resend(harness.job.id, "ana", harness.first)
    asset = harness.asset()
    assert (asset.cost.earlier, asset.cost.actual, asset.details) == (0.1, None, {})
    assert spent(harness) == sums(USD=0.1)

    run(harness.make())
    asset = harness.asset()
    assert (asset.state, asset.cost.earlier, asset.cost.actual) == (AssetState.DONE, 0.1, 0.25)
    assert spent(harness) == sums(USD=0.35)


def test_what_is_only_fetched_again_is_counted_once(
    vendors: NewVendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = vendors(Vendor())
    harness.provider.provider_fields = {"details": {"request_id": "r-1"}}
    harness.provider.outcome = Outcome(cost=0.25)

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("core.media.folder.flush", fail)
    run(harness.make())
    assert harness.asset().state == AssetState.FAILED
    monkeypatch.undo()
    harness.store.job_actions.retry(harness.job.id, "ana", harness.first)
    assert spent(harness) == sums(USD=0.25)
    run(harness.make())
    assert harness.asset().state == AssetState.DONE
    assert harness.asset().details == {"request_id": "r-1"}
    assert spent(harness) == sums(USD=0.25)


def test_what_was_paid_for_and_lost_still_says_what_is_known(
    vendors: NewVendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.generation.item_file.SAVE_AGAIN", (1, 0.0))
    harness = vendors(Vendor(resumable=False))
    harness.provider.outcome = Outcome(cost=0.25)
    harness.provider.fail_fetch = [
        errors.ProviderUnavailable("Not there.", details={"status": 404})
    ]
    run(harness.make())
    asset = harness.asset()
    assert (asset.state, asset.cost.actual) == (AssetState.FAILED, 0.25)
    assert asset.details == {"status": 404}
    assert asset.error is not None
    assert asset.error.message == "Not there."


# Errors


@pytest.mark.usefixtures("quick")
def test_a_task_that_ended_free_of_charge_is_asked_for_anew(vendors: NewVendors) -> None:
    harness = vendors(Vendor())
    harness.provider.fail_follow = [errors.GenerationFailed("Its machine died.", retryable=True)]
    run(harness.make())
    asset = harness.asset()
    assert (asset.state, asset.remote_id, asset.attempts) == (AssetState.QUEUED, None, 1)
    assert asset.error is not None
    assert asset.error.message == "Its machine died."
    run(harness.make())
    assert harness.asset().state == AssetState.DONE
    assert harness.provider.followed == [f"remote-{harness.first}-1", f"remote-{harness.first}-2"]


@pytest.mark.usefixtures("quick")
def test_a_task_that_always_ends_badly_is_given_up(vendors: NewVendors) -> None:
    harness = vendors(Vendor())
    harness.provider.fail_follow = [errors.GenerationFailed(retryable=True) for _ in range(9)]

    async def main() -> None:
        for _ in range(MAX_ATTEMPTS + 2):
            await harness.make()

    run(main())
    assert (harness.asset().state, harness.asset().remote_id) == (AssetState.FAILED, None)
    assert len(harness.provider.submitted) == MAX_ATTEMPTS


FINAL = [
    errors.PromptRejected,
    errors.RequestRejected,
    errors.BalanceSpent,
    errors.InvalidCredentials,
    errors.GenerationFailed,
]


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("error", FINAL)
@pytest.mark.parametrize("step", ["fail_submit", "fail_follow"])
def test_what_asking_again_does_not_help_ends_at_once(
    vendors: NewVendors, step: str, error: type[errors.ProviderError]
) -> None:
    harness = vendors(Vendor())
    getattr(harness.provider, step).append(error())

    async def main() -> None:
        await harness.make()
        await harness.make()

    run(main())
    asset = harness.asset()
    assert (asset.state, asset.attempts) == (AssetState.FAILED, 1)
    assert asset.error is not None
    assert (asset.error.code, asset.error.message) == (error.code, error().message)
    assert harness.provider.submitted == [harness.first]
    # What has not ended at the provider waits there until a new key or more money is in place.
    still_there = step == "fail_follow" and not error.ended
    assert (asset.remote_id is not None) is still_there


@pytest.mark.parametrize("error", [errors.RateLimited, errors.ProviderUnavailable])
@pytest.mark.parametrize(
    ("asked", "least", "most"),
    [
        (600, 600, 600),
        (LONGEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS, LONGEST_WAIT_SECONDS),
        *[(odd, 0, 1.25 * BACKOFF.first) for odd in (None, 0, -1, 1e12)],
    ],
)
def test_a_pause_is_as_long_as_the_provider_says_where_that_makes_sense(
    harness: JobHarness,
    error: type[errors.ProviderError],
    asked: float | None,
    least: float,
    most: float,
) -> None:
    harness.provider.fail_submit = [error(retry_after=asked)]
    run(harness.make())
    asset = harness.asset()
    assert asset.state == AssetState.QUEUED
    pause = asset.next_attempt_at - asset.timings["submitted_at"]
    assert timedelta(seconds=least) <= pause <= timedelta(seconds=most + 5)


@pytest.mark.usefixtures("quick")
def test_waiting_for_ones_turn_has_an_end(
    vendors: NewVendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.generation.executor.MAX_WAITS", 3)
    harness = vendors(Vendor())
    harness.provider.fail_submit = [errors.RateLimited(retry_after=1e-9) for _ in range(20)]

    async def main() -> None:
        for _ in range(3 + MAX_ATTEMPTS + 2):
            await harness.make()

    run(main())
    asset = harness.asset()
    assert asset.state == AssetState.FAILED
    assert asset.error is not None
    assert asset.error.code == "rate_limited"
    assert len(harness.provider.submitted) == 3 + MAX_ATTEMPTS


@pytest.mark.parametrize("failures", [2, 3])
def test_a_paid_file_that_is_only_at_its_address_is_asked_for_there_and_nowhere_else(
    vendors: NewVendors, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    monkeypatch.setattr("core.generation.item_file.SAVE_AGAIN", (3, 0.0))
    harness = vendors(Vendor(resumable=False))
    failing: list[Exception] = [
        TimeoutError(),
        errors.ProviderUnavailable("Gone."),
        ConnectionError(),
    ]
    harness.provider.fail_fetch = failing[:failures]

    async def main() -> None:
        await harness.make()
        await harness.make()

    run(main())
    asset = harness.asset()
    assert asset.state == (AssetState.DONE if failures == 2 else AssetState.FAILED)
    assert asset.attempts == 1
    assert harness.provider.submitted == [harness.first]


# How it is getting on


@pytest.mark.usefixtures("quick")
def test_what_an_item_waits_for_is_shown_until_it_is_made(vendors: NewVendors) -> None:
    harness = vendors(Vendor())

    async def script(report: Report) -> None:
        await report(0.1, waiting="third in line")
        await until(lambda: harness.asset().waiting == "third in line")
        await report()
        await until(lambda: harness.asset().waiting == "")
        assert harness.asset().progress == 0.1
        await report(2.0, waiting="nearly there")
        await until(lambda: harness.asset().waiting == "nearly there")
        assert harness.asset().progress == 0.1

    async def main() -> None:
        harness.provider.script = script
        harness.provider.hold_fetch.clear()
        making = asyncio.create_task(harness.make())
        await until(lambda: harness.asset().state == AssetState.SAVING)
        assert (harness.asset().waiting, harness.asset().progress) == ("", 1.0)
        harness.provider.hold_fetch.set()
        await making

    run(main())
    assert harness.asset().state == AssetState.DONE


@pytest.mark.usefixtures("quick")
def test_an_item_that_is_put_back_waits_for_nothing_at_its_provider(vendors: NewVendors) -> None:
    harness = vendors(Vendor())

    async def script(report: Report) -> None:
        await report(waiting="third in line")
        await until(lambda: harness.asset().waiting == "third in line")

    harness.provider.script = script
    harness.provider.fail_follow = [errors.ProviderUnavailable()]
    run(harness.make())
    assert (harness.asset().state, harness.asset().waiting) == (AssetState.QUEUED, "")


def shown(harness: JobHarness) -> tuple[str | None, tuple[int, int]] | None:
    webp = harness.store.assets.partial(harness.first)
    if webp is None:
        return None
    with Image.open(BytesIO(webp)) as image:
        return image.format, image.size


def test_half_done_pictures_are_shown_small_and_counted(vendors: NewVendors) -> None:
    harness = vendors(Vendor())

    async def script(report: Report) -> None:
        for size, small in [((960, 480), (480, 240)), ((64, 64), (64, 64))]:
            picture = encode_png(Image.new("RGB", size, "teal"))
            async with asyncio.timeout(120):
                while shown(harness) != ("WEBP", small):
                    await report(preview=picture)  # left out while another is being stored
                    await asyncio.sleep(0.01)

    harness.provider.script = script
    run(harness.make())
    asset = harness.asset()
    assert asset.state == AssetState.DONE
    assert asset.partial >= 2
    harness.store.job_actions.retry(harness.job.id, "ana")
    assert harness.asset().partial == asset.partial  # only what is made again begins without


def of_size(pixels: int) -> bytes:
    """Return a PNG file that says that its sides are so long."""
    head = b"IHDR" + pixels.to_bytes(4) * 2 + bytes([8, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + bytes([0, 0, 0, 13]) + head + crc32(head).to_bytes(4)


@pytest.mark.parametrize("preview", [b"", b"<html>", TEAL[: len(TEAL) // 2], of_size(60_000)])
def test_a_preview_that_is_no_picture_harms_nothing(
    vendors: NewVendors, caplog: pytest.LogCaptureFixture, preview: bytes
) -> None:
    harness = vendors(Vendor())

    async def script(report: Report) -> None:
        await report(0.2, preview=preview)

    harness.provider.script = script
    run(harness.make())
    gc.collect()  # tasks whose errors nobody looked at say so now
    assert (harness.asset().state, harness.asset().partial) == (AssetState.DONE, 0)
    assert harness.store.assets.partial(harness.first) is None
    assert not [record for record in caplog.records if record.levelno > logging.WARNING]


def test_who_has_lost_an_item_shows_nothing_of_it(vendors: NewVendors) -> None:
    harness = vendors(Vendor())

    async def script(report: Report) -> None:
        change(harness, {"lease.token": "thief"}, {"_id": harness.first})
        await report(preview=TEAL)

    harness.provider.script = script
    run(harness.make())
    assert (harness.asset().state, harness.asset().partial) == (AssetState.RUNNING, 0)
    assert harness.store.assets.partial(harness.first) is None


# Clips of an image


@pytest.fixture
def bucket_url(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """A bucket on a real S3 server, and a folder of its own for temporary files."""
    with object_store() as server:
        server.enter(monkeypatch, tmp_path)
        yield f"s3://{server.make_bucket()}"


@pytest.fixture(params=["folder", "bucket"])
def places(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[ContentStore, ContentStore]:
    """Where files are saved, and a place like it that is empty."""
    if request.param == "folder":
        return FolderStore(tmp_path / "content"), FolderStore(tmp_path / "empty")
    url = request.getfixturevalue("bucket_url")
    return open_content(f"{url}/content"), open_content(f"{url}/empty")


def stored_at(harness: JobHarness, place: ContentStore) -> None:
    harness.content = place  # type: ignore[assignment]  # what it makes uses what all places have


def test_a_clip_is_made_of_the_image_that_was_chosen(
    vendors: NewVendors, places: tuple[ContentStore, ContentStore], tmp_path: Path
) -> None:
    harness = vendors(Vendor())
    stored_at(harness, places[0])
    run(harness.make())
    image = harness.asset()
    clips = ordered(harness, task=Task.ANIMATE, source=image, videos=2)
    assert [(clip.kind, clip.model, clip.source) for clip in clips] == [
        (Kind.VIDEO, "mover", image.id)
    ] * 2
    run(harness.make(clips[1].id))
    assert harness.asset(clips[1].id).state == AssetState.DONE
    ((path, content),) = harness.provider.sources
    assert content == TEAL
    assert path.suffix == ".png"
    assert list(tmp_path.glob("tmp/*")) == []  # copies are gone
    assert [each.source is None for each in harness.provider.requests] == [True, False]


@pytest.mark.parametrize("kind", list(Kind))
def test_an_item_of_either_kind_is_upscaled(
    vendors: NewVendors, kind: Kind, tmp_path: Path
) -> None:
    harness = vendors(Vendor())
    source = next(each.id for each in harness.assets if each.kind == kind)
    run(harness.make(source))
    (larger,) = ordered(harness, task=Task.UPSCALE, source=harness.asset(source))
    run(harness.make(larger.id))
    made, before = harness.asset(larger.id), harness.asset(source)
    assert (made.state, made.kind, made.model) == (AssetState.DONE, kind, "lens")
    assert (made.task, made.source) == (Task.UPSCALE, source)
    ((path, content),) = harness.provider.sources
    assert sha256(content).hexdigest() == before.sha256
    assert path.suffix == Path(before.path or "").suffix
    assert list(tmp_path.glob("tmp/*")) == []
    request = harness.provider.requests[-1]
    assert (request.task, request.params["width"], request.params.get("seconds")) == (
        Task.UPSCALE,
        128,
        before.seconds,
    )
    job = harness.store.jobs.get(larger.job_id)
    assert job is not None
    assert job.status == JobStatus.COMPLETED


@pytest.mark.parametrize("task", [Task.ANIMATE, Task.UPSCALE])
@pytest.mark.parametrize(
    ("state", "paid", "remote_id", "expected", "calls"),
    [
        (AssetState.QUEUED, True, None, AssetState.DONE, 1),
        (AssetState.SUBMITTING, True, None, AssetState.UNKNOWN, 0),
        (AssetState.SUBMITTING, False, None, AssetState.DONE, 1),
        (AssetState.RUNNING, True, "remote-image", AssetState.DONE, 0),
        (AssetState.SAVING, True, "remote-image", AssetState.DONE, 0),
    ],
)
def test_what_a_killed_worker_left_of_an_items_successor_is_carried_on(  # noqa: PLR0913, PLR0917  # a case of five parts
    vendors: NewVendors,
    task: Task,
    state: AssetState,
    paid: bool,  # noqa: FBT001  # a value of the case
    remote_id: str | None,
    expected: AssetState,
    calls: int,
) -> None:
    harness = vendors(Vendor(paid=paid, resumable=remote_id is not None))
    run(harness.make())
    (made,) = ordered(harness, task=task, source=harness.asset(), videos=1)
    before = len(harness.provider.submitted)
    harness.first = made.id
    harness.abandoned(state, remote_id and remote_id.replace("image", made.kind))
    if remote_id is not None:  # what is under way needs its source no more
        change(harness, {"path": None}, {"_id": made.source})
    run(harness.make())
    assert harness.asset().state == expected
    assert len(harness.provider.submitted) - before == calls


@pytest.mark.parametrize("task", [Task.ANIMATE, Task.UPSCALE])
@pytest.mark.parametrize("how", ["deleted", "of another", "never saved"])
def test_an_item_that_is_not_there_is_said_before_anything_is_sent(
    vendors: NewVendors, places: tuple[ContentStore, ContentStore], how: str, task: Task
) -> None:
    harness = vendors(Vendor())
    stored_at(harness, places[0])
    run(harness.make())
    user_id = "ben" if how == "of another" else "ana"
    (clip,) = ordered(harness, user_id=user_id, task=task, source=harness.asset(), videos=1)
    if how == "deleted":
        stored_at(harness, places[1])
    if how == "never saved":
        change(harness, {"path": None}, {"_id": harness.first})
    run(harness.make(clip.id))
    asset = harness.asset(clip.id)
    assert asset.state == AssetState.FAILED
    assert asset.error is not None
    assert (asset.error.code, asset.remote_id) == ("request_rejected", None)
    assert "not there any more" in asset.error.message
    assert harness.provider.submitted == [harness.first]


@pytest.mark.usefixtures("quick")
def test_an_image_that_cannot_be_read_now_is_read_later(
    vendors: NewVendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = vendors(Vendor())
    run(harness.make())
    (clip,) = ordered(harness, task=Task.ANIMATE, source=harness.asset(), videos=1)

    def locked(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(FolderStore, "locate", locked)
        run(harness.make(clip.id))
    assert harness.asset(clip.id).state == AssetState.QUEUED
    assert harness.provider.submitted == [harness.first]
    run(harness.make(clip.id))
    assert harness.asset(clip.id).state == AssetState.DONE


# Who it is for


def test_users_are_told_apart_without_being_named(harness: JobHarness, settings: Settings) -> None:
    theirs = ordered(harness, user_id="ben")

    async def main() -> None:
        for asset_id in (harness.first, harness.assets[1].id, theirs[0].id):
            await harness.make(asset_id)

    run(main())
    ana, again, ben = (request.end_user for request in harness.provider.requests)
    assert ana == again != ben
    assert len(ana) == len(ben) == 64
    assert "ana" not in ana
    with open_store(settings) as other:
        assert [other.users.pseudonym(each) for each in ("ana", "ben")] == [ana, ben]


# OpenAI's SDK in the engine


def server_at(url: str, **more: Any) -> Server:
    return Server(base_url=f"{url}/v1", api_key="key-for-tests", **more)


def test_images_are_made_with_previews_and_costs_from_order_to_file(harness: JobHarness) -> None:
    records = VendorRecords()

    async def main(url: str) -> None:
        openai = OpenAI(server_at(url, image_models=[SUNBURST]), poll_seconds=0.02)
        harness.catalogue = Catalogue({"openai": openai, "fake": harness.provider})
        harness.job, harness.assets = plan(
            Order(user_id="ana", prompt="a fox", ratio="1:1"), harness.catalogue
        )
        harness.store.jobs.create(harness.job, harness.assets)
        async with harness.worker():
            await until(lambda: harness.status == JobStatus.COMPLETED, 60)
        await openai.close()

    with serving(application(records, seconds=0.3)) as url:
        run(main(url))
    assert records.charges == {"a fox": 5}
    assert {(asked["size"], asked["stream"]) for asked in records.requests} == {("1024x1024", True)}
    assert {asked["safety_identifier"] for asked in records.requests} == {
        harness.store.users.pseudonym("ana")
    }
    for asset in harness.store.assets.of_job(harness.job.id)[:5]:
        assert (asset.provider, asset.model, asset.state) == ("openai", SUNBURST, AssetState.DONE)
        assert asset.cost.actual == pytest.approx(0.0301)
        assert asset.details["request_id"].startswith("req-")
        assert asset.details["usage"]["total_tokens"] == 1020
        assert asset.partial >= 1
        assert harness.store.assets.partial(asset.id) is not None
        assert asset.path is not None
        found = inspect(
            harness.content.locate("ana", asset.path),
            Kind.IMAGE,
            width=1024,
            height=1024,
            seconds=None,
        )
        assert (found.sha256, found.bytes) == (asset.sha256, asset.bytes)
    assert spent(harness) == sums(USD=5 * 0.0301)


@pytest.mark.parametrize("orderly", [True, False])
def test_a_clip_is_followed_by_the_next_worker_and_paid_once(
    harness: JobHarness, monkeypatch: pytest.MonkeyPatch, *, orderly: bool
) -> None:
    """An orderly stop hands the clip back; from a killed worker, its lease runs out."""
    records = VendorRecords()

    def provider(url: str) -> OpenAI:
        made = OpenAI(server_at(url, video_models=["wan-2.2"]), poll_seconds=0.02)
        harness.catalogue = Catalogue({"openai": made, "fake": harness.provider})
        return made

    async def main(url: str) -> None:
        first = provider(url)
        clip = ordered(harness, prompt="a fox", ratio="1:1", seconds=1)[5]
        assert (clip.provider, clip.kind) == ("openai", Kind.VIDEO)
        making = asyncio.create_task(harness.make(clip.id))
        await until(lambda: harness.asset(clip.id).state == AssetState.RUNNING)
        if not orderly:  # it writes nothing any more
            monkeypatch.setattr(harness.store.transitions, "hand_back", lambda *_, **__: None)
        making.cancel()
        await asyncio.wait([making])
        await first.close()
        monkeypatch.undo()
        left = harness.asset(clip.id)
        assert left.remote_id == "video_0"
        assert left.state == (AssetState.QUEUED if orderly else AssetState.RUNNING)
        if not orderly:
            change(harness, {"lease.until": {"$subtract": ["$$NOW", 1]}}, {"_id": clip.id})
        second = provider(url)
        await harness.make(clip.id)
        await second.close()
        assert harness.asset(clip.id).state == AssetState.DONE
        assert harness.asset(clip.id).details == {"request_id": "req-video_0"}

    with serving(application(records, seconds=0.5)) as url:
        run(main(url))
    assert records.charges == {"a fox": 1}


def test_whatever_a_provider_says_can_be_stored(vendors: NewVendors) -> None:
    harness = vendors(Vendor(paid=True, resumable=True))
    odd = {"seed": 2**70, "a.b": 1, "$x": 2, "usage": {"$y": (1, {2, 3})}, "words": "\ud800" * 9000}
    harness.provider.outcome = Outcome(details=odd)
    run(harness.make())
    asset = harness.asset()
    assert asset.state == AssetState.DONE
    assert asset.details["seed"] == str(2**70)
    assert set(asset.details) == {"seed", "usage", "words"}
    assert len(asset.details["words"]) == 4000


def test_what_fails_before_the_call_leaves_nothing_unknown(
    vendors: NewVendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = vendors(Vendor(paid=True))

    def broken(_: str) -> str:
        raise AutoReconnect

    with monkeypatch.context() as while_it_lasts:
        while_it_lasts.setattr(harness.store.users, "pseudonym", broken)
        run(harness.make(lease_seconds=2.0))
    assert harness.asset().state == AssetState.QUEUED
    assert not harness.provider.submitted
