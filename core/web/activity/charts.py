"""Charts of activity over time, for small screens and for light and dark pages."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

import altair as alt
from babel.numbers import get_decimal_symbol, get_group_symbol

from core.i18n import gettext as _
from core.i18n import locale
from core.models import JobStatus
from core.models.job_summary import IN_PART
from core.store.jobs.activity import Bar
from core.store.jobs.activity_scope import ActionKind, Scope

# The first is the theme's colour. All have a contrast of 3 to 1 with both of its backgrounds, as
# WCAG 2.2 (1.4.11) requires for graphics.
ACTION_COLOURS: Final[dict[str, str]] = {
    ActionKind.VIEWS: "#1f8278",
    ActionKind.PLAYS: "#b5761f",
    ActionKind.DOWNLOADS: "#7d6bb8",
    ActionKind.SHARES: "#c0568a",
}
STATUS_COLOURS: Final[dict[str, str]] = {
    JobStatus.COMPLETED: "#1f8278",
    JobStatus.PROCESSING: "#b5761f",
    IN_PART: "#7d6bb8",
    JobStatus.FAILED: "#c9504a",
    JobStatus.CANCELLED: "#7f7a72",
}
_HEIGHT: Final = 260
_TICKS: Final = 6  # as many dates as fit on a phone


def over_time(
    bars: Sequence[Bar], scope: Scope, colours: Mapping[str, str], title: str, today: datetime
) -> alt.Chart:
    """Return stacked bars, one a day or month.

    Args:
        bars: the counts.
        scope: the period and its time zone.
        colours: by the names of the bars, in the order in which they are stacked.
        title: the title of the names.
        today: the present time, where the chart ends.
    """
    order = {name: index for index, name in enumerate(colours)}
    rows = [
        {
            "start": _wall(bar.start, scope),
            "name": _(bar.name),
            "number": bar.number,
            "order": order.get(bar.name, len(order)),
        }
        for bar in bars
    ]
    monthly = scope.unit == "month"
    shown = "%b %Y" if monthly else "%a, %d %b %Y"
    end = today + timedelta(days=31 if monthly else 1)
    time = alt.X(
        "start:T",
        timeUnit="yearmonth" if monthly else "yearmonthdate",
        title=None,
        scale=alt.Scale(domain=[_day(scope.first, scope), _day(end, scope)]),
        axis=alt.Axis(format="%b %Y" if monthly else "%d %b", tickCount=_TICKS, labelOverlap=True),
    )
    names = [_(name) for name in colours]
    chart: alt.Chart = (
        alt.Chart(alt.InlineData(values=rows), height=_HEIGHT)
        .mark_bar()
        .encode(
            x=time,
            y=alt.Y("sum(number):Q", title=None, axis=alt.Axis(tickMinStep=1, format="~s")),
            color=alt.Color(
                "name:N",
                scale=alt.Scale(domain=names, range=list(colours.values())),
                legend=alt.Legend(title=None, orient="bottom", columns=2),
            ),
            order="order:Q",
            tooltip=[
                alt.Tooltip("start:T", format=shown, title=_("Month") if monthly else _("Day")),
                alt.Tooltip("name:N", title=title),
                alt.Tooltip("number:Q", title=_("Number")),
            ],
        )
        .configure(locale=_locale())
    )
    return chart


def _locale() -> dict[str, dict[str, object]]:
    """Return the date and number formats of the current language, for d3."""
    here = locale()
    days, months = here.days["stand-alone"], here.months["stand-alone"]
    week = [6, 0, 1, 2, 3, 4, 5]  # Babel's begins on Monday, d3's on Sunday
    every = range(1, 13)
    return {
        "time": {
            "dateTime": "%x, %X",
            "date": "%d/%m/%Y",
            "time": "%H:%M:%S",
            "periods": ["AM", "PM"],
            "days": [days["wide"][each] for each in week],
            "shortDays": [days["abbreviated"][each] for each in week],
            "months": [months["wide"][each] for each in every],
            "shortMonths": [months["abbreviated"][each] for each in every],
        },
        "number": {
            "decimal": get_decimal_symbol(here),
            "thousands": get_group_symbol(here),
            "grouping": [3],
            "currency": ["$", ""],
        },
    }


def _wall(moment: datetime, scope: Scope) -> str:
    """Return the local time in the scope's zone, without its offset.

    With an offset, a viewer in another time zone would see another day.
    """
    return moment.astimezone(scope.zone).replace(tzinfo=None).isoformat()


def _day(moment: datetime, scope: Scope) -> alt.DateTime:
    local = moment.astimezone(scope.zone)
    return alt.DateTime(year=local.year, month=local.month, date=local.day)
