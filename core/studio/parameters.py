"""Parameters of items: size, length and the model's options, checked against its capability."""

import re
from collections.abc import Mapping
from typing import Any, Final

from core.i18n import gettext as _
from core.models import Asset, InvalidInput, Kind
from core.providers.base import AUTO, Capability
from core.studio.order import Choice, Selection

CLIP_FPS: Final = 24
SCALE: Final = 2  # of upscaling, unless an option says otherwise
_SIZE: Final = re.compile(r"(\d+)\D(\d+)")


def params_of(selection: Selection, capability: Capability) -> dict[str, Any]:
    """Return the parameters of items made from a text or an image.

    Raises:
        InvalidInput: the model does not offer what was selected; the text says what it offers.
    """
    ratio = selection.ratio or next(iter(capability.ratios))
    if ratio not in capability.ratios:
        text = (
            _("{model} makes videos in {offered}, not {ratio}.")
            if capability.kind == Kind.VIDEO
            else _("{model} makes images in {offered}, not {ratio}.")
        )
        offered = ", ".join(capability.ratios)
        raise InvalidInput(text.format(model=capability.model, offered=offered, ratio=ratio))
    width, height = capability.ratios[ratio]
    params: dict[str, Any] = {"width": width, "height": height, "ratio": ratio}
    if capability.kind == Kind.VIDEO:
        seconds = selection.seconds or capability.default_seconds
        if seconds not in capability.seconds:
            raise InvalidInput(_wrong_length(capability, seconds))
        params |= {"seconds": seconds, "fps": CLIP_FPS}
    return params | _options(selection, capability)


def upscaled_params(selection: Selection, capability: Capability) -> dict[str, Any]:
    """Return the parameters of an item that is the selection's source with more pixels.

    Raises:
        InvalidInput: it would be too large, or an option is wrong; the text says which.
    """
    source = selection.source
    if source is None:
        raise InvalidInput(_("Only what is finished can be upscaled."))
    options = _options(selection, capability)
    width, height = upscaled_size(source, options)
    most = capability.max_pixels
    if most is not None and width * height > most:
        raise InvalidInput(
            _("{model} makes at most {most} million pixels; this would be {number}.").format(
                model=capability.model,
                most=f"{most / 1e6:.3g}",
                number=f"{width * height / 1e6:.3g}",
            )
        )
    params = {"width": width, "height": height, "ratio": source.params.get("ratio", AUTO)}
    length = {"seconds": source.seconds} if source.kind == Kind.VIDEO else {}
    return params | length | options


def upscaled_size(source: Asset, options: Mapping[str, Any]) -> tuple[int, int]:
    """Return the width and height in pixels that an item has after upscaling.

    Args:
        source: the item.
        options: the chosen options of the model.
    """
    scale = int(options.get("scale_factor") or SCALE)
    width, height = source.width or source.params["width"], source.height or source.params["height"]
    return scale * width, scale * height


def _wrong_length(capability: Capability, seconds: float | None) -> str:
    lengths = sorted(capability.seconds)
    first, last = lengths[0], lengths[-1]
    if lengths == list(range(first, last + 1)) and len(lengths) > 1:
        text = _("A clip lasts {first} to {last} seconds here, not {seconds}.")
        return text.format(first=first, last=last, seconds=seconds)
    known = _(" or ").join(map(str, lengths))
    return _("A clip lasts {known} seconds here, not {seconds}.").format(
        known=known, seconds=seconds
    )


def _options(selection: Selection, capability: Capability) -> dict[str, Any]:
    """Return the chosen options' values, and the defaults of the others."""
    chosen = dict(selection.choices.get(capability.kind, Choice()).options)
    values = {
        option.name: option.parse(chosen.pop(option.name, None)) for option in capability.options
    }
    if chosen:
        raise InvalidInput(
            _("{model} has no option “{name}”; it has: {known}.").format(
                model=capability.model,
                name=next(iter(chosen)),
                known=", ".join(values) or _("none"),
            )
        )
    params = {name: value for name, value in values.items() if value is not None}
    capability.check_options(params)
    if (size := _SIZE.fullmatch(str(params.get("size", "")))) is not None:
        params |= {"width": int(size[1]), "height": int(size[2])}
    return params
