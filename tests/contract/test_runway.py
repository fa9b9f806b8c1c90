"""RunwayML's SDK, unpatched, against a stand-in that counts what it would have charged."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image

from core.media.encoding import encode_png
from core.media.inspection import Inspection, inspect
from core.models import Asset, AssetState, Kind, Task
from core.providers import errors
from core.providers.base import Capability, Provider, Request, Submission
from core.providers.http.polling import MAX_UNANSWERED
from core.providers.runway.provider import UNLIMITED
from core.settings import Settings
from core.store import Store
from core.studio.order import Choice, Order
from core.studio.planning import plan
from tests.contract.fakes import Reports, catalogue_of
from tests.contract.vendors import KEY, RunwayWorld, runway_clip, runway_image, runway_world
from tests.integration.job_harness import JobHarness
from tests.product import free_port
from tests.servers.runway import PRICE
from tests.servers.wire import Fault, clip


@pytest.fixture
def world() -> Iterator[RunwayWorld]:
    with runway_world() as opened:
        yield opened


@pytest.fixture
def busy() -> Iterator[RunwayWorld]:
    """A stand-in that lets every task wait for its turn."""
    with runway_world(seconds=0.1, throttled=0.2) as opened:
        yield opened


@pytest.fixture
def slow() -> Iterator[RunwayWorld]:
    """A stand-in whose tasks end in none of these tests."""
    with runway_world(seconds=3600.0) as opened:
        yield opened


UPSCALERS = {
    Kind.IMAGE: "magnific_precision_upscaler_v2",
    Kind.VIDEO: "magnific_video_upscaler_creative",
}


def larger(source: Path, kind: Kind, **params: Any) -> Request:
    lasts = {"seconds": 1.0} if kind == Kind.VIDEO else {}
    return Request(
        asset_id="a",
        kind=kind,
        prompt="a fox",
        slot=1,
        model=UPSCALERS[kind],
        params={"width": 128, "height": 72, "ratio": "16:9"} | lasts | params,
        task=Task.UPSCALE,
        source=source,
    )


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.png"
    path.write_bytes(encode_png(Image.new("RGB", (64, 64), "teal")))
    return path


@pytest.fixture
def sources(tmp_path: Path, source: Path) -> dict[Kind, Path]:
    """A finished item of each kind."""
    path = tmp_path / "source.mp4"
    path.write_bytes(clip("a fox", 64, 36, 1.0))
    return {Kind.IMAGE: source, Kind.VIDEO: path}


def looked_over(path: Path, kind: Kind) -> Inspection:
    return inspect(path, kind, width=None, height=None, seconds=None)


def test_an_image_is_made(world: RunwayWorld, tmp_path: Path) -> None:
    submission, outcome, reports = world.make(runway_image(), tmp_path / "x")
    assert looked_over(tmp_path / "x", Kind.IMAGE).width == 720
    assert submission.remote_id == "task-000001"
    request = {"model": "gen4_image", "ratio": "720:720", "seed": 7}
    assert submission.details == {"request": request, "request_id": "req-task-000001"}
    assert submission.cost == outcome.cost == PRICE
    assert reports.shares[-1] == 1.0
    sent = {"endpoint": "text_to_image", "promptText": "a fox"} | request
    assert world.records.requests == [sent]
    assert world.records.charges["a fox"] == 1


def test_a_clip_is_made_and_tells_how_it_is_getting_on(world: RunwayWorld, tmp_path: Path) -> None:
    _, outcome, reports = world.make(runway_clip(), tmp_path / "x")
    found = looked_over(tmp_path / "x", Kind.VIDEO)
    assert (found.width, found.height, found.seconds) == (1280, 720, 2.0)
    assert reports.shares[-1] == 1.0
    assert reports.shares == sorted(reports.shares)
    assert not reports.waiting
    assert outcome.cost == 2 * PRICE
    assert world.records.requests[0]["duration"] == 2
    assert world.records.charges["a fox"] == 1


@pytest.mark.parametrize(
    ("model", "params", "ratio"),
    [
        ("gen4_turbo", {}, "1280:720"),
        ("seedance2_fast", {}, "1280:720"),
        ("wan3", {"ratio": "auto", "resolution": "480p"}, "auto_480p"),
        ("grok_imagine_1_5", {"ratio": "auto", "resolution": "480p"}, None),
    ],
)
def test_an_image_is_animated(  # noqa: PLR0913, PLR0917  # fixtures, and a case of three parts
    world: RunwayWorld, tmp_path: Path, source: Path, model: str, params: dict[str, Any], ratio: str
) -> None:
    submission, _, _ = world.make(runway_clip(source, model, **params), tmp_path / "x")
    looked_over(tmp_path / "x", Kind.VIDEO)
    (request,) = world.records.requests
    assert request["endpoint"] == "image_to_video"
    assert request.get("ratio") == ratio
    assert "runway://" not in str(submission.details)
    assert world.records.charges["a fox"] == 1


@pytest.mark.parametrize(
    ("params", "size", "expected"),
    [({}, 128, {}), ({"scale_factor": 4, "sharpen": 0}, 256, {"scaleFactor": 4, "sharpen": 0})],
)
def test_an_image_is_upscaled(  # noqa: PLR0913, PLR0917  # as above
    world: RunwayWorld,
    tmp_path: Path,
    sources: dict[Kind, Path],
    params: dict[str, Any],
    size: int,
    expected: dict[str, Any],
) -> None:
    request = larger(sources[Kind.IMAGE], Kind.IMAGE, **params)
    submission, outcome, _ = world.make(request, tmp_path / "x")
    found = looked_over(tmp_path / "x", Kind.IMAGE)
    assert (found.width, found.height) == (size, size)
    (sent,) = world.records.requests
    assert sent.pop("imageUri").startswith("runway://")
    assert sent == {"endpoint": "image_upscale", "model": UPSCALERS[Kind.IMAGE]} | expected
    assert "runway://" not in str(submission.details)
    assert submission.cost == outcome.cost == PRICE
    assert world.records.charges["image_upscale"] == 1


def test_a_clip_is_upscaled(world: RunwayWorld, tmp_path: Path, sources: dict[Kind, Path]) -> None:
    request = larger(sources[Kind.VIDEO], Kind.VIDEO, resolution="1k", fps_boost=False)
    world.make(request, tmp_path / "x")
    found = looked_over(tmp_path / "x", Kind.VIDEO)
    assert (found.width, found.height, found.seconds) == (1920, 1080, 1.0)
    (sent,) = world.records.requests
    assert sent.pop("videoUri").startswith("runway://")
    chosen = {"resolution": "1k", "fpsBoost": False}
    assert sent == {"endpoint": "video_upscale", "model": UPSCALERS[Kind.VIDEO]} | chosen


@pytest.mark.parametrize("kind", list(Kind))
def test_upscaling_is_paid_for_once_whatever_happens(
    world: RunwayWorld, tmp_path: Path, sources: dict[Kind, Path], kind: Kind
) -> None:
    request, charges = larger(sources[kind], kind), world.records.charges
    world.records.faults.append(Fault(what="refuse", status=503))
    assert isinstance(world.error(request, tmp_path / "x"), errors.ProviderUnavailable)
    assert not charges
    world.records.faults.append(Fault(what="cut_after"))
    assert isinstance(world.error(request, tmp_path / "x"), errors.OutcomeUnknown)
    assert charges.total() == 1

    async def run() -> None:
        async with world.provider() as first:
            submission = await first.submit(request)
        sources[kind].unlink()  # nobody needs it any more
        async with world.provider() as second:
            resumed = Submission(submission.remote_id)
            await second.follow(resumed, Reports())
            await second.fetch(resumed, tmp_path / "x")

    asyncio.run(run())
    looked_over(tmp_path / "x", kind)
    assert charges.total() == 2


def test_a_file_that_it_cannot_use_is_said(
    world: RunwayWorld, tmp_path: Path, sources: dict[Kind, Path]
) -> None:
    world.records.faults.append(Fault(what="fail", code="ASSET.INVALID", message="Too small."))
    error = world.error(larger(sources[Kind.IMAGE], Kind.IMAGE), tmp_path / "x")
    assert isinstance(error, errors.RequestRejected)
    assert error.message == "RunwayML cannot use this file: Too small."


def test_an_image_is_kept_byte_for_byte_as_it_came(world: RunwayWorld, tmp_path: Path) -> None:
    square = {"width": 1024, "height": 1024}
    world.make(runway_image("recraft_v4_1_flash", **square), tmp_path / "x")
    with Image.open(tmp_path / "x") as found:
        assert found.format == "WEBP"
    world.make(runway_image(), tmp_path / "y")
    address = world.call("GET", "/v1/tasks/task-000002").json()["output"][0]
    made = httpx2.get(address, trust_env=False).content
    assert (tmp_path / "y").read_bytes() == made


def test_waiting_for_ones_turn_is_told(busy: RunwayWorld, tmp_path: Path) -> None:
    _, _, reports = busy.make(runway_image(), tmp_path / "x")
    assert set(reports.waiting) == {"waiting for its turn at RunwayML"}


def test_an_item_is_cancelled_and_a_cancelled_one_is_told_apart(slow: RunwayWorld) -> None:
    async def run() -> errors.GenerationFailed:
        async with slow.provider() as provider:
            submission = await provider.submit(runway_image())
            await provider.cancel(submission)
            await provider.cancel(submission)
            await provider.cancel(Submission("task-of-nobody"))
            with pytest.raises(errors.GenerationFailed, match="was cancelled") as caught:
                await provider.follow(submission, Reports())
            return caught.value

    error = asyncio.run(run())
    assert (error.code, error.cost, error.retryable) == ("cancelled_at_provider", 0, False)


def test_a_finished_file_that_was_deleted_there_is_gone(world: RunwayWorld, tmp_path: Path) -> None:
    async def run() -> None:
        async with world.provider() as provider:
            submission = await provider.submit(runway_image())
            await provider.follow(submission, Reports())
            await provider.cancel(submission)
            with pytest.raises(errors.ProviderUnavailable, match="does not know this task"):
                await provider.fetch(submission, tmp_path / "x")
            with pytest.raises(errors.ProviderUnavailable, match="does not know this task"):
                await provider.follow(Submission("task-of-nobody"), Reports())

    asyncio.run(run())


def test_an_unfinished_task_has_no_file(slow: RunwayWorld, tmp_path: Path) -> None:
    async def run() -> None:
        async with slow.provider() as provider:
            submission = await provider.submit(runway_image())
            with pytest.raises(errors.ProviderUnavailable, match="no file"):
                await provider.fetch(submission, tmp_path / "x")

    asyncio.run(run())


FAILED: list[tuple[str, bool, type[errors.ProviderError], bool]] = [
    ("SAFETY.INPUT.TEXT", True, errors.PromptRejected, False),
    ("SAFETY.OUTPUT.VIDEO", True, errors.PromptRejected, False),
    ("INPUT_PREPROCESSING.SAFETY.TEXT", False, errors.PromptRejected, False),
    ("ASSET.INVALID", False, errors.RequestRejected, False),
    ("INTERNAL.BAD_OUTPUT.CODE01", True, errors.GenerationFailed, False),
    ("INTERNAL.BAD_OUTPUT.CODE01", False, errors.GenerationFailed, False),
    ("INTERNAL", False, errors.GenerationFailed, True),
    ("INTERNAL", True, errors.GenerationFailed, False),
    ("INPUT_PREPROCESSING.INTERNAL", False, errors.GenerationFailed, True),
    ("THIRD_PARTY.UNAVAILABLE", False, errors.GenerationFailed, True),
    ("SOMETHING.NEW", False, errors.GenerationFailed, False),
    ("", False, errors.GenerationFailed, False),
]


@pytest.mark.parametrize(("code", "charged", "expected", "retryable"), FAILED)
def test_a_failed_task_says_what_it_means_and_what_it_cost(  # noqa: PLR0913, PLR0917  # as above
    world: RunwayWorld,
    tmp_path: Path,
    code: str,
    charged: bool,  # noqa: FBT001  # a value of the case
    expected: type[Exception],
    retryable: bool,  # noqa: FBT001  # likewise
) -> None:
    fault = Fault(what="fail", code=code, charged=charged, message=f"It is about {KEY}.")
    world.records.faults.append(fault)
    error = world.error(runway_image(), tmp_path / "x")
    assert type(error) is expected
    assert error.retryable is retryable
    assert error.ended
    assert error.cost == (PRICE if charged else 0)
    assert error.details["failure_code"] == code
    assert world.records.charges["a fox"] == 1


def test_a_wrong_key_is_told_where_a_file_is_sent_first(
    world: RunwayWorld, tmp_path: Path, source: Path
) -> None:
    world.records.key = "another"
    assert isinstance(world.error(runway_clip(source), tmp_path / "x"), errors.InvalidCredentials)


def test_a_spent_balance_is_told_and_then_known_before_a_call(
    world: RunwayWorld, tmp_path: Path
) -> None:
    world.account.credits = 0
    assert isinstance(world.error(runway_image(), tmp_path / "x"), errors.BalanceSpent)
    assert len(world.records.requests) == 1

    async def run() -> None:
        async with world.provider() as provider:
            await provider.refresh()
            with pytest.raises(errors.BalanceSpent, match="no credits left"):
                await provider.submit(runway_image())
            world.account.credits = PRICE
            await provider.refresh()
            await provider.submit(runway_image())

    asyncio.run(run())
    assert len(world.records.requests) == 2
    assert world.records.charges["a fox"] == 1


def test_a_task_is_left_for_later_where_nobody_answers(slow: RunwayWorld) -> None:
    async def run() -> None:
        async with slow.provider() as first:
            submission = await first.submit(runway_image())
        async with slow.provider(base_url=f"http://127.0.0.1:{free_port()}") as provider:
            with pytest.raises(errors.ProviderUnavailable):
                await provider.follow(submission, Reports())

    asyncio.run(run())


UPSET = [(429, ""), (500, ""), (503, ""), (200, "{")]


def test_polls_without_an_answer_are_made_again(world: RunwayWorld, tmp_path: Path) -> None:
    assert len(UPSET) < MAX_UNANSWERED
    world.account.upset.extend(UPSET)
    world.make(runway_image(), tmp_path / "x")
    assert not world.account.upset
    assert world.records.charges["a fox"] == 1


def test_too_many_polls_without_an_answer_leave_a_task_for_later(
    world: RunwayWorld, tmp_path: Path
) -> None:
    world.account.upset.extend([(200, "[]"), (200, "{}")] * MAX_UNANSWERED)
    assert isinstance(world.error(runway_image(), tmp_path / "x"), errors.ProviderUnavailable)


def test_an_answer_without_a_task_is_unknown(world: RunwayWorld, tmp_path: Path) -> None:
    world.records.faults.append(Fault(what="refuse", status=200))  # with nothing but an error
    assert isinstance(world.error(runway_image(), tmp_path / "x"), errors.OutcomeUnknown)


def test_an_expired_address_is_asked_for_anew(world: RunwayWorld, tmp_path: Path) -> None:
    world.records.faults.append(Fault(what="expire"))
    world.make(runway_image(), tmp_path / "x")
    looked_over(tmp_path / "x", Kind.IMAGE)
    assert world.records.charges["a fox"] == 1


def capability(provider: Provider, model: str) -> Capability:
    return next(each for each in provider.capabilities() if each.model == model)


def test_the_accounts_limits_and_balance_are_taken_over(world: RunwayWorld) -> None:
    async def run() -> None:
        async with world.provider() as provider:
            assert capability(provider, "gen4.5").limit == 1
            world.account.credits = 1240
            assert await provider.check() == "1,240 credits left; tier limits known for 3 models"
            assert provider.status == "1,240 credits left"
            before = provider.capabilities()
            for model, limit, per_day in [
                ("gen4.5", 2, 50),
                ("gen4_image", 5, None),
                ("veo3.1", UNLIMITED, 0),
                ("wan3", 1, None),
            ]:
                found = capability(provider, model)
                assert (found.limit, found.per_day) == (limit, per_day)
            world.account.limits = {"gen4.5": (7, None)}
            await provider.refresh()
            assert capability(provider, "gen4.5").limit == 7
            assert capability(provider, "gen4_image").limit == 1
            assert len(before) == len(provider.capabilities())
            world.account.limits = {}  # as where the field is missing: what is known holds on
            await provider.refresh()
            assert capability(provider, "gen4.5").limit == 7
            world.account.limits = {"gen4.5": (10**40, 10**40)}  # more than the database counts
            await provider.refresh()
            assert 7 < capability(provider, "gen4.5").limit < 2**31
            assert 7 < (capability(provider, "gen4.5").per_day or 0) < 2**31
        async with world.provider(api_key="wrong") as provider:
            with pytest.raises(errors.InvalidCredentials):
                await provider.check()

    asyncio.run(run())
    assert not world.records.charges


def test_what_a_user_chooses_is_what_is_asked_for(world: RunwayWorld) -> None:
    veo = {"size": "1080x1920", "audio": "yes", "negative_prompt": "rain"}
    order = Order(
        user_id="ana",
        prompt="a fox",
        choices={
            Kind.VIDEO: Choice(model="veo3.1", options=veo),
            Kind.IMAGE: Choice(model="gpt_image_2", options={"quality": "low"}),
        },
        ratio="16:9",
        seconds=4,
    )

    async def run() -> list[Asset]:
        async with world.provider() as provider:
            _, assets = plan(order, catalogue_of(provider))
            for asset in (assets[0], assets[-1]):
                request = Request(
                    asset_id=asset.id,
                    kind=asset.kind,
                    prompt="a fox",
                    slot=asset.slot,
                    model=asset.model,
                    params=asset.params,
                )
                await provider.submit(request)
            return assets

    assets = asyncio.run(run())
    requests = world.records.requests
    assert requests[0] == {
        "endpoint": "text_to_image",
        "model": "gpt_image_2",
        "promptText": "a fox",
        "quality": "low",
        "ratio": "1920:1088",
    }
    assert requests[1] == {
        "endpoint": "text_to_video",
        "model": "veo3.1",
        "promptText": "a fox",
        "ratio": "1080:1920",
        "duration": 4,
        "audio": True,
        "negativePrompt": "rain",
        "seed": assets[-1].params["seed"],
    }


def test_what_it_cannot_make_is_refused_before_any_call(world: RunwayWorld, tmp_path: Path) -> None:
    requests: Sequence[Request] = (
        runway_image(width=100),
        runway_image(model="gone"),
        runway_clip(model="gen4_turbo"),
    )
    for request in requests:
        assert isinstance(world.error(request, tmp_path / "x"), errors.RequestRejected)
    assert not world.records.requests


def test_the_engine_keeps_what_an_item_cost_and_what_it_was_asked_with(
    world: RunwayWorld, settings: Settings, store: Store
) -> None:
    world.records.faults.append(Fault(what="fail", code="INTERNAL"))

    async def run() -> None:
        async with world.provider() as provider:
            obeys: Any = provider
            harness = JobHarness(settings, store, obeys)
            await harness.make()
            assert harness.asset().state == AssetState.QUEUED  # again, for nothing was charged
            await harness.make(harness.assets[1].id)
            done = harness.asset(harness.assets[1].id)
            assert done.state == AssetState.DONE
            assert (done.cost.estimated, done.cost.actual, done.cost.unit) == (5, 5, "credits")
            assert done.details["request"]["model"] == "gen4_image"

    asyncio.run(run())
    assert world.records.charges["x"] == 2  # one each
