"""The running product and a real Chromium."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from core.models import JobStatus
from core.store import open_store
from tests.product import Product

NAMES: Final = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
MAC: Final = "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome"
SLOW_MS: Final = 60_000  # what a busy machine may take for what a quiet one does at once
expect.set_options(timeout=30_000)
FLAGS: Final = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def find_chromium() -> str | None:
    named = os.environ.get("CHROMIUM")
    return (
        shutil.which(named) if named else next(filter(None, map(shutil.which, (*NAMES, MAC))), None)
    )


# Not for the whole session: Playwright runs an event loop in this thread while it is open.
@pytest.fixture(scope="package")
def browser() -> Iterator[Browser]:
    chromium = find_chromium()
    if chromium is None:
        message = "NO CHROMIUM WAS FOUND: install it or set CHROMIUM to its path"
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail(message)
        pytest.skip(message)
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=chromium, args=FLAGS)


@pytest.fixture(scope="package")
def product(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Product]:
    """One installation for all modules that need no settings of their own; each has its users."""
    with installation(browser, tmp_path_factory) as running:
        yield running


@contextmanager
def installation(
    browser: Browser, tmp_path_factory: pytest.TempPathFactory, **environment: str
) -> Iterator[Product]:
    """Run an installation with this environment while the block runs."""
    assert browser.is_connected()
    running = Product(tmp_path_factory.mktemp("product"), **environment)
    running.start()
    yield running
    assert running.stop() == 0
    assert "Traceback" not in running.output, running.output


@contextmanager
def idle_worker(product: Product) -> Iterator[None]:
    """Suspend the worker, and cancel what it would go on with: drawing a job takes a minute."""
    worker = product.children()["worker"]
    worker.suspend()
    try:
        yield
    finally:
        with open_store(product.settings) as store:
            for job in store._database["jobs"].find({"status": JobStatus.PROCESSING}):  # noqa: SLF001  # of all users
                store.job_actions.cancel(job["_id"], job["user_id"])
        worker.resume()


@pytest.fixture
def nothing_is_made(product: Product) -> Iterator[None]:
    with idle_worker(product):
        yield


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    opened = browser.new_context(viewport={"width": 1280, "height": 900})
    yield opened
    opened.close()


@pytest.fixture
def page(context: BrowserContext) -> Page:
    opened = context.new_page()
    opened.set_default_timeout(SLOW_MS)
    return opened


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Nobody shall think that what was left out has passed."""
    if find_chromium() is None:
        line = "THE BROWSER TESTS WERE LEFT OUT: no Chromium; install it or set CHROMIUM"
        terminalreporter.section(line, sep="!", red=True, bold=True)
