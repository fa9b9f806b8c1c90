"""Local times: what a clock on a user's wall shows, and which instant that is.

A local time that a change to daylight saving skips or repeats is read as `zoneinfo` reads it with
`fold=0`: a skipped one with the offset before the change, a repeated one as the first of the two.
"""

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import cache
from typing import Annotated
from zoneinfo import ZoneInfo, available_timezones

from pydantic import AfterValidator

from core.i18n import gettext as _
from core.models.base import FIRST_YEAR, LAST_YEAR, InvalidInput


@cache
def zone_names() -> tuple[str, ...]:
    """Return the names of all time zones (IANA), in alphabetical order."""
    return tuple(sorted(available_timezones()))


@cache
def _known_zones() -> frozenset[str]:
    return frozenset(zone_names())


def parse_zone(name: str) -> ZoneInfo:
    """Return a time zone by its name, such as `Europe/Berlin`.

    Raises:
        InvalidInput: there is none of that name.
    """
    if name not in _known_zones():
        raise InvalidInput(
            _("There is no time zone “{name}”; one is called Europe/Berlin.").format(name=name)
        )
    return ZoneInfo(name)


def _is_zone(name: str) -> str:
    return parse_zone(name).key


Zone = Annotated[str, AfterValidator(_is_zone)]
"""The name of a time zone that this machine knows."""


def parse_clock(text: str) -> time:
    """Return a time of day that was typed as `HH:MM`.

    Raises:
        InvalidInput: it is none.
    """
    try:
        return datetime.strptime(text.strip(), "%H:%M").time()  # noqa: DTZ007  # a clock has no zone
    except ValueError:
        raise InvalidInput(
            _("“{typed}” is no time of day; one is written as 09:00.").format(typed=text)
        ) from None


def _is_clock(text: str) -> str:
    return f"{parse_clock(text):%H:%M}"


Clock = Annotated[str, AfterValidator(_is_clock)]
"""A time of day, as `HH:MM`."""


def parse_moment(text: str, zone: ZoneInfo) -> datetime:
    """Return the instant (UTC) of a date and time that were typed, such as `2026-12-01T09:00`.

    Args:
        text: ISO 8601; an offset in it wins over `zone`.
        zone: whose clock it is read on.

    Raises:
        InvalidInput: it is none, or lies beyond the calendar.
    """
    try:
        local = datetime.fromisoformat(text.strip())
    except ValueError:
        local = None
    if (
        local is None or not FIRST_YEAR <= local.year <= LAST_YEAR
    ):  # so that no zone leads beyond the calendar
        raise InvalidInput(
            _("“{typed}” is no date and time; one is written as 2026-12-01T09:00.").format(
                typed=text
            )
        )
    return instant(local, zone) if local.tzinfo is None else local.astimezone(UTC)


def instant(local: datetime, zone: tzinfo) -> datetime:
    """Return the instant (UTC) of a local time without a zone, cut to the seconds."""
    return local.replace(tzinfo=zone, fold=0, microsecond=0).astimezone(UTC)


def next_daily(after: datetime, clock: time, zone: ZoneInfo) -> datetime:
    """Return the first instant (UTC), not before `after`, at which a clock in a zone shows a time.

    Args:
        after: an instant.
        clock: the time of day.
        zone: whose clock.
    """
    day: date = after.astimezone(zone).date() - timedelta(days=1)
    while (found := instant(datetime.combine(day, clock), zone)) < after:
        day += timedelta(days=1)
    return found
