"""Notifications: what is on its way, what was sent, what was not, and how the user is told."""

import streamlit as st

from core.i18n import gettext as _
from core.models import InvalidInput, User
from core.store import DatabaseError
from core.studio.notices import mark_read
from core.web import frontend, tab_session
from core.web.http.errors import database_unavailable_text
from core.web.inbox import notices, preferences
from core.web.resources import studio


def carry_out(user: User, asked: str) -> None:
    """Do what a row's button asks for."""
    try:
        told = notices.carry_out(studio().store, user, asked, tab_session.zone_name(user))
    except InvalidInput as error:
        told = str(error)
    except DatabaseError:
        told = database_unavailable_text()
    if told:
        st.session_state["told"] = told


def live(user: User) -> None:
    """Draw the rows as they stand; as a fragment, this runs again while something is due."""
    if told := st.session_state.pop("told", None):
        st.toast(told, duration="long")
    with tab_session.handle_database_errors():
        store = studio().store
        shown = notices.overview(store, user, tab_session.view(user))
        if store.notices.unread(user.id):
            mark_read(store, user.id)  # the page shows all of them
        if st.session_state.get("notices_pace") != shown["pace"]:
            st.session_state["notices_pace"] = shown["pace"]
            st.rerun()  # how often the fragment runs again is decided by the page
        frontend.notifications(shown, lambda asked: carry_out(user, asked))


def main() -> None:
    """Draw the page."""
    user = tab_session.account(tab_session.require_user())
    tab_session.log_page_view(user.id, None)
    st.title(_("Notifications"), anchor=False)
    rows, settings = st.columns([5, 3], gap="large")
    with rows:
        st.fragment(live, run_every=st.session_state.get("notices_pace"))(user)
    with settings:
        preferences.draw_settings(user)


main()
