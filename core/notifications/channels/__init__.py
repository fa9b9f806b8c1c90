"""The contract of a notification channel."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from core.models import Webhook
from core.notifications.message import Message


@dataclass(frozen=True, kw_only=True)
class Recipient:
    """Who a message goes to.

    Attributes:
        user_id: whose message it is.
        address: an e-mail address; over any other channel the user_id.
        unsubscribe: the link by which mail is put an end to; empty: the message needs none.
        webhook: where the user's webhook is, and how it is signed and formed.
    """

    user_id: str
    address: str
    unsubscribe: str = ""
    webhook: Webhook | None = None


class DeliveryFailed(Exception):
    """A channel did not take a message; the text says why, in a sentence for the user.

    Args:
        reason: the sentence.
        permanent: whether trying again is no use.
        retry_after: seconds that the receiver asks to wait; None: it asks for nothing.
    """

    def __init__(
        self, reason: str, *, permanent: bool = False, retry_after: float | None = None
    ) -> None:
        super().__init__(reason)
        self.permanent = permanent
        self.retry_after = retry_after


class ChannelDown(DeliveryFailed):
    """A channel takes no message for anybody at the moment, such as a mail server that is off."""


class Channel(ABC):
    """Sends messages. `send` is called from several threads at once, at most `at_once`.

    Attributes:
        name: as it is registered.
        at_once: how many messages it takes at once.
        in_turn: whether a user's messages go one by one, so that nobody's receiver that hangs holds
            up others.
    """

    name: ClassVar[str]
    at_once: int = 1
    in_turn: bool = False

    @abstractmethod
    def send(self, recipient: Recipient, message: Message) -> None:
        """Send a message. Returning means that it was taken for good.

        It ends within a minute, whatever the other side does.

        Raises:
            DeliveryFailed: it was not taken, as far as is known.
        """

    @abstractmethod
    def check(self) -> str:
        """Return whether it works, in a line for people, having tried as far as can be.

        Raises:
            DeliveryFailed: it does not; the text says why and what to do.
        """

    def rest(self) -> None:  # noqa: B027  # most hold nothing
        """Called by a thread for which there is nothing more to send: end idle connections."""

    def close(self) -> None:  # noqa: B027  # likewise
        """Give up everything that is held."""
