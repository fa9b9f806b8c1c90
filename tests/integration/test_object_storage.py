"""Files in a bucket: the store and the media route against a real S3 server on loopback."""

import io
import re
import secrets
import socket
import time
import zipfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from core.generation.sweeper import remove_accounts
from core.media import bucket as bucket_module
from core.media.bucket import BucketStore
from core.media.storage import PREVIEWS, ContentStore, StorageUnavailable, open_content
from core.models import Asset
from core.settings import Settings
from core.store import Store
from tests.conftest import claim, stored_job
from tests.servers.object_store import ObjectStore, object_store
from tests.web import HOST, actions, app_of, refused_to_others, studio_of

BYTES = bytes(range(256)) * 40
PROMPT = "Ein Fuchs, grün & schön!"


@pytest.fixture(scope="module")
def server() -> Iterator[ObjectStore]:
    with object_store() as running:
        yield running


@pytest.fixture(autouse=True)
def environment(server: ObjectStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    server.enter(monkeypatch, tmp_path)


@pytest.fixture
def bucket(server: ObjectStore) -> str:
    return server.make_bucket()


@pytest.fixture
def content(bucket: str) -> ContentStore:
    return open_content(f"s3://{bucket}/some/prefix/")


def save(content: ContentStore, name: str, data: bytes = BYTES) -> str:
    with content.draft("ana", Path(name).name) as draft:
        draft.path.write_bytes(data)
        return draft.commit(name)


def address_of(content: ContentStore, path: str, disposition: str = "inline") -> str:
    place = content.locate("ana", path)
    assert not isinstance(place, Path)
    return place.address("GET", disposition, 60)


def test_a_committed_draft_is_an_object_and_nothing_is_left_here(
    content: ContentStore, server: ObjectStore, bucket: str, tmp_path: Path
) -> None:
    with content.draft("ana", "x-image-1") as draft:
        draft.path.write_bytes(BYTES)
        assert server.keys(bucket) == []
        path = draft.commit("x-image-1.png")
    assert path == f"s3://{bucket}/some/prefix/ana/x-image-1.png"
    assert save(content, f"{PREVIEWS}/x.webp") == f"s3://{bucket}/some/prefix/ana/.previews/x.webp"
    assert server.keys(bucket) == [
        "some/prefix/ana/.previews/x.webp",
        "some/prefix/ana/x-image-1.png",
    ]
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_draft_that_fails_leaves_nothing_anywhere(
    content: ContentStore, server: ObjectStore, bucket: str, tmp_path: Path
) -> None:
    with pytest.raises(OSError, match="full"), content.draft("ana", "x") as draft:
        draft.path.write_bytes(b"half")
        raise OSError("full")
    assert server.keys(bucket) == []
    assert list((tmp_path / "tmp").iterdir()) == []


def test_a_bucket_needs_no_prefix(server: ObjectStore, bucket: str) -> None:
    content = open_content(f"s3://{bucket}")
    assert content.place == f"s3://{bucket}"
    assert save(content, "x.png") == f"s3://{bucket}/ana/x.png"
    assert server.keys(bucket) == ["ana/x.png"]


def test_a_large_file_is_sent_in_parts_and_whole(
    content: ContentStore, server: ObjectStore
) -> None:
    data = secrets.token_bytes(101 * 2**20)
    assert server.get(address_of(content, save(content, "x.mp4", data))).content == data


def test_many_threads_may_save_at_once(
    content: ContentStore, server: ObjectStore, bucket: str
) -> None:
    names = [f"{number:02}.png" for number in range(40)]
    with ThreadPoolExecutor(20) as pool:
        paths = list(pool.map(lambda name: save(content, name, name.encode()), names))
    assert [path.rpartition("/")[2] for path in paths] == names
    assert server.keys(bucket) == [f"some/prefix/ana/{name}" for name in names]
    assert [server.get(address_of(content, path)).text for path in paths] == names


@pytest.mark.parametrize(
    ("name", "media_type"),
    [
        ("x.png", "image/png"),
        ("x.jpg", "image/jpeg"),
        ("x.mp4", "video/mp4"),
        ("x.webm", "video/webm"),
        ("x.avif", "image/avif"),
        ("x.mov", "video/quicktime"),
        ("x.html", "application/octet-stream"),
    ],
)
def test_a_signed_address_gives_the_file_to_anybody_for_a_while(
    content: ContentStore, server: ObjectStore, name: str, media_type: str
) -> None:
    address = address_of(content, save(content, name), 'attachment; filename="a b.png"')
    response = server.get(address)
    assert response.content == BYTES
    assert response.headers["content-type"] == media_type
    assert response.headers["content-disposition"] == 'attachment; filename="a b.png"'
    signed = parse_qs(urlsplit(address).query)
    assert signed["X-Amz-Expires"] == ["60"]
    assert signed["X-Amz-Algorithm"] == ["AWS4-HMAC-SHA256"]


def test_only_the_name_of_a_stored_path_counts(content: ContentStore, server: ObjectStore) -> None:
    save(content, "x.png", b"original")
    save(content, f"{PREVIEWS}/x.webp", b"preview")
    for path, data in (
        ("/folder/of/old/ana/x.png", b"original"),
        ("s3://elsewhere/eve/x.png", b"original"),
        ("../../x.png", b"original"),
        ("content/ana/.previews/x.webp", b"preview"),
    ):
        assert server.get(address_of(content, path)).content == data


def test_a_removed_object_is_gone_and_may_be_removed_again(
    content: ContentStore, server: ObjectStore, bucket: str
) -> None:
    paths = [save(content, name) for name in ("x.png", f"{PREVIEWS}/x.webp", "y.png")]
    for path in paths[:2] * 2:
        content.remove("ana", path)
    assert server.keys(bucket) == ["some/prefix/ana/y.png"]


@pytest.mark.parametrize("path", ["", "/", "..", "ana/..", ".previews/..", "../ana.b/x.png"])
def test_only_a_users_own_objects_can_be_removed(
    content: ContentStore, server: ObjectStore, bucket: str, path: str
) -> None:
    for user_id in ("ana.b", "an"):
        with content.draft(user_id, "x") as draft:
            draft.path.write_bytes(BYTES)
            draft.commit("x.png")
    content.remove("ana", path)
    content.forget("ana")
    assert server.keys(bucket) == ["some/prefix/an/x.png", "some/prefix/ana.b/x.png"]


def test_what_cannot_be_removed_is_said(
    content: ContentStore, server: ObjectStore, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(content, "x.png")
    server.trust_nobody()
    try:
        with pytest.raises(StorageUnavailable, match=f"^access to the bucket “{bucket}” was refus"):
            content.remove("ana", path)
    finally:
        server.trust_nobody(after=float("inf"))
    with pytest.raises(StorageUnavailable, match=r"^there is no bucket “no-such-bucket”$"):
        open_content("s3://no-such-bucket/x").remove("ana", path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(StorageUnavailable, match=r"^the object store does not answer"):
        open_content(content.place).remove("ana", path)
    assert server.keys(bucket) == ["some/prefix/ana/x.png"]


@pytest.mark.parametrize("path", ["", "/", "..", "ana/..", ".previews/.."])
def test_a_path_that_names_no_file_is_not_found(content: ContentStore, path: str) -> None:
    with pytest.raises(FileNotFoundError):
        content.locate("ana", path)


def test_the_check_writes_reads_and_deletes(
    content: ContentStore, server: ObjectStore, bucket: str
) -> None:
    line = content.check()
    assert line == f"s3://{bucket}/some/prefix (objects are written, read and deleted)"
    assert server.keys(bucket) == []


def test_a_missing_bucket_is_said(content: ContentStore, tmp_path: Path) -> None:
    content = open_content("s3://no-such-bucket/x")
    for use in (content.check, lambda: save(content, "x.png")):
        with pytest.raises(StorageUnavailable, match=r"^there is no bucket “no-such-bucket”$"):
            use()
    assert list((tmp_path / "tmp").iterdir()) == []


def test_refused_credentials_are_said(
    content: ContentStore, server: ObjectStore, bucket: str
) -> None:
    server.trust_nobody()
    try:
        with pytest.raises(StorageUnavailable) as refusal:
            save(content, "x.png")
    finally:
        server.trust_nobody(after=float("inf"))
    assert str(refusal.value) == (
        f"access to the bucket “{bucket}” was refused "
        "(The AWS Access Key Id you provided does not exist in our records)"
    )


def test_missing_credentials_are_said(
    content: ContentStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = save(content, "x.png")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    content = open_content(content.place)
    for use in (content.check, lambda: address_of(content, path)):
        with pytest.raises(StorageUnavailable, match="Unable to locate credentials"):
            use()


@pytest.mark.parametrize("endpoint", ["http://127.0.0.1:9", "nonsense"])
def test_an_endpoint_that_is_not_there_is_said_soon(
    bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, endpoint: str
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    content = open_content(f"s3://{bucket}")
    begun = time.monotonic()
    with pytest.raises(StorageUnavailable, match=f"^the object store .*{endpoint}") as refusal:
        save(content, "x.png")
    assert "\n" not in str(refusal.value)
    assert time.monotonic() - begun < 30
    assert list((tmp_path / "tmp").iterdir()) == []


@pytest.fixture
def silent(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An endpoint that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{listening.getsockname()[1]}")
        yield


@pytest.mark.usefixtures("silent")
@pytest.mark.parametrize("size", [10, 32 * 2**20])
def test_an_endpoint_that_never_answers_is_given_up(
    bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, size: int
) -> None:
    monkeypatch.setattr(bucket_module, "REQUEST_SECONDS", 1)
    monkeypatch.setattr(bucket_module, "SLOWEST_UPLOAD", 2**30)
    begun = time.monotonic()
    with pytest.raises(StorageUnavailable, match=r"does not answer \(it took too long\)"):
        save(open_content(f"s3://{bucket}"), "x.mp4", bytes(size))
    assert time.monotonic() - begun < 30
    assert list((tmp_path / "tmp").iterdir()) == []


def test_opening_asks_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert isinstance(open_content("s3://bucket/prefix"), BucketStore)


# The media route


@pytest.fixture
def client(settings: Settings, store: Store, content: ContentStore) -> Iterator[TestClient]:
    app = app_of(studio_of(settings, store, content))
    with TestClient(app, HOST, headers={"Origin": HOST}, follow_redirects=False) as opened:
        yield opened


@pytest.fixture
def done(store: Store, content: ContentStore) -> tuple[Asset, Asset]:
    """Ana's first image and first video, saved."""
    _, assets = stored_job(store, "ana", PROMPT)
    for asset, extension in ((assets[0], "png"), (assets[5], "mp4")):
        claimed = claim(store, asset.id)
        assert claimed is not None
        saved = {
            "path": save(content, f"{asset.id}.{extension}"),
            "preview": save(content, f"{PREVIEWS}/{asset.id}.webp", b"preview"),
            "poster": save(content, f"{PREVIEWS}/{asset.id}-poster.webp", b"poster"),
            "sha256": f"digest-of-{asset.slot}-{extension}",
        }
        facts = {"width": 8, "height": 8, "seconds": None, "bytes": len(BYTES)}
        store.transitions.done(claimed, saved | facts)
    return assets[0], assets[5]


def log_in(client: TestClient, user_id: str) -> None:
    assert client.post("/auth/login", json={"user_id": user_id}).status_code == 200


def test_the_owner_is_sent_to_the_file_and_it_is_logged(
    client: TestClient, server: ObjectStore, store: Store, done: tuple[Asset, Asset]
) -> None:
    log_in(client, "ana")
    for asset, media_type in zip(done, ("image/png", "video/mp4"), strict=True):
        response = client.get(f"/content/{asset.id}")
        assert (response.status_code, response.headers["cache-control"]) == (307, "no-store")
        assert "etag" not in response.headers
        file = server.get(response.headers["location"])
        assert file.content == BYTES
        assert file.headers["content-type"] == media_type
        assert file.headers["content-disposition"].startswith("inline")
    assert actions(store) == [("view", done[0].id), ("play", done[1].id)]


def test_a_download_has_a_good_name(
    client: TestClient, server: ObjectStore, store: Store, done: tuple[Asset, Asset]
) -> None:
    log_in(client, "ana")
    response = client.get(f"/content/{done[0].id}?download=1")
    assert server.get(response.headers["location"]).headers["content-disposition"] == (
        "attachment; filename*=utf-8''ein-fuchs-gr%C3%BCn-sch%C3%B6n-image-1.png"
    )
    assert actions(store) == [("download", done[0].id)]


def test_previews_and_posters_are_kept_for_less_than_their_address_is_good(
    client: TestClient, server: ObjectStore, store: Store, done: tuple[Asset, Asset]
) -> None:
    log_in(client, "ana")
    for which in ("preview", "poster"):
        response = client.get(f"/content/{done[1].id}/{which}")
        assert response.status_code == 307
        kept = re.fullmatch(r"private, max-age=(\d+)", response.headers["cache-control"])
        signed = parse_qs(urlsplit(response.headers["location"]).query)
        assert kept is not None
        assert 0 < int(kept[1]) < int(signed["X-Amz-Expires"][0])
        file = server.get(response.headers["location"])
        assert (file.text, file.headers["content-type"]) == (which, "image/webp")
    assert actions(store) == []


def test_a_player_can_seek(
    client: TestClient, server: ObjectStore, store: Store, done: tuple[Asset, Asset]
) -> None:
    log_in(client, "ana")
    wanted = {"Range": "bytes=1000-1099"}
    response = client.get(f"/content/{done[1].id}", headers=wanted)
    part = server.get(response.headers["location"], headers=wanted)
    assert (part.status_code, part.content) == (206, BYTES[1000:1100])
    assert actions(store) == []


def test_a_question_about_a_file_is_no_look_at_it(
    client: TestClient, server: ObjectStore, store: Store, done: tuple[Asset, Asset]
) -> None:
    log_in(client, "ana")
    response = client.head(f"/content/{done[0].id}")
    assert response.status_code == 307
    found = server.client.head(response.headers["location"])
    assert (found.status_code, found.headers["content-length"]) == (200, str(len(BYTES)))
    assert actions(store) == []


def test_nobody_else_gets_an_address(
    client: TestClient, store: Store, done: tuple[Asset, Asset]
) -> None:
    for response in refused_to_others(client, done[0].id):
        assert "location" not in response.headers
    assert actions(store) == actions(store, "eve") == []


def test_what_cannot_be_signed_is_an_error_in_words_and_not_logged(
    client: TestClient, store: Store, done: tuple[Asset, Asset], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> str:
        raise PermissionError("Token expired.")

    log_in(client, "ana")
    monkeypatch.setattr("s3fs.S3FileSystem.sign", refuse)
    response = client.get(f"/content/{done[0].id}")
    assert (response.status_code, response.headers["cache-control"]) == (503, "no-store")
    assert response.json()["detail"].startswith("The files cannot be reached at the moment.")
    assert actions(store) == []


# All of a user's


@pytest.fixture
def at_once(store: Store, done: tuple[Asset, Asset], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ana's account is to be removed, and nothing is waited for."""
    assert done
    monkeypatch.setattr("core.store.accounts.account_deletion.QUIET_SECONDS", -1)
    monkeypatch.setattr("core.store.accounts.account_deletion.SETTLED_SECONDS", -1)
    store.users.ensure("ana")
    store.account_deletion.request("ana")


@pytest.fixture
def unlisted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The bucket's policy does not let its objects be listed."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError("Access Denied")

    for name in ("_ls", "_lsdir", "_find"):
        monkeypatch.setattr(f"s3fs.S3FileSystem.{name}", refuse)


@pytest.mark.usefixtures("at_once", "unlisted")
def test_a_removed_accounts_objects_are_deleted_with_nobodys_leave_to_list_them(
    store: Store,
    content: ContentStore,
    server: ObjectStore,
    bucket: str,
    done: tuple[Asset, Asset],
) -> None:
    # What a worker had saved of an item when it was told to stop, and told nobody.
    for name in ("image-2.jpg", "video-2.mp4"):
        save(content, f"{done[0].job_id}-{name}")
    save(content, f"{PREVIEWS}/{done[0].job_id}-video-2-poster.webp")
    assert len(server.keys(bucket)) == 9
    remove_accounts(store, content)
    assert server.keys(bucket) == []
    assert store.users.get("ana") is None


@pytest.mark.usefixtures("at_once")
def test_an_account_whose_objects_cannot_be_deleted_stays_until_they_can(
    store: Store,
    content: ContentStore,
    server: ObjectStore,
    bucket: str,
    done: tuple[Asset, Asset],
) -> None:
    server.trust_nobody()
    try:
        remove_accounts(store, content)
    finally:
        server.trust_nobody(after=float("inf"))
    assert store.assets.get(done[0].id) is not None
    assert store.account_deletion.due() == ["ana"]
    remove_accounts(store, content)
    assert server.keys(bucket) == []
    assert store.account_deletion.due() == []


def test_an_archive_is_filled_from_the_bucket_and_leaves_nothing_here(
    client: TestClient, content: ContentStore, done: tuple[Asset, Asset], tmp_path: Path
) -> None:
    content.remove("ana", f"{done[1].id}.mp4")
    log_in(client, "ana")
    response = client.get("/account/archive.zip")
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    [image] = [name for name in archive.namelist() if "/images/" in name]
    assert archive.read(image) == BYTES
    assert "-video-1.mp4" in archive.read("missing.txt").decode()
    assert list((tmp_path / "tmp").iterdir()) == []
