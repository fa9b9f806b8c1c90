"""The page “Activity”: who logged in, who looked at what, what was made, and how often."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlencode

import streamlit as st

from core.i18n import N_, pgettext
from core.i18n import gettext as _
from core.models import Job, LoginEntry, User, Via, ViewEntry, now
from core.models.job_summary import STATUSES, status_text
from core.models.times import parse_zone
from core.notifications.message import shortened
from core.store import DatabaseError
from core.store.jobs.activity import PERIODS, Bar, Deed, Scope, Visit
from core.web import tab_session
from core.web.account.page import browser_text
from core.web.activity.charts import DEED_COLOURS, STATUS_COLOURS, over_time
from core.web.activity.csv_routes import export_address, look_at_activity, owner_of
from core.web.resources import studio
from core.web.text.csv_tables import safe_cell
from core.web.text.money import amounts_text, job_cost_text

Row = dict[str, Any]

ME: Final = N_("Me")  # no user_id has capital letters
EVERYBODY: Final = N_("Everybody")
GUEST: Final = N_("A guest")  # who came by a shared link and was not logged in
NOT_ME: Final = N_("This was not me")
OTHERS_ONLY_FOR_ADMINS: Final = N_("Only admins see what others do. This is your own activity.")

OUTCOMES: Final = {"accepted": N_("Logged in"), "refused": N_("Refused")}
REASONS: Final = {
    "passphrase missing": N_("The passphrase was asked for"),
    "wrong passphrase": N_("The passphrase was wrong"),
    "no account": N_("There was no such account"),
    "invalid user_id": N_("That is no user id"),
    "too many attempts": N_("It was tried too often"),
    "weak passphrase": N_("The new passphrase was too easy to guess"),
    "taken": N_("The user id was taken"),
    "registration closed": N_("New accounts are not made here"),
    "no invitation": N_("There was no invitation"),
    "invitation ended": N_("The invitation had ended"),
    "invitation used": N_("The invitation was used before"),
    "recovery link": N_("The invitation was for another account"),
    "another's link": N_("The invitation was for another account"),
    "unprotected admin": N_("An admin's account had no passphrase"),
    "being deleted": N_("The account is being deleted"),
    "by the provider only": N_("The identity provider was left out"),
    "ticket ended": N_("The login took too long"),
    "proof too old": N_("The login took too long"),
    "replayed": N_("The login was used before"),
    "claim missing": N_("The identity provider named no user id"),
    "address not verified": N_("The identity provider had not verified the address"),
    "another's account": N_("The account belongs to somebody else"),
    "provider refused": N_("The identity provider refused"),
    "provider unproven": N_("The identity provider's answer could not be verified"),
    "provider unreachable": N_("The identity provider did not answer"),
    "cross-site": N_("Another site's page sent it"),
    "malformed": N_("It was no login"),
    "too long": N_("It was too long"),
}
METHODS: Final = {
    "user_id": N_("User id"),
    "passphrase": N_("Passphrase"),
    "oidc": N_("Identity provider"),
    "invite": N_("Invitation"),
    "registration": N_("New account"),
}
ACTIONS: Final = {
    "open_job": N_("Opened the job"),
    "open_gallery": N_("Opened the gallery"),
    "open_activity": N_("Opened the activity"),
    "view": N_("Looked at the image"),
    "play": N_("Played the video"),
    "download": N_("Downloaded"),
    "download_many": N_("Downloaded with others"),
    "share": N_("Made a link to share"),
    "unshare": N_("Withdrew a shared link"),
    "preview": N_("Saw the preview"),
    "part": N_("Loaded a part"),
    "download_all": N_("Downloaded everything"),
    "invite": N_("Made an invitation"),
}
ITEMS: Final = {"image": N_("image {number}"), "video": N_("video {number}")}
RIGHTS: Final = {
    Via.OWN: N_("Own"),
    Via.ADMIN: N_("As an admin"),
    Via.SHARE: N_("By a shared link"),
}

_SAID: Final = "activity-said"
_CLICK: Final = "activity-not-me"
_TITLE_CHARACTERS: Final = 80

_log = logging.getLogger(__name__)


def draw(user: User) -> None:
    """Draw the page for a user."""
    scope = _draw_filters(user)
    if scope.user_id == user.id:
        tab_session.note_visit(user.id, None)
    else:
        address = tab_session.visitor().address
        tab_session.note_entry(look_at_activity(user.id, scope.user_id, address))
    parts: dict[str, Callable[[User, Scope], None]] = {
        _("Logins"): _draw_logins,
        _("Views"): _draw_views,
        _("Jobs"): _draw_jobs,
    }
    if scope.user_id is None:
        parts[_("People")] = _draw_people
    tabs = st.tabs(list(parts), key="show", bind="query-params")
    for tab, draw_part in zip(tabs, parts.values(), strict=True):
        if tab.open:  # the others ask the database for nothing
            with tab:
                draw_part(user, scope)


def _draw_filters(user: User) -> Scope:
    """Draw what can be chosen, and return what is. All of it is part of the page's address."""
    with st.container(key="activity-filters", horizontal=True):
        days = st.segmented_control(
            _("Last days"),
            [str(each) for each in PERIODS],
            default="30",
            required=True,
            key="days",
            bind="query-params",
        )
        deeds = st.pills(
            _("Actions"),
            [str(each) for each in Deed],
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
    return Scope.of(account, int(days or PERIODS[1]), zone, now(), [Deed(each) for each in deeds])


def _draw_logins(user: User, scope: Scope) -> None:
    if said := st.session_state.pop(_SAID, None):
        st.warning(said)
        if studio().settings.login != "oidc":
            st.button(_("Go to your account"), on_click=tab_session.want, args=("/account",))
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
    _draw_table(rows, scope, columns, named="User id")
    _draw_download("logins", scope, user)


def login_row(entry: LoginEntry, here: str | None) -> Row:
    """Return what is shown of an attempt to log in; `here`: the id of this browser's session."""
    outcome = _(OUTCOMES.get(entry.outcome, entry.outcome))
    if here and entry.session == here:
        outcome = _("{outcome} (this browser)").format(outcome=outcome)
    return {
        N_("Time"): entry.time,
        N_("User id"): entry.user_id,
        N_("Outcome"): outcome,
        N_("Was this you?"): _(NOT_ME) if entry.session and entry.session != here else None,
        N_("From"): entry.address,
        N_("Browser"): browser_text(entry.agent) if entry.agent else "",
        N_("By"): _(METHODS.get(entry.method, entry.method)),
        N_("Why refused"): _(REASONS.get(entry.reason, entry.reason)),
    }


def _not_me(user_id: str, sessions: Sequence[str]) -> None:
    """End the session of the row that was clicked."""
    click = st.session_state.get(_CLICK)
    if click is None or not (0 <= click["row"] < len(sessions)) or not sessions[click["row"]]:
        return
    try:
        going_on = studio().store.login_sessions.revoke(sessions[click["row"]], user_id)
    except DatabaseError:
        st.session_state[_SAID] = _(
            "The database does not answer, so that login goes on. Please try again in a minute."
        )
        return
    _log.warning("%s says that a login was somebody else's; it has ended", user_id)
    done = _("That login has ended.") if going_on else _("That login had ended already.")
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
    st.session_state[_SAID] = f"{done} {advice}"


def _draw_views(user: User, scope: Scope) -> None:
    activity = studio().store.activity
    entries = activity.views(scope)
    others = activity.looks_of_others(scope)
    if not entries and not others:
        st.text(
            _("Nothing was looked at in this time. Whatever you open, play or download is here.")
        )
        return
    most = activity.most_looked_at(scope)
    seen = [each.job_id for each in most]
    seen += [each.job_id for each in entries if each.job_id]
    seen += [each.job_id for each in others if each.job_id]
    prompts = _prompts_seen(user, set(seen))
    if entries:
        _draw_chart(activity.views_over_time(scope), scope, DEED_COLOURS, _("What was looked at"))
        st.subheader(_("Latest"), anchor=False)
        _draw_table([view_row(each, user, prompts) for each in entries], scope, named="Who")
    _draw_download("views", scope, user)
    st.subheader(_("Who else looked"), anchor=False)
    if others:
        _draw_table([visit_row(each, prompts) for each in others], scope)
    else:
        st.text(_("Nobody else. Admins, and whoever has a link that you shared, would be here."))
    if most:
        st.subheader(_("Most looked at"), anchor=False)
        rows = [
            {
                N_("Job"): prompts[each.job_id],
                N_("Open"): _job_address(each.job_id),
                N_("Looks"): each.number,
                N_("Last"): each.last,
            }
            for each in most
            if each.job_id in prompts
        ]
        _draw_table(rows, scope)


def view_row(entry: ViewEntry, viewer: User, prompts: Mapping[str, str]) -> Row:
    """Return what is shown of a look at content.

    Args:
        entry: the look.
        viewer: who is shown it.
        prompts: of the jobs that the viewer may see, by id.
    """
    owner, job_id = owner_of(entry), entry.job_id or ""
    kind, _dash, slot = (entry.asset_id or "").removeprefix(f"{job_id}-").partition("-")
    return {
        N_("Time"): entry.time,
        N_("Who"): entry.user_id or _(GUEST),
        N_("What"): _(ACTIONS.get(entry.action, entry.action)),
        N_("Job"): prompts.get(job_id, ""),
        N_("Open"): _job_address(job_id) if job_id in prompts else None,
        N_("Item"): _(ITEMS[kind]).format(number=slot) if kind in ITEMS else "",
        N_("Whose"): {viewer.id: _("Yours"), "": _("Everybody's")}.get(owner, owner),
        N_("By which right"): _(RIGHTS[entry.via]),
        N_("From"): entry.address,
    }


def visit_row(visit: Visit, prompts: Mapping[str, str]) -> Row:
    """Return what is shown of somebody else's looks; `prompts`: by the ids of jobs."""
    job_id = visit.job_id or ""
    return {
        N_("Who"): visit.user_id or _(GUEST),
        N_("By which right"): _(RIGHTS[visit.via]),
        N_("Job"): prompts.get(job_id, "") if job_id else _("Gallery, activity, or invitation"),
        N_("Open"): _job_address(job_id) if job_id in prompts else None,
        N_("Looks"): visit.number,
        N_("Downloads"): visit.downloads,
        N_("Last"): visit.last,
    }


def _prompts_seen(user: User, job_ids: Collection[str]) -> dict[str, str]:
    """Return the prompts of the jobs that a user may open, by id.

    What somebody once saw by a link is not theirs to see for ever.
    """
    return {
        job.id: shortened(job.prompt, _TITLE_CHARACTERS)
        for job in studio().store.jobs.named(list(job_ids)).values()
        if _may_open(user, job)
    }


def _may_open(user: User, job: Job) -> bool:
    """Return whether a user may open a job: what lies in the bin is its owner's only."""
    return job.user_id == user.id or (user.admin and job.binned_at is None)


def _draw_jobs(user: User, scope: Scope) -> None:
    activity = studio().store.activity
    jobs = activity.jobs(scope)
    if not jobs:
        st.text(_("No job was begun in this time. What you create is counted here."))
        st.button(_("Create something"), type="primary", on_click=tab_session.want, args=("/",))
        return
    bars = [replace(bar, name=STATUSES[bar.name]) for bar in activity.jobs_over_time(scope)]
    colours = {STATUSES[status]: colour for status, colour in STATUS_COLOURS.items()}
    _draw_chart(bars, scope, colours, _("Jobs"))
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
        for each in activity.made(scope)
    ]
    _draw_table(rows, scope)
    st.subheader(_("Latest"), anchor=False)
    _draw_table([job_row(each, user) for each in jobs], scope, named="Who")
    _draw_download("jobs", scope, user)


