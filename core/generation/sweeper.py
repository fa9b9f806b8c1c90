"""Tidying up behind workers that were killed, and taking stock."""

import asyncio
import logging
from contextlib import suppress
from typing import Final

from core import telemetry
from core.generation.leadership import Leadership
from core.media.storage import ContentStore
from core.store import DatabaseError, Store

SWEEP_SECONDS: Final = 10.0

_log = logging.getLogger(__name__)


class Sweeper:
    """Settles jobs whose worker died just before it could, and removes files it left half written.

    Args:
        store: the database.
        content: where files go.
        leadership: only who leads sweeps.
    """

    def __init__(self, store: Store, content: ContentStore, leadership: Leadership) -> None:
        self._store = store
        self._content = content
        self._leadership = leadership

    async def run(self) -> None:
        """Sweep from time to time, until cancelled."""
        while True:
            if self._leadership.held:
                try:
                    await asyncio.to_thread(self._sweep)
                except (DatabaseError, OSError) as error:
                    _log.warning("not swept: %s", error)
                except Exception:  # noqa: BLE001  # one odd document must not stop the worker
                    _log.exception("not swept")
            await asyncio.sleep(SWEEP_SECONDS)

    def _sweep(self) -> None:
        for job_id in self._store.jobs.unsettled():
            with suppress(KeyError):  # deleted meanwhile
                self._store.jobs.settle(job_id)
        drafts = self._content.drafts()
        held = self._store.queue.held(list({draft.asset_id for draft in drafts}))
        for draft in drafts:
            if draft.asset_id not in held:
                _log.info("%s: what a killed worker had begun to write is removed", draft.asset_id)
                draft.path.unlink(missing_ok=True)
        waiting = self._store.queue.waiting()
        telemetry.report_queue(
            {lane: found.items for lane, found in waiting.items()}, self._store.queue.in_flight()
        )
