"""What the gallery's page brings along, before its component asks for more."""

from typing import Any

import pytest

from core.media.storage import ContentStore
from core.models import Asset, Via
from core.store import Store
from core.store.jobs.library import Change
from core.web.library.page import FIRST_ITEMS
from tests.integration.test_web_pages import opened, shown
from tests.seed import fill

pytestmark = pytest.mark.usefixtures("page_studio")


def gallery(user: str = "ana", /, **query: str) -> dict[str, Any]:
    return shown(opened("gallery", user, **query))["gallery"]


def ids(found: dict[str, Any]) -> list[str]:
    return [each["id"] for each in found["items"]]


@pytest.fixture
def made(store: Store, content: ContentStore) -> list[Asset]:
    return fill(store, content, "ana", images=45, clips=15)


def test_the_first_screen_comes_with_the_page(made: list[Asset]) -> None:
    found = gallery()
    newest = [asset.id for asset in reversed(made)]
    assert ids(found) == newest[:FIRST_ITEMS]
    assert found["total"] == 60
    assert found["next"]
    assert found["owned"]
    assert all(each["owned"] for each in found["items"])
    assert "note" not in found


def test_the_address_says_what_is_looked_for(made: list[Asset], store: Store) -> None:
    oldest = made[0]
    store.library.change("ana", [oldest.id], Change(collect="Küste"))
    clips = [asset.id for asset in made if asset.kind == "video"]
    assert ids(gallery(kind="video", sort="oldest")) == clips
    found = gallery(collection="Küste")
    assert (ids(found), found["total"], found["next"]) == ([oldest.id], 1, None)


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    "query", [{"kind": "sound"}, {"from": "yesterday"}, {"rating": "9"}, {"sort": "loudest"}]
)
def test_nonsense_in_the_address_gives_a_sentence(query: dict[str, str]) -> None:
    found = gallery(**query)
    assert found["items"] == []
    [name] = query
    assert found["trouble"].startswith(f"“{name}” ")


def test_a_gallery_without_anything_invites(store: Store, content: ContentStore) -> None:
    app = opened("gallery")
    assert [each.value for each in app.header] == ["Your gallery is empty"]
    assert [each.label for each in app.button] == ["Create something"]
    [only] = fill(store, content, "ana", images=1, clips=0)
    store.bin.put("ana", [only.id])
    found = gallery()  # what is in the bin can still be brought back from here
    assert (found["items"], found["total"]) == ([], 0)
    assert ids(gallery(bin="1")) == [only.id]


@pytest.mark.usefixtures("made")
def test_an_admin_looks_and_everybody_else_sees_their_own(store: Store) -> None:
    store.users.create("root", admin=True)
    found = gallery("root", user="ana")
    assert found["total"] == 60
    assert not found["owned"]
    assert not any(each["owned"] or "remix" in each for each in found["items"])
    assert "ana's work as an admin" in found["note"]
    [look] = store.view_log.of_user("root")
    assert (look.action, look.owner, look.via) == ("open_gallery", "ana", Via.ADMIN)
    store.bin.put("ana", [found["items"][0]["id"]])
    assert gallery("root", user="ana")["total"] == 59
    theirs = gallery("root", user="ana", bin="1")
    assert (theirs["items"], theirs["trouble"]) == (
        [],
        "What somebody deleted is for nobody else to see.",
    )
    app = opened("gallery", "eve", user="ana")
    assert [each.value for each in app.header] == ["Your gallery is empty"]
