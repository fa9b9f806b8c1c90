"""Files in a folder: `<folder>/<user_id>/<asset id>.<extension>`."""

import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

from core.media import storage
from core.models import parse_user_id
from core.system.disks import DiskFull, FolderUnusable, check_folder, full_disk_message
from core.system.filesystem import flush, move

DRAFTS: Final = ".drafts"  # no user_id starts with a dot
_ASSET_ID: Final = re.compile(r"[0-9a-z]{26}-(image|video)-\d+")


class FolderStore(storage.ContentStore):
    """The folder that generated files are saved in.

    Args:
        root: the folder; made where it is missing.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self.place = str(root.resolve())

    def check(self) -> str:
        """Check that files can be saved; return where, and the free space.

        Raises:
            InvalidContentUrl: files cannot be written there; the text says why.
            StorageUnavailable: the disk is full.
        """
        try:
            trouble = "Files cannot be saved in CONTENT_URL"
            return check_folder("CONTENT_URL", self.root, trouble=trouble)
        except DiskFull as error:
            raise storage.StorageUnavailable(str(error)) from None
        except FolderUnusable as error:
            raise storage.InvalidContentUrl(str(error)) from None

    def full(self) -> str:
        """Return the sentence that the disk is full."""
        return full_disk_message("CONTENT_URL", self.root)

    def locate(self, user_id: str, stored_path: str) -> Path:
        """Return the path of a stored file.

        Raises:
            FileNotFoundError: there is no such file.
        """
        place = self.root / user_id / storage.own_name(stored_path)
        if not place.is_file():
            raise FileNotFoundError(stored_path)
        return place

    @contextmanager
    def opened(self, user_id: str, stored_path: str) -> Iterator[Path]:
        """Provide a stored file itself.

        Raises:
            FileNotFoundError: there is no such file.
        """
        yield self.locate(user_id, stored_path)

    def remove(self, user_id: str, stored_path: str) -> None:
        """Remove a stored file, where there is one.

        Raises:
            OSError: it is still there.
        """
        with suppress(FileNotFoundError):
            self.locate(user_id, stored_path).unlink()

    def forget(self, user_id: str) -> None:
        """Remove a user's folder with all its content.

        Raises:
            OSError: something is still there.
            InvalidInput: that is no user_id; nothing above the users' folders is ever removed.
        """
        folder = self.root / parse_user_id(user_id)
        if folder.exists():
            shutil.rmtree(folder)

    def drafts(self) -> list[storage.OpenDraft]:
        """Return the drafts in the folder, complete or not."""
        found = [(_ASSET_ID.match(path.name), path) for path in (self.root / DRAFTS).glob("*.part")]
        return [storage.OpenDraft(named[0], path) for named, path in found if named]

    @contextmanager
    def draft(self, user_id: str, stem: str) -> Iterator[storage.Draft]:
        """Provide a draft on the same disk as its final place, with a unique name."""
        folder = self.root / DRAFTS
        folder.mkdir(parents=True, exist_ok=True)
        part = folder / f"{stem}.{secrets.token_hex(4)}.part"
        try:
            yield storage.Draft(part, partial(self._move, part, self.root / user_id))
        finally:
            part.unlink(missing_ok=True)

    def _move(self, part: Path, folder: Path, name: str) -> str:
        """Flush a draft to the disk and move it to its name."""
        final = folder / name
        final.parent.mkdir(parents=True, exist_ok=True)
        with part.open("rb+") as written:
            flush(written)
        move(part, final)
        return final.as_posix()
