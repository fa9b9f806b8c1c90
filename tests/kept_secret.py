"""A watch over all that a test run writes: none of it holds a secret that a test handed out.

Every key, password and token of a test has one of `MARKS` in it. What pytest captured of a test
(logs, and the output of processes that write where it writes), and the log files in its folder,
are looked through when the test has ended; it fails where a mark is found. Processes whose
output a test reads itself are looked over where that is done (`look_over`).
"""

import os
from collections.abc import Generator, Iterable, Iterator
from pathlib import Path
from typing import Final

import pytest

MARKS: Final = ("for-tests", "horse battery")
"""Every secret that a test hands out has one of these in it, and nothing else that is written."""
_BEFORE: Final = 60  # characters of the line that are shown
_SUFFIXES: Final = (".log", ".jsonl")


def found_in(text: str, marks: Iterable[str] = MARKS) -> str:
    """Return the line of a text that holds a mark, as far as it; empty: none does."""
    for mark in marks:
        at = text.find(mark)
        if at >= 0:
            start = max(text.rfind("\n", 0, at) + 1, at - _BEFORE)
            return f"{text[start:at]}…"
    return ""


def look_over(text: str, whose: str, marks: Iterable[str] = ()) -> None:
    """Fail where what a process wrote holds a secret.

    Args:
        text: what it wrote.
        whose: it is.
        marks: further secrets.
    """
    line = found_in(text, [*MARKS, *marks])
    assert not line, f"a secret stands in what {whose} wrote: {line}"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Let a test fail that has written a secret."""
    report = yield
    if call.when == "teardown":
        for name, text in [*report.sections, *_files(item)]:
            if line := found_in(text):
                report.outcome = "failed"
                report.longrepr = f"a secret stands in “{name}”: {line}"
    return report


def _files(item: pytest.Item) -> Iterator[tuple[str, str]]:
    """Yield the names and texts of the log files in a test's folder."""
    folder = getattr(item, "funcargs", {}).get("tmp_path")
    for place, _folders, names in os.walk(folder) if isinstance(folder, Path) else ():
        for name in names:
            if name.endswith(_SUFFIXES):
                yield name, (Path(place) / name).read_text("utf-8", "replace")
