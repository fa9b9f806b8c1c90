"""What goes wrong around a message: dead senders, odd documents, changed minds, wrong clocks."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, ClassVar

import pytest
import schedule
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from core.models import Job, JobStatus, Notify, When, now
from core.notifications import notifier
from core.notifications.channels import ChannelDown, DeliveryFailed, Recipient
from core.notifications.message import Message
from core.notifications.notifier import run_notifier
from core.settings import Settings
from core.store import Store
from core.store.work.outbox import UNREADABLE, UNSERVED
from core.studio.preferences import choose_email
from tests.conftest import stored_job
from tests.integration.test_notifications import (
    EMAIL,
    Mailbox,
    Recorder,
    end,
    ended_job,
    rows,
    sender,
)
from tests.integration.test_store import raw

__all__ = ["raw"]

APP = Notify(channels=("app",))
DAILY = Notify(channels=("app",), when=When.DAILY, daily="08:00")
SOON = timedelta(days=3)
Raw = Database[dict[str, Any]]


@pytest.fixture(autouse=True)
def own_signals() -> Iterator[None]:
    """What a notifier in this process does to signals ends with its test."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def until(condition: Any, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


class Slow(Recorder):
    """Takes a message when the test lets it."""

    def __init__(self) -> None:
        super().__init__()
        self.begun, self.go_on = threading.Event(), threading.Event()

    def send(self, recipient: Recipient, message: Message) -> None:
        self.begun.set()
        assert self.go_on.wait(120)
        super().send(recipient, message)


def test_a_row_of_an_earlier_version_is_sent(store: Store, raw: Raw) -> None:
    job = ended_job(store, APP)
    later_fields = ("digest", "kind", "lease", "read_at", "tried_since", "title", "text")
    raw["outbox"].update_many({}, {"$unset": dict.fromkeys(later_fields, "")})
    app = Recorder()
    assert sender(store, app).send_due(app) == 1
    assert rows(store, job)["app"].status == "sent"


def test_a_stop_lets_a_message_end_and_nobody_takes_it_over(
    store: Store, settings: Settings
) -> None:
    ended_job(store, APP)
    slow, other = Slow(), Recorder()
    beside = sender(store, other, owner="other", lease_seconds=2.0)

    def stop_and_look() -> None:
        assert slow.begun.wait(120)
        os.kill(os.getpid(), signal.SIGTERM)
        deadline = time.monotonic() + 3  # longer than a lease
        while time.monotonic() < deadline:
            beside.send_due(other)
            time.sleep(0.1)
        slow.go_on.set()

    thread = threading.Thread(target=stop_and_look)
    thread.start()
    run_notifier(settings.model_copy(update={"lease_seconds": 2.0}), store, [slow])
    thread.join()
    assert (len(slow.taken), len(other.taken)) == (1, 0)


