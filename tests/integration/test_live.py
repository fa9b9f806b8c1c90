"""What is pushed to browsers, over real HTTP: to whom, what, and until when."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Any, NoReturn, Self

import httpx2
import pytest
import uvicorn
from pymongo.errors import AutoReconnect
from starlette.applications import Starlette

from core.models import DUE_NOW, Asset, AssetError, AssetState, Job, JobStatus, now
from core.settings import Settings
from core.store import DatabaseUnavailable, Store
from core.studio.order import Order
from core.studio.planning import plan
from core.web.app.asgi import AppParts
from core.web.identity.cookies import Identity
from core.web.live import feeds, hub
from core.web.live.feeds import JobFeed
from core.web.resources import WebStudio
from tests.catalogue import illustrator_only
from tests.conftest import claim, stored_job
from tests.product import ROOT, START_SECONDS, free_port
from tests.web import app_of, served

SECONDS = 20.0


class Server:
    """Our routes, served over HTTP."""

    def __init__(self, app: Any) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.server = uvicorn.Server(uvicorn.Config(app, port=self.port, log_level="warning"))
        self.thread = threading.Thread(target=self.server.run)
        self.browsers = ExitStack()

    def __enter__(self) -> Self:
        self.thread.start()
        deadline = time.monotonic() + SECONDS
        while not self.server.started:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        return self

    def __exit__(self, *_: object) -> None:
        self.browsers.close()
        self.server.should_exit = True
        self.thread.join(SECONDS)
        assert not self.thread.is_alive()

    def browser(self, user_id: str = "") -> httpx2.Client:
        """A browser, which logs in where a user is named."""
        client = httpx2.Client(base_url=self.url, trust_env=False, timeout=SECONDS)
        self.browsers.enter_context(client)
        client.headers["Origin"] = self.url
        if user_id:
            response = client.post("/auth/login", json={"user_id": user_id})
            assert response.status_code == 200
        return client


class Stream:
    """The events of an open stream; signs of life are left out."""

    def __init__(self, response: httpx2.Response) -> None:
        self.lines = response.iter_lines()

    def __iter__(self) -> Iterator[tuple[str, Any]]:
        name = ""
        for line in self.lines:
            field, _, value = line.partition(": ")
            if field == "event":
                name = value
            elif field == "data" and name != "beat":
                yield name, json.loads(value)

    def next(self) -> tuple[str, Any]:
        return next(iter(self))

    def until(self, matches: Callable[[str, Any], bool]) -> Any:
        """Return the first event's data that is what is waited for."""
        for name, data in self:
            if matches(name, data):
                return data
        raise AssertionError("the stream ended")


@contextmanager
def opened(client: httpx2.Client, path: str) -> Iterator[Stream]:
    with client.stream("GET", path) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"].startswith("text/event-stream")
        assert response.headers["cache-control"] == "no-store"
        yield Stream(response)


@pytest.fixture
def server(app: Starlette) -> Iterator[Server]:
    with Server(app) as running:
        yield running


def begin(store: Store, asset: Asset) -> Asset:
    """Have an item sent to its provider."""
    claimed = claim(store, asset.id)
    assert claimed is not None
    store.transitions.submitting(claimed)
    return claimed


def states(snapshot: Any) -> dict[str, str]:
    return {
        item["id"]: item["state"] for section in snapshot["sections"] for item in section["items"]
    }


def changes(asset: Asset, state: str) -> Callable[[str, Any], bool]:
    """Whether an event tells that an item has come to be in a state."""

    def matches(name: str, data: Any) -> bool:
        tiles = data.get("tiles", ()) if name == "patch" else ()
        return any((each["id"], each["state"]) == (asset.id, state) for each in tiles)

    return matches


