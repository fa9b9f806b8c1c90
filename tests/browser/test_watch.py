"""Watching a job being made: what the page does with what is pushed, and without it.

Nothing is made here: the test itself stores what workers would.
"""

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Final

import httpx2
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Request, Route, WebSocket, expect

from core.media.folder import FolderStore
from core.models import Asset, Job, Kind, now
from core.settings import Settings
from core.store import Store
from core.web.identity.cookies import Identity
from tests.browser import pages
from tests.conftest import claim, stored_job
from tests.product import ROOT, START_SECONDS, free_port
from tests.servers.wire import clip
from tests.web import finished

KEY: Final = "a-key-for-tests"
QUIET_MS: Final = 3_000
PUSHED: Final = re.compile(r"/jobs/\w+/events")
ASKED: Final = re.compile(r"/jobs/\w+/live")
PIXEL: Final = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c489"
    "0000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


class Web:
    """A web process on the test's database, with no worker beside it."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.store = store
        self.content = FolderStore(Path(settings.content_url))
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self._environment = os.environ | {
            "MONGODB_URI": settings.mongodb_uri.get_secret_value(),
            "MONGODB_DATABASE": settings.mongodb_database,
            "DATA_DIR": str(settings.data_dir),
            "CONTENT_URL": settings.content_url,
            "SESSION_SECRET": KEY,
            "PORT": str(self.port),
        }
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "core", "web"],
            cwd=ROOT,
            env=self._environment,
            stdin=subprocess.DEVNULL,
        )
        deadline = time.monotonic() + START_SECONDS
        while not self._answers():
            assert self.process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(30) in {0, -15}

    def _answers(self) -> bool:
        try:
            return httpx2.get(f"{self.url}/health", trust_env=False).is_success
        except httpx2.HTTPError:
            return False

    def begin(self, asset: Asset, progress: float = 0.0) -> Asset:
        """Have an item made, as far as that goes."""
        claimed = claim(self.store, asset.id)
        assert claimed is not None
        assert claimed.lease is not None
        self.store.transitions.submitting(claimed)
        self.store.transitions.running(claimed, None)
        self.store.transitions.progress({(asset.id, claimed.lease.token): (progress, "")})
        return claimed

    def finish(self, job: Job) -> None:
        """Have all that is left of a job made."""
        for asset in self.store.assets.of_job(job.id):
            if asset.state == "queued":
                finished(self.store, self.content, asset, PIXEL)
        self.store.settlement.settle(job.id)


@pytest.fixture(scope="module")
def running(shared_settings: Settings, shared_store: Store) -> Iterator[Web]:
    """One web process for all tests; starting it takes longer than most of them."""
    web = Web(shared_settings, shared_store)
    yield web
    web.stop()


@pytest.fixture
def web(running: Web, emptied_store: Store) -> Web:
    """The web process, with an empty database."""
    assert emptied_store is running.store
    return running


@pytest.fixture
def watching(web: Web, page: Page) -> Page:
    pages.log_in(page, web.url, "ana")
    return page


def watch(page: Page, web: Web, job: Job) -> None:
    """Open a job's page and wait until it is told of the job."""
    with page.expect_request(PUSHED):
        page.goto(f"{web.url}/job?id={job.id}")
    pages.expect_generating(page)
    pages.at_rest(page)


def test_what_is_made_is_shown_as_it_comes_and_the_page_never_runs_again(
    watching: Page, web: Web
) -> None:
    page = watching
    job, assets = stored_job(web.store)
    frames = 0

    def hear(_: str | bytes) -> None:
        nonlocal frames
        frames += 1

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", hear)

    page.on("websocket", listen)
    watch(page, web, job)
    image = page.get_by_role("article", name="Image 1")
    expect(image).to_contain_text("Waiting · next")
    before = frames

    claimed = web.begin(assets[0], 0.42)
    expect(image).to_contain_text("Drawing · 42%")
    expect(image.locator(".elapsed")).to_have_text(re.compile(r"^\d:\d\d$"))
    expect(image.get_by_role("progressbar")).to_have_attribute("aria-valuenow", "42")
    expect(page).to_have_title("4 % · Fivefold")
    web.store.job_actions.cancel(job.id, "ana", assets[0].id)
    expect(image).to_contain_text("Cancelling …")
    web.store.transitions.cancelled(claimed, None)
    web.store.settlement.settle(job.id)
    expect(image).to_have_attribute("data-state", "cancelled")

    finished(web.store, web.content, assets[1], PIXEL)
    expect(page.get_by_role("article", name="Image 2")).to_have_attribute("data-state", "done")
    expect(page.get_by_role("heading", name="Images")).to_contain_text("1 of 5")
    web.finish(job)
    expect(page.get_by_test_id("snack")).to_have_text("The rest was cancelled.")
    expect(pages.status(page)).to_have_text("Cancelled")
    expect(page).to_have_title("Cancelled · Fivefold")
    expect(page).to_have_title("Your content · Fivefold")
    expect(page.get_by_text("Ready", exact=True)).to_be_visible()  # of the facts
    assert frames == before > 0

    page.get_by_role("button", name="Try again: Image 1").click()
    expect(pages.status(page)).to_have_text("In the making")
    web.finish(job)
    expect(pages.status(page)).to_have_text("Completed")
    expect(page).to_have_title("Ready · Fivefold")


