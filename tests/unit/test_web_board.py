import json
from dataclasses import replace
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core import models
from core.models import job_summary
from core.store.work.eta import Eta
from core.studio.order import Order
from core.studio.planning import plan
from core.web.activity.rows import job_row
from core.web.jobs import item_view, snapshot
from core.web.text.dates import moment_text, span_text, zone_of
from core.web.text.money import job_cost_text
from core.web.text.view_context import ViewContext
from tests.catalogue import illustrator_only
from tests.conftest import MOMENT

BERLIN = ZoneInfo("Europe/Berlin")
VIEW = ViewContext(zone=BERLIN, today=MOMENT, title_of=str.upper)
PROMPT = "A <b>fox</b> & **stars** שלום 🦊\nsecond line"


def planned(**changes: object) -> tuple[models.Job, list[models.Asset]]:
    job, assets = plan(Order(user_id="ana", prompt=PROMPT, seed=7), illustrator_only())
    return job.model_copy(update={"created_at": MOMENT} | changes), assets


def finished(asset: models.Asset) -> models.Asset:
    facts = {"state": models.AssetState.DONE, "progress": 1.0, "bytes": 2_500_000}
    seconds = 5.0 if asset.kind == models.Kind.VIDEO else None
    return asset.model_copy(update=facts | {"width": 1280, "height": 720, "seconds": seconds})


def shown(job: models.Job, assets: list[models.Asset]) -> dict[str, Any]:
    found = snapshot.snapshot(job, assets, VIEW)
    plain: dict[str, Any] = json.loads(json.dumps(found))  # the browser gets nothing but JSON
    return plain


def tile(asset: models.Asset, **changes: object) -> dict[str, Any]:
    return item_view.tile(asset.model_copy(update=changes), PROMPT, VIEW)


def test_a_new_job_says_that_it_is_being_made() -> None:
    job, assets = planned()
    found = shown(job, assets)
    assert found["job"]["sentence"] == ("Your content is being generated. Please check back later.")
    assert found["job"]["active"]
    assert found["job"]["percent"] == 0
    assert found["job"]["ready"] == "0 of 10 ready"
    assert found["job"]["prompt"] == PROMPT
    assert found["job"]["time"] == "today, 10:30"
    assert [section["title"] for section in found["sections"]] == ["Images", "Videos"]
    assert [len(section["items"]) for section in found["sections"]] == [5, 5]
    assert {item["label"] for section in found["sections"] for item in section["items"]} == {
        "Waiting"
    }


def test_each_state_has_its_words() -> None:
    image = planned()[1][0]
    error = models.AssetError(code="x", message="The provider said no.")
    drawing = tile(image, state=models.AssetState.RUNNING, progress=0.425)
    assert (drawing["state"], drawing["label"], drawing["percent"]) == (
        "drawing",
        "Drawing · 42%",
        42,
    )
    assert tile(image, state=models.AssetState.SUBMITTING)["state"] == "drawing"
    assert tile(image, state=models.AssetState.SAVING)["label"] == "Saving"
    failed = tile(image, state=models.AssetState.FAILED, error=error)
    assert (failed["label"], failed["message"]) == ("Could not be made", "The provider said no.")
    assert tile(image, state=models.AssetState.UNKNOWN, error=error)["label"] == "Outcome not known"
    assert tile(image, error=error)["label"] == "Trying again shortly"


def acts(shown: dict[str, Any]) -> list[tuple[str, str | None, str, bool]]:
    """Each button: what it asks for and about what, its label, whether it asks first."""
    return [
        (each["name"], each["on"], each["label"], each["question"] is not None)
        for each in shown["acts"]
    ]


@pytest.mark.parametrize(
    "state",
    [
        models.AssetState.QUEUED,
        models.AssetState.SUBMITTING,
        models.AssetState.RUNNING,
        models.AssetState.SAVING,
    ],
)
def test_what_goes_on_can_be_cancelled_once(state: models.AssetState) -> None:
    image = planned()[1][2]
    error = models.AssetError(code="x", message="The provider is busy.")
    assert acts(tile(image, state=state)) == [("cancel", image.id, "Cancel Image 3", False)]
    cancelling = tile(image, state=state, progress=0.4, cancel_requested=True, error=error)
    assert (cancelling["label"], cancelling["percent"]) == ("Cancelling …", None)
    assert (cancelling["message"], cancelling["acts"]) == ("", [])


