"""The front end's files: at addresses that name their content, all that a page needs at once."""

import re
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.web.frontend import assets
from core.web.http.errors import EXCEPTION_HANDLERS

FOLDER = Path(assets.__file__).parent
MODULES = sorted(path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*.js"))


@pytest.fixture
def client() -> TestClient:
    return TestClient(
        Starlette(routes=assets.asset_routes(), exception_handlers=EXCEPTION_HANDLERS)
    )


@pytest.mark.parametrize("path", [*MODULES, "kit/base.css", "texts/de.json"])
def test_a_file_is_served_and_kept_for_good(client: TestClient, path: str) -> None:
    response = client.get(f"/{assets.address(path)}")
    assert response.status_code == 200
    assert response.headers["cache-control"] == "public, max-age=31536000, immutable"
    kind = {"js": "text/javascript", "css": "text/css", "json": "application/json"}
    assert response.headers["content-type"].startswith(kind[path.rpartition(".")[2]])
    if not path.startswith("texts/"):
        assert response.content == (FOLDER / path).read_bytes()


@pytest.mark.parametrize(
    "path",
    [
        assets.address("kit/none.js"),
        assets.address("__init__.py"),
        assets.address("../__init__.py"),
        "assets/0123456789abcdef/kit/dom.js",  # what an earlier version had
    ],
)
def test_nothing_else_is_served_nor_kept(client: TestClient, path: str) -> None:
    response = client.get(f"/{path}")
    assert response.status_code == 404
    assert response.headers["cache-control"] == "no-store"


@pytest.mark.parametrize("module", MODULES)
def test_what_a_module_needs_is_itself_and_all_that_it_imports(module: str) -> None:
    needed = assets.needed(module)
    assert needed[0] == module
    assert len(set(needed)) == len(needed)
    for path in needed:
        assert (FOLDER / path).is_file()
    for path in (each for each in needed if each.endswith(".js")):
        text = (FOLDER / path).read_text(encoding="utf-8")
        text = re.sub(r"/\*\*.*?\*/", "", text, flags=re.DOTALL)  # it imports types, too
        for name in re.findall(r"""["']([^"'\n]+\.(?:js|css))["']""", text):
            target = (FOLDER / path).parent / name if name.startswith(".") else FOLDER / name
            assert target.resolve().relative_to(FOLDER).as_posix() in needed, f"{path}: {name}"


def test_a_page_needs_its_own_styles_and_no_others() -> None:
    styles = {each for each in assets.needed("pages/login.js") if each.endswith(".css")}
    assert styles == {"kit/base.css", "pages/login.css"}
