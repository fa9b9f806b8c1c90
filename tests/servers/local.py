"""Stand-ins for stable-diffusion.cpp's server and for LocalAI, after their own source.

What they read, what they ignore, and what they answer is written here as facts of
- stable-diffusion.cpp, `examples/server/routes_openai.cpp` and `examples/common/common.cpp`, commit
  97d2990 of 19 August 2026;
- LocalAI, `core/http/endpoints/openai/image.go`, `core/http/endpoints/localai/video.go`,
  `core/http/routes/localai.go` and `core/schema`, commit 82c191a of 22 August 2026.
"""

import asyncio
import json
import re
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.servers.wire import VendorRecords, clip, control_routes, picture

SD_MODEL: Final = "sd-cpp-local"
SD_SEED: Final = 42
SD_MODELS: Final = {"data": [{"id": SD_MODEL, "object": "model", "owned_by": "local"}]}
LOCALAI_STEPS: Final = 15
_TAG: Final = re.compile("<sd_cpp_extra_args>(.*?)</sd_cpp_extra_args>")  # no line ends in between
_ANYTHING: Final = Route("/{path:path}", lambda _: _said(404, "Resource not found"))


@dataclass(frozen=True, kw_only=True)
class ParsedRequest:
    """What a server made of a request."""

    prompt: str
    negative_prompt: str
    width: int
    height: int
    seed: int
    steps: int | None
    guidance: float | None = None
    seconds: float | None = None
    source: bytes = b""

    def picture(self) -> bytes:
        return picture(f"{self.prompt} {self.seed}", self.width, self.height)


ParsedRequests = list[ParsedRequest]
"""What a stand-in understood, request by request."""


def sd_server(records: VendorRecords, parsed: ParsedRequests) -> Starlette:
    """Return stable-diffusion.cpp's server: one model, no key, images only."""

    async def generate(request: Request) -> Response:
        try:
            request_read = of_sd_server(await request.json())
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 400)
        except TypeError as error:  # of the JSON library, which the server catches at the top
            return JSONResponse({"error": "server_error", "message": str(error)}, 500)
        parsed.append(request_read)
        records.charges[request_read.prompt] += 1
        made = await asyncio.to_thread(request_read.picture)
        body = {"created": 1, "data": [{"b64_json": b64encode(made).decode()}]}
        return JSONResponse(body | {"output_format": "png"})

    return Starlette(
        routes=[
            Route("/v1/models", lambda _: JSONResponse(SD_MODELS)),
            Route("/v1/images/generations", generate, methods=["POST"]),
            *control_routes(records),
        ]
    )


def of_sd_server(params: Mapping[str, Any]) -> ParsedRequest:
    """Return what stable-diffusion.cpp's server makes of a request for images.

    Raises:
        ValueError: it refuses it; the text is what it says.
        TypeError: a field has another type than it reads.
    """
    prompt = _typed(params, "prompt", str, "")
    assert _typed(params, "n", int, 1) == 1
    size = _typed(params, "size", str, "")
    across, found, down = size.partition("x")
    width, height = (int(across), int(down)) if found else (512, 512)
    if not prompt:
        raise ValueError("prompt required")
    tag = _TAG.search(prompt)
    extra: dict[str, Any] = {}
    if tag is not None:
        prompt = _TAG.sub("", prompt)
        try:
            extra = json.loads(tag[1])
        except ValueError:
            raise ValueError("invalid sd_cpp_extra_args") from None
    sample = extra.get("sample_params", {})
    seed = _own(extra, "seed", int, SD_SEED)
    return ParsedRequest(
        prompt=prompt.strip(),
        negative_prompt=_own(extra, "negative_prompt", str, ""),
        width=_own(extra, "width", int, width),
        height=_own(extra, "height", int, height),
        seed=seed if seed >= 0 else 1_000_000 + id(extra) % 1_000_000,
        steps=_own(sample, "sample_steps", int, None),
        guidance=_own(sample.get("guidance", {}), "txt_cfg", (int, float), None),
    )


