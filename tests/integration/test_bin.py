"""The bin: what lies in it is hidden and can be had back; what has lain there long is removed."""

import asyncio
import json
import zipfile
from contextlib import suppress
from datetime import timedelta
from io import BytesIO
from typing import Any
from unittest.mock import patch

import pytest
from pymongo.errors import AutoReconnect

from core import models
from core.generation.leader_lease import LeaderLease
from core.generation.sweeper import Sweeper, empty_bin, remove_accounts
from core.media.folder import FolderStore
from core.media.storage import StorageUnavailable
from core.store import DatabaseError, Store
from core.store.jobs.library_filter import Filter
from core.web.identity.cookies import Identity
from core.web.text.view_context import ViewContext
from tests.conftest import MOMENT, claim, stored_job
from tests.integration.test_notifications import Recorder, sender
from tests.integration.test_removal import broken_at
from tests.seed import fill
from tests.web import ADMINS, OpenBrowser, changed, finished, made_admin

IDENTITY = Identity("key", days=30, secure=False)
ALL, BIN = Filter(owner="ana"), Filter(owner="ana", binned=True)


@pytest.fixture
def made(store: Store, content: FolderStore) -> list[models.Asset]:
    """A job of Ana's with its items: four images and two clips."""
    return fill(store, content, "ana", images=4, clips=2)


def job_of(store: Store, asset: models.Asset) -> models.Job:
    job = store.jobs.get(asset.job_id)
    assert job is not None
    return job


def ids(assets: list[models.Asset]) -> list[str]:
    return [asset.id for asset in assets]


def listed(store: Store, wanted: Filter) -> list[str]:
    return ids(store.library.find(wanted).assets)


def put(store: Store, asset: models.Asset, **fields: Any) -> None:
    store._database["assets"].update_one({"_id": asset.id}, {"$set": fields})  # noqa: SLF001


def files(content: FolderStore, asset: models.Asset) -> int:
    return len([each for each in content.root.rglob(f"{asset.id}*") if each.is_file()])


def gone(store: Store, content: FolderStore, asset: models.Asset) -> bool:
    return store.assets.get(asset.id) is None and files(content, asset) == 0


# In and out


def test_what_is_in_the_bin_is_nowhere_else(store: Store, made: list[models.Asset]) -> None:
    store.bin.put("ana", [made[0].id, made[1].id])
    assert set(listed(store, ALL)) == set(ids(made[2:]))
    assert set(listed(store, BIN)) == set(ids(made[:2]))
    assert store.library.total(BIN) == 2
    assert {each.id for each in store.assets.of_job(made[0].job_id)} == set(ids(made[2:]))
    assert len(store.assets.of_job(made[0].job_id, binned=True)) == 6
    assert [job.id for job in store.jobs.of_user("ana")] == [made[0].job_id]
    store.bin.restore("ana", [made[0].id, made[1].id])
    assert (len(listed(store, ALL)), listed(store, BIN)) == (6, [])


def test_the_last_that_was_deleted_is_the_first_in_the_bin(
    store: Store, made: list[models.Asset]
) -> None:
    for number, asset in enumerate(made[:3]):
        put(store, asset, binned_at=MOMENT + timedelta(minutes=number))
    assert listed(store, BIN) == ids(made[:3])[::-1]
    first = store.library.find(BIN, limit=2)
    assert first.next is not None
    assert ids(store.library.find(BIN, first.next, 2).assets) == [made[0].id]


def test_deleted_twice_is_not_kept_longer(store: Store, made: list[models.Asset]) -> None:
    put(store, made[0], binned_at=MOMENT)
    store.bin.put("ana", [made[0].id])
    [asset] = store.library.by_ids("ana", [made[0].id])
    assert asset.binned_at == MOMENT


def test_only_its_owner_sees_what_is_in_the_bin(
    browser: OpenBrowser, store: Store, made: list[models.Asset]
) -> None:
    made_admin(store)
    share = store.shares.make(made[0].job_id, "ana", models.now() + timedelta(days=1))
    key = f"?share={IDENTITY.share_key(share.id)}"
    ana, guest, admin = browser("ana"), browser(), browser("root", ADMINS)
    parts = [f"/content/{made[0].id}{part}" for part in ("", "/preview", "/poster")]
    assert {guest.get(each + key).status_code for each in parts} == {200}
    store.bin.put("ana", [made[0].id])
    assert {ana.get(each).status_code for each in parts} == {200}
    assert {guest.get(each + key).status_code for each in parts} == {404}
    assert {admin.get(each).status_code for each in parts} == {404}
    assert guest.get(f"/content/{made[1].id}{key}").status_code == 200
    store.bin.remove("ana", [made[0].id])
    assert {ana.get(each).status_code for each in parts} == {404}


