"""What the board promises while a job is made."""

from playwright.sync_api import Browser, WebSocket, expect

from tests.browser import pages
from tests.product import Product

QUIET_MS = 3_000  # three polls of a running job


def test_a_playing_clip_goes_on_while_others_arrive_and_then_nothing_polls(
    browser: Browser, product: Product
) -> None:
    context = browser.new_context()
    page = context.new_page()
    heard = 0

    def hear(_: str | bytes) -> None:
        nonlocal heard
        heard += 1

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", hear)

    page.on("websocket", listen)
    pages.log_in(page, product.url, "viewer")
    pages.write_prompt(page, "a boat on a lake")
    page.get_by_role("combobox", name="Clip length").click()
    page.get_by_role("option", name="3 seconds").click()
    pages.create(page)
    expect(pages.tiles(page, "video").first).to_be_visible(timeout=120_000)
    player = pages.play(page)
    player.evaluate("player => { player.loop = true; window.player = player; }")
    pages.expect_generating(page)

    pages.wait_for_completed(page)
    expect(page.get_by_text("Your content is ready.", exact=True)).to_be_visible()
    assert page.evaluate("window.player.isConnected && !window.player.paused")

    page.wait_for_timeout(QUIET_MS)  # lets the last run's messages in
    before = heard
    page.wait_for_timeout(QUIET_MS)
    assert heard == before > 0
    context.close()
