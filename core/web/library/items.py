"""The library as JSON: pages of tiles, and what they can be filtered by."""

from collections.abc import Sequence
from typing import Any

from core.models import Asset, Kind
from core.store.jobs.library import PAGE
from core.store.jobs.library_filter import Filter
from core.studio import library
from core.studio.studio import Studio
from core.web.jobs.item_view import tile
from core.web.text.view_context import ViewContext

Json = dict[str, Any]


def page_of(
    studio: Studio, wanted: Filter, view: ViewContext, after: str = "", limit: int = PAGE
) -> Json:
    """Return a page of the library: `items`, the token of the `next`, and first the `total`.

    Args:
        studio: the connections.
        wanted: which items, in which order.
        view: the view context.
        after: the token of the page before; empty: the first page.
        limit: how many items at most.

    Raises:
        InvalidInput: the token or the words cannot be used; the text says why.
        OwnerOnly: the filter is for the owner alone.
    """
    found = library.search(studio.store, wanted, after, limit, own=view.owns)
    page: Json = {"items": tiles_of(studio, found.items, view), "next": found.next}
    return page if found.total is None else page | {"total": found.total}


def facets_of(studio: Studio, owner: str, view: ViewContext, *, binned: bool = False) -> Json:
    """Return what a user's items can be filtered by, with numbers, the most frequent first.

    Args:
        studio: the connections.
        owner: whose items.
        view: who views them; only owners see the bin and collections.
        binned: of those in the bin instead of all others.
    """
    facets = library.facets(studio.store, owner, binned=binned, own=view.owns)
    days = {"first": facets.first, "last": facets.last}
    return {
        "counts": {str(kind): facets.kinds[kind] for kind in Kind} | {"bin": facets.binned},
        "providers": [
            {"name": name, "title": view.title_of(name), "count": number}
            for name, number in facets.providers.most_common()
        ],
        "models": _counted(facets.models.most_common()),
        "ratios": _counted(facets.ratios.most_common()),
        "collections": _counted(
            sorted(facets.collections.items(), key=lambda each: each[0].casefold())
        ),
        "days": {
            name: moment and moment.astimezone(view.zone).date().isoformat()
            for name, moment in days.items()
        },
    }


def tiles_of(studio: Studio, items: Sequence[Asset], view: ViewContext) -> list[Json]:
    """Return finished items as tiles."""
    prompts = studio.store.jobs.prompts(list({item.job_id for item in items}))
    return [tile(item, prompts.get(item.job_id, ""), view) for item in items]


def _counted(found: Sequence[tuple[str, int]]) -> list[Json]:
    return [{"name": name, "count": number} for name, number in found]
