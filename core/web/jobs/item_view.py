"""One item as a tile of a job's page or of the gallery, as JSON."""

from typing import Any, Final

from core.i18n import gettext as _
from core.i18n import number, translated
from core.models import Asset, AssetState, Kind
from core.store.work.eta import Eta
from core.web.jobs.item_details import item_details
from core.web.jobs.item_status import unfinished
from core.web.text.view_context import ViewContext

Json = dict[str, Any]

_ALT_CHARACTERS: Final = 140
_KIB: Final = 1024
_SIDE: Final = 512  # of an item of unknown size
_NO_ETA: Final = Eta()


def tile(asset: Asset, prompt: str, view: ViewContext, eta: Eta = _NO_ETA) -> Json:
    """Return one item as a tile.

    Args:
        asset: the item.
        prompt: its job's prompt.
        view: the view context.
        eta: its place and expected time, if it is not done.
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
        "made": item_details(asset, prompt, view),
    }
    if asset.state == AssetState.DONE:
        return shown | _done(asset, name, prompt, view)
    return shown | unfinished(asset, name, view, eta)


def _done(asset: Asset, name: str, prompt: str, view: ViewContext) -> Json:
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
        "alt": _("{name} of “{prompt}”").format(
            name=name, prompt=_shortened(asset.prompt or prompt)
        ),
        "facts": _file_facts(asset),
        "weight": _size_text(asset.bytes),
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
        shown |= _marks(asset, view)
    if view.owns and asset.binned_at is None:
        shown |= _links(asset, view)
    return shown


def _marks(asset: Asset, view: ViewContext) -> Json:
    """Return the owner's marks; notes and collections are for the owner only."""
    marks: Json = {
        "favourite": asset.favourite,
        "rating": asset.rating,
        "binned": view.gone_on(asset.binned_at) if asset.binned_at else "",
    }
    if view.owns:
        marks |= {"collections": list(asset.collections), "note": asset.note}
    return marks


def _links(asset: Asset, view: ViewContext) -> Json:
    """Return links to Create that start from the item."""
    links = {"remix": f"/?remix={asset.id}", "like": f"/?like={asset.id}"}
    if view.animates and asset.kind == Kind.IMAGE:
        links["animate"] = f"/?animate={asset.id}"
    if asset.kind in view.upscales:
        links["upscale"] = f"/?upscale={asset.id}"
    return links


def _file_facts(asset: Asset) -> str:
    parts = [f"{asset.width} × {asset.height}"] if asset.width else []
    if asset.seconds:
        parts.append(_("{seconds} s").format(seconds=number(asset.seconds, "g")))
    return " · ".join(parts)


def _size_text(size: int | None) -> str:
    mib = (size or 0) / _KIB**2
    return f"{number(mib, '.1f')} MB" if mib >= 1 else f"{max(1, round(mib * _KIB))} KB"


def _shortened(prompt: str) -> str:
    line = " ".join(prompt.split())
    return line if len(line) <= _ALT_CHARACTERS else f"{line[: _ALT_CHARACTERS - 1]}…"
