"""Handing ready assets to executors, as many at once as the providers take."""

import asyncio
import logging
import threading
from functools import partial
from typing import Final

from core.generation.executor import Executor
from core.store import DatabaseError, Store

POLL_SECONDS: Final = 1.0  # where the change stream is silent or broken
SWEEP_SECONDS: Final = 15.0

_log = logging.getLogger(__name__)


class Dispatcher:
    """Looks for work and starts a task for each asset it may begin.

    Args:
        store: the database.
        executor: makes one asset.
        capacity: assets in flight at once.
    """

    def __init__(self, store: Store, executor: Executor, capacity: int) -> None:
        self._store = store
        self._executor = executor
        self._capacity = capacity
        self._in_flight: dict[str, asyncio.Task[None]] = {}
        self._wake = asyncio.Event()

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then hand back what is unfinished."""
        loop = asyncio.get_running_loop()
        unwatch = threading.Event()
        watch = asyncio.create_task(
            asyncio.to_thread(
                self._store.assets.watch_ready,
                partial(self._wake_from_thread, loop),
                unwatch,
            )
        )
        sweep = asyncio.create_task(self._sweep())
        stopped = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                self._wake.clear()
                await self._start_ready()
                await self._wait(stopped)
        finally:
            stopped.cancel()
            sweep.cancel()
            unwatch.set()
            for task in self._in_flight.values():
                task.cancel()
            await asyncio.gather(*self._in_flight.values(), return_exceptions=True)
            await watch

    def _wake_from_thread(self, loop: asyncio.AbstractEventLoop) -> None:
        loop.call_soon_threadsafe(self._wake.set)

    async def _wait(self, stopped: asyncio.Task[bool]) -> None:
        """Return when there may be something to do: woken, stopped, or after a while."""
        waking = asyncio.create_task(self._wake.wait())
        await asyncio.wait(
            [stopped, waking], timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        waking.cancel()

    async def _start_ready(self) -> None:
        if len(self._in_flight) >= self._capacity:
            return
        try:
            ready = await asyncio.to_thread(self._store.assets.ready, self._capacity)
        except DatabaseError as error:
            _log.warning("the database does not answer: %s", error)
            return
        for asset_id in ready:
            if len(self._in_flight) < self._capacity and asset_id not in self._in_flight:
                task = asyncio.create_task(self._executor.run(asset_id))
                self._in_flight[asset_id] = task
                task.add_done_callback(partial(self._ended, asset_id))

    def _ended(self, asset_id: str, task: asyncio.Task[None]) -> None:
        del self._in_flight[asset_id]
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s: the executor broke", asset_id, exc_info=error)
        self._wake.set()

    async def _sweep(self) -> None:
        """Settle jobs whose last asset ended just before a worker died."""
        while True:
            try:
                unsettled = await asyncio.to_thread(self._store.jobs.processing)
                for job_id in unsettled:
                    await self._settle(job_id)
            except DatabaseError as error:
                _log.warning("jobs were not swept: %s", error)
            await asyncio.sleep(SWEEP_SECONDS)

    async def _settle(self, job_id: str) -> None:
        try:
            await asyncio.to_thread(self._store.jobs.settle, job_id)
        except KeyError:
            _log.info("%s: deleted meanwhile", job_id)
