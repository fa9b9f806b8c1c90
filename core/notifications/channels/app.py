"""The app itself: the bell on every page."""

from typing import ClassVar

from core.models import APP
from core.notifications.channels import Channel, Recipient
from core.notifications.message import Message


class App(Channel):
    """Shows messages in the app. The row of the outbox, once it is sent, is what the bell shows."""

    name: ClassVar[str] = APP

    def send(self, recipient: Recipient, message: Message) -> None:
        """Do nothing: that the row is stored as sent makes it show."""

    def check(self) -> str:
        """Say where it shows."""
        return "the bell on every page"
