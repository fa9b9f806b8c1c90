"""The AI Horde's wire format, against a stand-in whose queue moves."""

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core.media.inspection import Inspection, inspect
from core.models import InvalidInput, Kind
from core.providers import errors
from core.providers.base import Submission
from core.providers.horde.provider import ANONYMOUS, IMPOSSIBLE, Horde
from core.providers.horde.request import ANY
from core.providers.http.polling import MAX_UNANSWERED
from core.providers.registry import open_catalogue
from core.settings import Settings
from core.studio.order import Choice, Order
from core.studio.planning import plan
from tests.contract.fakes import Reports
from tests.contract.vendors import KEY, HordeWorld, horde_image, horde_world
from tests.product import free_port
from tests.servers.wire import Fault


@pytest.fixture
def world() -> Iterator[HordeWorld]:
    with horde_world() as opened:
        yield opened


def looked_over(path: Path) -> Inspection:
    return inspect(path, Kind.IMAGE, width=None, height=None, seconds=None)


def test_an_image_waits_in_the_queue_is_drawn_and_kept_as_it_came(
    world: HordeWorld, tmp_path: Path
) -> None:
    submission, outcome, reports = world.make(horde_image(negative_prompt="rain"), tmp_path / "x")
    found = looked_over(tmp_path / "x")
    assert (found.extension, found.width, found.height) == ("webp", 128, 64)
    assert reports.waiting[0] == "place 3 in the queue, about 1 min"
    assert reports.shares == sorted(reports.shares)
    assert reports.shares[-1] == 1.0
    assert submission.remote_id == "task-0"
    assert outcome.cost == 0.0
    assert outcome.details == {
        "worker": "A kind volunteer",
        "model": "stable_diffusion",
        "seed": "7",
        "kudos": 12.5,
        "shared": False,
    }
    (sent,) = world.records.requests
    assert sent["prompt"] == "a fox ### rain"
    assert sent["models"] == ["stable_diffusion"]
    assert sent["params"] == {
        "width": 128,
        "height": 64,
        "steps": 20,
        "cfg_scale": 7.26,
        "seed": "7",
        "n": 1,
        "sampler_name": "k_euler_a",
        "karras": True,
    }
    assert sent["agent"].startswith("fivefold:")


def test_any_model_and_a_prompt_with_the_separator(world: HordeWorld, tmp_path: Path) -> None:
    world.make(horde_image("one ### two", model=ANY), tmp_path / "x", api_key=ANONYMOUS)
    (sent,) = world.records.requests
    assert sent["models"] == []
    assert "###" not in sent["prompt"]


def test_a_cancelled_image_is_not_made(world: HordeWorld) -> None:
    async def run() -> None:
        async with world.provider() as provider:
            submission = await provider.submit(horde_image())
            await provider.cancel(submission)
            await provider.cancel(submission)
            await provider.cancel(Submission("never-there"))
            with pytest.raises(errors.GenerationFailed, match="stopped"):
                await provider.follow(submission, Reports())
            with pytest.raises(errors.GenerationFailed, match="forgotten"):
                await provider.follow(Submission("never-there"), Reports())

    asyncio.run(run())


def test_an_image_is_left_for_later_after_so_many_polls_without_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    polls = 0

    async def run() -> None:
        provider = Horde(base_url=f"http://127.0.0.1:{free_port()}", poll_seconds=0.001)
        ask = provider._call  # noqa: SLF001  # counted, not replaced

        async def counted(*what: Any) -> Any:
            nonlocal polls
            polls += 1
            return await ask(*what)

        monkeypatch.setattr(provider, "_call", counted)
        try:
            with pytest.raises(errors.ProviderUnavailable):
                await provider.follow(Submission("x"), Reports())
        finally:
            await provider.close()

    asyncio.run(run())
    assert polls == MAX_UNANSWERED


@pytest.mark.parametrize(
    ("code", "expected", "retryable"),
    [
        ("faulted", errors.GenerationFailed, True),
        ("censored", errors.PromptRejected, False),
        ("impossible", errors.RequestRejected, False),
    ],
)
def test_an_image_that_cannot_be_made_says_why(
    world: HordeWorld, tmp_path: Path, code: str, expected: type[Exception], *, retryable: bool
) -> None:
    world.records.faults.append(Fault(what="fail", code=code))
    error = world.error(horde_image(), tmp_path / "x")
    assert type(error) is expected
    assert error.retryable is retryable
    assert error.ended


def test_a_request_is_impossible_only_if_it_stays_so_and_then_leaves_the_queue(
    world: HordeWorld,
) -> None:
    world.records.faults.append(Fault(what="fail", code="impossible"))

    async def run() -> None:
        async with world.provider() as provider:
            submission = await provider.submit(horde_image())
            reports = Reports()
            with pytest.raises(errors.RequestRejected):
                await provider.follow(submission, reports)
            assert len(reports.shares) == IMPOSSIBLE - 1
            with pytest.raises(errors.GenerationFailed, match="stopped"):
                await provider.follow(submission, reports)

    asyncio.run(run())


def test_an_address_that_has_run_out_is_asked_for_anew(world: HordeWorld, tmp_path: Path) -> None:
    world.records.faults.append(Fault(what="expire"))
    world.make(horde_image(), tmp_path / "x")
    assert looked_over(tmp_path / "x").width == 128


def test_an_image_that_comes_in_the_answer_itself(world: HordeWorld, tmp_path: Path) -> None:
    world.records.faults.append(Fault(what="fail", code="base64"))
    world.make(horde_image(), tmp_path / "x")
    assert looked_over(tmp_path / "x").extension == "webp"


def test_nothing_but_pages_instead_of_an_image_leaves_it_for_later(
    world: HordeWorld, tmp_path: Path
) -> None:
    world.records.faults.append(Fault(what="garbage", code="always"))
    error = world.error(horde_image(), tmp_path / "x")
    assert isinstance(error, errors.ProviderUnavailable)
    assert "text/html" in error.message


def test_its_health_costs_nothing(world: HordeWorld) -> None:
    async def check(api_key: str) -> str:
        async with world.provider(api_key) as provider:
            return await provider.check()

    assert asyncio.run(check(KEY)) == "The key is accepted: ana#1, 1,234 kudos."
    assert "Anonymous#0" in asyncio.run(check(ANONYMOUS))
    with pytest.raises(errors.InvalidCredentials) as caught:
        asyncio.run(check("wrong-key-0815"))
    assert "wrong-key" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert not world.records.charges


def test_its_sizes_are_multiples_of_64_and_near_their_ratio() -> None:
    classic, large = Horde().capabilities()
    for capability, most in ((classic, 576 * 576), (large, 1024 * 1024)):
        for ratio, (width, height) in capability.ratios.items():
            across, down = map(int, ratio.split(":"))
            assert width % 64 == height % 64 == 0
            assert width * height <= most
            assert width / height == pytest.approx(across / down, rel=0.02)


def test_it_is_used_only_by_those_who_accept_it() -> None:
    catalogue = open_catalogue(Settings(ai_horde=True, drawing_processes=1))
    asyncio.run(catalogue.close())
    assert catalogue.choose(Kind.IMAGE)[0].name == "illustrator"
    choices = {Kind.IMAGE: Choice(provider="ai-horde")}
    order = Order(user_id="ana", prompt="a fox", choices=choices)
    with pytest.raises(InvalidInput, match="LAION"):
        plan(order, catalogue)
    assert "LAION" not in Horde(KEY).consent
