"""The worker process: a dispatcher with its executor, until it is told to stop."""

import asyncio
import logging
import os
import signal
import socket

from core.generation.dispatcher import Dispatcher
from core.generation.executor import Executor
from core.media.storage import ContentStore
from core.providers.registry import configured
from core.settings import Settings
from core.store import Store

_log = logging.getLogger(__name__)


async def run_worker(settings: Settings, store: Store) -> None:
    """Make assets until SIGTERM or SIGINT."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    catalogue = configured(drawing_processes=settings.drawing_processes)
    executor = Executor(
        store,
        catalogue,
        ContentStore(settings.content_url),
        owner=f"{socket.gethostname()}:{os.getpid()}",
        lease_seconds=settings.lease_seconds,
    )
    limits = [
        max(capability.limit for capability in provider.capabilities())
        for provider in catalogue.providers.values()
    ]
    _log.info("the worker makes %d items at a time", sum(limits))
    try:
        await Dispatcher(store, executor, capacity=sum(limits)).run(stop)
    finally:
        await catalogue.close()
