"""Replies that servers in use really give, one by one; a counting server shows no second charge."""

import asyncio
import base64
import gzip
import json
import logging
import textwrap
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psutil
import pytest
from starlette.applications import Starlette
from starlette.requests import Request as HttpRequest
from starlette.responses import JSONResponse, RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from core.models import Kind
from core.providers import errors
from core.providers.base import Outcome, Provider, Request, Submission
from core.providers.horde.provider import Horde
from core.providers.openai.provider import OpenAI, Server
from core.providers.openai.variations import vary
from core.providers.runway.provider import Runway
from core.settings.sections import TokenPrice
from tests.contract.fakes import Reports
from tests.product import free_port
from tests.servers.wire import clip, cut, picture, serving

KEY = "sk-a-very-secret-key-for-tests"
PNG = picture("a fox", 64, 64)
MP4 = clip("a fox", 64, 64, 1.0)
ENCODED = base64.b64encode(PNG).decode()
ENCODED_CLIP = base64.b64encode(MP4).decode()
SUNBURST = "gpt-image-2.6-sunburst"
Handler = Callable[[HttpRequest], Response]


class Scripted:
    """A server that answers what a test says, and counts what it would have charged."""

    def __init__(self) -> None:
        self.charges = 0
        self.requests: list[dict[str, Any]] = []
        self.seen: Counter[str] = Counter()
        self.keys: dict[str, list[str | None]] = {}
        self.create: Any = {}
        self.others: dict[str, Any] = {}
        self.url = ""

    async def answer(self, request: HttpRequest) -> Response:
        path = request.url.path
        self.seen[path] += 1
        self.keys.setdefault(path, []).append(request.headers.get("authorization"))
        if request.method == "POST" and not path.endswith("chat/completions"):
            self.charges += 1
            if request.headers["content-type"].startswith("application/json"):
                self.requests.append(await request.json())
            else:
                async with request.form() as form:
                    self.requests.append(dict(form))
            return self._made(self.create, request)
        if path.endswith("chat/completions"):
            self.requests.append(await request.json())
        return self._made(self.others.get(path, Response(status_code=404)), request)

    def _made(self, vendor_reply: Any, request: HttpRequest) -> Response:
        if isinstance(vendor_reply, list):
            vendor_reply = vendor_reply.pop(0) if len(vendor_reply) > 1 else vendor_reply[0]
        if callable(vendor_reply) and not isinstance(vendor_reply, Response):
            vendor_reply = vendor_reply(request)
        if isinstance(vendor_reply, Response):
            return vendor_reply
        if isinstance(vendor_reply, bytes):
            return Response(vendor_reply, media_type="application/json")
        if isinstance(vendor_reply, str):
            return Response(vendor_reply, media_type="text/event-stream")
        return JSONResponse(vendor_reply)


@pytest.fixture
def world() -> Iterator[Scripted]:
    scripted = Scripted()
    routes = [Route("/{path:path}", scripted.answer, methods=["GET", "POST", "DELETE"])]
    with serving(Starlette(routes=routes)) as url:
        scripted.url = url
        yield scripted


def asked_for(kind: Kind, model: str, **params: Any) -> Request:
    sizes = {"width": 64, "height": 64, "ratio": "1:1", "seconds": 1, "fps": 24} | params
    return Request(asset_id="a", kind=kind, prompt="a fox", slot=1, model=model, params=sizes)


IMAGE = asked_for(Kind.IMAGE, "sd-3.5", seed=7)
STREAMED = asked_for(Kind.IMAGE, SUNBURST)
VIDEO = asked_for(Kind.VIDEO, "wan-2.2", seed=7)


def provider_of(world: Scripted, **changed: Any) -> OpenAI:
    fields: dict[str, Any] = {
        "api_key": KEY,
        "base_url": f"{world.url}/v1",
        "image_models": [SUNBURST, "sd-3.5"],
        "video_models": ["wan-2.2"],
        "dialect": "openai",
        "prices": {SUNBURST: TokenPrice(text_in=5, image_out=30)},
    }
    return OpenAI(Server(**fields | changed), poll_seconds=0.001, timeout=10.0)


async def follow_and_fetch(provider: Provider, submission: Submission, path: Path) -> Outcome:
    outcome = await provider.follow(submission, Reports())
    await provider.fetch(submission, path)
    return outcome


def make(provider: Provider, request: Request, path: Path) -> Outcome:
    async def run() -> Outcome:
        try:
            return await follow_and_fetch(provider, await provider.submit(request), path)
        finally:
            await provider.close()

    return asyncio.run(run())


def failure(provider: Provider, request: Request, path: Path) -> errors.ProviderError:
    with pytest.raises(errors.ProviderError) as caught:
        make(provider, request, path)
    assert KEY not in f"{caught.value!r} {caught.value.details} {caught.value.reply!r}"
    return caught.value


# Images in one answer

