"""A real MongoDB for the whole run, and an empty database on it for each test."""

import secrets
import shutil
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from pydantic import SecretStr
from pymongo import MongoClient

from core.accounts import passphrases
from core.media.folder import FolderStore
from core.models import Asset, Job, Worker, now
from core.settings import Settings
from core.store import Store, open_store
from core.store.embedded import EmbeddedMongo
from core.studio.order import Order
from core.studio.planning import plan
from tests.catalogue import illustrator_only
from tests.database import Databases, in_memory
from tests.kept_secret import pytest_runtest_makereport  # noqa: F401  # a hook
from tests.profiles import register_profiles

register_profiles()
# Argon2's real parameters take 0.2 s of a processor. Set before test modules hash at their import.
passphrases._HASHER = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)  # type: ignore[misc]  # noqa: SLF001


@pytest.fixture(autouse=True)
def no_settings_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The developer's own `.env` and environment never reach a test."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / "no.env")


@pytest.fixture(scope="session")
def mongodb_uri(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    memory = in_memory()
    folder = Path(tempfile.mkdtemp(prefix="fivefold-", dir=memory)) if memory else None
    mongo = EmbeddedMongo(folder or tmp_path_factory.mktemp("mongo"))
    uri = mongo.start()
    with MongoClient[dict[str, object]](uri) as client:
        # Else it keeps the files of databases that are dropped open for minutes, thousands of them.
        client.admin.command("setParameter", 1, minSnapshotHistoryWindowInSeconds=0)
        idle = "file_manager=(close_idle_time=5,close_scan_interval=5,close_handle_minimum=200)"
        client.admin.command("setParameter", 1, wiredTigerEngineRuntimeConfig=idle)
    yield uri
    mongo.stop()
    if folder:
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
def databases(mongodb_uri: str) -> Iterator[Databases]:
    databases = Databases(mongodb_uri)
    yield databases
    databases.close()


@pytest.fixture
def database(request: pytest.FixtureRequest, mongodb_uri: str) -> Iterator[str]:
    """The name of an empty database, with the schema where the test has a store."""
    if "store" in request.fixturenames:
        databases: Databases = request.getfixturevalue("databases")
        name = databases.lend()
        yield name
        databases.take_back(name)
        return
    name = f"test-{secrets.token_hex(6)}"
    yield name
    with MongoClient[dict[str, object]](mongodb_uri) as client:
        client.drop_database(name)


@pytest.fixture
def settings(mongodb_uri: str, database: str, tmp_path: Path) -> Settings:
    """Settings of a Fivefold with its own database and folders."""
    return Settings(
        data_dir=tmp_path / "data",
        content_url=str(tmp_path / "generated_content"),
        mongodb_uri=SecretStr(mongodb_uri),
        mongodb_database=database,
        drawing_processes=2,
    )


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with open_store(settings) as opened:
        yield opened


@pytest.fixture(scope="module")
def shared_settings(
    mongodb_uri: str, databases: Databases, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Settings]:
    """Settings of a Fivefold that all tests of a module share."""
    folder = tmp_path_factory.mktemp("shared")
    name = databases.lend()
    yield Settings(
        _env_file=None,
        data_dir=folder / "data",
        content_url=str(folder / "generated_content"),
        mongodb_uri=SecretStr(mongodb_uri),
        mongodb_database=name,
    )
    databases.take_back(name)


@pytest.fixture(scope="module")
def shared_store(shared_settings: Settings) -> Iterator[Store]:
    with open_store(shared_settings) as opened:
        yield opened


@pytest.fixture
def emptied_store(shared_store: Store, shared_settings: Settings, databases: Databases) -> Store:
    """The store that a module shares, with nothing in it."""
    databases.empty(shared_settings.mongodb_database)
    return shared_store


@pytest.fixture
def content(settings: Settings) -> FolderStore:
    return FolderStore(Path(settings.content_url))


def stored_job(
    store: Store, user_id: str = "ana", prompt: str = "the sea"
) -> tuple[Job, list[Asset]]:
    """Store a job of five images and five videos."""
    job, assets = plan(Order(user_id=user_id, prompt=prompt, seed=7), illustrator_only())
    store.jobs.create(job, assets)
    return job, assets


def announced(**changes: Any) -> Worker:
    """A worker as it announces itself."""
    fields = {"id": "h:1", "host": "h", "pid": 1, "broker": "", "queues": {"io": 1}}
    return Worker(**{**fields, "started_at": now(), "seen_at": now(), **changes})


def claim(store: Store, asset_id: str, seconds: float = 60, owner: str = "test:1") -> Asset | None:
    """Hand an item out and claim it, as dispatcher and executor do."""
    store.queue.hand_out([asset_id], "ticket", 60)
    return store.leases.claim(asset_id, "ticket", owner, seconds)


MOMENT = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)
