"""Notifications: what is due, sent or failed, and the user's preferences."""

import streamlit as st

from core.i18n import gettext as _
from core.models import InvalidInput, User
from core.store import DatabaseError
from core.studio.notices import mark_read
from core.web import tab_session
from core.web.frontend import components
from core.web.http.errors import database_unavailable_text
from core.web.inbox import notices, preferences
from core.web.resources import studio


def carry_out(user: User, asked: str) -> None:
    """Carry out the action of a row's button."""
    try:
        message = notices.carry_out(studio().store, user, asked, tab_session.zone_name(user))
    except InvalidInput as error:
        message = str(error)
    except DatabaseError:
        message = database_unavailable_text()
    if message:
        st.session_state["toast"] = message


def live(user: User) -> None:
    """Draw the rows, which keep themselves up to date; as a fragment, for each button's click."""
    if message := st.session_state.pop("toast", None):
        st.toast(message, duration="long")
    with tab_session.handle_database_errors():
        store = studio().store
        shown = notices.overview(store, user, tab_session.view(user))
        shown["zone"] = tab_session.zone_name(user)
        if store.notices.unread(user.id):
            mark_read(store, user.id)  # the page shows all of them
        components.notifications(shown, lambda asked: carry_out(user, asked))


def main() -> None:
    """Draw the page."""
    user = tab_session.account(tab_session.require_user())
    tab_session.log_page_view(user.id, None)
    st.title(_("Notifications"), anchor=False)
    rows, settings = st.columns([5, 3], gap="large")
    with rows:
        st.fragment(live)(user)
    with settings:
        preferences.draw_settings(user)


main()
