"""Zip files that are written while they are sent."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import zipstream  # type: ignore[import-untyped]  # it has no types

from core.i18n import N_
from core.i18n import gettext as _
from core.store import DatabaseError

Source = bytes | Path | Iterable[bytes]
"""The content of a file in a zip."""
BLOCK: Final = 256 * 1024  # bytes of a chunk
ZIP: Final = "application/zip"
_MISSING: Final = N_("These files were not there any more when this archive was made:")

_log = logging.getLogger(__name__)


def stream_zip(entries: Iterable[tuple[str, Source]]) -> Iterator[bytes]:
    """Return the chunks of a zip, uncompressed: images and clips are compressed already.

    Args:
        entries: unique relative names with their content. The next one is requested when the last
            is written; a file has to exist only until then.
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
    """Pass chunks on, and log in a sentence why a download was aborted."""
    try:
        yield from blocks
    except (DatabaseError, OSError) as error:
        _log.warning("an archive was aborted: %s", error)
        raise


def missing_text(names: Sequence[str]) -> bytes:
    """Return the text that names files which have been deleted meanwhile."""
    return "\n".join([_(_MISSING), "", *names, ""]).encode()
