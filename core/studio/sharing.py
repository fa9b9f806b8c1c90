"""Sharing: links by which anybody can view a job, without a login."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final, NamedTuple

from core.i18n import N_
from core.i18n import gettext as _
from core.models import InvalidInput, Share, ViewEntry, now
from core.store import Store
from core.studio.errors import JobNotFound

DAYS: Final = (1, 7, 30)
"""For how many days a link can work."""
MOST: Final = 20
"""How many links to a job can work at a time."""
TOO_MANY: Final = N_("There are {most} links to this job already. Withdraw one of them first.")


class Shared(NamedTuple):
    """A link that works, and how often it was opened."""

    share: Share
    opened: int


def share_job(store: Store, user_id: str, job_id: str, days: object, address: str) -> Share:
    """Create a link to a user's own job, and log that.

    Args:
        store: the database.
        user_id: who shares it.
        job_id: the job.
        days: one of `DAYS`, as a browser says.
        address: the network address of the request.

    Raises:
        JobNotFound: the user has no such job.
        InvalidInput: there is no such number of days, or there are too many links.
    """
    if store.jobs.get(job_id, user_id) is None:
        raise JobNotFound
    if len(store.shares.of_job(job_id, user_id)) >= MOST:
        raise InvalidInput(_(TOO_MANY).format(most=MOST))
    if not isinstance(days, int) or days not in DAYS:
        raise InvalidInput(_("A link works for one of the times that are offered."))
    share = store.shares.make(job_id, user_id, now() + timedelta(days=days))
    _log(store, "share", share, address)
    return share


def shares_of(store: Store, user_id: str, job_id: str) -> Sequence[Shared]:
    """Return the links to a user's own job that work, the newest first."""
    shares = store.shares.of_job(job_id, user_id)
    opened = store.shares.looks([share.id for share in shares]) if shares else {}
    return [Shared(share, opened[share.id]) for share in shares]


def withdraw_share(store: Store, share: Share, address: str) -> bool:
    """Withdraw a link, and log that; return whether it worked until now.

    Args:
        store: the database.
        share: the link.
        address: the network address of the request.
    """
    withdrawn = store.shares.withdraw(share.id, share.user_id)
    if withdrawn:
        _log(store, "unshare", share, address)
    return withdrawn


def _log(store: Store, action: str, share: Share, address: str) -> None:
    entry = ViewEntry(
        user_id=share.user_id,
        owner=share.user_id,
        job_id=share.job_id,
        asset_id=None,
        action=action,
        time=now(),
        share=share.id,
        address=address,
    )
    store.view_log.note(entry)
