"""Every page against axe-core: no serious finding, at any size and in both schemes."""

import re
from collections.abc import Iterator
from itertools import product as all_of
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from core.media.storage import open_content
from core.models import AssetError
from core.settings import Settings
from core.store import Store, open_store
from core.web.tab_session import all_pages
from tests.browser import pages
from tests.browser.conftest import SLOW_MS, idle_worker
from tests.browser.pages import DRAWN_MS
from tests.conftest import claim, stored_job
from tests.product import Product
from tests.profiles import by_profile
from tests.seed import fill

SIZES: Final = {"desktop": (1280, 900), "phone": (390, 844)}
SCHEMES: Final = ("light", "dark")
ALL_LOOKS: Final = list(all_of(SIZES, SCHEMES))
SOME_LOOKS: Final = [("desktop", "light"), ("phone", "dark")]
GRAVE: Final = ("serious", "critical")
STILL: Final = """() => document.getAnimations().every(each =>
    each.playState !== "running" || each.effect.getComputedTiming().endTime === Infinity)"""
NOT_OURS: Final[dict[str, tuple[str, str]]] = {}
"""What Streamlit's own markup is at fault for: a part of its HTML → (the rule, why it stays)."""


@pytest.fixture(scope="module")
def settings(product: Product) -> Settings:
    return product.settings


