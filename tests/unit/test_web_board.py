import json
from datetime import timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from core.generation.order import Order, plan
from core.models import Asset, AssetError, AssetState, Job, JobStatus, Kind
from core.providers.registry import configured
from core.web import board
from core.web.moments import moment_text, span_text, zone_of
from tests.conftest import MOMENT

BERLIN = ZoneInfo("Europe/Berlin")
PROMPT = "A <b>fox</b> & **stars** שלום 🦊\nsecond line"


def planned(**changes: object) -> tuple[Job, list[Asset]]:
    job, assets = plan(Order(user_id="ana", prompt=PROMPT, seed=7), configured())
    return job.model_copy(update={"created_at": MOMENT} | changes), assets


def finished(asset: Asset) -> Asset:
    facts = {"state": AssetState.DONE, "progress": 1.0, "bytes": 2_500_000}
    seconds = 5.0 if asset.kind == Kind.VIDEO else None
    return asset.model_copy(update=facts | {"width": 1280, "height": 720, "seconds": seconds})


def shown(job: Job, assets: list[Asset]) -> dict[str, Any]:
    found = board.snapshot(job, assets, zone=BERLIN, today=MOMENT, title_of=str.upper)
    plain: dict[str, Any] = json.loads(json.dumps(found))  # the browser gets nothing but JSON
    return plain


def tile(asset: Asset, **changes: object) -> dict[str, Any]:
    return board.item(asset.model_copy(update=changes), PROMPT)


def test_a_new_job_says_that_it_is_being_made() -> None:
    job, assets = planned()
    found = shown(job, assets)
    assert found["job"]["sentence"] == ("Your content is being generated. Please check back later.")
    assert found["job"]["active"]
    assert found["job"]["percent"] == 0
    assert found["job"]["ready"] == "0 of 10 ready"
    assert found["job"]["prompt"] == PROMPT
    assert found["job"]["time"] == "today, 10:30"
    assert [section["title"] for section in found["sections"]] == ["Videos", "Images"]
    assert [len(section["items"]) for section in found["sections"]] == [5, 5]
    assert {item["label"] for section in found["sections"] for item in section["items"]} == {
        "Waiting"
    }


def test_each_state_has_its_words() -> None:
    image = planned()[1][0]
    error = AssetError(code="x", message="The provider said no.")
    drawing = tile(image, state=AssetState.RUNNING, progress=0.425)
    assert (drawing["state"], drawing["label"], drawing["percent"]) == (
        "drawing",
        "Drawing · 42%",
        42,
    )
    assert tile(image, state=AssetState.SUBMITTING)["state"] == "drawing"
    assert tile(image, state=AssetState.SAVING)["label"] == "Saving"
    failed = tile(image, state=AssetState.FAILED, error=error)
    assert (failed["label"], failed["message"]) == ("Could not be made", "The provider said no.")
    assert tile(image, state=AssetState.UNKNOWN, error=error)["label"] == "Outcome not known"
    assert tile(image, error=error)["label"] == "Trying again shortly"


def test_only_a_finished_item_has_addresses() -> None:
    _, assets = planned()
    assert "original" not in tile(assets[0], state=AssetState.SAVING)
    video = board.item(finished(assets[5]), PROMPT)
    assert video["original"] == f"/content/{assets[5].id}"
    assert video["poster"] == f"/content/{assets[5].id}/poster"
    assert video["download"] == f"/content/{assets[5].id}?download=1"
    assert video["facts"] == "1280 × 720 · 5 s"
    assert video["weight"] == "2.4 MB"
    assert video["alt"].startswith("Video 1 of “A <b>fox</b>")


def test_the_progress_reaches_a_hundred_only_at_the_end() -> None:
    job, assets = planned()
    nearly = [each.model_copy(update={"progress": 1.0}) for each in assets]
    assert shown(job, nearly)["job"]["percent"] < 100
    assert shown(job, [finished(each) for each in assets])["job"]["percent"] == 100


def test_a_completed_job_says_what_is_ready_and_how_it_was_made() -> None:
    job, assets = planned(
        status=JobStatus.COMPLETED, generated_at=MOMENT + timedelta(minutes=1, seconds=5)
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
            JobStatus.FAILED,
            AssetState.FAILED,
            "Some are missing: 5 of 5 videos and 3 of 5 images were made.",
        ),
        (
            JobStatus.CANCELLED,
            AssetState.CANCELLED,
            "The rest was cancelled: 5 of 5 videos and 3 of 5 images were made.",
        ),
    ],
)
def test_a_job_that_ended_with_something_missing_says_what(
    status: JobStatus, state: AssetState, sentence: str
) -> None:
    job, assets = planned(status=status)
    ended = [each.model_copy(update={"state": state}) for each in assets[:2]]
    found = shown(job, ended + [finished(each) for each in assets[2:]])
    assert found["job"]["sentence"] == sentence
    assert [section["count"] for section in found["sections"]] == ["5", "3 of 5"]
    assert not found["job"]["active"]


def test_a_card_shows_what_is_there_so_far() -> None:
    job, assets = planned()
    begun = [finished(each) for each in assets[:6]] + assets[6:]
    card = board.card(job, begun, zone=BERLIN, today=MOMENT)
    assert (card["summary"], card["percent"], len(card["stills"])) == ("6 of 10 ready", 60, 4)
    done = job.model_copy(update={"status": JobStatus.COMPLETED})
    card = board.card(done, [finished(each) for each in assets], zone=BERLIN, today=MOMENT)
    assert (card["summary"], card["percent"]) == ("5 videos and 5 images", None)


def test_a_gallery_shows_each_kind_and_whether_there_is_more() -> None:
    job, assets = planned()
    found = {
        Kind.VIDEO: [finished(each) for each in assets[5:]],
        Kind.IMAGE: [finished(assets[0])],
    }
    gallery = board.gallery(found, {Kind.VIDEO: 5, Kind.IMAGE: 1_200}, {job.id: PROMPT})
    videos, images = gallery["sections"]
    assert (videos["count"], videos["more"], len(videos["items"])) == ("5", False, 5)
    assert (images["count"], images["more"], len(images["items"])) == ("1,200", True, 1)
    assert images["items"][0]["prompt"] == PROMPT
    assert images["items"][0]["job"] == job.id
    only = board.gallery({Kind.VIDEO: [], Kind.IMAGE: []}, {Kind.VIDEO: 0, Kind.IMAGE: 0}, {})
    assert only["sections"] == []


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