def test_a_job_is_told_whole_and_then_what_changes_until_it_ends(
    server: Server, store: Store
) -> None:
    job, assets = stored_job(store)
    browser = server.browser("ana")
    with opened(browser, f"/jobs/{job.id}/events?zone=Europe/Berlin") as stream:
        name, whole = stream.next()
        assert (name, whole["job"]["id"]) == ("snapshot", job.id)
        assert states(whole) == dict.fromkeys((asset.id for asset in assets), "waiting")

        claimed = begin(store, assets[3])
        patch = stream.until(changes(assets[3], "drawing"))
        assert set(patch) <= {"now", "job", "tiles"}
        assert not any(each["state"] == "done" for each in patch["tiles"])

        store.job_actions.cancel(job.id, "ana")
        store.transitions.cancelled(claimed, None)
        store.settlement.settle(job.id)
        ending = stream.until(lambda name, data: name == "patch" and not data["job"]["active"])
        assert ending["job"]["label"] == "Cancelled"
        assert list(stream) == [("ended", {})]
    with opened(browser, f"/jobs/{job.id}/events") as stream:  # one that has ended already
        assert [name for name, _ in stream] == ["snapshot", "ended"]


def test_the_same_is_answered_once_to_who_asks(server: Server, store: Store) -> None:
    job, _ = stored_job(store)
    browser = server.browser("ana")
    response = browser.get(f"/jobs/{job.id}/live")
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["job"]["prompt"] == "the sea"
    german = browser.get(f"/jobs/{job.id}/live?language=de&zone=Mars/Olympus").json()
    assert german["job"]["id"] == job.id
    cards = browser.get("/events/cards/live?limit=none").json()
    assert [card["id"] for card in cards["cards"]] == [job.id]


def test_nobody_is_told_of_what_is_not_theirs(server: Server, studio: WebStudio) -> None:
    store = studio.store
    job, _ = stored_job(store, "ana")
    other, _ = stored_job(store, "ana")
    share = store.shares.make(other.id, "ana", now() + timedelta(days=1))
    key = studio.identity.share_key(share.id)
    forged = Identity("another key", days=30, secure=False).share_key(share.id)
    nobody, eve = server.browser(), server.browser("eve")
    for route in ("events", "live"):
        path = f"/jobs/{job.id}/{route}"
        assert nobody.get(path).status_code == 401
        assert eve.get(path).status_code == 404
        for typed in (key, forged, "x", f"{key}x"):
            for browser in (nobody, eve):
                assert browser.get(path, params={"share": typed}).status_code == 404
        assert nobody.get(f"/jobs/{other.id}/{route}", params={"share": forged}).status_code == 404
        for wrong in ("none", "é", "x" * 500, "%00", "..%2f", job.id[:-1]):
            assert eve.get(f"/jobs/{wrong}/{route}").status_code == 404
    assert nobody.get("/events/cards").status_code == 401
    assert nobody.get("/events/cards/live", params={"share": key}).status_code == 401
    assert eve.get("/events/cards/live").json()["cards"] == []


def test_a_guest_is_told_by_the_link_and_no_longer_once_it_is_withdrawn(
    server: Server, studio: WebStudio
) -> None:
    store = studio.store
    job, assets = stored_job(store)
    share = store.shares.make(job.id, "ana", now() + timedelta(days=1))
    path = f"/jobs/{job.id}/events?share={studio.identity.share_key(share.id)}"
    browsers = [server.browser(), server.browser("eve"), server.browser("ana")]
    for browser in browsers:  # to each it shows the same
        with opened(browser, path) as stream:
            _, whole = stream.next()
            assert whole["job"]["acts"] == []
            assert "You are told" not in json.dumps(whole)
    with opened(browsers[0], path) as guest, opened(browsers[2], path) as owner:
        assert [guest.next()[0], owner.next()[0]] == ["snapshot", "snapshot"]
        begin(store, assets[0])
        guest.until(changes(assets[0], "drawing"))
        assert store.shares.withdraw(share.id, "ana")
        for stream in (guest, owner):
            assert [name for name, _ in stream][-1] == "gone"
    assert browsers[0].get(path).status_code == 404