def test_an_hour_that_the_clock_shows_twice_stops_nothing(
    store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = Recorder()
    made = []
    original = notifier._scheduled  # noqa: SLF001  # to be set back by an hour

    def scheduled(*arguments: Any) -> schedule.Scheduler:
        made.append(original(*arguments))
        if len(made) == 1:
            for job in made[0].jobs:
                assert job.next_run is not None
                job.next_run += timedelta(hours=1)
        return made[-1]

    monkeypatch.setattr(notifier, "_scheduled", scheduled)

    def end_a_job_and_stop() -> None:
        until(lambda: len(made) > 1)
        ended_job(store, APP)
        until(lambda: app.taken)
        os.kill(os.getpid(), signal.SIGTERM)

    thread = threading.Thread(target=end_a_job_and_stop)
    thread.start()
    run_notifier(settings, store, [app])
    thread.join()
    assert len(app.taken) == 1


@pytest.mark.parametrize(
    "wish",
    [Notify(channels=()), APP.model_copy(update={"when": When.AT, "at": now() + SOON})],
    ids=["not at all", "later"],
)
def test_a_wish_that_changes_while_a_job_is_tried_again_holds(store: Store, wish: Notify) -> None:
    job = ended_job(store, APP)
    store.job_actions.retry(job.id, "ana")
    store.settlement.announce(job.id, "ana", wish)
    end(store, job)
    app = Recorder()
    assert sender(store, app).send_due(app) == 0
    assert rows(store, job).keys() == {"terminal", *wish.channels}


def test_what_was_moved_is_not_hurried_by_a_confirmation(store: Store) -> None:
    job, mail = ended_job(store, EMAIL), Mailbox()
    assert sender(store, mail).send_due(mail) == 0
    assert store.notices.reschedule(rows(store, job)["email"].id, "ana", now() + SOON)
    store.email_addresses.confirm_locally("ana", "ana@example.org")
    store.notices.retry_now("ana", "ana@example.org")
    assert sender(store, mail).send_due(mail) == 0


def test_another_time_begins_another_day_of_tries(store: Store) -> None:
    job = ended_job(store, APP)
    app = Recorder(DeliveryFailed("451"), DeliveryFailed("451"))
    sender(store, app).send_due(app)
    later = now() + SOON
    assert store.notices.reschedule(rows(store, job)["app"].id, "ana", later)
    sender(store, app, clock=lambda: later).send_due(app)
    assert rows(store, job)["app"].status == "due"


def test_a_retry_of_the_job_begins_another_day_of_tries(store: Store) -> None:
    job = ended_job(store, APP)
    app = Recorder(DeliveryFailed("451"), DeliveryFailed("451"))
    sender(store, app).send_due(app)
    store.job_actions.retry(job.id, "ana")
    sender(store, app, clock=lambda: now() + timedelta(minutes=1)).send_due(app)
    end(store, job)
    sender(store, app, clock=lambda: now() + SOON).send_due(app)
    assert rows(store, job)["app"].status == "due"


def test_a_row_whose_sender_died_can_be_cancelled(store: Store) -> None:
    job, app = ended_job(store, APP), Recorder()
    assert store.outbox.claim("app", "dead", -1)
    store.settlement.announce(job.id, "ana", Notify(channels=()))
    assert sender(store, app).send_due(app) == 0
    ended_job(store, APP)
    assert store.outbox.claim("app", "dead", -1)
    store.notices.cancel_channel("ana", "app")
    assert sender(store, app).send_due(app) == 0


def test_a_lease_that_nobody_works_on_is_not_renewed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Busy(Slow):
        name: ClassVar[str] = "email"

    job = ended_job(store, APP)
    store.email_addresses.confirm_locally("ana", "ana@example.org")
    ended_job(store, EMAIL)
    app, busy = Recorder(), Busy()
    both = sender(store, app, busy, lease_seconds=1.0)
    sending = threading.Thread(target=both.send_due, args=[busy])
    sending.start()
    assert busy.begun.wait(120)
    with monkeypatch.context() as broken:
        broken.setattr(store.jobs, "by_ids", lambda _: (_ for _ in ()).throw(AutoReconnect("gone")))
        with pytest.raises(AutoReconnect):
            both.send_due(app)
    other = Recorder()

    def taken_over() -> bool:
        both.renew()
        return bool(sender(store, other, owner="other").send_due(other))

    until(taken_over)
    busy.go_on.set()
    sending.join()
    assert rows(store, job)["app"].status == "sent"


def test_what_cannot_be_read_holds_back_no_other(store: Store, raw: Raw) -> None:
    odd_row, odd_job, good = (ended_job(store, APP) for _ in range(3))  # the job is mended
    raw["outbox"].update_many({"job_id": odd_row.id}, {"$set": {"kind": "weekly"}})
    raw["jobs"].update_one({"_id": odd_job.id}, {"$set": {"cost": "much"}})
    app = Recorder()
    assert sender(store, app).send_due(app) == 2
    assert [rows(store, job)["app"].status for job in (odd_job, good)] == ["sent", "sent"]
    found = {row["_id"]: row for row in raw["outbox"].find({"channel": "app"})}
    assert found[f"{odd_row.id}-app"]["error"] == UNREADABLE


def test_one_job_that_cannot_be_read_spoils_no_digest(store: Store, raw: Raw) -> None:
    jobs, app = [ended_job(store, DAILY) for _ in range(3)], Recorder()
    raw["jobs"].update_one({"_id": jobs[1].id}, {"$set": {"cost": "much"}})
    assert sender(store, app, clock=lambda: now() + SOON).send_due(app) == 3
    assert [rows(store, job)["app"].status for job in jobs] == ["sent", "sent", "sent"]


def test_a_job_ends_whatever_is_odd_about_its_user(store: Store, raw: Raw) -> None:
    job, _ = stored_job(store)
    store.users.ensure("ana")
    odd = {"url": "https://x.org", "secret": "", "format": "a newer one"}
    raw["users"].update_one({"_id": "ana"}, {"$set": {"webhook": odd}})
    store.settlement.announce(job.id, "ana", DAILY.model_copy(update={"timezone": "Mars/Base"}))
    end(store, job)
    found = store.jobs.get(job.id)
    assert found is not None
    assert found.status == JobStatus.FAILED


def test_a_corrected_address_gets_what_waits_for_the_former_one(store: Store) -> None:
    def choose(typed: str) -> None:
        user = store.users.get("ana")
        assert user is not None
        choose_email(store, user, typed)

    store.users.ensure("ana")
    choose("ana@exmaple.org")
    job = ended_job(store, Notify(channels=("email",)))
    choose("ana@example.org")
    assert rows(store, job)["email"].recipient == "ana@example.org"
    choose("")
    assert rows(store, job)["email"].status == "cancelled"


def test_a_row_waits_as_long_as_the_link_works_however_old_it_is(store: Store, raw: Raw) -> None:
    job, mail = ended_job(store, EMAIL), Mailbox()
    raw["outbox"].update_many({}, {"$set": {"created_at": now() - timedelta(days=10)}})
    store.email_addresses.request_confirmation("ana", "ana@example.org")
    assert sender(store, mail).send_due(mail) == 0
    assert rows(store, job)["email"].status == "due"
    raw["addresses"].update_many({}, {"$set": {"confirm_until": now() - timedelta(minutes=1)}})
    sender(store, mail, clock=lambda: now() + timedelta(hours=1)).send_due(mail)
    assert "never confirmed" in str(rows(store, job)["email"].error)


def test_what_nobody_sends_any_more_is_given_up_after_a_day(store: Store, raw: Raw) -> None:
    old, new = (ended_job(store, Notify(channels=("desktop",))) for _ in range(2))
    late = {"$set": {"due_at": now() - timedelta(days=2)}}
    raw["outbox"].update_many({"job_id": old.id}, late)
    sender(store, Recorder()).give_up_unserved()
    assert rows(store, old)["desktop"].error == UNSERVED
    assert rows(store, new)["desktop"].status == "due"
    assert store.outbox.overdue(-1) == 2, "the new one, and that in the terminal"


def test_a_channel_that_breaks_at_rest_goes_on(store: Store) -> None:
    class Restless(Recorder):
        def rest(self) -> None:
            raise RuntimeError("no rest")

    app = Restless()
    sending = sender(store, app)
    for number in (1, 2):
        ended_job(store, APP)
        sending.look()
        until(lambda number=number: len(app.taken) == number)
        until(lambda: not sending._sending.total())  # noqa: SLF001  # its thread has ended
    assert sending.stop(5)


def test_one_outage_is_one_however_many_threads_meet_it(store: Store) -> None:
    class Four(Mailbox):
        at_once = 4

        def __init__(self) -> None:
            super().__init__()
            self.together = threading.Barrier(4, timeout=120)

        def send(self, *_: object) -> None:
            self.together.wait()
            raise ChannelDown("The mail server is off.")

    store.email_addresses.confirm_locally("ana", "ana@example.org")
    for _ in range(4):
        ended_job(store, EMAIL)
    mail = Four()
    sending = sender(store, mail)
    sending.look()
    until(lambda: sending._downs["email"])  # noqa: SLF001  # how long the pause is
    assert sending.stop(20)
    assert sending._downs["email"] == 1  # noqa: SLF001


@pytest.mark.parametrize(("taken_over", "sent"), [(False, 1), (True, 0)])
def test_who_has_lost_its_lease_sends_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch, *, taken_over: bool, sent: int
) -> None:
    ended_job(store, APP)
    app, find = Recorder(), store.jobs.by_ids

    def slowly(job_ids: list[str]) -> dict[str, Job]:
        time.sleep(0.4)  # longer than the lease
        assert not taken_over or store.outbox.claim("app", "other", 60)
        return find(job_ids)

    monkeypatch.setattr(store.jobs, "by_ids", slowly)
    assert sender(store, app, lease_seconds=0.3).send_due(app) == sent
    assert len(app.taken) == sent


