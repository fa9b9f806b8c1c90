"""Who may log in and register: the rules of the three kinds of login.

Nothing here knows of pages or HTTP. Every attempt is logged, whatever its result.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

from core.accounts.claims import is_same, nonce_of, user_id_from
from core.accounts.login import Entered, LoginRefused, Requester, login_entry, shortened
from core.accounts.login_limits import Attempts
from core.accounts.passphrases import check_passphrase, hash_passphrase, matches
from core.i18n import N_
from core.i18n import gettext as _
from core.models import InvalidInput, Invitation, Method, Subject, parse_user_id
from core.settings import Settings
from core.store import Store

WRONG: Final = N_("This user id and passphrase do not belong together.")
_NOT_FREE: Final = N_("This user id is taken; please choose another one.")
_CLOSED: Final = N_("New accounts are not made here. Please ask whoever runs this Fivefold.")
_BY_INVITATION: Final = N_(
    "New accounts need an invitation. Please ask whoever runs this Fivefold."
)
_NO_INVITATION: Final = N_("This invitation was used, or has ended. Please ask for a new one.")
_ANOTHERS: Final = N_("This link is for the account “{user}” only.")
_ADMIN_NEEDS: Final = N_(
    "An admin's account needs a passphrase. Whoever runs this Fivefold sets one: `{command}`"
)
_ADMIN_KEEPS: Final = N_("An admin's account always has a passphrase; please type a new one.")
_ENDING: Final = N_("This account is being changed or deleted. Please try again in a minute.")


class Accounts:
    """Grants or refuses logins, and changes passphrases.

    Args:
        store: accounts, sessions, attempts and the log.
        settings: how people log in here, and who may make an account.
    """

    def __init__(self, store: Store, settings: Settings) -> None:
        self._store = store
        self._attempts = Attempts(store)
        self._login = settings.login
        self._registration = settings.registration
        self._days = settings.session_days

    def log_in(self, typed: str, passphrase: str, requester: Requester) -> Entered:
        """Let somebody in who types a user_id and, where one is needed, a passphrase.

        Where the user_id alone is enough and new accounts are open, an unknown one is made.

        Args:
            typed: the user_id as typed.
            passphrase: as typed; empty: none was given.
            requester: who tries.

        Raises:
            LoginRefused: the text says why. It is the same, and takes as long, for an account that
                there is not and for a wrong passphrase.
        """
        method = "passphrase" if passphrase or self._login == "passphrase" else "user_id"

        def enter() -> Entered:
            user_id = self._read(typed)
            user = self._store.users.get(user_id)
            stored = self._store.users.passphrase_hash(user_id)
            if self._login == "user_id" and not passphrase:
                if user is None and self._registration == "open":
                    self._attempts.count_new_account(requester)
                    self._store.users.create(user_id)
                elif user is None or user.protected or stored is not None:
                    raise LoginRefused(
                        "passphrase missing", _("Please type the passphrase."), ask=True
                    )
                elif user.admin:  # made so by an earlier version, or while LOGIN was another
                    raise LoginRefused("unprotected admin", admin_needs_passphrase(user_id))
                return self._begin(user_id, requester, Method.USER_ID, passphrase_hash=stored)
            if not passphrase:
                raise LoginRefused(
                    "passphrase missing", _("Please type your passphrase."), ask=True
                )
            succeeded = self._attempts.begin(user_id, requester)
            if not matches(stored, passphrase):
                known = "no account" if user is None else "wrong passphrase"
                raise LoginRefused(known, _(WRONG), ask=True)
            succeeded()
            return self._begin(user_id, requester, Method.PASSPHRASE, passphrase_hash=stored)

        return self._logged(typed, method, requester, enter)

    def register(self, typed: str, passphrase: str, invite: str, requester: Requester) -> Entered:
        """Make an account and let its owner in; by a recovery link, renew its passphrase.

        Args:
            typed: the user_id as typed; by a recovery link empty, or the account's.
            passphrase: the new one; may be empty for a new account where the user_id alone is
                enough, but never by a recovery link.
            invite: the secret of an invitation's link; empty: there is none.
            requester: who tries.

        Raises:
            LoginRefused: the text says why.
        """

        def enter() -> Entered:
            self._check_way()
            invitation = self._invitation(invite)
            if invitation is not None and invitation.user_id is not None:
                return self._recover(invitation, invitation.user_id, typed, passphrase, requester)
            user_id = self._read(typed)
            if passphrase or self._login == "passphrase":
                _check_new(passphrase, user_id)
            self._attempts.count_new_account(requester)
            hashed = hash_passphrase(passphrase) if passphrase else None
            self._use(invitation, user_id)
            if not self._store.users.create(user_id, passphrase_hash=hashed):
                if invitation is not None:
                    self._store.invitations.release(invitation)
                raise LoginRefused("taken", _(_NOT_FREE))
            proof = Method.PASSPHRASE if invitation is None else Method.INVITATION
            method = Method.USER_ID if hashed is None else proof
            return self._begin(user_id, requester, method, passphrase_hash=hashed)

        return self._logged(typed, "invite" if invite else "registration", requester, enter)

    def recovers(self, invite: str) -> str | None:
        """Return whose passphrase a link is to choose anew; None: it is no such link, or ended."""
        if not invite or self._login == "oidc":
            return None
        try:
            invitation = self._invitation(invite)
        except LoginRefused:
            return None
        return None if invitation is None else invitation.user_id

    def make(self, user_id: str, hashed: str | None, *, admin: bool = False) -> bool:
        """Make an account at an administrator's word; return whether there was none.

        Args:
            user_id: whose.
            hashed: from `core.accounts.passphrases.hash_passphrase`; None: it has no passphrase.
            admin: whether it is an admin's.

        Raises:
            InvalidInput: it would be an admin's without a passphrase.
        """
        if admin and hashed is None and self._login != "oidc":
            raise InvalidInput(admin_needs_passphrase(user_id))
        return self._store.users.create(user_id, admin=admin, passphrase_hash=hashed)

    def make_admin(self, user_id: str) -> None:
        """Make an account an admin's.

        Raises:
            InvalidInput: it has no passphrase, though people log in by one here.
        """
        if not self._store.users.make_admin(user_id, admin=True, unprotected=self._login == "oidc"):
            raise InvalidInput(admin_needs_passphrase(user_id))

    def recognise(
        self, claims: Mapping[str, Any], claim: str, invite: str, requester: Requester
    ) -> Entered:
        """Let somebody in whom the OpenID Connect provider vouches for.

        An account belongs to the provider's subject for good: whoever has a like name there, or
        changes theirs, gets nobody else's.

        Args:
            claims: of the ID token, which was verified (OpenID Connect Core 1.0, section 3.1.3.7).
            claim: the one that a new account's user_id is made from.
            invite: the secret of an invitation's link; empty: there is none.
            requester: who tries.

        Raises:
            LoginRefused: the text says why.
        """
        said = str(claims.get(claim) or "")

        def enter() -> Entered:
            nonce = nonce_of(claims)
            subject = Subject(issuer=str(claims.get("iss")), subject=str(claims.get("sub")))
            user = self._store.users.by_subject(subject)
            if user is None:
                user_id = user_id_from(claims, claim, said)
                self._take(user_id, subject, invite, exact=is_same(said, user_id))
            else:
                user_id = user.id
            return self._begin(user_id, requester, Method.OIDC, nonce=nonce)

        return self._logged(said, "oidc", requester, enter)

    def set_passphrase(self, user_id: str, hashed: str | None, keep: str | None = None) -> None:
        """Store a passphrase, or that there is none, and end the sessions that began before.

        Args:
            user_id: whose.
            hashed: from `core.accounts.passphrases.hash_passphrase`; None: the user_id alone
                is enough.
            keep: the id of the one session that goes on, by what is proved now.

        Raises:
            InvalidInput: there shall be none, and it is an admin's account.
        """
        user = self._store.users.get(user_id)
        if hashed is None and user is not None and user.admin:
            raise InvalidInput(_(_ADMIN_KEEPS))
        self._store.login_sessions.revoke_all(user_id, but=keep)  # also where what follows fails
        self._store.invitations.withdraw_for(user_id)
        if not self._store.users.set_passphrase_hash(user_id, hashed) and hashed is None:
            raise InvalidInput(_(_ADMIN_KEEPS))  # it became one meanwhile, or is gone
        self._store.login_sessions.revoke_all(user_id, but=keep)
        if keep is not None:
            method = Method.USER_ID if hashed is None else Method.PASSPHRASE
            self._store.login_sessions.set_method(keep, method)
        self._store.login_throttle.forget_account(user_id)

    def change_passphrase(
        self, user_id: str, present: str, new: str, keep: str | None, requester: Requester
    ) -> None:
        """Change a passphrase for its owner.

        Args:
            user_id: whose.
            present: the present one; empty: there is none.
            new: the new one; empty: there shall be none.
            keep: the id of the session that goes on, the owner's own.
            requester: who asks.

        Raises:
            InvalidInput: the present one is wrong, or the new one cannot be; the text says which.
            LoginRefused: it was tried too often.
        """
        self.confirm(user_id, present, requester)
        if not new and self._login == "passphrase":
            raise InvalidInput(_("Every account has a passphrase here; please type a new one."))
        if new:
            check_passphrase(new, user_id)
        self.set_passphrase(user_id, hash_passphrase(new) if new else None, keep)

    def confirm(self, user_id: str, passphrase: str, requester: Requester) -> None:
        """Check the owner's passphrase, where there is one.

        Raises:
            InvalidInput: the passphrase is wrong.
            LoginRefused: it was tried too often.
        """
        stored = self._store.users.passphrase_hash(user_id)
        if stored is None:
            return
        succeeded = self._attempts.begin(user_id, requester)
        if not matches(stored, passphrase):
            raise InvalidInput(_("Your present passphrase is another one."))
        succeeded()

    def _check_way(self) -> None:
        if self._login == "oidc":
            raise LoginRefused("by the provider only", _("Please log in by the button."))

    def _read(self, typed: str) -> str:
        self._check_way()
        try:
            return parse_user_id(typed)
        except InvalidInput as error:
            raise LoginRefused("invalid user_id", str(error)) from None

    def _invitation(self, secret: str) -> Invitation | None:
        """Return the invitation that is needed to make an account; None: none is."""
        if secret:
            invite = self._store.invitations.get(secret)
            if invite is None or not self._stands(invite):
                raise LoginRefused("invitation ended", _(_NO_INVITATION))
            return invite
        if self._registration == "invite":
            raise LoginRefused("no invitation", _(_BY_INVITATION))
        if self._registration == "closed":
            raise LoginRefused("registration closed", _(_CLOSED))
        return None

    def _stands(self, invite: Invitation) -> bool:
        """Return whether the account that an invitation is for is still the one it was made for."""
        if invite.user_id is None:
            return True
        user = self._store.users.get(invite.user_id)
        if user is None or user.deleting_at is not None:
            return False
        return user.created_at <= invite.created_at

    def _recover(
        self,
        invitation: Invitation,
        user_id: str,
        typed: str,
        passphrase: str,
        requester: Requester,
    ) -> Entered:
        """Renew the passphrase of the account that a recovery link is for."""
        if typed.strip() and self._read(typed) != user_id:
            raise LoginRefused("another's link", _(_ANOTHERS).format(user=user_id))
        _check_new(passphrase, user_id)
        self._attempts.count_new_account(requester)
        hashed = hash_passphrase(passphrase)
        self._use(invitation, user_id)
        self.set_passphrase(user_id, hashed)
        return self._begin(user_id, requester, Method.INVITATION, passphrase_hash=hashed)

    def _use(self, invitation: Invitation | None, user_id: str) -> None:
        if invitation is not None and not self._store.invitations.use(invitation, user_id):
            raise LoginRefused("invitation used", _(_NO_INVITATION))

    def _take(self, user_id: str, subject: Subject, invite: str, *, exact: bool) -> None:
        """Give somebody new an account: a new one, or one that is nobody's yet.

        The latter only where the provider says the very name (`exact`): of names that become alike
        only here (“_admin”), one may be anybody's.
        """
        if self._store.users.get(user_id) is not None:
            if not exact or not self._store.users.bind(user_id, subject):
                raise LoginRefused(
                    "another's account",
                    _(
                        "The user id “{user}” belongs to somebody else here. Please ask whoever "
                        "runs this Fivefold."
                    ).format(user=user_id),
                )
            return
        invitation = self._invitation(invite)
        if invitation is not None and invitation.user_id is not None:  # from before LOGIN was oidc
            raise LoginRefused("recovery link", _(_NO_INVITATION))
        self._use(invitation, user_id)
        if not self._store.users.create(user_id, subject=subject):
            if invitation is not None:
                self._store.invitations.release(invitation)
            raise LoginRefused("taken", _(_NOT_FREE))  # by another one at the same instant

    def _begin(
        self,
        user_id: str,
        requester: Requester,
        method: Method,
        nonce: str | None = None,
        **known: str | None,
    ) -> Entered:
        try:
            secret, session = self._store.login_sessions.begin(
                user_id,
                self._days,
                address=requester.address,
                agent=shortened(requester.agent),
                method=method,
                nonce=nonce,
            )
        except InvalidInput as error:
            raise LoginRefused("replayed", str(error)) from None
        # Looked at last, so that no session outlives an account that is deleted, or a passphrase
        # that is changed, meanwhile.
        if not self._store.users.note_login(user_id, **known):
            self._store.login_sessions.revoke(session.id)
            raise LoginRefused("being deleted", _(_ENDING))
        return Entered(user_id, secret, session)

    def _logged(
        self, typed: str, method: str, requester: Requester, enter: Callable[[], Entered]
    ) -> Entered:
        """Carry out an attempt, and log what came of it."""
        try:
            entered = enter()
        except LoginRefused as refusal:
            self.note_refusal(typed, refusal.reason, requester, method)
            raise
        self._store.login_log.add(
            login_entry(entered.user_id, "", requester, method, session=entered.session.id)
        )
        return entered

    def note_refusal(self, typed: str, reason: str, requester: Requester, method: str = "") -> None:
        """Log an attempt that was refused."""
        self._store.login_log.add(login_entry(typed, reason, requester, method))


def admin_needs_passphrase(user_id: str) -> str:
    """Return the sentence that an admin's account has no passphrase, and what to do."""
    command = f"python -m core user passphrase {user_id}"
    return _(_ADMIN_NEEDS).format(command=command)


def _check_new(passphrase: str, user_id: str) -> None:
    try:
        check_passphrase(passphrase, user_id)
    except InvalidInput as error:
        raise LoginRefused("weak passphrase", str(error)) from None
