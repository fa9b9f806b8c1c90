"""Holding the lease of the one worker that dispatches, or waiting for it."""

import asyncio
import logging
import time
from typing import Final

from core.generation.priority_pool import without_queueing
from core.store import DatabaseError, Store

LONGEST_SECONDS: Final = 8.0  # a leader that has died is followed by another after this

_log = logging.getLogger(__name__)


class LeaderLease:
    """A lease in the database that at most one worker holds.

    Args:
        store: the database.
        owner: this worker's name.
        lease_seconds: how long it lasts without being renewed, and at most `LONGEST_SECONDS`.
    """

    def __init__(self, store: Store, owner: str, lease_seconds: float) -> None:
        self._store = store
        self._owner = owner
        self._seconds = min(lease_seconds, LONGEST_SECONDS)
        self._until = 0.0

    @property
    def held(self) -> bool:
        """Whether this worker leads; it stops to before another one could begin."""
        return time.monotonic() < self._until

    async def run(self) -> None:
        """Acquire the lease when it is free, and renew it, until cancelled."""
        led = None
        while True:
            asked = time.monotonic()
            try:
                leads = await without_queueing(self._store.workers.lead, self._owner, self._seconds)
            except DatabaseError as error:
                _log.warning("the leader lease cannot be renewed: %s", error)
            else:
                self._until = asked + 0.75 * self._seconds if leads else 0.0
                if leads != led:
                    _log.info("this worker leads" if leads else "another worker leads")
                    led = leads
            await asyncio.sleep(self._seconds / 4)
