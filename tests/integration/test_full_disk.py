"""A running installation whose disk is filled: what is said where, and that it goes on."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
from pymongo.errors import ConnectionFailure, PyMongoError

from core.settings import Settings
from core.store import Store, open_store
from tests.product import Product

SIZE = "220m"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A real disk for `DATA_DIR`."""
    place = tmp_path / "data"
    place.mkdir()
    mount = ["/bin/mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root can mount a disk")
    yield place
    subprocess.run(["/bin/umount", "--lazy", str(place)], check=True)


def fill(filler: Path) -> None:
    with filler.open("wb", buffering=0) as file:
        for size in (2**20, 512):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue


def end_database(store: Store) -> None:
    """Write until the database finds out that its disk is full, and ends."""
    while True:
        try:
            store._database["spending"].insert_many(  # noqa: SLF001  # any document will do
                [{"text": "x" * 100_000} for _ in range(20)]
            )
        except ConnectionFailure:
            return
        except PyMongoError:
            continue


def test_a_disk_that_is_filled_while_it_runs_is_said_everywhere(tmp_path: Path, disk: Path) -> None:
    product = Product(tmp_path).start()
    order = ["generate", "the sea", "--user", "ana"]
    full = f"The disk of DATA_DIR, {disk}, is full ("
    try:
        with open_store(Settings(data_dir=disk)) as store:
            fill(disk / "filler")
            refused = product.command(*order)
            assert refused.returncode == 1
            assert full in refused.stderr, refused.stderr
            end_database(store)
        product.hear(f"The embedded MongoDB cannot start. {full}")
        with httpx2.Client(base_url=product.url, trust_env=False, timeout=30) as browser:
            health = browser.get("/health")
            assert (health.status_code, health.json()["disk"]) == (503, "full")
            origin = {"Origin": product.url}
            refusal = browser.post("/auth/login", json={"user_id": "ana"}, headers=origin)
            assert refusal.status_code == 503
            assert full in refusal.json()["detail"]
        assert product.command("doctor").stdout.count(full) > 1
        assert full in product.command(*order).stderr
        (disk / "filler").unlink()
        product.hear("the database answers again", 60)
        with open_store(Settings(data_dir=disk)) as store:
            assert product.command(*order).returncode == 0
            assert len(store.jobs.of_user("ana")) == 1, "what was refused was not stored"
        assert product.output.count("cannot start. The disk") == 1, "it is said once, not for ever"
    finally:
        product.stop()
    assert "Traceback" not in product.output
