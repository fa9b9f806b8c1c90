"""Accounts: settings and login sessions of users, invitations, and deletion.

Passphrases and logging in are in `core.accounts.rules`.
"""

from core.accounts.login import Requester
from core.accounts.rules import Accounts
from core.i18n import LANGUAGES
from core.i18n import gettext as _
from core.models import InvalidInput, Via, ViewEntry, now, parse_user_id
from core.store import Store
from core.studio.studio import Studio


def ensure_account(store: Store, user_id: str, address: str | None = None) -> None:
    """Create an account if there is none, on behalf of the operator.

    Args:
        store: the database.
        user_id: the account.
        address: an e-mail address to count as confirmed; None: none.
    """
    store.users.ensure(user_id)
    if address is not None:
        store.email_addresses.confirm_locally(user_id, address)


def choose_language(store: Store, user_id: str, code: str | None) -> None:
    """Store the language that a user reads; None: as the browser says.

    Raises:
        InvalidInput: there is no such language.
    """
    if code is not None and code not in LANGUAGES:
        raise InvalidInput(_("There is no such language here."))
    store.users.set_preferences(user_id, language=code)


def choose_stay(store: Store, user_id: str, *, stay: bool) -> None:
    """Store whether a user stays on the page Create after placing an order."""
    store.users.set_preferences(user_id, stay=stay)


def log_out(store: Store, session_id: str, user_id: str | None = None) -> bool:
    """End a login session, of a user or of anybody; return whether it was active."""
    return store.login_sessions.revoke(session_id, user_id)


def log_out_everywhere(store: Store, user_id: str, keep: str | None = None) -> int:
    """End all login sessions of a user except `keep`; return how many."""
    return store.login_sessions.revoke_all(user_id, but=keep)


def create_invitation(store: Store, created_by: str, user_id: str | None) -> str:
    """Create an invitation; return the secret of its link, which cannot be read again.

    Args:
        store: the database.
        created_by: who creates it, as it is shown to admins.
        user_id: the account that chooses a new passphrase by it; None: it is for a new account.
    """
    return store.invitations.make(created_by, user_id)


def invite(store: Store, admin_id: str, typed: str, address: str) -> str:
    """Create an invitation as an admin, and log that; see `create_invitation`.

    Args:
        store: the database.
        admin_id: who invites.
        typed: the account that chooses a new passphrase by it; empty: it is for a new account.
        address: the network address of the request.

    Raises:
        InvalidInput: there is no such account, or the user is not an admin.
    """
    _check_admin(store, admin_id)
    user_id = parse_user_id(typed) if typed.strip() else None
    if user_id is not None and store.users.get(user_id) is None:
        raise InvalidInput(
            _("There is no account “{user}”. Leave the field empty for a new one.").format(
                user=user_id
            )
        )
    secret = create_invitation(store, admin_id, user_id)
    store.view_log.note(
        ViewEntry(
            user_id=admin_id,
            owner=user_id or admin_id,
            job_id=None,
            asset_id=None,
            action="invite",
            time=now(),
            via=Via.ADMIN,
            address=address,
        )
    )
    return secret


def withdraw_invitation(store: Store, admin_id: str, invitation_id: str) -> None:
    """Withdraw an invitation.

    Raises:
        InvalidInput: the user is not an admin.
    """
    _check_admin(store, admin_id)
    store.invitations.withdraw(invitation_id)


def delete_own_account(
    studio: Studio, user_id: str, typed: str, passphrase: str, requester: Requester
) -> None:
    """Delete an account at its owner's request; see `delete_account`.

    Args:
        studio: the connections.
        user_id: whose account.
        typed: the user_id, typed again as confirmation.
        passphrase: as typed; empty: none was given.
        requester: where the request comes from.

    Raises:
        InvalidInput: the confirmation or the passphrase is wrong.
        LoginRefused: the passphrase was tried too often.
    """
    if typed.strip().lower() != user_id:
        raise InvalidInput(
            _("Nothing was deleted: please type your user id, {user}.").format(user=user_id)
        )
    if studio.settings.login != "oidc":
        Accounts(studio.store, studio.settings).confirm(user_id, passphrase, requester)
    delete_account(studio.store, user_id)


def delete_account(store: Store, user_id: str) -> None:
    """Log a user out everywhere and have a worker delete everything of theirs."""
    store.account_deletion.request(user_id)


def _check_admin(store: Store, user_id: str) -> None:
    user = store.users.get(user_id)
    if user is None or not user.admin:
        raise InvalidInput(_("Only admins can do that, and you are none any more."))
