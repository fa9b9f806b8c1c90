import errno
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as checked
from hypothesis import strategies as st

from core.media.folder import FolderStore
from core.media.storage import PREVIEWS, InvalidContentUrl, open_content
from core.models import InvalidInput


@pytest.fixture
def folder(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "content")


def test_a_committed_draft_is_there_whole_and_nothing_else(folder: FolderStore) -> None:
    with folder.draft("ana", "x-image-1") as draft:
        draft.path.write_bytes(b"picture")
        assert not list((folder.root / "ana").glob("[!.]*"))
        path = draft.commit("x-image-1.png")
    assert path == f"{folder.root.as_posix()}/ana/x-image-1.png"
    assert [each.name for each in (folder.root / "ana").iterdir()] == ["x-image-1.png"]
    assert folder.locate("ana", path).read_bytes() == b"picture"


def test_a_draft_that_fails_leaves_nothing(folder: FolderStore) -> None:
    with pytest.raises(OSError, match="full"), folder.draft("ana", "x") as draft:
        draft.path.write_bytes(b"half")
        raise OSError("full")
    assert not list(folder.root.rglob("*.part"))


def test_previews_have_a_folder_of_their_own(folder: FolderStore) -> None:
    with folder.draft("previews", "x.webp") as draft:
        draft.path.write_bytes(b"small")
        path = draft.commit(f"{PREVIEWS}/x.webp")
    assert folder.locate("previews", path).read_bytes() == b"small"


def test_a_moved_content_folder_keeps_its_files(folder: FolderStore, tmp_path: Path) -> None:
    with folder.draft("ana", "x") as draft:
        draft.path.write_bytes(b"picture")
        path = draft.commit("x.png")
    folder.root.rename(tmp_path / "moved")
    assert FolderStore(tmp_path / "moved").locate("ana", path).read_bytes() == b"picture"


@given(st.text(max_size=60) | st.sampled_from(["../../secret", "/etc/passwd", "..", "ana/../.."]))
@checked(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_stored_path_leads_out_of_the_users_folder(folder: FolderStore, path: str) -> None:
    (folder.root / "ana").mkdir(parents=True, exist_ok=True)
    (folder.root / "secret").write_text("not yours")
    try:
        place = folder.locate("ana", path)
    except (FileNotFoundError, ValueError):
        return
    assert place.resolve().is_relative_to((folder.root / "ana").resolve())


def save(folder: FolderStore, user_id: str, name: str) -> str:
    with folder.draft(user_id, "x") as draft:
        draft.path.write_bytes(b"picture")
        return draft.commit(name)


def test_a_removed_file_is_gone_and_may_be_removed_again(folder: FolderStore) -> None:
    paths = [save(folder, "ana", name) for name in ("x.png", f"{PREVIEWS}/x.webp", "y.png")]
    for path in paths[:2] * 2:
        folder.remove("ana", path)
    left = [path for path in folder.root.rglob("*") if path.is_file()]
    assert left == [folder.root / "ana" / "y.png"]


@given(
    st.text(max_size=60)
    | st.sampled_from(
        ["", "..", "../eve/x.png", "/etc/passwd", ".previews", "ana/.previews/..", "."]
    )
)
@checked(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_nothing_outside_the_users_files_can_be_removed(folder: FolderStore, path: str) -> None:
    kept = [save(folder, "eve", "x.png"), save(folder, "ana", f"{PREVIEWS}/kept.webp")]
    folder.remove("ana", path)
    assert all(Path(each).is_file() for each in kept)


def test_a_file_that_cannot_be_removed_is_an_error(
    folder: FolderStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: Path) -> None:
        raise PermissionError(errno.EROFS, "Read-only file system")

    path = save(folder, "ana", "x.png")
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(OSError, match="Read-only"):
        folder.remove("ana", path)


def test_a_forgotten_user_has_no_folder_and_others_keep_theirs(folder: FolderStore) -> None:
    for user_id in ("ana", "ana.b", "an"):
        save(folder, user_id, "x.png")
        save(folder, user_id, f"{PREVIEWS}/x.webp")
    for _ in range(2):
        folder.forget("ana")
    assert sorted(path.name for path in folder.root.glob("[!.]*")) == ["an", "ana.b"]
    assert len(list(folder.root.rglob("x.*"))) == 4


@pytest.mark.parametrize("user_id", ["", ".", "..", "../ana", "/", ".drafts", "ana/.."])
def test_only_a_users_folder_can_be_forgotten(folder: FolderStore, user_id: str) -> None:
    path = save(folder, "ana", "x.png")
    with pytest.raises(InvalidInput):
        folder.forget(user_id)
    assert Path(path).is_file()


def test_a_file_address_is_a_folder_too(tmp_path: Path) -> None:
    content = open_content(f"file://{tmp_path}/a%20b")
    assert isinstance(content, FolderStore)
    assert content.root == tmp_path / "a b"
    assert content.place == str(tmp_path / "a b")


@pytest.mark.parametrize(
    "address",
    [
        "ftp://host/folder",
        "s3://",
        "s3:bucket",
        "s3:///prefix",
        "s3://key:secret@bucket/prefix",
        "s3://bucket/../prefix",
        "s3://bucket//prefix//more",
        "s3://bucket/prefix?region=x",
        "s3://bucket/prefix#x",
    ],
)
def test_an_address_of_no_folder_and_no_bucket_is_refused(address: str) -> None:
    with pytest.raises(InvalidContentUrl, match="s3://bucket/prefix"):
        open_content(address)


def test_who_saves_in_a_folder_does_not_wait_for_the_object_stores_sdk() -> None:
    script = (
        "import sys; from core.media.storage import open_content; open_content('.');"
        "sys.exit(bool({'s3fs', 'botocore'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
