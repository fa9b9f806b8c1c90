"""What we send, and what our stand-ins answer, against the vendors' own published types.

Of the SDKs openai 3.54.0 and runwayml 5.24.0 (of November 2026), which are generated from the
vendors' OpenAPI documents. The SDKs themselves check neither side when they run; here every field
has to be one that is published, of exactly its type, and none that must be there may be missing.
"""

import asyncio
import json
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any, get_args

import openai.types as of_openai
import pytest
import runwayml.types as of_runway
from openai.pagination import AsyncPage
from openai.types.chat import ChatCompletion
from openai.types.chat.completion_create_params import CompletionCreateParams
from openai.types.shared import ErrorObject
from pydantic import ValidationError

from core.models import Kind, Task
from core.providers.base import Option, Request
from core.providers.errors import ProviderError
from core.providers.openai.provider import OpenAI, Server
from core.providers.openai.variations import vary
from core.providers.runway.catalogue import Model, models
from core.providers.runway.provider import Runway
from tests.contract.fakes import Reports
from tests.contract.published import fits, make, of_path, order, seen
from tests.servers import openai, runway
from tests.servers.wire import Fault, VendorRecords, clip, picture

KEY = "sk-a-very-secret-key-for-tests"
GPT = "gpt-image-2.6-sunburst"
SQUARE = {"width": 1024, "height": 1024, "ratio": "1:1", "quality": "low", "background": "opaque"}
WIDE = {"width": 1280, "height": 720, "ratio": "16:9", "seconds": 4}


def openai_at(url: str, **more: Any) -> OpenAI:
    options: dict[str, Any] = {"image_models": [GPT], "video_models": ["sora-2"], **more}
    server = Server(api_key=KEY, base_url=f"{url}/v1", dialect="openai", **options)
    return OpenAI(server, poll_seconds=0.02)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "source.png"
    path.write_bytes(picture("a", 64, 64))
    return path


def test_the_types_are_those_of_the_versions_that_are_named() -> None:
    assert __doc__
    assert all(f"{name} {version(name)}" in __doc__ for name in ("openai", "runwayml"))


