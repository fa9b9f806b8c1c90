"""Kill the running product again and again, at every step of an item's life, and count.

python -m tests.crash.harness --rounds 100 --jobs 40 --broker redis --seed 7
"""

import argparse
import logging
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack, suppress
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path
from typing import Any, Final, Self, TypeVar

import psutil
from pymongo.errors import DuplicateKeyError

from core.media.folder import FolderStore
from core.models import AssetState, JobStatus, Kind, Notice
from core.providers.registry import Catalogue
from core.settings import Settings
from core.store import DatabaseError, Store, embedded, open_store
from core.studio.order import Order
from core.studio.planning import plan
from tests.brokers import Broker, start_broker
from tests.crash.recorder import Event, Recorder, names
from tests.crash.verify import Outcome, strays, violations
from tests.product import ROOT, Product
from tests.servers.process import StudioProcess
from tests.servers.provider import Instant, Sketch, StandIn, Studio, install

T = TypeVar("T")
_log = logging.getLogger(__name__)

LEASE_SECONDS: Final = 3
STATE_SECONDS: Final = 6.0  # to wait for an item to enter the state that is wanted
VICTIM_SECONDS: Final = 90.0  # to wait for a killed process to be there again
SWEEP_SECONDS: Final = 45.0  # until what a killed worker left lying about must be gone
LEFT_SECONDS: Final = 30.0  # for what ends with a process that has ended
USERS: Final = ("ana", "ben", "cleo", "dai")

