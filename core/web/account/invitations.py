"""The section “Invitations”, for admins."""

from functools import partial
from typing import Final

import streamlit as st

from core.i18n import gettext as _
from core.models import Invitation, User
from core.store.accounts.invitations import INVITE_DAYS
from core.studio import account
from core.web import tab_session
from core.web.account.section import field_key, moment_of, row, section, submit, take
from core.web.resources import studio

_LINK: Final = "account_link"
_FOR: Final = "account-for"


def draw_invitations(user: User) -> None:
    """Draw the form for an invitation, and the open invitations."""
    with section("invitations", _("Invitations")):
        if link := st.session_state.pop(_LINK, None):
            st.code(link, language=None, wrap_lines=True)
        with st.form("account-invitation-form", border=False):
            st.caption(
                _("An invitation is a link that works once, within {days} days.").format(
                    days=INVITE_DAYS
                )
            )
            if studio().settings.login != "oidc":  # no passphrases there
                st.text_input(
                    _("For an account that there is, to choose a new passphrase"),
                    key=field_key(_FOR),
                    placeholder=_("Its user id; empty: for a new account"),
                    autocomplete="off",
                )
            st.form_submit_button(
                _("Make a link"), on_click=submit, args=("invitations", partial(_invite, user.id))
            )
        for each in studio().store.invitations.open():
            _draw_invitation(user, each)


def _draw_invitation(user: User, invite: Invitation) -> None:
    whom = _("a new account")
    if invite.user_id:
        whom = _("{user}, to choose a passphrase").format(user=invite.user_id)
    until = moment_of(user, invite.expires_at)
    made = _("Made by {user}, until {moment}").format(user=invite.made_by, moment=until)
    with row(invite.id, _("For {whom}").format(whom=whom), made):
        st.button(
            _("Withdraw"),
            key=f"account-withdraw-{invite.id[:16]}",
            help=_("Withdraw the invitation for {whom}, until {moment}").format(
                whom=whom, moment=until
            ),
            on_click=submit,
            args=("invitations", partial(_withdraw, user.id, invite.id)),
        )


def _invite(user_id: str) -> str:
    [typed] = take(_FOR)
    address = tab_session.requester().address
    secret = account.invite(studio().store, user_id, typed, address)
    st.session_state[_LINK] = f"{studio().settings.link_base}/login?invite={secret}"
    return _("Here is the link. Copy it now: it is shown only once.")


def _withdraw(user_id: str, invitation_id: str) -> str:
    account.withdraw_invitation(studio().store, user_id, invitation_id)
    return _("The invitation is withdrawn; its link leads nowhere now.")
