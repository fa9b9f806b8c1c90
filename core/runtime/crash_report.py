"""What a process prints when an error ends it: one sentence; the traceback goes to a file."""

import os
import secrets
import tempfile
import traceback
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from core.redaction import redact
from core.system.disks import is_full

SUPERVISED: Final = "FIVEFOLD_SUPERVISED"
"""Environment variable that the supervisor sets for its children."""

CANNOT_START: Final = 78
"""Exit code of a process that a restart would not help (EX_CONFIG of sysexits.h)."""
TEMPORARY: Final = 75
"""Exit code after a temporary failure, such as a database that does not respond (EX_TEMPFAIL)."""
BROKEN: Final = 70
"""Exit code after an unexpected error (EX_SOFTWARE)."""


def sentence(error: Exception, folder: Path) -> str:
    """Return a sentence about an error that nothing else handled.

    Args:
        error: the error that ended the process.
        folder: where the traceback is written; the system's temporary folder is the fallback.
    """
    if isinstance(error, OSError) and error.strerror:
        paths = [str(each) for each in (error.filename, error.filename2) if each is not None]
        hint = " Make room on that disk." if is_full(error) else ""
        return redact(f"{' and '.join(paths) or 'the system'}: {error.strerror}.{hint}")
    last = " ".join(traceback.format_exception_only(error)[-1].split())
    report = _write_report(error, folder)
    where = f" The details are in {report}." if report else ""
    return redact(f"an error that Fivefold did not expect ended this: {last}.{where}")


def _write_report(error: Exception, folder: Path) -> Path | None:
    moment = datetime.now(UTC)
    text = f"{moment:%Y-%m-%d %H:%M:%S} UTC\n" + "".join(traceback.format_exception(error))
    for place in (folder, Path(tempfile.gettempdir())):
        path = place / f"error-{moment:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}.txt"
        try:
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "w", encoding="utf-8", errors="backslashreplace") as file:
                file.write(redact(text))
        except OSError:
            continue
        return path.resolve()
    return None
