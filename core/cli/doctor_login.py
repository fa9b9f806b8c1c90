"""The check of the OpenID Connect provider: a login without a user."""

import html
import re
import secrets
from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any, Final

import httpx2

from core.settings import Settings
from core.web.login.oidc_client import SCOPE, basic_secret, callback_address, read_metadata

_SECONDS: Final = 10.0
_HOPS: Final = 5
_BAD: Final = 400  # and above: HTTP errors
_BROKEN: Final = 500
_WORDS: Final = 300
# Core 1.0, section 5.1: a provider that lists its claims without these does not have them. Custom
# claims may be missing from the list.
_STANDARD: Final = {"preferred_username", "email", "name", "nickname", "phone_number"}
_MARKUP: Final = re.compile(r"(?s)<(head|style|script)\b.*?</\1>|<[^>]*>")
_UNREADABLE: Final = (httpx2.HTTPError, httpx2.InvalidURL, ValueError, LookupError, TypeError)


def check_provider(settings: Settings) -> str:
    """Begin and end a login as pages do, and return the provider's issuer.

    Raises:
        LookupError: users could not log in; the text says why.
    """
    try:
        metadata = read_metadata(settings)
        issuer = str(metadata["issuer"])
        begin, end = str(metadata["authorization_endpoint"]), str(metadata["token_endpoint"])
        if not httpx2.get(metadata["jwks_uri"], timeout=_SECONDS).raise_for_status().json()["keys"]:
            raise LookupError("it signs with no key")
    except _UNREADABLE as error:
        raise LookupError(
            f"The identity provider's metadata at {settings.oidc_metadata_url} cannot be read "
            f"({type(error).__name__}). Is OIDC_METADATA_URL right?"
        ) from None
    if "{" in issuer:
        raise LookupError(
            f"{settings.oidc_metadata_url} is for many tenants and names no one issuer ({issuer}), "
            "so no ID token can be verified. Take the address of one tenant."
        )
    listed = metadata.get("claims_supported")
    claim = settings.oidc_claim
    if isinstance(listed, list) and claim in _STANDARD and claim not in listed:
        raise LookupError(
            f"{issuer} does not say “{claim}” of anybody, so nobody new is let in. Please look "
            f"over OIDC_CLAIM; there are: {', '.join(map(str, listed))}."
        )
    with httpx2.Client(timeout=_SECONDS) as client:
        try:
            _begin(client, settings, metadata, issuer, begin)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise LookupError(
                f"{issuer} does not answer where logins begin ({type(error).__name__})."
            ) from None
        try:
            _end(client, settings, issuer, end)
        except (httpx2.HTTPError, httpx2.InvalidURL) as error:
            raise LookupError(
                f"{issuer} does not answer where logins end ({type(error).__name__})."
            ) from None
    return issuer


def _begin(
    client: httpx2.Client, settings: Settings, metadata: dict[str, Any], issuer: str, begin: str
) -> None:
    """Request a login, up to the provider's page."""
    redirect = callback_address(settings)
    query = {
        "response_type": "code",
        "client_id": settings.oidc_client_id,
        "redirect_uri": redirect,
        "scope": SCOPE,
        "state": secrets.token_urlsafe(),
        "nonce": secrets.token_urlsafe(),
    }
    if "S256" in (metadata.get("code_challenge_methods_supported") or []):
        verifier = secrets.token_urlsafe(48)
        challenge = urlsafe_b64encode(sha256(verifier.encode()).digest()).decode().rstrip("=")
        query |= {"code_challenge": challenge, "code_challenge_method": "S256"}
    if settings.oidc_prompt:
        query["prompt"] = settings.oidc_prompt
    response = client.get(httpx2.URL(begin).copy_merge_params(query))
    for _ in range(_HOPS):  # some redirect to an error page
        if response.next_request is None or _leads_back(response, redirect):
            break
        response = client.send(response.next_request)
    parameters = httpx2.QueryParams()
    if _leads_back(response, redirect):
        parameters = httpx2.URL(response.headers["location"]).params
    if "error" in parameters:
        words = [parameters["error"], parameters.get("error_description", "")]
    elif response.status_code >= _BAD:
        words = [f"HTTP {response.status_code}", _text(response)]
    else:
        return
    raise LookupError(
        f"{issuer} refuses to begin a login: {_joined(words)}. Please look "
        f"over OIDC_CLIENT_ID, OIDC_PROMPT, and whether {redirect} is registered there."
    )


def _end(client: httpx2.Client, settings: Settings, issuer: str, end: str) -> None:
    """Redeem an invalid code: the error shows whether the client was authenticated."""
    response = client.post(
        end,
        data={
            "grant_type": "authorization_code",
            "code": "none",
            "redirect_uri": callback_address(settings),
            "code_verifier": secrets.token_urlsafe(48),
        },
        auth=(settings.oidc_client_id, basic_secret(settings)),
    )
    try:
        body = response.json()
        words = [str(body["error"]), str(body.get("error_description") or "")]
    except (ValueError, LookupError, TypeError, AttributeError):
        words = [f"HTTP {response.status_code}", _text(response)]
    if words[0] in {"invalid_client", "unauthorized_client"} or response.status_code in {401, 403}:
        raise LookupError(
            f"{issuer} does not know Fivefold by its secret: {_joined(words)}. Please look over "
            "OIDC_CLIENT_ID and OIDC_CLIENT_SECRET, and whether the provider takes it by "
            "client_secret_basic."
        )
    if response.status_code in {404, 405} or response.status_code >= _BROKEN:
        raise LookupError(f"{issuer} does not end logins at {end}: {_joined(words)}.")


def _leads_back(response: httpx2.Response, redirect: str) -> bool:
    location: str = response.headers.get("location", "")
    return location.partition("?")[0] == redirect


def _text(response: httpx2.Response) -> str:
    """Return the text of a page."""
    words = " ".join(html.unescape(_MARKUP.sub(" ", response.text)).split())
    return re.sub(r" (?=[:.,])", "", words)[:_WORDS]


def _joined(words: list[str]) -> str:
    return ": ".join(filter(None, words)).rstrip(".")
