"""The texts: all gathered, all translated, and said in the reader's language."""

import ast
import re
import subprocess
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from string import Formatter

import pytest
from babel.messages import Catalog
from babel.messages.catalog import Message
from babel.messages.pofile import read_po
from hypothesis import given
from hypothesis import strategies as st

from core.i18n import (
    ENGLISH,
    LANGUAGES,
    _negotiated,
    catalogue,
    for_browsers,
    language,
    listed,
    negotiated,
    ngettext,
    number,
    pgettext,
    speaking,
    translated,
)
from core.i18n import gettext as _
from core.providers.errors import OutcomeUnknown
from core.web.text.dates import day_text, moment_text, span_text
from core.web.text.money import amount_text, amounts_text

ROOT = Path(__file__).parents[2]
TEMPLATE = ROOT / "core" / "i18n" / "locales" / "messages.pot"
OTHERS = [code for code in LANGUAGES if code != ENGLISH]
MARKS = {"_", "N_", "gettext", "ngettext", "pgettext"}
NOON = datetime(2026, 11, 3, 12, 5, tzinfo=UTC)


def texts(path: Path) -> Catalog:
    with path.open("rb") as file:
        return read_po(file)


def forms(message: Message) -> tuple[str, ...]:
    return (message.string,) if isinstance(message.string, str) else tuple(message.string or ("",))


def places(text: str) -> set[str]:
    return {name for _text, name, _spec, _conversion in Formatter().parse(text) if name is not None}


def calls() -> Iterator[tuple[str, ast.Call, ast.AST | None]]:
    """Every call in the code, with where it stands and what is called on its result."""
    for path in sorted([*(ROOT / "core").rglob("*.py"), *(ROOT / "pages").rglob("*.py")]):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        outer = {
            node.func.value: node
            for node in ast.walk(tree)
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
        }
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node, outer.get(node)


def marked() -> Iterator[tuple[str, ast.Call, ast.AST | None]]:
    for where, call, outer in calls():
        if isinstance(call.func, ast.Name) and call.func.id in MARKS:
            yield where, call, outer


def every_mark() -> list[tuple[str, ast.Call, ast.AST | None]]:
    found = list(marked())
    assert len(found) > 100
    return found


def test_the_template_has_all_texts_of_the_code(tmp_path: Path) -> None:
    now = tmp_path / "messages.pot"
    subprocess.run([ROOT / "scripts" / "texts", now], check=True)
    found, kept = (
        {(m.context, str(m.id)) for m in texts(each) if m.id} for each in (now, TEMPLATE)
    )
    assert found == kept, "run `make texts`"


@pytest.mark.parametrize("code", OTHERS)
def test_a_language_has_all_texts(code: str) -> None:
    wanted = {(m.context, str(m.id)) for m in texts(TEMPLATE) if m.id}
    there = {(m.context, str(m.id)) for m in catalogue(code) if m.id and all(forms(m))}
    assert wanted - there == set(), "not translated"
    assert there - wanted == set(), "no longer said; run `make texts`"
    assert [m.id for m in catalogue(code) if m.fuzzy and m.id] == []


@pytest.mark.parametrize("code", OTHERS)
def test_a_translation_has_every_form_and_what_is_put_into_it(code: str) -> None:
    messages = [message for message in catalogue(code) if message.id]
    assert messages
    for message in messages:
        many = isinstance(message.id, list | tuple)
        sentence = message.id[-1] if many else str(message.id)
        assert len(forms(message)) == (catalogue(code).num_plurals if many else 1), sentence
        for form in filter(None, forms(message)):
            assert places(form) == places(sentence), sentence


def test_what_is_marked_is_a_text_that_can_be_found() -> None:
    for where, call, _outer in every_mark():
        for each in call.args:
            assert not isinstance(each, ast.JoinedStr), f"{where}: an f-string is not translated"
            if isinstance(each, ast.Call) and isinstance(each.func, ast.Attribute):
                assert each.func.attr != "format", f"{where}: it is found before, filled afterwards"
    for path in sorted((ROOT / "core" / "web" / "frontend").rglob("*.js")):
        found = re.findall(r"\b(?:_|N_|n?gettext)\(\s*`", path.read_text(encoding="utf-8"))
        assert not found, f"{path.name}: a template string is not translated"


def test_what_is_marked_is_found() -> None:
    """Whatever stands where nothing finds it, such as within an f-string, is not translated."""
    ids = [[m.id] if isinstance(m.id, str) else m.id for m in texts(TEMPLATE)]
    there = {text for each in ids for text in each} | {""}
    for where, call, _outer in every_mark():
        assert isinstance(call.func, ast.Name)
        sentence = [str(each.value) for each in call.args if isinstance(each, ast.Constant)]
        sentence = sentence[1:] if call.func.id == "pgettext" else sentence[:2]
        assert set(sentence) <= there, where


def test_what_is_put_into_a_text_has_the_names_that_stand_there() -> None:
    seen = 0
    for where, call, outer in every_mark():
        sentence = [each.value for each in call.args if isinstance(each, ast.Constant)]
        if not isinstance(outer, ast.Call) or not isinstance(outer.func, ast.Attribute):
            continue
        if (
            outer.func.attr != "format"
            or not sentence
            or any(not key.arg for key in outer.keywords)
        ):
            continue
        assert {key.arg for key in outer.keywords} == places(str(sentence[-1])), where
        seen += 1
    assert seen > 50


