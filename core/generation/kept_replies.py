"""Keeping what came of a paid call until it is saved: the raw reply, or the file as it came.

Names follow from the item and the call, so that what a killed worker kept is found without a
document that names it. What the content store does not take, the database does.
"""

import logging
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Literal

from core.media.storage import REPLIES, ContentStore, Draft
from core.models import Asset, Kept
from core.providers.errors import REPLY_MAX_BYTES
from core.store import DatabaseError, Store

What = Literal["reply", "file"]

_SIGNATURES: Final = (  # of what vendors send: offset, bytes, suffix
    (0, b"\x89PNG", ".png"),
    (0, b"\xff\xd8\xff", ".jpg"),
    (0, b"GIF8", ".gif"),
    (8, b"WEBP", ".webp"),
    (4, b"ftypavif", ".avif"),
    (4, b"ftyp", ".mp4"),
    (0, b"\x1aE\xdf\xa3", ".webm"),
)

_log = logging.getLogger(__name__)


class ReplyKeeper:
    """Keeps replies and files beside the items that they came of.

    Args:
        store: takes what the content store does not.
        content: where they lie.
    """

    def __init__(self, store: Store, content: ContentStore) -> None:
        self._store = store
        self._content = content

    def keep_reply(self, asset: Asset, call: str | None, reply: bytes) -> Kept | None:
        """Keep a raw reply.

        Args:
            asset: what it came of.
            call: the call that it answered.
            reply: its body, without secrets.

        Returns:
            where it is; None: nothing could take it, which the log says.
        """
        if not reply or len(reply) > REPLY_MAX_BYTES:
            return None
        name = _name(asset, call, "reply")
        try:
            with self._content.draft(asset.user_id, Path(name).name) as draft:
                draft.path.write_bytes(reply)
                path = draft.commit(name)
        except OSError as error:
            _log.warning("%s: its reply goes to the database: %s", asset.id, error)
            with _local(reply) as copy:
                return self._in_database(asset, call, "reply", copy)
        return Kept(what="reply", path=path, bytes=len(reply), call=call)

    def keep_file(self, asset: Asset, call: str | None, draft: Draft) -> Kept | None:
        """Keep a file as it came, by moving it; the result is that of `keep_reply`."""
        try:
            size = draft.path.stat().st_size
            with draft.path.open("rb") as file:
                suffix = _suffix(file.read(16))
        except FileNotFoundError:
            return None
        if not size:
            return None
        try:
            path = draft.commit(_name(asset, call, "file"))
        except OSError as error:
            _log.warning("%s: its file goes to the database: %s", asset.id, error)
            kept = self._in_database(asset, call, "file", draft.path)
            return None if kept is None else kept.model_copy(update={"suffix": suffix})
        return Kept(what="file", path=path, bytes=size, suffix=suffix, call=call)

    def find_reply(self, asset: Asset) -> Kept | None:
        """Return the reply that a killed worker kept of the item's last call, where it did."""
        known = [each for each in asset.kept if each.what == "reply" and each.call == asset.call]
        if known or asset.call is None:
            return known[-1] if known else None
        name = _name(asset, asset.call, "reply")
        guesses = [
            Kept(what="reply", place=place, path=path, bytes=0, call=asset.call)
            for place, path in (("content", name), ("database", Path(name).name))
        ]
        for kept in guesses:
            try:
                with self.opened(asset, kept) as copy:
                    return kept.model_copy(update={"bytes": copy.stat().st_size})
            except FileNotFoundError:
                continue
        return None

    @contextmanager
    def opened(self, asset: Asset, kept: Kept) -> Iterator[Path]:
        """Give what is kept as a file of this machine, for as long as the block lasts.

        Raises:
            FileNotFoundError: it is not there any more.
            StorageUnavailable: it cannot be had at the moment.
        """
        if kept.place == "content":
            with self._content.opened(asset.user_id, kept.path) as path:
                yield path
            return
        with _local(b"") as copy:
            self._store.kept_replies.write(kept.path, copy)
            yield copy

    def remove(self, asset: Asset) -> None:
        """Remove what is kept of the item's last call: its file is saved.

        Raises:
            OSError: something may still be there.
        """
        for kept in asset.kept:
            if kept.call == asset.call and kept.place == "database":
                self._store.kept_replies.remove(kept.path)
        for what in ("reply", "file"):
            self._content.remove(asset.user_id, _name(asset, asset.call, what))

    def _in_database(self, asset: Asset, call: str | None, what: What, source: Path) -> Kept | None:
        size = source.stat().st_size
        name = Path(_name(asset, call, what)).name
        if size > REPLY_MAX_BYTES:
            _log.error("%s: its %s is lost: %d bytes are too many to keep", asset.id, what, size)
            return None
        try:
            self._store.kept_replies.save(name, asset.id, source)
        except (DatabaseError, OSError) as error:
            _log.error("%s: its %s cannot be kept: %s", asset.id, what, error)
            return None
        return Kept(what=what, place="database", path=name, bytes=size, call=call)


def kept_names(asset: Asset) -> list[str]:
    """Return the names of all that may be kept of an item in the content store."""
    latest = [_name(asset, asset.call, what) for what in ("reply", "file")]
    return [*latest, *(each.path for each in asset.kept if each.place == "content")]


def _name(asset: Asset, call: str | None, what: str) -> str:
    return f"{REPLIES}/{asset.id}.{call or 'call'}.{what}"


def _suffix(head: bytes) -> str:
    """Return what a file that begins so is called."""
    found = (suffix for at, mark, suffix in _SIGNATURES if head[at : at + len(mark)] == mark)
    return next(found, ".bin")


@contextmanager
def _local(content: bytes) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="fivefold-") as folder:
        path = Path(folder) / "reply"
        path.write_bytes(content)
        yield path
