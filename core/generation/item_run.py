"""One claimed item on its way through its provider: submit, follow, fetch, save.

What is found half done is carried on with, as far as the provider can. A paid call is never made
twice: its intent is stored before it, and one whose answer is not known stays so.
"""

import asyncio
import errno
import logging
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final

from core import telemetry
from core.generation.heartbeat import HeldItem
from core.generation.kept_replies import ReplyKeeper
from core.generation.priority_pool import without_queueing
from core.generation.provider_fields import provider_fields
from core.i18n import N_
from core.media.bounded import bounded
from core.media.formats import DISPLAY
from core.media.inspection import BrokenMedia, Inspection, inspect_bounded
from core.media.playable import COPY_SECONDS, make_copy
from core.media.previews import preview_of
from core.media.storage import PREVIEWS, ContentStore, Draft, StorageUnavailable
from core.models import Asset, AssetState, Job, Kept
from core.providers.base import Capability, Outcome, Provider, Request, Submission
from core.providers.errors import (
    GenerationFailed,
    OutcomeUnknown,
    PromptRejected,
    ProviderError,
    ProviderUnavailable,
    RequestRejected,
)
from core.store import DatabaseError, LeaseLost, Store
from core.store.documents.placeholders import JOB as JOB_UNREADABLE
from core.system.disks import is_full