def test_while_a_message_waits_to_be_stored_as_sent_nothing_more_is_taken(store: Store) -> None:
    ended_job(store, APP)
    app = Recorder()
    owing = sender(store, app)
    owing._owing.add("another")  # noqa: SLF001  # as a thread beside it that waits for the database
    assert owing.send_due(app) == 0


def test_a_channel_that_is_down_is_not_asked_again_at_once(store: Store) -> None:
    ended_job(store, APP)
    app = Recorder(ChannelDown("off"))
    sending = sender(store, app)
    assert sending.send_due(app) == 0
    ended_job(store, APP)
    sending.look()
    assert sending.stop(5)
    assert app.taken == []


def test_a_receiver_that_asks_for_less_than_the_usual_pause_waits_for_that(store: Store) -> None:
    job, moment = ended_job(store, APP), now()
    app = Recorder(*[DeliveryFailed("429", retry_after=1.0)] * 3)
    for _ in range(3):
        sender(store, app, clock=lambda: moment).send_due(app)  # noqa: B023  # called at once
        moment = rows(store, job)["app"].due_at
    assert moment - now() > timedelta(seconds=20)


def test_every_row_of_a_digest_keeps_its_own_words_as_they_are(store: Store) -> None:
    jobs = []
    for prompt in ("$cost", "$$NOW and {fox}"):
        job, _ = stored_job(store, "ana", prompt)
        store.settlement.announce(job.id, "ana", DAILY)
        end(store, job)
        jobs.append(job)
    app = Recorder()
    assert sender(store, app, clock=lambda: now() + SOON).send_due(app) == 2
    for job in jobs:
        assert job.prompt in rows(store, job)["app"].title


