from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient

from core.media.folder import FolderStore
from core.models import Asset
from core.providers.registry import configured
from core.settings import Settings
from core.store import Store
from core.web.auth import auth_routes
from core.web.content import content_routes
from core.web.identity import Identity, IdentityMiddleware
from core.web.studio import Studio
from tests.conftest import claim, stored_job

HOST = "http://studio.example.org"
BYTES = bytes(range(256)) * 40


@pytest.fixture
def app(settings: Settings, store: Store, content: FolderStore) -> Starlette:
    studio = Studio(settings, store, content, configured())
    identity = Identity("key", days=30, secure=False)
    return Starlette(
        routes=[*auth_routes(lambda: studio, identity), *content_routes(lambda: studio)],
        middleware=[Middleware(IdentityMiddleware, identity=identity)],
    )


@pytest.fixture
def client(app: Starlette) -> Iterator[TestClient]:
    with TestClient(app, HOST, headers={"Origin": HOST}) as opened:
        yield opened


def log_in(client: TestClient, user_id: str, **more: Any) -> Any:  # JSON
    answer = client.post("/auth/login", json={"user_id": user_id} | more)
    assert answer.status_code == 200
    return answer.json()


@pytest.fixture
def done(store: Store, content: FolderStore) -> tuple[Asset, Asset]:
    """Ana's first image and first video, saved."""
    _, assets = stored_job(store, "ana", "Ein Fuchs, grün & schön!")
    for asset, extension in ((assets[0], "png"), (assets[5], "mp4")):
        claimed = claim(store, asset.id)
        assert claimed is not None
        saved: dict[str, Any] = {"width": 8, "height": 8, "seconds": None, "bytes": len(BYTES)}
        for field, name in (
            ("path", f"{asset.id}.{extension}"),
            ("preview", f".previews/{asset.id}.webp"),
            ("poster", f".previews/{asset.id}-poster.webp"),
        ):
            with content.draft("ana", asset.id) as draft:
                draft.path.write_bytes(BYTES)
                saved[field] = draft.commit(name)
        store.leases.done(claimed, saved | {"sha256": f"digest-of-{asset.slot}-{extension}"})
    return assets[0], assets[5]


def actions(store: Store, user_id: str = "ana") -> list[tuple[str, str | None]]:
    return [(entry.action, entry.asset_id) for entry in reversed(store.views.of_user(user_id))]


def test_a_login_is_logged_and_leads_on(client: TestClient, store: Store) -> None:
    assert log_in(client, " Ana ", next="/job?id=1") == {"next": "/job?id=1"}
    assert store.users.get("ana") is not None
    [entry] = store.logins.of_user("ana")
    assert (entry.outcome, entry.reason, entry.address) == ("accepted", "", "testclient")
    assert entry.agent == "testclient"


def test_a_login_leads_nowhere_else(client: TestClient) -> None:
    assert log_in(client, "ana", next="https://evil.example.org") == {"next": "/"}


def test_every_refused_login_is_logged(client: TestClient, store: Store) -> None:
    assert client.post("/auth/login", json={"user_id": "con"}).status_code == 422
    [entry] = store.logins.of_user("con")
    assert (entry.outcome, entry.reason) == ("refused", "invalid user_id")
    client.post("/auth/login", json={"user_id": "y" * 5000})
    assert len(store.logins.of_user("y" * 200)) == 1
    client.post("/auth/login", content=rb'{"user_id": "\ud800"}')
    assert len(store.logins.of_user("?")) == 1
    client.post("/auth/login", json={"user_id": "ana"}, headers={"Origin": "http://evil"})
    client.post("/auth/login", content=b"what")
    assert [entry.reason for entry in store.logins.of_user("")] == ["malformed", "cross-site"]
    assert store.users.get("ana") is None


def test_the_owner_gets_the_file(
    client: TestClient, store: Store, done: tuple[Asset, Asset]
) -> None:
    image, video = done
    log_in(client, "ana")
    answer = client.get(f"/content/{image.id}")
    assert answer.content == BYTES
    assert answer.headers["content-type"] == "image/png"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["content-disposition"].startswith("inline")
    assert answer.headers["cache-control"] == "private, no-cache"
    assert client.get(f"/content/{video.id}").headers["content-type"] == "video/mp4"
    assert actions(store) == [("view", image.id), ("play", video.id)]


