"""Permissions to view jobs and items, for pages and media alike.

What a user may not see is indistinguishable from what does not exist.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, TypeGuard, TypeVar

from core.models import TOMBSTONE, Asset, Job, Share, Via, ViewEntry, now
from core.store import Store
from core.web.identity.cookies import Identity

Found = TypeVar("Found", Job, Asset)

_ID_CHARACTERS: Final = 100


@dataclass(frozen=True)
class Access:
    """A permission to view the content of a user."""

    #: The viewer; None: a guest with a link, not logged in.
    user_id: str | None
    #: The owner of the content.
    owner: str
    #: The kind of permission.
    via: Via = Via.OWN
    #: The share that grants it; None: `via` is another.
    share: Share | None = None

    def entry(
        self,
        action: str,
        job_id: str | None = None,
        asset_id: str | None = None,
        address: str = "",
    ) -> ViewEntry:
        """Return the log entry for a view with this permission.

        Args:
            action: what was done; see `ViewEntry`.
            job_id: the viewed job.
            asset_id: the viewed item.
            address: the IP address of the request.
        """
        return ViewEntry(
            user_id=self.user_id or "",
            owner=self.owner,
            job_id=job_id,
            asset_id=asset_id,
            action=action,
            time=now(),
            via=self.via,
            share=None if self.share is None else self.share.id,
            address=address,
        )


def to_job(
    store: Store, identity: Identity, user_id: str | None, job_id: str, share_key: str = ""
) -> tuple[Job, Access] | None:
    """Return a job with the permission to view it: as its owner, by a share, or as an admin.

    Args:
        store: the database.
        identity: verifies the keys of shares.
        user_id: the requester; None: not logged in.
        job_id: the job, unvalidated.
        share_key: the key of a share, unvalidated; empty: there is none.
    """
    return _first(
        lambda owner: store.jobs.get(job_id, owner) if _can_be_id(job_id) else None,
        lambda job: job.id,
        held_share(store, identity, share_key),
        store,
        user_id,
    )


def to_found(
    store: Store, identity: Identity, user_id: str | None, job: Job, share_key: str = ""
) -> Access | None:
    """Return the permission to view a job that was just read; arguments as for `to_job`."""
    found = _first(
        lambda owner: job if owner in {None, job.user_id} else None,
        lambda job: job.id,
        held_share(store, identity, share_key),
        store,
        user_id,
    )
    return None if found is None else found[1]


def to_asset(
    store: Store, identity: Identity, user_id: str | None, asset_id: str, share_key: str = ""
) -> tuple[Asset, Access] | None:
    """Return an item with the permission to view it; arguments as for `to_job`."""
    return _first(
        lambda owner: store.assets.get(asset_id, owner) if _can_be_id(asset_id) else None,
        lambda asset: asset.job_id,
        held_share(store, identity, share_key),
        store,
        user_id,
    )


def to_shared(
    store: Store, identity: Identity, user_id: str | None, share_key: str
) -> tuple[Job, Access] | None:
    """Return the job of a share that is valid; arguments as for `to_job`."""
    share = held_share(store, identity, share_key)
    return None if share is None else to_job(store, identity, user_id, share.job_id, share_key)


def to_gallery(store: Store, user_id: str, owner: str) -> Access:
    """Return the permission to view a gallery: the requested one, or else the requester's own.

    Args:
        store: the database.
        user_id: the requester.
        owner: the requested owner, unvalidated; empty: the requester.
    """
    if owner and owner != user_id and _can_be_id(owner) and _is_admin(store, user_id):
        found = store.users.get(owner)
        if found is not None:
            return Access(user_id, found.id, Via.ADMIN)
    return Access(user_id, user_id)


def held_share(store: Store, identity: Identity, share_key: str) -> Share | None:
    """Return the share of a key; None: the key is forged or the share has ended."""
    share_id = identity.read_share(share_key) if share_key else None
    return None if share_id is None else store.shares.get(share_id)


def _first(
    find: Callable[[str | None], Found | None],
    job_of: Callable[[Found], str],
    share: Share | None,
    store: Store,
    user_id: str | None,
) -> tuple[Found, Access] | None:
    """Return what `find` returns for a user (None: any), with the first permission that applies.

    Only owners see what is in the bin. Nobody sees what is being removed.
    """
    if user_id is not None and (own := find(user_id)) is not None:
        return None if own.binned_at == TOMBSTONE else (own, Access(user_id, user_id))
    shared = None if share is None else find(share.user_id)
    if share is not None and _is_visible(shared) and job_of(shared) == share.job_id:
        return shared, Access(user_id, share.user_id, Via.SHARE, share)
    if user_id is None or not _is_admin(store, user_id):
        return None
    theirs = find(None)
    return (theirs, Access(user_id, theirs.user_id, Via.ADMIN)) if _is_visible(theirs) else None


def _is_visible(found: Found | None) -> TypeGuard[Found]:
    """Return whether there is something that is not in the bin."""
    return found is not None and found.binned_at is None


def _is_admin(store: Store, user_id: str) -> bool:
    user = store.users.get(user_id)
    return user is not None and user.sees_all


def _can_be_id(text: str) -> bool:
    """Return whether a text can be an id; the database refuses lone surrogates."""
    return text.isascii() and len(text) <= _ID_CHARACTERS
