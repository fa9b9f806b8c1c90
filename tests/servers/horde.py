"""A stand-in for the AI Horde: a queue that moves, WebP files, a `charge` for each image."""

import base64
import math
import time
from dataclasses import dataclass
from io import BytesIO
from typing import Any

from PIL import Image
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tests.servers import wire

ANONYMOUS = "0000000000"
PLACES = 3  # before an image in the queue


@dataclass(kw_only=True)
class Task(wire.TimedTask):
    """An image; a fault `fail` has the code `faulted`, `censored`, `impossible` or `base64`."""

    cancelled: bool = False
    looks: int = 0
    run_out: str | None = None  # which look's address

    @property
    def trouble(self) -> str:
        fails = self.fault is not None and self.fault.what == "fail"
        return self.fault.code if fails and self.fault is not None else ""

    def to_json(self) -> dict[str, Any]:
        share = self.share
        faulted = share == 1.0 and self.trouble == "faulted"
        impossible = self.trouble == "impossible"
        done = self.cancelled or (share == 1.0 and not faulted and not impossible)
        waits = not done and (share < 0.6 or impossible)
        finished = done and not self.cancelled
        return {
            "finished": int(finished),
            "processing": int(not done and not waits),
            "restarted": 0,
            "waiting": int(waits),
            "done": done,
            "faulted": faulted,
            "wait_time": math.ceil((1 - share) * self.seconds),
            "queue_position": math.ceil(PLACES * (0.6 - share) / 0.6) if waits else 0,
            "kudos": 12.5 * finished,
            "is_possible": not impossible,
        }


class Vendor:
    """The stand-in.

    Args:
        records: what it remembers; its key and everybody's are accepted.
        seconds: from when an image is asked for until it is there.
    """

    def __init__(self, records: wire.VendorRecords, seconds: float) -> None:
        self.records = records
        self.seconds = seconds
        self.tasks: dict[str, Task] = {}

    async def create(self, request: Request) -> Response:
        fault = self.records.next_fault()
        if self._user(request) is None:
            return _error(401, "InvalidAPIKey", f"No user matching {request.headers['apikey']}.")
        if early := await wire.before_charging(request, fault, _refusal):
            return early
        order = await request.json()
        if order["params"]["width"] % 64 or order["params"]["height"] % 64:
            return _error(400, "InvalidSize", "Image dimensions have to be multiples of 64.")
        agent = request.headers.get("client-agent")
        self.records.requests.append(order | {"agent": agent})
        self.records.charges[order["prompt"]] += 1
        task = Task(
            id=f"task-{len(self.tasks)}",
            params=order,
            begun_at=time.monotonic(),
            seconds=self.seconds,
            fault=fault,
        )
        self.tasks[task.id] = task
        if late := await wire.after_charging(request, fault):
            return late
        return JSONResponse({"id": task.id, "kudos": 12.5}, 202)

    async def check(self, request: Request) -> Response:
        task = self.tasks.get(request.path_params["id"])
        return _unknown() if task is None else JSONResponse(task.to_json())

    async def status(self, request: Request) -> Response:
        task = self.tasks.get(request.path_params["id"])
        if task is None:
            return _unknown()
        if request.method == "DELETE":
            task.cancelled = True
        body = task.to_json()
        body["shared"] = request.headers.get("apikey") == ANONYMOUS
        body["generations"] = [self._generation(request, task)] if body["finished"] else []
        return JSONResponse(body)

    async def file(self, request: Request) -> Response:
        task = self.tasks[request.path_params["id"]]
        look = request.query_params["look"]
        if "apikey" in request.headers:  # a key has no business here
            return Response(status_code=400)
        expires = task.fault is not None and task.fault.what == "expire"
        if expires and task.run_out in {None, look}:
            task.run_out = look
            return Response("<Error>Request has expired</Error>", 403, media_type="text/xml")
        made = wire.spoilt(_webp(task), task.fault)
        page = task.fault is not None and task.fault.what == "garbage"
        if page and task.fault is not None and task.fault.code != "always":
            task.fault = None  # the next time comes the file
        return Response(made, media_type="text/html" if page else "image/webp")

    async def heartbeat(self, _: Request) -> Response:
        return JSONResponse({"message": "OK", "version": "4.47.2"})

    async def find_user(self, request: Request) -> Response:
        user = self._user(request)
        if user is None:
            sent = request.headers["apikey"]
            return _error(404, "UserNotFound", f"User with api_key '{sent}' not found.")
        return JSONResponse({"username": user, "kudos": 1234.0, "concurrency": 30})

    def _user(self, request: Request) -> str | None:
        names = {ANONYMOUS: "Anonymous#0", self.records.key: "ana#1"}
        return names.get(request.headers.get("apikey", ""))

    def _generation(self, request: Request, task: Task) -> dict[str, Any]:
        task.looks += 1
        image = f"{request.base_url}files/{task.id}?look={task.looks}"
        if task.trouble == "base64":
            image = base64.b64encode(_webp(task)).decode()
        censored = task.trouble == "censored"
        return {
            "img": image,
            "seed": task.params["params"]["seed"],
            "worker_id": "w-1",
            "worker_name": "A kind volunteer",
            "model": (task.params["models"] or ["Deliberate"])[0],
            "state": "censored" if censored else "ok",
            "censored": censored,
            "gen_metadata": [{"type": "censorship", "value": "nsfw"}] if censored else [],
            "id": f"generation-{task.id}",
        }


def application(records: wire.VendorRecords, *, seconds: float = 0.3) -> Starlette:
    """Return the Horde's web application."""
    vendor = Vendor(records, seconds)
    api = "/api/v2"
    return Starlette(
        routes=[
            Route(f"{api}/generate/async", vendor.create, methods=["POST"]),
            Route(f"{api}/generate/check/{{id}}", vendor.check, methods=["GET"]),
            Route(f"{api}/generate/status/{{id}}", vendor.status, methods=["GET", "DELETE"]),
            Route(f"{api}/status/heartbeat", vendor.heartbeat, methods=["GET"]),
            Route(f"{api}/find_user", vendor.find_user, methods=["GET"]),
            Route("/files/{id}", vendor.file, methods=["GET"]),
            *wire.control_routes(records),
        ]
    )


def _webp(task: Task) -> bytes:
    params = task.params["params"]
    with Image.open(
        BytesIO(wire.picture(task.params["prompt"], params["width"], params["height"]))
    ) as image:
        buffer = BytesIO()
        image.save(buffer, "WEBP", quality=90)
    return buffer.getvalue()


def _refusal(fault: wire.Fault, headers: dict[str, str]) -> Response:
    return _error(fault.status, fault.code, fault.message, headers)


def _error(status: int, code: str, message: str, headers: dict[str, str] | None = None) -> Response:
    return JSONResponse({"message": message, "rc": code}, status, headers)


def _unknown() -> Response:
    return _error(404, "RequestNotFound", "Image Waiting Prompt with that ID not found.")
