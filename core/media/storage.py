"""Stores of generated files: their interface, and the one that `CONTENT_URL` names."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import unquote, urlsplit

from core.i18n import N_

PREVIEWS: Final = ".previews"  # no user_id starts with a dot
REPLIES: Final = (
    ".replies"  # replies that were paid for and could not become a file; never served to others
)

# Folders without a query or the like, which would not become part of the objects' keys.
_BUCKET_ADDRESS: Final = re.compile(
    r"s3://(?P<bucket>[\w.-]+)(?P<folders>(/[^/?#]+)*)/?", re.ASCII | re.IGNORECASE
)


FULL: Final = N_("There is no room where files are saved.")


class InvalidContentUrl(Exception):
    """`CONTENT_URL` names no place that files can be saved in."""


class StorageUnavailable(OSError):
    """The object store does not answer, or refuses; the text says why."""


@dataclass(frozen=True)
class Draft:
    """A file that is being written.

    Attributes:
        path: where to write it.
    """

    path: Path
    _save: Callable[[str], str]

    def commit(self, name: str) -> str:
        """Save the file under its final name.

        Args:
            name: the file's name among the user's, with `PREVIEWS/` before it for a preview.

        Returns:
            the path as it is stored and shown.

        Raises:
            OSError: it was not saved.
        """
        return self._save(name)


@dataclass(frozen=True)
class OpenDraft:
    """A draft that is being written, or was orphaned by a crash.

    Attributes:
        asset_id: the asset that it is part of.
        path: of its file.
    """

    asset_id: str
    path: Path


@dataclass(frozen=True)
class RemoteFile:
    """A file that browsers fetch from the object store, by a signed address that expires.

    Attributes:
        name: the file's name.
    """

    name: str
    _sign: Callable[[str, str, int], str]

    def address(self, method: str, disposition: str, seconds: int) -> str:
        """Return an address at which anybody can fetch the file.

        Args:
            method: of the request that it is valid for, `GET` or `HEAD`.
            disposition: the `Content-Disposition` of the response.
            seconds: that it is valid for.

        Raises:
            StorageUnavailable: there is nothing to sign it with.
        """
        return self._sign(method, disposition, seconds)


class ContentStore(ABC):
    """A store of generated files; thread-safe.

    Attributes:
        place: its location, for people.
    """

    place: str

    @abstractmethod
    def check(self) -> str:
        """Check that files can be saved; return where.

        Raises:
            OSError: files cannot be saved there; the text says why.
        """

    @abstractmethod
    def locate(self, user_id: str, stored_path: str) -> Path | RemoteFile:
        """Return where a stored file is, on this machine or elsewhere.

        Only the file's name counts, so that a moved content folder keeps its files, and nothing
        outside the user's folder can be named.

        Raises:
            FileNotFoundError: there is no such file.
        """

    @abstractmethod
    def opened(self, user_id: str, stored_path: str) -> AbstractContextManager[Path]:
        """Provide a stored file as a local file while the block lasts.

        Raises:
            FileNotFoundError: there is no such file.
            StorageUnavailable: the store does not give it at the moment.
        """

    def full(self) -> str:
        """Return the sentence that the store is full."""
        return FULL

    @abstractmethod
    def remove(self, user_id: str, stored_path: str) -> None:
        """Remove a stored file, where there is one; only its name counts, as in `locate`.

        Raises:
            OSError: it is still there, or may be.
        """

    @abstractmethod
    def forget(self, user_id: str) -> None:
        """Remove the remains of a user whose files are removed, such as empty folders.

        Raises:
            OSError: something is still there.
        """

    @abstractmethod
    def draft(self, user_id: str, stem: str) -> AbstractContextManager[Draft]:
        """Provide a draft of a file, which appears whole or not at all.

        Where the block ends without `Draft.commit`, the draft is removed.

        Args:
            user_id: whose file.
            stem: the asset's id, or the name of a preview, which begins with it.
        """

    @abstractmethod
    def drafts(self) -> list[OpenDraft]:
        """Return the drafts that were neither committed nor removed, such as orphaned ones."""


def open_content(content_url: str) -> ContentStore:
    """Return the store that a `CONTENT_URL` names.

    Args:
        content_url: a folder's path, its `file://` address, or `s3://bucket/prefix`.

    Raises:
        InvalidContentUrl: it is none of these.
    """
    from core.media.folder import FolderStore  # noqa: PLC0415  # it imports this module

    parts = urlsplit(content_url)
    if not parts.scheme:
        return FolderStore(Path(content_url).expanduser())
    if parts.scheme == "file":
        return FolderStore(Path(unquote(parts.path)).expanduser())
    if parts.scheme != "s3":
        raise InvalidContentUrl(
            f"CONTENT_URL={content_url!r}: files are saved in a folder or in s3://bucket/prefix; "
            f"“{parts.scheme}” is not supported."
        )
    named = _BUCKET_ADDRESS.fullmatch(content_url)
    if named is None or {".", ".."} & set(named["folders"].split("/")):
        raise InvalidContentUrl(
            "CONTENT_URL is not of the form s3://bucket/prefix; credentials go into "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    from core.media.bucket import BucketStore  # noqa: PLC0415  # loads the SDK

    return BucketStore(named["bucket"], named["folders"].strip("/"))


def own_name(stored_path: str) -> str:
    """Return a stored file's name among its user's files; no other part of the path counts."""
    stored = PurePosixPath(stored_path)
    folder = stored.parent.name
    return f"{folder}/{stored.name}" if folder in {PREVIEWS, REPLIES} else stored.name
