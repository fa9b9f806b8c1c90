"""From an ended job to a message: the outbox and its sender, on a real MongoDB."""

import threading
import time as time_module
from collections.abc import Mapping
from datetime import time, timedelta
from itertools import count
from typing import Any, ClassVar
from zoneinfo import ZoneInfo

import pytest
from pymongo.errors import AutoReconnect

from core import models
from core.notifications.channels import Channel, ChannelDown, DeliveryFailed, Recipient
from core.notifications.message import Message
from core.notifications.sender import OUR_FAULT, Sender
from core.store import Store
from core.store.work.outbox import TRY_FOR
from tests.conftest import claim, stored_job

LINKS = "http://studio.example.org"


class Recorder(Channel):
    """Takes every message, or fails as the test says."""

    name: ClassVar[str] = "app"

    def __init__(self, *failures: Exception) -> None:
        self.taken: list[tuple[Recipient, Message]] = []
        self.failures = list(failures)

    def send(self, recipient: Recipient, message: Message) -> None:
        if self.failures:
            raise self.failures.pop(0)
        self.taken.append((recipient, message))

    def check(self) -> str:
        return "recorded"


class Mailbox(Recorder):
    name: ClassVar[str] = "email"


def sender(store: Store, *channels: Channel, owner: str = "test:1", **chosen: Any) -> Sender:
    return Sender(store, channels, LINKS, owner=owner, **({"lease_seconds": 15.0} | chosen))


def end(store: Store, job: models.Job) -> None:
    """Let all items of a job fail, and with them the job."""
    for asset in store.assets.of_job(job.id):
        claimed = claim(store, asset.id)
        assert claimed is not None
        store.transitions.failed(claimed, models.AssetError(code="x", message="No."))
    store.settlement.settle(job.id)


def ended_job(store: Store, notify: models.Notify, user_id: str = "ana") -> models.Job:
    job, _ = stored_job(store, user_id)
    store.settlement.announce(job.id, user_id, notify)
    end(store, job)
    return job


def rows(store: Store, job: models.Job) -> dict[str, models.Notice]:
    return {row.channel: row for row in store.notices.of_job(job.id)}


EMAIL = models.Notify(channels=("email",), email="ana@example.org")


def renew(store: Store, notice: models.Notice, seconds: float) -> None:
    assert notice.lease is not None
    store.outbox.renew([notice.lease.token], seconds)


def test_an_ended_job_is_announced_once_over_each_channel_and_always_in_the_terminal(
    store: Store,
) -> None:
    job = ended_job(store, models.Notify(channels=("app",)))
    assert set(rows(store, job)) == {"app", "terminal"}
    app = Recorder()
    assert sender(store, app).send_due(app) == 1
    assert sender(store, app, owner="test:2").send_due(app) == 0
    [(recipient, message)] = app.taken
    assert recipient.user_id == "ana"
    assert message.link == f"{LINKS}/job?id={job.id}"
    row = rows(store, job)["app"]
    assert (row.status, row.title, row.text) == ("sent", message.title, message.text)
    assert row.sent_at is not None
    store.settlement.settle(job.id)
    assert sender(store, app).send_due(app) == 0


def test_nothing_is_sent_before_the_chosen_time_and_all_of_it_after_a_time_of_downtime(
    store: Store,
) -> None:
    at = models.now() + timedelta(hours=2)
    job = ended_job(store, models.Notify(channels=("app",), when=models.When.AT, at=at))
    app = Recorder()
    early = sender(store, app, clock=lambda: at - timedelta(milliseconds=1))
    assert early.send_due(app) == 0
    assert sender(store, app, clock=lambda: at).send_due(app) == 1
    past = ended_job(
        store, models.Notify(channels=("app",), when=models.When.AT, at=models.DUE_NOW)
    )
    late = sender(store, app, clock=lambda: models.now() + timedelta(days=9))
    assert late.send_due(app) == 1
    assert {row.status for row in (*rows(store, job).values(), *rows(store, past).values())} == {
        "sent",
        "due",  # in the terminal
    }


