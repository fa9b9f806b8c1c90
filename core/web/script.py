"""The script that Streamlit runs for every tab: who is there, and which page."""

import streamlit as st

from core.web import session
from core.web.auth import own_page
from core.web.components import FAVICON, PAGE_STYLE, login_form, masthead
from core.web.session import all_pages

OPEN_PAGES = ("/providers",)  # shown to anybody


def main() -> None:
    """Draw the page that the address names, or the login that leads to it."""
    st.set_page_config(page_icon=FAVICON, layout="wide", initial_sidebar_state="collapsed")
    st.html(f"<style>{PAGE_STYLE}</style>")
    pages = all_pages()
    page = st.navigation(list(pages.values()), position="hidden")
    session.leave_if_wanted()
    path = f"/{page.url_path}"
    user = session.user_id()
    if user is not None:
        if path == "/login":
            st.switch_page(pages["/"])
        masthead(user, path, session.want_address)
    elif path == "/login":
        login_form(own_page(st.query_params.get("next", "/")))
        return
    elif path not in OPEN_PAGES:
        login_form(session.address(path))
        return
    with session.apologies():
        page.run()


main()
