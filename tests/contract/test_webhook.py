"""Webhooks, against receivers on loopback: what is posted, where to, and what the answers mean."""

import base64
import hmac
import logging
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import psutil
import pytest
import trustme
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from core import __version__, models
from core.notifications.channels import ChannelDown, DeliveryFailed, Recipient
from core.notifications.channels import webhook as module
from core.notifications.channels.webhook import WebhookSender, parse_webhook
from core.notifications.message import JobReport, Message, shortened
from core.system.internet import is_public
from tests.builders import done_item
from tests.conftest import MOMENT
from tests.servers.webhooks import Answer, Got, Receiver, receiving, receiving_tls

NAME = "hooks.example.org"
SECRET_PATH = "/hook?token=a-token-for-tests"  # noqa: S105  # that no text may show
LOOPBACK = "127.0.0.1"
Resolver = Callable[..., list[tuple[Any, ...]]]


@pytest.fixture(scope="module")
def running() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def receiver(running: Receiver) -> Receiver:
    """A receiver that has received nothing yet."""
    running.got.clear()
    running.answers.clear()
    return running


def job_report(prompt: str = "the sea", number: int = 1) -> JobReport:
    return JobReport(
        job_id=f"job-{number}",
        prompt=prompt,
        status=models.JobStatus.COMPLETED,
        title="Your content is ready",
        text="1 video and 2 images are ready.",
        link=f"http://localhost:8501/job?id=job-{number}",
        assets=(
            done_item(models.Kind.VIDEO),
            done_item(models.Kind.IMAGE),
            done_item(models.Kind.IMAGE, 2),
        ),
    )


def a_message(*jobs: JobReport, kind: models.NoticeKind = models.NoticeKind.JOB) -> Message:
    jobs = jobs or (job_report(),)
    [first, *rest] = jobs
    return Message(
        id="01k9-message",
        kind=kind,
        title=f"{len(jobs)} of your requests have ended"
        if rest
        else f"{first.title}: “{shortened(first.prompt)}”",
        text="; ".join(each.text for each in jobs),
        link="http://localhost:8501/" if rest else first.link,
        created_at=MOMENT,
        jobs=() if kind == models.NoticeKind.TEST else jobs,
    )


def to(url: str, form: models.WebhookFormat = models.WebhookFormat.FIVEFOLD) -> Recipient:
    return Recipient(user_id="ana", address="ana", webhook=parse_webhook(url, form))


def failure(sender: WebhookSender, url: str) -> DeliveryFailed:
    """Send in vain and return why, having seen that nobody's secret shows in it."""
    with pytest.raises(DeliveryFailed) as caught:
        sender.send(to(url), a_message())
    error = caught.value
    assert not isinstance(error, ChannelDown)  # others' webhooks have nothing to do with it
    assert "secret-token" not in f"{error} {error.__cause__!r}"
    return error


def resolving(monkeypatch: pytest.MonkeyPatch, *answers: str | list[str]) -> list[bytes]:
    """Let names have these addresses, one answer after the other; return what is looked up."""
    looked_up: list[bytes] = []
    remaining = list(answers)

    def getaddrinfo(host: bytes, port: int | None, *_: Any, **__: Any) -> list[tuple[Any, ...]]:
        looked_up.append(host)
        answer = remaining.pop(0) if len(remaining) > 1 else remaining[0]
        found = [answer] if isinstance(answer, str) else answer
        return [
            (socket.AF_INET6 if ":" in each else socket.AF_INET, 1, 6, "", (each, port or 0))
            for each in found
        ]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    return looked_up


# What is posted


def test_a_post_is_signed_so_that_standard_webhooks_verify_it(receiver: Receiver) -> None:
    recipient = to(f"{receiver.url}/hook")
    assert recipient.webhook is not None
    WebhookSender(private=True).send(recipient, a_message())
    (got,) = receiver.got
    verifier = Verifier(recipient.webhook.secret)
    verifier.verify(got.body, dict(got.headers))
    assert got.headers["webhook-id"] == "01k9-message"
    assert abs(int(got.headers["webhook-timestamp"]) - time.time()) < 60
    with pytest.raises(WebhookVerificationError):
        verifier.verify(got.body + b" ", dict(got.headers))
    # The sender signs with the same library, so this follows the specification by hand.
    key = base64.b64decode(recipient.webhook.secret.removeprefix("whsec_"))
    signed = f"01k9-message.{got.headers['webhook-timestamp']}.".encode() + got.body
    signature = base64.b64encode(hmac.digest(key, signed, "sha256")).decode()
    assert got.headers["webhook-signature"] == f"v1,{signature}"


