"""The section “Delete my account”."""

from functools import partial
from typing import Final

import streamlit as st

from core.i18n import gettext as _
from core.models import User
from core.studio import account
from core.web import tab_session
from core.web.account.section import field_key, secret_input, section, submit, take
from core.web.resources import studio

_CONFIRMED: Final = "account-confirmed"
_PROOF: Final = "account-proof"


def draw_deletion(user: User) -> None:
    """Draw the consequences of deleting the account, and the form."""
    settings = studio().settings
    with section("removal", _("Delete my account")):
        st.text(
            _(
                "Everything of yours goes for good: images and videos, jobs and prompts, settings, "
                "addresses, and the links that you shared. What is being made is cancelled. You "
                "are logged out everywhere at once, and all is deleted within about a quarter of "
                "an hour. What stays are the logs of logins and views, each entry for {days} days."
            ).format(days=settings.log_days)
        )
        if user.admin and _is_last_admin(user):
            st.warning(
                _(
                    "You are the only admin; no admin is left then. Another one is made on the "
                    "machine's own terminal only: `{command}`"
                ).format(command="python -m core user add NAME --admin")
            )
        with st.form("account-removal-form", border=False):
            label = _("Your user id, to confirm")
            st.text_input(label, key=field_key(_CONFIRMED), autocomplete="off")
            if user.protected and settings.login != "oidc":
                secret_input(_("Your passphrase"), _PROOF, "current-password")
            st.form_submit_button(
                _("Delete everything"), on_click=submit, args=("removal", partial(_remove, user.id))
            )


def _is_last_admin(user: User) -> bool:
    return studio().store.users.admins() == [user.id]


def _remove(user_id: str) -> str:
    typed, passphrase = take(_CONFIRMED, _PROOF)
    account.delete_own_account(studio(), user_id, typed, passphrase, tab_session.requester())
    return _("Your account is being deleted.")
