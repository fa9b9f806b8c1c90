"""Who did what, when: counted by the database, shown on the page, exported as CSV."""

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pymongo import MongoClient, monitoring
from pymongo.errors import AutoReconnect
from starlette.testclient import TestClient
from streamlit.proto.WidgetStates_pb2 import WidgetState
from streamlit.testing.v1 import AppTest

from core.models import LoginEntry, User, Via, ViewEntry, now
from core.settings import Settings
from core.store import Store
from core.store.jobs.activity import BATCH, ActivityStore
from core.store.jobs.activity_scope import ActionKind, Scope
from core.web.activity.rows import NOT_ME, login_row
from tests.conftest import stored_job
from tests.integration.test_web_pages import opened
from tests.web import ADMINS, log_in, made_admin

BERLIN = ZoneInfo("Europe/Berlin")
UTC_ZONE = ZoneInfo("UTC")
TODAY = datetime(2026, 11, 25, 12, tzinfo=UTC)
OLD = datetime(2020, 1, 1, tzinfo=UTC)
ANA = User(id="ana", created_at=OLD)
OF_ANYBODY = (
    *("logins", "views", "views_by_others", "views_over_time"),
    *("jobs_over_time", "provider_totals"),
)
"""What is read of one user and of all alike."""


def look(store: Store, user_id: str, at: datetime, **more: Any) -> None:
    fields = {"owner": user_id, "job_id": "j1", "asset_id": None, "action": "view"} | more
    store.view_log.note(ViewEntry(user_id=user_id, time=at, **fields))


def tried(store: Store, user_id: str, at: datetime, **more: Any) -> LoginEntry:
    fields = {"outcome": "accepted", "reason": "", "address": "192.0.2.1", "agent": ""} | more
    entry = LoginEntry(user_id=user_id, time=at, **fields)
    store.login_log.note(entry)
    return entry


def scope(
    user: User | None = ANA, days: int = 30, *deeds: ActionKind, zone: ZoneInfo = UTC_ZONE
) -> Scope:
    return Scope.of(user, days, zone, TODAY, deeds)


def test_looks_are_counted_by_the_days_of_the_users_own_zone(store: Store) -> None:
    for hour in (21, 22, 23):  # in Berlin the day ends at 23 o'clock UTC
        look(store, "ana", datetime(2026, 11, 20, hour, 30, tzinfo=UTC))
    look(store, "ana", datetime(2026, 11, 20, 12, tzinfo=UTC), action="play")
    look(store, "eve", datetime(2026, 11, 20, 12, tzinfo=UTC))
    store.view_log.flush()
    counted = {
        (bar.start.astimezone(BERLIN).day, bar.name): bar.number
        for bar in store.activity.views_over_time(scope(zone=BERLIN))
    }
    assert counted == {(20, "Views"): 2, (21, "Views"): 1, (20, "Plays"): 1}
    everybody = store.activity.views_over_time(scope(None))
    assert sum(bar.number for bar in everybody) == 5


def test_what_was_before_the_period_or_of_a_former_owner_of_the_id_does_not_count(
    store: Store,
) -> None:
    for days in (0, 6, 7, 200):
        look(store, "ana", TODAY - timedelta(days=days))
        tried(store, "ana", TODAY - timedelta(days=days))
    store.view_log.flush()
    store.login_log.flush()
    assert len(store.activity.views(scope(days=7))) == 2
    assert len(store.activity.views(scope(days=365))) == 4
    newcomer = User(id="ana", created_at=TODAY - timedelta(days=3))
    assert len(store.activity.views(scope(newcomer, 365))) == 1
    assert len(store.activity.logins(scope(newcomer, 365))) == 1


