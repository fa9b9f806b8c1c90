"""Logging in with an OpenID Connect provider, in a real browser, by Streamlit's `st.login`."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from core.store import Store, open_store
from tests.browser import pages
from tests.browser.pages import DRAWN_MS
from tests.product import Product
from tests.servers.oidc import ANA, Fault, Lie, Provider, environment_of, providing
from tests.servers.oidc_provider import certified


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with providing(client_id="fivefold", client_secret="any") as running:  # noqa: S106
        yield running


@pytest.fixture(scope="module")
def federated(
    browser: Browser, provider: Provider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Product]:
    """A Fivefold that the provider says who people are to."""
    assert browser.is_connected()
    environment = environment_of(provider) | {"OIDC_TITLE": "Example & Co"}
    running = Product(tmp_path_factory.mktemp("federated"), **environment)
    running.start()
    yield running
    assert running.stop() == 0


@pytest.fixture
def store(federated: Product) -> Iterator[Store]:
    with open_store(federated.settings) as opened:
        yield opened


def to_provider(page: Page, address: str) -> None:
    page.goto(address)
    page.get_by_role("button", name="Log in with Example & Co").click()


def expect_login(page: Page) -> None:
    button = page.get_by_role("button", name="Log in with Example & Co")
    expect(button).to_be_visible(timeout=DRAWN_MS)
    expect(page.get_by_test_id("user")).to_have_count(0)


def test_a_login_leads_to_the_page_that_was_wanted_and_ends_for_good(
    page: Page, context: BrowserContext, federated: Product, store: Store
) -> None:
    to_provider(page, f"{federated.url}/notifications")
    page.get_by_role("button", name="Ana Lima").click()
    page.wait_for_url(f"{federated.url}/notifications")
    expect(page.get_by_test_id("user")).to_have_text("ana", timeout=DRAWN_MS)
    kept = {each["name"] for each in context.cookies()}
    assert "fivefold_session" in kept
    assert not any(name.startswith("_streamlit_user") for name in kept)
    page.get_by_role("button", name="Log out").click()
    expect_login(page)
    page.reload()
    expect_login(page)
    entry = store.login_log.of_user("ana")[0]
    assert (entry.outcome, entry.method) == ("accepted", "oidc")


def test_a_namesake_is_somebody_else(page: Page, federated: Product, provider: Provider) -> None:
    to_provider(page, federated.url)
    page.get_by_role("button", name="Ana Lima").click()
    expect(page.get_by_test_id("user")).to_have_text("ana", timeout=DRAWN_MS)
    page.get_by_role("button", name="Log out").click()
    expect_login(page)
    known = provider.people
    provider.people = [replace(ANA, sub="2001", name="Another Ana")]
    to_provider(page, federated.url)
    page.get_by_role("button", name="Another Ana").click()
    expect(pages.refusal(page)).to_contain_text("belongs to somebody else here", timeout=DRAWN_MS)
    provider.people = known
    page.goto(federated.url)
    expect_login(page)


@pytest.mark.parametrize("name", ["user_id", "session"])
def test_a_claim_that_is_called_like_ours_makes_nobody_anybody(
    page: Page, federated: Product, provider: Provider, store: Store, name: str
) -> None:
    _, session = store.login_sessions.begin("admin", 1)
    value = session.id if name == "session" else "admin"
    claims = {name: value, "preferred_username": "con"}  # no user_id can be made of that
    provider.lies.append(Lie(claims=claims))
    to_provider(page, federated.url)
    page.get_by_role("button", name="Ben Okafor").click()
    expect(pages.refusal(page)).to_contain_text("does not say", timeout=DRAWN_MS)
    expect(page.get_by_test_id("user")).to_have_count(0)


@pytest.mark.parametrize(
    "lie", [Lie(claims={"nonce": "another"}), Lie(claims={"aud": "another"}), Lie(forged=True)]
)
def test_a_word_that_cannot_be_trusted_gets_a_sentence(
    page: Page, federated: Product, provider: Provider, store: Store, lie: Lie
) -> None:
    provider.lies.append(lie)
    to_provider(page, federated.url)
    page.get_by_role("button", name="Ben Okafor").click()
    expect(pages.refusal(page)).to_contain_text("could not be verified", timeout=DRAWN_MS)
    assert store.login_log.of_user("")[0].reason == "provider unproven"


def test_an_old_word_is_none(page: Page, federated: Product, provider: Provider) -> None:
    provider.lies.append(Lie(claims={"iat": 1_000_000_000}))
    to_provider(page, federated.url)
    page.get_by_role("button", name="Ben Okafor").click()
    expect(pages.refusal(page)).to_contain_text("Please log in again", timeout=DRAWN_MS)


def test_whoever_refuses_at_the_provider_is_told_so(page: Page, federated: Product) -> None:
    to_provider(page, f"{federated.url}/gallery")
    page.get_by_role("button", name="Refuse").click()
    expect(pages.refusal(page)).to_contain_text(
        "said: “access_denied: The person refused.”", timeout=DRAWN_MS
    )
    expect_login(page)


def test_a_provider_that_fails_gets_a_sentence(
    page: Page, federated: Product, provider: Provider
) -> None:
    provider.faults.append(Fault(at="discovery", times=9))
    to_provider(page, federated.url)
    expect(pages.refusal(page)).to_contain_text("does not answer", timeout=DRAWN_MS)
    provider.faults.clear()
    provider.faults.append(Fault(at="token", times=1))
    page.get_by_role("button", name="Log in with Example & Co").click()
    page.get_by_role("button", name="Ben Okafor").click()
    expect(pages.refusal(page)).to_contain_text("does not answer", timeout=DRAWN_MS)


def test_a_certified_provider_lets_people_in(
    page: Page, context: BrowserContext, tmp_path: Path
) -> None:
    # Its pages would ask for a font elsewhere.
    context.route(re.compile(r"^https:"), lambda route: route.abort())
    running = Product(tmp_path)
    with certified(f"{running.url}/oauth2callback") as real:
        running.environment |= real.environment | {"OIDC_TITLE": "Example & Co"}
        running.start()
        try:
            to_provider(page, f"{running.url}/gallery")
            page.get_by_placeholder("Enter any login").fill("ana")
            page.get_by_placeholder("and password").fill("any")
            page.get_by_role("button", name="Sign-in").click()
            page.get_by_role("button", name="Continue").click()
            page.wait_for_url(f"{running.url}/gallery")
            expect(page.get_by_test_id("user")).to_have_text("ana", timeout=DRAWN_MS)
        finally:
            assert running.stop() == 0
    assert "Traceback" not in running.output, running.output