def job_row(job: Job, viewer: User) -> Row:
    """Return what is shown of a job."""
    open_to = _may_open(viewer, job)
    return {
        N_("Time"): job.created_at,
        N_("Who"): job.user_id,
        N_("Job"): shortened(job.prompt, _TITLE_CHARACTERS) if open_to else "",
        N_("Open"): _job_address(job.id) if open_to else None,
        N_("Status"): status_text(job),
        N_("Images"): len(job.image_paths),
        N_("Videos"): len(job.video_paths),
        N_("Cost"): job_cost_text(job),
    }


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
        for each in activity.busiest(scope)
    ]
    _draw_table(rows, scope)
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
        _draw_table(refused, scope)
    else:
        st.text(_("No login failed in this time."))


def _job_address(job_id: str) -> str:
    return studio().at(f"/job?{urlencode({'id': job_id})}")


def _draw_table(
    rows: Sequence[Row], scope: Scope, columns: Mapping[str, Any] | None = None, named: str = ""
) -> None:
    """Draw a table.

    Args:
        rows: cells by the titles of their columns.
        scope: whose clock times are of.
        columns: how some columns are drawn; None hides one.
        named: the column that says whose a row is: the same in all rows of one user.
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


def _draw_chart(bars: Sequence[Bar], scope: Scope, colours: dict[str, str], title: str) -> None:
    st.altair_chart(
        over_time(bars, scope, colours, title, now()),
        alt=(
            _("{title}, by month, as stacked bars. The tables have the same in figures.")
            if scope.unit == "month"
            else _("{title}, by day, as stacked bars. The tables have the same in figures.")
        ).format(title=title),
    )


def _draw_download(which: str, scope: Scope, user: User) -> None:
    """Draw the link to everything in the period, of which the table has the latest."""
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
