"""Small JPEG pictures that go into a mail, as large as they are shown and no larger."""

from dataclasses import dataclass
from io import BytesIO
from typing import Final

from PIL import Image, ImageDraw, ImageOps

from core.i18n import gettext as _
from core.media.previews import POSTER_PIXELS
from core.media.stills import on_background
from core.media.storage import ContentStore
from core.models import Asset, Kind

_DENSITY: Final = 2  # pixels a CSS pixel, for screens that show that many
_NARROWEST: Final = 0.4  # width by height, and the other way round; what is narrower gets margins
_SMOOTH: Final = 4  # the badge is drawn so much larger, for smooth edges
# From good to hardly good enough; only a picture that is all noise gets beyond the first.
_STEPS: Final = ((1.0, 75), (1.0, 55), (0.5, 55), (0.5, 25))


@dataclass(frozen=True, kw_only=True)
class Thumbnail:
    """A picture in a mail.

    Attributes:
        name: unique within the mail.
        alt: what stands there until it is shown.
        jpeg: the file.
        width: in CSS pixels.
        height: in CSS pixels.
    """

    name: str
    alt: str
    jpeg: bytes
    width: int
    height: int


def make_thumbnail(
    asset: Asset, content: ContentStore, width: int, most_bytes: int
) -> Thumbnail | None:
    """Make the picture of an image, or of a video with a badge on it.

    Args:
        asset: what it shows.
        content: where its preview is.
        width: how wide it is shown, in CSS pixels.
        most_bytes: what it may weigh; a picture is made coarser for that, if need be.

    Returns:
        the picture; None where the preview is missing or broken.
    """
    try:
        with (
            content.opened(asset.user_id, asset.preview or "") as path,
            Image.open(path, formats=["WEBP"]) as preview,
        ):
            if max(preview.size) > POSTER_PIXELS:
                return None  # none of ours
            still = _fitting(preview)
    except (OSError, ValueError, Image.DecompressionBombError):
        return None
    height = round(width * still.height / still.width)
    return Thumbnail(
        name=asset.id,
        alt=(_("Video {number}") if asset.kind == Kind.VIDEO else _("Image {number}")).format(
            number=asset.slot
        ),
        jpeg=_encoded(still, width, most_bytes, badge=asset.kind == Kind.VIDEO),
        width=width,
        height=height,
    )


def _fitting(preview: Image.Image) -> Image.Image:
    """Return a preview on the mail's background, no longer or flatter than fits into a mail."""
    still = on_background(preview.convert("RGBA"))
    width, height = still.size
    if _NARROWEST < width / height < 1 / _NARROWEST:
        return still
    ground = (max(width, round(height * _NARROWEST)), max(height, round(width * _NARROWEST)))
    return ImageOps.pad(still, ground, color="white")


def _encoded(still: Image.Image, width: int, most_bytes: int, *, badge: bool) -> bytes:
    jpeg = b""
    for share, quality in _STEPS:
        small = still.copy()
        small.thumbnail((width * _DENSITY * share, still.height), Image.Resampling.LANCZOS)
        if badge:
            _draw_badge(small)
        buffer = BytesIO()
        small.save(buffer, "JPEG", quality=quality, optimize=True, progressive=True)
        jpeg = buffer.getvalue()
        if len(jpeg) <= most_bytes:
            break
    return jpeg


def _draw_badge(image: Image.Image) -> None:
    """Draw the sign for “play” into the middle of a picture."""
    size = max(24, round(min(image.size) * 0.26))
    side = size * _SMOOTH
    disc, arrow = Image.new("L", (side, side)), Image.new("L", (side, side))
    ImageDraw.Draw(disc).ellipse((0, 0, side - 1, side - 1), fill=165)
    corners = [(0.40 * side, 0.31 * side), (0.40 * side, 0.69 * side), (0.72 * side, 0.50 * side)]
    ImageDraw.Draw(arrow).polygon(corners, fill=255)
    place = ((image.width - size) // 2, (image.height - size) // 2)
    for mask, colour in ((disc, "#171512"), (arrow, "#ffffff")):
        image.paste(colour, (*place, place[0] + size, place[1] + size), mask.resize((size, size)))
