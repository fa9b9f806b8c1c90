"""Logging in by the routes that the login page uses, in each of the modes."""

import json
import secrets
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr
from pymongo.collection import Collection
from pymongo.errors import AutoReconnect
from starlette.testclient import TestClient

from core.accounts.login import LoginRefused, Requester
from core.accounts.login_limits import OF_ACCOUNT, OF_ADDRESS
from core.accounts.passphrases import hash_passphrase
from core.accounts.rules import WRONG, Accounts
from core.media.folder import FolderStore
from core.models import InvalidInput, Subject, ViewEntry, now
from core.settings import Settings
from core.store import Store, open_store
from core.store.accounts import login_throttle as attempts
from core.store.accounts.login_sessions import LoginSessionStore
from core.store.accounts.login_throttle import Limit
from core.web.identity.cookies import COOKIE, Identity
from tests.web import app_of, browser_of, log_in, studio_of

RIGHT = "the cat sat on 7 mats"
HASHED = hash_passphrase(RIGHT)
VISITOR = Requester("198.51.100.7", "a browser")
OpenBrowser = Callable[..., TestClient]


@pytest.fixture
def browser(settings: Settings, store: Store, content: FolderStore) -> Iterator[OpenBrowser]:
    """Opens browsers on a web process with settings of the test's choice."""
    opened: list[TestClient] = []

    def open_browser(address: str = "198.51.100.7", **chosen: str) -> TestClient:
        changed = settings.model_copy(update=chosen)
        client = browser_of(app_of(studio_of(changed, store, content)), address)
        opened.append(client.__enter__())
        return client

    yield open_browser
    for client in opened:
        client.__exit__()


def tried(client: TestClient, user_id: str, passphrase: str = "", **more: Any) -> tuple[int, Any]:
    body = {"user_id": user_id, "passphrase": passphrase} | more
    response = client.post("/auth/login", json=body)
    return response.status_code, response.json()


def reasons(store: Store, user_id: str) -> list[str]:
    return [entry.reason for entry in store.login_log.of_user(user_id)]


def is_in(client: TestClient) -> bool:
    return client.get("/bell").status_code == 200


# The log


def test_a_login_is_logged_and_leads_on(browser: OpenBrowser, store: Store) -> None:
    assert log_in(browser(), " Ana ", next="/job?id=1") == {"next": "/job?id=1"}
    assert store.users.get("ana") is not None
    [entry] = store.login_log.of_user("ana")
    assert (entry.outcome, entry.reason, entry.method) == ("accepted", "", "user_id")
    assert (entry.address, entry.agent) == ("198.51.100.7", "testclient")
    [session] = store.login_sessions.of_user("ana")
    assert entry.session == session.id


def test_a_login_leads_nowhere_else(browser: OpenBrowser) -> None:
    assert log_in(browser(), "ana", next="https://evil.example.org") == {"next": "/"}


def test_every_refused_login_is_logged(browser: OpenBrowser, store: Store) -> None:
    client = browser()
    assert client.post("/auth/login", json={"user_id": "con"}).status_code == 400
    [entry] = store.login_log.of_user("con")
    assert (entry.outcome, entry.reason) == ("refused", "invalid user_id")
    client.post("/auth/login", json={"user_id": "y" * 5000})
    assert len(store.login_log.of_user("y" * 200)) == 1
    client.post("/auth/login", content=rb'{"user_id": "\ud800"}')
    assert len(store.login_log.of_user("?")) == 1
    client.post("/auth/login", json={"user_id": "ana"}, headers={"Origin": "http://evil"})
    client.post("/auth/login", content=b"what")
    assert reasons(store, "") == ["malformed", "cross-site"]
    assert store.users.get("ana") is None