def test_the_tile_says_when_it_is_gone(browser: OpenBrowser, made: list[models.Asset]) -> None:
    ana = browser("ana")
    body = changed(ana, ids=[made[0].id], bin=True)
    [tile] = body["items"]
    gone_on = models.now() + timedelta(days=30)
    assert tile["binned"] == f"gone on {gone_on.day} {gone_on:%b %Y}"
    assert "remix" not in tile
    [tile] = changed(ana, ids=[made[0].id], bin=False)["items"]
    assert tile["binned"] == ""
    body = changed(ana, ids=[made[0].id], bin=True, remove=True)
    assert body == {"items": [], "gone": [made[0].id]}
    assert ana.get("/library/items?bin=1").json()["total"] == 0


def test_what_is_not_in_the_bin_is_not_removed(
    browser: OpenBrowser, made: list[models.Asset]
) -> None:
    [tile] = changed(browser("ana"), ids=[made[0].id], remove=True)["items"]
    assert tile["binned"] == ""


def test_what_waits_to_be_removed_is_gone_today() -> None:
    view = ViewContext(zone=MOMENT.tzinfo, today=MOMENT)  # type: ignore[arg-type]  # it has one
    assert view.gone_on(MOMENT - timedelta(days=31)) == "gone on 23 Nov 2026"


# Whole jobs


def test_a_whole_job_is_deleted_and_comes_back_with_any_of_its_items(
    browser: OpenBrowser, store: Store, made: list[models.Asset]
) -> None:
    ana, root = browser("ana"), browser("root")
    made_admin(store, "admin")
    failed = made[5]
    put(store, failed, state="failed")
    store.settlement.settle(failed.job_id)
    share = store.shares.make(failed.job_id, "ana", models.now() + timedelta(days=1))
    body = changed(ana, job=made[0].job_id, bin=True)
    assert len(body["items"]) == 5
    assert all(tile["binned"] for tile in body["items"])
    assert store.jobs.of_user("ana") == []
    assert set(listed(store, BIN)) == set(ids(made[:5]))
    key = f"?share={IDENTITY.share_key(share.id)}"
    assert root.get(f"/content/{made[1].id}{key}").status_code == 404
    assert store.job_actions.retry(made[0].job_id, "ana") == 0
    changed(ana, ids=[made[2].id], bin=False)
    assert [job.id for job in store.jobs.of_user("ana")] == [made[0].job_id]
    assert set(ids(store.assets.of_job(made[0].job_id))) == {made[2].id, failed.id}
    assert store.job_actions.retry(made[0].job_id, "ana") == 1


def test_a_job_in_the_making_cannot_be_deleted(browser: OpenBrowser, store: Store) -> None:
    job, _ = stored_job(store)
    response = browser("ana").post("/library/items", json={"job": job.id, "bin": True})
    assert response.status_code == 400
    assert "still being made" in response.json()["detail"]
    assert job_of(store, store.assets.of_job(job.id)[0]).binned_at is None


def test_a_job_without_a_single_item_made_can_be_deleted_too(
    store: Store, content: FolderStore
) -> None:
    job, assets = stored_job(store)
    store.job_actions.cancel(job.id, "ana")
    store.bin.put_job("ana", job.id)
    assert store.jobs.of_user("ana") == []
    empty_bin(store, content, 0)
    assert store.jobs.get(job.id) is None
    assert store.assets.get(assets[0].id) is None


# Removed for good


def test_what_has_lain_there_long_is_removed_with_its_files(
    store: Store, content: FolderStore, made: list[models.Asset]
) -> None:
    put(store, made[0], binned_at=models.now() - timedelta(days=30, minutes=1))
    put(store, made[1], binned_at=models.now() - timedelta(days=29, hours=23))
    assert files(content, made[0]) == 3
    empty_bin(store, content, 30)
    assert gone(store, content, made[0])
    assert files(content, made[1]) == 3
    assert listed(store, BIN) == [made[1].id]
    empty_bin(store, content, 30)


