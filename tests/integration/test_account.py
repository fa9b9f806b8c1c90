"""The page “Account”, without a browser."""

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from pymongo.errors import AutoReconnect
from streamlit.testing.v1 import AppTest
from streamlit.testing.v1.element_tree import TextInput

from core.accounts.login_limits import OF_ACCOUNT
from core.accounts.passphrases import hash_passphrase, matches
from core.models import LoginSession, Subject, User
from core.store import Store
from core.store.accounts.invitations import InvitationStore
from core.store.accounts.login_sessions import LoginSessionStore
from core.web.account.passphrase import UNPROTECTED
from core.web.http.errors import DATABASE_UNAVAILABLE
from core.web.resources import studio
from core.web.text.browsers import browser_text
from tests.conftest import stored_job
from tests.integration.test_notices_page import press
from tests.integration.test_web_pages import ROOT

pytestmark = pytest.mark.usefixtures("page_studio")

PHRASE = "correct horse battery"
OTHER = "another horse battery altogether"
LINUX = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 "
PHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 "
    "(KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1"
)

Choose = Callable[..., None]


@pytest.fixture
def choose(monkeypatch: pytest.MonkeyPatch) -> Choose:
    """Have other settings on this page."""

    def choose(**chosen: Any) -> None:
        changed = replace(studio(), settings=studio().settings.model_copy(update=chosen))
        for module in (
            "page",
            "section",
            "passphrase",
            "login_sessions",
            "invitations",
            "deletion",
        ):
            monkeypatch.setattr(f"core.web.account.{module}.studio", lambda: changed)

    return choose


def begun(store: Store, user_id: str = "ana", agent: str = LINUX) -> LoginSession:
    return store.login_sessions.begin(user_id, 30, address="198.51.100.7", agent=agent)[1]


def account(store: Store, passphrase: str = "", *, admin: bool = False) -> LoginSession:
    """Make ana's account, and log her in."""
    hashed = hash_passphrase(passphrase) if passphrase else None
    assert store.users.create("ana", admin=admin, passphrase_hash=hashed)
    return begun(store)


def opened(session: LoginSession) -> AppTest:
    app = AppTest.from_file(ROOT / "core" / "web" / "app" / "script.py", default_timeout=120)
    app.user = {"user_id": session.user_id, "session": session.id}
    app.run()  # registers the pages
    app.switch_page(str(ROOT / "pages" / "account.py")).run()
    assert not app.exception
    return app


def pressed(app: AppTest, label: str) -> AppTest:
    press(app, label)
    assert not app.exception
    return app


def fields(app: AppTest, name: str) -> list[TextInput]:
    return [each for each in app.text_input if (each.key or "").startswith(f"account-{name}-")]


def field(app: AppTest, name: str) -> TextInput:
    [found] = fields(app, name)
    return found


def fill(app: AppTest, **typed: str) -> AppTest:
    for name, text in typed.items():
        field(app, name).set_value(text)
    return app


def labels(app: AppTest) -> list[str]:
    return [each.label for each in app.button]


def titles(app: AppTest) -> list[str]:
    return [each.value for each in app.subheader]


def messages(app: AppTest) -> list[str]:
    return [each.value for each in (*app.success, *app.error)]


def text(app: AppTest) -> str:
    return "\n".join(each.value for each in app.text)


def user(store: Store) -> User:
    found = store.users.get("ana")
    assert found is not None
    return found


def going_on(store: Store, *sessions: LoginSession) -> list[bool]:
    living = store.login_sessions.active([each.id for each in sessions])
    return [each.id in living for each in sessions]


def kept_in(app: AppTest) -> str:
    """All that Streamlit keeps for the tab between two runs."""
    state = app.session_state._state._state  # noqa: SLF001  # what has no key is of interest, too
    return str((state._old_state, state._new_session_state, state._new_widget_state.states))  # noqa: SLF001


def emptied(app: AppTest, *names: str) -> bool:
    """Whether fields show nothing any more, and nothing of what was typed is kept."""
    kept = kept_in(app)
    shown = [field(app, name).value for name in names]
    return not any(shown) and PHRASE not in kept and OTHER not in kept


