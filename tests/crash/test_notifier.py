"""Two notifiers that are killed all the time: every mail arrives, and which may arrive twice.

A mail may come twice where its sender dies after its content went out and before its row is
stored: the server may take it then, and nobody knows.
"""

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
from pymongo import MongoClient
from pymongo.database import Database

from core.models import NoticeStatus
from core.settings import Settings
from core.store import Store
from tests.outbox import ADDRESS, USER, fill
from tests.product import ROOT
from tests.profiles import by_profile
from tests.servers.mail import Mail, MailServer, environment_of

NUMBER: Final = by_profile(120, 480)
LEAST_KILLS: Final = 6
MAIL_SECONDS: Final = 0.12
LEASE_SECONDS: Final = 2
DEADLINE_SECONDS: Final = 400


class Kill(NamedTuple):
    """When a run of a notifier was killed."""

    run: str
    time: float


class Notifier:
    """A notifier that is started again whenever it was killed; each run has its own sender."""

    def __init__(self, name: str, environment: dict[str, str], log: Path) -> None:
        self._name = name
        self._environment = environment
        self._log = log
        self._runs = 0
        self.start()

    def start(self) -> None:
        self._runs += 1
        self.run = f"{self._name}-{self._runs}"
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "core", "notifier"],
                cwd=ROOT,
                env=self._environment | {"MAIL_FROM": f"{self.run}@studio.example.org"},
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> Kill:
        self._process.send_signal(signal.SIGKILL)
        killed = Kill(self.run, time.monotonic())
        self._process.wait()
        return killed

    def stop(self) -> int:
        self._process.terminate()
        return self._process.wait(30)


def run_of(mail: Mail) -> str:
    """The run of a notifier that sent a mail."""
    return mail.sender.partition("@")[0]


def runs(server: MailServer) -> set[str]:
    return set(map(run_of, server.mails))


def due(store: Store) -> bool:
    return bool(store.notices.of_user(USER, [NoticeStatus.DUE], 1))


def until(condition: Callable[[], bool], deadline: float) -> None:
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


@pytest.fixture
def raw(settings: Settings) -> Iterator[Database[dict[str, Any]]]:
    uri = settings.mongodb_uri.get_secret_value()
    with MongoClient[dict[str, Any]](uri) as client:
        yield client[settings.mongodb_database]


def test_none_is_lost_and_only_a_kill_between_sent_and_stored_doubles_one(
    settings: Settings,
    store: Store,
    raw: Database[dict[str, Any]],
    tmp_path: Path,
) -> None:
    store.email_addresses.confirm_locally(USER, ADDRESS)
    rows = fill(raw, NUMBER)
    chance = random.Random(7)
    kills: list[Kill] = []
    with MailServer(delay=MAIL_SECONDS) as server:
        environment = (
            os.environ
            | environment_of(server)
            | {
                "MONGODB_URI": settings.mongodb_uri.get_secret_value(),
                "MONGODB_DATABASE": settings.mongodb_database,
                "CONTENT_URL": settings.content_url,
                "LEASE_SECONDS": str(LEASE_SECONDS),
                "SMTP_CONNECTIONS": "1",
            }
        )
        log = tmp_path / "notifiers.log"
        notifiers = [Notifier(name, environment, log) for name in ("one", "two")]
        deadline = time.monotonic() + DEADLINE_SECONDS
        try:
            while due(store):
                victim = chance.choice(notifiers)
                # Only one that is at work: a kill during its start proves nothing.
                run = victim.run
                until(lambda: run in runs(server) or not due(store), deadline)  # noqa: B023  # at once
                time.sleep(chance.uniform(0, 4 * MAIL_SECONDS))  # at any instant of its work
                kills.append(victim.kill())
                victim.start()
        finally:
            codes = [notifier.stop() for notifier in notifiers]
        arrived = defaultdict(list)
        for mail in server.mails:
            arrived[str(mail.message["Message-ID"])].append(mail)

    assert set(codes) <= {0, -signal.SIGTERM}, log.read_text()  # one may be starting yet
    assert set(arrived) == {f"<{row}@studio.example.org>" for row in rows}, "none is lost"
    killed = {kill.run: kill.time for kill in kills}
    window = Counter[str]()  # of mails that came twice: whether the server said OK before the kill
    doubled = {key: mails for key, mails in arrived.items() if len(mails) > 1}
    for key, mails in doubled.items():
        for mail in mails[:-1]:
            run = run_of(mail)
            assert run in killed, f"{key} was sent again although {run} was not killed"
            last = max(each.time for each in server.mails if run_of(each) == run)
            assert mail.time == last, f"{key} was not the last one that {run} sent"
            window["after" if mail.time > killed[run] else "before"] += 1
    assert len(doubled) <= len(kills), "one a kill at the most, over one connection"
    assert len(kills) >= LEAST_KILLS
    print(f"{NUMBER} mails, {len(kills)} kills, {len(doubled)} doubled: {dict(window)}")  # noqa: T201  # the count
    assert "Traceback" not in log.read_text()