def test_a_job_stays_true_when_items_of_it_are_removed(
    store: Store, content: FolderStore, made: list[models.Asset]
) -> None:
    for asset in made:
        put(store, asset, cost={"estimated": None, "actual": 0.25, "earlier": 0.5, "unit": "USD"})
    put(store, made[5], state="failed", path=None)
    store.settlement.settle(made[0].job_id)
    before = job_of(store, made[0])
    assert (before.status, before.cost) == (models.JobStatus.FAILED, {"USD": 4.5})
    store.bin.put("ana", ids(made[1:5]))
    store.bin.remove("ana", ids(made[1:5]))
    empty_bin(store, content, 30)
    job = job_of(store, made[0])
    assert job.image_paths + job.video_paths == (made[0].path,)
    assert (job.status, job.cost) == (before.status, before.cost)
    assert job.generated_at == before.generated_at
    store.bin.put("ana", ids(made[:1]))
    empty_bin(store, content, 0)
    job = job_of(store, made[0])
    assert (job.image_paths, job.video_paths) == ((), ())
    assert (job.status, job.cost) == (models.JobStatus.FAILED, {"USD": 4.5})
    assert job.generated_at == before.generated_at
    assert store.settlement.unsettled() == []
    assert store.job_actions.retry(job.id, "ana") == 1


def test_the_job_goes_with_its_last_item_and_what_is_about_it(
    store: Store, content: FolderStore, made: list[models.Asset]
) -> None:
    job_id, other = made[0].job_id, stored_job(store)[0]
    outbox = store._database["outbox"]  # noqa: SLF001
    for each in (job_id, other.id):
        store.shares.make(each, "ana", models.now() + timedelta(days=1))
        row = {"job_id": each, "channel": "app", "recipient": "ana", "user_id": "ana"}
        outbox.insert_one(row | {"_id": f"{each}-app", "status": "sent", "due_at": models.now()})
    for asset in made:
        store.bin.put("ana", [asset.id])
        assert store.jobs.get(job_id) is not None
        empty_bin(store, content, 0)
        if asset is not made[-1]:
            assert job_of(store, asset).status == models.JobStatus.COMPLETED
    assert store.jobs.get(job_id) is None
    assert store.shares.of_job(job_id, "ana") == []
    assert [each["job_id"] for each in outbox.find()] == [other.id]
    assert len(store.shares.of_job(other.id, "ana")) == 1


def test_removing_a_deleted_job_removes_what_was_not_made_of_it(
    store: Store, content: FolderStore, made: list[models.Asset]
) -> None:
    put(store, made[5], state="failed")
    store.settlement.settle(made[0].job_id)
    store.bin.put_job("ana", made[0].job_id)
    store.bin.remove("ana", ids(made[:4]))
    empty_bin(store, content, 30)
    assert [each.id for each in store.assets.of_job(made[0].job_id, binned=True)] == [
        made[4].id,
        made[5].id,
    ]
    store.bin.remove("ana", [made[4].id])
    empty_bin(store, content, 30)
    assert store.jobs.get(made[0].job_id) is None


def test_what_may_still_be_uploaded_is_left_alone_for_a_while(
    store: Store, content: FolderStore, made: list[models.Asset]
) -> None:
    put(
        store,
        made[0],
        state="cancelled",
        binned_at=models.TOMBSTONE,
        **{"timings.failed_at": models.now()},
    )
    empty_bin(store, content, 30)
    assert store.assets.get(made[0].id) is not None
    put(store, made[0], **{"timings.failed_at": models.now() - timedelta(hours=1)})
    empty_bin(store, content, 30)
    assert gone(store, content, made[0])


def test_what_an_answer_came_for_after_all_is_not_removed_under_its_worker(
    store: Store, content: FolderStore
) -> None:
    job, [image, *others] = stored_job(store)
    store.job_actions.cancel(job.id, "ana")
    for other in others:
        store.bin.forget(other)
    put(store, image, state="queued")
    claimed = claim(store, image.id)
    assert claimed is not None
    store.transitions.submitting(claimed)
    store.transitions.unknown(claimed, models.AssetError(code="x", message="No answer."))
    store.settlement.settle(job.id)
    store.bin.put_job("ana", job.id)
    put(
        store,
        image,
        binned_at=models.TOMBSTONE,
        **{"timings.failed_at": models.now() - timedelta(hours=1)},
    )
    assert store.transitions.answered_late(claimed, "remote-1")
    empty_bin(store, content, 30)
    assert store.assets.get(image.id) is not None
    finished(store, content, image, b"x")
    empty_bin(store, content, 30)
    assert gone(store, content, image)