def test_a_daily_digest_is_one_message_and_takes_only_what_is_due(store: Store) -> None:
    daily = models.Notify(
        channels=("app",), when=models.When.DAILY, daily="08:00", timezone="Asia/Tokyo"
    )
    jobs = [ended_job(store, daily) for _ in range(3)]
    due_at = rows(store, jobs[0])["app"].due_at
    assert due_at.astimezone(ZoneInfo("Asia/Tokyo")).time() == time(8)
    ended_job(store, daily, "ben")
    app = Recorder()
    assert sender(store, app, clock=lambda: due_at - timedelta(seconds=1)).send_due(app) == 0
    assert sender(store, app, clock=lambda: due_at).send_due(app) == 4
    [ana] = [message for recipient, message in app.taken if recipient.user_id == "ana"]
    assert [report.job_id for report in ana.jobs] == [job.id for job in jobs]
    assert len(app.taken) == 2
    row = rows(store, jobs[0])["app"]
    assert row.title == "Your content could not be made: “the sea”", "each row says its own"


def test_two_senders_share_no_digest(store: Store) -> None:
    daily = models.Notify(channels=("app",), when=models.When.DAILY, daily="08:00")
    for _ in range(3):
        ended_job(store, daily)
    later = models.now() + timedelta(days=2)
    first = store.outbox.claim("app", "one", 60, later)
    assert len(first) == 3
    assert store.outbox.claim("app", "two", 60, later) == []
    straggler = ended_job(store, daily)
    assert store.outbox.claim("app", "two", 60, later) == [], "it waits for the next message"
    assert rows(store, straggler)["app"].lease is None


def test_a_row_of_a_sender_that_died_is_taken_over_when_its_lease_has_run_out(
    store: Store,
) -> None:
    job = ended_job(store, models.Notify(channels=("app",)))
    [dead] = store.outbox.claim("app", "dead", 60)
    app = Recorder()
    assert sender(store, app).send_due(app) == 0
    renew(store, dead, -1)
    assert sender(store, app).send_due(app) == 1
    assert rows(store, job)["app"].status == "sent"


def test_a_lease_that_is_renewed_is_not_taken_over(store: Store) -> None:
    ended_job(store, models.Notify(channels=("app",)))
    [slow] = store.outbox.claim("app", "slow", 0.0)
    renew(store, slow, 60)
    assert store.outbox.claim("app", "other", 60) == []


def test_who_lost_its_lease_cannot_call_a_row_failed(store: Store) -> None:
    job = ended_job(store, models.Notify(channels=("app",)))
    slow = store.outbox.claim("app", "slow", -1)
    assert store.outbox.claim("app", "other", 60)
    store.outbox.failed(slow, "Too late.", None)
    assert rows(store, job)["app"].status == "due"


def test_a_failure_is_tried_again_ever_later_for_a_day_and_then_given_up(store: Store) -> None:
    job = ended_job(store, models.Notify(channels=("app",)))
    moment, app = models.now(), Recorder()
    pauses, began = [], moment
    while rows(store, job)["app"].status == "due":
        app.failures = [DeliveryFailed("451 come back later")]
        assert sender(store, app, clock=lambda: moment).send_due(app) == 0  # noqa: B023  # called at once
        row = rows(store, job)["app"]
        assert row.error == "451 come back later"
        pauses.append((row.due_at - moment).total_seconds())
        moment = row.due_at
    assert pauses[:4] == [5, 10, 20, 40]
    assert max(pauses) == 900
    assert TRY_FOR <= moment - began < TRY_FOR + timedelta(minutes=31)
    assert rows(store, job)["app"].status == "failed"
    assert app.taken == []


def test_a_refusal_for_good_is_not_tried_again_unless_the_user_says_so(store: Store) -> None:
    job = ended_job(store, models.Notify(channels=("app",)))
    app = Recorder(DeliveryFailed("550 no such user", permanent=True))
    assert sender(store, app).send_due(app) == 0
    row = rows(store, job)["app"]
    assert (row.status, row.error) == ("failed", "550 no such user")
    assert not store.notices.send_now(row.id, "ben")
    assert store.notices.send_now(row.id, "ana")
    assert sender(store, app).send_due(app) == 1


def test_a_receiver_that_asks_to_wait_is_waited_for(store: Store) -> None:
    job = ended_job(store, models.Notify(channels=("app",)))
    app, moment = (
        Recorder(DeliveryFailed("429", retry_after=600)),
        models.now() + timedelta(minutes=1),
    )
    assert sender(store, app, clock=lambda: moment).send_due(app) == 0
    assert rows(store, job)["app"].due_at == moment + timedelta(seconds=600)


