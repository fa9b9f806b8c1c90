"""The page “Notifications” and the wish on Create, without a browser."""

import json
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from pymongo.errors import AutoReconnect
from streamlit.testing.v1 import AppTest

from core import models
from core.notifications.registry import channel_names
from core.store import Store
from core.store.work.notices import NoticeStore
from core.studio.preferences import send_test
from core.web.inbox import notices
from core.web.resources import WebStudio
from core.web.text.dates import zone_of
from core.web.text.view_context import ViewContext
from tests.conftest import stored_job
from tests.integration.test_notifications import ended_job, rows
from tests.integration.test_web_pages import opened, send, shown, trigger

pytestmark = pytest.mark.usefixtures("page_studio")

BERLIN = "Europe/Berlin"


@pytest.fixture(autouse=True)
def every_channel(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(WebStudio, "channels", lambda _: channel_names())


def view(moment: datetime | None = None) -> ViewContext:
    return ViewContext(zone=zone_of(BERLIN), today=moment or models.now())


def sections(store: Store, user_id: str = "ana") -> dict[str, list[dict[str, Any]]]:
    user = models.User(id=user_id, created_at=models.now())
    found = notices.overview(store, user, view())["sections"]
    return {section["id"]: section["rows"] for section in found}


def act(
    store: Store, name: str, key: str, on: str = "notice", user_id: str = "ana", **more: str
) -> str:
    user = models.User(id=user_id, created_at=models.now())
    action = json.dumps({"name": name, "id": key, "on": on, **more})
    return notices.carry_out(store, user, action, BERLIN)


def press(app: AppTest, label: str) -> AppTest:
    [button] = [each for each in app.button if each.label == label]
    return button.click().run()


def test_what_is_due_failed_and_sent_is_shown_with_what_can_be_done(store: Store) -> None:
    at = models.now() + timedelta(days=2)
    due = ended_job(
        store, models.Notify(channels=("email", "app"), email="a@x.org", when=models.When.AT, at=at)
    )
    making, _ = stored_job(store)
    stored_job(store, "ben")
    [claimed] = store.outbox.claim("email", "test", 60, at)
    store.outbox.failed([claimed], "550 no such user", None)
    [claimed] = store.outbox.claim("app", "test", 60, at)
    store.outbox.sent({claimed.id: ("Ready: “the sea”", "5 images.")})
    found = sections(store)
    [planned] = found["due"]
    assert (planned["id"], planned["on"]) == (making.id, "job")
    assert planned["label"] == "As soon as it is ready"
    [failed] = found["failed"]
    assert (failed["to"], failed["error"], failed["acts"]) == (
        "a@x.org",
        "550 no such user",
        [("send_now", "Send now"), ("cancel", "Put away")],
    )
    [sent] = found["sent"]
    assert (sent["title"], sent["acts"]) == ("Ready: “the sea”", [])
    assert sent["href"] == f"/job?id={due.id}"
    assert sections(store, "eva") == {"due": [], "sent": []}


def test_a_row_is_sent_now_moved_or_cancelled_by_its_user_only(store: Store) -> None:
    wish = models.Notify(
        channels=("app",), when=models.When.AT, at=models.now() + timedelta(days=2)
    )
    job = ended_job(store, wish)
    key = f"{job.id}-app"
    assert "being sent" in act(store, "cancel", key, user_id="ben")
    assert act(store, "reschedule", key, local="2027-01-02T09:00") == ""
    assert rows(store, job)["app"].due_at == datetime(2027, 1, 2, 8, 0, tzinfo=UTC)
    before = models.now()
    assert act(store, "send_now", key) == ""
    assert (
        before <= rows(store, job)["app"].due_at <= models.now()
    )  # perhaps all in one millisecond
    assert act(store, "cancel", key) == ""
    assert rows(store, job)["app"].status == models.NoticeStatus.CANCELLED
    assert "being sent" in act(store, "send_now", key)
    for forged in ("[]", "{", '{"name": "cancel"}', '{"name": "cancel", "on": "x", "id": "y"}'):
        with pytest.raises(models.InvalidInput, match="no such button"):
            notices.carry_out(store, models.User(id="ana", created_at=models.now()), forged, BERLIN)
    with pytest.raises(models.InvalidInput, match="no such button"):
        act(store, "cancel", "\ud800")
    with pytest.raises(models.InvalidInput, match="no such button"):
        act(store, "send_now", job.id, "job")
    with pytest.raises(models.InvalidInput, match="no date and time"):
        act(store, "reschedule", key, local="9999-12-31T23:59")
    with pytest.raises(models.InvalidInput, match="no date and time"):
        act(store, "reschedule", key, local="soon")
    with pytest.raises(models.InvalidInput, match="no such button"):
        act(store, "explode", key)


def test_the_plan_of_a_job_in_the_making_is_changed(store: Store) -> None:
    job, _ = stored_job(store)

    def wish() -> models.Notify:
        found = store.jobs.get(job.id)
        assert found is not None
        return found.notify

    assert act(store, "reschedule", job.id, "job", local="2027-01-02T09:00") == ""
    assert (wish().when, wish().at) == (models.When.AT, datetime(2027, 1, 2, 8, 0, tzinfo=UTC))
    assert act(store, "cancel", job.id, "job") == ""
    assert wish().channels == ()
    assert act(store, "reschedule", job.id, "job", local="2027-01-02T09:00") == ""
    assert wish().channels == ("app",)
    with pytest.raises(models.InvalidInput, match="no such job"):
        act(store, "cancel", job.id, "job", user_id="ben")


def test_the_pages_buttons_do_what_they_say(store: Store) -> None:
    job = ended_job(
        store,
        models.Notify(channels=("app",), when=models.When.AT, at=models.now() + timedelta(days=1)),
    )
    app = opened("notifications")
    action = json.dumps({"name": "cancel", "id": f"{job.id}-app", "on": "notice"})
    trigger(app, "notifications", "act", action)
    assert not app.exception
    assert rows(store, job)["app"].status == models.NoticeStatus.CANCELLED


def test_defaults_are_kept_and_the_next_order_begins_with_them(store: Store) -> None:
    store.users.ensure("ana")
    app = opened("notifications")
    app.selectbox(key="preferences-zone").set_value("Asia/Tokyo").run()
    app.selectbox(key="preferences-choice").set_value(models.When.DAILY).run()
    app.time_input(key="preferences-daily").set_value(time(7, 30)).run()
    press(app, "Save")
    user = store.users.get("ana")
    assert user is not None
    assert user.zone == "Asia/Tokyo"
    assert (user.notify.when, user.notify.daily) == (models.When.DAILY, "07:30")
    assert user.notify.timezone == "Asia/Tokyo"
    send(opened("create"), "a fox")
    [job] = store.jobs.of_user("ana")
    assert (job.notify.when, job.notify.daily, job.notify.timezone) == (
        models.When.DAILY,
        "07:30",
        "Asia/Tokyo",
    )


def test_an_address_is_asked_for_and_mail_waits_for_the_answer(store: Store) -> None:
    store.users.ensure("ana")
    app = opened("notifications")
    app.text_input(key="preferences-email").set_value("Ana@Example.org").run()
    press(app, "Save the address")
    user = store.users.get("ana")
    assert user is not None
    assert user.email == "Ana@example.org"
    assert "email" in user.notify.channels, "who gives an address wants mail"
    [question] = store.notices.of_user("ana", [models.NoticeStatus.DUE])
    assert (question.kind, question.recipient) == (models.NoticeKind.CONFIRM, "Ana@example.org")
    assert any("follow the link" in each.value for each in app.caption)
    app.text_input(key="preferences-email").set_value("nobody").run()
    press(app, "Save the address")
    assert any("is no e-mail address" in each.value for each in app.error)
    app.text_input(key="preferences-email").set_value("").run()
    press(app, "Save the address")
    user = store.users.get("ana")
    assert user is not None
    assert (user.email, user.notify.channels) == (None, ("app",))
    assert store.notices.of_user("ana", [models.NoticeStatus.DUE]) == [], "no mail is sent any more"


def test_a_webhook_is_kept_and_removed_without_showing_its_address(store: Store) -> None:
    store.users.ensure("ana")
    app = opened("notifications")
    app.text_input(key="preferences-webhook").set_value(
        "https://hooks.slack.com/services/T/SECRET"
    ).run()
    press(app, "Save the webhook")
    user = store.users.get("ana")
    assert user is not None
    assert user.webhook is not None
    assert user.webhook.format == models.WebhookFormat.SLACK
    app = opened("notifications")
    assert "SECRET" not in str(app.main)
    assert any("hooks.slack.com" in each.value for each in app.text)
    press(app, "Remove the webhook")
    again = store.users.get("ana")
    assert again is not None
    assert again.webhook is None
    app.text_input(key="preferences-webhook").set_value("ftp://x").run()
    press(app, "Save the webhook")
    assert app.error


def test_a_test_goes_where_it_is_asked_to_or_says_what_is_missing(store: Store) -> None:
    store.users.ensure("ana")
    app = opened("notifications")
    press(app, "Send")
    [row] = store.notices.of_user("ana", [models.NoticeStatus.DUE])
    assert (row.kind, row.channel) == (models.NoticeKind.TEST, "app")
    app.selectbox(key="preferences-test-channel").set_value("email").run()
    press(app, "Send")
    assert any("e-mail address" in each.value for each in app.error)


def test_tests_are_bounded(store: Store) -> None:
    ana = models.User(id="ana", created_at=models.now())
    for _ in range(10):
        send_test(store, ana, "app")
        [claimed] = store.outbox.claim("app", "test", 60)
        store.outbox.sent({claimed.id: ("This is a test", "")})
    with pytest.raises(models.InvalidInput, match="10 tests within an hour"):
        send_test(store, ana, "app")


def test_an_order_says_when_and_how(store: Store) -> None:
    app = opened("create")
    app.selectbox(key="notify-choice").set_value(models.When.AT).run()
    app.datetime_input(key="notify-at").set_value(datetime(2027, 1, 2, 9, 0)).run()
    send(app, "a fox")
    [job] = store.jobs.of_user("ana")
    assert (job.notify.when, job.notify.channels) == (models.When.AT, ("app",))
    assert job.notify.at == datetime(2027, 1, 2, 9, 0, tzinfo=UTC)


def test_an_order_for_mail_without_an_address_is_refused_and_loses_nothing(store: Store) -> None:
    app = opened("create")
    app.pills(key="notify-channels").set_value(["email"]).run()
    app = send(app, "a fox")
    assert any("e-mail address" in each.value for each in app.error)
    assert shown(app)["create_prompt"]["token"] == ""  # the box keeps what it has
    assert store.jobs.of_user("ana") == []


def test_a_database_that_does_not_answer_is_said_in_place(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.ping()

    def gone(*_: object) -> None:
        raise AutoReconnect("gone")

    monkeypatch.setattr(NoticeStore, "of_user", gone)
    app = opened("notifications")
    assert "does not answer" in app.text[0].value
    assert "notices" not in shown(app)