@pytest.fixture(scope="module")
def store(settings: Settings) -> Iterator[Store]:
    with open_store(settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def job(settings: Settings, store: Store) -> str:
    """A finished job of axel's, with five images and five clips."""
    return fill(store, open_content(settings.content_url), "axel", images=5, clips=5)[0].job_id


@pytest.fixture(scope="module")
def unfinished(product: Product, store: Store) -> Iterator[str]:
    """A job of bea's that nobody goes on with: some of it waits, is drawn, failed or is unknown."""
    with idle_worker(product):
        begun, [drawn, failed, unknown, *_] = stored_job(store, "bea")
        for asset in (drawn, failed, unknown):
            claimed = claim(store, asset.id)
            assert claimed is not None
            assert claimed.lease is not None
            store.transitions.submitting(claimed)
            if asset is failed:
                store.transitions.failed(
                    claimed, AssetError(code="failed", message="It could not be drawn.")
                )
            elif asset is unknown:
                store.transitions.unknown(
                    claimed, AssetError(code="unknown", message="No answer came.")
                )
            else:
                store.transitions.running(claimed, None)
                store.transitions.progress({(asset.id, claimed.lease.token): (0.4, "")})
        yield begun.id


@pytest.fixture(params=by_profile(SOME_LOOKS, ALL_LOOKS), ids="-".join)
def viewer(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page at a size and in a scheme, with everything at rest."""
    size, scheme = request.param
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    page.set_default_timeout(SLOW_MS)
    yield page
    context.close()


def findings(page: Page) -> list[str]:
    """What axe finds on a page as it stands, each as a line."""
    page.wait_for_function(STILL)  # what fades in has no contrast yet
    violations = Axe().run(page).response["violations"]
    return [
        f"{each['id']} ({each['impact']}): {node['html'][:200]} {node['failureSummary']}"
        for each in violations
        if each["impact"] in GRAVE
        for node in each["nodes"]
        if not is_excused(each["id"], node)
    ]


def is_excused(rule: str, node: dict[str, Any]) -> bool:
    return any(rule == excused and part in node["html"] for part, (excused, _) in NOT_OURS.items())


def test_the_login(product: Product, viewer: Page) -> None:
    viewer.goto(f"{product.url}/login")
    expect(viewer.get_by_label("User id")).to_be_focused(timeout=DRAWN_MS)
    assert findings(viewer) == []


def test_every_page(product: Product, viewer: Page, job: str) -> None:
    pages.log_in(viewer, product.url, "axel")
    found = {}
    for path in all_pages():
        if path == "/login":
            continue  # nobody who is logged in sees it
        viewer.goto(f"{product.url}{path}" + (f"?id={job}" if path == "/job" else ""))
        pages.at_rest(viewer)
        if path == "/job":
            expect(pages.tiles(viewer, "image")).to_have_count(5, timeout=DRAWN_MS)
        found[path] = findings(viewer)
        width = viewer.evaluate("document.querySelector('[data-testid=stMain]').scrollWidth")
        assert width <= viewer.evaluate("innerWidth"), path  # nothing sticks out
    assert found == {path: [] for path in found}


def test_a_job_that_is_being_made(product: Product, viewer: Page, unfinished: str) -> None:
    pages.log_in(viewer, product.url, "bea", f"/job?id={unfinished}")
    for state in ("drawing", "failed", "unknown"):
        expect(pages.tiles(viewer, "image", state)).to_have_count(1, timeout=DRAWN_MS)
    pages.at_rest(viewer)
    assert findings(viewer) == []


@pytest.mark.usefixtures("job")
def test_create_with_everything_open(product: Product, viewer: Page) -> None:
    pages.log_in(viewer, product.url, "axel", "/?prompt=a+fox&style=oil")
    pages.at_rest(viewer)
    viewer.get_by_text("More options").click()
    viewer.get_by_role("button", name="Earlier prompts").click()
    expect(viewer.get_by_role("searchbox", name="Search in earlier prompts")).to_be_focused()
    assert findings(viewer) == []


@pytest.mark.usefixtures("job")
def test_what_opens_in_the_gallery(product: Product, viewer: Page) -> None:
    pages.log_in(viewer, product.url, "axel", "/gallery?sort=oldest")
    pages.at_rest(viewer)
    found = {}

    def look(place: str) -> None:
        found[place] = findings(viewer)

    dialog, first = viewer.get_by_role("dialog"), pages.tiles(viewer, "image").first
    viewer.get_by_role("button", name="Filters").click()
    viewer.get_by_role("button", name="Select", exact=True).click()
    for kind in ("image", "video"):
        pages.tiles(viewer, kind).first.get_by_role("checkbox").click()
    look("filters and a selection")
    viewer.get_by_role("button", name="Add to a collection").click()
    expect(dialog).to_be_visible()
    look("naming")
    viewer.keyboard.press("Escape")
    viewer.get_by_role("button", name="Compare").click()
    look("comparing")
    viewer.keyboard.press("Escape")
    viewer.get_by_role("button", name="Clear the selection").click()
    viewer.get_by_role("button", name="Filters").click()

    first.hover()
    first.get_by_role("button", name=re.compile("^More: ")).press("Enter")
    look("menu")
    viewer.get_by_role("menuitem", name="Details").press("Enter")
    expect(dialog).to_be_visible()
    look("details")
    viewer.keyboard.press("Escape")
    pages.open_lightbox(viewer)
    dialog.press("i")
    expect(dialog.get_by_role("complementary", name="Details")).to_be_visible()
    look("an image in the lightbox")
    dialog.press("ArrowLeft")
    expect(dialog.get_by_role("group", name="Playback")).to_be_visible()
    look("a clip in the lightbox")
    viewer.keyboard.press("Escape")

    viewer.get_by_role("button", name="Bin", exact=True).click()
    expect(viewer.get_by_role("heading", name="The bin is empty")).to_be_visible()
    look("bin")
    assert found == {place: [] for place in found}


def test_the_bells_panel_and_a_job_by_a_shared_link(
    product: Product, viewer: Page, job: str
) -> None:
    pages.log_in(viewer, product.url, "axel", f"/job?id={job}")
    pages.at_rest(viewer)
    viewer.get_by_role("button", name=re.compile("^Notifications")).click()
    expect(viewer.get_by_role("dialog", name="Notifications")).to_be_visible()
    assert findings(viewer) == []
    viewer.keyboard.press("Escape")
    viewer.get_by_role("button", name="Share").click()
    viewer.get_by_role("button", name="Make a link").click()
    link = viewer.get_by_test_id("stCode").first
    expect(link).to_contain_text("/shared?key=", timeout=DRAWN_MS)
    assert findings(viewer) == []
    viewer.goto(link.inner_text().strip())
    pages.at_rest(viewer)
    expect(pages.tiles(viewer, "image")).to_have_count(5, timeout=DRAWN_MS)
    assert findings(viewer) == []
