"""The script that Streamlit runs for every tab: the header with the page, or the login."""

from contextlib import suppress

import streamlit as st

from core.store import DatabaseUnavailable
from core.web import tab_session
from core.web.frontend.components import FAVICON, STREAMLIT_STYLE, header
from core.web.login.options import draw_login
from core.web.login.routes import own_page
from core.web.page_list import LOGIN, public_paths
from core.web.tab_session import all_pages


def main() -> None:
    """Draw the page that the address names, or the login that leads to it."""
    st.set_page_config(page_icon=FAVICON, layout="wide", initial_sidebar_state="collapsed")
    st.html(f"<style>{STREAMLIT_STYLE}</style>")
    user = tab_session.user_id()
    if user is not None:
        with suppress(DatabaseUnavailable):
            tab_session.account(user)  # its language is used below
    pages = all_pages()
    page = st.navigation(list(pages.values()), position="hidden")
    tab_session.switch_to_requested_page()
    path = f"/{page.url_path}"
    if st.user.get("trouble"):
        tab_session.unreachable_page()
        return
    if user is not None:
        if path == LOGIN and "invite" not in st.query_params:
            st.switch_page(pages["/"])
        header(user, path)
    if path == LOGIN:
        draw_login(own_page(st.query_params.get("next", "/")), st.query_params.get("invite", ""))
        return
    if user is None and path not in public_paths():
        draw_login(tab_session.address(path))
        return
    with tab_session.handle_database_errors():
        page.run()


if __name__ == "__main__":
    main()