class LocalAI:
    """LocalAI: models by their names, a key if there is one, images and clips at once.

    Args:
        records: its key, and what it would have charged.
        parsed: gets every request as it was read.
    """

    models = ("stablediffusion", "wan")

    def __init__(self, records: VendorRecords, parsed: ParsedRequests) -> None:
        self.records = records
        self.parsed = parsed
        self.files: dict[str, tuple[bytes, str]] = {}

    async def image(self, request: Request) -> Response:
        params = await request.json()
        if params.get("model") not in self.models:
            return _said(500, "could not load model")
        request_read = self._understood(of_localai(params))
        made = await asyncio.to_thread(request_read.picture)
        details = {"text_tokens": 0, "image_tokens": 0}
        used = dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), 0)
        body = self._answered(request, params, made, "images")
        return JSONResponse(body | {"usage": used | {"input_tokens_details": details}})

    async def video(self, request: Request) -> Response:
        params = await request.json()
        request_read = self._understood(clip_of_localai(params))
        size = request_read.width, request_read.height
        made = await asyncio.to_thread(
            clip, request_read.prompt, *size, request_read.seconds or 1.0
        )
        return JSONResponse(self._answered(request, params, made, "videos"))

    async def file(self, request: Request) -> Response:
        made, media_type = self.files[request.path_params["name"]]
        return Response(made, media_type=media_type)

    async def listed(self, _: Request) -> Response:
        listed = [{"id": name, "object": "model"} for name in self.models]
        return JSONResponse({"object": "list", "data": listed})

    async def system(self, _: Request) -> Response:
        return JSONResponse({"backends": ["stablediffusion-ggml"], "loaded_models": []})

    async def described(self, _: Request) -> Response:
        routes = {"models": "/v1/models", "image_generation": "/v1/images/generations"}
        return JSONResponse({"version": "v4.1.3", "endpoints": routes, "capabilities": {}})

    def _understood(self, request_read: ParsedRequest) -> ParsedRequest:
        self.parsed.append(request_read)
        self.records.charges[request_read.prompt] += 1
        return request_read

    def _answered(
        self, request: Request, params: Mapping[str, Any], made: bytes, kind: str
    ) -> dict[str, Any]:
        item: dict[str, Any] = {"embedding": None, "index": 0}
        if params.get("response_format") == "b64_json":
            item["b64_json"] = b64encode(made).decode()
        else:
            name = f"b64{len(self.files)}"
            self.files[name] = (made, "image/png" if kind == "images" else "video/mp4")
            item["url"] = f"{request.base_url}generated-{kind}/{name}"
        return {"created": 1, "id": "9d5a1f5e", "data": [item]}


def localai(records: VendorRecords, parsed: ParsedRequests, *, describes: bool = True) -> Starlette:
    """Return LocalAI's web application.

    Args:
        records: its key, and what it would have charged.
        parsed: gets every request as it was read.
        describes: whether it has `/.well-known/localai.json`, as it has since 4.1.
    """
    server, keyed = LocalAI(records, parsed), _wants_key(records)
    return Starlette(
        routes=[
            Route("/v1/models", keyed(server.listed)),
            Route("/v1/images/generations", keyed(server.image), methods=["POST"]),
            Route("/video", keyed(server.video), methods=["POST"]),
            Route("/generated-{kind}/{name}", keyed(server.file)),
            Route("/system", keyed(server.system)),
            *([Route("/.well-known/localai.json", server.described)] if describes else []),
            *control_routes(records),
            _ANYTHING,
        ]
    )


def of_localai(params: Mapping[str, Any]) -> ParsedRequest:
    """Return what LocalAI makes of a request for images."""
    size = _typed(params, "size", str, "")
    width, height = map(int, (size if "x" in size else "512x512").split("x"))
    prompts = _typed(params, "prompt", str, "").split("|")
    quality = _typed(params, "quality", str, "")
    steps = int(quality) if quality.isdigit() else LOCALAI_STEPS
    assert _typed(params, "n", int, 0) <= 1
    return ParsedRequest(
        prompt=prompts[0],
        negative_prompt=prompts[1] if len(prompts) > 1 else "",
        width=width,
        height=height,
        seed=_typed(params, "seed", int, -1),
        steps=_typed(params, "step", int, 0) or steps,
    )


def clip_of_localai(params: Mapping[str, Any]) -> ParsedRequest:
    """Return what LocalAI makes of a request for a clip; it reads neither `size` nor `seconds`."""
    fps = _typed(params, "fps", int, 0)
    frames = _typed(params, "num_frames", int, 0)
    return ParsedRequest(
        prompt=_typed(params, "prompt", str, ""),
        negative_prompt=_typed(params, "negative_prompt", str, ""),
        width=_typed(params, "width", int, 0) or 512,
        height=_typed(params, "height", int, 0) or 512,
        seed=_typed(params, "seed", int, 0),
        steps=_typed(params, "step", int, 0) or None,
        guidance=_typed(params, "cfg_scale", (int, float), 0.0) or None,
        seconds=frames / fps if fps else None,
        source=b64decode(_typed(params, "start_image", str, "")),
    )


def _typed(params: Mapping[str, Any], name: str, kind: Any, default: Any) -> Any:
    """Return a field of a type that the server insists on."""
    value = params.get(name, default)
    if value is not default and (isinstance(value, bool) or not isinstance(value, kind)):
        raise TypeError(f"{name} is {type(value).__name__}")
    return value


def _own(extra: Mapping[str, Any], name: str, kind: Any, default: Any) -> Any:
    """Return a field that counts only where it has the type that the server reads."""
    value = extra.get(name)
    return value if isinstance(value, kind) and not isinstance(value, bool) else default


def _wants_key(records: VendorRecords) -> Callable[[Callable[[Request], Awaitable[Response]]], Any]:
    def keyed(route: Callable[[Request], Awaitable[Response]]) -> Any:
        async def response(request: Request) -> Response:
            if records.key and request.headers.get("authorization") != f"Bearer {records.key}":
                return _said(401, "An authentication key is required")
            return await route(request)

        return response

    return keyed


def _said(status: int, message: str) -> Response:
    return JSONResponse({"error": {"code": status, "message": message, "type": ""}}, status)
