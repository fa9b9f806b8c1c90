"""Executing handed-out items: claim, run, and turn the outcome into a state.

The executor holds a lease on each item and writes nothing without it.
"""

import asyncio
import logging
from collections.abc import Mapping
from contextlib import nullcontext, suppress
from typing import Any, Final

from structlog.contextvars import bound_contextvars

from core import telemetry
from core.generation.call_state import provider_fields
from core.generation.heartbeat import Heartbeat, Interruption
from core.generation.item_file import DISK_FULL
from core.generation.item_run import MAX_ATTEMPTS, ItemRun
from core.generation.priority_pool import without_queueing
from core.i18n import N_
from core.media.storage import ContentStore
from core.models import ACTIVE_STATES, Asset, AssetError, AssetState, now
from core.providers.base import Submission
from core.providers.errors import OutcomeUnknown, ProviderError, ProviderUnavailable, RateLimited
from core.providers.registry import Catalogue
from core.store import DatabaseError, LeaseLost, Store
from core.store.work.item_leases import Unreadable
from core.system.backoff import Backoff

BACKOFF: Final = Backoff(first=5.0, longest=300.0, jitter=0.25)  # between attempts at an item
MAX_WAITS: Final = 300  # for one's turn: a day, where the provider does not say how long
LONGEST_WAIT_SECONDS: Final = 3600.0  # that a provider may ask for

_log = logging.getLogger(__name__)


