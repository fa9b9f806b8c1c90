"""The whole story in a real browser against the real processes."""

import pytest
from playwright.sync_api import Browser, Page, expect

from core.media.storage import open_content
from core.models import JobStatus
from core.store import open_store
from tests.browser import pages
from tests.product import Product
from tests.seed import fill

PROMPT = "A lighthouse <b>by</b> the **sea** 🌊 שלום"


def test_from_a_prompt_to_a_gallery(page: Page, product: Product) -> None:
    pages.log_in(page, product.url, "Ana", pages.SMALL)
    pages.write_prompt(page, PROMPT)
    page.get_by_role("combobox", name="Clip length").click()
    page.get_by_role("option", name="3 seconds").click()
    job_id = pages.create(page)

    pages.expect_generating(page)
    expect(pages.shown_prompt(page)).to_have_text(PROMPT)
    expect(page.get_by_role("progressbar").first).to_be_visible()
    expect(pages.tiles(page, "image").first).to_be_visible(timeout=60_000)
    pages.wait_for_completed(page)
    expect(pages.tiles(page, "image")).to_have_count(5)
    expect(pages.tiles(page, "video")).to_have_count(5)

    player = pages.play(page)
    before = player.evaluate("player => player.currentTime")
    page.wait_for_function(
        "([player, before]) => player.currentTime > before + 0.3",
        arg=[player.element_handle(), before],
    )
    page.keyboard.press("Escape")
    lightbox = pages.open_lightbox(page)
    page.keyboard.press("ArrowRight")
    expect(lightbox).to_be_visible()
    page.keyboard.press("Escape")
    expect(lightbox).to_be_hidden()

    page.reload()
    expect(pages.status(page)).to_have_text("Completed")
    pages.log_out(page)

    page.goto(f"{product.url}/job?id={job_id}")
    pages.type_user_id(page, "ANA")
    expect(pages.status(page)).to_have_text("Completed")
    pages.go_to(page, "Gallery")
    expect(pages.tiles(page, "image")).to_have_count(5)
    expect(pages.tiles(page, "video")).to_have_count(5)

    product.hear(f"{product.url}/job?id={job_id}")
    with open_store(product.settings) as store:
        job = store.jobs.get(job_id, "ana")
        assert job is not None
        assert (job.prompt, job.status) == (PROMPT, JobStatus.COMPLETED)
        outcomes = [entry.outcome for entry in store.login_log.of_user("ana")]
        assert outcomes.count("accepted") >= 2
        looks = {entry.action for entry in store.view_log.of_user("ana")}
        assert {"open_job", "open_gallery", "view", "play"} <= looks


@pytest.mark.parametrize("typed", ["con", "../etc", "a b", "x" * 65, "<script>"])
def test_a_user_id_that_cannot_be_is_refused_in_place_and_logged(
    page: Page, product: Product, typed: str
) -> None:
    page.goto(product.url)
    pages.type_user_id(page, typed)
    expect(pages.refusal(page)).to_be_visible()
    expect(page.get_by_label("User id")).to_have_value(typed)
    with open_store(product.settings) as store:
        assert store.users.get(typed) is None
        assert [entry.outcome for entry in store.login_log.of_user(typed)] == ["refused"]


def test_an_empty_or_overlong_prompt_is_refused_in_place_with_nothing_written(
    page: Page, product: Product
) -> None:
    pages.log_in(page, product.url, "eva")
    for prompt in ("   ", "x" * 4001):
        pages.write_prompt(page, prompt)
        page.get_by_role("button", name="Create", exact=True).click()
        expect(pages.refusal(page).first).to_be_visible()
        expect(page.get_by_role("textbox", name="Prompt")).to_have_value(prompt)
    with open_store(product.settings) as store:
        assert store.jobs.of_user("eva") == []


def test_nobody_sees_what_is_not_theirs(browser: Browser, page: Page, product: Product) -> None:
    with open_store(product.settings) as store:
        content = open_content(product.settings.content_url)
        [first, *_] = fill(store, content, "owner", images=5, clips=5)
    job_id = first.job_id
    image = f"{product.url}/content/{job_id}-image-1"
    pages.log_in(page, product.url, "stranger", f"/job?id={job_id}")
    expect(page.get_by_text("There is nothing here")).to_be_visible()
    for path in ("", "/preview", "/poster", "?download=1"):
        assert page.request.get(image + path).status == 404
    nobody = browser.new_context()
    assert nobody.request.get(image).status == 401
    nobody.close()
    pages.log_out(page)
    pages.log_in(page, product.url, "owner", f"/job?id={job_id}")
    expect(pages.status(page)).to_have_text("Completed")
    assert page.request.get(image).headers["content-type"] == "image/png"
    part = page.request.get(
        f"{product.url}/content/{job_id}-video-1", headers={"Range": "bytes=0-99"}
    )
    assert (part.status, len(part.body())) == (206, 100)
