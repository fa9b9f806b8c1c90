"""Webhooks: each message is posted to the address that its user gave.

Signed and formed as Standard Webhooks say (https://www.standardwebhooks.com), or formed for Slack
or Discord.

Users name the address, so every address found for it is checked: see `core.system.internet`.
"""

import asyncio
import base64
import json
import secrets
import time
from collections.abc import Mapping
from contextlib import suppress
from http import HTTPStatus
from typing import ClassVar, Final

import httpx2
from standardwebhooks import Webhook as Signer

from core import __version__
from core.i18n import N_, number
from core.i18n import gettext as _
from core.models import WEBHOOK, InvalidInput, Webhook, WebhookFormat, now
from core.notifications.channels import Channel, DeliveryFailed, Recipient
from core.notifications.message import Message
from core.notifications.payloads import write_payload
from core.system.http_headers import retry_after
from core.system.internet import is_public, look_up, request_checked

URL_MAX_CHARACTERS: Final = 2000
LONGEST_WAIT_SECONDS: Final = 3600.0

_SECRET_PREFIX: Final = "whsec_"  # noqa: S105  # what secrets begin with
_HOST_FORMATS: Final = {
    "hooks.slack.com": WebhookFormat.SLACK,
    "discord.com": WebhookFormat.DISCORD,
    "discordapp.com": WebhookFormat.DISCORD,
}

_ASK_AGAIN: Final = frozenset({408, 425, 429})


class WebhookSender(Channel):
    """Posts messages to the users' webhooks.

    Args:
        private: whether they may lead to this machine and to private networks.
        seconds: how long a post may take, from looking up the name to the answer.
    """

    name: ClassVar[str] = WEBHOOK
    at_once = 16
    in_turn = True

    def __init__(self, *, private: bool, seconds: float = 10.0) -> None:
        self._private = private
        self._seconds = seconds
        self._tls = httpx2.create_ssl_context()

    def send(self, recipient: Recipient, message: Message) -> None:
        """Post a message; an answer of 2xx means that it was taken.

        Raises:
            DeliveryFailed: it was not taken.
        """
        webhook = recipient.webhook
        if webhook is None:
            raise DeliveryFailed(N_("There is no webhook in your settings."), permanent=True)
        url = httpx2.URL(webhook.url)
        body = json.dumps(write_payload(webhook.format, message))
        headers = {
            "User-Agent": f"Fivefold/{__version__}",
            "Content-Type": "application/json",
        } | _signature(webhook.secret, message.id, body)
        deadline = time.monotonic() + self._seconds
        addresses = self._allowed(url, deadline)
        try:
            answer = asyncio.run(self._post(url, addresses, headers, body.encode(), deadline))
        except TimeoutError:
            raise DeliveryFailed(
                N_("{host} did not answer within {seconds} seconds.").format(
                    host=url.host, seconds=f"{self._seconds:g}"
                )
            ) from None
        except httpx2.TransportError as error:
            why = N_("{host} cannot be reached, or broke off the connection.")
            if "CERTIFICATE_VERIFY_FAILED" in str(error):
                why = N_("{host} has a certificate that cannot be trusted.")
            raise DeliveryFailed(why.format(host=url.host)) from error
        _check_answer(answer.status_code, answer.headers)

    def check(self) -> str:
        """Say where webhooks may lead; there is nothing of our own to try."""
        allowed = "may" if self._private else "may not"
        return (
            "users set their own on the page “Notifications”; they "
            f"{allowed} lead to this machine and to private networks (WEBHOOK_PRIVATE)"
        )

    def _allowed(self, url: httpx2.URL, deadline: float) -> list[str]:
        """Return the addresses that a URL's host has.

        Raises:
            DeliveryFailed: it has none, or one that webhooks may not lead to.
        """
        try:
            addresses = look_up(url.raw_host, url.port, deadline - time.monotonic())
        except (OSError, ValueError):
            raise DeliveryFailed(
                N_(
                    "No address was found for {host}. Please look over the webhook's address."
                ).format(host=url.host)
            ) from None
        if not self._private and not all(map(is_public, addresses)):
            raise DeliveryFailed(
                N_(
                    "{host} belongs to this machine or to a private network, where webhooks may "
                    "not lead. Whoever runs Fivefold can allow it with WEBHOOK_PRIVATE=true."
                ).format(host=url.host),
                permanent=True,
            )
        return addresses

    async def _post(
        self,
        url: httpx2.URL,
        addresses: list[str],
        headers: Mapping[str, str],
        body: bytes,
        deadline: float,
    ) -> httpx2.Response:
        """Return the head of the answer from the first address that can be connected to."""
        async with (
            asyncio.timeout(deadline - time.monotonic()),
            request_checked(
                "POST", url, addresses, headers=headers, content=body, tls=self._tls
            ) as answer,
        ):
            return answer  # what else it says is of no interest


