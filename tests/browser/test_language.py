"""The studio in the reader's language, in a real browser."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import pages
from tests.browser.pages import DRAWN_MS
from tests.product import Product

WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(params=list(WIDTHS))
def german(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of a browser that is set to German."""
    width, height = WIDTHS[request.param]
    context = browser.new_context(locale="de-DE", viewport={"width": width, "height": height})
    page = context.new_page()
    page.set_default_timeout(20_000)
    yield page
    context.close()


def log_in(page: Page, product: Product, user_id: str) -> None:
    page.goto(product.url)
    field = page.get_by_label("Benutzer-ID")
    expect(field).to_be_focused(timeout=DRAWN_MS)
    field.fill(user_id)
    field.press("Enter")
    expect(page.get_by_test_id("user")).to_have_text(user_id, timeout=DRAWN_MS)


def speaks(page: Page, code: str) -> None:
    expect(page.locator("html")).to_have_attribute("lang", code, timeout=DRAWN_MS)


def test_a_german_browser_is_spoken_to_in_german(product: Product, german: Page) -> None:
    german.goto(product.url)
    expect(german.get_by_role("heading", level=1)).to_contain_text("Ein Prompt genügt.")
    speaks(german, "de")
    german.get_by_label("Benutzer-ID").fill("-")
    german.get_by_role("button", name="Anmelden").click()
    expect(pages.refusal(german)).to_have_text(
        re.compile("^Eine Benutzer-ID besteht aus Buchstaben")
    )
    log_in(german, product, "anna")
    for name, title in (("Mitteilungen", "Mitteilungen"), ("Aktivität", "Aktivität")):
        german.get_by_role("navigation", name="Seiten").get_by_role("link", name=name).click()
        expect(german.get_by_role("heading", level=1, name=title)).to_be_visible(timeout=DRAWN_MS)
        expect(german).to_have_title(f"{title} · Fivefold")
        speaks(german, "de")
    german.get_by_role("button", name="Mitteilungen").click()
    expect(german.get_by_role("dialog", name="Mitteilungen")).to_contain_text("Noch nichts.")


def test_another_language_is_chosen_in_the_account(product: Product, german: Page) -> None:
    assert german.viewport_size is not None
    log_in(german, product, f"berta-{german.viewport_size['width']}")
    german.get_by_test_id("user").click()
    expect(german.get_by_role("heading", level=1, name="Konto")).to_be_visible(timeout=DRAWN_MS)
    choose(german, "Sprache", "English")
    expect(german.get_by_role("heading", level=1, name="Account")).to_be_visible(timeout=DRAWN_MS)
    expect(german.get_by_role("button", name="Log out")).to_be_visible(timeout=DRAWN_MS)
    speaks(german, "en")
    german.reload()
    expect(german.get_by_role("heading", level=1, name="Account")).to_be_visible(timeout=DRAWN_MS)
    speaks(german, "en")
    choose(german, "Language", "As the browser says (Deutsch)")
    expect(german.get_by_role("heading", level=1, name="Konto")).to_be_visible(timeout=DRAWN_MS)
    expect(german.get_by_role("button", name="Abmelden")).to_be_visible(timeout=DRAWN_MS)
    speaks(german, "de")


def choose(page: Page, label: str, option: str) -> None:
    pages.at_rest(page)
    field = page.get_by_role("combobox", name=label)
    field.scroll_into_view_if_needed()  # scrolling closes its list
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    field.click()
    page.get_by_role("option", name=option, exact=True).click()
