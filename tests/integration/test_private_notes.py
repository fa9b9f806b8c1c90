"""Notes and collections are their owner's alone, wherever items leave the database."""

import io
import json
import zipfile
from datetime import timedelta

import pytest
from starlette.testclient import TestClient

from core.media.folder import FolderStore
from core.models import Asset, now
from core.store import Store
from core.store.jobs.library import Change
from core.web.identity.cookies import Identity
from tests.conftest import stored_job
from tests.integration.test_web_pages import opened
from tests.web import ADMINS, OpenBrowser, changed, finished, made_admin

NOTE = "a present for Marlene"
NAME = "Surprise party"
KEY = Identity("key", days=30, secure=False)


@pytest.fixture
def image(store: Store, content: FolderStore) -> Asset:
    """Ana's first image, with a note and in a collection."""
    store.users.ensure("ana")
    made = finished(store, content, stored_job(store, "ana")[1][0], b"\x89PNG ana's own")
    store.library.change("ana", [made.id], Change(note=NOTE, favourite=True, rating=4))
    store.library.change("ana", [made.id], Change(collect=NAME))
    return made


def others(browser: OpenBrowser, store: Store, image: Asset) -> dict[str, tuple[TestClient, str]]:
    """Everybody else who may look at the item, with what they add to an address."""
    made_admin(store)
    share = store.shares.make(image.job_id, "ana", now() + timedelta(days=1))
    key = f"share={KEY.share_key(share.id)}"
    admin = browser("root", ADMINS)
    return {
        "admin": (admin, "user=ana"),
        "admin with the link": (admin, key),
        "guest": (browser(), key),
        "user with the link": (browser("eve"), key),
    }


def has_private(text: str) -> bool:
    return any(each in text for each in (NOTE, NAME, "Marlene", "Surprise"))


def read_zip(client: TestClient, image: Asset, user: str = "") -> str:
    response = client.post("/library/archive.zip", data={"ids": image.id, "user": user})
    assert response.status_code == 200
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    return "".join(archive.read(f"manifest.{kind}").decode() for kind in ("json", "csv"))


def test_no_route_gives_them_to_anybody_else(
    browser: OpenBrowser, store: Store, image: Asset
) -> None:
    job = image.job_id
    for who, (client, query) in others(browser, store, image).items():
        for path in (
            *("/library/items", "/library/facets", "/library/items?sort=rating"),
            *("/library/items?favourite=1", f"/library/items?q={NAME}", f"/library/items?q={NOTE}"),
            *(f"/jobs/{job}/live", "/activity/jobs.csv", "/activity/views.csv", "/bell"),
            f"/content/{image.id}",
        ):
            response = client.get(f"{path}{'&' if '?' in path else '?'}{query}")
            assert not has_private(response.text), (who, path)
            assert not has_private(str(response.headers)), (who, path)
    admin = browser("root", ADMINS)
    assert admin.get(f"/jobs/{job}/live").is_success  # there was something to look at
    [tile] = admin.get("/library/items?user=ana").json()["items"]
    assert (tile["note"], tile["collections"]) == ("", [])
    assert admin.get("/library/facets?user=ana").json()["collections"] == []
    [own] = browser("ana").get("/library/items").json()["items"]
    assert (own["note"], own["collections"]) == (NOTE, [NAME])


def test_nobody_else_finds_or_counts_by_them(
    browser: OpenBrowser, store: Store, image: Asset
) -> None:
    made_admin(store)
    admin = browser("root", ADMINS)
    answers = [
        admin.get("/library/items", params={"user": "ana", "collection": name})
        for name in (NAME, "there is none", "x")
    ]
    assert {response.status_code for response in answers} == {403}
    assert len({response.text for response in answers}) == 1
    assert admin.get("/library/items", params={"user": "ana", "q": NOTE}).json()["total"] == 0
    own = browser("ana").get("/library/items", params={"collection": NAME})
    assert own.json()["total"] == 1
    assert store.library.facets("ana", collections=False).collections == {}
    assert image.id in own.text


def test_an_admins_download_has_no_column_of_them(
    browser: OpenBrowser, store: Store, image: Asset
) -> None:
    made_admin(store)
    manifest = read_zip(browser("root", ADMINS), image, "ana")
    assert not has_private(manifest)
    assert "note" not in manifest
    assert "collections" not in manifest
    own = read_zip(browser("ana"), image)
    assert NOTE in own
    assert NAME in own


def test_who_changes_them_gets_them_back(browser: OpenBrowser, image: Asset) -> None:
    [tile] = changed(browser("ana"), ids=[image.id], note="another one")["items"]
    assert tile["note"] == "another one"


@pytest.mark.usefixtures("page_studio")
@pytest.mark.parametrize(
    ("page", "query"),
    [
        ("gallery", {"user": "ana"}),
        ("gallery", {"user": "ana", "collection": NAME}),
        ("gallery", {"user": "ana", "q": NOTE}),
        ("job", {}),
        ("shared", {}),
    ],
)
def test_no_page_shows_them_to_anybody_else(
    store: Store, image: Asset, page: str, query: dict[str, str]
) -> None:
    made_admin(store)
    if page == "job":
        query = {"id": image.job_id}
    elif page == "shared":
        share = store.shares.make(image.job_id, "ana", now() + timedelta(days=1))
        query = {"key": KEY.share_key(share.id)}
    app = opened(page, "root", **query)
    shown = "".join(each.proto.json for each in app.get("bidi_component"))
    assert shown
    assert not has_private(shown)
    if query.get("collection"):
        gallery = next(
            json.loads(each.proto.json)
            for each in app.get("bidi_component")
            if each.proto.component_name == "fivefold_gallery"
        )
        assert gallery["items"] == []
        assert gallery["trouble"] == "Collections are for their owner alone."
