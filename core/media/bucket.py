"""Files in an object store: `s3://<bucket>/<prefix>/<user_id>/<asset id>.<extension>`.

Credentials, region and endpoint are the SDK's own affair: it reads `AWS_ACCESS_KEY_ID`,
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

from core.media.formats import media_type
from core.media.storage import (
    ContentStore,
    Draft,
    OpenDraft,
    RemoteFile,
    StorageUnavailable,
    own_name,
)

CONNECT_SECONDS: Final = 5
READ_SECONDS: Final = 15
ATTEMPTS: Final = 3  # of a request; the SDK pauses up to a few seconds between them
ANSWER_SECONDS: Final = 30  # for a request with all its attempts, whatever it waits for
SLOWEST_UPLOAD: Final = 256 * 1024  # bytes a second; a file gets that much longer

_TROUBLE: Final = (OSError, BotoCoreError, ValueError)  # ValueError: an endpoint that is no URL


class BucketStore(ContentStore):
    """The part of a bucket that generated files are saved in. Asks nothing before its first use.

    Args:
        bucket: its name.
        prefix: what the keys of all objects start with, without slashes around it; may be empty.
    """

    def __init__(self, bucket: str, prefix: str) -> None:
        self.place = f"s3://{bucket}/{prefix}".rstrip("/")
        self._bucket = bucket
        self._files = s3fs.S3FileSystem(
            skip_instance_cache=True,  # nothing is remembered that another process may change
            use_listings_cache=False,
            max_concurrency=1,  # one part of a large file in memory at a time
            config_kwargs={
                "connect_timeout": CONNECT_SECONDS,
                "read_timeout": READ_SECONDS,
                "retries": {"mode": "standard", "total_max_attempts": ATTEMPTS},
                "signature_version": "s3v4",  # links are signed in the old way without it
            },
        )
        self._files.retries = 1  # the SDK has tried again already

    def check(self) -> str:
        """Write, read and delete an object; return where files go.

        Raises:
            StorageUnavailable: one of these was not possible.
        """
        probe = f"{self.place}/.write-test-{secrets.token_hex(4)}"
        with _in_words(self._bucket):
            self._files.pipe_file(probe, b"", timeout=ANSWER_SECONDS)
            try:
                self._files.cat_file(probe, timeout=ANSWER_SECONDS)
            finally:
                self._files.rm_file(probe, timeout=ANSWER_SECONDS)
        return f"{self.place} (objects are written, read and deleted)"

    def locate(self, user_id: str, stored_path: str) -> RemoteFile:
        """Return how a browser gets a stored file.

        Whether the object is there is not asked: that would be one more request a view, only to
        say “not found” where the object store says so itself.

        Raises:
            FileNotFoundError: the path names no file.
        """
        name = own_name(stored_path)
        if PurePosixPath(name).name in ("", ".."):
            raise FileNotFoundError(stored_path)
        return RemoteFile(
            PurePosixPath(name).name, partial(self._sign, f"{self.place}/{user_id}/{name}")
        )

    @contextmanager
    def opened(self, user_id: str, stored_path: str) -> Iterator[Path]:
        """Give a local copy of a stored file.

        Raises:
            FileNotFoundError: there is no such file.
            StorageUnavailable: it could not be copied.
        """
        name = self.locate(user_id, stored_path).name
        with tempfile.TemporaryDirectory(prefix="fivefold-") as folder:
            copy = Path(folder) / name
            path = f"{self.place}/{user_id}/{own_name(stored_path)}"
            try:
                self._files.get_file(path, str(copy), timeout=ANSWER_SECONDS)
            except FileNotFoundError:
                raise
            except _TROUBLE as error:
                raise StorageUnavailable(_sentence(self._bucket, error)) from error
            yield copy

    def remove(self, user_id: str, stored_path: str) -> None:
        """Delete a stored file's object; the object store does not say whether there was one.

        Raises:
            StorageUnavailable: it may still be there.
        """
        with suppress(FileNotFoundError):
            self.locate(user_id, stored_path)  # the path of no file names no object
            path = f"{self.place}/{user_id}/{own_name(stored_path)}"
            with _in_words(self._bucket):
                self._files.rm_file(path, timeout=ANSWER_SECONDS)

    def forget(self, user_id: str) -> None:
        """Do nothing: an object store has no folders."""

    def drafts(self) -> list[OpenDraft]:
        """Return none: they lie among the machine's temporary files, which it tidies itself."""
        return []

    @contextmanager
    def draft(self, user_id: str, stem: str) -> Iterator[Draft]:
        """Give a local file to write to; committing it uploads it."""
        # What a cancelled generator still writes there must not hide why the block ended.
        with tempfile.TemporaryDirectory(prefix="fivefold-", ignore_cleanup_errors=True) as folder:
            part = Path(folder) / f"{stem}.part"
            yield Draft(part, partial(self._upload, part, user_id))

    def _upload(self, part: Path, user_id: str, name: str) -> str:
        """Store a draft as an object, which appears when its last byte has arrived."""
        path = f"{self.place}/{user_id}/{name}"
        seconds = ANSWER_SECONDS + part.stat().st_size / SLOWEST_UPLOAD
        with _in_words(self._bucket):
            self._files.put_file(part, path, ContentType=media_type(name), timeout=seconds)
        return path

    def _sign(self, path: str, method: str, disposition: str, seconds: int) -> str:
        with _in_words(self._bucket):
            address: str = self._files.sign(
                path,
                seconds,
                client_method="head_object" if method == "HEAD" else "get_object",
                ResponseContentDisposition=disposition,
                timeout=ANSWER_SECONDS,
            )
        return address


@contextmanager
def _in_words(bucket: str) -> Iterator[None]:
    """Raise what goes wrong as `StorageUnavailable`, with a sentence."""
    try:
        yield
    except _TROUBLE as error:
        raise StorageUnavailable(_sentence(bucket, error)) from error


def _sentence(bucket: str, error: Exception) -> str:
    said = str(getattr(error, "strerror", None) or error).rstrip(".")
    if isinstance(error, FileNotFoundError):
        return f"there is no bucket “{bucket}”"
    if isinstance(error, PermissionError):
        return f"access to the bucket “{bucket}” was refused ({said})"
    if isinstance(error, TimeoutError | ConnectionError | HTTPClientError):
        return f"the object store does not answer ({said or 'it took too long'})"
    return f"the object store cannot be used ({said})"
