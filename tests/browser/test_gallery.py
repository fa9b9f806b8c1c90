"""The gallery as somebody uses it: looking for, looking at, picking, sorting out."""

import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest
from playwright.sync_api import Browser, Locator, Page, ViewportSize, expect

from core.media.storage import open_content
from core.models import Asset, Kind
from core.settings import Settings
from core.store import Store, open_store
from tests.browser import pages
from tests.browser.conftest import SLOW_MS
from tests.product import Product
from tests.seed import fill

SOON_MS = 10_000
PHONE: Final[ViewportSize] = {"width": 390, "height": 844}
FIRST = 40  # items that the page itself brings along


@pytest.fixture
def settings(product: Product) -> Settings:
    return product.settings


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    """The running product's database."""
    with open_store(settings) as opened:
        yield opened


@pytest.fixture
def phone(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport=PHONE, has_touch=True, is_mobile=True)
    page = context.new_page()
    page.set_default_timeout(SLOW_MS)
    yield page
    context.close()


def fill_for(settings: Settings, store: Store, user: str, images: int, clips: int) -> list[Asset]:
    return fill(store, open_content(settings.content_url), user, images=images, clips=clips)


def opened(page: Page, product: Product, user: str, query: str = "") -> None:
    """Log in and wait for the gallery."""
    pages.log_in(page, product.url, user, f"/gallery{query}")
    expect(page.get_by_test_id("found")).to_have_text(re.compile(r"^\d"), timeout=pages.DRAWN_MS)


def found(page: Page, text: str) -> None:
    """Wait until the gallery says so many items."""
    expect(page.get_by_test_id("found")).to_have_text(text, timeout=SOON_MS)


def tile(page: Page, index: int = 0) -> Locator:
    return page.get_by_test_id("tile").nth(index)


def frame(page: Page, index: int = 0) -> Locator:
    """The part of a tile that opens it."""
    return tile(page, index).get_by_role("button", name=re.compile("^(Open|Play) "))


def lightbox(page: Page) -> Locator:
    return page.get_by_role("dialog", name="Viewer")


def pick(page: Page, *indices: int) -> None:
    for index in indices:
        tile(page, index).hover()
        tile(page, index).get_by_role("checkbox").click()


def snack(page: Page) -> Locator:
    """What is said of what has just happened."""
    return page.get_by_test_id("snack")


def test_what_is_looked_for_stands_in_the_address(
    page: Page, product: Product, settings: Settings, store: Store
) -> None:
    made = fill_for(settings, store, "seeker", 30, 10)
    second = [each for each in made if each.words.endswith("no. 2")]
    clips = [each for each in second if each.kind == Kind.VIDEO]
    opened(page, product, "seeker")
    found(page, "40 items")
    page.keyboard.press("/")
    search = page.get_by_role("searchbox", name="Search in prompts")
    expect(search).to_be_focused()
    page.keyboard.type("no. 2")
    found(page, f"{len(second)} items")
    page.get_by_role("button", name=re.compile("^Videos")).click()
    found(page, f"{len(clips)} videos")
    expect(page.get_by_test_id("tile")).to_have_count(len(clips))
    assert "kind=video" in page.url
    assert "q=no.+2" in page.url

    page.reload()
    expect(search).to_have_value("no. 2", timeout=pages.DRAWN_MS)
    expect(page.get_by_role("button", name=re.compile("^Videos"))).to_have_attribute(
        "aria-pressed", "true"
    )
    found(page, f"{len(clips)} videos")
    page.go_back()
    found(page, f"{len(second)} items")
    expect(page.get_by_role("button", name=re.compile("^All"))).to_have_attribute(
        "aria-pressed", "true"
    )
    page.get_by_role("button", name="Clear all").click()
    found(page, "40 items")

    page.get_by_role("button", name="Filters").click()
    page.get_by_role("combobox", name="Rating").select_option("3")
    page.get_by_role("checkbox", name="Favourites only").check()
    chips = page.get_by_role("group", name="Active filters")
    expect(chips.get_by_role("button", name=re.compile("^Rating: 3 stars or more"))).to_be_visible()
    chips.get_by_role("button", name=re.compile("^Favourites")).click()
    expect(page.get_by_role("checkbox", name="Favourites only")).not_to_be_checked()
    assert page.url.endswith("/gallery?rating=3")
    page.get_by_role("combobox", name="Order").select_option("oldest")
    search.fill("a zeppelin")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    page.get_by_role("button", name="Clear all filters").click()
    found(page, "40 items")
    assert page.url.endswith("/gallery?sort=oldest")


