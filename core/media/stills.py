"""Reading untrusted images: bounded, upright, in sRGB, with their transparency."""

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from PIL import Image, ImageCms, ImageFile, UnidentifiedImageError

from core.i18n import N_
from core.media.formats import MOVING_STILLS, STILL_EXTENSIONS

MAX_PIXELS: Final = 8192 * 8192
"""Of an image: more than any vendor's model makes; 256 MiB with transparency."""
MAX_FRAMES_PIXELS: Final = 256 * 2**20
"""Pixels of an animation that are decoded to check that it is complete."""
MAX_FRAMES: Final = 600

# Pillow opens such a file as JPEG and calls it MPO where it finds several pictures in it.
_OPENED: Final = [name for name in STILL_EXTENSIONS if name != "MPO"]
_ORIENTATION: Final = 0x0112  # the EXIF tag
_UPRIGHT: Final = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_CUT: Final = frozenset({"JPEG", "MPO", "PNG"})
_MISSING: Final = 0.01  # share of its rows that an image may lack at its end
_BLOCK: Final = 16  # rows that JPEG encodes together
_PNG: Final = b"\x89PNG\r\n\x1a\n"
_PNG_METADATA: Final = frozenset({b"tEXt", b"zTXt", b"iTXt", b"iCCP"})


class TooLarge(ValueError):
    """The file has more pixels than are decoded; the text says so."""

    def __init__(self, width: int, height: int) -> None:
        sentence = N_("The file that came has {width} × {height} pixels, more than can be read.")
        super().__init__(sentence.format(width=width, height=height))


@contextmanager
def opened(path: Path) -> Iterator[Image.Image]:
    """Open an image whose header says that it can be decoded; nothing is decoded yet.

    Raises:
        TooLarge: it has too many pixels.
        OSError: it is no image of a kind in `STILL_EXTENSIONS`.
        ValueError: likewise.
        SyntaxError: likewise.
    """
    with warnings.catch_warnings():
        # Our limit is lower than the one at which Pillow warns.
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            image = _open(path)
        except Image.DecompressionBombError as error:
            raise TooLarge(*_size_by_header(path)) from error
        with image:
            if image.width * image.height > MAX_PIXELS:
                raise TooLarge(image.width, image.height)
            yield image


