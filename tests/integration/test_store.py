"""The store against a real MongoDB."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.database import Database
from pymongo.errors import BulkWriteError, WriteError

from core.models import (
    Asset,
    AssetError,
    AssetState,
    JobStatus,
    Kind,
    LoginEntry,
    Notify,
    ViewEntry,
    now,
)
from core.settings import Settings
from core.store import DatabaseUnavailable, LeaseLost, Store, open_store
from core.store.embedded import EmbeddedMongo
from tests.conftest import stored_job


def claimed(store: Store, asset_id: str, lease_seconds: float = 60) -> Asset:
    asset = store.assets.claim(asset_id, "test:1", lease_seconds)
    assert asset is not None
    return asset


def finish(store: Store, asset_id: str) -> None:
    asset = claimed(store, asset_id)
    store.assets.submitting(asset)
    store.assets.running(asset, None)
    store.assets.saving(asset)
    extension = "png" if asset.kind == Kind.IMAGE else "mp4"
    path = f"generated_content/ana/{asset.id}.{extension}"
    store.assets.done(asset, {"path": path, "preview": "p.webp", "bytes": 1})


@pytest.fixture
def raw(store: Store, settings: Settings) -> Iterator[Database[dict[str, Any]]]:
    """The database as a stranger's program sees it, without our code."""
    assert store.ping()
    uri = settings.mongodb_uri.get_secret_value()
    with MongoClient[dict[str, Any]](uri, tz_aware=True) as client:
        yield client[settings.mongodb_database]


def test_a_stored_job_reads_back_as_it_was(store: Store) -> None:
    job, assets = stored_job(store, prompt="<b>🌊</b> שלום **x**")
    assert store.jobs.get(job.id) == job
    assert store.assets.of_job(job.id) == assets


def test_a_job_is_stored_whole_or_not_at_all(store: Store) -> None:
    job, assets = stored_job(store)
    other = job.model_copy(update={"id": "another"})
    with pytest.raises(BulkWriteError):
        store.jobs.create(other, assets)  # the assets exist already
    assert store.jobs.get("another") is None


def test_the_record_has_the_fields_that_the_assignment_names(
    store: Store, raw: Database[dict[str, Any]]
) -> None:
    job, _ = stored_job(store)
    document = raw["jobs"].find_one({"_id": job.id})
    assert document is not None
    assert document["user_id"] == "ana"
    assert document["prompt"] == "the sea"
    assert document["status"] == "Processing"
    assert (document["image_paths"], document["video_paths"]) == ([], [])
    assert document["generated_at"] is None


def test_a_job_is_completed_when_its_last_item_is_done_and_not_before(store: Store) -> None:
    job, assets = stored_job(store)
    for asset in assets:
        assert store.jobs.settle(job.id) == JobStatus.PROCESSING
        finish(store, asset.id)
    assert store.jobs.settle(job.id) == JobStatus.COMPLETED
    settled = store.jobs.get(job.id)
    assert settled is not None
    assert [path.rsplit("-", 1)[1] for path in settled.image_paths] == [
        f"{slot}.png" for slot in range(1, 6)
    ]
    assert len(settled.video_paths) == 5
    saved = [asset.timings["saved_at"] for asset in store.assets.of_job(job.id)]
    assert settled.generated_at == max(saved)


def test_paths_are_recorded_as_items_arrive_in_slot_order(store: Store) -> None:
    job, assets = stored_job(store)
    for asset in (assets[3], assets[0]):
        finish(store, asset.id)
        store.jobs.settle(job.id)
    found = store.jobs.get(job.id)
    assert found is not None
    assert [path.rsplit("-", 1)[1] for path in found.image_paths] == ["1.png", "4.png"]
    assert (found.status, found.generated_at) == (JobStatus.PROCESSING, None)


def test_a_job_with_something_missing_is_failed_not_completed(store: Store) -> None:
    job, assets = stored_job(store)
    for asset in assets[1:]:
        finish(store, asset.id)
    store.assets.failed(claimed(store, assets[0].id), AssetError(code="x", message="It failed."))
    assert store.jobs.settle(job.id) == JobStatus.FAILED


