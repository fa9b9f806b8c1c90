"""What users are told: their wishes, the rows of the outbox, and where messages may go."""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final, Self

from email_validator import SPECIAL_USE_DOMAIN_NAMES, EmailNotValidError, validate_email
from pydantic import Field

from core.i18n import gettext as _
from core.models.base import (
    STORED,
    VITAL,
    Count,
    Document,
    InvalidInput,
    Language,
    Lease,
    Moment,
)
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
    """When a user wants to be told of a job that has ended."""

    READY = "ready"
    AT = "at"
    DAILY = "daily"


class Notify(Document):
    """Where and when a user wants to be told of a job.

    Attributes:
        channels: by their names; the terminal is told besides.
        when: as soon as it is ready, at a time, or in a daily digest.
        at: that time (UTC).
        daily: the digest's time of day (`HH:MM`), on a clock in `timezone`.
        timezone: the zone that the user's times are meant in.
        email: where mail goes; None: the address of the user's settings.
    """

    channels: tuple[str, ...] = (APP,)
    when: When = When.READY
    at: Moment | None = None
    daily: Clock | None = None
    timezone: Zone = "UTC"
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
        """Return the wish that was typed; without a time it is: as soon as it is ready.

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
            raise InvalidInput(_("Please choose one: a time, or the daily digest."))
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
        InvalidInput: it is none. Whether it exists only a mail can tell.
    """
    try:
        found = validate_email(text.strip(), check_deliverability=False, globally_deliverable=False)
    except EmailNotValidError as error:
        raise InvalidInput(
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


class Notice(Document):
    """One row of the outbox: what one recipient is told over one channel.

    Attributes:
        kind: what it is about.
        job_id: the job that it announces.
        channel: how it is sent.
        recipient: an e-mail address; over any other channel the user_id.
        digest: whether it goes together with what else is due for the same recipient.
        due_at: when it is to be sent, or tried again.
        language: the language that its recipient reads, unless another is chosen since.
        tried_since: when it was first tried.
        attempts: how often it was tried in vain.
        error: why it was not sent.
        title: what it said, once it was sent.
        text: the sentence below the title.
        read_at: when the user saw it in the app.
    """

    id: str = Field(alias="_id")
    kind: Annotated[NoticeKind, VITAL] = NoticeKind.JOB
    job_id: Annotated[str | None, VITAL] = None
    user_id: str
    channel: str
    recipient: str
    status: Annotated[NoticeStatus, STORED] = NoticeStatus.DUE
    digest: bool = False
    due_at: Moment
    created_at: Moment
    sent_at: Moment | None = None
    read_at: Moment | None = None
    language: Language | None = None
    tried_since: Moment | None = None
    attempts: Count = 0
    error: str | None = None
    title: str = ""
    text: str = ""
    lease: Lease | None = None


class WebhookFormat(StrEnum):
    """What a webhook's receiver understands."""

    FIVEFOLD = "fivefold"
    SLACK = "slack"
    DISCORD = "discord"


class Webhook(Document):
    """Where a user's webhook is.

    Attributes:
        url: its address; for Slack and Discord it is a secret.
        secret: signs what is sent, in Standard Webhooks' form (`whsec_` and Base64).
        format: what its receiver understands.
    """

    url: str
    secret: str
    format: Annotated[WebhookFormat, VITAL] = WebhookFormat.FIVEFOLD


class EmailAddress(Document):
    """An e-mail address of a user; mail goes there only while it is confirmed.

    Attributes:
        confirmed_at: when its owner said yes.
        unsubscribed_at: when its owner said no; a later confirmation takes that back.
        confirm_token: what the link in the mail that asks carries, until it was used.
        confirm_until: when that link ends.
        unsubscribe_token: what the link in every mail carries.
        asked_at: when the owner was asked.
        mailbox: the same for every spelling that leads to one mailbox.
    """

    id: str = Field(alias="_id")
    user_id: str
    address: str
    confirmed_at: Moment | None = None
    unsubscribed_at: Annotated[Moment | None, VITAL] = None
    confirm_token: str | None = None
    confirm_until: Moment | None = None
    unsubscribe_token: str
    asked_at: tuple[Moment, ...] = ()
    mailbox: str = ""

    @property
    def takes_mail(self) -> bool:
        """Whether mail may be sent there."""
        return self.confirmed_at is not None and self.unsubscribed_at is None
