"""Connections to the mail server: yagmail opens them and logs in, a clock ends every wait.

What yagmail's `Client` does is kept where it is safe in a service, and replaced where it is not:
it checks no certificate after STARTTLS unless it is given a context, sets no time limit, adds
“@gmail.com” to login names, takes no notice of the answer to an OAuth2 login, asks at the terminal
where a file for that is missing, and sends a mail anew by itself when a connection breaks, also
after the server may have taken it.
"""

import re
import smtplib
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from email.message import EmailMessage
from io import BufferedReader, RawIOBase
from pathlib import Path
from typing import Any, Final, Self

import yagmail
from yagmail.oauth2 import generate_oauth2_string

from core.notifications.channels import ChannelDown
from core.notifications.channels.oauth2 import read_oauth2_file, renewed_token
from core.notifications.message import shortened
from core.settings import Settings

GMAIL: Final = "smtp.gmail.com"
_PORTS: Final = {"ssl": 465, "starttls": 587, "none": 25}
_CONNECT_SECONDS: Final = 20.0  # for all addresses of the server
_KEPT_SECONDS: Final = 10.0  # for a kept connection to show that it lives
_GOODBYE_SECONDS: Final = 3.0
_SAID_CHARACTERS: Final = 200
_NAME_REFUSED: Final = frozenset({501, 504, 550, 553, 554})  # not 500 and 502: it knows no EHLO
# A name on the internet (RFC 5321, section 2.3.5): letters, digits, hyphens, and a dot within.
_HOST_NAME: Final = re.compile(
    r"(?=.{1,255}$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+|\[.+\]"
)
_CLOSING: Final = 421  # RFC 5321, section 4.2.2
_APP_PASSWORDS: Final = "https://myaccount.google.com/apppasswords"
_LOOK_OVER_PORT: Final = "Please look over SMTP_HOST, SMTP_PORT and SMTP_TLS."


class HungUp(Exception):
    """The server had closed a kept connection before any of a mail was sent over it."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A mail server, and how to send through it.

    Attributes:
        host: its name or address.
        port: its port.
        user: who logs in; empty: nobody.
        password: of that user.
        tls: `ssl`, `starttls` or `none`.
        sender: an e-mail address, perhaps with a name before it.
        oauth2_file: yagmail's file for a login with OAuth2 instead of a password.
        connections: how many it is used by at once.
    """

    host: str
    port: int
    user: str = ""
    password: str = field(default="", repr=False)
    tls: str = "ssl"
    sender: str = ""
    oauth2_file: Path | None = None
    connections: int = 1

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the server that the settings name, Gmail's where they name none."""
        return cls(
            host=settings.smtp_host or GMAIL,
            port=settings.smtp_port or _PORTS[settings.smtp_tls],
            user=settings.smtp_user,
            password=settings.smtp_password.get_secret_value(),
            tls=settings.smtp_tls,
            sender=settings.mail_from or settings.smtp_user,
            oauth2_file=settings.smtp_oauth2_file,
            connections=settings.smtp_connections,
        )