MAX_ATTEMPTS: Final = 5
NOT_SAVED: Final = "not_saved"
DISK_FULL: Final = "disk_full"
BROKEN: Final = "broken_file"
DEADLINE: Final = "deadline"
SOURCE_GONE: Final = N_("The item that this was to be made of is not there any more.")
PREVIEW_SECONDS: Final = 20.0
NO_COPY: Final = N_(
    "No copy that every browser displays could be made of this file. It is kept as it came; "
    "download it to open it with another program."
)
SAVE_AGAIN: Final = (20, 15.0)  # times, seconds between: for what could not be fetched again
FULL_TIMES: Final = 5760  # as many more, a day, where there is no room to keep it elsewhere either

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
        self._hold = hold
        self._calls = calls
        self.provider = provider
        self._store = store
        self._content = content
        self._keeper = ReplyKeeper(store, content)
        self._paid = capability is None or capability.paid
        self._exact = capability is not None and capability.exact
        self._submission = None if asset.remote_id is None else Submission(asset.remote_id)
        self._token = asset.call  # of the call that is being answered
        self._kept = list(asset.kept)
        self._call: asyncio.Task[Submission] | None = None
        self._out = False  # whether the provider was called
        self._shown: asyncio.Task[None] | None = None

    @property
    def resumable(self) -> bool:
        """Whether another worker could carry on from here without asking for the item again."""
        return self._submission is not None and self._submission.remote_id is not None

    @property
    def remote_id(self) -> str | None:
        """The task at the provider, which is never created anew while it is known."""
        return None if self._submission is None else self._submission.remote_id

    @property
    def rereadable(self) -> bool:
        """Whether another worker could carry on from a kept reply."""
        return self._reply is not None

    @property
    def carried_on(self) -> bool:
        """Whether another attempt at the item costs nothing."""
        file = any(each.what == "file" for each in self._kept)
        return self.resumable or self.rereadable or file or not self.charged

    @property
    def charged(self) -> bool:
        """Whether a call that costs money is out, or may be, or was answered."""
        out = self._out or self._submission is not None or self.asset.reread
        return self._paid and (out or self.asset.state != AssetState.QUEUED)

    @property
    def taken(self) -> bool:
        """Whether a provider that costs money took the item."""
        return self._paid and (self._submission is not None or self.asset.reread)

    @property
    def kept(self) -> dict[str, Any]:
        """What is kept of the item's calls, as fields to store."""
        return {"kept": [each.to_document() for each in self._kept]}

    def paid_for(self, error: ProviderError) -> bool:
        """Return whether an item that ends with this error was paid for, or may have been.

        What a creating call was refused with is free, unless it says what it cost.
        """
        if error.cost is not None:
            return self._paid and error.cost > 0
        if isinstance(error, OutcomeUnknown):
            return self.charged
        return self.taken and not isinstance(error, PromptRejected)

    @property
    def _reply(self) -> Kept | None:
        """The kept reply of the call that is being answered, or of the last one that has one."""
        replies = [each for each in self._kept if each.what == "reply"]
        ours = [each for each in replies if each.call == self._token]
        usable = ours or (replies if self.asset.reread else [])
        return usable[-1] if usable else None

    async def run(self) -> None:
        """Make the item, from wherever it stands, and store that it is done.

        Raises:
            ProviderError: the provider could not make it, or it could not be saved.
            LeaseLost: the item is somebody else's now.
        """
        try:
            if self.asset.reread and await self._save_kept_file():
                return
            submission = await self._submitted()
            outcome = await self._follow(submission)
            await self._keep(outcome.reply)
            changes = provider_fields(outcome) | self.kept
            await asyncio.to_thread(self._store.transitions.saving, self.asset, changes)
            await self._save(submission)
        except ProviderError as error:
            await self._keep(error.reply)
            # Asking again for something that has been paid for would pay again.
            taken = self._submission is not None and not (self.resumable or self.rereadable)
            if error.retryable and self._paid and taken:
                raise GenerationFailed(
                    error.message, code=error.code, cost=error.cost, details=error.details
                ) from error
            raise

    async def abandon(self) -> None:
        """Stop what nobody else could carry on with; what can be resumed goes on."""
        if not self.resumable:
            await self._stop()

    async def cancel(self) -> ProviderError | None:
        """Stop the item at its provider.

        Returns:
            what could not be undone, in a sentence for the user; None: nothing.
        """
        if self._call is not None and self._submission is None:
            await asyncio.wait([self._call])  # only its answer tells what there is to stop
            error = None if self._call.cancelled() else self._call.exception()
            if isinstance(error, ProviderError) and not isinstance(error, OutcomeUnknown):
                return None  # it was not taken, so it costs nothing
        if self._submission is not None:
            return await self._stop()
        return OutcomeUnknown() if self.charged else None

    async def _submitted(self) -> Submission:
        """Return the request as the provider took it, now or earlier."""
        if self._submission is not None:
            await asyncio.to_thread(self._store.transitions.resumed, self.asset)
            return self._submission
        if await self._has_reply():
            return await self._reread()
        if self.asset.reread:
            raise OutcomeUnknown(
                N_("What was kept of it is not there any more; it may have been charged.")
            )
        if self.asset.state != AssetState.QUEUED and self._paid:
            raise OutcomeUnknown
        if self.asset.attempts > MAX_ATTEMPTS:
            raise GenerationFailed(
                N_("It was begun {number} times and never finished.").format(number=MAX_ATTEMPTS)
            )
        self._call = asyncio.create_task(self._submit(await self._job()))
        self._call.add_done_callback(_noticed)
        if not self._paid:
            return await self._call
        self._calls.add(self._call)
        self._call.add_done_callback(self._calls.discard)
        # Shielded: once a paid call is under way, its answer is stored whatever happens here.
        return await asyncio.shield(self._call)

    async def _submit(self, job: Job) -> Submission:
        """Ask the provider and store its answer; a paid call's answer is not given up.

        The intent is stored last of all before the call: what fails before it cost nothing.
        """
        async with self._source() as source:
            request = await self._request(job, source)
            await without_queueing(self._store.transitions.submitting, self.asset)
            self._token = None if self.asset.lease is None else self.asset.lease.token
            self._out = True
            try:
                self._submission = await self._sent(request)
            except ProviderError as error:  # kept here: who waits may have gone
                await self._keep(error.reply)
                raise
        return await self._stored(self._submission)

    async def _job(self) -> Job:
        job = await asyncio.to_thread(self._store.jobs.get, self.asset.job_id)
        if job is None:
            raise LeaseLost(self.asset.id)
        if {"prompt", "user_id"} & set(job.unreadable):  # nothing is made of a stand-in
            raise RequestRejected(JOB_UNREADABLE)
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

    async def _has_reply(self) -> bool:
        """Whether a reply was kept that the item is to be made of; nothing is paid for then."""
        if not self._paid or (self.asset.state == AssetState.QUEUED and not self.asset.reread):
            return False
        if self._reply is None:  # a worker that was killed may have kept it and told nobody
            found = await asyncio.to_thread(self._keeper.find_reply, self.asset)
            self._kept += [] if found is None else [found]
        return self._reply is not None

    async def _reread(self) -> Submission:
        """Read the kept reply again."""
        kept = self._reply
        if kept is None:
            raise OutcomeUnknown
        self._token = kept.call
        request = await self._request(await self._job(), None)
        try:
            reply = await asyncio.to_thread(self._read_kept, kept)
            async with asyncio.timeout(self.provider.deadlines.submit):
                submission = await self.provider.reread(reply, request)
        except FileNotFoundError:
            self._kept.remove(kept)
            raise OutcomeUnknown(
                N_("What was kept of it is not there any more; it may have been charged.")
            ) from None
        except OSError as error:
            raise ProviderUnavailable(
                N_("The kept reply cannot be read at the moment: {error}").format(error=error)
            ) from error
        except ProviderError as error:
            if error.retryable:
                raise
            raise OutcomeUnknown(
                error.message, code=error.code, cost=error.cost, details=error.details
            ) from error
        self._submission = submission
        _log.info("%s: its kept reply was read again", self.asset.id)
        return await self._stored(submission)

    def _read_kept(self, kept: Kept) -> bytes:
        with self._keeper.opened(self.asset, kept) as path:
            return path.read_bytes()

    async def _keep(self, reply: bytes | None) -> None:
        """Keep a paid call's raw reply, unless a task can be asked after instead."""
        ours = any(each.what == "reply" and each.call == self._token for each in self._kept)
        if reply is None or not self.charged or self.resumable or ours:
            return
        keep = self._keeper.keep_reply
        kept = await asyncio.to_thread(keep, self.asset, self._token, reply)
        self._kept += [] if kept is None else [kept]

    @asynccontextmanager
    async def _source(self) -> AsyncIterator[Path | None]:
        """Give the item that something is to be done to as a file, while the block runs."""
        if self.asset.source is None:
            yield None
            return
        user_id = self.asset.user_id
        found = await asyncio.to_thread(self._store.assets.get, self.asset.source, user_id)
        if found is None or found.displayed is None:
            raise RequestRejected(SOURCE_GONE)
        opened = self._content.opened(user_id, found.displayed)
        try:
            path = await asyncio.to_thread(opened.__enter__)
        except FileNotFoundError:
            raise RequestRejected(SOURCE_GONE) from None
        except OSError as error:
            raise ProviderUnavailable(
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
        except ProviderError:
            raise
        except Exception as error:
            if self._paid:
                raise OutcomeUnknown from error
            if isinstance(error, TimeoutError):
                raise ProviderUnavailable from error
            raise

    async def _stored(self, submission: Submission) -> Submission:
        """Store the provider's answer, however long that takes where it was paid for."""
        details = provider_fields(submission)
        while True:
            await self._keep(submission.reply)  # in turn: a full disk may have room again
            try:
                await self._store_answer(submission, details | self.kept)
            except DatabaseError as error:
                if not self._paid:
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
            if remote_id is not None or self.rereadable:
                late = transitions.answered_late
                if not await without_queueing(late, self.asset, remote_id, self._kept):
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
                raise ProviderUnavailable from None
            sentence = N_("{provider} did not finish it in {minutes} minutes.").format(
                provider=self.provider.title, minutes=round(deadline / 60)
            )
            if self._paid and self.resumable:  # it may yet finish, and can be asked for again
                raise ProviderError(sentence, code=DEADLINE) from None
            await self._stop()
            if self._paid:
                raise OutcomeUnknown(sentence, code=DEADLINE) from None
            raise GenerationFailed(sentence, code=DEADLINE) from None
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

    async def _save(self, submission: Submission) -> None:
        async def fetch(destination: Path) -> None:
            try:
                async with asyncio.timeout(self.provider.deadlines.fetch):
                    await self.provider.fetch(submission, destination)
            except (TimeoutError, ConnectionError):
                raise ProviderUnavailable from None

        try:
            saved = await self._saved_in_the_end(fetch)
        except BrokenMedia as error:  # perhaps it broke on its way
            raise ProviderError(str(error), code=BROKEN, retryable=self.resumable) from error
        except OSError as error:
            raise self._not_saved(error) from error
        await self._done(saved)

    async def _save_kept_file(self) -> bool:
        """Save the file that was kept as it came, where there is one; return whether it is one."""
        for kept in [each for each in self._kept if each.what == "file"]:

            async def fetch(destination: Path, kept: Kept = kept) -> None:
                with self._keeper.opened(self.asset, kept) as path:
                    await asyncio.to_thread(shutil.copyfile, path, destination)

            self._token = kept.call
            try:
                await asyncio.to_thread(self._store.transitions.saving, self.asset)
                saved = await self._saved(fetch)
            except (BrokenMedia, FileNotFoundError) as error:
                _log.info("%s: its kept file is still none: %s", self.asset.id, error)
                if not (self.resumable or await self._has_reply()):
                    raise ProviderError(str(error), code=BROKEN) from error
            except OSError as error:
                raise self._not_saved(error) from error
            else:
                await self._done(saved)
                return True
        return False

    def _not_saved(self, error: OSError) -> ProviderError:
        """Return what is said of a file that could not be saved."""
        if is_full(error):
            full = self._content.full()
            return ProviderError(full, code=DISK_FULL, retryable=self.carried_on)
        again = self.carried_on and isinstance(error, StorageUnavailable)
        return ProviderError(_sentence(error), code=NOT_SAVED, retryable=again)

    async def _done(self, saved: dict[str, Any]) -> None:
        """Store that the item is finished; then nothing needs to be kept of its call."""

        def finish() -> None:
            # In one go: a heartbeat that finds no lease any more stops whatever comes after this.
            self._store.transitions.done(self.asset, saved)
            _log.info("%s: saved as %s", self.asset.id, saved["path"])
            if self._kept:
                kept = {"call": self._token, "kept": tuple(self._kept)}
                ours = self.asset.model_copy(update=kept)
                with suppress(OSError, DatabaseError):  # the sweeper tries again
                    self._keeper.remove(ours)
                    self._store.transitions.unkept(ours)

        await asyncio.to_thread(finish)

    async def _saved_in_the_end(self, fetch: Callable[[Path], Awaitable[None]]) -> dict[str, Any]:
        """Save the file; one that was paid for and is only here is not given up soon."""
        only_here = self.charged and not (self.resumable or self.rereadable)
        times, pause = SAVE_AGAIN if only_here else (1, 0.0)
        while True:
            times -= 1
            try:
                return await self._saved(fetch, keeping=times <= 0)
            except (OSError, ProviderUnavailable) as error:
                # It is nowhere else, and a disk that is full may take nothing for hours.
                wait = is_full(error) and not self.carried_on and times > -FULL_TIMES
                if times <= 0 and not wait:
                    raise
                _log.warning("%s: not saved yet: %s", self.asset.id, error)
                await asyncio.sleep(pause)

    async def _saved(
        self, fetch: Callable[[Path], Awaitable[None]], *, keeping: bool = False
    ) -> dict[str, Any]:
        """Fetch the file, look it over and save it.

        Args:
            fetch: writes it to a place.
            keeping: whether one that was paid for is kept as it came, should it not be saved.
        """
        asset = self.asset
        with (
            self._content.draft(asset.user_id, asset.id) as draft,
            self._content.draft(asset.user_id, f"{asset.id}{DISPLAY}") as copy,
        ):
            with telemetry.step_span("fetch"):
                await fetch(draft.path)
            with telemetry.step_span("save"):
                try:
                    found = await self._inspect(draft)
                    shown = await self._copy(draft, copy, found)
                    # Still ours? Somebody who slept through his lease must not replace a file.
                    await asyncio.to_thread(self._store.transitions.saving, asset)
                    return await asyncio.to_thread(self._commit, draft, copy, found, shown)
                except (LeaseLost, DatabaseError):
                    raise
                except Exception:
                    if keeping and self.charged:
                        await self._keep_file(draft)
                    raise

    async def _keep_file(self, draft: Draft) -> None:
        if any((each.what, each.call) == ("file", self._token) for each in self._kept):
            return  # of an earlier attempt: a full disk is tried again and again
        keep = self._keeper.keep_file
        kept = await asyncio.to_thread(keep, self.asset, self._token, draft)
        if kept is not None:
            same = [each for each in self._kept if (each.what, each.path) == ("file", kept.path)]
            self._kept = [*(each for each in self._kept if each not in same), kept]

    async def _inspect(self, draft: Draft) -> Inspection:
        # What was paid for is kept though it is not quite what was asked for.
        params = self.asset.params if self._exact and not self._paid else {}
        wanted = (params.get(name) for name in ("width", "height", "seconds"))
        return await inspect_bounded(draft.path, self.asset.kind, *wanted)

    async def _copy(self, draft: Draft, copy: Draft, found: Inspection) -> dict[str, str]:
        """Write the display copy where one is needed; return its extension, or why there is none.

        The original is kept either way.
        """
        if found.displayable:
            return {}
        try:
            extension = await bounded(
                make_copy, draft.path, self.asset.kind, copy.path, seconds=COPY_SECONDS
            )
        except Exception as error:  # noqa: BLE001  # whatever decoders and encoders raise
            _log.warning("%s: no display copy: %r", self.asset.id, error)
            return {"note": NO_COPY}
        return {} if extension is None else {"extension": extension}

    def _commit(
        self, draft: Draft, copy: Draft, found: Inspection, shown: dict[str, str]
    ) -> dict[str, Any]:
        asset = self.asset
        preview = self._save_still(found.preview, f"{asset.id}.webp")
        poster = preview
        if found.poster is not None:
            poster = self._save_still(found.poster, f"{asset.id}-poster.webp")
        display = None
        if "extension" in shown:
            display = copy.commit(f"{asset.id}{DISPLAY}.{shown['extension']}")
        return {
            "path": draft.commit(f"{asset.id}.{found.extension}"),
            "display_path": display,
            "display_note": shown.get("note", ""),
            "preview": preview,
            "poster": poster,
            "width": found.width,
            "height": found.height,
            "seconds": found.seconds,
            "bytes": found.bytes,
            "sha256": found.sha256,
        }

    def _save_still(self, content: bytes, name: str) -> str:
        with self._content.draft(self.asset.user_id, name) as draft:
            draft.path.write_bytes(content)
            return draft.commit(f"{PREVIEWS}/{name}")

    async def _stop(self) -> ProviderError | None:
        """Stop what the provider works on; return what could not be stopped."""
        if self._submission is None:
            return None
        try:
            async with asyncio.timeout(self.provider.deadlines.cancel):
                await self.provider.cancel(self._submission)
        except Exception as error:  # noqa: BLE001  # whatever it is, the item must end
            _log.warning("%s: not stopped at %s: %s", self.asset.id, self.provider.name, error)
            return ProviderError(
                N_("{provider} could not be told to stop; it may go on and charge for it.").format(
                    provider=self.provider.title
                )
            )
        return None


def _noticed(call: asyncio.Task[Submission]) -> None:
    """Look at a call's error, which nobody may be waiting for any more."""
    if not call.cancelled():
        call.exception()


def _sentence(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return N_("The content folder cannot be written to, so the file could not be saved.")
    return N_("The file could not be saved: {reason}.").format(reason=error.strerror or error)
