"""An item that is not finished, in words: what it waits for, how far it is, why there is none."""

from typing import Any, Final

from core.i18n import N_, translated
from core.i18n import gettext as _
from core.models import OPEN_STATES, Asset, AssetState
from core.store.pace import Pace
from core.web.buttons import item_acts
from core.web.view import View

Json = dict[str, Any]

_LOOKS: Final = {
    AssetState.QUEUED: ("waiting", N_("Waiting")),
    AssetState.SUBMITTING: ("drawing", N_("Starting")),
    AssetState.RUNNING: ("drawing", N_("Drawing")),
    AssetState.SAVING: ("saving", N_("Saving")),
    AssetState.FAILED: ("failed", N_("Could not be made")),
    AssetState.UNKNOWN: ("unknown", N_("Outcome not known")),
    AssetState.CANCELLED: ("cancelled", N_("Cancelled")),
}
_UNKNOWN: Final = N_("It was sent, but the answer never came; it may have been charged.")
_DECIDE: Final = N_("Only you can decide to send it again.")


def unfinished(asset: Asset, name: str, view: View, pace: Pace) -> Json:
    """Return what a tile tells of an item that is not finished.

    Args:
        asset: the item.
        name: what it is called.
        view: who looks, and when.
        pace: how fast it goes.
    """
    state, label = _LOOKS[asset.state]
    label = _(label)
    shown: Json = {
        "state": state,
        "percent": None,
        "message": _message(asset, view),
        "acts": item_acts(asset, name, pace) if view.owns else [],
    }
    if asset.cancel_requested and asset.state in OPEN_STATES:
        return shown | {
            "state": "drawing",
            "label": _("Cancelling …"),
            "message": "",
            "acts": [],
        }
    if asset.partial and asset.state in OPEN_STATES:
        shown["partial"] = view.address(asset.id, "partial", number=asset.partial)
    if asset.state == AssetState.QUEUED:
        label = _waiting(asset, pace)
    elif asset.state == AssetState.RUNNING and asset.waiting:
        shown["state"], label = "waiting", _("Waiting")
    elif asset.state == AssetState.RUNNING and asset.progress:
        shown["percent"] = round(100 * asset.progress)
        label = _("{doing} · {percent}%").format(doing=label, percent=shown["percent"])
    if shown["state"] == "drawing" and (begun := asset.timings.get("submitted_at")) is not None:
        shown |= {"begun": begun.isoformat(), "expected": pace.expected.get(asset.id)}
    return shown | {"label": label}


def _waiting(asset: Asset, pace: Pace) -> str:
    if asset.error:
        return _("Trying again shortly")
    place = pace.places.get(asset.id)
    if place is None:
        return _("Waiting")
    if place == 1:
        return _("Waiting · next")
    return _("Waiting · place {place}").format(place=place)


def _message(asset: Asset, view: View) -> str:
    if view.is_guest:
        return ""  # what a provider says may be about the account
    if asset.state == AssetState.UNKNOWN:
        return f"{_(_UNKNOWN)} {_(_DECIDE)}" if view.owns else _(_UNKNOWN)
    if asset.state == AssetState.RUNNING:
        waiting = translated(asset.waiting)
        return waiting[:1].upper() + waiting[1:]
    return translated(asset.error.message) if asset.error else ""