def test_english_is_what_stands_in_the_code() -> None:
    assert language() == ENGLISH
    assert _("Log out") == "Log out"
    assert ngettext("{count} image", "{count} images", 2) == "{count} images"
    assert pgettext("date", "d MMM y") == "d MMM y"
    assert _("") == ""


def test_a_language_is_spoken_within_a_block_only() -> None:
    with speaking("de"):
        assert _("Log out") == "Abmelden"
        assert ngettext("{count} image", "{count} images", 1) == "{count} Bild"
        assert ngettext("{count} image", "{count} images", 2) == "{count} Bilder"
        assert pgettext("channels", "By") != _("By")
        assert _("") == ""
        with speaking("tlh"):  # none of ours: what was spoken goes on
            assert language() == "de"
        with speaking(None):
            assert language() == "de"
        with speaking("en"):
            assert _("Log out") == "Log out"
    assert language() == ENGLISH


def test_a_thread_of_its_own_speaks_english() -> None:
    heard = []
    with speaking("de"):
        thread = threading.Thread(target=lambda: heard.append(language()))
        thread.start()
        thread.join()
    assert heard == [ENGLISH]


@pytest.mark.parametrize(
    ("wanted", "spoken"),
    [
        ("de", "de"),
        ("de-DE", "de"),
        ("de-AT,de;q=0.9,en;q=0.8", "de"),
        ("fr, de;q=0.5, en;q=0.2", "de"),
        ("en-GB,en;q=0.9,de;q=0.8", "en"),
        ("de;q=0", "en"),
        ("de;q=0.1, en;q=0.9", "en"),
        ("fr-CA", "en"),
        ("*", "en"),
        ("", "en"),
        (None, "en"),
        ("de;q=often", "en"),
        ("ü;q=0.5,,;q=,de-", "de"),
    ],
)
def test_the_best_of_our_languages_is_found(wanted: str | None, spoken: str) -> None:
    assert negotiated(wanted) == spoken


@given(st.text(max_size=60))
def test_whatever_a_browser_asks_for_there_is_a_language(wanted: str) -> None:
    assert negotiated(wanted) in LANGUAGES


def test_what_was_stored_in_english_is_said_again() -> None:
    stored = "The mail server refuses this address: 550 5.1.1 no such user {here}."
    assert translated(stored) == stored
    with speaking("de"):
        assert translated(stored) == (
            "Der Mailserver lehnt diese Adresse ab: 550 5.1.1 no such user {here}."
        )
        assert translated("The job was deleted.") == "Der Auftrag wurde gelöscht."
        refused = "Acme does not take this request (422): Too wide."
        assert translated(refused) == "Acme nimmt diese Anfrage nicht an (422): Too wide."
        assert translated(OutcomeUnknown().message).startswith("Die Anfrage wurde gesendet, aber")
        assert translated("A provider's own words.") == "A provider's own words."
        assert translated("") == ""


@given(st.text(max_size=80))
def test_what_is_not_ours_stays_as_it_is(sentence: str) -> None:
    with speaking("de"):
        assert translated(f"zzz {sentence}") == f"zzz {sentence}"


def test_numbers_are_written_as_the_reader_writes_them() -> None:
    assert number(1234567) == "1,234,567"
    assert number(1234.5, ",.2f") == "1,234.50"
    with speaking("de"):
        assert number(1234567) == "1.234.567"
        assert number(1234.5, ",.2f") == "1.234,50"
        assert number(12.5, ".1f") == "12,5"


def test_several_things_are_listed_as_the_reader_does() -> None:
    assert [listed(each) for each in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        *("", "a", "a and b", "a, b and c")
    ]
    with speaking("de"):
        assert listed(["a", "b", "c"]) == "a, b und c"


def test_times_are_said_in_the_readers_words() -> None:
    today = NOON.replace(hour=20)
    assert moment_text(NOON, UTC, today) == "today, 12:05"
    assert day_text(NOON) == "3 Nov 2026"
    with speaking("de"):
        assert moment_text(NOON, UTC, today) == "heute, 12:05"
        assert moment_text(NOON - timedelta(days=1), UTC, today) == "gestern, 12:05"
        assert moment_text(NOON + timedelta(days=1), UTC, today) == "morgen, 12:05"
        assert moment_text(NOON - timedelta(days=9), UTC, today) == "25. Okt. 2026, 12:05"
        assert span_text(timedelta(seconds=185)) == "3 min 5 s"


def test_money_is_written_as_the_reader_writes_it() -> None:
    assert amount_text(1234.5, "USD") == "$1,234.50"
    with speaking("de"):
        assert amount_text(1234.5, "USD").replace("\N{NO-BREAK SPACE}", " ") == "1.234,50 $"
        assert amount_text(0.001, "USD") == "weniger als 1 Cent"
        assert amounts_text({"credits": 1250.5, "USD": 0.5}).endswith(" und 1.250,5 Credits")


def test_components_get_what_they_say_and_no_more() -> None:
    for code in OTHERS:
        sentence = for_browsers()[code]
        assert sentence["Log out"] == catalogue(code)["Log out"].string
        assert "Please confirm your e-mail address" not in sentence  # Python says it


def test_of_what_a_browser_asks_for_little_is_kept() -> None:
    """Whoever sends long headers, each another, makes nothing stay."""
    _negotiated.cache_clear()
    for last in range(20):
        assert negotiated("de, " + "x, " * 20_000 + str(last)) == "de"
    assert _negotiated.cache_info().currsize == 1
