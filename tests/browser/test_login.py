"""Coming in, staying in and being thrown out, in real browsers against the real processes."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from core.store import Store, open_store
from tests.browser import pages
from tests.browser.conftest import SLOW_MS, installation
from tests.browser.pages import DRAWN_MS
from tests.product import Product

RIGHT = "the cat sat on 7 mats"


@pytest.fixture(scope="module")
def guarded(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """A Fivefold where everybody has a passphrase and accounts need an invitation."""
    environment = {"LOGIN": "passphrase", "REGISTRATION": "invite"}
    with installation(browser, tmp_path_factory, **environment) as running:
        yield running


@pytest.fixture
def store(guarded: Product) -> Iterator[Store]:
    with open_store(guarded.settings) as opened:
        yield opened


@pytest.fixture
def contexts(browser: Browser) -> Iterator[list[BrowserContext]]:
    """Two browsers that know nothing of each other."""
    opened = [browser.new_context() for _ in range(2)]
    yield opened
    for context in opened:
        context.close()


def new_page(context: BrowserContext) -> Page:
    page = context.new_page()
    page.set_default_timeout(SLOW_MS)
    return page


def invited(page: Page, guarded: Product, user_id: str, passphrase: str = RIGHT) -> None:
    """Make an account by an invitation from the terminal."""
    output = guarded.command("user", "invite").stdout
    [secret] = re.findall(r"invite=(\S+)", output)
    page.goto(f"{guarded.url}/login?invite={secret}")
    page.get_by_label("User id").fill(user_id)
    page.get_by_label("Passphrase", exact=True).fill(passphrase)
    page.get_by_label("Passphrase again").fill(passphrase)
    page.get_by_role("button", name="Make the account").click()
    expect(page.get_by_test_id("user")).to_have_text(user_id, timeout=DRAWN_MS)


def type_in(page: Page, user_id: str, passphrase: str) -> None:
    page.get_by_label("User id").fill(user_id)
    page.get_by_label("Passphrase", exact=True).fill(passphrase)
    page.get_by_role("button", name="Log in").click()


def expect_login(page: Page) -> None:
    """The page shows the login, and nothing of anybody's."""
    expect(page.get_by_label("User id")).to_be_visible(timeout=DRAWN_MS)
    expect(page.get_by_test_id("user")).to_have_count(0)
    expect(page.get_by_role("textbox", name="Prompt", exact=True)).to_have_count(0)


def test_an_invitation_leads_in_once_and_a_wrong_passphrase_does_not(
    contexts: list[BrowserContext], guarded: Product
) -> None:
    first, second = map(new_page, contexts)
    invited(first, guarded, "ana")
    link = f"{guarded.url}/gallery"
    second.goto(link)
    expect(second.get_by_text("You need an invitation")).to_be_visible(timeout=DRAWN_MS)
    type_in(second, "ana", "a wrong one, long")
    expect(pages.refusal(second)).to_have_text(
        "This user id and passphrase do not belong together."
    )
    expect(second.get_by_label("Passphrase", exact=True)).to_be_focused()
    type_in(second, "ana", RIGHT)
    second.wait_for_url(link)
    expect(second.get_by_test_id("user")).to_have_text("ana", timeout=DRAWN_MS)


def test_logging_out_ends_every_tab_of_the_browser_and_no_other(
    contexts: list[BrowserContext], guarded: Product
) -> None:
    first = new_page(contexts[0])
    invited(first, guarded, "ben")
    tab = new_page(contexts[0])
    tab.goto(f"{guarded.url}/notifications")
    expect(tab.get_by_test_id("user")).to_have_text("ben", timeout=DRAWN_MS)
    other = new_page(contexts[1])
    other.goto(guarded.url)
    expect_login(other)
    type_in(other, "ben", RIGHT)
    expect(other.get_by_test_id("user")).to_have_text("ben", timeout=DRAWN_MS)
    pages.log_out(first)
    expect_login(tab)
    other.reload()
    expect(other.get_by_test_id("user")).to_have_text("ben", timeout=DRAWN_MS)


def test_a_new_passphrase_throws_all_others_out_within_seconds(
    contexts: list[BrowserContext], guarded: Product
) -> None:
    mine, thief = map(new_page, contexts)
    invited(mine, guarded, "cleo")
    thief.goto(guarded.url)
    expect_login(thief)
    type_in(thief, "cleo", RIGHT)
    expect(thief.get_by_test_id("user")).to_have_text("cleo", timeout=DRAWN_MS)
    mine.goto(f"{guarded.url}/account")
    mine.get_by_label("Present passphrase").fill(RIGHT)
    mine.get_by_label("New passphrase", exact=True).fill("another one, longer")
    mine.get_by_label("New passphrase again").fill("another one, longer")
    mine.get_by_role("button", name=re.compile("passphrase")).first.click()
    expect(mine.get_by_text("logged out everywhere else").first).to_be_visible()
    expect_login(thief)
    type_in(thief, "cleo", RIGHT)
    expect(pages.refusal(thief)).to_contain_text("do not belong together")
    expect(mine.get_by_test_id("user")).to_have_text("cleo")


def test_too_many_attempts_are_told_and_end_a_lock_at_the_terminal(
    contexts: list[BrowserContext], guarded: Product
) -> None:
    page, owner = map(new_page, contexts)
    invited(owner, guarded, "dora")
    guarded.command("user", "unlock", "dora")
    page.goto(guarded.url)
    expect_login(page)
    for _ in range(20):
        type_in(page, "dora", "a wrong one, long")
        expect(pages.refusal(page)).to_be_visible()
        if "tried too often" in pages.refusal(page).inner_text():
            break
    expect(pages.refusal(page)).to_contain_text("Please try again in")


def test_what_one_does_never_shows_with_the_other(
    contexts: list[BrowserContext], guarded: Product
) -> None:
    ana, eve = map(new_page, contexts)
    invited(ana, guarded, "fay")
    invited(eve, guarded, "gil")
    pages.write_prompt(ana, "A secret garden of fay's")
    job_id = pages.create(ana)
    pages.expect_generating(ana)
    for path in ("/", "/gallery", f"/job?id={job_id}", "/notifications", "/activity", "/account"):
        eve.goto(guarded.url + path)
        expect(eve.get_by_test_id("user")).to_have_text("gil", timeout=DRAWN_MS)
        eve.wait_for_load_state("networkidle")
        assert "secret garden" not in eve.content()
        assert "fay" not in eve.inner_text("body")
    expect(pages.tiles(ana, "image").first).to_be_visible(timeout=90_000)
    source = pages.tiles(ana, "image").first.locator("img").get_attribute("src")
    assert source is not None
    assert contexts[0].request.get(guarded.url + source).ok
    assert contexts[1].request.get(guarded.url + source).status == 404
    assert "fay" not in contexts[1].request.get(f"{guarded.url}/bell").text()
    ana.get_by_role("button", name="Cancel").first.click()
