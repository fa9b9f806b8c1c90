"""The page “Activity”: who logged in, who looked at what, what was made, and how often."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlencode

import streamlit as st

from core.models import Job, LoginEntry, User, Via, ViewEntry, now
from core.models.times import parse_zone
from core.notifications.message import shortened
from core.store import DatabaseError
from core.store.activity import PERIODS, Bar, Deed, Scope, Visit
from core.web import session
from core.web.account import browser_text
from core.web.charts import DEED_COLOURS, STATUS_COLOURS, over_time
from core.web.exports import export_address, look_at_activity, owner_of, safe_cell
from core.web.money import amounts_text
from core.web.studio import studio

Row = dict[str, Any]

ME: Final = "Me"  # no user_id has capital letters
EVERYBODY: Final = "Everybody"
GUEST: Final = "A guest"  # who came by a shared link and was not logged in
NOT_ME: Final = "This was not me"
OTHERS_ONLY_FOR_ADMINS: Final = "Only admins see what others do. This is your own activity."

OUTCOMES: Final = {"accepted": "Logged in", "refused": "Refused"}
REASONS: Final = {
    "passphrase missing": "The passphrase was asked for",
    "wrong passphrase": "The passphrase was wrong",
    "no account": "There was no such account",
    "invalid user_id": "That is no user id",
    "too many attempts": "It was tried too often",
    "weak passphrase": "The new passphrase was too easy to guess",
    "taken": "The user id was taken",
    "registration closed": "New accounts are not made here",
    "no invitation": "There was no invitation",
    "invitation ended": "The invitation had ended",
    "invitation used": "The invitation was used before",
    "being deleted": "The account is being deleted",
    "by the provider only": "The identity provider was left out",
    "ticket ended": "The login took too long",
    "proof too old": "The login took too long",
    "replayed": "The login was used before",
    "claim missing": "The identity provider named no user id",
    "address not verified": "The identity provider had not verified the address",
    "another's account": "The account belongs to somebody else",
    "provider refused": "The identity provider refused",
    "provider unreachable": "The identity provider did not answer",
    "cross-site": "Another site's page sent it",
    "malformed": "It was no login",
    "too long": "It was too long",
}
METHODS: Final = {
    "user_id": "User id",
    "passphrase": "Passphrase",
    "oidc": "Identity provider",
    "invite": "Invitation",
    "registration": "New account",
}
ACTIONS: Final = {
    "open_job": "Opened the job",
    "open_gallery": "Opened the gallery",
    "open_activity": "Opened the activity",
    "view": "Looked at the image",
    "play": "Played the video",
    "download": "Downloaded",
    "share": "Made a link to share",
    "unshare": "Withdrew a shared link",
    "preview": "Saw the preview",
    "part": "Loaded a part",
    "download_all": "Downloaded everything",
    "invite": "Made an invitation",
}
RIGHTS: Final = {Via.OWN: "Own", Via.ADMIN: "As an admin", Via.SHARE: "By a shared link"}

_SAID: Final = "activity-said"
_CLICK: Final = "activity-not-me"
_TITLE_CHARACTERS: Final = 80
_TIME_FORMAT: Final = "D MMM YYYY, HH:mm"

_log = logging.getLogger(__name__)


def draw(user: User) -> None:
    """Draw the page for a user."""
    scope = _draw_filters(user)
    if scope.user_id == user.id:
        session.note_visit(user.id, None)
    else:
        address = session.visitor().address
        session.note_entry(look_at_activity(user.id, scope.user_id, address))
    parts: dict[str, Callable[[User, Scope], None]] = {
        "Logins": _draw_logins,
        "Views": _draw_views,
        "Jobs": _draw_jobs,
    }
    if scope.user_id is None:
        parts["People"] = _draw_people
    tabs = st.tabs(list(parts), key="show", bind="query-params")
    for tab, draw_part in zip(tabs, parts.values(), strict=True):
        if tab.open:  # the others ask the database for nothing
            with tab:
                draw_part(user, scope)


def _draw_filters(user: User) -> Scope:
    """Draw what can be chosen, and return what is. All of it is part of the page's address."""
    with st.container(key="activity-filters", horizontal=True):
        days = st.segmented_control(
            "Last days",
            [str(each) for each in PERIODS],
            default="30",
            required=True,
            key="days",
            bind="query-params",
        )
        deeds = st.pills(
            "Actions",
            [str(each) for each in Deed],
            selection_mode="multi",
            key="deeds",
            bind="query-params",
            help="What is shown under Views. Nothing chosen: all.",
        )
        whose = ME
        if user.admin:
            ids = [each for each in studio().store.users.ids() if each != user.id]
            whose = st.selectbox(
                "Whose", [ME, EVERYBODY, *ids], key="user", bind="query-params", width=220
            )
    if not user.admin and "user" in st.query_params:
        st.info(OTHERS_ONLY_FOR_ADMINS)
    account: User | None = user
    if whose != ME:
        account = None if whose == EVERYBODY else studio().store.users.get(whose) or user
    zone = parse_zone(session.zone_name(user))
    return Scope.of(account, int(days or PERIODS[1]), zone, now(), [Deed(each) for each in deeds])


