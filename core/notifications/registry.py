"""The notification channels: what forms, the bell and the sender know of each.

A new channel is a module with a subclass of `Channel`, and one `register` here.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Final

from core.i18n import ENGLISH, N_
from core.i18n import gettext as _
from core.media.storage import ContentStore
from core.models import APP, EMAIL, TERMINAL, WEBHOOK, InvalidInput, Notice, Notify, User
from core.notifications.channels import Channel, Recipient
from core.notifications.channels.app import App
from core.notifications.channels.terminal import Terminal
from core.notifications.recipients import find_mailbox, find_user, find_webhook
from core.settings import Settings
from core.store import Store


@dataclass(frozen=True, kw_only=True)
class ChannelType:
    """A way in which a message reaches a user."""

    #: What preferences, jobs and the outbox store: lower-case ASCII.
    name: str
    #: What users read, marked for translation.
    title: str
    #: Returns the channel, ready to send; nothing is connected yet.
    open: Callable[[Settings, ContentStore], Channel]
    #: Whether users can choose it under these settings.
    is_offered: Callable[[Settings], bool] = lambda _settings: True
    #: Why it is not offered, for users; empty: that is said in general words.
    not_offered: str = ""
    #: Whether the preferences of a user (None: there is no such account) name where it leads.
    is_ready: Callable[[Notify, User | None], bool] = lambda _notify, _user: True
    #: What a user has to do where it is not ready.
    not_ready: str = ""
    #: Returns who a row goes to, and the link of a message that announces no job.
    find_recipient: Callable[[Store, Notice, str], tuple[Recipient, str]] = find_user
    #: What the bell says when a message could not be sent.
    failure: str = N_("A message could not be sent")
    #: The language of its messages, by its code; None: the recipient's.
    language: str | None = None


_channels: Final[dict[str, ChannelType]] = {}


def register(channel: ChannelType) -> None:
    """Add a channel, or replace the one of the same name."""
    _channels[channel.name] = channel


def channel_names() -> list[str]:
    """Return the names of all channels, in the order in which they are offered."""
    return list(_channels)


def channel_type(name: str) -> ChannelType:
    """Return a channel by its name; a plain one for a name that a newer version stored."""
    return _channels.get(name) or ChannelType(name=name, title=name, open=_open_app)


def channel_title(name: str) -> str:
    """Return what users read for a channel; its plain name where it is not known here."""
    return _(_channels[name].title) if name in _channels else name


def parse_channels(names: Collection[str]) -> tuple[str, ...]:
    """Return names of channels as they were typed, each once.

    Raises:
        InvalidInput: there is no channel of that name.
    """
    for name in names:
        if name not in _channels:
            raise InvalidInput(
                _("There is no channel “{name}”; there are {known}.").format(
                    name=name, known=", ".join(_channels)
                )
            )
    return tuple(dict.fromkeys(names))


def offered(settings: Settings) -> list[str]:
    """Return the names of the channels that can be chosen here, without opening any."""
    return [name for name, each in _channels.items() if each.is_offered(settings)]


def open_channels(settings: Settings, content: ContentStore) -> list[Channel]:
    """Return the channels that are offered, ready to send; nothing is connected yet.

    Args:
        settings: say which there are, and how they are reached.
        content: where pictures for mails are.
    """
    return [_channels[name].open(settings, content) for name in offered(settings)]


def _open_app(_settings: Settings, _content: ContentStore) -> Channel:
    return App()


def _open_email(settings: Settings, content: ContentStore) -> Channel:
    from core.notifications.channels.email import Email, Server  # noqa: PLC0415  # loads yagmail

    return Email(Server.of(settings), content)


def _open_desktop(_settings: Settings, _content: ContentStore) -> Channel:
    from core.notifications.channels.desktop import Desktop  # noqa: PLC0415  # talks to a bus

    return Desktop()


def _open_webhook(settings: Settings, _content: ContentStore) -> Channel:
    from core.notifications.channels.webhook import WebhookSender  # noqa: PLC0415  # loads httpx2

    return WebhookSender(private=settings.webhook_private)


def _has_desktop(settings: Settings) -> bool:
    from core.notifications.channels.desktop import session_bus  # noqa: PLC0415  # seldom needed

    return settings.local and session_bus()


register(ChannelType(name=APP, title=N_("App"), open=_open_app))
register(
    ChannelType(
        name=EMAIL,
        title=N_("E-mail"),
        open=_open_email,
        is_offered=lambda settings: settings.mails,
        not_offered=N_(
            "Mail is not set up here. SMTP_HOST, or SMTP_USER for Gmail, switches it on."
        ),
        is_ready=lambda notify, user: bool(notify.email or (user and user.email)),
        not_ready=N_("Please save your e-mail address on the page “Notifications” first."),
        find_recipient=find_mailbox,
        failure=N_("An e-mail could not be sent"),
    )
)
register(
    ChannelType(
        name="desktop",
        title=N_("Desktop"),
        open=_open_desktop,
        is_offered=_has_desktop,
        failure=N_("A desktop notification could not be shown"),
    )
)
register(
    ChannelType(
        name=WEBHOOK,
        title=N_("Webhook"),
        open=_open_webhook,
        is_ready=lambda _notify, user: user is not None and user.webhook is not None,
        not_ready=N_("Please save a webhook on the page “Notifications” first."),
        find_recipient=find_webhook,
        failure=N_("A message to your webhook could not be sent"),
    )
)
register(
    ChannelType(
        name=TERMINAL,
        title=N_("Terminal"),
        open=lambda _settings, _content: Terminal(),
        language=ENGLISH,
    )
)
