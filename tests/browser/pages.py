"""The pages as a user works with them; every locator is a role, a label or a test id."""

import re
from typing import Final

from playwright.sync_api import Locator, Page, expect

GENERATING: Final = "Your content is being generated. Please check back later."
SMALL: Final = "/?ratio=1%3A1"  # what is drawn in half the time
DRAWN_MS: Final = 60_000  # a page's first drawing on a busy machine


def log_in(page: Page, base: str, user_id: str, path: str = "/") -> None:
    """Open a page as somebody who is not logged in yet, and log in."""
    page.goto(base + path)
    type_user_id(page, user_id)
    expect(page.get_by_test_id("user")).to_have_text(user_id.lower(), timeout=DRAWN_MS)


def type_user_id(page: Page, user_id: str) -> None:
    """Fill in the login form and send it with Enter."""
    field = page.get_by_label("User id")
    expect(field).to_be_focused(timeout=DRAWN_MS)
    field.fill(user_id)
    field.press("Enter")


def at_rest(page: Page) -> None:
    """Wait until a page is drawn and nothing of it is about to be drawn anew."""
    expect(page.get_by_role("heading").first).to_be_visible(timeout=DRAWN_MS)
    state = "data-test-script-state"
    expect(page.get_by_test_id("stApp")).to_have_attribute(state, "notRunning", timeout=DRAWN_MS)


def refusal(page: Page) -> Locator:
    """The sentence that says why something was refused."""
    return page.get_by_role("alert").filter(has_text=re.compile(r"\S"))


def log_out(page: Page) -> None:
    """Log out and wait for the login page."""
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_label("User id")).to_be_visible(timeout=DRAWN_MS)


def write_prompt(page: Page, prompt: str) -> None:
    """Type a prompt into the box on the first page."""
    box = page.get_by_role("textbox", name="Prompt", exact=True)
    expect(box).to_be_visible(timeout=DRAWN_MS)
    box.fill(prompt)


def create(page: Page) -> str:
    """Send the form and return the id of the job that it leads to."""
    page.get_by_role("button", name="Create", exact=True).click()
    page.wait_for_url(re.compile(r"/job\?id=\w+$"), timeout=DRAWN_MS)
    return page.url.rsplit("=", 1)[-1]


def status(page: Page) -> Locator:
    """Where the job on the page stands."""
    return page.get_by_test_id("status")


def shown_prompt(page: Page) -> Locator:
    """The prompt as a job's page shows it."""
    return page.get_by_test_id("prompt")


def expect_generating(page: Page) -> None:
    """The page says that the work goes on."""
    expect(page.get_by_text(GENERATING, exact=True)).to_be_visible(timeout=DRAWN_MS)


def wait_for_completed(page: Page, seconds: float = 240) -> None:
    """Wait until the job on the page is complete."""
    expect(status(page)).to_have_text("Completed", timeout=seconds * 1000)


def tiles(page: Page, kind: str, state: str = "done") -> Locator:
    """The tiles of a kind (`image`, `video`) that are in a state, in slot order."""
    return page.locator(f'[data-testid="tile"].{kind}[data-state="{state}"]')


def play(page: Page, index: int = 0) -> Locator:
    """Open a clip in the lightbox and return its player once it has moved."""
    tiles(page, "video").nth(index).get_by_role("button", name=re.compile("^Play ")).click()
    player = page.get_by_role("dialog").locator("video")
    expect(player).to_have_js_property("paused", value=False)
    page.wait_for_function("player => player.currentTime > 0.2", arg=player.element_handle())
    return player


def open_lightbox(page: Page, index: int = 0) -> Locator:
    """Open an image and return the lightbox once the original is there."""
    tiles(page, "image").nth(index).get_by_role("button", name=re.compile("^Open ")).click()
    lightbox = page.get_by_role("dialog")
    image = lightbox.get_by_role("img")
    page.wait_for_function("image => image.naturalWidth > 480", arg=image.element_handle())
    return lightbox


def go_to(page: Page, name: str) -> None:
    """Follow a link of the header: `Create` or `Gallery`."""
    link = page.get_by_role("navigation", name="Pages").get_by_role("link", name=name)
    link.click()
    expect(link).to_have_attribute("aria-current", "page", timeout=DRAWN_MS)


def job_cards(page: Page) -> Locator:
    """The cards of recent jobs on the first page."""
    return page.get_by_test_id("job-card")
