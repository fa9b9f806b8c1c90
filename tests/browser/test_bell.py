"""The bell on every page: its number, its list, toasts, and the browser's own notifications."""

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, expect

from core.models import Notice, NoticeStatus, Notify, new_id, now
from core.store import Store, open_store
from core.studio.order import Order
from core.studio.planning import plan
from tests.browser import pages
from tests.catalogue import illustrator_only
from tests.product import Product

TOLD_MS = 12_000  # two looks of a tab that is on the screen
TITLE = "Your content is ready: “A <b>fox</b> in the snow”"
RECORDER = """
    window.shown = [];
    window.Notification = class extends EventTarget {
        static permission = "granted";
        constructor(title, options) {
            super();
            shown.push({ title, ...options });
            window.last = this;
        }
        close() { window.dismissed = true; }
    };
"""
HIDING = """
    window.away = false;
    const state = () => (away ? "hidden" : "visible");
    Object.defineProperty(document, "visibilityState", { get: state });
    window.hide = (hides) => {
        window.away = hides;
        document.dispatchEvent(new Event("visibilitychange"));
    };
"""
LINGERING = "toast.getAnimations().find((each) => each.animationName === 'linger')"


@pytest.fixture
def store(product: Product) -> Iterator[Store]:
    """The running product's database."""
    with open_store(product.settings) as opened:
        yield opened


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def put(  # noqa: PLR0913  # one keyword each
    store: Store,
    user_id: str,
    title: str = TITLE,
    *,
    job_id: str | None = None,
    failed: str | None = None,
    days: int = 0,
) -> Notice:
    """Store a row of the outbox that was sent to the app, or that failed over e-mail."""
    moment = now() - timedelta(days=days)
    notice = Notice(
        id=new_id(),
        job_id=job_id or new_id(),
        user_id=user_id,
        channel="email" if failed else "app",
        recipient=user_id,
        status=NoticeStatus.FAILED if failed else NoticeStatus.SENT,
        due_at=moment,
        created_at=moment,
        sent_at=None if failed else moment,
        error=failed,
        title="" if failed else title,
        text="" if failed else "5 videos and 5 images are ready.",
    )
    store.outbox._rows.insert_one(notice.to_document())  # noqa: SLF001  # no notifier between
    return notice


def quiet_job(store: Store, user_id: str) -> str:
    """Store a job that ended at once and that the product itself announces to nobody."""
    order = Order(user_id=user_id, prompt="a fox", notify=Notify(channels=()))
    job, assets = plan(order, illustrator_only())
    store.jobs.create(job, assets)
    store.job_actions.cancel(job.id, user_id)
    store.settlement.settle(job.id)
    return job.id


def bell(page: Page, unread: int | None = None) -> Locator:
    """The button, with as many unread as given."""
    if unread is None:
        return page.get_by_role("button", name=re.compile("^Notifications(, |$)"))
    name = f"Notifications, {unread} unread" if unread else "Notifications"
    return page.get_by_role("button", name=name, exact=True)


def panel(page: Page) -> Locator:
    """The list that the button opens."""
    return page.get_by_role("dialog", name="Notifications")


def toasts(page: Page) -> Locator:
    return page.get_by_test_id("toast")


def wait_for_lingering(page: Page, state: str) -> None:
    """Wait until the animation whose end takes the toast away is in a state."""
    toast = toasts(page).element_handle()
    page.wait_for_function(f"(toast) => {LINGERING}?.playState === '{state}'", arg=toast)


def look(page: Page) -> None:
    """Let a page ask what there is to tell, as when it comes to the front, and hear the answer."""
    with page.expect_response(re.compile(r"(?<!/events)/bell(\?|$)"), timeout=TOLD_MS) as heard:
        page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    heard.value.finished()


def look_twice(page: Page) -> None:
    """The first answer may have been on its way before; the second is new."""
    look(page)
    look(page)