def test_nobody_else_gets_anything(
    client: TestClient, store: Store, done: tuple[Asset, Asset]
) -> None:
    for user_id, status in ((None, 401), ("eve", 404)):
        if user_id:
            log_in(client, user_id)
        for path in ("", "/preview", "/poster", "?download=1"):
            answer = client.get(f"/content/{done[0].id}{path}")
            assert answer.status_code == status
            assert BYTES not in answer.content
            assert answer.headers["cache-control"] == "no-store"
    answers = [client.get(f"/content/{asset_id}") for asset_id in (done[0].id, "unknown")]
    assert answers[0].text == answers[1].text
    assert actions(store) == actions(store, "eve") == []


def test_what_is_not_finished_or_not_there_is_not_found(
    client: TestClient, content: FolderStore, store: Store, done: tuple[Asset, Asset]
) -> None:
    log_in(client, "ana")
    assert client.get(f"/content/{done[0].job_id}-image-2").status_code == 404
    asset = store.assets.get(done[0].id)
    assert asset is not None
    content.locate("ana", asset.path or "").unlink()
    assert client.get(f"/content/{done[0].id}").status_code == 404
    assert actions(store) == []


def test_a_player_can_seek(client: TestClient, store: Store, done: tuple[Asset, Asset]) -> None:
    address = f"/content/{done[1].id}"
    log_in(client, "ana")
    part = client.get(address, headers={"Range": "bytes=1000-1099"})
    assert part.status_code == 206
    assert part.content == BYTES[1000:1100]
    assert part.headers["content-range"] == f"bytes 1000-1099/{len(BYTES)}"
    assert client.get(address, headers={"Range": "bytes=-10"}).content == BYTES[-10:]
    assert client.get(address, headers={"Range": "bytes=99999999-"}).status_code == 416
    assert actions(store) == []
    assert client.get(address, headers={"Range": "bytes=0-"}).status_code == 206
    assert actions(store) == [("play", done[1].id)]


def test_a_copy_that_is_still_good_is_not_sent_again_but_logged(
    client: TestClient, store: Store, done: tuple[Asset, Asset]
) -> None:
    address = f"/content/{done[0].id}"
    log_in(client, "ana")
    tag = client.get(address).headers["etag"]
    for asked in (tag, f'"other", W/{tag}'):
        answer = client.get(address, headers={"If-None-Match": asked})
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == tag
    assert client.get(address, headers={"If-None-Match": '"other"'}).status_code == 200
    assert len(actions(store)) == 4


def test_a_question_about_a_file_is_no_look_at_it(
    client: TestClient, store: Store, done: tuple[Asset, Asset]
) -> None:
    log_in(client, "ana")
    answer = client.head(f"/content/{done[0].id}")
    assert answer.status_code == 200
    assert answer.headers["content-length"] == str(len(BYTES))
    assert answer.content == b""
    assert actions(store) == []


def test_a_download_has_a_good_name_and_is_logged_as_one(
    client: TestClient, store: Store, done: tuple[Asset, Asset]
) -> None:
    log_in(client, "ana")
    answer = client.get(f"/content/{done[0].id}?download=1")
    assert answer.headers["content-disposition"] == (
        "attachment; filename*=utf-8''ein-fuchs-gr%C3%BCn-sch%C3%B6n-image-1.png"
    )
    assert actions(store) == [("download", done[0].id)]


def test_previews_and_posters_are_kept_by_the_browser_and_not_logged(
    client: TestClient, store: Store, done: tuple[Asset, Asset]
) -> None:
    log_in(client, "ana")
    for which in ("preview", "poster"):
        answer = client.get(f"/content/{done[1].id}/{which}")
        assert answer.headers["content-type"] == "image/webp"
        assert answer.headers["cache-control"] == "private, immutable, max-age=31536000"
    assert actions(store) == []


def test_after_logging_out_nothing_is_served(client: TestClient, done: tuple[Asset, Asset]) -> None:
    log_in(client, "ana")
    client.post("/auth/logout")
    assert client.get(f"/content/{done[0].id}").status_code == 401
