"""Removing an account: what goes, what stays, and that it ends well however it is broken off."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pymongo import MongoClient
from pymongo.collection import Collection
from pymongo.database import Database
from pymongo.errors import AutoReconnect

from core import models
from core.generation.sweeper import empty_bin, remove_accounts
from core.media.folder import FolderStore
from core.media.storage import PREVIEWS, StorageUnavailable
from core.settings import Settings
from core.store import DatabaseError, Store
from core.store.accounts.login_throttle import Limit
from core.store.jobs.library_filter import Filter
from core.studio.order import Order
from core.studio.planning import plan
from tests.catalogue import illustrator_only
from tests.conftest import claim, stored_job
from tests.contract.fakes import FakeProvider
from tests.integration.job_harness import NewHarness, run, until

Raw = Database[dict[str, Any]]

LOGS = {"login_log", "view_log"}
SHARED = {"installation", "workers", "leader", "quarantine"}
OF_ACCOUNT = Limit(free=5, most=12)
HASHED = "a hash"


@pytest.fixture
def raw(store: Store, settings: Settings) -> Iterator[Raw]:
    """The database as a stranger's program sees it, without our code."""
    assert store.ping()
    uri = settings.mongodb_uri.get_secret_value()
    with MongoClient[dict[str, Any]](uri, tz_aware=True) as client:
        yield client[settings.mongodb_database]


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for, as if all had been quiet for long."""
    monkeypatch.setattr("core.store.accounts.account_deletion.QUIET_SECONDS", -1)
    monkeypatch.setattr("core.store.accounts.account_deletion.SETTLED_SECONDS", -1)


def ordered(store: Store, user_id: str, **wish: Any) -> tuple[models.Job, list[models.Asset]]:
    """Store a job of one image and one video."""
    order = Order(user_id=user_id, prompt="the sea", notify=models.Notify(**wish))
    job, assets = plan(order, illustrator_only())
    store.jobs.create(job, [assets[0], assets[5]])
    return job, [assets[0], assets[5]]


def saved(
    store: Store, content: FolderStore, asset: models.Asset, extension: str, **learnt: Any
) -> None:
    claimed = claim(store, asset.id)
    assert claimed is not None
    paths = {}
    for field, name in (
        ("path", f"{asset.id}.{extension}"),
        ("preview", f"{PREVIEWS}/{asset.id}.webp"),
        ("poster", f"{PREVIEWS}/{asset.id}-poster.webp"),
    ):
        with content.draft(asset.user_id, asset.id) as draft:
            draft.path.write_bytes(b"a file")
            paths[field] = draft.commit(name)
    store.transitions.done(claimed, paths | learnt)


def lived(store: Store, content: FolderStore, user_id: str) -> tuple[models.Job, models.Job]:
    """Make an account that has used everything there is; return a finished job and an open one."""
    store.users.create(user_id, passphrase_hash=HASHED)
    store.budgets.budgets = {"USD": 100.0}
    done, (image, video) = ordered(store, user_id)
    saved(store, content, image, "png")
    saved(store, content, video, "mp4")
    store.settlement.settle(done.id)
    deleted, (image, video) = ordered(store, user_id)
    for asset, extension in ((image, "png"), (video, "mp4")):
        saved(store, content, asset, extension, **{"cost.actual": 0.5, "cost.unit": "USD"})
    store.settlement.settle(deleted.id)
    store.bin.put_job(user_id, deleted.id)
    empty_bin(store, content, 0)
    waiting, items = ordered(store, user_id, channels=("app", "webhook"))
    claimed = claim(store, items[0].id)
    assert claimed is not None
    store.transitions.partial(claimed, b"half a picture")
    store.transitions.hand_back(claimed, counted=False)
    store.shares.make(done.id, user_id, models.now() + timedelta(days=1))
    store.login_sessions.begin(user_id, 30)
    store.invitations.make("terminal", user_id)
    for whence in ("", " 198.51.100.7", " removal"):
        store.login_throttle.begin(f"account {user_id}{whence}", OF_ACCOUNT)
    store.notices.add(user_id, models.NoticeKind.TEST, "app", user_id)
    sent = store.notices.add(user_id, models.NoticeKind.TEST, "desktop", user_id)
    store.outbox.sent({sent.id: ("Done", "It is done.")})
    store.email_addresses.confirm_locally(user_id, f"{user_id}@example.org")
    store.login_log.add(
        models.LoginEntry(
            user_id=user_id, outcome="accepted", reason="", address="", agent="", time=models.now()
        )
    )
    store.view_log.add(
        models.ViewEntry(
            user_id=user_id, job_id=done.id, asset_id=None, action="open_job", time=models.now()
        )
    )
    return done, waiting


def documents(raw: Raw) -> dict[str, dict[Any, dict[str, Any]]]:
    """Return everything in the database that is somebody's, by collection and id."""
    names = set(raw.list_collection_names()) - SHARED
    return {name: {each["_id"]: each for each in raw[name].find()} for name in names}


