"""A mail server on loopback (aiosmtpd): it keeps what it takes, and misbehaves on demand."""

import asyncio
import logging
import re
import socket
import ssl
import threading
import time
from base64 import b64decode
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from email import policy
from email.message import EmailMessage
from email.parser import BytesParser
from functools import cache, cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal, Self

import trustme
from aiosmtpd.smtp import MISSING, SMTP, AuthResult, Envelope, LoginPassword, Session

SENDER = "Fivefold <studio@example.org>"

# It warns of what it calls itself.
logging.getLogger("mail.log").setLevel(logging.ERROR)


@dataclass
class Fault:
    """What a client meets the next `times` that it gets to a place.

    `at`: a new connection, AUTH, MAIL, RCPT, DATA, the end of the content (which is not kept then),
    or the moment right after a mail was kept. `what`: the client gets `reply` for an answer; the
    connection is closed without any; it waits for ever; it gets a byte at a time and never a line.
    """

    at: Literal["greeting", "login", "sender", "recipient", "data", "content", "kept"]
    what: Literal["reply", "drop", "stall", "drip"]
    reply: str = ""
    times: int = 1


@dataclass(frozen=True)
class Mail:
    """A mail that was taken.

    `time`: when, by `time.monotonic`. `peer`: the connection that it came over.
    """

    sender: str
    recipients: tuple[str, ...]
    content: bytes
    time: float
    peer: tuple[Any, ...]

    @cached_property
    def message(self) -> EmailMessage:
        return BytesParser(EmailMessage, policy=policy.default).parsebytes(self.content)


class MailServer:
    """A mail server, while the `with` block runs.

    Args:
        tls: `ssl`, `starttls` (which it then insists on) or `none`.
        user: who may send; empty: everybody.
        password: of that user.
        token: what opens it by OAuth2 instead.
        names: what its certificate is for.
        port: where it listens; 0: anywhere.
        delay: seconds that it takes over each mail.
        smtputf8: whether it takes addresses beyond ASCII.
        on_mail: is called with each mail that was taken.

    Attributes:
        mails: what was taken, so far.
        connections: how many there were.
        contents: how often the content of a mail was received, taken or not.
        faults: what clients will meet.
        greetings: what clients called themselves.
        named_clients_only: whether names without a dot are refused, too.
        authority_file: the certificate of the authority that its own is from.
    """

    def __init__(  # noqa: PLR0913  # one keyword each
        self,
        *,
        tls: Literal["ssl", "starttls", "none"] = "none",
        user: str = "",
        password: str = "",
        token: str = "",
        names: tuple[str, ...] = ("localhost", "127.0.0.1"),
        port: int = 0,
        delay: float = 0.0,
        smtputf8: bool = True,
        on_mail: Callable[[Mail], None] = lambda _: None,
    ) -> None:
        self.tls = tls
        self.user = user
        self.password = password
        self.token = token
        self.port = port
        self.delay = delay
        self.smtputf8 = smtputf8
        self.connections = 0
        self.contents = 0
        self.faults: deque[Fault] = deque()
        self.greetings: list[str] = []
        self.named_clients_only = False
        self.context = _context(names)
        self._on_mail = on_mail
        self._mails: list[Mail] = []
        self._changed = threading.Condition()
        self._open: set[_Conversation] = set()

    def __enter__(self) -> Self:
        self._folder = TemporaryDirectory()
        self.authority_file = Path(self._folder.name) / "authority.pem"
        _authority().cert_pem.write_to_path(self.authority_file)
        self._loop = asyncio.new_event_loop()
        listening = socket.create_server(("127.0.0.1", self.port))
        self.port = listening.getsockname()[1]
        begun = threading.Event()
        self._thread = threading.Thread(target=self._run, args=[listening, begun], daemon=True)
        self._thread.start()
        assert begun.wait(120)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._folder.cleanup()

    @property
    def mails(self) -> list[Mail]:
        with self._changed:
            return list(self._mails)

    def wait_for(self, number: int, seconds: float = 120.0) -> list[Mail]:
        """Return the mails once there are so many, or fail."""
        with self._changed:
            there = self._changed.wait_for(lambda: len(self._mails) >= number, seconds)
            assert there, f"{len(self._mails)} of {number} mails came within {seconds} s"
            return list(self._mails)

    def hang_up(self, farewell: str = "") -> None:
        """Close all connections, as servers do with idle ones, some with a last line."""

        async def close() -> None:
            for conversation in list(self._open):
                await conversation.hang_up(farewell)

        asyncio.run_coroutine_threadsafe(close(), self._loop).result(10)

    async def meet(self, at: str, conversation: "_Conversation") -> str | None:
        """Let a client meet a fault that is set for this place; return what it is answered then."""
        fault = next((each for each in self.faults if each.at == at), None)
        if fault is None:
            return None
        fault.times -= 1
        if not fault.times:
            self.faults.remove(fault)
        if fault.what == "reply":
            return fault.reply
        if fault.what == "drop":
            conversation.abort()
        while True:  # until the client is gone
            if fault.what == "drip":
                conversation.drip()
            await asyncio.sleep(0.05)

    def opened(self, conversation: "_Conversation") -> None:
        self.connections += 1
        self._open.add(conversation)

    def closed(self, conversation: "_Conversation") -> None:
        self._open.discard(conversation)

    def authenticate(
        self, _server: SMTP, _session: Session, _envelope: Envelope, _mechanism: str, given: Any
    ) -> AuthResult:
        right = LoginPassword(self.user.encode(), self.password.encode())
        return AuthResult(success=bool(self.password) and given == right, handled=False)

    # What follows is called by aiosmtpd, by these names.

    async def auth_XOAUTH2(self, server: "_Conversation", args: list[str]) -> AuthResult:  # noqa: N802
        right = f"user={self.user}\1auth=Bearer {self.token}\1\1"
        if self.token and b64decode(args[1]).decode() == right:
            return AuthResult(success=True)
        await server.challenge_auth('{"status":"400"}')
        return AuthResult(success=False, handled=False)

    async def handle_EHLO(  # noqa: N802
        self, _server: SMTP, session: Session, _: Envelope, name: str, lines: list[str]
    ) -> list[str]:
        self.greetings.append(name)
        if not re.fullmatch(r"[A-Za-z0-9.-]+|\[(IPv6:)?[0-9A-Fa-f.:]+\]", name) or (
            self.named_clients_only and not name.startswith("[") and "." not in name
        ):
            return ["501 5.5.2 Helo command rejected: invalid name"]  # as Postfix says it
        session.host_name = name
        return [line for line in lines if self.user or not line.startswith("250-AUTH")]

    async def handle_AUTH(self, server: "_Conversation", *_: object) -> Any:  # noqa: N802
        return await self.meet("login", server) or MISSING

    async def handle_MAIL(  # noqa: N802
        self, server: "_Conversation", session: Session, *_: object
    ) -> Any:
        if self.user and not session.authenticated:
            return "530 5.7.0 Authentication required"
        return await self.meet("sender", server) or MISSING

    async def handle_RCPT(self, server: "_Conversation", *_: object) -> Any:  # noqa: N802
        return await self.meet("recipient", server) or MISSING

    async def handle_DATA(  # noqa: N802
        self, server: "_Conversation", session: Session, envelope: Envelope
    ) -> str:
        self.contents += 1
        refusal = await self.meet("content", server)
        if refusal is not None:
            return refusal
        await asyncio.sleep(self.delay)
        assert isinstance(envelope.content, bytes)
        mail = Mail(
            sender=envelope.mail_from or "",
            recipients=tuple(envelope.rcpt_tos),
            content=envelope.content,
            time=time.monotonic(),
            peer=tuple(session.peer or ()),
        )
        with self._changed:
            self._mails.append(mail)
            self._changed.notify_all()
        self._on_mail(mail)
        return await self.meet("kept", server) or "250 2.0.0 OK"

    def _run(self, listening: socket.socket, begun: threading.Event) -> None:
        serving = self._loop.create_server(
            lambda: _Conversation(self, self._loop),
            sock=listening,
            ssl=self.context if self.tls == "ssl" else None,
        )
        server = self._loop.run_until_complete(serving)
        self._loop.call_soon(begun.set)
        self._loop.run_forever()
        server.close()
        self._loop.run_until_complete(self._end())
        self._loop.close()

    async def _end(self) -> None:
        for conversation in list(self._open):
            conversation.abort()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


