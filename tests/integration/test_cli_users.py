"""Accounts from the command line, on a real database."""

import io
import json
import os
import pty
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import Final

import pytest

from core.accounts.login import LoginRefused, Requester
from core.accounts.login_limits import OF_ACCOUNT
from core.accounts.passphrases import hash_passphrase, matches
from core.accounts.rules import Accounts
from core.cli import main as cli
from core.models import Subject, User
from core.settings import Settings
from core.store import Store
from tests.conftest import stored_job
from tests.integration.test_cli import own_database
from tests.product import ROOT

__all__ = ["own_database"]

PHRASE: Final = "correct horse battery"
VISITOR: Final = Requester(address="198.51.100.7", agent="")
SECONDS: Final = 60


@dataclass(frozen=True)
class Ran:
    """What came of a command: 0, 2, or the sentence that goes with 1, and what was printed."""

    code: object
    out: str
    err: str


class Command:
    """`python -m core user …` in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str, typed: str = "") -> Ran:
        self._monkeypatch.setattr(sys, "argv", ["core", "user", *arguments])
        self._monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = self._capsys.readouterr()
        code, error = ended.value.code, printed.err.strip()
        return Ran(error if code and error.startswith("fivefold: ") else code, *printed)


@pytest.fixture
def user(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


def account(store: Store, user_id: str = "ana") -> User:
    found = store.users.get(user_id)
    assert found is not None
    return found


def secret_in(printed: str) -> str:
    [link] = [line for line in printed.splitlines() if line.startswith("http")]
    address, secret = link.split("=")
    assert address == "http://localhost:8501/login?invite"
    return secret


def test_the_first_admin_is_made_with_a_passphrase(store: Store, user: Command) -> None:
    ran = user("add", "Ana", "--admin", "--passphrase-stdin", typed=f"{PHRASE}\nmore\n")
    assert ran == Ran(0, "ana is made, as an admin.\n", "")
    assert account(store).admin
    assert matches(store.users.passphrase_hash("ana"), PHRASE)


def test_an_account_that_exists_becomes_an_admin_and_keeps_its_passphrase(
    store: Store, user: Command
) -> None:
    user("add", "ana", "--passphrase-stdin", typed=PHRASE)
    assert not account(store).admin
    again = user("add", "ana", "--passphrase-stdin", typed="some other phrase")
    assert again.code == "fivefold: There is an account 'ana' already."
    ran = user("add", "ana", "--admin", "--passphrase-stdin", typed="some other phrase")
    assert ran.code == 0
    assert "existed already and is an admin now; its passphrase is as it was" in ran.out
    assert account(store).admin
    assert matches(store.users.passphrase_hash("ana"), PHRASE)


def test_what_is_being_deleted_becomes_no_admin(store: Store, user: Command) -> None:
    store.users.create("ana")
    store.account_deletion.request("ana")
    assert "is being deleted" in str(user("add", "ana", "--admin").code)
    assert not account(store).admin


@pytest.mark.parametrize(
    ("typed", "sentence"), [("short", "at least 12 characters"), ("", "at least 12 characters")]
)
def test_a_passphrase_that_cannot_be_makes_no_account(
    store: Store, user: Command, monkeypatch: pytest.MonkeyPatch, typed: str, sentence: str
) -> None:
    monkeypatch.setenv("LOGIN", "passphrase")
    ran = user("add", "ana", "--passphrase-stdin", typed=typed)
    assert sentence in str(ran.code)
    assert store.users.get("ana") is None


def test_no_command_makes_an_admin_without_a_passphrase(store: Store, user: Command) -> None:
    ran = user("add", "ben", "--passphrase-stdin", typed="\n")
    assert ran == Ran(0, "ben is made.\n", "")
    assert not account(store, "ben").protected
    for arguments in (("admin", "ben"), ("add", "ben", "--admin", "--passphrase-stdin")):
        ran = user(*arguments, typed="\n")
        assert "`python -m core user passphrase ben`" in str(ran.code)
        assert not account(store, "ben").admin
    for typed in ("\n", "short\n", ""):
        ran = user("add", "ana", "--admin", "--passphrase-stdin", typed=typed)
        assert "at least 12 characters" in str(ran.code)
    assert store.users.get("ana") is None


def test_no_command_takes_an_admins_passphrase_away(store: Store, user: Command) -> None:
    user("add", "ana", "--admin", "--passphrase-stdin", typed=PHRASE)
    ran = user("passphrase", "ana", "--passphrase-stdin", typed="\n")
    assert "at least 12 characters" in str(ran.code)
    assert matches(store.users.passphrase_hash("ana"), PHRASE)


def test_where_there_is_no_terminal_to_ask_at_that_is_said(store: Store, user: Command) -> None:
    assert "use --passphrase-stdin" in str(user("add", "ana").code)
    assert store.users.get("ana") is None


def test_a_passphrase_is_asked_for_unseen_and_twice(store: Store, settings: Settings) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "core", "user", "add", "ana"]
    uri = settings.mongodb_uri.get_secret_value()
    more = {"MONGODB_URI": uri, "MONGODB_DATABASE": settings.mongodb_database}
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=os.environ | more,
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,  # so that the test's own terminal is not asked
    ) as process:
        os.close(theirs)
        read_until(ours, b"Passphrase (empty: none): ")
        os.write(ours, b"short\n")
        assert b"at least 12 characters" in read_until(ours, b"Passphrase (empty: none): ")
        os.write(ours, f"{PHRASE}\n".encode())
        shown = read_until(ours, b"The same again: ")
        os.write(ours, f"{PHRASE}\n".encode())
        shown += read_until(ours, b"ana is made.")
        assert PHRASE.encode() not in shown
        assert process.wait(SECONDS) == 0
    os.close(ours)
    assert matches(store.users.passphrase_hash("ana"), PHRASE)


def read_until(terminal: int, text: bytes) -> bytes:
    deadline = time.monotonic() + SECONDS
    shown = b""
    while text not in shown:
        assert time.monotonic() < deadline, shown
        shown += os.read(terminal, 1024)  # what ends makes this fail
    return shown


def test_who_is_invited_chooses_the_passphrase_and_nobody_comes_before(
    store: Store, settings: Settings, user: Command
) -> None:
    ran = user("add", "ana", "--invite")
    assert ran.code == 0
    accounts = Accounts(store, settings)
    with pytest.raises(LoginRefused):
        accounts.log_in("ana", "", VISITOR)
    entered = accounts.register("", PHRASE, secret_in(ran.out), VISITOR)
    assert entered.user_id == "ana"
    assert accounts.log_in("ana", PHRASE, VISITOR).user_id == "ana"


def test_links_for_new_accounts_and_for_forgotten_passphrases_are_made(
    store: Store, user: Command
) -> None:
    store.users.create("ana")
    for arguments, whom in (((), None), (("Ana",), "ana")):
        ran = user("invite", *arguments)
        invite = store.invitations.get(secret_in(ran.out))
        assert invite is not None
        assert (invite.user_id, invite.made_by) == (whom, "terminal")


def test_a_new_passphrase_ends_all_sessions_and_every_lock(store: Store, user: Command) -> None:
    store.users.create("ana", passphrase_hash=hash_passphrase(PHRASE))
    _, session = store.login_sessions.begin("ana", 30)
    lock(store, "account ana 198.51.100.7")
    ran = user(
        "passphrase", "ana", "--passphrase-stdin", typed="another horse battery altogether\n"
    )
    assert ran.out == "ana has a new passphrase, and is logged out everywhere.\n"
    assert matches(store.users.passphrase_hash("ana"), "another horse battery altogether")
    assert store.login_sessions.active([session.id]) == {}
    assert not locked(store, "account ana 198.51.100.7")
    ran = user("passphrase", "ana", "--passphrase-stdin", typed="\n")
    assert "has no passphrase any more" in ran.out
    assert not account(store).protected


def test_accounts_are_listed_without_their_hashes(store: Store, user: Command) -> None:
    subject = Subject(issuer="https://id.example.org", subject="248289761001")
    store.users.create("ana", admin=True, passphrase_hash=hash_passphrase(PHRASE))
    store.users.note_login("ana")
    store.users.create("ben", subject=subject)
    store.account_deletion.request("ben")
    ran = user("list", "--json")
    ana, ben = json.loads(ran.out)
    assert set(ana) == {
        *("user_id", "admin", "protected", "created_at"),
        *("last_login_at", "identity", "deleting"),
    }
    assert (ana["user_id"], ana["admin"], ana["protected"]) == ("ana", True, True)
    assert ana["last_login_at"] >= ana["created_at"]
    assert (ana["identity"], ana["deleting"]) == (None, False)
    assert (ben["last_login_at"], ben["deleting"]) == (None, True)
    assert ben["identity"] == {"issuer": subject.issuer, "subject": subject.subject}
    table = user("list").out.splitlines()
    assert table[0].startswith("ana ")
    assert table[0].endswith("Z  admin, passphrase")
    assert table[1].endswith("last login never              identity, being deleted")
    assert "argon2" not in ran.out + str(table)


def test_an_admin_is_made_and_unmade(store: Store, user: Command) -> None:
    store.users.create("ana", passphrase_hash=hash_passphrase(PHRASE))
    assert user("admin", "ana") == Ran(0, "ana is an admin now.\n", "")
    assert account(store).admin
    ran = user("admin", "ana", "--no")
    assert (ran.out, ran.err) == ("ana is no admin any more.\n", "There is no admin now.\n")
    assert not account(store).admin


def lock(store: Store, key: str) -> None:
    while not store.login_throttle.begin(key, OF_ACCOUNT):
        pass


def locked(store: Store, key: str) -> bool:
    return bool(store.login_throttle.begin(key, OF_ACCOUNT))


def test_an_account_is_unlocked_wherever_it_was_tried_from_and_no_other(
    store: Store, user: Command
) -> None:
    store.users.create("ana")
    own = ["account ana", "account ana 198.51.100.7", "account ana 2001:db8::/64"]
    others = ["account anaa", "account ana-b", "account ana.b 198.51.100.7", "account an"]
    for key in own + others:
        lock(store, key)
    assert user("unlock", "ana") == Ran(0, "ana can try to log in again.\n", "")
    assert [key for key in own + others if locked(store, key)] == others


def test_all_sessions_are_ended(store: Store, user: Command) -> None:
    store.users.create("ana")
    sessions = [store.login_sessions.begin(name, 30)[1] for name in ("ana", "ana", "eve")]
    assert user("log-out", "ana").out == "Ended 2 sessions of ana.\n"
    assert set(store.login_sessions.active([each.id for each in sessions])) == {sessions[2].id}


def test_an_account_is_removed_when_its_name_is_typed_again(store: Store, user: Command) -> None:
    store.users.create("ana")
    stored_job(store, "ana")
    ran = user("remove", "ana", typed="yes\n")
    assert ran.code == "fivefold: Nothing was deleted; that is not 'ana'."
    assert account(store).deleting_at is None
    ran = user("remove", "ana", typed="Ana\n")
    assert ran.code == 0
    assert "ana is being deleted" in ran.out
    assert account(store).deleting_at is not None
    store.users.create("ben")
    assert user("remove", "ben", "--yes").code == 0
    assert account(store, "ben").deleting_at is not None


@pytest.mark.parametrize(
    "arguments",
    [
        *(("passphrase", "eve"), ("invite", "eve"), ("admin", "eve"), ("unlock", "eve")),
        *(("log-out", "eve"), ("remove", "eve", "--yes")),
    ],
)
def test_an_account_that_there_is_not_is_said_in_a_sentence(
    store: Store, user: Command, arguments: tuple[str, ...]
) -> None:
    ran = user(*arguments)
    assert ran.code == "fivefold: There is no account 'eve'; `user list` names all."
    assert ran.out == ""
    assert store.users.all() == []


def test_a_name_that_cannot_be_and_options_that_do_not_go_together_are_refused(
    store: Store, user: Command
) -> None:
    assert "A user id has letters" in str(user("add", "a b").code)
    assert user("add", "ana", "--invite", "--passphrase-stdin").code == 2
    assert store.users.all() == []


def test_where_an_identity_provider_vouches_nothing_has_a_passphrase(
    store: Store, user: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGIN", "oidc")
    monkeypatch.setenv("OIDC_METADATA_URL", "https://id.example.org/.well-known/x")
    monkeypatch.setenv("OIDC_CLIENT_ID", "fivefold")
    monkeypatch.setenv("OIDC_CLIENT_SECRET", "for-tests")
    assert user("add", "ana", "--admin") == Ran(0, "ana is made, as an admin.\n", "")
    assert not account(store).protected
    for arguments in (
        *(("passphrase", "ana"), ("invite", "ana"), ("add", "ben", "--invite")),
        ("add", "ben", "--passphrase-stdin"),
    ):
        assert "LOGIN=oidc has no passphrases" in str(user(*arguments, typed=PHRASE).code)
    assert store.users.get("ben") is None
    assert store.invitations.open() == []
    assert user("invite").code == 0
