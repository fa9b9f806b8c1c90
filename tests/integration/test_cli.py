"""The commands that act on a job, on a real database."""

import sys
from datetime import UTC, datetime

import pytest

from core.cli import main as cli
from core.models import Asset, AssetError, AssetState, Job, JobStatus, Kind, Notify, Task, When
from core.settings import Settings
from core.store import Store
from tests.conftest import claim, stored_job


@pytest.fixture(autouse=True)
def own_database(settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store.ping()
    monkeypatch.setenv("MONGODB_URI", settings.mongodb_uri.get_secret_value())
    monkeypatch.setenv("MONGODB_DATABASE", settings.mongodb_database)
    monkeypatch.setenv("DATA_DIR", str(settings.data_dir))


@pytest.fixture
def made(store: Store) -> tuple[Job, list[Asset]]:
    return stored_job(store, "ana")


class Command:
    """`python -m core …` in this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys

    def __call__(self, *arguments: str) -> tuple[object, str]:
        """Return what it exits with (its code, or the sentence that goes with it), and prints."""
        self._monkeypatch.setattr(sys, "argv", ["core", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.main()
        printed = self._capsys.readouterr()
        code, output = ended.value.code, printed.err.strip()
        return output if code and output.startswith("fivefold: ") else code, printed.out


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    return Command(monkeypatch, capsys)


def state(store: Store, asset: Asset) -> AssetState:
    found = store.assets.get(asset.id)
    assert found is not None
    return found.state


def status(store: Store, job: Job) -> JobStatus:
    found = store.jobs.get(job.id)
    assert found is not None
    return found.status


def test_one_item_or_the_whole_job_is_cancelled_and_tried_again(
    store: Store, made: tuple[Job, list[Asset]], command: Command
) -> None:
    job, assets = made
    assert command("cancel", job.id.upper(), "Image-3") == (0, "Cancelling 1 item.\n")
    assert [each.slot for each in assets if state(store, each) == AssetState.CANCELLED] == [3]
    assert command("cancel", job.id) == (0, "Cancelling 9 items.\n")
    assert status(store, job) == JobStatus.CANCELLED
    assert command("cancel", job.id) == (0, "There is nothing to cancel.\n")
    assert command("retry", job.id, "video-1") == (0, "Making 1 item again.\n")
    assert status(store, job) == JobStatus.PROCESSING
    assert command("retry", job.id) == (0, "Making 9 items again.\n")
    assert {state(store, each) for each in assets} == {AssetState.QUEUED}


@pytest.fixture
def claimed(store: Store, made: tuple[Job, list[Asset]]) -> Asset:
    """The first item, claimed by a worker."""
    found = claim(store, made[1][0].id)
    assert found is not None
    return found


def test_what_may_be_charged_twice_is_sent_again_at_an_explicit_word_only(
    store: Store, claimed: Asset, command: Command
) -> None:
    store.transitions.unknown(claimed, AssetError(code="outcome_unknown", message="No answer."))
    warning = "1 item may have been charged already: see --unknown.\n"
    assert command("retry", claimed.job_id) == (0, warning)
    assert state(store, claimed) == AssetState.UNKNOWN
    output = "Sending 1 item again; this may be charged twice.\n"
    assert command("retry", claimed.job_id, "--unknown") == (0, output)
    assert state(store, claimed) == AssetState.QUEUED


def test_a_charged_failure_is_sent_again_at_an_explicit_word_only(
    store: Store, claimed: Asset, command: Command
) -> None:
    error = AssetError(code="broken_file", message="The file that came is empty.")
    store.transitions.failed(claimed, error, fields={"charged": True})
    warning = "1 item may have been charged already: see --unknown.\n"
    assert command("retry", claimed.job_id, "image-1") == (0, warning)
    assert state(store, claimed) == AssetState.FAILED
    assert (
        "The file that came is empty. It may have been charged."
        in command("job", claimed.job_id)[1]
    )
    assert command("retry", claimed.job_id, "--unknown")[1].startswith("Sending 1 item again")
    assert state(store, claimed) == AssetState.QUEUED


def test_recovering_what_is_not_kept_changes_nothing_and_says_so(
    store: Store, claimed: Asset, command: Command
) -> None:
    store.transitions.unknown(claimed, AssetError(code="outcome_unknown", message="No answer."))
    code, output = command("recover", claimed.id)
    assert (code, output) == (
        1,
        f"{claimed.id}  unknown     No answer. It may have been charged.\n",
    )
    assert command("recover", "--all") == (0, "Nothing is kept.\n")
    assert command("recover", "never-was")[0] == "fivefold: There is no item 'never-was'."
    assert command("recover")[0] == "fivefold: Please name items, or say --all or --user USER_ID."


@pytest.mark.parametrize("name", ["cancel", "retry"])
def test_what_is_not_there_is_said_in_a_sentence(
    made: tuple[Job, list[Asset]], command: Command, name: str
) -> None:
    assert command(name, "never-was") == ("fivefold: There is no job 'never-was'.", "")
    sentence = "The job has no item 'image-6'; items are called image-1, video-1 and so on."
    assert command(name, made[0].id, "image-6") == (f"fivefold: {sentence}", "")


def generated(store: Store, command: Command, *arguments: str) -> Notify:
    """Generate with these arguments and return the wish that was stored."""
    code, output = command("generate", "a fox", "--user", "Ana", *arguments)
    assert code == 0, code
    assert "/job?id=" in output
    return store.jobs.of_user("ana")[0].notify


def test_an_address_on_the_command_line_counts_as_confirmed(
    store: Store, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SMTP_HOST", "mail.example.org")
    monkeypatch.setenv("MAIL_FROM", "studio@example.org")
    when = ("--notify-at", "2026-12-01T09:00", "--timezone", "Europe/Berlin")
    wish = generated(store, command, "--email", "Ana@X.org", "--notify", "email,terminal", *when)
    assert (wish.channels, wish.email) == (("email", "terminal"), "Ana@x.org")
    assert (wish.when, wish.at) == (When.AT, datetime(2026, 12, 1, 8, 0, tzinfo=UTC))
    address = store.email_addresses.get("ana", "Ana@x.org")
    assert address is not None
    assert address.takes_mail
    wish = generated(store, command, "--email", "ana@x.org")
    assert wish.channels == ("app", "email"), "the address is for something"


def test_without_a_wish_the_users_own_settings_hold(store: Store, command: Command) -> None:
    store.users.ensure("ana")
    usual = Notify.read(["app"], daily="07:30", timezone="Asia/Tokyo")
    store.users.set_preferences("ana", notify=usual)
    assert generated(store, command) == usual
    wish = generated(store, command, "--notify-daily", "18:00", "--timezone", "Europe/Berlin")
    assert (wish.daily, wish.timezone) == ("18:00", "Europe/Berlin")
    assert generated(store, command, "--notify-at", "2027-01-01T00:00").when == When.AT


@pytest.fixture
def finished(store: Store, made: tuple[Job, list[Asset]]) -> Asset:
    """An image of ana's, as it is once it was saved."""
    claimed = claim(store, made[1][0].id)
    assert claimed is not None
    saved = {"path": "generated_content/ana/x.png", "width": 640, "height": 360}
    store.transitions.done(claimed, saved)
    return claimed


def test_an_item_is_upscaled_without_a_prompt_and_animated_with_one(
    store: Store, finished: Asset, command: Command
) -> None:
    item = finished.id.upper()
    code, _ = command("generate", "--user", "ana", "--upscale", item)
    assert code == 0, code
    newest, original, *_ = store.jobs.of_user("ana")
    (larger,) = store.assets.of_job(newest.id)
    assert (newest.prompt, larger.task, larger.source) == (
        original.prompt,
        Task.UPSCALE,
        finished.id,
    )
    assert (larger.params["width"], larger.params["height"]) == (1280, 720)
    code, _ = command(
        *("generate", "It rains", "--user", "ana", "--animate", item, "--videos", "2")
    )
    assert code == 0, code
    clips = store.assets.of_job(store.jobs.of_user("ana")[0].id)
    assert [(each.kind, each.task) for each in clips] == [(Kind.VIDEO, Task.ANIMATE)] * 2


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--upscale", "gone"), "ana has no item 'gone'."),
        (("--upscale", "{item}", "--user", "ben"), "ben has no item '{item}'."),
        (("--animate", "{item}"), "Please describe what you would like to see."),
        (("--upscale", "{other}"), "Only what is finished can be upscaled."),
        (("--animate", "{other}"), "Only a finished image can be animated."),
        (("--animate", "{item}", "--upscale", "{item}"), "please do one at a time"),
        (("--upscale", "{item}", "--image-provider", "x"), "There is no provider “x” here"),
        ((), "Please describe what you would like to see."),
    ],
)
def test_what_cannot_be_made_of_an_item_is_said(
    store: Store, finished: Asset, command: Command, arguments: tuple[str, ...], sentence: str
) -> None:
    names = {"item": finished.id, "other": store.assets.of_job(finished.job_id)[1].id}
    code, _ = command("generate", "--user", "ana", *(each.format_map(names) for each in arguments))
    assert sentence.format_map(names) in str(code)
    assert len(store.jobs.of_user("ana")) == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--email", "ana@x.org"), "Mail is not set up here"),
        (("--email", "nobody"), "is no e-mail address"),
        (("--notify", "pigeon"), "There is no channel “pigeon”"),
        (("--notify", "webhook"), "save a webhook"),
        (("--notify", "desktop"), "is not available here"),
        (("--notify-at", "tomorrow"), "is no date and time"),
        (("--notify-daily", "9"), "is no time of day"),
        (("--notify-at", "2027-01-01T00:00", "--notify-daily", "09:00"), "choose one"),
        (("--timezone", "Mars/Base"), "There is no time zone"),
    ],
)
def test_a_wish_that_cannot_be_is_said_and_nothing_is_made(
    store: Store,
    command: Command,
    monkeypatch: pytest.MonkeyPatch,
    arguments: tuple[str, ...],
    sentence: str,
) -> None:
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
    code, _ = command("generate", "a fox", "--user", "ana", *arguments)
    assert sentence in str(code)
    assert store.jobs.of_user("ana") == []
    assert store.email_addresses.get("ana", "ana@x.org") is None