def test_settling_at_the_same_time_loses_no_path_and_tells_the_user_once(store: Store) -> None:
    job, assets = stored_job(store)

    def finish_and_settle(asset: Asset) -> None:
        finish(store, asset.id)
        store.jobs.settle(job.id)

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(finish_and_settle, assets))
    found = store.jobs.get(job.id)
    assert found is not None
    assert found.status == JobStatus.COMPLETED
    assert (len(found.image_paths), len(found.video_paths)) == (5, 5)
    store.jobs.settle(job.id)
    assert [notice.channel for notice in store.outbox.of_job(job.id)] == ["terminal"]


def test_a_notice_is_not_due_before_the_time_the_user_chose(store: Store) -> None:
    job, assets = stored_job(store)
    later = now() + timedelta(hours=1)
    planned = job.model_copy(update={"id": "later", "notify": Notify(at=later)})
    moved = [
        asset.model_copy(update={"id": f"later-{index}", "job_id": "later"})
        for index, asset in enumerate(assets)
    ]
    store.jobs.create(planned, moved)
    for asset in moved:
        finish(store, asset.id)
    store.jobs.settle("later")
    assert store.outbox.due() == []
    assert [notice.due_at for notice in store.outbox.of_job("later")] == [later]


def test_of_many_claims_one_wins(store: Store) -> None:
    _, assets = stored_job(store)

    def claim(number: int) -> Asset | None:
        return store.assets.claim(assets[0].id, f"worker:{number}", 60)

    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(claim, range(8)))
    assert sum(claim is not None for claim in claims) == 1


def test_a_worker_that_lost_its_lease_can_change_nothing(store: Store) -> None:
    _, assets = stored_job(store)
    before = claimed(store, assets[0].id, lease_seconds=-1)  # it ran out at once
    store.assets.submitting(before)
    after = claimed(store, assets[0].id)
    writes: list[Callable[[], None]] = [
        lambda: store.assets.heartbeat(before, 60),
        lambda: store.assets.progress(before, 0.5),
        lambda: store.assets.running(before, "late"),
        lambda: store.assets.done(before, {"path": "late"}),
        lambda: store.assets.hand_back(before, now()),
        lambda: store.assets.failed(before, AssetError(code="x", message="Late.")),
    ]
    for write in writes:
        with pytest.raises(LeaseLost):
            write()
    assert store.assets.get(assets[0].id) == after


def test_ready_offers_abandoned_items_first_and_then_queued_ones_in_order(store: Store) -> None:
    _, assets = stored_job(store)
    abandoned = claimed(store, assets[4].id, lease_seconds=-1)
    store.assets.submitting(abandoned)
    held = claimed(store, assets[0].id)
    store.assets.submitting(held)
    ready = store.assets.ready(4)
    assert ready == [assets[4].id, assets[1].id, assets[2].id, assets[3].id]


def test_an_item_that_was_handed_back_waits_for_its_time(store: Store) -> None:
    _, assets = stored_job(store)
    store.assets.hand_back(claimed(store, assets[0].id), now() + timedelta(minutes=5))
    assert assets[0].id not in store.assets.ready(100)
    assert store.assets.claim(assets[0].id, "test:1", 60) is None


def test_nobody_reads_what_is_not_theirs(store: Store) -> None:
    job, assets = stored_job(store)
    assert store.jobs.get(job.id, "ben") is None
    assert store.assets.get(assets[0].id, "ben") is None
    assert store.jobs.of_user("ben") == []
    assert store.assets.gallery("ben", Kind.IMAGE) == []


def test_the_gallery_shows_finished_items_newest_first(store: Store) -> None:
    _, assets = stored_job(store)
    for asset in assets[:3]:
        finish(store, asset.id)
    assert store.assets.count("ana", Kind.IMAGE) == 3
    newest = store.assets.gallery("ana", Kind.IMAGE, limit=2)
    assert len(newest) == 2
    assert newest[0].timings["saved_at"] >= newest[1].timings["saved_at"]


def test_a_login_makes_the_account_once(store: Store) -> None:
    first, is_new = store.users.login("ana")
    again, is_new_again = store.users.login("ana")
    assert (is_new, is_new_again) == (True, False)
    assert again.created_at == first.created_at


