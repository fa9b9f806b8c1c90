"""One claimed item on its way through its provider: submit, follow, fetch, save.

What is found half done is carried on with, as far as the provider can. A paid call is never made
twice: its intent is stored before it, and one whose answer is not known stays so.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from core import telemetry
from core.generation.call_state import CallState, provider_fields
from core.generation.heartbeat import HeldItem
from core.generation.item_file import ItemFile
from core.generation.kept_replies import ReplyKeeper
from core.generation.priority_pool import without_queueing
from core.i18n import N_
from core.media.bounded_process import bounded
from core.media.previews import preview_of
from core.media.storage import ContentStore
from core.models import Asset, AssetState, Job, Kept
from core.providers import errors
from core.providers.base import Capability, Outcome, Provider, Request, Submission
from core.store import DatabaseError, LeaseLost, Store
from core.store.documents.placeholders import JOB as JOB_UNREADABLE

MAX_ATTEMPTS: Final = 5
DEADLINE: Final = "deadline"
SOURCE_GONE: Final = N_("The item that this was to be made of is not there any more.")
PREVIEW_SECONDS: Final = 20.0

_log = logging.getLogger(__name__)


class ItemRun:
    """The steps of one item.

    Args:
        store: the database.
        content: where files go.
        provider: who makes it.
        capability: the provider's model; None: not offered any more, and only followed.
        asset: the claimed item.
        hold: its lease.
        calls: paid calls that are out are put here, for who must wait for their answers.
    """

    def __init__(  # noqa: PLR0913, PLR0917  # what an item needs on its way, and no more
        self,
        store: Store,
        content: ContentStore,
        provider: Provider,
        capability: Capability | None,
        asset: Asset,
        hold: HeldItem,
        calls: set[asyncio.Task[Submission]],
    ) -> None:
        self.asset = asset
        self.provider = provider
        paid = capability is None or capability.paid
        #: What is known of the call to the provider.
        self.call = CallState(asset, ReplyKeeper(store, content), paid=paid)
        exact = capability is not None and capability.exact
        self._file = ItemFile(store, content, provider, self.call, exact=exact)
        self._store = store
        self._content = content
        self._hold = hold
        self._calls = calls
        self._submitting: asyncio.Task[Submission] | None = None
        self._shown: asyncio.Task[None] | None = None

    async def run(self) -> None:
        """Make the item, from wherever it stands, and store that it is done.

        Raises:
            ProviderError: the provider could not make it, or it could not be saved.
            LeaseLost: the item is somebody else's now.
        """
        try:
            if self.asset.reread and await self._file.save_kept_file():
                return
            submission = await self._submitted()
            outcome = await self._follow(submission)
            await self.call.keep(outcome.reply)
            changes = provider_fields(outcome) | self.call.kept_fields
            await asyncio.to_thread(self._store.transitions.saving, self.asset, changes)
            await self._file.save(submission)
        except errors.ProviderError as error:
            await self.call.keep(error.reply)
            # Asking again for something that has been paid for would pay again.
            taken = self.call.submission is not None and not (
                self.call.resumable or self.call.rereadable
            )
            if error.retryable and self.call.paid and taken:
                raise errors.GenerationFailed(
                    error.message, code=error.code, cost=error.cost, details=error.details
                ) from error
            raise

    async def abandon(self) -> None:
        """Stop what nobody else could carry on with; what can be resumed goes on."""
        if not self.call.resumable:
            await self._stop()

    async def cancel(self) -> errors.ProviderError | None:
        """Stop the item at its provider.

        Returns:
            what could not be undone, in a sentence for the user; None: nothing.
        """
        if self._submitting is not None and self.call.submission is None:
            await asyncio.wait([self._submitting])  # only the response says what there is to stop
            error = None if self._submitting.cancelled() else self._submitting.exception()
            if isinstance(error, errors.ProviderError) and not isinstance(
                error, errors.OutcomeUnknown
            ):
                return None  # it was not taken, so it costs nothing
        if self.call.submission is not None:
            return await self._stop()
        return errors.OutcomeUnknown() if self.call.charged else None

    async def _submitted(self) -> Submission:
        """Return the request as the provider took it, now or earlier."""
        if self.call.submission is not None:
            await asyncio.to_thread(self._store.transitions.resumed, self.asset)
            return self.call.submission
        if await self.call.has_reply():
            return await self._reread()
        if self.asset.reread:
            raise errors.OutcomeUnknown(
                N_("What was kept of it is not there any more; it may have been charged.")
            )
        if self.asset.state != AssetState.QUEUED and self.call.paid:
            raise errors.OutcomeUnknown
        if self.asset.attempts > MAX_ATTEMPTS:
            raise errors.GenerationFailed(
                N_("It was begun {number} times and never finished.").format(number=MAX_ATTEMPTS)
            )
        self._submitting = asyncio.create_task(self._submit(await self._job()))
        self._submitting.add_done_callback(_noticed)
        if not self.call.paid:
            return await self._submitting
        self._calls.add(self._submitting)
        self._submitting.add_done_callback(self._calls.discard)
        # Shielded: once a paid call is under way, its answer is stored whatever happens here.
        return await asyncio.shield(self._submitting)

    async def _submit(self, job: Job) -> Submission:
        """Ask the provider and store its answer; a paid call's answer is not given up.

        The intent is stored last of all before the call: what fails before it cost nothing.
        """
        async with self._source() as source:
            request = await self._request(job, source)
            await without_queueing(self._store.transitions.submitting, self.asset)
            self.call.token = None if self.asset.lease is None else self.asset.lease.token
            self.call.out = True
            try:
                self.call.submission = await self._sent(request)
            except errors.ProviderError as error:  # kept here: who waits may have gone
                await self.call.keep(error.reply)
                raise
        return await self._stored(self.call.submission)

    async def _job(self) -> Job:
        job = await asyncio.to_thread(self._store.jobs.get, self.asset.job_id)
        if job is None:
            raise LeaseLost(self.asset.id)
        if {"prompt", "user_id"} & set(job.unreadable):  # a placeholder is no prompt
            raise errors.RequestRejected(JOB_UNREADABLE)
        return job

    async def _request(self, job: Job, source: Path | None) -> Request:
        return Request(
            asset_id=self.asset.id,
            kind=self.asset.kind,
            prompt=self.asset.prompt or job.prompt,
            slot=self.asset.slot,
            model=self.asset.model,
            params=self.asset.params,
            task=self.asset.task,
            source=source,
            end_user=await asyncio.to_thread(self._store.users.pseudonym, job.user_id),
        )

    async def _reread(self) -> Submission:
        """Read the kept reply again."""
        kept = self.call.reply
        if kept is None:
            raise errors.OutcomeUnknown
        self.call.token = kept.call
        request = await self._request(await self._job(), None)
        try:
            reply = await asyncio.to_thread(self._read_kept, kept)
            async with asyncio.timeout(self.provider.deadlines.submit):
                submission = await self.provider.reread(reply, request)
        except FileNotFoundError:
            self.call.kept.remove(kept)
            raise errors.OutcomeUnknown(
                N_("What was kept of it is not there any more; it may have been charged.")
            ) from None
        except OSError as error:
            raise errors.ProviderUnavailable(
                N_("The kept reply cannot be read at the moment: {error}").format(error=error)
            ) from error
        except errors.ProviderError as error:
            if error.retryable:
                raise
            raise errors.OutcomeUnknown(
                error.message, code=error.code, cost=error.cost, details=error.details
            ) from error
        self.call.submission = submission
        _log.info("%s: its kept reply was read again", self.asset.id)
        return await self._stored(submission)

    def _read_kept(self, kept: Kept) -> bytes:
        with self.call.keeper.opened(self.asset, kept) as path:
            return path.read_bytes()

    @asynccontextmanager
    async def _source(self) -> AsyncIterator[Path | None]:
        """Give the item that something is to be done to as a file, while the block runs."""
        if self.asset.source is None:
            yield None
            return
        user_id = self.asset.user_id
        found = await asyncio.to_thread(self._store.assets.get, self.asset.source, user_id)
        if found is None or found.displayed is None:
            raise errors.RequestRejected(SOURCE_GONE)
        opened = self._content.opened(user_id, found.displayed)
        try:
            path = await asyncio.to_thread(opened.__enter__)
        except FileNotFoundError:
            raise errors.RequestRejected(SOURCE_GONE) from None
        except OSError as error:
            raise errors.ProviderUnavailable(
                N_("What it is made of cannot be read at the moment: {error}").format(error=error)
            ) from error
        try:
            yield path
        finally:
            await asyncio.to_thread(opened.__exit__, None, None, None)

    async def _sent(self, request: Request) -> Submission:
        """Ask the provider for the item."""
        try:
            with telemetry.step_span("submit"):
                async with asyncio.timeout(self.provider.deadlines.submit):
                    return await self.provider.submit(request)
        except errors.ProviderError:
            raise
        except Exception as error:
            if self.call.paid:
                raise errors.OutcomeUnknown from error
            if isinstance(error, TimeoutError):
                raise errors.ProviderUnavailable from error
            raise

    async def _stored(self, submission: Submission) -> Submission:
        """Store the provider's answer, however long that takes where it was paid for."""
        details = provider_fields(submission)
        while True:
            await self.call.keep(submission.reply)  # in turn: a full disk may have room again
            try:
                await self._store_answer(submission, details | self.call.kept_fields)
            except DatabaseError as error:
                if not self.call.paid:
                    raise
                _log.warning("%s: the answer is not stored yet (%s)", self.asset.id, error)
                details = {}  # should it be these that cannot be stored
                await asyncio.sleep(1)
            else:
                telemetry.item_started(self.asset)
                _log.info("%s: taken by %s", self.asset.id, self.provider.name)
                return submission

    async def _store_answer(self, submission: Submission, changes: dict[str, Any]) -> None:
        transitions, remote_id = self._store.transitions, submission.remote_id
        try:
            await without_queueing(transitions.running, self.asset, remote_id, changes)
        except LeaseLost:
            if remote_id is not None or self.call.rereadable:
                late = transitions.answered_late
                if not await without_queueing(late, self.asset, remote_id, self.call.kept):
                    await self._stop()
                _log.warning("%s: the answer came after the lease was lost", self.asset.id)
            raise

    async def _follow(self, submission: Submission) -> Outcome:
        deadline = self.provider.deadlines.follow
        try:
            with telemetry.step_span("follow"):
                async with asyncio.timeout(deadline) as limit:
                    return await self.provider.follow(submission, self._report)
        except TimeoutError:
            if not limit.expired():  # one of the provider's own
                raise errors.ProviderUnavailable from None
            sentence = N_("{provider} did not finish it in {minutes} minutes.").format(
                provider=self.provider.title, minutes=round(deadline / 60)
            )
            if (
                self.call.paid and self.call.resumable
            ):  # it may yet finish, and can be asked for again
                raise errors.ProviderError(sentence, code=DEADLINE) from None
            await self._stop()
            if self.call.paid:
                raise errors.OutcomeUnknown(sentence, code=DEADLINE) from None
            raise errors.GenerationFailed(sentence, code=DEADLINE) from None
        finally:
            if self._shown is not None:
                await asyncio.wait([self._shown])

    async def _report(
        self, share: float | None = None, *, waiting: str = "", preview: bytes | None = None
    ) -> None:
        if share is not None and 0.0 <= float(share) <= 1.0:
            self._hold.progress = float(share)  # stored with those of all other items
        self._hold.waiting = waiting
        if preview is not None and (self._shown is None or self._shown.done()):
            self._shown = asyncio.create_task(self._show(preview))

    async def _show(self, preview: bytes) -> None:
        """Store a picture of what is there so far; it is only for the eye."""
        try:
            webp = await bounded(preview_of, preview, seconds=PREVIEW_SECONDS, preview=True)
            await asyncio.to_thread(self._store.transitions.partial, self.asset, webp)
        except Exception as error:  # noqa: BLE001  # whatever a vendor sends, the item goes on
            _log.info("%s: a preview is not shown: %s", self.asset.id, error)

    async def _stop(self) -> errors.ProviderError | None:
        """Stop what the provider works on; return what could not be stopped."""
        if self.call.submission is None:
            return None
        try:
            async with asyncio.timeout(self.provider.deadlines.cancel):
                await self.provider.cancel(self.call.submission)
        except Exception as error:  # noqa: BLE001  # whatever it is, the item must end
            _log.warning("%s: not stopped at %s: %s", self.asset.id, self.provider.name, error)
            return errors.ProviderError(
                N_("{provider} could not be told to stop; it may go on and charge for it.").format(
                    provider=self.provider.title
                )
            )
        return None


def _noticed(call: asyncio.Task[Submission]) -> None:
    """Look at a call's error, which nobody may be waiting for any more."""
    if not call.cancelled():
        call.exception()
