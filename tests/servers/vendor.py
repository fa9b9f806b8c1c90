"""What a paid vendor does behind its HTTP interface: charge, work, fail on demand, keep records."""

import heapq
import json
import random
import time
import zlib
from collections import defaultdict, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, TextIO

import numpy as np
from PIL import Image
from pydantic import BaseModel

from core.media.encoding import encode_clip, encode_png
from core.models import Kind

PENDING_SHARE = 0.1  # of a task's time, before it says that it is running


class Fault(BaseModel):
    """What the next `times` creations meet.

    Not charged: `rate_limit` (429, `retry_after`) and `refuse` (`status`). Charged: `drop` closes
    the connection instead of an answer, `stall` answers `seconds` late, `fail` makes a task that
    fails, `truncate` and `garbage` spoil its file when it is fetched first, and `missing` has
    none then.
    """

    what: Literal["rate_limit", "refuse", "drop", "stall", "fail", "truncate", "garbage", "missing"]
    times: int = 1
    retry_after: float = 1.0
    status: int = 503
    seconds: float = 5.0


class Order(BaseModel):
    """What a creation asks for; every file has the same size, whatever is asked."""

    kind: Kind
    asset_id: str


@dataclass(frozen=True)
class Latency:
    """Seconds until a creation is answered, and from there until the file is made."""

    submit: float
    run: float


@dataclass
class Task:
    """One charged piece of work. Its status follows from the time; nothing runs."""

    id: str
    kind: Kind
    starts_at: float
    ends_at: float
    fault: str | None
    cancelled: bool = False
    followed: bool = False  # whether the customer was told of its end
    downloads: int = 0
    missed: bool = False

    def status(self) -> str:
        moment = time.monotonic()
        if self.cancelled:
            return "CANCELLED"
        if moment < self.starts_at:
            return "THROTTLED"
        if moment < self.ends_at:
            return "RUNNING" if self.progress() > PENDING_SHARE else "PENDING"
        return "FAILED" if self.fault == "fail" else "SUCCEEDED"

    def progress(self) -> float:
        length = self.ends_at - self.starts_at
        done = time.monotonic() - self.starts_at
        return min(max(done / length if length else 1.0, 0.0), 1.0)


@dataclass
class Account:
    """What one asset cost and got.

    Attributes:
        charges: creations that were charged.
        sketches: creations that were not.
        answered: creations whose answer, with its file or its task's id, was sent as a whole to a
            customer who still listened.
        faults: that its creations met.
        tasks: what was begun.
    """

    charges: int = 0
    sketches: int = 0
    answered: int = 0
    faults: list[str] = field(default_factory=list)
    tasks: list[Task] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        tasks = [
            {
                "id": task.id,
                "status": task.status(),
                "followed": task.followed,
                "cancelled": task.cancelled,
                "downloads": task.downloads,
                "fault": task.fault,
            }
            for task in self.tasks
        ]
        return {
            "charges": self.charges,
            "sketches": self.sketches,
            "answered": self.answered,
            "faults": self.faults,
            "tasks": tasks,
        }


class Studio:
    """The vendor.

    Args:
        latencies: by kind.
        jitter: share of a latency by which it may be longer or shorter.
        concurrency: tasks that run at once; the others are THROTTLED. 0: all.
        seed: of the jitter.
        journal: where a line is written for every charge.
    """

    def __init__(
        self,
        latencies: dict[Kind, Latency],
        *,
        jitter: float = 0.0,
        concurrency: int = 0,
        seed: int = 0,
        journal: TextIO | None = None,
    ) -> None:
        self.latencies = latencies
        self.faults: deque[Fault] = deque()
        self.accounts: defaultdict[str, Account] = defaultdict(Account)
        self.tasks: dict[str, Task] = {}
        self._jitter = jitter
        self._chance = random.Random(seed)
        self._concurrency = concurrency
        self._slots = [0.0] * concurrency  # when each is free again
        self._numbers = count(1)
        self._journal = journal
        self._files = {Kind.IMAGE: _picture(), Kind.VIDEO: _clip()}

    def next_fault(self, order: Order) -> Fault | None:
        if not self.faults:
            return None
        fault = self.faults[0]
        self.accounts[order.asset_id].faults.append(fault.what)
        fault.times -= 1
        if fault.times <= 0:
            self.faults.popleft()
        return fault

    def seconds(self, latency: float) -> float:
        return latency * (1 + self._chance.uniform(-self._jitter, self._jitter))

    def charge(self, order: Order) -> Account:
        account = self.accounts[order.asset_id]
        account.charges += 1
        if self._journal is not None:
            print(json.dumps({"asset_id": order.asset_id}), file=self._journal, flush=True)
        return account

    def start(self, order: Order, fault: Fault | None) -> Task:
        """Charge, and plan when the task will have started and ended."""
        starts_at = time.monotonic()
        if self._concurrency:
            starts_at = max(starts_at, heapq.heappop(self._slots))
        ends_at = starts_at + self.seconds(self.latencies[order.kind].run)
        if self._concurrency:
            heapq.heappush(self._slots, ends_at)
        name = f"task-{next(self._numbers):06d}"
        task = Task(name, order.kind, starts_at, ends_at, fault.what if fault else None)
        self.tasks[name] = task
        self.charge(order).tasks.append(task)
        return task

    def file(self, kind: Kind, mark: str, fault: str | None) -> bytes:
        """Return a finished file, different for every `mark`."""
        marked = self._files[kind](mark.encode())
        if fault == "truncate":
            return marked[: len(marked) // 3]
        return b"<html>Bad gateway</html>" if fault == "garbage" else marked

    def new_mark(self) -> str:
        return f"file-{next(self._numbers):06d}"


def _picture() -> Callable[[bytes], bytes]:
    """Make a PNG once; a mark goes into a text chunk before its end."""
    made = encode_png(Image.linear_gradient("L").resize((64, 64)).convert("RGB"))
    body, end = made[:-12], made[-12:]

    def marked(mark: bytes) -> bytes:
        chunk = b"tEXtComment\x00" + mark
        size, check = len(chunk) - 4, zlib.crc32(chunk)
        return body + size.to_bytes(4) + chunk + check.to_bytes(4) + end

    return marked


def _clip() -> Callable[[bytes], bytes]:
    """Make an MP4 of one second once; a mark goes into a `free` box after its end."""
    frames = [np.full((64, 64, 3), 5 * number, np.uint8) for number in range(24)]
    with TemporaryDirectory() as folder:
        path = Path(folder) / "clip.mp4"
        encode_clip(frames, path, 64, 64, 24)
        made = path.read_bytes()
    return lambda mark: made + (len(mark) + 8).to_bytes(4) + b"free" + mark
