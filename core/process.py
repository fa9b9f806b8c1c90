"""What every process of Fivefold does at its start."""

import logging
import os
import signal
import threading
from typing import Final

SUPERVISED: Final = "FIVEFOLD_SUPERVISED"
"""Environment variable that the supervisor sets for its children."""


def prepare(name: str, log_level: str) -> None:
    """Set up logging, and end with the supervisor where there is one.

    Args:
        name: the process's name in the log.
        log_level: a level of `logging`.
    """
    logging.basicConfig(
        level=log_level, format=f"%(asctime)s {name:<8} %(levelname)-7s %(message)s"
    )
    if os.environ.get(SUPERVISED):
        threading.Thread(target=_end_with_supervisor, daemon=True).start()


def _end_with_supervisor() -> None:
    """Stop in order when the pipe from the supervisor closes, as it does even on SIGKILL."""
    while os.read(0, 1):  # unbuffered: a lock held here would break the interpreter's end
        pass
    os.kill(os.getpid(), signal.SIGTERM)
