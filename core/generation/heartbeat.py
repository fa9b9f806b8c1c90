"""Renewing the leases of all items that a worker holds, and noticing which must stop."""

import asyncio
import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from core.generation.priority_pool import without_queueing
from core.models import Asset
from core.store import DatabaseError, LeaseLost, Store

LOOK_SECONDS: Final = 1.0  # for progress and cancellations; nobody sees more

_NEW: Final = (0.0, "")

_log = logging.getLogger(__name__)


class Interruption(Enum):
    """Why work on an item must stop."""

    LOST = auto()
    CANCEL = auto()


@dataclass(eq=False)
class HeldItem:
    """An item that this worker holds.

    Attributes:
        token: its lease's.
        interrupted: done when the work on it must stop.
        progress: how far it is, from 0 to 1; written by who works on it.
        waiting: what it waits for at its provider, in words; likewise.
    """

    token: str
    interrupted: asyncio.Future[Interruption] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    progress: float = 0.0
    waiting: str = ""

    @property
    def status(self) -> tuple[float, str]:
        """Progress and waiting, as they are stored."""
        return self.progress, self.waiting

    def interrupt(self, why: Interruption) -> None:
        """Stop the work; only the first reason counts."""
        if not self.interrupted.done():
            self.interrupted.set_result(why)


class Heartbeat:
    """One heartbeat for all items of a worker, so that its cost does not grow with them.

    Args:
        store: the database.
        owner: this worker's name in the leases.
        lease_seconds: how long a lease lasts without a heartbeat.
    """

    def __init__(self, store: Store, owner: str, lease_seconds: float) -> None:
        self.owner = owner
        self.lease_seconds = lease_seconds
        self._store = store
        self._held: dict[str, HeldItem] = {}

    @contextmanager
    def hold(self, asset: Asset) -> Iterator[HeldItem]:
        """Keep a claimed item's lease while the block runs.

        Raises:
            LeaseLost: the asset has no lease.
        """
        if asset.lease is None:
            raise LeaseLost(asset.id)
        if (former := self._held.get(asset.id)) is not None:
            former.interrupt(Interruption.LOST)
        held = self._held[asset.id] = HeldItem(asset.lease.token)
        try:
            yield held
        finally:
            if self._held.get(asset.id) is held:
                del self._held[asset.id]

    async def run(self) -> None:
        """Renew leases and look for changes until cancelled."""
        await asyncio.gather(self._beat(), self._look())

    async def _beat(self) -> None:
        renewed = time.monotonic()
        while True:
            await asyncio.sleep(self.lease_seconds / 3)
            asked = time.monotonic()
            held = dict(self._held)
            if not held:  # an idle worker asks the database nothing
                renewed = asked
                continue
            try:
                kept = await without_queueing(
                    self._store.leases.renew,
                    {asset_id: hold.token for asset_id, hold in held.items()},
                    self.lease_seconds,
                )
            except DatabaseError as error:
                _log.warning("no heartbeat: %s", error)
                kept = set(held)
                if time.monotonic() - renewed > self.lease_seconds:
                    kept = set()  # by now somebody else may hold them: stop before writing files
            else:
                renewed = asked
            for asset_id, hold in held.items():
                if asset_id not in kept:
                    hold.interrupt(Interruption.LOST)

    async def _look(self) -> None:
        """Look for cancellations and store the progress of all items."""
        stored: dict[HeldItem, tuple[float, str]] = {}
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            held = dict(self._held)
            moved = {
                (asset_id, hold.token): hold.status
                for asset_id, hold in held.items()
                if hold.status != stored.get(hold, _NEW)
            }
            try:
                for asset_id in await without_queueing(self._store.leases.to_cancel, self.owner):
                    if asset_id in self._held:
                        self._held[asset_id].interrupt(Interruption.CANCEL)
                if moved:
                    await without_queueing(self._store.transitions.progress, moved)
            except DatabaseError as error:
                _log.warning("no look at the items: %s", error)
            else:
                stored = {
                    hold: moved.get((asset_id, hold.token), stored.get(hold, _NEW))
                    for asset_id, hold in held.items()
                }
