"""Taking everything along: what is in the archive, for whom, and how it ends when it cannot."""

import io
import json
import tracemalloc
import zipfile
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path, PurePosixPath
from typing import Any

import httpx2
import pytest
from pymongo.errors import AutoReconnect
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.media.folder import FolderStore
from core.media.storage import StorageUnavailable
from core.models import Asset, ViewEntry, Webhook, now
from core.store import Store
from core.store.connection import DatabaseUnavailable
from core.store.jobs.activity import ActivityStore
from core.web.files.data_export import data_export_routes
from core.web.files.zip_stream import BLOCK, stream_zip
from core.web.http.errors import EXCEPTION_HANDLERS
from core.web.identity.middleware import USER_HEADER
from core.web.resources import WebStudio
from tests.conftest import claim, stored_job
from tests.servers.wire import serving
from tests.web import HOST, log_in

PATH = "/account/archive.zip"
BYTES = bytes(range(256)) * 40
PROMPT = "Ein Fuchs, grün & schön!"
HASHED = "$argon2id$a-hash"
HOOK = Webhook(url="https://hooks.example.org/a-token", secret="whsec_YSBzZWNyZXQ=")  # noqa: S106


def made(
    store: Store, content: FolderStore, user_id: str = "ana", prompt: str = PROMPT, size: int = 1
) -> tuple[Asset, Asset]:
    """Store a job whose first image and first video are saved; return these."""
    _, assets = stored_job(store, user_id, prompt)
    for asset, extension in ((assets[0], "png"), (assets[5], "mp4")):
        claimed = claim(store, asset.id)
        assert claimed is not None
        with content.draft(user_id, asset.id) as draft:
            draft.path.write_bytes(BYTES * size)
            path = draft.commit(f"{asset.id}.{extension}")
        store.transitions.done(claimed, {"path": path})
    return assets[0], assets[5]


def opened(response: httpx2.Response) -> zipfile.ZipFile:
    assert response.status_code == 200, response.text
    archive = zipfile.ZipFile(io.BytesIO(response.content))
    assert archive.testzip() is None
    return archive


def read(archive: zipfile.ZipFile, name: str) -> Any:  # JSON
    return json.loads(archive.read(name))


def actions(store: Store, user_id: str = "ana") -> list[str]:
    return [entry.action for entry in store.view_log.of_user(user_id)]


def test_everything_is_in_it(client: TestClient, store: Store, content: FolderStore) -> None:
    image, _ = made(store, content)
    log_in(client, "ana")
    viewed = ViewEntry(
        user_id="ana", job_id=image.job_id, asset_id=image.id, action="view", time=now()
    )
    store.view_log.add(viewed)
    archive = opened(client.get(PATH))
    day = f"{now():%Y-%m-%d}"
    folder = f"{day}-{image.job_id}"
    assert archive.namelist() == [
        "account.json",
        "logins.json",
        "views.json",
        "jobs.json",
        "removed.json",
        f"{folder}/images/ein-fuchs-grün-schön-image-1.png",
        f"{folder}/videos/ein-fuchs-grün-schön-video-1.mp4",
    ]
    assert all(archive.read(name) == BYTES for name in archive.namelist() if "/" in name)
    assert read(archive, "account.json")["_id"] == "ana"
    [login] = read(archive, "logins.json")
    assert (login["outcome"], login["address"]) == ("accepted", "198.51.100.7")
    [view] = read(archive, "views.json")
    assert (view["action"], view["asset_id"]) == ("view", image.id)
    [job] = read(archive, "jobs.json")
    assert (job["_id"], job["prompt"]) == (image.job_id, PROMPT)
    assert [each["state"] for each in job["assets"]].count("done") == 2
    assert len(job["assets"]) == 10


def test_a_new_account_has_an_archive_too(client: TestClient) -> None:
    log_in(client, "ana")
    archive = opened(client.get(PATH))
    lists = ["logins.json", "views.json", "jobs.json", "removed.json"]
    assert archive.namelist() == ["account.json", *lists]
    assert read(archive, "jobs.json") == read(archive, "removed.json") == []


def test_it_is_a_file_with_a_name_that_nobody_keeps(client: TestClient) -> None:
    log_in(client, "ana.b-c")
    headers = client.get(PATH).headers
    name = f"fivefold-ana.b-c-{now():%Y-%m-%d}.zip"
    assert headers["content-disposition"] == f'attachment; filename="{name}"'
    assert headers["content-type"] == "application/zip"
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"