def test_an_address_that_asks_for_nonsense_is_answered_in_words(
    page: Page, product: Product, settings: Settings, store: Store
) -> None:
    fill_for(settings, store, "seeker-2", 10, 0)
    pages.log_in(page, product.url, "seeker-2", "/gallery?from=yesterday")
    alert = pages.refusal(page)
    expect(alert).to_contain_text("is a day", timeout=pages.DRAWN_MS)
    page.get_by_role("button", name="Clear all filters").click()
    found(page, "10 items")
    expect(alert).to_have_count(0)


def test_a_long_gallery_is_fetched_while_it_is_scrolled_and_holds_little(
    phone: Page, product: Product, settings: Settings, store: Store
) -> None:
    page = phone
    fill_for(settings, store, "scroller", 200, 60)
    opened(page, product, "scroller")
    tiles = page.get_by_test_id("tile")
    assert tiles.count() <= 2 * FIRST + 60
    for wanted in (100, 160, 220, 260):
        tiles.last.scroll_into_view_if_needed()
        page.wait_for_function(
            "([root, wanted]) => root.querySelectorAll('article').length >= wanted",
            arg=[page.locator(".wall").element_handle(), wanted],
        )
    expect(tiles).to_have_count(260)
    expect(tiles.first.locator("img")).to_have_count(0)  # too far away to hold anything
    expect(page.get_by_role("button", name="Show more")).to_be_hidden()
    tiles.first.scroll_into_view_if_needed()
    expect(tiles.first.locator("img")).to_have_count(1)
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]


def test_a_page_that_does_not_come_is_asked_for_again(
    page: Page, product: Product, settings: Settings, store: Store
) -> None:
    fill_for(settings, store, "patient", 60, 0)
    opened(page, product, "patient")
    page.route("**/library/items?*", lambda route: route.abort())
    page.get_by_role("button", name=re.compile("^Images")).click()
    expect(pages.refusal(page)).to_contain_text("Fivefold does not answer")
    expect(pages.refusal(page)).to_be_in_viewport()
    expect(page.get_by_test_id("tile").first).to_be_visible()
    page.unroute("**/library/items?*")
    page.get_by_role("button", name="Try again").click()
    found(page, "60 images")
    expect(pages.refusal(page)).to_have_count(0)


def test_the_lightbox_works_by_its_keys(
    page: Page, product: Product, settings: Settings, store: Store
) -> None:
    fill_for(settings, store, "keys", 3, 3)
    opened(page, product, "keys", "?sort=oldest")
    frame(page).press("Enter")
    box = lightbox(page)
    image = box.get_by_role("img")
    page.wait_for_function("image => image.naturalWidth > 480", arg=image.element_handle())
    expect(box).to_contain_text("1 of 6")

    page.keyboard.press("f")
    expect(box.get_by_role("button", name=re.compile("^Favourite"), pressed=True)).to_be_visible()
    page.keyboard.press("4")
    stars = box.get_by_role("group", name="Rating").first
    expect(stars.get_by_role("button", name="4 stars", pressed=True)).to_be_visible()
    page.keyboard.press("+")
    expect(image).to_have_attribute("style", re.compile("scale"))
    page.keyboard.press("-")
    page.keyboard.press("-")
    expect(image).not_to_have_attribute("style", re.compile("scale"))
    image.dblclick()
    expect(image).to_have_attribute("style", re.compile("scale"))
    page.keyboard.press("i")
    panel = box.get_by_role("complementary", name="Details")
    expect(panel).to_contain_text("Seed")
    page.keyboard.press("i")
    expect(panel).to_be_hidden()
    with page.expect_download() as download:
        page.keyboard.press("d")
    assert download.value.suggested_filename.endswith(".png")

    page.keyboard.press("ArrowRight")
    expect(box).to_contain_text("2 of 6")
    while not box.locator("video").is_visible():
        page.keyboard.press("ArrowRight")
        page.wait_for_timeout(50)
    player = box.locator("video")
    expect(player).to_have_js_property("paused", value=False)
    page.keyboard.press("Space")
    expect(player).to_have_js_property("paused", value=True)
    place = int((box.locator(".words").inner_text()).split(" of ")[0])
    page.keyboard.press("Space")
    expect(box).to_contain_text(f"{place % 6 + 1} of 6")  # it ended, and the next one came

    page.keyboard.press("Delete")
    expect(snack(page)).to_contain_text("1 item is in the bin.")
    expect(box).to_contain_text("of 5")
    snack(page).get_by_role("button", name="Undo").click()
    expect(box).to_contain_text("of 6")
    page.keyboard.press("Escape")
    expect(box).to_be_hidden()
    expect(page.locator(".frame:focus")).to_have_count(1)