def files(content: FolderStore, user_id: str = "") -> list[Path]:
    return sorted(path for path in (content.root / user_id).rglob("*") if path.is_file())


def assert_only_logs_are_left(raw: Raw, content: FolderStore, accounts: int = 1) -> None:
    """Beside the logs there is what each account has spent this month, and not whose it was."""
    left = documents(raw)
    receipts = left.pop("receipts").values()
    assert {name for name, found in left.items() if found} == LOGS
    assert not any("ana" in str(receipt) for receipt in receipts)
    assert [receipt["cost"]["actual"] for receipt in receipts] == [0.5] * 2 * accounts
    assert list(content.root.glob("[!.]*")) == []


@pytest.mark.usefixtures("at_once")
def test_nothing_of_a_removed_account_is_left_but_the_logs(
    store: Store, raw: Raw, content: FolderStore
) -> None:
    lived(store, content, "ana")
    assert {name for name, found in documents(raw).items() if not found} == set()
    assert len(files(content, "ana")) == 6
    store.account_deletion.request("ana")
    remove_accounts(store, content)
    assert_only_logs_are_left(raw, content)
    assert store.account_deletion.due() == []


def test_what_is_asked_holds_at_once(store: Store, content: FolderStore, raw: Raw) -> None:
    done, waiting = lived(store, content, "ana")
    secret, session = store.login_sessions.begin("ana", 30)
    assert secret
    store.account_deletion.request("ana")
    assert not store.users.note_login("ana")
    assert store.login_sessions.active([session.id]) == {}
    assert store.shares.of_job(done.id, "ana") == []
    assert [row["status"] for row in raw["outbox"].find({"kind": "test"})] == ["sent"]
    assert raw["addresses"].count_documents({}) == 0
    states = {asset.state for asset in store.assets.of_job(waiting.id)}
    assert states == {models.AssetState.CANCELLED}
    assert len(files(content, "ana")) == 6


def test_asking_again_changes_nothing(store: Store, raw: Raw, content: FolderStore) -> None:
    lived(store, content, "ana")
    store.account_deletion.request("ana")
    store.account_deletion.request("ana")  # with the cancelled job's notice for the terminal
    before = documents(raw)
    store.account_deletion.request("ana")
    assert documents(raw) == before


def test_nobody_is_told_of_what_is_cancelled_by_that(store: Store, content: FolderStore) -> None:
    _, waiting = lived(store, content, "ana")
    store.account_deletion.request("ana")
    used = {row.channel for row in store.notices.of_job(waiting.id)}
    assert used <= {"terminal"}


