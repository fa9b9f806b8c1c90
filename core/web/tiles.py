"""One item as a tile of a job's page or of the gallery: plain JSON, ready to be drawn."""

from typing import Any, Final

from core.models import OPEN_STATES, Asset, AssetState, Kind
from core.web.buttons import item_acts
from core.web.made import made_by
from core.web.view import View

Json = dict[str, Any]

_LOOKS: Final = {
    AssetState.QUEUED: ("waiting", "Waiting"),
    AssetState.SUBMITTING: ("drawing", "Starting"),
    AssetState.RUNNING: ("drawing", "Drawing"),
    AssetState.SAVING: ("saving", "Saving"),
    AssetState.DONE: ("done", ""),
    AssetState.FAILED: ("failed", "Could not be made"),
    AssetState.UNKNOWN: ("unknown", "Outcome not known"),
    AssetState.CANCELLED: ("cancelled", "Cancelled"),
}
_CANCELLING: Final = ("drawing", "Cancelling …")
_UNKNOWN: Final = "It was sent, but the answer never came; it may have been charged."
_DECIDE: Final = "Only you can decide to send it again."
_ALT_CHARACTERS: Final = 140
_KIB: Final = 1024


def tile(asset: Asset, prompt: str, view: View) -> Json:
    """Return one item as a tile, ready to be drawn.

    Args:
        asset: the item.
        prompt: its job's prompt.
        view: who looks, and when.
    """
    cancelling = asset.cancel_requested and asset.state in OPEN_STATES
    state, label = _CANCELLING if cancelling else _LOOKS[asset.state]
    if asset.state == AssetState.RUNNING and asset.waiting and not cancelling:
        state, label = _LOOKS[AssetState.QUEUED]
    name = f"{'Video' if asset.kind == Kind.VIDEO else 'Image'} {asset.slot}"
    width, height = asset.width or asset.params["width"], asset.height or asset.params["height"]
    drawing = state == "drawing" and asset.state == AssetState.RUNNING and not cancelling
    percent = round(100 * asset.progress) if drawing else None
    shown: Json = {
        "id": asset.id,
        "kind": str(asset.kind),
        "name": name,
        "state": state,
        "label": label if percent is None else f"{label} · {percent}%",
        "percent": percent,
        "message": "" if cancelling else _message(asset, view),
        "width": width,
        "height": height,
        "prompt": prompt,
        "acts": item_acts(asset, name) if view.owns and not cancelling else [],
        "made": made_by(asset, prompt, view),
    }
    if asset.partial and asset.state in OPEN_STATES:
        shown["partial"] = view.address(asset.id, "partial", number=asset.partial)
    if asset.state == AssetState.QUEUED and asset.error and not cancelling:
        shown["label"] = "Trying again shortly"
    if asset.state == AssetState.DONE:
        shown |= {
            "message": "",
            "original": view.address(asset.id),
            "preview": view.address(asset.id, "preview"),
            "poster": view.address(asset.id, "poster"),
            "download": view.address(asset.id, download=1),
            "alt": f"{name} of “{_cut(prompt)}”",
            "facts": _file_facts(asset),
            "weight": _weight(asset.bytes),
        }
        if view.animates and view.owns and asset.kind == Kind.IMAGE:
            shown["animate"] = f"/?animate={asset.id}"
    return shown


def _message(asset: Asset, view: View) -> str:
    if view.is_guest:
        return ""  # what a provider says may be about the account
    if asset.state == AssetState.UNKNOWN:
        return f"{_UNKNOWN} {_DECIDE}" if view.owns else _UNKNOWN
    if asset.state == AssetState.RUNNING:
        return asset.waiting[:1].upper() + asset.waiting[1:]
    return asset.error.message if asset.error else ""


def _file_facts(asset: Asset) -> str:
    parts = [f"{asset.width} × {asset.height}"] if asset.width else []
    if asset.seconds:
        parts.append(f"{asset.seconds:g} s")
    return " · ".join(parts)


def _weight(size: int | None) -> str:
    mib = (size or 0) / _KIB**2
    return f"{mib:.1f} MB" if mib >= 1 else f"{max(1, round(mib * _KIB))} KB"


def _cut(prompt: str) -> str:
    line = " ".join(prompt.split())
    return line if len(line) <= _ALT_CHARACTERS else f"{line[: _ALT_CHARACTERS - 1]}…"
