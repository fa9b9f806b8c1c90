"""The library: a user's finished items, their marks and collections, and the bin."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from core.i18n import gettext as _
from core.models import Asset, AssetState
from core.store import Store
from core.store.jobs.library import PAGE, Change, Facets, parse_ids
from core.store.jobs.library_filter import Filter
from core.studio.errors import JobNotFound, OwnerOnly


@dataclass(frozen=True)
class Found:
    """A page of a search."""

    items: Sequence[Asset]
    #: The token of the next page; None: this is the last one.
    next: str | None
    #: How many items there are altogether; only on the first page.
    total: int | None


def search(store: Store, wanted: Filter, after: str = "", limit: int = PAGE, *, own: bool) -> Found:
    """Return a page of the items that a filter selects.

    Args:
        store: the database.
        wanted: which items, in which order.
        after: the token of the page before; empty: the first page.
        limit: how many items at most.
        own: whether the owner asks; nobody else sees the bin and collections.

    Raises:
        InvalidInput: the token or the words cannot be used; the text says why.
        OwnerOnly: the filter is for the owner alone.
    """
    if wanted.binned and not own:
        raise OwnerOnly(_("What somebody deleted is for nobody else to see."))
    if wanted.collection and not own:
        raise OwnerOnly(_("Collections are for their owner alone."))
    page = store.library.find(wanted, after, limit)
    total = None
    if not after:
        total = len(page.assets) if page.next is None else store.library.total(wanted)
    return Found(page.assets, page.next, total)


def facets(store: Store, owner: str, *, binned: bool, own: bool) -> Facets:
    """Return what a user's items can be filtered by, with numbers.

    Args:
        store: the database.
        owner: whose items.
        binned: of those in the bin instead of all others; only for the owner.
        own: whether the owner asks; nobody else sees collections.
    """
    return store.library.facets(owner, binned=binned and own, collections=own)


def items_by_id(store: Store, owner: str, ids: Sequence[str], *, own: bool) -> list[Asset]:
    """Return those of a user's finished items that exist; only owners get those in the bin.

    Raises:
        InvalidInput: these are not ids, or too many.
    """
    items = store.library.by_ids(owner, parse_ids(ids))
    return items if own else [item for item in items if item.binned_at is None]


def has_binned(store: Store, owner: str) -> bool:
    """Return whether anything of a user's is in the bin."""
    return bool(store.library.total(Filter(owner=owner, binned=True)))


@dataclass(frozen=True, kw_only=True)
class Edit:
    """What to do to some of a user's items."""

    ids: Sequence[str] = ()
    #: A job, of which all finished items are meant, instead of `ids`.
    job: str | None = None
    change: Change = field(default_factory=Change)
    #: True: move to the bin; False: restore from there.
    bin: bool | None = None
    #: Whether to delete for good what is in the bin.
    delete: bool = False


@dataclass(frozen=True)
class Edited:
    """The items after an edit."""

    items: Sequence[Asset]
    #: The ids of those that are not there any more.
    gone: Sequence[str]


def edit_items(store: Store, owner: str, edit: Edit) -> Edited:
    """Change a user's items: marks, notes, collections, bin.

    Raises:
        JobNotFound: the user has no such job.
        InvalidInput: the change cannot be made; the text says why.
    """
    ids = parse_ids(edit.ids)
    if edit.job is not None:
        ids = _finished(store, owner, edit.job)
    store.library.change(owner, ids, edit.change)
    if edit.bin and edit.job is not None:
        store.bin.put_job(owner, edit.job)
    elif edit.bin:
        store.bin.put(owner, ids)
    elif edit.bin is False:
        store.bin.restore(owner, ids)
    if edit.delete:
        store.bin.remove(owner, ids)
    items = store.library.by_ids(owner, ids)
    there = {item.id for item in items}
    return Edited(items, [each for each in ids if each not in there])


def rename_collection(store: Store, owner: str, collection: str, name: str) -> None:
    """Rename a collection of a user's.

    Raises:
        InvalidInput: the new name cannot be used.
    """
    store.library.rename_collection(owner, collection, name)


def delete_collection(store: Store, owner: str, collection: str) -> None:
    """Delete a collection of a user's; its items stay in the library."""
    store.library.delete_collection(owner, collection)


def _finished(store: Store, owner: str, job_id: str) -> list[str]:
    """Return the ids of a job's finished items, including those in the bin."""
    job = store.jobs.get(job_id, owner)
    if job is None:
        raise JobNotFound
    items = store.assets.of_job(job.id, binned=True)
    return [item.id for item in items if item.state == AssetState.DONE]