@pytest.mark.parametrize(
    ("published", "body"),
    [
        (of_openai.ImageGenerateParams, {"prompt": "a", "sizes": "1x1"}),
        (of_openai.ImageGenerateParams, {"prompt": "a", "quality": "best"}),
        (of_openai.ImageGenerateParams, {"prompt": "a", "n": "1"}),
        (of_openai.ImageGenerateParams, {"quality": "low"}),
        (of_openai.VideoCreateParams, {"prompt": "a", "seconds": "5"}),
        (CompletionCreateParams, {"model": "m", "messages": [{"role": "user", "text": "a"}]}),
        (of_runway.TextToVideoCreateParams, {"model": "gen4.5", "prompt_text": "a"}),
        (of_runway.TaskRetrieveResponse, {"id": "1", "status": "DONE"}),
        (of_openai.ImagesResponse, {"created": 0, "data": [{"b64_json": "", "link": ""}]}),
        (of_openai.Video, {"id": "1"}),
    ],
)
def test_what_is_not_published_does_not_fit(published: Any, body: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        fits(published, json.dumps(body))


@pytest.mark.parametrize("form", ["stream", "b64_json", "url"])
def test_an_image_of_openais(tmp_path: Path, form: openai.Answer) -> None:
    with seen(openai.application(VendorRecords(KEY), answer=form, seconds=0.0)) as (url, exchanges):
        options = SQUARE | {"moderation": "low", "format": "png"}
        make(openai_at(url), tmp_path / "x", order(Kind.IMAGE, GPT, options))
    (made,) = of_path(exchanges, "/v1/images/generations")
    sent = fits(of_openai.ImageGenerateParams, made.request_body)
    assert sent["model"] in get_args(of_openai.ImageModel)
    assert sent["size"] == "1024x1024"
    if form != "stream":
        fits(of_openai.ImagesResponse, made.response_body)
        return
    frames = [
        each.partition("\ndata: ") for each in made.response_body.decode().strip().split("\n\n")
    ]
    events = [fits(of_openai.ImageGenStreamEvent, data) for _head, _found, data in frames]
    assert [event["type"] for event in events] == [
        *["image_generation.partial_image"] * sent["partial_images"],
        "image_generation.completed",
    ]
    assert [head for head, _found, _data in frames] == [f"event: {each['type']}" for each in events]


@pytest.mark.parametrize("task", [Task.CREATE, Task.ANIMATE])
def test_a_clip_of_openais(tmp_path: Path, source: Path, task: Task) -> None:
    records, given = VendorRecords(KEY), {"source": source} if task == Task.ANIMATE else {}
    with seen(openai.application(records, seconds=0.1)) as (url, exchanges):
        make(openai_at(url), tmp_path / "x", order(Kind.VIDEO, "sora-2", WIDE, task=task, **given))
    (sent,) = records.requests
    fits(of_openai.VideoCreateParams, json.dumps(sent))
    assert ("input_reference" in sent) == (task == Task.ANIMATE)
    looks = [each for each in exchanges if each.path == "/v1/videos/video_0"]
    states = [fits(of_openai.Video, each.response_body)["status"] for each in looks]
    assert states[-1] == "completed"
    (created,) = of_path(exchanges, "/v1/videos")
    assert fits(of_openai.Video, created.response_body)["status"] == "queued"


def test_a_clip_that_fails_and_an_error_of_openais(tmp_path: Path) -> None:
    records = VendorRecords(KEY)
    records.faults.extend([Fault(what="fail"), Fault(what="refuse", status=400, code="x")])
    with seen(openai.application(records, seconds=0.0)) as (url, exchanges):
        for _ in range(2):
            with pytest.raises(ProviderError):
                make(openai_at(url), tmp_path / "x", order(Kind.VIDEO, "sora-2", WIDE))
    failed = of_path(exchanges, "/v1/videos/video_0", "GET")[-1]
    assert fits(of_openai.Video, failed.response_body)["error"]
    error = json.loads(of_path(exchanges, "/v1/videos")[-1].response_body)["error"]
    fits(ErrorObject, json.dumps(error))


@pytest.mark.parametrize("prompt", ["a fox", "forbidden"])
def test_moderation_and_the_list_of_models(prompt: str) -> None:
    async def run(url: str) -> None:
        provider = openai_at(url, moderated=True, video_models=())
        try:
            await provider.check()
            await provider.submit(order(Kind.IMAGE, GPT, SQUARE, prompt=prompt))
        except ProviderError:
            assert prompt == "forbidden"
        finally:
            await provider.close()

    with seen(openai.application(VendorRecords(KEY), seconds=0.0)) as (url, exchanges):
        asyncio.run(run(url))
    (moderation,) = of_path(exchanges, "/v1/moderations")
    sent = fits(of_openai.ModerationCreateParams, moderation.request_body)
    assert sent["model"] in get_args(of_openai.ModerationModel)
    fits(of_openai.ModerationCreateResponse, moderation.response_body)
    (listed,) = of_path(exchanges, "/v1/models", "GET")
    assert fits(AsyncPage[of_openai.Model], listed.response_body)["object"] == "list"


def test_variations_by_a_chat_model() -> None:
    with seen(openai.application(VendorRecords(KEY))) as (url, exchanges):
        key, base_url = KEY, f"{url}/v1"
        asyncio.run(vary("a fox", "image", 5, model="m", api_key=key, base_url=base_url))
    (chat,) = of_path(exchanges, "/v1/chat/completions")
    fits(CompletionCreateParams, chat.request_body)
    fits(ChatCompletion, chat.response_body)


EXAMPLES = {"text": "rain", "integer": 1, "number": 1.0, "flag": True}
ENDPOINTS: dict[str, tuple[Any, Any]] = {
    "text_to_image": (of_runway.TextToImageCreateParams, of_runway.TextToImageCreateResponse),
    "text_to_video": (of_runway.TextToVideoCreateParams, of_runway.TextToVideoCreateResponse),
    "image_to_video": (of_runway.ImageToVideoCreateParams, of_runway.ImageToVideoCreateResponse),
    "image_upscale": (of_runway.ImageUpscaleCreateParams, of_runway.ImageUpscaleCreateResponse),
    "video_upscale": (of_runway.VideoUpscaleCreateParams, of_runway.VideoUpscaleCreateResponse),
}


def chosen(option: Option) -> object:
    """Return the last thing that can be chosen."""
    number = None if option.maximum is None else int(option.maximum)
    return option.parse(option.choices[-1] if option.choices else (number or EXAMPLES[option.type]))


def orders_of(model: Model, source: Path | None) -> Iterator[Request]:
    """Yield one order with all options in the last shape, and one without in the first.

    The latter not where a source has to be uploaded before, which takes a while.
    """
    able = model.capability
    shapes = [(ratio, *size) for ratio, size in able.ratios.items()] or [("1:1", 64, 64)]
    clip_of = {"seconds": able.default_seconds} if able.seconds else {}
    seed = {"seed": 7} if able.seed == "item" else {}
    options = {each.name: chosen(each) for each in able.options if each.name != "size"}
    usual = {each.name: each.default for each in able.options if each.default is not None}
    both = ((shapes[-1], options), (shapes[0], usual))
    for (ratio, width, height), more in both[: 1 if source else 2]:
        params = {"ratio": ratio, "width": width, "height": height} | clip_of | seed | more
        yield order(able.kind, able.model, params, task=able.task, source=source)


@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_what_is_asked_of_every_model_of_runways(tmp_path: Path, endpoint: str) -> None:
    source = None if endpoint.startswith("text") else tmp_path / "source"
    if source is not None:
        source.write_bytes(
            clip("a", 64, 36, 1.0) if "video_u" in endpoint else picture("a", 64, 64)
        )
    orders = [
        each
        for model in models()
        if model.endpoint == endpoint
        for each in orders_of(model, source)
    ]
    assert orders

    async def run(url: str) -> None:
        provider = Runway(KEY, base_url=url)
        for each in orders:
            await provider.submit(each)
        await provider.close()

    with seen(runway.application(VendorRecords(KEY))) as (url, exchanges):
        asyncio.run(run(url))
    sent = of_path(exchanges, f"/v1/{endpoint}")
    assert len(sent) == len(orders)
    asked, answered = ENDPOINTS[endpoint]
    for each in sent:
        fits(asked, each.request_body)
        fits(answered, each.response_body)


def test_a_task_of_runways_in_all_its_states(tmp_path: Path) -> None:
    records, states = VendorRecords(KEY), set()
    wanted = order(Kind.IMAGE, "gen4_image", {"width": 720, "height": 720, "ratio": "1:1"})

    async def cancelled(url: str) -> None:
        provider = Runway(KEY, base_url=url)
        submission = await provider.submit(wanted)
        await provider.cancel(submission)
        with pytest.raises(ProviderError):
            await provider.follow(submission, Reports())
        await provider.refresh()
        await provider.close()

    with seen(runway.application(records, seconds=0.5, throttled=0.2)) as (url, exchanges):
        make(Runway(KEY, base_url=url, poll_seconds=0.02), tmp_path / "x", wanted)
        asyncio.run(cancelled(url))
        records.faults.append(Fault(what="fail", code="INTERNAL"))
        with pytest.raises(ProviderError):
            make(Runway(KEY, base_url=url, poll_seconds=0.02), tmp_path / "x", wanted)
    for each in exchanges:
        if each.path.startswith("/v1/tasks/") and each.method == "GET":
            states.add(fits(of_runway.TaskRetrieveResponse, each.response_body)["status"])
    assert states >= {"THROTTLED", "RUNNING", "SUCCEEDED", "CANCELLED", "FAILED"}
    (account,) = of_path(exchanges, "/v1/organization", "GET")
    fits(of_runway.OrganizationRetrieveResponse, account.response_body)
