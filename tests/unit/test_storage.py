from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as checked
from hypothesis import strategies as st

from core.media.storage import PREVIEWS, ContentStore, InvalidContentUrl


@pytest.fixture
def folder(tmp_path: Path) -> ContentStore:
    return ContentStore(str(tmp_path / "content"))


def test_a_committed_draft_is_there_whole_and_nothing_else(folder: ContentStore) -> None:
    with folder.draft("ana", "x-image-1") as draft:
        draft.path.write_bytes(b"picture")
        assert not list((folder.root / "ana").glob("[!.]*"))
        path = draft.commit("x-image-1.png")
    assert path == f"{folder.root.as_posix()}/ana/x-image-1.png"
    assert [each.name for each in (folder.root / "ana").iterdir()] == ["x-image-1.png"]
    assert folder.locate("ana", path).read_bytes() == b"picture"


def test_a_draft_that_fails_leaves_nothing(folder: ContentStore) -> None:
    with pytest.raises(OSError, match="full"), folder.draft("ana", "x") as draft:
        draft.path.write_bytes(b"half")
        raise OSError("full")
    assert not list((folder.root / "ana").iterdir())


def test_previews_have_a_folder_of_their_own(folder: ContentStore) -> None:
    with folder.draft("previews", "x.webp") as draft:
        draft.path.write_bytes(b"small")
        path = draft.commit(f"{PREVIEWS}/x.webp")
    assert folder.locate("previews", path).read_bytes() == b"small"


def test_a_moved_content_folder_keeps_its_files(folder: ContentStore, tmp_path: Path) -> None:
    with folder.draft("ana", "x") as draft:
        draft.path.write_bytes(b"picture")
        path = draft.commit("x.png")
    folder.root.rename(tmp_path / "moved")
    assert ContentStore(str(tmp_path / "moved")).locate("ana", path).read_bytes() == b"picture"


@given(st.text(max_size=60) | st.sampled_from(["../../secret", "/etc/passwd", "..", "ana/../.."]))
@checked(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_stored_path_leads_out_of_the_users_folder(folder: ContentStore, path: str) -> None:
    (folder.root / "ana").mkdir(parents=True, exist_ok=True)
    (folder.root / "secret").write_text("not yours")
    try:
        place = folder.locate("ana", path)
    except (FileNotFoundError, ValueError):
        return
    assert place.resolve().is_relative_to((folder.root / "ana").resolve())


def test_a_file_address_is_a_folder_too(tmp_path: Path) -> None:
    assert ContentStore(f"file://{tmp_path}/a%20b").root == tmp_path / "a b"


def test_an_address_that_is_not_a_folder_is_refused() -> None:
    with pytest.raises(InvalidContentUrl, match="s3"):
        ContentStore("s3://bucket/prefix")