def test_no_secret_is_in_it(client: TestClient, store: Store, content: FolderStore) -> None:
    made(store, content)
    log_in(client, "ana")
    store.users.set_preferences("ana", webhook=HOOK)
    store.users.set_passphrase_hash("ana", HASHED)
    claimed = claim(store, stored_job(store)[1][0].id)
    assert claimed is not None
    assert claimed.lease is not None
    [session] = store.login_sessions.of_user("ana")
    archive = opened(client.get(PATH))
    everything = b"".join(archive.read(name) for name in archive.namelist()).decode("latin-1")
    assert read(archive, "account.json")["webhook"] == {"format": "fivefold"}
    for secret in (HASHED, HOOK.url, HOOK.secret, session.id, claimed.lease.token):
        assert secret not in everything


def test_only_ones_own_is_in_it(client: TestClient, store: Store, content: FolderStore) -> None:
    for user_id in ("ana", "ana.b", "an"):
        made(store, content, user_id, f"secret of {user_id}!")
        log_in(client, user_id)
    log_in(client, "ana")
    archive = opened(client.get(PATH))
    texts = [name + archive.read(name).decode("latin-1") for name in archive.namelist()]
    assert not any("secret of ana.b!" in text or "secret of an!" in text for text in texts)
    assert len(read(archive, "jobs.json")) == 1
    assert len([name for name in archive.namelist() if "/" in name]) == 2
    assert {entry["user_id"] for entry in read(archive, "logins.json")} == {"ana"}


def test_nobody_gets_one_without_a_login(client: TestClient, store: Store) -> None:
    for query in ("", "?user=ana", "?share=x"):
        response = client.get(PATH + query, headers={USER_HEADER: "ana"})
        assert (response.status_code, response.json()["detail"]) == (401, "Please log in.")
        assert response.headers["cache-control"] == "no-store"
    assert actions(store) == []


def test_a_download_is_logged_and_a_question_about_it_is_not(
    client: TestClient, store: Store
) -> None:
    log_in(client, "ana")
    response = client.head(PATH)
    assert (response.status_code, response.content) == (200, b"")
    assert actions(store) == []
    client.get(PATH)
    [entry] = store.view_log.of_user("ana")
    assert (entry.action, entry.owner, entry.address) == ("download_all", "ana", "198.51.100.7")


def test_what_a_former_owner_of_the_user_id_did_is_not_in_it(
    client: TestClient, store: Store
) -> None:
    then = now() - timedelta(days=2)
    store.view_log.add(
        ViewEntry(user_id="ana", job_id="x", asset_id=None, action="open_job", time=then)
    )
    log_in(client, "ana")
    assert read(opened(client.get(PATH)), "views.json") == []


def test_files_that_are_gone_are_named(
    client: TestClient, store: Store, content: FolderStore
) -> None:
    image, _ = made(store, content)
    content.remove("ana", f"{image.id}.png")
    log_in(client, "ana")
    archive = opened(client.get(PATH))
    lines = archive.read("missing.txt").decode().splitlines()
    missing = [f"{now():%Y-%m-%d}-{image.job_id}/images/ein-fuchs-grün-schön-image-1.png"]
    assert lines[2:] == missing
    assert [name for name in archive.namelist() if "image-1" in name] == []
    assert [name for name in archive.namelist() if "video-1" in name] != []


@pytest.mark.parametrize(
    "prompt",
    ["../../etc/passwd", "/etc/passwd", "C:\\Windows\\x", "..", "a/b\\c", "\u202egnp.exe", "con"],
)
def test_names_lead_nowhere_and_come_once(
    client: TestClient, store: Store, content: FolderStore, prompt: str
) -> None:
    made(store, content, prompt=prompt)
    made(store, content, prompt=prompt)
    log_in(client, "ana")
    names = opened(client.get(PATH)).namelist()
    assert len(names) == len(set(names)) == 9
    for name in names:
        path = PurePosixPath(name)
        assert not path.is_absolute()
        assert ".." not in path.parts
        assert not set(name) & set('\\:*?"<>|\u202e')