def test_a_broken_channel_holds_back_no_other_and_is_left_alone_for_a_while(store: Store) -> None:
    store.email_addresses.confirm_locally("ana", "ana@example.org")
    jobs = [ended_job(store, EMAIL.model_copy(update={"channels": ("email", "app")})) for _ in "ab"]
    mail, app = Mailbox(*[ChannelDown("The mail server is off.")] * 9), Recorder()
    both = sender(store, mail, app)
    assert (both.send_due(mail), both.send_due(app)) == (0, 2)
    found = [rows(store, job)["email"] for job in jobs]
    assert sorted(row.attempts for row in found) == [0, 1], "one try tells that it is off"
    assert {row.error for row in found} == {None, "The mail server is off."}


def test_a_mistake_in_a_channel_holds_back_no_other_row(store: Store) -> None:
    jobs = [ended_job(store, models.Notify(channels=("app",))) for _ in "ab"]
    app = Recorder(UnicodeEncodeError("latin-1", "x", 0, 1, "no"))
    assert sender(store, app).send_due(app) == 1
    found = [rows(store, job)["app"] for job in jobs]
    assert sorted(row.status for row in found) == ["due", "sent"]
    assert {row.error for row in found} == {None, OUR_FAULT}


def test_a_job_that_is_tried_again_is_announced_when_that_has_ended(store: Store) -> None:
    job = ended_job(store, models.Notify(channels=("app",)))
    assert store.job_actions.retry(job.id, "ana") == 10
    app = Recorder()
    assert sender(store, app).send_due(app) == 0
    row = rows(store, job)["app"]
    assert (row.status, row.attempts) == ("due", 0)
    assert row.due_at > models.now()
    end(store, job)
    assert sender(store, app, clock=lambda: row.due_at).send_due(app) == 1
    assert len(store.notices.of_job(job.id)) == 2


def test_mail_waits_until_its_address_is_confirmed(store: Store) -> None:
    job = ended_job(store, EMAIL)
    mail = Mailbox()
    assert sender(store, mail).send_due(mail) == 0
    row = rows(store, job)["email"]
    assert row.status == "due"
    assert "until the address is confirmed" in str(row.error)
    unconfirmed = store.email_addresses.request_confirmation("ana", "ana@example.org")
    store.notices.add("ana", models.NoticeKind.CONFIRM, "email", "ana@example.org")
    assert sender(store, mail).send_due(mail) == 1
    [(recipient, question)] = mail.taken
    assert question.link == f"{LINKS}/mail/confirm/{unconfirmed.confirm_token}"
    assert "/mail/unsubscribe/" in recipient.unsubscribe, "who was asked can end that, too"
    assert store.email_addresses.confirm(str(unconfirmed.confirm_token)) is not None
    store.notices.retry_now("ana", "ana@example.org")
    assert sender(store, mail).send_due(mail) == 1
    recipient, message = mail.taken[-1]
    assert message.jobs[0].job_id == job.id
    assert recipient.unsubscribe.startswith(f"{LINKS}/mail/unsubscribe/")


def test_another_users_confirmation_counts_for_that_user_only(store: Store) -> None:
    store.email_addresses.confirm_locally("ben", "ana@example.org")
    ended_job(store, EMAIL)
    mail = Mailbox()
    assert sender(store, mail).send_due(mail) == 0


def test_who_unsubscribed_gets_nothing_more_until_the_address_is_confirmed_again(
    store: Store,
) -> None:
    address = store.email_addresses.confirm_locally("ana", "ana@example.org")
    assert store.email_addresses.unsubscribe(address.unsubscribe_token) is not None
    job, mail = ended_job(store, EMAIL), Mailbox()
    assert sender(store, mail).send_due(mail) == 0
    row = rows(store, job)["email"]
    assert row.status == "failed"
    assert "wants no more mail" in str(row.error)
    with pytest.raises(models.InvalidInput, match="wants no more mail"):
        store.email_addresses.confirm_locally("ana", "ana@example.org")
    unconfirmed = store.email_addresses.request_confirmation("ana", "ana@example.org")
    again = store.email_addresses.confirm(str(unconfirmed.confirm_token))
    assert again is not None
    assert again.takes_mail


