"""Account: profile, passphrase, login sessions, and deletion."""

import streamlit as st

from core.i18n import gettext as _
from core.web import tab_session
from core.web.account import page as account


def main() -> None:
    """Draw the page."""
    user = tab_session.account(tab_session.require_user())
    tab_session.log_page_view(user.id, None)
    if user.deleting_at is not None:
        tab_session.message_page(
            _("Your account is being deleted"), _("You are logged out in a moment. Good-bye!")
        )
        return
    with st.container(key="account"):
        st.title(_("Account"), anchor=False)
        account.draw(user)


main()
