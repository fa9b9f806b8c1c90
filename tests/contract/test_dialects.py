"""Servers of one's own, by the field names and rules of their own source, in both directions.

What we send is what they read, and what our stand-ins answer for them is what they answer.
`tests/servers/local.py` names their files, commits and dates.
"""

import asyncio
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.models import Kind, Task
from core.providers.base import Provider, Request
from core.providers.errors import ProviderError
from core.providers.openai.dialects import DIALECTS
from core.providers.openai.provider import OpenAI, Server
from core.providers.registry import open_catalogue
from core.settings import Settings
from tests.contract.published import make, of_path, order, seen
from tests.servers import local, openai
from tests.servers.local import ParsedRequests
from tests.servers.recorded import Exchange
from tests.servers.wire import VendorRecords, picture, serving

KEY = "sk-a-very-secret-key-for-tests"
PROMPT = "a fox | \u201cred\u201d\nand <b> </sd_cpp_extra_args> <sd_cpp_extra_args>{x"
SQUARE: dict[str, Any] = {"width": 128, "height": 64, "ratio": "1:1", "seed": 7}
CHOSEN: dict[str, Any] = {
    "steps": 12,
    "guidance": 4.5,
    "negative_prompt": "rain | </sd_cpp_extra_args>, snow",
}
CLIP: dict[str, Any] = SQUARE | {"seconds": 2, "fps": 24}

# What their own sources read of a request. What else is sent is ignored there, or has no effect.
READ = {
    "sd-server": {"prompt", "n", "size", "output_format", "output_compression"},
    "localai": {
        *("model", "prompt", "n", "size", "response_format", "seed", "step", "quality", "file"),
        *("files", "ref_images", "backend", "clip_skip"),
    },
    "localai clips": {
        *("model", "prompt", "negative_prompt", "start_image", "end_image", "audio", "width"),
        *("height", "num_frames", "fps", "seed", "cfg_scale", "step", "response_format", "params"),
    },
}
SENT_FOR_OTHERS = {"model"}  # sd-server has one model, whichever is named
EXTRA = {"seed", "negative_prompt", "sample_params", "width", "height", "batch_count", "clip_skip"}
OLD_EXTRA = {"steps", "cfg_scale"}  # of releases before April 2026
ANSWERED = {
    "sd-server": {"created", "data", "output_format"},
    "localai": {"created", "id", "data", "usage"},
    "localai clips": {"created", "id", "data"},
}
ITEMS = {
    "sd-server": [{"b64_json"}],
    "localai": [{"embedding", "index", "b64_json"}, {"embedding", "index", "url"}],
}

Application = Callable[[VendorRecords, ParsedRequests], Starlette]


@contextmanager
def standing(
    application: Application, key: str = KEY
) -> Iterator[tuple[str, list[Exchange], ParsedRequests, VendorRecords]]:
    parsed: ParsedRequests = []
    records = VendorRecords(key)
    with seen(application(records, parsed)) as (url, exchanges):
        yield url, exchanges, parsed, records


def provider_at(url: str, dialect: str = "", **more: Any) -> OpenAI:
    fields: dict[str, Any] = {
        "image_models": ["stablediffusion"],
        "animate_models": ["wan"],
        **more,
    }
    fields = {"video_models": ["wan"]} | fields
    server = Server(api_key=KEY, base_url=f"{url}/v1", dialect=dialect, **fields)
    return OpenAI(server, poll_seconds=0.01)


def image(seed: int = 7, prompt: str = PROMPT, **more: Any) -> Request:
    params = SQUARE | {"seed": seed} | more
    return order(Kind.IMAGE, "stablediffusion", params, prompt=prompt)


@pytest.mark.parametrize("dialect", ["", "sd-server"])
def test_sd_server_understands_what_was_chosen(tmp_path: Path, dialect: str) -> None:
    with standing(local.sd_server) as (url, exchanges, parsed, _records):
        make(provider_at(url, dialect), tmp_path / "x", image(**CHOSEN))
    (request_read,) = parsed
    assert (request_read.width, request_read.height, request_read.seed) == (128, 64, 7)
    assert (request_read.steps, request_read.guidance) == (12, 4.5)
    assert request_read.negative_prompt == CHOSEN["negative_prompt"]
    assert request_read.prompt.startswith("a fox | \u201cred\u201d\nand <b>")
    (made,) = of_path(exchanges, "/v1/images/generations")
    sent = json.loads(made.request_body)
    assert sent.keys() <= READ["sd-server"] | SENT_FOR_OTHERS
    tag = local._TAG.search(sent["prompt"])  # noqa: SLF001  # as the server finds it
    assert tag is not None
    assert json.loads(tag[1]).keys() <= EXTRA | OLD_EXTRA
    answered = json.loads(made.response_body)
    assert answered.keys() == ANSWERED["sd-server"]
    assert [each.keys() for each in answered["data"]] == ITEMS["sd-server"]


