"""File-system calls that some file systems lack, each with a fallback.

FAT, exFAT, SMB, FUSE and some container mounts have no modes, no hard links, no locks, or no flush
of a folder; read-only ones refuse even changes that would change nothing. All other modules call
these functions instead of `chmod`, `fsync`, `link`, `rename` and `flock` (`pyproject.toml`,
`tests/unit/test_filesystem.py`). Errors that may mean lost data (`ENOSPC`, `EDQUOT`, `EIO`) are
always raised.
"""

import errno
import fcntl
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final

PRIVATE: Final = 0o600

_MISSING: Final = frozenset(
    {errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOTTY, errno.EBADF}
)  # the file system does not support the call
_REFUSED: Final = _MISSING | {errno.EPERM, errno.EACCES, errno.EROFS}
_NO_LOCKS: Final = _MISSING | {errno.ENOLCK, errno.EPERM, errno.EACCES, errno.EROFS}
_NO_LINKS: Final = _REFUSED | {errno.EXDEV, errno.EMLINK}


def make_executable(path: Path) -> bool:
    """Make a file executable if it is not; return whether it is now."""
    if os.access(path, os.X_OK):
        return True
    with _ignoring(_REFUSED):
        path.chmod(path.stat().st_mode | 0o111)
    return os.access(path, os.X_OK)


def make_private(path: Path) -> bool:
    """Restrict a file to its owner; return whether it is restricted now."""
    with _ignoring(_REFUSED):
        path.chmod(PRIVATE)
    return not stat.S_IMODE(path.stat().st_mode) & 0o077


def flush(file: IO[Any]) -> None:
    """Flush a file's content to the disk, where the file system supports that.

    Raises:
        OSError: the content may be lost: the disk is full or broken.
    """
    file.flush()
    with _ignoring(_REFUSED):
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Flush a folder's entries to the disk, where the file system supports that.

    Raises:
        OSError: entries may be lost: the disk is full or broken.
    """
    with _ignoring(_REFUSED | {errno.EISDIR}):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def move(source: Path, target: Path) -> None:
    """Move a file atomically, also from another disk; an existing target is replaced.

    Raises:
        OSError: the file was not moved; `source` is unchanged.
    """
    try:
        source.replace(target)
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        near = target.with_name(f".{target.name}.{secrets.token_hex(4)}.part")
        try:
            shutil.copyfile(source, near)
            with near.open("rb+") as copied:
                flush(copied)
            near.replace(target)
        finally:
            near.unlink(missing_ok=True)
        source.unlink(missing_ok=True)
    flush_folder(target.parent)


def lock(file: IO[Any]) -> bool:
    """Lock an open file for this process; return False if another process holds the lock.

    On a file system without locks, every call succeeds.
    """
    try:
        with _ignoring(_NO_LOCKS - {errno.EACCES}):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def read_or_create_secret(path: Path, make: Callable[[], str]) -> str:
    """Return the content of a private file; create the file if it is missing.

    If several processes create it at the same time, one wins and all return its content. A killed
    process leaves either the whole file or none.

    Args:
        path: the file; its folder is created if it is missing.
        make: returns the content of a new file.

    Raises:
        OSError: the file cannot be read or created.
    """
    with suppress(FileNotFoundError):
        if found := path.read_text().strip():
            return found
        path.unlink()  # empty: of another program, or written to a full disk
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
        with os.fdopen(descriptor, "w") as file:
            file.write(make())
            flush(file)
        with suppress(FileExistsError):  # another process was faster
            _publish(made, path)
    finally:
        made.unlink(missing_ok=True)
    flush_folder(path.parent)
    return path.read_text().strip()


def free_bytes(path: Path) -> int | None:
    """Return the bytes that this process may still write to a folder's disk; None: unknown."""
    try:
        disk = os.statvfs(path)
    except OSError:
        return None
    return disk.f_bavail * disk.f_frsize if disk.f_blocks else None


def format_bytes(number: int | None) -> str:
    """Format a number of bytes, such as `1.2 GiB`."""
    if number is None:
        return "an unknown number of bytes"
    size = float(number)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:  # noqa: PLR2004  # of the next unit
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _publish(made: Path, path: Path) -> None:
    """Give a complete file its final name.

    Raises:
        FileExistsError: the name is taken.
    """
    try:
        path.hardlink_to(made)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with path.with_name(f"{path.name}.lock").open("w") as turn:
            with _ignoring(_NO_LOCKS):
                fcntl.flock(turn, fcntl.LOCK_EX)
            if path.exists():
                raise FileExistsError(path) from None
            made.replace(path)


@contextmanager
def _ignoring(numbers: frozenset[int]) -> Iterator[None]:
    """Ignore `OSError`s with these numbers."""
    try:
        yield
    except OSError as error:
        if error.errno not in numbers:
            raise