@pytest.mark.usefixtures("at_once")
def test_other_accounts_are_left_alone_however_alike_their_names(
    store: Store, raw: Raw, content: FolderStore
) -> None:
    others = ["an", "ana-", "ana.b", "ana_b", "anab", "banana"]
    for user_id in others:
        lived(store, content, user_id)
    before, files_before = documents(raw), files(content)
    lived(store, content, "ana")
    store.account_deletion.request("ana")
    remove_accounts(store, content)
    after = documents(raw)
    receipts = after["receipts"].items()
    after["receipts"] = {key: each for key, each in receipts if not each["user_id"].startswith("~")}
    for log in LOGS:
        after[log] = {key: each for key, each in after[log].items() if each["user_id"] != "ana"}
    assert after == before
    assert files(content) == files_before


def test_who_has_no_account_is_not_removed(store: Store, content: FolderStore) -> None:
    store.users.ensure("ana")
    store.account_deletion.request("eve")
    remove_accounts(store, content)
    assert store.account_deletion.due() == []
    assert store.users.get("ana") is not None
    assert store.users.get("eve") is None


class Broken:
    """Lets the database or the disk fail at one step, counted from 0; -1: at none."""

    def __init__(self, step: int) -> None:
        self.step = step
        self.steps = 0

    def __call__(self, error: Exception) -> None:
        self.steps += 1
        if self.steps == self.step + 1:
            raise error


@contextmanager
def broken_at(step: int) -> Iterator[Broken]:
    """Have the given write of the block fail before it is done."""
    broken = Broken(step)

    def failing(real: Callable[..., Any], error: Exception) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            broken(error)
            return real(*args, **more)

        return call

    with pytest.MonkeyPatch.context() as patch:
        for name in ("update_one", "update_many", "delete_one", "delete_many", "bulk_write"):
            lost = failing(getattr(Collection, name), AutoReconnect("connection closed"))
            patch.setattr(Collection, name, lost)
        for name in ("remove", "forget"):
            full = failing(getattr(FolderStore, name), OSError("Input/output error"))
            patch.setattr(FolderStore, name, full)
        yield broken


@pytest.mark.usefixtures("at_once")
def test_broken_off_at_any_step_it_comes_to_the_same_end(
    store: Store, raw: Raw, content: FolderStore
) -> None:
    step, steps = -1, 0
    while step < steps:
        lived(store, content, "ana")
        with broken_at(step) as broken, suppress(DatabaseError):
            store.account_deletion.request("ana")
            remove_accounts(store, content)
        if step < 0:
            steps = broken.steps
            assert steps > 30
        if step == 0:  # before the mark: it was not asked for, and the page says so
            assert store.account_deletion.due() == []
            store.account_deletion.request("ana")
        if step < steps - 1 and step >= 0:
            assert store.account_deletion.due() == ["ana"]
        remove_accounts(store, content)
        assert_only_logs_are_left(raw, content, step + 2)  # each time two, and twice none
        step += 1