class Executor:
    """Executes items, each in a task of its own.

    Args:
        store: the database.
        catalogue: the configured providers.
        content: where files go.
        heartbeat: keeps the leases.
    """

    def __init__(
        self, store: Store, catalogue: Catalogue, content: ContentStore, heartbeat: Heartbeat
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._content = content
        self._heartbeat = heartbeat
        self._running: set[asyncio.Task[None]] = set()
        self._calls: set[asyncio.Task[Submission]] = set()
        # A machine's own models take turns here, should the broker send it more than its share.
        self._turns = {
            (provider.name, capability.model): asyncio.Semaphore(capability.limit)
            for provider in catalogue.providers.values()
            if provider.local
            for capability in provider.capabilities()
        }

    async def run(self, asset_id: str, ticket: str) -> None:
        """Execute one item. Returns when it has ended, was handed back, or is another worker's.

        Args:
            asset_id: the item.
            ticket: what it was handed out with.
        """
        task = asyncio.create_task(self._run(asset_id, ticket))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.wait([task])
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s: the executor broke", asset_id, exc_info=error)

    async def idle(self) -> None:
        """Return when no item is being worked on."""
        while self._running:
            await asyncio.wait(self._running)

    async def hand_back_all(self) -> None:
        """Stop working on all items, so that others can go on with them."""
        for task in self._running:
            task.cancel()
        await self.idle()

    async def answers(self, seconds: float) -> None:
        """Wait for the answers to paid calls that are out, and at most so long."""
        if self._calls:
            _log.info("waiting for the answers to %d calls", len(self._calls))
            await asyncio.wait(self._calls, timeout=seconds)

    async def _run(self, asset_id: str, ticket: str) -> None:
        try:
            asset = await without_queueing(
                self._store.leases.claim,
                asset_id,
                ticket,
                self._heartbeat.owner,
                self._heartbeat.lease_seconds,
            )
            if asset is None:
                return
            fields = bound_contextvars(job=asset.job_id, asset=asset.id)
            with fields, telemetry.item_span(asset):
                try:
                    await self._run_claimed(asset)
                except LeaseLost:
                    _log.warning("%s: the lease was lost; left alone", asset.id)
                with suppress(KeyError):  # deleted meanwhile
                    await asyncio.to_thread(self._store.settlement.settle, asset.job_id)
        except Unreadable as error:  # it has ended by that
            with suppress(KeyError):
                await asyncio.to_thread(self._store.settlement.settle, error.job_id)
        except DatabaseError as error:
            # The lease runs out and whoever sees the database again takes the item up.
            _log.warning("%s: the database failed (%s); left to its lease", asset_id, error)

    async def _run_claimed(self, asset: Asset) -> None:
        provider = self._catalogue.providers.get(asset.provider)
        capability = self._catalogue.capability(asset.provider, asset.kind, asset.model, asset.task)
        # A task is followed to its end also where its model is not offered any more.
        if provider is None or (capability is None and asset.remote_id is None):
            await self._pass_on(asset)
            return
        with self._heartbeat.hold(asset) as hold:
            run = ItemRun(
                self._store, self._content, provider, capability, asset, hold, self._calls
            )
            if asset.cancel_requested:
                await self._cancel(run)
                return
            work = asyncio.create_task(self._make(run))
            waits: list[asyncio.Future[Any]] = [work, hold.interrupted]
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            except asyncio.CancelledError:  # an orderly stop
                await _cancelled(work)
                await run.abandon()
                await self._hand_back(run)
                raise
            if not work.done():
                await _cancelled(work)
                if hold.interrupted.result() is Interruption.CANCEL:
                    await self._cancel(run)
                    return
                await run.abandon()
                raise LeaseLost(asset.id)
            try:
                await work
            except (LeaseLost, DatabaseError):
                await run.abandon()
                raise

    async def _make(self, run: ItemRun) -> None:
        """Bring a claimed item to an ending, or back into the queue."""
        asset = run.asset
        try:
            async with self._turns.get((asset.provider, asset.model), nullcontext()):
                await run.run()
            telemetry.item_ended(asset, AssetState.DONE)
        except ProviderError as error:
            await self._end(run, error)
        except (LeaseLost, DatabaseError):
            raise
        except Exception:  # noqa: BLE001  # one item's mistake takes no other down
            _log.exception("%s: failed", asset.id)
            sentence = N_("Fivefold itself made a mistake here; its log says more.")
            kind = OutcomeUnknown if run.call.charged else ProviderError
            await self._end(run, kind(sentence, code="internal_error"))

    async def _end(self, run: ItemRun, error: ProviderError) -> None:
        """Bring an item to the ending that its error means, or back into the queue.

        A task at the provider that is known, and not known to have ended, is only ever asked after
        again. Where there is none, what may have been paid for waits for its user.
        """
        asset = run.asset
        if isinstance(error, OutcomeUnknown) and not run.call.resumable:
            await self._end_unknown(asset, error, run.call.kept_fields)
            return
        free = _waits_for_free(run, error)
        if error.retryable and (free or asset.attempts < MAX_ATTEMPTS):
            await self._try_again(run, error, counted=not free)
            return
        known = {
            "charged": run.call.paid_for(error),
            **run.call.kept_fields,
            **provider_fields(error),
        }
        await self._fail(asset, error, None if error.ended else run.call.remote_id, known)

    async def _pass_on(self, asset: Asset) -> None:
        """Leave an item, whose provider this worker does not know, to one that does."""
        sentence = N_("“{provider}” with {model} is not configured any more.")
        said = sentence.format(provider=asset.provider, model=asset.model)
        missing = ProviderError(said, code="not_configured")
        begun = asset.state in ACTIVE_STATES or asset.reread
        if begun and asset.remote_id is None and asset.cost.unit:
            # It may have been paid for; put back, it would be paid for again.
            await self._end_unknown(asset, OutcomeUnknown(said, code="not_configured"), {})
        elif asset.attempts < MAX_ATTEMPTS:
            pause = _pause(missing, asset.attempts)
            hand_back = self._store.transitions.hand_back
            await asyncio.to_thread(hand_back, asset, pause, _as_error(missing), counted=True)
            telemetry.item_retried(asset)
        else:
            taken = {"charged": asset.remote_id is not None}
            await self._fail(asset, missing, asset.remote_id, taken)

    async def _end_unknown(
        self, asset: Asset, error: OutcomeUnknown, known: Mapping[str, Any]
    ) -> None:
        _log.warning("%s: not known whether it was made: %r", asset.id, error.__cause__ or error)
        fields = provider_fields(error) | dict(known)
        said = _as_error(error, final=True)
        await asyncio.to_thread(self._store.transitions.unknown, asset, said, fields)
        telemetry.item_ended(asset, AssetState.UNKNOWN)

    async def _try_again(self, run: ItemRun, error: ProviderError, *, counted: bool) -> None:
        asset = run.asset
        pause = _pause(error, asset.attempts + asset.waits)
        _log.info("%s: again in %.0f s: %s", asset.id, pause, error.message)
        await asyncio.to_thread(
            self._store.transitions.hand_back,
            asset,
            pause,
            _as_error(error),
            counted=counted,
            anew=error.ended,
            fields=_carried_on(run, anew=error.ended),
        )
        telemetry.item_retried(asset)

    async def _fail(
        self,
        asset: Asset,
        error: ProviderError,
        remote_id: str | None,
        known: Mapping[str, Any],
    ) -> None:
        _log.warning("%s: failed: %s", asset.id, error.message)
        failed = self._store.transitions.failed
        said = _as_error(error, final=True)
        await asyncio.to_thread(failed, asset, said, remote_id=remote_id, fields=known)
        telemetry.item_ended(asset, AssetState.FAILED)

    async def _cancel(self, run: ItemRun) -> None:
        """Cancel the item at its provider, as its user asked, and end it."""
        left = await run.cancel()
        if isinstance(left, OutcomeUnknown):  # only the user may send it again
            await self._end_unknown(run.asset, left, run.call.kept_fields)
            return
        note = None if left is None else _as_error(left)
        await asyncio.to_thread(
            self._store.transitions.cancelled,
            run.asset,
            note,
            remote_id=None if left is None else run.call.remote_id,
            fields={"charged": run.call.taken, **run.call.kept_fields},
        )
        telemetry.item_ended(run.asset, AssetState.CANCELLED)
        _log.info("%s: cancelled", run.asset.id)

    async def _hand_back(self, run: ItemRun) -> None:
        """On an orderly stop: put back what another worker can go on with at no cost."""
        if run.call.charged and not (run.call.resumable or run.call.rereadable):
            return  # a call that is out; should its answer not come, its lease runs out
        hand_back = self._store.transitions.hand_back
        try:
            known = _carried_on(run)
            await asyncio.to_thread(hand_back, run.asset, counted=False, fields=known)
        except (LeaseLost, DatabaseError):
            _log.warning("%s: not handed back; its lease runs out", run.asset.id)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _carried_on(run: ItemRun, *, anew: bool = False) -> dict[str, Any]:
    """Return what an item that is put back is carried on with."""
    if anew:
        return run.call.kept_fields
    by_reply = run.call.rereadable and not run.call.resumable
    remote = {} if run.call.remote_id is None else {"remote_id": run.call.remote_id}
    return {**run.call.kept_fields, **remote, "reread": by_reply}


def _as_error(error: ProviderError, *, final: bool = False) -> AssetError:
    message = error.final if final else error.message
    return AssetError(code=error.code, message=message, retryable=error.retryable)


def _waits_for_free(run: ItemRun, error: ProviderError) -> bool:
    """Whether trying again is only waiting: for one's turn, or for what is being made."""
    if isinstance(error, RateLimited) or error.code == DISK_FULL:
        return run.asset.waits < MAX_WAITS
    started = run.asset.timings.get("started_at", now())
    waited = (now() - started).total_seconds()
    young = waited < run.provider.deadlines.follow
    carried_on = run.call.resumable or run.call.rereadable
    return isinstance(error, ProviderUnavailable) and carried_on and young


def _pause(error: ProviderError, times: int) -> float:
    """Seconds to wait: what the provider asked for, else exponential backoff with jitter."""
    asked = error.retry_after
    if asked is not None and 0 < asked <= LONGEST_WAIT_SECONDS:
        return asked
    return BACKOFF.seconds(times)
