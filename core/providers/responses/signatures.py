"""File signatures: the kind of a file by its first bytes, whatever its name or header."""

import re
from typing import Final

from core.models import Kind

HEAD: Final = 4096
"""Bytes that are enough to tell."""
_STILL_BRANDS: Final = frozenset(
    {b"avif", b"avis", b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
)
_BOXES: Final = frozenset({b"moov", b"mdat", b"free", b"wide", b"skip", b"pnot"})
_IMAGES: Final = (
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"II*\x00",
    b"MM\x00*",
    b"\x00\x00\x00\x0cJXL ",
    b"\x00\x00\x00\x0cjP  ",
    b"8BPS",
    b"qoif",
)
_CLIPS: Final = (b"\x1aE\xdf\xa3", b"\x00\x00\x01\xba", b"\x00\x00\x01\xb3", b"FLV\x01")
_WEAK_IMAGES: Final = (b"BM", b"\xff\x0a")  # too short to be sure of
_MARKUP: Final = re.compile(rb"\s*(<[!?a-zA-Z]|[\[{\"])")


def kind_of(head: bytes) -> Kind | None:
    """Return the kind of media that a file begins as; None: it cannot be told for sure.

    GIF and WebP may be either: what animates is a clip to some vendors.
    """
    if head.startswith(_IMAGES):
        return Kind.IMAGE
    if head[4:8] == b"ftyp":
        return Kind.IMAGE if head[8:12] in _STILL_BRANDS else Kind.VIDEO
    if head.startswith(_CLIPS) or head[4:8] in _BOXES:
        return Kind.VIDEO
    return Kind.VIDEO if head[:4] == b"RIFF" and head[8:12] == b"AVI " else None


def may_be(head: bytes, kind: Kind, *, sure: bool = True) -> bool:
    """Whether a file with this beginning is, or may be, of a kind.

    Args:
        head: its first bytes.
        kind: the kind in question.
        sure: False: a signature of two bytes is enough.
    """
    if kind_of(head) is not None:
        return kind_of(head) == kind
    either = head.startswith((b"GIF87a", b"GIF89a")) or (
        head[:4] == b"RIFF" and head[8:12] == b"WEBP"
    )
    weak = _WEAK_IMAGES if kind == Kind.IMAGE else (b"G", b"OggS")
    return either or (not sure and head.startswith(weak))


def is_text(head: bytes) -> bool:
    """Whether a file begins as markup, JSON or plain text does."""
    if not head.strip() or _MARKUP.match(head.removeprefix(b"\xef\xbb\xbf")):
        return True
    return not any(byte < 9 or 14 <= byte < 32 for byte in head[:512]) and _decodes(head[:512])  # noqa: PLR2004


def _decodes(head: bytes) -> bool:
    try:
        head.decode()
    except UnicodeDecodeError as error:
        return error.start > len(head) - 4  # a character that is cut
    return True