def test_what_goes_to_the_bin_or_is_removed_is_gone(server: Server, studio: WebStudio) -> None:
    store = studio.store
    for number in range(2):
        job, _ = stored_job(store)
        with opened(server.browser("ana"), f"/jobs/{job.id}/events") as stream:
            assert stream.next()[0] == "snapshot"
            jobs = store.jobs._jobs  # noqa: SLF001  # whoever does it
            if number:
                jobs.delete_one({"_id": job.id})
            else:
                jobs.update_one({"_id": job.id}, {"$set": {"binned_at": now()}})
            assert [name for name, _ in stream][-1] == "gone"


def test_an_admin_is_told_of_others_work_and_can_do_nothing(server: Server, store: Store) -> None:
    job, assets = stored_job(store, "ana")
    browser = server.browser("root")
    assert browser.get(f"/jobs/{job.id}/live").status_code == 404
    store.users.make_admin("root", admin=True, unprotected=True)
    with opened(browser, f"/jobs/{job.id}/events") as stream:
        _, whole = stream.next()
        assert whole["job"]["acts"] == []
        assert browser.post(f"/jobs/{job.id}/acts", json={"name": "cancel", "on": None}).is_success
        assert {asset.state for asset in store.assets.of_job(job.id)} == {"queued"}
        begin(store, assets[0])
        stream.until(changes(assets[0], "drawing"))
        store.users.make_admin("root", admin=False)
        assert [name for name, _ in stream][-1] == "gone"


@pytest.mark.parametrize("here", [True, False])
def test_a_stream_ends_with_its_login(server: Server, store: Store, here: bool) -> None:  # noqa: FBT001
    job, _ = stored_job(store)
    browser = server.browser("ana")
    [session] = store.login_sessions.of_user("ana")
    with (
        opened(browser, f"/jobs/{job.id}/events") as job_stream,
        opened(browser, "/events/cards") as cards,
    ):
        assert [job_stream.next()[0], cards.next()[0]] == ["snapshot", "snapshot"]
        if here:
            server.browser().post("/auth/logout", headers={"Cookie": cookies_of(browser)})
        else:
            store.login_sessions.revoke(session.id)
        for stream in (job_stream, cards):
            assert all(name == "patch" for name, _ in stream)  # and then there is no more
    assert browser.get(f"/jobs/{job.id}/events").status_code == 401


def cookies_of(browser: httpx2.Client) -> str:
    return "; ".join(f"{name}={value}" for name, value in browser.cookies.items())