def test_kinds_of_action_are_chosen(store: Store) -> None:
    for action in ("view", "open_job", "play", "download", "share"):
        look(store, "ana", TODAY, action=action)
    store.view_log.flush()
    found = {deed: store.activity.views(scope(ANA, 30, deed)) for deed in ActionKind}
    assert {deed: [each.action for each in looks] for deed, looks in found.items()} == {
        ActionKind.VIEWS: ["view", "open_job"],
        ActionKind.PLAYS: ["play"],
        ActionKind.DOWNLOADS: ["download"],
        ActionKind.SHARES: ["share"],
    }
    both = store.activity.views(scope(ANA, 30, ActionKind.VIEWS, ActionKind.PLAYS))
    assert {each.action for each in both} == {"view", "open_job", "play"}


def test_who_else_looked_is_told_once_for_each_by_which_right_and_how_often(store: Store) -> None:
    for _ in range(3):
        look(store, "", TODAY, owner="ana", via=Via.SHARE, action="preview")
    look(store, "", TODAY, owner="ana", via=Via.SHARE, action="download")
    look(store, "root", TODAY, owner="ana", via=Via.ADMIN)
    look(store, "root", TODAY, owner="eve", via=Via.ADMIN)
    look(store, "ana", TODAY)
    store.view_log.flush()
    found = {
        (each.user_id, each.via): (each.number, each.downloads)
        for each in store.activity.views_by_others(scope())
    }
    assert found == {("", Via.SHARE): (4, 1), ("root", Via.ADMIN): (1, 0)}


def test_failed_logins_are_counted_by_address(store: Store) -> None:
    for number in range(5):
        more: dict[str, Any] = {"outcome": "refused", "reason": "x", "address": "203.0.113.9"}
        tried(store, f"u{number % 2}", TODAY, **more)
    tried(store, "ana", TODAY)
    tried(store, "ana", TODAY, outcome="refused", reason="x")
    store.login_log.flush()
    found = store.activity.refused_by_address(scope(None))
    assert [(each.address, each.number, each.accounts) for each in found] == [
        ("203.0.113.9", 5, 2),
        ("192.0.2.1", 1, 1),
    ]


def test_jobs_and_what_came_of_them_are_counted(store: Store) -> None:
    stored_job(store, "ana")
    job, assets = stored_job(store, "ana")
    stored_job(store, "eve")
    store.job_actions.cancel(job.id, "ana")
    store._database["assets"].update_one(  # noqa: SLF001  # as if it were made and paid
        {"_id": assets[0].id},
        {"$set": {"state": "done", "cost.actual": 0.25, "cost.unit": "USD"}},
    )
    recent = Scope.of(ANA, 7, UTC_ZONE, now())
    bars = {bar.name: bar.number for bar in store.activity.jobs_over_time(recent)}
    assert bars == {"Processing": 1, "Cancelled": 1}
    [made] = store.activity.provider_totals(recent)
    assert (made.images, made.videos, made.costs) == (1, 0, {"USD": 0.25})
    everybody = Scope.of(None, 7, UTC_ZONE, now())
    assert sum(bar.number for bar in store.activity.jobs_over_time(everybody)) == 3
    assert {each.user_id: each.jobs for each in store.activity.user_totals(everybody)} == {
        "ana": 2,
        "eve": 1,
    }