def test_what_was_sent_shows_as_a_number_and_for_a_while_as_a_toast(
    page: Page, product: Product, store: Store
) -> None:
    pages.log_in(page, product.url, "told")
    expect(bell(page, 0)).to_be_visible()
    look(page)
    put(store, "told")
    expect(toasts(page)).to_contain_text(TITLE, timeout=TOLD_MS)
    toasts(page).hover()
    expect(page.get_by_role("status").filter(has=toasts(page))).to_be_visible()
    expect(bell(page, 1)).to_contain_text("1")
    wait_for_lingering(page, "paused")
    page.mouse.move(0, 0)
    wait_for_lingering(page, "running")
    toasts(page).evaluate(f"(toast) => {LINGERING}.finish()")
    expect(toasts(page)).to_have_count(0)
    expect(bell(page, 1)).to_be_visible()

    put(store, "told", failed="The mail server does not know this address.")
    look(page)
    expect(toasts(page)).to_contain_text("An e-mail could not be sent", timeout=TOLD_MS)
    toasts(page).get_by_role("button", name="Close").press("Enter")
    expect(toasts(page)).to_have_count(0)
    expect(bell(page, 2)).to_be_focused()


def test_old_news_is_a_number_only_here_after_a_reload_and_in_another_tab(
    context: BrowserContext, page: Page, product: Product, store: Store
) -> None:
    put(store, "again", days=1)
    pages.log_in(page, product.url, "again")
    expect(bell(page, 1)).to_be_visible()
    other = context.new_page()
    other.goto(product.url)
    expect(bell(other, 1)).to_be_visible(timeout=pages.DRAWN_MS)
    put(store, "again")
    for each in (page, other):
        look(each)
        expect(bell(each, 2)).to_be_visible(timeout=TOLD_MS)
    assert toasts(page).count() + toasts(other).count() == 1
    page.reload()
    expect(bell(page, 2)).to_be_visible(timeout=pages.DRAWN_MS)
    look_twice(page)
    expect(toasts(page)).to_have_count(0)


def test_a_flood_is_one_toast_and_the_number_stays_short(
    page: Page, product: Product, store: Store
) -> None:
    page.route("**/events/bell?*", lambda route: route.abort())  # it asks instead
    pages.log_in(page, product.url, "flood")
    look(page)
    page.route("**/bell?*", lambda route: route.abort())  # till all are there
    for _ in range(101):
        put(store, "flood")
    page.unroute("**/bell?*")
    expect(toasts(page)).to_contain_text("Several new notifications", timeout=2 * TOLD_MS)
    expect(toasts(page)).to_have_count(1)
    expect(bell(page, 101)).to_contain_text("99+")


def test_the_list_works_by_the_keyboard_and_stays_open_through_reruns(
    page: Page, product: Product, store: Store
) -> None:
    put(store, "keys", days=3)
    put(store, "keys", failed="The mail server does not know this address.", days=30)
    pages.log_in(page, product.url, "keys")
    bell(page, 2).focus()
    page.keyboard.press("Enter")
    expect(panel(page)).to_be_focused()
    lines = panel(page).get_by_role("listitem")
    expect(lines).to_have_count(2)
    expect(lines.first).to_contain_text(f"{TITLE}5 videos and 5 images are ready.3 days ago")
    expect(lines.last).to_contain_text("The mail server does not know this address.")
    expect(lines.last).to_contain_text("Unread")
    page.keyboard.press("Tab")
    expect(panel(page).get_by_role("button", name="Mark all as read")).to_be_focused()
    page.keyboard.press("Tab")
    expect(lines.first.get_by_role("link")).to_be_focused()

    more = page.get_by_test_id("stNumberInputStepUp").first
    more.evaluate("button => button.click()")  # of the form below: the script runs again
    expect(page.get_by_role("spinbutton", name="Images")).to_have_value("6")
    put(store, "keys")
    look(page)
    expect(lines).to_have_count(3, timeout=TOLD_MS)
    expect(panel(page)).to_be_visible()
    expect(lines.nth(1).get_by_role("link")).to_be_focused()  # what it was, now further down

    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Shift+Tab")
    page.keyboard.press("Enter")
    expect(bell(page, 0)).to_be_visible()
    expect(panel(page)).to_be_focused()
    expect(panel(page).get_by_role("button", name="Mark all as read")).to_be_hidden()
    assert store.notices.unread("keys") == 0
    page.keyboard.press("Escape")
    expect(panel(page)).to_be_hidden()
    expect(bell(page)).to_be_focused()
    bell(page).click()
    expect(panel(page)).to_be_visible()
    page.mouse.click(5, 500)
    expect(panel(page)).to_be_hidden()
    bell(page).click()
    panel(page).get_by_role("link", name="All notifications").focus()
    page.keyboard.press("Tab")
    page.keyboard.press("Tab")  # past the end, perhaps over the question to the browser
    expect(panel(page)).to_be_hidden()
    expect(bell(page)).not_to_be_focused()
    bell(page).click()
    panel(page).get_by_role("link", name="All notifications").click()
    page.wait_for_url(f"{product.url}/notifications")
    expect(panel(page)).to_be_hidden()


