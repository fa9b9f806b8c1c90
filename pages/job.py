"""One job: what is being made, and then what was made."""

import json
from functools import partial

import streamlit as st

from core.models import Job, JobStatus, Via
from core.store import DatabaseError
from core.web import access, board, session, sharing, watch
from core.web.studio import studio


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


def draw_own(user: str, job: Job, find: watch.Find) -> None:
    """Draw a job for its owner, with everything that can be done about it."""
    session.note_visit(user, "open_job", job.id)
    if st.session_state.pop("just_ended", None) == job.id and job.status != JobStatus.PROCESSING:
        st.toast(board.ended_toast(job), duration="long")
    st.fragment(sharing.draw_sharing)(session.account(user), job.id)
    ask = partial(carry_out, user, job.id)
    watched = watch.Watched(find, lambda: watch.view_of(user), on_ask=ask, on_animate=animate)
    watch.draw_job(job, watched)


def draw_theirs(job: Job, right: access.Access, find: watch.Find) -> None:
    """Draw somebody else's job for an admin, who can only look."""
    session.note_entry(right.entry("open_job", job.id, address=session.visitor().address))
    watched = watch.Watched(
        find, lambda: watch.view_of(right.user_id, right.via), note=board.admin_note(right.owner)
    )
    watch.draw_job(job, watched)


def main() -> None:
    """Draw the job that the address names, where the user may see it."""
    user, job_id = session.require_user(), st.query_params.get("id", "")
    find = partial(access.to_job, studio().store, studio().identity, user, job_id)
    found = find()
    if found is None:
        session.message_page(
            "There is nothing here",
            "This link leads to no work of yours. Perhaps it was made under another user id.",
            "Go to your work",
            to="/",
        )
        return
    job, right = found
    if right.via == Via.OWN:
        draw_own(user, job, find)
    else:
        draw_theirs(job, right, find)


main()
