"""Mail through the real yagmail, to a server that keeps count and misbehaves on demand."""

import json
import logging
import os
import smtplib
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import SecretStr
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from yagmail import oauth2

from core.media.folder import FolderStore
from core.models import NoticeKind
from core.notifications.channels import ChannelDown, DeliveryFailed, Recipient, smtp
from core.notifications.channels import email as email_channel
from core.notifications.channels.email import Email, Server
from core.notifications.message import Message
from core.settings import Settings
from tests.conftest import MOMENT
from tests.product import ROOT, free_port
from tests.servers.mail import Fault, MailServer, environment_of, settings_of
from tests.servers.wire import serving

PASSWORD = "a-password-for-tests"  # noqa: S105  # of the stand-in
TOKEN = "a-token-for-tests-of-an-hour"  # noqa: S105  # likewise
ANA = "ana@example.net"
TIMES_UP = 1.5


@contextmanager
def channel_to(server: MailServer, folder: Path, **changed: Any) -> Iterator[Email]:
    opened = Email(Server.of(Settings(**settings_of(server) | changed)), FolderStore(folder))
    yield opened
    opened.close()


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as running:
        yield running


@pytest.fixture
def channel(server: MailServer, tmp_path: Path) -> Iterator[Email]:
    with channel_to(server, tmp_path) as opened:
        yield opened


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """All waiting ends soon."""
    monkeypatch.setattr(email_channel, "_SEND_SECONDS", TIMES_UP)
    monkeypatch.setattr(smtp, "_KEPT_SECONDS", 0.5)
    monkeypatch.setattr(smtp, "_GOODBYE_SECONDS", 0.5)


def trust(monkeypatch: pytest.MonkeyPatch, server: MailServer) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(server.authority_file))


def a_message(number: int = 1) -> Message:
    return Message(
        id=f"n{number}",
        kind=NoticeKind.TEST,
        title="This is a test",
        text="Messages from Fivefold reach you here.",
        link="http://localhost:8501/notifications",
        created_at=MOMENT,
    )


def send(channel: Email, number: int = 1, address: str = ANA) -> None:
    channel.send(Recipient(user_id="ana", address=address), a_message(number))


def failure(channel: Email, address: str = ANA) -> DeliveryFailed:
    with pytest.raises(DeliveryFailed) as caught:
        send(channel, address=address)
    text = str(caught.value)
    assert text.isprintable(), text
    assert text.endswith((".", "')\"")), text
    assert address not in text
    assert PASSWORD not in text
    return caught.value


def is_temporary(error: DeliveryFailed) -> bool:
    return not error.permanent and not isinstance(error, ChannelDown)


# What arrives


def test_a_mail_arrives_once_and_as_it_was_written(server: MailServer, channel: Email) -> None:
    send(channel)
    [mail] = server.mails
    assert (mail.sender, mail.recipients) == ("studio@example.org", (ANA,))
    assert mail.message["From"] == "Fivefold <studio@example.org>"
    assert mail.message["Message-ID"] == "<n1@example.org>"
    body = mail.message.get_body(("plain",))
    assert body is not None
    assert "Messages from Fivefold reach you here." in body.get_content()
    assert mail.content.isascii()
    assert max(map(len, mail.content.split(b"\r\n"))) <= 998


