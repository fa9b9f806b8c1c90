"""A paid generation vendor's server: it charges on creation, has faults, and keeps a ledger.

python -m tests.servers.studio --port 9000 --ledger charges.jsonl --image 0.2 1 --video 0.3 3

POST /tasks       {kind, model, asset_id, width, height, seconds} → {id}; charged, not idempotent
GET /tasks/ID     → {status, progress, eta}
GET /tasks/ID/file
DELETE /tasks/ID
POST /images      charged; the picture is the answer, and there is no id to ask again by
POST /sketches    the same for nothing, pictures and clips
POST /faults      what the next creations meet; DELETE forgets it
GET /ledger       what every asset was charged and what became of its tasks
"""

import argparse
import asyncio
import time
from base64 import b64encode
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import uvicorn
from pydantic import ValidationError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from core.models import Kind
from tests.servers.odd import Odd
from tests.servers.vendor import Fault, Latency, Order, Studio
from tests.servers.wire import DroppableProtocol

CONTROL: Final = ("/faults", "/ledger", "/health")


class Counter:
    """Where the vendor's customers are served.

    Args:
        studio: the vendor.
        download_seconds: how long a task's file takes to come.
        as_json: whether what is made at once comes within JSON.
    """

    def __init__(self, studio: Studio, download_seconds: float, *, as_json: bool) -> None:
        self._studio = studio
        self._download_seconds = download_seconds
        self._as_json = as_json

    async def create_task(self, request: Request) -> Response:
        order = Order.model_validate_json(await request.body())
        fault = self._studio.next_fault(order)
        if refused := _refusal(fault):
            return refused
        task = self._studio.start(order, fault)
        await asyncio.sleep(self._studio.seconds(self._studio.latencies[order.kind].submit))
        return await self._answer(request, order, fault, JSONResponse({"id": task.id}, 201))

    async def create_at_once(self, request: Request) -> Response:
        order = Order.model_validate_json(await request.body())
        fault = self._studio.next_fault(order)
        if refused := _refusal(fault):
            return refused
        if request.url.path == "/images":
            self._studio.charge(order)
        else:
            self._studio.accounts[order.asset_id].sketches += 1
        latency = self._studio.latencies[order.kind]
        await asyncio.sleep(self._studio.seconds(latency.submit + latency.run))
        if fault is not None and fault.what == "fail":
            return JSONResponse({"error": "It could not be made."}, 422)
        made = self._studio.file(order.kind, self._studio.new_mark(), fault.what if fault else None)
        response = Response(made, media_type=_media_type(order.kind))
        if self._as_json:
            item = {"b64_json": b64encode(made).decode(), "revised_prompt": "the sea"}
            response = JSONResponse({"created": 1, "data": [item], "usage": {"total_tokens": 1}})
        return await self._answer(request, order, fault, response)

    async def _answer(
        self, request: Request, order: Order, fault: Fault | None, response: Response
    ) -> Response:
        if fault is not None and fault.what == "stall":
            await asyncio.sleep(fault.seconds)
        if fault is not None and fault.what == "drop":
            request.state.transport.abort()
            await asyncio.sleep(0)  # the loop closes it; what is answered then goes nowhere
        elif not await request.is_disconnected():
            self._studio.accounts[order.asset_id].answered += 1
        return response

    async def read_task(self, request: Request) -> Response:
        task = self._studio.tasks.get(request.path_params["id"])
        if task is None:
            return JSONResponse({"error": "There is no such task."}, 404)
        status = task.status()
        task.followed |= status in {"SUCCEEDED", "FAILED", "CANCELLED"}
        eta = max(0.0, task.ends_at - time.monotonic())
        return JSONResponse({"status": status, "progress": task.progress(), "eta": eta})

    async def read_file(self, request: Request) -> Response:
        task = self._studio.tasks.get(request.path_params["id"])
        if task is None or task.status() != "SUCCEEDED":
            return JSONResponse({"error": "There is no such file."}, 404)
        if task.fault == "missing" and not task.missed:
            task.missed = True
            return JSONResponse({"error": "There is no such file."}, 404)
        fault = None if task.downloads else task.fault
        made = self._studio.file(task.kind, task.id, fault)

        async def parts() -> AsyncIterator[bytes]:
            yield made[: len(made) // 2]
            await asyncio.sleep(self._download_seconds)
            yield made[len(made) // 2 :]
            task.downloads += 1

        headers = {"Content-Length": str(len(made))}
        return StreamingResponse(parts(), headers=headers, media_type=_media_type(task.kind))

    async def cancel_task(self, request: Request) -> Response:
        task = self._studio.tasks.get(request.path_params["id"])
        if task is None:
            return JSONResponse({"error": "There is no such task."}, 404)
        if task.status() not in {"SUCCEEDED", "FAILED"}:
            task.cancelled = True
        return Response(status_code=204)

    async def change_faults(self, request: Request) -> Response:
        if request.method == "DELETE":
            self._studio.faults.clear()
        else:
            self._studio.faults.append(Fault.model_validate_json(await request.body()))
        return Response(status_code=204)

    async def read_ledger(self, _: Request) -> Response:
        ledger = {name: account.to_json() for name, account in self._studio.accounts.items()}
        return JSONResponse(ledger)


async def health(_: Request) -> Response:
    return JSONResponse({"ok": True})


async def invalid(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)


def application(
    studio: Studio, download_seconds: float = 0.0, *, as_json: bool = False
) -> Starlette:
    """Return the vendor's web application; arguments as `Counter` takes them."""
    counter = Counter(studio, download_seconds, as_json=as_json)
    return Starlette(
        routes=[
            Route("/tasks", counter.create_task, methods=["POST"]),
            Route("/tasks/{id}", counter.read_task, methods=["GET"]),
            Route("/tasks/{id}", counter.cancel_task, methods=["DELETE"]),
            Route("/tasks/{id}/file", counter.read_file, methods=["GET"]),
            Route("/images", counter.create_at_once, methods=["POST"]),
            Route("/sketches", counter.create_at_once, methods=["POST"]),
            Route("/faults", counter.change_faults, methods=["POST", "DELETE"]),
            Route("/ledger", counter.read_ledger, methods=["GET"]),
            Route("/health", health, methods=["GET"]),
        ],
        exception_handlers={ValidationError: invalid},
    )


def _refusal(fault: Fault | None) -> Response | None:
    """Return the answer to a creation that is turned away before it is charged."""
    if fault is not None and fault.what == "rate_limit":
        headers = {"Retry-After": f"{fault.retry_after:g}"}
        return JSONResponse({"error": "Too many requests."}, 429, headers)
    if fault is not None and fault.what == "refuse":
        return JSONResponse({"error": "Out of order."}, fault.status)
    return None


def _media_type(kind: Kind) -> str:
    return "image/png" if kind == Kind.IMAGE else "video/mp4"


def main() -> None:
    """Serve until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--address", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--ledger", type=Path, required=True, help="gets a line for every charge")
    for kind in Kind:
        parser.add_argument(
            f"--{kind}", nargs=2, type=float, default=(0.1, 1.0), metavar=("SUBMIT", "RUN")
        )
    parser.add_argument("--jitter", type=float, default=0.0)
    parser.add_argument("--download", type=float, default=0.0, help="seconds that a file takes")
    parser.add_argument("--concurrency", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--odd", type=int, help="answer as oddly as vendors do, by this seed")
    chosen = parser.parse_args()
    with chosen.ledger.open("a") as journal:
        studio = Studio(
            {kind: Latency(*getattr(chosen, kind)) for kind in Kind},
            jitter=chosen.jitter,
            concurrency=chosen.concurrency,
            seed=chosen.seed,
            journal=journal,
        )
        served = application(studio, chosen.download, as_json=chosen.odd is not None)
        uvicorn.run(
            Odd(served, chosen.odd, spared=CONTROL),
            host=chosen.address,
            port=chosen.port,
            http=DroppableProtocol,
            ws="none",
            lifespan="off",
            log_level="warning",
            access_log=False,
            backlog=4096,
            timeout_keep_alive=60,
            timeout_graceful_shutdown=1,
        )


if __name__ == "__main__":
    main()
