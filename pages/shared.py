"""A job that somebody shares with whoever has the link: to look at, and nothing else."""

from functools import partial

import streamlit as st

from core.models import Via
from core.web import access, board, session, watch
from core.web.studio import studio


def main() -> None:
    """Draw the job that the link leads to, for as long as it does."""
    user, key = session.user_id(), st.query_params.get("key", "")
    find = partial(access.to_shared, studio().store, studio().identity, user, key)
    found, share = find(), access.held_share(studio().store, studio().identity, key)
    if found is None or share is None:
        session.message_page(
            "This link has ended",
            "It leads to nothing any more. Ask whoever gave it to you for a new one.",
            "Go to Fivefold",
            to="/",
        )
        return
    job, right = found
    session.note_entry(right.entry("open_job", job.id, address=session.visitor().address))
    view = partial(watch.view_of, user, Via.SHARE, key)  # an owner sees what others see, too
    note = board.share_note(share, view())
    watch.draw_job(job, watch.Watched(find, view, note=note))


main()
