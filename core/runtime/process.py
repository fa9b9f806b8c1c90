"""Start-up of every process: logging, telemetry, and the link to its supervisor."""

import logging
import os
import signal
import threading
from typing import Final

from structlog.contextvars import merge_contextvars
from structlog.processors import (
    EventRenamer,
    JSONRenderer,
    LogfmtRenderer,
    TimeStamper,
    format_exc_info,
)
from structlog.stdlib import ProcessorFormatter, add_log_level, add_logger_name
from structlog.typing import EventDict, WrappedLogger

from core import __version__, telemetry
from core.redaction import redact
from core.runtime.crash_report import SUPERVISED

NOISY_LIBRARIES: Final = (
    "aio_pika",
    "aiobotocore",
    "aiormq",
    "botocore",
    "httpx",
    "httpx2",
    "opentelemetry",
    "taskiq",
)
"""Libraries that log every message, connection or upload at INFO."""

_OWN_LOGGERS: Final = ("core", "pages", "streamlit_app", "__main__")

# Bound fields have no order.
_fields = LogfmtRenderer(sort_keys=True, key_order=["job", "asset"], drop_missing=True)


def prepare_command() -> None:
    """Set up logging of a command-line command: warnings and errors only."""
    handler = logging.StreamHandler()
    handler.setFormatter(_Redacting(logging.Formatter("%(levelname)s %(message)s")))
    handler.addFilter(_drop_library_debug_records)
    logging.basicConfig(level=logging.WARNING, handlers=[handler])


def prepare(name: str, log_level: str, log_format: str) -> None:
    """Set up logging and telemetry, and exit with the supervisor if there is one.

    Args:
        name: the process's name in the log.
        log_level: a level of `logging`.
        log_format: `text`, or `json` for one JSON object a line.
    """
    handler = logging.StreamHandler()
    formatter = _json(name) if log_format == "json" else _text(name)
    handler.setFormatter(_Redacting(formatter, json=log_format == "json"))
    handler.addFilter(_drop_library_debug_records)
    level = logging.getLevelNamesMapping()[log_level]
    logging.basicConfig(level=max(level, logging.INFO), handlers=[handler], force=True)
    for ours in _OWN_LOGGERS:
        logging.getLogger(ours).setLevel(level)
    if level > logging.DEBUG:
        for library in NOISY_LIBRARIES:
            logging.getLogger(library).setLevel(max(logging.WARNING, level))
    telemetry.setup(name, __version__)
    if os.environ.get(SUPERVISED):
        # With SIGINT a worker does not finish its items first: nobody restarts what is left.
        how = signal.SIGINT if name == "worker" else signal.SIGTERM
        threading.Thread(target=_end_with_supervisor, args=[how], daemon=True).start()


def _drop_library_debug_records(record: logging.LogRecord) -> bool:
    """Drop debug records of libraries: they contain whole requests.

    Those hold prompts, notes, cookies and signed links. A library may set its own level
    (`OPENAI_LOG=debug` does), so the handler decides.
    """
    return record.levelno >= logging.INFO or record.name.split(".", 1)[0] in _OWN_LOGGERS


class _Redacting(logging.Formatter):
    """Redacts secrets in another formatter's output, tracebacks included."""

    def __init__(self, formatter: logging.Formatter, *, json: bool = False) -> None:
        super().__init__()
        self._formatter = formatter
        # JSON values are redacted before they are quoted.
        self._redact = redact.known if json else redact

    def format(self, record: logging.LogRecord) -> str:
        return self._redact(self._formatter.format(record))


def _redact_values(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    return {
        key: value if isinstance(value, bool | int | float | None) else redact(str(value))
        for key, value in event.items()
    }


def _text(name: str) -> logging.Formatter:
    return ProcessorFormatter(
        foreign_pre_chain=[merge_contextvars],
        processors=[ProcessorFormatter.remove_processors_meta, _with_fields],
        fmt=f"%(asctime)s {name:<8} %(levelname)-7s %(message)s",
        keep_exc_info=True,  # the standard library writes tracebacks below the line
        keep_stack_info=True,
    )


def _json(name: str) -> logging.Formatter:
    def add_process(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
        event["process"] = name
        return event

    return ProcessorFormatter(
        foreign_pre_chain=[
            merge_contextvars,
            TimeStamper(fmt="iso", utc=True),
            add_log_level,
            add_logger_name,
            add_process,
        ],
        processors=[
            ProcessorFormatter.remove_processors_meta,
            format_exc_info,
            EventRenamer("message"),
            _redact_values,
            JSONRenderer(),
        ],
    )


def _with_fields(logger: WrappedLogger, method: str, event: EventDict) -> str:
    """Return the message, followed by the bound fields."""
    message = str(event.pop("event"))
    bound = {key: event[key] for key in event if key not in {"exc_info", "stack_info"}}
    return f"{message} {_fields(logger, method, bound)}" if bound else message


def _end_with_supervisor(how: signal.Signals) -> None:
    """Stop when the pipe from the supervisor closes, which happens even after SIGKILL."""
    while os.read(0, 1):  # unbuffered: a lock held here would break the interpreter's shutdown
        pass
    os.kill(os.getpid(), how)
