"""The worker process: dispatcher, engine and executor, until it is told to stop."""

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
from core.generation.transport import Engine
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
        await work(settings, store, catalogue, stop, at_once)
    finally:
        await catalogue.close()


async def work(
    settings: Settings,
    store: Store,
    catalogue: Catalogue,
    stop: asyncio.Event,
    at_once: asyncio.Event,
) -> None:
    """Make items until told to stop.

    Args:
        settings: queues, broker, leases, where files go.
        store: the database.
        catalogue: the configured providers.
        stop: when set, nothing new is taken, and what can end in `DRAIN_SECONDS` does.
        at_once: when set, everything is handed back.
    """
    host, pid = socket.gethostname(), os.getpid()
    owner = f"{host}:{pid}:{new_id()[-6:]}"
    heartbeat = Heartbeat(store, owner, settings.lease_seconds)
    content = open_content(settings.content_url)
    executor = Executor(store, catalogue, content, heartbeat)
    serves = dict.fromkeys(settings.worker_queues.split(","), settings.worker_concurrency)
    broker_url = settings.broker_url.get_secret_value()
    engine = Engine(broker_url, settings.mongodb_database, serves, executor.run)
    me = Worker(
        id=owner,
        host=host,
        pid=pid,
        broker=engine.broker,
        queues=serves,
        started_at=now(),
        seen_at=now(),
    )
    leader_lease = LeaderLease(store, owner, settings.lease_seconds)
    full = partial(full_disks, settings, content)
    dispatcher = Dispatcher(store, engine, catalogue, leader_lease, full)
    _log.info("serving %s, %d items at once", settings.worker_queues, settings.worker_concurrency)
    async with asyncio.TaskGroup() as group:  # where one of them breaks, the process ends
        beating = group.create_task(heartbeat.run())
        leading = [
            group.create_task(_refresh(catalogue)),
            group.create_task(_announce(store, me, catalogue)),
            group.create_task(leader_lease.run()),
            group.create_task(Sweeper(store, content, leader_lease, settings.bin_days).run()),
        ]
        serving = group.create_task(engine.serve(stop))
        handing_out = group.create_task(dispatcher.run(stop))
        collecting = group.create_task(Collector(store, engine, serves, leader_lease).run(stop))
        hurry = group.create_task(at_once.wait())
        await _first(hurry, group.create_task(stop.wait()))
        stop.set()
        await _first(handing_out, timeout=HAND_OUT_SECONDS)
        handing_out.cancel()
        await collecting
        for task in leading:
            task.cancel()
        await asyncio.wait(leading)
        with suppress(DatabaseError):  # it will be missed soon enough
            await without_queueing(store.workers.leave, owner)
        await _first(group.create_task(executor.idle()), hurry, timeout=DRAIN_SECONDS)
        await executor.hand_back_all()
        await executor.answers(ANSWER_SECONDS)
        await serving
        beating.cancel()
        hurry.cancel()
    await engine.close()


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


async def _announce(store: Store, me: Worker, catalogue: Catalogue) -> None:
    while True:
        accounts = {each.name: each.status for each in catalogue.providers.values() if each.status}
        present = me.model_copy(update={"accounts": accounts})
        try:
            await without_queueing(store.workers.announce, present)
        except DatabaseError as error:
            _log.warning("this worker cannot be announced: %s", error)
        await asyncio.sleep(ANNOUNCE_SECONDS)


async def _first(*tasks: asyncio.Task[Any], timeout: float | None = None) -> None:  # noqa: ASYNC109  # passed on
    await asyncio.wait(tasks, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