def _draw_logins(user: User, scope: Scope) -> None:
    if said := st.session_state.pop(_SAID, None):
        st.warning(said)
        if studio().settings.login != "oidc":
            st.button("Go to your account", on_click=session.want, args=("/account",))
    entries = studio().store.activity.logins(scope)
    if not entries:
        st.text("Nobody has logged in, or tried to, in this time.")
        return
    rows = [login_row(entry, session.session_id()) for entry in entries]
    columns: dict[str, Any] = {"Was this you?": None}
    if scope.user_id == user.id:
        st.caption(
            "Was each of these you? Attempts that failed are listed, too: many that were not "
            "yours mean that somebody is trying to get in."
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
    outcome = OUTCOMES.get(entry.outcome, entry.outcome)
    return {
        "Time": entry.time,
        "User id": entry.user_id,
        "Outcome": f"{outcome} (this browser)" if here and entry.session == here else outcome,
        "Was this you?": NOT_ME if entry.session and entry.session != here else None,
        "From": entry.address,
        "Browser": browser_text(entry.agent) if entry.agent else "",
        "By": METHODS.get(entry.method, entry.method),
        "Why refused": REASONS.get(entry.reason, entry.reason),
    }


def _not_me(user_id: str, sessions: Sequence[str]) -> None:
    """End the session of the row that was clicked."""
    click = st.session_state.get(_CLICK)
    if click is None or not (0 <= click["row"] < len(sessions)) or not sessions[click["row"]]:
        return
    try:
        going_on = studio().store.sessions.revoke(sessions[click["row"]], user_id)
    except DatabaseError:
        st.session_state[_SAID] = (
            "The database does not answer, so that login goes on. Please try again in a minute."
        )
        return
    _log.warning("%s says that a login was somebody else's; it has ended", user_id)
    done = "That login has ended" if going_on else "That login had ended already"
    settings = studio().settings
    advice = (
        f"change your password at {settings.oidc_title}"
        if settings.login == "oidc"
        else "set a passphrase on the page Account, or change the one that you have"
    )
    st.session_state[_SAID] = f"{done}. So that nobody gets in again, {advice}."


def _draw_views(user: User, scope: Scope) -> None:
    activity = studio().store.activity
    entries = activity.views(scope)
    others = activity.looks_of_others(scope)
    if not entries and not others:
        st.text("Nothing was looked at in this time. Whatever you open, play or download is here.")
        return
    most = activity.most_looked_at(scope)
    seen = [each.job_id for each in most]
    seen += [each.job_id for each in entries if each.job_id]
    seen += [each.job_id for each in others if each.job_id]
    prompts = _prompts_seen(user, set(seen))
    if entries:
        _draw_chart(activity.views_over_time(scope), scope, DEED_COLOURS, "What was looked at")
        st.subheader("Latest", anchor=False)
        _draw_table([view_row(each, user, prompts) for each in entries], scope, named="Who")
    _draw_download("views", scope, user)
    st.subheader("Who else looked", anchor=False)
    if others:
        _draw_table([visit_row(each, prompts) for each in others], scope)
    else:
        st.text("Nobody else. Admins, and whoever has a link that you shared, would be here.")
    if most:
        st.subheader("Most looked at", anchor=False)
        rows = [
            {
                "Job": prompts[each.job_id],
                "Open": _job_address(each.job_id),
                "Looks": each.number,
                "Last": each.last,
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
    item = (entry.asset_id or "").removeprefix(f"{job_id}-").replace("-", " ")
    return {
        "Time": entry.time,
        "Who": entry.user_id or GUEST,
        "What": ACTIONS.get(entry.action, entry.action),
        "Job": prompts.get(job_id, ""),
        "Open": _job_address(job_id) if job_id in prompts else None,
        "Item": item,
        "Whose": {viewer.id: "Yours", "": "Everybody's"}.get(owner, owner),
        "By which right": RIGHTS[entry.via],
        "From": entry.address,
    }


def visit_row(visit: Visit, prompts: Mapping[str, str]) -> Row:
    """Return what is shown of somebody else's looks; `prompts`: by the ids of jobs."""
    job_id = visit.job_id or ""
    return {
        "Who": visit.user_id or GUEST,
        "By which right": RIGHTS[visit.via],
        "Job": prompts.get(job_id, "") if job_id else "Gallery, activity, or invitation",
        "Open": _job_address(job_id) if job_id in prompts else None,
        "Looks": visit.number,
        "Downloads": visit.downloads,
        "Last": visit.last,
    }


def _prompts_seen(user: User, job_ids: Collection[str]) -> dict[str, str]:
    """Return the prompts of the jobs that a user may open, by id.

    What somebody once saw by a link is not theirs to see for ever.
    """
    return {
        job.id: shortened(job.prompt, _TITLE_CHARACTERS)
        for job in studio().store.jobs.named(list(job_ids)).values()
        if user.admin or job.user_id == user.id
    }


def _draw_jobs(user: User, scope: Scope) -> None:
    activity = studio().store.activity
    jobs = activity.jobs(scope)
    if not jobs:
        st.text("No job was begun in this time. What you create is counted here.")
        st.button("Create something", type="primary", on_click=session.want, args=("/",))
        return
    _draw_chart(activity.jobs_over_time(scope), scope, STATUS_COLOURS, "Jobs")
    st.subheader("By provider", anchor=False)
    rows = [
        {
            "Provider": studio().title(each.provider),
            "Images": each.images,
            "Videos": each.videos,
            "Failed": each.failed,
            "Cost": amounts_text(each.costs) or "Free",
        }
        for each in activity.made(scope)
    ]
    _draw_table(rows, scope)
    st.subheader("Latest", anchor=False)
    _draw_table([job_row(each) for each in jobs], scope, named="Who")
    _draw_download("jobs", scope, user)


def job_row(job: Job) -> Row:
    """Return what is shown of a job."""
    return {
        "Time": job.created_at,
        "Who": job.user_id,
        "Job": shortened(job.prompt, _TITLE_CHARACTERS),
        "Open": _job_address(job.id),
        "Status": str(job.status),
        "Images": len(job.image_paths),
        "Videos": len(job.video_paths),
        "Cost": amounts_text(job.cost) or "Free",
    }


def _draw_people(_: User, scope: Scope) -> None:
    activity = studio().store.activity
    st.subheader("Who did most", anchor=False)
    rows = [
        {
            "User id": each.user_id or GUEST,
            "Logins": each.logins,
            "Looks": each.views,
            "Jobs": each.jobs,
            "Last": each.last,
        }
        for each in activity.busiest(scope)
    ]
    _draw_table(rows, scope)
    st.subheader("Failed logins by address", anchor=False)
    refused = [
        {
            "From": each.address,
            "Failed": each.number,
            "User ids tried": each.accounts,
            "Last": each.last,
        }
        for each in activity.refused_by_address(scope)
    ]
    if refused:
        st.caption("Many user ids from one address mean that somebody tries one after the other.")
        _draw_table(refused, scope)
    else:
        st.text("No login failed in this time.")


def _job_address(job_id: str) -> str:
    return f"/job?{urlencode({'id': job_id})}"


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
    time = st.column_config.DatetimeColumn(format=_TIME_FORMAT, timezone=scope.zone.key)
    link = st.column_config.LinkColumn(display_text="Open")
    shown = {"Time": time, "Last": time, "Open": link, **(columns or {})}
    if named and scope.user_id is not None:
        shown[named] = None
    # The table's own export to CSV takes the cells as they are.
    safe = [{name: safe_cell(value) for name, value in row.items()} for row in rows]
    st.dataframe(safe, hide_index=True, column_config=shown, placeholder="")


def _draw_chart(bars: Sequence[Bar], scope: Scope, colours: dict[str, str], title: str) -> None:
    st.altair_chart(
        over_time(bars, scope, colours, title, now()),
        alt=f"{title}, by {scope.unit}, as stacked bars. The tables have the same in figures.",
    )


def _draw_download(which: str, scope: Scope, user: User) -> None:
    """Draw the link to everything in the period, of which the table has the latest."""
    st.link_button(
        f"All {which} as CSV",
        export_address(which, scope, user.id),
        icon=":material/download:",
    )
