"""What all parts share: the processes, the jobs, and how a figure is written down."""

import os
import secrets
import statistics
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NamedTuple

import httpx2
import psutil
from pydantic import SecretStr
from pymongo import MongoClient
from pymongo.database import Database

from benchmarks.vendor import BenchmarkProvider
from core.media.storage import ContentStore, open_content
from core.models import Asset, Job, JobStatus, Kind
from core.providers.registry import Catalogue
from core.settings import Settings
from core.store import Store, open_store
from core.studio.order import Order
from core.studio.planning import plan
from tests.product import ROOT, free_port
from tests.servers.provider import install

START_SECONDS: Final = 60
PYTHON: Final = (sys.executable, "-m")
LOOK_SECONDS: Final = 0.2  # between two looks at whether all jobs have ended


@dataclass(frozen=True)
class Row:
    """A line of the table; `met` is None where there is no aim."""

    what: str
    figure: str
    aim: str = ""
    met: bool | None = None


@dataclass(frozen=True)
class Options:
    """How thoroughly to measure: rounds, and whether a first impression is enough."""

    rounds: int
    quick: bool


class Made(NamedTuple):
    """An item as the vendor saw it; `received` is on the machine's monotonic clock."""

    asset_id: str
    kind: str
    received: float
    seconds: float


class Vendor:
    """The running stand-in, and the catalogue that jobs for it are planned with."""

    def __init__(self, url: str) -> None:
        self.url = url
        provider = BenchmarkProvider(url, (1, 1), 1)
        self.catalogue = Catalogue({provider.name: provider})

    def made(self) -> list[Made]:
        """Return all that was ordered."""
        answer = httpx2.get(f"{self.url}/benchmark", trust_env=False, timeout=30)
        return [Made(*each) for each in answer.raise_for_status().json()]


class Fivefold:
    """One installation: a database of its own, its jobs, and at most one running worker.

    Attributes:
        folder: what it writes lies here.
        worker: the running one.
        looks: how many queries `await_end` has cost.
    """

    def __init__(
        self, store: Store, database: Database[dict[str, Any]], folder: Path, settings: Settings
    ) -> None:
        self.store = store
        self.database = database
        self.worker = psutil.Process()
        self.looks = 0
        self.folder = folder
        self._settings = settings

    @property
    def content(self) -> ContentStore:
        """Where its files are."""
        return open_content(self._settings.content_url)

    @property
    def environment(self) -> dict[str, str]:
        """What its processes find their way by."""
        return {
            "MONGODB_URI": self._settings.mongodb_uri.get_secret_value(),
            "MONGODB_DATABASE": self._settings.mongodb_database,
            "CONTENT_URL": self._settings.content_url,
        }

    @contextmanager
    def working(
        self, vendor: Vendor, *, limits: Sequence[int], poll_seconds: float, broker: str = ""
    ) -> Iterator[None]:
        """Run a worker, ready to begin, beside the block."""
        package = self.folder / "package"
        if not package.exists():
            install(package, benchmark="benchmarks.vendor:provider")
        environment = os.environ | {
            "BENCHMARK_URL": vendor.url,
            "BENCHMARK_LIMITS": " ".join(map(str, limits)),
            "BENCHMARK_POLL_SECONDS": str(poll_seconds),
            "PYTHONPATH": os.pathsep.join([str(package), os.environ.get("PYTHONPATH", "")]),
            **self.environment,
            "BROKER_URL": broker,
            "WORKER_CONCURRENCY": str(sum(limits)),
            "DRAWING_PROCESSES": "1",
        }
        command = [*PYTHON, "core", "worker"]
        with started(command, self.folder / "worker.log", environment) as process:
            await_ready(
                lambda: bool(self.store.workers.leader()), process, self.folder / "worker.log"
            )
            time.sleep(1)  # until it has come to rest
            self.worker = psutil.Process(process.pid)
            yield

    def plan(self, vendor: Vendor, user_id: str) -> tuple[Job, list[Asset]]:
        """Return a job of five images and five videos for the stand-in."""
        order = Order(user_id=user_id, prompt="A lighthouse in a storm, at dusk")
        return plan(order, vendor.catalogue)

    def await_end(self, first: str) -> float:
        """Wait until the job `first` and all later ones have ended well.

        Returns:
            when the last one did, on the wall's clock.
        """
        jobs = self.database["jobs"]
        ours = {"_id": {"$gte": first}}  # no scan of all that is stored: it would be measured
        self.looks = 2
        while jobs.find_one(ours | {"status": str(JobStatus.PROCESSING)}, {"_id": True}):
            self.looks += 1
            time.sleep(LOOK_SECONDS)
        ended = list(jobs.find(ours, {"status": True, "updated_at": True}))
        if any(job["status"] != JobStatus.COMPLETED for job in ended):
            raise RuntimeError("A job did not end well.")
        return float(max(job["updated_at"].timestamp() for job in ended))


