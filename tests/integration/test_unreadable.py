"""Documents that cannot be read, in every collection and every field: they take nothing down.

All poisoned documents lie beside good ones at once, of the same user and of another; then
everything that reads is driven over them. The profile `deep` does it for one poisoned document
after the other, so that none hides behind another.
"""

import json
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any, Final
from zoneinfo import ZoneInfo

import bson
import pytest
from bson import Decimal128, MinKey, ObjectId, Regex, Timestamp
from bson.codec_options import CodecOptions
from bson.datetime_ms import DatetimeMS
from bson.raw_bson import RawBSONDocument
from pymongo.errors import BulkWriteError

from core import models
from core.generation import sweeper
from core.media.folder import FolderStore
from core.settings import Settings
from core.store import Store
from core.store.jobs.activity_scope import Scope
from core.store.jobs.library_filter import Filter, Sort
from core.studio.offers import account_notes, unserved_queues
from core.web.inbox import notices
from core.web.library.items import facets_of, page_of
from core.web.live.feeds import JobFeed, Viewer, read_feed
from core.web.resources import WebStudio
from core.web.text.view_context import ViewContext
from tests.conftest import claim, stored_job
from tests.contract.fakes import FakeProvider
from tests.integration.job_harness import NewHarness, run, until
from tests.profiles import by_profile
from tests.web import studio_of

DEEP: Final = by_profile(fast=False, deep=True)
REFUSED: Final = {11000, 171}  # by a unique index, or one over two lists: these cannot be there
GONE: Final = object()
NESTED: Final[dict[str, Any]] = {"a": {"b": [{"c": {"$d": 1, "e.f": None}}]}}


def deep(levels: int) -> dict[str, Any]:
    return {"a": deep(levels - 1)} if levels else {}


VALUES: Final[dict[str, Any]] = {
    "removed": GONE,
    "null": None,
    "number": 5,
    "fraction": -0.5,
    "NaN": float("nan"),
    "infinite": float("inf"),
    "huge number": 2**62,
    "text": "x",
    "empty": "",
    "huge text": "é" * 30_000,
    "true": True,
    "list": [1, "a", {}, None],
    "texts": ["a", "a"],
    "no list": [],
    "nested": NESTED,
    "deep": deep(60),
    "no mapping": {},
    "date": datetime(2026, 1, 1, tzinfo=UTC),
    "date as text": "2026-01-01T00:00:00Z",
    "dates": [datetime(2026, 1, 1, tzinfo=UTC)],
    "date beyond the calendar": DatetimeMS(2**55),
    "last date": datetime(9999, 12, 31, 23, tzinfo=UTC),
    "decimal": Decimal128("1e400"),
    "object id": ObjectId(b"123456789012"),
    "bytes": b"\xff\x00",
    "timestamp": Timestamp(1, 1),
    "regular expression": Regex("("),
}


def job_of(user_id: str, number: int) -> dict[str, Any]:
    job = models.Job(
        id=models.new_id(),
        user_id=user_id,
        prompt=f"a lighthouse {number}",
        status=models.JobStatus.COMPLETED,
        generated_at=models.now(),
        created_at=models.now(),
        updated_at=models.now() - timedelta(hours=1),
        requested={"images": 1, "videos": 1},
        options={"ratio": "1:1", "seconds": 5, "seed": 7, "style": "watercolour"},
        notify=models.Notify(
            channels=("app", "email"), daily="08:00", when="daily", timezone="UTC"
        ),
        cost={"USD": 0.5},
        language="de",
    )
    return job.to_document()


