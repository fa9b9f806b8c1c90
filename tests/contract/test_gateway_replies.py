"""Replies of gateways and vendors that pass as OpenAI's, each in its own shape, one by one.

The shapes are those of public reports and documentation of the servers named.
"""

import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from starlette.requests import Request as Asked
from starlette.responses import Response

from core.models import Kind
from core.providers import errors
from core.providers.responses.loose_json import read_documents
from core.providers.responses.reader import read_reply
from core.providers.responses.vendor_message import code_and_message
from tests.contract.test_vendor_replies import (
    ENCODED,
    IMAGE,
    MP4,
    PNG,
    STREAMED,
    VIDEO,
    Scripted,
    failure,
    make,
    provider_of,
    world,  # noqa: F401  # a fixture
)

pytestmark = pytest.mark.usefixtures("world")
GOOD = {"data": [{"b64_json": ENCODED}]}
GOOD_TEXT = json.dumps(GOOD)

AROUND: dict[str, str | bytes] = {
    "one JSON a line": f'{{"step": 1}}\n{GOOD_TEXT}\n',
    "two documents": f'{{"step": 1}}{GOOD_TEXT}',
    "a warning before": f"<br />\n<b>Warning</b>: foo() in [x] on line <b>3</b>\n{GOOD_TEXT}",
    "a guard before": f")]}}',\n{GOOD_TEXT}",
    "JSONP": f"callback({GOOD_TEXT});",
    "a name twice": GOOD_TEXT[:-1] + ', "data": "ok"}',
    "single quotes": str(GOOD),
    "cut in a text": GOOD_TEXT[:-1] + ', "note": "well, {that} is',
    "gzip without a word": gzip.compress(GOOD_TEXT.encode()),
}


@pytest.mark.parametrize("what", list(AROUND))
def test_an_image_is_found_whatever_stands_around_its_json(
    world: Scripted,  # noqa: F811
    tmp_path: Path,
    what: str,
) -> None:
    body = AROUND[what]
    world.create = body if isinstance(body, bytes) else body.encode()
    make(provider_of(world), IMAGE, tmp_path / "x")
    assert ((tmp_path / "x").read_bytes(), world.charges) == (PNG, 1)


