"""The page “Account”: its sections, and what their buttons do.

What a button does is done in its callback, before the page is drawn: what was typed is taken out
of Streamlit's state there, and everything below shows what holds afterwards.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final

import streamlit as st

from core.accounts.passphrases import MIN_CHARACTERS
from core.accounts.rules import Accounts, LoginRefused
from core.i18n import LANGUAGES, N_, negotiated
from core.i18n import gettext as _
from core.models import InvalidInput, Invitation, LoginSession, User, now
from core.store import DatabaseError
from core.store.accounts.invitations import INVITE_DAYS
from core.studio import account
from core.web import tab_session
from core.web.http.errors import no_answer
from core.web.inbox.preferences import draw_settings
from core.web.resources import studio
from core.web.text.dates import moment_text, zone_of

# What a browser calls itself names others, too, so the order matters:
# https://developer.mozilla.org/docs/Web/HTTP/Guides/Browser_detection_using_the_user_agent
BROWSERS: Final = {
    "Edg": "Edge",
    "OPR/": "Opera",
    "SamsungBrowser/": "Samsung Internet",
    "Firefox/": "Firefox",
    "FxiOS/": "Firefox",
    "CriOS/": "Chrome",
    "Chrome/": "Chrome",
    "Safari/": "Safari",
}
SYSTEMS: Final = {
    "iPhone": N_("an iPhone"),
    "iPad": N_("an iPad"),
    "Android": "Android",
    "Windows": "Windows",
    "Macintosh": "macOS",
    "CrOS": "ChromeOS",
    "Linux": "Linux",
}
UNPROTECTED: Final = N_("Without a passphrase, whoever types your user id is you.")

_SAID: Final = "account_said"
_LINK: Final = "account_link"
_TURN: Final = "account_turn"
_PRESENT: Final = "account-present"
_NEW: Final = "account-new"
_AGAIN: Final = "account-again"
_FOR: Final = "account-for"
_CONFIRMED: Final = "account-confirmed"
_LANGUAGE: Final = "account-language-choice"
_PROOF: Final = "account-proof"


@dataclass(frozen=True)
class _Said:
    """What came of a button, to be shown once in its section."""

    section: str
    text: str
    refused: bool = False


def draw(user: User) -> None:
    """Draw all that a user can see and change of their account."""
    if told := st.session_state.pop("told", None):  # by `draw_settings`
        st.toast(told, duration="long")
    _draw_who(user)
    if studio().settings.login != "oidc":
        _draw_passphrase(user)
    _draw_sessions(user)
    _draw_language(user)
    with st.container(key="account-telling"):
        draw_settings(user)
    if user.admin:
        _draw_invitations(user)
    _draw_archive()
    _draw_removal(user)


def browser_text(agent: str) -> str:
    """Return a browser in words, such as “Chrome on Linux”, from what it calls itself."""
    browser = next((name for mark, name in BROWSERS.items() if mark in agent), None)
    browser = browser or _("Another browser")
    system = next((name for mark, name in SYSTEMS.items() if mark in agent), "")
    if not system:
        return browser
    return _("{browser} on {system}").format(browser=browser, system=_(system))


@contextmanager
def _section(name: str, title: str) -> Iterator[None]:
    """Draw what the block draws under a title, after what its last button came to."""
    with st.container(key=f"account-{name}"):
        st.subheader(title, anchor=False)
        said = st.session_state.get(_SAID)
        if said is not None and said.section == name:
            del st.session_state[_SAID]
            (st.error if said.refused else st.success)(said.text)
        try:
            yield
        except DatabaseError:
            st.error(no_answer())


def _act(section: str, do: Callable[[], str]) -> None:
    """Do what a button asks for; what there is to say waits for the section to be drawn."""
    try:
        said = _Said(section, do())
    except (InvalidInput, LoginRefused) as error:
        said = _Said(section, str(error), refused=True)
    except DatabaseError:
        said = _Said(section, no_answer(), refused=True)
    st.session_state[_SAID] = said


def _key(field: str) -> str:
    return f"{field}-{st.session_state.get(_TURN, 0)}"


def _take(*fields: str) -> list[str]:
    """Return what was typed into some fields, and have new ones drawn instead.

    To empty them is not enough: Streamlit keeps what a field has sent until the next run, but
    forgets a field that is not there any more.
    """
    typed = [str(st.session_state.get(_key(field), "")) for field in fields]
    st.session_state[_TURN] = st.session_state.get(_TURN, 0) + 1
    return typed


def _secret(label: str, field: str, autocomplete: str) -> None:
    # No `max_chars`: it would cut what is pasted, without a word.
    st.text_input(label, type="password", key=_key(field), autocomplete=autocomplete)


def _moment(user: User, moment: datetime) -> str:
    return moment_text(moment, zone_of(tab_session.zone_name(user)), now())


def _draw_who(user: User) -> None:
    with _section("who", _("Who you are")):
        since = _moment(user, user.created_at)
        facts = [
            _("User id: {user}").format(user=user.id),
            _("Here since {moment}.").format(moment=since),
        ]
        if user.last_login_at is not None:
            last = _moment(user, user.last_login_at)
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
    with _section("language", _("Language")):
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
        st.session_state[_SAID] = _Said("language", str(error), refused=True)
    except DatabaseError:
        st.session_state[_SAID] = _Said("language", no_answer(), refused=True)


def _draw_passphrase(user: User) -> None:
    optional = studio().settings.login == "user_id"
    removable = optional and not user.admin
    with _section("passphrase", _("Passphrase")):
        if user.protected:
            st.text(_("It is asked for whenever somebody logs in with your user id."))
        elif optional:
            admin = _("You are an admin, so they see everybody's work, too.") if user.admin else ""
            st.text(f"{_(UNPROTECTED)} {admin}".strip())
        else:
            st.text(_("You have none yet."))
        with st.form("account-passphrase-form", border=False):
            if user.protected:
                _secret(_("Present passphrase"), _PRESENT, "current-password")
            _secret(_("New passphrase"), _NEW, "new-password")
            _secret(_("New passphrase again"), _AGAIN, "new-password")
            st.caption(
                _(
                    "At least {characters} characters; a few words are easy to keep. "
                    "You are then logged out everywhere else."
                ).format(characters=MIN_CHARACTERS)
            )
            with st.container(key="account-passphrase-acts", horizontal=True):
                st.form_submit_button(
                    _("Change the passphrase") if user.protected else _("Set a passphrase"),
                    on_click=_act,
                    args=("passphrase", partial(_change_passphrase, user.id)),
                )
                if user.protected and removable:
                    st.form_submit_button(
                        _("Remove the passphrase"),
                        on_click=_act,
                        args=("passphrase", partial(_remove_passphrase, user.id)),
                    )


def _change_passphrase(user_id: str) -> str:
    present, new, again = _take(_PRESENT, _NEW, _AGAIN)
    if not new:
        raise InvalidInput(_("Please type a new passphrase."))
    if new != again:
        raise InvalidInput(_("The two new passphrases are not the same. Please type them again."))
    _accounts().change_passphrase(
        user_id, present, new, tab_session.session_id(), tab_session.visitor()
    )
    return _("Your new passphrase holds from now on. You were logged out everywhere else.")


def _remove_passphrase(user_id: str) -> str:
    [present] = _take(_PRESENT)
    _accounts().change_passphrase(
        user_id, present, "", tab_session.session_id(), tab_session.visitor()
    )
    return _("You have no passphrase any more. You were logged out everywhere else.")


def _accounts() -> Accounts:
    return Accounts(studio().store, studio().settings)


def _draw_sessions(user: User) -> None:
    with _section("sessions", _("Where you are logged in")):
        own = tab_session.session_id()
        found = studio().sessions.of_user(user.id)
        for each in sorted(found, key=lambda each: each.id != own):
            _draw_session(user, each, own=each.id == own)
        if any(each.id != own for each in found):
            st.button(
                _("Log out everywhere else"),
                key="account-end-others",
                on_click=_act,
                args=("sessions", partial(_end_others, user.id)),
            )


def _draw_session(user: User, found: LoginSession, *, own: bool) -> None:
    where = browser_text(found.agent)
    if own:
        where = _("{browser} · this one").format(browser=where)
    since, used = _moment(user, found.created_at), _moment(user, found.seen_at)
    times = _("since {since}, last used {used}").format(since=since, used=used)
    facts = f"{found.address}, {times}".removeprefix(", ")
    with _row(found.id, where, facts):
        if not own:
            st.button(
                _("Log out"),
                key=f"account-end-{found.id[:16]}",
                help=_("Log out of {browser}, since {since}").format(browser=where, since=since),
                on_click=_act,
                args=("sessions", partial(_end, user.id, found.id)),
            )


@contextmanager
def _row(key: str, title: str, facts: str) -> Iterator[None]:
    """Draw something in a list, and to its right what the block draws."""
    with st.container(key=f"account-row-{key[:16]}", horizontal=True, vertical_alignment="center"):
        st.text(f"{title}\n{facts}", width="stretch")
        yield


def _end(user_id: str, session_id: str) -> str:
    account.log_out(studio().store, user_id, session_id)
    return _("Logged out there. A page that is open there closes within seconds.")


def _end_others(user_id: str) -> str:
    account.log_out_everywhere(studio().store, user_id, keep=tab_session.session_id())
    return _("Logged out everywhere else. Pages that are open there close within seconds.")


def _draw_invitations(user: User) -> None:
    with _section("invitations", _("Invitations")):
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
                    key=_key(_FOR),
                    placeholder=_("Its user id; empty: for a new account"),
                    autocomplete="off",
                )
            st.form_submit_button(
                _("Make a link"), on_click=_act, args=("invitations", partial(_invite, user.id))
            )
        for each in studio().store.invitations.open():
            _draw_invitation(user, each)


def _draw_invitation(user: User, invite: Invitation) -> None:
    whom = _("a new account")
    if invite.user_id:
        whom = _("{user}, to choose a passphrase").format(user=invite.user_id)
    until = _moment(user, invite.expires_at)
    made = _("Made by {user}, until {moment}").format(user=invite.made_by, moment=until)
    with _row(invite.id, _("For {whom}").format(whom=whom), made):
        st.button(
            _("Withdraw"),
            key=f"account-withdraw-{invite.id[:16]}",
            help=_("Withdraw the invitation for {whom}, until {moment}").format(
                whom=whom, moment=until
            ),
            on_click=_act,
            args=("invitations", partial(_withdraw, user.id, invite.id)),
        )


def _invite(user_id: str) -> str:
    [typed] = _take(_FOR)
    address = tab_session.visitor().address
    secret = account.invite(studio().store, user_id, typed, address)
    st.session_state[_LINK] = f"{studio().settings.link_base}/login?invite={secret}"
    return _("Here is the link. Copy it now: it is shown only once.")


def _withdraw(user_id: str, invitation_id: str) -> str:
    account.withdraw_invitation(studio().store, user_id, invitation_id)
    return _("The invitation is withdrawn; its link leads nowhere now.")


def _draw_archive() -> None:
    with _section("archive", _("Take everything along")):
        st.text(
            _(
                "One zip file with all your images and videos, your jobs and their prompts, your "
                "settings, and what is logged of your logins and views."
            )
        )
        st.link_button(_("Download everything"), studio().at("/account/archive.zip"))


def _draw_removal(user: User) -> None:
    settings = studio().settings
    with _section("removal", _("Delete my account")):
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
            st.text_input(_("Your user id, to confirm"), key=_key(_CONFIRMED), autocomplete="off")
            if user.protected and settings.login != "oidc":
                _secret(_("Your passphrase"), _PROOF, "current-password")
            st.form_submit_button(
                _("Delete everything"), on_click=_act, args=("removal", partial(_remove, user.id))
            )


def _is_last_admin(user: User) -> bool:
    return studio().store.users.admins() == [user.id]


def _remove(user_id: str) -> str:
    typed, passphrase = _take(_CONFIRMED, _PROOF)
    account.delete_own_account(studio(), user_id, typed, passphrase, tab_session.visitor())
    return _("Your account is being deleted.")
