import pytest
from starlette.testclient import TestClient

from core.media.folder import FolderStore
from core.models import Asset
from core.store import Store
from tests.conftest import stored_job
from tests.web import actions, finished, log_in, refused_to_others

BYTES = bytes(range(256)) * 40


@pytest.fixture
def done(store: Store, content: FolderStore) -> tuple[Asset, Asset]:
    """Ana's first image and first video, saved."""
    _, assets = stored_job(store, "ana", "Ein Fuchs, grün & schön!")
    image, video = (finished(store, content, assets[each], BYTES) for each in (0, 5))
    return image, video


def test_the_owner_gets_the_file(
    client: TestClient, store: Store, done: tuple[Asset, Asset]
) -> None:
    image, video = done
    log_in(client, "ana")
    response = client.get(f"/content/{image.id}")
    assert response.content == BYTES
    assert response.headers["content-type"] == "image/png"
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["content-disposition"].startswith("inline")
    assert response.headers["cache-control"] == "private, no-cache"
    assert client.get(f"/content/{video.id}").headers["content-type"] == "video/mp4"
    assert actions(store) == [("view", image.id), ("play", video.id)]


def test_nobody_else_gets_anything(
    client: TestClient, store: Store, done: tuple[Asset, Asset]
) -> None:
    for response in refused_to_others(client, done[0].id):
        assert BYTES not in response.content
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
    for etag in (tag, f'"other", W/{tag}'):
        response = client.get(address, headers={"If-None-Match": etag})
        assert (response.status_code, response.content) == (304, b"")
        assert response.headers["etag"] == tag
    assert client.get(address, headers={"If-None-Match": '"other"'}).status_code == 200
    assert len(actions(store)) == 4


def test_a_question_about_a_file_is_no_look_at_it(
    client: TestClient, store: Store, done: tuple[Asset, Asset]
) -> None:
    log_in(client, "ana")
    response = client.head(f"/content/{done[0].id}")
    assert response.status_code == 200
    assert response.headers["content-length"] == str(len(BYTES))
    assert response.content == b""
    assert actions(store) == []


def test_a_download_has_a_good_name_and_is_logged_as_one(
    client: TestClient, store: Store, done: tuple[Asset, Asset]
) -> None:
    log_in(client, "ana")
    response = client.get(f"/content/{done[0].id}?download=1")
    assert response.headers["content-disposition"] == (
        "attachment; filename*=utf-8''ein-fuchs-gr%C3%BCn-sch%C3%B6n-image-1.png"
    )
    assert actions(store) == [("download", done[0].id)]


def test_previews_and_posters_are_kept_by_the_browser_and_not_logged(
    client: TestClient, store: Store, done: tuple[Asset, Asset]
) -> None:
    log_in(client, "ana")
    for which in ("preview", "poster"):
        response = client.get(f"/content/{done[1].id}/{which}")
        assert response.headers["content-type"] == "image/webp"
        assert response.headers["cache-control"] == "private, immutable, max-age=31536000"
    assert actions(store) == []