@pytest.mark.parametrize("tls", ["ssl", "starttls", "none"])
def test_a_login_name_need_not_be_an_address(
    tls: Literal["ssl", "starttls", "none"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MailServer(tls=tls, user="studio", password=PASSWORD) as server:
        trust(monkeypatch, server)
        with channel_to(server, tmp_path) as channel:
            send(channel)
    assert len(server.mails) == 1


@pytest.mark.parametrize(
    ("tls", "security"), [("ssl", "TLS"), ("starttls", "STARTTLS"), ("none", "no TLS")]
)
def test_the_check_logs_in_and_says_how(
    tls: Literal["ssl", "starttls", "none"],
    security: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with MailServer(tls=tls, user="studio", password=PASSWORD) as server:
        trust(monkeypatch, server)
        with channel_to(server, tmp_path) as channel:
            assert channel.check() == (
                f"mail by 127.0.0.1:{server.port} as studio@example.org, {security}"
            )
        with (
            channel_to(server, tmp_path, smtp_password=SecretStr("x")) as mistaken,
            pytest.raises(ChannelDown, match="SMTP_PASSWORD"),
        ):
            mistaken.check()
    assert server.mails == []


def test_another_process_is_told_all_it_needs_by_its_environment(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from core.media.folder import FolderStore; "
        "from core.notifications.channels.email import Email, Server; "
        "from core.settings import Settings; "
        "print(Email(Server.of(Settings(_env_file=None)), FolderStore(Path('.'))).check())"
    )
    with MailServer(tls="ssl", user="studio", password=PASSWORD) as server:
        environment = os.environ | environment_of(server) | {"PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert done.stdout == (f"mail by 127.0.0.1:{server.port} as studio@example.org, TLS\n"), done


def test_a_domain_beyond_ascii_is_written_to_in_ascii(server: MailServer, channel: Email) -> None:
    send(channel, address="ana@müller.example")
    [mail] = server.mails
    assert mail.recipients == ("ana@xn--mller-kva.example",)


def test_a_name_beyond_ascii_arrives_where_the_server_can(
    server: MailServer, channel: Email
) -> None:
    send(channel, address="jürgen@example.net")
    [mail] = server.mails
    assert mail.recipients == ("jürgen@example.net",)
    assert "\r\nTo: jürgen@example.net\r\n".encode() in mail.content


def test_a_name_beyond_ascii_fails_for_good_where_the_server_cannot(tmp_path: Path) -> None:
    with MailServer(smtputf8=False) as server, channel_to(server, tmp_path) as channel:
        assert failure(channel, "jürgen@example.net").permanent
        send(channel)
    assert len(server.mails) == 1


@pytest.mark.parametrize("address", ["ana", "ana@", "a b@example.net", "ana@example.net\r\nx: y"])
def test_what_is_no_address_fails_for_good_without_asking_the_server(
    server: MailServer, channel: Email, address: str
) -> None:
    assert failure(channel, address).permanent
    assert (server.connections, server.mails) == (0, [])


# Who sends


@pytest.mark.parametrize("sender", ["studio", "Fivefold", "Fivefold <studio>", "a@b@c", "@"])
def test_a_sender_that_is_no_address_is_said_with_its_setting(
    server: MailServer, tmp_path: Path, sender: str
) -> None:
    with channel_to(server, tmp_path, mail_from=sender) as channel:
        assert isinstance(failure(channel), ChannelDown)
        with pytest.raises(ChannelDown, match="MAIL_FROM"):
            channel.check()
    assert server.connections == 0


def test_the_server_is_gmail_and_the_sender_who_logs_in_unless_set() -> None:
    found = Server.of(Settings(smtp_user="ana@gmail.com", smtp_password=SecretStr(PASSWORD)))
    assert (found.host, found.port) == ("smtp.gmail.com", 465)
    assert (found.sender, found.password) == ("ana@gmail.com", PASSWORD)
    assert PASSWORD not in repr(found)


@pytest.mark.parametrize(("tls", "port"), [("ssl", 465), ("starttls", 587), ("none", 25)])
def test_the_port_is_the_usual_one_unless_set(tls: str, port: int) -> None:
    assert Server.of(Settings(smtp_host="mail.example.org", smtp_tls=tls)).port == port
    assert Server.of(Settings(smtp_host="x", smtp_tls=tls, smtp_port=2525)).port == 2525


# Connections


def test_many_mails_go_over_one_connection(server: MailServer, channel: Email) -> None:
    for number in range(20):
        send(channel, number)
    assert (len(server.mails), server.connections) == (20, 1)


def test_each_thread_has_a_connection_and_keeps_it(tmp_path: Path) -> None:
    with MailServer(delay=0.02) as server, channel_to(server, tmp_path) as channel:
        assert channel.at_once == 4
        with ThreadPoolExecutor(channel.at_once) as threads:
            list(threads.map(lambda number: send(channel, number), range(60)))
    ids = [mail.message["Message-ID"] for mail in server.mails]
    assert (len(ids), len(set(ids))) == (60, 60)
    assert 1 < server.connections <= 4


def test_who_has_nothing_more_to_send_ends_the_connection(
    server: MailServer, channel: Email
) -> None:
    send(channel)
    channel.rest()
    channel.rest()
    send(channel)
    channel.close()
    send(channel)
    assert (len(server.mails), server.connections) == (3, 3)


@pytest.mark.parametrize("farewell", ["", "421 4.4.2 mail.example.org timed out"])
@pytest.mark.parametrize("tls", ["ssl", "starttls", "none"])
def test_a_connection_that_was_closed_while_idle_costs_nothing(
    tls: Literal["ssl", "starttls", "none"],
    farewell: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with MailServer(tls=tls) as server:
        trust(monkeypatch, server)
        with channel_to(server, tmp_path) as channel:
            send(channel, 1)
            server.hang_up(farewell)
            send(channel, 2)
    assert [mail.message["Message-ID"][:3] for mail in server.mails] == ["<n1", "<n2"]
    assert server.connections == 2


@pytest.mark.parametrize(
    "fault",
    [
        Fault("sender", "reply", "421 4.7.0 Too many mails over one connection"),
        Fault("recipient", "reply", "421 4.7.0 Too many mails over one connection"),
        Fault("sender", "drop"),
        Fault("data", "drop"),
        Fault("sender", "stall"),
        Fault("sender", "drip"),
    ],
    ids=lambda fault: f"{fault.at}-{fault.what}",
)
@pytest.mark.usefixtures("short")
def test_a_kept_connection_is_replaced_while_nothing_of_the_mail_was_sent(
    server: MailServer, channel: Email, fault: Fault
) -> None:
    send(channel, 1)
    server.faults.append(fault)
    if fault.at == "data":  # from here on, nobody knows what the server has
        assert is_temporary(failure(channel))
    else:
        send(channel, 2)
        assert server.connections == 2
        assert len(server.mails) == 2


@pytest.mark.usefixtures("short")
def test_a_server_may_take_longer_over_a_mail_than_to_show_that_it_lives(
    server: MailServer, channel: Email
) -> None:
    send(channel, 1)
    server.delay = 0.8
    send(channel, 2)
    assert (len(server.mails), server.connections) == (2, 1)


@pytest.mark.parametrize(
    "fault",
    [Fault("sender", "drop"), Fault("content", "drop"), Fault("kept", "drop")],
    ids=lambda fault: fault.at,
)
def test_a_new_connection_that_breaks_is_not_replaced(
    server: MailServer, channel: Email, fault: Fault
) -> None:
    server.faults.append(fault)
    assert is_temporary(failure(channel))
    assert server.connections == 1


# Errors


@pytest.mark.parametrize(
    "reply",
    [
        "550 5.1.1 <ana@example.net>: no such user",
        "553 5.1.3 malformed ANA@EXAMPLE.NET",
        "501 bad\u2028syntax\a",
    ],
)
def test_a_recipient_that_is_refused_fails_for_good(
    server: MailServer, channel: Email, reply: str
) -> None:
    server.faults.append(Fault("recipient", "reply", reply))
    error = failure(channel)
    assert error.permanent
    assert not isinstance(error, ChannelDown)
    assert reply[:3] in str(error)
    assert "ana@example.net" not in str(error).lower()
    assert (server.contents, server.mails) == (0, [])


@pytest.mark.parametrize("at", ["sender", "data", "content"])
def test_what_is_refused_for_good_is_not_tried_again(
    server: MailServer, channel: Email, at: Literal["sender", "data", "content"]
) -> None:
    server.faults.append(Fault(at, "reply", "554 5.7.1 we do not want this " + "x" * 1000))
    error = failure(channel)
    assert error.permanent
    assert ("MAIL_FROM" in str(error)) == (at == "sender")
    assert len(str(error)) < 300
    assert server.mails == []


@pytest.mark.parametrize("at", ["sender", "recipient", "data", "content"])
def test_what_is_refused_for_now_may_be_tried_again(
    server: MailServer, channel: Email, at: Literal["sender", "recipient", "data", "content"]
) -> None:
    server.faults.append(Fault(at, "reply", "451 4.7.1 Greylisted, come back later"))
    error = failure(channel)
    assert is_temporary(error)
    assert "451 4.7.1 Greylisted" in str(error)
    assert server.mails == []
    send(channel)
    assert len(server.mails) == 1


@pytest.mark.parametrize("at", ["sender", "recipient", "data", "content"])
@pytest.mark.parametrize(
    "reply",
    [
        "421 4.3.2 going down",
        "550 5.4.5 Daily user sending limit exceeded",  # Gmail's
        "530 5.7.0 Authentication required",
    ],
)
def test_a_server_that_takes_nothing_from_anybody_is_down(
    server: MailServer,
    channel: Email,
    reply: str,
    at: Literal["sender", "recipient", "data", "content"],
) -> None:
    server.faults.append(Fault(at, "reply", reply))
    error = failure(channel)
    assert isinstance(error, ChannelDown)
    assert not error.permanent
    assert server.mails == []
    send(channel)
    assert len(server.mails) == 1


def test_an_answer_lost_before_the_mail_was_kept_loses_nothing(
    server: MailServer, channel: Email
) -> None:
    server.faults.append(Fault("content", "drop"))
    assert is_temporary(failure(channel))
    assert (server.contents, len(server.mails)) == (1, 0)
    send(channel)
    assert (server.contents, len(server.mails)) == (2, 1)


def test_an_answer_lost_after_the_mail_was_kept_doubles_it_with_the_same_message_id(
    server: MailServer, channel: Email
) -> None:
    server.faults.append(Fault("kept", "drop"))
    assert is_temporary(failure(channel))
    assert (server.contents, len(server.mails)) == (1, 1)
    send(channel)
    first, second = server.mails
    assert first.message["Message-ID"] == second.message["Message-ID"]


@pytest.mark.parametrize("what", ["stall", "drip"])
@pytest.mark.parametrize("at", ["greeting", "sender", "recipient", "data", "content", "kept"])
@pytest.mark.usefixtures("short")
def test_sending_ends_in_time_whatever_the_server_does(
    server: MailServer,
    channel: Email,
    at: Literal["greeting", "sender", "recipient", "data", "content", "kept"],
    what: Literal["stall", "drip"],
) -> None:
    server.faults.append(Fault(at, what))
    began = time.monotonic()
    error = failure(channel)
    assert time.monotonic() - began < TIMES_UP + 30
    assert isinstance(error, ChannelDown) == (at == "greeting")
    assert not error.permanent
    assert len(server.mails) == (at == "kept")
    assert server.contents == (at in {"content", "kept"})


def test_all_waiting_is_within_a_minute() -> None:
    longest = email_channel._SEND_SECONDS + 2 * smtp._GOODBYE_SECONDS  # noqa: SLF001  # the bound
    assert longest < 60


# No connection


@pytest.mark.parametrize("reply", ["421 4.3.2 too busy", "554 5.7.1 not from there"])
def test_a_server_that_takes_no_connection_is_down(
    server: MailServer, channel: Email, reply: str
) -> None:
    server.faults.append(Fault("greeting", "reply", reply))
    error = failure(channel)
    assert isinstance(error, ChannelDown)
    assert reply in str(error)


def test_a_server_that_is_off_is_down(server: MailServer, tmp_path: Path) -> None:
    with channel_to(server, tmp_path, smtp_port=free_port()) as channel:
        error = failure(channel)
        assert isinstance(error, ChannelDown)
        assert "SMTP_PORT" in str(error)


@pytest.mark.parametrize("host", ["no-such-host.invalid", "x..y", "a" * 70 + ".example"])
def test_a_server_that_is_not_known_is_down(
    server: MailServer, tmp_path: Path, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = socket.getaddrinfo

    def look_up(name: str, *rest: Any, **more: Any) -> Any:
        if name == "no-such-host.invalid":  # asks no name server
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        return known(name, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    with channel_to(server, tmp_path, smtp_host=host) as channel:
        error = failure(channel)
    assert isinstance(error, ChannelDown)
    assert "SMTP_HOST" in str(error)


@pytest.mark.parametrize("tls", ["ssl", "starttls"])
def test_a_certificate_of_an_unknown_authority_is_refused(
    tls: Literal["ssl", "starttls"], tmp_path: Path
) -> None:
    with (
        MailServer(tls=tls, user="studio", password=PASSWORD) as server,
        channel_to(server, tmp_path) as channel,
    ):
        error = failure(channel)
    assert isinstance(error, ChannelDown)
    assert "certificate" in str(error)
    assert server.mails == []


@pytest.mark.parametrize("tls", ["ssl", "starttls"])
def test_a_certificate_for_another_host_is_refused(
    tls: Literal["ssl", "starttls"], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with MailServer(tls=tls, names=("mail.example.org",)) as server:
        trust(monkeypatch, server)
        with channel_to(server, tmp_path) as channel:
            error = failure(channel)
            assert isinstance(error, ChannelDown)
            assert "SMTP_HOST" in str(error)
    assert server.mails == []


@pytest.mark.parametrize("tls", ["ssl", "starttls"])
@pytest.mark.usefixtures("short")
def test_a_server_without_tls_gets_nothing_where_tls_is_wanted(
    server: MailServer, tmp_path: Path, tls: str
) -> None:
    with channel_to(server, tmp_path, smtp_tls=tls, smtp_user="studio") as channel:
        error = failure(channel)
    assert isinstance(error, ChannelDown)
    assert "SMTP_TLS" in str(error)
    assert server.mails == []


@pytest.mark.usefixtures("short")
def test_a_server_with_tls_where_none_is_expected_is_down(tmp_path: Path) -> None:
    with MailServer(tls="ssl") as server, channel_to(server, tmp_path, smtp_tls="none") as channel:
        error = failure(channel)
    assert isinstance(error, ChannelDown)
    assert "SMTP_TLS" in str(error)


def test_a_server_that_insists_on_tls_gets_no_mail_without(tmp_path: Path) -> None:
    with (
        MailServer(tls="starttls") as server,
        channel_to(server, tmp_path, smtp_tls="none") as channel,
    ):
        assert isinstance(failure(channel), ChannelDown)
    assert server.mails == []


# Logging in


@pytest.mark.parametrize(
    "changed",
    [
        {"smtp_password": SecretStr("wrong")},
        {"smtp_user": "somebody"},
        {"smtp_user": ""},
        {"smtp_password": SecretStr("schlüssel")},
    ],
    ids=["password", "user", "nobody", "not-ascii"],
)
def test_a_login_that_is_refused_is_the_administrators_to_mend(
    tmp_path: Path, changed: dict[str, Any]
) -> None:
    with MailServer(user="studio", password=PASSWORD) as server:
        with channel_to(server, tmp_path, **changed) as channel:
            error = failure(channel)
        assert isinstance(error, ChannelDown)
        assert not error.permanent
        assert "SMTP_USER" in str(error)
        assert "SMTP_PASSWORD" in str(error)
        assert "schl" not in str(error)
        with channel_to(server, tmp_path) as mended:
            send(mended)
    assert len(server.mails) == 1


def test_a_login_where_there_is_none_is_said(server: MailServer, tmp_path: Path) -> None:
    with channel_to(server, tmp_path, smtp_user="studio") as channel:
        error = failure(channel)
    assert isinstance(error, ChannelDown)
    assert "SMTP_USER" in str(error)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("login", "drop"),
        Fault("login", "reply", "454 4.7.0 Temporary authentication failure", times=5),
        Fault("login", "reply", "334 not Base64 at all!", times=5),
    ],
    ids=["drop", "temporary", "nonsense"],
)
def test_a_login_that_goes_wrong_is_no_fault_of_the_mail(tmp_path: Path, fault: Fault) -> None:
    with MailServer(user="studio", password=PASSWORD) as server:
        server.faults.append(fault)
        with channel_to(server, tmp_path) as channel:
            assert isinstance(failure(channel), ChannelDown)
            server.faults.clear()
            send(channel)
    assert len(server.mails) == 1


def test_gmail_is_said_to_want_an_app_password() -> None:
    refused = smtplib.SMTPAuthenticationError(535, b"5.7.8 Username and Password not accepted")
    text = smtp._why_not(refused, Server.of(Settings(smtp_user="ana@gmail.com")))  # noqa: SLF001  # no Gmail here
    assert "app password" in text


def test_neither_addresses_nor_passwords_are_logged_or_printed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    with MailServer(user="studio@example.org", password=PASSWORD) as server:
        logging.getLogger("mail.log").setLevel(logging.ERROR)  # the server's own
        with channel_to(server, tmp_path) as channel:
            send(channel)
            server.faults.append(Fault("recipient", "reply", f"550 {ANA} is not known"))
            failure(channel)
    logged = caplog.text + "".join(capfd.readouterr())
    assert "@" not in logged
    assert PASSWORD not in logged


# OAuth2


@contextmanager
def google(monkeypatch: pytest.MonkeyPatch, response: Response) -> Iterator[list[dict[str, Any]]]:
    """Stand in for where Google renews tokens; gives what was asked for."""
    forms: list[dict[str, Any]] = []

    async def token(request: Request) -> Response:
        forms.append(dict(await request.form()))
        return response

    with serving(Starlette(routes=[Route("/o/oauth2/token", token, methods=["POST"])])) as url:
        monkeypatch.setattr(oauth2, "GOOGLE_ACCOUNTS_BASE_URL", url)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield forms


@pytest.fixture
def oauth2_file(tmp_path: Path) -> Path:
    made = tmp_path / "oauth2.json"
    fields = {
        "email_address": "studio@example.org",
        "google_client_id": "the-client",
        "google_client_secret": "the-secret",
        "google_refresh_token": "the-refresh-token",
    }
    made.write_text(json.dumps(fields))
    return made


@pytest.mark.parametrize("tls", ["ssl", "starttls"])
def test_oauth2_logs_in_with_a_token_that_is_renewed_for_it(
    tls: Literal["ssl", "starttls"],
    tmp_path: Path,
    oauth2_file: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with (
        google(monkeypatch, JSONResponse({"access_token": TOKEN, "expires_in": 3599})) as forms,
        MailServer(tls=tls, user="studio@example.org", token=TOKEN) as server,
    ):
        trust(monkeypatch, server)
        changed: dict[str, Any] = {
            "smtp_oauth2_file": oauth2_file,
            "smtp_user": "",
            "mail_from": "",
        }
        with channel_to(server, tmp_path, **changed) as channel:
            send(channel, 1)
            send(channel, 2)
            assert channel.check().endswith(
                f"as studio@example.org, {'TLS' if tls == 'ssl' else 'STARTTLS'}"
            )
    assert [mail.sender for mail in server.mails] == ["studio@example.org"] * 2
    assert forms == 2 * [
        {
            "client_id": "the-client",
            "client_secret": "the-secret",
            "refresh_token": "the-refresh-token",
            "grant_type": "refresh_token",
        }
    ]


def test_a_token_that_the_server_refuses_is_noticed(
    tmp_path: Path, oauth2_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        google(monkeypatch, JSONResponse({"access_token": "old"})),
        MailServer(user="studio@example.org", token=TOKEN) as server,
        channel_to(server, tmp_path, smtp_oauth2_file=oauth2_file) as channel,
    ):
        error = failure(channel)
    assert isinstance(error, ChannelDown)
    assert "SMTP_OAUTH2_FILE" in str(error)
    assert (server.contents, server.mails) == (0, [])


@pytest.mark.parametrize(
    "response",
    [JSONResponse({"error": "invalid_grant"}, 400), Response("<html>"), JSONResponse([1])],
    ids=["refused", "html", "list"],
)
def test_a_login_that_google_does_not_renew_is_said(
    tmp_path: Path, oauth2_file: Path, monkeypatch: pytest.MonkeyPatch, response: Response
) -> None:
    with (
        google(monkeypatch, response),
        MailServer(user="studio@example.org", token=TOKEN) as server,
        channel_to(server, tmp_path, smtp_oauth2_file=oauth2_file) as channel,
    ):
        error = failure(channel)
    assert isinstance(error, ChannelDown)
    assert "SMTP_OAUTH2_FILE" in str(error)
    assert ("make it anew" in str(error)) == (response.status_code == 400)
    assert "the-refresh-token" not in str(error)


def test_google_out_of_reach_is_said(
    tmp_path: Path, oauth2_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(oauth2, "GOOGLE_ACCOUNTS_BASE_URL", f"http://127.0.0.1:{free_port()}")
    with (
        MailServer(user="studio@example.org", token=TOKEN) as server,
        channel_to(server, tmp_path, smtp_oauth2_file=oauth2_file) as channel,
    ):
        error = failure(channel)
    assert isinstance(error, ChannelDown)
    assert "Google" in str(error)


@pytest.mark.parametrize(
    "content",
    [None, '{"installed": {"client_id": "x"}}', "{}", "[]", "no JSON"],
    ids=["missing", "google's", "empty", "list", "nonsense"],
)
def test_a_file_without_a_login_is_said_and_nothing_is_asked_at_the_terminal(
    server: MailServer,
    tmp_path: Path,
    content: str | None,
    capfd: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "oauth2.json"
    if content is not None:
        file.write_text(content)
    with channel_to(server, tmp_path, smtp_oauth2_file=file) as channel:
        error = failure(channel)
    assert isinstance(error, ChannelDown)
    assert "yagmail.Client(" in str(error)
    assert capfd.readouterr().out == ""
    assert server.connections == 0


@pytest.mark.parametrize(
    ("machine", "greeting"),
    [
        ("my_box.lan", "[127.0.0.1]"),
        ("-odd-.example", "[127.0.0.1]"),
        ("mybox", "[127.0.0.1]"),
        ("bücher.example", "[127.0.0.1]"),
        ("localhost", "[127.0.0.1]"),
        ("box.example.org", "box.example.org"),
    ],
)
def test_a_machine_greets_by_a_name_that_servers_take(
    server: MailServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    machine: str,
    greeting: str,
) -> None:
    monkeypatch.setattr(socket, "getfqdn", lambda _="": machine)
    server.named_clients_only = True
    with channel_to(server, tmp_path) as channel:
        assert channel.check()
        send(channel)
    assert set(server.greetings) == {greeting}


def test_the_check_asks_whether_the_sender_is_taken(server: MailServer, tmp_path: Path) -> None:
    refusal = "550 5.7.1 Sender address rejected: not owned by user"
    server.faults.append(Fault("sender", "reply", refusal))
    with (
        channel_to(server, tmp_path) as channel,
        pytest.raises(DeliveryFailed, match=r"refuses the sender in MAIL_FROM: 550 5\.7\.1"),
    ):
        channel.check()
    assert server.mails == []