def test_a_post_says_what_became_of_a_job(receiver: Receiver) -> None:
    prompt = "a <b>fox</b>\nand “friends” 🦊"
    WebhookSender(private=True).send(to(f"{receiver.url}/hook"), a_message(job_report(prompt)))
    (got,) = receiver.got
    assert got.headers["content-type"] == "application/json"
    assert got.headers["user-agent"] == f"Fivefold/{__version__}"
    assert got.json() == {
        "type": "job.ended",
        "timestamp": "2026-11-23T09:30:00+00:00",
        "data": {
            "title": "Your content is ready: “a <b>fox</b> and “friends” 🦊”",
            "text": "1 video and 2 images are ready.",
            "link": "http://localhost:8501/job?id=job-1",
            "jobs": [
                {
                    "job_id": "job-1",
                    "prompt": prompt,
                    "status": "Completed",
                    "title": "Your content is ready",
                    "text": "1 video and 2 images are ready.",
                    "link": "http://localhost:8501/job?id=job-1",
                    "images": 2,
                    "videos": 1,
                }
            ],
        },
    }


@pytest.mark.parametrize(
    ("message", "kind", "jobs"),
    [
        (a_message(job_report(), job_report(number=2)), "jobs.ended", 2),
        (a_message(kind=models.NoticeKind.TEST), "test", 0),
    ],
)
def test_digests_and_tests_say_that_they_are(
    receiver: Receiver, message: Message, kind: str, jobs: int
) -> None:
    WebhookSender(private=True).send(to(f"{receiver.url}/hook"), message)
    (got,) = receiver.got
    read: Any = got.json()
    assert read["type"] == kind
    assert len(read["data"]["jobs"]) == jobs


def delivered(receiver: Receiver, form: models.WebhookFormat, prompt: str) -> Got:
    """Send a message about a job with this prompt, and return what the receiver got."""
    url = f"{receiver.url}/{form}"
    WebhookSender(private=True).send(to(url, form), a_message(job_report(prompt)))
    (got,) = receiver.got
    return got


def test_slack_is_sent_text_that_pings_nobody(receiver: Receiver) -> None:
    got = delivered(receiver, models.WebhookFormat.SLACK, "<!channel> & <@U1|bob> *now*")
    assert got.json() == {
        "text": "Your content is ready: “&lt;!channel&gt; &amp; &lt;@U1|bob&gt; *now*”\n"
        "1 video and 2 images are ready.\n"
        "<http://localhost:8501/job?id=job-1|Open>"
    }
    assert got.headers["webhook-signature"].startswith("v1,")


def test_discord_is_sent_text_that_stays_text(receiver: Receiver) -> None:
    prompt = r"**@everyone** [x](https://x.example) <@1> \o/ `c` ||s||"
    got = delivered(receiver, models.WebhookFormat.DISCORD, prompt)
    assert got.json() == {
        "content": "Your content is ready\\: “\\*\\*\\@everyone\\*\\* "
        "\\[x\\]\\(https\\://x.example\\) \\<\\@1\\> \\\\o/ \\`c\\` \\|\\|s\\|\\|”\n"
        "1 video and 2 images are ready.\n"
        "<http://localhost:8501/job?id=job-1>",
        "allowed_mentions": {"parse": []},
    }


