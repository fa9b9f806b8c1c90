"""A stand-in for OpenAI and for servers that speak its language; called by the real SDK."""

import asyncio
import base64
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Literal

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from tests.servers import wire

Answer = Literal["stream", "b64_json", "url"]
USAGE = {
    "input_tokens": 20,
    "input_tokens_details": {"text_tokens": 20, "image_tokens": 0},
    "output_tokens": 1000,
    "total_tokens": 1020,
}
CATEGORIES = (
    *("harassment", "harassment/threatening", "hate", "hate/threatening", "illicit"),
    *("illicit/violent", "self-harm", "self-harm/instructions", "self-harm/intent"),
    *("sexual", "sexual/minors", "violence", "violence/graphic"),
)
"""What OpenAI's moderation looks for."""


@dataclass(kw_only=True)
class Video(wire.TimedTask):
    """A task that makes a clip."""

    deleted: bool = False

    def to_json(self) -> dict[str, Any]:
        share = self.share
        status = "completed" if share == 1.0 else "in_progress" if share > 0.2 else "queued"
        error = None
        if status == "completed" and self.fault is not None and self.fault.what == "fail":
            status = "failed"
            error = {"code": self.fault.code or "server_error", "message": "It went wrong."}
        return {
            "id": self.id,
            "object": "video",
            "created_at": 0,
            "model": self.params.get("model", ""),
            "progress": round(100 * share),
            "seconds": self.params.get("seconds", "1"),
            "size": self.params.get("size", "64x64"),
            "status": status,
            "error": error,
        }


class Vendor:
    """The stand-in.

    Args:
        records: what it remembers.
        answer: how it answers with images.
        seconds: that a piece of work takes.
    """

    def __init__(self, records: wire.VendorRecords, answer: Answer, seconds: float) -> None:
        self.records = records
        self.answer = answer
        self.seconds = seconds
        self.videos: dict[str, Video] = {}
        self.files: dict[str, bytes] = {}

    async def images(self, request: Request) -> Response:
        fault = self.records.next_fault()
        wrong = _wrong_key(self.records, request)
        if early := wrong or await wire.before_charging(request, fault, _refusal):
            return early
        params = await request.json()
        self.records.requests.append(params)
        self.records.charges[params["prompt"]] += 1
        if late := await wire.after_charging(request, fault):
            return late
        size = params.get("size", "1024x1024").replace("auto", "1024x1024")
        width, height = map(int, size.split("x"))
        number = self.records.charges[params["prompt"]]
        made = wire.spoilt(wire.picture(f"{params['prompt']} #{number}", width, height), fault)
        head = {"x-request-id": f"req-{len(self.records.requests)}"}
        if params.get("stream") and self.answer == "stream":
            events = self._events(request, params, made, fault)
            return StreamingResponse(events, media_type="text/event-stream", headers=head)
        await asyncio.sleep(self.seconds)
        image: dict[str, Any] = {"revised_prompt": f"{params['prompt']}, revised"}
        if self.answer == "url":
            name = f"{len(self.files)}.png"
            self.files[name] = made
            image["url"] = f"{request.base_url}files/{name}"
        else:
            image["b64_json"] = base64.b64encode(made).decode()
        body = {"created": 0, "data": [image], "usage": USAGE}
        return JSONResponse(body, headers=head)

    async def _events(
        self, request: Request, params: dict[str, Any], made: bytes, fault: wire.Fault | None
    ) -> AsyncIterator[str]:
        shared = {
            "created_at": 0,
            "background": "opaque",
            "output_format": "png",
            "quality": params.get("quality", "auto"),
            "size": params.get("size", "auto"),
        }
        total = params.get("partial_images", 0)
        half_done = base64.b64encode(wire.picture("half done", 64, 64)).decode()
        for index in range(total):
            await asyncio.sleep(self.seconds / (total + 1))
            event = {"type": "image_generation.partial_image", "partial_image_index": index}
            yield _event(event | shared | {"b64_json": half_done})
            if fault is not None and fault.what == "truncate":
                await wire.cut(request)
                return
        await asyncio.sleep(self.seconds / (total + 1))
        if fault is not None and fault.what == "fail":
            error = {"code": fault.code, "message": "It went wrong.", "type": "image_error"}
            yield f"event: error\ndata: {json.dumps({'error': error})}\n\n"
            return
        encoded = base64.b64encode(made).decode()
        done = {"type": "image_generation.completed", "b64_json": encoded, "usage": USAGE}
        yield _event(done | shared)

    async def file(self, request: Request) -> Response:
        made = self.files.get(request.path_params["name"])
        if made is None or "authorization" in request.headers:  # a key has no business here
            return Response(status_code=404)
        return Response(
            made, media_type="image/png" if made.startswith(b"\x89PNG") else "text/html"
        )

    async def create_video(self, request: Request) -> Response:
        fault = self.records.next_fault()
        wrong = _wrong_key(self.records, request)
        if early := wrong or await wire.before_charging(request, fault, _refusal):
            return early
        async with request.form() as form:
            params = {name: value for name, value in form.items() if isinstance(value, str)}
            files = [name for name, value in form.items() if not isinstance(value, str)]
        if not request.headers["content-type"].startswith("multipart/"):
            params = await request.json()
        self.records.requests.append(params | dict.fromkeys(files, "a file"))
        self.records.charges[params["prompt"]] += 1
        name = f"video_{len(self.videos)}"
        video = Video(
            id=name,
            params=params,
            begun_at=time.monotonic(),
            seconds=self.seconds,
            fault=fault,
        )
        self.videos[name] = video
        if late := await wire.after_charging(request, fault):
            return late
        return JSONResponse(video.to_json(), headers={"x-request-id": f"req-{name}"})

    async def video(self, request: Request) -> Response:
        found = self.videos.get(request.path_params["id"])
        if found is None or found.deleted:
            return _error(404, "not_found", "There is no such video.")
        if request.method == "DELETE":
            found.deleted = True
            return JSONResponse({"id": found.id, "deleted": True, "object": "video.deleted"})
        return JSONResponse(found.to_json())

    async def video_content(self, request: Request) -> Response:
        found = self.videos.get(request.path_params["id"])
        if found is None or found.to_json()["status"] != "completed":
            return _error(404, "not_found", "There is no such video.")
        if found.fault is not None and found.fault.what == "expire":
            found.fault = None
            return _error(503, "unavailable", "Later, please.")
        width, height = map(int, found.params["size"].split("x"))
        made = wire.clip(found.params["prompt"], width, height, float(found.params["seconds"]))
        fault, found.fault = found.fault, None
        media_type = "text/html" if fault and fault.what == "garbage" else "video/mp4"
        return Response(wire.spoilt(made, fault), media_type=media_type)

    async def moderations(self, request: Request) -> Response:
        text = (await request.json())["input"]
        flagged = "forbidden" in text
        result = {
            "flagged": flagged,
            "categories": {name: flagged and name == "violence" for name in CATEGORIES},
            "category_scores": {name: float(flagged and name == "violence") for name in CATEGORIES},
            "category_applied_input_types": {name: ["text"] for name in CATEGORIES},
        }
        return JSONResponse({"id": "m", "model": "omni-moderation-latest", "results": [result]})

    async def models(self, request: Request) -> Response:
        if refused := _wrong_key(self.records, request):
            return refused
        names = ("gpt-image-2.6-sunburst", "gpt-image-2.6-flare", "sd-3.5", "wan-2.2")
        models = [{"id": name, "object": "model", "created": 0, "owned_by": "x"} for name in names]
        return JSONResponse({"object": "list", "data": models})

    async def chat(self, request: Request) -> Response:
        if refused := _wrong_key(self.records, request):
            return refused
        params = await request.json()
        prompt = params["messages"][-1]["content"]
        views = ("from above", "close up", "at night", "in the rain", "from far away")
        event = json.dumps({"prompts": [f"{prompt}, {view}" for view in views]})
        message = {"role": "assistant", "content": event}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        return JSONResponse(
            {
                "id": "c",
                "object": "chat.completion",
                "created": 0,
                "model": "x",
                "choices": [choice],
            }
        )