def test_opening_a_jobs_page_reads_what_is_told_of_it(
    page: Page, product: Product, store: Store
) -> None:
    job_id, other = quiet_job(store, "reader"), quiet_job(store, "reader")
    put(store, "reader", job_id=job_id)
    put(store, "reader", "Your other content is ready", job_id=other)
    pages.log_in(page, product.url, "reader")
    page.evaluate("window.same = true")
    bell(page, 2).click()
    panel(page).get_by_role("link", name=TITLE).click()
    page.wait_for_url(f"{product.url}/job?id={job_id}")
    expect(pages.status(page)).to_have_text("Cancelled", timeout=pages.DRAWN_MS)
    expect(bell(page, 1)).to_be_visible(timeout=TOLD_MS)
    assert page.evaluate("window.same")  # it was no other document
    assert {each.job_id: each.read_at is None for each in store.notices.in_app("reader")} == {
        job_id: False,
        other: True,
    }

    bell(page, 1).click()
    panel(page).get_by_role("link", name="Your other content").click()
    page.wait_for_url(f"{product.url}/job?id={other}")
    expect(bell(page, 0)).to_be_visible(timeout=TOLD_MS)
    page.goto(f"{product.url}/job?id={quiet_job(store, 'reader')}")
    pages.go_to(page, "Create")
    expect(bell(page, 0)).to_be_visible()


def test_the_open_page_is_not_told_of_its_own_job_but_a_toast_leads_to_another(
    page: Page, product: Product, store: Store
) -> None:
    job_id, other = quiet_job(store, "watcher"), quiet_job(store, "watcher")
    pages.log_in(page, product.url, "watcher", f"/job?id={job_id}")
    look(page)
    put(store, "watcher", job_id=job_id)
    look_twice(page)
    expect(toasts(page)).to_have_count(0)
    expect(bell(page, 0)).to_be_visible()
    assert store.notices.unread("watcher") == 0
    put(store, "watcher", "Your other content is ready", job_id=other)
    look(page)
    toasts(page).get_by_role("link", name="Your other content").click(timeout=TOLD_MS)
    page.wait_for_url(f"{product.url}/job?id={other}")
    expect(toasts(page)).to_have_count(0)
    expect(bell(page, 0)).to_be_visible(timeout=TOLD_MS)


def test_the_browser_shows_what_came_once_and_leads_to_it(
    context: BrowserContext, product: Product, store: Store
) -> None:
    context.grant_permissions(["notifications"])
    context.add_init_script(RECORDER)
    page, other = context.new_page(), context.new_page()
    put(store, "desk", "Old news")
    pages.log_in(page, product.url, "desk")
    other.goto(product.url)
    expect(bell(other, 1)).to_be_visible(timeout=pages.DRAWN_MS)
    job_id = quiet_job(store, "desk")
    notice = put(store, "desk", job_id=job_id)
    for each in (page, other):
        look(each)
        expect(bell(each, 2)).to_be_visible(timeout=TOLD_MS)
    shown = {each: each.evaluate("shown") for each in (page, other)}
    [shower] = [each for each, messages in shown.items() if messages]
    text = "5 videos and 5 images are ready."
    assert shown[shower] == [{"title": TITLE, "body": text, "tag": notice.id}]
    shower.evaluate("last.dispatchEvent(new Event('click'))")
    shower.wait_for_url(f"{product.url}/job?id={job_id}")
    assert shower.evaluate("dismissed")


def test_a_tab_that_nobody_sees_tells_the_desktop_and_toasts_when_it_is_looked_at(
    context: BrowserContext, page: Page, product: Product, store: Store
) -> None:
    context.add_init_script(RECORDER + HIDING)
    job_id = quiet_job(store, "away")
    pages.log_in(page, product.url, "away", f"/job?id={job_id}")
    look(page)
    page.evaluate("hide(true)")
    put(store, "away", "Your content is ready", job_id=job_id)
    put(store, "away", "Your other content is ready")
    expect(bell(page, 2)).to_be_visible(timeout=TOLD_MS)  # the look that was due already
    expect(toasts(page)).to_have_count(0)
    page.wait_for_function("shown.length === 2")  # once no other tab claims them
    assert {each["title"] for each in page.evaluate("shown")} == {
        "Your content is ready",
        "Your other content is ready",
    }
    assert store.notices.unread("away") == 2
    page.evaluate("hide(false)")
    expect(toasts(page)).to_have_text(re.compile("^Your other content"), timeout=4_000)
    expect(bell(page, 1)).to_be_visible()
    assert len(page.evaluate("shown")) == 2


