"""The Streamlit session of one browser tab: its user, its address, and page changes."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import streamlit as st
from streamlit.navigation.page import Page
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.accounts.login import Requester
from core.i18n import N_, ask_language, negotiated
from core.i18n import gettext as _
from core.models import User, ViewEntry, now
from core.store import DatabaseError, DatabaseUnavailable
from core.web import page_list
from core.web.forged_widgets import is_forged
from core.web.http.errors import database_unavailable_text
from core.web.identity.permissions import Access
from core.web.resources import studio
from core.web.text.dates import zone_of
from core.web.text.view_context import ViewContext

_PAGES: Final = Path(__file__).parents[2] / "pages"
_REQUESTED: Final = "requested_page"
_VIEW: Final = "logged_view"
_ACCOUNT: Final = "account"
LOOPBACK: Final = "127.0.0.1"  # Streamlit gives no address for it

_log = logging.getLogger(__name__)


def all_pages() -> dict[str, Page]:
    """Return all pages by path. All are always registered, so that links to them work."""
    return {
        page.path: st.Page(_PAGES / page.file, title=_(page.title), default=page.path == "/")
        for page in page_list.PAGES
    }


def user_id() -> str | None:
    """Return the id of the user, authenticated by the cookie when this tab connected."""
    found = st.user.get("user_id")
    return found if isinstance(found, str) else None


def session_id() -> str | None:
    """Return the id of this browser's session; None where nobody is logged in."""
    found = st.user.get("session")
    return found if isinstance(found, str) else None


def requester() -> Requester:
    """Return the client's address and user agent."""
    address, agent = st.context.ip_address, st.context.headers.get("User-Agent")
    return Requester(
        address=address if isinstance(address, str) else LOOPBACK,
        agent=agent if isinstance(agent, str) else "",
    )


def require_user() -> str:
    """Return the id of the user; stop the page if nobody is logged in."""
    found = user_id()
    if found is None:
        st.stop()
    return found


def account(user_id: str) -> User:
    """Return the user's account; the last known one while the database does not answer."""
    try:
        found = studio().store.users.get(user_id)
    except DatabaseError:
        found = st.session_state.get(_ACCOUNT)
    st.session_state[_ACCOUNT] = found = found or User(id=user_id, created_at=now())
    return found


def language() -> str | None:
    """Return the language code of the tab's user: the chosen one, or the browser's.

    Returns:
        the code; None outside of a script run.
    """
    if get_script_run_ctx(suppress_warning=True) is None:
        return None
    known = st.session_state.get(_ACCOUNT)
    return (known and known.language) or negotiated(st.context.locale)


ask_language(language)


def zone_name(user: User) -> str:
    """Return the user's time zone: the chosen one, or the browser's."""
    return user.zone or str(zone_of(st.context.timezone))


def view(user: User) -> ViewContext:
    """Return the view context of the user in this tab."""
    return studio().view(zone_name(user))


def address(path: str) -> str:
    """Return a page's address as this tab shows it, with its query."""
    query = urlencode({name: st.query_params.get_all(name) for name in st.query_params}, doseq=True)
    return f"{path}?{query}" if query else path


def request_page(path: str, **query: str) -> None:
    """Request another page, from a click's callback; see `switch_to_requested_page`."""
    st.session_state[_REQUESTED] = (path, query)


def request_address(href: str) -> None:
    """Request the page that an address with its query names."""
    parts = urlsplit(href)
    request_page(parts.path, **dict(parse_qsl(parts.query)))


def switch_to_requested_page() -> None:
    """Switch to the page that a click requested; called at the start of a page or fragment."""
    requested = st.session_state.pop(_REQUESTED, None)
    if requested is not None:
        path, query = requested
        st.switch_page(all_pages()[path], query_params=query)


def log_page_view(user: str, action: str | None, job_id: str | None = None) -> None:
    """Log that a user opened a page with their own content; see `log_view`.

    Args:
        user: who opened it.
        action: `open_job`, `open_gallery`, or None for a page that shows no content.
        job_id: the job that it shows.
    """
    if action is None:
        st.session_state[_VIEW] = None
        return
    log_view(Access(user, user).entry(action, job_id, address=requester().address))


def log_view(entry: ViewEntry) -> None:
    """Log that a page was opened: once, however often it is redrawn."""
    view = (entry.action, entry.owner, entry.job_id, entry.share)
    if st.session_state.get(_VIEW) != view:
        st.session_state[_VIEW] = view
        studio().store.view_log.note(entry)


def report_script_error(error: Exception) -> bool:
    """Draw a sentence in place of a page that failed, and log the error; for `on_script_error`.

    Returns:
        True: Streamlit draws no traceback.
    """
    if isinstance(error, DatabaseError | DatabaseUnavailable):
        _log.warning("a page was not drawn: %s", error)
        unreachable_page()
    elif is_forged(error):
        _log.warning("a page could not read what a browser sent: %s", type(error).__name__)
        _log.debug("where that was", exc_info=error)
        message_page(
            _("Something went wrong here"),
            _("This page could not read what your browser sent. Please load it again."),
            _("Try again"),
        )
    else:
        _log.error("a page was not drawn", exc_info=error)
        message_page(
            _("Something went wrong here"),
            _("This page could not be shown. Nothing is lost; please load it again."),
            _("Try again"),
        )
    return True


@contextmanager
def handle_database_errors() -> Iterator[None]:
    """Draw an error page where the database fails in the block."""
    try:
        yield
    except (DatabaseError, DatabaseUnavailable) as error:
        report_script_error(error)


def unreachable_page() -> None:
    """Draw an error page: the database does not answer."""
    message_page(
        _("We cannot reach your work right now"),
        database_unavailable_text(
            N_("The database does not answer. Nothing is lost; please try again in a minute.")
        ),
        _("Try again"),
    )


def message_page(title: str, text: str, button: str = "", to: str | None = None) -> None:
    """Draw a page with only a message.

    Args:
        title: what happened.
        text: what it means and what to do.
        button: the label of the button below; empty: no button.
        to: the page that it leads to; None: it draws this page again.
    """
    with st.container(key="message", horizontal_alignment="center"):
        st.header(title, anchor=False, width="content")
        st.text(text, width="content")
        if button and to is None:
            st.button(button, type="primary")
        elif button:
            st.button(button, type="primary", on_click=request_page, args=(to,))
