"""Choosing generators in the browser: a mixed job, what it costs, how it was made, animating."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import pages
from tests.product import Product
from tests.servers import openai
from tests.servers.wire import VendorRecords, serving

KEY = "key_for-tests-and-nobody-else"


@pytest.fixture(scope="module")
def records() -> VendorRecords:
    return VendorRecords(KEY)


@pytest.fixture(scope="module")
def keyed(
    browser: Browser, records: VendorRecords, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    assert browser.is_connected()
    with serving(openai.application(records, seconds=1.5)) as url:
        running = Product(
            tmp_path_factory.mktemp("keyed"),
            OPENAI_BASE_URL=f"{url}/v1",
            OPENAI_API_KEY=KEY,
            OPENAI_VIDEO_MODELS="wan-2.2",
            OPENAI_CHAT_MODEL="chat",
            OPENAI_SERVERS=(
                f'{{"box": {{"base_url": "{url}/v1", "api_key": "{KEY}", "title": "The box", '
                '"animate_models": ["wan-2.2"]}}'
            ),
        )
        running.start()
        yield running
        assert running.stop() == 0
        assert "Traceback" not in running.output, running.output
        assert KEY not in running.output


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


def choose(page: Page, label: str, text: str) -> None:
    """Choose an entry of a list."""
    page.get_by_role("combobox", name=re.compile(label)).click()
    page.get_by_role("option", name=re.compile(text)).first.click()


def test_images_by_one_videos_by_another_and_how_each_was_made(
    page: Page, keyed: Product, records: VendorRecords
) -> None:
    pages.log_in(page, keyed.url, "mixed", pages.SMALL)
    expect(page.get_by_text("What the images and videos cost is not known")).to_be_visible(
        timeout=pages.DRAWN_MS
    )
    choose(page, "Videos by", "illustrator-1")
    # The lists are drawn anew before this: an open one would close.
    expect(page.get_by_text("What the images cost is not known")).to_be_visible()
    choose(page, "Clip length", "^3 seconds")
    pages.write_prompt(page, "A fox <b>at</b> dawn")
    pages.create(page)
    pages.expect_generating(page)
    pages.wait_for_completed(page)
    assert records.charges["A fox <b>at</b> dawn"] == 5
    page.get_by_role("button", name="How Image 1 was made").click()
    made = page.get_by_role("dialog", name="How Image 1 was made")
    expect(made).to_contain_text("gpt-image-2.6-sunburst")
    expect(made).to_contain_text("A fox <b>at</b> dawn")
    expect(made).to_contain_text("$0.03")
    expect(made).to_contain_text("Request id")
    page.keyboard.press("Escape")
    expect(page.get_by_text("$0.15")).to_be_visible()
    pages.go_to(page, "Create")  # the last ones tell what the next cost
    expect(page.get_by_text("About $0.15.")).to_be_visible(timeout=pages.DRAWN_MS)


def test_each_item_gets_a_prompt_that_was_suggested_and_changed(
    page: Page, keyed: Product, records: VendorRecords
) -> None:
    pages.log_in(page, keyed.url, "vary")
    pages.write_prompt(page, "A lighthouse")
    page.get_by_role("button", name="Suggest variations").click()
    expect(page.get_by_text("Use the one prompt for all")).to_be_visible(timeout=pages.DRAWN_MS)
    pages.create(page)
    pages.wait_for_completed(page)
    assert records.charges["A lighthouse, from above"] == 2  # an image and a clip
    assert records.charges["A lighthouse, in the rain"] == 2


def test_an_image_is_animated(page: Page, keyed: Product, records: VendorRecords) -> None:
    pages.log_in(page, keyed.url, "mixed", "/gallery")
    second = page.get_by_role("article", name=re.compile("^Image 2 of ")).first
    second.hover()
    second.get_by_role("button", name="More: Image 2").click()
    page.get_by_role("menuitem", name="Animate").click()
    expect(page.get_by_text("What should happen in this image?")).to_be_visible(
        timeout=pages.DRAWN_MS
    )
    page.wait_for_function(
        "() => [...document.querySelectorAll('img.source')].some(each => each.naturalWidth > 0)"
    )
    pages.write_prompt(page, "It turns its head")
    pages.create(page)
    pages.wait_for_completed(page)
    expect(pages.tiles(page, "video")).to_have_count(1)
    assert records.requests[-1]["input_reference"] == "a file"
