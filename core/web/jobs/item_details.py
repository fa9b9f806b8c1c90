"""The details of an item: what was sent to the provider, and what it returned."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Final

from core.i18n import N_
from core.i18n import gettext as _
from core.models import Asset, Cost
from core.web.text.dates import span_text
from core.web.text.money import amount_text
from core.web.text.view_context import ViewContext

_TIMES: Final = {
    "submitted_at": N_("Sent"),
    "started_at": N_("Taken"),
    "saved_at": N_("Saved"),
}
_NAMES: Final = {
    "width": N_("Width"),
    "height": N_("Height"),
    "ratio": N_("Ratio"),
    "seconds": N_("Seconds"),
    "fps": N_("Frames a second"),
    "seed": N_("Seed"),
    "quality": N_("Quality"),
    "scale_factor": N_("Enlarged"),
    "request_id": N_("Request id"),
}
"""Names that several providers use; other names are shown as the provider spells them."""


def item_details(asset: Asset, prompt: str, view: ViewContext) -> list[tuple[str, str]]:
    """Return the details as labels and texts; guests see nothing about the account."""
    times = asset.timings
    account = [
        *((_words(name), _flat(value)) for name, value in asset.details.items()),
        (_("Made of the item"), asset.source or ""),
        (_("Id at the provider"), asset.remote_id or ""),
        (_("Cost"), _cost(asset.cost)),
        (_("Attempts"), str(asset.attempts) if asset.attempts > 1 else ""),
    ]
    facts = [
        (_("Prompt"), asset.prompt or prompt),
        (_("Made by"), f"{view.title_of(asset.provider)} ({asset.model})"),
        *((_words(name), str(value)) for name, value in asset.params.items()),
        *([] if view.is_guest else account),
        *((_(label), view.moment(times[name])) for name, label in _TIMES.items() if name in times),
    ]
    if {"submitted_at", "saved_at"} <= set(times):
        took = times["saved_at"] - times["submitted_at"]
        facts.append((_("Took"), span_text(max(took, timedelta(0)))))
    return [(label, text) for label, text in facts if text]


def _cost(cost: Cost) -> str:
    if cost.actual is not None or cost.earlier:
        return amount_text(cost.spent, cost.unit) if cost.spent else _("nothing")
    if cost.estimated is None:
        return ""
    return _("about {amount}").format(amount=amount_text(cost.estimated, cost.unit))


def _words(name: str) -> str:
    return _(_NAMES.get(name) or name.replace("_", " ").capitalize())


def _flat(value: object) -> str:
    """Return a value from a provider as one line."""
    if isinstance(value, Mapping):
        return ", ".join(
            f"{_words(str(name)).lower()} {_flat(each)}"
            for name, each in value.items()
            if each not in (None, {}, [])
        )
    return str(value)
