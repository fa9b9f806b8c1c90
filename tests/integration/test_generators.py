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
from tests.integration.bench import Bench, NewBench, run, until
from tests.servers.object_store import object_store
from tests.servers.openai import application
from tests.servers.wire import Books, serving

DAY = 24 * 3600
TEAL = encode_png(Image.new("RGB", (64, 64), "teal"))
SUNBURST = "gpt-image-2.6-sunburst"

Script = Callable[[Report], Awaitable[None]]


class Vendor(FakeProvider):
    """Tells more: details and costs, what it waits for, new ids for new tasks; works on items."""

    def __init__(self, *, paid: bool = True, resumable: bool = True, **more: Any) -> None:
        super().__init__(paid=paid, resumable=resumable, **more)
        self.told: dict[str, Any] = {}
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
        return replace(taken, **self.told)

    async def follow(self, submission: Submission, report: Report) -> Outcome:
        self.followed.append(submission.remote_id)
        if self.script is not None:
            await self.script(report)
        return await super().follow(submission, report)

    async def fetch(self, submission: Submission, destination: Path) -> None:
        if self.fail_fetch:
            raise self.fail_fetch.pop(0)
        await super().fetch(submission, destination)


class Vendors(Bench):
    """A bench whose provider is a `Vendor`."""

    provider: Vendor


NewVendors = Callable[[Vendor], Vendors]


@pytest.fixture
def vendors(new_bench: NewBench) -> NewVendors:
    def made(vendor: Vendor) -> Vendors:
        found = new_bench(vendor)
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
    bench: Bench, changes: Mapping[str, Any], query: Mapping[str, Any] | None = None
) -> None:
    """Change stored assets, as time or another process does."""
    assets = bench.store.assets._assets  # noqa: SLF001  # nobody else may
    assets.update_many(query or {}, [{"$set": changes}])


def spent(bench: Bench) -> dict[str, float]:
    job = bench.store.jobs.get(bench.job.id)
    assert job is not None
    return job.cost


def sums(**amounts: float) -> object:
    return pytest.approx(amounts)


def ordered(bench: Bench, **more: Any) -> list[Asset]:
    job, assets = plan(Order(**({"user_id": "ana", "prompt": "y"} | more)), bench.catalogue)
    bench.store.jobs.create(job, assets)
    return assets


# How much is begun, over the installation


