"""The page “Activity”: logins, views and jobs."""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from typing import Any, Final

import streamlit as st

from core.i18n import N_
from core.i18n import gettext as _
from core.models import User, now
from core.models.job_summary import STATUSES
from core.models.times import parse_zone
from core.notifications.message import shortened
from core.store import DatabaseError
from core.store.jobs.activity_scope import PERIODS, ActionKind, Scope
from core.studio.account import log_out
from core.web import tab_session
from core.web.activity.charts import ACTION_COLOURS, STATUS_COLOURS
from core.web.activity.csv_routes import activity_view_entry
from core.web.activity.rows import (
    GUEST,
    TITLE_CHARACTERS,
    job_address,
    job_row,
    login_row,
    may_open,
    others_view_row,
    view_row,
)
from core.web.activity.tables import draw_chart, draw_download, draw_table
from core.web.resources import studio
from core.web.text.money import amounts_text

ME: Final = N_("Me")  # no user_id has capital letters
EVERYBODY: Final = N_("Everybody")
OTHERS_ONLY_FOR_ADMINS: Final = N_("Only admins see what others do. This is your own activity.")
_MESSAGE: Final = "activity-message"
_CLICK: Final = "activity-not-me"
_log = logging.getLogger(__name__)


def draw(user: User) -> None:
    """Draw the page for a user."""
    scope = _draw_filters(user)
    if scope.user_id == user.id:
        tab_session.log_page_view(user.id, None)
    else:
        address = tab_session.requester().address
        tab_session.log_view(activity_view_entry(user.id, scope.user_id, address))
    parts: dict[str, Callable[[User, Scope], None]] = {
        _("Logins"): _draw_logins,
        _("Views"): _draw_views,
        _("Jobs"): _draw_jobs,
    }
    if scope.user_id is None:
        parts[_("People")] = _draw_people
    tabs = st.tabs(list(parts), key="show", bind="query-params")
    for tab, draw_part in zip(tabs, parts.values(), strict=True):
        if tab.open:  # hidden tabs make no queries
            with tab:
                draw_part(user, scope)


def _draw_filters(user: User) -> Scope:
    """Draw the filters, which are part of the page's address, and return their scope."""
    with st.container(key="activity-filters", horizontal=True):
        days = st.segmented_control(
            _("Last days"),
            [str(each) for each in PERIODS],
            default="30",
            required=True,
            key="days",
            bind="query-params",
        )
        kinds = st.pills(
            _("Actions"),
            [str(each) for each in ActionKind],
            format_func=_,
            selection_mode="multi",
            key="deeds",
            bind="query-params",
            help=_("What is shown under Views. Nothing chosen: all."),
        )
        whose = ME
        if user.admin:
            ids = [each for each in studio().store.users.ids() if each != user.id]
            whose = st.selectbox(
                _("Whose"),
                [ME, EVERYBODY, *ids],
                format_func=lambda each: _(each) if each in (ME, EVERYBODY) else each,
                key="user",
                bind="query-params",
                width=220,
            )
    if not user.admin and "user" in st.query_params:
        st.info(_(OTHERS_ONLY_FOR_ADMINS))
    account: User | None = user
    if whose != ME:
        account = None if whose == EVERYBODY else studio().store.users.get(whose) or user
    zone = parse_zone(tab_session.zone_name(user))
    return Scope.of(
        account, int(days or PERIODS[1]), zone, now(), [ActionKind(each) for each in kinds]
    )


def _draw_logins(user: User, scope: Scope) -> None:
    if message := st.session_state.pop(_MESSAGE, None):
        st.warning(message)
        if studio().settings.login != "oidc":
            st.button(
                _("Go to your account"), on_click=tab_session.request_page, args=("/account",)
            )
    entries = studio().store.activity.logins(scope)
    if not entries:
        st.text(_("Nobody has logged in, or tried to, in this time."))
        return
    rows = [login_row(entry, tab_session.session_id()) for entry in entries]
    columns: dict[str, Any] = {"Was this you?": None}
    if scope.user_id == user.id:
        st.caption(
            _(
                "Was each of these you? Attempts that failed are listed, too: many that were not "
                "yours mean that somebody is trying to get in."
            )
        )
        # The column's cells are the labels of its buttons, and its clicks tell the row.
        sessions = [entry.session or "" for entry in entries]
        columns["Was this you?"] = st.column_config.ButtonColumn(
            on_click=_not_me, args=(user.id, sessions), key=_CLICK
        )
    columns["Why refused"] = st.column_config.TextColumn(width="medium")
    draw_table(rows, scope, columns, named="User id")
    draw_download("logins", scope, user)