def test_many_viewers_of_a_job_cost_one_reading(
    server: Server, studio: WebStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, assets = stored_job(studio.store)
    browser = server.browser("ana")
    with (
        opened(browser, f"/jobs/{job.id}/events") as one,
        opened(browser, f"/jobs/{job.id}/events") as two,
        opened(browser, f"/jobs/{job.id}/events?language=de") as three,
    ):
        streams = (one, two, three)
        assert [stream.next()[0] for stream in streams] == ["snapshot"] * 3
        read = studio.store.assets.of_jobs
        readings: list[Any] = []

        def counted(job_ids: Any, **more: Any) -> Any:
            found = read(job_ids, **more)
            readings.append([each.state for each in found.get(job.id, ())])
            return found

        monkeypatch.setattr(studio.store.assets, "of_jobs", counted)
        begin(studio.store, assets[0])
        for stream in streams:
            stream.until(changes(assets[0], "drawing"))
        assert sum("submitting" in reading for reading in readings) < len(streams)


def test_cards_tell_of_new_jobs_and_of_progress(server: Server, store: Store) -> None:
    job, _ = stored_job(store, prompt="the first")
    with opened(server.browser("ana"), "/events/cards") as stream:
        assert [card["id"] for card in stream.next()[1]["cards"]] == [job.id]
        stored_job(store, "eve")
        newer, assets = stored_job(store, prompt="the second")
        whole = stream.until(lambda name, _: name == "snapshot")
        assert [card["id"] for card in whole["cards"]] == [newer.id, job.id]
        store.transitions.failed(begin(store, assets[0]), AssetError(code="x", message="No."))
        patch = stream.until(
            lambda name, data: name == "patch" and data["cards"][0]["percent"] == 10
        )
        assert [card["id"] for card in patch["cards"]] == [newer.id]
        for each in (newer, job):
            store.job_actions.cancel(each.id, "ana")
        assert [name for name, _ in stream][-1] == "ended"


def test_without_a_change_stream_everything_is_told_a_little_later(
    studio: WebStudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = threading.Event()

    def watch(*_: object) -> NoReturn:
        broken.set()
        raise AutoReconnect("the stream broke")

    monkeypatch.setattr(studio.store.change_stream, "watch", watch)
    job, assets = stored_job(studio.store)
    with (
        Server(app_of(studio)) as server,
        opened(server.browser("ana"), f"/jobs/{job.id}/events") as stream,
    ):
        assert stream.next()[0] == "snapshot"
        assert broken.wait(SECONDS)
        begin(studio.store, assets[0])
        stream.until(changes(assets[0], "drawing"))


def test_a_change_stream_that_breaks_is_opened_again_and_everything_looked_at(
    store: Store,
) -> None:
    heard: list[tuple[str | None, str | None]] = []
    news, stop = threading.Condition(), threading.Event()

    def changed(job_id: str | None, owner: str | None) -> None:
        with news:
            heard.append((job_id, owner))
            news.notify_all()

    def hear(event: tuple[str | None, str | None], times: int = 1) -> None:
        with news:
            assert news.wait_for(lambda: heard.count(event) >= times, SECONDS), heard

    watching = threading.Thread(target=store.change_stream.watch, args=(changed, stop))
    watching.start()
    hear((None, None))
    job, _ = stored_job(store)
    hear((job.id, "ana"))
    store._client.admin.command("killAllSessions", [])  # noqa: SLF001  # ends cursors, too
    store._client.drop_database(store._database.name)  # noqa: SLF001  # as nothing else does for good
    hear((None, None), 2)
    store.ensure_schema()
    again, _ = stored_job(store)
    hear((again.id, "ana"))
    before = len(heard)
    claimed = claim(store, f"{again.id}-image-1")
    assert claimed is not None
    assert store.leases.renew({claimed.id: claimed.lease.token if claimed.lease else ""}, 30)
    store.transitions.submitting(claimed)
    with news:
        assert news.wait_for(lambda: len(heard) > before, SECONDS)
    assert heard[before:] == [(again.id, None)]  # of leases nobody hears
    stop.set()
    watching.join(SECONDS)
    assert not watching.is_alive()


def test_a_database_that_does_not_answer_is_said(studio: WebStudio) -> None:
    job, assets = stored_job(studio.store)
    down = threading.Event()

    def open_studio() -> WebStudio:
        if down.is_set():
            raise DatabaseUnavailable("The database does not answer.")
        return studio

    parts = AppParts(open_studio, studio.identity)
    with Server(served(parts)) as server:
        browser = server.browser("ana")
        with opened(browser, f"/jobs/{job.id}/events") as stream:
            assert stream.next()[0] == "snapshot"
            down.set()
            assert stream.until(lambda name, _: name == "trouble") == {}
            response = browser.post(f"/jobs/{job.id}/acts", json={"name": "cancel", "on": None})
            assert (response.status_code, response.json()["detail"].split(".")[0]) == (
                503,
                "The database does not answer at the moment",
            )
            down.clear()
            begin(studio.store, assets[0])
            whole = stream.until(lambda name, _: name == "snapshot")
            assert states(whole)[assets[0].id] == "drawing"


def test_a_job_that_cannot_be_drawn_keeps_no_other_from_being_told(
    server: Server, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    odd, odd_assets = stored_job(store)
    job, assets = stored_job(store)
    draw = JobFeed.draw

    def fail(channel: JobFeed, reading: feeds.Reading) -> dict[str, Any] | None:
        snapshot = draw(channel, reading)
        if snapshot and odd.id in channel.jobs and "failed" in states(snapshot).values():
            raise ValueError("This cannot be drawn.")
        return snapshot

    monkeypatch.setattr(JobFeed, "draw", fail)
    browser = server.browser("ana")
    with (
        opened(browser, f"/jobs/{odd.id}/events") as of_odd,
        opened(browser, f"/jobs/{job.id}/events") as stream,
    ):
        assert (of_odd.next()[0], stream.next()[0]) == ("snapshot", "snapshot")
        items = store._database["assets"]  # noqa: SLF001
        both = {"_id": {"$in": [odd_assets[0].id, assets[0].id]}}
        items.update_many(both, {"$set": {"state": "failed"}})
        assert of_odd.until(lambda name, _: name == "trouble") == {}
        stream.until(changes(assets[0], "failed"))


def test_nobody_alone_takes_all_streams(
    server: Server, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hub, "MOST_OF_ONE_VIEWER", 2)
    job, _ = stored_job(store)
    other, _ = stored_job(store, "eve")
    ana, eve, path = server.browser("ana"), server.browser("eve"), f"/jobs/{job.id}/events"
    with opened(ana, path) as one, opened(ana, f"{path}?language=de") as two:
        assert (one.next()[0], two.next()[0]) == ("snapshot", "snapshot")
        refused = ana.get(path)
        assert (refused.status_code, refused.json()["detail"]) == (
            503,
            "Too many pages are open at the moment.",
        )
        assert ana.get(f"/jobs/{job.id}/live").status_code == 200
        with opened(eve, f"/jobs/{other.id}/events") as stream:
            assert stream.next()[0] == "snapshot"


def test_an_owner_acts_and_nobody_else(server: Server, store: Store) -> None:
    job, assets = stored_job(store)
    path, owner, eve = f"/jobs/{job.id}/acts", server.browser("ana"), server.browser("eve")

    def state(asset: Asset) -> str:
        found = store.assets.get(asset.id)
        assert found is not None
        return str(found.state)

    one = {"name": "cancel", "on": assets[0].id}
    assert server.browser().post(path, json=one).status_code == 401
    assert eve.post(path, json=one).json() == {}  # nothing is said of what is not theirs
    cross = {"Origin": "http://evil.example.org"}
    assert owner.post(path, json=one, headers=cross).status_code == 403
    assert owner.post(path, json=one, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert state(assets[0]) == "queued"

    assert owner.post(path, json=one).json() == {}
    assert (state(assets[0]), state(assets[1])) == ("cancelled", "queued")
    assert owner.post(path, json={"name": "retry", "on": assets[0].id}).is_success
    assert state(assets[0]) == "queued"
    assert owner.post(path, json={"name": "cancel", "on": None}).is_success
    found = store.jobs.get(job.id)
    assert found is not None
    assert found.status == JobStatus.CANCELLED


def test_what_may_be_charged_twice_is_sent_again_by_its_own_button_only(
    server: Server, store: Store
) -> None:
    job, assets = stored_job(store)
    store.transitions.unknown(begin(store, assets[0]), AssetError(code="x", message="No answer."))
    path, owner = f"/jobs/{job.id}/acts", server.browser("ana")

    def unknown() -> int:
        return sum(each.state == AssetState.UNKNOWN for each in store.assets.of_job(job.id))

    for on in (None, assets[0].id):
        assert owner.post(path, json={"name": "retry", "on": on}).is_success
        assert owner.post(path, json={"name": "resend", "on": assets[1].id}).is_success
        assert unknown() == 1
    assert owner.post(path, json={"name": "resend", "on": assets[0].id}).is_success
    assert unknown() == 0


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b'{"name": "cancel", "on": 5}',
        b'{"name": "drop", "on": null}',
        b'{"name": "cancel", "on": {"$gt": ""}}',
        b'{"name": "cancel", "on": "\\ud800"}',
        b'{"name": "cancel", "on": null, "user_id": "eve"}',
        b"[" * 900,
        b'{"name": "cancel", "on": "%s"}' % (b"x" * 2_000),
    ],
)
def test_what_no_button_asks_for_is_refused_in_a_sentence(
    server: Server, store: Store, body: bytes
) -> None:
    job, _ = stored_job(store)
    response = server.browser("ana").post(f"/jobs/{job.id}/acts", content=body)
    assert response.status_code in {400, 413}
    assert response.json()["detail"].endswith(".")
    assert {asset.state for asset in store.assets.of_job(job.id)} == {"queued"}


def in_order(store: Store, user_id: str = "ana") -> list[str]:
    [lane] = store.queue.lanes()
    return store.queue.due(lane, user_id, 100)


def test_what_is_made_next_goes_before_all_else_of_its_owner(store: Store) -> None:
    earlier, first = stored_job(store)
    later, second = stored_job(store)
    theirs, _ = stored_job(store, "eve")
    images = [asset.id for asset in second if asset.kind == "image"]

    assert store.job_actions.put_first(later.id, "ana") == 10
    assert in_order(store)[:5] == images
    assert store.job_actions.put_first(earlier.id, "ana", first[7].id) == 1
    assert in_order(store)[:3] == [first[7].id, *images[:2]]
    assert store.job_actions.put_first(later.id, "ana", second[9].id) == 1
    assert in_order(store)[:2] == [second[9].id, first[7].id]

    before = in_order(store, "eve")
    assert store.job_actions.put_first(theirs.id, "ana") == 0
    assert store.job_actions.put_first(earlier.id, "ana", before[0]) == 0
    assert in_order(store, "eve") == before


def test_what_is_put_off_after_a_failure_stays_put_off(store: Store) -> None:
    job, assets = stored_job(store)
    claimed = begin(store, assets[2])
    error = AssetError(code="busy", message="It is busy.")
    store.transitions.hand_back(claimed, 3600, error, counted=True)
    put_off = store.assets.get(assets[2].id)
    assert store.job_actions.put_first(job.id, "ana") == 9
    assert store.job_actions.put_first(job.id, "ana", assets[2].id) == 0
    assert store.assets.get(assets[2].id) == put_off


def test_a_place_in_the_queue_is_the_turn_at_which_it_comes(store: Store) -> None:
    job, assets = stored_job(store, "ana")
    for item in assets[3:]:
        store.job_actions.cancel(job.id, "ana", item.id)
    theirs, others = stored_job(store, "eve")
    for item in others[2:]:
        store.job_actions.cancel(theirs.id, "eve", item.id)
    eta = store.eta.of_items(store.assets.of_job(job.id))
    assert [eta.places[item.id] for item in assets[:3]] == [2, 4, 5]
    assert [eta.own[item.id] for item in assets[:3]] == [1, 2, 3]
    assert not eta.behind
    other = store.eta.of_items(store.assets.of_job(theirs.id))
    assert [other.places[item.id] for item in others[:2]] == [2, 4]


def test_who_has_asked_for_something_else_before_is_behind(store: Store) -> None:
    first, _ = stored_job(store)
    job, assets = stored_job(store)
    eta = store.eta.of_items(store.assets.of_job(job.id))
    assert eta.behind
    assert eta.places[assets[0].id] == 11
    assert not store.eta.of_items(store.assets.of_job(first.id)).behind


def finished_in(store: Store, seconds: float, length: float | None = None) -> Asset:
    """Store an item that took so long."""
    _, [asset, *_] = plan(Order(user_id="ana", prompt="x"), illustrator_only())
    moment = now()
    changed = asset.model_copy(
        update={
            "state": AssetState.DONE,
            "params": asset.params | {"seconds": length},
            "timings": {"submitted_at": moment - timedelta(seconds=seconds), "saved_at": moment},
        }
    )
    store.assets._assets.insert_one(changed.to_document())  # noqa: SLF001
    return changed


def test_how_long_something_takes_is_what_the_last_ones_like_it_took(store: Store) -> None:
    one = finished_in(store, 10, 5)
    kind = (one.provider, one.model, one.kind)
    for seconds in (20, 900):
        finished_in(store, seconds, 5)
    for seconds in (3, 4, 5):
        finished_in(store, seconds, 8)
    assert store.eta.typical_seconds(*kind, 5) == 20
    assert store.eta.typical_seconds(*kind, 8) == 4
    assert store.eta.typical_seconds(*kind, 3) == 7.5  # none of that length: all of them
    assert store.eta.typical_seconds(one.provider, "another", one.kind) is None


def test_how_long_a_job_still_takes_counts_what_is_before_it(store: Store) -> None:
    finished_in(store, 10)
    job, assets = stored_job(store)
    images = [asset for asset in assets if asset.kind == "image"]
    for item in assets:
        if item.id not in {images[0].id, images[1].id}:
            store.job_actions.cancel(job.id, "ana", item.id)
    begin(store, images[0])
    eta = store.eta.of_items(store.assets.of_job(job.id))
    assert eta.expected == {images[0].id: 10.0, images[1].id: 10.0}
    assert eta.left == 15.0  # half of what is being made, and its own
    nothing = store.eta.of_items([])
    assert (nothing.left, nothing.places) == (None, {})


def test_looking_at_the_queue_scans_no_collection(store: Store) -> None:
    job, assets = stored_job(store)
    finished_in(store, 10)
    database = store._database  # noqa: SLF001
    database.command("profile", 2)
    store.eta.of_items(store.assets.of_job(job.id))
    store.eta.active((assets[0].provider, assets[0].model))
    store.job_actions.put_first(job.id, "ana")
    database.command("profile", 0)
    plans = [entry.get("planSummary", "") for entry in database["system.profile"].find()]
    assert any("IXSCAN" in plan or "COUNT_SCAN" in plan for plan in plans)
    assert not any("COLLSCAN" in plan for plan in plans), plans


def test_the_web_process_ends_with_streams_open(settings: Settings, store: Store) -> None:
    job, _ = stored_job(store)
    port = free_port()
    environment = os.environ | {
        "MONGODB_URI": settings.mongodb_uri.get_secret_value(),
        "MONGODB_DATABASE": settings.mongodb_database,
        "DATA_DIR": str(settings.data_dir),
        "CONTENT_URL": settings.content_url,
        "PORT": str(port),
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "core", "web"], cwd=ROOT, env=environment, stdin=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    headers = {"Origin": url}
    with httpx2.Client(base_url=url, trust_env=False, timeout=SECONDS, headers=headers) as client:
        end_with_a_stream(process, client, job)


def end_with_a_stream(process: "subprocess.Popen[bytes]", client: httpx2.Client, job: Job) -> None:
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            assert client.post("/auth/login", json={"user_id": "ana"}).is_success
            break
        except httpx2.HTTPError:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
    with opened(client, f"/jobs/{job.id}/events") as stream:
        assert stream.next()[0] == "snapshot"
        process.send_signal(signal.SIGTERM)
        assert process.wait(120) in {0, -signal.SIGTERM}
        for name, _ in stream:
            assert name == "patch"


def test_put_first_is_kept_in_the_database_clock(store: Store) -> None:
    job, assets = stored_job(store)
    store.job_actions.put_first(job.id, "ana", assets[4].id)
    found = store.assets.get(assets[4].id)
    assert found is not None
    assert found.next_attempt_at < DUE_NOW
