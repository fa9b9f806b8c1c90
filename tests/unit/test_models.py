import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.models import (
    PROMPT_MAX_CHARACTERS,
    InvalidInput,
    new_id,
    now,
    parse_prompt,
    parse_user_id,
)

FIRST = string.ascii_letters + string.digits
REST = FIRST + "._-"
RESERVED = {"con", "prn", "aux", "nul"} | {f"{d}{n}" for d in ("com", "lpt") for n in range(10)}

well_formed = st.builds(
    str.__add__, st.sampled_from(FIRST), st.text(st.sampled_from(REST), max_size=63)
).filter(lambda text: text.lower().split(".")[0] not in RESERVED)


@given(well_formed)
def test_a_well_formed_user_id_is_taken_and_compared_without_case(text: str) -> None:
    assert parse_user_id(text) == parse_user_id(text.upper()) == text.lower()


@given(well_formed)
def test_reading_a_user_id_again_changes_nothing(text: str) -> None:
    assert parse_user_id(parse_user_id(text)) == parse_user_id(text)


@given(st.text(max_size=80))
def test_whatever_is_taken_is_a_safe_file_name(text: str) -> None:
    try:
        user_id = parse_user_id(text)
    except InvalidInput:
        return
    assert 1 <= len(user_id) <= 64
    assert user_id[0] in FIRST
    assert set(user_id) <= set(REST)


@pytest.mark.parametrize(
    "text",
    ["", "  ", ".", "..", "...", "-a", "_a", ".a", "a b", "a/b", "a\\b", "ä", "a\n", "../etc"]  # noqa: RUF100
    + ["a" * 65, "con", "CON", "nul.txt", "Com1", "lpt9.x", "a\x00", "a%2f", "１"],
)
def test_other_user_ids_are_refused(text: str) -> None:
    if text == "a\n":
        assert parse_user_id(text) == "a"  # blanks around it are dropped
        return
    with pytest.raises(InvalidInput):
        parse_user_id(text)


@pytest.mark.parametrize("text", ["x", "a" * PROMPT_MAX_CHARACTERS, " 🌊 ", "<b>", "שלום", "**a**"])
def test_a_prompt_is_kept_as_typed(text: str) -> None:
    assert parse_prompt(text) == text


@pytest.mark.parametrize(
    "text", ["", " \n\t", "a" * (PROMPT_MAX_CHARACTERS + 1), "a\x00b", "\ud800"]
)
def test_an_empty_or_overlong_or_broken_prompt_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput):
        parse_prompt(text)


def test_ids_are_unique_and_sort_by_time() -> None:
    ids = [new_id() for _ in range(500)]
    assert len(set(ids)) == 500
    assert [each[:10] for each in ids] == sorted(each[:10] for each in ids)


def test_times_have_the_precision_that_the_database_keeps() -> None:
    assert now().microsecond % 1000 == 0