def test_a_clip_plays_under_the_mouse_but_not_for_who_wants_calm(
    browser: Browser, page: Page, product: Product, settings: Settings, store: Store
) -> None:
    fill_for(settings, store, "mouse", 5, 5)
    opened(page, product, "mouse", "?kind=video")
    assert page.locator("video[src]").count() == 0
    tile(page).hover()
    player = tile(page).locator("video")
    expect(player).to_have_js_property("paused", value=False)
    expect(player).to_have_js_property("muted", value=True)
    page.mouse.move(2, 2)
    expect(player).to_have_count(0)

    calm = browser.new_context(reduced_motion="reduce", storage_state=page.context.storage_state())
    other = calm.new_page()
    other.goto(f"{product.url}/gallery?kind=video")
    tile(other).hover(timeout=pages.DRAWN_MS)
    other.wait_for_timeout(800)  # longer than a clip waits
    assert other.locator(".frame video").count() == 0
    calm.close()


def test_tiles_work_by_the_keyboard(
    page: Page, product: Product, settings: Settings, store: Store
) -> None:
    fill_for(settings, store, "typist", 20, 0)
    opened(page, product, "typist")
    frame(page).focus()
    page.keyboard.press("ArrowRight")
    expect(frame(page, 1)).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    expect(frame(page, 1)).to_be_focused()
    page.keyboard.press("f")
    heart = tile(page, 1).get_by_role("button", name=re.compile("^Favourite"))
    before = heart.get_attribute("aria-pressed")
    page.keyboard.press("f")
    expect(heart).not_to_have_attribute("aria-pressed", before or "")
    page.keyboard.press("5")
    five = tile(page, 1).locator('[aria-label="5 stars"]')  # a narrow tile does not show them
    expect(five).to_have_attribute("aria-pressed", "true")
    page.keyboard.press("x")
    expect(page.get_by_text("1 selected")).to_be_visible()
    page.keyboard.press("Control+a")
    expect(page.get_by_text("20 selected")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.get_by_role("toolbar", name="Selected items")).to_be_hidden()
    page.keyboard.press("End")
    expect(frame(page, 19)).to_be_focused()
    page.keyboard.press("Tab")
    expect(tile(page, 19).locator(":focus")).to_have_count(1)  # its own buttons come next
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Delete")
    expect(snack(page)).to_contain_text("1 item is in the bin.")
    expect(frame(page, 18)).to_be_focused()