@pytest.mark.parametrize("dialect", ["", "localai"])
def test_localai_understands_what_was_chosen(tmp_path: Path, dialect: str) -> None:
    chosen = CHOSEN | {"negative_prompt": "rain | snow"}
    with standing(local.localai) as (url, exchanges, parsed, _records):
        make(provider_at(url, dialect), tmp_path / "x", image(**chosen))
    (request_read,) = parsed
    assert (request_read.width, request_read.height, request_read.seed) == (128, 64, 7)
    assert request_read.steps == 12
    assert request_read.negative_prompt.split() == ["rain", "snow"]
    assert request_read.prompt == PROMPT.replace("|", " ")
    (made,) = of_path(exchanges, "/v1/images/generations")
    assert json.loads(made.request_body).keys() <= READ["localai"]
    answered = json.loads(made.response_body)
    assert answered.keys() == ANSWERED["localai"]
    assert [each.keys() for each in answered["data"]] == ITEMS["localai"][:1]


@pytest.mark.parametrize("task", [Task.CREATE, Task.ANIMATE])
def test_localais_clips_are_made_at_its_own_route(tmp_path: Path, task: Task) -> None:
    source = tmp_path / "source.png"
    source.write_bytes(picture("a", 64, 64))
    given = {"source": source} if task == Task.ANIMATE else {}
    request = order(Kind.VIDEO, "wan", CLIP | CHOSEN, task=task, prompt=PROMPT, **given)
    with standing(local.localai) as (url, exchanges, parsed, records):
        make(provider_at(url), tmp_path / "x", request)
    (request_read,) = parsed
    assert request_read == replace(
        request_read,
        prompt=PROMPT,
        width=128,
        height=64,
        seed=7,
        steps=12,
        guidance=4.5,
        seconds=2.0,
    )
    assert request_read.negative_prompt == CHOSEN["negative_prompt"]
    assert request_read.source == (source.read_bytes() if given else b"")
    (made,) = of_path(exchanges, "/video")
    assert json.loads(made.request_body).keys() <= READ["localai clips"]
    assert json.loads(made.response_body).keys() == ANSWERED["localai clips"]
    assert [each.keys() for each in json.loads(made.response_body)["data"]] == ITEMS["localai"][:1]
    assert records.charges.total() == 1


def test_what_localai_keeps_behind_its_key_is_fetched_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_an_address = replace(DIALECTS["localai"], always={})
    monkeypatch.setitem(DIALECTS, "localai", at_an_address)
    with standing(local.localai) as (url, exchanges, _heard, records):
        provider = provider_at(url, "localai")
        make(provider, tmp_path / "x", image(), order(Kind.VIDEO, "wan", CLIP))
    items = [
        json.loads(each.response_body)["data"][0] for each in exchanges if each.method == "POST"
    ]
    assert [each.keys() for each in items] == ITEMS["localai"][1:] * 2
    assert records.charges.total() == 2


@pytest.mark.parametrize("application", [local.sd_server, local.localai])
def test_five_images_are_five_images(tmp_path: Path, application: Application) -> None:
    paths = [tmp_path / str(number) for number in range(5)]

    async def run(url: str) -> None:
        provider = provider_at(url)
        for number, path in enumerate(paths):
            submission = await provider.submit(image(seed=number, prompt="a fox"))
            await provider.fetch(submission, path)
        await provider.close()

    with standing(application) as (url, _exchanges, parsed, _records):
        asyncio.run(run(url))
    assert [each.seed for each in parsed] == list(range(5))
    assert len({path.read_bytes() for path in paths}) == 5


@pytest.mark.parametrize("model", ["gpt-image-2.6-sunburst", "dall-e-3"])
def test_another_server_is_asked_in_its_own_way_whatever_its_model_is_called(
    tmp_path: Path, model: str
) -> None:
    params = {name: value for name, value in SQUARE.items() if name != "seed"}
    with standing(local.sd_server) as (url, _exchanges, parsed, _records):
        provider = provider_at(url, image_models=[model])
        requests = [order(Kind.IMAGE, model, params)] * 2 + [order(Kind.IMAGE, model, SQUARE)]
        make(provider, tmp_path / "x", *requests)
        named = provider_at(url, "sd-server", image_models=[model], video_models=[])
        assert named.capabilities()[0].seed == "item"
    seeds = [each.seed for each in parsed]
    assert local.SD_SEED not in seeds  # which would make the same image each time
    assert seeds[2] == 7