def test_nobody_is_told_of_nothing(
    browser: OpenBrowser, store: Store, made: list[models.Asset]
) -> None:
    job = job_of(store, made[0])
    store.bin.put("ana", ids(made))
    body = browser("ana").get(f"/jobs/{job.id}/live").json()["job"]["sentence"]
    assert body == "There is nothing here, or not any more."


def test_a_message_tells_what_was_made_and_shows_nothing_of_the_bin(
    store: Store, made: list[models.Asset]
) -> None:
    job, app = job_of(store, made[0]), Recorder()
    store.settlement.announce(job.id, "ana", models.Notify(channels=("app",)))
    store.bin.put_job("ana", job.id)
    assert sender(store, app).send_due(app) == 1
    [(_, message)] = app.taken
    assert message.text == (
        "2 videos and 4 images are ready. "
        "4 of these images are identical: the server may ignore the seed. "
        "2 of these videos are identical: the server may ignore the seed."
    )
    assert message.jobs[0].shown == ()


def test_an_image_is_kept_while_a_clip_is_made_of_it(
    store: Store, content: FolderStore, made: list[models.Asset]
) -> None:
    _, [clip, *_] = stored_job(store)
    put(store, clip, source=made[0].id)
    store.bin.put("ana", ids(made[:2]))
    store.bin.remove("ana", ids(made[:2]))
    empty_bin(store, content, 30)
    assert files(content, made[0]) == 3
    assert gone(store, content, made[1])
    assert listed(store, BIN) == []
    finished(store, content, clip, b"x")
    empty_bin(store, content, 30)
    assert gone(store, content, made[0])


def test_what_is_taken_out_in_time_keeps_its_files(
    store: Store, content: FolderStore, made: list[models.Asset]
) -> None:
    """Between the look and the removal nobody gets it back: it is either restored or removed."""
    store.bin.put("ana", ids(made))
    [*due] = store.bin.due(0, 100)
    assert len(due) == 6
    store.bin.restore("ana", ids(made))
    assert listed(store, ALL) == []
    empty_bin(store, content, 30)
    assert all(gone(store, content, asset) for asset in made)


def test_emptying_broken_off_at_any_step_comes_to_the_same_end(
    store: Store, content: FolderStore
) -> None:
    step, steps = -1, 0
    while step < steps:
        made = fill(store, content, "ana", images=3, clips=1)
        put(store, made[0], cost={"actual": 0.25, "earlier": 0.0, "unit": "USD"})
        store.settlement.settle(made[0].job_id)
        cost = job_of(store, made[0]).cost
        store.bin.put("ana", ids(made[:2]))
        with broken_at(step) as broken, suppress(DatabaseError):
            empty_bin(store, content, 0)
        if step < 0:
            steps = broken.steps
            assert steps > 12
        empty_bin(store, content, 0)
        job = job_of(store, made[0])
        assert all(gone(store, content, asset) for asset in made[:2])
        assert {*job.image_paths, *job.video_paths} == {asset.path for asset in made[2:]}
        assert (job.cost, job.status) == (cost, models.JobStatus.COMPLETED)
        receipts = store._database["receipts"].find({"job_id": job.id})  # noqa: SLF001
        assert {each["_id"] for each in receipts} == set(ids(made[:2]))
        step += 1


def test_files_that_cannot_be_removed_hold_up_no_others(
    store: Store, content: FolderStore, made: list[models.Asset]
) -> None:
    store.bin.put("ana", ids(made[:3]))
    real = content.remove

    def stuck(user_id: str, path: str) -> None:
        if made[0].id in path:
            raise PermissionError("no")
        real(user_id, path)

    with patch.object(content, "remove", stuck):
        empty_bin(store, content, 0)
    assert store.assets.get(made[0].id) is not None
    assert gone(store, content, made[1])
    assert gone(store, content, made[2])
    empty_bin(store, content, 0)
    assert gone(store, content, made[0])


def test_a_store_that_does_not_answer_is_left_alone(
    store: Store, content: FolderStore, made: list[models.Asset]
) -> None:
    store.bin.put("ana", ids(made))
    tried = []

    def down(user_id: str, path: str) -> None:
        tried.append((user_id, path))
        raise StorageUnavailable("no answer")

    with patch.object(content, "remove", down):
        empty_bin(store, content, 0)
    assert len(tried) == 1
    assert len(store.assets.of_job(made[0].job_id, binned=True)) == 6