def test_an_owner_is_not_asked_again_and_again(store: Store) -> None:
    for _ in range(3):
        store.email_addresses.request_confirmation("ana", "ben@example.org")
    with pytest.raises(models.InvalidInput, match="of this address"):
        store.email_addresses.request_confirmation("eva", "ben@example.org")
    for number in range(7):
        store.email_addresses.request_confirmation("ana", f"x{number}@example.org")
    with pytest.raises(models.InvalidInput, match="by you"):
        store.email_addresses.request_confirmation("ana", "y@example.org")


def test_spellings_of_one_mailbox_are_counted_together(store: Store) -> None:
    for spelling in ("ben@example.org", "BEN@example.org", "ben+x@example.org"):
        store.email_addresses.request_confirmation("ana", spelling)
    with pytest.raises(models.InvalidInput, match="of this address"):
        store.email_addresses.request_confirmation("eva", "Ben+y@example.org")


def test_who_says_no_to_the_question_is_asked_by_nobody_any_more(store: Store) -> None:
    unconfirmed = store.email_addresses.request_confirmation("ana", "ben@example.org")
    assert store.email_addresses.unsubscribe(unconfirmed.unsubscribe_token) is not None
    with pytest.raises(models.InvalidInput, match="does not want to be asked"):
        store.email_addresses.request_confirmation("eva", "ben@example.org")


def test_a_link_to_confirm_works_once(store: Store) -> None:
    unconfirmed = store.email_addresses.request_confirmation("ana", "ana@example.org")
    assert store.email_addresses.confirm(str(unconfirmed.confirm_token)) is not None
    assert store.email_addresses.confirm(str(unconfirmed.confirm_token)) is None
    assert store.email_addresses.confirm("") is None


def test_a_webhook_that_was_taken_away_is_said(store: Store) -> None:
    class Hook(Recorder):
        name: ClassVar[str] = "webhook"

    store.users.ensure("ana")
    webhook = models.Webhook(url="https://x.example.org/secret", secret="whsec_x")  # noqa: S106
    store.users.set_preferences("ana", webhook=webhook)
    job, hook = ended_job(store, models.Notify(channels=("webhook",))), Hook()
    assert rows(store, job)["webhook"].recipient == "ana"
    store.users.set_preferences("ana", webhook=None)
    assert sender(store, hook).send_due(hook) == 0
    assert rows(store, job)["webhook"].status == "failed"


def test_a_wish_can_be_changed_until_the_message_was_sent(store: Store) -> None:
    later = models.Notify(
        channels=("app",), when=models.When.AT, at=models.now() + timedelta(days=3)
    )
    job = ended_job(store, later)
    row = rows(store, job)["app"]
    sooner = models.now() + timedelta(hours=1)
    assert not store.notices.reschedule(row.id, "ben", sooner)
    assert store.notices.reschedule(row.id, "ana", sooner)
    assert rows(store, job)["app"].due_at == sooner
    store.settlement.announce(job.id, "ben", models.Notify(channels=()))
    assert rows(store, job)["app"].status == "due"
    store.settlement.announce(job.id, "ana", models.Notify(channels=()))
    assert rows(store, job)["app"].status == "cancelled"
    store.settlement.announce(job.id, "ana", models.Notify(channels=("app",)))
    app = Recorder()
    assert sender(store, app).send_due(app) == 1
    store.settlement.announce(job.id, "ana", later)
    assert rows(store, job)["app"].status == "sent"
    assert not store.notices.cancel(row.id, "ana")
    assert len(store.notices.of_job(job.id)) == 2


def test_what_is_being_sent_can_be_neither_cancelled_nor_moved(store: Store) -> None:
    job = ended_job(store, models.Notify(channels=("app",)))
    [row] = store.outbox.claim("app", "sender", 60)
    assert not store.notices.cancel(row.id, "ana")
    assert not store.notices.reschedule(row.id, "ana", models.now())
    store.settlement.announce(job.id, "ana", models.Notify(channels=()))
    assert rows(store, job)["app"].status == "due"


