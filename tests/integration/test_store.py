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

from core import models
from core.settings import Settings
from core.store import DatabaseUnavailable, LeaseLost, Store, open_store
from core.store.embedded import EmbeddedMongo
from core.store.jobs.library_filter import Filter
from tests.conftest import announced, claim, stored_job

LANE = ("illustrator", "illustrator-1")


def claimed(store: Store, asset_id: str, lease_seconds: float = 60) -> models.Asset:
    asset = claim(store, asset_id, lease_seconds)
    assert asset is not None
    return asset


def finish(store: Store, asset_id: str) -> None:
    asset = claimed(store, asset_id)
    store.transitions.submitting(asset)
    store.transitions.running(asset, None)
    store.transitions.saving(asset)
    extension = "png" if asset.kind == models.Kind.IMAGE else "mp4"
    path = f"generated_content/ana/{asset.id}.{extension}"
    store.transitions.done(asset, {"path": path, "preview": "p.webp", "bytes": 1})


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
        assert store.settlement.settle(job.id) == models.JobStatus.PROCESSING
        finish(store, asset.id)
    assert store.settlement.settle(job.id) == models.JobStatus.COMPLETED
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
        store.settlement.settle(job.id)
    found = store.jobs.get(job.id)
    assert found is not None
    assert [path.rsplit("-", 1)[1] for path in found.image_paths] == ["1.png", "4.png"]
    assert (found.status, found.generated_at) == (models.JobStatus.PROCESSING, None)


def test_a_job_with_something_missing_is_failed_not_completed(store: Store) -> None:
    job, assets = stored_job(store)
    for asset in assets[1:]:
        finish(store, asset.id)
    store.transitions.failed(
        claimed(store, assets[0].id), models.AssetError(code="x", message="It failed.")
    )
    assert store.settlement.settle(job.id) == models.JobStatus.FAILED


def test_settling_at_the_same_time_loses_no_path_and_tells_the_user_once(store: Store) -> None:
    job, assets = stored_job(store)

    def finish_and_settle(asset: models.Asset) -> None:
        finish(store, asset.id)
        store.settlement.settle(job.id)

    with ThreadPoolExecutor(10) as pool:
        list(pool.map(finish_and_settle, assets))
    found = store.jobs.get(job.id)
    assert found is not None
    assert found.status == models.JobStatus.COMPLETED
    assert (len(found.image_paths), len(found.video_paths)) == (5, 5)
    store.settlement.settle(job.id)
    assert {notice.channel for notice in store.notices.of_job(job.id)} == {"terminal", "app"}


def test_a_notice_is_not_due_before_the_time_the_user_chose(store: Store) -> None:
    job, assets = stored_job(store)
    later = models.now() + timedelta(hours=1)
    wish = models.Notify(channels=("terminal",), when=models.When.AT, at=later)
    planned = job.model_copy(update={"id": "later", "notify": wish})
    moved = [
        asset.model_copy(update={"id": f"later-{index}", "job_id": "later"})
        for index, asset in enumerate(assets)
    ]
    store.jobs.create(planned, moved)
    for asset in moved:
        finish(store, asset.id)
    store.settlement.settle("later")
    assert store.outbox.claim("terminal", "x", 60) == []
    assert [notice.due_at for notice in store.notices.of_job("later")] == [later]


def test_of_many_claims_one_wins(store: Store) -> None:
    _, assets = stored_job(store)

    def show(number: int) -> models.Asset | None:
        return store.leases.claim(assets[0].id, "ticket", f"worker:{number}", 60)

    store.queue.hand_out([assets[0].id], "ticket", 60)
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(show, range(8)))
    assert sum(claim is not None for claim in claims) == 1


def test_a_late_or_foreign_ticket_claims_nothing(store: Store) -> None:
    _, assets = stored_job(store)
    first, second = assets[0].id, assets[1].id
    store.queue.hand_out([first], "late", -1)
    assert store.leases.claim(first, "late", "w", 60) is None
    store.queue.hand_out([second], "old", -1)
    store.queue.hand_out([second], "new", 60)
    assert store.leases.claim(second, "old", "w", 60) is None
    assert store.leases.claim(second, "new", "w", 60) is not None


