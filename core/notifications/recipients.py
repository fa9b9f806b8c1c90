"""Who a message goes to: nobody gets mail without having agreed to it."""

from dataclasses import replace
from datetime import timedelta
from typing import Final

from core.i18n import N_
from core.models import Notice, NoticeKind, now
from core.notifications.channels import DeliveryFailed, Recipient
from core.store import Store
from core.store.accounts.email_addresses import LINK_DAYS

LOOK_AGAIN_SECONDS: Final = 60.0


class NotConfirmed(Exception):
    """The address has not been confirmed yet; the row waits for that."""


def confirm_link(link_base: str, token: str) -> str:
    """Return the link by which an address is confirmed."""
    return f"{link_base}/mail/confirm/{token}"


def unsubscribe_link(link_base: str, token: str) -> str:
    """Return the link by which mail to an address is put an end to."""
    return f"{link_base}/mail/unsubscribe/{token}"


def find_user(_store: Store, notice: Notice, _link_base: str) -> tuple[Recipient, str]:
    """Return the user as the recipient of a row, and no link."""
    return _to(notice), ""


def find_webhook(store: Store, notice: Notice, _link_base: str) -> tuple[Recipient, str]:
    """Return the webhook that a row goes to, and no link.

    Raises:
        DeliveryFailed: the user has none any more.
    """
    user = store.users.get(notice.user_id)
    if user is None or user.webhook is None:
        raise DeliveryFailed(N_("The webhook was taken away from the settings."), permanent=True)
    return replace(_to(notice), webhook=user.webhook), ""


def find_mailbox(store: Store, notice: Notice, link_base: str) -> tuple[Recipient, str]:
    """Return the mailbox that a row goes to, and the link by which it is confirmed.

    Raises:
        NotConfirmed: not now; the text says why, for the user.
        DeliveryFailed: never; the text says why.
    """
    found = store.email_addresses.get(notice.user_id, notice.recipient)
    if notice.kind == NoticeKind.CONFIRM:
        if found is None or found.confirm_token is None or (found.confirm_until or now()) <= now():
            raise DeliveryFailed(N_("The link in it has been used or has ended."), permanent=True)
        link = confirm_link(link_base, found.confirm_token)
        return _to(notice, unsubscribe_link(link_base, found.unsubscribe_token)), link
    if found is not None and found.unsubscribed_at is not None:
        raise DeliveryFailed(N_("Its owner wants no more mail from here."), permanent=True)
    if found is None or not found.takes_mail:
        ends = notice.created_at + timedelta(days=LINK_DAYS)
        if found is not None and found.confirm_until is not None:
            ends = found.confirm_until
        if now() > ends:
            raise DeliveryFailed(N_("The address was never confirmed."), permanent=True)
        raise NotConfirmed(N_("Waits until the address is confirmed by the link in the mail."))
    return _to(notice, unsubscribe_link(link_base, found.unsubscribe_token)), ""


def _to(notice: Notice, unsubscribe: str = "") -> Recipient:
    return Recipient(user_id=notice.user_id, address=notice.recipient, unsubscribe=unsubscribe)
