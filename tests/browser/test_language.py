"""The studio in the reader's language, in a real browser."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from core.media.storage import open_content
from core.store import open_store
from tests.browser import pages
from tests.browser.conftest import SLOW_MS
from tests.browser.pages import DRAWN_MS
from tests.product import Product
from tests.seed import fill

WIDTHS = {"desktop": (1280, 900), "phone": (390, 844)}


@pytest.fixture(params=list(WIDTHS))
def german(browser: Browser, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page of a browser that is set to German."""
    width, height = WIDTHS[request.param]
    context = browser.new_context(locale="de-DE", viewport={"width": width, "height": height})
    page = context.new_page()
    page.set_default_timeout(SLOW_MS)
    yield page
    context.close()


def log_in(page: Page, product: Product, user_id: str) -> None:
    page.goto(product.url)
    field = page.get_by_label("Benutzer-ID")
    expect(field).to_be_focused(timeout=DRAWN_MS)
    field.fill(user_id)
    field.press("Enter")
    expect(page.get_by_test_id("user")).to_have_text(user_id, timeout=DRAWN_MS)


def user_of(page: Page, name: str) -> str:
    """A user of one width alone, for the product is the same for both."""
    assert page.viewport_size is not None
    return f"{name}-{page.viewport_size['width']}"


def fits(page: Page) -> bool:
    """Whether nothing is wider than the page, though German is longer."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


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
    log_in(german, product, user_of(german, "berta"))
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


@pytest.mark.usefixtures("nothing_is_made")
def test_a_job_is_created_and_watched_in_german(product: Product, german: Page) -> None:
    log_in(german, product, user_of(german, "clara"))
    pages.at_rest(german)
    expect(german.get_by_role("heading", level=1)).to_have_text("Was möchtest du sehen?")
    expect(german.get_by_role("button", name="Überrasch mich")).to_be_visible()
    expect(german.get_by_role("spinbutton", name="Bilder")).to_have_value("5")
    expect(german.get_by_role("radio", name="Bleistiftzeichnung")).to_be_visible()
    expect(german.get_by_role("link", name="Mehr dazu")).to_be_visible()
    expect(german.get_by_text("Noch nichts entstanden.")).to_be_visible()
    assert fits(german)
    german.get_by_role("textbox", name="Prompt", exact=True).fill("Ein Leuchtturm im Abendlicht")
    german.get_by_role("button", name="Erstellen", exact=True).click()
    german.wait_for_url(re.compile(r"/job\?id=\w+$"), timeout=DRAWN_MS)
    expect(pages.status(german)).to_have_text("In Arbeit", timeout=DRAWN_MS)
    expect(german.get_by_text("Deine Inhalte entstehen gerade.")).to_be_visible()
    expect(german.get_by_role("region", name="Wie es entstand")).to_contain_text("Beauftragt")
    assert fits(german)
    german.get_by_role("button", name="Auftrag abbrechen").click()
    question = german.get_by_role("alertdialog", name="Diesen Auftrag abbrechen?")
    question.get_by_role("button", name="Auftrag abbrechen").click()
    expect(pages.status(german)).to_have_text("Abgebrochen", timeout=DRAWN_MS)
    retry = german.get_by_role("button", name="Die fehlenden noch einmal versuchen")
    expect(retry).to_be_visible(timeout=DRAWN_MS)


def test_the_gallery_is_german(product: Product, german: Page) -> None:
    user = user_of(german, "dora")
    settings = product.settings
    with open_store(settings) as store:
        fill(store, open_content(settings.content_url), user, images=5, clips=2)
    log_in(german, product, user)
    german.goto(f"{product.url}/gallery?rating=5")
    expect(german.get_by_role("heading", level=1)).to_have_text("Galerie", timeout=DRAWN_MS)
    chips = german.get_by_role("group", name="Aktive Filter")
    expect(chips).to_contain_text("Bewertung: 5 Sterne", timeout=DRAWN_MS)
    chips.get_by_role("button", name="Alle entfernen").click()
    expect(german.get_by_test_id("found")).to_have_text("7 Stücke", timeout=DRAWN_MS)
    expect(german.get_by_role("searchbox", name="In Prompts suchen")).to_be_visible()
    expect(german.get_by_role("combobox", name="Reihenfolge")).to_contain_text("Neueste zuerst")
    assert fits(german)
    tile = german.get_by_test_id("tile").first
    tile.get_by_role("button", name=re.compile(" (öffnen|abspielen)$")).click()
    viewer = german.get_by_role("dialog", name="Betrachter")
    viewer.get_by_role("button", name="Details").click()
    for words in ("Prompt kopieren", "Mehr davon", "In den Papierkorb", "Seitenverhältnis"):
        expect(viewer).to_contain_text(words)
    assert fits(german)


def choose(page: Page, label: str, option: str) -> None:
    pages.at_rest(page)
    field = page.get_by_role("combobox", name=label)
    field.scroll_into_view_if_needed()  # scrolling closes its list
    page.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
    field.click()
    page.get_by_role("option", name=option, exact=True).click()
