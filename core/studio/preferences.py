"""Notification preferences: when and by which channels a user is notified."""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from core import models
from core.i18n import gettext as _
from core.notifications.channels.webhook import parse_webhook
from core.notifications.registry import channel_names, channel_type
from core.store import Store
from core.studio.studio import Studio

TESTS_AN_HOUR: Final = 10


def check_preferences(
    notify: models.Notify, user: models.User | None, channels: Collection[str]
) -> None:
    """Check that a user can be notified like this.

    Args:
        notify: when and by which channels.
        user: whom; None: an unknown user.
        channels: the names of the available channels.

    Raises:
        InvalidInput: they cannot; the text says what to do.
    """
    missing = [name for name in notify.channels if name not in channels]
    for name in missing:
        if said := channel_type(name).not_offered:
            raise models.InvalidInput(_(said))
    if missing:
        raise models.InvalidInput(
            _("“{name}” is not available here; there are {known}.").format(
                name=missing[0], known=", ".join(channels)
            )
        )
    for name in channel_names():
        channel = channel_type(name)
        if name in notify.channels and not channel.is_ready(notify, user):
            raise models.InvalidInput(_(channel.not_ready))


def choose_defaults(
    studio: Studio, user: models.User, notify: models.Notify, zone: str | None
) -> None:
    """Store how a user is notified of jobs that do not say otherwise.

    Args:
        studio: the connections.
        user: whom.
        notify: when and by which channels.
        zone: the name of their time zone; None: as the browser says.

    Raises:
        InvalidInput: they cannot be notified like this; the text says what to do.
    """
    check_preferences(notify, user, studio.channels())
    studio.store.users.set_preferences(user.id, notify=notify, zone=zone)


def choose_webhook(store: Store, user: models.User, url: str, body_format: str | None) -> None:
    """Store where a user's webhook leads.

    Args:
        store: the database.
        user: whose webhook.
        url: its address, as typed.
        body_format: a `WebhookFormat`; None: as the address suggests.

    Raises:
        InvalidInput: it is not an address that can be called; the text says why.
    """
    store.users.set_preferences(user.id, webhook=parse_webhook(url, body_format))


def remove_webhook(store: Store, user: models.User) -> None:
    """Forget a user's webhook."""
    store.users.set_preferences(user.id, webhook=None)


def choose_email(store: Store, user: models.User, typed: str) -> str:
    """Store a user's e-mail address, switch e-mail on, and ask for confirmation if needed.

    Args:
        store: the database.
        user: whose address.
        typed: an address; empty: remove it.

    Returns:
        a message for the user.

    Raises:
        InvalidInput: it is no address, or confirmation was asked for too often.
    """
    others = tuple(name for name in user.notify.channels if name != models.EMAIL)
    if not typed.strip():
        without = user.notify.model_copy(update={"channels": others})
        store.users.set_preferences(user.id, email=None, notify=without)
        store.notices.cancel_channel(user.id, models.EMAIL)
        return _("No mail is sent to you any more.")
    address = models.parse_address(typed)
    known = store.email_addresses.get(user.id, address)
    if known is None or not known.takes_mail:
        store.email_addresses.request_confirmation(user.id, address)
        store.notices.add(user.id, models.NoticeKind.CONFIRM, models.EMAIL, address)
        if user.email is not None and not _confirmed(store, user.id, user.email):
            store.notices.readdress(user.id, user.email, address)  # it may have been a typing error
    switched_on = user.notify.model_copy(update={"channels": (*others, models.EMAIL)})
    store.users.set_preferences(user.id, email=address, notify=switched_on)
    if known is not None and known.takes_mail:
        return _("Mail goes to {address}.").format(address=address)
    return _("Please follow the link in the mail that is sent to {address} now.").format(
        address=address
    )


def confirm_email(store: Store, token: str) -> models.EmailAddress | None:
    """Confirm an address by the link in a mail, and send what waits for that.

    Args:
        store: the database.
        token: the secret of the link.

    Returns:
        the address; None: the link is not valid, or not any more.
    """
    found = store.email_addresses.confirm(token)
    if found is not None:
        store.notices.retry_now(found.user_id, found.address)
    return found


def unsubscribe(store: Store, token: str) -> models.EmailAddress | None:
    """Send no more mail to an address, by the link in a mail; None: the link is not valid."""
    return store.email_addresses.unsubscribe(token)


def _confirmed(store: Store, user_id: str, address: str) -> bool:
    found = store.email_addresses.get(user_id, address)
    return found is not None and found.confirmed_at is not None


def send_test(store: Store, user: models.User, channel: str) -> None:
    """Send a user a test notification.

    Raises:
        InvalidInput: the channel is not set up, or there were too many tests.
    """
    check_preferences(models.Notify(channels=(channel,)), user, channel_names())
    hour_ago = models.now() - timedelta(hours=1)
    if store.notices.count_since(user.id, models.NoticeKind.TEST, hour_ago) >= TESTS_AN_HOUR:
        raise models.InvalidInput(
            _("You had {count} tests within an hour; please wait a while.").format(
                count=TESTS_AN_HOUR
            )
        )
    recipient = models.recipient_of(channel, models.Notify(), user.id, user)
    store.notices.add(user.id, models.NoticeKind.TEST, channel, recipient or user.id)
