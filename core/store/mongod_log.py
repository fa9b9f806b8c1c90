"""What `mongod` says in its log of why it ended."""

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

_TAIL_BYTES: Final = 2**20  # a stack comes to hundreds of kilobytes


def last_complaint(log: Path) -> str:
    """Return what mongod says of its last error, in its own words."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    found: dict[int, str] = {}
    for line in lines:
        with suppress(ValueError, KeyError, TypeError, AttributeError):
            entry = json.loads(line)
            if entry["s"] in ("E", "F"):
                rank, text = _complaint(entry)
                found[rank] = text  # the last one of its rank
    return found[max(found)] if found else ""


def _complaint(entry: dict[str, Any]) -> tuple[int, str]:
    """Return how near an entry is to the cause, and its words.

    An error of the system comes first, then what the server says of itself, and last what it says
    of its own end, such as its stack.
    """
    attributes = entry.get("attr", {})
    message, error = attributes.get("message"), attributes.get("error")
    if isinstance(message, dict):  # WiredTiger's
        return 2 if int(error) > 0 else 1, str(message["error_str"])
    return 0 if entry["c"] == "CONTROL" else 1, str(error or message or entry["msg"])
