"""Whether files can be saved in a folder, and whether its disk is full, in sentences."""

import errno
import secrets
from pathlib import Path
from typing import Final

from core.i18n import N_
from core.system.filesystem import flush, free_bytes, shown_bytes

LITTLE_ROOM: Final = 16 * 2**20
"""Free bytes below which nothing new is begun: MongoDB ends where its disk is full, and what is
being made needs room for its files."""
FULL: Final = N_(
    "The disk of {setting}, {folder}, is full ({room} free). Make room there, or set {setting} to "
    "a folder on another disk."
)


class FolderUnusable(Exception):
    """Files cannot be saved in a folder; the text says why and what to do."""


class DiskFull(FolderUnusable):
    """There is no room at the moment."""


def check_folder(setting: str, folder: Path, *, trouble: str) -> str:
    """See that files can be saved in a folder, which is made where it is missing.

    Args:
        setting: the setting that names it.
        folder: it.
        trouble: how the sentence begins where that is not so.

    Returns:
        where it is, and how much room there is.

    Raises:
        FolderUnusable: they cannot.
    """
    probe = folder / f".write-test-{secrets.token_hex(4)}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            with probe.open("wb") as file:
                file.write(b"a file")
                flush(file)
        finally:
            probe.unlink(missing_ok=True)
    except OSError as error:
        if is_full(error):
            raise DiskFull(said_full(setting, folder)) from None
        why = error.strerror or str(error)
        if folder.is_file():
            why = "it is a file"
        elif isinstance(error, FileExistsError):
            why = "it is a link that leads nowhere"
        raise FolderUnusable(
            f"{trouble}, {folder.resolve()}: {why}. Set {setting} to a folder that can be written "
            "to."
        ) from None
    if full := full_disk(setting, folder):
        raise DiskFull(full)
    return f"{folder.resolve()} ({shown_bytes(free_bytes(folder))} free)"


def check_data_folder(folder: Path) -> str:
    """See that `DATA_DIR` can be used, as `check_folder` does."""
    return check_folder("DATA_DIR", folder, trouble="The data folder cannot be used")


def is_full(error: BaseException) -> bool:
    """Return whether a call of the system failed for want of room."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def full_disk(setting: str, folder: Path) -> str:
    """Return that the disk of a folder is full, and what to do; empty: it is not.

    Args:
        setting: the setting that names the folder.
        folder: where files are saved.
    """
    room = free_bytes(folder)
    return "" if room is None or room >= LITTLE_ROOM else said_full(setting, folder)


def said_full(setting: str, folder: Path) -> str:
    """Return the sentence about a folder whose disk is full."""
    room = shown_bytes(free_bytes(folder))
    return FULL.format(setting=setting, folder=folder.resolve(), room=room)