# Victims, and the state that some item has to enter first; None: any moment.
STEPS: Final[tuple[tuple[str, str | None], ...]] = (
    ("worker", "submitting"),
    ("mongod", None),
    ("broker", None),
    ("worker", "running"),
    ("notifier", None),
    ("worker", "saving"),
    ("web", None),
    ("worker", "done"),
    ("worker", "queued"),
    ("worker", None),
    ("mongod", "saving"),
    ("mongod", "submitting"),
)
FAULTS: Final[tuple[dict[str, Any], ...]] = (
    {"what": "rate_limit", "times": 3, "retry_after": 1},
    {"what": "refuse", "status": 503},
    {"what": "drop"},
    {"what": "fail"},
    {"what": "missing"},
    {"what": "truncate"},
    {"what": "garbage"},
    {"what": "stall", "seconds": 2},
)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run does.

    Attributes:
        rounds: kills.
        jobs: of ten items each, at least.
        broker: empty (in-process), `redis` or `rabbitmq`.
        seed: of everything that is left to chance.
        seconds: after which no more is killed.
        end_seconds: in which all jobs have to end after the last kill.
        server: a broker that runs already; empty: one is started.
        odd: seed by which the vendor's replies are mutated; None: they are as they should be.
    """

    rounds: int
    jobs: int
    broker: str = ""
    seed: int = 1
    seconds: float = 3600.0
    end_seconds: float = 900.0
    server: Broker | None = None
    odd: int | None = None


@dataclass
class Result:
    """What became of it."""

    violations: list[str] = field(default_factory=list)
    kills: Counter[str] = field(default_factory=Counter)
    items: Counter[str] = field(default_factory=Counter)
    charges: int = 0
    resumed: int = 0
    resent: int = 0
    recoveries: list[float] = field(default_factory=list)
    tracebacks: int = 0
    strays: int = 0
    seconds: float = 0.0

    def summary(self) -> str:
        lines = [f"kills       {self.kills.total()} in {self.seconds:.0f} s"]
        lines += [f"            {number:4} {name}" for name, number in sorted(self.kills.items())]
        lines += [f"items       {self.items.total()}"]
        lines += [f"            {number:4} {name}" for name, number in sorted(self.items.items())]
        lines += [f"charges     {self.charges} ({self.resent} items sent again by their users)"]
        lines += [f"resumed     {self.resumed} remote tasks by another process"]
        if self.recoveries:
            middle, longest = statistics.median(self.recoveries), max(self.recoveries)
            lines += [
                f"taken over  {len(self.recoveries)} items, after {middle:.1f} s in the middle",
                f"            and {longest:.1f} s at the longest",
            ]
        lines += [f"strays      {self.strays} whole files of items that are not done"]
        lines += [f"tracebacks  {self.tracebacks} in the logs"]
        return "\n".join([*lines, f"violations  {len(self.violations)}", *self.violations])


class ExtraWorker:
    """A worker beside the supervisor's, as on a second machine."""

    def __init__(self, environment: dict[str, str], log: Path) -> None:
        self._environment = environment
        self._log = log
        self._start()

    def _start(self) -> None:
        with self._log.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "core", "worker", "--queues", "io", "--concurrency", "20"],
                cwd=ROOT,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def keep_running(self) -> None:
        if self.process.poll() is not None:
            self._start()

    def stop(self) -> None:
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Run(AbstractContextManager["Run"]):
    """One product with its vendor, its broker, and somebody who kills them.

    Args:
        folder: for everything.
        plan: what to do.
    """

    def __init__(self, folder: Path, plan: Plan) -> None:
        self._folder = folder
        self._plan = plan
        self._chance = random.Random(plan.seed)
        self._stack = ExitStack()
        self._jobs: list[str] = []
        self._resent: Counter[str] = Counter()
        self._kills: list[tuple[float, int]] = []
        self._workers: list[ExtraWorker] = []
        self._uri, self._opened = "", ExitStack()
        self._late = False  # whether jobs did not end in time
        self.result = Result()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            latencies: dict[str, Any] = {"image": (0.15, 1.0), "video": (0.2, 2.5)}
            latencies |= {"jitter": 0.7, "download": 0.2}
            latencies |= {} if self._plan.odd is None else {"odd": self._plan.odd}
            vendor = StudioProcess(self._folder, seed=self._plan.seed, **latencies)
            self._vendor = stack.enter_context(vendor)
            self._broker = self._plan.server
            if self._plan.broker and self._broker is None:
                self._broker = start_broker(self._plan.broker, self._folder / "broker")
                stack.callback(self._broker.stop)
            package = install(self._folder / "package", "studio", "instant", "sketch")
            self._product = Product(
                self._folder,
                PYTHONPATH=f"{package}:{ROOT}",
                MONGODB_URI="",
                BROKER_URL=self._broker.url if self._broker else "",
                LEASE_SECONDS=str(LEASE_SECONDS),
                STANDIN_URL=self._vendor.url,
                STANDIN_LIMIT="6",
                STANDIN_TIMEOUT_SECONDS="5",
            )
            stack.callback(self._save_log)
            stack.callback(self._stop_product)
            self._product.start()
            if self._broker:
                worker = ExtraWorker(self._product.environment, self._folder / "worker.log")
                self._workers.append(worker)
                stack.callback(worker.stop)
            self._settings = Settings(
                _env_file=None,
                data_dir=self._folder / "data",
            )
            self._content = FolderStore(self._folder / "generated_content")
            stack.callback(self._close_store)
            data_dir = self._settings.data_dir
            self._recorder = stack.enter_context(Recorder(lambda: embedded.running_uri(data_dir)))
            both = _catalogue(Studio, Studio, self._vendor.url)
            at_once = _catalogue(Instant, Studio, self._vendor.url)
            free = _catalogue(Sketch, Sketch, self._vendor.url)
            self._catalogues = cycle([both, at_once, both, free])
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *details: object) -> None:
        self._stack.close()

    def run(self) -> Result:
        """Submit, kill, wait for the end, and verify."""
        began = time.monotonic()
        steps = cycle(step for step in STEPS if step[0] != "broker" or self._broker)
        for number in range(self._plan.rounds):
            if time.monotonic() - began > self._plan.seconds:
                break
            wanted = -(-self._plan.jobs * (number + 1) // self._plan.rounds)
            while len(self._jobs) < wanted or self._open_items() == 0:
                self._submit()
            if self._chance.random() < 0.5:
                self._vendor.fault(**self._chance.choice(FAULTS))
            self._kill(*next(steps))
        killed = time.monotonic()
        _log.info("waiting for %d items to end", self._open_items())
        if self._await_end():
            self._resend_some()
        if self._await_end():
            self._wait(self._all_sent, 30)
            self._wait(lambda: not self._parts(), SWEEP_SECONDS)
        _log.info("verifying")
        self._fill_result()
        self.result.seconds = killed - began
        return self.result

    def _submit(self) -> None:
        order = Order(user_id=self._chance.choice(USERS), prompt="the sea at dusk")
        job, assets = plan(order, next(self._catalogues))

        def store() -> None:
            with suppress(DuplicateKeyError):  # stored, though its answer was lost
                self._store().jobs.create(job, assets)

        self._patiently(store)
        self._jobs.append(job.id)

    def _kill(self, victim: str, state: str | None) -> None:
        """Kill one process: when some item enters a state, or at a random moment."""
        self._wait(lambda: self._process(victim) is not None, VICTIM_SECONDS)
        owner, reached = "", state
        if state is None:
            self._wait(lambda: False, self._chance.uniform(0.0, 1.5))
        else:
            event = self._await_state(state)
            owner, reached = (event.owner, state) if event else ("", None)
        if victim == "broker" and self._broker:
            self._broker.kill()
            self._wait(lambda: False, self._chance.uniform(0.0, 1.0))
            self._broker.start()
        else:
            process = self._process(victim, owner)
            if process is None:
                return
            process.kill()
            if victim == "worker":
                self._kills.append((time.monotonic(), process.pid))
        name = f"{victim} {reached or ''}".strip()
        self.result.kills[name] += 1
        _log.info("kill %d of %d: %s", self.result.kills.total(), self._plan.rounds, name)

    def _await_state(self, state: str) -> Event | None:
        """Wait until one more item enters a state, not always the next one."""
        since, number = len(self._recorder.events), self._chance.randint(1, 4)
        if state == str(AssetState.QUEUED):
            self._submit()
        event = self._recorder.wait(state, since, number, STATE_SECONDS)
        if event is None:
            self._submit()
            event = self._recorder.wait(state, since, number, STATE_SECONDS)
        return event

    def _process(self, victim: str, owner: str = "") -> psutil.Process | None:
        """Return the process to kill: for workers the one that holds an item, else any."""
        children: dict[str, psutil.Process] = {}
        with suppress(IndexError):  # one that was killed a moment ago has no command line left
            children = self._product.children()
        if victim == "broker":
            return children.get("worker")
        if victim != "worker":
            return children.get(victim)
        workers = [children["worker"]] if "worker" in children else []
        workers += [
            psutil.Process(each.process.pid)
            for each in self._workers
            if each.process.poll() is None
        ]
        holder = names(owner, [worker.pid for worker in workers])
        held = [worker for worker in workers if worker.pid == holder]
        return self._chance.choice(held or workers) if workers else None

    def _store(self) -> Store:
        """Return the product's database, wherever it listens today."""
        uri = embedded.running_uri(self._settings.data_dir)
        if uri is None:
            raise DatabaseError("it is not running")
        if uri != self._uri:
            self._opened.close()
            self._uri = uri
            self._opened.enter_context(store := open_store(self._settings))
            self._store_opened = store
        return self._store_opened

    def _close_store(self) -> None:
        self._opened.close()

    def _open_items(self) -> int:
        return self._patiently(
            lambda: sum(
                asset.state not in {AssetState.DONE, AssetState.FAILED, AssetState.UNKNOWN}
                for job_id in self._jobs[-4:]
                for asset in self._store().assets.of_job(job_id)
            )
        )

    def _ended(self) -> bool:
        found = [self._store().jobs.get(job_id) for job_id in self._jobs]
        return all(job is not None and job.status != JobStatus.PROCESSING for job in found)

    def _await_end(self) -> bool:
        if self._late:
            return False
        seconds = self._plan.end_seconds
        self._late = not self._wait(lambda: self._patiently(self._ended), seconds, pause=0.3)
        return not self._late

    def _resend_some(self) -> None:
        """Be the user who sends every other unknown item again."""
        unknown = [
            asset
            for job_id in self._jobs
            for asset in self._store().assets.of_job(job_id)
            if asset.state == AssetState.UNKNOWN
        ]
        for asset in unknown[::2]:
            self._resent[asset.id] += self._store().job_actions.resend(
                asset.job_id, asset.user_id, asset.id
            )

    def _notices(self) -> list[Notice]:
        return [row for job_id in self._jobs for row in self._store().notices.of_job(job_id)]

    def _all_sent(self) -> bool:
        rows = self._notices()
        return len(rows) >= len(self._jobs) and {row.status for row in rows} == {"sent"}

    def _parts(self) -> list[Path]:
        return list(self._content.root.rglob("*.part"))

    def _fill_result(self) -> None:
        store, ledger, result = self._store(), self._vendor.ledger(), self.result
        jobs = [store.jobs.get(job_id) for job_id in self._jobs]
        outcome = Outcome(
            jobs=[(job, store.assets.of_job(job.id)) for job in jobs if job is not None],
            notices=self._notices(),
            ledger=ledger,
            content=self._content,
            resent=self._resent,
            states={asset: self._recorder.states(asset) for asset in ledger},
        )
        result.violations += violations(outcome)
        result.strays = len(strays(outcome))
        result.items.update(str(asset.state) for asset in outcome.assets())
        result.charges = sum(account["charges"] for account in ledger.values())
        result.resent = self._resent.total()
        result.resumed = sum(
            asset.remote_id is not None and asset.attempts > 1 for asset in outcome.assets()
        )
        result.tracebacks = self._product.output.count("Traceback")
        for moment, pid in self._kills:
            for asset_id in self._recorder.orphans(moment, pid):
                if (seconds := self._recorder.recovery(asset_id, moment)) is not None:
                    result.recoveries.append(seconds)

    def _patiently(self, ask: Callable[[], T]) -> T:
        """Ask the database until it answers; it may have been killed."""
        deadline = time.monotonic() + VICTIM_SECONDS
        while True:
            try:
                return ask()
            except DatabaseError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def _wait(self, condition: Callable[[], bool], seconds: float, pause: float = 0.05) -> bool:
        """Wait for a condition, and meanwhile keep the second machine's worker running."""
        deadline = time.monotonic() + seconds
        while True:
            for worker in self._workers:
                worker.keep_running()
            if condition():
                return True
            if time.monotonic() > deadline:
                return False
            time.sleep(pause)

    def _stop_product(self) -> None:
        family = psutil.Process(self._product.process.pid).children(recursive=True)
        if (code := self._product.stop()) != 0:
            self.result.violations.append(f"the product stopped with exit code {code}")
        # Decoders end with their worker, a moment later.
        _gone, left = psutil.wait_procs(family, timeout=LEFT_SECONDS)
        if left:
            self.result.violations.append(f"{len(left)} processes were left running")

    def _save_log(self) -> None:
        (self._folder / "product.log").write_text(self._product.output)


def _catalogue(images: type[StandIn], videos: type[StandIn], url: str) -> Catalogue:
    """Return the provider of images before that of videos; `Catalogue.choose` takes the first."""
    chosen = {each.name: each(url) for each in (images, videos)}
    assert all(Catalogue(dict(chosen)).choose(kind) for kind in Kind)
    return Catalogue(dict(chosen))


def main() -> None:
    """Run once, print what happened, and exit with 1 where a promise was broken."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=0, help="0: one for every second round")
    parser.add_argument("--broker", choices=("", "redis", "rabbitmq"), default="")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--odd", type=int, metavar="SEED", help="mutate the vendor's replies")
    chosen = parser.parse_args()
    chosen.jobs = chosen.jobs or max(1, chosen.rounds // 2)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    logging.getLogger("httpx2").setLevel(logging.WARNING)
    folder = Path(tempfile.mkdtemp(prefix="fivefold-crash-"))
    with Run(folder, Plan(**vars(chosen))) as run:
        run.run()
    print(run.result.summary())  # noqa: T201
    if run.result.violations:
        sys.exit(f"what it left behind: {folder}")
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