def test_a_message_that_was_taken_is_not_sent_again_when_the_database_fails_then(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, app = ended_job(store, models.Notify(channels=("app",))), Recorder()
    stored, failures = store.outbox.sent, [AutoReconnect("gone"), AutoReconnect("gone")]

    def unsteady(said: Mapping[str, tuple[str, str]]) -> None:
        if failures:
            raise failures.pop()
        stored(said)

    monkeypatch.setattr(store.outbox, "sent", unsteady)
    assert sender(store, app).send_due(app) == 1
    assert rows(store, job)["app"].status == "sent"
    assert len(app.taken) == 1


def test_a_user_whose_receiver_hangs_holds_up_no_other_where_users_take_turns(
    store: Store,
) -> None:
    for user_id in ("mallory", "mallory", "mallory", "ana"):
        ended_job(store, models.Notify(channels=("app",)), user_id)
    [hanging] = store.outbox.claim("app", "one", 60, in_turn=True)
    [next_one] = store.outbox.claim("app", "one", 60, in_turn=True)
    assert (hanging.user_id, next_one.user_id) == ("mallory", "ana")
    assert store.outbox.claim("app", "two", 60, in_turn=True) == []
    store.outbox.postpone([hanging], 60, None)
    assert len(store.outbox.claim("app", "two", 60, in_turn=True)) == 1


def test_what_becomes_of_one_row_of_a_digest_touches_no_other(store: Store) -> None:
    daily = models.Notify(channels=("app",), when=models.When.DAILY, daily="08:00")
    jobs, later = [ended_job(store, daily) for _ in range(3)], models.now() + timedelta(days=2)
    assert store.job_actions.retry(jobs[1].id, "ana") == 10
    app = Recorder()
    assert sender(store, app, clock=lambda: later).send_due(app) == 2
    assert [rows(store, job)["app"].status for job in jobs] == ["sent", "due", "sent"]
    assert [report.job_id for report in app.taken[0][1].jobs] == [jobs[0].id, jobs[2].id]


def test_a_very_large_digest_is_sent_in_parts(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.store.work.outbox.DIGEST_ROWS", 2)
    daily = models.Notify(channels=("app",), when=models.When.DAILY, daily="08:00")
    jobs, app = [ended_job(store, daily) for _ in range(5)], Recorder()
    assert sender(store, app, clock=lambda: models.now() + timedelta(days=2)).send_due(app) == 5
    assert [len(message.jobs) for _, message in app.taken] == [2, 2, 1]
    assert {report.job_id for _, message in app.taken for report in message.jobs} == {
        job.id for job in jobs
    }


def test_many_are_sent_side_by_side_and_each_once(store: Store) -> None:
    class Gate(Recorder):
        """Takes nothing before three threads are at it."""

        at_once = 3

        def __init__(self) -> None:
            super().__init__()
            self.together = threading.Barrier(3, timeout=120)
            self.entries = count(1)

        def send(self, recipient: Recipient, message: Message) -> None:
            if next(self.entries) <= 3:
                self.together.wait()
            super().send(recipient, message)

    for _ in range(6):
        ended_job(store, models.Notify(channels=("app",)))
    gate = Gate()
    sending = sender(store, gate)
    sending.look()
    until = time_module.monotonic() + 20
    while len(gate.taken) < 6:
        assert time_module.monotonic() < until
        time_module.sleep(0.01)
    assert sending.stop(20)
    assert len({message.id for _, message in gate.taken}) == len(gate.taken) == 6


def test_what_failed_and_what_was_sent_to_the_app_is_what_the_app_tells(store: Store) -> None:
    store.email_addresses.confirm_locally("ana", "ana@example.org")
    ended_job(store, models.Notify(channels=("app", "email"), email="ana@example.org"))
    mail, app = Mailbox(DeliveryFailed("550", permanent=True)), Recorder()
    both = sender(store, mail, app)
    both.send_due(mail)
    both.send_due(app)
    assert {row.channel for row in store.notices.in_app("ana")} == {"app", "email"}
    assert store.notices.unread("ana") == 2
    store.notices.mark_read("ana", "another-job")
    assert store.notices.unread("ana") == 2
    store.notices.mark_read("ana")
    assert (store.notices.unread("ana"), store.notices.unread("ben")) == (0, 0)
    assert [row.status for row in store.notices.of_user("ana", [models.NoticeStatus.FAILED])] == [
        "failed"
    ]
