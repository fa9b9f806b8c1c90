"""The feeds of notifications: the bell's, and that of the page “Notifications”."""

from collections.abc import Collection, Hashable
from typing import Any, Final

from core.web.inbox.bell import bell_data
from core.web.inbox.notices import overview
from core.web.live.feeds import Channel, Reading
from core.web.resources import Studio

Json = dict[str, Any]

_BELL_SECONDS: Final = 30.0  # it is on every page of everybody


class _NoticeFeed(Channel):
    """Notices of one user. Every change is told as a whole, for there are few of them."""

    @property
    def key(self) -> Hashable:
        """The kind of feed and the viewer."""
        return type(self), self.looker

    def needs(self, studio: Studio, changed: Collection[str] | None) -> Collection[str]:  # noqa: ARG002
        """Return no job: notices are read by their owner."""
        return ()

    def patch(self, before: Json, after: Json) -> Json | None:
        """Return that nothing has changed, or that only the whole tells it."""
        return {} if before | {"now": ""} == after | {"now": ""} else None

    def goes_on(self, shown: Json) -> bool:  # noqa: ARG002
        """Return that there may always be more."""
        return True


class BellFeed(_NoticeFeed):
    """What the bell shows."""

    look_seconds = _BELL_SECONDS

    def draw(self, reading: Reading) -> Json | None:
        """Return the same as `GET /bell`."""
        return bell_data(reading.studio.store, self.looker.user_id or "")


class NoticesFeed(_NoticeFeed):
    """What the page “Notifications” shows."""

    def draw(self, reading: Reading) -> Json | None:
        """Return the page's sections; None: the account is gone."""
        store = reading.studio.store
        user = store.users.get(self.looker.user_id or "")
        return None if user is None else overview(store, user, reading.view(self.looker))
