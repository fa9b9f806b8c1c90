"""Whose activity is asked for, over which days, and of which kinds."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from typing import Any, Final, Self
from zoneinfo import ZoneInfo

from core.i18n import N_
from core.models import User, Via

Document = dict[str, Any]

PERIODS: Final = (7, 30, 90, 365)
"""The numbers of days that can be looked back."""
LONG_DAYS: Final = 90  # beyond it, months are counted instead of days
BY_OTHERS: Final = [str(Via.ADMIN), str(Via.SHARE)]


class ActionKind(StrEnum):
    """A kind of action in the log of views."""

    VIEWS = N_("Views")
    PLAYS = N_("Plays")
    DOWNLOADS = N_("Downloads")
    SHARES = N_("Shares")


ACTIONS: Final = {
    ActionKind.PLAYS: ["play"],
    ActionKind.DOWNLOADS: ["download", "download_many", "download_all"],
    ActionKind.SHARES: ["share"],
}
"""What belongs to each kind; everything else is a view."""


@dataclass(frozen=True)
class Scope:
    """What is asked for.

    Attributes:
        user_id: whose activity; None: everybody's.
        days: how many days, today among them.
        first: when the first of them began.
        since: nothing before counts.
        zone: whose midnight a day begins at.
        kinds: the kinds of action; empty: all.
    """

    user_id: str | None
    days: int
    first: datetime
    since: datetime
    zone: ZoneInfo
    kinds: tuple[ActionKind, ...] = ()

    @classmethod
    def of(
        cls,
        user: User | None,
        days: int,
        zone: ZoneInfo,
        today: datetime,
        kinds: Sequence[ActionKind] = (),
    ) -> Self:
        """Return the scope of the last days, today among them.

        Args:
            user: whose activity; None: everybody's. What was logged before the account was made is
                a former owner's of the same user_id.
            days: how many.
            zone: whose days.
            today: the present time.
            kinds: the kinds of action; empty: all.
        """
        day = today.astimezone(zone).date() - timedelta(days=days - 1)
        first = datetime.combine(day, time(), zone).astimezone(UTC)
        if user is None:
            return cls(None, days, first, first, zone, tuple(kinds))
        return cls(user.id, days, first, max(first, user.created_at), zone, tuple(kinds))

    @property
    def unit(self) -> str:
        """What is counted together: a `day` or a `month`."""
        return "month" if self.days > LONG_DAYS else "day"


def matching(scope: Scope, at: str = "time") -> Document:
    """Return what picks the scope's documents; `at`: the field of their time."""
    since: Document = {at: {"$gte": scope.since}}
    return since if scope.user_id is None else {"user_id": scope.user_id} | since


def matching_views_by_others(scope: Scope) -> Document:
    """Return what picks the looks of others at the content of the scope's user."""
    whose: Document = {} if scope.user_id is None else {"owner": scope.user_id}
    return whose | {"via": {"$in": BY_OTHERS}, "time": {"$gte": scope.since}}


def of_kinds(scope: Scope) -> Document:
    """Return what picks the scope's kinds of action."""
    if not scope.kinds or set(scope.kinds) == set(ActionKind):
        return {}
    views = ActionKind.VIEWS in scope.kinds
    named = [
        action
        for kind, actions in ACTIONS.items()
        if (kind in scope.kinds) != views
        for action in actions
    ]
    return {"action": {"$nin" if views else "$in": named}}
