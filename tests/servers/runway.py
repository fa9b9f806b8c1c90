"""A stand-in for RunwayML; called by the real SDK."""

import asyncio
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from itertools import count
from typing import Any
from urllib.parse import urlencode

import av
from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.media.encoding import encode_png
from core.models import Kind
from tests.servers import wire

VERSION = "2024-11-06"
PRICE = 5  # credits for an image, or for a second of a clip
PENDING_SHARE = 0.1
ENDPOINTS = {
    "text_to_image": (Kind.IMAGE, ""),
    "text_to_video": (Kind.VIDEO, ""),
    "image_to_video": (Kind.VIDEO, "promptImage"),
    "image_upscale": (Kind.IMAGE, "imageUri"),
    "video_upscale": (Kind.VIDEO, "videoUri"),
}
"""What each makes, and where the address of an upload stands."""
UPSCALES = {"imageUri", "videoUri"}
SCALES = {2, 4, 8, 16}
HEIGHTS = {"720p": 720, "1k": 1080, "2k": 1440, "4k": 2160}
TYPES = {"png": "image/png", "webp": "image/webp", "mp4": "video/mp4"}


@dataclass
class Account:
    """What the organization has, and may do: by model, how many at once and in a day.

    `upset`: statuses and texts that the next calls which only read are answered with.
    """

    credits: int = 100_000
    upset: deque[tuple[int, str]] = field(default_factory=deque)
    limits: dict[str, tuple[int | None, int | None]] = field(
        default_factory=lambda: {"gen4.5": (2, 50), "gen4_image": (5, None), "veo3.1": (None, 0)}
    )

    def next_upset(self) -> Response | None:
        if not self.upset:
            return None
        status, text = self.upset.popleft()
        return Response(text, status, media_type="application/json")

    def to_json(self) -> dict[str, Any]:
        models = {
            model: {"maxConcurrentGenerations": at_once, "maxDailyGenerations": per_day}
            for model, (at_once, per_day) in self.limits.items()
        }
        return {
            "creditBalance": self.credits,
            "tier": {"maxMonthlyCreditSpend": 10_000, "models": models},
            "usage": {"models": {model: {"dailyGenerations": 0} for model in models}},
        }


@dataclass(kw_only=True)
class Task(wire.TimedTask):
    """A charged piece of work."""

    kind: Kind
    price: int
    source: bytes = b""  # of what is upscaled
    cancelled: str = ""  # the state that it was cancelled in
    deleted: bool = False

    @property
    def status(self) -> str:
        if self.cancelled:
            return "CANCELLED"
        if self.share < 0:
            return "THROTTLED"
        if self.share < 1:
            return "PENDING" if self.share < PENDING_SHARE else "RUNNING"
        return "FAILED" if self.fault is not None and self.fault.what == "fail" else "SUCCEEDED"

    @property
    def suffix(self) -> str:
        if self.kind == Kind.VIDEO:
            return "mp4"
        return "webp" if self.params["model"].startswith("recraft") else "png"

    def file(self) -> bytes:
        if self.source and self.kind == Kind.IMAGE:
            with Image.open(BytesIO(self.source)) as image:
                scale = self.params.get("scaleFactor", 2)
                return encode_png(image.resize((scale * image.width, scale * image.height)))
        if self.source:
            width, height, seconds = _measures(self.source)
            tall = HEIGHTS[self.params.get("resolution", "2k")]
            return wire.clip("upscaled", 2 * round(tall * width / height / 2), tall, seconds)
        width, height = _pixels(self.params.get("ratio", ""))
        words = f"{self.params.get('promptText', '')} {self.params.get('seed', '')}"
        if self.kind == Kind.VIDEO:
            return wire.clip(words, width, height, float(self.params["duration"]))
        made = wire.picture(words, width, height)
        if self.suffix == "webp":
            buffer = BytesIO()
            Image.open(BytesIO(made)).save(buffer, "WEBP")
            return buffer.getvalue()
        return made

    def cost(self, status: str) -> int:
        """Credits that an ended task cost: what failed is mostly free, what ran is not."""
        if status == "FAILED":
            return self.price if self.fault is not None and self.fault.charged else 0
        return 0 if self.cancelled in {"PENDING", "THROTTLED"} else self.price

    def to_json(self, address: str) -> dict[str, Any]:
        status = self.status
        body = {"id": self.id, "status": status, "createdAt": "2026-11-06T12:00:00.000Z"}
        if status in {"PENDING", "THROTTLED", "RUNNING"}:
            running = {"progress": round(self.share, 3)} if status == "RUNNING" else {}
            return body | running | {"estimatedCost": {"credits": self.price}}
        ended: dict[str, Any] = {"cost": {"credits": self.cost(status)}}
        if status == "SUCCEEDED":
            ended["output"] = [address]
        elif status == "FAILED":
            assert self.fault is not None
            ended |= {"failure": self.fault.message or "It went wrong."}
            ended |= {"failureCode": self.fault.code} if self.fault.code else {}
        return body | ended


