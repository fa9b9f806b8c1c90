"""The notifier process: a `schedule` loop that sends what is due in the outbox."""

import logging
import signal
import threading

import schedule

from core.models import JobStatus
from core.notifications.channels import CHANNELS, DeliveryFailed
from core.notifications.message import write_message
from core.settings import Settings
from core.store import DatabaseError, Store

_log = logging.getLogger(__name__)


def run_notifier(settings: Settings, store: Store) -> None:
    """Send due messages once a second until SIGTERM or SIGINT."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    scheduler = schedule.Scheduler()
    scheduler.every(1).seconds.do(send_due, store, settings.link_base)
    while not stop.is_set():
        scheduler.run_pending()
        stop.wait(max(0.0, scheduler.idle_seconds or 0.0))


def send_due(store: Store, link_base: str) -> int:
    """Send every row of the outbox that is due, and return how many were sent.

    One row's failure holds back no other. A row is marked as sent right after its channel took
    the message: dying between the two is the one way in which a message is sent again.
    """
    sent = 0
    try:
        for notice in store.outbox.due():
            job = store.jobs.get(notice.job_id)
            channel = CHANNELS.get(notice.channel)
            if job is None or channel is None:
                store.outbox.gave_up(notice.id, "the job or the channel does not exist any more")
                continue
            if job.status == JobStatus.PROCESSING:
                store.outbox.put_off(notice.id)  # tried again since it ended: not yet, then
                continue
            try:
                channel.send(notice.recipient, write_message(job, link_base))
            except DeliveryFailed as error:
                store.outbox.failed(notice, str(error))
            except Exception as error:  # noqa: BLE001  # one row's failure holds back no other
                _log.exception("%s was not sent", notice.id)
                store.outbox.failed(notice, repr(error))
            else:
                store.outbox.sent(notice.id)
                sent += 1
    except DatabaseError as error:
        _log.warning("the outbox cannot be read: %s", error)
    return sent
