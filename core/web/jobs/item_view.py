"""One item as a tile of a job's page or of the gallery: plain JSON, ready to be drawn."""

from typing import Any, Final

from core.i18n import gettext as _
from core.i18n import number, translated
from core.models import Asset, AssetState, Kind
from core.store.work.eta import Eta
from core.web.jobs.item_details import made_by
from core.web.jobs.item_status import unfinished
from core.web.text.viewer import View

Json = dict[str, Any]

_ALT_CHARACTERS: Final = 140
_KIB: Final = 1024
_SIDE: Final = 512  # of an item that does not tell how large it is
_NO_ETA: Final = Eta()


def tile(asset: Asset, prompt: str, view: View, eta: Eta = _NO_ETA) -> Json:
    """Return one item as a tile, ready to be drawn.

    Args:
        asset: the item.
        prompt: its job's prompt.
        view: who looks, and when.
        eta: how fast it goes, where it is not finished.
    """
    title = _("Video {number}") if asset.kind == Kind.VIDEO else _("Image {number}")
    name = title.format(number=asset.slot)
    shown: Json = {
        "id": asset.id,
        "kind": str(asset.kind),
        "name": name,
        "width": asset.width or asset.params.get("width") or _SIDE,
        "height": asset.height or asset.params.get("height") or _SIDE,
        "prompt": asset.prompt or prompt,
        "job": asset.job_id,
        "made": made_by(asset, prompt, view),
    }
    if asset.state == AssetState.DONE:
        return shown | _finished(asset, name, prompt, view)
    return shown | unfinished(asset, name, view, eta)


def _finished(asset: Asset, name: str, prompt: str, view: View) -> Json:
    shown: Json = {
        "state": "done",
        "label": "",
        "percent": None,
        "message": translated(asset.display_note) if asset.display_note else "",
        "acts": [],
        "original": view.address(asset.id, "display" if asset.display_path else ""),
        "preview": view.address(asset.id, "preview"),
        "poster": view.address(asset.id, "poster"),
        "download": view.address(asset.id, download=1),
        "alt": _("{name} of “{prompt}”").format(name=name, prompt=_cut(asset.prompt or prompt)),
        "facts": _file_facts(asset),
        "weight": _weight(asset.bytes),
        "seconds": asset.seconds,
        "provider": view.title_of(asset.provider),
        "model": asset.model,
        "saved": view.moment(asset.timings["saved_at"]) if "saved_at" in asset.timings else "",
        "owned": view.owns,
        "favourite": False,
        "rating": 0,
        "collections": [],
        "note": "",
        "binned": "",
    }
    if not view.is_guest:
        shown |= _kept(asset, view)
    if view.owns and asset.binned_at is None:
        shown |= _leads(asset, view)
    return shown


def _kept(asset: Asset, view: View) -> Json:
    """Return what its owner makes of an item; notes and collections are for nobody else."""
    kept: Json = {
        "favourite": asset.favourite,
        "rating": asset.rating,
        "binned": view.gone_on(asset.binned_at) if asset.binned_at else "",
    }
    if view.owns:
        kept |= {"collections": list(asset.collections), "note": asset.note}
    return kept


def _leads(asset: Asset, view: View) -> Json:
    """Return where an item leads on: to Create, filled in with it."""
    leads = {"remix": f"/?remix={asset.id}", "like": f"/?like={asset.id}"}
    if view.animates and asset.kind == Kind.IMAGE:
        leads["animate"] = f"/?animate={asset.id}"
    if asset.kind in view.upscales:
        leads["upscale"] = f"/?upscale={asset.id}"
    return leads


def _file_facts(asset: Asset) -> str:
    parts = [f"{asset.width} × {asset.height}"] if asset.width else []
    if asset.seconds:
        parts.append(_("{seconds} s").format(seconds=number(asset.seconds, "g")))
    return " · ".join(parts)


def _weight(size: int | None) -> str:
    mib = (size or 0) / _KIB**2
    return f"{number(mib, '.1f')} MB" if mib >= 1 else f"{max(1, round(mib * _KIB))} KB"


def _cut(prompt: str) -> str:
    line = " ".join(prompt.split())
    return line if len(line) <= _ALT_CHARACTERS else f"{line[: _ALT_CHARACTERS - 1]}…"