def test_what_is_handed_out_or_worked_on_is_not_handed_out_again(store: Store) -> None:
    _, assets = stored_job(store)
    store.queue.hand_out([assets[0].id], "first", 60)
    claimed(store, assets[1].id)
    store.queue.hand_out([assets[0].id, assets[1].id], "second", 60)
    assert store.leases.claim(assets[0].id, "second", "w", 60) is None
    assert store.leases.claim(assets[1].id, "second", "w", 60) is None
    assert store.queue.in_flight() == {LANE: 2}


def test_a_message_that_could_not_be_sent_frees_its_item(store: Store) -> None:
    _, assets = stored_job(store)
    store.queue.hand_out([assets[0].id], "first", 60)
    store.queue.take_back([assets[0].id], "first")
    assert claim(store, assets[0].id) is not None


def test_a_worker_that_lost_its_lease_can_change_nothing(store: Store) -> None:
    _, assets = stored_job(store)
    before = claimed(store, assets[0].id, lease_seconds=-1)  # it ran out at once
    store.transitions.submitting(before)
    after = claimed(store, assets[0].id)
    error = models.AssetError(code="x", message="Late.")
    writes: list[Callable[[], None]] = [
        lambda: store.transitions.submitting(before),
        lambda: store.transitions.running(before, "late"),
        lambda: store.transitions.resumed(before),
        lambda: store.transitions.saving(before),
        lambda: store.transitions.done(before, {"path": "late"}),
        lambda: store.transitions.hand_back(before, counted=True),
        lambda: store.transitions.failed(before, error),
        lambda: store.transitions.unknown(before, error),
        lambda: store.transitions.cancelled(before, None),
    ]
    assert after.lease is not None
    assert before.lease is not None
    held = {assets[0].id: before.lease.token}
    assert store.leases.renew(held, 60) == set()
    store.transitions.progress({(assets[0].id, before.lease.token): (0.5, "its turn")})
    assert store.leases.renew({assets[0].id: after.lease.token}, 60) == {assets[0].id}
    after = store.assets.get(assets[0].id) or after
    for write in writes:
        with pytest.raises(LeaseLost):
            write()
    assert store.assets.get(assets[0].id) == after


def test_abandoned_items_are_found_and_queued_ones_come_in_order(store: Store) -> None:
    _, assets = stored_job(store)
    store.transitions.submitting(claimed(store, assets[4].id, lease_seconds=-1))
    store.transitions.submitting(claimed(store, assets[0].id))
    assert store.queue.orphaned(LANE, 10) == [assets[4].id]
    assert store.queue.lanes() == [LANE]
    assert store.queue.users(LANE) == ["ana"]
    assert store.queue.due(LANE, "ana", 3) == [assets[1].id, assets[2].id, assets[3].id]


def test_an_item_that_was_handed_back_waits_for_its_time(store: Store) -> None:
    _, assets = stored_job(store)
    store.transitions.hand_back(claimed(store, assets[0].id), 300, counted=True)
    assert assets[0].id not in store.queue.due(LANE, "ana", 100)
    assert claim(store, assets[0].id) is None