LOCALAI = {"input_tokens": 0, "input_tokens_details": {"text_tokens": 0, "image_tokens": 0}}
PREFIX = "data:image/png;base64,"
IMAGES: dict[str, Any] = {
    "empty usage": {"created": 1, "data": [{"b64_json": ENCODED}], "usage": {}},
    "usage of LocalAI": {"created": 1, "data": [{"b64_json": ENCODED}], "usage": LOCALAI},
    "no created": {"data": [{"b64_json": ENCODED}]},
    "odd facts": {
        "data": [{"b64_json": ENCODED}],
        "quality": "standard",
        "background": "auto",
        "output_format": "jpg",
        "created": "2026-11-06T12:00:00Z",
    },
    "data address": {"data": [{"b64_json": PREFIX + ENCODED}]},
    "lines of 76": {"data": [{"b64_json": "\n".join(textwrap.wrap(ENCODED, 76))}]},
    "lines with returns": {"data": [{"b64_json": "\r\n".join(textwrap.wrap(ENCODED, 64))}]},
    "escaped lines": {"data": [{"b64_json": "\\n".join(textwrap.wrap(ENCODED, 76))}]},
    "url-safe, unpadded": {
        "data": [{"b64_json": base64.urlsafe_b64encode(PNG).decode().rstrip("=")}]
    },
    "percent signs": {
        "data": [{"b64_json": ENCODED.replace("+", "%2B").replace("/", "%2F")}],
    },
    "nothing but Base64": ENCODED.encode(),
    "nothing but a data address": f"{PREFIX}{ENCODED}\n".encode(),
    "a prediction": {"predictions": [{"mimeType": "image/png", "bytesBase64Encoded": ENCODED}]},
    "data address in url": {"data": [{"url": PREFIX + ENCODED}]},
    "one, no list": {"data": {"b64_json": ENCODED}},
    "bare list": [{"b64_json": ENCODED}],
    "list of texts": {"images": [ENCODED], "parameters": {}, "info": ""},
    "nested": {"code": 0, "msg": "ok", "data": {"result": {"images": [{"image": ENCODED}]}}},
    "artifacts": {"artifacts": [{"base64": ENCODED, "finishReason": "SUCCESS", "seed": 1}]},
    "chat": {"choices": [{"message": {"content": f"Here: ![a fox]({PREFIX}{ENCODED}) Enjoy!"}}]},
    "chat image": {
        "choices": [
            {"message": {"content": "", "images": [{"image_url": {"url": PREFIX + ENCODED}}]}}
        ]
    },
    "inline data": {
        "candidates": [{"content": {"parts": [{"text": "x"}, {"inlineData": {"data": ENCODED}}]}}]
    },
    "result of a call": {"output": [{"type": "image_generation_call", "result": ENCODED}]},
    "upper case": {"DATA": [{"B64_JSON": ENCODED}]},
    "bytes as numbers": {"data": [{"type": "Buffer", "data": list(PNG)}]},
    "JSON in JSON": {"data": json.dumps({"b64_json": ENCODED})},
    "first is null": {"data": [None, {"b64_json": None}, {"b64_json": ENCODED}]},
    "error beside it": {"data": [{"b64_json": ENCODED}], "error": {"message": "warning"}},
    "byte order mark": b"\xef\xbb\xbf" + json.dumps({"data": [{"b64_json": ENCODED}]}).encode(),
    "UTF-16": json.dumps({"data": [{"b64_json": ENCODED}]}).encode("utf-16"),
    "NaN": b'{"created":NaN,"cost":-Infinity,"data":[{"b64_json":"%s"}]}' % ENCODED.encode(),
    "bad UTF-8": b'{"revised_prompt":"\xff\xfe","data":[{"b64_json":"%s"}]}' % ENCODED.encode(),
    "a huge number": b'{"seed":%s,"data":[{"b64_json":"%s"}]}' % (b"9" * 5000, ENCODED.encode()),
    "twice, then null": b'{"b64_json":"%s","b64_json":null}' % ENCODED.encode(),
    "cut at its end": b'{"data":[{"b64_json":"%s"},' % ENCODED.encode(),
    "more after it": json.dumps({"data": [{"b64_json": ENCODED}]}).encode() + b"\n<html>",
    "the file itself": lambda _: Response(PNG, media_type="image/png"),
    "the file, said to be JSON": PNG,
    "packed": lambda _: Response(
        gzip.compress(json.dumps({"data": [{"b64_json": ENCODED}]}).encode()),
        headers={"content-encoding": "gzip"},
    ),
    "said to be packed": lambda _: JSONResponse(
        {"data": [{"b64_json": ENCODED}]}, headers={"content-encoding": "gzip"}
    ),
    "a stream that says it is JSON": f'data: {{"b64_json":"{ENCODED}"}}\n\n'.encode(),
}


def test_an_address_is_fetched_where_the_text_beside_it_is_empty(
    world: Scripted, tmp_path: Path
) -> None:
    for given in (f"{world.url}/f/1", "/f/1", f"http://localhost:{free_port()}/f/1"):
        world.create = {"data": [{"b64_json": "", "url": given}]}
        world.others["/f/1"] = Response(PNG, media_type="text/plain")
        make(provider_of(world), IMAGE, tmp_path / "x")
        assert (tmp_path / "x").read_bytes() == PNG


