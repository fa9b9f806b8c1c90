"""Notifications: preferences, rows of the outbox, and where messages may go."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Self

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from pydantic import Field

from core.i18n import gettext as _
from core.models import base
from core.models.times import Clock, Zone, next_daily, parse_clock, parse_moment, parse_zone

# Names of a network of one's own; this list is what the library offers to change.
for _name in ("local", "localhost"):
    SPECIAL_USE_DOMAIN_NAMES.remove(_name)

# The channels that documents know; `core.notifications.registry` has all of them.
APP: Final = "app"
EMAIL: Final = "email"
WEBHOOK: Final = "webhook"
TERMINAL: Final = "terminal"
"""It announces every job, whatever the user chose."""


class When(StrEnum):
    """When a user is notified of a job that has ended."""

    READY = "ready"
    AT = "at"
    DAILY = "daily"


class Notify(base.Document):
    """Where and when a user is notified of a job."""

    #: Names of channels; the terminal is notified besides.
    channels: tuple[str, ...] = (APP,)
    #: As soon as the job has ended, at a time, or in a daily digest.
    when: When = When.READY
    #: That time.
    at: base.Moment | None = None
    #: The digest's time of day, on a clock in `timezone`.
    daily: Clock | None = None
    #: The time zone of the user's times.
    timezone: Zone = "UTC"
    #: Where mail goes; None: the address of the account.
    email: str | None = None

    @classmethod
    def read(
        cls,
        channels: Sequence[str],
        *,
        at: str | None = None,
        daily: str | None = None,
        timezone: str = "UTC",
        email: str | None = None,
    ) -> Self:
        """Return preferences as they were typed; without a time, as soon as the job has ended.

        Args:
            channels: names of channels.
            at: a local date and time, such as `2026-12-01T09:00`.
            daily: a time of day, such as `08:00`.
            timezone: the zone of both.
            email: an address.

        Raises:
            InvalidInput: something in it cannot be; the text says what.
        """
        zone = parse_zone(timezone)
        if at is not None and daily is not None:
            raise base.InvalidInput(_("Please choose one: a time, or the daily digest."))
        when = When.AT if at is not None else When.DAILY if daily is not None else When.READY
        return cls(
            channels=tuple(dict.fromkeys(channels)),
            when=when,
            at=None if at is None else parse_moment(at, zone),
            daily=None if daily is None else f"{parse_clock(daily):%H:%M}",
            timezone=timezone,
            email=None if email is None else parse_address(email),
        )

    def due_at(self, ended_at: datetime) -> datetime:
        """Return when a job that ended is to be announced: never before it ended."""
        if self.when == When.AT and self.at is not None:
            return max(self.at, ended_at)
        if self.when == When.DAILY and self.daily is not None:
            return next_daily(ended_at, parse_clock(self.daily), parse_zone(self.timezone))
        return ended_at


def parse_address(text: str) -> str:
    """Return the one spelling under which an e-mail address is stored and written to.

    Raises:
        InvalidInput: it is none. Only a mail can show whether it exists.
    """
    try:
        found = validate_email(text.strip(), check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise base.InvalidInput(
            _("“{typed}” is no e-mail address: {reason}").format(
                typed=text.strip()[:80], reason=error
            )
        ) from None
    return found.ascii_email or found.normalized


class NoticeKind(StrEnum):
    """What a message is about."""

    JOB = "job"
    CONFIRM = "confirm"
    TEST = "test"


class NoticeStatus(StrEnum):
    """Where a row of the outbox stands."""

    DUE = "due"
    SENT = "sent"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Notice(base.Document):
    """One row of the outbox: a message to one recipient over one channel."""

    id: str = Field(alias="_id")
    #: What it is about.
    kind: Annotated[NoticeKind, base.VITAL] = NoticeKind.JOB
    #: The job that it announces.
    job_id: Annotated[str | None, base.VITAL] = None
    user_id: str
    #: The name of its channel.
    channel: str
    #: An e-mail address; over other channels the user_id.
    recipient: str
    status: Annotated[NoticeStatus, base.STORED] = NoticeStatus.DUE
    #: Whether it goes into one message with whatever else is due for its recipient.
    digest: bool = False
    #: When it is to be sent, or tried again; once it was sent, when that was.
    due_at: base.Moment
    created_at: base.Moment
    sent_at: base.Moment | None = None
    #: When the user saw it in the app.
    read_at: base.Moment | None = None
    #: The language of its recipient, unless another was chosen since.
    language: base.Language | None = None
    #: When it was first tried.
    tried_since: base.Moment | None = None
    #: How often it was tried in vain.
    attempts: base.Count = 0
    #: Why it was not sent.
    error: str | None = None
    #: The title of the message, once it was sent.
    title: str = ""
    #: The sentence below the title.
    text: str = ""
    #: Which notifier sends it; None: nobody does.
    lease: base.Lease | None = None


class WebhookFormat(StrEnum):
    """What a webhook's receiver understands."""

    FIVEFOLD = "fivefold"
    SLACK = "slack"
    DISCORD = "discord"


class Webhook(base.Document):
    """Where a user's webhook is."""

    #: Its address; for Slack and Discord it is a secret.
    url: str
    #: Signs the messages, in the form of Standard Webhooks (`whsec_` and Base64).
    secret: str
    #: What its receiver understands.
    format: Annotated[WebhookFormat, base.VITAL] = WebhookFormat.FIVEFOLD


class EmailAddress(base.Document):
    """An e-mail address of a user; mail goes there only while it is confirmed."""

    id: str = Field(alias="_id")
    user_id: str
    address: str
    #: When its owner confirmed it.
    confirmed_at: base.Moment | None = None
    #: When its owner unsubscribed; a later confirmation takes that back.
    unsubscribed_at: Annotated[base.Moment | None, base.VITAL] = None
    #: The secret of the confirmation link, until it is used.
    confirm_token: str | None = None
    #: When that link ends.
    confirm_until: base.Moment | None = None
    #: The secret of the link in every mail.
    unsubscribe_token: str
    #: When its owner was asked to confirm it.
    asked_at: tuple[base.Moment, ...] = ()
    #: The same for every spelling that leads to one mailbox.
    mailbox: str = ""

    @property
    def takes_mail(self) -> bool:
        """Whether mail may be sent there."""
        return self.confirmed_at is not None and self.unsubscribed_at is None
