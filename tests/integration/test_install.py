"""`make run` where `scripts/install` has run before and nothing may be written any more."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.product import ROOT

FILES = ("Makefile", "requirements.txt", "requirements-dev.txt", "constraints.txt")
PYTHON = """#!/bin/sh
case "$*" in
    *"pip install"*) echo installed >&2 ;;
    *"core run"*) echo running ;;
esac
"""


@pytest.mark.skipif(shutil.which("make") is None, reason="needs make")
@pytest.mark.parametrize("file", ["requirements.txt", "requirements-dev.txt"])
def test_nothing_is_installed_again_or_written(tmp_path: Path, file: str) -> None:
    for name in FILES:
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / "scripts").mkdir()
    shutil.copy(ROOT / "scripts" / "install", tmp_path / "scripts")
    python = tmp_path / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_text(PYTHON)
    python.chmod(0o755)

    def given(*command: str) -> str:
        done = subprocess.run(
            command, cwd=tmp_path, capture_output=True, text=True, check=True, timeout=30
        )
        return done.stdout + done.stderr

    assert "installed" in given("./scripts/install", ".venv", file)
    os.utime(tmp_path / "requirements.txt")  # as in a copy: newer than all else
    for folder in (tmp_path, tmp_path / ".venv"):
        folder.chmod(0o555)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert given("make", "-s", "run") == "running\n"
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
    for folder in (tmp_path, tmp_path / ".venv"):
        folder.chmod(0o755)
    with (tmp_path / "constraints.txt").open("a") as changed:
        changed.write("\n")
    assert "installed" in given("make", "-s", "run")
