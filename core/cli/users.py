"""`python -m core user …`: accounts, including the first admin's."""

import json
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import click

from core.models import InvalidInput, User, parse_user_id
from core.settings import Settings, load_settings
from core.store import Store, open_store
from core.store.accounts.invitations import INVITE_DAYS, TERMINAL

if TYPE_CHECKING:
    from core.accounts.rules import Accounts

_NO_PASSPHRASES: Final = "LOGIN=oidc has no passphrases; people prove who they are elsewhere."

_name = click.argument("name")
_from_stdin = click.option(
    "--passphrase-stdin", "from_stdin", is_flag=True, help="Read the passphrase as one line."
)


@dataclass(frozen=True)
class _Opened:
    settings: Settings
    store: Store

    def account(self, name: str) -> User:
        """Return an account.

        Raises:
            InvalidInput: there is none.
        """
        user_id = parse_user_id(name)
        found = self.store.users.get(user_id)
        if found is None:
            raise InvalidInput(f"There is no account {user_id!r}; `user list` names all.")
        return found

    def invite(self, user_id: str | None) -> None:
        """Create an invitation and print its link, which is not shown again."""
        if user_id is not None and self.settings.login == "oidc":
            raise InvalidInput(_NO_PASSPHRASES)
        from core.studio.account import create_invitation  # noqa: PLC0415  # loads the providers

        secret = create_invitation(self.store, TERMINAL, user_id)
        whom = "a new account" if user_id is None else f"{user_id}, to choose a passphrase"
        click.echo(f"For {whom}; the link works once, within {INVITE_DAYS} days:")
        click.echo(f"{self.settings.link_base}/login?invite={secret}")

    @property
    def accounts(self) -> "Accounts":
        """The rules of logging in and of passphrases."""
        from core.accounts.rules import Accounts  # noqa: PLC0415  # takes a moment to load

        return Accounts(self.store, self.settings)


@contextmanager
def _opened() -> Iterator[_Opened]:
    settings = load_settings()
    with open_store(settings) as store:
        yield _Opened(settings, store)


@click.group()
def user() -> None:
    """Accounts: make, protect, invite, unlock, remove them."""


@user.command()
@_name
@click.option("--admin", is_flag=True, help="Make it an admin; also one that exists already.")
@click.option(
    "--invite", is_flag=True, help="Print a link by which its owner chooses the passphrase."
)
@_from_stdin
def add(name: str, *, admin: bool, invite: bool, from_stdin: bool) -> None:
    """Make the account NAME, with a passphrase that is asked for.

    An admin sees everybody's work and logs. With LOGIN=user_id the passphrase may be left empty,
    but not an admin's.
    """
    if invite and from_stdin:
        raise click.UsageError("--invite and --passphrase-stdin exclude each other.")
    user_id = parse_user_id(name)
    with _opened() as opened:
        if opened.settings.login == "oidc" and (invite or from_stdin):
            raise InvalidInput(_NO_PASSPHRASES)
        found = opened.store.users.get(user_id)
        if found is not None and found.deleting_at is not None:
            raise InvalidInput(f"{user_id!r} is being deleted; please try again in a while.")
        if found is not None:
            _promote(opened, user_id, admin=admin)
        else:
            _create(opened, user_id, admin=admin, invite=invite, from_stdin=from_stdin)
        if invite:
            opened.invite(user_id)


def _promote(opened: _Opened, user_id: str, *, admin: bool) -> None:
    if not admin:
        raise InvalidInput(f"There is an account {user_id!r} already.")
    opened.accounts.make_admin(user_id)
    click.echo(f"{user_id} existed already and is an admin now; its passphrase is as it was.")


def _create(opened: _Opened, user_id: str, *, admin: bool, invite: bool, from_stdin: bool) -> None:
    from core.accounts.passphrases import hash_passphrase  # noqa: PLC0415  # takes a moment to load

    if opened.settings.login == "oidc":
        hashed = None
    elif invite:  # a random one, so that nobody else logs in before the owner
        hashed = hash_passphrase(secrets.token_urlsafe(32))
    else:
        optional = opened.settings.login == "user_id" and not admin
        hashed = _ask_passphrase(user_id, optional=optional, from_stdin=from_stdin)
    if not opened.accounts.make(user_id, hashed, admin=admin):
        raise InvalidInput(f"There is an account {user_id!r} already.")  # created in the meantime
    click.echo(f"{user_id} is made{', as an admin' if admin else ''}.")


