"""The view context: what the text for a viewer depends on."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from urllib.parse import urlencode

from core.i18n import gettext as _
from core.models import Kind, Via
from core.web.text.dates import day_text, moment_text


@dataclass(frozen=True, kw_only=True)
class ViewContext:
    """The viewer's time zone, permission and features: what text for the viewer depends on."""

    #: The time zone of the times.
    zone: tzinfo
    #: The present time.
    today: datetime
    #: Returns the display name of a provider.
    title_of: Callable[[str], str] = str
    #: Whether images can be animated.
    animates: bool = False
    #: The kinds of items that can be upscaled.
    upscales: frozenset[Kind] = frozenset()
    #: Only owners have actions; guests see nothing about the account.
    via: Via = Via.OWN
    #: The key of a share link, which addresses of files carry; empty: the login is enough.
    share_key: str = ""
    #: How many days items stay in the bin.
    bin_days: int = 30

    @property
    def owns(self) -> bool:
        """Whether the viewer is the owner."""
        return self.via == Via.OWN

    @property
    def is_guest(self) -> bool:
        """Whether the viewer has only a share link."""
        return self.via == Via.SHARE

    def moment(self, moment: datetime) -> str:
        """Return a time in words."""
        return moment_text(moment, self.zone, self.today)

    def gone_on(self, binned_at: datetime) -> str:
        """Return the day on which an item in the bin is deleted, in words."""
        gone_at = max(binned_at + timedelta(days=self.bin_days), self.today)
        day = day_text(gone_at.astimezone(self.zone).date())
        return _("gone on {day}").format(day=day)

    def address(self, asset_id: str, file: str = "", **query: str | int) -> str:
        """Return the address of an item's file.

        Args:
            asset_id: the item.
            file: `display`, `preview`, `poster` or `partial`; empty: the original.
            query: the query of the address.
        """
        if self.share_key:
            query["share"] = self.share_key
        path = f"/content/{asset_id}/{file}".rstrip("/")
        return f"{path}?{urlencode(query)}" if query else path
