from typing import Any

import mongomock
import pytest

from core.models import Job, JobStatus, Notice, Options, Requested
from core.notifications.channels import CHANNELS, DeliveryFailed, Terminal
from core.notifications.message import Message, write_message
from core.notifications.notifier import send_due
from core.store import Store
from tests.conftest import MOMENT


def ended_job(prompt: str = "the sea", status: JobStatus = JobStatus.COMPLETED) -> Job:
    return Job(
        id="01j",
        user_id="ana",
        prompt=prompt,
        status=status,
        image_paths=("a.png", "b.png"),
        video_paths=("a.mp4",),
        created_at=MOMENT,
        updated_at=MOMENT,
        requested=Requested(images=5, videos=5),
        options=Options(ratio="1:1", seed=1),
    )


def test_a_message_carries_the_link_and_what_there_is() -> None:
    message = write_message(ended_job(), "http://localhost:8501")
    assert message.title == "Your content is ready: “the sea”"
    assert message.text == "2 images and 1 video are waiting for you."
    assert message.link == "http://localhost:8501/job?id=01j"


def test_a_job_with_something_missing_says_so() -> None:
    message = write_message(ended_job(status=JobStatus.FAILED), "http://x")
    assert "in part" in message.title
    assert "2 images and 1 video of 5 and 5 were made" in message.text


def test_a_prompt_cannot_write_control_characters_to_the_terminal() -> None:
    message = write_message(ended_job("a\x1b[2J\nb" + "c" * 200), "http://x")
    assert message.title.isprintable()
    assert len(message.title) < 100


def a_store(*notices: Notice, status: JobStatus = JobStatus.COMPLETED) -> Store:
    client: Any = mongomock.MongoClient(tz_aware=True)
    store = Store(client, "unit")
    client["unit"]["jobs"].insert_one(ended_job(status=status).to_document())
    for notice in notices:
        client["unit"]["outbox"].insert_one(notice.to_document())
    return store


def a_notice(channel: str = "terminal", number: int = 1) -> Notice:
    return Notice(
        id=f"n{number}",
        job_id="01j",
        user_id="ana",
        channel=channel,
        recipient="ana",
        due_at=MOMENT,
        created_at=MOMENT,
    )


def test_a_due_message_is_printed_once(capsys: pytest.CaptureFixture[str]) -> None:
    store = a_store(a_notice())
    assert (send_due(store, "http://x"), send_due(store, "http://x")) == (1, 0)
    assert capsys.readouterr().out.count("http://x/job?id=01j") == 1


def test_a_channel_that_fails_holds_back_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Terminal):
        def send(self, recipient: str, message: Message) -> None:
            raise DeliveryFailed(f"{recipient} cannot hear “{message.title}”")

    monkeypatch.setitem(CHANNELS, "broken", Broken())
    store = a_store(a_notice("broken", 1), a_notice("gone", 2), a_notice("terminal", 3))
    assert send_due(store, "http://x") == 1
    rows = {row.channel: row for row in store.outbox.of_job("01j")}
    assert rows["terminal"].status == "sent"
    assert rows["broken"].status == "due"
    assert "cannot hear" in str(rows["broken"].error)
    assert rows["broken"].due_at > MOMENT
    assert rows["gone"].status == "failed"
    assert "does not exist" in str(rows["gone"].error)


def test_a_job_that_is_tried_again_is_announced_when_that_has_ended(
    capsys: pytest.CaptureFixture[str],
) -> None:
    store = a_store(a_notice(), status=JobStatus.PROCESSING)
    assert send_due(store, "http://x") == 0
    (row,) = store.outbox.of_job("01j")
    assert (row.status, row.attempts) == ("due", 0)
    assert row.due_at > MOMENT
    assert capsys.readouterr().out == ""


def test_a_channel_with_a_mistake_in_it_holds_back_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Mistaken(Terminal):
        def send(self, recipient: str, message: Message) -> None:
            raise UnicodeEncodeError("latin-1", recipient, 0, 1, message.title)

    monkeypatch.setitem(CHANNELS, "mistaken", Mistaken())
    assert send_due(a_store(a_notice("mistaken", 1), a_notice("terminal", 2)), "http://x") == 1


def test_a_job_of_which_nothing_was_made_is_not_called_ready() -> None:
    job = ended_job(status=JobStatus.FAILED)
    nothing = job.model_copy(update={"image_paths": (), "video_paths": ()})
    assert "could not be made" in write_message(nothing, "http://x").title
