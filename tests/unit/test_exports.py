import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.web.exports import safe_cell


@pytest.mark.parametrize(
    "formula",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "  =cmd|' /C calc'!A0",
        "\u00a0=1",
        "\ufeff=1",
        "\u200b=1",
        "＝1",
        "\x00=1",
    ],
)
def test_what_a_spreadsheet_would_calculate_stays_a_text(formula: str) -> None:
    assert safe_cell(formula) == f"'{formula}"


@pytest.mark.parametrize("value", ["", "a fox", "3=3", "Mozilla/5.0", "127.0.0.1", 7, None, 1.5])
def test_everything_else_stays_as_it_is(value: object) -> None:
    assert safe_cell(value) == value


@given(st.lists(st.text(), min_size=1))
def test_a_row_is_read_back_as_it_was_written_and_starts_no_formula(cells: list[str]) -> None:
    written = io.StringIO(newline="")
    csv.writer(written).writerow([safe_cell(each) for each in cells])
    [read] = csv.reader(io.StringIO(written.getvalue(), newline=""))
    for cell, found in zip(cells, read, strict=True):
        assert found in (cell, f"'{cell}")
        assert not found.lstrip().startswith(("=", "+", "-", "@"))
