"""The options of `generate` that say when and how to notify."""

from dataclasses import dataclass
from zoneinfo import ZoneInfoNotFoundError

from tzlocal import get_localzone_name

from core.models import EMAIL, Notify, User, When
from core.notifications.registry import parse_channels


@dataclass(frozen=True, kw_only=True)
class NotifyOptions:
    """The options as typed; None: as the user's preferences say."""

    #: An e-mail address.
    email: str | None = None
    #: Names of channels, separated by commas.
    notify: str | None = None
    #: A local date and time.
    notify_at: str | None = None
    #: A local time of day.
    notify_daily: str | None = None
    #: The time zone of both.
    timezone: str | None = None

    def read(self, user: User | None) -> Notify | None:
        """Return what the options mean; None: no option is set.

        Args:
            user: whose preferences complete the options; None: an unknown user.

        Raises:
            InvalidInput: an option is wrong; the text says which.
        """
        if self == NotifyOptions():
            return None
        usual = Notify() if user is None else user.notify
        chosen = usual.channels if self.notify is None else _names(self.notify)
        chosen = parse_channels(chosen)
        if self.email is not None and EMAIL not in chosen:
            chosen = (*chosen, EMAIL)
        zone = self.timezone or (user and user.zone) or _local_zone()
        daily = self.notify_daily
        if daily is None and self.notify_at is None and usual.when == When.DAILY:
            daily, zone = usual.daily, self.timezone or usual.timezone
        return Notify.read(
            parse_channels(chosen), at=self.notify_at, daily=daily, timezone=zone, email=self.email
        )


def _local_zone() -> str:
    """Return the name of this machine's time zone, or UTC if it is unknown."""
    try:
        return get_localzone_name()
    except (ZoneInfoNotFoundError, ValueError):
        return "UTC"


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip().lower() for name in text.split(",") if name.strip())
