"""What many items at once cost a worker, and what many stored jobs cost each new one."""

import statistics
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

from pymongo import InsertOne

from benchmarks.harness import Bench, Fivefold, Options, Row, Vendor, spread
from core.models import Asset, AssetState, Job, JobStatus, Kind, new_id

CONCURRENCY: Final = (200, 1000)
MAX_MEGABYTES: Final = 300
HOSTED_POLL_SECONDS: Final = 5.0
TASK_SECONDS: Final = 60.0
WATCH_SECONDS: Final = 15.0
STORED: Final = (10, 1_000, 10_000, 100_000)
BATCH_JOBS: Final = 500
PAIRS: Final = 20
FLAT: Final = 1.25
DUE: Final = 100  # items that a lane is asked for
_NOT_STARTED: Final = {"state": {"$in": [str(AssetState.QUEUED), str(AssetState.SUBMITTING)]}}


def in_flight(bench: Bench, options: Options) -> Iterator[Row]:
    """A worker with 200 and with 1,000 items in flight, asking after each every five seconds."""
    for items in CONCURRENCY:
        title = f"Worker with {items:,} items in flight"
        memory, share, cost = [], [], []
        for _ in range(options.rounds):
            with (
                bench.vendor(TASK_SECONDS, TASK_SECONDS) as vendor,
                bench.fivefold() as fivefold,
                fivefold.working(vendor, limits=(items, items), poll_seconds=HOSTED_POLL_SECONDS),
            ):
                idle = _cpu(fivefold)
                planned = [fivefold.plan(vendor, "ana") for _ in range(items // 10)]
                for job, assets in planned:
                    fivefold.store.jobs.create(job, assets)
                while fivefold.database["assets"].find_one(_NOT_STARTED):
                    time.sleep(0.5)
                before, began = _cpu(fivefold), time.monotonic()
                time.sleep(WATCH_SECONDS)
                share.append(100 * (_cpu(fivefold) - before) / (time.monotonic() - began))
                memory.append(fivefold.worker.memory_info().rss / 1e6)
                fivefold.await_end(planned[0][0].id)
                cost.append(1000 * (_cpu(fivefold) - idle) / items)
        yield Row(f"{title}: share of one core", spread(share, ".0f", " %"))
        yield Row(
            f"{title}: memory (RSS)",
            spread(memory, ".0f", " MB"),
            f"< {MAX_MEGABYTES} MB" if items == max(CONCURRENCY) else "",
            statistics.median(memory) < MAX_MEGABYTES if items == max(CONCURRENCY) else None,
        )
        yield Row(f"{title}: processor time an item, start to end", spread(cost, ".0f", " ms"))


def _cpu(fivefold: Fivefold) -> float:
    used = fivefold.worker.cpu_times()
    return used.user + used.system


def stored(bench: Bench, options: Options) -> Iterator[Row]:
    """What an item and a look at the queue cost with ever more finished jobs stored.

    An installation with few jobs is measured in turn with the one that grows, so that whatever
    else the machine does meets both.
    """
    few, *sizes = STORED[:3] if options.quick else STORED
    kinds = {"a whole job of 10 items": _job, "one look at the queue": _look}
    with (
        bench.vendor(0.02, 0.02) as vendor,
        bench.fivefold() as small,
        bench.fivefold() as large,
        small.working(vendor, limits=(50, 50), poll_seconds=0.02),
        large.working(vendor, limits=(50, 50), poll_seconds=0.02),
    ):
        _fill(small, vendor, few)
        present = 0
        for size in sizes:
            _fill(large, vendor, size - present)
            present = size
            bench.client.admin.command("fsync")  # what is being written out costs others time
            for title, measure in kinds.items():
                ratios, costs = [], []
                for _ in range(options.rounds):
                    pairs = [(measure(small, vendor), measure(large, vendor)) for _ in range(PAIRS)]
                    with_few, with_many = map(statistics.median, zip(*pairs, strict=True))
                    ratios.append(with_many / with_few)
                    costs.append(with_many)
                yield Row(
                    f"{size:,} jobs stored: {title}, ÷ that with {few}",
                    f"{spread(ratios)}; {spread(costs, '.0f', ' ms')}",
                    f"≤ {FLAT:.2f}",
                    statistics.median(ratios) <= FLAT,
                )
            before = sum(bench.examined())
            _job(large, vendor)
            examined = (sum(bench.examined()) - before) / 10
            title = "index keys and documents examined for an item"
            yield Row(f"{size:,} jobs stored: {title}", f"{examined:.0f}")


def _job(fivefold: Fivefold, vendor: Vendor) -> float:
    """Return the milliseconds that a job takes."""
    job, assets = fivefold.plan(vendor, "ana")
    began = time.time()
    fivefold.store.jobs.create(job, assets)
    return 1000 * (fivefold.await_end(job.id) - began)


def _look(fivefold: Fivefold, vendor: Vendor) -> float:
    """Return the milliseconds that the dispatcher's queries for one round take."""
    queue = fivefold.store.queue
    provider, capability = vendor.catalogue.choose(Kind.IMAGE)
    lane = (provider.name, capability.model)
    began = time.perf_counter()
    fivefold.store.workers.alive()
    queue.in_flight()
    queue.orphaned(lane, DUE)
    queue.to_cancel(DUE)
    queue.lanes()
    queue.users(lane)
    queue.due(lane, "ana", DUE)
    return 1000 * (time.perf_counter() - began)


def _fill(fivefold: Fivefold, vendor: Vendor, number: int) -> None:
    """Store finished jobs, as they stand in the database after all has gone well."""
    for first in range(0, number, BATCH_JOBS):
        jobs, assets = [], []
        for turn in range(first, min(first + BATCH_JOBS, number)):
            job, planned = fivefold.plan(vendor, f"user{turn % 500}")
            jobs.append(InsertOne(_ended_job(job)))
            assets += [InsertOne(_ended_asset(each)) for each in planned]
        fivefold.database["jobs"].bulk_write(jobs, ordered=False)
        fivefold.database["assets"].bulk_write(assets, ordered=False)


def _ended_job(job: Job) -> dict[str, Any]:
    paths = {kind: [f"content/{job.user_id}/{new_id()}" for _ in range(5)] for kind in ("i", "v")}
    end = job.created_at + timedelta(minutes=-2)
    return job.to_document() | {
        "status": str(JobStatus.COMPLETED), "generated_at": end, "updated_at": end,
        "image_paths": paths["i"], "video_paths": paths["v"],
    }  # fmt: skip


def _ended_asset(asset: Asset) -> dict[str, Any]:
    moments = dict.fromkeys(("submitted_at", "started_at", "saved_at"), asset.timings["queued_at"])
    name = f"content/{asset.user_id}/{asset.id}"
    return asset.to_document() | {
        "state": str(AssetState.DONE), "progress": 1.0, "attempts": 1, "remote_id": new_id(),
        "path": f"{name}.png", "preview": f"{name}.webp", "poster": f"{name}.webp",
        "width": 64, "height": 64, "bytes": 123_456, "sha256": 2 * new_id(),
        "timings": asset.timings | moments,
    }  # fmt: skip