def test_the_key_opens_the_own_origin_and_a_redirect_leaves_it_behind(
    world: Scripted, tmp_path: Path
) -> None:
    def locked(request: HttpRequest) -> Response:
        return Response(PNG if "authorization" in request.headers else b"", 200)

    elsewhere = Scripted()
    elsewhere.others["/x"] = Response(PNG)
    with ExitStack() as stack:
        routes = [Route("/{path:path}", elsewhere.answer)]
        elsewhere.url = stack.enter_context(serving(Starlette(routes=routes)))
        world.others |= {
            "/locked": locked,
            "/same": RedirectResponse("/locked", 301),
            "/other": RedirectResponse(f"{elsewhere.url}/x", 302),
        }
        for path in ("locked", "same", "other"):
            world.create = {"data": [{"url": f"{world.url}/{path}"}]}
            make(provider_of(world), IMAGE, tmp_path / "x")
            assert (tmp_path / "x").read_bytes() == PNG
    assert elsewhere.keys["/x"] == [None]
    assert set(world.keys["/locked"]) == {f"Bearer {KEY}"}
    assert world.charges == 3


REFUSALS: list[tuple[Any, type[errors.ProviderError], str]] = [
    (
        {"error": {"message": "Your credit is used up", "code": "insufficient_quota"}},
        errors.BalanceSpent,
        "Your credit is used up",
    ),
    (
        {"created": 1, "data": [], "message": "The queue is full, come back at noon"},
        errors.GenerationFailed,
        "The queue is full, come back at noon",
    ),
    ({"error": "model flux is not loaded"}, errors.GenerationFailed, "model flux is not loaded"),
    ({"error": {"code": "moderation_blocked", "message": "No."}}, errors.PromptRejected, "No."),
    (
        {"data": None, "detail": [{"loc": ["size"], "msg": "odd"}]},
        errors.GenerationFailed,
        "size: odd",
    ),
    ({"success": False, "errors": [{"message": "No GPU"}]}, errors.GenerationFailed, "No GPU"),
    ({"data": {"error": {"error": {"message": "deep"}}}}, errors.GenerationFailed, "deep"),
]


@pytest.mark.parametrize(("vendor_reply", "expected", "words"), REFUSALS)
def test_an_error_that_says_200_is_one_and_not_charged(
    world: Scripted,
    tmp_path: Path,
    vendor_reply: Any,
    expected: type[errors.ProviderError],
    words: str,
) -> None:
    world.create = vendor_reply
    error = failure(provider_of(world), IMAGE, tmp_path / "x")
    assert type(error) is expected
    assert words in error.message
    assert error.reply is not None  # should it have been charged all the same


STATUSES: list[tuple[int, Any, type[errors.ProviderError], str]] = [
    (
        403,
        {"error": {"message": "Your organization must be verified"}},
        errors.InvalidCredentials,
        "verified",
    ),
    (
        403,
        {"message": "Country, region, or territory not supported"},
        errors.InvalidCredentials,
        "Country",
    ),
    (401, {"error": "The key has run out."}, errors.InvalidCredentials, "has run out"),
    (
        422,
        {"detail": [{"loc": ["body", "size"], "msg": "Too wide"}]},
        errors.RequestRejected,
        "body.size: Too wide",
    ),
    (422, {"errors": {"prompt": ["Too long."]}}, errors.RequestRejected, "prompt: Too long."),
    (400, {"detail": "Unknown sampler"}, errors.RequestRejected, "Unknown sampler"),
    (
        400,
        b"<html><style>p{}</style><h1>Bad</h1><p>No&nbsp;such model",
        errors.RequestRejected,
        "Bad No such model",
    ),
    (
        500,
        {"error": "server_error", "message": "CUDA out of memory"},
        errors.OutcomeUnknown,
        "CUDA out of",
    ),
    (429, {"error": {"message": "Slow down"}}, errors.ProviderError, "Slow down"),
    (
        503,
        {"title": "Loading", "detail": "The model is loading"},
        errors.ProviderUnavailable,
        "is loading",
    ),
    (302, b"", errors.RequestRejected, "302"),
]


@pytest.mark.parametrize(("status", "body", "expected", "words"), STATUSES)
def test_the_vendors_words_are_joined_with_ours_for_every_status(  # noqa: PLR0913, PLR0917
    world: Scripted,
    tmp_path: Path,
    status: int,
    body: Any,
    expected: type[errors.ProviderError],
    words: str,
) -> None:
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    world.create = lambda _: Response(content, status, headers={"location": "http://x.invalid/"})
    error = failure(provider_of(world), IMAGE, tmp_path / "x")
    assert isinstance(error, expected)
    assert words in error.message
    assert "again shortly" not in error.message


