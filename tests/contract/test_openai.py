"""OpenAI's SDK, unpatched, against a stand-in that counts what it would have charged."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from core.media.encoding import encode_png
from core.media.inspection import BrokenMedia, Inspection, inspect
from core.models import Kind, Task
from core.providers.base import Capability, Provider, Request, Submission
from core.providers.errors import (
    BalanceSpent,
    GenerationFailed,
    InvalidCredentials,
    OutcomeUnknown,
    PromptRejected,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRejected,
)
from core.providers.openai.provider import OpenAI, Server
from core.providers.openai.variations import vary
from tests.contract.fakes import Reports
from tests.contract.world import World as Wired
from tests.product import free_port
from tests.servers.openai import Answer, application
from tests.servers.wire import Books, Fault, serving

KEY = "sk-a-very-secret-key-for-tests"
SUNBURST = "gpt-image-2.6-sunburst"
OURS = Server(
    api_key=KEY,
    image_models=[SUNBURST, "sd-3.5"],
    video_models=["wan-2.2"],
    animate_models=["wan-2.2"],
)


class World(Wired):
    """A stand-in, and the provider that asks it."""

    @asynccontextmanager
    async def provider(self, seconds: float = 10.0, **changed: Any) -> AsyncIterator[OpenAI]:
        server = replace(OURS, **{"base_url": f"{self.url}/v1", **changed})
        made = OpenAI(server, poll_seconds=0.02, seconds=seconds)
        try:
            yield made
        finally:
            await made.close()


def world_of(answer: Answer) -> Iterator[World]:
    books = Books(KEY)
    with serving(application(books, answer=answer)) as url:
        yield World(url, books)


@pytest.fixture
def world() -> Iterator[World]:
    yield from world_of("stream")


@pytest.fixture(params=["b64_json", "url"])
def plain(request: pytest.FixtureRequest) -> Iterator[World]:
    yield from world_of(request.param)


def image(prompt: str = "a fox", model: str = SUNBURST, **params: Any) -> Request:
    sizes = {"width": 256, "height": 144, "ratio": "16:9"}
    return Request(
        asset_id="a",
        kind=Kind.IMAGE,
        prompt=prompt,
        slot=1,
        model=model,
        params=sizes | params,
        end_user="0123abcd",
    )


def video(prompt: str = "a fox", source: Path | None = None) -> Request:
    params = {"width": 128, "height": 72, "seconds": 1, "fps": 24, "seed": 7, "steps": 4}
    return Request(
        asset_id="a",
        kind=Kind.VIDEO,
        prompt=prompt,
        slot=1,
        model="wan-2.2",
        params=params,
        task=Task.CREATE if source is None else Task.ANIMATE,
        source=source,
    )


def looked_over(path: Path, kind: Kind) -> Inspection:
    return inspect(path, kind, width=None, height=None, seconds=None)


def test_an_image_is_streamed_with_previews_and_its_cost(world: World, tmp_path: Path) -> None:
    submission, outcome, reports = world.make(image(quality="low"), tmp_path / "x")
    assert looked_over(tmp_path / "x", Kind.IMAGE).width == 256
    assert len(reports.previews) == 2
    assert reports.shares == sorted(reports.shares)
    assert outcome.cost == pytest.approx((20 * 5 + 1000 * 30) / 1e6)
    assert outcome.details["usage"]["output_tokens"] == 1000
    assert submission.details == {"request_id": "req-1"}
    (asked,) = world.books.asked
    assert asked["safety_identifier"] == "0123abcd"
    assert (asked["size"], asked["quality"], asked["n"]) == ("256x144", "low", 1)
    assert "seed" not in asked
    assert world.books.charges["a fox"] == 1


def test_a_server_that_does_not_stream_is_understood(plain: World, tmp_path: Path) -> None:
    _, outcome, reports = plain.make(image(), tmp_path / "x")
    assert looked_over(tmp_path / "x", Kind.IMAGE).width == 256
    assert outcome.details["revised_prompt"] == "a fox, revised"
    assert not reports.previews
    assert plain.books.charges["a fox"] == 1


def test_a_diffusion_model_is_told_seed_steps_and_what_the_server_wants(
    plain: World, tmp_path: Path
) -> None:
    request = image(model="sd-3.5", seed=7, steps=12, negative_prompt="rain")
    plain.make(request, tmp_path / "x", extra={"sampler": "euler"})
    (asked,) = plain.books.asked
    assert asked["seed"] == 7
    assert asked["num_inference_steps"] == 12
    assert asked["negative_prompt"] == "rain"
    assert asked["sampler"] == "euler"
    assert "stream" not in asked


@pytest.mark.parametrize("model", ["dall-e-2", "dall-e-3"])
def test_dall_e_is_asked_in_its_own_way(plain: World, tmp_path: Path, model: str) -> None:
    plain.make(image(model=model), tmp_path / "x", image_models=[model])
    (asked,) = plain.books.asked
    assert asked["response_format"] == "b64_json"
    assert asked["user"] == "0123abcd"
    assert not {"output_format", "safety_identifier", "seed", "stream"} & set(asked)


def test_a_clip_is_followed_and_fetched(world: World, tmp_path: Path) -> None:
    submission, _, reports = world.make(video(), tmp_path / "x")
    found = looked_over(tmp_path / "x", Kind.VIDEO)
    assert (found.width, found.seconds) == (128, 1.0)
    assert reports.shares == sorted(reports.shares)
    assert submission.remote_id == "video_0"
    (asked,) = world.books.asked
    assert asked["num_inference_steps"] == "4"
    assert asked["seed"] == "7"


def test_an_image_is_animated(world: World, tmp_path: Path) -> None:
    source = tmp_path / "source.png"
    source.write_bytes(encode_png(Image.new("RGB", (64, 64), "teal")))
    world.make(video(source=source), tmp_path / "x")
    assert world.books.asked[0]["input_reference"] == "a file"


def test_a_clip_is_resumed_by_its_id_alone(world: World, tmp_path: Path) -> None:
    async def run() -> None:
        async with world.provider() as first:
            submission = await first.submit(video())
        async with world.provider() as second:
            resumed = Submission(submission.remote_id)
            await second.follow(resumed, Reports())
            await second.fetch(resumed, tmp_path / "x")

    asyncio.run(run())
    looked_over(tmp_path / "x", Kind.VIDEO)
    assert world.books.charges["a fox"] == 1


def test_a_clip_can_be_cancelled_and_an_image_says_that_it_cannot(world: World) -> None:
    async def run() -> None:
        async with world.provider() as provider:
            clip = await provider.submit(video())
            await provider.cancel(clip)
            await provider.cancel(clip)
            with pytest.raises(ProviderUnavailable, match="does not know this task"):
                await provider.follow(clip, Reports())
            picture = await provider.submit(image())
            with pytest.raises(ProviderError, match="cannot be told to stop"):
                await provider.cancel(picture)

    asyncio.run(run())


REFUSED: list[tuple[dict[str, Any], type[ProviderError]]] = [
    ({"status": 429}, RateLimited),
    ({"status": 503}, ProviderUnavailable),
    ({"status": 500}, OutcomeUnknown),
    ({"status": 502}, OutcomeUnknown),
    ({"status": 400, "code": "invalid_size", "message": f"No such size; {KEY}"}, RequestRejected),
    ({"status": 404, "code": "model_not_found"}, RequestRejected),
    ({"status": 403}, InvalidCredentials),
    ({"status": 400, "code": "moderation_blocked"}, PromptRejected),
    ({"status": 400, "code": "content_policy_violation"}, PromptRejected),
    ({"status": 429, "code": "insufficient_quota"}, BalanceSpent),
    ({"status": 400, "code": "billing_hard_limit_reached"}, BalanceSpent),
]


@pytest.mark.parametrize("request_of", [image, video])
@pytest.mark.parametrize(("fault", "expected"), REFUSED)
def test_a_refusal_says_what_it_means(
    world: World, tmp_path: Path, request_of: Any, fault: dict[str, Any], expected: type[Exception]
) -> None:
    world.books.faults.append(Fault(what="refuse", **fault))
    error = world.error(request_of(), tmp_path / "x")
    assert type(error) is expected
    assert not world.books.charges
    world.make(request_of(), tmp_path / "x")


@pytest.mark.parametrize(("said", "seconds"), [("7", 7.0), (None, None), ("nonsense", None)])
def test_the_pause_that_is_asked_for_is_handed_on(
    world: World, tmp_path: Path, said: str | None, seconds: float | None
) -> None:
    world.books.faults.append(Fault(what="refuse", status=429, retry_after=said))
    assert world.error(image(), tmp_path / "x").retry_after == seconds


def test_a_wrong_key_is_not_quoted(world: World, tmp_path: Path) -> None:
    world.books.key = "another"
    error = world.error(image(), tmp_path / "x")
    assert isinstance(error, InvalidCredentials)
    assert "OPENAI_API_KEY" in error.message


@pytest.mark.parametrize("request_of", [image, video])
@pytest.mark.parametrize(
    ("what", "charges"),
    [("cut_before", 0), ("slow_before", 0), ("cut_after", 1), ("slow_after", 1)],
)
def test_a_paid_call_without_an_answer_is_unknown(
    world: World, tmp_path: Path, request_of: Any, what: Any, charges: int
) -> None:
    world.books.faults.append(Fault(what=what, seconds=1.0))
    error = world.error(request_of(), tmp_path / "x", seconds=0.3)
    assert isinstance(error, OutcomeUnknown)
    assert world.books.charges["a fox"] == charges


def test_a_call_that_costs_nothing_is_sent_again(world: World, tmp_path: Path) -> None:
    world.books.faults.append(Fault(what="cut_after"))
    error = world.error(image(), tmp_path / "x", paid=False)
    assert isinstance(error, ProviderUnavailable)


def test_nobody_there_costs_nothing(world: World, tmp_path: Path) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}/v1"
    error = world.error(image(), tmp_path / "x", base_url=nowhere)
    assert isinstance(error, ProviderUnavailable)


def test_a_stream_that_breaks_off_is_unknown(world: World, tmp_path: Path) -> None:
    world.books.faults.append(Fault(what="truncate"))
    assert isinstance(world.error(image(), tmp_path / "x"), OutcomeUnknown)


@pytest.mark.parametrize(
    ("code", "expected"), [("moderation_blocked", PromptRejected), ("oops", GenerationFailed)]
)
def test_a_stream_that_ends_with_an_error(
    world: World, tmp_path: Path, code: str, expected: type[Exception]
) -> None:
    world.books.faults.append(Fault(what="fail", code=code))
    assert type(world.error(image(), tmp_path / "x")) is expected


@pytest.mark.parametrize(
    ("code", "expected"), [("moderation_blocked", PromptRejected), ("oops", GenerationFailed)]
)
def test_a_clip_that_fails_says_why(
    world: World, tmp_path: Path, code: str, expected: type[Exception]
) -> None:
    world.books.faults.append(Fault(what="fail", code=code))
    assert type(world.error(video(), tmp_path / "x")) is expected


def test_a_page_instead_of_a_clip_is_asked_for_again(world: World, tmp_path: Path) -> None:
    world.books.faults.append(Fault(what="garbage"))

    async def run() -> None:
        async with world.provider() as provider:
            submission = await provider.submit(video())
            await provider.follow(submission, Reports())
            await provider.fetch(submission, tmp_path / "x")

    asyncio.run(run())
    looked_over(tmp_path / "x", Kind.VIDEO)


@pytest.mark.parametrize("what", ["garbage", "truncate"])
def test_a_broken_image_is_found_out(plain: World, tmp_path: Path, what: Any) -> None:
    plain.books.faults.append(Fault(what=what))
    try:
        plain.make(image(), tmp_path / "x")
    except ProviderUnavailable:
        return  # a page, by its bytes
    except OutcomeUnknown:
        return  # no image at all
    with pytest.raises(BrokenMedia):
        looked_over(tmp_path / "x", Kind.IMAGE)


def test_a_prompt_is_screened_before_anything_is_paid(world: World, tmp_path: Path) -> None:
    error = world.error(image("something forbidden"), tmp_path / "x", moderated=True)
    assert isinstance(error, PromptRejected)
    assert "violence" in error.message
    assert not world.books.charges
    world.make(image("something nice"), tmp_path / "x", moderated=True)


def test_its_health_costs_nothing_and_names_what_is_missing(world: World) -> None:
    async def said(**changed: Any) -> str:
        async with world.provider(**changed) as provider:
            return await provider.check()

    assert SUNBURST in asyncio.run(said())
    with pytest.raises(ProviderError, match="does not list gone-1"):
        asyncio.run(said(image_models=["gone-1"]))
    with pytest.raises(InvalidCredentials):
        asyncio.run(said(api_key="wrong"))
    assert not world.books.charges


def test_prompts_are_varied_by_a_chat_model(world: World) -> None:
    async def run(key: str) -> list[str]:
        return await vary(
            "a fox", "image", 3, model="chat", api_key=key, base_url=f"{world.url}/v1"
        )

    assert asyncio.run(run(KEY)) == ["a fox, from above", "a fox, close up", "a fox, at night"]
    with pytest.raises(InvalidCredentials):
        asyncio.run(run("wrong"))


def capabilities(**changed: Any) -> list[Capability]:
    provider: Provider = OpenAI(replace(OURS, **changed))
    return list(provider.capabilities())


def test_each_model_says_what_it_can_do() -> None:
    sunburst, diffusion, clip, animated = capabilities()
    assert {option.name for option in sunburst.options} == {
        "quality",
        "background",
        "format",
        "moderation",
    }
    assert sunburst.seed == "none"
    assert {"steps", "negative_prompt"} <= {option.name for option in diffusion.options}
    assert (clip.task, animated.task) == (Task.CREATE, Task.ANIMATE)
    assert clip.default_seconds in clip.seconds
    old, new = capabilities(image_models=["gpt-image-1.5", SUNBURST], video_models=[])[:2]
    assert "16:9" not in old.ratios
    assert "16:9" in new.ratios
