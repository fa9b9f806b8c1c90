"""File-system calls where a place lacks them: each error of each call."""

import ast
import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from core.media.folder import FolderStore
from core.settings import Settings
from core.system import filesystem
from core.web.identity.cookies import open_identity
from tests.product import ROOT

LACKING = [errno.EINVAL, errno.EPERM, errno.EROFS, errno.ENOTSUP, errno.ENOSYS]
GRAVE = [errno.ENOSPC, errno.EIO, errno.EDQUOT]


def failing(number: int) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


def name_of(number: int) -> str:
    return errno.errorcode[number]


@pytest.mark.parametrize("number", LACKING, ids=name_of)
def test_rights_that_cannot_be_set_are_looked_at(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    path = tmp_path / "x"
    path.touch(0o600)
    path.chmod(0o700)
    monkeypatch.setattr(Path, "chmod", failing(number))
    assert filesystem.make_executable(path)
    assert filesystem.make_private(path)
    monkeypatch.undo()
    path.chmod(0o644)
    monkeypatch.setattr(Path, "chmod", failing(number))
    assert not filesystem.make_private(path)


@pytest.mark.parametrize("number", LACKING, ids=name_of)
def test_a_flush_that_there_is_not_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "fsync", failing(number))
    with (tmp_path / "x").open("w") as file:
        filesystem.flush(file)
    filesystem.flush_folder(tmp_path)
    monkeypatch.setattr(os, "open", failing(number))
    filesystem.flush_folder(tmp_path)


@pytest.mark.parametrize("number", GRAVE, ids=name_of)
def test_a_flush_that_failed_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "fsync", failing(number))
    with (tmp_path / "x").open("w") as file, pytest.raises(OSError, match=os.strerror(number)):
        filesystem.flush(file)
    with pytest.raises(OSError, match=os.strerror(number)):
        filesystem.flush_folder(tmp_path)


def replace_within_a_folder_only(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where folders are mounts of their own."""
    replace = Path.replace

    def limited(self: Path, target: Path) -> Path:
        if self.parent != Path(target).parent:
            raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", limited)


def test_a_file_is_moved_to_another_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = tmp_path / "a" / "x", tmp_path / "b" / "y"
    for path in (source, target):
        path.parent.mkdir()
        path.write_text(path.name)
    replace_within_a_folder_only(monkeypatch)
    filesystem.move(source, target)
    assert target.read_text() == "x"
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["y"]


@pytest.mark.parametrize("number", [*GRAVE, errno.EPERM, errno.EROFS], ids=name_of)
def test_a_move_that_failed_leaves_all_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    source, target = tmp_path / "a" / "x", tmp_path / "b" / "y"
    for path in (source, target):
        path.parent.mkdir()
        path.write_text(path.name)
    with monkeypatch.context() as patched:
        patched.setattr(Path, "replace", failing(number))
        with pytest.raises(OSError, match=os.strerror(number)):
            filesystem.move(source, target)
    replace_within_a_folder_only(monkeypatch)
    monkeypatch.setattr("shutil.copyfile", failing(number))
    with pytest.raises(OSError, match=os.strerror(number)):
        filesystem.move(source, target)
    assert (source.read_text(), target.read_text()) == ("x", "y")
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["x", "y"]


@pytest.mark.parametrize("number", [*LACKING, errno.EXDEV, errno.EMLINK], ids=name_of)
def test_a_secret_is_kept_where_there_are_no_links(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(Path, "hardlink_to", failing(number))
    monkeypatch.setattr(fcntl, "flock", failing(errno.ENOLCK))
    kept = filesystem.read_or_create_secret(tmp_path / "deep" / "key", lambda: "first")
    again = filesystem.read_or_create_secret(tmp_path / "deep" / "key", lambda: "second")
    assert (kept, again) == ("first", "first")
    settings = Settings(data_dir=tmp_path / "data")
    first, second = (open_identity(settings) for _ in range(2))
    assert first is not second
    assert first.share_key("x") == second.share_key("x")


@pytest.mark.parametrize("links", [True, False])
def test_of_two_that_make_a_secret_at_once_one_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, links: bool
) -> None:
    path = tmp_path / "key"
    if not links:
        monkeypatch.setattr(Path, "hardlink_to", failing(errno.EPERM))

    def slow() -> str:  # another process makes one meanwhile
        path.write_text("of the other")
        return "ours"

    assert filesystem.read_or_create_secret(path, slow) == "of the other"
    left = {each.name for each in tmp_path.iterdir()}
    assert left <= {"key", "key.lock"}


@pytest.mark.parametrize("number", GRAVE, ids=name_of)
def test_a_secret_that_cannot_be_kept_is_an_error_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    monkeypatch.setattr(os, "fsync", failing(number))
    with pytest.raises(OSError, match=os.strerror(number)):
        filesystem.read_or_create_secret(tmp_path / "key", lambda: "first")
    assert list(tmp_path.iterdir()) == []


def test_an_empty_key_file_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "key").touch()
    assert filesystem.read_or_create_secret(tmp_path / "key", lambda: "new") == "new"


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP], ids=name_of)
def test_where_there_are_no_locks_nobody_is_kept_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    with (tmp_path / "lock").open("w") as one, (tmp_path / "lock").open("w") as other:
        assert filesystem.lock(one)
        assert not filesystem.lock(other)
        monkeypatch.setattr(fcntl, "flock", failing(number))
        assert filesystem.lock(other)


@pytest.mark.parametrize("number", [*LACKING, errno.EXDEV], ids=name_of)
def test_a_generated_file_is_saved_where_calls_are_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    content = FolderStore(tmp_path / "files")
    if number == errno.EXDEV:
        replace_within_a_folder_only(monkeypatch)
    else:
        monkeypatch.setattr(os, "fsync", failing(number))
    with content.draft("ana", "01jd") as draft:
        draft.path.write_bytes(b"picture")
        stored = draft.commit("01jd.png")
    assert Path(stored).read_bytes() == b"picture"


RAW = {"chmod", "lchmod", "fsync", "fdatasync", "hardlink_to", "link", "flock", "lockf"}


def raw_calls(path: Path) -> list[str]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = node.func.attr
            # `Path.replace` takes one argument; that of texts two, that of dates only named ones.
            moved = name in ("replace", "rename") and len(node.args) == 1 and not node.keywords
            if name in RAW or moved:
                found.append(f"{path.relative_to(ROOT)}:{node.lineno} {name}")
    return found


def test_raw_calls_stand_in_one_module_only() -> None:
    places = [*(ROOT / "core").rglob("*.py"), *(ROOT / "pages").glob("*.py")]
    found = [call for path in places if path.name != "filesystem.py" for call in raw_calls(path)]
    assert found == []
    assert raw_calls(ROOT / "core" / "system" / "filesystem.py")