class Vendor:
    """The stand-in.

    Args:
        records: what it remembers.
        account: the customer.
        seconds: that a task takes.
        throttled: seconds that a task waits for its turn before.
    """

    def __init__(
        self, records: wire.VendorRecords, account: Account, seconds: float, throttled: float
    ) -> None:
        self.records = records
        self.account = account
        self.seconds = seconds
        self.throttled = throttled
        self.tasks: dict[str, Task] = {}
        self.uploads: dict[str, bytes] = {}
        self.expired: set[str] = set()
        self._numbers = count(1)

    async def create(self, request: Request) -> Response:
        endpoint = request.url.path.rpartition("/")[2]
        fault = self.records.next_fault()
        wrong = _refused(self.records, request)
        if early := wrong or await wire.before_charging(request, fault, _refusal):
            return early
        params: dict[str, Any] = await request.json()
        self.records.requests.append({"endpoint": endpoint} | params)
        kind, given = ENDPOINTS[endpoint]
        source = self.uploads.get(_uri(params[given])) if given else b""
        unknown = given in UPSCALES and {"promptText", "duration"} & params.keys()
        if source is None or unknown or params.get("scaleFactor", 2) not in SCALES:
            return _error(400, "This cannot be made.")
        price = PRICE * params.get("duration", 1)
        if self.account.credits < price:
            return _error(400, "You do not have enough credits to run this task.")
        self.account.credits -= price
        self.records.charges[params.get("promptText", endpoint)] += 1
        name = f"task-{len(self.tasks) + 1:06d}"
        begun_at = time.monotonic() + self.throttled
        enlarged = source if given in UPSCALES else b""
        self.tasks[name] = Task(
            id=name,
            kind=kind,
            params=params,
            begun_at=begun_at,
            seconds=self.seconds,
            price=price,
            fault=fault,
            source=enlarged,
        )
        if late := await wire.after_charging(request, fault):
            return late
        body = {"id": name, "estimatedCost": {"credits": price}}
        return JSONResponse(body, headers={"x-request-id": f"req-{name}"})

    async def task(self, request: Request) -> Response:
        if refused := _refused(self.records, request):
            return refused
        found = self.tasks.get(request.path_params["id"])
        if found is None or found.deleted:
            return _error(404, "There is no such task.")
        if request.method == "DELETE":
            if found.share < 1:
                found.cancelled = found.cancelled or found.status
            else:
                found.deleted = True
            return Response(status_code=204)
        if upset := self.account.next_upset():
            return upset
        signed = urlencode({"_jwt": f"signed-{next(self._numbers)}"})
        address = f"{request.base_url}files/{found.id}.{found.suffix}?{signed}"
        return JSONResponse(found.to_json(address))

    async def file(self, request: Request) -> Response:
        name, _, suffix = request.path_params["name"].partition(".")
        signed = request.query_params["_jwt"]
        task = self.tasks.get(name)
        if task is None or task.deleted or "authorization" in request.headers:
            return Response(status_code=404)  # a key has no business here
        fault, task.fault = task.fault, None
        if fault is not None and fault.what == "expire":
            self.expired.add(signed)
        if signed in self.expired:
            return Response(status_code=403)
        garbage = fault is not None and fault.what == "garbage"
        made = wire.spoilt(await asyncio.to_thread(task.file), fault)
        return Response(made, media_type="text/html" if garbage else TYPES[suffix])

    async def organization(self, request: Request) -> Response:
        if refused := _refused(self.records, request):
            return refused
        if upset := self.account.next_upset():
            return upset
        return JSONResponse(self.account.to_json())

    async def begin_upload(self, request: Request) -> Response:
        if refused := _refused(self.records, request):
            return refused
        name = f"upload-{next(self._numbers)}{(await request.json())['filename'][-4:]}"
        return JSONResponse(
            {
                "runwayUri": f"runway://{name}",
                "uploadUrl": f"{request.base_url}storage",
                "fields": {"key": name, "policy": "signed"},
            }
        )

    async def store(self, request: Request) -> Response:
        async with request.form() as form:
            sent = form["file"]
            if form["policy"] != "signed" or isinstance(sent, str):
                return Response(status_code=403)
            self.uploads[f"runway://{form['key']}"] = await sent.read()
        return Response(status_code=204)