def test_every_question_is_answered_by_an_index_and_counted_there(
    settings: Settings, store: Store
) -> None:
    """20,000 entries: no collection scan, and no answer of more than a few hundred documents."""
    base = {"owner": "x", "job_id": "j", "asset_id": None, "action": "view", "via": "own"}
    documents = [
        base | {"user_id": f"u{number % 50}", "time": TODAY - timedelta(minutes=number)}
        for number in range(20_000)
    ]
    database = store._database  # noqa: SLF001
    database["view_log"].insert_many(documents)
    database["login_log"].insert_many(
        [
            {
                "user_id": f"u{number % 50}",
                "outcome": "refused" if number % 2 else "accepted",
                "reason": "",
                "address": f"192.0.2.{number % 200}",
                "agent": "",
                "time": TODAY - timedelta(minutes=number),
            }
            for number in range(20_000)
        ]
    )
    user = User(id="u7", created_at=OLD)
    recorder = CommandRecorder()
    uri = settings.mongodb_uri.get_secret_value()
    with MongoClient[Any](uri, tz_aware=True, event_listeners=[recorder]) as client:
        watched = client[database.name]
        activity = ActivityStore(watched)
        for read in (*OF_ANYBODY, "most_viewed_jobs", "jobs"):
            getattr(activity, read)(scope(user))
        next(activity.every_view(scope(user)))
        for read in (*OF_ANYBODY, "user_totals", "refused_by_address"):
            getattr(activity, read)(scope(None))
        commands = list(recorder.commands)
        assert len(commands) == 2 * len(OF_ANYBODY) + 5
        for command in commands:
            explained = watched.command("explain", command, verbosity="queryPlanner")
            assert "COLLSCAN" not in str(explained), command
            assert "IXSCAN" in str(explained), command
    counted = store.activity.views_over_time(scope(None, 365))
    assert sum(bar.number for bar in counted) == 20_000
    assert len(counted) < 20


class CommandRecorder(monitoring.CommandListener):
    """Records the commands that the database gets."""

    def __init__(self) -> None:
        self.commands: list[dict[str, Any]] = []
        self.batches = 0

    def started(self, event: monitoring.CommandStartedEvent) -> None:
        if event.command_name == "getMore":
            self.batches += 1
        if event.command_name in ("find", "aggregate"):
            left_out = {"lsid", "$db", "$clusterTime", "$readPreference"}
            self.commands.append(
                {name: value for name, value in event.command.items() if name not in left_out}
            )

    def succeeded(self, event: monitoring.CommandSucceededEvent) -> None: ...

    def failed(self, event: monitoring.CommandFailedEvent) -> None: ...


def test_a_zone_that_the_database_does_not_know_is_counted_by_its_present_offset(
    store: Store,
) -> None:
    class NewZone(ZoneInfo):
        """A zone that was founded after the database was built."""

        @property
        def key(self) -> str:
            return "Mars/Base"

    look(store, "ana", datetime(2026, 11, 20, 20, tzinfo=UTC))  # the 21st, five in the morning
    store.view_log.flush()
    zone = NewZone("Asia/Tokyo")
    [bar] = store.activity.views_over_time(scope(zone=zone))
    assert bar.start == datetime(2026, 11, 20, 15, tzinfo=UTC)


# CSV


def test_an_export_holds_one_batch_at_a_time(settings: Settings, store: Store) -> None:
    database = store._database  # noqa: SLF001
    entry = ViewEntry(user_id="ana", job_id="j", asset_id=None, action="view", time=TODAY)
    database["view_log"].insert_many([entry.to_document() for _ in range(3 * BATCH)])
    recorder = CommandRecorder()
    uri = settings.mongodb_uri.get_secret_value()
    with MongoClient[Any](uri, tz_aware=True, event_listeners=[recorder]) as client:
        entries = ActivityStore(client[database.name]).every_view(scope())
        next(entries)
        assert recorder.batches == 0
        assert sum(1 for _ in entries) == 3 * BATCH - 1
        assert recorder.batches >= 2


def rows(client: TestClient, address: str) -> list[dict[str, str]]:
    response = client.get(address)
    assert response.status_code == 200, response.text
    assert response.headers["content-disposition"].startswith("attachment")
    assert response.headers["cache-control"] == "no-store"
    return list(csv.DictReader(io.StringIO(response.content.decode("utf-8-sig"), newline="")))


