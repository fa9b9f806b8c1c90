"""Sending what is due: each channel by itself, so that a broken one holds back no other."""

import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from core.i18n import ENGLISH, N_, speaking
from core.models import Asset, Job, JobStatus, Notice, NoticeKind
from core.notifications.channels import Channel, ChannelDown, DeliveryFailed
from core.notifications.message import Message, write_message
from core.notifications.recipients import LOOK_AGAIN_SECONDS, NotConfirmed
from core.notifications.registry import channel_type
from core.store import DatabaseError, Store
from core.store.documents.lease_fields import NOW, Moment
from core.system.backoff import Backoff

JOB_GOES_ON_SECONDS: Final = 5.0
STORE_AGAIN_SECONDS: Final = 0.1
BACKOFF: Final = Backoff(first=5.0, longest=900.0)  # between attempts at a row
DOWN_BACKOFF: Final = Backoff(first=2.0, longest=60.0)  # between looks at a channel that is down
OUR_FAULT: Final = N_(
    "It could not be sent because of a fault in Fivefold, which its log describes."
)

_log = logging.getLogger(__name__)


class Sender:
    """Takes due rows from the outbox and sends them; several may share one outbox.

    A row is stored as sent right after its channel took it. Only dying between the two (or being
    cut off from the database there for longer than a lease) lets a message be sent twice.

    Args:
        store: the database.
        channels: what can be sent over.
        link_base: what links start with.
        owner: the name of its leases; no other sender has it.
        lease_seconds: after how long a row of a sender that died is taken over.
        clock: returns the present time; the database's own unless a test names another.
    """

    def __init__(  # noqa: PLR0913  # one keyword each
        self,
        store: Store,
        channels: Sequence[Channel],
        link_base: str,
        *,
        owner: str,
        lease_seconds: float,
        clock: Callable[[], Moment] = lambda: NOW,
    ) -> None:
        self._store = store
        self._channels = channels
        self._link_base = link_base
        self._owner = owner
        self._lease_seconds = lease_seconds
        self._clock = clock
        self._lock = threading.Condition()
        self._sending: Counter[str] = Counter()  # threads by channel
        self._downs: Counter[str] = Counter()  # in a row, by channel
        self._down_until: dict[str, float] = {}
        self._held: set[str] = set()  # tokens of what is being sent
        self._owing: set[str] = set()  # was taken, and could not be stored as sent yet
        self._stopping = False

    def look(self) -> None:
        """Begin to send what is due over each channel that is not at it already."""
        for channel in self._channels:
            if time.monotonic() >= self._down_until.get(channel.name, 0.0):
                self._begin(channel, beside=0)

    def renew(self) -> None:
        """Prolong the leases of what is being sent; to be called several times a lease."""
        held = list(self._held)
        if not held:
            return
        try:
            self._store.outbox.renew(held, self._lease_seconds)
        except DatabaseError as error:
            _log.warning("the outbox cannot be reached: %s", error)

    def give_up_unserved(self) -> None:
        """Give up what is long overdue over channels that nobody looks after."""
        try:
            self._store.outbox.give_up_unserved([channel.name for channel in self._channels])
        except DatabaseError as error:
            _log.warning("the outbox cannot be reached: %s", error)

    def stop(self, seconds: float) -> bool:
        """Begin nothing more and wait for what is being sent; return whether all of it ended."""
        with self._lock:
            self._stopping = True
            return self._lock.wait_for(lambda: not self._sending.total(), seconds)

    def send_due(self, channel: Channel) -> int:
        """Send over a channel until nothing is due any more, and return how many rows were sent.

        Raises:
            DatabaseError: the outbox cannot be reached.
        """
        sent = 0
        while not (self._stopping or self._owing):
            claimed_at = time.monotonic()
            notices = self._store.outbox.claim(
                channel.name,
                self._owner,
                self._lease_seconds,
                self._clock(),
                in_turn=channel.in_turn,
            )
            if not notices:
                break
            if channel.at_once > 1:
                self._begin(channel, beside=channel.at_once - 1)
            tokens = {each.lease.token for each in notices if each.lease is not None}
            self._held |= tokens
            try:
                sent += self._deliver(channel, notices, claimed_at)
            finally:
                self._held -= tokens
            if time.monotonic() < self._down_until.get(channel.name, 0.0):
                break
        return sent

    def _begin(self, channel: Channel, beside: int) -> None:
        """Start one more thread for a channel where no more than `beside` are at it."""
        with self._lock:
            if self._stopping or self._sending[channel.name] > beside:
                return
            threading.Thread(
                target=self._run, args=[channel], name=f"send-{channel.name}", daemon=True
            ).start()
            self._sending[channel.name] += 1

    def _run(self, channel: Channel) -> None:
        try:
            self.send_due(channel)
        except DatabaseError as error:
            _log.warning("the outbox cannot be reached: %s", error)
        except Exception:  # noqa: BLE001  # the next look begins anew
            _log.exception("sending over %s broke off", channel.name)
        try:
            channel.rest()
        except Exception:  # noqa: BLE001  # likewise
            _log.exception("%s did not come to rest", channel.name)
        with self._lock:
            self._sending[channel.name] -= 1
            self._lock.notify_all()

    def _deliver(self, channel: Channel, claimed: Sequence[Notice], claimed_at: float) -> int:
        """Send claimed rows as one message and store what came of it; return how many were sent."""
        outbox, moment, notices = self._store.outbox, self._clock(), claimed
        try:
            notices, found = self._to_send(claimed)
            if not notices:
                return 0
            youngest = max(notices, key=lambda notice: notice.created_at)
            find = channel_type(channel.name).find_recipient
            recipient, link = find(self._store, youngest, self._link_base)
            with speaking(self._language(channel, youngest)):
                message = write_message(notices, found, self._link_base, link=link)
                if not self._holds(notices, claimed_at):
                    _log.warning("%s: too late to be sent by this process", message.id)
                    return 0
                channel.send(recipient, message)
                said = _said(notices, message)
        except NotConfirmed as reason:
            outbox.postpone(notices, LOOK_AGAIN_SECONDS, str(reason), moment)
        except DeliveryFailed as error:
            _log.info("%s was not sent over %s: %s", notices[0].id, channel.name, error)
            wait = max(error.retry_after or 0.0, BACKOFF.seconds(notices[0].attempts + 1))
            outbox.failed(notices, str(error), None if error.permanent else wait, moment)
            if isinstance(error, ChannelDown):
                self._note_down(channel)
        except DatabaseError:
            raise
        except Exception:  # noqa: BLE001  # one row's failure holds back no other
            if len(notices) > 1:  # nor what is in one message with it
                return sum(self._deliver(channel, [each], claimed_at) for each in notices)
            _log.exception("%s was not sent over %s", notices[0].id, channel.name)
            outbox.failed(notices, OUR_FAULT, BACKOFF.seconds(notices[0].attempts + 1), moment)
        else:
            self._downs[channel.name] = 0
            self._store_sent(said)
            return len(notices)
        return 0

    def _language(self, channel: Channel, notice: Notice) -> str:
        """Return the language of a message: the channel's own, or the recipient's."""
        if (own := channel_type(channel.name).language) is not None:
            return own
        user = self._store.users.get(notice.user_id)
        return (user and user.language) or notice.language or ENGLISH

    def _to_send(
        self, claimed: Sequence[Notice]
    ) -> tuple[list[Notice], list[tuple[Job, list[Asset]]]]:
        """Return those of claimed rows that can be sent now, and their jobs."""
        job_ids = [notice.job_id for notice in claimed if notice.job_id is not None]
        jobs = self._store.jobs.by_ids(job_ids)
        assets = self._store.assets.of_jobs(job_ids, binned=True)  # they were made all the same
        notices, found = [], []
        for notice in claimed:
            if notice.kind != NoticeKind.JOB:
                notices.append(notice)
                continue
            job = jobs.get(notice.job_id or "")
            if job is None:
                self._store.outbox.failed([notice], N_("The job was deleted."), None, self._clock())
            elif job.status == JobStatus.PROCESSING:  # tried again since it ended: not yet, then
                self._store.outbox.postpone([notice], JOB_GOES_ON_SECONDS, None, self._clock())
            else:
                notices.append(notice)
                found.append((job, assets[job.id]))
        return notices, found

    def _holds(self, notices: Sequence[Notice], claimed_at: float) -> bool:
        """Whether nobody else has taken over; with a third of the lease to spare nobody can."""
        if time.monotonic() - claimed_at < self._lease_seconds * 2 / 3:
            return True
        tokens = {each.lease.token for each in notices if each.lease is not None}
        return self._store.outbox.renew(tokens, self._lease_seconds) >= len(notices)

    def _store_sent(self, said: Mapping[str, tuple[str, str]]) -> None:
        """Store that a message was taken, however long the database does not answer."""
        key = next(iter(said))
        while True:
            try:
                self._store.outbox.sent(said)
            except DatabaseError as error:
                _log.warning("%s was sent, which cannot be stored: %s", key, error)
                self._owing.add(key)  # nothing is claimed meanwhile: it might be this very message
                time.sleep(STORE_AGAIN_SECONDS)
            else:
                self._owing.discard(key)
                return

    def _note_down(self, channel: Channel) -> None:
        """Leave a channel that takes nothing alone for a while, ever longer."""
        with self._lock:
            if time.monotonic() < self._down_until.get(channel.name, 0.0):
                return  # another thread has said so already
            self._downs[channel.name] += 1
            wait = DOWN_BACKOFF.seconds(self._downs[channel.name])
            self._down_until[channel.name] = time.monotonic() + wait


def _said(notices: Sequence[Notice], message: Message) -> dict[str, tuple[str, str]]:
    """Return title and text by row: in a digest, each row's own."""
    if len(message.jobs) != len(notices):
        return {notice.id: (message.title, message.text) for notice in notices}
    return {
        notice.id: (report.headline, report.text)
        for notice, report in zip(notices, message.jobs, strict=True)
    }
