"""Which channels there are, by the settings."""

from core.media.storage import ContentStore
from core.models import ChannelName
from core.notifications.channels import Channel
from core.notifications.channels.app import App
from core.notifications.channels.terminal import Terminal
from core.settings import Settings


def offered(settings: Settings) -> list[ChannelName]:
    """Return the channels that can be chosen here, without opening any."""
    from core.notifications.channels.desktop import session_bus  # noqa: PLC0415  # seldom needed

    here = {
        ChannelName.APP: True,
        ChannelName.EMAIL: settings.mails,
        ChannelName.DESKTOP: settings.local and session_bus(),
        ChannelName.WEBHOOK: True,
        ChannelName.TERMINAL: True,
    }
    return [name for name, there in here.items() if there]


def open_channels(settings: Settings, content: ContentStore) -> list[Channel]:
    """Return the channels that are offered, ready to send; nothing is connected yet.

    Args:
        settings: say which there are, and how they are reached.
        content: where pictures for mails are.
    """
    names = offered(settings)
    channels: list[Channel] = [App(), Terminal()]
    if ChannelName.EMAIL in names:
        from core.notifications.channels.email import Email, Server  # noqa: PLC0415  # loads yagmail

        channels.append(Email(Server.of(settings), content))
    if ChannelName.DESKTOP in names:
        from core.notifications.channels.desktop import Desktop  # noqa: PLC0415  # talks to a bus

        channels.append(Desktop())
    if ChannelName.WEBHOOK in names:
        from core.notifications.channels.webhook import WebhookSender  # noqa: PLC0415  # loads httpx2

        channels.append(WebhookSender(private=settings.webhook_private))
    return channels
