"""The notifier process: a `schedule` loop that sends what is due in the outbox."""

import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Sequence
from typing import Final

import schedule

from core.notifications.channels import Channel
from core.notifications.sender import Sender
from core.settings import Settings
from core.store import Store

STOP_SECONDS: Final = 52.0  # a mail may take 50, and the supervisor waits for 60
LONGEST_IDLE_SECONDS: Final = 2.0


def run_notifier(settings: Settings, store: Store, channels: Sequence[Channel]) -> None:
    """Send due messages until SIGTERM or SIGINT; what is being sent then may still end.

    Args:
        settings: how long leases last, and what links start with.
        store: the database.
        channels: what can be sent over.
    """
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    sender = Sender(
        store,
        channels,
        settings.link_base,
        owner=f"{socket.gethostname()}:{os.getpid()}:{secrets.token_hex(4)}",
        lease_seconds=settings.lease_seconds,
    )
    scheduler = _scheduled(sender)
    sender.look()
    while not stop.is_set():
        scheduler.run_pending()
        idle = scheduler.idle_seconds or 0.0
        if idle > LONGEST_IDLE_SECONDS:
            # `schedule` goes by the clock on the wall, which shows an hour twice in autumn.
            scheduler = _scheduled(sender)
            continue
        stop.wait(max(0.0, idle))
    deadline = time.monotonic() + STOP_SECONDS
    while not sender.stop(1.0):  # what is being sent stays ours until the end
        sender.renew()
        if time.monotonic() > deadline:
            return
    for channel in channels:
        channel.close()


def _scheduled(sender: Sender) -> schedule.Scheduler:
    scheduler = schedule.Scheduler()
    # Not every lease / 3, for `schedule` counts in whole seconds; it asks only while sending.
    scheduler.every(1).seconds.do(sender.renew)
    scheduler.every(1).seconds.do(sender.look)
    scheduler.every(60).seconds.do(sender.give_up_unserved)
    return scheduler