async def looked(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Return when whoever leads has looked for work once more, from beginning to end."""
    rounds, lanes = [], bench.store.queue.lanes

    def noted() -> list[tuple[str, str]]:
        rounds.append(True)
        return lanes()

    monkeypatch.setattr(bench.store.queue, "lanes", noted)
    await until(lambda: len(rounds) >= 3)
    monkeypatch.setattr(bench.store.queue, "lanes", lanes)


def passes(bench: Bench, seconds: float) -> None:
    """Let time pass for the calls that were made so far."""
    called_at = {"$ifNull": ["$called_at", []]}
    earlier = {"$subtract": ["$$at", round(1000 * seconds)]}
    change(bench, {"called_at": {"$map": {"input": called_at, "as": "at", "in": earlier}}})


def limited(bench: Bench, where: str, limits: Limits) -> None:
    if where == "model":
        bench.provider.each |= {"per_minute": limits.per_minute, "per_day": limits.per_day}
    elif where == "provider":
        bench.provider.limits = limits
    else:
        loose = Limits(per_minute=9, per_day=9)
        bench.provider.limits = loose
        bench.catalogue = replace(bench.catalogue, narrowed={where: limits})


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("where", ["model", "provider", "fake", "fake/tiny"])
@pytest.mark.parametrize(("window", "seconds"), [("per_minute", 60), ("per_day", DAY)])
def test_no_more_is_begun_in_a_while_than_is_allowed_and_the_rest_follows(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, where: str, window: str, seconds: int
) -> None:
    limited(bench, where, Limits(**{window: 4}))

    def has_made(total: int) -> bool:
        return bench.states()[AssetState.DONE] == total

    async def main() -> None:
        async with bench.worker(), bench.worker():
            for expected in (4, 8):
                await until(partial(has_made, expected))
                passes(bench, seconds / 2)
                await looked(bench, monkeypatch)
                assert len(bench.provider.submitted) == expected
                passes(bench, seconds / 2)
                if where not in ("model", "provider"):
                    passes(bench, DAY)  # also out of the looser limits
            await until(lambda: bench.status == JobStatus.COMPLETED)

    run(main())
    assert len(bench.provider.submitted) == 10


@pytest.mark.usefixtures("quick")
def test_who_comes_anew_knows_what_was_begun_and_what_is_on_its_way(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    limited(bench, "model", Limits(per_minute=4))
    bench.store.queue.hand_out([asset.id for asset in bench.assets[:2]], "lost", 3600, "gpu")

    async def main() -> None:
        for _ in range(2):
            async with bench.worker():
                await until(lambda: bench.states()[AssetState.DONE] == 2)
                await looked(bench, monkeypatch)
        assert len(bench.provider.submitted) == 2
        bench.store.queue.take_back([asset.id for asset in bench.assets[:2]], "lost")
        async with bench.worker():
            await until(lambda: bench.states()[AssetState.DONE] == 4)
            await looked(bench, monkeypatch)

    run(main())
    assert len(bench.provider.submitted) == 4


@pytest.mark.usefixtures("quick")
def test_the_limit_of_one_model_holds_up_no_other(
    vendors: NewVendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = vendors(Vendor())
    run(bench.make())
    clips = ordered(bench, task=Task.ANIMATE, source=bench.asset(), videos=3)
    bench.catalogue = replace(bench.catalogue, narrowed={"fake/tiny": Limits(per_minute=2)})

    async def main() -> None:
        async with bench.worker():
            await until(lambda: all(bench.asset(each.id).path for each in clips))
            await until(lambda: bench.states()[AssetState.DONE] == 2)
            await looked(bench, monkeypatch)

    run(main())
    assert len(bench.provider.submitted) == 5


@pytest.mark.usefixtures("quick")
def test_each_try_counts_as_a_call(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    limited(bench, "model", Limits(per_minute=4))
    bench.provider.fail_submit = [
        errors.ProviderUnavailable(),
        errors.RateLimited(retry_after=1e-9),
    ]

    async def main() -> None:
        async with bench.worker():
            await until(lambda: bench.states()[AssetState.DONE] == 2)
            await until(lambda: len(bench.provider.submitted) == 4)
            await looked(bench, monkeypatch)
            assert len(bench.provider.submitted) == 4
            passes(bench, 60)
            await until(lambda: bench.states()[AssetState.DONE] == 6)

    run(main())


# What was sent, what came back, what it cost


def test_what_a_provider_says_is_kept_with_the_item(vendors: NewVendors) -> None:
    bench = vendors(Vendor())
    bench.provider.told = {"details": {"request_id": "r-1"}, "cost": 0.5}
    usage = {"tokens": {"in.put": 3, "$out": 4}}
    bench.provider.outcome = Outcome(cost=0.25, details={"seed": 9, "usage": usage})

    async def main() -> None:
        bench.provider.hold.clear()
        making = asyncio.create_task(bench.make())
        await until(lambda: bench.asset().state == AssetState.RUNNING)
        asset = bench.asset()
        assert asset.details == {"request_id": "r-1"}
        assert (asset.cost.estimated, asset.cost.actual) == (0.5, None)
        bench.provider.hold.set()
        await making

    run(main())
    asset = bench.asset()
    stored = {"tokens": {"in_put": 3, "_out": 4}}  # names that an update would read otherwise
    assert asset.details == {"request_id": "r-1", "seed": 9, "usage": stored}
    assert (asset.cost.estimated, asset.cost.actual) == (0.5, 0.25)
    assert spent(bench) == sums(USD=0.25)


def test_what_is_not_said_leaves_the_estimate_and_costs_nothing(vendors: NewVendors) -> None:
    bench = vendors(Vendor())
    bench.provider.outcome = Outcome(cost=0.0)
    change(bench, {"cost.estimated": 0.3})
    run(bench.make())
    assert (bench.asset().cost.estimated, bench.asset().cost.actual) == (0.3, 0.0)
    assert spent(bench) == {}


def test_what_a_job_costs_is_summed_by_unit(vendors: NewVendors) -> None:
    vendor = Vendor()
    vendor.units[Kind.VIDEO] = "credits"
    vendor.outcome = Outcome(cost=0.1)
    bench = vendors(vendor)

    async def main() -> None:
        async with bench.worker():
            await until(lambda: bench.status == JobStatus.COMPLETED)

    run(main())
    assert spent(bench) == {"USD": 0.5, "credits": 0.5}


@pytest.mark.parametrize("step", ["fail_submit", "fail_follow", "fail_fetch"])
def test_a_failure_says_what_it_cost_and_a_retry_adds_to_that(
    vendors: NewVendors, step: str
) -> None:
    bench = vendors(Vendor())
    failure = errors.GenerationFailed("No.", cost=0.1, details={"reason": "dark"})
    getattr(bench.provider, step).append(failure)
    bench.provider.outcome = Outcome(cost=0.25)
    run(bench.make())
    asset = bench.asset()
    assert asset.state == AssetState.FAILED
    assert (asset.cost.actual, asset.details["reason"]) == (0.1, "dark")
    assert spent(bench) == sums(USD=0.1)

    bench.store.job_actions.retry(bench.job.id, "ana", bench.first)
    assert bench.asset().state == AssetState.FAILED  # what was charged is not paid for unasked
    bench.store.job_actions.resend(bench.job.id, "ana", bench.first)
    asset = bench.asset()
    assert (asset.cost.earlier, asset.cost.actual, asset.details) == (0.1, None, {})
    assert spent(bench) == sums(USD=0.1)

    run(bench.make())
    asset = bench.asset()
    assert (asset.state, asset.cost.earlier, asset.cost.actual) == (AssetState.DONE, 0.1, 0.25)
    assert spent(bench) == sums(USD=0.35)


def test_what_is_only_fetched_again_is_counted_once(
    vendors: NewVendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = vendors(Vendor())
    bench.provider.told = {"details": {"request_id": "r-1"}}
    bench.provider.outcome = Outcome(cost=0.25)

    def fail(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("core.media.folder.flush", fail)
    run(bench.make())
    assert bench.asset().state == AssetState.FAILED
    monkeypatch.undo()
    bench.store.job_actions.retry(bench.job.id, "ana", bench.first)
    assert spent(bench) == sums(USD=0.25)
    run(bench.make())
    assert bench.asset().state == AssetState.DONE
    assert bench.asset().details == {"request_id": "r-1"}
    assert spent(bench) == sums(USD=0.25)


def test_what_was_paid_for_and_lost_still_says_what_is_known(
    vendors: NewVendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.generation.item_file.SAVE_AGAIN", (1, 0.0))
    bench = vendors(Vendor(resumable=False))
    bench.provider.outcome = Outcome(cost=0.25)
    bench.provider.fail_fetch = [errors.ProviderUnavailable("Not there.", details={"status": 404})]
    run(bench.make())
    asset = bench.asset()
    assert (asset.state, asset.cost.actual) == (AssetState.FAILED, 0.25)
    assert asset.details == {"status": 404}
    assert asset.error is not None
    assert asset.error.message == "Not there."


# Errors


@pytest.mark.usefixtures("quick")
def test_a_task_that_ended_free_of_charge_is_asked_for_anew(vendors: NewVendors) -> None:
    bench = vendors(Vendor())
    bench.provider.fail_follow = [errors.GenerationFailed("Its machine died.", retryable=True)]
    run(bench.make())
    asset = bench.asset()
    assert (asset.state, asset.remote_id, asset.attempts) == (AssetState.QUEUED, None, 1)
    assert asset.error is not None
    assert asset.error.message == "Its machine died."
    run(bench.make())
    assert bench.asset().state == AssetState.DONE
    assert bench.provider.followed == [f"remote-{bench.first}-1", f"remote-{bench.first}-2"]


@pytest.mark.usefixtures("quick")
def test_a_task_that_always_ends_badly_is_given_up(vendors: NewVendors) -> None:
    bench = vendors(Vendor())
    bench.provider.fail_follow = [errors.GenerationFailed(retryable=True) for _ in range(9)]

    async def main() -> None:
        for _ in range(MAX_ATTEMPTS + 2):
            await bench.make()

    run(main())
    assert (bench.asset().state, bench.asset().remote_id) == (AssetState.FAILED, None)
    assert len(bench.provider.submitted) == MAX_ATTEMPTS


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
    bench = vendors(Vendor())
    getattr(bench.provider, step).append(error())

    async def main() -> None:
        await bench.make()
        await bench.make()

    run(main())
    asset = bench.asset()
    assert (asset.state, asset.attempts) == (AssetState.FAILED, 1)
    assert asset.error is not None
    assert (asset.error.code, asset.error.message) == (error.code, error().message)
    assert bench.provider.submitted == [bench.first]
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
    bench: Bench, error: type[errors.ProviderError], asked: float | None, least: float, most: float
) -> None:
    bench.provider.fail_submit = [error(retry_after=asked)]
    run(bench.make())
    asset = bench.asset()
    assert asset.state == AssetState.QUEUED
    pause = asset.next_attempt_at - asset.timings["submitted_at"]
    assert timedelta(seconds=least) <= pause <= timedelta(seconds=most + 5)


@pytest.mark.usefixtures("quick")
def test_waiting_for_ones_turn_has_an_end(
    vendors: NewVendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.generation.executor.MAX_WAITS", 3)
    bench = vendors(Vendor())
    bench.provider.fail_submit = [errors.RateLimited(retry_after=1e-9) for _ in range(20)]

    async def main() -> None:
        for _ in range(3 + MAX_ATTEMPTS + 2):
            await bench.make()

    run(main())
    asset = bench.asset()
    assert asset.state == AssetState.FAILED
    assert asset.error is not None
    assert asset.error.code == "rate_limited"
    assert len(bench.provider.submitted) == 3 + MAX_ATTEMPTS


@pytest.mark.parametrize("failures", [2, 3])
def test_a_paid_file_that_is_only_at_its_address_is_asked_for_there_and_nowhere_else(
    vendors: NewVendors, monkeypatch: pytest.MonkeyPatch, failures: int
) -> None:
    monkeypatch.setattr("core.generation.item_file.SAVE_AGAIN", (3, 0.0))
    bench = vendors(Vendor(resumable=False))
    failing: list[Exception] = [
        TimeoutError(),
        errors.ProviderUnavailable("Gone."),
        ConnectionError(),
    ]
    bench.provider.fail_fetch = failing[:failures]

    async def main() -> None:
        await bench.make()
        await bench.make()

    run(main())
    asset = bench.asset()
    assert asset.state == (AssetState.DONE if failures == 2 else AssetState.FAILED)
    assert asset.attempts == 1
    assert bench.provider.submitted == [bench.first]


# How it is getting on


@pytest.mark.usefixtures("quick")
def test_what_an_item_waits_for_is_shown_until_it_is_made(vendors: NewVendors) -> None:
    bench = vendors(Vendor())

    async def script(report: Report) -> None:
        await report(0.1, waiting="third in line")
        await until(lambda: bench.asset().waiting == "third in line")
        await report()
        await until(lambda: bench.asset().waiting == "")
        assert bench.asset().progress == 0.1
        await report(2.0, waiting="nearly there")
        await until(lambda: bench.asset().waiting == "nearly there")
        assert bench.asset().progress == 0.1

    async def main() -> None:
        bench.provider.script = script
        bench.provider.hold_fetch.clear()
        making = asyncio.create_task(bench.make())
        await until(lambda: bench.asset().state == AssetState.SAVING)
        assert (bench.asset().waiting, bench.asset().progress) == ("", 1.0)
        bench.provider.hold_fetch.set()
        await making

    run(main())
    assert bench.asset().state == AssetState.DONE


@pytest.mark.usefixtures("quick")
def test_an_item_that_is_put_back_waits_for_nothing_at_its_provider(vendors: NewVendors) -> None:
    bench = vendors(Vendor())

    async def script(report: Report) -> None:
        await report(waiting="third in line")
        await until(lambda: bench.asset().waiting == "third in line")

    bench.provider.script = script
    bench.provider.fail_follow = [errors.ProviderUnavailable()]
    run(bench.make())
    assert (bench.asset().state, bench.asset().waiting) == (AssetState.QUEUED, "")


def shown(bench: Bench) -> tuple[str | None, tuple[int, int]] | None:
    webp = bench.store.assets.partial(bench.first)
    if webp is None:
        return None
    with Image.open(BytesIO(webp)) as image:
        return image.format, image.size


def test_half_done_pictures_are_shown_small_and_counted(vendors: NewVendors) -> None:
    bench = vendors(Vendor())

    async def script(report: Report) -> None:
        for size, small in [((960, 480), (480, 240)), ((64, 64), (64, 64))]:
            picture = encode_png(Image.new("RGB", size, "teal"))
            async with asyncio.timeout(120):
                while shown(bench) != ("WEBP", small):
                    await report(preview=picture)  # left out while another is being stored
                    await asyncio.sleep(0.01)

    bench.provider.script = script
    run(bench.make())
    asset = bench.asset()
    assert asset.state == AssetState.DONE
    assert asset.partial >= 2
    bench.store.job_actions.retry(bench.job.id, "ana")
    assert bench.asset().partial == asset.partial  # only what is made again begins without


def of_size(pixels: int) -> bytes:
    """Return a PNG file that says that its sides are so long."""
    head = b"IHDR" + pixels.to_bytes(4) * 2 + bytes([8, 0, 0, 0, 0])
    return b"\x89PNG\r\n\x1a\n" + bytes([0, 0, 0, 13]) + head + crc32(head).to_bytes(4)


@pytest.mark.parametrize("preview", [b"", b"<html>", TEAL[: len(TEAL) // 2], of_size(60_000)])
def test_a_preview_that_is_no_picture_harms_nothing(
    vendors: NewVendors, caplog: pytest.LogCaptureFixture, preview: bytes
) -> None:
    bench = vendors(Vendor())

    async def script(report: Report) -> None:
        await report(0.2, preview=preview)

    bench.provider.script = script
    run(bench.make())
    gc.collect()  # tasks whose errors nobody looked at say so now
    assert (bench.asset().state, bench.asset().partial) == (AssetState.DONE, 0)
    assert bench.store.assets.partial(bench.first) is None
    assert not [record for record in caplog.records if record.levelno > logging.WARNING]


def test_who_has_lost_an_item_shows_nothing_of_it(vendors: NewVendors) -> None:
    bench = vendors(Vendor())

    async def script(report: Report) -> None:
        change(bench, {"lease.token": "thief"}, {"_id": bench.first})
        await report(preview=TEAL)

    bench.provider.script = script
    run(bench.make())
    assert (bench.asset().state, bench.asset().partial) == (AssetState.RUNNING, 0)
    assert bench.store.assets.partial(bench.first) is None


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


def stored_at(bench: Bench, place: ContentStore) -> None:
    bench.content = place  # type: ignore[assignment]  # what it makes uses what all places have


def test_a_clip_is_made_of_the_image_that_was_chosen(
    vendors: NewVendors, places: tuple[ContentStore, ContentStore], tmp_path: Path
) -> None:
    bench = vendors(Vendor())
    stored_at(bench, places[0])
    run(bench.make())
    image = bench.asset()
    clips = ordered(bench, task=Task.ANIMATE, source=image, videos=2)
    assert [(clip.kind, clip.model, clip.source) for clip in clips] == [
        (Kind.VIDEO, "mover", image.id)
    ] * 2
    run(bench.make(clips[1].id))
    assert bench.asset(clips[1].id).state == AssetState.DONE
    ((path, content),) = bench.provider.sources
    assert content == TEAL
    assert path.suffix == ".png"
    assert list(tmp_path.glob("tmp/*")) == []  # copies are gone
    assert [each.source is None for each in bench.provider.requests] == [True, False]


@pytest.mark.parametrize("kind", list(Kind))
def test_an_item_of_either_kind_is_upscaled(
    vendors: NewVendors, kind: Kind, tmp_path: Path
) -> None:
    bench = vendors(Vendor())
    source = next(each.id for each in bench.assets if each.kind == kind)
    run(bench.make(source))
    (larger,) = ordered(bench, task=Task.UPSCALE, source=bench.asset(source))
    run(bench.make(larger.id))
    made, before = bench.asset(larger.id), bench.asset(source)
    assert (made.state, made.kind, made.model) == (AssetState.DONE, kind, "lens")
    assert (made.task, made.source) == (Task.UPSCALE, source)
    ((path, content),) = bench.provider.sources
    assert sha256(content).hexdigest() == before.sha256
    assert path.suffix == Path(before.path or "").suffix
    assert list(tmp_path.glob("tmp/*")) == []
    request = bench.provider.requests[-1]
    assert (request.task, request.params["width"], request.params.get("seconds")) == (
        Task.UPSCALE,
        128,
        before.seconds,
    )
    job = bench.store.jobs.get(larger.job_id)
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
    bench = vendors(Vendor(paid=paid, resumable=remote_id is not None))
    run(bench.make())
    (made,) = ordered(bench, task=task, source=bench.asset(), videos=1)
    before = len(bench.provider.submitted)
    bench.first = made.id
    bench.abandoned(state, remote_id and remote_id.replace("image", made.kind))
    if remote_id is not None:  # what is under way needs its source no more
        change(bench, {"path": None}, {"_id": made.source})
    run(bench.make())
    assert bench.asset().state == expected
    assert len(bench.provider.submitted) - before == calls


@pytest.mark.parametrize("task", [Task.ANIMATE, Task.UPSCALE])
@pytest.mark.parametrize("how", ["deleted", "of another", "never saved"])
def test_an_item_that_is_not_there_is_said_before_anything_is_sent(
    vendors: NewVendors, places: tuple[ContentStore, ContentStore], how: str, task: Task
) -> None:
    bench = vendors(Vendor())
    stored_at(bench, places[0])
    run(bench.make())
    user_id = "ben" if how == "of another" else "ana"
    (clip,) = ordered(bench, user_id=user_id, task=task, source=bench.asset(), videos=1)
    if how == "deleted":
        stored_at(bench, places[1])
    if how == "never saved":
        change(bench, {"path": None}, {"_id": bench.first})
    run(bench.make(clip.id))
    asset = bench.asset(clip.id)
    assert asset.state == AssetState.FAILED
    assert asset.error is not None
    assert (asset.error.code, asset.remote_id) == ("request_rejected", None)
    assert "not there any more" in asset.error.message
    assert bench.provider.submitted == [bench.first]


@pytest.mark.usefixtures("quick")
def test_an_image_that_cannot_be_read_now_is_read_later(
    vendors: NewVendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = vendors(Vendor())
    run(bench.make())
    (clip,) = ordered(bench, task=Task.ANIMATE, source=bench.asset(), videos=1)

    def locked(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    with monkeypatch.context() as patched:
        patched.setattr(FolderStore, "locate", locked)
        run(bench.make(clip.id))
    assert bench.asset(clip.id).state == AssetState.QUEUED
    assert bench.provider.submitted == [bench.first]
    run(bench.make(clip.id))
    assert bench.asset(clip.id).state == AssetState.DONE


# Who it is for


def test_users_are_told_apart_without_being_named(bench: Bench, settings: Settings) -> None:
    theirs = ordered(bench, user_id="ben")

    async def main() -> None:
        for asset_id in (bench.first, bench.assets[1].id, theirs[0].id):
            await bench.make(asset_id)

    run(main())
    ana, again, ben = (request.end_user for request in bench.provider.requests)
    assert ana == again != ben
    assert len(ana) == len(ben) == 64
    assert "ana" not in ana
    with open_store(settings) as other:
        assert [other.users.pseudonym(each) for each in ("ana", "ben")] == [ana, ben]


# OpenAI's SDK in the engine


def server_at(url: str, **more: Any) -> Server:
    return Server(base_url=f"{url}/v1", api_key="key-for-tests", **more)


def test_images_are_made_with_previews_and_costs_from_order_to_file(bench: Bench) -> None:
    books = Books()

    async def main(url: str) -> None:
        openai = OpenAI(server_at(url, image_models=[SUNBURST]), poll_seconds=0.02)
        bench.catalogue = Catalogue({"openai": openai, "fake": bench.provider})
        bench.job, bench.assets = plan(
            Order(user_id="ana", prompt="a fox", ratio="1:1"), bench.catalogue
        )
        bench.store.jobs.create(bench.job, bench.assets)
        async with bench.worker():
            await until(lambda: bench.status == JobStatus.COMPLETED, 60)
        await openai.close()

    with serving(application(books, seconds=0.3)) as url:
        run(main(url))
    assert books.charges == {"a fox": 5}
    assert {(asked["size"], asked["stream"]) for asked in books.asked} == {("1024x1024", True)}
    assert {asked["safety_identifier"] for asked in books.asked} == {
        bench.store.users.pseudonym("ana")
    }
    for asset in bench.store.assets.of_job(bench.job.id)[:5]:
        assert (asset.provider, asset.model, asset.state) == ("openai", SUNBURST, AssetState.DONE)
        assert asset.cost.actual == pytest.approx(0.0301)
        assert asset.details["request_id"].startswith("req-")
        assert asset.details["usage"]["total_tokens"] == 1020
        assert asset.partial >= 1
        assert bench.store.assets.partial(asset.id) is not None
        assert asset.path is not None
        found = inspect(
            bench.content.locate("ana", asset.path),
            Kind.IMAGE,
            width=1024,
            height=1024,
            seconds=None,
        )
        assert (found.sha256, found.bytes) == (asset.sha256, asset.bytes)
    assert spent(bench) == sums(USD=5 * 0.0301)


@pytest.mark.parametrize("orderly", [True, False])
def test_a_clip_is_followed_by_the_next_worker_and_paid_once(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, *, orderly: bool
) -> None:
    """An orderly stop hands the clip back; from a killed worker, its lease runs out."""
    books = Books()

    def provider(url: str) -> OpenAI:
        made = OpenAI(server_at(url, video_models=["wan-2.2"]), poll_seconds=0.02)
        bench.catalogue = Catalogue({"openai": made, "fake": bench.provider})
        return made

    async def main(url: str) -> None:
        first = provider(url)
        clip = ordered(bench, prompt="a fox", ratio="1:1", seconds=1)[5]
        assert (clip.provider, clip.kind) == ("openai", Kind.VIDEO)
        making = asyncio.create_task(bench.make(clip.id))
        await until(lambda: bench.asset(clip.id).state == AssetState.RUNNING)
        if not orderly:  # it writes nothing any more
            monkeypatch.setattr(bench.store.transitions, "hand_back", lambda *_, **__: None)
        making.cancel()
        await asyncio.wait([making])
        await first.close()
        monkeypatch.undo()
        left = bench.asset(clip.id)
        assert left.remote_id == "video_0"
        assert left.state == (AssetState.QUEUED if orderly else AssetState.RUNNING)
        if not orderly:
            change(bench, {"lease.until": {"$subtract": ["$$NOW", 1]}}, {"_id": clip.id})
        second = provider(url)
        await bench.make(clip.id)
        await second.close()
        assert bench.asset(clip.id).state == AssetState.DONE
        assert bench.asset(clip.id).details == {"request_id": "req-video_0"}

    with serving(application(books, seconds=0.5)) as url:
        run(main(url))
    assert books.charges == {"a fox": 1}


def test_whatever_a_provider_says_can_be_stored(vendors: NewVendors) -> None:
    bench = vendors(Vendor(paid=True, resumable=True))
    odd = {"seed": 2**70, "a.b": 1, "$x": 2, "usage": {"$y": (1, {2, 3})}, "words": "\ud800" * 9000}
    bench.provider.outcome = Outcome(details=odd)
    run(bench.make())
    asset = bench.asset()
    assert asset.state == AssetState.DONE
    assert asset.details["seed"] == str(2**70)
    assert set(asset.details) == {"seed", "usage", "words"}
    assert len(asset.details["words"]) == 4000


def test_what_fails_before_the_call_leaves_nothing_unknown(
    vendors: NewVendors, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = vendors(Vendor(paid=True))

    def broken(_: str) -> str:
        raise AutoReconnect

    with monkeypatch.context() as while_it_lasts:
        while_it_lasts.setattr(bench.store.users, "pseudonym", broken)
        run(bench.make(lease_seconds=2.0))
    assert bench.asset().state == AssetState.QUEUED
    assert not bench.provider.submitted