def frames(image: Image.Image) -> Iterator[tuple[Image.Image, float]]:
    """Decode an opened image, or an animation up to `MAX_FRAMES` and `MAX_FRAMES_PIXELS`.

    Returns:
        the image as the file has it, and its duration in seconds; 0: it is no animation.

    Raises:
        OSError: it is cut off.
    """
    moves = is_moving(image)
    most = min(MAX_FRAMES, max(1, MAX_FRAMES_PIXELS // (image.width * image.height)))
    for index in range(most if moves else 1):
        try:
            image.seek(index)
        except EOFError:
            return
        load(image)
        # Browsers show a frame of less than two hundredths of a second for a tenth.
        milliseconds = float(image.info.get("duration") or 0)
        yield image, (milliseconds if milliseconds >= 20 else 100) / 1000 if moves else 0.0  # noqa: PLR2004


def load(image: Image.Image) -> None:
    """Decode an opened image; it may lack a little at its end, as it may in browsers.

    Raises:
        OSError: it lacks more.
    """
    try:
        image.load()
    except OSError:
        if image.format not in _CUT or image.info.get("progressive") or is_moving(image):
            raise  # how much is missing cannot be told
        try:
            ImageFile.LOAD_TRUNCATED_IMAGES = True
            image.load()
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = False
        if _empty_rows(image) > max(_BLOCK, _MISSING * image.height):
            raise


def _empty_rows(image: Image.Image) -> int:
    """Return how many rows at an image's end have one colour, as missing ones have."""
    import numpy as np  # noqa: PLC0415  # as below

    rows: Any = np.asarray(image).reshape(image.height, -1)
    last = rows[-1].reshape(image.width, -1)
    if (last != last[0]).any():
        return 0
    filled = np.flatnonzero((rows != rows[-1]).any(axis=1))
    return image.height - (int(filled[-1]) + 1 if len(filled) else 0)


def is_moving(image: Image.Image) -> bool:
    """Return whether an opened image is an animation."""
    return image.format in MOVING_STILLS and bool(getattr(image, "is_animated", False))


def displayed_size(image: Image.Image) -> tuple[int, int]:
    """Return an image's size as it is displayed, with its EXIF orientation."""
    turned = image.getexif().get(_ORIENTATION) in {5, 6, 7, 8}
    return (image.height, image.width) if turned else image.size


def displayed(image: Image.Image, pixels: int | None = None) -> Image.Image:
    """Return a decoded image as browsers display it: upright, in sRGB, RGB or RGBA of 8 bits.

    Colours of fully transparent pixels are dropped.

    Args:
        image: a decoded image.
        pixels: the maximum of either side; None: any.
    """
    profile = image.info.get("icc_profile")
    orientation = image.getexif().get(_ORIENTATION)
    small = _eight_bits(image)
    if pixels is not None and max(small.size) > pixels:
        share = pixels / max(small.size)
        size = (max(1, round(small.width * share)), max(1, round(small.height * share)))
        small = small.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    if orientation in _UPRIGHT:
        small = small.transpose(_UPRIGHT[orientation])
    small = _in_srgb(small, profile)
    if small.mode == "RGBA":
        clean = Image.new("RGBA", small.size)
        clean.alpha_composite(small)
        return clean
    return small


def on_background(image: Image.Image, colour: str = "white") -> Image.Image:
    """Return a displayed image as RGB, on a background where it is transparent."""
    if image.mode != "RGBA":
        return image
    ground = Image.new("RGB", image.size, colour)
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _open(path: Path) -> Image.Image:
    try:
        return Image.open(path, formats=_OPENED)
    except (ValueError, UnidentifiedImageError):
        # Pillow refuses texts and profiles that are too large when decompressed, or whose checksum
        # is wrong; browsers skip them.
        stripped = without_metadata(path)
        if stripped is None:
            raise
        return Image.open(stripped, formats=["PNG"])


def without_metadata(path: Path) -> io.BytesIO | None:
    """Return a PNG file without its texts and colour profile; None: it is no PNG file."""
    with path.open("rb") as file:
        if file.read(len(_PNG)) != _PNG:
            return None
        kept = io.BytesIO()
        kept.write(_PNG)
        while len(head := file.read(8)) == 8:  # noqa: PLR2004  # length and name
            (length,) = struct.unpack(">I", head[:4])
            if head[4:] in _PNG_METADATA:
                file.seek(length + 4, io.SEEK_CUR)
            else:
                kept.write(head)
                kept.write(file.read(length + 4))
    kept.seek(0)
    return kept


def _size_by_header(path: Path) -> tuple[int, int]:
    """Return the size by the header of a file that Pillow refuses for its size."""
    most, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    try:
        with Image.open(path, formats=_OPENED) as image:
            return image.size
    finally:
        Image.MAX_IMAGE_PIXELS = most


def _eight_bits(image: Image.Image) -> Image.Image:
    """Return an image with eight bits a colour, in `L`, `RGB`, `RGBA`, `CMYK` or `LAB`."""
    if image.mode in {"I", "F"} or image.mode.startswith("I;16"):
        return _scaled(image)
    if image.mode in {"L", "RGB", "CMYK", "LAB"} and not image.has_transparency_data:
        return image  # a copy of a large one takes as much memory again
    if image.mode == "RGBA":
        return image
    if image.has_transparency_data:
        return image.convert("RGBA")
    return image.convert("L" if image.mode == "1" else "RGB")


def _scaled(image: Image.Image) -> Image.Image:
    """Scale greys of more than eight bits down to eight; Pillow would clip them."""
    import numpy as np  # noqa: PLC0415  # other images need not load it

    values: Any = np.asarray(image)
    if image.mode == "F":
        values = np.nan_to_num(values)
        most = 1.0 if values.max(initial=0) <= 1 else max(float(values.max()), 255.0)
        greys = np.clip(values / most * 255, 0, 255)
    else:
        # Most images of 32 bits hold values of 16.
        most = 65535 if values.max(initial=0) <= 65535 else int(values.max())  # noqa: PLR2004
        greys = np.clip(values, 0, None).astype(np.float32) * (255 / most)
    grey = Image.fromarray(np.rint(greys).astype(np.uint8))
    clear = image.info.get("transparency")
    if not isinstance(clear, int):
        return grey
    shown = grey.convert("RGBA")
    shown.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    return shown


def _in_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """Return an image in sRGB; a profile that is broken, or for another mode, is ignored."""
    alpha = image.getchannel("A") if image.mode == "RGBA" else None
    colours = image.convert("RGB") if alpha else image
    converted: Image.Image | None = None
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            target = ImageCms.createProfile("sRGB")
            converted = ImageCms.profileToProfile(colours, source, target, outputMode="RGB")
        except (ImageCms.PyCMSError, OSError, ValueError):
            converted = None
    shown = colours.convert("RGB") if converted is None else converted
    if alpha:
        shown.putalpha(alpha)
    return shown