def test_what_failed_or_was_cancelled_can_be_tried_again_and_says_why() -> None:
    image = planned()[1][2]
    note = models.AssetError(code="x", message="It could not be told to stop.")
    for state in (models.AssetState.FAILED, models.AssetState.CANCELLED):
        found = tile(image, state=state, error=note)
        assert acts(found) == [("retry", image.id, "Try again: Image 3", False)]
        assert found["message"] == note.message
    assert (found["state"], found["label"]) == ("cancelled", "Cancelled")
    assert tile(finished(image))["acts"] == []


def test_what_may_be_charged_twice_is_explained_and_asked_for() -> None:
    image = planned()[1][2]
    found = tile(image, state=models.AssetState.UNKNOWN)
    assert found["message"] == (
        "It was sent, but the answer never came; it may have been charged. "
        "Only you can decide to send it again."
    )
    assert acts(found) == [("resend", image.id, "Send again: Image 3", True)]
    question = found["acts"][0]["question"]
    assert question["title"] == "Send Image 3 again?"
    assert "it may be charged twice" in question["text"]


def test_the_stored_sentence_is_shown_also_where_the_outcome_is_unknown() -> None:
    image = planned()[1][2]
    error = models.AssetError(
        code="x", message="OpenAI answered: the queue is full, come back at noon."
    )
    found = tile(image, state=models.AssetState.UNKNOWN, error=error)
    assert found["message"] == (
        "OpenAI answered: the queue is full, come back at noon. It may have been charged. "
        "Only you can decide to send it again."
    )


CHARGED: dict[str, Any] = {"charged": True, "cost": models.Cost(estimated=0.25)}


@pytest.mark.parametrize("state", [models.AssetState.FAILED, models.AssetState.CANCELLED])
def test_what_was_or_may_have_been_charged_says_what_it_costs_again_and_asks(
    state: models.AssetState,
) -> None:
    image = planned()[1][2]
    error = models.AssetError(code="x", message="OpenAI sent something that is no image.")
    found = tile(image, state=state, error=error, **CHARGED)
    assert found["label"] != "Could not be made"
    assert found["message"] == f"{error.message} It may have been charged."
    assert acts(found) == [("resend", image.id, "Try again: Image 3", True)]
    assert "about $0.25 again" in found["acts"][0]["question"]["text"]


def test_a_task_that_may_finish_is_asked_for_again_and_made_anew_only_at_ones_word() -> None:
    image = planned()[1][2]
    error = models.AssetError(code="deadline", message="Runway did not finish it in 120 minutes.")
    found = tile(image, state=models.AssetState.FAILED, error=error, remote_id="7", **CHARGED)
    assert (found["label"], found["message"]) == (
        "Not finished",
        f"{error.message} It may have been charged. Asking for it again costs nothing.",
    )
    assert acts(found) == [
        ("retry", image.id, "Ask again: Image 3", False),
        ("resend", image.id, "Make anew: Image 3", True),
    ]


def test_what_is_kept_can_be_read_again_and_downloaded_by_owner_and_admin_only() -> None:
    image = planned()[1][2]
    kept = tuple(models.Kept(what=what, path="a/b", bytes=3) for what in ("reply", "file"))
    changed = image.model_copy(update={"state": models.AssetState.UNKNOWN, "kept": kept})
    found = tile(changed)
    assert [each["name"] for each in found["acts"]] == [
        *("recover", "resend", "kept-reply", "kept-file")
    ]
    assert found["acts"][2]["href"] == f"/content/{image.id}/kept?what=reply"
    assert found["message"].startswith("It was sent, but the answer never came; it may have been")
    assert "The file that came is kept." in found["message"]
    admin, guest = (replace(VIEW, via=via) for via in (models.Via.ADMIN, models.Via.SHARE))
    seen = [each["name"] for each in item_view.tile(changed, PROMPT, admin)["acts"]]
    assert seen == ["kept-reply", "kept-file"]
    assert item_view.tile(changed, PROMPT, guest)["acts"] == []
    assert item_view.tile(changed, PROMPT, guest)["message"] == ""


def test_a_broken_file_is_not_called_never_made() -> None:
    image = planned()[1][2]
    error = models.AssetError(code="broken_file", message="The file that came is empty.")
    assert (
        tile(image, state=models.AssetState.FAILED, error=error, charged=True)["label"]
        == "Not saved"
    )


