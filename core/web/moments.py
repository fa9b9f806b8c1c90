"""Times as a person reads them, in the browser's zone."""

from datetime import datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError


def zone_of(name: str | None) -> tzinfo:
    """Return the zone that a browser named; UTC where it named none that is known."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return ZoneInfo("UTC")


def moment_text(moment: datetime, zone: tzinfo, today: datetime) -> str:
    """Return a time such as `today, 14:05`, `tomorrow, 09:30` or `3 Nov 2026, 18:00`.

    Args:
        moment: the time, with its zone.
        zone: whose clock to read.
        today: the present time.
    """
    local = moment.astimezone(zone)
    days = (today.astimezone(zone).date() - local.date()).days
    day = {-1: "tomorrow", 0: "today", 1: "yesterday"}.get(days, f"{local.day} {local:%b %Y}")
    return f"{day}, {local:%H:%M}"


def span_text(span: timedelta) -> str:
    """Return a length of time such as `48 s`, `3 min 5 s` or `1 h 20 min`."""
    seconds = round(span.total_seconds())
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    if minutes:
        return f"{minutes} min {seconds} s" if seconds else f"{minutes} min"
    return f"{seconds} s"
