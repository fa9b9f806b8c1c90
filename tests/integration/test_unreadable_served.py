"""Unreadable documents beside good ones: routes, exports, messages, deletion, commands."""

import csv
import io
import json
import logging
import threading
import zipfile
from datetime import datetime

import pytest
from bson import Regex, Timestamp
from bson.datetime_ms import DatetimeMS
from click.testing import CliRunner

from core.cli.main import cli
from core.generation.sweeper import empty_bin, remove_accounts
from core.media.folder import FolderStore
from core.models import EPOCH, TOMBSTONE, Asset, AssetState, NoticeStatus
from core.notifications.sender import Sender
from core.settings import Settings
from core.store import Store
from core.store.work.change_stream import ChangeStream
from tests.conftest import stored_job
from tests.integration.test_notifications import LINKS, Recorder
from tests.integration.test_unreadable import Poison, asset_of, job_of, others
from tests.web import ADMINS, OpenBrowser, finished, log_in, made_admin

SOME = 11  # one of so many, so that this stays quick; what reads is driven over all elsewhere


@pytest.fixture
def poison(store: Store) -> Poison:
    return Poison(store)


@pytest.fixture
def good(store: Store, content: FolderStore, poison: Poison) -> list[Asset]:
    """Ana's good job, finished, beside jobs and items of hers that cannot be read."""
    store.users.ensure("ana")
    _job, assets = stored_job(store, "ana", "a red fox")
    for asset in assets:
        finished(store, content, asset, b"data")
    store.settlement.settle(assets[0].job_id)
    items = list(poison.assets("ana", list(AssetState)))[::SOME]
    jobs = [job for _name, job in poison.jobs("ana")][::SOME]
    poison.insert("jobs", *(job for _name, job, _item in items), *jobs)
    poison.insert("assets", *(item for _name, _job, item in items))
    for name in others("ana", 0):
        if name != "users":
            poison.insert(name, *[each for _name, each in poison.others("ana", name)][::SOME])
    return assets


def test_all_routes_answer_with_the_good_ones_among_the_others(
    browser: OpenBrowser, good: list[Asset], store: Store
) -> None:
    client, ids = browser("ana"), {asset.id for asset in good}
    found: set[str] = set()
    after = ""
    while after is not None:
        response = client.get("/library/items", params={"after": after})
        assert response.status_code == 200, response.text
        found |= {each["id"] for each in response.json()["items"]}
        after = response.json()["next"]
    assert ids <= found
    for address in ("/library/facets", "/bell", "/prompts", "/events/cards/live?limit=200"):
        response = client.get(address)
        assert response.status_code == 200, (address, response.text)
    assert client.get("/events/cards/live").json()["cards"]
    for job in store.jobs.of_user("ana", 5000):
        assert client.get(f"/jobs/{job.id}/live").status_code in (200, 404)
    zipped = client.post("/library/archive.zip", data={"ids": ",".join(sorted(found)[:400])})
    assert zipped.status_code == 200
    assert zipfile.ZipFile(io.BytesIO(zipped.content)).testzip() is None


def test_an_archive_of_everything_has_the_good_ones(
    browser: OpenBrowser, good: list[Asset]
) -> None:
    response = browser("ana").get("/account/archive.zip")
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    files = [name for name in archive.namelist() if good[0].job_id in name]
    assert len(files) == len(good)
    for name in ("jobs.json", "logins.json", "views.json", "removed.json", "account.json"):
        json.loads(archive.read(name))


def test_admins_get_their_csv(browser: OpenBrowser, good: list[Asset], store: Store) -> None:
    made_admin(store)
    client = browser()
    log_in(client, "root", passphrase=ADMINS)
    for which in ("jobs", "views", "logins"):
        response = client.get(f"/activity/{which}.csv", params={"everybody": 1, "days": 365})
        assert response.status_code == 200
        rows = list(csv.reader(io.StringIO(response.text)))
        assert len({len(row) for row in rows}) == 1
        if which == "jobs":
            assert good[0].job_id in {row[2] for row in rows}


def test_a_user_with_a_forged_language_and_zone_has_the_pages_of_everybody(
    browser: OpenBrowser, store: Store, good: list[Asset]
) -> None:
    client = browser("ana")
    forged = {"language": "tlh", "zone": "Mars/Olympus", "notify": {"daily": "25:99", "at": 5}}
    store._database["users"].update_one({"_id": "ana"}, {"$set": forged})  # noqa: SLF001
    user = store.users.get("ana")
    assert user is not None
    assert (user.language, user.zone, user.notify.daily) == (None, None, None)
    assert client.get("/activity/jobs.csv").status_code == 200
    assert client.get(f"/jobs/{good[0].job_id}/live").status_code == 200
    assert client.get("/library/facets").status_code == 200


def test_the_notifier_sends_what_it_can_read_and_gives_up_the_rest(
    store: Store, good: list[Asset]
) -> None:
    app = Recorder()
    sender = Sender(store, [app], LINKS, owner="test:1", lease_seconds=15.0)
    sender.send_due(app)
    announced = [row for row in store.notices.of_job(good[0].job_id) if row.channel == "app"]
    assert [row.status for row in announced] == [NoticeStatus.SENT]
    assert sender.send_due(app) == 0
    raw = store._database["outbox"]  # noqa: SLF001
    left = list(raw.find({"status": "due", "channel": "app"}))
    # What is left is due at a time that never comes, or is put off.
    never = (datetime, DatetimeMS, Timestamp, Regex)
    assert [row["due_at"] for row in left if not isinstance(row["due_at"], never)] == []


