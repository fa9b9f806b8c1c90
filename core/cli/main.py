"""`python -m core …`: the command line."""

import os
import sys
from contextlib import suppress
from pathlib import Path

import click

from core.cli.checks import doctor, models
from core.cli.generate import generate
from core.cli.jobs import cancel, job, jobs, recover, retry
from core.cli.processes import notifier, run, web, worker
from core.cli.repair import repair
from core.cli.users import user
from core.media.storage import InvalidContentUrl
from core.models import InvalidInput
from core.runtime.crash_report import BROKEN, CANNOT_START, SUPERVISED, TEMPORARY, sentence
from core.settings import InvalidSetting, load_settings
from core.store import DatabaseError, DatabaseUnavailable


def main() -> None:
    """Run the command line; errors are printed as one sentence, without a traceback."""
    from core.runtime.process import prepare_command  # noqa: PLC0415  # loads structlog
    from core.runtime.supervisor import CannotStart  # noqa: PLC0415
    from core.store.mongod_files import EmbeddedUnavailable  # noqa: PLC0415  # only `run` raises them

    prepare_command()
    _give_home()
    try:
        cli()
    except (InvalidContentUrl, InvalidSetting) as error:
        _end(str(error), CANNOT_START)
    except (CannotStart, EmbeddedUnavailable, InvalidInput) as error:
        _end(str(error), 1)
    except DatabaseUnavailable as error:
        _end(str(error), TEMPORARY)
    except DatabaseError as error:
        _end(f"the database refuses to work: {error}", TEMPORARY)
    except Exception as error:  # noqa: BLE001  # no traceback on the command line
        _end(sentence(error, _data_dir()), BROKEN)


def _end(message: str, code: int) -> None:
    """Print an error and exit, with `code` for the supervisor, otherwise with 1."""
    print(f"fivefold: {message}", file=sys.stderr)  # noqa: T201  # a command line prints
    sys.exit(code if os.environ.get(SUPERVISED) else 1)


def _data_dir() -> Path:
    """Return the data folder, even if the settings cannot be read."""
    try:
        return load_settings().data_dir
    except Exception:  # noqa: BLE001  # that may be the very error
        return Path(".data")


def _give_home() -> None:
    """Set HOME if it is missing, as in many containers, or is not a folder.

    Streamlit, for example, reads its settings there and fails without it.
    """
    home = os.path.expanduser("~")  # noqa: PTH111  # unlike pathlib's, it does not raise
    if home == "~" or (os.path.lexists(home) and not os.path.isdir(home)):  # noqa: PTH112  # likewise
        with suppress(InvalidSetting):  # such as `~/fivefold`, which means nothing here
            os.environ["HOME"] = str(load_settings().data_dir.absolute())


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Fivefold: one prompt in; at least five images and five videos out."""


for command in (
    *(run, web, worker, notifier),
    *(generate, job, jobs, cancel, retry, recover),
    *(models, doctor, repair, user),
):
    cli.add_command(command)
