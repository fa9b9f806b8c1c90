"""Fixtures: a job, a provider, a worker; and what the pages work on."""

import sys
from collections.abc import Iterator
from functools import partial

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.media.folder import FolderStore
from core.settings import Settings
from core.store import Store
from core.web.resources import WebStudio
from core.web.resources import studio as process_studio
from tests.brokers import rabbitmq, redis
from tests.contract.fakes import FakeProvider
from tests.integration.job_harness import JobHarness, NewHarness
from tests.web import OpenBrowser, app_of, browser_of, log_in, studio_of

__all__ = ["rabbitmq", "redis"]


@pytest.fixture
def new_harness(settings: Settings, store: Store) -> NewHarness:
    return partial(JobHarness, settings, store)


@pytest.fixture
def harness(new_harness: NewHarness) -> JobHarness:
    return new_harness(FakeProvider())


@pytest.fixture
def page_studio(
    settings: Settings, store: Store, monkeypatch: pytest.MonkeyPatch
) -> Iterator[WebStudio]:
    """The studio that pages open by themselves, on the database of the test."""
    assert store.ping()
    # AppTest puts its script there, and processes that are spawned later would run it.
    monkeypatch.setitem(sys.modules, "__main__", sys.modules["__main__"])
    monkeypatch.setenv("MONGODB_URI", settings.mongodb_uri.get_secret_value())
    monkeypatch.setenv("MONGODB_DATABASE", settings.mongodb_database)
    monkeypatch.setenv("DATA_DIR", str(settings.data_dir))
    monkeypatch.setenv("CONTENT_URL", settings.content_url)
    monkeypatch.setenv("SESSION_SECRET", "key")
    process_studio.clear()
    opened = process_studio()
    yield opened
    opened.store.close()
    process_studio.clear()


@pytest.fixture
def studio(settings: Settings, store: Store, content: FolderStore) -> WebStudio:
    return studio_of(settings, store, content)


@pytest.fixture
def app(studio: WebStudio) -> Starlette:
    return app_of(studio)


@pytest.fixture
def client(app: Starlette) -> Iterator[TestClient]:
    """A browser that is not logged in."""
    with browser_of(app) as opened:
        yield opened


@pytest.fixture
def browser(app: Starlette) -> Iterator[OpenBrowser]:
    """Opens browsers, logged in as somebody or not."""
    clients: list[TestClient] = []

    def open_browser(user_id: str | None = None, passphrase: str = "") -> TestClient:
        client = browser_of(app).__enter__()
        clients.append(client)
        if user_id is not None:
            log_in(client, user_id, passphrase=passphrase)
        return client

    yield open_browser
    for client in clients:
        client.__exit__()