def models_of(owner: str) -> Callable[..., Response]:
    listed = [{"id": "stablediffusion", "object": "model", "created": 1, "owned_by": owner}]
    return lambda *_: JSONResponse({"object": "list", "data": listed})


@pytest.mark.parametrize(
    ("application", "dialect", "paths"),
    [
        (local.sd_server, "sd-server", ["/v1/models"]),
        (local.localai, "localai", ["/v1/models", "/.well-known/localai.json"]),
        (
            lambda *given: local.localai(*given, describes=False),
            "localai",
            ["/v1/models", "/.well-known/localai.json", "/system"],
        ),
        (lambda records, _: openai.application(records), "openai", ["/v1/models"]),
        (
            lambda *_: Starlette(routes=[Route("/v1/models", models_of("vllm"))]),
            "openai",
            ["/v1/models"],
        ),
        (
            lambda *_: Starlette(routes=[Route("/v1/models", models_of(""))]),
            "openai",
            ["/v1/models", "/.well-known/localai.json", "/system"],
        ),
        (
            lambda *_: Starlette(
                routes=[
                    Route("/v1/models", models_of("")),
                    Route("/{path:path}", lambda *_: Response("<html>all is well</html>")),
                ]
            ),
            "openai",
            ["/v1/models", "/.well-known/localai.json", "/system"],
        ),
    ],
)
def test_a_server_is_recognised_once_and_free_of_charge(
    application: Application, dialect: str, paths: list[str]
) -> None:
    async def run(url: str) -> str:
        provider = provider_at(url)
        for _ in range(2):
            spoken = await provider._connection.detected_dialect()  # noqa: SLF001  # before anything is made
        await provider.close()
        return spoken.name

    with standing(application) as (url, exchanges, _heard, records):
        assert asyncio.run(run(url)) == dialect
    assert [each.path for each in exchanges] == paths
    assert not records.charges


def test_a_server_that_is_out_of_order_is_recognised_later() -> None:
    broken = True
    application = local.localai(VendorRecords(KEY), [])

    async def sometimes(scope: Any, receive: Any, send: Any) -> None:
        if broken and scope["type"] == "http" and scope["path"].startswith("/.well-known"):
            await Response(status_code=502)(scope, receive, send)
        else:
            await application(scope, receive, send)

    async def run(url: str) -> list[str]:
        nonlocal broken
        provider = provider_at(url)
        first = await provider._connection.detected_dialect()  # noqa: SLF001  # as above
        broken = False
        second = await provider._connection.detected_dialect()  # noqa: SLF001  # as above
        await provider.close()
        return [first.name, second.name]

    with serving(sometimes) as url:
        assert asyncio.run(run(url)) == ["openai", "localai"]


def test_the_main_address_has_a_dialect_as_the_others_have(settings: Settings) -> None:
    changed: dict[str, Any] = {"openai_base_url": "http://127.0.0.1:9/v1"}
    changed |= {"openai_dialect": "localai", "openai_image_models": ("stablediffusion",)}

    def offered(provider: Provider) -> set[str]:
        return {option.name for each in provider.capabilities() for option in each.options}

    named = open_catalogue(settings.model_copy(update=changed)).providers["openai"]
    assert offered(named) == {"steps", "negative_prompt", "size"}
    catalogue = open_catalogue(settings.model_copy(update=changed | {"openai_dialect": ""}))
    assert "guidance" in offered(catalogue.providers["openai"])


@pytest.mark.parametrize(
    ("application", "model", "words"),
    [
        (local.sd_server, "stablediffusion", "prompt required"),
        (local.localai, "unheard-of", "could not load model"),
    ],
)
def test_their_own_words_are_shown(
    tmp_path: Path, application: Application, model: str, words: str
) -> None:
    name = "sd-server" if application == local.sd_server else "localai"
    prompt = "" if name == "sd-server" else "a fox"
    with standing(application) as (url, _exchanges, _heard, records):
        provider = provider_at(url, name, image_models=[model], paid=False)
        if name == "sd-server":
            provider._connection.known_dialect = DIALECTS["openai"]  # noqa: SLF001  # else a tag is in it
        with pytest.raises(ProviderError, match=words):
            make(provider, tmp_path / "x", order(Kind.IMAGE, model, SQUARE, prompt=prompt))
    assert not records.charges