def test_many_are_downloaded_binned_brought_back_and_removed(
    page: Page, product: Product, settings: Settings, store: Store, tmp_path: Path
) -> None:
    fill_for(settings, store, "tidy", 10, 4)
    opened(page, product, "tidy")
    pick(page, 0)
    tile(page, 3).get_by_role("button", name=re.compile("^(Open|Play) ")).click(
        modifiers=["Shift"], position={"x": 60, "y": 60}
    )
    bar = page.get_by_role("toolbar", name="Selected items")
    expect(bar).to_contain_text("4 selected")
    with page.expect_download() as download:
        bar.get_by_role("button", name="Download").click()
    place = tmp_path / "some.zip"
    download.value.save_as(place)
    with zipfile.ZipFile(place) as packed:
        assert packed.testzip() is None
        manifest = json.loads(packed.read("manifest.json"))
        assert len([name for name in packed.namelist() if name.endswith((".png", ".mp4"))]) == 4
    assert manifest

    bar.get_by_role("button", name="Move to the bin").click()
    expect(snack(page)).to_contain_text("4 items are in the bin.")
    found(page, "10 items")
    before = page.get_by_test_id("tile").evaluate_all("all => all.map(each => each.dataset.id)")
    snack(page).get_by_role("button", name="Undo").click()
    found(page, "14 items")
    after = page.get_by_test_id("tile").evaluate_all("all => all.map(each => each.dataset.id)")
    assert after[4:] == before  # they are back where they were
    expect(bar).to_be_hidden()

    pick(page, 0, 1)
    bar.get_by_role("button", name="Move to the bin").click()
    found(page, "12 items")
    page.get_by_role("button", name="Bin", exact=True).click()
    found(page, "2 items")
    assert page.url.endswith("/gallery?bin=1")
    expect(page.get_by_text("removed for good after 30 days")).to_be_visible()
    expect(tile(page)).to_contain_text("gone on ")
    pick(page, 0)
    bar.get_by_role("button", name="Restore").click()
    expect(snack(page)).to_contain_text("1 item is back.")
    found(page, "1 item")
    pick(page, 0)
    bar.get_by_role("button", name="Remove for good").click()
    question = page.get_by_role("alertdialog")
    expect(question.get_by_role("button", name="Keep")).to_be_focused()
    question.get_by_role("button", name="Remove for good").click()
    expect(page.get_by_role("heading", name="The bin is empty")).to_be_visible()
    page.get_by_role("button", name="Back to the gallery").last.click()
    found(page, "13 items")


def test_a_download_that_fails_says_so_and_stays_on_the_page(
    page: Page, product: Product, settings: Settings, store: Store
) -> None:
    fill_for(settings, store, "unlucky", 5, 0)
    opened(page, product, "unlucky")
    pick(page, 0)
    page.route(
        "**/library/archive.zip*",
        lambda route: route.fulfill(
            status=503, json={"detail": "…"}, headers={"X-Frame-Options": "DENY"}
        ),
    )
    page.get_by_role("button", name="Download", exact=True).click()
    expect(snack(page)).to_contain_text("The download did not begin.")
    expect(page.get_by_text("1 selected")).to_be_visible()


def test_clips_are_compared_in_step(
    page: Page, product: Product, settings: Settings, store: Store
) -> None:
    fill_for(settings, store, "judge", 5, 5)
    opened(page, product, "judge", "?kind=video")
    pick(page, 0, 1, 2)
    page.get_by_role("button", name="Compare").click()
    box = page.get_by_role("dialog", name="Compare")
    clips = box.locator("video")
    expect(clips).to_have_count(3)
    for each in range(3):
        expect(clips.nth(each)).to_have_js_property("paused", value=False)
    page.wait_for_function(
        "box => [...box.querySelectorAll('video')].every(each => each.currentTime > 0.5)",
        arg=box.element_handle(),
    )
    page.keyboard.press("Space")
    for each in range(3):
        expect(clips.nth(each)).to_have_js_property("paused", value=True)
    page.keyboard.press(".")
    times = "box => [...box.querySelectorAll('video')].map(each => each.currentTime)"
    stepped = page.evaluate(times, box.element_handle())
    assert max(stepped) - min(stepped) < 0.01
    box.get_by_role("slider", name="Position").fill("500")
    page.wait_for_function(
        """box => [...box.querySelectorAll('video')].every(
            each => Math.abs(each.currentTime - 1) < 0.1
        )""",
        arg=box.element_handle(),
    )
    page.keyboard.press("+")
    scales = clips.evaluate_all("all => all.map(each => each.style.transform)")
    assert len(set(scales)) == 1
    assert "scale" in scales[0]
    box.get_by_role("button", name=re.compile("^Leave out")).first.click()
    expect(clips).to_have_count(2)
    box.get_by_role("button", name=re.compile("^Leave out")).first.click()
    expect(box).to_be_hidden()


