"""Adding a page is one entry in one list."""

from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from core.store import Store
from core.web import page_list
from core.web.app.asgi import AppParts
from core.web.login.routes import own_page
from core.web.page_list import PageEntry
from core.web.resources import WebStudio
from tests.integration.test_web_pages import ROOT, shown
from tests.web import HOST

TEXT = "Fivefold makes five of each."


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A page's file, with its entry in the list."""
    file = tmp_path / "about.py"
    file.write_text(f"import streamlit as st\n\nst.text({TEXT!r})\n", encoding="utf-8")
    entry = PageEntry("/about", str(file), "About · Fivefold", menu="About")
    monkeypatch.setattr(page_list, "PAGES", (*page_list.PAGES, entry))
    return file


def opened(file: Path, user: str | None) -> AppTest:
    app = AppTest.from_file(ROOT / "core" / "web" / "app" / "script.py", default_timeout=120)
    app.user = {"user_id": user}
    app.run()  # registers the pages
    app.switch_page(str(file)).run()
    assert not app.exception
    return app


def texts(app: AppTest) -> list[str]:
    return [each.value for each in app.text]


@pytest.mark.usefixtures("page_studio")
def test_a_page_is_in_the_menu_and_drawn(added: Path, store: Store) -> None:
    assert store.users.create("ana")
    app = opened(added, "ana")
    assert texts(app) == [TEXT]
    header: dict[str, Any] = shown(app)["header"]
    assert header["menu"][-1] == ["/about", "About"]
    assert header["current"] == "/about"


@pytest.mark.usefixtures("page_studio")
def test_a_page_is_behind_the_login(added: Path) -> None:
    app = opened(added, None)
    assert texts(app) == []
    assert shown(app)["login"]["next"] == "/about"


@pytest.mark.usefixtures("added")
def test_a_login_may_lead_to_a_page() -> None:
    assert own_page("/about?of=us") == "/about?of=us"


@pytest.mark.parametrize(("path", "status"), [("/about", 200), ("/about/", 200), ("/other", 404)])
@pytest.mark.usefixtures("added")
def test_a_page_is_let_through_to_streamlit(page_studio: WebStudio, path: str, status: int) -> None:
    def streamlit(_request: Request) -> PlainTextResponse:
        return PlainTextResponse("Streamlit's page")

    parts = AppParts(lambda: page_studio, page_studio.identity)
    routes = [*parts.routes, Route("/{path:path}", streamlit)]
    app = Starlette(routes=routes, middleware=parts.middleware)
    with TestClient(app, HOST) as browser:
        assert browser.get(path).status_code == status
