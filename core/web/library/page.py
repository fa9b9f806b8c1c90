"""The first screen of the gallery, which the page passes to its component."""

from collections.abc import Mapping
from typing import Any, Final

from core.models import InvalidInput
from core.studio.library import has_binned
from core.studio.studio import Studio
from core.web.identity.permissions import Access
from core.web.jobs.snapshot import admin_note
from core.web.library.items import page_of
from core.web.library.query import read_filter
from core.web.text.view_context import ViewContext

Json = dict[str, Any]

FIRST_ITEMS: Final = 40  # more than a large screen holds
_NO_FILTERS: Final = frozenset({"user", "sort"})  # they filter nothing


def first_screen(
    studio: Studio, right: Access, query: Mapping[str, str], view: ViewContext
) -> Json:
    """Return the first screen of the gallery.

    Args:
        studio: the connections.
        right: the viewer's permission, which names the owner.
        query: the query of the address; see `read_filter`.
        view: the view context.
    """
    shown: Json = {"owned": view.owns, "binDays": view.bin_days, "items": [], "next": None}
    if not view.owns:
        shown["note"] = admin_note(right.owner)
    try:
        wanted = read_filter(query, right.owner, view.zone)
        return shown | page_of(studio, wanted, view, limit=FIRST_ITEMS)
    except InvalidInput as error:
        return shown | {"total": 0, "trouble": str(error)}


def is_empty(studio: Studio, right: Access, query: Mapping[str, str], shown: Json) -> bool:
    """Return whether the owner has no items at all, not even in the bin.

    Args:
        studio: the connections.
        right: the viewer's permission, which names the owner.
        query: the query of the address.
        shown: from `first_screen`.
    """
    if shown["total"] or "trouble" in shown or not _NO_FILTERS.issuperset(query):
        return False
    return not has_binned(studio.store, right.owner)