def application(
    records: wire.VendorRecords,
    *,
    seconds: float = 0.3,
    throttled: float = 0.0,
    account: Account | None = None,
) -> Starlette:
    """Return the vendor's web application.

    Args:
        records: what it remembers.
        seconds: that a task takes.
        throttled: seconds that a task waits for its turn before.
        account: the customer; None: one with enough credits.
    """
    vendor = Vendor(records, account or Account(), seconds, throttled)
    return Starlette(
        routes=[
            *(Route(f"/v1/{name}", vendor.create, methods=["POST"]) for name in ENDPOINTS),
            Route("/v1/tasks/{id}", vendor.task, methods=["GET", "DELETE"]),
            Route("/v1/organization", vendor.organization, methods=["GET"]),
            Route("/v1/uploads", vendor.begin_upload, methods=["POST"]),
            Route("/storage", vendor.store, methods=["POST"]),
            Route("/files/{name}", vendor.file, methods=["GET"]),
            *wire.control_routes(records),
        ]
    )


def _refusal(fault: wire.Fault, headers: dict[str, str]) -> Response:
    return _error(fault.status, fault.message, headers)


def _refused(records: wire.VendorRecords, request: Request) -> Response | None:
    if request.headers.get("x-runway-version") != VERSION:
        return _error(400, "The version of the API is missing.")
    sent = request.headers.get("authorization", "").removeprefix("Bearer ")
    return None if sent == records.key else _error(401, f"The key {sent} is not valid.")


def _error(status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    return JSONResponse({"error": message}, status, headers)


def _uri(sent: str | list[dict[str, str]]) -> str:
    """Return the address of the first frame, whichever way it was sent."""
    if isinstance(sent, str):
        return sent
    (frame,) = sent
    return frame["uri"] if frame["position"] == "first" else ""


def _measures(content: bytes) -> tuple[int, int, float]:
    """Return width, height and seconds of a clip."""
    with av.open(BytesIO(content)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate is not None
        return stream.width, stream.height, float(stream.frames / stream.average_rate)


def _pixels(ratio: str) -> tuple[int, int]:
    """Return pixels of what a ratio asks for: small ones where it leaves them open."""
    width, _, height = ratio.partition(":")
    if not height:
        return 320, 180
    across, down = int(width), int(height)
    return (across, down) if max(across, down) >= 100 else (20 * across, 20 * down)