def test_what_an_owner_makes_of_an_item_is_kept(
    page: Page, product: Product, settings: Settings, store: Store
) -> None:
    fill_for(settings, store, "keeper", 5, 0)
    opened(page, product, "keeper")
    frame(page).click()
    page.keyboard.press("i")
    panel = lightbox(page).get_by_role("complementary", name="Details")
    panel.get_by_role("textbox", name="Note").fill("For <b>grandma</b>")
    expect(panel.get_by_text("Saved", exact=True)).to_be_visible()
    field = panel.get_by_role("combobox", name="Add to a collection")
    field.fill("Foxes & friends")
    field.press("Enter")
    expect(panel.get_by_role("button", name="Take out of Foxes & friends")).to_be_visible()
    page.keyboard.press("Escape")

    page.reload()
    frame(page).click(timeout=pages.DRAWN_MS)
    expect(panel.get_by_role("textbox", name="Note")).to_have_value("For <b>grandma</b>")
    page.keyboard.press("Escape")
    page.get_by_role("button", name="Filters").click()
    page.get_by_role("combobox", name="Collection").select_option("Foxes & friends")
    found(page, "1 item")
    page.get_by_role("button", name="Rename").click()
    page.get_by_role("dialog", name="Rename the collection").get_by_role("combobox").fill("Füchse")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="Füchse")).to_be_visible()
    found(page, "1 item")
    page.get_by_role("button", name="Delete collection").click()
    page.get_by_role("alertdialog").get_by_role("button", name="Delete collection").click()
    found(page, "5 items")


def test_an_item_leads_on(page: Page, product: Product, settings: Settings, store: Store) -> None:
    fill_for(settings, store, "reuser", 5, 0)
    context = page.context
    context.grant_permissions(["clipboard-read", "clipboard-write"])
    opened(page, product, "reuser")
    tile(page).hover()
    tile(page).get_by_role("button", name=re.compile("^More: ")).click()
    page.get_by_role("menuitem", name="Copy prompt").click()
    expect(snack(page)).to_contain_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    tile(page).hover()
    expect(tile(page).get_by_role("link", name=copied)).to_be_visible()
    tile(page).get_by_role("button", name=re.compile("^More: ")).press("Enter")
    expect(page.get_by_role("menuitem", name="Details")).to_be_focused()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    expect(page.get_by_role("menuitem", name="Remix")).to_be_focused()
    page.keyboard.press("Enter")
    page.wait_for_url(re.compile(r"/\?remix="))
    page.go_back()
    found(page, "5 items")
    tile(page).hover()
    tile(page).get_by_role("link", name=copied).click()
    page.wait_for_url(re.compile(r"/job\?id="))


def test_going_back_leads_to_the_same_place(
    page: Page, product: Product, settings: Settings, store: Store
) -> None:
    fill_for(settings, store, "returner", 120, 0)
    opened(page, product, "returner", "?kind=image&sort=oldest")
    tile(page, FIRST - 1).scroll_into_view_if_needed()
    last = tile(page, 99)  # not among those that the page itself brings along
    last.scroll_into_view_if_needed()
    last.get_by_role("button", name=re.compile("^More: ")).press("Enter")
    page.get_by_role("menuitem", name="Everything of this prompt").press("Enter")
    page.wait_for_url(re.compile(r"/job\?id="))
    expect(pages.status(page)).to_be_visible(timeout=pages.DRAWN_MS)
    pages.go_to(page, "Create")
    page.go_back()
    expect(pages.status(page)).to_be_visible(timeout=pages.DRAWN_MS)
    page.go_back()
    page.wait_for_url(f"{product.url}/gallery?kind=image&sort=oldest")
    expect(frame(page, 99)).to_be_focused(timeout=pages.DRAWN_MS)
    expect(frame(page, 99)).to_be_in_viewport()


