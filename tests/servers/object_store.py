"""A real S3 server on loopback."""

import re
import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
from moto.server import ThreadedMotoServer


class ObjectStore:
    """A real S3 server as another program sees it."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.client = httpx2.Client(trust_env=False)

    def make_bucket(self) -> str:
        name = f"test-{secrets.token_hex(6)}"
        self.client.put(f"{self.address}/{name}").raise_for_status()
        return name

    def keys(self, bucket: str) -> list[str]:
        response = self.client.get(f"{self.address}/{bucket}", params={"list-type": "2"})
        return re.findall("<Key>([^<]*)</Key>", response.raise_for_status().text)

    def get(self, address: str, **more: Any) -> httpx2.Response:  # passed on
        return self.client.get(address, **more)

    def trust_nobody(self, *, after: float = 0) -> None:
        """Check every request's credentials from now on; none are known."""
        self.client.post(f"{self.address}/moto-api/reset-auth", content=str(after))

    def enter(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        """Set what the SDK reads, and a folder of its own for temporary files."""
        for name, value in {
            "AWS_ENDPOINT_URL": self.address,
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": str(folder / "none"),
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "none"),
            "AWS_EC2_METADATA_DISABLED": "true",
        }.items():
            monkeypatch.setenv(name, value)
        (folder / "tmp").mkdir()
        monkeypatch.setattr(tempfile, "tempdir", str(folder / "tmp"))


@contextmanager
def object_store() -> Iterator[ObjectStore]:
    moto = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    moto.start()
    host, port = moto.get_host_and_port()
    running = ObjectStore(f"http://{host}:{port}")
    yield running
    running.client.close()
    moto.stop()
