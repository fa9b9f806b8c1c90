"""The status of an item that is not done, in words: its progress, or why it failed."""

from typing import Any, Final

from core.i18n import N_, translated
from core.i18n import gettext as _
from core.models import ENDED_STATES, OPEN_STATES, Asset, AssetState
from core.models.job_summary import why
from core.store.work.eta import Eta
from core.web.jobs.action_buttons import item_actions, kept_links
from core.web.text.view_context import ViewContext

Json = dict[str, Any]

_LABELS: Final = {
    AssetState.QUEUED: ("waiting", N_("Waiting")),
    AssetState.SUBMITTING: ("drawing", N_("Starting")),
    AssetState.RUNNING: ("drawing", N_("Drawing")),
    AssetState.SAVING: ("saving", N_("Saving")),
    AssetState.FAILED: ("failed", N_("Could not be made")),
    AssetState.UNKNOWN: ("unknown", N_("Outcome not known")),
    AssetState.CANCELLED: ("cancelled", N_("Cancelled")),
}
_NOT_SAVED: Final = frozenset({"broken_file", "disk_full", "not_saved"})
_DECIDE: Final = N_("Only you can decide to send it again.")


def unfinished(asset: Asset, name: str, view: ViewContext, eta: Eta) -> Json:
    """Return the part of a tile that an item has which is not done.

    Args:
        asset: the item.
        name: its display name.
        view: the view context.
        eta: its place and expected time.
    """
    state, label = _LABELS[asset.state]
    label = _failed(asset) if asset.state == AssetState.FAILED else _(label)
    shown: Json = {
        "state": state,
        "percent": None,
        "message": _message(asset, view),
        "acts": item_actions(asset, name, eta) if view.owns else [],
    }
    if not view.is_guest and asset.state not in OPEN_STATES:
        shown["acts"] += kept_links(asset, name, view)
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
        label = _waiting(asset, eta)
    elif asset.state == AssetState.RUNNING and asset.waiting:
        shown["state"], label = "waiting", _("Waiting")
    elif asset.state == AssetState.RUNNING and asset.progress:
        shown["percent"] = round(100 * asset.progress)
        label = _("{doing} · {percent}%").format(doing=label, percent=shown["percent"])
    if shown["state"] == "drawing" and (begun := asset.timings.get("submitted_at")) is not None:
        shown |= {"begun": begun.isoformat(), "expected": eta.expected.get(asset.id)}
    return shown | {"label": label}


def _failed(asset: Asset) -> str:
    """Return the label of a failed item; one that was paid for may have been generated."""
    if asset.error and asset.error.code in _NOT_SAVED:
        return _("Not saved")
    if asset.remote_id is not None:
        return _("Not finished")
    return _("Failed") if asset.charged else _("Could not be made")


def _waiting(asset: Asset, eta: Eta) -> str:
    if asset.error:
        return _("Trying again shortly")
    place = eta.places.get(asset.id)
    if place is None:
        return _("Waiting")
    if place == 1:
        return _("Waiting · next")
    return _("Waiting · place {place}").format(place=place)


def _message(asset: Asset, view: ViewContext) -> str:
    if view.is_guest:
        return ""  # a provider's message may be about the account
    if asset.state in ENDED_STATES:
        undecided = view.owns and asset.state == AssetState.UNKNOWN
        return f"{why(asset)} {_(_DECIDE)}" if undecided else why(asset)
    if asset.state == AssetState.RUNNING:
        waiting = translated(asset.waiting)
        return waiting[:1].upper() + waiting[1:]
    return translated(asset.error.message) if asset.error else ""
