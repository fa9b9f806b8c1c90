"""What an OpenID Connect provider claims about a user, and the user_id that follows from it."""

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final

from core.accounts.login import LoginRefused
from core.i18n import gettext as _
from core.models import USER_ID_MAX_CHARACTERS, InvalidInput, now, parse_user_id

PROOF_MINUTES: Final = 10  # that an identity provider's word is good for


def nonce_of(claims: Mapping[str, Any]) -> str:
    """Return what identifies one ID token of a provider.

    Raises:
        LoginRefused: the word is too old to be the answer to a login of now.
    """
    issued, nonce = claims.get("iat"), claims.get("nonce")
    fresh = isinstance(issued, int | float) and (
        abs(now().timestamp() - issued) < timedelta(minutes=PROOF_MINUTES).total_seconds()
    )
    if not fresh or not nonce:
        raise LoginRefused("proof too old", _("This login has ended. Please log in again."))
    return f"{claims.get('iss')} {nonce}"


def is_same(said: str, user_id: str) -> bool:
    """Return whether a provider's name is a user_id but for capital letters.

    Small letters of other alphabets can be ASCII's: “\u212a” (the Kelvin sign) becomes “k”.
    """
    name = said.strip()
    return name.isascii() and name.lower() == user_id


def user_id_from(claims: Mapping[str, Any], claim: str, said: str) -> str:
    """Return the user_id that a claim gives.

    Raises:
        LoginRefused: the claim is missing, not verified, or cannot become a user_id.
    """
    if claim == "email" and claims.get("email_verified") not in (True, "true"):
        raise LoginRefused(
            "address not verified", _("Your identity provider has not verified your address.")
        )
    # Whatever a user_id cannot have becomes a hyphen; what that makes alike, `Subject` keeps
    # apart.
    name = re.sub(r"[^a-z0-9._-]+", "-", said.strip().lower())
    name = re.sub(r"^[^a-z0-9]+", "", name)[:USER_ID_MAX_CHARACTERS]
    try:
        return parse_user_id(name)
    except InvalidInput:
        raise LoginRefused(
            "claim missing",
            _(
                "Your identity provider does not say “{claim}”, or not in a way that a user id "
                "can be made of. Please ask whoever runs this Fivefold."
            ).format(claim=claim),
        ) from None
