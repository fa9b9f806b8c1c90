"""Whatever the zone and the clock's changes: each message once, none early, none lost."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st

from core.models import DUE_NOW, Job, Notice, Notify, When, new_id
from core.models.times import zone_names
from core.store import Store
from tests.conftest import stored_job
from tests.integration.test_notifications import Recorder, end, sender
from tests.profiles import examples

YEAR = (datetime(2026, 1, 1), datetime(2026, 12, 31))


@dataclass(frozen=True)
class Story:
    """Jobs that end at one time, and how time passes then.

    Attributes:
        start: when the jobs end.
        wishes: how each is to be announced.
        steps: minutes until somebody looks, each time, and whether that one dies before it sends.
    """

    start: datetime
    wishes: list[Notify]
    steps: list[tuple[int, bool]]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    start = draw(st.datetimes(*YEAR, timezones=st.just(UTC)))
    start = start.replace(microsecond=start.microsecond // 1000 * 1000)  # as MongoDB keeps it
    zone = draw(st.sampled_from(zone_names()))
    wish = st.builds(
        Notify,
        when=st.sampled_from(When),
        at=st.integers(-24, 72).map(lambda hours: start + timedelta(hours=hours)),
        daily=st.times().map(lambda clock: f"{clock:%H:%M}"),
        timezone=st.just(zone),
    )
    wishes = draw(st.lists(wish, min_size=1, max_size=4))
    return Story(start, wishes, draw(st.lists(st.tuples(st.integers(1, 1800), st.booleans()))))


def stored(store: Store, user_id: str, story: Story) -> dict[str, datetime]:
    """Store the jobs and what announces them, and return when each is due."""
    due = {}
    for wish in story.wishes:
        job: Job = stored_job(store, user_id)[0]
        store.settlement.announce(job.id, user_id, Notify(channels=()))
        end(store, job)
        notice = Notice(
            id=f"{job.id}-app",
            job_id=job.id,
            user_id=user_id,
            channel="app",
            recipient=user_id,
            digest=wish.when == When.DAILY,
            due_at=wish.due_at(story.start),
            created_at=story.start,
        )
        store.outbox._rows.insert_one(notice.to_document())  # noqa: SLF001  # ended in the story's time
        due[job.id] = notice.due_at
    return due


@examples(fast=25, deep=300)
@given(story=stories())
def test_each_is_told_once_and_none_early_however_time_passes(store: Store, story: Story) -> None:
    user_id = f"u{new_id()}"
    due = stored(store, user_id, story)
    notified: dict[str, datetime] = {}
    moment = story.start
    last = max(due.values()) + timedelta(minutes=2)  # longer than a lease
    for step, (minutes, dies) in enumerate([*story.steps, (0, False)]):
        moment += timedelta(minutes=minutes)
        if step == len(story.steps):
            moment = max(moment, last) + timedelta(minutes=2)
        if dies:
            store.outbox.claim("app", f"dies:{step}", 60, moment)
            continue
        app = Recorder()
        look = sender(store, app, owner=f"{step}", clock=lambda: moment, lease_seconds=60.0)  # noqa: B023  # at once
        look.send_due(app)
        for recipient, message in app.taken:
            for each in message.jobs if recipient.user_id == user_id else ():
                assert each.job_id not in notified, "once"
                assert moment >= due[each.job_id], "not early"
                notified[each.job_id] = moment
    assert notified.keys() == due.keys(), "none is lost"


def test_a_chosen_time_in_the_past_means_at_once(store: Store) -> None:
    wish = Notify(when=When.AT, at=DUE_NOW, channels=("app",))
    assert wish.due_at(datetime(2026, 3, 1, tzinfo=UTC)) == datetime(2026, 3, 1, tzinfo=UTC)
    assert store.ping()


def test_a_digest_on_the_day_on_which_the_clock_skips_its_hour_comes_an_hour_later() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    wish = Notify(when=When.DAILY, daily="02:30", timezone="Europe/Berlin")
    due = wish.due_at(datetime(2026, 3, 29, 0, 0, tzinfo=UTC))
    assert due.astimezone(berlin).replace(tzinfo=None) == datetime(2026, 3, 29, 3, 30)


def test_a_digest_on_the_day_on_which_the_clock_shows_its_hour_twice_comes_the_first_time() -> None:
    wish = Notify(when=When.DAILY, daily="02:30", timezone="Europe/Berlin")
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    assert wish.due_at(first - timedelta(hours=3)) == first
    assert wish.due_at(first + timedelta(seconds=1)) == datetime(2026, 10, 26, 1, 30, tzinfo=UTC)
