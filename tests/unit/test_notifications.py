"""What messages say, and when they are due."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import models
from core.models.times import next_daily, parse_moment, zone_names
from core.notifications.channels import Recipient
from core.notifications.channels.terminal import Terminal
from core.notifications.message import Message, write_message
from core.notifications.registry import parse_channels
from tests.builders import done_item
from tests.conftest import MOMENT

ONE, TWO = models.AssetState.DONE, models.AssetState.FAILED


def ended_job(
    prompt: str = "the sea", status: models.JobStatus = models.JobStatus.COMPLETED
) -> models.Job:
    return models.Job(
        id="01j",
        user_id="ana",
        prompt=prompt,
        status=status,
        created_at=MOMENT,
        updated_at=MOMENT,
        requested=models.Requested(images=5, videos=5),
        options=models.Options(ratio="1:1", seed=1),
    )


def items(*states: models.AssetState) -> list[models.Asset]:
    """Images in these states."""
    return [done_item(slot=slot, state=state) for slot, state in enumerate(states, 1)]


def a_notice(kind: models.NoticeKind = models.NoticeKind.JOB, number: int = 1) -> models.Notice:
    return models.Notice(
        id=f"n{number}",
        kind=kind,
        job_id="01j",
        user_id="ana",
        channel="terminal",
        recipient="ana",
        due_at=MOMENT,
        created_at=MOMENT,
    )


def message(job: models.Job, *states: models.AssetState) -> Message:
    return write_message([a_notice()], [(job, items(*states))], "http://localhost:8501")


def test_a_message_carries_the_link_and_what_there_is() -> None:
    said = message(ended_job(), models.AssetState.DONE, models.AssetState.DONE)
    assert said.title == "Your content is ready: “the sea”"
    assert said.text == "2 images are ready."
    assert said.link == "http://localhost:8501/job?id=01j"
    assert [each.id for each in said.jobs[0].assets] == ["01j-image-1", "01j-image-2"]


@pytest.mark.parametrize(
    ("status", "states", "title", "text"),
    [
        (
            models.JobStatus.FAILED,
            (models.AssetState.DONE, models.AssetState.FAILED),
            "Your content is ready in part",
            "Some are missing: 1 of 2 images were made. 1 image failed.",
        ),
        (
            models.JobStatus.FAILED,
            (models.AssetState.FAILED,),
            "Your content could not be made",
            "Nothing is ready. 1 image failed.",
        ),
        (
            models.JobStatus.FAILED,
            (models.AssetState.DONE, models.AssetState.UNKNOWN),
            "Your decision is needed",
            "Some are missing: 1 of 2 images were made. 1 image needs your decision.",
        ),
        (
            models.JobStatus.CANCELLED,
            (models.AssetState.CANCELLED,),
            "Your request was cancelled",
            "It was cancelled before anything was ready.",
        ),
    ],
)
def test_every_ending_is_announced_in_its_own_words(
    status: models.JobStatus, states: tuple[models.AssetState, ...], title: str, text: str
) -> None:
    said = message(ended_job(status=status), *states)
    assert said.title == f"{title}: “the sea”"
    assert said.text == text


def test_a_digest_tells_of_every_job_and_has_the_same_id_whenever_it_is_sent() -> None:
    pair = [a_notice(number=1), a_notice(number=2)]
    found = [(ended_job("the sea"), items(ONE)), (ended_job("a fox"), items(ONE))]
    said = write_message(pair, found, "http://x")
    assert said.title == "2 of your requests have ended"
    assert "the sea" in said.text
    assert "a fox" in said.text
    assert write_message(pair[::-1], found, "http://x").id == said.id
    assert write_message([*pair, a_notice(number=3)], found, "http://x").id != said.id


def test_a_prompt_cannot_write_control_characters_to_the_terminal(
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = message(ended_job("a\x1b[2J\nb" + "c" * 200), ONE)
    assert said.title.isprintable()
    assert len(said.title) < 100
    Terminal().send(Recipient(user_id="ana", address="ana"), said)
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert "http://localhost:8501/job?id=01j" in printed


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        (" Ana@Example.ORG ", "Ana@example.org"),
        ("ana@exämple.org", "ana@xn--exmple-cua.org"),
        ("ana@localhost", "ana@localhost"),
    ],
)
def test_an_address_has_one_spelling(typed: str, stored: str) -> None:
    assert models.parse_address(typed) == stored


@pytest.mark.parametrize(
    "typed", ["", "ana", "a b@example.org", "a@b@c", "a@x.org\r\nBcc: b@x.org", "<a@x.org>"]
)
def test_what_is_no_address_is_refused(typed: str) -> None:
    with pytest.raises(models.InvalidInput, match="is no e-mail address"):
        models.parse_address(typed)


def test_a_wish_is_read_as_it_is_typed() -> None:
    wish = models.Notify.read(
        ["email", "app", "email"], at="2026-12-01T09:00", timezone="Europe/Berlin", email="A@X.org"
    )
    assert wish.channels == ("email", "app")
    assert (wish.when, wish.at) == (models.When.AT, datetime(2026, 12, 1, 8, 0, tzinfo=UTC))
    assert wish.email == "A@x.org"
    assert models.Notify.read(["app"], daily="8:05").daily == "08:05"
    assert parse_moment("2026-12-01 09:00+03:00", ZoneInfo("Asia/Tokyo")).hour == 6


@pytest.mark.parametrize(
    ("wrong", "why"),
    [
        ({"at": "tomorrow"}, "is no date and time"),
        ({"at": "0001-01-01T00:00", "timezone": "Asia/Tokyo"}, "is no date and time"),
        ({"daily": "25:00"}, "is no time of day"),
        ({"timezone": "Mars/Base"}, "There is no time zone"),
        ({"timezone": "../etc/passwd"}, "There is no time zone"),
        ({"at": "2026-12-01T09:00", "daily": "09:00"}, "choose one"),
        ({"email": "nobody"}, "is no e-mail address"),
    ],
)
def test_what_cannot_be_wished_is_said(wrong: dict[str, str], why: str) -> None:
    with pytest.raises(models.InvalidInput, match=why):
        models.Notify.read(**{"channels": ["app"], **wrong})  # type: ignore[arg-type]  # as typed


def test_a_channel_that_there_is_not_is_refused() -> None:
    with pytest.raises(models.InvalidInput, match="There is no channel “pigeon”"):
        parse_channels(["app", "pigeon"])
    assert parse_channels(["email", "app", "email"]) == ("email", "app")


ZONES = st.sampled_from(zone_names())
MOMENTS = st.datetimes(
    datetime(1990, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC), allow_imaginary=False
)
CLOCKS = st.times().map(lambda clock: clock.replace(second=0, microsecond=0))


@given(MOMENTS, CLOCKS, ZONES)
def test_the_daily_time_is_the_next_one_on_the_users_clock(
    ended: datetime, clock: time, name: str
) -> None:
    zone = ZoneInfo(name)
    due = next_daily(ended, clock, zone)
    assert due >= ended
    # A day of 26 hours and one that a zone left out (Samoa did) are the longest there are.
    assert due - ended <= timedelta(hours=50)
    shown = due.astimezone(zone)
    if shown.time() != clock:  # skipped by a change of the clock: then it is that much later
        just_before = (due - timedelta(hours=25)).astimezone(zone)
        assert just_before.utcoffset() != shown.utcoffset()
    # There is none in between: every minute of the day has been passed over.
    day_before = due - timedelta(hours=24)
    if day_before >= ended and day_before.astimezone(zone).utcoffset() == shown.utcoffset():
        assert day_before.astimezone(zone).time() != clock


@given(MOMENTS, st.datetimes(datetime(1990, 1, 1), datetime(2040, 1, 1)), ZONES)
def test_a_job_is_never_announced_before_it_ended_nor_before_the_chosen_time(
    ended: datetime, local: datetime, name: str
) -> None:
    wish = models.Notify.read(["app"], at=local.isoformat(timespec="minutes"), timezone=name)
    assert wish.at is not None
    due = wish.due_at(ended)
    assert due == max(ended, wish.at)
    shown = wish.at.astimezone(ZoneInfo(name)).replace(tzinfo=None)
    typed = local.replace(second=0, microsecond=0)
    assert shown >= typed, "a time that the clock skips is read as later, never as earlier"
    assert models.Notify.read(["app"]).due_at(ended) == ended