def _ask_passphrase(user_id: str, *, optional: bool, from_stdin: bool) -> str | None:
    """Ask for a new passphrase and return its hash; None: none was chosen (only if `optional`)."""
    from core.accounts.passphrases import check_passphrase, hash_passphrase  # noqa: PLC0415

    def checked(typed: str) -> str:
        if typed or not optional:
            check_passphrase(typed, user_id)
        return typed

    def asked(typed: str) -> str:
        try:
            return checked(typed)
        except InvalidInput as error:
            raise click.BadParameter(str(error)) from None  # click asks again

    if from_stdin:
        passphrase = checked(sys.stdin.readline().rstrip("\r\n"))
    elif not sys.stdin.isatty():
        raise InvalidInput("There is no terminal to ask for a passphrase; use --passphrase-stdin.")
    else:
        passphrase = click.prompt(
            "Passphrase (empty: none)" if optional else "Passphrase",
            default="" if optional else None,
            show_default=False,
            hide_input=True,
            confirmation_prompt="The same again",
            value_proc=asked,
        )
    return hash_passphrase(passphrase) if passphrase else None


@user.command()
@_name
@_from_stdin
def passphrase(name: str, *, from_stdin: bool) -> None:
    """Give NAME a new passphrase, and end all its sessions."""
    with _opened() as opened:
        if opened.settings.login == "oidc":
            raise InvalidInput(_NO_PASSPHRASES)
        found = opened.account(name)
        user_id, optional = found.id, opened.settings.login == "user_id" and not found.admin
        hashed = _ask_passphrase(user_id, optional=optional, from_stdin=from_stdin)
        opened.accounts.set_passphrase(user_id, hashed)
        change = "has no passphrase any more" if hashed is None else "has a new passphrase"
        click.echo(f"{user_id} {change}, and is logged out everywhere.")


@user.command()
@click.argument("name", required=False)
def invite(name: str | None) -> None:
    """Print a link for a new account, or for NAME to choose a passphrase anew."""
    with _opened() as opened:
        opened.invite(None if name is None else opened.account(name).id)


@user.command("list")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def list_users(*, as_json: bool) -> None:
    """List the accounts."""
    with _opened() as opened:
        found = opened.store.users.all()
    if as_json:
        click.echo(json.dumps([_to_json(each) for each in found], ensure_ascii=False, indent=2))
        return
    for each in found:
        login = f"{each.last_login_at:%Y-%m-%d %H:%M}Z" if each.last_login_at else "never"
        marks = {
            "admin": each.admin,
            "passphrase": each.protected,
            "identity": each.subject is not None,
            "being deleted": each.deleting_at is not None,
        }
        facts = ", ".join(name for name, holds in marks.items() if holds)
        click.echo(f"{each.id:<24} last login {login:<17}  {facts}".rstrip())


def _to_json(found: User) -> dict[str, object]:
    return {
        "user_id": found.id,
        **found.model_dump(
            mode="json", include={"admin", "protected", "created_at", "last_login_at"}
        ),
        "identity": None if found.subject is None else found.subject.model_dump(mode="json"),
        "deleting": found.deleting_at is not None,
    }


@user.command()
@_name
@click.option("--no", "ending", is_flag=True, help="It is none any more.")
def admin(name: str, *, ending: bool) -> None:
    """Make NAME an admin, who sees everybody's work and logs, and has a passphrase."""
    with _opened() as opened:
        user_id = opened.account(name).id
        if ending:
            opened.store.users.make_admin(user_id, admin=False)
        else:
            opened.accounts.make_admin(user_id)
        click.echo(f"{user_id} is {'no admin any more' if ending else 'an admin now'}.")
        if not opened.store.users.admins():
            click.echo("There is no admin now.", err=True)


@user.command()
@_name
def unlock(name: str) -> None:
    """Let NAME try to log in again, however often that went wrong."""
    with _opened() as opened:
        user_id = opened.account(name).id
        opened.store.login_throttle.forget_account(user_id)
        click.echo(f"{user_id} can try to log in again.")


@user.command("log-out")
@_name
def log_out(name: str) -> None:
    """End all sessions of NAME."""
    from core.studio.account import log_out_everywhere  # noqa: PLC0415  # loads the providers

    with _opened() as opened:
        user_id = opened.account(name).id
        number = log_out_everywhere(opened.store, user_id)
        click.echo(f"Ended {number} session{'' if number == 1 else 's'} of {user_id}.")


@user.command()
@_name
@click.option("--yes", is_flag=True, help="Do not ask.")
def remove(name: str, *, yes: bool) -> None:
    """Delete NAME with all files, jobs and settings; the logs stay until LOG_DAYS are over."""
    from core.studio.account import delete_account  # noqa: PLC0415  # loads the providers

    with _opened() as opened:
        user_id = opened.account(name).id
        if not yes:
            typed = click.prompt(f"Everything of {user_id} goes for good. Type the name again")
            if typed.strip().lower() != user_id:
                raise InvalidInput(f"Nothing was deleted; that is not {user_id!r}.")
        delete_account(opened.store, user_id)
        click.echo(f"{user_id} is being deleted; a running worker does the rest.")
