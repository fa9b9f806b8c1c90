"""Checking what users wish to be told, against what there is here."""

from collections.abc import Collection
from datetime import timedelta
from typing import Final

from core.i18n import gettext as _
from core.models import (
    ChannelName,
    InvalidInput,
    NoticeKind,
    Notify,
    User,
    now,
    parse_address,
)
from core.store import Store

TESTS_AN_HOUR: Final = 10


def check_preferences(notify: Notify, user: User | None, channels: Collection[str]) -> None:
    """See that a wish can be fulfilled.

    Args:
        notify: the wish.
        user: who has it; None: somebody without settings.
        channels: the names of those that are offered here.

    Raises:
        InvalidInput: it cannot; the text says what to do.
    """
    missing = [name for name in notify.channels if name not in channels]
    if ChannelName.EMAIL in missing:
        raise InvalidInput(
            _("Mail is not set up here. SMTP_HOST, or SMTP_USER for Gmail, switches it on.")
        )
    if missing:
        raise InvalidInput(
            _("“{name}” is not available here; there are {known}.").format(
                name=missing[0], known=", ".join(channels)
            )
        )
    if ChannelName.EMAIL in notify.channels and not (notify.email or (user and user.email)):
        raise InvalidInput(_("Please save your e-mail address on the page “Notifications” first."))
    if ChannelName.WEBHOOK in notify.channels and (user is None or user.webhook is None):
        raise InvalidInput(_("Please save a webhook on the page “Notifications” first."))


def choose_email(store: Store, user: User, typed: str) -> str:
    """Store where a user's mail goes, switch it on, and ask its owner where that is needed.

    Args:
        store: the database.
        user: whose mail.
        typed: an address; empty: none any more.

    Returns:
        what to tell the user.

    Raises:
        InvalidInput: it is no address, or its owner was asked often enough.
    """
    others = tuple(name for name in user.notify.channels if name != ChannelName.EMAIL)
    if not typed.strip():
        without = user.notify.model_copy(update={"channels": others})
        store.users.choose(user.id, email=None, notify=without)
        store.notices.cancel_channel(user.id, ChannelName.EMAIL)
        return _("No mail is sent to you any more.")
    address = parse_address(typed)
    known = store.email_addresses.get(user.id, address)
    if known is None or not known.takes_mail:
        store.email_addresses.ask(user.id, address)
        store.notices.add(user.id, NoticeKind.CONFIRM, ChannelName.EMAIL, address)
        if user.email is not None and not _confirmed(store, user.id, user.email):
            store.notices.readdress(user.id, user.email, address)  # it was a slip, perhaps
    switched_on = user.notify.model_copy(update={"channels": (*others, ChannelName.EMAIL)})
    store.users.choose(user.id, email=address, notify=switched_on)
    if known is not None and known.takes_mail:
        return _("Mail goes to {address}.").format(address=address)
    return _("Please follow the link in the mail that is sent to {address} now.").format(
        address=address
    )


def _confirmed(store: Store, user_id: str, address: str) -> bool:
    found = store.email_addresses.get(user_id, address)
    return found is not None and found.confirmed_at is not None


def send_test(store: Store, user: User, channel: ChannelName) -> None:
    """Let a test be sent to a user over a channel.

    Raises:
        InvalidInput: it leads nowhere yet, or there were many tests.
    """
    check_preferences(Notify(channels=(channel,)), user, list(ChannelName))
    if store.notices.added(user.id, NoticeKind.TEST, now() - timedelta(hours=1)) >= TESTS_AN_HOUR:
        raise InvalidInput(
            _("You had {count} tests within an hour; please wait a while.").format(
                count=TESTS_AN_HOUR
            )
        )
    recipient = user.email if channel == ChannelName.EMAIL else None
    store.notices.add(user.id, NoticeKind.TEST, channel, recipient or user.id)
