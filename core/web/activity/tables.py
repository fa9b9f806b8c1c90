"""The tables of the page “Activity”, its chart, and the links to its CSV files."""

from collections.abc import Mapping, Sequence
from typing import Any

import streamlit as st

from core.i18n import gettext as _
from core.i18n import pgettext
from core.models import User, now
from core.store.jobs.activity import Bar
from core.store.jobs.activity_scope import Scope
from core.web.activity.charts import over_time
from core.web.activity.csv_routes import export_address
from core.web.activity.rows import Row
from core.web.resources import studio
from core.web.text.csv_tables import safe_cell


def draw_table(
    rows: Sequence[Row], scope: Scope, columns: Mapping[str, Any] | None = None, named: str = ""
) -> None:
    """Draw a table.

    Args:
        rows: cells by the titles of their columns.
        scope: has the time zone of the times.
        columns: how some columns are drawn; None hides one.
        named: the column with the user, hidden if the scope is one user.
    """
    # Translators: a time in the letters of Moment.js, such as 3 Nov 2026, 18:00.
    moment = pgettext("table", "D MMM YYYY, HH:mm")
    time = st.column_config.DatetimeColumn(format=moment, timezone=scope.zone.key)
    link = st.column_config.LinkColumn(display_text=_("Open"))
    shown = {"Time": time, "Last": time, "Open": link, **(columns or {})}
    if named and scope.user_id is not None:
        shown[named] = None
    # The table's own export to CSV takes the cells as they are.
    safe = [{_(name): safe_cell(value) for name, value in row.items()} for row in rows]
    config = {_(name): column for name, column in shown.items()}
    st.dataframe(safe, hide_index=True, column_config=config, placeholder="")


def draw_chart(bars: Sequence[Bar], scope: Scope, colours: dict[str, str], title: str) -> None:
    """Draw numbers over time as stacked bars, in colours by the names of their parts."""
    st.altair_chart(
        over_time(bars, scope, colours, title, now()),
        alt=(
            _("{title}, by month, as stacked bars. The tables have the same in figures.")
            if scope.unit == "month"
            else _("{title}, by day, as stacked bars. The tables have the same in figures.")
        ).format(title=title),
    )


def draw_download(which: str, scope: Scope, user: User) -> None:
    """Draw the link to the CSV of the period; the table has only the latest rows."""
    labels = {
        "logins": _("All logins as CSV"),
        "views": _("All views as CSV"),
        "jobs": _("All jobs as CSV"),
    }
    st.link_button(
        labels[which],
        studio().at(export_address(which, scope, user.id)),
        icon=":material/download:",
    )