@pytest.mark.parametrize("form", [models.WebhookFormat.SLACK, models.WebhookFormat.DISCORD])
@pytest.mark.parametrize("prompt", ["_" * 4000, "&" * 4000, "🦊" * 4000, "a fox"])
def test_a_long_digest_is_cut_between_its_jobs(
    receiver: Receiver, form: models.WebhookFormat, prompt: str
) -> None:
    many = [job_report(prompt, number) for number in range(1, 101)]
    WebhookSender(private=True).send(to(f"{receiver.url}/{form}", form), a_message(*many))
    (got,) = receiver.got
    text = got.json()["text" if form == models.WebhookFormat.SLACK else "content"]
    assert isinstance(text, str)
    assert len(text) <= (4000 if form == models.WebhookFormat.SLACK else 2000)
    first, *jobs, rest, last = text.split("\n")
    assert first == "100 of your requests have ended"
    assert rest == f"… and {100 - len(jobs)} more"
    assert "http://localhost:8501/" in last
    assert jobs
    for number, line in enumerate(jobs, 1):
        assert line.startswith("• “")
        assert f"<http://localhost:8501/job?id=job-{number}" in line


def test_overlong_words_still_fit_into_discord(receiver: Receiver) -> None:
    message = replace(a_message(), title="*" * 5000, text="*" * 5000)
    WebhookSender(private=True).send(
        to(f"{receiver.url}/discord", models.WebhookFormat.DISCORD), message
    )
    assert len(receiver.got) == 1


def test_what_slack_and_discord_do_not_take_is_a_permanent_failure(receiver: Receiver) -> None:
    """So the receivers above do refuse what these would refuse."""
    for path, form in (
        ("slack", models.WebhookFormat.FIVEFOLD),
        ("discord", models.WebhookFormat.SLACK),
    ):
        with pytest.raises(DeliveryFailed, match="refused it: 400 Bad Request") as caught:
            WebhookSender(private=True).send(to(f"{receiver.url}/{path}", form), a_message())
        assert caught.value.permanent


# What the answers mean

TAKEN = [200, 201, 202, 204, 299]
TEMPORARY = [408, 425, 429, 500, 502, 503, 504, 520, 599]
PERMANENT = [300, 301, 302, 304, 307, 308, 400, 401, 403, 404, 405, 410, 413, 422, 451, 499]


@pytest.mark.parametrize("status", TAKEN)
def test_a_2xx_means_that_it_was_taken(receiver: Receiver, status: int) -> None:
    receiver.answers.append(Answer(status))
    WebhookSender(private=True).send(to(f"{receiver.url}/hook"), a_message())
    assert len(receiver.got) == 1


@pytest.mark.parametrize(
    ("status", "permanent"),
    [(status, False) for status in TEMPORARY] + [(status, True) for status in PERMANENT],
)
def test_other_answers_mean_later_or_never(
    receiver: Receiver, status: int, *, permanent: bool
) -> None:
    receiver.answers.append(Answer(status, {"location": f"{receiver.url}/hook"}))
    error = failure(WebhookSender(private=True), f"{receiver.url}{SECRET_PATH}")
    assert error.permanent is permanent
    assert error.retry_after is None
    assert str(status) in str(error)
    assert len(receiver.got) == 1  # no redirect is followed


def test_a_refusal_is_a_sentence(receiver: Receiver) -> None:
    receiver.answers.append(Answer(404))
    error = failure(WebhookSender(private=True), f"{receiver.url}{SECRET_PATH}")
    assert str(error) == (
        "The receiver refused it: 404 Not Found. Please look over the webhook's address."
    )


@pytest.mark.parametrize("status", [429, 503])
def test_a_receiver_says_how_long_to_wait(receiver: Receiver, status: int) -> None:
    at = format_datetime(datetime.now(UTC) + timedelta(seconds=90), usegmt=True)
    for header, least, most in (
        ("7", 7, 7),
        ("0", 0, 0),
        (at, 60, 90),
        ("86400", 3600, 3600),
        ("Fri, 31 Dec 9999 23:59:59 GMT", 3600, 3600),
    ):
        receiver.answers.append(Answer(status, {"retry-after": header}))
        error = failure(WebhookSender(private=True), f"{receiver.url}/hook")
        assert error.retry_after is not None
        assert least <= error.retry_after <= most
        assert not error.permanent