def test_the_page_says_who_one_is(store: Store) -> None:
    session = account(store)
    store.users.set_preferences("ana", zone="Asia/Tokyo")
    store._database["users"].update_one(  # noqa: SLF001  # no account can be made in the past
        {"_id": "ana"},
        {
            "$set": {
                "created_at": datetime(2025, 1, 31, 23, 5, tzinfo=UTC),
                "last_login_at": datetime(2025, 2, 1, 9, 0, tzinfo=UTC),
            }
        },
    )
    page = text(opened(session))
    assert "User id: ana" in page
    assert "Here since 1 Feb 2025, 08:05." in page
    assert "Last login: 1 Feb 2025, 18:00." in page
    assert "admin" not in page


def test_an_identity_is_named_where_it_is_what_one_logs_in_with(
    store: Store, choose: Choose
) -> None:
    issuer = "https://id.example.org"
    store.users.create("ana", subject=Subject(issuer=issuer, subject="248289761001"))
    session = begun(store)
    assert issuer not in text(opened(session))
    choose(login="oidc")
    app = opened(session)
    assert f"Your identity comes from {issuer}." in text(app)
    assert "Passphrase" not in titles(app)


def test_setting_a_passphrase_ends_all_other_sessions_and_leaves_no_trace_of_it(
    store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    session, elsewhere = account(store), begun(store, agent=PHONE)
    app = opened(session)
    assert UNPROTECTED in text(app)
    fill(app, new=PHRASE, again=PHRASE)
    pressed(app, "Set a passphrase")
    assert messages(app) == [
        "Your new passphrase holds from now on. You were logged out everywhere else."
    ]
    assert user(store).protected
    assert matches(store.users.passphrase_hash("ana"), PHRASE)
    assert going_on(store, session, elsewhere) == [True, False]
    assert UNPROTECTED not in text(app)
    assert emptied(app, "present", "new", "again")
    assert PHRASE not in caplog.text
    app.run()
    assert messages(app) == [], "it is said once"


@pytest.mark.parametrize(
    ("new", "again", "sentence"),
    [
        ("", "", "Please type a new passphrase."),
        (PHRASE, OTHER, "The two new passphrases are not the same. Please type them again."),
        ("short", "short", "A passphrase has at least 12 characters"),
        ("ana" * 5, "ana" * 5, "different characters"),
    ],
)
def test_a_passphrase_that_cannot_be_is_refused(
    store: Store, new: str, again: str, sentence: str
) -> None:
    session, elsewhere = account(store), begun(store)
    app = fill(opened(session), new=new, again=again)
    pressed(app, "Set a passphrase")
    [refused] = app.error
    assert sentence in refused.value
    assert not user(store).protected
    assert all(going_on(store, session, elsewhere))
    assert emptied(app, "new", "again")


def test_a_passphrase_is_changed_by_who_knows_the_present_one_only(store: Store) -> None:
    app = opened(account(store, PHRASE))
    fill(app, present="not the right one", new=OTHER, again=OTHER)
    pressed(app, "Change the passphrase")
    assert messages(app) == ["Your present passphrase is another one."]
    assert matches(store.users.passphrase_hash("ana"), PHRASE)
    assert emptied(app, "present", "new", "again")
    fill(app, present=PHRASE, new=OTHER, again=OTHER)
    pressed(app, "Change the passphrase")
    assert "holds from now on" in messages(app)[0]
    assert matches(store.users.passphrase_hash("ana"), OTHER)


def test_guessing_the_present_passphrase_is_stopped(store: Store) -> None:
    app = opened(account(store, PHRASE))
    while not store.login_throttle.begin("account ana", OF_ACCOUNT):
        pass
    fill(app, present=PHRASE, new=OTHER, again=OTHER)
    pressed(app, "Change the passphrase")
    [refused] = messages(app)
    assert "tried too often" in refused
    assert matches(store.users.passphrase_hash("ana"), PHRASE)


def test_a_passphrase_is_removed_where_the_user_id_alone_is_enough(store: Store) -> None:
    session, elsewhere = account(store, PHRASE), begun(store)
    app = opened(session)
    fill(app, present=OTHER)
    pressed(app, "Remove the passphrase")
    assert user(store).protected
    fill(app, present=PHRASE)
    pressed(app, "Remove the passphrase")
    assert not user(store).protected
    assert going_on(store, session, elsewhere) == [True, False]
    assert UNPROTECTED in text(app)


def test_a_passphrase_stays_where_everybody_has_one(store: Store, choose: Choose) -> None:
    choose(login="passphrase")
    app = opened(account(store, PHRASE))
    assert "Change the passphrase" in labels(app)
    assert "Remove the passphrase" not in labels(app)


def test_sessions_are_listed_and_ended_one_by_one(store: Store) -> None:
    session, elsewhere = account(store), begun(store, agent=PHONE)
    stranger = begun(store, "eve", agent=PHONE)
    app = opened(session)
    rows = [each.value for each in app.text if "198.51.100.7" in each.value]
    assert [row.split("\n")[0] for row in rows] == [
        "Chrome on Linux · this one",
        "Safari on an iPhone",
    ]
    assert "since today" in rows[0]
    [button] = [each for each in app.button if each.label == "Log out"]
    button.click().run()
    assert messages(app) == ["Logged out there. A page that is open there closes within seconds."]
    assert going_on(store, session, elsewhere, stranger) == [True, False, True]
    assert "Log out everywhere else" not in labels(app)


def test_all_other_sessions_are_ended_at_once(store: Store) -> None:
    session, *others = account(store), begun(store), begun(store)
    stranger = begun(store, "eve")
    app = pressed(opened(session), "Log out everywhere else")
    assert "Logged out everywhere else." in messages(app)[0]
    assert going_on(store, session, *others, stranger) == [True, False, False, True]


def test_how_one_is_told_is_chosen_here_too(store: Store) -> None:
    app = opened(account(store))
    app.selectbox(key="preferences-zone").set_value("Asia/Tokyo").run()
    pressed(app, "Save")
    assert user(store).zone == "Asia/Tokyo"
    assert [each.value for each in app.toast] == ["Saved."]


def test_invitations_are_for_admins(store: Store) -> None:
    app = opened(account(store))
    assert "Invitations" not in titles(app)


def test_an_admin_makes_a_link_that_is_shown_once_and_withdraws_it(store: Store) -> None:
    app = pressed(opened(account(store, admin=True)), "Make a link")
    [link] = [each.value for each in app.code]
    address, secret = link.split("=")
    assert address == "http://localhost:8501/login?invite"
    invite = store.invitations.get(secret)
    assert invite is not None
    assert (invite.made_by, invite.user_id) == ("ana", None)
    assert "For a new account\nMade by ana, until" in text(app)
    app.run()
    assert not app.code
    pressed(app, "Withdraw")
    assert store.invitations.get(secret) is None
    assert "For a new account" not in text(app)


def test_an_invitation_to_choose_a_passphrase_is_for_an_account_that_there_is(
    store: Store, choose: Choose
) -> None:
    store.users.create("ben")
    app = fill(opened(account(store, admin=True)), **{"for": "bem"})
    pressed(app, "Make a link")
    assert "There is no account “bem”" in messages(app)[0]
    assert store.invitations.open() == []
    fill(app, **{"for": " Ben "})
    pressed(app, "Make a link")
    [invite] = store.invitations.open()
    assert invite.user_id == "ben"
    assert "For ben, to choose a passphrase" in text(app)
    choose(login="oidc")
    app.run()
    assert not fields(app, "for")


@pytest.mark.parametrize("label", ["Make a link", "Withdraw"])
def test_who_is_no_admin_any_more_invites_nobody(store: Store, label: str) -> None:
    session = account(store, admin=True)
    secret = store.invitations.make("ana")
    app = opened(session)
    store.users.make_admin("ana", admin=False)
    before = store.invitations.open()
    pressed(app, label)
    assert store.invitations.open() == before
    assert store.invitations.get(secret) is None  # nor does what was made before
    assert not app.code


def test_everything_can_be_taken_along(store: Store) -> None:
    app = opened(account(store))
    [link] = app.get("link_button")
    assert (link.proto.label, link.proto.url) == ("Download everything", "/account/archive.zip")


def test_an_account_goes_when_its_owner_types_who_they_are(store: Store) -> None:
    session = account(store, PHRASE)
    job, _ = stored_job(store)
    app = fill(opened(session), confirmed="ben", proof=PHRASE)
    pressed(app, "Delete everything")
    assert messages(app) == ["Nothing was deleted: please type your user id, ana."]
    assert emptied(app, "confirmed", "proof")
    fill(app, confirmed="ana", proof=OTHER)
    pressed(app, "Delete everything")
    assert messages(app) == ["Your present passphrase is another one."]
    assert user(store).deleting_at is None
    assert going_on(store, session) == [True]
    fill(app, confirmed=" Ana ", proof=PHRASE)
    pressed(app, "Delete everything")
    assert user(store).deleting_at is not None
    assert going_on(store, session) == [False]
    found = store.jobs.get(job.id)
    assert found is None or found.status == "Cancelled"
    assert [each.value for each in app.header] == ["Your account is being deleted"]
    assert PHRASE not in kept_in(app)
    assert not app.text_input


def test_without_a_passphrase_the_user_id_is_enough_to_delete(store: Store) -> None:
    app = opened(account(store))
    assert not fields(app, "proof")
    pressed(fill(app, confirmed="ana"), "Delete everything")
    assert user(store).deleting_at is not None


def test_guessing_a_passphrase_to_delete_an_account_is_stopped(store: Store) -> None:
    app = opened(account(store, PHRASE))
    while not store.login_throttle.begin("account ana", OF_ACCOUNT):
        pass
    pressed(fill(app, confirmed="ana", proof=PHRASE), "Delete everything")
    assert "tried too often" in messages(app)[0]
    assert user(store).deleting_at is None


def test_the_page_says_what_stays_and_when_no_admin_would(store: Store, choose: Choose) -> None:
    choose(log_days=90)
    app = opened(account(store, admin=True))
    assert "logs of logins and views, each entry for 90 days" in text(app)
    [warning] = app.warning
    assert "no admin is left" in warning.value
    store.users.create("root", admin=True)
    app.run()
    assert not app.warning


@pytest.mark.parametrize(
    ("keeper", "method", "admin"),
    [(LoginSessionStore, "of_user", False), (InvitationStore, "open", True)],
)
def test_a_section_that_the_database_does_not_answer_for_says_so_and_the_others_stand(
    store: Store, monkeypatch: pytest.MonkeyPatch, keeper: type, method: str, *, admin: bool
) -> None:
    session = account(store, admin=admin)
    monkeypatch.setattr(keeper, method, _gone)
    app = opened(session)
    assert messages(app) == [DATABASE_UNAVAILABLE]
    assert "Delete my account" in titles(app)


def test_what_could_not_be_done_is_said_where_it_was_asked_for(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    session, elsewhere = account(store), begun(store)
    app = opened(session)
    monkeypatch.setattr(LoginSessionStore, "revoke_all", _gone)
    pressed(app, "Log out everywhere else")
    assert messages(app) == [DATABASE_UNAVAILABLE]
    assert going_on(store, elsewhere) == [True]


def _gone(*_: object, **__: object) -> None:
    raise AutoReconnect("gone")


@pytest.mark.parametrize(
    ("agent", "words"),
    [
        (LINUX + "Safari/537.36", "Chrome on Linux"),
        (LINUX + "Safari/537.36 Edg/140.0.0.0", "Edge on Linux"),
        (LINUX + "Safari/537.36 OPR/121.0.0.0", "Opera on Linux"),
        (PHONE, "Safari on an iPhone"),
        (PHONE.replace("Version/18.6", "CriOS/140.0"), "Chrome on an iPhone"),
        ("Mozilla/5.0 (Windows NT 10.0; rv:143.0) Gecko/20100101 Firefox/143.0", "Firefox on"),
        ("Mozilla/5.0 (Linux; Android 10; K) Chrome/140.0.0.0 Mobile Safari/5", "on Android"),
        ("Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) Safari/605.1.15", "Safari on macOS"),
        ("curl/8.5.0", "Another browser"),
        ("", "Another browser"),
    ],
)
def test_a_browser_is_told_in_words(agent: str, words: str) -> None:
    assert words in browser_text(agent)
