"""The files of the embedded MongoDB: its key, where it runs, and the address made of both."""

import hmac
import json
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from core.redaction import redact
from core.system import filesystem

USER: Final = "fivefold"


class EmbeddedUnavailable(Exception):
    """The embedded MongoDB cannot be started."""


def read_key(data_dir: Path) -> str:
    """Return the key of a data folder, made at the first start.

    Raises:
        EmbeddedUnavailable: it can neither be read nor be made.
    """
    path = key_path(data_dir)
    try:
        key = filesystem.read_or_create_secret(path, lambda: secrets.token_hex(48))
    except OSError as error:
        raise EmbeddedUnavailable(
            f"The key of the embedded MongoDB, {path}, cannot be kept: {error.strerror}."
        ) from None
    redact.add(key, password(key))
    return key


@contextmanager
def key_file(data_dir: Path, key: str) -> Iterator[Path]:
    """Give the key as a file that mongod takes: nobody but its owner may have a right to it.

    Where the data folder's disk knows no rights, that is a copy, for the time of the start.
    """
    if filesystem.make_private(key_path(data_dir)):
        yield key_path(data_dir).resolve()
        return
    with tempfile.TemporaryDirectory(prefix="fivefold-") as folder:
        copy = Path(folder) / "mongod.key"
        copy.touch(filesystem.PRIVATE)
        copy.write_text(key)
        yield copy


def password(key: str) -> str:
    """Return the password of `USER`, which follows from the key."""
    return hmac.new(key.encode(), USER.encode(), "sha256").hexdigest()


def key_path(data_dir: Path) -> Path:
    """Return where the key is."""
    return data_dir / "mongod.key"


def address(port: int, key: str) -> str:
    """Return the address of the server, with the login."""
    login = f"{USER}:{password(key)}"
    return f"mongodb://{login}@127.0.0.1:{port}/?directConnection=true&authSource=admin"


def database_dir(data_dir: Path) -> Path:
    """Return the folder of the database itself."""
    return data_dir.resolve() / "mongodb"


def _record_path(data_dir: Path) -> Path:
    return data_dir / "mongod.json"


def read_record(data_dir: Path) -> dict[str, int] | None:
    """Return the `pid` and `port` of the server that was last started; None: not known."""
    try:
        record = json.loads(_record_path(data_dir).read_text())
        return {"pid": int(record["pid"]), "port": int(record["port"])}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def write_record(data_dir: Path, record: dict[str, int]) -> None:
    """Write down the `pid` and `port` of a server that takes writes."""
    new = _record_path(data_dir).with_suffix(".new")
    with new.open("w") as file:
        json.dump(record, file)
        filesystem.flush(file)
    filesystem.move(new, _record_path(data_dir))
