"""A job on a page: drawn as it stands, and again every second while it is being made."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

import streamlit as st

from core.models import Job, JobStatus, User, Via, now
from core.store import DatabaseError
from core.web import board, components, session
from core.web.access import Access
from core.web.studio import studio
from core.web.view import View

POLL_SECONDS: Final = 1.0
TROUBLE: Final = "The database does not answer at the moment. What you see may be out of date."
NOT_DONE: Final = "The database does not answer. Nothing is lost; please try again in a minute."

Find = Callable[[], tuple[Job, Access] | None]
"""Looks a job up anew with the right to see it, which may have ended."""


def _nothing(_: str) -> None:
    """Answer a click that leads nowhere."""


@dataclass(frozen=True)
class Watched:
    """A job on a page.

    Attributes:
        find: looks it up anew, before every drawing.
        view: who looks, and by which right.
        note: what is said above it; empty: nothing.
        on_ask: carries out what its buttons ask for.
        on_animate: called with the id of an image to make clips of.
    """

    find: Find
    view: Callable[[], View]
    note: str = ""
    on_ask: Callable[[str], None] | None = None
    on_animate: Callable[[str], None] = _nothing


def view_of(user_id: str | None, via: Via = Via.OWN, share_key: str = "") -> View:
    """Return who looks, and when.

    Args:
        user_id: who looks; None: nobody is logged in.
        via: by which right.
        share_key: the key that files are asked for with; empty: the login is enough.
    """
    user = User(id="", created_at=now()) if user_id is None else session.account(user_id)
    return replace(session.view(user), via=via, share_key=share_key)


def draw_job(job: Job, watched: Watched) -> None:
    """Draw a job, and keep the page up with it; the page runs again when the job ends or begins.

    Args:
        job: as the page has just found it.
        watched: what else there is to know.
    """
    active = job.status == JobStatus.PROCESSING
    fragment = st.fragment(_live, run_every=POLL_SECONDS if active else None)
    fragment(job.id, watched, was_active=active)


def _live(job_id: str, watched: Watched, *, was_active: bool) -> None:
    session.leave_if_wanted()
    if st.session_state.pop("not_done", False):
        st.toast(NOT_DONE, duration="long")
    kept = st.session_state.setdefault("last_board", {})
    view = watched.view()
    place = (job_id, view.via)
    try:
        found = watched.find()
        assets = studio().store.assets.of_job(job_id)
    except DatabaseError:
        if kept.get("place") != place:
            raise
        shown = kept["shown"] | {"trouble": TROUBLE}
    else:
        if found is None or was_active != (found[0].status == JobStatus.PROCESSING):
            # Whether the fragment runs again by itself is decided by the page.
            if was_active:
                st.session_state["just_ended"] = job_id
            st.rerun()
        shown = board.snapshot(found[0], assets, view) | {"note": watched.note}
        kept.update(place=place, shown=shown)
    components.board(
        f"job-{job_id}",
        shown | {"heard": st.session_state.get("heard", 0)},
        on_open=_nothing,
        on_more=_nothing,
        on_ask=watched.on_ask,
        on_animate=watched.on_animate,
    )