def test_the_leading_worker_empties_the_bin(
    store: Store, content: FolderStore, made: list[models.Asset]
) -> None:
    put(store, made[0], binned_at=models.now() - timedelta(days=8))

    async def sweep() -> None:
        leader_lease = LeaderLease(store, "test:1", 15)
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(leader_lease.run()),
                group.create_task(Sweeper(store, content, leader_lease, 7).run()),
            ]
            async with asyncio.timeout(240):
                while not await asyncio.to_thread(gone, store, content, made[0]):
                    await asyncio.sleep(0.05)
            for task in tasks:
                task.cancel()

    asyncio.run(sweep())
    assert files(content, made[1]) == 3


def test_a_database_that_breaks_off_is_tried_again(
    store: Store, content: FolderStore, made: list[models.Asset]
) -> None:
    store.bin.put("ana", ids(made[:1]))
    with (
        patch.object(store.settlement, "settle_within", side_effect=AutoReconnect("gone")),
        pytest.raises(AutoReconnect),
    ):
        empty_bin(store, content, 0)
    assert store.assets.get(made[0].id) is not None
    empty_bin(store, content, 0)
    assert gone(store, content, made[0])


# What is removed still counts


def test_limits_and_statistics_count_what_was_removed(store: Store, content: FolderStore) -> None:
    _, [asset, *_] = stored_job(store)
    claimed = claim(store, asset.id)
    assert claimed is not None
    store.transitions.submitting(claimed)
    store.transitions.running(claimed, None)
    store.transitions.saving(claimed, {"cost.actual": 0.5, "cost.unit": "USD"})
    store.transitions.done(claimed, {"path": "x.png"})
    lane = (asset.provider, asset.model)
    assert store.queue.called(*lane, 3600) == 1
    store.bin.put("ana", [asset.id])
    empty_bin(store, content, 0)
    assert store.assets.get(asset.id) is None
    assert store.queue.called(*lane, 3600) == 1
    assert store.queue.called(asset.provider, None, 3600) == 1
    [receipt] = store._database["receipts"].find()  # noqa: SLF001
    assert receipt["cost"]["actual"] == 0.5


def test_an_account_in_removal_takes_its_bin_along(
    store: Store, content: FolderStore, made: list[models.Asset]
) -> None:
    store.bin.put("ana", ids(made[:3]))
    store.bin.remove("ana", ids(made[:1]))
    empty_bin(store, content, 30)
    database = store._database  # noqa: SLF001
    database["jobs"].update_many({}, {"$set": {"updated_at": models.EPOCH}})
    store.account_deletion.request("ana")
    database["users"].update_one({"_id": "ana"}, {"$set": {"deleting_at": models.EPOCH}})
    remove_accounts(store, content)
    assert store.users.get("ana") is None
    assert not (content.root / "ana").exists()
    for name in ("assets", "jobs", "receipts"):
        assert database[name].count_documents({}) == 0


def test_the_archive_has_what_is_in_the_bin_and_says_so(
    browser: OpenBrowser, store: Store, made: list[models.Asset]
) -> None:
    store.bin.put("ana", ids(made[:2]))
    store.bin.remove("ana", ids(made[:1]))
    store.bin.forget(made[5])
    response = browser("ana").get("/account/archive.zip")
    archive = zipfile.ZipFile(BytesIO(response.content))
    names = [name for name in archive.namelist() if "/" in name]
    assert len(names) == 4
    [removed] = json.loads(archive.read("removed.json"))
    assert (removed["_id"], removed["job_id"]) == (made[5].id, made[5].job_id)
    assert [name.split("/")[1] for name in names].count("bin") == 1
    [job] = json.loads(archive.read("jobs.json"))
    binned = {each["_id"]: each["binned_at"] for each in job["assets"]}
    assert binned[made[1].id] is not None
    assert binned[made[2].id] is None


def test_settling_never_takes_an_empty_job_for_cancelled(
    store: Store, made: list[models.Asset]
) -> None:
    store._database["assets"].delete_many({})  # noqa: SLF001  # an account's removal, halfway
    assert store.settlement.settle(made[0].job_id) == models.JobStatus.COMPLETED
    assert made[0].state == models.AssetState.DONE


def test_a_retry_beside_a_deletion_leaves_nothing_half_deleted(
    store: Store, made: list[models.Asset]
) -> None:
    put(store, made[5], state="failed")
    store.settlement.settle(made[0].job_id)
    assert store.job_actions.retry(made[0].job_id, "ana") == 1
    with pytest.raises(models.InvalidInput, match="still being made"):
        store.bin.put_job("ana", made[0].job_id)
    assert listed(store, BIN) == []
