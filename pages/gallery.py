"""Gallery: a user's finished items, to search, view, mark and reuse."""

from dataclasses import replace

import streamlit as st

from core.i18n import gettext as _
from core.models import Via
from core.web import tab_session
from core.web.frontend import components
from core.web.identity import permissions
from core.web.library import page as gallery
from core.web.resources import studio


def main() -> None:
    """Draw the user's own gallery, or for an admin the one that the address names."""
    user, query = tab_session.require_user(), st.query_params.to_dict()
    right = permissions.to_gallery(studio().store, user, query.get("user", ""))
    owner, own = right.owner, right.via == Via.OWN
    tab_session.log_view(right.entry("open_gallery", address=tab_session.requester().address))
    view = replace(tab_session.view(tab_session.account(user)), via=right.via)
    shown = gallery.first_screen(studio(), right, query, view)
    if gallery.is_empty(studio(), right, query, shown):
        tab_session.message_page(
            _("Your gallery is empty")
            if own
            else _("{owner}'s gallery is empty").format(owner=owner),
            shown.get("note") or _("Every image and video that you make will hang here."),
            _("Create something") if own else _("Go to your work"),
            to="/",
        )
        return
    st.title(_("Gallery"), anchor=False)
    components.gallery(f"gallery-{owner}", shown)


main()
