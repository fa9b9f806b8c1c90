"""Without a broker: finding items that the leader handed out to the queues of this worker."""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import suppress
from typing import Final

from core.generation.leader_lease import LeaderLease
from core.generation.priority_pool import without_queueing
from core.generation.transport import Transport
from core.store import DatabaseError, Store

LOOK_SECONDS: Final = 0.5

_log = logging.getLogger(__name__)


class Collector:
    """Looks in the database for tickets, which a broker would carry in messages.

    Several workers may find the same ticket; only one of them can claim the item with it.

    Args:
        store: the database.
        transport: carries what is found to the executor.
        serves: the queues, and how many items of each at once.
        leader_lease: the leader sends to itself and does not look.
    """

    def __init__(
        self,
        store: Store,
        transport: Transport,
        serves: Mapping[str, int],
        leader_lease: LeaderLease,
    ) -> None:
        self._store = store
        self._transport = transport
        self._serves = serves
        self._leader_lease = leader_lease

    async def run(self, stop: asyncio.Event) -> None:
        """Look from time to time, until `stop` is set."""
        while not (stop.is_set() or self._transport.broker):
            if not self._leader_lease.held:
                try:
                    await self._collect()
                except DatabaseError as error:
                    _log.debug("no look at what was handed out: %s", error)
            with suppress(TimeoutError):
                await asyncio.wait_for(stop.wait(), LOOK_SECONDS)

    async def _collect(self) -> None:
        for queue, at_once in self._serves.items():
            if not self._transport.waiting(queue):  # else there is no room for more
                found = await without_queueing(self._store.queue.tickets, queue, at_once)
                await self._transport.send(queue, found)
