"""The section “Passphrase”."""

from functools import partial
from typing import Final

import streamlit as st

from core.accounts.passphrases import MIN_CHARACTERS
from core.i18n import N_
from core.i18n import gettext as _
from core.models import InvalidInput, User
from core.web import tab_session
from core.web.account.section import accounts, secret_input, section, submit, take
from core.web.resources import studio

UNPROTECTED: Final = N_("Without a passphrase, whoever types your user id is you.")
_PRESENT: Final = "account-present"
_NEW: Final = "account-new"
_AGAIN: Final = "account-again"


def draw_passphrase(user: User) -> None:
    """Draw the form that sets, changes or removes the passphrase."""
    optional = studio().settings.login == "user_id"
    removable = optional and not user.admin
    with section("passphrase", _("Passphrase")):
        if user.protected:
            st.text(_("It is asked for whenever somebody logs in with your user id."))
        elif optional:
            admin = _("You are an admin, so they see everybody's work, too.") if user.admin else ""
            st.text(f"{_(UNPROTECTED)} {admin}".strip())
        else:
            st.text(_("You have none yet."))
        with st.form("account-passphrase-form", border=False):
            if user.protected:
                secret_input(_("Present passphrase"), _PRESENT, "current-password")
            secret_input(_("New passphrase"), _NEW, "new-password")
            secret_input(_("New passphrase again"), _AGAIN, "new-password")
            st.caption(
                _(
                    "At least {characters} characters; a few words are easy to keep. "
                    "You are then logged out everywhere else."
                ).format(characters=MIN_CHARACTERS)
            )
            with st.container(key="account-passphrase-acts", horizontal=True):
                st.form_submit_button(
                    _("Change the passphrase") if user.protected else _("Set a passphrase"),
                    on_click=submit,
                    args=("passphrase", partial(_change_passphrase, user.id)),
                )
                if user.protected and removable:
                    st.form_submit_button(
                        _("Remove the passphrase"),
                        on_click=submit,
                        args=("passphrase", partial(_remove_passphrase, user.id)),
                    )


def _change_passphrase(user_id: str) -> str:
    present, new, again = take(_PRESENT, _NEW, _AGAIN)
    if not new:
        raise InvalidInput(_("Please type a new passphrase."))
    if new != again:
        raise InvalidInput(_("The two new passphrases are not the same. Please type them again."))
    accounts().change_passphrase(
        user_id, present, new, tab_session.session_id(), tab_session.requester()
    )
    return _("Your new passphrase holds from now on. You were logged out everywhere else.")


def _remove_passphrase(user_id: str) -> str:
    [present] = take(_PRESENT)
    accounts().change_passphrase(
        user_id, present, "", tab_session.session_id(), tab_session.requester()
    )
    return _("You have no passphrase any more. You were logged out everywhere else.")
