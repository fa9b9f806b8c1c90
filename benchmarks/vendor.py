"""The stand-in vendor with latencies that are the same for every contender, and its provider.

python -m benchmarks.vendor --port 9000 --seed 1 --image 1.2 --video 6
"""

import argparse
import os
import random
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import httpx2
import uvicorn
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from core.models import Kind
from core.providers.base import Capability
from tests.servers.provider import Studio as StudioProvider
from tests.servers.studio import application
from tests.servers.vendor import Fault, Latency, Order, Studio, Task

SUBMIT_SECONDS: Final = 0.15
JITTER: Final = 0.3
IDLE_CONNECTIONS: Final = 20


class Vendor(Studio):
    """Draws each kind's latencies from a row of its own.

    In whatever order the kinds come, the n-th image takes as long for one contender as for
    another.

    Args:
        latencies: by kind.
        jitter: share of a latency by which it may be longer or shorter.
        seed: of the rows.
    """

    def __init__(self, latencies: dict[Kind, Latency], *, jitter: float, seed: int) -> None:
        super().__init__(latencies, jitter=jitter)
        self._chances = {kind: random.Random(f"{seed} {kind}") for kind in Kind}

    def start(self, order: Order, fault: Fault | None) -> Task:
        """Begin a task that takes as long as the next of its kind's row."""
        self._chance = self._chances[order.kind]
        return super().start(order, fault)

    async def read_tasks(self, _: Request) -> JSONResponse:
        """Answer when every task was received (on the machine's clock) and how long it took."""
        found = [
            (name, task.kind, task.starts_at, task.ends_at - task.starts_at)
            for name, account in self.accounts.items()
            for task in account.tasks
        ]
        return JSONResponse(found)


class BenchmarkProvider(StudioProvider):
    """The stand-in's provider, with a limit for each kind and few idle connections.

    Args:
        url: of the vendor.
        limits: images and videos in flight at once.
        poll_seconds: how often a task is asked after.
    """

    def __init__(self, url: str, limits: Sequence[int], poll_seconds: float) -> None:
        super().__init__(url, poll_seconds=poll_seconds)
        self._limits = dict(zip(Kind, limits, strict=True))
        # With every request the pool looks at all connections that it has.
        few = httpx2.Limits(max_connections=None, max_keepalive_connections=IDLE_CONNECTIONS)
        self._client = httpx2.AsyncClient(base_url=url, timeout=30, trust_env=False, limits=few)

    def capabilities(self) -> Sequence[Capability]:
        """Return the stand-in's models with the limits of this one."""
        return [replace(each, limit=self._limits[each.kind]) for each in super().capabilities()]


def provider() -> BenchmarkProvider | None:
    """Return the provider in a worker, as the environment says: the entry point."""
    if "BENCHMARK_URL" not in os.environ:
        return None
    return BenchmarkProvider(
        os.environ["BENCHMARK_URL"],
        [int(each) for each in os.environ["BENCHMARK_LIMITS"].split()],
        float(os.environ["BENCHMARK_POLL_SECONDS"]),
    )


def main() -> None:
    """Serve until SIGTERM."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", type=int, required=True)
    for kind in Kind:
        parser.add_argument(f"--{kind}", type=float, required=True, metavar="SECONDS")
    chosen: Any = parser.parse_args()
    latencies = {
        kind: Latency(min(SUBMIT_SECONDS, getattr(chosen, kind)), getattr(chosen, kind))
        for kind in Kind
    }
    vendor = Vendor(latencies, jitter=JITTER, seed=chosen.seed)
    app = application(vendor)
    app.router.routes.append(Route("/benchmark", vendor.read_tasks))
    uvicorn.run(
        app, port=chosen.port, ws="none", lifespan="off", log_level="warning",
        access_log=False, backlog=4096, timeout_keep_alive=60, timeout_graceful_shutdown=1,
    )  # fmt: skip


if __name__ == "__main__":
    main()