def parse_webhook(
    url: str,
    format: str | None = None,  # noqa: A002  # what the field is called
    secret: str | None = None,
) -> Webhook:
    """Return the webhook that a user typed.

    Args:
        url: its address.
        format: what its receiver understands; None: guessed from the address.
        secret: what signs the messages; None: one is made.

    Raises:
        InvalidInput: something in it cannot be; the text says what.
    """
    typed = url.strip()
    if not typed:
        raise InvalidInput(_("Please enter the webhook's address."))
    if len(typed) > URL_MAX_CHARACTERS:
        raise InvalidInput(
            _("A webhook's address has at most {most} characters.").format(
                most=number(URL_MAX_CHARACTERS)
            )
        )
    try:
        address = httpx2.URL(typed)
    except httpx2.InvalidURL:
        raise InvalidInput(_("This is no address that a message can be posted to.")) from None
    if address.scheme not in {"http", "https"} or not address.host:
        raise InvalidInput(
            _("A webhook's address starts with https:// or http:// and names a host.")
        )
    if address.userinfo:
        raise InvalidInput(_("A webhook's address cannot have a user name or a password in it."))
    if address.port is not None and not 0 < address.port < 2**16:
        raise InvalidInput(_("The port in the webhook's address is a number from 1 to 65535."))
    try:
        form = WebhookFormat(format or _guess_format(address.host))
    except ValueError:
        known = ", ".join(WebhookFormat)
        raise InvalidInput(
            _("There is no format “{name}”; there are {known}.").format(name=format, known=known)
        ) from None
    return Webhook(url=typed, secret=_parse_secret(secret), format=form)


def _signature(secret: str, message_id: str, body: str) -> dict[str, str]:
    moment = now()
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": Signer(secret).sign(message_id, moment, body),
    }


def _check_answer(status: int, headers: Mapping[str, str]) -> None:
    """See what an answer means.

    Raises:
        DeliveryFailed: the message was not taken.
    """
    said = str(status)
    with suppress(ValueError):
        said = f"{status} {HTTPStatus(status).phrase}"
    if 200 <= status < 300:  # noqa: PLR2004  # success, by RFC 9110
        return
    if status in _ASK_AGAIN or status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        wait = retry_after(headers)
        raise DeliveryFailed(
            N_("The receiver cannot take it at the moment: {said}.").format(said=said),
            retry_after=None if wait is None else min(wait, LONGEST_WAIT_SECONDS),
        )
    if 300 <= status < 400:  # noqa: PLR2004  # redirection, by RFC 9110
        raise DeliveryFailed(
            N_(
                "The receiver sends it on to another address ({said}). Please enter that one."
            ).format(said=said),
            permanent=True,
        )
    raise DeliveryFailed(
        N_("The receiver refused it: {said}. Please look over the webhook's address.").format(
            said=said
        ),
        permanent=True,
    )


def _guess_format(host: str) -> WebhookFormat:
    for known, form in _HOST_FORMATS.items():
        if host == known or host.endswith(f".{known}"):
            return form
    return WebhookFormat.FIVEFOLD


def _parse_secret(typed: str | None) -> str:
    """Return a secret of the length that Standard Webhooks ask for: 24 to 64 bytes."""
    secret = (typed or "").strip()
    if not secret:
        return _SECRET_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode()
    key = b""
    with suppress(ValueError):
        key = base64.b64decode(secret.removeprefix(_SECRET_PREFIX), validate=True)
    if not secret.startswith(_SECRET_PREFIX) or not 24 <= len(key) <= 64:  # noqa: PLR2004  # bytes
        raise InvalidInput(
            f"A webhook's secret is {_SECRET_PREFIX} and 24 to 64 bytes in Base64. "
            "Leave it empty to have one made."
        )
    return secret