def asset_of(job: Mapping[str, Any], state: models.AssetState, number: int) -> dict[str, Any]:
    active = state in (
        models.AssetState.SUBMITTING,
        models.AssetState.RUNNING,
        models.AssetState.SAVING,
    )
    lease = models.Lease(
        owner="dead:1", token=models.new_id(), until=models.now() - timedelta(seconds=5)
    )
    asset = models.Asset(
        id=f"{job['_id']}-image-{number}",
        job_id=job["_id"],
        user_id=job["user_id"],
        kind="image",
        slot=number,
        provider="fake",
        model="tiny",
        params={"ratio": "1:1", "width": 64, "height": 64, "seed": 1},
        prompt="a lighthouse",
        state=state,
        path=f"generated_content/ana/{job['_id']}-image-{number}.png",
        preview=f"generated_content/ana/.previews/{job['_id']}-image-{number}.webp",
        width=64,
        height=64,
        bytes=10,
        sha256="0" * 64,
        attempts=1,
        remote_id="task-1" if active else None,
        call="call-1" if active else None,
        called_at=(models.now(),) if active else (),
        details={"request_id": "r-1"},
        error=models.AssetError(code="x", message="The vendor said no."),
        cost=models.Cost(estimated=0.1, actual=0.1 if state == models.AssetState.DONE else None),
        lease=lease if active else None,
        next_attempt_at=models.now() - timedelta(seconds=1),
        timings={"queued_at": models.now(), "submitted_at": models.now(), "saved_at": models.now()},
        favourite=True,
        rating=3,
        collections=("Sea",),
        note="A note.",
        words="a lighthouse",
    )
    return asset.to_document()


def others(user_id: str, number: int) -> dict[str, dict[str, Any]]:
    """A good document of each of the other collections."""
    entry = {
        "user_id": user_id,
        "address": "198.51.100.7",
        "agent": "Firefox",
        "time": models.now(),
    }
    return {
        "users": models.User(
            id=f"{user_id}-{number}",
            created_at=models.now(),
            last_login_at=models.now(),
            subject=models.Subject(issuer="https://id.example.org", subject=f"{user_id}-{number}"),
            notify=models.Notify(channels=("app",), at=models.now(), when="at"),
            zone="Europe/Berlin",
            language="de",
            email="ana@example.org",
            webhook=models.Webhook(url="https://hooks.example.org", secret="whsec_eA=="),  # noqa: S106
        ).to_document(),
        "sessions": models.LoginSession(
            id=f"session-{number}",
            user_id=user_id,
            created_at=models.now(),
            seen_at=models.now(),
            expires_at=models.now() + timedelta(days=1),
        ).to_document(),
        "invites": models.Invitation(
            id=f"invite-{number}",
            made_by="terminal",
            created_at=models.now(),
            expires_at=models.now() + timedelta(days=1),
            user_id=user_id,
        ).to_document(),
        "shares": models.Share(
            id=f"share-{number}",
            job_id="01",
            user_id=user_id,
            created_at=models.now(),
            expires_at=models.now() + timedelta(days=1),
        ).to_document(),
        "login_log": models.LoginEntry(outcome="accepted", reason="", **entry).to_document(),
        "view_log": models.ViewEntry(
            user_id="boss",
            owner=user_id,
            job_id="01",
            asset_id="01-image-1",
            action="view",
            time=models.now(),
            via=models.Via.ADMIN,
        ).to_document(),
        "outbox": models.Notice(
            id=f"notice-{number}",
            job_id=f"job-{number}",
            user_id=user_id,
            channel="app",
            recipient=user_id,
            digest=bool(number % 2),
            due_at=models.now() - timedelta(seconds=1),
            created_at=models.now(),
            language="de",
            lease=models.Lease(
                owner="dead",
                token="dead",  # noqa: S106
                until=models.now() - timedelta(seconds=1),
            ),
        ).to_document(),
        "addresses": models.EmailAddress(
            id=f"{user_id} {number}@example.org",
            user_id=user_id,
            address=f"{number}@example.org",
            unsubscribe_token=f"unsubscribe-{number}",
            asked_at=(models.now(),),
            mailbox=f"{number}@example.org",
        ).to_document(),
        "receipts": models.Receipt(
            id=f"receipt-{number}",
            job_id="01",
            user_id=user_id,
            kind="image",
            provider="fake",
            model="tiny",
            state="done",
            cost=models.Cost(actual=0.1),
            timings={"queued_at": models.now(), "saved_at": models.now()},
            called_at=(models.now(),),
            removed_at=models.now(),
        ).to_document(),
        "workers": models.Worker(
            id=f"host:{number}",
            host="host",
            pid=1,
            broker="b",
            queues={"io": 5},
            accounts={"fake": "12 credits"},
            started_at=models.now(),
            seen_at=models.now(),
        ).to_document(),
    }


