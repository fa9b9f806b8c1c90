"""Create in a real browser: what is typed, found again, kept, and sent."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from core.store import open_store
from tests.browser import pages
from tests.conftest import stored_job
from tests.product import Product


def box(page: Page) -> Locator:
    return page.get_by_role("textbox", name="Prompt", exact=True)


def opened(page: Page, product: Product, user: str, path: str = "/") -> Page:
    pages.log_in(page, product.url, user, path)
    expect(box(page)).to_be_visible(timeout=pages.DRAWN_MS)
    return page


def made_before(product: Product, user: str, *prompts: str) -> None:
    """Store jobs that are over."""
    with open_store(product.settings) as store:
        for prompt in prompts:
            job, _ = stored_job(store, user, prompt)
            store.job_actions.cancel(job.id, user)


def test_earlier_prompts_come_back_by_arrow_and_from_a_list(page: Page, product: Product) -> None:
    made_before(product, "hist", "a red fox", "a <b>blue</b> whale", "a red kite")
    opened(page, product, "hist")
    box(page).press("ArrowUp")
    expect(box(page)).to_have_value("a red kite")
    box(page).press("ArrowUp")
    expect(box(page)).to_have_value("a <b>blue</b> whale")
    box(page).press("ArrowDown")
    box(page).press("ArrowDown")
    expect(box(page)).to_have_value("")
    box(page).fill("two\nlines")
    box(page).press("ArrowUp")
    expect(box(page)).to_have_value("two\nlines")  # it was the cursor that moved

    page.get_by_role("button", name="Earlier prompts").click()
    earlier = page.get_by_role("group", name="Earlier prompts")
    expect(earlier.get_by_role("listitem")).to_have_count(3)
    earlier.get_by_role("searchbox").fill("RED")
    expect(earlier.get_by_role("listitem")).to_have_text(["a red kite", "a red fox"])
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(box(page)).to_have_value("a red fox")
    expect(box(page)).to_be_focused()
    expect(earlier).to_be_hidden()
    page.get_by_role("button", name="Earlier prompts").click()
    earlier.get_by_role("searchbox").fill("zebra")
    expect(earlier).to_contain_text("None of them has these words.")
    page.keyboard.press("Escape")
    expect(page.get_by_role("button", name="Earlier prompts")).to_be_focused()


def test_a_surprise_is_written_and_not_sent(page: Page, product: Product) -> None:
    opened(page, product, "new")
    page.get_by_role("button", name="Surprise me").click()
    expect(box(page)).not_to_have_value("")
    first = box(page).input_value()
    page.get_by_role("button", name="Surprise me").click()
    expect(box(page)).not_to_have_value(first)
    expect(box(page)).not_to_have_value("")
    page.wait_for_url(f"{product.url}/?prompt=*")
    expect(page.get_by_text("Nothing made yet.")).to_be_visible()


def test_a_surprise_is_in_the_readers_language(browser: Browser, product: Product) -> None:
    context = browser.new_context(locale="de-DE")
    page = context.new_page()
    page.goto(product.url)
    page.locator("input").first.fill("fritz")
    page.keyboard.press("Enter")
    area = page.locator(".prompt-box textarea")
    expect(area).to_be_visible(timeout=pages.DRAWN_MS)
    page.locator(".prompt-box .tools button").first.click()
    expect(area).to_have_value(re.compile("^Eine? "))
    context.close()


def test_all_that_was_chosen_survives_a_reload_and_other_pages(
    page: Page, product: Product
) -> None:
    opened(page, product, "keeper")
    page.get_by_role("spinbutton", name="Images").fill("7")
    page.get_by_role("radio", name="Watercolour").click()
    page.get_by_role("combobox", name="Clip length").click()
    page.get_by_role("option", name="3 seconds").click()
    box(page).fill("Déjà vu & co: 100% 🦊?")
    page.wait_for_url(re.compile(r"seconds=3.*prompt=D"))
    assert {"images=7", "style=watercolour"} <= set(page.url.partition("?")[2].split("&"))

    page.reload()
    expect_kept(page)
    pages.go_to(page, "Gallery")
    expect(page).to_have_url(f"{product.url}/gallery")
    pages.go_to(page, "Create")
    expect_kept(page)

    long = "A very long tale. " * 150
    box(page).fill(long)
    page.wait_for_url(lambda url: "prompt=" not in url)
    page.reload()
    expect(box(page)).to_have_value(long, timeout=pages.DRAWN_MS)


def expect_kept(page: Page) -> None:
    expect(box(page)).to_have_value("Déjà vu & co: 100% 🦊?", timeout=pages.DRAWN_MS)
    expect(page.get_by_role("spinbutton", name="Images")).to_have_value("7")
    expect(page.get_by_role("radio", name="Watercolour")).to_be_checked()
    expect(page.get_by_role("combobox", name="Clip length")).to_have_value("3 seconds")


def test_a_link_fills_in_the_form_through_the_login(page: Page, product: Product) -> None:
    path = "/?prompt=a+lighthouse&images=6&ratio=16%3A9&seed=12&videos=x"
    opened(page, product, "linked", path)
    expect(box(page)).to_have_value("a lighthouse")
    expect(page.get_by_role("spinbutton", name="Images")).to_have_value("6")
    expect(page.get_by_text("Not all that this link asks for")).to_contain_text("Videos")
    page.wait_for_url(lambda url: "videos" not in url)


@pytest.mark.usefixtures("nothing_is_made")
def test_two_jobs_are_queued_without_leaving(page: Page, product: Product) -> None:
    opened(page, product, "stayer")
    page.get_by_role("combobox", name="Clip length").click()
    page.get_by_role("option", name="3 seconds").click()
    page.get_by_label("Stay here after creating").check()
    box(page).fill("the first")
    box(page).press("Control+Enter")
    expect(page.get_by_text("“the first” is being made.")).to_be_visible(timeout=pages.DRAWN_MS)
    expect(box(page)).to_have_value("")
    expect(pages.job_cards(page)).to_have_count(1)
    box(page).fill("the second")
    page.get_by_role("button", name="Create", exact=True).dblclick()
    expect(page.get_by_text("“the second” is being made.")).to_be_visible(timeout=pages.DRAWN_MS)
    expect(pages.job_cards(page)).to_have_count(2)
    expect(pages.job_cards(page).first).to_contain_text("the second")
    expect(page.get_by_role("combobox", name="Clip length")).to_have_value("3 seconds")
    page.reload()
    expect(page.get_by_label("Stay here after creating")).to_be_checked(timeout=pages.DRAWN_MS)
    expect(box(page)).to_have_value("")
    box(page).press("ArrowUp")
    expect(box(page)).to_have_value("the second")
    page.get_by_label("Stay here after creating").uncheck()
    pages.create(page)
    page.reload()
    pages.go_to(page, "Create")
    expect(box(page)).to_have_value("")


def test_the_length_is_shown_where_it_comes_near_the_limit(page: Page, product: Product) -> None:
    opened(page, product, "lengthy")
    box(page).fill("x" * 1000)
    expect(page.get_by_text("of 4,000 characters")).to_have_count(0)
    box(page).fill("x" * 4001)
    expect(page.get_by_text("4,001 of 4,000 characters")).to_be_visible()


@pytest.fixture(scope="module")
def with_budget(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """The product where everybody may spend nothing, with a provider that costs money."""
    assert browser.is_connected()
    running = Product(
        tmp_path_factory.mktemp("with_budget"),
        RUNWAYML_API_SECRET="key_for-tests" + "0" * 128,
        RUNWAYML_BASE_URL="http://127.0.0.1:9",
        BUDGETS='{"credits": 0}',
    )
    running.start()
    yield running
    assert running.stop() == 0


def test_an_order_beyond_the_budget_is_refused_in_place(page: Page, with_budget: Product) -> None:
    opened(page, with_budget, "ana")
    expect(page.get_by_text("0 credits of this month's budget left.")).to_be_visible(
        timeout=pages.DRAWN_MS
    )
    box(page).fill("a fox")
    page.get_by_role("button", name="Create", exact=True).click()
    expect(pages.refusal(page)).to_contain_text("Your budget of 0 credits a month is spent.")
    expect(box(page)).to_have_value("a fox")
    expect(page.get_by_text("Nothing made yet.")).to_be_visible()
    page.reload()
    expect(box(page)).to_have_value("a fox", timeout=pages.DRAWN_MS)
