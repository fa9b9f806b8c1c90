"""Tables as CSV for spreadsheets."""

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import Final

Row = Sequence[object]

_BOM: Final = b"\xef\xbb\xbf"  # without it, Excel reads UTF-8 in a local code page
_ROWS: Final = 500  # per piece

# What a spreadsheet takes for a formula, even after invisible characters: OWASP "CSV Injection".
_FORMULA: Final = re.compile(r"[\t\r\n]|[\s\x00-\x20\u200b\ufeff]*[=+\-@＝＋－＠]")


def safe_cell(value: object) -> object:
    """Return the value of a cell, with an apostrophe before anything that looks like a formula."""
    if isinstance(value, str) and _FORMULA.match(value):
        return f"'{value}"
    return value


def csv_lines(columns: Row, rows: Iterable[Row]) -> Iterator[bytes]:
    """Yield a table as RFC 4180 has it, in UTF-8 with a byte order mark, in pieces.

    Args:
        columns: the names of the columns.
        rows: their cells, as displayed.
    """
    left = chain([columns], rows)
    before = _BOM
    while batch := list(islice(left, _ROWS)):
        text = io.StringIO()
        csv.writer(text).writerows([safe_cell(each) for each in row] for row in batch)
        yield before + text.getvalue().encode(errors="replace")
        before = b""