def test_ones_own_activity_is_exported_and_nobody_elses(client: TestClient, store: Store) -> None:
    log_in(client, "ana")
    stored_job(store, "ana", "=cmd|' /C calc'!A0\n\"quoted\", and more")
    stored_job(store, "eve", "eve's own")
    look(store, "ana", now())
    look(store, "eve", now())
    look(store, "", now(), owner="ana", via=Via.SHARE)
    [job] = rows(client, "/activity/jobs.csv")
    assert job["prompt"] == "'=cmd|' /C calc'!A0\n\"quoted\", and more"
    assert [each["user_id"] for each in rows(client, "/activity/logins.csv")] == ["ana"]
    store.view_log.flush()
    assert {each["user_id"] for each in rows(client, "/activity/views.csv")} == {"ana", ""}
    for query in ("user=eve", "everybody=1", "user=", "user=ana&everybody=1"):
        assert client.get(f"/activity/jobs.csv?{query}").status_code == 403


def test_an_admin_exports_everything_and_that_is_logged(client: TestClient, store: Store) -> None:
    for user_id in ("ana", "eve"):
        store.users.create(user_id)
        stored_job(store, user_id)
    made_admin(store)
    log_in(client, "root", passphrase=ADMINS)
    assert len(rows(client, "/activity/jobs.csv?everybody=1")) == 2
    assert len(rows(client, "/activity/jobs.csv?user=eve&days=365")) == 1
    looks = [(each.action, each.owner, each.via) for each in store.view_log.of_user("root")]
    assert looks == [("open_activity", "eve", Via.ADMIN), ("open_activity", None, Via.ADMIN)]


@pytest.mark.parametrize("query", ["days=31", "days=x", "deeds=All", "zone=Mars/Base"])
def test_what_cannot_be_asked_for_gets_a_sentence(client: TestClient, query: str) -> None:
    log_in(client, "ana")
    response = client.get(f"/activity/views.csv?{query}")
    assert response.status_code == 400
    assert response.json()["detail"].endswith(".")


def test_nobody_gets_a_file_without_a_login(client: TestClient) -> None:
    for which in ("logins", "views", "jobs"):
        assert client.get(f"/activity/{which}.csv").status_code == 401
    log_in(client, "ana")
    assert client.get("/activity/users.csv").status_code == 404