def application(
    records: wire.VendorRecords, *, answer: Answer = "stream", seconds: float = 0.05
) -> Starlette:
    """Return the vendor's web application."""
    vendor = Vendor(records, answer, seconds)
    return Starlette(
        routes=[
            Route("/v1/images/generations", vendor.images, methods=["POST"]),
            Route("/v1/videos", vendor.create_video, methods=["POST"]),
            Route("/v1/videos/{id}", vendor.video, methods=["GET", "DELETE"]),
            Route("/v1/videos/{id}/content", vendor.video_content, methods=["GET"]),
            Route("/v1/moderations", vendor.moderations, methods=["POST"]),
            Route("/v1/models", vendor.models, methods=["GET"]),
            Route("/v1/chat/completions", vendor.chat, methods=["POST"]),
            Route("/files/{name}", vendor.file, methods=["GET"]),
            *wire.control_routes(records),
        ]
    )


def _refusal(fault: wire.Fault, headers: dict[str, str]) -> Response:
    return _error(fault.status, fault.code, fault.message, headers)


def _wrong_key(records: wire.VendorRecords, request: Request) -> Response | None:
    if request.headers.get("authorization") == f"Bearer {records.key}":
        return None
    sent = request.headers.get("authorization", "").removeprefix("Bearer ")
    return _error(401, "invalid_api_key", f"Incorrect API key provided: {sent}.")


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    error = {"message": message, "type": "error", "param": None, "code": code}
    return JSONResponse({"error": error}, status, headers)


def _event(event: dict[str, Any]) -> str:
    return f"event: {event['type']}\ndata: {json.dumps(event)}\n\n"
