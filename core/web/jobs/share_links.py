"""The button “Share” of a job: its links, creating one, withdrawing one."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final
from urllib.parse import urlencode

import streamlit as st

from core.i18n import gettext as _
from core.i18n import ngettext, number
from core.models import InvalidInput, Share, User
from core.store import DatabaseError
from core.studio.sharing import DAYS, share_job, shares_of, withdraw_share
from core.web.http.errors import database_unavailable_text
from core.web.resources import WebStudio, studio
from core.web.tab_session import requester, view

_DEFAULT_DAYS: Final = 7
_ERROR: Final = "share-error"
_CHOSEN: Final = "share-days"


def draw_sharing(user: User, job_id: str) -> None:
    """Draw the button “Share” with its popover; it is run as a fragment.

    Args:
        user: the job's owner.
        job_id: the job.
    """
    with (
        st.container(key="sharing", horizontal_alignment="right"),
        st.popover(_("Share"), key="share", on_change="rerun"),  # opening it updates the counts
    ):
        st.text(
            _("Whoever has the link can look at this job, without a login, until the link ends.")
        )
        st.segmented_control(
            _("The link works for"),
            DAYS,
            default=_DEFAULT_DAYS,
            required=True,
            format_func=_days,
            key=_CHOSEN,
        )
        st.button(_("Make a link"), type="primary", on_click=_create, args=(user.id, job_id))
        if error := st.session_state.pop(_ERROR, None):
            st.error(error)
        try:
            _draw_links(user, job_id)
        except DatabaseError:
            st.error(database_unavailable_text())


def link_of(found: WebStudio, share: Share) -> str:
    """Return the address that a share is passed on by."""
    query = urlencode({"key": found.identity.share_key(share.id)})
    return f"{found.settings.link_base}/shared?{query}"


def _draw_links(user: User, job_id: str) -> None:
    found, seen = studio(), view(user)
    for share, times in shares_of(found.store, user.id, job_id):
        st.code(link_of(found, share), language=None, wrap_lines=True)
        with st.container(horizontal=True, vertical_alignment="center"):
            opened = {0: _("not opened yet"), 1: _("opened once")}.get(times) or ngettext(
                "opened {count} time", "opened {count} times", times
            ).format(count=number(times))
            ends = seen.moment(share.expires_at)
            st.caption(_("Ends {moment} · {opened}").format(moment=ends, opened=opened))
            st.button(_("Withdraw"), key=f"withdraw-{share.id}", on_click=_withdraw, args=(share,))


def _days(number_of: int) -> str:
    return ngettext("{count} day", "{count} days", number_of).format(count=number_of)


def _create(user_id: str, job_id: str) -> None:
    with _errors_shown():
        days = st.session_state.get(_CHOSEN)
        share_job(studio().store, user_id, job_id, days, requester().address)


def _withdraw(share: Share) -> None:
    with _errors_shown():
        withdraw_share(studio().store, share, requester().address)


@contextmanager
def _errors_shown() -> Iterator[None]:
    """Keep an error's sentence for the next time that the links are drawn."""
    try:
        yield
    except InvalidInput as error:
        st.session_state[_ERROR] = str(error)
    except DatabaseError:
        st.session_state[_ERROR] = database_unavailable_text()