def test_the_browser_is_asked_on_a_click_only(page: Page, product: Product, store: Store) -> None:
    page.add_init_script("""
        window.asked = 0;
        window.Notification = class {
            static permission = "default";
            static async requestPermission() { asked += 1; this.permission = "denied"; }
        };
    """)
    assert store.notices.unread("asked") == 0
    pages.log_in(page, product.url, "asked")
    bell(page, 0).click()
    expect(panel(page)).to_contain_text("Nothing yet.")
    allow = panel(page).get_by_role("button", name="Show on this desktop too")
    assert page.evaluate("asked") == 0
    allow.press("Enter")
    expect(allow).to_be_hidden()
    expect(panel(page)).to_contain_text("This browser blocks notifications")
    expect(panel(page)).to_be_focused()
    assert page.evaluate("asked") == 1


def test_two_users_never_see_each_others(
    browser: Browser, context: BrowserContext, page: Page, product: Product, store: Store
) -> None:
    put(store, "one", "For one")
    pages.log_in(page, product.url, "one")
    elsewhere = browser.new_context()
    other = elsewhere.new_page()
    pages.log_in(other, product.url, "two")
    put(store, "one", "For one again")
    look(page)
    expect(toasts(page)).to_contain_text("For one again", timeout=TOLD_MS)
    look_twice(other)
    expect(bell(other, 0)).to_be_visible()
    expect(toasts(other)).to_have_count(0)
    elsewhere.close()

    put(store, "two", "For two")
    same_browser = context.new_page()
    context.request.post(
        f"{product.url}/auth/login", data={"user_id": "two"}, headers={"Origin": product.url}
    )
    same_browser.goto(product.url)
    expect(bell(same_browser, 1)).to_be_visible(timeout=pages.DRAWN_MS)
    look(page)  # the browser is somebody else's now, and so is this tab of it
    expect(page.get_by_test_id("user")).to_have_text("two", timeout=pages.DRAWN_MS)
    expect(bell(page, 1)).to_be_visible()
    bell(page).click()
    expect(panel(page).get_by_role("listitem")).to_have_count(1)
    expect(panel(page).get_by_role("listitem")).to_contain_text("For two")


def test_while_fivefold_does_not_answer_the_list_says_so(
    page: Page, product: Product, store: Store
) -> None:
    put(store, "patient", days=1)
    page.route("**/events/bell?*", lambda route: route.abort())  # nothing is pushed
    pages.log_in(page, product.url, "patient")
    expect(bell(page, 1)).to_be_visible()
    page.route("**/bell?*", lambda route: route.abort())
    bell(page, 1).click()
    trouble = panel(page).get_by_text("Fivefold does not answer at the moment.")
    expect(trouble).to_be_visible(timeout=TOLD_MS)
    expect(panel(page).get_by_role("listitem")).to_have_count(1)
    page.unroute("**/bell?*")
    page.unroute("**/events/bell?*")
    expect(trouble).to_be_hidden(timeout=2 * TOLD_MS)


@pytest.mark.parametrize(("width", "scheme"), [(320, "dark"), (390, "light"), (1440, "dark")])
def test_nothing_is_wider_than_the_window(
    browser: Browser, product: Product, store: Store, scheme: str, width: int
) -> None:
    context = browser.new_context(
        viewport={"width": width, "height": 700},
        color_scheme="dark" if scheme == "dark" else "light",
    )
    page = context.new_page()
    user = f"a-rather-long-user-id.{scheme}.{width}"
    put(store, user, "A" * 300)
    pages.log_in(page, product.url, user)
    look(page)
    put(store, user, failed="B" * 300)
    look(page)
    expect(toasts(page)).to_be_visible(timeout=TOLD_MS)
    places = [toasts(page).bounding_box()]
    bell(page, 2).click()
    places += [panel(page).bounding_box(), bell(page).bounding_box()]
    places += [page.get_by_role("button", name="Log out").bounding_box()]
    for place in places:
        assert place is not None
        assert place["x"] >= 0
        assert place["x"] + place["width"] <= width
        assert place["y"] + place["height"] <= 700
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    context.close()
