"""Sharing a job: the links that lead to it, making one, taking one back."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Final
from urllib.parse import urlencode

import streamlit as st

from core.i18n import N_, ngettext, number
from core.i18n import gettext as _
from core.models import Share, User, now
from core.store import DatabaseError
from core.web.http.errors import no_answer
from core.web.identity.permissions import Access
from core.web.resources import Studio, studio
from core.web.tab_session import view, visitor

DAYS: Final = (1, 7, 30)
USUAL_DAYS: Final = 7
MOST: Final = 20
TOO_MANY: Final = N_("There are {most} links to this job already. Withdraw one of them first.")
_SAID: Final = "share-said"
_CHOSEN: Final = "share-days"


def draw_sharing(user: User, job_id: str) -> None:
    """Draw the button “Share” with all that is behind it; as a fragment, it runs by itself.

    Args:
        user: the job's owner.
        job_id: the job.
    """
    with (
        st.container(key="sharing", horizontal_alignment="right"),
        st.popover(
            _("Share"), key="share", on_change="rerun"
        ),  # opened: the counts are those of now
    ):
        st.text(
            _("Whoever has the link can look at this job, without a login, until the link ends.")
        )
        st.segmented_control(
            _("The link works for"),
            DAYS,
            default=USUAL_DAYS,
            required=True,
            format_func=_days,
            key=_CHOSEN,
        )
        st.button(_("Make a link"), type="primary", on_click=_make, args=(user.id, job_id))
        if said := st.session_state.pop(_SAID, None):
            st.error(said)
        try:
            _draw_links(user, job_id)
        except DatabaseError:
            st.error(no_answer())


def link_of(found: Studio, share: Share) -> str:
    """Return the address that a share is given away with."""
    query = urlencode({"key": found.identity.share_key(share.id)})
    return f"{found.settings.link_base}/shared?{query}"


def _draw_links(user: User, job_id: str) -> None:
    found, seen = studio(), view(user)
    shares = found.store.shares.of_job(job_id, user.id)
    looks = found.store.shares.looks([share.id for share in shares]) if shares else {}
    for share in shares:
        st.code(link_of(found, share), language=None, wrap_lines=True)
        with st.container(horizontal=True, vertical_alignment="center"):
            times = looks[share.id]
            opened = {0: _("not opened yet"), 1: _("opened once")}.get(times) or ngettext(
                "opened {count} time", "opened {count} times", times
            ).format(count=number(times))
            ends = seen.moment(share.expires_at)
            st.caption(_("Ends {moment} · {opened}").format(moment=ends, opened=opened))
            st.button(_("Withdraw"), key=f"withdraw-{share.id}", on_click=_withdraw, args=(share,))


def _days(number_of: int) -> str:
    return ngettext("{count} day", "{count} days", number_of).format(count=number_of)


def _make(user_id: str, job_id: str) -> None:
    with _apologies():
        found = studio()
        if len(found.store.shares.of_job(job_id, user_id)) >= MOST:
            st.session_state[_SAID] = _(TOO_MANY).format(most=MOST)
            return
        days = st.session_state.get(_CHOSEN)
        if days not in DAYS:
            st.session_state[_SAID] = _("A link works for one of the times that are offered.")
            return
        ends = now() + timedelta(days=days)
        _note("share", found.store.shares.make(job_id, user_id, ends))


def _withdraw(share: Share) -> None:
    with _apologies():
        if studio().store.shares.withdraw(share.id, share.user_id):
            _note("unshare", share)


def _note(action: str, share: Share) -> None:
    """Log that a share was made or taken back."""
    access = Access(share.user_id, share.user_id, share=share)
    entry = access.entry(action, share.job_id, address=visitor().address)
    studio().store.view_log.note(entry)


@contextmanager
def _apologies() -> Iterator[None]:
    """Say what came in between when the page is drawn again."""
    try:
        yield
    except DatabaseError:
        st.session_state[_SAID] = no_answer()
