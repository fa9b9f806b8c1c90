"""Dates and times in words."""

from datetime import date, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel.dates import format_date

from core.i18n import gettext as _
from core.i18n import locale, pgettext


def zone_of(name: str | None) -> tzinfo:
    """Return the time zone of a name; UTC if it is unknown."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def moment_text(moment: datetime, zone: tzinfo, today: datetime) -> str:
    """Return a time such as `today, 14:05`, `tomorrow, 09:30` or `3 Nov 2026, 18:00`.

    Args:
        moment: the time, with its time zone.
        zone: the time zone to show it in.
        today: the present time.
    """
    local = moment.astimezone(zone)
    days = (today.astimezone(zone).date() - local.date()).days
    day = {-1: _("tomorrow"), 0: _("today"), 1: _("yesterday")}.get(days) or day_text(local)
    return _("{day}, {time}").format(day=day, time=f"{local:%H:%M}")


def day_text(day: date) -> str:
    """Return a day such as `3 Nov 2026`."""
    # Translators: how a date is written, in CLDR's letters, such as 3 Nov 2026.
    return format_date(day, pgettext("date", "d MMM y"), locale())


def span_text(span: timedelta) -> str:
    """Return a duration such as `48 s`, `3 min 5 s` or `1 h 20 min`."""
    seconds = round(span.total_seconds())
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return _("{hours} h {minutes} min").format(hours=hours, minutes=minutes)
    if minutes and seconds:
        return _("{minutes} min {seconds} s").format(minutes=minutes, seconds=seconds)
    if minutes:
        return _("{minutes} min").format(minutes=minutes)
    return _("{seconds} s").format(seconds=seconds)
