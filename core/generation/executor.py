"""Making one asset: claim, submit, follow, fetch, save, settle.

The executor holds a lease on the asset and writes nothing without it. What it finds half done
it carries on with, as far as the provider can; a paid call is never made twice.
"""

import asyncio
import errno
import logging
import random
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import Any, Final, TypeVar

from core.media.inspection import BrokenMedia, Inspection, inspect
from core.media.previews import POSTER_PIXELS, save_preview
from core.media.storage import PREVIEWS, ContentStore, Draft
from core.models import Asset, AssetError, AssetState, Kind, now
from core.providers.base import Provider, Request, Submission
from core.providers.errors import GenerationFailed, OutcomeUnknown, ProviderError, RateLimited
from core.providers.registry import Catalogue
from core.store import DatabaseError, LeaseLost, Store

MAX_ATTEMPTS: Final = 5
BACKOFF_SECONDS: Final = (5.0, 300.0)  # first and longest pause before an item is tried again
PROGRESS_SECONDS: Final = 0.5  # at most one write a while; nobody sees more

_log = logging.getLogger(__name__)
_T = TypeVar("_T")


class Executor:
    """Carries assets from queued to an ending, each in a task of its own.

    Args:
        store: the database.
        catalogue: the configured providers.
        content: where files go.
        owner: this worker's name, for the leases.
        lease_seconds: how long a lease lasts without a heartbeat.
    """

    def __init__(
        self,
        store: Store,
        catalogue: Catalogue,
        content: ContentStore,
        *,
        owner: str,
        lease_seconds: float,
    ) -> None:
        self._store = store
        self._catalogue = catalogue
        self._content = content
        self._owner = owner
        self._lease_seconds = lease_seconds

    async def run(self, asset_id: str) -> None:
        """Make one asset. Returns when it has ended, was handed back, or is somebody else's."""
        try:
            asset = await _in_thread(
                self._store.assets.claim, asset_id, self._owner, self._lease_seconds
            )
            if asset is None:
                return
            try:
                await self._run_claimed(asset)
            except LeaseLost:
                _log.warning("%s: the lease was lost; left alone", asset_id)
            await _in_thread(self._store.jobs.settle, asset.job_id)
        except DatabaseError as error:
            # The lease runs out and whoever sees the database again takes the asset up.
            _log.warning("%s: the database failed (%s); left to its lease", asset_id, error)

    async def _run_claimed(self, asset: Asset) -> None:
        work = asyncio.create_task(self._make(asset))
        beat = asyncio.create_task(self._beat(asset))
        try:
            await asyncio.wait([work, beat], return_when=asyncio.FIRST_COMPLETED)
            if not work.done():  # the lease is lost: stop, and let `beat` say so
                await _cancelled(work)
                await beat
            await work
        except asyncio.CancelledError:
            await _cancelled(work)
            await self._hand_back(asset)
            raise
        finally:
            await _cancelled(beat)

    async def _beat(self, asset: Asset) -> None:
        """Prolong the lease until cancelled; returns never, raises when it is lost."""
        while True:
            await asyncio.sleep(self._lease_seconds / 3)
            try:
                await _in_thread(self._store.assets.heartbeat, asset, self._lease_seconds)
            except DatabaseError as error:
                _log.warning("%s: no heartbeat (%s)", asset.id, error)

    async def _make(self, asset: Asset) -> None:
        """Bring a claimed asset to an ending, or back into the queue."""
        try:
            await self._generate(asset)
        except OutcomeUnknown as error:
            await _in_thread(self._store.assets.unknown, asset, _as_error(error))
        except ProviderError as error:
            if error.retryable and asset.attempts < MAX_ATTEMPTS:
                pause = timedelta(seconds=_pause(error, asset.attempts))
                await _in_thread(
                    self._store.assets.hand_back, asset, now() + pause, _as_error(error)
                )
            else:
                await self._fail(asset, error.code, error.message)
        except BrokenMedia as error:
            await self._fail(asset, "broken_file", str(error))
        except OSError as error:
            await self._fail(asset, "not_saved", _disk_sentence(error))
        except (LeaseLost, DatabaseError):
            raise
        except Exception:  # noqa: BLE001  # one item's mistake takes no other down
            _log.exception("%s: failed", asset.id)
            await self._fail(
                asset, "internal_error", "Fivefold itself made a mistake here; its log says more."
            )

    async def _generate(self, asset: Asset) -> None:
        provider = self._catalogue.providers.get(asset.provider)
        capability = self._catalogue.capability(asset.provider, asset.kind, asset.model)
        if provider is None or capability is None:
            raise ProviderError(
                f"“{asset.provider}” with {asset.model} is not configured any more."
            )
        if asset.remote_id is not None:
            submission = Submission(remote_id=asset.remote_id)
            await _in_thread(self._store.assets.running, asset, asset.remote_id)
        elif asset.state != AssetState.QUEUED and capability.paid:
            raise OutcomeUnknown
        elif asset.attempts > MAX_ATTEMPTS:
            raise ProviderError(f"It was begun {MAX_ATTEMPTS} times and never finished.")
        else:
            submission = await self._submit(asset, provider, paid=capability.paid)
        try:
            await provider.follow(submission, self._reporter(asset))
            await _in_thread(self._store.assets.saving, asset)
            await self._save(asset, provider, submission)
        except (asyncio.CancelledError, LeaseLost, DatabaseError):
            if submission.remote_id is None:  # nobody could resume it, so nothing may go on
                await provider.cancel(submission)
            raise
        except ProviderError as error:
            if error.retryable and capability.paid and submission.remote_id is None:
                raise GenerationFailed(error.message) from error  # trying again would pay again
            raise

    async def _submit(self, asset: Asset, provider: Provider, *, paid: bool) -> Submission:
        job = await _in_thread(self._store.jobs.get, asset.job_id)
        if job is None:
            raise LeaseLost(asset.id)
        request = Request(
            asset_id=asset.id,
            kind=asset.kind,
            prompt=job.prompt,
            slot=asset.slot,
            model=asset.model,
            params=asset.params,
        )
        await _in_thread(self._store.assets.submitting, asset)
        call = self._call(asset, provider, request, paid=paid)
        # Shielded: once a paid call is under way, its answer is stored whatever happens here.
        return await (asyncio.shield(call) if paid else call)

    async def _call(
        self, asset: Asset, provider: Provider, request: Request, *, paid: bool
    ) -> Submission:
        """Ask the provider and store its answer; a paid call's answer is not given up."""
        try:
            submission = await provider.submit(request)
        except ProviderError:
            raise
        except Exception as error:
            if paid:
                raise OutcomeUnknown from error
            raise
        while True:
            try:
                await _in_thread(self._store.assets.running, asset, submission.remote_id)
            except DatabaseError as error:
                if submission.remote_id is None:
                    raise
                _log.warning("%s: its remote id is not stored yet (%s)", asset.id, error)
                await asyncio.sleep(1)
            else:
                _log.info("%s: taken by %s", asset.id, provider.name)
                return submission

    def _reporter(self, asset: Asset) -> Callable[[float], Any]:
        written_at, written = time.monotonic(), 0.0

        async def report(fraction: float) -> None:
            nonlocal written_at, written
            moment = time.monotonic()
            if fraction != written and moment - written_at >= PROGRESS_SECONDS:
                written_at, written = moment, fraction
                with suppress(DatabaseError):  # only for show; the next one may succeed
                    await _in_thread(self._store.assets.progress, asset, fraction)

        return report

    async def _save(self, asset: Asset, provider: Provider, submission: Submission) -> None:
        with self._content.draft(asset.user_id, asset.id) as draft:
            await provider.fetch(submission, draft.path)
            saved = await _in_thread(self._check_and_commit, asset, draft)
        await _in_thread(self._store.assets.done, asset, saved)
        _log.info("%s: saved as %s", asset.id, saved["path"])

    def _check_and_commit(self, asset: Asset, draft: Draft) -> dict[str, Any]:
        found = inspect(
            draft.path,
            asset.kind,
            width=asset.params.get("width"),
            height=asset.params.get("height"),
            seconds=asset.params.get("seconds"),
        )
        preview = self._save_still(asset, found, f"{asset.id}.webp")
        poster = preview
        if asset.kind == Kind.VIDEO:
            poster = self._save_still(asset, found, f"{asset.id}-poster.webp", POSTER_PIXELS)
        return {
            "path": draft.commit(f"{asset.id}.{found.extension}"),
            "preview": preview,
            "poster": poster,
            "width": found.width,
            "height": found.height,
            "seconds": found.seconds,
            "bytes": found.bytes,
            "sha256": found.sha256,
        }

    def _save_still(self, asset: Asset, found: Inspection, name: str, *pixels: int) -> str:
        with self._content.draft(asset.user_id, name) as draft:
            save_preview(found.still, draft.path, *pixels)
            return draft.commit(f"{PREVIEWS}/{name}")

    async def _fail(self, asset: Asset, code: str, message: str) -> None:
        _log.warning("%s: failed: %s", asset.id, message)
        error = AssetError(code=code, message=message)
        await _in_thread(self._store.assets.failed, asset, error)

    async def _hand_back(self, asset: Asset) -> None:
        """On an orderly stop: put back what costs nothing to begin again.

        What a provider works on under an id stays as it is; the next holder resumes it.
        """
        capability = self._catalogue.capability(asset.provider, asset.kind, asset.model)
        if capability is not None and not capability.paid:
            try:
                await _in_thread(self._store.assets.give_back, asset)
            except (LeaseLost, DatabaseError):
                _log.warning("%s: not handed back; its lease runs out", asset.id)


async def _in_thread(call: Callable[..., _T], *args: Any) -> _T:  # noqa: ANN401  # passed on
    return await asyncio.to_thread(call, *args)


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait([task])


def _as_error(error: ProviderError) -> AssetError:
    return AssetError(code=error.code, message=error.message, retryable=error.retryable)


def _pause(error: ProviderError, attempts: int) -> float:
    """Seconds to wait: what the provider asked for, else exponential backoff with jitter."""
    asked = error.retry_after if isinstance(error, RateLimited) else None
    first, longest = BACKOFF_SECONDS
    return asked or min(first * 2 ** (attempts - 1), longest) * random.uniform(0.75, 1.25)


def _disk_sentence(error: OSError) -> str:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return "The disk is full, so the file could not be saved."
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return "The content folder cannot be written to, so the file could not be saved."
    return f"The file could not be saved: {error.strerror or error}."