def test_what_is_due_longest_goes_first(store: Store) -> None:
    early, late = now() - timedelta(hours=2), now() - timedelta(hours=1)
    jobs = [ended_job(store, APP) for _ in range(2)]
    for job, due_at in zip(jobs, (late, early), strict=True):
        store.notices.reschedule(f"{job.id}-app", "ana", due_at)
    app = Recorder()
    assert sender(store, app).send_due(app) == 2
    assert [message.jobs[0].job_id for _, message in app.taken] == [jobs[1].id, jobs[0].id]


def test_what_is_given_up_was_given_up_now(store: Store) -> None:
    job, moment = ended_job(store, APP), now()
    app = Recorder(DeliveryFailed("451"), DeliveryFailed("451", retry_after=3600))
    sender(store, app, clock=lambda: moment).send_due(app)
    moment += timedelta(days=1, seconds=1)
    sender(store, app, clock=lambda: moment).send_due(app)
    row = rows(store, job)["app"]
    assert (row.status, row.due_at) == ("failed", moment)


def test_a_digest_that_is_being_sent_holds_up_no_other_user(store: Store) -> None:
    later = now() + SOON
    ended_job(store, DAILY)
    assert store.outbox.claim("app", "one", 60, later)
    for _ in range(33):
        ended_job(store, DAILY)
    ben = ended_job(store, APP.model_copy(update={"when": When.AT, "at": later}), "ben")
    [row] = store.outbox.claim("app", "two", 60, later)
    assert row.job_id == ben.id


def test_a_wrong_clock_of_the_pages_delays_nothing(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = ended_job(store, APP.model_copy(update={"when": When.AT, "at": now() + SOON}))
    monkeypatch.setattr("core.store.work.notices.now", lambda: now() + timedelta(minutes=10))
    assert store.notices.send_now(f"{job.id}-app", "ana")
    app = Recorder()
    assert sender(store, app).send_due(app) == 1