@pytest.mark.parametrize("header", ["soon", "-5", "inf", "nan", ""])
def test_a_wait_that_is_none_is_not_kept(receiver: Receiver, header: str) -> None:
    receiver.answers.append(Answer(503, {"retry-after": header}))
    assert failure(WebhookSender(private=True), f"{receiver.url}/hook").retry_after is None


@pytest.mark.parametrize("what", ["silence", "drip"])
def test_a_receiver_that_does_not_end_is_left(receiver: Receiver, what: Any) -> None:
    receiver.answers.append(Answer(what=what))
    begun = time.monotonic()
    error = failure(WebhookSender(private=True, seconds=0.5), f"{receiver.url}{SECRET_PATH}")
    assert time.monotonic() - begun < 30
    assert str(error) == "127.0.0.1 did not answer within 0.5 seconds."
    assert not error.permanent


def test_a_body_that_never_ends_is_not_waited_for(receiver: Receiver) -> None:
    receiver.answers.append(Answer(what="flood"))
    WebhookSender(private=True, seconds=10).send(to(f"{receiver.url}/hook"), a_message())
    assert len(receiver.got) == 1


@pytest.mark.parametrize("what", ["cut", "noise"])
def test_a_broken_connection_is_tried_again(receiver: Receiver, what: Any) -> None:
    receiver.answers.append(Answer(what=what))
    error = failure(WebhookSender(private=True), f"{receiver.url}{SECRET_PATH}")
    assert not error.permanent
    assert "127.0.0.1 cannot be reached, or broke off" in str(error)


def test_a_closed_port_is_tried_again() -> None:
    with socket.create_server((LOOPBACK, 0)) as listening:
        port = listening.getsockname()[1]
    error = failure(WebhookSender(private=True), f"http://{LOOPBACK}:{port}{SECRET_PATH}")
    assert not error.permanent


def test_a_resolver_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()

    def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        release.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    begun = time.monotonic()
    error = failure(WebhookSender(private=True, seconds=0.3), f"https://{NAME}{SECRET_PATH}")
    release.set()
    assert time.monotonic() - begun < 30
    assert not error.permanent


def test_a_name_without_an_address_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def getaddrinfo(*_: Any, **__: Any) -> list[Any]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    error = failure(WebhookSender(private=True), f"https://{NAME}{SECRET_PATH}")
    assert str(error).startswith(f"No address was found for {NAME}.")
    assert not error.permanent


def test_without_a_webhook_nothing_is_sent() -> None:
    with pytest.raises(DeliveryFailed, match="no webhook") as caught:
        WebhookSender(private=True).send(Recipient(user_id="ana", address="ana"), a_message())
    assert caught.value.permanent


def test_the_address_is_never_logged(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    sender = WebhookSender(private=True)
    sender.send(to(f"{receiver.url}{SECRET_PATH}"), a_message())
    receiver.answers.append(Answer(302, {"location": "/elsewhere"}))
    failure(sender, f"{receiver.url}{SECRET_PATH}")
    assert caplog.records
    assert "secret-token" not in caplog.text


def test_the_proxies_of_the_environment_are_not_used(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "ALL_PROXY", "http_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    WebhookSender(private=True).send(to(f"{receiver.url}/hook"), a_message())
    assert len(receiver.got) == 1


# Where webhooks may lead


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "017700000001",
        "0",
        "0.0.0.0",  # noqa: S104  # it reaches this machine
        "localhost",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::127.0.0.1]",
        "169.254.169.254",
        "[fd00:ec2::254]",
        "10.0.0.1",
        "192.168.1.1",
        "100.64.0.1",
    ],
)
def test_a_private_address_is_refused_however_it_is_written(receiver: Receiver, host: str) -> None:
    port = receiver.url.rpartition(":")[2]
    error = failure(WebhookSender(private=False), f"http://{host}:{port}{SECRET_PATH}")
    assert error.permanent
    assert "WEBHOOK_PRIVATE" in str(error)
    assert receiver.got == []


