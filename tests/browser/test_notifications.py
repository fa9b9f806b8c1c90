"""From an address to a mail to the page that it leads to, with the real processes."""

import re
from collections.abc import Iterator

import httpx2
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import pages
from tests.browser.conftest import installation
from tests.product import Product
from tests.servers.mail import Mail, MailServer, environment_of

SECONDS = 60


@pytest.fixture(scope="module")
def server() -> Iterator[MailServer]:
    with MailServer(tls="starttls", user="studio", password="for-tests") as running:  # noqa: S106
        yield running


@pytest.fixture(scope="module")
def mailing(
    browser: Browser, server: MailServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    with installation(browser, tmp_path_factory, **environment_of(server)) as running:
        yield running
    assert "for-tests" not in running.output


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(timezone_id="Asia/Tokyo")
    yield context.new_page()
    context.close()


def link_in(mail: Mail, part: str) -> str:
    """The first link of the plain text whose address has a part."""
    text = mail.message.get_body(("plain",))
    assert text is not None
    found = re.search(rf"https?://\S*{part}\S*", text.get_content())
    assert found is not None, text.get_content()
    return found[0]


def open_settings(page: Page, product: Product, user: str) -> None:
    pages.log_in(page, product.url, user, "/notifications")
    expect(page.get_by_text("How you are told")).to_be_visible(timeout=pages.DRAWN_MS)


def test_an_address_is_confirmed_a_job_is_announced_there_and_one_click_ends_it(
    page: Page, mailing: Product, server: MailServer
) -> None:
    open_settings(page, mailing, "ana")
    page.get_by_label("E-mail address").fill("ana@example.org")
    page.get_by_role("button", name="Save the address").click()
    expect(page.get_by_text("Please follow the link in the mail").first).to_be_visible()
    before = len(server.mails)
    question = server.wait_for(max(before, 1), SECONDS)[-1]
    page.goto(link_in(question, "/mail/confirm/"))
    page.get_by_role("button").click()
    expect(page.get_by_text("ana@example.org").first).to_be_visible()

    page.goto(f"{mailing.url}{pages.SMALL}")
    mail_is_on = page.get_by_role("toolbar", name="By").get_by_role("button", name="E-mail")
    expect(mail_is_on).to_have_attribute("aria-pressed", "true", timeout=pages.DRAWN_MS)
    page.get_by_role("combobox", name="Clip length").click()
    page.get_by_role("option", name="3 seconds").click()
    pages.write_prompt(page, "A <b>fox</b> in the snow")
    before = len(server.mails)
    job_id = pages.create(page)
    pages.wait_for_completed(page)
    mail = server.wait_for(before + 1, SECONDS)[-1]
    assert mail.message["Subject"] == "Your content is ready: “A <b>fox</b> in the snow”"
    assert mail.message["Auto-Submitted"] == "auto-generated"
    pictures = [part for part in mail.message.walk() if part.get_content_type() == "image/jpeg"]
    assert len(pictures) == 8

    pages.log_out(page)
    page.goto(link_in(mail, f"/job.id={job_id}"))
    pages.type_user_id(page, "ana")
    expect(pages.status(page)).to_have_text("Completed", timeout=pages.DRAWN_MS)

    unsubscribe = str(mail.message["List-Unsubscribe"]).strip("<>")
    response = httpx2.post(
        unsubscribe, content="List-Unsubscribe=One-Click", trust_env=False, timeout=20
    )
    assert response.status_code == 200
    page.goto(f"{mailing.url}/notifications")
    expect(page.get_by_text("Its owner wants no more mail.", exact=False)).to_be_visible(
        timeout=pages.DRAWN_MS
    )


def test_a_message_is_moved_on_the_users_own_clock_and_sent_at_once(
    page: Page, mailing: Product
) -> None:
    made = mailing.command(
        *("generate", "a boat", "--user", "ben", "--seconds", "3", "--ratio", "1:1", "--wait"),
        *("--notify-at", "2027-01-02T09:00", "--timezone", "Asia/Tokyo"),
    )
    assert made.returncode == 0, made.stderr
    open_settings(page, mailing, "ben")
    waiting = page.get_by_test_id("notices-due").get_by_test_id("notice").filter(has_text="App")
    expect(waiting).to_contain_text("Due 2 Jan 2027, 09:00")
    waiting.get_by_role("button", name="Another time").click()
    waiting.get_by_label("Date and time").fill("2027-03-04T05:06")
    waiting.get_by_role("button", name="Set").click()
    expect(waiting).to_contain_text("Due 4 Mar 2027, 05:06")
    waiting.get_by_role("button", name="Send now").click()
    sent = page.get_by_test_id("notices-sent").get_by_test_id("notice").filter(has_text="App")
    expect(sent).to_contain_text("Your content is ready: “a boat”", timeout=pages.DRAWN_MS)
    expect(sent).to_contain_text("Sent today")
    expect(page.get_by_text("Nothing is on its way.", exact=False)).to_be_visible()


def test_a_test_reaches_the_app_and_a_refusal_is_shown_with_its_reason(
    page: Page, mailing: Product
) -> None:
    open_settings(page, mailing, "eva")
    page.get_by_role("button", name="Send", exact=True).click()
    sent = page.get_by_test_id("notices-sent").get_by_test_id("notice")
    expect(sent).to_contain_text("This is a test", timeout=pages.DRAWN_MS)
    page.get_by_label("E-mail address").fill("nobody")
    page.get_by_role("button", name="Save the address").click()
    expect(page.get_by_text("is no e-mail address", exact=False)).to_be_visible()
