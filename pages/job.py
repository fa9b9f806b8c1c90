"""One job: what is being made, and then what was made."""

import json
from functools import partial

import streamlit as st

from core.models import JobStatus
from core.store import DatabaseError
from core.web import board, components, session
from core.web.studio import studio

POLL_SECONDS = 1.0
TROUBLE = "The database does not answer at the moment. What you see may be out of date."
NOT_DONE = "The database does not answer. Nothing is lost; please try again in a minute."


def live(user: str, job_id: str, *, was_active: bool) -> None:
    """Draw the job as it stands; as a fragment, this runs again every second while it is made."""
    session.leave_if_wanted()
    if st.session_state.pop("not_done", False):
        st.toast(NOT_DONE, duration="long")
    kept = st.session_state.setdefault("last_board", {})
    try:
        job = studio().store.jobs.get(job_id, user)
        assets = studio().store.assets.of_job(job_id)
    except DatabaseError:
        if kept.get("id") != job_id:
            raise
        shown = kept["shown"] | {"trouble": TROUBLE}
    else:
        if job is None or was_active != (job.status == JobStatus.PROCESSING):
            # Whether the fragment runs again by itself is decided by the page.
            if was_active:
                st.session_state["just_ended"] = job_id
            st.rerun()
        shown = board.snapshot(job, assets, session.view(session.account(user)))
        kept.update(id=job_id, shown=shown)
    components.board(
        f"job-{job_id}",
        shown | {"heard": st.session_state.get("heard", 0)},
        on_open=open_job,
        on_more=lambda _: None,
        on_ask=partial(carry_out, user, job_id),
        on_animate=animate,
    )


def carry_out(user: str, job_id: str, asked: str) -> None:
    """Do what was asked for with the page's buttons; what is told again is not done again."""
    jobs = studio().store.jobs
    acts = {"cancel": jobs.cancel, "retry": jobs.retry, "resend": jobs.resend}
    for each in json.loads(asked):
        if each["at"] <= st.session_state.get("heard", 0):
            continue
        st.session_state["heard"] = each["at"]
        try:
            acts[each["name"]](job_id, user, each["on"] and str(each["on"]))
        except DatabaseError:
            st.session_state["not_done"] = True


def animate(asset_id: str) -> None:
    """Go where clips are made of an image."""
    session.want("/", animate=asset_id)


def open_job(job_id: str) -> None:
    """Go to a job's page."""
    session.want("/job", id=job_id)


def main() -> None:
    """Draw the job that the address names, where it is the user's own."""
    user = session.require_user()
    job = studio().store.jobs.get(st.query_params.get("id", ""), user)
    if job is None:
        session.message_page(
            "There is nothing here",
            "This link leads to no work of yours. Perhaps it was made under another user id.",
            "Go to your work",
            to="/",
        )
        return
    session.note_visit(user, "open_job", job.id)
    active = job.status == JobStatus.PROCESSING
    if st.session_state.pop("just_ended", None) == job.id and not active:
        st.toast(board.ended_toast(job), duration="long")
    fragment = st.fragment(live, run_every=POLL_SECONDS if active else None)
    fragment(user, job.id, was_active=active)


main()
