"""OpenAI's SDK, unpatched, against a stand-in that counts what it would have charged."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from core.media.encoding import encode_png
from core.media.inspection import BrokenMedia, Inspection, inspect
from core.models import Kind, Task
from core.providers import errors
from core.providers.base import Capability, Provider
from core.providers.openai.provider import OpenAI
from core.providers.openai.variations import vary
from tests.contract.fakes import Reports
from tests.contract.vendors import (
    KEY,
    OPENAI,
    SUNBURST,
    OpenAIWorld,
    openai_clip,
    openai_image,
    openai_world,
)
from tests.servers.wire import Fault


@pytest.fixture
def world() -> Iterator[OpenAIWorld]:
    with openai_world() as opened:
        yield opened


@pytest.fixture(params=["b64_json", "url"])
def plain(request: pytest.FixtureRequest) -> Iterator[OpenAIWorld]:
    with openai_world(request.param) as opened:
        yield opened


def looked_over(path: Path, kind: Kind) -> Inspection:
    return inspect(path, kind, width=None, height=None, seconds=None)


def test_an_image_is_streamed_with_previews_and_its_cost(
    world: OpenAIWorld, tmp_path: Path
) -> None:
    submission, outcome, reports = world.make(openai_image(quality="low"), tmp_path / "x")
    assert looked_over(tmp_path / "x", Kind.IMAGE).width == 256
    assert len(reports.previews) == 2
    assert reports.shares == sorted(reports.shares)
    assert outcome.cost == pytest.approx((20 * 5 + 1000 * 30) / 1e6)
    assert outcome.details["usage"]["output_tokens"] == 1000
    assert submission.details == {"request_id": "req-1"}
    (sent,) = world.records.requests
    assert sent["safety_identifier"] == "0123abcd"
    assert (sent["size"], sent["quality"], sent["n"]) == ("256x144", "low", 1)
    assert "seed" not in sent
    assert world.records.charges["a fox"] == 1


def test_a_server_that_does_not_stream_is_understood(plain: OpenAIWorld, tmp_path: Path) -> None:
    _, outcome, reports = plain.make(openai_image(), tmp_path / "x")
    assert looked_over(tmp_path / "x", Kind.IMAGE).width == 256
    assert outcome.details["revised_prompt"] == "a fox, revised"
    assert not reports.previews
    assert plain.records.charges["a fox"] == 1


def test_a_diffusion_model_is_told_seed_steps_and_what_the_server_wants(
    plain: OpenAIWorld, tmp_path: Path
) -> None:
    request = openai_image(model="sd-3.5", seed=7, steps=12, negative_prompt="rain")
    plain.make(request, tmp_path / "x", extra={"sampler": "euler"})
    (sent,) = plain.records.requests
    assert sent["seed"] == 7
    assert sent["num_inference_steps"] == 12
    assert sent["negative_prompt"] == "rain"
    assert sent["sampler"] == "euler"
    assert "stream" not in sent


@pytest.mark.parametrize("model", ["dall-e-2", "dall-e-3"])
def test_dall_e_is_asked_in_its_own_way(plain: OpenAIWorld, tmp_path: Path, model: str) -> None:
    plain.make(openai_image(model=model), tmp_path / "x", image_models=[model])
    (sent,) = plain.records.requests
    assert sent["response_format"] == "b64_json"
    assert sent["user"] == "0123abcd"
    assert not {"output_format", "safety_identifier", "seed", "stream"} & set(sent)


def test_a_clip_is_followed_and_fetched(world: OpenAIWorld, tmp_path: Path) -> None:
    submission, _, reports = world.make(openai_clip(), tmp_path / "x")
    found = looked_over(tmp_path / "x", Kind.VIDEO)
    assert (found.width, found.seconds) == (128, 1.0)
    assert reports.shares == sorted(reports.shares)
    assert submission.remote_id == "video_0"
    (sent,) = world.records.requests
    assert sent["num_inference_steps"] == "4"
    assert sent["seed"] == "7"


def test_a_cancelled_clip_is_not_known_there(world: OpenAIWorld) -> None:
    async def run() -> None:
        async with world.provider() as provider:
            clip = await provider.submit(openai_clip())
            await provider.cancel(clip)
            with pytest.raises(errors.ProviderUnavailable, match="does not know this task"):
                await provider.follow(clip, Reports())

    asyncio.run(run())


def test_an_image_is_animated(world: OpenAIWorld, tmp_path: Path) -> None:
    source = tmp_path / "source.png"
    source.write_bytes(encode_png(Image.new("RGB", (64, 64), "teal")))
    world.make(openai_clip(source=source), tmp_path / "x")
    assert world.records.requests[0]["input_reference"] == "a file"


def test_a_call_that_costs_nothing_is_sent_again(world: OpenAIWorld, tmp_path: Path) -> None:
    world.records.faults.append(Fault(what="cut_after"))
    error = world.error(openai_image(), tmp_path / "x", paid=False)
    assert isinstance(error, errors.ProviderUnavailable)


def test_a_stream_that_breaks_off_is_unknown(world: OpenAIWorld, tmp_path: Path) -> None:
    world.records.faults.append(Fault(what="truncate"))
    assert isinstance(world.error(openai_image(), tmp_path / "x"), errors.OutcomeUnknown)


@pytest.mark.parametrize(
    ("code", "expected"),
    [("moderation_blocked", errors.PromptRejected), ("oops", errors.GenerationFailed)],
)
def test_a_stream_that_ends_with_an_error(
    world: OpenAIWorld, tmp_path: Path, code: str, expected: type[Exception]
) -> None:
    world.records.faults.append(Fault(what="fail", code=code))
    assert type(world.error(openai_image(), tmp_path / "x")) is expected


@pytest.mark.parametrize(
    ("code", "expected"),
    [("moderation_blocked", errors.PromptRejected), ("oops", errors.GenerationFailed)],
)
def test_a_clip_that_fails_says_why(
    world: OpenAIWorld, tmp_path: Path, code: str, expected: type[Exception]
) -> None:
    world.records.faults.append(Fault(what="fail", code=code))
    assert type(world.error(openai_clip(), tmp_path / "x")) is expected


@pytest.mark.parametrize("what", ["garbage", "truncate"])
def test_a_broken_image_is_found_out(plain: OpenAIWorld, tmp_path: Path, what: Any) -> None:
    plain.records.faults.append(Fault(what=what))
    try:
        plain.make(openai_image(), tmp_path / "x")
    except errors.ProviderUnavailable:
        return  # a page, by its bytes
    except errors.OutcomeUnknown:
        return  # no image at all
    with pytest.raises(BrokenMedia):
        looked_over(tmp_path / "x", Kind.IMAGE)


def test_a_prompt_is_screened_before_anything_is_paid(world: OpenAIWorld, tmp_path: Path) -> None:
    error = world.error(openai_image("something forbidden"), tmp_path / "x", moderated=True)
    assert isinstance(error, errors.PromptRejected)
    assert "violence" in error.message
    assert not world.records.charges
    world.make(openai_image("something nice"), tmp_path / "x", moderated=True)


def test_its_health_costs_nothing_and_names_what_is_missing(world: OpenAIWorld) -> None:
    async def check(**changed: Any) -> str:
        async with world.provider(**changed) as provider:
            return await provider.check()

    assert SUNBURST in asyncio.run(check())
    with pytest.raises(errors.ProviderError, match="does not list gone-1"):
        asyncio.run(check(image_models=["gone-1"]))
    with pytest.raises(errors.InvalidCredentials):
        asyncio.run(check(api_key="wrong"))
    assert not world.records.charges


def test_prompts_are_varied_by_a_chat_model(world: OpenAIWorld) -> None:
    async def run(key: str) -> list[str]:
        return await vary(
            "a fox", "image", 3, model="chat", api_key=key, base_url=f"{world.url}/v1"
        )

    assert asyncio.run(run(KEY)) == ["a fox, from above", "a fox, close up", "a fox, at night"]
    with pytest.raises(errors.InvalidCredentials):
        asyncio.run(run("wrong"))


def capabilities(**changed: Any) -> list[Capability]:
    provider: Provider = OpenAI(replace(OPENAI, **changed))
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