class _Timed(smtplib.SMTP):
    """SMTP that waits until a moment and no longer, however slowly the server sends.

    A socket's own time limit begins anew with every byte that arrives.

    Args:
        until: that moment, by `time.monotonic`.
    """

    def __init__(self, *args: Any, until: float, **options: Any) -> None:  # noqa: ANN401  # smtplib's
        self.until = self.content_until = until
        self.content_begun = False
        super().__init__(*args, **options)

    def send(self, s: Any) -> None:  # noqa: ANN401  # text or bytes
        if self.sock is not None:
            self.sock.settimeout(self.left())
        super().send(s)

    def ehlo(self, name: str = "") -> tuple[int, bytes]:
        """Greet by this machine's name; where it is none that servers take, by its address.

        RFC 5321, sections 4.1.1.1 and 4.1.3: a client without a meaningful name sends an address
        literal. Names such as `my_box.lan` are refused by servers that look.
        """
        return self._greet(super().ehlo, name)

    def helo(self, name: str = "") -> tuple[int, bytes]:
        return self._greet(super().helo, name)

    def _greet(self, greet: Callable[[str], tuple[int, bytes]], name: str) -> tuple[int, bytes]:
        named = name or self.local_hostname
        literal = self._literal()
        code, said = greet(named if _HOST_NAME.fullmatch(named) else literal)
        if code in _NAME_REFUSED and named != literal:
            code, said = greet(literal)
        return code, said

    def _literal(self) -> str:
        address = "127.0.0.1" if self.sock is None else self.sock.getsockname()[0]
        address = address.partition("%")[0]
        return f"[IPv6:{address}]" if ":" in address else f"[{address}]"

    def getreply(self) -> tuple[int, bytes]:
        if self.file is None and self.sock is not None:
            self.file = BufferedReader(_Reader(self, self.sock))
        return super().getreply()

    def data(self, msg: Any) -> tuple[int, bytes]:  # noqa: ANN401  # text or bytes
        self.content_begun = True
        self.until = self.content_until
        return super().data(msg)

    def left(self) -> float:
        seconds = self.until - time.monotonic()
        if seconds <= 0:
            raise TimeoutError("timed out")
        return seconds


class _TimedTLS(_Timed, smtplib.SMTP_SSL):
    """The same, encrypted from the start."""


class _Reader(RawIOBase):
    def __init__(self, smtp: _Timed, connection: socket.socket) -> None:
        self._smtp = smtp
        self._connection = connection

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401  # anything that bytes fit into
        self._connection.settimeout(self._smtp.left())
        return self._connection.recv_into(buffer)


class Connection(yagmail.Client):  # type: ignore[misc]  # yagmail says nothing of types
    """A connection to the mail server; `connect` opens it.

    Args:
        server: where to, and as whom.
        until: when waiting for it ends, by `time.monotonic`.
    """

    smtp: _Timed

    def __init__(self, server: Server, until: float) -> None:
        options: dict[str, Any] = {"until": until}
        context = ssl.create_default_context()
        if server.tls == "ssl":
            options["context"] = context
        super().__init__(
            user=server.user,
            password=server.password,
            host=server.host,
            port=server.port,
            smtp_starttls={"context": context} if server.tls == "starttls" else False,
            smtp_ssl=server.tls == "ssl",
            smtp_skip_login=not server.user or server.oauth2_file is not None,
            soft_email_validation=False,
            **options,
        )
        self.user = server.user  # without the “@gmail.com” that yagmail adds
        self._oauth2 = None if server.oauth2_file is None else read_oauth2_file(server.oauth2_file)
        self._kept = False

    @property
    def connection(self) -> type[_Timed]:
        """What yagmail opens."""
        return _TimedTLS if self.ssl else _Timed

    def set_logging(self, log_level: int | None = None, file_path_name: str | None = None) -> None:
        """Log nothing, whatever is asked for: yagmail's lines name addresses."""
        del log_level, file_path_name
        super().set_logging(None)

    def login(self) -> None:
        """Connect and log in."""
        addresses = socket.getaddrinfo(self.host, self.port, type=socket.SOCK_STREAM)
        self.kwargs["timeout"] = _CONNECT_SECONDS / len(addresses)  # smtplib tries one by one
        token = None if self._oauth2 is None else renewed_token(self._oauth2)
        super().login()
        if self._oauth2 is not None and token is not None:
            user = self.user or self._oauth2.get("email_address", "")
            proof = generate_oauth2_string(user, token)
            self.smtp.ehlo_or_helo_if_needed()
            # A server that refuses says why in a challenge, which wants an empty answer.
            self.smtp.auth("XOAUTH2", lambda challenge=None: "" if challenge else proof)

    def transmit(self, mail: EmailMessage, sender: str, recipient: str, until: float) -> None:
        """Send a mail, once.

        Raises:
            HungUp: the server had closed the connection since the last mail; nothing was sent.
            OSError: it was not taken, as far as is known; the connection is closed.
        """
        smtp = self.smtp
        smtp.content_begun, smtp.content_until = False, until
        smtp.until = min(until, time.monotonic() + _KEPT_SECONDS) if self._kept else until
        try:
            smtp.send_message(mail, sender, [recipient])
        except OSError as error:
            self.end()
            if self._kept and not smtp.content_begun and _is_closing(error):
                raise HungUp from None
            raise
        self._kept = True

    def end(self) -> None:
        """Say goodbye, and close."""
        if self.smtp is None:  # it was never open
            return
        self.smtp.until = time.monotonic() + _GOODBYE_SECONDS
        try:
            self.close()
        except (OSError, ValueError):  # it is gone already, or talks nonsense
            pass
        finally:
            self.smtp.close()