def test_a_final_failure_says_how_often_it_was_tried() -> None:
    image = planned()[1][2]
    error = models.AssetError(code="x", message="OpenAI is busy.", retryable=True)
    found = tile(image, state=models.AssetState.FAILED, error=error, attempts=5)
    assert found["message"] == "OpenAI is busy. It was tried 5 times."


def test_a_job_whose_items_may_have_been_made_is_not_said_to_have_made_nothing() -> None:
    job, assets = planned(status=models.JobStatus.FAILED)
    failed = [
        each.model_copy(update={"state": models.AssetState.FAILED} | CHARGED) for each in assets
    ]
    assert job_summary.headline(job, failed) == "Your content is not ready"
    assert job_summary.ending(job, failed) == "Nothing is ready. 5 videos and 5 images failed."
    maybe = job.model_copy(update={"uncertain_cost": {"USD": 2.5}})
    assert shown(maybe, failed)["job"]["toast"] == "Your content is not ready."
    assert acts(shown(maybe, failed)["job"]) == [
        ("resend", None, "Send again: 5 videos and 5 images", True)
    ]


@pytest.mark.parametrize(
    ("cost", "uncertain", "text"),
    [
        ({}, {}, "Free"),
        ({"USD": 0.5}, {}, "$0.50"),
        ({}, {"USD": 0.25}, "Perhaps $0.25"),
        ({"USD": 0.5}, {"USD": 0.25}, "$0.50, perhaps $0.25 more"),
        ({}, {"credits": 0.0}, "Not known"),
        ({"credits": 5}, {"credits": 0.0}, "5 credits or more"),
    ],
)
def test_what_may_have_been_charged_is_not_called_free(
    cost: dict[str, float],
    uncertain: dict[str, float],
    text: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    job = planned(status=models.JobStatus.CANCELLED)[0]
    job = job.model_copy(update={"cost": cost, "uncertain_cost": uncertain})
    assert job_cost_text(job) == text
    monkeypatch.setattr("core.web.activity.rows.job_address", str)  # it asks the open studio
    assert job_row(job, models.User(id=job.user_id, created_at=job.created_at))["Cost"] == text


@pytest.mark.parametrize(
    ("status", "paths", "text"),
    [
        (models.JobStatus.FAILED, ("a.png",), "Completed in part"),
        (models.JobStatus.FAILED, (), "Failed"),
        (models.JobStatus.CANCELLED, (), "Cancelled"),
        (models.JobStatus.COMPLETED, ("a.png",), "Completed"),
        (models.JobStatus.PROCESSING, (), "In the making"),
    ],
)
def test_a_job_has_one_outcome_on_every_page(
    status: models.JobStatus, paths: tuple[str, ...], text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, assets = planned(status=status)
    job = job.model_copy(update={"image_paths": paths})
    assert shown(job, assets)["job"]["label"] == text
    assert snapshot.card(job, assets, VIEW)["label"] == text
    monkeypatch.setattr("core.web.activity.rows.job_address", str)  # it asks the open studio
    assert job_row(job, models.User(id=job.user_id, created_at=job.created_at))["Status"] == text


def test_identical_files_are_noticed_and_said() -> None:
    job, assets = planned(status=models.JobStatus.COMPLETED)
    same = [
        finished(each).model_copy(
            update={
                "sha256": "same"
                if each.id.endswith(("image-1", "image-3", "image-4"))
                else f"{each.kind}-{each.slot}"
            }
        )
        for each in assets
    ]
    found = shown(job, same)
    sentence = "3 of these images are identical: the server may ignore the seed."
    assert found["job"]["sentence"].endswith(f" {sentence}")
    assert ["Identical images", "1, 3, 4"] in [list(each) for each in found["facts"]]
    going_on = job.model_copy(update={"status": models.JobStatus.PROCESSING})
    assert shown(going_on, [*same[:5], *assets[5:]])["job"]["sentence"].endswith(sentence)


def test_a_job_can_be_cancelled_until_all_that_is_left_is_being_cancelled() -> None:
    job, assets = planned()
    assert acts(shown(job, assets)["job"]) == [("cancel", None, "Cancel the job", True)]
    some = [each.model_copy(update={"cancel_requested": True}) for each in assets[:9]]
    found = shown(job, [*some, assets[9]])["job"]
    assert (found["sentence"], len(found["acts"])) == (snapshot.GENERATING, 1)
    found = shown(job, [*some, finished(assets[9])])["job"]
    assert (found["sentence"], found["acts"]) == ("What is left is being cancelled.", [])
    assert found["active"]


def test_an_ended_job_offers_what_its_items_need() -> None:
    job, assets = planned(status=models.JobStatus.FAILED)
    states = [models.AssetState.UNKNOWN, models.AssetState.FAILED, models.AssetState.CANCELLED]
    ended = [
        each.model_copy(update={"state": state})
        for each, state in zip(assets[:3], states, strict=True)
    ]
    found = shown(job, ended + [finished(each) for each in assets[3:]])["job"]
    assert found["sentence"] == (
        "Some are missing: 5 of 5 videos and 2 of 5 images were made. "
        "1 image failed. 1 image was cancelled. 1 image needs your decision."
    )
    assert found["percent"] == 100
    assert acts(found) == [
        ("retry", None, "Try the missing ones again", False),
        ("resend", None, "Send again: 1 image", True),
    ]
    unknown = [each.model_copy(update={"state": models.AssetState.UNKNOWN}) for each in assets[3:]]
    found = shown(job, ended[1:] + unknown)["job"]
    assert found["sentence"] == (
        "Nothing is ready. 1 image failed. 1 image was cancelled. "
        "5 videos and 2 images need your decision."
    )
    assert found["acts"][1]["question"]["title"] == "Send 5 videos and 2 images again?"
    assert "they may be charged twice" in found["acts"][1]["question"]["text"]
    done = job.model_copy(update={"status": models.JobStatus.COMPLETED})
    assert shown(done, [finished(each) for each in assets])["job"]["acts"] == []


def test_a_job_cancelled_before_anything_was_ready_says_so() -> None:
    job, assets = planned(status=models.JobStatus.CANCELLED)
    cancelled = [each.model_copy(update={"state": models.AssetState.CANCELLED}) for each in assets]
    found = shown(job, cancelled)["job"]
    assert found["sentence"] == "It was cancelled before anything was ready."
    assert snapshot.ended_toast(job) == "The job was cancelled."
    some = job.model_copy(update={"image_paths": ("one",)})
    assert snapshot.ended_toast(some) == "The rest was cancelled."


def test_only_a_finished_item_has_addresses() -> None:
    _, assets = planned()
    assert "original" not in tile(assets[0], state=models.AssetState.SAVING)
    video = item_view.tile(finished(assets[5]), PROMPT, VIEW)
    assert video["original"] == f"/content/{assets[5].id}"
    assert video["poster"] == f"/content/{assets[5].id}/poster"
    assert video["download"] == f"/content/{assets[5].id}?download=1"
    assert video["facts"] == "1280 × 720 · 5 s"
    assert video["weight"] == "2.4 MB"
    assert video["alt"].startswith("Video 1 of “A <b>fox</b>")


def test_a_guest_gets_addresses_with_the_key_and_nothing_to_do() -> None:
    job, assets = planned()
    guest = ViewContext(
        zone=BERLIN, today=MOMENT, animates=True, via=models.Via.SHARE, share_key="a.b c"
    )
    half = assets[1].model_copy(update={"state": models.AssetState.RUNNING, "partial": 2})
    found = snapshot.snapshot(job, [finished(assets[0]), half, *assets[2:]], guest)
    assert found["job"]["acts"] == []
    assert found["job"]["sentence"] != snapshot.GENERATING
    [done, drawn, *rest] = found["sections"][0]["items"]
    assert {name: done[name] for name in ("original", "preview", "poster", "download")} == {
        "original": f"/content/{assets[0].id}?share=a.b+c",
        "preview": f"/content/{assets[0].id}/preview?share=a.b+c",
        "poster": f"/content/{assets[0].id}/poster?share=a.b+c",
        "download": f"/content/{assets[0].id}?download=1&share=a.b+c",
    }
    assert drawn["partial"] == f"/content/{half.id}/partial?number=2&share=a.b+c"
    assert [each["acts"] for each in (done, drawn, *rest)] == [[]] * 5
    assert "animate" not in done


def test_a_guest_learns_nothing_of_the_account() -> None:
    job, assets = planned(status=models.JobStatus.FAILED, cost={"USD": 0.77})
    secrets = {
        "error": models.AssetError(code="x", message="The account of ana@example.org is empty."),
        "remote_id": "task-4711",
        "attempts": 3,
        "cost": models.Cost(actual=0.77, unit="USD"),
        "details": {"organisation": "org-4711"},
    }
    made = finished(assets[0]).model_copy(update=secrets)
    failed = assets[1].model_copy(update={"state": models.AssetState.FAILED} | secrets)
    unknown = assets[2].model_copy(update={"state": models.AssetState.UNKNOWN} | secrets)
    texts = {
        via: json.dumps(snapshot.snapshot(job, [made, failed, unknown], replace(VIEW, via=via)))
        for via in models.Via
    }
    for secret in ("4711", "0.77", "ana@example.org", "Attempts", "charged"):
        assert secret not in texts[models.Via.SHARE]
        assert secret in texts[models.Via.OWN]
        assert secret in texts[models.Via.ADMIN]
    decides = {via for via, text in texts.items() if "your decision" in text or "Only you" in text}
    assert decides == {models.Via.OWN}


def test_only_the_owner_is_told_how_the_owner_is_told() -> None:
    job, assets = planned()
    labels = {
        via: [label for label, _ in snapshot.snapshot(job, assets, replace(VIEW, via=via))["facts"]]
        for via in models.Via
    }
    assert [via for via in models.Via if "You are told" in labels[via]] == [models.Via.OWN]


def test_the_progress_reaches_a_hundred_only_at_the_end() -> None:
    job, assets = planned()
    nearly = [each.model_copy(update={"progress": 1.0}) for each in assets]
    assert shown(job, nearly)["job"]["percent"] < 100
    assert shown(job, [finished(each) for each in assets])["job"]["percent"] == 100


def test_a_completed_job_says_what_is_ready_and_how_it_was_made() -> None:
    job, assets = planned(
        status=models.JobStatus.COMPLETED, generated_at=MOMENT + timedelta(minutes=1, seconds=5)
    )
    found = shown(job, [finished(each) for each in assets])
    assert found["job"]["sentence"] == "5 videos and 5 images are ready."
    assert found["job"]["label"] == "Completed"
    facts = dict(found["facts"])
    assert facts["Made by"] == "ILLUSTRATOR (illustrator-1)"
    assert facts["Seed"] == "7"
    assert facts["Took"] == "1 min 5 s"
    assert facts["Ready"] == "today, 10:31"


@pytest.mark.parametrize(
    ("status", "state", "sentence"),
    [
        (
            models.JobStatus.FAILED,
            models.AssetState.FAILED,
            "Some are missing: 5 of 5 videos and 3 of 5 images were made. 2 images failed.",
        ),
        (
            models.JobStatus.CANCELLED,
            models.AssetState.CANCELLED,
            "The rest was cancelled: 5 of 5 videos and 3 of 5 images were made.",
        ),
    ],
)
def test_a_job_that_ended_with_something_missing_says_what(
    status: models.JobStatus, state: models.AssetState, sentence: str
) -> None:
    job, assets = planned(status=status)
    ended = [each.model_copy(update={"state": state}) for each in assets[:2]]
    found = shown(job, ended + [finished(each) for each in assets[2:]])
    assert found["job"]["sentence"] == sentence
    assert [section["count"] for section in found["sections"]] == ["3 of 5", "5"]
    assert not found["job"]["active"]


def test_a_card_shows_what_is_there_so_far() -> None:
    job, assets = planned()
    begun = [finished(each) for each in assets[:6]] + assets[6:]
    card = snapshot.card(job, begun, VIEW)
    assert (card["summary"], card["percent"], len(card["stills"])) == ("6 of 10 ready", 60, 4)
    done = job.model_copy(update={"status": models.JobStatus.COMPLETED})
    card = snapshot.card(done, [finished(each) for each in assets], VIEW)
    assert (card["summary"], card["percent"]) == ("5 videos and 5 images", None)


def drawn(
    asset: models.Asset, eta: Eta, view: ViewContext = VIEW, **changes: object
) -> dict[str, Any]:
    return item_view.tile(asset.model_copy(update=changes), PROMPT, view, eta)


def test_what_waits_says_at_which_place_and_can_be_made_next() -> None:
    image = planned()[1][2]
    assert tile(image)["label"] == "Waiting"
    first = Eta(places={image.id: 1}, own={image.id: 1})
    assert drawn(image, first)["label"] == "Waiting · next"
    assert acts(drawn(image, first)) == [("cancel", image.id, "Cancel Image 3", False)]
    later = Eta(places={image.id: 7}, own={image.id: 4})
    assert drawn(image, later)["label"] == "Waiting · place 7"
    assert acts(drawn(image, later))[0] == ("first", image.id, "Make Image 3 next", False)
    assert drawn(image, later, replace(VIEW, via=models.Via.SHARE))["acts"] == []
    error = models.AssetError(code="x", message="The provider is busy.")
    assert drawn(image, later, error=error)["label"] == "Trying again shortly"


def test_what_is_drawn_says_since_when_and_how_long_it_takes() -> None:
    image = planned()[1][2]
    eta = Eta(expected={image.id: 40.0})
    begun: dict[str, Any] = {"timings": {"submitted_at": MOMENT}}
    for state in (models.AssetState.SUBMITTING, models.AssetState.RUNNING):
        found = drawn(image, eta, state=state, **begun)
        assert (found["begun"], found["expected"]) == (MOMENT.isoformat(), 40.0)
    assert (
        drawn(image, eta, state=models.AssetState.RUNNING, **begun)["percent"] is None
    )  # none was sent
    waits = drawn(image, eta, state=models.AssetState.RUNNING, waiting="the queue is long", **begun)
    assert (waits["state"], waits["message"]) == ("waiting", "The queue is long")
    assert "begun" not in waits


def test_a_job_behind_another_of_its_owner_can_be_made_next() -> None:
    job, assets = planned()
    found = snapshot.snapshot(job, assets, VIEW, Eta(behind=True))["job"]
    assert [each["name"] for each in found["acts"]] == ["first", "cancel"]
    theirs = snapshot.snapshot(job, assets, replace(VIEW, via=models.Via.ADMIN), Eta(behind=True))[
        "job"
    ]
    assert theirs["acts"] == []


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, ""),
        (0.0, "less than a minute left"),
        (60, "about 1 minute left"),
        (170, "about 3 minutes left"),
        (5400, "about 2 hours left"),
    ],
)
def test_how_long_it_still_takes_is_said_roughly(seconds: float | None, text: str) -> None:
    job, assets = planned()
    assert snapshot.snapshot(job, assets, VIEW, Eta(left=seconds))["job"]["left"] == text
    ended = job.model_copy(update={"status": models.JobStatus.COMPLETED})
    assert snapshot.snapshot(ended, assets, VIEW, Eta(left=seconds))["job"]["left"] == ""


