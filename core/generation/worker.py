"""The worker process: dispatcher, transport and executor, until it is stopped."""

import asyncio
import logging
import os
import signal
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from typing import Any, Final

from core.generation.disk_space import full_disks
from core.generation.dispatcher import Dispatcher
from core.generation.executor import Executor
from core.generation.heartbeat import Heartbeat
from core.generation.leader_lease import LeaderLease
from core.generation.priority_pool import without_queueing
from core.generation.queue_collector import Collector
from core.generation.sweeper import Sweeper
from core.generation.transport import Transport
from core.media.storage import open_content
from core.models import Worker, new_id, now
from core.providers.errors import ProviderError
from core.providers.registry import Catalogue, open_catalogue
from core.settings import Settings
from core.store import DatabaseError, Store
from core.store.work.workers import ALIVE_SECONDS

DRAIN_SECONDS: Final = 20.0  # what can end in this time after SIGTERM does
ANSWER_SECONDS: Final = 10.0  # more, for answers to paid calls: without them they are `unknown`
HAND_OUT_SECONDS: Final = 5.0  # for a round of handing out to end
ANNOUNCE_SECONDS: Final = ALIVE_SECONDS / 5
REFRESH_SECONDS: Final = 60.0  # between two looks at limits and balances
THREADS: Final = 32  # that wait for the database and the disk

_log = logging.getLogger(__name__)


async def run_worker(settings: Settings, store: Store) -> None:
    """Make items until SIGTERM (what can end soon still does) or SIGINT (at once)."""
    loop = asyncio.get_running_loop()
    loop.set_default_executor(ThreadPoolExecutor(THREADS, "worker"))
    stop, at_once = asyncio.Event(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stop.set)
    loop.add_signal_handler(signal.SIGINT, at_once.set)
    catalogue = open_catalogue(settings)
    try:
        await WorkerProcess(settings, store, catalogue).run(stop, at_once)
    finally:
        await catalogue.close()


class WorkerProcess:
    """Everything that runs side by side in one worker.

    Args:
        settings: queues, broker, leases, where files go.
        store: the database.
        catalogue: the configured providers.
    """

    def __init__(self, settings: Settings, store: Store, catalogue: Catalogue) -> None:
        self._store = store
        self._catalogue = catalogue
        self._owner = f"{socket.gethostname()}:{os.getpid()}:{new_id()[-6:]}"
        content = open_content(settings.content_url)
        self._heartbeat = Heartbeat(store, self._owner, settings.lease_seconds)
        self._executor = Executor(store, catalogue, content, self._heartbeat)
        self._serves = dict.fromkeys(settings.worker_queues.split(","), settings.worker_concurrency)
        self._transport = Transport(
            settings.broker_url.get_secret_value(),
            settings.mongodb_database,
            self._serves,
            self._executor.run,
        )
        self._leader_lease = LeaderLease(store, self._owner, settings.lease_seconds)
        full = partial(full_disks, settings, content)
        self._dispatcher = Dispatcher(store, self._transport, catalogue, self._leader_lease, full)
        self._collector = Collector(store, self._transport, self._serves, self._leader_lease)
        self._sweeper = Sweeper(store, content, self._leader_lease, settings.bin_days)

    async def run(self, stop: asyncio.Event, at_once: asyncio.Event) -> None:
        """Process items until stopped.

        Args:
            stop: when set, nothing new is taken, and what can end in `DRAIN_SECONDS` does.
            at_once: when set, everything is handed back.
        """
        for queue, number in self._serves.items():
            _log.info("serving the queue %s, %d items at once", queue, number)
        async with asyncio.TaskGroup() as group:  # where one of them breaks, the process ends
            beating = group.create_task(self._heartbeat.run())
            background = [
                group.create_task(_refresh(self._catalogue)),
                group.create_task(self._announce()),
                group.create_task(self._leader_lease.run()),
                group.create_task(self._sweeper.run()),
            ]
            serving = group.create_task(self._transport.serve(stop))
            dispatching = group.create_task(self._dispatcher.run(stop))
            collecting = group.create_task(self._collector.run(stop))
            hurry = group.create_task(at_once.wait())
            await _first(hurry, group.create_task(stop.wait()))
            stop.set()
            await _first(dispatching, timeout=HAND_OUT_SECONDS)
            dispatching.cancel()
            await collecting
            for task in background:
                task.cancel()
            await asyncio.wait(background)
            with suppress(DatabaseError):  # it will be missed soon enough
                await without_queueing(self._store.workers.remove, self._owner)
            await _first(group.create_task(self._executor.idle()), hurry, timeout=DRAIN_SECONDS)
            await self._executor.hand_back_all()
            await self._executor.answers(ANSWER_SECONDS)
            await serving
            beating.cancel()
            hurry.cancel()
        await self._transport.close()

    async def _announce(self) -> None:
        """Store that this worker is alive, and what its providers say of their accounts."""
        worker = Worker(
            id=self._owner,
            host=socket.gethostname(),
            pid=os.getpid(),
            broker=self._transport.broker,
            queues=self._serves,
            started_at=now(),
            seen_at=now(),
        )
        while True:
            providers = self._catalogue.providers.values()
            accounts = {each.name: each.status for each in providers if each.status}
            present = worker.model_copy(update={"accounts": accounts})
            try:
                await without_queueing(self._store.workers.announce, present)
            except DatabaseError as error:
                _log.warning("this worker cannot be announced: %s", error)
            await asyncio.sleep(ANNOUNCE_SECONDS)


async def _refresh(catalogue: Catalogue) -> None:
    """Learn of limits and balances, now and then."""
    while True:
        for provider in catalogue.providers.values():
            try:
                async with asyncio.timeout(REFRESH_SECONDS / 2):
                    await provider.refresh()
            except (ProviderError, TimeoutError) as error:
                _log.warning("%s does not say its limits: %s", provider.title, error)
            except Exception:  # noqa: BLE001  # one provider's mistake takes no other down
                _log.exception("%s cannot be asked for its limits", provider.title)
        await asyncio.sleep(REFRESH_SECONDS)


async def _first(*tasks: asyncio.Task[Any], timeout: float | None = None) -> None:  # noqa: ASYNC109  # passed on
    await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