def test_gzip_around_gzip_is_unpacked(world: Scripted, tmp_path: Path) -> None:  # noqa: F811
    packed = gzip.compress(gzip.compress(GOOD_TEXT.encode()))
    world.create = Response(packed, headers={"content-encoding": "gzip"})
    make(provider_of(world), IMAGE, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == PNG


@pytest.mark.parametrize(
    "shape",
    [
        '{"data": {"url_list": ["URL"]}}',
        '{"images": {"0": "URL"}}',
        '{"data": [{"original_url": "URL", "width": 1}]}',
        '{"data": [{"url": "URL"}], "usage": {"inp',
        '{"step": 1}\n{"status": "done", "url": "URL"}',
        '{"out": {"cdn_download_url": "URL"}, "dashboard_url": "http://127.0.0.1:9/"}',
    ],
)
def test_an_address_is_found_whatever_its_field_is_called(
    world: Scripted,  # noqa: F811
    tmp_path: Path,
    shape: str,
) -> None:
    world.create = shape.replace("URL", f"{world.url}/f/1?sig=2").encode()
    world.others["/f/1"] = Response(PNG)
    make(provider_of(world), IMAGE, tmp_path / "x")
    assert ((tmp_path / "x").read_bytes(), world.charges) == (PNG, 1)


RAW = json.dumps({"error": {"code": "OutputImageSensitiveContentDetected", "message": "too bold"}})
ANSWERS: list[tuple[int, Any, type[errors.ProviderError], str]] = [
    # MiniMax
    (200, {"base_resp": {"status_code": 1026, "status_msg": "no such input"}},
     errors.GenerationFailed, "no such input"),
    (200, {"task_id": "", "base_resp": {"status_code": 1008, "status_msg": "insufficient balance"}},
     errors.BalanceSpent, "insufficient balance"),
    # DashScope, KIE, Kling, Cloudflare
    (200, {"output": {"results": [{"code": "InternalError", "message": "timed out"}]}},
     errors.GenerationFailed, "timed out"),
    (200, {"code": 402, "msg": "Credits insufficient", "data": None},
     errors.BalanceSpent, "Credits"),
    (200, {"code": 1102, "message": "Account balance not enough", "request_id": "r"},
     errors.BalanceSpent, "not enough"),
    (200, {"success": False, "errors": [{"message": "AiError: no", "code": 3030}]},
     errors.GenerationFailed, "AiError: no"),
    # Gemini and Vertex, behind gateways
    (200, {"promptFeedback": {"blockReason": "PROHIBITED_CONTENT"}},
     errors.OutcomeUnknown, "PROHIBITED"),
    (200, {"predictions": [{"raiFilteredReason": "code 58061214"}]},
     errors.OutcomeUnknown, "58061214"),
    # a chat model, and a page
    (200, {"choices": [{"message": {"content": "I cannot draw that."}}]}, errors.OutcomeUnknown,
     "cannot draw that"),
    (200, "<html><head><title>x</title></head><body>Down for repairs</body></html>",
     errors.OutcomeUnknown, "Down for repairs"),
    # OpenRouter
    (400, {"error": {"message": "Provider returned error", "code": 400, "metadata": {"raw": RAW}}},
     errors.PromptRejected, "too bold"),
    (403, {"error": {"code": 403, "message": "Your input was flagged", "metadata":
     {"reasons": ["violence"]}}}, errors.PromptRejected, "Your input was flagged: violence"),
    # Azure
    (400, {"error": {"code": "content_filter", "message": "filtered", "innererror":
     {"code": "ResponsibleAIPolicyViolation"}}}, errors.PromptRejected, "filtered"),
    (400, {"error": {"code": "contentFilter", "message": "Your task failed"}},
     errors.PromptRejected, "Your task failed"),
    # Stability, New API, SiliconFlow, xAI
    (403, {"id": "x", "name": "content_moderation", "errors": ["flagged by our moderation system"]},
     errors.PromptRejected, "flagged"),
    (403, {"error": {"message": "用户额度不足", "code": "insufficient_user_quota"}},
     errors.BalanceSpent, "用户额度不足"),
    (403, {"code": 30001, "message": "Sorry, your account balance is insufficient"},
     errors.BalanceSpent, "Sorry"),
    (403, {"error": "Your newly created team doesn't have any credits yet."},
     errors.BalanceSpent, "team"),
    (403, {"error": {"message": "Your organization must be verified"}}, errors.InvalidCredentials,
     "must be verified"),
    # Runway's way to name the fields
    (400, {"error": "Validation of body failed", "issues": [{"code": "too_big", "path":
     ["promptText"], "message": "Too long"}]}, errors.RequestRejected,
     "Validation of body failed: promptText: Too long"),
    (303, {}, errors.OutcomeUnknown, "303"),
    (400, b'{"error": {"message": "half \\ud83d a smile"}}',
     errors.RequestRejected, "half ? a smile"),
]  # fmt: skip


@pytest.mark.parametrize(("status", "body", "expected", "said"), ANSWERS)
@pytest.mark.parametrize("request_", [IMAGE, STREAMED, VIDEO])
def test_the_reason_is_shown_wherever_it_stands(  # noqa: PLR0913, PLR0917  # a table
    world: Scripted,  # noqa: F811
    tmp_path: Path,
    request_: Any,
    status: int,
    body: Any,
    expected: type[errors.ProviderError],
    said: str,
) -> None:
    raw = (
        body
        if isinstance(body, bytes)
        else (body.encode() if isinstance(body, str) else json.dumps(body).encode())
    )
    world.create = Response(raw, status, media_type="application/json")
    error = failure(provider_of(world), request_, tmp_path / "x")
    assert type(error) is expected
    assert said in error.message
    error.message.encode()  # so that it can be stored
    assert world.charges == 1


TASKS: list[tuple[dict[str, Any], type[errors.ProviderError], str]] = [
    # Kling, and others that say of each call that it went well
    ({"code": 0, "message": "SUCCEED", "data": {"task_id": "t", "task_status": "failed",
      "task_status_msg": "risk control"}}, errors.GenerationFailed, "risk control"),
    ({"code": 0, "message": "请求成功", "data": {"id": "t", "status": "failed", "error": "lost"}},
     errors.GenerationFailed, "lost"),
    ({"success": True, "message": "Request successful", "data": {"status": "failed",
      "fail_reason": "lost"}}, errors.GenerationFailed, "lost"),
    ({"code": 200, "msg": "success", "data": {"state": "fail", "failMsg": "Internal Error"}},
     errors.GenerationFailed, "Internal Error"),
    # Google's long-running operations
    ({"name": "op", "done": True, "error": {"code": 3, "message": "not submitted"}},
     errors.GenerationFailed, "not submitted"),
    ({"name": "op", "done": True, "response": {"generateVideoResponse":
      {"raiMediaFilteredReasons": ["an issue with the audio"]}}},
     errors.ProviderUnavailable, "the audio"),
    # Novita, Vertex
    ({"task": {"status": "TASK_STATUS_FAILED", "reason": "out of memory"}, "videos": []},
     errors.GenerationFailed, "out of memory"),
    ({"state": "JOB_STATE_FAILED", "error": {"message": "boom"}}, errors.GenerationFailed, "boom"),
    ({"id": "t", "status": {"state": "failed", "message": "boom"}},
     errors.GenerationFailed, "boom"),
    ({"code": "task_not_exist", "message": "task not exist"},
     errors.ProviderUnavailable, "not exist"),
]  # fmt: skip


@pytest.mark.parametrize(("said", "expected", "why"), TASKS)
def test_a_task_that_failed_says_why(
    world: Scripted,  # noqa: F811
    tmp_path: Path,
    said: dict[str, Any],
    expected: type[errors.ProviderError],
    why: str,
) -> None:
    world.create, world.others["/v1/videos/t"] = {"id": "t"}, said
    error = failure(provider_of(world), VIDEO, tmp_path / "x")
    assert type(error) is expected
    assert (why in error.message, world.charges) == (True, 1)


def test_a_task_that_failed_at_once_is_not_asked_after(
    world: Scripted,  # noqa: F811
    tmp_path: Path,
) -> None:
    world.create = {"id": "t", "status": "failed", "error": {"message": "CUDA out of memory"}}
    error = failure(provider_of(world), VIDEO, tmp_path / "x")
    assert (type(error), dict(world.seen)) == (errors.GenerationFailed, {"/v1/videos": 1})
    assert "CUDA out of memory" in error.message


CREATED: dict[str, Any] = {
    "only where it is": Response(status_code=202, headers={"location": "/v1/videos/t?x=1"}),
    "cut after the id": b'{"id": "t", "status": "queued", "prompt": "a fox, in the',
    "a stream": 'data: {"id": "t", "status": "queued"}\n\ndata: [DONE]\n\n',
    "the call's id, and words": {"request_id": "t", "message": "Task submitted"},
    "a call's and a task's": {"code": 0, "request_id": "r", "data": {"task_id": "t"}},
}


@pytest.mark.parametrize("what", list(CREATED))
@pytest.mark.parametrize(
    "finished",
    [
        {"task": {"task_id": "t", "status": "TASK_STATUS_SUCCEED", "reason": ""}},
        {"code": "success", "data": {"status": "SUCCESS", "fail_reason": "URL"}},  # New API
        {"data": {"state": "success", "resultJson": '{"resultUrls": ["URL"]}'}},  # KIE
        {"name": "t", "done": True, "response": {"samples": [{"video": {"uri": "URL"}}]}},
    ],
)
def test_a_clip_is_saved_whatever_names_its_task(
    world: Scripted,  # noqa: F811
    tmp_path: Path,
    what: str,
    finished: dict[str, Any],
) -> None:
    world.create = CREATED[what]
    done = json.dumps(finished).replace("URL", f"{world.url}/f/1?sig=2")
    world.others["/v1/videos/t"] = done.encode()
    place = "/f/1" if "URL" in json.dumps(finished) else "/v1/videos/t/content"
    world.others[place] = Response(MP4)
    make(provider_of(world), VIDEO, tmp_path / "x")
    assert ((tmp_path / "x").read_bytes(), world.charges) == (MP4, 1)


@pytest.mark.parametrize("coding", ["deflate", "gzip", "br"])
def test_a_file_that_is_not_packed_as_its_header_says_is_kept(
    world: Scripted,  # noqa: F811
    tmp_path: Path,
    coding: str,
) -> None:
    world.create = {"data": [{"url": f"{world.url}/f/1"}]}

    def file(_: Asked) -> Response:
        return Response(PNG, headers={"content-encoding": coding})

    world.others["/f/1"] = file
    make(provider_of(world), IMAGE, tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == PNG


def event(said: dict[str, Any]) -> str:
    return f"data: {json.dumps(said)}\n\n"


EVENTS: dict[str, str] = {
    # Volcengine's events of several images
    "one of many": event({"type": "image_generation.partial_succeeded", "url": "URL"})
    + event({"type": "image_generation.completed", "usage": {"generated_images": 1}}),
    "wrapped twice": f"data: {event({'type': 'image_generation.completed', 'url': 'URL'})}",
    "cut in what follows the image": event(
        {"type": "image_generation.completed", "url": "URL", "usage": {"input_tokens": 12}}
    )[:-6],
}


@pytest.mark.parametrize("what", list(EVENTS))
def test_an_image_is_found_in_events_that_are_a_little_different(
    world: Scripted,  # noqa: F811
    tmp_path: Path,
    what: str,
) -> None:
    world.create = EVENTS[what].replace("URL", f"{world.url}/f/1")
    world.others["/f/1"] = Response(PNG)
    make(provider_of(world), STREAMED, tmp_path / "x")
    assert ((tmp_path / "x").read_bytes(), world.charges) == (PNG, 1)


@pytest.mark.parametrize(
    ("stream", "expected", "said"),
    [
        (
            "event: error\ndata: upstream timed out\n\n",
            errors.GenerationFailed,
            "upstream timed out",
        ),
        (
            'event: error\ndata: "upstream timed out"\n\n',
            errors.GenerationFailed,
            "upstream timed out",
        ),
        (
            event({"type": "image_generation.partial_failed", "error": json.loads(RAW)["error"]})
            + event({"type": "image_generation.completed", "usage": {"generated_images": 0}}),
            errors.PromptRejected,
            "too bold",
        ),
    ],
)
def test_an_error_in_a_stream_is_shown_however_it_is_told(
    world: Scripted,  # noqa: F811
    tmp_path: Path,
    stream: str,
    expected: type[errors.ProviderError],
    said: str,
) -> None:
    world.create = stream
    error = failure(provider_of(world), STREAMED, tmp_path / "x")
    assert type(error) is expected
    assert (said in error.message, world.charges) == (True, 1)


def test_a_page_has_no_documents() -> None:
    page = b'<!DOCTYPE html><script>{"image": "https://example.com/logo.png"}</script>Login'
    assert read_documents(page) == []
    assert (read_reply(page, Kind.IMAGE).media, read_reply(page, Kind.IMAGE).message) == (
        [],
        "Login",
    )


def test_help_beside_an_error_is_no_image() -> None:
    said = b'{"code": 7, "message": "no", "docs_url": "https://example.com/help"}'
    reply = read_reply(said, Kind.IMAGE)
    assert (list(reply.media), reply.refused) == ([], True)


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, "[x" * 200_000, '"' * 99_999])
def test_what_is_no_json_is_given_up_soon(text: str) -> None:
    assert read_documents(text.encode()) in ([], [""])
    assert code_and_message(text)[0] == ""
