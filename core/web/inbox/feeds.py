"""The feeds of notifications: the bell's, and that of the page “Notifications”."""

from collections.abc import Collection, Hashable
from typing import Any, Final

from core.web.inbox.bell import bell_data
from core.web.inbox.notices import overview
from core.web.live.feeds import Feed, Reading
from core.web.resources import WebStudio

Json = dict[str, Any]

_BELL_SECONDS: Final = 30.0  # it is on every page of every user


class _NoticeFeed(Feed):
    """Notices of one user. Every change is a new snapshot, since there are few of them."""

    @property
    def key(self) -> Hashable:
        """The kind of feed and the viewer."""
        return type(self), self.viewer

    def needs(self, studio: WebStudio, changed: Collection[str] | None) -> Collection[str]:  # noqa: ARG002
        """Return no jobs: notices are read by owner."""
        return ()

    def patch(self, before: Json, after: Json) -> Json | None:
        """Return an empty patch if nothing has changed, else None: send a new snapshot."""
        return {} if before | {"now": ""} == after | {"now": ""} else None

    def is_live(self, shown: Json) -> bool:  # noqa: ARG002
        """Return True: more notices may always come."""
        return True


class BellFeed(_NoticeFeed):
    """What the bell shows."""

    poll_seconds = _BELL_SECONDS

    def draw(self, reading: Reading) -> Json | None:
        """Return the same as `GET /bell`."""
        return bell_data(reading.studio.store, self.viewer.user_id or "")


class NoticesFeed(_NoticeFeed):
    """What the page “Notifications” shows."""

    def draw(self, reading: Reading) -> Json | None:
        """Return the page's sections; None: the account is gone."""
        store = reading.studio.store
        user = store.users.get(self.viewer.user_id or "")
        return None if user is None else overview(store, user, reading.view(self.viewer))