def test_a_playing_clip_goes_on_while_others_arrive_and_then_nothing_polls(
    watching: Page, web: Web
) -> None:
    page = watching
    heard: list[str | bytes] = []

    def hear(frame: str | bytes) -> None:
        heard.append(frame)

    page.on("websocket", lambda socket: socket.on("framereceived", hear))
    job, assets = stored_job(web.store)
    watch(page, web, job)
    [first, *_] = [each for each in assets if each.kind == Kind.VIDEO]
    finished(web.store, web.content, first, clip("a boat on a lake", 320, 180, 3.0))
    player = pages.play(page)
    player.evaluate("player => { player.loop = true; window.player = player; }")
    pages.expect_generating(page)

    web.finish(job)
    expect(pages.status(page)).to_have_text("Completed", timeout=pages.DRAWN_MS)
    expect(page.get_by_text("Your content is ready.", exact=True)).to_be_visible()
    assert page.evaluate("window.player.isConnected && !window.player.paused")

    page.wait_for_timeout(QUIET_MS)  # lets the last run's messages in
    before = len(heard)
    page.wait_for_timeout(QUIET_MS)
    assert len(heard) == before > 0


def test_the_order_can_be_changed_for_a_job_and_for_an_item(watching: Page, web: Web) -> None:
    page = watching
    first, _ = stored_job(web.store, prompt="the first")
    job, assets = stored_job(web.store, prompt="the second")
    watch(page, web, first)
    expect(page.get_by_role("button", name="Make this job next")).to_have_count(0)
    watch(page, web, job)
    video = page.get_by_role("article", name="Video 5")
    expect(video).to_contain_text("Waiting · place 20")
    page.get_by_role("button", name="Make this job next").click()
    expect(video).to_contain_text("Waiting · place 10")
    expect(page.get_by_role("button", name="Make this job next")).to_have_count(0)
    page.get_by_role("button", name="Make Video 5 next").press("Enter")
    expect(video).to_contain_text("Waiting · next")
    expect(video.locator(".facts-line")).to_be_focused()
    [lane] = web.store.queue.lanes()
    assert web.store.queue.due(lane, "ana", 2) == [assets[9].id, assets[0].id]


def test_two_tabs_show_the_same_and_cards_do_too(
    watching: Page, web: Web, context: BrowserContext
) -> None:
    job, assets = stored_job(web.store)
    other, cards = context.new_page(), context.new_page()
    for page in (watching, other):
        watch(page, web, job)
    cards.goto(web.url)
    card = pages.job_cards(cards)
    expect(card).to_contain_text("0 of 10 ready", timeout=pages.DRAWN_MS)
    finished(web.store, web.content, assets[0], PIXEL)
    expect(card).to_contain_text("1 of 10 ready")
    watching.get_by_role("button", name="Cancel the job").click()
    watching.get_by_role("alertdialog").get_by_role("button", name="Cancel the job").click()
    for page in (watching, other):
        expect(pages.status(page)).to_have_text("Cancelled")
    expect(card).to_contain_text("Cancelled")