class _Conversation(SMTP):
    """One client's connection."""

    def __init__(self, mail_server: MailServer, loop: asyncio.AbstractEventLoop) -> None:
        starttls = mail_server.tls == "starttls"
        super().__init__(
            mail_server,
            hostname="mail.example.org",
            ident="ESMTP",
            enable_SMTPUTF8=mail_server.smtputf8,
            tls_context=mail_server.context if starttls else None,
            require_starttls=starttls,
            auth_require_tls=starttls,
            authenticator=mail_server.authenticate,
            loop=loop,
        )
        self._mail_server = mail_server
        self._greeted = False

    async def push(self, status: Any) -> None:
        if not self._greeted:
            self._greeted = True
            self._mail_server.opened(self)
            status = await self._mail_server.meet("greeting", self) or status
        await super().push(status)
        if str(status).startswith("421"):
            self.close()

    async def smtp_DATA(self, arg: str) -> None:  # noqa: N802  # as aiosmtpd calls it
        refusal = await self._mail_server.meet("data", self)
        await (super().smtp_DATA(arg) if refusal is None else self.push(refusal))

    def connection_lost(self, error: Exception | None) -> None:
        super().connection_lost(error)
        self._mail_server.closed(self)

    async def hang_up(self, farewell: str) -> None:
        if farewell:
            await super().push(farewell)
        self.close()

    def drip(self) -> None:
        self._writer.write(b"2")

    def close(self) -> None:
        self._writer.close()

    def abort(self) -> None:
        self._writer.transport.abort()


@cache
def _authority() -> trustme.CA:
    return trustme.CA()


def _context(names: tuple[str, ...]) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _authority().issue_cert(*names).configure_cert(context)
    return context


def settings_of(server: MailServer) -> dict[str, Any]:
    """Return the settings that make mail go through a server."""
    return {
        "smtp_host": "127.0.0.1",
        "smtp_port": server.port,
        "smtp_user": server.user,
        "smtp_password": server.password,
        "smtp_tls": server.tls,
        "mail_from": SENDER,
    }


def environment_of(server: MailServer) -> dict[str, str]:
    """Return the environment of a process that sends mail through a server, and trusts it."""
    settings = {name.upper(): str(value) for name, value in settings_of(server).items()}
    return settings | {"SSL_CERT_FILE": str(server.authority_file)}
