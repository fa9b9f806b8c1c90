import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from structlog.contextvars import bound_contextvars

from core.runtime.process import NOISY_LIBRARIES, prepare

_log = logging.getLogger("core.generation.item_run")


Start = Callable[[str, str, str], None]


@pytest.fixture
def start(monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """`prepare` as in a process of its own; afterwards, logging is as it was."""
    for name in list(os.environ):
        if name.startswith(("OTEL_", "FIVEFOLD_")):
            monkeypatch.delenv(name)
    root = logging.getLogger()
    loggers = [root, *(logging.getLogger(name) for name in NOISY_LIBRARIES)]
    levels = [logger.level for logger in loggers]
    ours: list[logging.Handler] = []

    def start(name: str, log_level: str, log_format: str) -> None:
        pytests = root.handlers[:]
        root.handlers.clear()
        prepare(name, log_level, log_format)
        ours.extend(root.handlers)
        root.handlers.extend(pytests)

    yield start
    for handler in ours:
        root.removeHandler(handler)
    for logger, level in zip(loggers, levels, strict=True):
        logger.setLevel(level)


def fail() -> None:
    raise ValueError("two\nlines")


def test_a_line_is_readable_and_the_message_unchanged(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    start("worker", "INFO", "text")
    _log.info("%s: saved as %s", "01j-image-1", "/files/50%/a=b.png")
    moment = capsys.readouterr().err[:23]
    assert datetime.strptime(moment, "%Y-%m-%d %H:%M:%S,%f")  # noqa: DTZ007  # local, as it is shown
    _log.warning("%s: saved", "01j-image-1")
    line = capsys.readouterr().err[24:]
    assert line == "worker   WARNING 01j-image-1: saved\n"


def test_bound_fields_follow_the_message(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    start("worker", "INFO", "text")
    with bound_contextvars(job="01j", asset="01j-image-1"):
        _log.info("100%% sure: %s", "two\nlines")
    _log.info("after")
    first, second, after = capsys.readouterr().err.splitlines()
    assert first.endswith("worker   INFO    100% sure: two")
    assert second == "lines job=01j asset=01j-image-1"
    assert after.endswith("after")


def test_an_exception_stands_below_its_line(
    start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    start("worker", "INFO", "text")
    try:
        fail()
    except ValueError:
        with bound_contextvars(asset="01j-image-1"):
            _log.exception("it broke")
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].endswith("worker   ERROR   it broke asset=01j-image-1")
    assert lines[1] == "Traceback (most recent call last):"
    assert lines[-2:] == ["ValueError: two", "lines"]
    assert "".join(lines).count("Traceback") == 1


def test_json_is_one_object_a_line(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    start("web", "INFO", "json")
    try:
        fail()
    except ValueError:
        with bound_contextvars(job="01j", asset="01j-image-1"):
            _log.exception("it broke: %s", "“é”\n")
    _log.info("after")
    broke, after = (json.loads(line) for line in capsys.readouterr().err.splitlines())
    moment = datetime.fromisoformat(broke.pop("timestamp"))
    assert moment.utcoffset() is not None
    exception = broke.pop("exception")
    assert exception.startswith("Traceback (most recent call last):")
    assert exception.endswith("ValueError: two\nlines")
    assert broke == {
        "message": "it broke: “é”\n",
        "level": "error",
        "logger": "core.generation.item_run",
        "process": "web",
        "job": "01j",
        "asset": "01j-image-1",
    }
    assert {"message": "after", "level": "info"}.items() <= after.items()
    assert not {"job", "asset", "exception"} & after.keys()


def test_what_cannot_be_written_as_json_is_written_somehow(
    start: Start,
    capsys: pytest.CaptureFixture[str],
) -> None:
    start("web", "INFO", "json")
    with bound_contextvars(thing=threading.main_thread()):
        _log.info("odd")
    assert "MainThread" in json.loads(capsys.readouterr().err)["thing"]


@pytest.mark.parametrize(
    ("log_level", "taskiq_level"),
    [("INFO", "WARNING"), ("ERROR", "ERROR"), ("DEBUG", "INFO")],
)
def test_talkative_libraries_are_say_less_than_we_do(
    start: Start, log_level: str, taskiq_level: str
) -> None:
    start("worker", log_level, "text")
    level = logging.getLogger("taskiq.receiver").getEffectiveLevel()
    assert logging.getLevelName(level) == taskiq_level


WEB = """
import logging
from streamlit import config
from streamlit.logger import get_logger
from uvicorn import Config
from core.runtime.process import prepare
from core.web.app.logging_setup import share_log
early = get_logger("streamlit.early")
prepare("web", "INFO", "json")
share_log()
config.get_config_options()
Config("x:y", access_log=False)
for name in ("streamlit.early", "streamlit.late", "uvicorn.error", "core.web.login.routes"):
    logger = logging.getLogger(name) if name == "core.web.login.routes" else get_logger(name)
    logger.error("from %s", name)
"""


def test_streamlit_and_its_server_write_to_our_log_and_once() -> None:
    done = subprocess.run(
        [sys.executable, "-c", WEB], capture_output=True, text=True, timeout=60, check=True
    )
    lines = [json.loads(line)["message"] for line in done.stderr.splitlines()]
    assert lines == [
        "from streamlit.early",
        "from streamlit.late",
        "from uvicorn.error",
        "from core.web.login.routes",
    ]
