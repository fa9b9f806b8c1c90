"""E-mail addresses, and whether their owners want mail there."""

import secrets
from datetime import timedelta
from typing import Any, Final

from pymongo import ReturnDocument
from pymongo.database import Database

from core.i18n import gettext as _
from core.models import EmailAddress, InvalidInput, now
from core.redaction import redact
from core.store.documents.reading import read

Document = dict[str, Any]

LINK_DAYS: Final = 7
ASKS_AN_ADDRESS: Final = 3
ASKS_A_USER: Final = 10
NO_MEANS_NO: Final = timedelta(days=180)
_DAY: Final = timedelta(days=1)


class EmailAddressStore:
    """Keeps one document a user and address."""

    def __init__(self, database: Database[Document]) -> None:
        self._addresses = database["addresses"]

    def get(self, user_id: str, address: str) -> EmailAddress | None:
        """Return a user's address, or None where it was never given."""
        return _read(self._addresses.find_one({"_id": _id(user_id, address)}))

    def request_confirmation(self, user_id: str, address: str) -> EmailAddress:
        """Make a new link by which an address is confirmed; an earlier one ends.

        Raises:
            InvalidInput: its owner does not want to be asked, or was asked often enough today, or
                owners in this user's name were.
        """
        moment = now()
        today = {"$gte": moment - _DAY}
        mailbox = {"mailbox": _mailbox(address)}
        # Who says no to the question itself, and never said yes, is not asked by anybody.
        refused = {"confirmed_at": None, "unsubscribed_at": {"$gte": moment - NO_MEANS_NO}}
        if self._addresses.find_one(mailbox | refused, {"_id": True}) is not None:
            raise InvalidInput(_("The owner of this address does not want to be asked."))
        asked = (
            (
                _(
                    "Confirmation was asked for {number} times of this address within a day; "
                    "please look into the spam folder, or try again tomorrow."
                ),
                self._asked(mailbox, today),
                ASKS_AN_ADDRESS,
            ),
            (
                _(
                    "Confirmation was asked for {number} times by you within a day; "
                    "please look into the spam folder, or try again tomorrow."
                ),
                self._asked({"user_id": user_id}, today),
                ASKS_A_USER,
            ),
        )
        for said, number, most in asked:
            if number >= most:
                raise InvalidInput(said.format(number=number))
        changes = {
            "confirm_token": secrets.token_urlsafe(24),
            "confirm_until": moment + timedelta(days=LINK_DAYS),
        }
        return self._upsert(
            user_id,
            address,
            {"$set": changes, "$push": {"asked_at": {"$each": [moment], "$slice": -ASKS_A_USER}}},
        )

    def confirm(self, token: str) -> EmailAddress | None:
        """Store that the owner of an address said yes, by the link; None: it leads nowhere."""
        document = self._addresses.find_one_and_update(
            {"confirm_token": token, "confirm_until": {"$gte": now()}},
            {"$set": _YES | {"confirmed_at": now()}},
            return_document=ReturnDocument.AFTER,
        )
        return _read(document)

    def confirm_locally(self, user_id: str, address: str) -> EmailAddress:
        """Store that an address was given on this machine's own command line.

        Raises:
            InvalidInput: its owner wants no mail any more.
        """
        found = self.get(user_id, address)
        if found is not None and found.unsubscribed_at is not None:
            raise InvalidInput(
                _(
                    "The owner of {address} wants no more mail from here; only a new confirmation "
                    "on the page “Notifications” changes that."
                ).format(address=address)
            )
        if found is not None and found.takes_mail:
            return found
        return self._upsert(user_id, address, {"$set": _YES | {"confirmed_at": now()}})

    def unsubscribe(self, token: str) -> EmailAddress | None:
        """Store that the owner of an address wants no more mail; None: the link leads nowhere."""
        document = self._addresses.find_one_and_update(
            {"unsubscribe_token": token},
            {"$set": {"unsubscribed_at": now(), "confirm_token": None}},
            return_document=ReturnDocument.AFTER,
        )
        return _read(document)

    def of_link(self, token: str) -> EmailAddress | None:
        """Return the address that a link (to confirm or to unsubscribe) is about."""
        either = [{"confirm_token": token}, {"unsubscribe_token": token}]
        return _read(self._addresses.find_one({"$or": either}))

    def forget(self, user_id: str) -> None:
        """Forget a user's addresses; only refusals, and how often was asked today, are kept.

        They hold for everybody, so that nobody gets round them by a new account, and are removed
        when they are over.
        """
        moment = now()
        refusal = {"confirmed_at": None, "unsubscribed_at": {"$ne": None}}
        kept = {"$or": [refusal, {"asked_at": {"$gte": moment - _DAY}}]}
        self._addresses.delete_many({"user_id": user_id, "$nor": [kept]})
        self._addresses.update_many(
            {"user_id": user_id, "forget_at": None},
            {"$set": _NEITHER | {"forget_at": moment + NO_MEANS_NO}},
        )

    def _asked(self, query: Document, today: Document) -> int:
        found = self._addresses.find(query | {"asked_at": today}, {"asked_at": True})
        return sum(time >= today["$gte"] for each in found for time in each["asked_at"])

    def _upsert(self, user_id: str, address: str, changes: Document) -> EmailAddress:
        first = {
            "user_id": user_id,
            "address": address,
            "mailbox": _mailbox(address),
            "unsubscribe_token": secrets.token_urlsafe(24),
        }
        document = self._addresses.find_one_and_update(
            {"_id": _id(user_id, address)},
            {**changes, "$setOnInsert": first, "$unset": {"forget_at": ""}},
            upsert=True,
            return_document=ReturnDocument.AFTER,
        )
        found = _read(document)
        if found is None:
            raise InvalidInput(
                _("What is stored of this address cannot be read. An admin can repair it.")
            )
        return found


_NEITHER: Final = {"confirmed_at": None, "confirm_token": None, "confirm_until": None}
_YES: Final = {"unsubscribed_at": None, "confirm_token": None, "confirm_until": None}


def _read(document: Document | None) -> EmailAddress | None:
    found = read(EmailAddress, document)
    if found is None:
        return None
    redact.issue(found.unsubscribe_token)
    redact.issue(found.confirm_token or "")
    return found


def _mailbox(address: str) -> str:
    """Return what all spellings of an address have in common that lead to one mailbox.

    Capitals hardly ever distinguish mailboxes, nor does what follows a plus sign (RFC 5233).
    """
    local_part, _, domain = address.casefold().rpartition("@")
    return f"{local_part.partition('+')[0]}@{domain}"


def _id(user_id: str, address: str) -> str:
    return f"{user_id} {address}"  # a user_id has no blanks