def test_where_nothing_can_be_pushed_the_page_asks(watching: Page, web: Web) -> None:
    job, assets = stored_job(web.store)
    watching.route(PUSHED, lambda route: route.abort())
    with watching.expect_response(ASKED):
        watching.goto(f"{web.url}/job?id={job.id}")
    web.begin(assets[0], 0.5)
    expect(watching.get_by_role("article", name="Image 1")).to_contain_text("50%")
    expect(watching.get_by_role("alert").filter(has_text="Fivefold")).to_have_count(0)
    web.store.job_actions.cancel(job.id, "ana", assets[9].id)
    expect(watching.get_by_role("article", name="Video 5")).to_contain_text("Cancelled")


def test_a_restart_is_said_and_then_the_page_goes_on_by_itself(watching: Page, web: Web) -> None:
    job, assets = stored_job(web.store)
    watch(watching, web, job)
    web.stop()
    trouble = watching.get_by_role("alert").filter(has_text="Fivefold does not answer")
    expect(trouble).to_be_visible()
    web.begin(assets[0], 0.25)
    with watching.expect_request(PUSHED, timeout=60_000):
        web.start()
    expect(watching.get_by_role("article", name="Image 1")).to_contain_text("25%")
    expect(trouble).to_have_count(0)


def test_a_tab_that_nobody_looks_at_keeps_no_stream(watching: Page, web: Web) -> None:
    page = watching
    job, assets = stored_job(web.store)
    page.clock.install()
    watch(page, web, job)
    hide = """hidden => {
      Object.defineProperty(document, "hidden", { get: () => Boolean(hidden), configurable: true });
      document.dispatchEvent(new Event("visibilitychange"));
    }"""
    page.evaluate(hide, "hidden")
    with page.expect_response(ASKED), page.expect_event("requestfailed", pushed):
        page.clock.fast_forward(25_000)
    web.begin(assets[0], 0.75)
    expect(page).to_have_title("7 % · Fivefold", timeout=pages.DRAWN_MS)
    with page.expect_request(PUSHED):
        page.evaluate(hide, "")
    finished(web.store, web.content, assets[1], PIXEL)
    expect(page.get_by_role("article", name="Image 2")).to_have_attribute("data-state", "done")


def pushed(request: Request) -> bool:
    return bool(PUSHED.search(request.url))


def test_what_is_refused_is_said_in_place_and_can_be_tried_again(watching: Page, web: Web) -> None:
    job, assets = stored_job(web.store)
    watch(watching, web, job)

    def refuse(route: Route) -> None:
        route.fulfill(status=503, json={"detail": "The database does not answer."})

    button = watching.get_by_role("button", name="Cancel Image 1")
    watching.route("**/acts*", refuse)
    button.press("Enter")
    refusal = watching.get_by_role("alert").filter(has_text="The database does not answer.")
    expect(refusal).to_be_visible()
    expect(button).to_be_focused()
    watching.unroute("**/acts*")
    button.press("Enter")
    expect(watching.get_by_role("article", name="Image 1")).to_contain_text("Cancelled")
    expect(refusal).to_have_count(0)
    found = web.store.assets.get(assets[0].id)
    assert found is not None
    assert found.state == "cancelled"


def test_a_shared_page_ends_with_its_link(browser: Browser, web: Web) -> None:
    job, assets = stored_job(web.store)
    share = web.store.shares.make(job.id, "ana", now() + timedelta(days=1))
    key = Identity(KEY, days=30, secure=False).share_key(share.id)
    context = browser.new_context(viewport={"width": 390, "height": 844})
    page = context.new_page()
    with page.expect_request(PUSHED):
        page.goto(f"{web.url}/shared?key={key}")
    finished(web.store, web.content, assets[0], PIXEL)
    tile = page.get_by_role("article", name="Image 1")
    expect(tile).to_have_attribute("data-state", "done", timeout=pages.DRAWN_MS)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    web.store.shares.withdraw(share.id, "ana")
    ended = page.get_by_role("heading", name="This link has ended")
    expect(ended).to_be_visible(timeout=pages.DRAWN_MS)
    expect(page.get_by_test_id("tile")).to_have_count(0)
    context.close()


def test_an_open_page_ends_with_its_login(watching: Page, web: Web) -> None:
    job, _ = stored_job(web.store)
    watch(watching, web, job)
    [session] = web.store.login_sessions.of_user("ana")
    web.store.login_sessions.revoke(session.id)
    expect(watching.get_by_label("User id")).to_be_visible(timeout=pages.DRAWN_MS)
    assert {asset.kind for asset in web.store.assets.of_job(job.id)} == set(Kind)
