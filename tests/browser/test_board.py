"""What can be done with a job that is made, by the real worker."""

from playwright.sync_api import Browser, expect

from core.models import AssetState
from core.store import open_store
from tests.browser import pages
from tests.product import Product


def test_items_and_jobs_are_cancelled_tried_again_and_sent_again(
    browser: Browser, product: Product
) -> None:
    context = browser.new_context()
    page = context.new_page()
    pages.log_in(page, product.url, "canceller", pages.SMALL)
    pages.write_prompt(page, "a boat on a lake")
    page.get_by_role("combobox", name="Clip length").click()
    page.get_by_role("option", name="3 seconds").click()
    job_id = pages.create(page)
    last, question = page.get_by_role("article", name="Video 5"), page.get_by_role("alertdialog")

    page.get_by_role("button", name="Cancel Video 5").press("Enter", timeout=pages.DRAWN_MS)
    expect(last).to_contain_text("Video 5 · Cancelled", timeout=pages.DRAWN_MS)
    expect(last.locator(".facts-line")).to_be_focused()
    page.get_by_role("button", name="Try again: Video 5").click()
    expect(page.get_by_role("button", name="Cancel Video 5")).to_be_attached()
    page.get_by_role("button", name="Cancel Video 5").click()  # the same wish a second time
    expect(last).to_contain_text("Cancelled", timeout=pages.DRAWN_MS)

    page.get_by_role("button", name="Cancel the job").click()
    expect(question.get_by_role("button", name="Keep going")).to_be_focused()
    page.keyboard.press("Enter")
    expect(question).to_be_hidden()
    expect(page.get_by_role("button", name="Cancel the job")).to_be_focused()
    pages.expect_generating(page)
    page.keyboard.press("Enter")
    question.get_by_role("button", name="Cancel the job").click()
    expect(pages.status(page)).to_have_text("Cancelled", timeout=120_000)

    page.get_by_role("button", name="Try again: Video 5").click()
    expect(pages.status(page)).to_have_text("In the making", timeout=pages.DRAWN_MS)
    expect(last).to_have_attribute("data-state", "done", timeout=120_000)
    expect(pages.status(page)).to_have_text("Cancelled")

    with open_store(product.settings) as store:
        lost = {"_id": f"{job_id}-video-4", "state": str(AssetState.CANCELLED)}
        changed = {"$set": {"state": str(AssetState.UNKNOWN)}}
        assert store.assets._assets.update_one(lost, changed).modified_count == 1  # noqa: SLF001  # no free provider loses an answer
        store.settlement.settle(job_id)
    page.reload()
    unknown = page.get_by_role("article", name="Video 4")
    expect(unknown).to_contain_text("it may have been charged", timeout=pages.DRAWN_MS)
    message = page.get_by_test_id("job").get_by_text("1 video needs your decision.")
    expect(message).to_be_visible()
    unknown.get_by_role("button", name="Send again").click()
    expect(question).to_contain_text("it may be charged twice")
    page.keyboard.press("Escape")
    expect(question).to_be_hidden()
    expect(unknown).to_have_attribute("data-state", "unknown")
    unknown.get_by_role("button", name="Send again").click()
    question.get_by_role("button", name="Send again").click()
    expect(unknown).to_have_attribute("data-state", "done", timeout=120_000)
    context.close()
