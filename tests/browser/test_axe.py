"""Every page against axe-core: no serious finding, at any size and in both schemes."""

import re
from collections.abc import Iterator
from itertools import product as all_of
from pathlib import Path
from typing import Any, Final

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from core.settings import Settings
from core.store import open_store
from core.web.session import all_pages
from tests.browser import pages
from tests.browser.pages import DRAWN_MS
from tests.product import Product

pytestmark = pytest.mark.timeout(600)

SIZES: Final = {"desktop": (1280, 900), "phone": (390, 844)}
SCHEMES: Final = ("light", "dark")
GRAVE: Final = ("serious", "critical")
STILL: Final = """() => document.getAnimations().every(each =>
    each.playState !== "running" || each.effect.getComputedTiming().endTime === Infinity)"""
NOT_OURS: Final[dict[str, tuple[str, str]]] = {}
"""What Streamlit's own markup is at fault for: a part of its HTML → (the rule, why it stays)."""


@pytest.fixture(scope="module")
def job(product: Product) -> str:
    """A finished job of ana's."""
    made = product.command(
        *("generate", "a red fox in the snow", "--user", "ana", "--seconds", "3", "--wait"),
        timeout=500,
    )
    assert made.returncode == 0, made.stdout + made.stderr
    with open_store(Settings(data_dir=Path(product.environment["DATA_DIR"]))) as store:
        [found] = store.jobs.of_user("ana")
    return found.id


@pytest.fixture(params=list(all_of(SIZES, SCHEMES)), ids="-".join)
def looker(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page at a size and in a scheme, with everything at rest."""
    size, scheme = request.param
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height}, color_scheme=scheme, reduced_motion="reduce"
    )
    page = context.new_page()
    page.set_default_timeout(20_000)
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


def test_the_login(product: Product, looker: Page) -> None:
    looker.goto(f"{product.url}/login")
    expect(looker.get_by_label("User id")).to_be_focused(timeout=DRAWN_MS)
    assert findings(looker) == []


def test_every_page(product: Product, looker: Page, job: str) -> None:
    pages.log_in(looker, product.url, "ana")
    found = {}
    for path in all_pages():
        if path == "/login":
            continue  # nobody who is logged in sees it
        looker.goto(f"{product.url}{path}" + (f"?id={job}" if path == "/job" else ""))
        pages.at_rest(looker)
        if path == "/job":
            expect(pages.tiles(looker, "image")).to_have_count(5, timeout=DRAWN_MS)
        found[path] = findings(looker)
    assert found == {path: [] for path in found}


def test_the_bells_panel_and_a_job_by_a_shared_link(
    product: Product, looker: Page, job: str
) -> None:
    pages.log_in(looker, product.url, "ana", f"/job?id={job}")
    pages.at_rest(looker)
    looker.get_by_role("button", name=re.compile("^Notifications")).click()
    expect(looker.get_by_role("dialog", name="Notifications")).to_be_visible()
    assert findings(looker) == []
    looker.keyboard.press("Escape")
    looker.get_by_role("button", name="Share").click()
    looker.get_by_role("button", name="Make a link").click()
    link = looker.get_by_test_id("stCode").first
    expect(link).to_contain_text("/shared?key=", timeout=DRAWN_MS)
    assert findings(looker) == []
    looker.goto(link.inner_text().strip())
    pages.at_rest(looker)
    expect(pages.tiles(looker, "image")).to_have_count(5, timeout=DRAWN_MS)
    assert findings(looker) == []
