"""Kept replies that the content store could not take: in the database, until they are read."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from gridfs import GridFSBucket, NoFile
from pymongo.database import Database

Document = dict[str, Any]


class KeptReplyStore:
    """Keeps files under their names (GridFS). May be used again after any kill."""

    def __init__(self, database: Database[Document]) -> None:
        self._bucket = GridFSBucket(database, "replies")

    def save(self, name: str, asset_id: str, source: Path) -> None:
        """Store a file; one of that name is replaced."""
        self._remove({"filename": name})
        with source.open("rb") as content:
            self._bucket.upload_from_stream(name, content, metadata={"asset_id": asset_id})

    def write(self, name: str, destination: Path) -> None:
        """Write a stored file to a place.

        Raises:
            FileNotFoundError: there is none of that name.
        """
        with destination.open("wb") as content:
            try:
                self._bucket.download_to_stream_by_name(name, content)
            except NoFile:
                raise FileNotFoundError(name) from None

    def remove(self, name: str) -> None:
        """Remove a file, where there is one of that name."""
        self._remove({"filename": name})

    def forget(self, asset_ids: Sequence[str]) -> None:
        """Remove all that is kept of these items."""
        self._remove({"metadata.asset_id": {"$in": list(asset_ids)}})

    def _remove(self, query: Document) -> None:
        for found in self._bucket.find(query):
            self._bucket.delete(found._id)  # noqa: SLF001  # GridOut's own name for it
