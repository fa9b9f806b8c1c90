"""The ways in which a message reaches a user."""

from typing import Final, Protocol

from core.notifications.message import Message


class Channel(Protocol):
    """Sends a message to one recipient; raises `DeliveryFailed` where it cannot."""

    def send(self, recipient: str, message: Message) -> None:
        """Send it. Returning means that it was taken for good."""


class DeliveryFailed(Exception):
    """The channel did not take the message; the text says why."""


class Terminal:
    """Prints the message where `make run` was typed."""

    def send(self, recipient: str, message: Message) -> None:
        """Print it for the person at the terminal."""
        print(  # noqa: T201  # printing is this channel
            f"\n  ✔ {recipient}: {message.title}\n    {message.text}\n    {message.link}\n",
            flush=True,
        )


CHANNELS: Final[dict[str, Channel]] = {"terminal": Terminal()}
