"""Files in an object store: `s3://<bucket>/<prefix>/<user_id>/<asset id>.<extension>`.

Credentials, region and endpoint are configured in the SDK's own way: it reads `AWS_ACCESS_KEY_ID`,
`AWS_SECRET_ACCESS_KEY`, `AWS_DEFAULT_REGION`, `AWS_ENDPOINT_URL` and their like, its
configuration files, or the role of the machine.
"""

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

import s3fs
from botocore.exceptions import BotoCoreError, ConnectionError, HTTPClientError  # noqa: A004

from core.media import storage
from core.media.formats import media_type

CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 15
ATTEMPTS: Final = 3  # of a request; the SDK pauses up to a few seconds between them
REQUEST_SECONDS: Final = 30  # for a request with all its attempts
SLOWEST_UPLOAD: Final = 256 * 1024  # bytes a second; extends the time for a file

_SDK_ERRORS: Final = (OSError, BotoCoreError, ValueError)  # ValueError: an endpoint that is no URL


class BucketStore(storage.ContentStore):
    """The part of a bucket that generated files are saved in. It connects at its first use.

    Args:
        bucket: its name.
        prefix: of the keys of all objects, without slashes around it; may be empty.
    """

    def __init__(self, bucket: str, prefix: str) -> None:
        self.place = f"s3://{bucket}/{prefix}".rstrip("/")
        self._bucket = bucket
        self._files = s3fs.S3FileSystem(
            skip_instance_cache=True,  # no cache of what another process may change
            use_listings_cache=False,
            max_concurrency=1,  # one part of a large file in memory at a time
            config_kwargs={
                "connect_timeout": CONNECT_SECONDS,
                "read_timeout": READ_SECONDS,
                "retries": {"mode": "standard", "total_max_attempts": ATTEMPTS},
                "signature_version": "s3v4",  # links have the old signature without it
            },
        )
        self._files.retries = 1  # the SDK retries already

    def check(self) -> str:
        """Write, read and delete an object; return where files are saved.

        Raises:
            StorageUnavailable: one of these was not possible.
        """
        probe = f"{self.place}/.write-test-{secrets.token_hex(4)}"
        with _storage_errors(self._bucket):
            self._files.pipe_file(probe, b"", timeout=REQUEST_SECONDS)
            try:
                self._files.cat_file(probe, timeout=REQUEST_SECONDS)
            finally:
                self._files.rm_file(probe, timeout=REQUEST_SECONDS)
        return f"{self.place} (objects are written, read and deleted)"

    def locate(self, user_id: str, stored_path: str) -> storage.RemoteFile:
        """Return how a browser fetches a stored file.

        Whether the object exists is not checked: that would be one more request for each view, and
        the object store itself responds “not found”.

        Raises:
            FileNotFoundError: the path names no file.
        """
        name = storage.own_name(stored_path)
        if PurePosixPath(name).name in ("", ".."):
            raise FileNotFoundError(stored_path)
        return storage.RemoteFile(
            PurePosixPath(name).name, partial(self._sign, f"{self.place}/{user_id}/{name}")
        )

    @contextmanager
    def opened(self, user_id: str, stored_path: str) -> Iterator[Path]:
        """Provide a local copy of a stored file.

        Raises:
            FileNotFoundError: there is no such file.
            StorageUnavailable: it could not be copied.
        """
        name = self.locate(user_id, stored_path).name
        with tempfile.TemporaryDirectory(prefix="fivefold-") as folder:
            copy = Path(folder) / name
            path = f"{self.place}/{user_id}/{storage.own_name(stored_path)}"
            try:
                self._files.get_file(path, str(copy), timeout=REQUEST_SECONDS)
            except FileNotFoundError:
                raise
            except _SDK_ERRORS as error:
                raise storage.StorageUnavailable(_sentence(self._bucket, error)) from error
            yield copy

    def remove(self, user_id: str, stored_path: str) -> None:
        """Delete a stored file's object; the object store does not tell whether it existed.

        Raises:
            StorageUnavailable: it may still exist.
        """
        with suppress(FileNotFoundError):
            self.locate(user_id, stored_path)  # the path of no file names no object
            path = f"{self.place}/{user_id}/{storage.own_name(stored_path)}"
            with _storage_errors(self._bucket):
                self._files.rm_file(path, timeout=REQUEST_SECONDS)

    def forget(self, user_id: str) -> None:
        """Do nothing: an object store has no folders."""

    def drafts(self) -> list[storage.OpenDraft]:
        """Return none: they are temporary files, which the system removes itself."""
        return []

    @contextmanager
    def draft(self, user_id: str, stem: str) -> Iterator[storage.Draft]:
        """Provide a local file; committing it uploads it."""
        # A cancelled provider that still writes there must not hide the error that ended the block.
        with tempfile.TemporaryDirectory(prefix="fivefold-", ignore_cleanup_errors=True) as folder:
            part = Path(folder) / f"{stem}.part"
            yield storage.Draft(part, partial(self._upload, part, user_id))

    def _upload(self, part: Path, user_id: str, name: str) -> str:
        """Store a draft as an object, which appears once it is complete."""
        path = f"{self.place}/{user_id}/{name}"
        seconds = REQUEST_SECONDS + part.stat().st_size / SLOWEST_UPLOAD
        with _storage_errors(self._bucket):
            self._files.put_file(part, path, ContentType=media_type(name), timeout=seconds)
        return path

    def _sign(self, path: str, method: str, disposition: str, seconds: int) -> str:
        with _storage_errors(self._bucket):
            address: str = self._files.sign(
                path,
                seconds,
                client_method="head_object" if method == "HEAD" else "get_object",
                ResponseContentDisposition=disposition,
                timeout=REQUEST_SECONDS,
            )
        return address


@contextmanager
def _storage_errors(bucket: str) -> Iterator[None]:
    """Raise the SDK's errors as `StorageUnavailable`, with a sentence."""
    try:
        yield
    except _SDK_ERRORS as error:
        raise storage.StorageUnavailable(_sentence(bucket, error)) from error


def _sentence(bucket: str, error: Exception) -> str:
    said = str(getattr(error, "strerror", None) or error).rstrip(".")
    if isinstance(error, FileNotFoundError):
        return f"there is no bucket “{bucket}”"
    if isinstance(error, PermissionError):
        return f"access to the bucket “{bucket}” was refused ({said})"
    if isinstance(error, TimeoutError | ConnectionError | HTTPClientError):
        return f"the object store does not answer ({said or 'it took too long'})"
    return f"the object store cannot be used ({said})"
