"""File-system calls that not every place has, each with what to do where it is missing.

FAT, exFAT, SMB, FUSE and some container mounts have no modes, no hard links, no locks, or no flush
of a folder; read-only ones refuse what is as it should be already. Nothing else calls `chmod`,
`fsync`, `link`, `rename` and `flock` itself (`pyproject.toml`, `tests/unit/test_filesystem.py`).
What means that data may be lost (`ENOSPC`, `EDQUOT`, `EIO`) is always raised.
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
)  # there is no such call here
_REFUSED: Final = _MISSING | {errno.EPERM, errno.EACCES, errno.EROFS}
_NO_LOCKS: Final = _MISSING | {errno.ENOLCK, errno.EPERM, errno.EACCES, errno.EROFS}
_NO_LINKS: Final = _REFUSED | {errno.EXDEV, errno.EMLINK}


def make_executable(path: Path) -> bool:
    """Set a file's run bit where it is missing; return whether it can be run now."""
    if os.access(path, os.X_OK):
        return True
    with _but_for(_REFUSED):
        path.chmod(path.stat().st_mode | 0o111)
    return os.access(path, os.X_OK)


def make_private(path: Path) -> bool:
    """Take a file's rights from everybody but its owner; return whether that is so now."""
    with _but_for(_REFUSED):
        path.chmod(PRIVATE)
    return not stat.S_IMODE(path.stat().st_mode) & 0o077


def flush(file: IO[Any]) -> None:
    """Have a file's content on the disk, as far as the place can promise that.

    Raises:
        OSError: it may be lost: the disk is full or broken.
    """
    file.flush()
    with _but_for(_REFUSED):
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Have the names in a folder on the disk, where a folder can be flushed at all.

    Raises:
        OSError: they may be lost: the disk is full or broken.
    """
    with _but_for(_REFUSED | {errno.EISDIR}):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def move(source: Path, target: Path) -> None:
    """Move a file to its name at once, from another disk too; what is there is replaced.

    Raises:
        OSError: it was not moved; `source` is as it was.
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
    """Lock an open file for this process; return False where another one holds it.

    Where there are no locks, nobody is kept out.
    """
    try:
        with _but_for(_NO_LOCKS - {errno.EACCES}):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """Return the text of a private file; where there is none, it is made.

    Of processes that make one at once, one wins and all return its text. A process that is killed
    leaves either the whole file or none.

    Args:
        path: the file; its folder is made where it is missing.
        make: returns a new text.

    Raises:
        OSError: it cannot be read, or not be made.
    """
    with suppress(FileNotFoundError):
        if found := path.read_text().strip():
            return found
        path.unlink()  # empty: another program's, or of a disk that was full
    path.parent.mkdir(parents=True, exist_ok=True)
    made = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        descriptor = os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
        with os.fdopen(descriptor, "w") as file:
            file.write(make())
            flush(file)
        with suppress(FileExistsError):  # another process was faster
            _name(made, path)
    finally:
        made.unlink(missing_ok=True)
    flush_folder(path.parent)
    return path.read_text().strip()


def free_bytes(path: Path) -> int | None:
    """Return how much room a folder's disk has for this process; None where it does not say."""
    try:
        disk = os.statvfs(path)
    except OSError:
        return None
    return disk.f_bavail * disk.f_frsize if disk.f_blocks else None


def shown_bytes(number: int | None) -> str:
    """Return a number of bytes for people, such as `1.2 GiB`."""
    if number is None:
        return "an unknown number of bytes"
    size = float(number)
    for unit in ("bytes", "KiB", "MiB"):
        if size < 1024:  # noqa: PLR2004  # of the next unit
            return f"{size:.0f} {unit}"
        size /= 1024
    return f"{size:.1f} GiB"


def _name(made: Path, path: Path) -> None:
    """Give a whole file its name.

    Raises:
        FileExistsError: that name is taken.
    """
    try:
        path.hardlink_to(made)
    except FileExistsError:
        raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        with path.with_name(f"{path.name}.lock").open("w") as turn:
            with _but_for(_NO_LOCKS):
                fcntl.flock(turn, fcntl.LOCK_EX)
            if path.exists():
                raise FileExistsError(path) from None
            made.replace(path)


@contextmanager
def _but_for(numbers: frozenset[int]) -> Iterator[None]:
    """Go on where a call is not to be had here."""
    try:
        yield
    except OSError as error:
        if error.errno not in numbers:
            raise
