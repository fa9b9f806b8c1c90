"""Watching work that goes on: pushed by us, polled by `run_every`."""

import asyncio
import json
import re
import statistics
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

import httpx2
from playwright.sync_api import Page

from benchmarks.gallery import chromium
from benchmarks.harness import Bench, Fivefold, Options, Row, Vendor, spread
from benchmarks.web import USER, Tab, Web, cookie, open_tabs, serving, settle
from core.models import Asset, AssetState, Job
from core.web.identity.cookies import COOKIE
from tests.web import finished

PUSHED: Final = (100, 300)
POLLED: Final = (25,)  # more of them is more than a core can do
WATCH_SECONDS: Final = 20.0
STEPS_A_SECOND: Final = 10  # in each, a tenth of the jobs gets on
ONE_CORE: Final = 100.0
VISIBLE_SECONDS: Final = 1.0
PAUSE_SECONDS: Final = 0.7  # between two items that are saved
_FIRST_IMAGE: Final = re.compile(r"image 1: (\d+)%")
_PICTURE: Final = b"no picture, but somebody saved it"

_APPEARS: Final = """
(names) => {
  window.seenAt = {};
  const deep = (root) => [...root.querySelectorAll("*")].flatMap((each) =>
    each.shadowRoot ? [each, ...deep(each.shadowRoot)] : [each]);
  const look = () => {
    const text = document.body.innerText;
    const done = new Set(deep(document).filter((each) => each.dataset?.state === "done")
      .map((each) => each.getAttribute("aria-label")));
    for (const [id, [ours, native]] of Object.entries(names))
      if (!(id in window.seenAt) && (done.has(ours) || text.includes(native)))
        window.seenAt[id] = Date.now();
  };
  setInterval(look, 20);
}
"""


def viewers(bench: Bench, options: Options) -> Iterator[Row]:
    """So many viewers, each of a job of their own that gets on once a second."""
    for native, numbers in ((False, PUSHED), (True, POLLED)):
        for number in numbers:
            shares, delays = [], []
            for _ in range(options.rounds):
                with bench.vendor(1, 1) as vendor, bench.fivefold() as fivefold:
                    jobs = _jobs(fivefold, vendor, number)
                    with serving(fivefold, native=native) as web:
                        share, seen = asyncio.run(_watched(fivefold, web, jobs))
                    shares.append(share)
                    delays += seen
            name = "`run_every` of one second" if native else "pushed"
            aim = not native and number == max(PUSHED)
            yield Row(
                f"{number} live viewers, {name}: share of one core",
                spread(shares, ".0f", " %"),
                f"< {ONE_CORE:.0f} %" if aim else "",
                statistics.median(shares) < ONE_CORE if aim else None,
            )
            yield Row(f"{number} live viewers, {name}: written → received", percentiles(delays))


def visible(bench: Bench, options: Options) -> Iterator[Row]:
    """How long after an item was saved it stands in a browser."""
    delays: dict[bool, list[float]] = {False: [], True: []}
    with chromium() as browser:
        for _ in range(options.rounds):
            for native in (False, True):
                with bench.vendor(1, 1) as vendor, bench.fivefold() as fivefold:
                    (job, assets), *_ = _jobs(fivefold, vendor, 1)
                    with serving(fivefold, native=native) as web:
                        context = browser.new_context()
                        value = {"name": COOKIE, "value": cookie(fivefold), "url": web.url}
                        context.add_cookies([value])  # type: ignore[list-item]  # a plain dict
                        page = context.new_page()
                        delays[native] += _appear(fivefold, web, page, job, assets)
                        context.close()
    for native, name in ((False, "pushed"), (True, "`run_every` of one second")):
        last = statistics.quantiles(delays[native], n=20)[-1]
        yield Row(
            f"Item saved → visible in the browser, {name}",
            percentiles(delays[native]),
            "" if native else f"p95 ≤ {VISIBLE_SECONDS:.0f} s",
            None if native else last <= VISIBLE_SECONDS,
        )


def percentiles(seconds: list[float]) -> str:
    """Write the median and the 95th percentile of some times."""
    last = statistics.quantiles(seconds, n=20)[-1]
    middle = statistics.median(seconds)
    return f"p50 {1000 * middle:.0f} ms, p95 {1000 * last:.0f} ms ({len(seconds):,} measured)"


def _jobs(fivefold: Fivefold, vendor: Vendor, number: int) -> list[tuple[Job, list[Asset]]]:
    """Store jobs that are being made, as far as anybody can see."""
    planned = [fivefold.plan(vendor, USER) for _ in range(number)]
    for job, assets in planned:
        fivefold.store.jobs.create(job, assets)
    return planned


class _Driver:
    """Lets each job's first item get on by one per cent a second."""

    def __init__(self, fivefold: Fivefold, jobs: list[str]) -> None:
        self._assets = fivefold.database["assets"]
        self._jobs = jobs
        self.steps: dict[str, dict[int, float]] = defaultdict(dict)
        """By job: when each percentage was written last."""

    @contextmanager
    def going(self) -> Iterator[None]:
        """Go on beside the block."""
        stop = threading.Event()
        thread = threading.Thread(target=self._run, args=(stop,))
        running = {"$set": {"state": str(AssetState.RUNNING), "lease": None}}
        self._assets.update_many({}, running)
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join()

    def _run(self, stop: threading.Event) -> None:
        turn = 0
        while not stop.wait(1 / STEPS_A_SECOND):
            for job_id in self._jobs[turn % STEPS_A_SECOND :: STEPS_A_SECOND]:
                percent = turn // STEPS_A_SECOND % 99 + 1
                self.steps[job_id][percent] = time.monotonic()
                change = {"$set": {"progress": percent / 100}}
                self._assets.update_one({"_id": f"{job_id}-image-1"}, change)
            turn += 1


