"""Two machines share the work; the one that is cut off changes nothing any more."""

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from pymongo import MongoClient
from pymongo.errors import PyMongoError

from core.media.folder import FolderStore
from core.models import Asset, AssetState, JobStatus, Notify
from core.providers.registry import Catalogue
from core.settings import Settings
from core.store import Store, open_store
from core.store.embedded import find_mongod
from core.studio.order import Order
from core.studio.planning import plan
from tests.brokers import Redis, require
from tests.crash.network import Machine, Network
from tests.crash.verify import Outcome, violations
from tests.product import ROOT, free_port
from tests.servers.process import StudioProcess
from tests.servers.provider import Studio, install


def until(condition: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


@contextmanager
def ended(process: "subprocess.Popen[bytes]") -> Iterator["subprocess.Popen[bytes]"]:
    """End a process with the block."""
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(90)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def a_mongod(folder: Path, address: str) -> Iterator[str]:
    """A replica set of one that listens on the network; yields its address."""
    (folder / "mongodb").mkdir()
    port = free_port()
    flags = ["--dbpath", str(folder / "mongodb"), "--port", str(port), "--replSet", "rs0"]
    flags += ["--bind_ip", f"127.0.0.1,{address}", "--logpath", str(folder / "mongod.log")]
    with ended(subprocess.Popen([str(find_mongod()), *flags, "--nounixsocket", "--quiet"])):
        direct = f"mongodb://{address}:{port}/?directConnection=true"
        with MongoClient[dict[str, Any]](direct, serverSelectionTimeoutMS=30_000) as client:
            member = {"_id": 0, "host": f"{address}:{port}"}
            client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})

            def primary() -> bool:
                try:
                    return bool(client.admin.command("hello").get("isWritablePrimary"))
                except PyMongoError:
                    return False

            until(primary, 120, "mongod did not become primary")
        yield f"mongodb://{address}:{port}/?replicaSet=rs0"


@dataclass(frozen=True)
class Site:
    """A database, a broker, a vendor, and a worker on each of two machines."""

    store: Store
    vendor: StudioProcess
    content: FolderStore
    machines: dict[str, Machine]
    processes: dict[str, "subprocess.Popen[bytes]"]
    folder: Path

    def submit(self, user_id: str) -> str:
        provider = Studio(self.vendor.url)
        catalogue = Catalogue({provider.name: provider})
        order = Order(user_id=user_id, prompt="the sea at dusk", notify=Notify(channels=()))
        job, assets = plan(order, catalogue)
        self.store.jobs.create(job, assets)
        return job.id

    def assets(self, jobs: list[str]) -> list[Asset]:
        return [asset for job_id in jobs for asset in self.store.assets.of_job(job_id)]

    def held_by(self, owner: str, jobs: list[str]) -> set[str]:
        return {
            asset.id
            for asset in self.assets(jobs)
            if asset.lease is not None and asset.lease.owner == owner
        }

    def all_ended(self, jobs: list[str]) -> bool:
        found = [self.store.jobs.get(job_id) for job_id in jobs]
        return all(job is not None and job.status != JobStatus.PROCESSING for job in found)

    def documents(self, jobs: list[str]) -> list[dict[str, Any]]:
        """Everything that is stored about some jobs, and the files' very identities."""
        found: list[dict[str, Any]] = [asset.to_document() for asset in self.assets(jobs)]
        found += [job.to_document() for each in jobs if (job := self.store.jobs.get(each))]
        for path in sorted(self.content.root.rglob("*")):
            if any(job_id in path.name for job_id in jobs):
                status = path.stat()
                found.append({"file": path.name, "is": (status.st_ino, status.st_mtime_ns)})
        return found

    def logs(self) -> str:
        return "\n".join(path.read_text() for path in self.folder.glob("worker-*.log"))


def announced(store: Store, process: "subprocess.Popen[bytes]", log: Path) -> str:
    """Wait until a worker is there, and return its name."""
    found: list[str] = []

    def there() -> bool:
        found.extend(each.id for each in store.workers.alive() if each.pid == process.pid)
        assert process.poll() is None, log.read_text()
        return bool(found)

    until(there, 120, log.read_text())
    return found[0]


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    require("redis")
    with ExitStack() as stack:
        network = stack.enter_context(Network())
        redis = Redis(tmp_path / "redis", network.address).start()
        stack.callback(redis.stop)
        uri = stack.enter_context(a_mongod(tmp_path, network.address))
        latencies: dict[str, Any] = {"image": (0.1, 5), "video": (0.1, 6), "jitter": 0.3}
        vendor = stack.enter_context(StudioProcess(tmp_path, network.address, **latencies))
        settings = Settings(mongodb_uri=SecretStr(uri))
        store = stack.enter_context(open_store(settings))
        store.ensure_schema()
        content = tmp_path / "generated_content"
        environment = os.environ | {
            "PYTHONPATH": f"{install(tmp_path / 'package', 'studio')}:{ROOT}",
            "MONGODB_URI": uri,
            "BROKER_URL": redis.url,
            "CONTENT_URL": str(content),
            "LEASE_SECONDS": "3",
            "STANDIN_URL": vendor.url,
            "STANDIN_TIMEOUT_SECONDS": "3",
        }
        machines, processes = {}, {}
        for name in ("a", "b"):
            machine = network.add_machine()
            command = [*machine.command, sys.executable, "-m", "core", "worker", "--queues", "io"]
            log = tmp_path / f"worker-{name}.log"
            with log.open("wb") as output:
                process = subprocess.Popen(
                    [*command, "--concurrency", "20"],
                    cwd=ROOT,
                    env=environment,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
            stack.enter_context(ended(process))
            owner = announced(store, process, log)
            machines[owner], processes[owner] = machine, process
        yield Site(store, vendor, FolderStore(content), machines, processes, tmp_path)


@pytest.mark.parametrize("leads", [True, False], ids=["the leader", "the other"])
def test_a_machine_that_is_cut_off_changes_nothing_and_the_other_finishes(
    site: Site, *, leads: bool
) -> None:
    until(lambda: site.store.workers.leader() is not None, 120, "nobody leads")
    (cut,) = [owner for owner in site.machines if (owner == site.store.workers.leader()) == leads]
    (other,) = set(site.machines) - {cut}
    jobs = [site.submit(user) for user in ("ana", "ben", "cleo")]

    def all_taken() -> bool:
        states = {asset.state for asset in site.assets(jobs)}
        return states <= {AssetState.RUNNING, AssetState.SAVING, AssetState.DONE}

    until(all_taken, 120, site.logs())
    held = site.held_by(cut, jobs)
    assert held
    assert site.held_by(other, jobs)

    site.machines[cut].pull()
    until(lambda: site.all_ended(jobs), 120, site.logs())
    before = site.documents(jobs)
    assert {asset.state for asset in site.assets(jobs)} == {AssetState.DONE}

    site.machines[cut].plug()
    later: list[str] = []

    def works_again() -> bool:
        if not later or site.all_ended(later):
            later.append(site.submit("ana"))
        return bool(site.held_by(cut, later))

    until(works_again, 120, site.logs())
    until(lambda: site.all_ended(later), 120, site.logs())
    assert site.processes[cut].poll() is None
    assert site.documents(jobs) == before

    found = [site.store.jobs.get(job_id) for job_id in jobs + later]
    outcome = Outcome(
        jobs=[(job, site.store.assets.of_job(job.id)) for job in found if job is not None],
        notices=None,
        ledger=site.vendor.ledger(),
        content=site.content,
    )
    assert violations(outcome) == []