def connect(server: Server, until: float) -> Connection:
    """Return a new connection to a mail server, logged in.

    Args:
        server: where to, and as whom.
        until: when waiting for it ends, by `time.monotonic`.

    Raises:
        ChannelDown: there is none to be had; the text says why and what to do.
    """
    connection = Connection(server, until)
    try:
        connection.login()
    except (OSError, smtplib.SMTPException, ValueError) as error:
        connection.end()
        raise ChannelDown(_why_not(error, server)) from None
    return connection


def reply_of(error: Exception) -> tuple[int, str] | None:
    """Return the server's reply that an error stands for; None where there was none.

    Returns:
        its code, and its text as one short line.
    """
    said: str | bytes
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        code, said = next(iter(error.recipients.values()))
    elif isinstance(error, smtplib.SMTPResponseException):
        code, said = error.smtp_code, error.smtp_error
    else:
        return None
    text = said if isinstance(said, str) else said.decode("utf-8", "replace")
    return code, shortened(text, _SAID_CHARACTERS)


def _is_closing(error: OSError) -> bool:
    reply = reply_of(error)
    if reply is None:
        return isinstance(error, (smtplib.SMTPServerDisconnected, TimeoutError))
    return reply[0] == _CLOSING


def _why_not(error: Exception, server: Server) -> str:
    """Return why there is no connection, and what to do, in a sentence or two."""
    reply = reply_of(error)
    said = shortened(str(error) if reply is None else f"{reply[0]} {reply[1]}", _SAID_CHARACTERS)
    said = said.strip(" .")
    secret = "SMTP_PASSWORD" if server.oauth2_file is None else "SMTP_OAUTH2_FILE"
    look_over_login = f"Please look over SMTP_USER and {secret}."
    match error:
        case smtplib.SMTPAuthenticationError():
            why = f"refuses the login: {said}. {look_over_login}"
            if server.host == GMAIL and server.oauth2_file is None:
                why += f" Gmail wants an app password: {_APP_PASSWORDS}."
        case smtplib.SMTPNotSupportedError():
            why = f"cannot do what is asked of it: {said}. {_LOOK_OVER_PORT} {look_over_login}"
        case smtplib.SMTPResponseException():
            why = f"takes no connection at the moment: {said}."
        case ssl.SSLCertVerificationError():
            why = (
                f"shows a certificate that cannot be trusted: {error.verify_message}. Please look "
                "over SMTP_HOST; SSL_CERT_FILE names authorities of your own."
            )
        case ssl.SSLError():
            why = f"speaks no TLS there, or another version of it. {_LOOK_OVER_PORT}"
        case socket.gaierror():
            why = "cannot be found by its name. Please look over SMTP_HOST."
        case UnicodeError():
            why = (
                "can only be given ASCII: SMTP_HOST, SMTP_USER or SMTP_PASSWORD has other letters."
            )
        case _:
            silent = isinstance(error, ConnectionRefusedError | TimeoutError)
            how = "is not there, or says nothing in time" if silent else "does not answer as one"
            why = f"{how}: {said}. {_LOOK_OVER_PORT}"
    return f"The mail server {server.host}:{server.port} {why}"
