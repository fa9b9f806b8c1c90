"""Checks of folders and of free disk space, with messages for operators."""

import errno
import secrets
from pathlib import Path
from typing import Final

from core.i18n import N_
from core.system.filesystem import flush, format_bytes, free_bytes

MIN_FREE_BYTES: Final = 16 * 2**20
"""Free bytes below which no new work starts: MongoDB exits when its disk is full, and running items
still have files to write."""
FULL: Final = N_(
    "The disk of {setting}, {folder}, is full ({room} free). Make room there, or set {setting} to "
    "a folder on another disk."
)


class FolderUnusable(Exception):
    """Files cannot be saved in a folder; the message says why and what to do."""


class DiskFull(FolderUnusable):
    """The disk is full; a later attempt may succeed."""


def check_folder(setting: str, folder: Path, *, trouble: str) -> str:
    """Check that files can be saved in a folder; create it if it is missing.

    Args:
        setting: the setting that names the folder.
        folder: the folder.
        trouble: start of the error message.

    Returns:
        The absolute path, and how much space is free.

    Raises:
        DiskFull: the disk is full.
        FolderUnusable: files cannot be saved for another reason.
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
            raise DiskFull(full_disk_message(setting, folder)) from None
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
    return f"{folder.resolve()} ({format_bytes(free_bytes(folder))} free)"


def check_data_folder(folder: Path) -> str:
    """Check `DATA_DIR`; see `check_folder`."""
    return check_folder("DATA_DIR", folder, trouble="The data folder cannot be used")


def is_full(error: BaseException) -> bool:
    """Return whether a system call failed because the disk or the quota is full."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


def full_disk(setting: str, folder: Path) -> str:
    """Return a message if the disk of a folder is full; empty if it is not.

    Args:
        setting: the setting that names the folder.
        folder: where files are saved.
    """
    room = free_bytes(folder)
    return "" if room is None or room >= MIN_FREE_BYTES else full_disk_message(setting, folder)


def full_disk_message(setting: str, folder: Path) -> str:
    """Return what to tell about a folder whose disk is full, and what to do."""
    room = format_bytes(free_bytes(folder))
    return FULL.format(setting=setting, folder=folder.resolve(), room=room)