@pytest.mark.usefixtures("at_once")
def test_files_that_cannot_be_removed_keep_their_documents_and_nobody_elses(
    store: Store, raw: Raw, content: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = [lived(store, content, user_id)[0] for user_id in ("ana", "eve")]
    for user_id in ("ana", "eve"):
        store.account_deletion.request(user_id)

    def remove(self: FolderStore, user_id: str, stored_path: str) -> None:
        if stored_path == f"{done[0].id}-video-1.mp4":
            raise StorageUnavailable("the object store does not answer")
        real(self, user_id, stored_path)

    real = FolderStore.remove
    with monkeypatch.context() as patch:
        patch.setattr(FolderStore, "remove", remove)
        remove_accounts(store, content)
    assert store.account_deletion.due() == ["ana"]
    assert files(content, "eve") == []
    [left] = files(content, "ana")
    videos = store.library.find(Filter(owner="ana", kind=models.Kind.VIDEO)).assets
    assert [asset.path for asset in videos] == [str(left)]
    remove_accounts(store, content)
    assert_only_logs_are_left(raw, content, accounts=2)


def test_what_ended_a_moment_ago_waits_for_who_may_still_be_saving(
    store: Store, raw: Raw, content: FolderStore
) -> None:
    done, waiting = lived(store, content, "ana")
    an_hour_ago = {"$set": {"updated_at": models.now() - timedelta(hours=1)}}
    raw["jobs"].update_one({"_id": done.id}, an_hour_ago)
    store.account_deletion.request("ana")
    raw["users"].update_one({}, {"$set": {"deleting_at": models.now() - timedelta(hours=1)}})
    remove_accounts(store, content)
    assert [job.id for job in store.jobs.of_user("ana")] == [waiting.id]
    assert store.account_deletion.due() == ["ana"]
    raw["jobs"].update_one({"_id": waiting.id}, an_hour_ago)
    remove_accounts(store, content)
    assert_only_logs_are_left(raw, content)


def test_an_account_outlasts_every_order_that_has_not_seen_the_mark(
    store: Store, raw: Raw, content: FolderStore
) -> None:
    store.users.ensure("ana")
    store.account_deletion.request("ana")
    remove_accounts(store, content)
    assert store.account_deletion.due() == ["ana"]
    raw["users"].update_one({}, {"$set": {"deleting_at": models.now() - timedelta(minutes=2)}})
    remove_accounts(store, content)
    assert store.users.get("ana") is None


@pytest.mark.usefixtures("at_once")
def test_a_job_with_an_item_that_came_back_to_life_is_not_ended(
    store: Store, raw: Raw, content: FolderStore
) -> None:
    done, _ = lived(store, content, "ana")
    resumed = {"$set": {"state": "running", "cancel_requested": True}}
    raw["assets"].update_one({"job_id": done.id, "slot": 1, "kind": "image"}, resumed)
    store.account_deletion.request("ana")
    remove_accounts(store, content)
    assert [job.id for job in store.jobs.of_user("ana")] == [done.id]


@pytest.mark.parametrize(
    ("collection", "query", "order"),
    [
        ("users", {"deleting_at": {"$type": "date"}}, [("deleting_at", 1)]),
        ("jobs", {"user_id": "ana", "status": {"$ne": "Processing"}, "_id": {"$nin": ["x"]}}, None),
        ("assets", {"user_id": "ana", "state": {"$in": ["queued", "running"]}}, None),
        ("shares", {"user_id": "ana", "withdrawn_at": None}, None),
        ("sessions", {"user_id": "ana", "revoked_at": None}, None),
        ("outbox", {"user_id": "ana", "status": {"$ne": "sent"}}, None),
        ("addresses", {"user_id": "ana"}, None),
    ],
)
def test_what_a_sweep_asks_has_an_index(
    raw: Raw, collection: str, query: dict[str, Any], order: Any
) -> None:
    cursor = raw[collection].find(query)
    plan = str((cursor.sort(order) if order else cursor).explain()["queryPlanner"]["winningPlan"])
    assert "COLLSCAN" not in plan
    assert "'SORT'" not in plan


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("resumable", [True, False])
def test_a_worker_in_the_middle_of_a_job_stops_it_and_then_nothing_is_left(
    new_harness: NewHarness, raw: Raw, monkeypatch: pytest.MonkeyPatch, *, resumable: bool
) -> None:
    monkeypatch.setattr("core.generation.sweeper.SWEEP_SECONDS", 0.1)
    harness = new_harness(FakeProvider(paid=True, resumable=resumable))
    harness.store.users.ensure("ana")

    async def main() -> None:
        harness.provider.hold.clear()
        async with harness.worker():
            await until(lambda: harness.states()[models.AssetState.RUNNING] == 10)
            harness.store.account_deletion.request("ana")
            await until(lambda: harness.store.users.get("ana") is None)

    run(main())
    assert len(harness.provider.submitted) == 10
    assert len(harness.provider.cancelled) == 10
    assert {name for name, found in documents(raw).items() if found} == set()
    assert files(harness.content) == []


@pytest.mark.usefixtures("at_once")
def test_what_a_killed_worker_had_at_a_provider_is_stopped_there_first(
    new_harness: NewHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.generation.sweeper.SWEEP_SECONDS", 0.1)
    harness = new_harness(FakeProvider(paid=True, resumable=True))
    harness.store.users.ensure("ana")
    harness.abandoned(models.AssetState.RUNNING, remote_id="remote-1")
    harness.store.account_deletion.request("ana")
    remove_accounts(harness.store, harness.content)
    assert harness.asset().state in models.OPEN_STATES

    async def main() -> None:
        async with harness.worker():
            await until(lambda: harness.store.users.get("ana") is None)

    run(main())
    assert [each.remote_id for each in harness.provider.cancelled] == ["remote-1"]
    assert harness.provider.submitted == []


def test_a_file_that_was_saved_while_its_item_was_cancelled_is_found(
    new_harness: NewHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has stored where it is: neither the worker that stopped nor the one that saved."""
    monkeypatch.setattr("core.store.accounts.account_deletion.QUIET_SECONDS", -1)
    harness = new_harness(FakeProvider())
    harness.store.users.ensure("ana")
    committed, go_on = threading.Event(), threading.Event()

    def slow(self: FolderStore, part: Path, folder: Path, name: str) -> str:
        path = real(self, part, folder, name)
        if not name.startswith(PREVIEWS):
            committed.set()
            assert go_on.wait(120)
        return path

    real = FolderStore._move  # noqa: SLF001  # as slow as a disk can be
    monkeypatch.setattr(FolderStore, "_move", slow)

    async def main() -> None:
        async with harness.worker(worker_concurrency=1):
            await until(committed.is_set)
            harness.store.account_deletion.request("ana")
            await until(lambda: harness.status != models.JobStatus.PROCESSING)
            go_on.set()

    run(main())
    assert harness.asset().path is None
    assert len(files(harness.content, "ana")) == 2
    remove_accounts(harness.store, harness.content)
    assert files(harness.content, "ana") == []
    assert harness.store.jobs.of_user("ana") == []
    assert harness.store.account_deletion.due() == ["ana"]


@pytest.mark.parametrize("held", ["hold", "hold_fetch"])
def test_who_comes_back_after_everything_is_gone_saves_nothing(
    new_harness: NewHarness, raw: Raw, held: str
) -> None:
    harness = new_harness(FakeProvider(paid=True, resumable=True))
    reached = models.AssetState.RUNNING if held == "hold" else models.AssetState.SAVING

    async def main() -> None:
        hold = getattr(harness.provider, held)
        hold.clear()
        making = asyncio.create_task(harness.make())
        await until(lambda: harness.asset().state == reached)
        harness.store.account_deletion.forget_job(harness.job.id)
        hold.set()
        await asyncio.wait_for(making, 120)

    run(main())
    assert files(harness.content) == []
    assert {name for name, found in documents(raw).items() if found} == set()


def test_a_refusal_of_mail_outlives_the_account_and_a_consent_does_not(store: Store) -> None:
    for user_id in ("ana", "eve"):
        store.users.create(user_id)
    unconfirmed = store.email_addresses.request_confirmation("ana", "no@example.org")
    store.email_addresses.unsubscribe(unconfirmed.unsubscribe_token)
    store.email_addresses.confirm_locally("ana", "yes@example.org")
    store.account_deletion.request("ana")
    store.account_deletion.forget("ana")
    with pytest.raises(models.InvalidInput, match="does not want to be asked"):
        store.email_addresses.request_confirmation("eve", "no@example.org")
    assert store.email_addresses.get("ana", "yes@example.org") is None
    again = store.email_addresses.request_confirmation("eve", "yes@example.org")
    assert not again.takes_mail


def test_nothing_new_is_stored_for_an_account_that_ends(store: Store) -> None:
    store.users.create("ana")
    store.account_deletion.request("ana")
    with pytest.raises(models.InvalidInput, match="being deleted"):
        stored_job(store, "ana")
    assert store.jobs.of_user("ana") == []