def test_nothing_at_all_is_open_and_its_reply_is_kept_and_can_be_read_again(
    world: Scripted, tmp_path: Path
) -> None:
    world.create = {"surprise": f"{KEY} and nothing else"}
    error = failure(provider_of(world), IMAGE, tmp_path / "x")
    assert isinstance(error, errors.OutcomeUnknown)
    assert error.reply is not None
    assert b"surprise" in error.reply

    async def recover() -> None:
        provider = provider_of(world)
        for request, reply in (
            (IMAGE, json.dumps({"data": [{"b64_json": ENCODED}]}).encode()),
            (STREAMED, f'data: {{"type":"x.completed","b64_json":"{ENCODED}"}}\n\n'.encode()),
        ):
            await follow_and_fetch(provider, await provider.reread(reply, request), tmp_path / "x")
            assert (tmp_path / "x").read_bytes() == PNG
        task = await provider.reread(b'{"id": 7}', VIDEO)
        assert task.remote_id == "7"
        with pytest.raises(errors.OutcomeUnknown):
            await provider.reread(b"{}", IMAGE)
        await provider.close()

    asyncio.run(recover())
    assert world.charges == 1


# Images in a stream


def event(**fields: Any) -> str:
    return f"event: {fields['type']}\ndata: {json.dumps(fields)}\n\n"


USAGE = {"input_tokens": 20, "output_tokens": 1000}
DONE = event(type="image_generation.completed", b64_json=ENCODED, usage=USAGE)
HALF = {"type": "image_generation.partial_image", "partial_image_index": 0}
STREAMS: dict[str, str] = {
    "ping": f"event: ping\ndata: \n\n{DONE}",
    "empty data": f"data:\n\n{DONE}",
    "ping after": f"{DONE}event: ping\ndata: \n\n",
    "comment and retry": f": hello\n\nretry: 3000\n\nid: 7\n\n{DONE}",
    "words": f"data: OPENROUTER PROCESSING\n\n{DONE}data: [DONE]\n\n",
    "unknown event": f"{event(type='x.y', b=1)}{DONE}",
    "returns": DONE.replace("\n", "\r\n"),
    "returns alone": DONE.replace("\n", "\r"),
    "no end": DONE.rstrip("\n"),
    "byte order mark": "\ufeff" + DONE,
    "no names": DONE.partition("\n")[2],
    "usage null": event(type="image_generation.completed", b64_json=ENCODED, usage=None),
    "null numbers": event(
        type="image_generation.completed",
        b64_json=ENCODED,
        usage={"input_tokens": None, "output_tokens": None, "input_tokens_details": None},
    ),
    "no usage": event(type="image_generation.completed", b64_json=ENCODED),
    "prefix": event(type="image_generation.completed", b64_json=PREFIX + ENCODED),
    "nested": event(type="image_generation.completed", data=[{"b64_json": ENCODED}]),
    "partial null": event(**HALF, b64_json=None) + DONE,
    "partial prefix": event(**HALF, b64_json=PREFIX + ENCODED) + DONE,
    "partial garbage": event(**HALF, b64_json="&&&") + DONE,
    "partial without index": event(type=HALF["type"], b64_json=ENCODED_CLIP) + DONE,
    "error after": DONE + event(type="error", message="late"),
    "error before": event(type="error", message="early") + DONE,
    "bare JSON": json.dumps({"data": [{"b64_json": ENCODED}]}, indent=1),
    "lines of JSON": '{"status":"working"}\n'
    + json.dumps({"data": [{"b64_json": ENCODED}]})
    + "\n",
    "data in lines": 'data: {\ndata: "b64_json":\ndata: "' + ENCODED + '"}\n\n',
}