def test_what_was_made_meanwhile_is_offered_and_shown_when_it_is_wanted(
    page: Page, product: Product, settings: Settings, store: Store
) -> None:
    fill_for(settings, store, "waiter", 4, 1)
    opened(page, product, "waiter")
    news = page.get_by_role("button", name="Show 3 new items")
    fill_for(settings, store, "waiter", 3, 0)
    expect(news).to_be_hidden()
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")  # the tab is back
    expect(news).to_be_visible()
    found(page, "5 items")
    news.click()
    found(page, "8 items")
    expect(page.get_by_test_id("tile")).to_have_count(8)
    expect(news).to_be_hidden()


def test_what_was_binned_on_a_jobs_page_comes_back(
    page: Page, product: Product, settings: Settings, store: Store
) -> None:
    [first, *_] = fill_for(settings, store, "undoer", 3, 2)
    pages.log_in(page, product.url, "undoer", f"/job?id={first.job_id}")
    images = pages.tiles(page, "image")
    expect(images).to_have_count(3, timeout=pages.DRAWN_MS)
    images.nth(1).get_by_role("button", name=re.compile("^More: ")).click()
    page.get_by_role("menuitem", name="Move to the bin").click()
    expect(images).to_have_count(2)
    expect(page.get_by_text("2 videos and 2 images are ready.")).to_be_visible()
    snack(page).get_by_role("button", name="Undo").click()
    expect(images).to_have_count(3)
    expect(images.nth(1)).to_have_attribute("aria-label", re.compile("^Image 2"))
    expect(page.get_by_text("2 videos and 3 images are ready.")).to_be_visible()


def test_an_admin_can_look_at_somebody_elses_gallery_and_nothing_else(
    page: Page, product: Product, settings: Settings, store: Store
) -> None:
    fill_for(settings, store, "looked-at", 5, 2)
    pages.log_in(page, product.url, "root")
    store.users.make_admin("root", admin=True, unprotected=True)
    page.goto(f"{product.url}/gallery?user=looked-at")
    expect(page.get_by_test_id("note")).to_contain_text("looked-at's work as an admin")
    found(page, "7 items")
    expect(page.get_by_role("button", name="Bin", exact=True)).to_be_hidden()
    expect(page.get_by_role("button", name="Select", exact=True)).to_be_hidden()
    frame(page).click()
    page.keyboard.press("f")
    page.keyboard.press("Delete")
    expect(lightbox(page).get_by_role("button", name=re.compile("^Favourite"))).to_have_count(0)
    expect(lightbox(page).get_by_role("group", name="Rating")).to_have_count(0)
    page.keyboard.press("Escape")
    page.get_by_role("button", name=re.compile("^Videos")).click()
    found(page, "2 videos")
    assert "user=looked-at" in page.url


def test_a_phone_selects_by_a_long_press_and_swipes_through_the_lightbox(
    phone: Page, product: Product, settings: Settings, store: Store
) -> None:
    page = phone
    fill_for(settings, store, "thumb", 6, 0)
    opened(page, product, "thumb")
    touch = page.context.new_cdp_session(page)

    def finger(kind: str, *points: tuple[float, float]) -> None:
        spots = [{"x": x, "y": y} for x, y in points]
        touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": spots})

    box = frame(page).bounding_box()
    assert box is not None
    x, y = box["x"] + 40, box["y"] + 60
    finger("touchStart", (x, y))
    expect(page.get_by_text("1 selected")).to_be_visible()
    finger("touchEnd")
    expect(page.get_by_text("1 selected")).to_be_visible()
    expect(lightbox(page)).to_be_hidden()
    page.get_by_role("button", name="Clear the selection").tap()

    frame(page).tap()
    expect(lightbox(page)).to_contain_text("1 of 6")
    finger("touchStart", (300, 400))
    finger("touchMove", (200, 400))
    finger("touchMove", (90, 405))
    finger("touchEnd")
    expect(lightbox(page)).to_contain_text("2 of 6")
    finger("touchStart", (180, 400), (210, 400))
    finger("touchMove", (120, 400), (280, 400))
    finger("touchEnd")
    expect(lightbox(page).get_by_role("img")).to_have_attribute("style", re.compile("scale"))
