"""What an OpenID Connect provider is asked, and how; for logins and for `doctor`. No Streamlit."""

import logging
import string
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx2

from core.settings import Settings

SCOPE: Final = "openid email profile"
"""As `st.login` asks."""
SECONDS: Final = 5.0

_AS_IT_IS: Final = "".join(sorted({*string.punctuation} - {*"%+"}))

_log = logging.getLogger(__name__)


def callback_address(settings: Settings) -> str:
    """Return where the provider sends people back to, which has to be registered there."""
    return f"{settings.link_base}/oauth2callback"


def basic_secret(settings: Settings) -> str:
    """Return the client's secret as it stands in an `Authorization: Basic` header.

    It is form-encoded there (RFC 6749, section 2.3.1), which Authlib leaves to its caller. Only
    what a provider would read as something else is: those that decode nothing get the rest as is.
    """
    return quote(settings.oidc_client_secret.get_secret_value(), safe=_AS_IT_IS)


def read_metadata(settings: Settings) -> dict[str, Any]:
    """Return the provider's metadata (OpenID Connect Discovery 1.0, section 3).

    Raises:
        httpx2.HTTPError, httpx2.InvalidURL: they do not come.
        ValueError: it is something else that comes.
    """
    answer = httpx2.get(settings.oidc_metadata_url, timeout=SECONDS, follow_redirects=True)
    metadata = answer.raise_for_status().json()
    if not isinstance(metadata, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  # JSON's other errors are ValueErrors
    return metadata


def with_userinfo(
    settings: Settings, claims: Mapping[str, Any], access_token: str
) -> dict[str, Any]:
    """Return the claims of an ID token with the one that a user_id is made from, if need be.

    Providers may give a person's claims at the UserInfo endpoint alone (OpenID Connect Core 1.0,
    section 5.4); a certified one does where a code was asked for. Where it does not come, the
    claims are returned as they are: who has an account is known by the subject.
    """
    claim = settings.oidc_claim
    if claims.get(claim) or not access_token:
        return dict(claims)
    try:
        answer = httpx2.get(
            str(read_metadata(settings)["userinfo_endpoint"]),
            headers={"Authorization": f"Bearer {access_token}"},
            timeout=SECONDS,
        )
        said = answer.raise_for_status().json()
        if said["sub"] != claims.get("sub"):  # as section 5.3.2 demands
            raise ValueError("it speaks of somebody else")  # noqa: TRY301
        return {**claims, claim: said.get(claim)}
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, LookupError, TypeError) as error:
        _log.warning("the identity provider's UserInfo could not be read: %r", error)
        return dict(claims)
