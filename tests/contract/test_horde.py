"""The AI Horde's wire format, against a stand-in whose queue moves."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from core.media.inspection import BrokenMedia, Inspection, inspect
from core.models import InvalidInput, Kind
from core.providers.base import Request, Submission
from core.providers.errors import (
    GenerationFailed,
    InvalidCredentials,
    PromptRejected,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRejected,
)
from core.providers.horde.provider import ANONYMOUS, IMPOSSIBLE, Horde
from core.providers.horde.request import ANY
from core.providers.http.polling import UNANSWERED
from core.providers.registry import open_catalogue
from core.settings import Settings
from core.studio.order import Choice, Order
from core.studio.planning import plan
from tests.contract.fakes import Reports
from tests.contract.world import World as Wired
from tests.product import free_port
from tests.servers.horde import application
from tests.servers.wire import Books, Fault, serving

KEY = "a-horde-key-for-tests"


class World(Wired):
    """A stand-in, and the provider that asks it."""

    @asynccontextmanager
    async def provider(self, api_key: str = KEY, **changed: Any) -> AsyncIterator[Horde]:
        given: dict[str, Any] = {"base_url": self.url, "poll_seconds": 0.02, "timeout": 10.0}
        made = Horde(api_key, **(given | changed))
        try:
            yield made
        finally:
            await made.close()


@pytest.fixture
def world() -> Iterator[World]:
    books = Books(KEY)
    with serving(application(books, seconds=0.3)) as url:
        yield World(url, books)


def image(prompt: str = "a fox", model: str = "stable_diffusion", **params: Any) -> Request:
    sizes = {"width": 128, "height": 64, "ratio": "2:1", "seed": 7, "steps": 20, "guidance": 7.256}
    return Request(
        asset_id="a", kind=Kind.IMAGE, prompt=prompt, slot=1, model=model, params=sizes | params
    )


def looked_over(path: Path) -> Inspection:
    return inspect(path, Kind.IMAGE, width=None, height=None, seconds=None)


def test_an_image_waits_in_the_queue_is_drawn_and_kept_as_it_came(
    world: World, tmp_path: Path
) -> None:
    submission, outcome, reports = world.make(image(negative_prompt="rain"), tmp_path / "x")
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
    (asked,) = world.books.asked
    assert asked["prompt"] == "a fox ### rain"
    assert asked["models"] == ["stable_diffusion"]
    assert asked["params"] == {
        "width": 128,
        "height": 64,
        "steps": 20,
        "cfg_scale": 7.26,
        "seed": "7",
        "n": 1,
        "sampler_name": "k_euler_a",
        "karras": True,
    }
    assert asked["agent"].startswith("fivefold:")


def test_any_model_and_a_prompt_with_the_separator(world: World, tmp_path: Path) -> None:
    world.make(image("one ### two", model=ANY), tmp_path / "x", api_key=ANONYMOUS)
    (asked,) = world.books.asked
    assert asked["models"] == []
    assert "###" not in asked["prompt"]


def test_an_image_is_resumed_by_its_id_alone(world: World, tmp_path: Path) -> None:
    async def run() -> None:
        async with world.provider() as first:
            submission = await first.submit(image())
        async with world.provider() as second:
            resumed = Submission(submission.remote_id)
            await second.follow(resumed, Reports())
            await second.fetch(resumed, tmp_path / "x")

    asyncio.run(run())
    looked_over(tmp_path / "x")
    assert world.books.charges["a fox"] == 1


def test_a_cancelled_image_is_not_made(world: World) -> None:
    async def run() -> None:
        async with world.provider() as provider:
            submission = await provider.submit(image())
            await provider.cancel(submission)
            await provider.cancel(submission)
            await provider.cancel(Submission("never-there"))
            with pytest.raises(GenerationFailed, match="stopped"):
                await provider.follow(submission, Reports())
            with pytest.raises(GenerationFailed, match="forgotten"):
                await provider.follow(Submission("never-there"), Reports())

    asyncio.run(run())


REFUSED: list[tuple[dict[str, Any], type[ProviderError], bool]] = [
    ({"status": 429, "code": "TooManyPrompts"}, RateLimited, True),
    ({"status": 500}, ProviderUnavailable, True),
    ({"status": 503}, ProviderUnavailable, True),
    ({"status": 524}, ProviderUnavailable, True),  # a proxy's own
    ({"status": 400, "code": "MaintenanceMode"}, ProviderUnavailable, True),
    ({"status": 400, "code": "NoValidWorkers"}, ProviderUnavailable, True),
    ({"status": 403, "code": "TimeoutIP"}, ProviderUnavailable, True),
    ({"status": 400, "code": "CorruptPrompt"}, PromptRejected, False),
    ({"status": 400, "code": "InvalidSize", "message": f"No; {KEY}"}, RequestRejected, False),
    ({"status": 403, "code": "KudosUpfront", "message": f"No; {KEY}"}, RequestRejected, False),
    ({"status": 404, "code": "WorkerNotFound"}, RequestRejected, False),
]


@pytest.mark.parametrize(("fault", "expected", "retryable"), REFUSED)
def test_a_refusal_says_what_it_means(
    world: World,
    tmp_path: Path,
    fault: dict[str, Any],
    expected: type[Exception],
    *,
    retryable: bool,
) -> None:
    world.books.faults.append(Fault(what="refuse", **fault))
    error = world.error(image(), tmp_path / "x")
    assert type(error) is expected
    assert error.retryable is retryable
    assert not world.books.charges
    world.make(image(), tmp_path / "x")


@pytest.mark.parametrize(("said", "seconds"), [("7", 7.0), (None, None)])
def test_the_pause_that_is_asked_for_is_handed_on(
    world: World, tmp_path: Path, said: str | None, seconds: float | None
) -> None:
    world.books.faults.append(Fault(what="refuse", status=429, retry_after=said))
    assert world.error(image(), tmp_path / "x").retry_after == seconds


def test_a_wrong_key_is_not_quoted(world: World, tmp_path: Path) -> None:
    world.books.key = "another"
    error = world.error(image(), tmp_path / "x")
    assert isinstance(error, InvalidCredentials)
    assert "AI_HORDE_API_KEY" in error.message


@pytest.mark.parametrize(
    ("what", "charges"),
    [("cut_before", 0), ("slow_before", 0), ("cut_after", 1), ("slow_after", 1)],
)
def test_a_call_that_breaks_off_may_be_made_again(
    world: World, tmp_path: Path, what: Any, charges: int
) -> None:
    world.books.faults.append(Fault(what=what, seconds=1.0))
    error = world.error(image(), tmp_path / "x", timeout=0.3)
    assert isinstance(error, ProviderUnavailable)
    assert world.books.charges["a fox"] == charges


def test_nobody_there_is_tried_again(world: World, tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    assert isinstance(world.error(image(), tmp_path / "x", base_url=nowhere), ProviderUnavailable)


def test_an_image_is_left_for_later_after_so_many_polls_without_an_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = 0

    async def run() -> None:
        provider = Horde(base_url=f"http://127.0.0.1:{free_port()}", poll_seconds=0.001)
        ask = provider._ask  # noqa: SLF001  # counted, not replaced

        async def counted(*what: Any) -> Any:
            nonlocal asked
            asked += 1
            return await ask(*what)

        monkeypatch.setattr(provider, "_ask", counted)
        try:
            with pytest.raises(ProviderUnavailable):
                await provider.follow(Submission("x"), Reports())
        finally:
            await provider.close()

    asyncio.run(run())
    assert asked == UNANSWERED


@pytest.mark.parametrize(
    ("code", "expected", "retryable"),
    [
        ("faulted", GenerationFailed, True),
        ("censored", PromptRejected, False),
        ("impossible", RequestRejected, False),
    ],
)
def test_an_image_that_cannot_be_made_says_why(
    world: World, tmp_path: Path, code: str, expected: type[Exception], *, retryable: bool
) -> None:
    world.books.faults.append(Fault(what="fail", code=code))
    error = world.error(image(), tmp_path / "x")
    assert type(error) is expected
    assert error.retryable is retryable
    assert error.ended


def test_a_request_is_impossible_only_if_it_stays_so_and_then_leaves_the_queue(
    world: World,
) -> None:
    world.books.faults.append(Fault(what="fail", code="impossible"))

    async def run() -> None:
        async with world.provider() as provider:
            submission = await provider.submit(image())
            reports = Reports()
            with pytest.raises(RequestRejected):
                await provider.follow(submission, reports)
            assert len(reports.shares) == IMPOSSIBLE - 1
            with pytest.raises(GenerationFailed, match="stopped"):
                await provider.follow(submission, reports)

    asyncio.run(run())


def test_an_address_that_has_run_out_is_asked_for_anew(world: World, tmp_path: Path) -> None:
    world.books.faults.append(Fault(what="expire"))
    world.make(image(), tmp_path / "x")
    assert looked_over(tmp_path / "x").width == 128


def test_an_image_that_comes_in_the_answer_itself(world: World, tmp_path: Path) -> None:
    world.books.faults.append(Fault(what="fail", code="base64"))
    world.make(image(), tmp_path / "x")
    assert looked_over(tmp_path / "x").extension == "webp"


def test_a_page_instead_of_an_image_is_asked_for_again(world: World, tmp_path: Path) -> None:
    world.books.faults.append(Fault(what="garbage"))
    error = world.error(image(), tmp_path / "x")
    assert isinstance(error, ProviderUnavailable)
    assert "text/html" in error.message


def test_a_file_that_is_cut_off_is_found_out(world: World, tmp_path: Path) -> None:
    world.books.faults.append(Fault(what="truncate"))
    world.make(image(), tmp_path / "x")
    with pytest.raises(BrokenMedia):
        looked_over(tmp_path / "x")


def test_its_health_costs_nothing(world: World) -> None:
    async def said(api_key: str) -> str:
        async with world.provider(api_key) as provider:
            return await provider.check()

    assert asyncio.run(said(KEY)) == "The key is accepted: ana#1, 1,234 kudos."
    assert "Anonymous#0" in asyncio.run(said(ANONYMOUS))
    with pytest.raises(InvalidCredentials) as caught:
        asyncio.run(said("wrong-key-0815"))
    assert "wrong-key" not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert not world.books.charges


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
