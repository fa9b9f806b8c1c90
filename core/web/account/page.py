"""The page “Account”: who the user is, their language, and the sections of the other modules."""

from typing import Final

import streamlit as st

from core.i18n import LANGUAGES, negotiated
from core.i18n import gettext as _
from core.models import InvalidInput, User
from core.store import DatabaseError
from core.studio import account
from core.web.account.deletion import draw_deletion
from core.web.account.invitations import draw_invitations
from core.web.account.login_sessions import draw_login_sessions
from core.web.account.passphrase import draw_passphrase
from core.web.account.section import OUTCOME, Outcome, moment_of, section
from core.web.http.errors import database_unavailable_text
from core.web.inbox.preferences import draw_settings
from core.web.resources import studio

_LANGUAGE: Final = "account-language-choice"


def draw(user: User) -> None:
    """Draw all that a user can see and change of their account."""
    if message := st.session_state.pop("toast", None):  # by `draw_settings`
        st.toast(message, duration="long")
    _draw_who(user)
    if studio().settings.login != "oidc":
        draw_passphrase(user)
    draw_login_sessions(user)
    _draw_language(user)
    with st.container(key="account-preferences"):
        draw_settings(user)
    if user.admin:
        draw_invitations(user)
    _draw_archive()
    draw_deletion(user)


def _draw_who(user: User) -> None:
    with section("who", _("Who you are")):
        since = moment_of(user, user.created_at)
        facts = [
            _("User id: {user}").format(user=user.id),
            _("Here since {moment}.").format(moment=since),
        ]
        if user.last_login_at is not None:
            last = moment_of(user, user.last_login_at)
            facts.append(_("Last login: {moment}.").format(moment=last))
        if user.subject is not None and studio().settings.login == "oidc":
            issuer = user.subject.issuer
            facts.append(_("Your identity comes from {issuer}.").format(issuer=issuer))
        if user.admin:
            facts.append(
                _("You are an admin: you see everybody's work and logs, and invite people.")
            )
        st.text("\n".join(facts))


def _draw_language(user: User) -> None:
    with section("language", _("Language")):
        codes = ["", *LANGUAGES]
        browsers = LANGUAGES[negotiated(st.context.locale)]
        as_browser = _("As the browser says ({language})").format(language=browsers)
        st.selectbox(
            _("Language"),
            codes,
            codes.index(user.language) if user.language in LANGUAGES else 0,
            format_func=lambda code: LANGUAGES.get(code, as_browser),
            key=_LANGUAGE,
            label_visibility="collapsed",
            on_change=_choose_language,
            args=(user.id,),
            width=320,
        )


def _choose_language(user_id: str) -> None:
    try:
        account.choose_language(studio().store, user_id, st.session_state[_LANGUAGE] or None)
    except InvalidInput as error:
        st.session_state[OUTCOME] = Outcome("language", str(error), refused=True)
    except DatabaseError:
        st.session_state[OUTCOME] = Outcome("language", database_unavailable_text(), refused=True)


def _draw_archive() -> None:
    with section("archive", _("Take everything along")):
        st.text(
            _(
                "One zip file with all your images and videos, your jobs and their prompts, your "
                "settings, and what is logged of your logins and views."
            )
        )
        st.link_button(_("Download everything"), studio().at("/account/archive.zip"))
