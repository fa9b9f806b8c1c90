"""Where files live: `<content folder>/<user_id>/<asset id>.<png|jpg|mp4>`."""

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

PREVIEWS: Final = ".previews"  # no user_id starts with a dot


class InvalidContentUrl(Exception):
    """`CONTENT_URL` names no place that files can be saved in."""


class ContentStore:
    """The folder that generated files are saved in.

    Args:
        content_url: a folder's path, or its `file://` address.

    Raises:
        InvalidContentUrl: it is an address of another kind.
    """

    def __init__(self, content_url: str) -> None:
        parts = urlsplit(content_url)
        if parts.scheme not in ("", "file"):
            raise InvalidContentUrl(
                f"CONTENT_URL={content_url!r}: files are saved in a folder; "
                f"“{parts.scheme}” is not supported."
            )
        self.root = Path(unquote(parts.path) if parts.scheme else content_url).expanduser()

    def check(self) -> str:
        """Return where files go and how much room is left.

        Raises:
            OSError: files cannot be written there.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        probe = self.root / ".write-test"
        probe.write_bytes(b"")
        probe.unlink()
        disk = os.statvfs(self.root)
        return f"{self.root.resolve()} ({disk.f_bavail * disk.f_frsize / 2**30:.1f} GiB free)"

    def display_path(self, user_id: str, name: str) -> str:
        """Return the path that is stored and shown: content folder, user, name."""
        return (self.root / user_id / name).as_posix()

    def locate(self, user_id: str, stored_path: str) -> Path:
        """Return where a stored file lies today.

        Only the file's name counts, so that a moved content folder keeps its files, and nothing
        outside the user's folder can be named.

        Raises:
            FileNotFoundError: there is no such file.
        """
        stored = PurePosixPath(stored_path)
        folder = self.root / user_id
        place = (folder / PREVIEWS if stored.parent.name == PREVIEWS else folder) / stored.name
        if not place.is_file():
            raise FileNotFoundError(stored_path)
        return place

    @contextmanager
    def draft(self, user_id: str, stem: str) -> Iterator["Draft"]:
        """Give a place to write a file to that shows up whole, or not at all.

        The file is written beside its place, under a hidden name that no other attempt at it
        uses. Where the block ends without `Draft.commit`, it is removed.

        Args:
            user_id: whose folder.
            stem: the file's name without its extension.
        """
        folder = self.root / user_id
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f".{stem}.{secrets.token_hex(4)}.part"
        try:
            yield Draft(part, self, user_id)
        finally:
            part.unlink(missing_ok=True)


@dataclass(frozen=True)
class Draft:
    """A file that is being written.

    Attributes:
        path: where to write it.
    """

    path: Path
    _store: ContentStore
    _user_id: str

    def commit(self, name: str) -> str:
        """Flush the file to the disk and move it to its name.

        Args:
            name: the file's name in the user's folder, with `PREVIEWS/` before it for a preview.

        Returns:
            the path as it is stored and shown.
        """
        final = self._store.root / self._user_id / name
        final.parent.mkdir(exist_ok=True)
        with self.path.open("rb") as written:
            os.fsync(written.fileno())
        self.path.replace(final)
        _flush_folder(final.parent)
        return self._store.display_path(self._user_id, name)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