def _not_me(user_id: str, sessions: Sequence[str]) -> None:
    """End the session of the row that was clicked."""
    click = st.session_state.get(_CLICK)
    if click is None or not (0 <= click["row"] < len(sessions)) or not sessions[click["row"]]:
        return
    try:
        was_active = log_out(studio().store, sessions[click["row"]], user_id)
    except DatabaseError:
        st.session_state[_MESSAGE] = _(
            "The database does not answer, so that login goes on. Please try again in a minute."
        )
        return
    _log.warning("%s reported a login as not theirs; its session has ended", user_id)
    done = _("That login has ended.") if was_active else _("That login had ended already.")
    settings = studio().settings
    if settings.login == "oidc":
        advice = _("So that nobody gets in again, change your password at {provider}.").format(
            provider=settings.oidc_title
        )
    else:
        advice = _(
            "So that nobody gets in again, set a passphrase on the page Account, or change the one "
            "that you have."
        )
    st.session_state[_MESSAGE] = f"{done} {advice}"


def _draw_views(user: User, scope: Scope) -> None:
    activity = studio().store.activity
    entries = activity.views(scope)
    others = activity.views_by_others(scope)
    if not entries and not others:
        st.text(
            _("Nothing was looked at in this time. Whatever you open, play or download is here.")
        )
        return
    most = activity.most_viewed_jobs(scope)
    seen = [each.job_id for each in most]
    seen += [each.job_id for each in entries if each.job_id]
    seen += [each.job_id for each in others if each.job_id]
    prompts = _visible_prompts(user, set(seen))
    if entries:
        draw_chart(activity.views_over_time(scope), scope, ACTION_COLOURS, _("What was looked at"))
        st.subheader(_("Latest"), anchor=False)
        draw_table([view_row(each, user, prompts) for each in entries], scope, named="Who")
    draw_download("views", scope, user)
    st.subheader(_("Who else looked"), anchor=False)
    if others:
        draw_table([others_view_row(each, prompts) for each in others], scope)
    else:
        st.text(_("Nobody else. Admins, and whoever has a link that you shared, would be here."))
    if most:
        st.subheader(_("Most looked at"), anchor=False)
        rows = [
            {
                N_("Job"): prompts[each.job_id],
                N_("Open"): job_address(each.job_id),
                N_("Looks"): each.number,
                N_("Last"): each.last,
            }
            for each in most
            if each.job_id in prompts
        ]
        draw_table(rows, scope)


def _visible_prompts(user: User, job_ids: Collection[str]) -> dict[str, str]:
    """Return the prompts of the jobs that a user may open, by id.

    A job that was once viewed by a link may not be visible any more.
    """
    return {
        job.id: shortened(job.prompt, TITLE_CHARACTERS)
        for job in studio().store.jobs.by_ids(list(job_ids)).values()
        if may_open(user, job)
    }


def _draw_jobs(user: User, scope: Scope) -> None:
    activity = studio().store.activity
    jobs = activity.jobs(scope)
    if not jobs:
        st.text(_("No job was begun in this time. What you create is counted here."))
        st.button(
            _("Create something"), type="primary", on_click=tab_session.request_page, args=("/",)
        )
        return
    bars = [replace(bar, name=STATUSES[bar.name]) for bar in activity.jobs_over_time(scope)]
    colours = {STATUSES[status]: colour for status, colour in STATUS_COLOURS.items()}
    draw_chart(bars, scope, colours, _("Jobs"))
    st.subheader(_("By provider"), anchor=False)
    rows = [
        {
            N_("Provider"): studio().title(each.provider),
            N_("Images"): each.images,
            N_("Videos"): each.videos,
            N_("Failed"): each.failed,
            N_("Cost"): amounts_text(each.costs)
            or (_("Not known") if each.uncertain else _("Free")),
        }
        for each in activity.provider_totals(scope)
    ]
    draw_table(rows, scope)
    st.subheader(_("Latest"), anchor=False)
    draw_table([job_row(each, user) for each in jobs], scope, named="Who")
    draw_download("jobs", scope, user)


def _draw_people(_user: User, scope: Scope) -> None:
    activity = studio().store.activity
    st.subheader(_("Who did most"), anchor=False)
    rows = [
        {
            N_("User id"): each.user_id or _(GUEST),
            N_("Logins"): each.logins,
            N_("Looks"): each.views,
            N_("Jobs"): each.jobs,
            N_("Last"): each.last,
        }
        for each in activity.user_totals(scope)
    ]
    draw_table(rows, scope)
    st.subheader(_("Failed logins by address"), anchor=False)
    refused = [
        {
            N_("From"): each.address,
            N_("Failed"): each.number,
            N_("User ids tried"): each.accounts,
            N_("Last"): each.last,
        }
        for each in activity.refused_by_address(scope)
    ]
    if refused:
        st.caption(
            _("Many user ids from one address mean that somebody tries one after the other.")
        )
        draw_table(refused, scope)
    else:
        st.text(_("No login failed in this time."))
