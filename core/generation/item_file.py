"""Saving an item's file: fetched, looked over, copied for browsers where needed, and committed."""

import asyncio
import errno
import logging
import shutil
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from core import telemetry
from core.generation.call_state import CallState
from core.i18n import N_
from core.media.bounded_process import bounded
from core.media.display_copies import COPY_SECONDS, make_copy
from core.media.formats import DISPLAY
from core.media.inspection import BrokenMedia, Inspection, inspect_bounded
from core.media.storage import PREVIEWS, ContentStore, Draft, StorageUnavailable
from core.models import Kept
from core.providers.base import Provider, Submission
from core.providers.errors import ProviderError, ProviderUnavailable
from core.store import DatabaseError, LeaseLost, Store
from core.system.disks import is_full

NOT_SAVED: Final = "not_saved"
DISK_FULL: Final = "disk_full"
BROKEN: Final = "broken_file"
NO_COPY: Final = N_(
    "No copy that every browser displays could be made of this file. It is kept as it came; "
    "download it to open it with another program."
)
SAVE_AGAIN: Final = (20, 15.0)  # times, seconds between: for what could not be fetched again
FULL_TIMES: Final = 5760  # as many more, a day, where there is no room to keep it elsewhere either

_log = logging.getLogger(__name__)


class ItemFile:
    """The file of one item, on its way into the content store.

    Args:
        store: the database.
        content: where files go.
        provider: who made it.
        call: what is known of the call that it came of.
        exact: whether it has to be as it was ordered, where it is free.
    """

    def __init__(
        self,
        store: Store,
        content: ContentStore,
        provider: Provider,
        call: CallState,
        *,
        exact: bool,
    ) -> None:
        self.asset = call.asset
        self.call = call
        self.provider = provider
        self._store = store
        self._content = content
        self._exact = exact

    async def save(self, submission: Submission) -> None:
        """Fetch the file of what the provider made, save it, and store that the item is done.

        Raises:
            ProviderError: it could not be had, or could not be saved.
        """

        async def fetch(destination: Path) -> None:
            try:
                async with asyncio.timeout(self.provider.deadlines.fetch):
                    await self.provider.fetch(submission, destination)
            except (TimeoutError, ConnectionError):
                raise ProviderUnavailable from None

        try:
            saved = await self._saved_in_the_end(fetch)
        except BrokenMedia as error:  # perhaps it broke on its way
            raise ProviderError(str(error), code=BROKEN, retryable=self.call.resumable) from error
        except OSError as error:
            raise self._not_saved(error) from error
        await self._done(saved)

    async def save_kept_file(self) -> bool:
        """Save the file that was kept as it came, where there is one; return whether it is one."""
        for kept in [each for each in self.call.kept if each.what == "file"]:

            async def fetch(destination: Path, kept: Kept = kept) -> None:
                with self.call.keeper.opened(self.asset, kept) as path:
                    await asyncio.to_thread(shutil.copyfile, path, destination)

            self.call.token = kept.call
            try:
                await asyncio.to_thread(self._store.transitions.saving, self.asset)
                saved = await self._saved(fetch)
            except (BrokenMedia, FileNotFoundError) as error:
                _log.info("%s: its kept file is still none: %s", self.asset.id, error)
                if not (self.call.resumable or await self.call.has_reply()):
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
            return ProviderError(full, code=DISK_FULL, retryable=self.call.carried_on)
        again = self.call.carried_on and isinstance(error, StorageUnavailable)
        return ProviderError(_sentence(error), code=NOT_SAVED, retryable=again)

    async def _done(self, saved: dict[str, Any]) -> None:
        """Store that the item is finished; then nothing needs to be kept of its call."""

        def finish() -> None:
            # In one go: a heartbeat that finds no lease any more stops whatever comes after this.
            self._store.transitions.done(self.asset, saved)
            _log.info("%s: saved as %s", self.asset.id, saved["path"])
            if self.call.kept:
                kept = {"call": self.call.token, "kept": tuple(self.call.kept)}
                ours = self.asset.model_copy(update=kept)
                with suppress(OSError, DatabaseError):  # the sweeper tries again
                    self.call.keeper.remove(ours)
                    self._store.transitions.forget_kept(ours)

        await asyncio.to_thread(finish)

    async def _saved_in_the_end(self, fetch: Callable[[Path], Awaitable[None]]) -> dict[str, Any]:
        """Save the file; one that was paid for and is only here is not given up soon."""
        only_here = self.call.charged and not (self.call.resumable or self.call.rereadable)
        times, pause = SAVE_AGAIN if only_here else (1, 0.0)
        while True:
            times -= 1
            try:
                return await self._saved(fetch, keeping=times <= 0)
            except (OSError, ProviderUnavailable) as error:
                # It is nowhere else, and a disk that is full may take nothing for hours.
                wait = is_full(error) and not self.call.carried_on and times > -FULL_TIMES
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
                    if keeping and self.call.charged:
                        await self.call.keep_file(draft)
                    raise

    async def _inspect(self, draft: Draft) -> Inspection:
        # What was paid for is kept though it is not quite what was asked for.
        params = self.asset.params if self._exact and not self.call.paid else {}
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


def _sentence(error: OSError) -> str:
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        return N_("The content folder cannot be written to, so the file could not be saved.")
    return N_("The file could not be saved: {reason}.").format(reason=error.strerror or error)