class Bench:
    """The database server and the folder of one run of the benchmarks."""

    def __init__(self, uri: str, folder: Path) -> None:
        self.folder = folder
        self._uri = uri
        self.client: MongoClient[dict[str, Any]] = MongoClient(uri, tz_aware=True)

    @contextmanager
    def fivefold(self) -> Iterator[Fivefold]:
        """Give a new, empty installation."""
        name = f"bench-{secrets.token_hex(4)}"
        folder = self.folder / name
        folder.mkdir()
        settings = Settings(
            mongodb_uri=SecretStr(self._uri),
            mongodb_database=name,
            content_url=str(folder / "content"),
        )
        with open_store(settings) as store:
            store.ensure_schema()
            yield Fivefold(store, self.client[name], folder, settings)
        self.client.drop_database(name)

    @contextmanager
    def vendor(self, image: float, video: float, seed: int = 1) -> Iterator[Vendor]:
        """Run the stand-in vendor; an image and a video take so many seconds there."""
        port = free_port()
        options = {"port": port, "seed": seed, "image": image, "video": video}
        flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
        vendor, log = Vendor(f"http://127.0.0.1:{port}"), self.folder / "vendor.log"
        command = [*PYTHON, "benchmarks.vendor", *flags]
        with started(command, log, dict(os.environ)) as process:
            await_ready(lambda: not vendor.made(), process, log)
            yield vendor

    def commands(self) -> Counter[str]:
        """Return how many commands of each kind the server has run so far."""
        found = self.client.admin.command("serverStatus")["metrics"]["commands"]
        return Counter(
            {name: each["total"] for name, each in found.items() if isinstance(each, dict)}
        )

    def examined(self) -> tuple[int, int]:
        """Return how many index keys and documents all queries have looked at so far."""
        found = self.client.admin.command("serverStatus")["metrics"]["queryExecutor"]
        return found["scanned"], found["scannedObjects"]


@contextmanager
def started(
    command: Sequence[str], log: Path, environment: dict[str, str], folder: Path = ROOT
) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a process beside the block, and end it."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait()


def await_ready(ready: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Wait until a process that was started is ready.

    Raises:
        RuntimeError: it has ended, or is not ready in time; the text is what it said.
    """
    deadline = time.monotonic() + START_SECONDS
    while True:
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"It did not start:\n{log.read_text()}")
        try:
            if ready():
                return
        except httpx2.TransportError:
            pass
        time.sleep(0.05)


def bound(made: Iterable[Made], limits: Sequence[int]) -> float:
    """Return the least time in which these can be made: the slowest, or all through the limit."""
    found = list(made)
    sums = (
        sum(each.seconds for each in found if each.kind == kind) / limit
        for kind, limit in zip(Kind, limits, strict=True)
    )
    return max(*sums, *(each.seconds for each in found))


def greedy(made: Iterable[Made], limits: Sequence[int]) -> float:
    """Return the time in which who begins the next one at once, at no cost, has made these."""
    found = sorted(made, key=lambda each: each.received)
    ends = []
    for kind, limit in zip(Kind, limits, strict=True):
        places = [0.0] * limit
        for each in found:
            if each.kind == kind:
                first = min(range(limit), key=places.__getitem__)
                places[first] += each.seconds
        ends += places
    return max(ends)


def spread(values: Sequence[float], form: str = ".2f", unit: str = "") -> str:
    """Write a median with the least and the greatest."""
    middle = f"{statistics.median(values):{form}}{unit}"
    if len(values) == 1:
        return f"{middle} (one round)"
    return f"{middle} ({min(values):{form}}–{max(values):{form}})"