@pytest.mark.parametrize(
    "addresses", [[LOOPBACK], ["93.184.215.14", LOOPBACK], ["2606:4700::1111", "fe80::1%eth0"]]
)
def test_one_private_address_of_a_name_is_enough(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, addresses: list[str]
) -> None:
    resolving(monkeypatch, addresses)
    port = receiver.url.rpartition(":")[2]
    error = failure(WebhookSender(private=False), f"http://{NAME}:{port}{SECRET_PATH}")
    assert error.permanent
    assert f"{NAME} belongs to this machine or to a private network" in str(error)
    assert receiver.got == []


def test_a_name_cannot_mean_something_else_once_it_was_checked(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the loopback receiver in the place of a public one."""
    monkeypatch.setattr(module, "is_public", LOOPBACK.__eq__)
    looked_up = resolving(monkeypatch, LOOPBACK, "127.0.0.2")
    port = receiver.url.rpartition(":")[2]
    sender = WebhookSender(private=False)
    sender.send(to(f"http://{NAME}:{port}/hook"), a_message())
    assert looked_up == [NAME.encode()]
    assert [got.headers["host"] for got in receiver.got] == [f"{NAME}:{port}"]
    assert failure(sender, f"http://{NAME}:{port}{SECRET_PATH}").permanent
    assert len(receiver.got) == 1


def test_an_address_that_is_not_reached_leaves_it_to_the_next(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, ["::1", LOOPBACK])  # the receiver listens on the second only
    port = receiver.url.rpartition(":")[2]
    WebhookSender(private=True).send(to(f"http://{NAME}:{port}/hook"), a_message())
    assert len(receiver.got) == 1


PUBLIC = ["8.8.8.8", "93.184.215.14", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
NOT_PUBLIC = [
    "0.0.0.0",  # noqa: S104  # see above
    "10.255.0.1",
    "100.64.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "192.168.0.1",
    "192.0.0.8",
    "192.0.0.192",
    "192.0.2.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::7f00:1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::808:808",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "2002:808:808::",
    "3fff::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1%eth0",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize(
    ("address", "public"),
    [(each, True) for each in PUBLIC] + [(each, False) for each in NOT_PUBLIC],
)
def test_what_is_public(address: str, *, public: bool) -> None:
    assert is_public(address) is public


def test_this_machine_s_own_public_address_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    own = {"eth0": [type("Own", (), {"family": socket.AF_INET, "address": "8.8.8.8"})]}
    monkeypatch.setattr(psutil, "net_if_addrs", lambda: own)
    assert not is_public("8.8.8.8")
    assert not is_public("::ffff:8.8.8.8")
    assert is_public("8.8.4.4")


# TLS


def certified(authority: trustme.CA, name: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(name).configure_cert(context)
    return context


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> trustme.CA:
    """A certificate authority that this process trusts."""
    made = trustme.CA()
    made.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    return made


def test_tls_is_to_the_name_though_an_address_is_connected_to(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolving(monkeypatch, LOOPBACK)
    with receiving_tls(certified(authority, NAME)) as receiver:
        WebhookSender(private=True).send(to(f"https://{NAME}:{receiver.port}/hook"), a_message())
    assert receiver.names == [NAME]
    assert receiver.hosts == [f"{NAME}:{receiver.port}"]


@pytest.mark.parametrize("proven", ["other.example.org", LOOPBACK])
def test_a_certificate_of_another_name_is_not_trusted(
    authority: trustme.CA, monkeypatch: pytest.MonkeyPatch, proven: str
) -> None:
    resolving(monkeypatch, LOOPBACK)
    with receiving_tls(certified(authority, proven)) as receiver:
        error = failure(WebhookSender(private=True), f"https://{NAME}:{receiver.port}{SECRET_PATH}")
    assert str(error) == f"{NAME} has a certificate that cannot be trusted."
    assert not error.permanent
    assert receiver.hosts == []


@pytest.mark.usefixtures("authority")
def test_an_unknown_authority_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    resolving(monkeypatch, LOOPBACK)
    with receiving_tls(certified(trustme.CA(), NAME)) as receiver:
        error = failure(WebhookSender(private=True), f"https://{NAME}:{receiver.port}{SECRET_PATH}")
    assert "certificate" in str(error)
    assert receiver.hosts == []


def test_plain_http_where_tls_is_spoken_is_tried_again(receiver: Receiver) -> None:
    secure = receiver.url.replace("http://", "https://")
    error = failure(WebhookSender(private=True), f"{secure}{SECRET_PATH}")
    assert not error.permanent
    assert receiver.got == []


# What users type


@pytest.mark.parametrize(
    ("url", "form"),
    [
        ("https://hooks.slack.com/services/T0/B0/x", models.WebhookFormat.SLACK),
        ("https://discord.com/api/webhooks/1/x", models.WebhookFormat.DISCORD),
        ("https://canary.discord.com/api/webhooks/1/x", models.WebhookFormat.DISCORD),
        ("https://DiscordApp.com/api/webhooks/1/x", models.WebhookFormat.DISCORD),
        ("https://notdiscord.com/api", models.WebhookFormat.FIVEFOLD),
        ("https://hooks.slack.com.example.org/", models.WebhookFormat.FIVEFOLD),
        ("http://[::1]:9000/hook?a=b", models.WebhookFormat.FIVEFOLD),
        ("https://bücher.example/ä", models.WebhookFormat.FIVEFOLD),
    ],
)
def test_the_format_is_guessed_from_the_host(url: str, form: models.WebhookFormat) -> None:
    webhook = parse_webhook(f" {url}\n")
    assert webhook.url == url
    assert webhook.format == form
    assert parse_webhook(url, "slack").format == models.WebhookFormat.SLACK


def test_a_secret_is_made_where_none_is_given() -> None:
    first, second = (
        parse_webhook("https://x.example"),
        parse_webhook("https://x.example", secret=""),
    )
    assert first.secret != second.secret
    for made in (first, second):
        assert len(base64.b64decode(made.secret.removeprefix("whsec_"), validate=True)) == 32
    given = parse_webhook("https://x.example", secret=f" {first.secret} ")
    assert given == first


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"url": "  "}, "Please enter"),
        ({"url": "hooks.example.org/x"}, "starts with https://"),
        ({"url": "ftp://x.example/"}, "starts with https://"),
        ({"url": "file:///etc/passwd"}, "starts with https://"),
        ({"url": "https:///x"}, "names a host"),
        ({"url": "https://user:pass@x.example/"}, "user name"),
        ({"url": "https://user@x.example/"}, "user name"),
        ({"url": "http://127.0.0.1\\@x.example/"}, "user name"),
        ({"url": "https://x.exa\tmple/"}, "no address"),
        ({"url": "https://x.example:99999/"}, "port"),
        ({"url": "https://x.example:0/"}, "port"),
        ({"url": "https://x.example:port/"}, "no address"),
        ({"url": "http://0177.0.0.1/"}, "no address"),
        ({"url": "https://①.example/\x00"}, "no address"),
        ({"url": f"https://x.example/{'a' * 2000}"}, "2,000 characters"),
        ({"url": "https://x.example", "format": "teams"}, "no format “teams”"),
        ({"url": "https://x.example", "secret": "hunter2"}, "whsec_"),
        ({"url": "https://x.example", "secret": "whsec_c2hvcnQ="}, "24 to 64 bytes"),
        ({"url": "https://x.example", "secret": "whsec_" + "*" * 44}, "Base64"),
        ({"url": "https://x.example", "secret": "whsec_" + "A" * 88}, "24 to 64 bytes"),
    ],
)
def test_what_cannot_be_is_said_in_a_sentence(typed: dict[str, str], says: str) -> None:
    with pytest.raises(models.InvalidInput, match=says) as caught:
        parse_webhook(**typed)
    assert "pass@" not in str(caught.value)


def test_the_longest_address_is_taken() -> None:
    url = f"https://x.example/{'a' * 1982}"
    assert len(url) == 2000
    assert isinstance(parse_webhook(url), models.Webhook)


def test_its_check_says_where_webhooks_may_lead() -> None:
    sender = WebhookSender(private=False)
    assert "may not lead to this machine" in sender.check()
    assert "may lead to this machine" in WebhookSender(private=True).check()
    assert (sender.name, sender.at_once) == ("webhook", 16)