def test_an_account_is_removed_with_all_that_cannot_be_read(
    store: Store, content: FolderStore, good: list[Asset]
) -> None:
    assert good
    database = store._database  # noqa: SLF001
    for _again in range(40):
        store.account_deletion.request("ana")
        database["users"].update_one({"_id": "ana"}, {"$set": {"deleting_at": EPOCH}})
        database["jobs"].update_many({}, {"$set": {"updated_at": EPOCH}})
        for job_id in [*store.settlement.end_unreadable(), *store.settlement.unsettled()]:
            store.settlement.settle(job_id)
        database["jobs"].update_many({}, {"$set": {"updated_at": EPOCH}})
        database["assets"].update_many(
            {"state": {"$in": ["queued", "submitting", "running", "saving"]}},
            {"$set": {"state": "cancelled"}},
        )
        for job_id in store.settlement.unsettled():
            store.settlement.settle(job_id)
        database["jobs"].update_many({}, {"$set": {"updated_at": EPOCH}})
        remove_accounts(store, content)
        if store.users.get("ana") is None:
            break
    assert store.users.get("ana") is None
    assert not (content.root / "ana").exists()
    for name in ("jobs", "assets", "receipts", "sessions", "outbox"):
        assert database[name].count_documents({"user_id": "ana"}) == 0


def test_the_bin_is_emptied_of_items_that_cannot_be_read(
    store: Store, content: FolderStore, good: list[Asset]
) -> None:
    database = store._database  # noqa: SLF001
    database["assets"].update_many({"state": "done"}, {"$set": {"binned_at": TOMBSTONE}})
    empty_bin(store, content, 30)
    assert database["assets"].count_documents({"_id": {"$in": [each.id for each in good]}}) == 0
    assert database["assets"].count_documents({"binned_at": TOMBSTONE, "state": "done"}) == 0


def test_changes_of_documents_with_odd_ids_and_owners_end_no_watch(
    store: Store, poison: Poison
) -> None:
    heard: list[tuple[str | None, str | None]] = []
    begun, published, stop = threading.Event(), threading.Event(), threading.Event()

    def changed(job_id: str | None, owner: str | None) -> None:
        heard.append((job_id, owner))
        begun.set()
        if owner == "ben":
            published.set()

    changes = ChangeStream(store._database)  # noqa: SLF001
    thread = threading.Thread(target=changes.watch, args=(changed, stop), daemon=True)
    thread.start()
    assert begun.wait(120)
    odd = job_of("ana", 1)
    poison.insert("jobs", odd | {"_id": 5}, odd | {"_id": {"a": 1}}, odd | {"user_id": ["x"]})
    poison.insert("jobs", {key: each for key, each in job_of("ana", 2).items() if key != "user_id"})
    poison.insert("jobs", job_of("ben", 3))
    assert published.wait(120)
    stop.set()
    thread.join(120)
    assert ("5", "ana") in heard


def test_what_cannot_be_read_is_told_in_the_log_once(
    store: Store, poison: Poison, caplog: pytest.LogCaptureFixture
) -> None:
    job = job_of("ana", 1)
    poison.insert("jobs", job)
    poison.insert("assets", asset_of(job, AssetState.DONE, 1) | {"state": "reviewing"})
    with caplog.at_level(logging.WARNING):
        for _again in range(5):
            (item,) = store.assets.of_job(job["_id"])
    lines = [each.getMessage() for each in caplog.records if "cannot be read" in each.getMessage()]
    assert len(lines) == 1
    assert item.error is not None
    assert item.error.message.startswith("This item cannot be read")


def test_the_command_line_lists_repairs_and_brings_back(
    settings: Settings, store: Store, poison: Poison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MONGODB_URI", settings.mongodb_uri.get_secret_value())
    monkeypatch.setenv("MONGODB_DATABASE", settings.mongodb_database)
    run = CliRunner()
    assert "can be read" in run.invoke(cli, ["repair"]).output
    job = job_of("ana", 1)
    poison.insert("jobs", job)
    number = asset_of(job, AssetState.DONE, 1) | {"remote_id": 4711}
    lost = asset_of(job, AssetState.DONE, 2) | {"kind": "hologram"}
    poison.insert("assets", number, lost)
    output = run.invoke(cli, ["repair"]).output
    assert f"assets/{number['_id']}  mended  remote_id: " in output
    assert f"assets/{lost['_id']}  set aside  kind: " in output
    assert "nothing is changed yet" in output
    assert store.repairs.count()["assets"] == 2
    assert "2 done" in run.invoke(cli, ["repair", "--apply"]).output
    assert not store.repairs.count()
    assert "can be read" in run.invoke(cli, ["repair", "--apply"]).output
    kept = {each["_id"]: each for each in store.repairs.kept()}
    (one,) = [each for each in kept if lost["_id"] in each]
    assert one in run.invoke(cli, ["repair", "--list"]).output
    assert "is back" in run.invoke(cli, ["repair", "--restore", one]).output
    assert store.repairs.count()["assets"] == 1