def paths(good: Mapping[str, Any]) -> list[tuple[str, ...]]:
    """Every field of a document, and every field of what is nested in it."""
    found: list[tuple[str, ...]] = []
    for name, value in good.items():
        if name == "_id":
            continue
        found.append((name,))
        if isinstance(value, dict):
            found += [(name, part) for part in value]
    return found


def poisoned(good: Mapping[str, Any], path: tuple[str, ...], value: Any) -> dict[str, Any]:
    document = dict(good)
    holder = document
    for step in path[:-1]:
        holder[step] = dict(holder[step])
        holder = holder[step]
    if value is GONE:
        holder.pop(path[-1], None)
    else:
        holder[path[-1]] = value
    return document


def cases(good: Mapping[str, Any]) -> list[tuple[tuple[str, ...], str]]:
    return [(path, name) for path in paths(good) for name in VALUES]


class Poison:
    """Puts poisoned documents into the database, past the validators, as another version would."""

    def __init__(self, store: Store) -> None:
        self._database = store._database  # noqa: SLF001  # nothing of the product writes such
        self.number = 100

    def insert(self, collection: str, *documents: Mapping[str, Any]) -> None:
        try:
            self._database[collection].insert_many(
                [dict(each) for each in documents], ordered=False, bypass_document_validation=True
            )
        except BulkWriteError as error:
            wrong = {each["code"] for each in error.details["writeErrors"]}
            if not wrong <= REFUSED:
                raise

    def jobs(self, user_id: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for path, name in cases(job_of(user_id, 0)):
            self.number += 1
            job = job_of(user_id, self.number)
            yield f"{'.'.join(path)} {name}", poisoned(job, path, VALUES[name])

    def assets(
        self, user_id: str, states: Sequence[models.AssetState]
    ) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
        """Yield jobs, each with one item that is poisoned; the states take turns."""
        fields = cases(asset_of(job_of(user_id, 0), models.AssetState.RUNNING, 0))
        for path, name in fields * (len(states) if DEEP else 1):
            self.number += 1
            state = states[self.number % len(states)]
            job = job_of(user_id, self.number)
            if state != models.AssetState.DONE:
                job |= {"status": str(models.JobStatus.PROCESSING), "generated_at": None}
            good = asset_of(job, state, self.number)
            there = path if good[path[0]] is not None else path[:1]
            item = poisoned(good, there, VALUES[name])
            yield f"{'.'.join(there)} {name}", job, item

    def others(self, user_id: str, collection: str) -> Iterator[tuple[str, dict[str, Any]]]:
        for path, name in cases(others(user_id, 0)[collection]):
            self.number += 1
            good = others(user_id, self.number)[collection]
            yield f"{'.'.join(path)} {name}", poisoned(good, path, VALUES[name])


# What reads. Each is called with everything poisoned at once, and none may raise.


def scopes(store: Store) -> list[Scope]:
    ana = store.users.get("ana")
    assert ana is not None
    zone = ZoneInfo("Europe/Berlin")
    return [Scope.of(user, days, zone, models.now()) for user in (ana, None) for days in (30, 365)]


def readings(store: Store, studio: WebStudio, job_ids: list[str]) -> dict[str, Callable[[], Any]]:
    """Return all that pages and routes ask of the store and the studio, by name."""
    view = studio.view("Europe/Berlin")
    filters = [
        Filter(owner="ana", sort=sort, binned=binned) for sort in Sort for binned in (False, True)
    ]
    filters += [
        Filter(owner="ana", words="lighthouse"),
        Filter(owner="ana", favourite=True, rating=1, collection="Sea"),
    ]
    ana = store.users.get("ana")
    assert ana is not None
    found: dict[str, Callable[[], Any]] = {
        "jobs of the user": lambda: store.jobs.of_user("ana", 5000),
        "named": lambda: store.jobs.by_ids(job_ids),
        "processing": lambda: store.jobs.processing("ana", 5000),
        "prompts": lambda: store.jobs.prompts(job_ids),
        "history": lambda: store.jobs.history("ana", 1000),
        "unsettled": store.settlement.unsettled,
        "assets": lambda: store.assets.of_jobs(job_ids, binned=True),
        "facets": lambda: [facets_of(studio, "ana", view, binned=each) for each in (True, False)],
        "spent": lambda: store.budgets.spent("ana"),
        "lanes": store.queue.lanes,
        "users of a lane": lambda: [store.queue.users(lane) for lane in store.queue.lanes()],
        "due": lambda: store.queue.due(("fake", "tiny"), "ana", 1000),
        "left behind": lambda: store.queue.orphaned(("fake", "tiny"), 1000),
        "to cancel": lambda: store.queue.to_cancel(1000),
        "in flight": store.queue.in_flight,
        "called": lambda: store.queue.called("fake", None, 60),
        "waiting": store.queue.waiting,
        "workers": store.workers.alive,
        "unserved": lambda: unserved_queues(store, studio.offers(models.Kind.IMAGE)),
        "accounts": lambda: account_notes(store, studio.offers(models.Kind.IMAGE)),
        "users": store.users.all,
        "user ids": store.users.ids,
        "admins": store.users.admins,
        "sessions": lambda: store.login_sessions.of_user("ana"),
        "living": lambda: store.login_sessions.active([f"session-{n}" for n in range(9999)]),
        "invites": store.invitations.open,
        "shares": lambda: store.shares.of_job("01", "ana"),
        "looks": lambda: store.shares.looks(["share-1"]),
        "logins": lambda: store.login_log.of_user("ana", 5000),
        "views": lambda: store.view_log.of_user("boss", 5000),
        "receipts": lambda: list(store.bin.receipts("ana")),
        "bin": lambda: store.bin.due(30, 5000),
        "bell": lambda: (store.notices.in_app("ana", 5000), store.notices.unread("ana")),
        "notices": lambda: notices.overview(store, ana, view),
        "overdue": lambda: store.outbox.overdue(0),
        "to remove": store.account_deletion.due,
    }
    for wanted in filters:
        found[f"library {wanted}"] = partial(pages_of, studio, wanted, view)
    for scope in scopes(store):
        for name in (
            *("logins", "views", "views_by_others", "jobs", "views_over_time", "jobs_over_time"),
            *("most_viewed_jobs", "provider_totals", "user_totals", "refused_by_address"),
        ):
            found[f"activity {name} {scope}"] = partial(getattr(store.activity, name), scope)
    return found


def pages_of(studio: WebStudio, wanted: Filter, view: ViewContext) -> list[str]:
    """Return the ids of all items of a library, page by page."""
    ids: list[str] = []
    after: str | None = ""
    pages = 0
    while after is not None:
        found = page_of(studio, wanted, view, after, 100)
        ids += [each["id"] for each in found["items"]]
        after, pages = found["next"], pages + 1
        assert pages < 100, "the library has no end"
    return ids


def raised(calls: Mapping[str, Callable[[], Any]]) -> dict[str, str]:
    """Call everything and return what was raised."""
    errors = {}
    for name, call in calls.items():
        try:
            call()
        except Exception as error:  # noqa: BLE001  # whatever it is, it is the finding
            where = traceback.extract_tb(error.__traceback__)
            last = next((f for f in reversed(where) if "/core/" in f.filename), where[-1])
            errors[name] = f"{error!r:.300} in {last.filename.rsplit('/', 1)[-1]}:{last.lineno}"
    return errors


@pytest.fixture
def poison(store: Store) -> Poison:
    store.users.ensure("ana")
    store.users.ensure("ben")
    return Poison(store)


@pytest.fixture
def opened(settings: Settings, store: Store, content: FolderStore) -> WebStudio:
    return studio_of(settings, store, content)


def test_unreadable_jobs_and_items_take_no_reading_down(
    store: Store, opened: WebStudio, poison: Poison
) -> None:
    good = {}
    for user in ("ana", "ben"):
        job = job_of(user, 1)
        good[user] = job, asset_of(job, models.AssetState.DONE, 1)
        poison.insert("jobs", job)
        poison.insert("assets", good[user][1])
    jobs = [job for _name, job in poison.jobs("ana")]
    poison.insert("jobs", *jobs)
    mine = {"user_id": "ana"}
    poison.insert("assets", *(asset_of(job | mine, models.AssetState.DONE, 1) for job in jobs))
    items = list(poison.assets("ana", list(models.AssetState)))
    poison.insert("jobs", *(job for _name, job, _item in items))
    poison.insert("assets", *(item for _name, _job, item in items))
    ids = [job["_id"] for job in jobs] + [job["_id"] for _name, job, _item in items]
    ids.append(good["ana"][0]["_id"])

    errors = raised(readings(store, opened, ids))

    def draw(job_id: str) -> None:
        channel = JobFeed(Viewer("ana", language="de"), job_id)
        shown = read_feed(opened, channel)
        if shown is not None:
            json.dumps(shown)

    errors |= raised({f"page of {job_id}": partial(draw, job_id) for job_id in ids})
    assert not errors, f"{len(errors)}: " + "\n".join(f"{n}: {e}" for n, e in errors.items())


@pytest.mark.parametrize("collection", sorted(others("ana", 0)))
def test_unreadable_documents_of_a_collection_take_no_reading_down(
    store: Store, opened: WebStudio, poison: Poison, collection: str
) -> None:
    poison.insert(collection, *(each for _name, each in poison.others("ana", collection)))
    errors = raised(readings(store, opened, []))
    assert not errors, "\n".join(f"{n}: {e}" for n, e in errors.items())


ODD_IDS: Final[dict[str, Any]] = {
    "empty": "",
    "null": None,
    "number": 5,
    "NaN": float("nan"),
    "true": True,
    "object id": ObjectId(b"123456789012"),
    "bytes": b"\xff\x00",
    "nested": {"a": {"b": 1}},
    "no mapping": {},
    "date": datetime(2026, 1, 1, tzinfo=UTC),
    "date beyond the calendar": DatetimeMS(2**55),
    "decimal": Decimal128("1E400"),
    "timestamp": Timestamp(1, 1),
    "lowest": MinKey(),
    "NUL": "a\x00b",
    "path": "../../etc/passwd",
    "huge text": "é" * 30_000,
}


@pytest.mark.parametrize("collection", ["jobs", "assets", *sorted(others("ana", 0))])
def test_an_id_that_is_none_takes_nothing_down_and_is_set_aside(
    store: Store, opened: WebStudio, poison: Poison, collection: str
) -> None:
    raw = store._database[collection]  # noqa: SLF001  # what is stored, not what is read of it
    job = job_of("ana", 1)
    poison.insert("jobs", job)
    poison.insert("assets", asset_of(job, models.AssetState.DONE, 1))
    before = raw.count_documents({})
    for number, odd in enumerate(ODD_IDS.values(), 1):
        of = {
            "jobs": job_of("ana", 1),
            "assets": asset_of(job, models.AssetState.QUEUED, number + 2),
        }
        document = of.get(collection) or others("ana", number)[collection]
        poison.insert(collection, document | {"_id": odd})
    assert raw.count_documents({}) == before + len(ODD_IDS)
    errors = raised(readings(store, opened, [job["_id"]]))
    errors |= raised({"page": lambda: read_feed(opened, JobFeed(Viewer("ana"), job["_id"]))})
    errors |= raised({"settle": lambda: store.settlement.settle(job["_id"])})
    assert not errors, "\n".join(f"{n}: {e}" for n, e in errors.items())

    stored = sorted(map(repr, raw.find()))
    for damage in list(store.repairs.damages()):
        assert store.repairs.repair(damage) or damage.remedy == "left to you", damage.id
    for kept in store.repairs.kept():
        store.repairs.restore(kept["_id"])
    assert sorted(map(repr, raw.find())) == stored


# What works. The good job completes, and every job with an item that cannot be read ends.


def test_a_worker_makes_what_it_can_read_and_ends_the_rest(
    store: Store, new_harness: NewHarness, poison: Poison, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweeper, "SWEEP_SECONDS", 0.2)
    monkeypatch.setattr(sweeper, "LOOK_SECONDS", 0.5)
    harness = new_harness(FakeProvider())
    provider = harness.provider
    items = list(poison.assets("ana", models.OPEN_STATES))[:: 1 if DEEP else 41]
    poison.insert("jobs", *(job for _name, job, _item in items))
    poison.insert("assets", *(item for _name, _job, item in items))
    raw = store._database  # noqa: SLF001  # what is stored, not what is read of it

    def stuck() -> list[str]:
        """Jobs that have not ended, but for those that nothing at all is left of."""
        processing = raw["jobs"].find({"status": str(models.JobStatus.PROCESSING)}, {"_id": True})
        ids = [each["_id"] for each in processing]
        # Another provider's name may be a good one: such an item waits for whoever knows it.
        left = {"error.code": {"$ne": "not_configured"}}
        return [each for each in ids if raw["assets"].find_one({"job_id": each} | left) is not None]

    async def main() -> None:
        async with harness.worker(worker_concurrency=50):
            with suppress(TimeoutError):
                await until(lambda: harness.status != models.JobStatus.PROCESSING)
                await until(lambda: not stuck())

    run(main())
    names = {job["_id"]: name for name, job, _item in items}
    left = [names.get(each, "the good job") for each in stuck()]
    assert not left
    assert harness.status == models.JobStatus.COMPLETED
    assert set(harness.states()) == {models.AssetState.DONE}
    assert set(provider.submitted) >= {asset.id for asset in harness.assets}


# What repairs.


def test_repair_mends_what_needs_no_guessing_and_sets_the_rest_aside(
    store: Store, poison: Poison
) -> None:
    raw = store._database  # noqa: SLF001  # what is stored, not what is read of it
    job = job_of("ana", 1)
    good = asset_of(job, models.AssetState.DONE, 1)
    number = asset_of(job, models.AssetState.DONE, 2) | {"remote_id": 4711}
    lost = asset_of(job, models.AssetState.DONE, 3) | {
        "params": DatetimeMS(2**55),
        "details": NESTED,
    }
    language = others("ana", 2)["users"] | {"language": "tlh"}
    locked = others("ana", 3)["users"] | {"protected": NESTED}
    poison.insert("jobs", job, job_of("ana", 2) | {"status": "Paused"})
    poison.insert("assets", good, number, lost)
    poison.insert("users", language, locked)

    found = {str(each.id): each.remedy for each in store.repairs.damages()}
    assert {found[each["_id"]] for each in (number, language)} == {"mended"}
    assert (found[lost["_id"]], found[locked["_id"]]) == ("set aside", "left to you")
    assert good["_id"] not in found

    for _again in range(2):  # repeated, nothing is done twice
        for damage in list(store.repairs.damages()):
            store.repairs.repair(damage)
    assert [each.id for each in store.repairs.damages()] == [locked["_id"]]
    assert raw["assets"].distinct("remote_id", {"_id": number["_id"]}) == ["4711"]
    assert raw["users"].distinct("language", {"_id": language["_id"]}) == [None]
    assert raw["assets"].find_one({"_id": lost["_id"]}) is None
    assert raw["jobs"].count_documents({"status": "Paused"}) == 0

    for kept in store.repairs.kept():
        store.repairs.restore(kept["_id"])
    assert raw["assets"].find_one({"_id": lost["_id"]}) == lost
    assert raw["assets"].distinct("remote_id", {"_id": number["_id"]}) == [4711]
    assert store.repairs.kept() == []


def test_what_would_be_like_another_once_mended_keeps_nothing_from_being_repaired(
    store: Store, poison: Poison
) -> None:
    raw = store._database["addresses"]  # noqa: SLF001  # what is stored, not what is read of it
    good, alike, after = (others("ana", number)["addresses"] for number in (1, 2, 3))
    poison.insert(
        "addresses",
        good | {"unsubscribe_token": "4711"},
        alike | {"unsubscribe_token": 4711},
        after | {"unsubscribe_token": 4712},
    )
    for damage in list(store.repairs.damages()):
        assert store.repairs.repair(damage)
    assert sorted(raw.distinct("unsubscribe_token")) == ["4711", "4712"]
    assert raw.find_one({"_id": alike["_id"]}) is None
    aside = [each["_id"] for each in store.repairs.kept() if each["remedy"] == "set aside"]
    (kept,) = aside

    raw.update_one({"_id": good["_id"]}, {"$set": {"unsubscribe_token": 4711}})
    with pytest.raises(models.InvalidInput, match="only one document"):
        store.repairs.restore(kept)
    raw.delete_one({"_id": good["_id"]})
    store.repairs.restore(kept)
    assert raw.distinct("unsubscribe_token", {"_id": alike["_id"]}) == [4711]


def test_text_that_is_none_comes_back_from_the_quarantine_byte_for_byte(store: Store) -> None:
    job = job_of("ana", 1)
    broken = bson.encode(asset_of(job, models.AssetState.DONE, 1) | {"kind": "imagX"})
    broken = broken.replace(b"imagX", b"imag\xff")
    as_it_is: CodecOptions[RawBSONDocument] = CodecOptions(
        document_class=RawBSONDocument, unicode_decode_error_handler="replace"
    )
    raw = store._database["assets"].with_options(codec_options=as_it_is)  # noqa: SLF001
    raw.insert_one(RawBSONDocument(broken, as_it_is), bypass_document_validation=True)
    (damage,) = store.repairs.damages()
    assert store.repairs.repair(damage)
    assert raw.find_one({}) is None
    store.repairs.restore(store.repairs.kept()[0]["_id"])
    found = raw.find_one({})
    assert found is not None
    assert found.raw == broken


# What is written. Whatever a provider says, its item is kept.


@pytest.mark.parametrize(
    ("vendor_fields", "kept"),
    [
        ("task-1", "task-1"),
        (4711, "4711"),
        (4711.0, "4711"),
        (2**80, str(2**80)),
        (None, None),
        (True, None),
        ({"id": 1}, None),
        (float("nan"), None),
        ("half \ud800", None),
        ("x" * 20_000_000, None),
    ],
)
def test_a_task_id_is_kept_as_text_or_not_at_all(
    store: Store, vendor_fields: Any, kept: str | None
) -> None:
    _job, assets = stored_job(store)
    asset = claim(store, assets[0].id)
    assert asset is not None
    store.transitions.submitting(asset)
    store.transitions.running(asset, vendor_fields)
    found = store.assets.get(asset.id)
    assert found is not None
    assert (found.state, found.remote_id, found.unreadable) == (models.AssetState.RUNNING, kept, ())


def _loop() -> dict[str, Any]:
    loop: dict[str, Any] = {}
    loop["again"] = loop
    return loop


ODD: Final[dict[str, Any]] = {
    "object": object(),
    "larger than 64 bits": 2**200,
    "larger than can be printed": 10**6000,
    "no number": float("nan"),
    "half a character": "\ud800",
    "NUL": "a\x00b",
    "names": {"$set": 1, "a.b": 2, "c\x00": 3, "": 4, 5: 6},
    "loop": _loop(),
    "large": "x" * 17_000_000,
    "many": {str(number): "x" * 4_000 for number in range(10_000)},
    "wide": [["x" * 4_000] * 100] * 100,
    "bytes": b"\xff" * 1000,
    "early": datetime.min.replace(tzinfo=UTC),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_details_never_lose_an_item(store: Store, name: str) -> None:
    _job, assets = stored_job(store)
    asset = claim(store, assets[0].id)
    assert asset is not None
    vendor_fields = {"details.fine": "yes", f"details.{name}": ODD[name], "details.$x.y": 1}
    store.transitions.submitting(asset)
    store.transitions.running(asset, "task-1", vendor_fields | {"cost.estimated": 0.5})
    store.transitions.saving(asset, vendor_fields | {"cost.actual": 0.4})
    error = models.AssetError(code="odd", message=str(name) + "\ud800\x00" + "x" * 10_000_000)
    store.transitions.failed(asset, error, remote_id="task-1", fields=vendor_fields)
    found = store.assets.get(asset.id)
    assert found is not None
    assert (found.state, found.remote_id, found.cost.actual) == (
        models.AssetState.FAILED,
        "task-1",
        0.4,
    )
    assert found.details["fine"] == "yes"
    json.dumps(found.model_dump(mode="json"))


@pytest.mark.parametrize("cost", [float("nan"), float("inf"), -1, "free", {}, 2**200, True, None])
def test_an_odd_cost_is_left_out_and_the_item_goes_on(store: Store, cost: Any) -> None:
    _job, assets = stored_job(store)
    asset = claim(store, assets[0].id)
    assert asset is not None
    store.transitions.submitting(asset)
    store.transitions.running(asset, "task-1", {"cost.estimated": 0.5})
    store.transitions.saving(asset, {"cost.actual": cost, "cost.estimated": cost, "no_field": 1})
    found = store.assets.get(asset.id)
    assert found is not None
    assert (found.state, found.unreadable) == (models.AssetState.SAVING, ())
    assert sum(store.budgets.spent("ana").values()) < 1e60


def test_what_an_unreadable_item_may_have_cost_stays_counted(store: Store, poison: Poison) -> None:
    job = job_of("ana", 1) | {"status": str(models.JobStatus.PROCESSING)}
    sent = asset_of(job, models.AssetState.RUNNING, 1) | {"params": 5}
    waiting = asset_of(job, models.AssetState.QUEUED, 2) | {
        "params": 5,
        "timings": {"queued_at": models.now()},
    }
    poison.insert("jobs", job)
    poison.insert("assets", sent, waiting)
    assert store.settlement.settle(job["_id"]) == models.JobStatus.FAILED
    first, second = store.assets.of_job(job["_id"])
    assert (first.state, second.state) == (models.AssetState.FAILED, models.AssetState.FAILED)
    assert first.error is not None
    assert "may have charged" in first.error.message
    assert second.error is not None
    assert "may have charged" not in second.error.message
    assert store.budgets.spent("ana") == {"USD": 0.1}


def test_an_account_whose_protection_cannot_be_read_lets_nobody_in(
    store: Store, poison: Poison
) -> None:
    for number, field in enumerate(("protected", "deleting_at", "subject")):
        user = others("ana", number)["users"] | {field: NESTED}
        poison.insert("users", user)
        assert store.users.get(user["_id"]) is None
