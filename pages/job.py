"""One job: its progress, and then its items."""

import streamlit as st

from core.i18n import gettext as _
from core.models import Via
from core.web import tab_session
from core.web.identity import permissions
from core.web.jobs import job_view, share_links, snapshot
from core.web.resources import studio


def main() -> None:
    """Draw the job that the address names, if the user may view it."""
    user, job_id = tab_session.require_user(), st.query_params.get("id", "")
    found = permissions.to_job(studio().store, studio().identity, user, job_id)
    if found is None:
        tab_session.message_page(
            _("There is nothing here"),
            _("This link leads to no work of yours. Perhaps it was made under another user id."),
            _("Go to your work"),
            to="/",
        )
        return
    job, right = found
    if job.binned_at is not None:
        tab_session.message_page(
            _("This lies in the bin"),
            _("You can restore it from there: it is in your gallery."),
            _("Go to the gallery"),
            to="/gallery",
        )
    elif right.via == Via.OWN:
        tab_session.log_page_view(user, "open_job", job_id)
        st.fragment(share_links.draw_sharing)(tab_session.account(user), job_id)
        job_view.draw_job(job_id, user)
    else:
        tab_session.log_view(
            right.entry("open_job", job_id, address=tab_session.requester().address)
        )
        job_view.draw_job(job_id, user, note=snapshot.admin_note(right.owner))


main()
