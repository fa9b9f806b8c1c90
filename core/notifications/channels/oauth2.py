"""A login at Google by OAuth2, from the file that yagmail makes for it."""

import json
from http import HTTPStatus
from pathlib import Path
from typing import Final

import httpx2
from yagmail.oauth2 import command_to_url

from core.notifications.channels import ChannelDown

_TOKEN_SECONDS: Final = 10.0
_FIELDS: Final = ("google_client_id", "google_client_secret", "google_refresh_token")
_MAKE_IT: Final = (
    "To make it, take the file of an OAuth client (desktop) from Google's console and run, at a "
    "terminal: python -c \"import yagmail; yagmail.Client('you@gmail.com', oauth2_file='FILE')\""
)


def read_oauth2_file(file: Path) -> dict[str, str]:
    """Return what yagmail's file for OAuth2 holds.

    yagmail itself would ask at the terminal where the file is missing, or is Google's own.

    Raises:
        ChannelDown: there is no login in it; the text says how to make one.
    """
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except OSError:
        raise ChannelDown(
            f"The file that SMTP_OAUTH2_FILE names cannot be read. {_MAKE_IT}"
        ) from None
    except ValueError:
        found = None
    if not isinstance(found, dict) or not all(found.get(name) for name in _FIELDS):
        raise ChannelDown(f"The file that SMTP_OAUTH2_FILE names holds no login yet. {_MAKE_IT}")
    return {name: str(value) for name, value in found.items()}


def renewed_token(login: dict[str, str]) -> str:
    """Return a token that is good for an hour, as yagmail fetches it, but within seconds.

    Raises:
        ChannelDown: Google gives none; the text says why.
    """
    asked = {
        "client_id": login["google_client_id"],
        "client_secret": login["google_client_secret"],
        "refresh_token": login["google_refresh_token"],
        "grant_type": "refresh_token",
    }
    address = command_to_url("o/oauth2/token")
    try:
        answer = httpx2.post(address, data=asked, timeout=_TOKEN_SECONDS)
    except httpx2.HTTPError:
        raise ChannelDown(
            "Google, which renews the login in SMTP_OAUTH2_FILE, cannot be reached."
        ) from None
    try:
        return str(answer.json()["access_token"])
    except (ValueError, KeyError, TypeError):
        why = f"Google does not renew the login in SMTP_OAUTH2_FILE ({answer.status_code})."
        if answer.status_code == HTTPStatus.BAD_REQUEST:  # revoked, or ended (RFC 6749, 5.2)
            why += f" Please delete the file and make it anew. {_MAKE_IT}"
        raise ChannelDown(why) from None