async def _watched(
    fivefold: Fivefold, web: Web, jobs: list[tuple[Job, list[Asset]]]
) -> tuple[float, list[float]]:
    """Return the share of a core that the web process takes, and how late what was written came."""
    driver = _Driver(fivefold, [job.id for job, _ in jobs])
    delays: list[float] = []
    key = cookie(fivefold)
    follow = _polled if web.native else _pushed
    async with httpx2.AsyncClient(
        trust_env=False, timeout=60, limits=httpx2.Limits(max_connections=None)
    ) as client:
        watching = await follow(client, web, key, driver.steps, delays, [job.id for job, _ in jobs])
        await asyncio.to_thread(settle, web)
        with driver.going():
            await asyncio.sleep(2)
            delays.clear()
            before, began = web.processor(), time.monotonic()
            await asyncio.sleep(WATCH_SECONDS)
            share = 100 * (web.processor() - before) / (time.monotonic() - began)
            kept = list(delays)
        for task in watching:
            task.cancel()
        await asyncio.gather(*watching, return_exceptions=True)
    if not kept:
        raise RuntimeError("Nobody saw anything.")
    return share, kept


async def _pushed(  # noqa: PLR0913, PLR0917  # what one viewer needs
    client: httpx2.AsyncClient,
    web: Web,
    key: str,
    steps: Mapping[str, Mapping[int, float]],
    delays: list[float],
    jobs: list[str],
) -> "list[asyncio.Task[None]]":
    there = asyncio.Semaphore(0)

    async def follow(job_id: str) -> None:
        headers = {"Cookie": f"{COOKIE}={key}"}
        address = f"http://127.0.0.1:{web.port}/jobs/{job_id}/events"
        async with client.stream("GET", address, headers=headers) as answer:
            answer.raise_for_status()
            async for line in answer.aiter_lines():
                if not line.startswith("data:"):
                    continue
                there.release()
                _note(json.loads(line[5:]), f"{job_id}-image-1", steps[job_id], delays)

    tasks = [asyncio.create_task(follow(job_id)) for job_id in jobs]
    for _ in jobs:
        await asyncio.wait_for(there.acquire(), 60)
    return tasks


def _note(said: Any, item_id: str, steps: Mapping[int, float], delays: list[float]) -> None:  # noqa: ANN401  # JSON
    """Note how late it is, where `said` holds the item."""
    if isinstance(said, dict):
        if said.get("id") == item_id and said.get("percent") in steps:
            delays.append(time.monotonic() - steps[said["percent"]])
            return
        said = list(said.values())
    if isinstance(said, list):
        for each in said:
            _note(each, item_id, steps, delays)


async def _polled(  # noqa: PLR0913, PLR0917  # as `_pushed`
    client: httpx2.AsyncClient,
    web: Web,
    key: str,
    steps: Mapping[str, Mapping[int, float]],
    delays: list[float],
    jobs: list[str],
) -> "list[asyncio.Task[None]]":
    del client  # these come by websocket

    async def follow(tab: Tab, job_id: str, fragment: str, pause: float) -> None:
        seen = 0
        while True:
            began = time.monotonic()
            heard = await tab.draw_fragment(fragment)
            texts = " ".join(each.delta.new_element.progress.text for each in heard)
            shown = _FIRST_IMAGE.search(texts)
            percent = seen if shown is None else int(shown[1])
            if percent != seen and percent in steps[job_id]:
                seen = percent
                delays.append(time.monotonic() - steps[job_id][percent])
            await asyncio.sleep(max(0.0, pause - (time.monotonic() - began)))

    tasks = []
    opening = [open_tabs(web, key, 1, "", show="job", id=job_id) for job_id in jobs]
    for job_id, found in zip(jobs, [(await each)[0] for each in opening], strict=True):
        tab, drawn = found
        again = next(each.auto_rerun for each in drawn if each.WhichOneof("type") == "auto_rerun")
        following = partial(follow, tab, job_id, again.fragment_id, again.interval)
        tasks.append(asyncio.create_task(following()))
    return tasks


def _appear(fivefold: Fivefold, web: Web, page: Page, job: Job, assets: list[Asset]) -> list[float]:
    """Save one item after the other, and return how late each one stands in the browser."""
    page.goto(f"{web.url}/{'' if web.native else 'job'}?show=job&id={job.id}")
    names = {
        each.id: (f"{each.kind.title()} {each.slot}", f"{each.kind} {each.slot}: done")
        for each in assets
    }
    page.get_by_text(job.prompt if not web.native else "image 1:").first.wait_for(timeout=60_000)
    page.evaluate(_APPEARS, names)
    saved = {}
    for asset in assets:
        finished(fivefold.store, fivefold.content, asset, _PICTURE)
        saved[asset.id] = time.time()
        fivefold.store.settlement.settle(job.id)
        time.sleep(PAUSE_SECONDS)
    page.wait_for_function(f"Object.keys(window.seenAt).length === {len(assets)}", timeout=60_000)
    seen = page.evaluate("window.seenAt")
    return [seen[asset_id] / 1000 - moment for asset_id, moment in saved.items()]
