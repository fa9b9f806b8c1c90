"""How soon an item begins, and what it costs the database."""

import statistics
import time
from collections import Counter
from collections.abc import Iterator
from typing import Final

from benchmarks.harness import Bench, Options, Row, spread

FIRST_CALL_MS: Final = 100.0
IDLE_SECONDS: Final = 10
LEAST: Final = 0.1  # commands an item; of which there are fewer are not named
_OWN: Final = ("serverStatus", "hello", "ping", "isMaster", "endSessions", "abortTransaction")


def first_call(bench: Bench, options: Options) -> Iterator[Row]:
    """From the return of `store.jobs.create` to the vendor's receipt of the job's first order."""
    number = 15 if options.quick else max(50, 10 * options.rounds)
    with (
        bench.vendor(0.05, 0.05) as vendor,
        bench.fivefold() as fivefold,
        fivefold.working(vendor, limits=(50, 50), poll_seconds=0.05),
    ):
        stored = {}
        for turn in range(number):
            job, assets = fivefold.plan(vendor, "ana")
            fivefold.store.jobs.create(job, assets)
            stored[job.id] = time.monotonic()
            fivefold.await_end(job.id)
            time.sleep(0.3 + 0.05 * (turn % 20))  # meets the once-a-second look at every phase
        firsts: dict[str, float] = {}
        for made in vendor.made():
            job_id = made.asset_id.split("-", 1)[0]
            firsts[job_id] = min(made.received, firsts.get(job_id, made.received))
        delays = [1000 * (firsts[job_id] - moment) for job_id, moment in stored.items()]
    middle = statistics.median(delays)
    late = statistics.quantiles(delays, n=20)[-1]
    yield Row(
        f"Job stored → first call at the vendor, median of {number} jobs",
        spread(delays, ".0f", " ms"),
        f"≤ {FIRST_CALL_MS:.0f} ms",
        middle <= FIRST_CALL_MS,
    )
    yield Row("Job stored → first call at the vendor, 95th percentile", f"{late:.0f} ms")


def database(bench: Bench, options: Options) -> Iterator[Row]:
    """Commands that the database runs for an item, by kind of command."""
    for jobs in (1, 10 if options.quick else 50):
        counts = []
        for number in range(options.rounds):
            with (
                bench.vendor(0.3, 1.5, seed=number) as vendor,
                bench.fivefold() as fivefold,
                fivefold.working(vendor, limits=(25, 50), poll_seconds=0.25),
            ):
                idle = bench.commands()
                time.sleep(IDLE_SECONDS)
                before = bench.commands()
                planned = [fivefold.plan(vendor, f"user{turn % 10}") for turn in range(jobs)]
                for job, assets in planned:
                    fivefold.store.jobs.create(job, assets)
                fivefold.await_end(planned[0][0].id)
                busy = bench.commands() - before
                busy["find"] -= fivefold.looks  # ours, not Fivefold's
                counts.append((busy, before - idle))
        yield from _rows(10 * jobs, counts)


def _rows(items: int, counts: list[tuple[Counter[str], Counter[str]]]) -> Iterator[Row]:
    totals = [_total(busy) / items for busy, _ in counts]
    named = Counter[str]()
    for busy, _ in counts:
        named.update(busy)
    parts = ", ".join(
        f"{name} {number / items / len(counts):.1f}"
        for name, number in named.most_common()
        if number >= LEAST * items * len(counts) and name not in _OWN
    )
    yield Row(f"Database commands an item, {items} items", f"{spread(totals, '.1f')}: {parts}")
    idle = [_total(each) / IDLE_SECONDS for _, each in counts]
    yield Row(f"Database commands a second, idle (before {items} items)", spread(idle, ".1f"))


def _total(counts: Counter[str]) -> int:
    return sum(number for name, number in counts.items() if name not in _OWN)
