"""Cleaning up after crashes, removing what was deleted for good, and reporting the queue."""

import asyncio
import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

from core import telemetry
from core.generation.kept_replies import ReplyKeeper, kept_names
from core.generation.leader_lease import LeaderLease
from core.media.formats import DISPLAY, DISPLAY_EXTENSIONS, MEDIA_TYPES
from core.media.storage import PREVIEWS, ContentStore, StorageUnavailable, own_name
from core.models import Asset
from core.store import DatabaseError, Store

SWEEP_SECONDS: Final = 10.0
LOOK_SECONDS: Final = 60.0  # between two looks at all open items
BATCH: Final = 500

_log = logging.getLogger(__name__)


class Sweeper:
    """Settles jobs whose worker died just before it could, and removes files it left half written.

    It also empties the bin and removes accounts that are being deleted.

    Args:
        store: the database.
        content: where files go.
        leader_lease: only the leader sweeps.
        bin_days: how long items lie in the bin.
    """

    def __init__(
        self, store: Store, content: ContentStore, leader_lease: LeaderLease, bin_days: int
    ) -> None:
        self._store = store
        self._content = content
        self._leader_lease = leader_lease
        self._bin_days = bin_days
        self._looked_at: float | None = None  # when all open items were read

    async def run(self) -> None:
        """Sweep from time to time, until cancelled."""
        while True:
            if self._leader_lease.held:
                try:
                    await asyncio.to_thread(self._sweep)
                except (DatabaseError, OSError) as error:
                    _log.warning("not swept: %s", error)
                except Exception:  # noqa: BLE001  # one odd document must not stop the worker
                    _log.exception("not swept")
            await asyncio.sleep(SWEEP_SECONDS)

    def _sweep(self) -> None:
        for job_id in {*self._unreadable(), *self._store.settlement.unsettled()}:
            with suppress(KeyError):  # deleted meanwhile
                self._store.settlement.settle(job_id)
        drafts = self._content.drafts()
        held = self._store.queue.held(list({draft.asset_id for draft in drafts}))
        for draft in drafts:
            if draft.asset_id not in held:
                _log.info("%s: an orphaned draft is removed", draft.asset_id)
                draft.path.unlink(missing_ok=True)
        waiting = self._store.queue.waiting()
        telemetry.report_queue(
            {lane: found.items for lane, found in waiting.items()}, self._store.queue.in_flight()
        )
        remove_kept(self._store, self._content)
        remove_accounts(self._store, self._content)
        empty_bin(self._store, self._content, self._bin_days)

    def _unreadable(self) -> list[str]:
        """End what nobody can read; return the jobs that are to be settled for that.

        Nothing of ours writes such, so it is looked for now and then only.
        """
        settlement, moment = self._store.settlement, time.monotonic()
        if self._looked_at is not None and moment - self._looked_at < LOOK_SECONDS:
            return []
        found = [] if self._looked_at is not None else settlement.of_no_status()
        self._looked_at = moment
        return found + settlement.end_unreadable()


def remove_kept(store: Store, content: ContentStore) -> None:
    """Remove orphaned responses of items whose files are saved.

    Args:
        store: knows the items.
        content: where replies are kept.
    """
    keeper = ReplyKeeper(store, content)
    for asset in store.assets.finished_with_kept(BATCH):
        keeper.remove(asset)
        store.transitions.forget_kept(asset)


def empty_bin(store: Store, content: ContentStore, days: float) -> None:
    """Remove items whose time in the bin is over, or whose owner wants that at once.

    Args:
        store: what else there is of them.
        content: their files.
        days: how long items lie in the bin.
    """
    for asset in store.bin.due(days, BATCH):
        try:
            remove_files(store, content, [asset])
        except StorageUnavailable as error:
            _log.warning("the bin is not emptied yet: %s", error)
            return
        except OSError as error:
            _log.warning("%s: its files are not removed yet: %s", asset.id, error)
            continue
        store.bin.forget(asset)
        _log.info("%s is removed from the bin", asset.id)


def remove_accounts(store: Store, content: ContentStore) -> None:
    """Remove accounts that are being deleted, each as far as is possible now.

    Args:
        store: what else is theirs.
        content: their files.
    """
    for user_id in store.account_deletion.due():
        try:
            _remove(store, content, user_id)
        except OSError as error:
            _log.warning("the files of an account are not removed yet: %s", error)


def _remove(store: Store, content: ContentStore, user_id: str) -> None:
    """Remove files before the documents that name them, or nobody would find them any more."""
    store.account_deletion.request(user_id)
    for job_id, assets in store.assets.of_jobs(
        store.account_deletion.ended(user_id), binned=True
    ).items():
        remove_files(store, content, assets)
        store.account_deletion.forget_job(job_id)
    if store.account_deletion.is_empty(user_id):
        content.forget(user_id)
        store.account_deletion.forget(user_id)
        _log.info("an account is removed")


def remove_files(store: Store, content: ContentStore, assets: Sequence[Asset]) -> None:
    """Remove all files of items, also those that no document names.

    Raises:
        OSError: some are still there.
    """
    store.kept_replies.forget([asset.id for asset in assets])
    for asset in assets:
        if not asset.user_id:  # it cannot be read; its owner's folder goes with the account
            continue
        for path in _files(asset):
            content.remove(asset.user_id, path)


def _files(asset: Asset) -> list[str]:
    """Return what may have been saved of an item.

    A worker that stopped in the middle of saving stored no names, so all
    names are there that `ItemFile` gives.
    """
    stills = (f"{PREVIEWS}/{asset.id}{ending}.webp" for ending in ("", "-poster"))
    paths = (asset.path, asset.display_path, asset.preview, asset.poster)
    stored = {own_name(path) for path in paths if path}
    if asset.path is None:
        stored |= {f"{asset.id}.{extension}" for extension in MEDIA_TYPES}
        stored |= {f"{asset.id}{DISPLAY}.{extension}" for extension in DISPLAY_EXTENSIONS}
    return sorted({*stills, *stored, *kept_names(asset)})
