"""`python -m core`."""

import os
from pathlib import Path

from core.redaction import guard_output, learn_environment

# Before anything else is loaded, and in the processes that this one spawns, too: they import it.
learn_environment(os.environ, Path(".env"))
guard_output()

from core.cli.main import main  # noqa: E402

if __name__ == "__main__":
    main()