def test_a_wrong_clock_on_a_worker_moves_no_lease(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, assets = stored_job(store)
    store.transitions.submitting(claimed(store, assets[0].id))
    right = models.now
    for wrong in (timedelta(hours=-5), timedelta(hours=5)):
        for module in ("models", "store.work.transitions", "store.work.notices"):
            monkeypatch.setattr(f"core.{module}.now", lambda by=wrong: right() + by)
        assert store.queue.orphaned(LANE, 10) == []
        assert len(store.queue.due(LANE, "ana", 100)) == 9
        assert claim(store, assets[0].id) is None


def test_one_worker_leads_until_its_lease_runs_out_or_it_leaves(store: Store) -> None:
    assert store.workers.lead("a", 60)
    assert not store.workers.lead("b", 60)
    assert store.workers.lead("a", 60)
    assert store.workers.leader() == "a"
    store.workers.remove("a")
    assert store.workers.leader() is None
    assert store.workers.lead("b", 1)
    while not store.workers.lead("a", 60):  # until the second is over
        assert store.workers.leader() in ("b", None)
    assert not store.workers.lead("b", 60)


def test_workers_are_there_while_they_announce_themselves(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.workers.announce(announced(queues={"io": 5}, seen_at=models.now() - timedelta(days=1)))
    assert [each.queues for each in store.workers.alive()] == [{"io": 5}]
    monkeypatch.setattr("core.store.work.workers.ALIVE_SECONDS", -1)
    assert store.workers.alive() == []


def states(store: Store, job_id: str) -> list[str]:
    return [str(asset.state) for asset in store.assets.of_job(job_id)]


def test_cancelling_ends_what_has_not_begun_and_marks_what_has(store: Store) -> None:
    job, assets = stored_job(store)
    finish(store, assets[0].id)
    working = claimed(store, assets[1].id)
    store.transitions.submitting(working)
    just_claimed = claimed(store, assets[2].id)
    remote = claimed(store, assets[3].id)
    store.transitions.running(remote, "remote-1")
    store.transitions.hand_back(remote, counted=False)
    assert store.job_actions.cancel(job.id, "ben") == 0
    assert store.job_actions.cancel(job.id, "ana") == 9
    assert states(store, job.id)[:4] == ["done", "submitting", "cancelled", "queued"]
    assert set(states(store, job.id)[4:]) == {"cancelled"}
    assert store.leases.to_cancel("test:1") == [assets[1].id]
    with pytest.raises(LeaseLost):  # before it could spend anything
        store.transitions.submitting(just_claimed)
    resumed = claimed(store, assets[3].id)
    assert (resumed.remote_id, resumed.cancel_requested) == ("remote-1", True)
    store.transitions.cancelled(resumed, None)
    store.transitions.cancelled(working, None)
    assert store.settlement.settle(job.id) == models.JobStatus.CANCELLED


def test_retrying_opens_the_job_again_and_tells_no_second_time(store: Store) -> None:
    job, assets = stored_job(store)
    for asset in assets[2:]:
        finish(store, asset.id)
    error = models.AssetError(code="x", message="It failed.")
    store.transitions.failed(claimed(store, assets[0].id), error)
    store.transitions.unknown(claimed(store, assets[1].id), error)
    assert store.settlement.settle(job.id) == models.JobStatus.FAILED
    assert store.job_actions.retry(job.id, "ben") == 0
    assert store.job_actions.retry(job.id, "ana") == 1
    again = store.jobs.get(job.id)
    assert again is not None
    assert (again.status, again.generated_at) == (models.JobStatus.PROCESSING, None)
    finish(store, assets[0].id)
    assert store.settlement.settle(job.id) == models.JobStatus.FAILED
    assert store.job_actions.resend(job.id, "ana", assets[0].id) == 0
    assert store.job_actions.resend(job.id, "ana", assets[1].id) == 1
    finish(store, assets[1].id)
    assert store.settlement.settle(job.id) == models.JobStatus.COMPLETED
    assert len(store.notices.of_job(job.id)) == 2, "one in the app, one in the terminal"


def test_an_answer_that_comes_late_makes_an_unknown_item_known(store: Store) -> None:
    _, assets = stored_job(store)
    error = models.AssetError(code="x", message="Unknown.")
    late = claimed(store, assets[0].id, lease_seconds=-1)
    store.transitions.submitting(late)
    store.transitions.unknown(claimed(store, assets[0].id), error)
    assert store.transitions.answered_late(late, "remote-1")
    assert store.transitions.answered_late(late, "remote-1")  # its acknowledgement was lost
    assert claimed(store, assets[0].id).remote_id == "remote-1"
    assert not store.transitions.answered_late(late, "remote-2")


def test_an_answer_between_the_end_of_a_lease_and_the_next_is_kept(store: Store) -> None:
    _, assets = stored_job(store)
    late = claimed(store, assets[0].id, lease_seconds=-1)
    store.transitions.submitting(late)
    successor = claimed(store, assets[0].id)  # has read the item before the answer came
    assert store.transitions.answered_late(late, "remote-1")
    store.transitions.unknown(successor, models.AssetError(code="x", message="Unknown."))
    resumed = claimed(store, assets[0].id)
    assert (resumed.state, resumed.remote_id) == (models.AssetState.QUEUED, "remote-1")


def test_an_old_answer_is_not_taken_for_that_of_a_newer_call(store: Store) -> None:
    job, assets = stored_job(store)
    old = claimed(store, assets[0].id, lease_seconds=-1)
    store.transitions.submitting(old)
    store.transitions.unknown(
        claimed(store, assets[0].id), models.AssetError(code="x", message="Unknown.")
    )
    store.job_actions.resend(job.id, "ana")
    assert not store.transitions.answered_late(old, "remote-1")
    store.transitions.submitting(claimed(store, assets[0].id))
    assert not store.transitions.answered_late(old, "remote-1")


def test_what_goes_on_at_its_provider_is_in_flight_and_comes_first(store: Store) -> None:
    _, assets = stored_job(store)
    remote = claimed(store, assets[3].id)
    store.transitions.submitting(remote)
    store.transitions.running(remote, "remote-1")
    store.transitions.hand_back(remote, counted=False)
    assert store.queue.in_flight() == {LANE: 1}
    assert store.queue.orphaned(LANE, 10) == [assets[3].id]


def test_a_wish_to_cancel_does_not_wait_for_a_pause(store: Store) -> None:
    job, assets = stored_job(store)
    working = claimed(store, assets[0].id)
    store.transitions.submitting(working)
    store.job_actions.cancel(job.id, "ana", assets[0].id)
    store.transitions.hand_back(working, 3600, counted=False)
    assert store.queue.to_cancel(10) == [assets[0].id]


def test_a_retry_beside_a_settling_leaves_the_job_open(store: Store) -> None:
    job, assets = stored_job(store)
    for asset in assets[1:]:
        finish(store, asset.id)
    store.transitions.failed(
        claimed(store, assets[0].id), models.AssetError(code="x", message="No.")
    )
    with ThreadPoolExecutor(2) as pool:
        for _ in range(10):
            settling = pool.submit(store.settlement.settle, job.id)
            store.job_actions.retry(job.id, "ana")
            settling.result()
            found = store.jobs.get(job.id)
            assert found is not None
            assert found.status == models.JobStatus.PROCESSING
            store.transitions.failed(
                claimed(store, assets[0].id), models.AssetError(code="x", message="No.")
            )
    assert store.settlement.unsettled() == [job.id]


def test_nobody_reads_what_is_not_theirs(store: Store) -> None:
    job, assets = stored_job(store)
    assert store.jobs.get(job.id, "ben") is None
    assert store.assets.get(assets[0].id, "ben") is None
    assert store.jobs.of_user("ben") == []
    assert store.library.find(Filter(owner="ben")).assets == []


def test_an_account_is_made_once_and_remembers_its_last_login(store: Store) -> None:
    assert [store.users.create("ana"), store.users.create("ana")] == [True, False]
    first = store.users.get("ana")
    assert [store.users.note_login("ana"), store.users.note_login("eve")] == [True, False]
    again = store.users.get("ana")
    assert first is not None
    assert again is not None
    assert again.created_at == first.created_at
    assert first.last_login_at is None
    assert again.last_login_at is not None


def test_logs_are_kept_newest_first(store: Store) -> None:
    for reason in ("ok", "reserved"):
        store.login_log.add(
            models.LoginEntry(
                user_id="ana",
                outcome="x",
                reason=reason,
                address="::1",
                agent="",
                time=models.now(),
            )
        )
    assert {entry.reason for entry in store.login_log.of_user("ana")} == {"ok", "reserved"}
    store.view_log.add(
        models.ViewEntry(
            user_id="ana", job_id=None, asset_id=None, action="open_gallery", time=models.now()
        )
    )
    assert [entry.action for entry in store.view_log.of_user("ana")] == ["open_gallery"]


def test_the_database_refuses_a_document_that_is_not_a_job(
    store: Store, raw: Database[dict[str, Any]]
) -> None:
    job, _ = stored_job(store)
    with pytest.raises(WriteError):
        raw["jobs"].update_one({"_id": job.id}, {"$set": {"status": "Finished"}})
    with pytest.raises(WriteError):
        raw["assets"].insert_one({"_id": "x", "job_id": job.id})


def test_the_schema_can_be_ensured_again(store: Store, raw: Database[dict[str, Any]]) -> None:
    def indexes() -> dict[str, Any]:
        return {name: raw[name].index_information() for name in raw.list_collection_names()}

    before = indexes()
    assert len(before["assets"]) > 1
    store.ensure_schema()
    assert indexes() == before


@pytest.mark.parametrize(
    ("collection", "query", "order"),
    [
        ("jobs", {"user_id": "ana"}, [("created_at", -1)]),
        ("jobs", {"status": "Processing"}, None),
        ("assets", {"job_id": "x"}, [("kind", 1), ("slot", 1)]),
        (
            "assets",
            {"state": "queued", "provider": "p", "model": "m", "user_id": "ana"},
            [("next_attempt_at", 1), ("job_id", 1), ("kind", 1), ("slot", 1)],
        ),
        (
            "assets",
            {
                "state": {"$in": ["submitting", "running", "saving"]},
                "$expr": {"$lt": ["$lease.until", "$$NOW"]},
            },
            None,
        ),
        ("assets", {"state": {"$in": ["queued", "running"]}}, None),
        (
            "assets",
            {
                "state": "queued",
                "remote_id": {"$type": "string"},
                "provider": "p",
                "model": "m",
            },
            None,
        ),
        ("assets", {"cancel_requested": True, "lease.owner": "w"}, None),
        ("workers", {"$expr": {"$gt": ["$seen_at", "$$NOW"]}}, None),
        (
            "assets",
            {"user_id": "ana", "kind": "image", "state": "done", "binned_at": None},
            [("timings.saved_at", -1)],
        ),
        (
            "outbox",
            {"status": "due", "channel": "app", "$expr": {"$lte": ["$due_at", "$$NOW"]}},
            [("due_at", 1)],
        ),
        ("outbox", {"lease.token": "x"}, None),
        ("outbox", {"status": "due", "lease.owner": "x"}, None),
        ("outbox", {"user_id": "ana", "status": {"$in": ["due"]}}, [("due_at", 1)]),
        (
            "outbox",
            {"user_id": "ana", "$or": [{"status": "failed"}, {"status": "sent", "channel": "app"}]},
            [("due_at", -1)],
        ),
        ("outbox", {"job_id": "x"}, None),
        ("addresses", {"confirm_token": "x"}, None),
        ("addresses", {"$or": [{"confirm_token": "x"}, {"unsubscribe_token": "x"}]}, None),
        ("addresses", {"user_id": "ana", "asked_at": {"$gte": models.now()}}, None),
        ("login_log", {"user_id": "ana"}, [("time", -1)]),
        ("view_log", {"user_id": "ana"}, [("time", -1)]),
    ],
)
def test_every_query_has_its_index(
    store: Store,
    raw: Database[dict[str, Any]],
    collection: str,
    query: dict[str, Any],
    order: Any,  # as pymongo takes it
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
            assert len(store.queue.due(LANE, "ana", 100)) == 10
    finally:
        mongo.stop()


def test_a_database_left_behind_by_a_killed_run_is_taken_over(tmp_path: Path) -> None:
    orphan = EmbeddedMongo(tmp_path)
    orphan.start()
    successor = EmbeddedMongo(tmp_path)
    try:
        successor.start()
        assert orphan.process is not None
        assert orphan.process.wait(60) == 0
        with open_store(Settings(data_dir=tmp_path)) as store:
            assert store.ping()
    finally:
        successor.stop()


def test_what_waits_and_what_is_in_flight_is_counted_by_lane(store: Store) -> None:
    job, assets = stored_job(store)
    store.transitions.submitting(claimed(store, assets[0].id))
    assert store.queue.in_flight() == {LANE: 1}
    assert store.queue.saving() == {}
    saving = claimed(store, assets[1].id)
    store.transitions.saving(saving)
    assert (store.queue.in_flight(), store.queue.saving()) == ({LANE: 2}, {LANE: 1})
    store.transitions.hand_back(saving, counted=False)
    assert store.queue.waiting()[LANE].items == 9
    assert abs(store.queue.waiting()[LANE].since - job.created_at) < timedelta(seconds=1)
