"""Passphrases: what may be one, and Argon2id, so that nobody can read them here."""

import threading
import unicodedata
from functools import cache
from typing import Final

from argon2 import PasswordHasher, profiles
from argon2.exceptions import InvalidHashError, VerificationError

from core.i18n import gettext as _
from core.models import InvalidInput

MIN_CHARACTERS: Final = 12
MAX_CHARACTERS: Final = 256
_DIFFERENT: Final = 5

# RFC 9106 (section 4), second recommended option: 64 MiB, three passes, four lanes.
_HASHER: Final = PasswordHasher.from_parameters(profiles.RFC_9106_LOW_MEMORY)
_CONCURRENCY: Final = threading.BoundedSemaphore(
    4
)  # so that a flood of logins takes no more memory


def check_passphrase(passphrase: str, user_id: str) -> None:
    """See that a new passphrase is not too easy to guess.

    Raises:
        InvalidInput: it is too short, too long, too uniform, no text, or the user_id; the text says
            which.
    """
    if any("\ud800" <= character <= "\udfff" for character in passphrase):
        # Halves of characters are all alike once they are hashed.
        raise InvalidInput(_("A passphrase is made of characters that are text."))
    if len(passphrase) < MIN_CHARACTERS:
        raise InvalidInput(
            _("A passphrase has at least {least} characters; a few words are easy to keep.").format(
                least=MIN_CHARACTERS
            )
        )
    if len(passphrase) > MAX_CHARACTERS:
        raise InvalidInput(
            _("A passphrase has at most {most} characters.").format(most=MAX_CHARACTERS)
        )
    if len(set(passphrase)) < _DIFFERENT:
        raise InvalidInput(
            _("A passphrase has at least {least} different characters.").format(least=_DIFFERENT)
        )
    if user_id in passphrase.lower() and len(passphrase) - len(user_id) < MIN_CHARACTERS // 2:
        raise InvalidInput(_("A passphrase has more in it than the user id."))


def hash_passphrase(passphrase: str) -> str:
    """Return the hash to store, with its salt and parameters in it."""
    with _CONCURRENCY:
        return _HASHER.hash(_normal(passphrase))


def matches(stored: str | None, passphrase: str) -> bool:
    """Return whether a passphrase belongs to a hash.

    It takes the same time where there is none, so that nobody learns which accounts there are.

    Args:
        stored: the hash; None or empty: there is none that can be read, so nothing matches.
        passphrase: what was typed.
    """
    if len(passphrase) > MAX_CHARACTERS:
        return False
    with _CONCURRENCY:
        try:
            _HASHER.verify(stored or _nobodys(), _normal(passphrase))
        except (VerificationError, InvalidHashError):
            return False
    return bool(stored)


def _normal(passphrase: str) -> bytes:
    """Return one spelling for all ways to type the same text (RFC 8265, section 4.2)."""
    return unicodedata.normalize("NFC", passphrase).encode(errors="replace")


@cache  # not at import: it takes 0.2 s, and most processes check no passphrase
def _nobodys() -> str:
    return _HASHER.hash(_normal("nobody's"))