def test_a_database_that_does_not_answer_gives_a_sentence(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Iterator[LoginEntry]:
        raise AutoReconnect
        yield

    log_in(client, "ana")
    monkeypatch.setattr(ActivityStore, "every_login", refuse)
    response = client.get("/activity/logins.csv")
    assert (response.status_code, response.headers["cache-control"]) == (503, "no-store")
    assert response.json()["detail"].startswith("The database does not answer")


# The page


def table_text(app: Any) -> str:
    return " ".join(each.value.to_string() for each in app.dataframe)


@pytest.mark.usefixtures("page_studio")
def test_my_logins_show_those_that_failed_and_which_ones_can_be_ended(store: Store) -> None:
    store.users.create("ana")
    _, session = store.login_sessions.begin("ana", 1)
    tried(store, "ana", now(), session=session.id)
    tried(store, "ana", now(), outcome="refused", reason="wrong passphrase", address="203.0.113.9")
    store.login_log.flush()
    text = table_text(opened("activity", "ana"))
    for expected in ("Logged in", "Refused", "The passphrase was wrong", "203.0.113.9", NOT_ME):
        assert expected in text


def disown(app: AppTest, row: int) -> AppTest:
    """Click “This was not me” in a row of the table of logins."""
    [table] = app.dataframe
    [widget_id] = table.proto.button_click_widgets.values()
    click = WidgetState(id=widget_id)
    click.string_trigger_value.data = json.dumps({"row": row, "label": NOT_ME})
    states = app._tree.get_widget_states()  # noqa: SLF001  # AppTest clicks in no table
    states.widgets.append(click)
    return app._run(states)  # noqa: SLF001


@pytest.mark.usefixtures("page_studio")
def test_a_login_that_was_not_me_has_ended_and_i_am_told_what_to_do(store: Store) -> None:
    store.users.create("ana")
    (_, kept), (_, stolen) = (
        store.login_sessions.begin("ana", 1),
        store.login_sessions.begin("ana", 1),
    )
    (_, eves) = store.login_sessions.begin("eve", 1)
    for later, session in enumerate((kept, stolen, eves)):  # the newest is in row 0
        tried(store, "ana", now() + timedelta(seconds=later), session=session.id)
    store.login_log.flush()
    app = disown(opened("activity", "ana"), 1)
    assert not app.exception
    [warning] = app.warning
    assert warning.value.startswith("That login has ended.")
    assert "set a passphrase on the page Account" in warning.value
    assert set(store.login_sessions.active([kept.id, stolen.id])) == {kept.id}
    again = disown(app, 1)
    assert again.warning[0].value.startswith("That login had ended already.")
    for row in (0, 99):  # somebody else's session, should a row ever name it; no row at all
        assert not disown(app, row).exception
    assert set(store.login_sessions.active([kept.id, eves.id])) == {kept.id, eves.id}


def test_only_a_login_that_began_a_session_of_another_browser_can_be_disowned(
    store: Store,
) -> None:
    entry = tried(store, "ana", now(), session="s1")
    assert login_row(entry, "s2")["Was this you?"] == NOT_ME
    assert login_row(entry, "s1")["Was this you?"] is None
    assert login_row(tried(store, "ana", now()), "s1")["Was this you?"] is None


@pytest.mark.usefixtures("page_studio")
@pytest.mark.parametrize("query", ["user=eve", "user=Everybody", "days=nonsense", "show=People"])
def test_whatever_the_address_asks_for_a_user_sees_the_own_activity(
    store: Store, query: str
) -> None:
    store.users.create("ana")
    stored_job(store, "eve", "eve's own")
    tried(store, "eve", now(), address="203.0.113.77")
    store.login_log.flush()
    name, value = query.split("=")
    app = opened("activity", "ana", **{name: value})
    assert "203.0.113.77" not in table_text(app)
    assert store.view_log.of_user("ana") == []


@pytest.mark.usefixtures("page_studio")
def test_an_admin_sees_everybody_and_that_is_logged(store: Store) -> None:
    made_admin(store)
    tried(store, "eve", now(), outcome="refused", reason="x", address="203.0.113.77")
    store.login_log.flush()
    app = opened("activity", "root", user="Everybody", show="People")
    assert "203.0.113.77" in table_text(app)
    [look_at] = store.view_log.of_user("root")
    assert (look_at.action, look_at.owner, look_at.via) == ("open_activity", None, Via.ADMIN)


@pytest.mark.usefixtures("page_studio")
def test_an_admin_sees_one_users_activity(store: Store) -> None:
    made_admin(store)
    store.users.create("eve")
    tried(store, "eve", now(), address="203.0.113.77")
    store.login_log.flush()
    assert "203.0.113.77" in table_text(opened("activity", "root", user="eve"))
    assert [each.owner for each in store.view_log.of_user("root")] == ["eve"]


@pytest.mark.usefixtures("page_studio")
def test_what_somebody_deleted_is_not_read_by_admins(client: TestClient, store: Store) -> None:
    made_admin(store)
    store.users.create("eve")
    job, _ = stored_job(store, "eve", "eve's own secret")
    look(store, "eve", now(), job_id=job.id)
    store.view_log.flush()
    store.job_actions.cancel(job.id, "eve")
    for show in ("Jobs", "Views"):
        assert "secret" in table_text(opened("activity", "root", user="eve", show=show))
    store.bin.put_job("eve", job.id)
    for show in ("Jobs", "Views"):
        assert "secret" not in table_text(opened("activity", "root", user="eve", show=show))
    assert "secret" in table_text(opened("activity", "eve", show="Jobs"))
    log_in(client, "root", passphrase=ADMINS)
    [row] = rows(client, "/activity/jobs.csv?user=eve")
    assert (row["job_id"], row["prompt"]) == (job.id, "")
