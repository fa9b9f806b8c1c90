"""A shared job, for everybody with the link, to view only."""

import streamlit as st

from core.i18n import gettext as _
from core.web import tab_session
from core.web.identity import permissions
from core.web.jobs import job_view, snapshot
from core.web.resources import studio


def main() -> None:
    """Draw the job of the link while the link works."""
    user, key = tab_session.user_id(), st.query_params.get("key", "")
    found = permissions.to_shared(studio().store, studio().identity, user, key)
    share = permissions.held_share(studio().store, studio().identity, key)
    if found is None or share is None:
        tab_session.message_page(
            _("This link has ended"),
            _("It leads to nothing any more. Ask whoever gave it to you for a new one."),
            _("Go to Fivefold"),
            to="/",
        )
        return
    job, right = found
    tab_session.log_view(right.entry("open_job", job.id, address=tab_session.requester().address))
    view = studio().view(job_view.zone_of_viewer(user))
    job_view.draw_job(job.id, user, note=snapshot.share_note(share, view), share_key=key)


main()
