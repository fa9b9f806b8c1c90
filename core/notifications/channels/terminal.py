"""The terminal in which `make run` was typed."""

from typing import ClassVar

from core.models import TERMINAL
from core.notifications.channels import Channel, Recipient
from core.notifications.message import Message


class Terminal(Channel):
    """Prints messages for whoever sits there."""

    name: ClassVar[str] = TERMINAL

    def send(self, recipient: Recipient, message: Message) -> None:
        """Print it."""
        lines = [f"✔ {recipient.user_id}: {message.title}"]
        if len(message.jobs) > 1:
            lines += [f"  {report.title}: {report.link}" for report in message.jobs]
        else:
            lines += [f"  {message.text}", f"  {message.link}"]
        print("\n" + "\n".join(f"  {line}" for line in lines) + "\n", flush=True)  # noqa: T201  # printing is this channel

    def check(self) -> str:
        """Say where it prints."""
        return "where `make run` was typed"
