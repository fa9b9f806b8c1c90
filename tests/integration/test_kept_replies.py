"""What was paid for and could not become a file is kept, said, and never paid for again unasked."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from PIL import Image
from starlette.testclient import TestClient

from core.generation.item_file import ItemFile
from core.generation.kept_replies import ReplyKeeper
from core.generation.sweeper import empty_bin, remove_kept
from core.media.encoding import encode_png
from core.media.inspection import Inspection
from core.media.storage import Draft
from core.models import EPOCH, Asset, AssetState, Kept, Via, now
from core.providers import errors
from core.providers.base import Outcome, Submission
from core.system.backoff import Backoff
from core.web.identity.cookies import Identity
from tests.conftest import claim
from tests.contract.fakes import FakeProvider
from tests.integration.job_harness import JobHarness, NewHarness, run
from tests.web import ADMINS, OpenBrowser, log_in, made_admin

REPLY = b'{"data": [{"something": "new"}]}'


@pytest.fixture
def paid(new_harness: NewHarness, monkeypatch: pytest.MonkeyPatch) -> JobHarness:
    """A paid provider that makes at once, whose replies can be kept."""
    monkeypatch.setattr("core.generation.item_file.SAVE_AGAIN", (1, 0.0))
    monkeypatch.setattr("core.generation.executor.BACKOFF", Backoff(0.0, 0.0))
    harness = new_harness(FakeProvider(paid=True))
    harness.provider.reply = REPLY
    return harness


def recovered(harness: JobHarness) -> Asset:
    """Return the first item after its kept reply was read again."""
    assert harness.store.job_actions.recover(harness.job.id, "ana", harness.first) == 1
    run(harness.make())
    return harness.asset()


def kept_files(harness: JobHarness) -> list[Path]:
    return sorted((harness.content.root / "ana" / ".replies").glob("*"))


def content_of(harness: JobHarness, kept: Kept) -> bytes:
    keeper = ReplyKeeper(harness.store, harness.content)
    with keeper.opened(harness.asset(), kept) as path:
        return path.read_bytes()


def decoding(
    inspect: Callable[[ItemFile, Draft], Awaitable[Inspection]],
) -> Callable[[ItemFile, Draft], Awaitable[Inspection]]:
    """Return an inspection that can also read what it could not before."""

    async def looked_over(file: ItemFile, draft: Draft) -> Inspection:
        draft.path.write_bytes(encode_png(Image.new("RGB", (64, 64), "teal")))
        return await inspect(file, draft)

    return looked_over


# ── The net: whatever is raised after a paid call ────────────────────────────────────────────


@pytest.mark.parametrize("step", ["fail_follow", "fail_fetch"])
@pytest.mark.parametrize(
    "error",
    [
        *(KeyError("data"), ValueError("odd"), AttributeError("to_dict"), RecursionError()),
        *(MemoryError(), UnicodeDecodeError("utf-8", b"\xff", 0, 1, "odd"), AssertionError()),
    ],
)
def test_an_unexpected_exception_after_a_paid_call_leaves_it_unknown_with_its_reply(
    paid: JobHarness, step: str, error: Exception
) -> None:
    getattr(paid.provider, step).append(error)
    run(paid.make())
    asset = paid.asset()
    assert (asset.state, asset.charged) == (AssetState.UNKNOWN, True)
    assert [each.what for each in asset.kept] == ["reply"]
    assert content_of(paid, asset.kept[0]) == REPLY
    assert paid.store.job_actions.retry(paid.job.id, "ana") == 0, "only at the user's word"
    done = recovered(paid)
    assert (done.state, done.charged, done.kept) == (AssetState.DONE, False, ())
    assert kept_files(paid) == []
    assert len(paid.provider.submitted) == 1


def test_an_unexpected_exception_before_a_paid_call_is_a_plain_failure(
    paid: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> str:
        raise ValueError("odd")

    monkeypatch.setattr(paid.store.users, "pseudonym", broken)
    run(paid.make())
    asset = paid.asset()
    assert (asset.state, asset.charged, asset.kept) == (AssetState.FAILED, False, ())
    monkeypatch.undo()
    assert paid.store.job_actions.retry(paid.job.id, "ana", paid.first) == 1
    assert paid.provider.submitted == []


@pytest.mark.parametrize(
    "error",
    [
        *(
            errors.GenerationFailed("No image."),
            errors.ProviderError("No."),
            errors.RequestRejected("404"),
        ),
        *(
            errors.InvalidCredentials("401"),
            errors.ProviderUnavailable("Gone."),
            errors.RateLimited("Busy."),
        ),
    ],
)
@pytest.mark.parametrize("step", ["fail_follow", "fail_fetch"])
def test_no_failure_after_a_paid_call_is_retried_with_one_click(
    paid: JobHarness, step: str, error: errors.ProviderError
) -> None:
    paid.provider.reply = None
    getattr(paid.provider, step).append(error)
    run(paid.make())
    asset = paid.asset()
    assert (asset.state, asset.charged) == (AssetState.FAILED, True)
    assert paid.store.job_actions.retry(paid.job.id, "ana") == 0
    assert paid.store.job_actions.retry(paid.job.id, "ana", paid.first) == 0
    assert paid.store.job_actions.resend(paid.job.id, "ana") == 1


@pytest.mark.parametrize(
    "error",
    [
        errors.PromptRejected(),
        errors.RequestRejected(),
        errors.InvalidCredentials(),
        errors.GenerationFailed("No."),
    ],
)
def test_what_a_paid_call_was_refused_with_is_free(
    paid: JobHarness, error: errors.ProviderError
) -> None:
    paid.provider.fail_submit = [error]
    run(paid.make())
    assert (paid.asset().state, paid.asset().charged) == (AssetState.FAILED, False)
    assert paid.store.job_actions.retry(paid.job.id, "ana", paid.first) == 1


@pytest.mark.parametrize(("cost", "charged"), [(0.0, False), (2.5, True), (None, True)])
def test_a_task_that_its_vendor_calls_failed_is_charged_unless_that_says_otherwise(
    new_harness: NewHarness, cost: float | None, *, charged: bool
) -> None:
    harness = new_harness(FakeProvider(paid=True, resumable=True))
    harness.provider.fail_follow = [errors.GenerationFailed("No.", cost=cost)]
    run(harness.make())
    asset = harness.asset()
    assert (asset.state, asset.charged, asset.remote_id) == (AssetState.FAILED, charged, None)
    assert harness.store.job_actions.retry(harness.job.id, "ana", harness.first) == (
        0 if charged else 1
    )


@pytest.mark.parametrize("step", ["fail_follow", "fail_fetch"])
@pytest.mark.parametrize(
    "error",
    [
        errors.OutcomeUnknown(),
        ValueError("odd"),
        errors.ProviderError("No."),
        errors.InvalidCredentials(),
    ],
)
def test_a_known_task_is_asked_for_again_and_never_made_anew(
    new_harness: NewHarness, step: str, error: Exception
) -> None:
    harness = new_harness(FakeProvider(paid=True, resumable=True))
    getattr(harness.provider, step).append(error)
    run(harness.make())
    asset = harness.asset()
    assert (asset.state, asset.charged) == (AssetState.FAILED, True)
    assert asset.remote_id == f"remote-{asset.id}"
    assert harness.store.job_actions.resend(harness.job.id, "ana") == 0, "asking again is free"
    assert harness.store.job_actions.retry(harness.job.id, "ana") == 1
    run(harness.make())
    assert harness.asset().state == AssetState.DONE
    assert len(harness.provider.submitted) == 1


def test_a_task_that_could_not_be_stored_is_known_all_the_same(
    new_harness: NewHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = new_harness(FakeProvider(paid=True, resumable=True))

    def broken(*_: object) -> None:
        raise TypeError("cannot encode object")

    monkeypatch.setattr(harness.store.transitions, "running", broken)
    run(harness.make())
    assert harness.asset().remote_id == f"remote-{harness.first}"
    monkeypatch.undo()
    assert harness.store.job_actions.retry(harness.job.id, "ana", harness.first) == 1
    run(harness.make())
    assert harness.asset().state == AssetState.DONE
    assert len(harness.provider.submitted) == 1


def test_a_task_is_made_anew_only_where_the_user_says_so_of_this_very_item(
    new_harness: NewHarness,
) -> None:
    harness = new_harness(FakeProvider(paid=True, resumable=True))
    harness.provider.fail_follow = [errors.ProviderError("No.")]
    run(harness.make())
    assert harness.store.job_actions.resend(harness.job.id, "ana", harness.first) == 1
    assert (harness.asset().remote_id, harness.asset().kept) == (None, ())
    run(harness.make())
    assert len(harness.provider.submitted) == 2


@pytest.mark.parametrize("cost", ["3 credits", float("nan"), True, [1]])
def test_a_cost_that_is_no_number_is_not_stored(paid: JobHarness, cost: object) -> None:
    paid.provider.outcome = Outcome(cost=cost)  # type: ignore[arg-type]  # a vendor's word
    run(paid.make())
    assert (paid.asset().state, paid.asset().cost.actual) == (AssetState.DONE, None)


# ── Keeping ──────────────────────────────────────────────────────────────────────────────────


def test_a_reply_that_says_nothing_known_is_kept(paid: JobHarness) -> None:
    paid.provider.fail_submit = [errors.OutcomeUnknown("Nothing in it.", reply=REPLY)]
    run(paid.make())
    asset = paid.asset()
    assert asset.error is not None
    assert (asset.state, asset.error.message) == (AssetState.UNKNOWN, "Nothing in it.")
    assert content_of(paid, asset.kept[0]) == REPLY
    assert recovered(paid).state == AssetState.DONE
    assert len(paid.provider.submitted) == 1


def test_a_reply_that_ends_with_the_stream_is_kept(paid: JobHarness) -> None:
    paid.provider.reply = None
    paid.provider.outcome = Outcome(reply=REPLY)
    paid.provider.fail_fetch = [ValueError("odd")]
    run(paid.make())
    assert content_of(paid, paid.asset().kept[0]) == REPLY


def test_nothing_is_kept_of_what_went_well_or_costs_nothing(
    paid: JobHarness, new_harness: NewHarness
) -> None:
    run(paid.make())
    assert (paid.asset().state, paid.asset().kept, kept_files(paid)) == (AssetState.DONE, (), [])
    free = new_harness(FakeProvider())
    free.provider.reply = REPLY
    free.provider.fail_follow = [ValueError("odd")]
    run(free.make())
    assert (free.asset().state, free.asset().kept) == (AssetState.FAILED, ())


def test_a_file_that_does_not_decode_is_kept_as_it_came_and_saved_once_it_does(
    paid: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid.provider.content = b"RIFF\x00\x00\x00\x00WEBP of next year"
    run(paid.make())
    asset = paid.asset()
    assert asset.error is not None
    assert (asset.state, asset.error.code) == (AssetState.FAILED, "broken_file")
    assert asset.charged
    file = next(each for each in asset.kept if each.what == "file")
    assert content_of(paid, file) == paid.provider.content
    assert file.suffix == ".webp"
    assert recovered(paid).state == AssetState.FAILED, "not yet"
    content, reread = paid.asset().kept, len(paid.provider.reread_replies)
    assert content
    monkeypatch.setattr(ItemFile, "_inspect", decoding(ItemFile._inspect))  # noqa: SLF001
    assert recovered(paid).state == AssetState.DONE
    assert len(paid.provider.reread_replies) == reread, "the file was enough"
    assert (paid.asset().kept, kept_files(paid)) == ((), [])
    assert len(paid.provider.submitted) == 1


@pytest.mark.parametrize("resumable", [True, False])
def test_what_the_content_store_does_not_take_is_kept_in_the_database(
    new_harness: NewHarness, monkeypatch: pytest.MonkeyPatch, *, resumable: bool
) -> None:
    monkeypatch.setattr("core.generation.item_file.SAVE_AGAIN", (1, 0.0))
    harness = new_harness(FakeProvider(paid=True, resumable=resumable))
    harness.provider.reply = None if resumable else REPLY

    def broken(_: object) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr("core.media.folder.flush", broken)
    run(harness.make())
    asset = harness.asset()
    assert (asset.state, asset.charged) == (AssetState.FAILED, True)
    assert {(each.what, each.place) for each in asset.kept} == {
        ("file", "database"),
        *(() if resumable else [("reply", "database")]),
    }
    monkeypatch.undo()
    assert recovered(harness).state == AssetState.DONE
    assert harness.asset().kept == ()
    assert len(harness.provider.submitted) == 1
    with pytest.raises(FileNotFoundError):
        content_of(harness, asset.kept[0])


def test_a_storage_that_is_down_for_good_loses_nothing(paid: JobHarness) -> None:
    paid.content.root.parent.mkdir(exist_ok=True)
    paid.content.root.write_text("no folder")  # nothing can be written below it
    run(paid.make())
    asset = paid.asset()
    assert asset.charged
    assert [each.place for each in asset.kept] == ["database"]
    paid.content.root.unlink()
    assert recovered(paid).state == AssetState.DONE
    assert len(paid.provider.submitted) == 1


# ── Kills ────────────────────────────────────────────────────────────────────────────────────


def killed_while(harness: JobHarness, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the worker vanish in the middle of a step: nothing that it would write comes."""

    class Killed(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Killed

    for name in {method, "failed", "unknown", "hand_back"}:
        monkeypatch.setattr(harness.store.transitions, name, die)
    run(harness.make())
    monkeypatch.undo()
    lease = harness.asset().lease
    assert lease is not None
    harness.store.queue.take_back([harness.first], lease.token)  # it runs out


@pytest.mark.parametrize("method", ["running", "saving", "done"])
def test_a_kill_after_the_reply_was_kept_costs_nothing_and_asks_nobody(
    paid: JobHarness, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    killed_while(paid, method, monkeypatch)
    assert paid.asset().state not in {AssetState.DONE, AssetState.UNKNOWN}
    assert kept_files(paid) != []
    run(paid.make())
    assert paid.asset().state == AssetState.DONE
    assert paid.provider.reread_replies == [REPLY]
    assert len(paid.provider.submitted) == 1
    assert (paid.asset().kept, kept_files(paid)) == ((), [])


def test_a_kill_between_saving_and_tidying_is_tidied_by_the_sweeper(
    paid: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    def die(*_: object) -> None:
        raise OSError("killed")

    monkeypatch.setattr(ReplyKeeper, "remove", die)
    run(paid.make())
    assert paid.asset().state == AssetState.DONE
    assert len(paid.asset().kept) == len(kept_files(paid)) == 1
    monkeypatch.undo()
    remove_kept(paid.store, paid.content)
    assert (paid.asset().kept, kept_files(paid)) == ((), [])


def test_a_reply_that_comes_after_the_lease_was_lost_is_made_the_item(paid: JobHarness) -> None:
    claimed = claim(paid.store, paid.first)
    assert claimed is not None
    assert claimed.lease is not None
    paid.store.transitions.submitting(claimed)
    paid.store.queue.take_back([paid.first], claimed.lease.token)
    run(paid.make())  # another worker finds the call unanswered
    assert paid.asset().state == AssetState.UNKNOWN
    keeper = ReplyKeeper(paid.store, paid.content)
    kept = keeper.keep_reply(claimed, claimed.lease.token, REPLY)
    assert kept is not None
    assert paid.store.transitions.answered_late(claimed, None, [kept])
    run(paid.make())
    assert paid.asset().state == AssetState.DONE
    assert paid.provider.submitted == []


# ── Recovering ───────────────────────────────────────────────────────────────────────────────


def test_a_reply_that_is_still_not_understood_stays_kept_as_often_as_it_is_read(
    paid: JobHarness,
) -> None:
    paid.provider.fail_submit = [errors.OutcomeUnknown("Nothing in it.", reply=REPLY)]
    run(paid.make())
    for error in (
        errors.ProviderError("Still nothing."),
        ValueError("odd"),
        errors.GenerationFailed("No."),
    ):
        paid.provider.fail_reread = [error]
        asset = recovered(paid)
        assert (asset.state, asset.charged) == (AssetState.UNKNOWN, True)
        assert content_of(paid, asset.kept[0]) == REPLY
    assert recovered(paid).state == AssetState.DONE
    assert paid.store.job_actions.recover(paid.job.id, "ana", paid.first) == 0
    assert len(paid.provider.submitted) == 1


def test_a_kept_reply_whose_file_cannot_be_fetched_yet_is_tried_again_for_nothing(
    paid: JobHarness,
) -> None:
    paid.provider.fail_fetch = [
        errors.ProviderUnavailable("Gone."),
        errors.ProviderUnavailable("Gone."),
    ]
    for state in (AssetState.QUEUED, AssetState.QUEUED, AssetState.DONE):
        run(paid.make())
        assert paid.asset().state == state
    assert len(paid.provider.submitted) == 1


def test_a_reply_that_holds_a_task_is_followed_by_its_id(
    paid: JobHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    paid.provider.fail_submit = [errors.OutcomeUnknown("Nothing in it.", reply=REPLY)]
    run(paid.make())

    async def reread(_reply: bytes, request: object) -> Submission:
        del request
        return Submission("7000006")

    monkeypatch.setattr(paid.provider, "reread", reread)
    paid.provider.hold.clear()
    paid.provider.hold.set()
    asset = recovered(paid)
    assert (asset.state, asset.remote_id) == (AssetState.DONE, "7000006")


def test_what_is_sent_again_by_its_user_keeps_the_earlier_reply(paid: JobHarness) -> None:
    paid.provider.fail_submit = [errors.OutcomeUnknown("Nothing in it.", reply=REPLY)]
    run(paid.make())
    assert paid.store.job_actions.resend(paid.job.id, "ana", paid.first) == 1
    run(paid.make())
    asset = paid.asset()
    assert (asset.state, len(asset.kept)) == (AssetState.DONE, 1)
    assert paid.provider.reread_replies == [], "it was to be made anew"
    remove_kept(paid.store, paid.content)
    assert content_of(paid, asset.kept[0]) == REPLY


def test_a_cancelled_reading_asks_before_it_pays(paid: JobHarness) -> None:
    paid.provider.fail_submit = [errors.OutcomeUnknown("Nothing in it.", reply=REPLY)]
    run(paid.make())
    paid.store.job_actions.recover(paid.job.id, "ana", paid.first)
    paid.store.job_actions.cancel(paid.job.id, "ana", paid.first)
    assert (paid.asset().state, paid.asset().charged) == (AssetState.CANCELLED, True)
    assert paid.store.job_actions.retry(paid.job.id, "ana", paid.first) == 0
    assert recovered(paid).state == AssetState.DONE


def test_kept_replies_go_with_their_item(paid: JobHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    paid.provider.content = b"broken"
    run(paid.make())
    assert len(kept_files(paid)) == 2
    paid.store.kept_replies.save("more", paid.first, kept_files(paid)[0])
    for asset in paid.assets[1:]:
        paid.store.job_actions.cancel(paid.job.id, "ana", asset.id)
    paid.store.bin.put_job("ana", paid.job.id)
    monkeypatch.setattr("core.store.jobs.bin.QUIET_SECONDS", -1)
    empty_bin(paid.store, paid.content, 0)
    assert paid.store.assets.get(paid.first) is None
    assert kept_files(paid) == []
    with pytest.raises(FileNotFoundError):
        paid.store.kept_replies.write("more", paid.content.root / "x")
    assert now() > EPOCH


# ── Who may have it ──────────────────────────────────────────────────────────────────────────


def logged_in(browser: OpenBrowser, who: str) -> TestClient:
    client = browser()
    log_in(client, who, **({"passphrase": ADMINS} if who == "root" else {}))
    return client


def test_owner_and_admins_download_what_is_kept_which_is_logged_and_nobody_else_does(
    paid: JobHarness, browser: OpenBrowser
) -> None:
    paid.provider.content = b"broken"
    run(paid.make())
    made_admin(paid.store)
    share = paid.store.shares.make(paid.job.id, "ana", now() + timedelta(days=1))
    key = Identity("key", days=30, secure=False).share_key(share.id)
    address = f"/content/{paid.first}/kept"
    for who, via in (("ana", Via.OWN), ("root", Via.ADMIN)):
        client = logged_in(browser, who)
        for what, content in (("reply", REPLY), ("file", b"broken")):
            response = client.get(f"{address}?what={what}")
            assert (response.status_code, response.content) == (200, content)
            assert response.headers["content-type"] == "application/octet-stream"
            assert response.headers["content-disposition"].startswith("attachment")
            assert "no-store" in response.headers["cache-control"]
            assert response.headers["x-content-type-options"] == "nosniff"
        looks = paid.store.view_log.of_user(who)
        assert [(each.action, each.via) for each in looks] == [("download", via)] * 2
    assert browser("eve").get(f"{address}?what=reply").status_code == 404
    assert browser().get(f"{address}?what=reply").status_code == 401
    assert browser().get(f"{address}?what=reply&share={key}").status_code == 404
    assert browser("ana").get(f"{address}?what=../../x").status_code == 404


def test_the_button_reads_the_kept_reply_again_for_its_owner_only(
    paid: JobHarness, browser: OpenBrowser
) -> None:
    paid.provider.fail_submit = [errors.OutcomeUnknown("Nothing in it.", reply=REPLY)]
    run(paid.make())
    made_admin(paid.store)
    asked = {"name": "recover", "on": paid.first}
    headers = {"Sec-Fetch-Site": "same-origin"}
    for who in ("eve", "root", "ana"):
        assert paid.asset().state == AssetState.UNKNOWN
        logged_in(browser, who).post(f"/jobs/{paid.job.id}/acts", json=asked, headers=headers)
    assert (paid.asset().state, paid.asset().reread) == (AssetState.QUEUED, True)
    run(paid.make())
    assert paid.asset().state == AssetState.DONE
    assert len(paid.provider.submitted) == 1


# ── Providers and models that are gone ───────────────────────────────────────────────────────


@pytest.mark.parametrize("state", [AssetState.SUBMITTING, AssetState.RUNNING, AssetState.SAVING])
def test_what_may_be_paid_is_not_put_back_where_its_provider_was_removed(
    paid: JobHarness, state: AssetState
) -> None:
    paid.abandoned(state)
    provider = paid.catalogue.providers.pop("fake")
    run(paid.make())
    asset = paid.asset()
    assert (asset.state, asset.charged) == (AssetState.UNKNOWN, True)
    paid.catalogue.providers["fake"] = provider
    assert paid.store.job_actions.retry(paid.job.id, "ana", paid.first) == 0


def test_a_task_is_followed_also_where_its_model_is_not_offered_any_more(
    new_harness: NewHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    harness = new_harness(FakeProvider(paid=True, resumable=True))
    harness.abandoned(AssetState.RUNNING, f"remote-{harness.first}")
    monkeypatch.setattr(harness.provider, "capabilities", tuple)
    run(harness.make())
    assert harness.asset().state == AssetState.DONE
    assert harness.provider.submitted == []
