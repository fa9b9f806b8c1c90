"""The embedded database: who may use it, older data folders, kills, and disks that lack things."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest
from pymongo import MongoClient
from pymongo.errors import OperationFailure

from core.settings import Settings
from core.store import DatabaseUnavailable, embedded, open_store
from core.store.embedded import EmbeddedMongo
from core.store.mongod_files import EmbeddedUnavailable
from tests.product import ROOT, free_port

AS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: it acts as another account")
NOBODY = 65_534


@contextmanager
def started(folder: Path) -> Iterator[EmbeddedMongo]:
    mongo = EmbeddedMongo(folder)
    mongo.start()
    try:
        yield mongo
    finally:
        mongo.stop()


def client(uri: str | None) -> MongoClient[dict[str, Any]]:
    return MongoClient(uri)


def without_login(uri: str | None) -> str:
    assert uri is not None
    return f"mongodb://{uri.rpartition('@')[2].partition('/')[0]}/?directConnection=true"


def test_nobody_reads_or_writes_without_the_key(tmp_path: Path) -> None:
    with started(tmp_path) as mongo:
        with client(mongo.uri) as ours:
            ours.db.jobs.insert_one({"_id": 1})
        with client(without_login(mongo.uri)) as stranger:
            for attempt in (
                stranger.db.jobs.find_one,
                lambda: stranger.db.jobs.insert_one({"_id": 2}),
                stranger.list_database_names,
                lambda: stranger.admin.command("createUser", "me", roles=["root"]),
                lambda: stranger.admin.command("shutdown"),
                lambda: stranger.admin.command("replSetGetConfig"),
            ):
                with pytest.raises(OperationFailure, match="requires authentication"):
                    attempt()
        address = without_login(mongo.uri).replace("mongodb://", "mongodb://fivefold:guess@")
        with client(address) as guesser, pytest.raises(OperationFailure, match="Auth"):
            guesser.db.jobs.find_one()
    key = tmp_path / "mongod.key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    for path in tmp_path.rglob("*"):
        if path.is_file() and path != key:
            assert key.read_bytes() not in path.read_bytes(), path


def older_release(folder: Path) -> None:
    """Leave what a release without users left: a replica set of one with a document."""
    binary = embedded.find_mongod()
    database = folder / "mongodb"
    database.mkdir(parents=True)
    port = free_port()
    log = ["--logpath", str(folder / "mongod.log"), "--nounixsocket", "--oplogSize", "128"]
    address = ["--bind_ip", "127.0.0.1", "--port", str(port), "--replSet", "rs0"]
    process = subprocess.Popen([str(binary), "--dbpath", str(database), *address, *log])
    try:
        with client(f"mongodb://127.0.0.1:{port}/?directConnection=true") as old:
            member = {"_id": 0, "host": f"127.0.0.1:{port}"}
            old.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
            while not old.admin.command("hello").get("isWritablePrimary"):
                time.sleep(0.05)
            old.db.jobs.insert_one({"_id": "of old"})
    finally:
        process.terminate()
        process.wait()


def holds_old_job(uri: str | None) -> bool:
    with client(uri) as ours:
        return ours.db.jobs.find_one() == {"_id": "of old"}


def test_a_data_folder_of_a_release_without_users_is_taken_over(tmp_path: Path) -> None:
    older_release(tmp_path)
    for _ in range(2):  # as it is, and once more
        with started(tmp_path) as mongo:
            assert holds_old_job(mongo.uri)
            with client(without_login(mongo.uri)) as stranger, pytest.raises(OperationFailure):
                stranger.db.jobs.find_one()


KILLED = """
import os, signal, sys
from pathlib import Path
from core.store import embedded
name = sys.argv[1]
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
setattr(embedded, name, die)
embedded.EmbeddedMongo(Path(sys.argv[2])).start()
"""


@pytest.mark.parametrize("old", [False, True], ids=["new folder", "older folder"])
@pytest.mark.parametrize("step", ["read_key", "_flags", "_as_system", "_grant", "write_record"])
def test_it_starts_after_a_kill_at_any_step_of_the_first_start(
    tmp_path: Path, step: str, *, old: bool
) -> None:
    if old:
        older_release(tmp_path)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, step, str(tmp_path)], cwd=ROOT, timeout=90, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    with started(tmp_path) as mongo, client(mongo.uri) as ours:
        if old:
            assert holds_old_job(mongo.uri)
        ours.db.jobs.insert_one({"_id": "new"})
    assert [path.name for path in tmp_path.glob(".mongod.key*")] == []


def test_a_key_that_was_lost_is_made_anew(tmp_path: Path) -> None:
    with started(tmp_path) as mongo, client(mongo.uri) as ours:
        ours.db.jobs.insert_one({"_id": "of old"})
    (tmp_path / "mongod.key").unlink()
    with started(tmp_path) as mongo:
        assert holds_old_job(mongo.uri)


def test_a_disk_that_knows_no_rights_does_not_keep_it_from_starting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_to_all(path: Path) -> bool:  # as FAT shows every file
        path.chmod(0o777)
        return False

    monkeypatch.setattr("core.system.filesystem.make_private", open_to_all)
    with started(tmp_path) as mongo, client(mongo.uri) as ours:
        assert ours.db.jobs.find_one() is None


@AS_ROOT
def test_another_account_is_told_in_a_sentence(tmp_path: Path) -> None:
    for folder in (tmp_path, *tmp_path.parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            folder.chmod(0o755)
    with started(tmp_path):
        os.seteuid(NOBODY)
        try:
            with pytest.raises(DatabaseUnavailable) as refused:
                open_store(Settings(data_dir=tmp_path))
        finally:
            os.seteuid(0)
    assert "mongod.key, cannot be read: Permission denied." in str(refused.value)
    assert "Run this as the account that Fivefold runs as." in str(refused.value)


def test_a_key_that_cannot_be_read_is_a_sentence_of_the_store(
    tmp_path: Path,
) -> None:
    with started(tmp_path) as mongo:
        key = tmp_path / "mongod.key"
        key.rename(tmp_path / "elsewhere")
        with pytest.raises(DatabaseUnavailable, match=r"mongod\.key, cannot be read: No such file"):
            open_store(Settings(data_dir=tmp_path))
        assert mongo.process is not None
        assert psutil.pid_exists(mongo.process.pid)


def test_a_run_bit_that_cannot_be_set_is_not_needed_where_it_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    binary = tmp_path / "db" / "bin" / "mongod"
    binary.parent.mkdir(parents=True)
    binary.write_text("#!/bin/sh\n")
    binary.chmod(0o755)
    monkeypatch.setattr(shutil, "which", lambda _: None)
    monkeypatch.setattr(embedded, "find_spec", lambda _: None)
    monkeypatch.setattr(sysconfig, "get_path", lambda _: str(tmp_path))
    (tmp_path / "fiftyone").symlink_to(tmp_path)

    def refuse(self: Path, _mode: int) -> None:
        raise PermissionError(1, "Operation not permitted", str(self))

    monkeypatch.setattr(Path, "chmod", refuse)
    assert embedded.find_mongod().resolve() == binary
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(EmbeddedUnavailable, match="has no run bit, and this account may not set"):
        embedded.find_mongod()
