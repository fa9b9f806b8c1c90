"""`make bench`: measure, and write the table into docs/benchmarks.md.

python -m benchmarks [PART …] [--rounds N] [--quick]
"""

import argparse
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psutil

from benchmarks.capacity import in_flight, stored
from benchmarks.gallery import gallery, memory
from benchmarks.harness import Bench, Options, Row
from benchmarks.mails import mails
from benchmarks.makespan import fifty, one
from benchmarks.steps import database, first_call
from benchmarks.watching import viewers, visible
from core.store.embedded import EmbeddedMongo
from tests.product import ROOT

PARTS: Final[dict[str, Callable[[Bench, Options], Iterator[Row]]]] = {
    "one": one,
    "fifty": fifty,
    "first-call": first_call,
    "database": database,
    "in-flight": in_flight,
    "stored": stored,
    "mails": mails,
    "gallery": gallery,
    "memory": memory,
    "visible": visible,
    "viewers": viewers,
}
DOCUMENT: Final = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- table -->\n", "<!-- end of table -->"


def main() -> None:
    """Run the chosen parts, or all; a whole run at full length is written down."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--quick", action="store_true", help="one round of less")
    chosen = parser.parse_args()
    if unknown := set(chosen.parts) - set(PARTS):
        parser.error(f"There is no part {', '.join(unknown)}.")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # what was started ends with it
    options = Options(1 if chosen.quick else chosen.rounds, chosen.quick)
    lines = ["| Measured | Result | Aim | Met |", "| --- | --- | --- | --- |"]
    print(*lines, sep="\n", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "data"
        data.mkdir()
        mongo = EmbeddedMongo(data)
        bench = Bench(mongo.start(), Path(folder))
        try:
            for name in chosen.parts or PARTS:
                for row in PARTS[name](bench, options):
                    met = {True: "yes", False: "**no**", None: ""}[row.met]
                    lines.append(f"| {row.what} | {row.figure} | {row.aim} | {met} |")
                    print(lines[-1], flush=True)
            facts = _facts(bench, options)
        finally:
            bench.client.close()
            mongo.stop()
    if not chosen.parts and not chosen.quick:
        before, rest = DOCUMENT.read_text().split(BEGIN)
        after = rest.split(END)[1]
        table = "\n".join(lines)
        DOCUMENT.write_text(f"{before}{BEGIN}\n{facts}\n\n{table}\n\n{END}{after}")


def _facts(bench: Bench, options: Options) -> str:
    """Say what this was measured on."""
    memory = round(psutil.virtual_memory().total / 2**30)
    mongod = bench.client.server_info()["version"]
    facts = [
        f"{psutil.cpu_count()} cores, {memory} GB of memory, {platform.system()}",
        f"Python {platform.python_version()}, MongoDB {mongod}, {_redis()}",
        f"{options.rounds} rounds",
        f"{datetime.now(UTC):%Y-%m-%d}",
    ]
    return f"{'; '.join(facts)}."


def _redis() -> str:
    path = shutil.which("redis-server")
    if path is None:
        return "no Redis"
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    return f"Redis {said.split('v=')[1].split()[0]}"


if __name__ == "__main__":
    began = time.monotonic()
    main()
    print(f"{time.monotonic() - began:.0f} s")
