"""How long jobs take, beside plain scripts, as a ratio to the least time that is possible."""

import asyncio
import queue
import secrets
import shutil
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Final

from benchmarks.harness import Bench, Options, Row, Vendor, bound, greedy, spread
from benchmarks.vendor import BenchmarkProvider
from core.models import Kind
from core.providers.base import Request
from tests.brokers import start_broker

LATENCY: Final = {"image": 1.2, "video": 6.0}  # a vendor's usual 24 s and 120 s, 20 times faster
POLL_SECONDS: Final = 0.25  # likewise of 5 s
USERS: Final = 10
IN_PROCESS: Final = "Fivefold, in-process"
REDIS: Final = "Fivefold, Redis"
POOL: Final = "thread-pool script"
SEQUENTIAL: Final = "sequential script"


def one(bench: Bench, options: Options) -> Iterator[Row]:
    """One job of ten items; nothing has to wait for a limit."""
    contenders = [IN_PROCESS, REDIS, POOL, SEQUENTIAL]
    yield from _compare(bench, options, contenders, 1, (5, 5), aim=1.05)


def fifty(bench: Bench, options: Options) -> Iterator[Row]:
    """Fifty jobs of ten users, with limits; in-process and through Redis side by side."""
    jobs = 20 if options.quick else 50
    yield from _compare(bench, options, [IN_PROCESS, REDIS, POOL], jobs, (25, 50), aim=1.10)


def _compare(  # noqa: PLR0913, PLR0917  # what the two parts differ in
    bench: Bench,
    options: Options,
    contenders: Sequence[str],
    jobs: int,
    limits: tuple[int, int],
    aim: float,
) -> Iterator[Row]:
    if shutil.which("redis-server") is None:
        contenders = [each for each in contenders if each != REDIS]
    bounds, ideals = [], []
    ratios: dict[str, list[float]] = defaultdict(list)
    to_ideal: dict[str, list[float]] = defaultdict(list)
    for number in range(options.rounds):
        turn = number % len(contenders)
        for contender in [*contenders[turn:], *contenders[:turn]]:
            with bench.vendor(**LATENCY, seed=number) as vendor:
                seconds = _time(bench, contender, vendor, jobs, limits)
                made = vendor.made()
            least = bound(made, limits)
            bounds.append(least)
            ideals.append(greedy(made, limits) / least)
            ratios[contender].append(seconds / least)
            to_ideal[contender].append(seconds / least / ideals[-1])
    name = "1 job" if jobs == 1 else f"{jobs} jobs"
    yield Row(f"{name}: the bound, max(slowest, sum ÷ limit)", spread(bounds, unit=" s"))
    yield Row(f"{name}: greedy scheduler at no cost ÷ bound", spread(ideals, ".3f"))
    for contender in contenders:
        found = ratios[contender]
        ours = contender in {IN_PROCESS, REDIS}
        yield Row(
            f"{name}: {contender} ÷ bound",
            f"{spread(found, '.3f')}; ÷ greedy: {statistics.median(to_ideal[contender]):.3f}",
            f"≤ {aim:.2f}" if ours else "",
            statistics.median(found) <= aim if ours else None,
        )


def _time(
    bench: Bench, contender: str, vendor: Vendor, jobs: int, limits: tuple[int, int]
) -> float:
    if contender == POOL:
        return _pool(bench.folder, vendor, jobs, limits)
    if contender == SEQUENTIAL:
        return _sequential(bench.folder, vendor, jobs)
    with ExitStack() as stack:
        broker = ""
        if contender == REDIS:
            server = start_broker("redis", bench.folder / secrets.token_hex(4))
            stack.callback(server.stop)
            broker = server.url
        fivefold = stack.enter_context(bench.fivefold())
        stack.enter_context(
            fivefold.working(vendor, limits=limits, poll_seconds=POLL_SECONDS, broker=broker)
        )
        planned = [fivefold.plan(vendor, f"user{number % USERS}") for number in range(jobs)]
        began = time.time()
        for job, assets in planned:
            fivefold.store.jobs.create(job, assets)
        return fivefold.await_end(planned[0][0].id) - began


def _requests(jobs: int) -> Iterator[Request]:
    for _ in range(jobs):
        job = secrets.token_hex(8)
        for kind in Kind:
            for slot in range(1, 6):
                params = {"width": 64, "height": 64, "seconds": 1}
                name = f"{job}-{kind}-{slot}"
                yield Request(
                    asset_id=name, kind=kind, prompt="x", slot=slot, model="any", params=params
                )


async def _make(provider: BenchmarkProvider, request: Request, folder: Path) -> None:
    submission = await provider.submit(request)
    await provider.follow(submission, _ignore)
    await provider.fetch(submission, folder / request.asset_id)


async def _ignore(
    share: float | None = None, *, waiting: str = "", preview: bytes | None = None
) -> None:
    """Progress is of no interest to a plain script."""


def _sequential(folder: Path, vendor: Vendor, jobs: int) -> float:
    async def run() -> float:
        provider = BenchmarkProvider(vendor.url, (1, 1), POLL_SECONDS)
        began = time.monotonic()
        for request in _requests(jobs):
            await _make(provider, request, folder)
        seconds = time.monotonic() - began
        await provider.close()
        return seconds

    return asyncio.run(run())


def _pool(folder: Path, vendor: Vendor, jobs: int, limits: tuple[int, int]) -> float:
    """A pool of as many threads as the limit for each kind; each thread has its own client."""
    clients: queue.SimpleQueue[tuple[asyncio.Runner, BenchmarkProvider]] = queue.SimpleQueue()
    for _ in range(sum(limits)):
        clients.put((asyncio.Runner(), BenchmarkProvider(vendor.url, limits, POLL_SECONDS)))

    def work(request: Request) -> None:
        client = clients.get()
        client[0].run(_make(client[1], request, folder))
        clients.put(client)

    pools = {kind: ThreadPoolExecutor(limit) for kind, limit in zip(Kind, limits, strict=True)}
    began = time.monotonic()
    futures: list[Future[None]] = [
        pools[request.kind].submit(work, request) for request in _requests(jobs)
    ]
    for future in futures:
        future.result()
    seconds = time.monotonic() - began
    for pool in pools.values():
        pool.shutdown()
    for _ in range(sum(limits)):
        runner, provider = clients.get()
        runner.run(provider.close())
        runner.close()
    return seconds
