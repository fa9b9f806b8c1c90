"""A job that somebody shares with whoever has the link: to look at, and nothing else."""

import streamlit as st

from core.i18n import gettext as _
from core.web import access, board, session, watch
from core.web.studio import studio


def main() -> None:
    """Draw the job that the link leads to, for as long as it does."""
    user, key = session.user_id(), st.query_params.get("key", "")
    found = access.to_shared(studio().store, studio().identity, user, key)
    share = access.held_share(studio().store, studio().identity, key)
    if found is None or share is None:
        session.message_page(
            _("This link has ended"),
            _("It leads to nothing any more. Ask whoever gave it to you for a new one."),
            _("Go to Fivefold"),
            to="/",
        )
        return
    job, right = found
    session.note_entry(right.entry("open_job", job.id, address=session.visitor().address))
    view = studio().view(watch.zone_of_viewer(user))
    watch.draw_job(job.id, user, note=board.share_note(share, view), share_key=key)


main()