def test_without_a_database_it_is_an_error_in_words(
    client: TestClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise AutoReconnect("connection closed")

    log_in(client, "ana")
    monkeypatch.setattr(ActivityStore, "every_job", refuse)
    response = client.get(PATH)
    assert (response.status_code, response.headers["cache-control"]) == (503, "no-store")
    assert response.json()["detail"] == (
        "The database does not answer at the moment. Please try again in a minute."
    )
    assert "content-disposition" not in response.headers
    assert actions(store) == []


def test_a_database_that_never_answered_is_an_error_in_words() -> None:
    def refuse() -> WebStudio:
        raise DatabaseUnavailable("The database does not answer.")

    app = Starlette(routes=data_export_routes(refuse), exception_handlers=EXCEPTION_HANDLERS)
    response = TestClient(app, HOST).get(PATH)
    assert response.status_code == 503
    assert response.json()["detail"].startswith("The database does not answer at the moment.")


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("connection closed"),
        StorageUnavailable("the object store does not answer"),
        PermissionError(13, "Permission denied"),
    ],
)
def test_one_that_cannot_be_finished_is_broken_off(
    app: Starlette,
    store: Store,
    content: FolderStore,
    monkeypatch: pytest.MonkeyPatch,
    error: Exception,
) -> None:
    """The browser says that the download failed, and what it has is no zip to any program."""
    size = 2 * BLOCK // len(BYTES)
    made(store, content, size=size)
    got = bytearray()

    def fail(self: FolderStore, user_id: str, stored_path: str) -> Path:
        if stored_path.endswith(".mp4"):
            raise error
        return real(self, user_id, stored_path)

    real = FolderStore.locate
    monkeypatch.setattr(FolderStore, "locate", fail)
    with serving(app) as address, httpx2.Client(base_url=address, trust_env=False) as browser:
        same_site = {"Sec-Fetch-Site": "same-origin"}
        browser.post("/auth/login", json={"user_id": "ana"}, headers=same_site).raise_for_status()
        with (
            pytest.raises(httpx2.RemoteProtocolError),
            browser.stream("GET", PATH) as response,
        ):
            assert response.status_code == 200
            for chunk in response.iter_bytes():
                got += chunk
    assert len(got) > BLOCK
    with pytest.raises(zipfile.BadZipFile):
        zipfile.ZipFile(io.BytesIO(got))


def test_files_that_cannot_be_read_are_an_error_in_words_before_the_first_byte(
    client: TestClient, store: Store, content: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> Path:
        raise PermissionError(13, "Permission denied")

    made(store, content)
    log_in(client, "ana")
    monkeypatch.setattr(FolderStore, "locate", refuse)
    assert client.get(PATH).status_code == 503
    assert actions(store) == []


def test_somebody_whose_account_was_removed_a_moment_ago_gets_none(
    client: TestClient, store: Store
) -> None:
    log_in(client, "ana")
    store.account_deletion.request("ana")
    store.account_deletion.forget("ana")
    assert client.get(PATH).status_code == 401


def test_a_zip_of_large_files_takes_little_memory(tmp_path: Path) -> None:
    size = 64 * 2**20
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.truncate(size)
    tracemalloc.start()
    try:
        length = sum(map(len, stream_zip((f"{number}.mp4", large) for number in range(4))))
        _, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert length > 4 * size
    assert most < 8 * BLOCK


def test_a_file_of_a_zip_need_be_there_only_while_it_is_written(tmp_path: Path) -> None:
    there: list[Path] = []

    def entries() -> Iterator[tuple[str, Path]]:
        for number in range(3):
            path = tmp_path / f"{number}.png"
            path.write_bytes(BYTES)
            there.append(path)
            yield path.name, path
            path.unlink()

    archive = zipfile.ZipFile(io.BytesIO(b"".join(stream_zip(entries()))))
    assert [archive.read(name) for name in archive.namelist()] == [BYTES] * 3
    assert len(there) == 3


def test_a_zip_takes_bytes_and_streams_too() -> None:
    parts = stream_zip([("a.txt", b"all at once"), ("b.txt", iter([b"bit ", b"by bit"]))])
    archive = zipfile.ZipFile(io.BytesIO(b"".join(parts)))
    assert [archive.read(name) for name in ("a.txt", "b.txt")] == [b"all at once", b"bit by bit"]
