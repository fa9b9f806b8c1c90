"""The section “Where you are logged in”."""

from functools import partial

import streamlit as st

from core.i18n import gettext as _
from core.models import LoginSession, User
from core.studio import account
from core.web import tab_session
from core.web.account.section import moment_of, row, section, submit
from core.web.resources import studio
from core.web.text.browsers import browser_text


def draw_login_sessions(user: User) -> None:
    """Draw the user's login sessions, this browser's first."""
    with section("sessions", _("Where you are logged in")):
        own = tab_session.session_id()
        found = studio().sessions.of_user(user.id)
        for each in sorted(found, key=lambda each: each.id != own):
            _draw_session(user, each, own=each.id == own)
        if any(each.id != own for each in found):
            st.button(
                _("Log out everywhere else"),
                key="account-end-others",
                on_click=submit,
                args=("sessions", partial(_end_others, user.id)),
            )


def _draw_session(user: User, found: LoginSession, *, own: bool) -> None:
    where = browser_text(found.agent)
    if own:
        where = _("{browser} · this one").format(browser=where)
    since, used = moment_of(user, found.created_at), moment_of(user, found.seen_at)
    times = _("since {since}, last used {used}").format(since=since, used=used)
    facts = f"{found.address}, {times}".removeprefix(", ")
    with row(found.id, where, facts):
        if not own:
            st.button(
                _("Log out"),
                key=f"account-end-{found.id[:16]}",
                help=_("Log out of {browser}, since {since}").format(browser=where, since=since),
                on_click=submit,
                args=("sessions", partial(_end, user.id, found.id)),
            )


def _end(user_id: str, session_id: str) -> str:
    account.log_out(studio().store, session_id, user_id)
    return _("Logged out there. A page that is open there closes within seconds.")


def _end_others(user_id: str) -> str:
    account.log_out_everywhere(studio().store, user_id, keep=tab_session.session_id())
    return _("Logged out everywhere else. Pages that are open there close within seconds.")