def test_logs_are_kept_newest_first(store: Store) -> None:
    for reason in ("ok", "reserved"):
        store.logins.add(
            LoginEntry(
                user_id="ana", outcome="x", reason=reason, address="::1", agent="", time=now()
            )
        )
    assert {entry.reason for entry in store.logins.of_user("ana")} == {"ok", "reserved"}
    store.views.add(
        ViewEntry(user_id="ana", job_id=None, asset_id=None, action="open_gallery", time=now())
    )
    assert [entry.action for entry in store.views.of_user("ana")] == ["open_gallery"]


def test_the_database_refuses_a_document_that_is_not_a_job(
    store: Store, raw: Database[dict[str, Any]]
) -> None:
    job, _ = stored_job(store)
    with pytest.raises(WriteError):
        raw["jobs"].update_one({"_id": job.id}, {"$set": {"status": "Finished"}})
    with pytest.raises(WriteError):
        raw["assets"].insert_one({"_id": "x", "job_id": job.id})


def test_the_schema_can_be_ensured_again(store: Store) -> None:
    store.ensure_schema()
    store.ensure_schema()


@pytest.mark.parametrize(
    ("collection", "query", "order"),
    [
        ("jobs", {"user_id": "ana"}, [("created_at", -1)]),
        ("jobs", {"status": "Processing"}, None),
        ("assets", {"job_id": "x"}, [("kind", 1), ("slot", 1)]),
        (
            "assets",
            {"state": "queued", "next_attempt_at": {"$lte": now()}},
            [("next_attempt_at", 1), ("kind", 1), ("slot", 1)],
        ),
        (
            "assets",
            {
                "state": {"$in": ["submitting", "running", "saving"]},
                "lease.until": {"$lt": now()},
            },
            None,
        ),
        (
            "assets",
            {"user_id": "ana", "kind": "image", "state": "done"},
            [("timings.saved_at", -1)],
        ),
        ("outbox", {"status": "due", "due_at": {"$lte": now()}}, [("due_at", 1)]),
        ("outbox", {"job_id": "x"}, None),
        ("login_log", {"user_id": "ana"}, [("time", -1)]),
        ("view_log", {"user_id": "ana"}, [("time", -1)]),
    ],
)
def test_every_query_has_its_index(
    store: Store,
    raw: Database[dict[str, Any]],
    collection: str,
    query: dict[str, Any],
    order: Any,  # noqa: ANN401  # as pymongo takes it
) -> None:
    stored_job(store)
    cursor = raw[collection].find(query)
    plan = str((cursor.sort(order) if order else cursor).explain()["queryPlanner"]["winningPlan"])
    assert "COLLSCAN" not in plan
    assert "'SORT'" not in plan


def test_an_unreachable_database_is_a_sentence(settings: Settings) -> None:
    nowhere = settings.model_copy(
        update={
            "mongodb_uri": type(settings.mongodb_uri)(
                "mongodb://127.0.0.1:1/?serverSelectionTimeoutMS=200"
            )
        }
    )
    with pytest.raises(DatabaseUnavailable, match="does not answer"):
        open_store(nowhere)


def test_without_a_running_database_the_user_is_told_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnavailable, match="make run"):
        open_store(Settings(data_dir=tmp_path))


def test_the_embedded_database_keeps_what_it_took_when_it_is_killed(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    mongo = EmbeddedMongo(tmp_path)
    mongo.start()
    with open_store(settings) as store:
        store.ensure_schema()
        job, _ = stored_job(store)
    assert mongo.process is not None
    mongo.process.kill()
    mongo.process.wait()
    mongo.start()
    try:
        with open_store(settings) as store:
            assert store.jobs.get(job.id) is not None
            assert len(store.assets.ready(100)) == 10
    finally:
        mongo.stop()


def test_a_database_left_behind_by_a_killed_run_is_taken_over(tmp_path: Path) -> None:
    orphan = EmbeddedMongo(tmp_path)
    orphan.start()
    successor = EmbeddedMongo(tmp_path)
    try:
        successor.start()
        assert orphan.process is not None
        assert orphan.process.wait(10) == 0
        with open_store(Settings(data_dir=tmp_path)) as store:
            assert store.ping()
    finally:
        successor.stop()


def test_states_count_in_the_queue(store: Store) -> None:
    _, assets = stored_job(store)
    store.assets.submitting(claimed(store, assets[0].id))
    assert store.assets.queue() == {"queued": 9, "active": 1}
    assert store.assets.get(assets[0].id).state == AssetState.SUBMITTING  # type: ignore[union-attr]