def test_a_patch_has_what_changed_and_nothing_else() -> None:
    job, assets = planned()
    before = snapshot.snapshot(job, assets, VIEW)
    later = replace(VIEW, today=MOMENT + timedelta(seconds=1))
    assert snapshot.patch(before, snapshot.snapshot(job, assets, later)) == {}

    one = [finished(assets[0]), *assets[1:]]
    after = snapshot.snapshot(job, one, later)
    found = snapshot.patch(before, after)
    assert found is not None
    assert set(found) == {"now", "job", "counts", "tiles"}
    assert [each["id"] for each in found["tiles"]] == [assets[0].id]
    assert (found["counts"], found["job"]["ready"]) == ({"image": "1 of 5"}, "1 of 10 ready")
    assert (
        snapshot.patch(after, snapshot.snapshot(job, one[1:], later)) is None
    )  # the whole tells it


@pytest.mark.parametrize(
    ("hours_ago", "text"),
    [
        (0, "today, 10:30"),
        (10, "today, 00:30"),
        (11, "yesterday, 23:30"),
        (72, "20 Nov 2026, 10:30"),
    ],
)
def test_times_are_those_of_the_browsers_zone(hours_ago: int, text: str) -> None:
    assert moment_text(MOMENT - timedelta(hours=hours_ago), BERLIN, MOMENT) == text


def test_a_zone_that_nobody_knows_is_utc() -> None:
    assert zone_of("Europe/Berlin") == BERLIN
    for name in (None, "", "Mars/Olympus", "../etc/passwd", "/etc"):
        assert zone_of(name) == ZoneInfo("UTC")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.4, "0 s"), (59, "59 s"), (60, "1 min"), (185, "3 min 5 s"), (4800, "1 h 20 min")],
)
def test_lengths_of_time_read_well(seconds: float, text: str) -> None:
    assert span_text(timedelta(seconds=seconds)) == text
