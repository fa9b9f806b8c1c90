"""Account: who the user is here, how that is proved, where they are logged in, and leaving."""

import streamlit as st

from core.i18n import gettext as _
from core.web import account, session


def main() -> None:
    """Draw the page."""
    user = session.account(session.require_user())
    session.note_visit(user.id, None)
    if user.deleting_at is not None:
        session.message_page(
            _("Your account is being deleted"), _("You are logged out in a moment. Good-bye!")
        )
        return
    with st.container(key="account"):
        st.title(_("Account"), anchor=False)
        account.draw(user)


main()