def test_a_passphrase_is_in_no_log(
    browser: OpenBrowser, store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    client = browser(login="passphrase")
    tried(client, "ana", RIGHT, register=True)
    tried(client, "ana", RIGHT + "!")
    kept = str([entry.to_document() for entry in store.login_log.of_user("ana")])
    assert "cat" not in kept + caplog.text + str(store.users.get("ana"))


# Sessions


def test_after_logging_out_a_copied_cookie_is_soon_worth_nothing(browser: OpenBrowser) -> None:
    client, thief = browser(), browser()
    log_in(client, "ana")
    thief.cookies.set(COOKIE, client.cookies[COOKIE])
    assert is_in(thief)
    client.post("/auth/logout")
    assert not is_in(client)
    assert COOKIE not in client.cookies
    deadline = time.monotonic() + 60  # sessions are looked up anew every two seconds
    while is_in(thief):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_login_ends_the_session_that_the_browser_had_before(
    browser: OpenBrowser, store: Store
) -> None:
    client = browser()
    log_in(client, "eve")
    planted = client.cookies[COOKIE]
    log_in(client, "ana")
    assert client.cookies[COOKIE] != planted
    assert client.get("/bell").json()["user"] == "ana"
    assert store.login_sessions.of_user("eve") == []
    client.cookies.set(COOKIE, planted, domain="studio.example.org", path="/")
    assert not is_in(client)


def test_a_session_ends_by_itself(browser: OpenBrowser, store: Store, settings: Settings) -> None:
    client = browser()
    secret, session = store.login_sessions.begin("ana", settings.session_days)
    assert session.expires_at - session.created_at == timedelta(days=settings.session_days)
    over, _ = store.login_sessions.begin("ana", -1)
    for each, expected in ((secret, True), (over, False)):
        signed = Identity("key", days=30, secure=False)._signer.sign(each).decode()  # noqa: SLF001
        client.cookies.set(COOKIE, signed)
        assert is_in(client) is expected


def test_a_new_passphrase_ends_all_other_sessions(
    browser: OpenBrowser, store: Store, settings: Settings
) -> None:
    here, there = browser(), browser()
    log_in(here, "ana")
    log_in(there, "ana")
    [_, mine] = store.login_sessions.of_user("ana")
    accounts = Accounts(store, settings)
    accounts.change_passphrase("ana", "", RIGHT, mine.id, VISITOR)
    assert [each.id for each in store.login_sessions.of_user("ana")] == [mine.id]
    with pytest.raises(InvalidInput, match="present passphrase"):
        accounts.change_passphrase("ana", "wrong", RIGHT + "!", mine.id, VISITOR)
    accounts.change_passphrase("ana", RIGHT, "", None, VISITOR)
    assert store.login_sessions.of_user("ana") == []
    assert tried(browser(), "ana")[0] == 200


def test_the_cookie_travels_over_tls_only_where_there_is_tls(browser: OpenBrowser) -> None:
    body = {"user_id": "ana"}
    plain = browser().post("/auth/login", json=body)
    assert "secure" not in plain.headers["set-cookie"].lower()
    client = browser()
    client.base_url = "https://studio.example.org"
    behind = client.post("/auth/login", json=body, headers={"Origin": str(client.base_url)})
    assert "secure" in behind.headers["set-cookie"].lower()
    assert "max-age" in behind.headers["strict-transport-security"]


def test_a_login_with_a_passphrase_that_is_changed_meanwhile_begins_nothing(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.users.create("ana", passphrase_hash=HASHED)
    accounts = Accounts(store, settings)
    begin = LoginSessionStore.begin

    def slow(self: LoginSessionStore, *args: Any, **more: Any) -> Any:
        accounts.set_passphrase("ana", hash_passphrase("another one, longer"))
        return begin(self, *args, **more)

    monkeypatch.setattr(LoginSessionStore, "begin", slow)
    with pytest.raises(LoginRefused, match="try again"):
        accounts.log_in("ana", RIGHT, VISITOR)
    assert store.login_sessions.of_user("ana") == []


# What a session began by, and LOGIN


WAYS: dict[str, dict[str, Any]] = {
    "user_id": {"user_id": "ana"},
    "registration": {"user_id": "bea", "passphrase": RIGHT, "register": True},
    "registration without": {"user_id": "cleo", "register": True},
    "passphrase": {"user_id": "dora", "passphrase": RIGHT},
    "invitation": {"user_id": "fay", "passphrase": RIGHT, "register": True, "invite": True},
    "invitation without": {"user_id": "gil", "register": True, "invite": True},
    "recovery": {"passphrase": RIGHT, "register": True, "invite": "dora"},
}
GOES_ON = {  # under which LOGIN a session goes on, by how it began
    "user_id": {"user_id"},
    "registration": {"user_id", "passphrase"},
    "registration without": {"user_id"},
    "passphrase": {"user_id", "passphrase"},
    "invitation": {"user_id", "passphrase"},
    "invitation without": {"user_id"},
    "recovery": {"user_id", "passphrase"},
    "oidc": {"oidc"},
}


@pytest.mark.parametrize("way", GOES_ON)
def test_a_session_goes_on_only_while_login_offers_the_way_it_began(
    browser: OpenBrowser, store: Store, way: str
) -> None:
    store.users.create("dora", passphrase_hash=HASHED)
    if way == "oidc":
        client = browser(login="oidc", oidc_client_secret=SecretStr("x"))
        ticket = Identity("key", days=30, secure=False).ticket(claims())
        assert client.post("/auth/login", json={"ticket": ticket}).status_code == 200
    else:
        client = browser()
        body: dict[str, Any] = dict(WAYS[way].items())
        if invite := body.get("invite"):
            whom = invite if isinstance(invite, str) else None
            body["invite"] = store.invitations.make("terminal", whom)
        log_in(client, body.pop("user_id", ""), **body)
    [kept] = store._database["sessions"].find()  # noqa: SLF001
    for login in ("user_id", "passphrase", "oidc"):
        later = browser(login=login)
        later.cookies.set(COOKIE, client.cookies[COOKIE])
        assert is_in(later) is (login in GOES_ON[way]), login
        listed = store.login_sessions.under(login).of_user(kept["user_id"])
        assert bool(listed) is (login in GOES_ON[way])


def test_a_session_of_an_earlier_version_is_worth_no_more_than_the_user_id(
    browser: OpenBrowser, store: Store
) -> None:
    client = browser()
    log_in(client, "ana")
    store._database["sessions"].update_many({}, {"$unset": {"method": True}})  # noqa: SLF001
    for login, goes_on in (("user_id", True), ("passphrase", False), ("oidc", False)):
        later = browser(login=login)
        later.cookies.set(COOKIE, client.cookies[COOKIE])
        assert is_in(later) is goes_on


@pytest.mark.parametrize("method", ["", "magic", "invite", None, 7])
def test_a_method_that_nobody_knows_proves_nothing(
    browser: OpenBrowser, store: Store, method: object
) -> None:
    client = browser()
    log_in(client, "ana")
    store._database["sessions"].update_many({}, {"$set": {"method": method}})  # noqa: SLF001
    for login in ("passphrase", "oidc"):
        later = browser(login=login)
        later.cookies.set(COOKIE, client.cookies[COOKIE])
        assert not is_in(later)


def test_who_sets_a_passphrase_goes_on_by_it_and_who_removes_it_without(
    browser: OpenBrowser, store: Store, settings: Settings
) -> None:
    client = browser()
    log_in(client, "ana")
    [session] = store.login_sessions.of_user("ana")
    accounts, strict = Accounts(store, settings), store.login_sessions.under("passphrase")
    assert strict.active([session.id]) == {}
    accounts.change_passphrase("ana", "", RIGHT, session.id, VISITOR)
    assert list(strict.active([session.id])) == [session.id]
    accounts.change_passphrase("ana", RIGHT, "", session.id, VISITOR)
    assert strict.active([session.id]) == {}
    assert is_in(client)


# The user_id alone, and a passphrase that its owner has set


def test_a_protected_id_asks_for_its_passphrase(browser: OpenBrowser, store: Store) -> None:
    store.users.create("ana", passphrase_hash=HASHED)
    client = browser()
    status, reply = tried(client, "ana")
    assert (status, reply["ask"]) == (401, True)
    assert not is_in(client)
    assert tried(client, "ana", RIGHT + " ")[1]["detail"] == WRONG
    assert tried(client, "Ana", RIGHT)[0] == 200
    assert reasons(store, "ana") == ["", "wrong passphrase", "passphrase missing"]


@pytest.mark.parametrize("protected", [{}, {"protected": False}, {"protected": True}])
@pytest.mark.parametrize(
    "stored",
    [HASHED, "", 5, {"a": 1}, b"x", ["x"], True],
    ids=["hash", "empty", "number", "mapping", "bytes", "list", "flag"],  # a hash is salted anew
)
def test_an_account_with_any_hash_of_a_passphrase_is_open_to_nobody_without_it(
    settings: Settings, store: Store, stored: Any, protected: dict[str, bool]
) -> None:
    """Whatever else is stored of it, by hand or by another version."""
    store._database["users"].insert_one(  # noqa: SLF001  # nothing of the product writes such
        {"_id": "ana", "created_at": now(), "passphrase_hash": stored} | protected,
        bypass_document_validation=True,
    )
    accounts = Accounts(store, settings)
    for typed in ("", "nobody's", "a wrong passphrase"):
        with pytest.raises(LoginRefused) as refused:
            accounts.log_in("ana", typed, VISITOR)
        assert refused.value.ask
    store.login_throttle.forget_account("ana")
    if stored == HASHED:
        assert accounts.log_in("ana", RIGHT, VISITOR).user_id == "ana"


def test_where_registration_is_closed_an_unknown_id_looks_like_a_protected_one(
    browser: OpenBrowser, store: Store
) -> None:
    store.users.create("ana", passphrase_hash=HASHED)
    client = browser(registration="closed")
    assert tried(client, "ana") == tried(client, "nobody")
    assert tried(client, "ana", "a wrong one") == tried(client, "nobody", "a wrong one")
    assert store.users.get("nobody") is None


# Passphrases


def test_accounts_are_made_with_a_passphrase(browser: OpenBrowser, store: Store) -> None:
    client = browser(login="passphrase")
    assert tried(client, "ana")[0] == 401
    status, reply = tried(client, "ana", "short", register=True)
    assert (status, "at least 12" in reply["detail"]) == (400, True)
    assert tried(client, "ana", RIGHT, register=True) == (200, {"next": "/"})
    assert tried(client, "ana", "another one, long", register=True)[0] == 409
    other = browser(login="passphrase")
    assert tried(other, "ana", "another one, long")[0] == 401
    assert tried(other, "ana", RIGHT)[0] == 200
    user = store.users.get("ana")
    assert user is not None
    assert user.protected
    assert (store.users.passphrase_hash("ana") or "").startswith("$argon2id$")


def test_an_account_without_a_passphrase_is_open_to_nobody(
    browser: OpenBrowser, store: Store
) -> None:
    store.users.create("ana")
    client = browser(login="passphrase")
    for passphrase in ("", "None", "a wrong one"):
        assert tried(client, "ana", passphrase)[0] == 401


@pytest.mark.parametrize(
    "passphrase", ["short", "a" * 40, "x" * 300, "ana-ana-anna", "ana12345678", "ababababababab"]
)
def test_a_passphrase_that_is_easy_to_guess_is_refused(
    browser: OpenBrowser, store: Store, passphrase: str
) -> None:
    status, reply = tried(browser(login="passphrase"), "ana", passphrase, register=True)
    assert (status, "passphrase" in reply["detail"]) == (400, True)
    assert store.users.get("ana") is None


def test_a_passphrase_is_the_same_however_it_is_typed(browser: OpenBrowser) -> None:
    composed, decomposed = "schöne grüne Wälder", "scho\u0308ne gru\u0308ne Wa\u0308lder"
    client = browser(login="passphrase")
    assert tried(client, "ana", composed, register=True)[0] == 200
    assert tried(client, "ana", decomposed)[0] == 200


def test_a_wrong_id_and_a_wrong_passphrase_get_the_same_answer_after_the_same_work(
    browser: OpenBrowser, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The time is that of one Argon2 hash with the same parameters in both cases."""
    store.users.create("ana", passphrase_hash=HASHED)
    client = browser(login="passphrase")
    verified: list[str] = []
    verify = PasswordHasher.verify

    def watched(self: PasswordHasher, stored: str, passphrase: str) -> bool:
        verified.append(stored.rsplit("$", 2)[0])
        return verify(self, stored, passphrase)

    monkeypatch.setattr(PasswordHasher, "verify", watched)
    assert tried(client, "ana", "a wrong one") == tried(client, "nobody", "a wrong one")
    assert len(verified) == 2
    assert len(set(verified)) == 1


# Trying


@pytest.fixture
def long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first pause outlasts the next attempt, however busy the machine is."""
    monkeypatch.setattr(attempts, "FIRST_PAUSE_SECONDS", attempts.LONGEST_PAUSE_SECONDS)


@pytest.mark.usefixtures("long_pauses")
def test_attempts_at_an_account_are_slowed_and_then_locked(
    browser: OpenBrowser, store: Store
) -> None:
    store.users.create("ana", passphrase_hash=HASHED)
    client = browser(login="passphrase")
    for _ in range(OF_ACCOUNT.free + 1):
        assert tried(client, "ana", "a wrong one")[0] == 401
    status, reply = tried(client, "ana", RIGHT)
    assert status == 429
    assert reply["wait"] >= 1
    assert "try again in" in reply["detail"]
    assert tried(browser(login="passphrase"), "ana", RIGHT)[0] == 429  # from another process
    assert not is_in(client)
    assert reasons(store, "ana")[0] == "too many attempts"
    assert tried(client, "nobody", "a wrong one")[0] == 401


def test_the_pause_doubles_and_ends_in_a_lock(store: Store) -> None:
    attempts, pauses = store._database["attempts"], []  # noqa: SLF001
    for _ in range(7):
        assert store.login_throttle.begin("account ana", Limit(free=2, most=6)) == 0
        [kept] = attempts.find()
        pauses.append((kept["not_before"] - kept["now"]).total_seconds())
        attempts.update_one({}, {"$set": {"not_before": kept["now"]}})
    assert pauses == [0, 0, 1, 2, 4, 900, 900]


def test_many_attempts_at_once_are_all_counted(store: Store) -> None:
    limit = Limit(free=5, most=9)
    with ThreadPoolExecutor(16) as pool:
        waits = list(pool.map(lambda _: store.login_throttle.begin("x", limit), range(64)))
    assert waits.count(0) == 6  # five are free, the sixth begins the pause


@pytest.mark.usefixtures("long_pauses")
def test_an_address_that_tries_many_accounts_is_stopped(browser: OpenBrowser, store: Store) -> None:
    limit = OF_ADDRESS.free
    client = browser("203.0.113.9", login="passphrase")
    statuses = [tried(client, f"u{number}", "a wrong one")[0] for number in range(limit + 2)]
    assert statuses == [401] * (limit + 1) + [429]
    assert tried(browser("203.0.113.10", login="passphrase"), "ana", "a wrong one")[0] == 401
    assert store.login_throttle.begin("address 203.0.113.9", OF_ADDRESS) > 0


@pytest.mark.usefixtures("long_pauses")
def test_a_network_of_ipv6_counts_as_one_address(browser: OpenBrowser) -> None:
    statuses = [
        tried(browser(f"2001:db8::{number:x}", login="passphrase"), f"u{number}", "a wrong one")[0]
        for number in range(OF_ADDRESS.free + 2)
    ]
    assert statuses[-1] == 429


@pytest.mark.usefixtures("long_pauses")
def test_an_address_in_ipv6_clothes_counts_as_itself(browser: OpenBrowser) -> None:
    for number in range(OF_ADDRESS.free + 2):
        last = tried(browser("::ffff:6.6.6.6", login="passphrase"), f"u{number}", "a wrong one")[0]
    assert last == 429
    assert tried(browser("::ffff:9.9.9.9", login="passphrase"), "ana", "a wrong one")[0] == 401


@pytest.mark.usefixtures("long_pauses")
def test_strangers_cannot_lock_an_owner_out_where_the_owner_has_been(
    browser: OpenBrowser, store: Store
) -> None:
    store.users.create("ana", passphrase_hash=HASHED)
    assert tried(browser("192.0.2.1", login="passphrase"), "ana", RIGHT)[0] == 200
    stranger = browser("203.0.113.9", login="passphrase")
    while tried(stranger, "ana", "a wrong one")[0] != 429:
        pass
    assert tried(browser("192.0.2.2", login="passphrase"), "ana", RIGHT)[0] == 429
    assert tried(browser("192.0.2.1", login="passphrase"), "ana", RIGHT)[0] == 200


def test_a_login_that_succeeds_forgets_the_failures_before(
    browser: OpenBrowser, store: Store
) -> None:
    store.users.create("ana", passphrase_hash=HASHED)
    client = browser(login="passphrase")
    for _ in range(3):
        for _ in range(OF_ACCOUNT.free - 1):
            assert tried(client, "ana", "a wrong one")[0] == 401
        assert tried(client, "ana", RIGHT)[0] == 200


# Invitations


def test_where_accounts_need_an_invitation_it_makes_one(browser: OpenBrowser, store: Store) -> None:
    client = browser(login="passphrase", registration="invite")
    status, reply = tried(client, "ana", RIGHT, register=True)
    assert (status, "invitation" in reply["detail"]) == (403, True)
    invite = store.invitations.make("terminal")
    assert tried(client, "ana", "short", register=True, invite=invite)[0] == 400
    assert tried(client, "ana", RIGHT, register=True, invite=invite)[0] == 200
    assert tried(client, "eve", RIGHT, register=True, invite=invite)[0] == 403
    assert store.users.get("eve") is None
    assert store.login_log.of_user("ana")[0].method == "invite"


def test_an_invitation_that_came_to_nothing_can_be_used_again(
    browser: OpenBrowser, store: Store
) -> None:
    store.users.create("ana", passphrase_hash=HASHED)
    client, invite = (
        browser(login="passphrase", registration="invite"),
        store.invitations.make("terminal"),
    )
    assert tried(client, "ana", "another one, long", register=True, invite=invite)[0] == 409
    assert tried(client, "ben", "another one, long", register=True, invite=invite)[0] == 200
    assert store.users.passphrase_hash("ana") == HASHED


def test_of_two_who_use_one_invitation_at_once_one_gets_in(
    settings: Settings, store: Store
) -> None:
    accounts = Accounts(store, settings.model_copy(update={"registration": "invite"}))
    invite = store.invitations.make("terminal")

    def register(number: int) -> bool:
        try:
            accounts.register(f"u{number}", "", invite, VISITOR)
        except LoginRefused:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(register, range(8))) == 1
    assert len(store.users.all()) == 1


def test_an_invitation_for_an_account_renews_its_passphrase_and_nothing_else(
    browser: OpenBrowser, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.users.create("ana", passphrase_hash=HASHED)
    store.users.create("eve", passphrase_hash=HASHED)
    client, thief = browser(login="passphrase"), browser(login="passphrase")
    assert tried(thief, "ana", RIGHT)[0] == 200
    invite = store.invitations.make("terminal", "ana")
    body = {"register": True, "invite": invite}
    assert tried(client, "", "another one, long", **body) == (200, {"next": "/"})
    assert client.get("/bell").json()["user"] == "ana"
    assert tried(browser(login="passphrase"), "eve", RIGHT)[0] == 200
    assert tried(browser(login="passphrase"), "ana", "another one, long")[0] == 200
    monkeypatch.setattr("core.web.identity.session_cache.CHECK_SECONDS", 0)
    assert not is_in(thief)


NOT_RECOVERED = [
    ("", ""),
    ("boss", ""),
    ("", " " * 20),
    ("", "too short"),
    ("", "boss-boss-boss"),
    ("", "\ud800\ud801\ud802\ud803\ud804" * 3),
    ("", "x" * 300),
    ("eve", "another one, long"),
    ("nobody", "another one, long"),
    ("../boss", "another one, long"),
]


@pytest.mark.parametrize(("login", "admin"), [("user_id", True), ("passphrase", False)])
def test_a_recovery_link_takes_a_new_passphrase_for_its_own_account_and_nothing_else(
    browser: OpenBrowser, store: Store, *, login: str, admin: bool
) -> None:
    store.users.create("boss", admin=admin, passphrase_hash=HASHED)
    store.users.create("eve", passphrase_hash=HASHED)
    client, invite = browser(login=login), store.invitations.make("terminal", "boss")
    right = {"register": True, "invite": invite}
    for typed, passphrase in NOT_RECOVERED:
        body = {"user_id": typed, "passphrase": passphrase} | right
        response = client.post("/auth/login", content=json.dumps(body).encode())
        assert response.status_code == 400, (typed, passphrase)
        assert not is_in(client)
    assert [store.users.passphrase_hash(each) for each in ("boss", "eve")] == [HASHED] * 2
    assert store.users.get("nobody") is None
    assert tried(client, " Boss ", "another one, long", **right)[0] == 200  # it was not used up
    assert client.get("/bell").json()["user"] == "boss"
    assert tried(browser(login=login), "boss")[0] == 401
    assert tried(browser(login=login), "boss", "another one, long")[0] == 200


def test_a_recovery_link_is_for_the_account_that_it_was_made_for_not_a_later_one(
    browser: OpenBrowser, store: Store, settings: Settings
) -> None:
    store.users.create("boss", passphrase_hash=HASHED)
    invite = store.invitations.make("terminal", "boss")
    kept = store._database["invites"].find_one({})  # noqa: SLF001  # what a race would leave
    assert kept is not None
    store.account_deletion.request("boss")
    body = {"register": True, "invite": invite}
    assert tried(browser(), "", "another one, long", **body)[0] == 403
    store.account_deletion.forget("boss")
    store._database["invites"].insert_one(kept)  # noqa: SLF001
    assert tried(browser(), "", "another one, long", **body)[0] == 403
    assert tried(browser(), "boss", RIGHT, register=True)[0] == 200
    assert tried(browser(), "", "another one, long", **body)[0] == 403
    assert tried(browser(), "boss", RIGHT)[0] == 200
    assert Accounts(store, settings).recovers(invite) is None


def test_the_login_page_knows_a_recovery_link_and_asks_for_a_passphrase_only(
    store: Store, settings: Settings
) -> None:
    store.users.create("boss", admin=True, passphrase_hash=HASHED)
    recovery, invitation = (
        store.invitations.make("terminal", "boss"),
        store.invitations.make("terminal"),
    )
    for login in ("user_id", "passphrase", "oidc"):
        accounts = Accounts(store, settings.model_copy(update={"login": login}))
        assert accounts.recovers(recovery) == (None if login == "oidc" else "boss")
        for secret in ("", invitation, "made up"):
            assert accounts.recovers(secret) is None


def test_a_recovery_link_makes_no_account_for_who_comes_by_a_provider(
    recognise: Callable[..., str], store: Store
) -> None:
    store.users.create("boss", admin=True, passphrase_hash=HASHED)
    invite = store.invitations.make("terminal", "boss")
    for registration in ("open", "invite", "closed"):
        with pytest.raises(LoginRefused, match="invitation"):
            recognise(registration=registration, invite=invite)
    assert [each.id for each in store.users.all()] == ["boss"]
    assert store.invitations.get(invite) is not None


# Admins


@pytest.mark.parametrize("registration", ["open", "closed", "invite"])
def test_an_admin_without_a_passphrase_is_nobody_who_types_the_id(
    browser: OpenBrowser, store: Store, registration: str
) -> None:
    """Earlier versions made such admins, and so does LOGIN=oidc that is another later."""
    store.users.create("boss", admin=True)
    client = browser(registration=registration)
    status, reply = tried(client, "boss")
    assert (status, "user passphrase boss" in reply["detail"]) == (403, True)
    assert tried(client, "boss", "a wrong one, long")[0] == 401
    assert tried(client, "boss", RIGHT, register=True)[0] in (403, 409)
    assert not is_in(client)
    invite = store.invitations.make("terminal", "boss")
    assert tried(client, "", RIGHT, register=True, invite=invite)[0] == 200
    assert tried(browser(), "boss", RIGHT)[0] == 200


def test_an_admins_passphrase_cannot_be_taken_away(store: Store, settings: Settings) -> None:
    store.users.create("boss", admin=True, passphrase_hash=HASHED)
    accounts = Accounts(store, settings)
    with pytest.raises(InvalidInput, match="always has a passphrase"):
        accounts.change_passphrase("boss", RIGHT, "", None, VISITOR)
    with pytest.raises(InvalidInput, match="always has a passphrase"):
        accounts.set_passphrase("boss", None)
    assert not store.users.set_passphrase_hash("boss", None)
    assert store.users.passphrase_hash("boss") == HASHED


def test_nobody_becomes_an_admin_without_a_passphrase(store: Store, settings: Settings) -> None:
    store.users.create("ana")
    for login in ("user_id", "passphrase"):
        accounts = Accounts(store, settings.model_copy(update={"login": login}))
        with pytest.raises(InvalidInput, match="needs a passphrase"):
            accounts.make_admin("ana")
        with pytest.raises(InvalidInput, match="needs a passphrase"):
            accounts.make("ben", None, admin=True)
    assert store.users.admins() == []
    assert store.users.get("ben") is None


def test_an_admin_may_be_made_while_the_owner_takes_the_passphrase_away(
    store: Store, settings: Settings
) -> None:
    """Whichever comes first, what comes of it is no admin without a passphrase."""
    accounts = Accounts(store, settings)

    def promote() -> None:
        with suppress(InvalidInput):
            accounts.make_admin("ana")

    def strip() -> None:
        with suppress(InvalidInput):
            accounts.set_passphrase("ana", None)

    for _ in range(20):
        store._database["users"].delete_many({})  # noqa: SLF001
        store.users.create("ana", passphrase_hash=HASHED)
        with ThreadPoolExecutor(2) as pool:
            for each in [pool.submit(promote), pool.submit(strip)]:
                each.result()
        user = store.users.get("ana")
        assert user is not None
        assert user.protected or not user.admin


def test_who_takes_a_deleted_admins_id_is_no_admin(browser: OpenBrowser, store: Store) -> None:
    store.users.create("boss", admin=True, passphrase_hash=HASHED)
    invite = store.invitations.make("boss")
    store.account_deletion.request("boss")
    store.account_deletion.forget("boss")
    assert tried(browser(), "boss")[0] == 200
    user = store.users.get("boss")
    assert user is not None
    assert not user.admin
    store.users.set_passphrase_hash("boss", HASHED)
    store.users.make_admin("boss", admin=True)
    assert store.invitations.get(invite) is None  # what the former one made stays ended


def test_an_invitation_ends_by_itself(store: Store) -> None:
    secret = store.invitations.make("terminal")
    invite = store.invitations.get(secret)
    assert invite is not None
    store._database["invites"].update_one({}, {"$set": {"expires_at": now()}})  # noqa: SLF001
    assert store.invitations.get(secret) is None
    assert not store.invitations.use(invite, "ana")


@pytest.mark.parametrize("register", [True, False])
def test_new_accounts_from_one_address_are_slowed(
    browser: OpenBrowser, store: Store, monkeypatch: pytest.MonkeyPatch, *, register: bool
) -> None:
    monkeypatch.setattr("core.accounts.login_limits.OF_NEW_ACCOUNTS", Limit(free=1, most=2))
    statuses = [tried(browser(), f"u{number}", register=register)[0] for number in range(3)]
    assert statuses == [200, 200, 429]
    assert len(store.users.all()) == 2


def test_an_invitation_ends_with_the_right_of_who_made_it(store: Store) -> None:
    store.users.create("root", admin=True)
    invite = store.invitations.make("root", "ana")
    assert store.invitations.get(invite) is not None
    store.users.make_admin("root", admin=False)
    assert store.invitations.get(invite) is None


def test_a_new_passphrase_ends_the_links_to_choose_one(
    browser: OpenBrowser, store: Store, settings: Settings
) -> None:
    store.users.create("ana", passphrase_hash=HASHED)
    first, second = (store.invitations.make("terminal", "ana") for _ in range(2))
    assert tried(browser(), "ana", "another one, long", register=True, invite=first)[0] == 200
    assert tried(browser(), "ana", "a third one, longer", register=True, invite=second)[0] == 403
    third = store.invitations.make("terminal", "ana")
    Accounts(store, settings).set_passphrase("ana", HASHED)
    assert store.invitations.get(third) is None


def test_by_a_provider_only_means_by_no_link_either(browser: OpenBrowser, store: Store) -> None:
    store.users.create("ana", admin=True)
    invite = store.invitations.make("terminal", "ana")
    status, _ = tried(browser(login="oidc"), "ana", RIGHT, register=True, invite=invite)
    assert status == 403
    assert store.users.passphrase_hash("ana") is None


@pytest.mark.parametrize("name", ["ticket", "invite", "next"])
def test_half_a_character_is_refused_before_anything_begins(
    browser: OpenBrowser, store: Store, name: str
) -> None:
    body = f'{{"user_id": "ana", "register": true, "{name}": "/?a=\\ud800"}}'
    assert browser().post("/auth/login", content=body.encode()).status_code == 400
    assert store.users.all() == []


@pytest.mark.parametrize("invite", ["x", "../..", "\x00", "é" * 300])
def test_an_invitation_that_was_never_made_leads_nowhere(
    browser: OpenBrowser, store: Store, invite: str
) -> None:
    client = browser(registration="invite")
    assert tried(client, "ana", register=True, invite=invite)[0] == 403
    assert store.users.get("ana") is None


# The word of an identity provider


def claims(**more: Any) -> dict[str, Any]:
    return {
        "iss": "https://id.example.org",
        "sub": "1",
        "iat": now().timestamp(),
        "nonce": secrets.token_hex(8),
        "preferred_username": "Ana",
        **more,
    }


@pytest.fixture
def recognise(settings: Settings, store: Store) -> Callable[..., str]:
    def enter(claim: str = "preferred_username", invite: str = "", **more: Any) -> str:
        chosen = {name: more.pop(name) for name in ("registration",) if name in more}
        accounts = Accounts(store, settings.model_copy(update={"login": "oidc", **chosen}))
        return accounts.recognise(claims(**more), claim, invite, VISITOR).user_id

    return enter


def test_an_account_belongs_to_the_providers_subject(
    recognise: Callable[..., str], store: Store
) -> None:
    assert recognise() == "ana"
    assert recognise(preferred_username="renamed") == "ana"
    for other in ({"sub": "2"}, {"iss": "https://evil.example.org"}):
        with pytest.raises(LoginRefused, match="somebody else"):
            recognise(**other)
    user = store.users.get("ana")
    assert user is not None
    assert user.subject == Subject(issuer="https://id.example.org", subject="1")
    assert reasons(store, "ana")[:2] == ["another's account"] * 2


@pytest.mark.parametrize(
    ("reply", "user_id"),
    [
        ("ana@example.org", "ana-example.org"),
        ("EXAMPLE\\ana", "example-ana"),
        ("../../etc", "etc"),
        ("<b>ana</b>", "b-ana-b-"),
        ("a" * 100, "a" * 64),
        ("--ana", "ana"),
    ],
)
def test_whatever_the_provider_says_becomes_a_good_user_id(
    recognise: Callable[..., str], reply: str, user_id: str
) -> None:
    assert recognise(preferred_username=reply) == user_id


@pytest.mark.parametrize("reply", ["_ana", "-ana", "*ana", "éana", "<ana"])
def test_a_name_that_only_looks_like_an_account_here_does_not_get_it(
    recognise: Callable[..., str], store: Store, reply: str
) -> None:
    store.users.create("ana", admin=True)
    with pytest.raises(LoginRefused, match="somebody else"):
        recognise(preferred_username=reply)
    assert recognise(preferred_username=" Ana ") == "ana"  # the very name


def test_another_alphabets_letter_is_not_the_one_that_it_becomes(
    recognise: Callable[..., str], store: Store
) -> None:
    store.users.create("kim", admin=True)
    with pytest.raises(LoginRefused, match="somebody else"):
        recognise(preferred_username="\N{KELVIN SIGN}im")
    assert recognise(preferred_username="KIM") == "kim"


def test_what_is_alike_only_here_stays_two_people(recognise: Callable[..., str]) -> None:
    assert recognise(preferred_username="ana@a") == "ana-a"
    with pytest.raises(LoginRefused, match="somebody else"):
        recognise(sub="2", preferred_username="ana a")


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ({"preferred_username": ""}, "does not say"),
        ({"preferred_username": "con"}, "does not say"),
        ({"preferred_username": "…"}, "does not say"),
        ({"claim": "upn"}, "does not say"),
        ({"claim": "email", "email": "a@b", "email_verified": False}, "not verified"),
        ({"claim": "email", "email": "a@b"}, "not verified"),
        ({"claim": "email", "email": "a@b", "email_verified": "false"}, "not verified"),
        ({"iat": 1}, "log in again"),
        ({"iat": None}, "log in again"),
        ({"nonce": None}, "log in again"),
        ({"registration": "closed"}, "New accounts"),
        ({"registration": "invite"}, "invitation"),
        ({"registration": "invite", "invite": "made up"}, "invitation"),
    ],
)
def test_a_word_that_does_not_do_makes_no_account(
    recognise: Callable[..., str], store: Store, more: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(LoginRefused, match=sentence):
        recognise(**more)
    assert store.users.all() == []


def test_a_word_is_good_for_one_login(recognise: Callable[..., str]) -> None:
    assert recognise(nonce="once") == "ana"
    with pytest.raises(LoginRefused, match="log in again"):
        recognise(nonce="once")


def test_an_invitation_works_for_who_comes_by_a_provider(
    recognise: Callable[..., str], store: Store
) -> None:
    invite = store.invitations.make("terminal")
    assert recognise(registration="invite", invite=invite) == "ana"
    assert recognise(registration="invite") == "ana"
    with pytest.raises(LoginRefused, match="was used"):
        recognise(registration="invite", invite=invite, sub="2", preferred_username="eve")


def test_a_ticket_is_for_our_own_route_and_a_minute_only(
    browser: OpenBrowser, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    identity = Identity("key", days=30, secure=False)
    client = browser(login="oidc", oidc_client_secret=SecretStr("x"))
    forged = Identity("another key", days=30, secure=False).ticket(claims())
    for ticket in (forged, "x", "é", identity.ticket(claims())[:-2]):
        assert client.post("/auth/login", json={"ticket": ticket}).status_code == 403
    assert tried(client, "ana")[0] == 403  # by the provider only
    good = identity.ticket(claims())
    other_mode = browser()
    assert other_mode.post("/auth/login", json={"ticket": good}).status_code == 403
    late = time.time() + 61
    with monkeypatch.context() as patched:
        patched.setattr("itsdangerous.timed.time.time", lambda: late)
        assert client.post("/auth/login", json={"ticket": good}).status_code == 403
    assert client.post("/auth/login", json={"ticket": good}).status_code == 200
    assert client.get("/bell").json()["user"] == "ana"
    assert client.post("/auth/login", json={"ticket": good}).status_code == 403
    found = [(each.method, each.outcome) for each in store.login_log.of_user("ana")]
    assert found == [("oidc", "refused"), ("oidc", "accepted"), ("user_id", "refused")]


def test_what_streamlit_keeps_of_the_provider_is_taken_away(browser: OpenBrowser) -> None:
    client = browser()
    for name in ("_streamlit_user", "_streamlit_user_1", "_streamlit_user_tokens"):
        client.cookies.set(name, "x", domain="studio.example.org", path="/")
    log_in(client, "ana")
    assert [name for name in client.cookies if name.startswith("_streamlit")] == []


# The log's own


def test_what_is_noted_survives_an_answer_of_the_database_that_got_lost(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    insert, faults = Collection.insert_many, iter([True, False])

    def flaky(self: Collection[Any], documents: Any, **more: Any) -> Any:
        kept = insert(self, documents, **more)
        if next(faults, False):
            raise AutoReconnect("The answer got lost.")
        return kept

    monkeypatch.setattr(Collection, "insert_many", flaky)
    monkeypatch.setattr("core.store.accounts.audit_log.AGAIN_SECONDS", 0.01)
    for number in range(1200):
        store.view_log.note(
            ViewEntry(user_id="ana", job_id=None, asset_id=str(number), action="view", time=now())
        )
    kept = store.view_log.of_user("ana", 5000)
    assert sorted(int(each.asset_id or "") for each in kept) == list(range(1200))


def test_the_logs_forget_after_so_many_days(settings: Settings) -> None:
    for days in (365, 30):
        with open_store(settings.model_copy(update={"log_days": days})) as store:
            store.ensure_schema()
            for name in ("login_log", "view_log"):
                index = store._database[name].index_information()["over"]  # noqa: SLF001
                assert index["expireAfterSeconds"] == days * 86_400
                assert index["key"] == [("time", 1)]