@pytest.mark.parametrize(
    ("request_", "answer"),
    [pytest.param(IMAGE, answer, id=name) for name, answer in IMAGES.items()]
    + [pytest.param(STREAMED, answer, id=f"streamed {name}") for name, answer in STREAMS.items()],
)
def test_an_image_is_saved_whatever_its_answer_looks_like(
    world: Scripted, tmp_path: Path, request_: Request, answer: Any
) -> None:
    world.create = answer
    make(provider_of(world), request_, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == PNG
    assert world.charges == 1


def test_a_streamed_address_is_fetched(world: Scripted, tmp_path: Path) -> None:
    world.create = event(type="image_generation.completed", url=f"{world.url}/x.png")
    world.others["/x.png"] = Response(PNG)
    make(provider_of(world), STREAMED, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == PNG


def test_a_cost_that_cannot_be_known_is_none_and_one_that_can_is_right(
    world: Scripted, tmp_path: Path
) -> None:
    for stream, cost in (("null numbers", None), ("no usage", None), ("ping", 0.0301)):
        world.create = STREAMS[stream]
        outcome = make(provider_of(world), STREAMED, tmp_path / "x")
        assert outcome.cost == (cost if cost is None else pytest.approx(cost))


@pytest.mark.parametrize("pieces", [1, 7, 1000])
def test_a_cut_after_the_image_loses_nothing_and_characters_may_be_cut(
    world: Scripted, tmp_path: Path, pieces: int
) -> None:
    whole = DONE.replace('"type"', '"note": "füchse 🦊", "type"').encode()

    async def parts(request: HttpRequest) -> AsyncIterator[bytes]:
        for start in range(0, len(whole), pieces):
            yield whole[start : start + pieces]
        await cut(request)

    world.create = lambda request: StreamingResponse(parts(request), media_type="text/event-stream")
    make(provider_of(world), STREAMED, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == PNG


STREAMED_ERRORS = [
    (
        event(type="error", code="moderation_blocked", message="Not this."),
        errors.PromptRejected,
        "Not this.",
    ),
    (
        'data: {"error":"quota exceeded for today"}\n\n',
        errors.GenerationFailed,
        "quota exceeded for today",
    ),
    ('data: {"error":{"message":"m","code":"insufficient_quota"}}\n\n', errors.BalanceSpent, "m"),
    (
        event(type="image_generation.failed", error={"message": "No luck"}),
        errors.GenerationFailed,
        "No luck",
    ),
    (event(**HALF, b64_json=ENCODED), errors.OutcomeUnknown, "nothing in it"),
    ("", errors.OutcomeUnknown, "nothing in it"),
]


@pytest.mark.parametrize(("stream", "expected", "words"), STREAMED_ERRORS)
def test_a_stream_that_ends_without_an_image_says_what_it_said(
    world: Scripted, tmp_path: Path, stream: str, expected: type[errors.ProviderError], words: str
) -> None:
    world.create = stream
    error = failure(provider_of(world), STREAMED, tmp_path / "x")
    assert type(error) is expected
    assert words in error.message
    assert world.charges == 1


# Clips

PATH = "/v1/videos/7000006"
CONTENT = f"{PATH}/content"


def task(world: Scripted, *polls: Any, content: Any = None) -> None:
    world.create = {"id": 7000006, "status": "queued"}
    world.others[PATH] = list(polls)
    if content is not None:
        world.others[CONTENT] = content


MADE = Response(MP4, media_type="application/mp4")
POLLS: dict[str, list[Any]] = {
    "processing": [{"status": "processing"}, {"status": "completed"}],
    "preprocessing": [{"status": "preprocessing"}, {"status": "completed"}],
    "upper case": [{"status": "QUEUED"}, {"status": "COMPLETED"}],
    "a wrapper": [
        {"code": "success", "data": {"task_id": "x", "status": "IN_PROGRESS", "progress": "35%"}},
        {"code": "success", "data": {"task_id": "x", "status": "SUCCESS"}},
    ],
    "success of a call": [
        {"status": "success", "data": {"status": "pending"}},
        {"status": "success", "data": {"status": "succeeded"}},
    ],
    "unheard of": [{"id": 1, "status": "warming_the_lamps"}, {"id": 1, "status": "completed"}],
    "404 twice": [Response(status_code=404), Response(status_code=404), {"status": "completed"}],
    "401 once": [Response(b'{"error":"no"}', 401), {"status": "completed"}],
    "redirect": [RedirectResponse("/elsewhere"), {"status": "completed"}],
    "a page": [Response(b"<html>", media_type="text/html"), {"status": "completed"}],
    "an error that is none": [{"error": "upstream timed out"}, {"status": "completed"}],
    "nothing": [b"", b"null", b"[]", {"status": "completed"}],
    "no state ever": [{"id": 1, "progress": "99"}],
    "state of numbers": [{"id": 1, "status": 3}],
}


@pytest.mark.parametrize("what", list(POLLS))
def test_a_clip_is_waited_for_whatever_is_said_of_it(
    world: Scripted, tmp_path: Path, what: str
) -> None:
    task(world, *POLLS[what], content=MADE)
    make(provider_of(world), VIDEO, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == MP4
    assert world.charges == 1


CONTENTS: dict[str, Any] = {
    "said to be text": Response(MP4, media_type="text/plain"),
    "of another name": Response(MP4, media_type="application/mp4"),
    "404 twice": [Response(status_code=404), Response(status_code=404), MADE],
    "a page first": [Response(b"<html>", media_type="text/html"), MADE],
    "JSON with an address": {"url": "/f.mp4"},
    "JSON with the clip": {"data": {"video": ENCODED_CLIP}},
    "redirect": RedirectResponse("/f.mp4"),
}


@pytest.mark.parametrize("what", list(CONTENTS))
def test_a_clip_is_fetched_however_it_comes(world: Scripted, tmp_path: Path, what: str) -> None:
    task(world, {"status": "completed"}, content=CONTENTS[what])
    world.others["/f.mp4"] = MADE
    make(provider_of(world), VIDEO, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == MP4
    assert world.charges == 1


@pytest.mark.parametrize(
    "where", ["url", "video_url", "output", "video.url", "data.result.videos", "thumbnail too"]
)
def test_a_clip_is_fetched_from_where_its_task_says_it_is(
    world: Scripted, tmp_path: Path, where: str
) -> None:
    address = f"{world.url}/f"
    places: dict[str, Any] = {
        "url": {"url": address},
        "video_url": {"video_url": address},
        "output": {"output": [address]},
        "video.url": {"video": {"url": address}},
        "data.result.videos": {"data": {"result": {"videos": [{"download_url": address}]}}},
        "thumbnail too": {
            "image": f"{world.url}/t",
            "thumbnail_url": f"{world.url}/t",
            "url": address,
        },
    }
    task(world, {"status": "completed"} | places[where])
    world.others |= {"/f": MADE, "/t": Response(PNG)}
    make(provider_of(world), VIDEO, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == MP4


def test_a_redirect_of_the_content_leaves_the_key_behind(world: Scripted, tmp_path: Path) -> None:
    elsewhere = Scripted()
    elsewhere.others["/f"] = MADE
    with serving(Starlette(routes=[Route("/{path:path}", elsewhere.answer)])) as url:
        task(world, {"status": "completed"}, content=RedirectResponse(f"{url}/f", 302))
        make(provider_of(world), VIDEO, tmp_path / "x")
    assert elsewhere.keys["/f"] == [None]
    assert world.charges == 1


FAILURES: list[tuple[dict[str, Any], type[errors.ProviderError], str]] = [
    ({"error": "CUDA out of memory"}, errors.GenerationFailed, "CUDA out of memory"),
    ({"detail": "No such model"}, errors.GenerationFailed, "No such model"),
    ({"error": {"message": "m", "code": "moderation_blocked"}}, errors.PromptRejected, "m"),
    ({"error": {"detail": [{"msg": "too long"}]}}, errors.GenerationFailed, "too long"),
    ({"fail_reason": "upstream said no"}, errors.GenerationFailed, "upstream said no"),
    (
        {"base_resp": {"status_code": 1027, "status_msg": "too bold"}},
        errors.GenerationFailed,
        "too bold",
    ),
    ({"error": None}, errors.GenerationFailed, "did not say why"),
]


@pytest.mark.parametrize(("vendor_reply", "expected", "words"), FAILURES)
@pytest.mark.parametrize("status", ["failed", "FAILURE", "error", "cancelled"])
def test_a_clip_that_failed_says_why_in_the_vendors_words(  # noqa: PLR0913, PLR0917  # a table
    world: Scripted,
    tmp_path: Path,
    status: str,
    vendor_reply: dict[str, Any],
    expected: type[errors.ProviderError],
    words: str,
) -> None:
    task(world, {"id": 1, "status": status} | vendor_reply)
    error = failure(provider_of(world), VIDEO, tmp_path / "x")
    assert type(error) is expected
    assert error.ended
    assert words in error.message


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 422, 500, 501])
def test_a_task_that_cannot_be_asked_after_is_left_resumable_and_not_hammered(
    world: Scripted, tmp_path: Path, status: int
) -> None:
    task(world, Response(b'{"error":"Who is that?"}', status))
    error = failure(provider_of(world), VIDEO, tmp_path / "x")
    assert type(error) is errors.ProviderUnavailable
    assert not error.ended
    assert world.charges == 1
    assert world.seen[PATH] < 30


def test_a_clip_may_come_at_once(world: Scripted, tmp_path: Path) -> None:
    for vendor_reply in (
        {"id": "r-1", "data": [{"b64_json": ENCODED_CLIP}]},
        {"data": [{"url": "/f.mp4"}]},
    ):
        world.create, world.others["/f.mp4"] = vendor_reply, MADE
        make(provider_of(world), VIDEO, tmp_path / "x")
        assert (tmp_path / "x").read_bytes() == MP4


@pytest.mark.parametrize(
    ("vendor_reply", "remote_id"),
    [
        ({"id": 7}, "7"),
        ({"id": 7.0}, "7"),
        ({"task_id": "t-1"}, "t-1"),
        ({"data": {"taskId": "t-1"}}, "t-1"),
        ({"data": [{"id": "t-1"}]}, "t-1"),
        ({"id": None, "video_id": "v"}, "v"),
        ({"id": ["x"]}, "x"),
        ({"id": True}, None),
        ({"id": {}}, None),
        ({"id": "a b"}, None),
        ({"id": "x" * 5000}, None),
    ],
)
def test_an_id_is_text(world: Scripted, vendor_reply: Any, remote_id: str | None) -> None:
    async def run() -> Submission:
        provider = provider_of(world)
        try:
            return await provider.submit(VIDEO)
        finally:
            await provider.close()

    world.create = vendor_reply
    if remote_id is None:
        with pytest.raises(errors.OutcomeUnknown):
            asyncio.run(run())
    else:
        assert asyncio.run(run()).remote_id == remote_id


# RunwayML and the AI Horde


def test_a_runway_task_that_seems_unfinished_again_is_waited_for(
    world: Scripted, tmp_path: Path
) -> None:
    done = {"id": "t", "status": "SUCCEEDED", "output": [f"{world.url}/f"]}
    pending = {"id": "t", "status": "PENDING"}
    world.create = {"id": 12, "estimatedCost": {"credits": "5"}}
    world.others |= {
        "/v1/tasks/12": [{"status": "DREAMING", "id": 12}, done, pending, pending, done],
        "/f": MADE,
    }
    request = asked_for(Kind.VIDEO, "gen4.5", width=1280, height=720, ratio="16:9", seconds=2)
    make(Runway(KEY, base_url=world.url, poll_seconds=0.001), request, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == MP4
    assert world.charges == 1


def test_the_horde_may_name_an_image_by_a_number(world: Scripted, tmp_path: Path) -> None:
    api = "/api/v2/generate"
    world.create = {"id": 5}
    world.others |= {
        f"{api}/check/5": [Response(status_code=404), {"done": "no"}, {"done": True}],
        f"{api}/status/5": {"done": True, "generations": {"img": ENCODED}},
    }
    provider = Horde(KEY, base_url=world.url, poll_seconds=0.001)
    make(provider, asked_for(Kind.IMAGE, "stable_diffusion", seed=1), tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == PNG


# A chat model's prompts

PROMPTS = '{"prompts": ["a red fox", "a blue fox"]}'
CHATS = {
    "plain": PROMPTS,
    "fences": f"```json\n{PROMPTS}\n```",
    "thoughts": f'<think>Maybe {{"prompts": ["no"]}}?</think>\n{PROMPTS}',
    "open thoughts": f'I wonder {{"prompts": ["no"]}}</think>{PROMPTS}',
    "prose": f"Sure! Here you are:\n{PROMPTS}\nI hope [you] like them.",
    "bare list": '["a red fox", "a blue fox"]',
    "list of objects": '[{"prompt": "a red fox"}, {"prompt": "a blue fox"}]',
    "other name": '{"variations": [{"title": "1", "text": "a red fox"}, {"text": "a blue fox"}]}',
    "numbered": '{"1": "a red fox", "2": "a blue fox"}',
    "lines": "1. a red fox in snow\n2. a blue fox in snow\n",
}


@pytest.mark.parametrize("what", list(CHATS))
@pytest.mark.parametrize("first", [None, 400, 422])
def test_prompts_are_read_however_the_chat_model_writes_them(
    world: Scripted, what: str, first: int | None
) -> None:
    vendor_reply = {"choices": [{"message": {"content": CHATS[what], "reasoning_content": "hm"}}]}
    format_error = {"error": "'response_format.type' must be 'json_schema' or 'text'"}

    def chat(_: HttpRequest) -> Response:
        refused = first is not None and "response_format" in world.requests[-1]
        return JSONResponse(format_error, first or 200) if refused else JSONResponse(vendor_reply)

    world.others["/v1/chat/completions"] = chat
    base_url = f"{world.url}/v1"
    varied = vary("a fox", "image", 2, model="x", api_key=KEY, base_url=base_url)
    found = asyncio.run(varied)
    assert [each.removesuffix(" in snow") for each in found] == ["a red fox", "a blue fox"]
    assert world.seen["/v1/chat/completions"] == (1 if first is None else 2)


# Dialects


def test_sd_servers_get_their_options_within_the_prompt_and_are_recognised(
    world: Scripted, tmp_path: Path
) -> None:
    world.others["/v1/models"] = {"data": [{"id": "sd-cpp-local", "object": "model"}]}
    world.create = IMAGES["no created"]
    provider = provider_of(world, dialect="", image_models=["sd-3.5"], video_models=[])
    request = asked_for(
        Kind.IMAGE, "sd-3.5", seed=7, steps=12, negative_prompt="</sd_cpp_extra_args>"
    )

    async def run() -> None:
        assert "sd-3.5" in await provider.check()
        await provider.submit(request)
        await provider.close()

    asyncio.run(run())
    (sent,) = world.requests
    prompt, _, rest = sent["prompt"].partition("<sd_cpp_extra_args>")
    assert prompt.strip() == "a fox"
    arguments = json.loads(rest.removesuffix("</sd_cpp_extra_args>"))
    assert (arguments["seed"], arguments["steps"]) == (7, 12)
    assert arguments["sample_params"]["sample_steps"] == 12
    assert "seed" not in sent
    del tmp_path


def test_localai_gets_steps_and_what_is_unwanted_in_its_own_way(world: Scripted) -> None:
    provider = provider_of(world, dialect="localai", image_models=["sd-3.5"], video_models=[])
    (capability,) = provider.capabilities()
    assert {each.name for each in capability.options} == {"steps", "negative_prompt", "size"}
    world.create = IMAGES["no created"]
    request = asked_for(Kind.IMAGE, "sd-3.5", seed=7, steps=12, negative_prompt="rain|snow")

    async def run() -> None:
        await provider.submit(request)
        await provider.close()

    asyncio.run(run())
    (sent,) = world.requests
    assert sent["prompt"] == "a fox|rain snow"
    assert (sent["seed"], sent["step"]) == (7, 12)


def test_what_cannot_go_together_is_refused_before_anything_is_sent(
    world: Scripted, tmp_path: Path
) -> None:
    request = asked_for(Kind.IMAGE, SUNBURST, background="transparent", format="jpeg")
    error = failure(provider_of(world), request, tmp_path / "x")
    assert isinstance(error, errors.RequestRejected)
    assert world.charges == 0


def test_quality_goes_as_far_as_the_sdk_says_for_the_model() -> None:
    def qualities(model: str) -> set[str]:
        (capability,) = OpenAI(Server(image_models=[model])).capabilities()
        return {
            choice
            for each in capability.options
            if each.name == "quality"
            for choice in each.choices
        }

    assert "max" in qualities("gpt-image-2.5-sunburst")
    assert "max" not in qualities("gpt-image-2.6-sunburst")
    assert "max" not in qualities("gpt-image-2")


# Before anything is sent


@pytest.mark.parametrize(
    "odd", ["sk-\nx-secret", "sk-\rx-secret", "sk-\xa0x-secret", "sk-🦊-secret", "sk-\x00-secret"]
)
@pytest.mark.parametrize("request_", [IMAGE, STREAMED, VIDEO])
def test_a_key_that_cannot_be_sent_costs_nothing_and_stands_in_no_log(
    world: Scripted,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    odd: str,
    request_: Request,
) -> None:
    caplog.set_level(logging.DEBUG)
    provider = provider_of(world, api_key=odd)
    with pytest.raises(errors.ProviderError) as caught:
        make(provider, request_, tmp_path / "x")
    assert isinstance(caught.value, errors.InvalidCredentials)
    assert world.charges == 0
    shown = f"{caught.value!r} {caught.value.__cause__!r} {caplog.text}"
    assert "x-secret" not in shown
    assert "🦊-secret" not in shown


@pytest.mark.parametrize("blank", ["\n", "\r\n", " ", "\xa0", "\t"])
def test_blanks_around_a_key_are_not_part_of_it(
    world: Scripted, tmp_path: Path, blank: str
) -> None:
    world.create = IMAGES["no created"]
    make(provider_of(world, api_key=f"{blank}{KEY}{blank}"), IMAGE, tmp_path / "x")
    assert world.keys["/v1/images/generations"] == [f"Bearer {KEY}"]


@pytest.mark.parametrize(
    ("proxy", "base_url"),
    [
        ("socks5://127.0.0.1:9", "https://api.example/v1"),
        ("http://127.0.0.1:9", "https://api.example/v1"),
        ("nonsense://x", "https://api.example/v1"),
        (None, "http://127.0.0.1:9/v1"),
        (None, "https://127.0.0.1:9/v1"),
        (None, "http://no-such-host.invalid/v1"),
        (None, "ftp://127.0.0.1/v1"),
        (None, "http://[/v1"),
    ],
)
@pytest.mark.parametrize("request_", [IMAGE, VIDEO])
def test_what_fails_before_anything_is_sent_costs_nothing_and_says_why(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    proxy: str | None,
    base_url: str,
    request_: Request,
) -> None:
    if proxy is not None:
        monkeypatch.setenv("ALL_PROXY", proxy)
    server = Server(api_key=KEY, base_url=base_url, image_models=["sd-3.5"], dialect="openai")
    error = failure(OpenAI(server, poll_seconds=0.001), request_, tmp_path / "x")
    assert not isinstance(error, errors.OutcomeUnknown)
    assert "charged" not in error.message or "nothing was charged" in error.message
    assert type(error) in {errors.ProviderUnavailable, errors.ProviderError}


# Hostile replies


def _bomb() -> bytes:
    """Return a gibibyte of blanks, packed."""
    packer = zlib.compressobj(9, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    parts = [packer.compress(b" " * 2**20) for _ in range(1024)]
    return b"".join([*parts, packer.flush()])


def _endless() -> Iterator[bytes]:
    yield b'{"data":[{"b64_json":"'
    for _ in range(3000):
        yield b"A" * 2**20


HOSTILE: dict[str, Handler] = {
    "endless JSON": lambda _: StreamingResponse(_endless(), media_type="application/json"),
    "bomb": lambda _: Response(
        _bomb(),
        headers={"content-encoding": "gzip"},
        media_type="application/json",
    ),
    "endless line": lambda _: StreamingResponse(
        (b"data: " + b"A" * 2**20 if not number else b"A" * 2**20 for number in range(3000)),
        media_type="text/event-stream",
    ),
    "deep": lambda _: Response(b"[" * 2_000_000, media_type="application/json"),
    "endless error": lambda _: StreamingResponse(_endless(), 500),
}


@pytest.mark.parametrize("what", list(HOSTILE))
def test_a_hostile_reply_is_bounded_while_it_is_read(
    world: Scripted, tmp_path: Path, what: str
) -> None:
    world.create = HOSTILE[what]
    before = psutil.Process().memory_info().rss
    most = 0

    async def run() -> errors.ProviderError:
        nonlocal most
        provider = provider_of(world)
        request = STREAMED if "line" in what else IMAGE
        making = asyncio.create_task(follow_all(provider, request, tmp_path / "x"))
        while not making.done():
            most = max(most, psutil.Process().memory_info().rss)
            await asyncio.wait([making], timeout=0.02)
        await provider.close()
        error = making.exception()
        assert isinstance(error, errors.ProviderError)
        return error

    async def follow_all(provider: Provider, request: Request, path: Path) -> None:
        await follow_and_fetch(provider, await provider.submit(request), path)

    error = asyncio.run(run())
    assert isinstance(error, errors.OutcomeUnknown)
    assert error.reply is None or len(error.reply) <= 64 * 2**20
    assert most - before < 300 * 2**20
