"""E-mail.

Each mail goes out once. While nothing of it has been sent, a kept connection that the server has
closed is replaced; after that it is for the outbox to try again. Where a server may have taken a
mail and its reply was lost, it counts as not taken (RFC 5321, sections 4.2.5 and 6.1), so a mail
can come twice but never gets lost; its Message-ID is the same both times, by which mail programs
drop the second.
"""

import re
import smtplib
import time
from contextlib import suppress
from dataclasses import replace
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import parseaddr
from typing import ClassVar, Final

from core.i18n import N_
from core.media.storage import ContentStore
from core.models import EMAIL, InvalidInput, parse_address
from core.notifications.channels import Channel, ChannelDown, DeliveryFailed, Recipient
from core.notifications.channels.oauth2 import read_oauth2_file
from core.notifications.channels.smtp import Connection, HungUp, Server, connect, reply_of
from core.notifications.mail import mailbox, render_mail
from core.notifications.message import Message

__all__ = ["Email", "Server"]

_SEND_SECONDS: Final = 50.0
_PROTECTION: Final = {"ssl": "TLS", "starttls": "STARTTLS", "none": "no TLS"}
_LOGIN_WANTED: Final = frozenset({530, 534, 535, 538})  # RFC 4954, section 6
_CLOSING: Final = 421
# “Congestion” is only ever for a while (RFC 3463, section 3.5), whatever the code before it: Gmail
# says it with a 550 when the mails that it allows in a day are used up.
_CONGESTION: Final = "5.4.5"


class Email(Channel):
    """Sends mail through one server, over as many connections as there are threads that send.

    Args:
        server: which one.
        content: where the previews of images and videos are.
    """

    name: ClassVar[str] = EMAIL

    def __init__(self, server: Server, content: ContentStore) -> None:
        self.at_once = server.connections
        self._server = server
        self._content = content
        self._idle: list[Connection] = []  # threads may pop from it and append to it as they like

    def send(self, recipient: Recipient, message: Message) -> None:
        """Send a message as a mail.

        Raises:
            DeliveryFailed: it was not taken, as far as is known.
        """
        until = time.monotonic() + _SEND_SECONDS
        sender = self._sender()
        try:
            recipient = replace(recipient, address=parse_address(recipient.address))
        except InvalidInput:
            raise DeliveryFailed(
                N_("That is no e-mail address. Please correct it on the page “Notifications”."),
                permanent=True,
            ) from None
        mail = render_mail(message, recipient, sender, self._content)
        kept = self._kept()
        if kept is not None:
            with suppress(HungUp):
                self._transmit(kept, mail, until)
                return
        self._transmit(connect(self._server, until), mail, until)

    def check(self) -> str:
        """Return where mail goes through, having logged in there.

        Raises:
            DeliveryFailed: it does not; the text says why and what to do.
        """
        sender = self._sender()
        connection = connect(self._server, time.monotonic() + _SEND_SECONDS)
        try:
            connection.smtp.ehlo_or_helo_if_needed()
            for code, said in (connection.smtp.mail(sender.addr_spec), connection.smtp.rset()):
                if code != 250:  # noqa: PLR2004  # OK (RFC 5321, section 4.2.2)
                    raise smtplib.SMTPSenderRefused(code, said, sender.addr_spec)
        except OSError as error:
            raise _refusal(error, sender.addr_spec) from None
        finally:
            connection.end()
        server = self._server
        where = f"{server.host}:{server.port}"
        return f"mail by {where} as {sender.addr_spec}, {_PROTECTION[server.tls]}"

    def rest(self) -> None:
        """End one idle connection, as many as the calling thread needs."""
        kept = self._kept()
        if kept is not None:
            kept.end()

    def close(self) -> None:
        """End all idle connections."""
        while (kept := self._kept()) is not None:
            kept.end()

    def _kept(self) -> Connection | None:
        try:
            return self._idle.pop()
        except IndexError:
            return None

    def _transmit(self, connection: Connection, mail: EmailMessage, until: float) -> None:
        """Send a mail and keep the connection for the next."""
        [sender], [recipient] = mail["From"].addresses, mail["To"].addresses
        try:
            connection.transmit(mail, sender.addr_spec, recipient.addr_spec, until)
        except OSError as error:
            raise _refusal(error, recipient.addr_spec) from None
        self._idle.append(connection)

    def _sender(self) -> Address:
        """Return whom mail comes from.

        Raises:
            ChannelDown: the settings name nobody who could be written to.
        """
        given = self._server.sender
        if not given and self._server.oauth2_file is not None:
            given = read_oauth2_file(self._server.oauth2_file).get("email_address", "")
        name, address = parseaddr(given)
        try:
            return mailbox(parse_address(address), name)
        except ValueError:
            raise ChannelDown(
                N_(
                    "MAIL_FROM (or SMTP_USER, where that is empty) is no e-mail address. Please "
                    "set it to one, such as “Fivefold <studio@example.org>”."
                )
            ) from None


def _refusal(error: OSError, recipient: str) -> DeliveryFailed:
    """Return what an error means while a mail is sent."""
    if isinstance(error, smtplib.SMTPNotSupportedError):
        return DeliveryFailed(
            N_(
                "The mail server cannot write to addresses with letters beyond ASCII before the "
                "“@”. Please give another one on the page “Notifications”."
            ),
            permanent=True,
        )
    reply = reply_of(error)
    if reply is None:
        return DeliveryFailed(
            N_("The mail server broke off, or took too long, before it said that it took the mail.")
        )
    code, text = reply
    # Servers repeat addresses, and these sentences are logged.
    said = re.sub(re.escape(recipient), "…", f"{code} {text}".strip(" ."), flags=re.IGNORECASE)
    if code in _LOGIN_WANTED:
        return ChannelDown(
            N_(
                "The mail server wants a login: {said}. Please look over SMTP_USER and "
                "SMTP_PASSWORD."
            ).format(said=said)
        )
    if code == _CLOSING or text.startswith(_CONGESTION):
        return ChannelDown(
            N_("The mail server takes no mail at the moment: {said}.").format(said=said)
        )
    if 500 <= code < 600:  # noqa: PLR2004  # for good (RFC 5321, section 4.2.1)
        return DeliveryFailed(_refused(error).format(said=said), permanent=True)
    later = N_("The mail server does not take the mail at the moment: {said}.")
    return DeliveryFailed(later.format(said=said))


def _refused(error: OSError) -> str:
    """Return a sentence for what it is that was refused."""
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return N_("The mail server refuses this address: {said}.")
    if isinstance(error, smtplib.SMTPSenderRefused):
        return N_("The mail server refuses the sender in MAIL_FROM: {said}.")
    return N_("The mail server refuses the mail: {said}.")
