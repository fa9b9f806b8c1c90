"""Finding documents that cannot be read, mending what can be, and setting the rest aside.

Everything here may be killed at any instant and repeated. Before anything is changed, the whole
document as it was is in `quarantine`, from where it can be brought back.
"""

import zlib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import bson
from bson.codec_options import CodecOptions
from bson.raw_bson import RawBSONDocument
from pymongo.client_session import ClientSession
from pymongo.database import Database
from pymongo.errors import DuplicateKeyError

from core import models
from core.store.documents.reading import Fault, Reading, look, mends
from core.store.documents.transaction import in_transaction

Stored = dict[str, Any]

MODELS: Final[dict[str, type[models.Document]]] = {
    "users": models.User,
    "jobs": models.Job,
    "assets": models.Asset,
    "receipts": models.Receipt,
    "outbox": models.Notice,
    "addresses": models.EmailAddress,
    "sessions": models.LoginSession,
    "invites": models.Invitation,
    "shares": models.Share,
    "workers": models.Worker,
    "login_log": models.LoginEntry,
    "view_log": models.ViewEntry,
}
"""What is read with a model; counters and leases have none."""
MENDED: Final = "mended"
SET_ASIDE: Final = "set aside"
LEFT: Final = "left to you"

_LARGEST_BYTES: Final = 15 * 1024 * 1024  # of a copy within another document, which has a bound
_RAW: Final = CodecOptions(document_class=RawBSONDocument, unicode_decode_error_handler="replace")
_SECONDS: Final = 60


@dataclass(frozen=True)
class Damage:
    """A document that cannot be read as it is stored.

    Attributes:
        collection: where it lies.
        id: its `_id`.
        faults: what is wrong with it.
        fields: how it is read all the same, by field; empty: it is set aside.
    """

    collection: str
    id: Any
    faults: tuple[Fault, ...]
    fields: Stored

    @property
    def remedy(self) -> str:
        """What is done about it.

        An account is never set aside: its user id would be free for somebody else.
        """
        if self.fields:
            return MENDED
        return LEFT if self.collection == "users" else SET_ASIDE


class RepairStore:
    """Looks through all collections."""

    def __init__(self, database: Database[Stored]) -> None:
        self._database = database
        self._quarantine = database["quarantine"]

    def damages(self) -> Iterator[Damage]:
        """Return all documents that cannot be read as they are stored, one at a time."""
        for collection, model in MODELS.items():
            for document in self._database[collection].find():
                reading = look(model, document)
                if reading.faults:
                    yield _damage(collection, document, reading)

    def count(self) -> Counter[str]:
        """Return how many there are, by collection."""
        return Counter(each.collection for each in self.damages())

    def repair(self, damage: Damage) -> bool:
        """Mend a document, or set it aside, with a copy of how it was; return whether it was there.

        A document that has changed since it was looked at is left alone: the next look shows. One
        that would be like another where no two may be is set aside; an account is left.
        """
        collection, key = self._database[damage.collection], {"_id": damage.id}

        def write(session: ClientSession) -> bool:
            document = collection.find_one(key, session=session)
            if document is None or damage.remedy == LEFT:
                return False
            reading = look(MODELS[damage.collection], document)
            if reading.faults != damage.faults:
                return False
            self._keep(damage, document, session)
            if damage.fields:
                collection.update_one(key, {"$set": damage.fields}, session=session)
            else:
                collection.delete_one(key, session=session)
            return True

        try:
            return in_transaction(self._database, write, _SECONDS)
        except DuplicateKeyError:
            if damage.collection == "users":
                return False
            return self.repair(replace(damage, fields={}))

    def kept(self) -> list[Stored]:
        """Return what is in the quarantine, newest first: `_id`, `collection`, `remedy`, `at`."""
        found = self._quarantine.find({}, {"document": False, "packed": False})
        return list(found.sort("at", -1))

    def restore(self, kept_id: str) -> None:
        """Bring a document back as it was, over what is there now.

        Raises:
            InvalidInput: there is none of this id in the quarantine, or it would be like another
                document where no two may be.
        """
        kept = self._quarantine.find_one({"_id": kept_id})
        if kept is None:
            raise models.InvalidInput(f"There is nothing called {kept_id!r} in the quarantine.")
        packed = kept.get("packed")
        document: Any = kept.get("document")
        if packed is not None:
            document = RawBSONDocument(zlib.decompress(packed), _RAW)

        def write(session: ClientSession) -> None:
            self._database[kept["collection"]].replace_one(
                {"_id": document["_id"]},
                document,
                upsert=True,
                bypass_document_validation=True,
                session=session,
            )
            self._quarantine.delete_one({"_id": kept_id}, session=session)

        try:
            in_transaction(self._database, write, _SECONDS)
        except DuplicateKeyError:
            raise models.InvalidInput(
                f"{kept_id!r} has something that only one document may have, and another one of "
                f"{kept['collection']} has it by now."
            ) from None

    def _keep(self, damage: Damage, document: Stored, session: ClientSession) -> None:
        owner = document["_id"] if damage.collection == "users" else document.get("user_id")
        kept: Stored = {
            "_id": f"{damage.collection}/{damage.id}/{models.now():%Y%m%dT%H%M%S%f}",
            "collection": damage.collection,
            "remedy": damage.remedy,
            "faults": [f"{each.field}: {each.reason}" for each in damage.faults],
            "user_id": owner if isinstance(owner, str) else None,
            "at": models.now(),
        }
        raw = self._database[damage.collection].with_options(codec_options=_RAW)
        stored = raw.find_one({"_id": damage.id}, session=session)
        exact = b"" if stored is None else stored.raw
        # One that is nearly as large as a document may be has no room within another, and one
        # with text that is none would not come back as it was.
        whole = len(exact) < _LARGEST_BYTES and bson.encode(document) == exact
        kept |= {"document": document} if whole else {"packed": zlib.compress(exact)}
        self._quarantine.insert_one(kept, session=session)


def _damage(collection: str, document: Stored, reading: Reading[Any]) -> Damage:
    vital = {each.field for each in reading.vital}
    fields = mends(reading, document) if not vital or collection == "users" else {}
    if collection == "jobs" and vital == {"status"}:  # its items decide; it is settled after this
        fields = mends(reading, document) | {"status": str(models.JobStatus.PROCESSING)}
    return Damage(collection, document["_id"], reading.faults, fields)
