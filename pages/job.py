"""One job: what is being made, and then what was made."""

import streamlit as st

from core.i18n import gettext as _
from core.models import Via
from core.web import access, board, session, sharing, watch
from core.web.studio import studio


def main() -> None:
    """Draw the job that the address names, where the user may see it."""
    user, job_id = session.require_user(), st.query_params.get("id", "")
    found = access.to_job(studio().store, studio().identity, user, job_id)
    if found is None:
        session.message_page(
            _("There is nothing here"),
            _("This link leads to no work of yours. Perhaps it was made under another user id."),
            _("Go to your work"),
            to="/",
        )
        return
    job, right = found
    if job.binned_at is not None:
        session.message_page(
            _("This lies in the bin"),
            _("You can restore it from there: it is in your gallery."),
            _("Go to the gallery"),
            to="/gallery",
        )
    elif right.via == Via.OWN:
        session.note_visit(user, "open_job", job_id)
        st.fragment(sharing.draw_sharing)(session.account(user), job_id)
        watch.draw_job(job_id, user)
    else:
        session.note_entry(right.entry("open_job", job_id, address=session.visitor().address))
        watch.draw_job(job_id, user, note=board.admin_note(right.owner))


main()
