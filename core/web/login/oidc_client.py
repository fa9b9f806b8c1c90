"""Requests to an OpenID Connect provider, for logins and for `doctor`. No Streamlit."""

import logging
import string
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote

import httpx2

from core.settings import Settings

SCOPE: Final = "openid email profile"
"""The scope that `st.login` requests."""
SECONDS: Final = 5.0

_NOT_ENCODED: Final = "".join(sorted({*string.punctuation} - {*"%+"}))

_log = logging.getLogger(__name__)


def callback_address(settings: Settings) -> str:
    """Return the redirect URI, which has to be registered at the provider."""
    return f"{settings.link_base}/oauth2callback"


def basic_secret(settings: Settings) -> str:
    """Return the client's secret for an `Authorization: Basic` header.

    It has to be form-encoded (RFC 6749, section 2.3.1), which Authlib leaves to its caller. Only
    ambiguous characters are encoded, for providers that decode nothing.
    """
    return quote(settings.oidc_client_secret.get_secret_value(), safe=_NOT_ENCODED)


def read_metadata(settings: Settings) -> dict[str, Any]:
    """Return the provider's metadata (OpenID Connect Discovery 1.0, section 3).

    Raises:
        httpx2.HTTPError, httpx2.InvalidURL: the request failed.
        ValueError: the response is no JSON object.
    """
    response = httpx2.get(settings.oidc_metadata_url, timeout=SECONDS, follow_redirects=True)
    metadata = response.raise_for_status().json()
    if not isinstance(metadata, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004  # JSON's other errors are ValueErrors
    return metadata


def with_userinfo(
    settings: Settings, claims: Mapping[str, Any], access_token: str
) -> dict[str, Any]:
    """Return the claims of an ID token, with `OIDC_CLAIM` from UserInfo if it is missing.

    Providers may return claims at the UserInfo endpoint only (OpenID Connect Core 1.0, section
    5.4), as certified ones do in the code flow. If the request fails, the claims are returned
    unchanged: existing accounts are found by the subject.
    """
    claim = settings.oidc_claim
    if claims.get(claim) or not access_token:
        return dict(claims)
    try:
        response = httpx2.get(
            str(read_metadata(settings)["userinfo_endpoint"]),
            headers={"Authorization": f"Bearer {access_token}"},
            timeout=SECONDS,
        )
        userinfo = response.raise_for_status().json()
        if userinfo["sub"] != claims.get("sub"):  # as section 5.3.2 demands
            raise ValueError("it is about another subject")  # noqa: TRY301
        return {**claims, claim: userinfo.get(claim)}
    except (httpx2.HTTPError, httpx2.InvalidURL, ValueError, LookupError, TypeError) as error:
        _log.warning("the identity provider's UserInfo could not be read: %r", error)
        return dict(claims)
