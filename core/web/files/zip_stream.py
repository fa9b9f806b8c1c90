"""A zip that is written while it is sent."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import zipstream  # type: ignore[import-untyped]  # it has no types

from core.i18n import N_
from core.i18n import gettext as _
from core.store import DatabaseError

Source = bytes | Path | Iterable[bytes]
"""What a file in a zip has in it."""
BLOCK: Final = 256 * 1024  # bytes that are sent at a time
ZIP: Final = "application/zip"
_MISSING: Final = N_("These files were not there any more when this archive was made:")

_log = logging.getLogger(__name__)


def stream_zip(entries: Iterable[tuple[str, Source]]) -> Iterator[bytes]:
    """Write a zip while it is read; images and clips are packed already, so nothing is.

    Args:
        entries: names and what they stand for. The next one is asked for when the last is written,
            so a file has to be there only so long. The names are the caller's care: each one once,
            and relative.
    """
    block = bytearray()
    for chunk in _chunks(entries):
        block += chunk
        if len(block) >= BLOCK:
            yield bytes(block)
            block.clear()
    yield bytes(block)


def _chunks(entries: Iterable[tuple[str, Source]]) -> Iterator[bytes]:
    archive = zipstream.ZipStream(compress_type=zipstream.ZIP_STORED)
    for name, source in entries:
        if isinstance(source, Path):
            archive.add_path(source, name, recurse=False)
        else:
            archive.add(source, name)
        yield from archive.all_files()
    yield from archive.footer()


def log_failure(blocks: Iterator[bytes]) -> Iterator[bytes]:
    """Hand a zip on, and tell the log in a sentence why it breaks off, where it does."""
    try:
        yield from blocks
    except (DatabaseError, OSError) as error:
        _log.warning("an archive was broken off: %s", error)
        raise


def missing_text(names: Sequence[str]) -> bytes:
    """Return what a zip says of files that were to be in it and are not there any more."""
    return "\n".join([_(_MISSING), "", *names, ""]).encode()
