"""Who looks at a page, when, and by which right."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from urllib.parse import urlencode

from core.i18n import gettext as _
from core.models import Kind, Via
from core.web.text.dates import day_text, moment_text


@dataclass(frozen=True, kw_only=True)
class View:
    """Who looks, and when: what the words depend on beside what they are about.

    Attributes:
        zone: the browser's zone.
        today: the present time.
        title_of: turns a provider's name into one for people.
        animates: whether an image can be made clips of.
        upscales: the kinds of which items can be made again with more pixels.
        via: by which right; only an owner can do anything but look, and a share shows the work
            but nothing of the account that it was made with.
        share_key: the key that files are asked for with; empty: the login is enough.
        bin_days: how many days something lies in the bin.
    """

    zone: tzinfo
    today: datetime
    title_of: Callable[[str], str] = str
    animates: bool = False
    upscales: frozenset[Kind] = frozenset()
    via: Via = Via.OWN
    share_key: str = ""
    bin_days: int = 30

    @property
    def owns(self) -> bool:
        """Whether whoever looks is the owner."""
        return self.via == Via.OWN

    @property
    def is_guest(self) -> bool:
        """Whether whoever looks has nothing but a link."""
        return self.via == Via.SHARE

    def moment(self, moment: datetime) -> str:
        """Return a time in words."""
        return moment_text(moment, self.zone, self.today)

    def gone_on(self, binned_at: datetime) -> str:
        """Return on which day something in the bin is removed, in words."""
        gone_at = max(binned_at + timedelta(days=self.bin_days), self.today)
        day = day_text(gone_at.astimezone(self.zone).date())
        return _("gone on {day}").format(day=day)

    def address(self, asset_id: str, file: str = "", **query: str | int) -> str:
        """Return the address of an item's file.

        Args:
            asset_id: the item.
            file: `display`, `preview`, `poster` or `partial`; empty: the original.
            query: what else is asked.
        """
        if self.share_key:
            query["share"] = self.share_key
        path = f"/content/{asset_id}/{file}".rstrip("/")
        return f"{path}?{urlencode(query)}" if query else path
