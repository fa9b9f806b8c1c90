"""The query of an address as a filter of the library."""

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta, tzinfo
from typing import Final, TypeVar

from core.i18n import gettext as _
from core.models import InvalidInput, Kind
from core.models.base import FIRST_YEAR, LAST_YEAR
from core.models.times import instant
from core.store.jobs.library import PAGE, STARS
from core.store.jobs.library_filter import Filter, Sort

Choice = TypeVar("Choice", Kind, Sort)

_TEXT_CHARACTERS: Final = 200


def read_filter(query: Mapping[str, str], owner: str, zone: tzinfo) -> Filter:
    """Return the filter for a query; all parameters are optional.

    Args:
        query: `kind`, `q` (words), `provider`, `model`, `ratio`, `from` and `to` (days, both
            included), `favourite=1`, `rating` (so many stars at least), `collection`, `job`,
            `bin=1`, and `sort` (`newest`, `oldest` or `rating`).
        owner: whose items.
        zone: the time zone of the days.

    Raises:
        InvalidInput: a parameter is wrong; the text says which.
    """
    first, last = _day(query, "from"), _day(query, "to")
    return Filter(
        owner=owner,
        kind=_choice(query, "kind", Kind) if query.get("kind") else None,
        words=query.get("q", "").strip(),
        provider=_text(query, "provider"),
        model=_text(query, "model"),
        ratio=_text(query, "ratio"),
        since=None if first is None else _midnight(first, zone),
        until=None if last is None else _midnight(last + timedelta(days=1), zone),
        favourite=query.get("favourite") == "1",
        rating=_number(query, "rating", 0, 0, STARS),
        collection=_text(query, "collection"),
        job=_text(query, "job"),
        binned=query.get("bin") == "1",
        sort=_choice(query, "sort", Sort) if query.get("sort") else Sort.NEWEST,
    )


def read_limit(query: Mapping[str, str]) -> int:
    """Return how many items a page has.

    Raises:
        InvalidInput: the parameter is not a number, or too large.
    """
    return _number(query, "limit", PAGE, 1, PAGE)


def _text(query: Mapping[str, str], name: str) -> str:
    value = query.get(name, "")
    if len(value) > _TEXT_CHARACTERS:
        raise InvalidInput(_("“{name}” is too long.").format(name=name))
    return value


def _choice(query: Mapping[str, str], name: str, among: type[Choice]) -> Choice:
    try:
        return among(query[name])
    except ValueError:
        raise InvalidInput(
            _("“{name}” is one of {choices}.").format(name=name, choices=", ".join(among))
        ) from None


def _number(query: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    typed = query.get(name) or str(default)
    if not (typed.isascii() and typed.isdigit() and len(typed) <= len(str(most))):
        typed = str(most + 1)
    if not least <= int(typed) <= most:
        raise InvalidInput(
            _("“{name}” goes from {least} to {most}.").format(name=name, least=least, most=most)
        )
    return int(typed)


def _day(query: Mapping[str, str], name: str) -> date | None:
    typed = query.get(name, "")
    if not typed:
        return None
    try:
        day = date.fromisoformat(typed)
    except ValueError:
        day = date.min
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise InvalidInput(
            _("“{name}” is a day, such as {example}.").format(name=name, example="2026-12-01")
        )
    return day


def _midnight(day: date, zone: tzinfo) -> datetime:
    return instant(datetime.combine(day, time()), zone)
