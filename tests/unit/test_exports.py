import csv
import io
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.web.files.routes import slug
from core.web.text.csv_tables import csv_lines, safe_cell
from tests.product import ROOT


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


def test_excel_reads_letters_right_and_every_table_begins_so() -> None:
    written = b"".join(csv_lines(("name", "words"), [("Jürgen", "=1+1"), ("ana", "नमस्ते")]))
    assert written.startswith(b"\xef\xbb\xbf")
    assert written.count(b"\xef\xbb\xbf") == 1
    assert written.decode("utf-8-sig") == "name,words\r\nJürgen,'=1+1\r\nana,नमस्ते\r\n"
    long = b"".join(csv_lines(("n",), ((each,) for each in range(2000))))
    assert long.count(b"\xef\xbb\xbf") == 1
    assert long.count(b"\r\n") == 2001


def test_one_module_writes_tables() -> None:
    writers = [
        path.name for path in (ROOT / "core").rglob("*.py") if "csv.writer(" in path.read_text()
    ]
    assert writers == ["csv_tables.py"]


@pytest.mark.parametrize(
    ("prompt", "name"),
    [
        ("नमस्ते दुनिया", "नमस्ते-दुनिया"),
        ("வணக்கம் உலகம்", "வணக்கம்-உலகம்"),
        ("สวัสดีชาวโลก", "สวัสดีชาวโลก"),
        ("می\u200cخواهم", "می\u200cخواهم"),
        ("Cafe\u0301 crème!", "café-crème"),
        ("שָׁלוֹם עולם", "שָׁלוֹם-עולם"),
        ("a/../b: c\x00d", "a-b-c-d"),
        ("…", "fivefold"),
    ],
)
def test_download_names_keep_letters_marks_and_numbers(prompt: str, name: str) -> None:
    assert slug(prompt) == unicodedata.normalize("NFC", name)
