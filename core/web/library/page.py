"""What the gallery's page gives its component: the first screen, so that nothing is waited for."""

from collections.abc import Mapping
from typing import Any, Final

from core.i18n import gettext as _
from core.models import InvalidInput
from core.store.jobs.library_filter import Filter
from core.web.identity.permissions import Access
from core.web.jobs.snapshot import admin_note
from core.web.library.query import read_filter
from core.web.library.routes import OWNERS_COLLECTIONS, items_of
from core.web.resources import Studio
from core.web.text.viewer import View

Json = dict[str, Any]

FIRST_ITEMS: Final = 40  # more than a large screen holds
_NO_FILTERS: Final = frozenset({"user", "sort"})  # they leave nothing out


def opening(studio: Studio, right: Access, query: Mapping[str, str], view: View) -> Json:
    """Return what the gallery shows first, for the query of its address.

    Args:
        studio: knows the items.
        right: by which whose items are looked at.
        query: what is looked for; see `read_filter`.
        view: who looks, and when.
    """
    shown: Json = {"owned": view.owns, "binDays": view.bin_days, "items": [], "next": None}
    if not view.owns:
        shown["note"] = admin_note(right.owner)
    try:
        wanted = read_filter(query, right.owner, view.zone)
        if view.owns or not (wanted.binned or wanted.collection):
            return shown | items_of(studio, wanted, view, limit=FIRST_ITEMS)
        trouble = (
            _("What somebody deleted is for nobody else to see.")
            if wanted.binned
            else _(OWNERS_COLLECTIONS)
        )
    except InvalidInput as error:
        trouble = str(error)
    return shown | {"total": 0, "trouble": trouble}


def is_empty(studio: Studio, right: Access, query: Mapping[str, str], shown: Json) -> bool:
    """Return whether there is nothing at all, not even in the bin.

    Args:
        studio: knows the items.
        right: by which whose items are looked at.
        query: what is looked for.
        shown: from `opening`.
    """
    if shown["total"] or "trouble" in shown or not _NO_FILTERS.issuperset(query):
        return False
    return not studio.store.library.total(Filter(owner=right.owner, binned=True))
