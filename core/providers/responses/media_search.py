"""Finding the media in a vendor's reply, in whatever field and form.

Vendors, gateways and local servers put one image or clip in many places: `data[0].b64_json`,
`output`, `choices[0].message.images[0].image_url.url`, `video.url`, an address in a chat
model's Markdown. Pictures are recognized by their signature, and addresses by their form; names of
fields only rank what was found, and exclude what we sent.
"""

# ruff: noqa: SIM905  # names of fields read better as words than as a list of quoted ones

import base64
import binascii
import json
import re
from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

from core.models import Kind
from core.providers.responses.signatures import HEAD, kind_of, may_be

MAX_NODES: Final = 200_000
"""Values of one reply that are searched, at most."""
_ADDRESS_CHARACTERS: Final = 8192
_LEAST_ENCODED: Final = 64  # characters; shorter texts are no pictures

# Names are compared in lower case, letters and digits only.
_FIELDS: Final = frozenset(
    "b64json b64 base64 url uri image images img imageurl imageurls imagebase64 imagedata data"
    " output outputs outputurl result results resulturl artifact artifacts video videos videourl"
    " videourls videobase64 videodata content file files fileurl fileuri download downloadurl"
    " downloaduri href src link media mediaurl binary bytes assets asset signedurl publicurl"
    " generatedimage generatedimages generatedvideo generatedvideos samples sample"
    " failreason".split()  # where New API has the address of a clip
)
_PARTS: Final = re.compile(
    "(?:url|uri|link|path|src|href|list|s|data|image|img|video|file|media|output|result|asset"
    "|download|signed|presigned|public|original|origin|final|remote|direct|watermark|free|full"
    "|oss|cdn|s3|hd|mp4|png|jpg)+"
)
"""The parts that names of further such fields consist of."""
_ADDRESSED: Final = re.compile("url|uri|link|image|video|file|output|result|download|asset|media")
_EXCLUDED: Final = frozenset(
    "prompt input inputs inputreference inputimage initimage initimages sourceimage source"
    " sourceurl request parameters params mask maskurl maskimage firstframe lastframe startimage"
    " endimage reference references referenceimage referenceimages imageprompt webhook webhookurl"
    " callback callbackurl statusurl cancelurl responseurl queueurl urls get cancel self"
    " documentationurl docs avatar logo error errors detail headers".split()
)
"""Fields that quote the request, or that lead to anything but the result."""
_PREVIEWS: Final = frozenset(
    "thumbnail thumbnails thumbnailurl thumb thumburl preview previews previewurl poster posterurl"
    " cover coverurl partialimage partialimageb64".split()
)
_SUFFIXES: Final = {
    Kind.IMAGE: frozenset(".png .jpg .jpeg .webp .gif .avif .bmp .tif .tiff .heic .jxl".split()),
    Kind.VIDEO: frozenset(".mp4 .m4v .mov .webm .mkv .avi .mpg .mpeg .ts .gif .webp".split()),
}
_IN_TEXT: Final = re.compile(
    r"data:(?:image|video)/[\w.+-]+;base64,[A-Za-z0-9+/=_-]+|https?://[^\s\"'<>()\[\]\\]+"
)
_STRINGS: Final = re.compile(r"""(["'])([^"'\\]*+(?:\\[\\/nrt"'][^"'\\]*+)*+)\1""")
_NOT_BASE64: Final = re.compile(r"[^A-Za-z0-9+/]+")


@dataclass(frozen=True)
class Medium:
    """One image or clip in a reply.

    Attributes:
        address: its URL; empty: it came with the reply.
        encoded: its text in the reply, Base64 or a `data:` URL.
        content: its bytes, where the reply had them as such.
        sure: False: it is a URL in a field that may be about something else.
    """

    address: str = ""
    encoded: str = field(default="", repr=False)
    content: bytes = field(default=b"", repr=False)
    sure: bool = True

    def decoded(self) -> bytes:
        """Return its bytes; empty: it is an address. Takes a while for large ones."""
        return self.content or _decoded(self.encoded)


def find_media(document: object, kind: Kind) -> list[Medium]:
    """Return the media of a kind in a decoded reply, the likeliest first.

    Args:
        document: the reply's decoded JSON.
        kind: what was requested; a still in a clip's reply is only its thumbnail.
    """
    found: list[tuple[int, int, Medium]] = []
    for name, value, preview in _values(document):
        for rank, medium in _of_value(name, value, kind):
            found.append((rank + (10 if preview else 0), len(found), medium))
    found.sort(key=lambda each: each[:2])
    return list(dict.fromkeys(medium for _rank, _order, medium in found))


def find_in_fragment(text: str, kind: Kind) -> list[Medium]:
    """Return the encoded media in a reply that is cut off; each must itself be complete."""
    strings = (match[2] for match in _STRINGS.finditer(text) if len(match[2]) >= _LEAST_ENCODED)
    found = [_encoded("", string.replace("\\/", "/"), kind) for string in strings]
    return [medium for rank, medium in filter(None, found) if rank == 0]


def plain_name(name: object) -> str:
    """Return a field's name in lower case, letters and digits only."""
    return re.sub(r"[^a-z0-9]", "", str(name).lower())


def _values(document: object) -> Iterator[tuple[str, object, bool]]:
    """Yield each text and list of bytes: name of its field, value, whether it is a preview."""
    left: deque[tuple[str, object, bool]] = deque([("", document, False)])
    for _ in range(MAX_NODES):
        if not left:
            return
        name, value, preview = left.popleft()
        if isinstance(value, Mapping):
            for key, each in value.items():
                inner = plain_name(key)
                inner = name if inner.isdigit() else inner  # of a list that came as an object
                if inner not in _EXCLUDED:
                    left.append((inner, each, preview or inner in _PREVIEWS))
        elif isinstance(value, list) and not _is_bytes(value):
            left.extend((name, each, preview) for each in value)
        elif isinstance(value, str) and value.lstrip()[:1] in {"{", "["}:
            try:  # JSON in a text of JSON
                left.append((name, json.loads(value, strict=False), preview))
            except (ValueError, RecursionError):
                yield name, value, preview
        elif isinstance(value, str | list):
            yield name, value, preview


def _is_bytes(value: list[Any]) -> bool:
    return (
        len(value) >= _LEAST_ENCODED
        and all(
            isinstance(each, int) and 0 <= each < 256  # noqa: PLR2004  # a byte
            for each in value[:16]
        )
    )


def _of_value(name: str, value: object, kind: Kind) -> Iterator[tuple[int, Medium]]:
    """Yield the media in a value, each with its rank; 0 is the likeliest."""
    text = "" if isinstance(value, list) else str(value).strip()
    if isinstance(value, list):
        yield from _bytes(value, kind)
        return
    if text[:7].lower() == "http://" or text[:8].lower() == "https://":
        if len(text) <= _ADDRESS_CHARACTERS and not re.search(r"\s", text):
            yield from _address(name, text, kind)
            return
    elif found := _encoded(name, text, kind):
        yield found
        return
    elif _is_field(name) and _is_path(text, kind):
        yield 3, Medium(text)
        return
    yield from _in_text(name, text, kind)


def _bytes(value: list[Any], kind: Kind) -> Iterator[tuple[int, Medium]]:
    try:
        content = bytes(value)
    except (ValueError, TypeError):
        return
    if may_be(content, kind):
        yield 0, Medium(content=content)


def _in_text(name: str, text: str, kind: Kind) -> Iterator[tuple[int, Medium]]:
    """Yield the media in a chat model's text, such as Markdown."""
    for match in _IN_TEXT.findall(text):
        if match.startswith("data:"):
            found = _encoded(name, match, kind)
            yield from () if found is None else (found,)
        elif name in _FIELDS | {"text", "message"}:
            yield from _address("", match.rstrip(".,;:!"), kind)


def _address(name: str, text: str, kind: Kind) -> Iterator[tuple[int, Medium]]:
    """Yield an address, unless nothing suggests that it leads to a file."""
    suffix = _suffix(text)
    if ("image" if kind == Kind.VIDEO else "video") in name:
        yield 6, Medium(text)
    elif suffix in _SUFFIXES[kind]:
        yield 1 if _is_field(name) else 2, Medium(text)
    elif _is_field(name):
        others = any(suffix in each for each in _SUFFIXES.values())
        yield 5 if others else 1, Medium(text)
    elif _ADDRESSED.search(name):
        yield 9, Medium(text, sure=False)


def _is_field(name: str) -> bool:
    """Whether a field, by its name, holds the result or its address."""
    return name in _FIELDS or _PARTS.fullmatch(name) is not None


def _encoded(name: str, text: str, kind: Kind) -> tuple[int, Medium] | None:
    """Return the medium that a text is the Base64 of; None: it is no Base64 of one."""
    if text[:5].lower() != "data:" and len(text) < _LEAST_ENCODED:
        return None
    head = _decoded(text[: HEAD // 2] if text[:5].lower() == "data:" else text[: HEAD // 4])
    if may_be(head, kind):
        return 0, Medium(encoded=text)
    if kind_of(head) is not None:
        return None  # of the other kind
    named = name in {"b64json", "b64", "base64", "imagebase64", "videobase64"}
    said = text[:30].lower().startswith(f"data:{kind}/")
    spaces = text.count(" ") > len(text) // 60
    known = (named or name in _FIELDS) and may_be(head, kind, sure=False)
    return (4, Medium(encoded=text)) if (named or said or known) and not spaces else None


def _decoded(text: str) -> bytes:
    """Return the bytes of Base64 text, however it is wrapped, padded or spelled."""
    text = text.strip()
    if text[:5].lower() == "data:":
        head, comma, body = text.partition(",")
        if not comma:
            return b""
        if "base64" not in head.lower():
            return unquote_to_bytes(body)
        text = body
    if "%" in text:
        text = unquote_to_bytes(text).decode("ascii", "ignore")
    if "\\" in text:
        text = re.sub(r"\\[nrt]", "", text)
    text = text.translate({ord("-"): "+", ord("_"): "/"}).partition("=")[0]
    text = _NOT_BASE64.sub("", text)
    if len(text) % 4 == 1:
        text = text[:-1]
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        return b""


def _is_path(text: str, kind: Kind) -> bool:
    """Whether a text is an address on the server that gave it, such as `/files/1.png`."""
    if not text or len(text) > _ADDRESS_CHARACTERS or re.search(r"\s", text) or ":" in text[:8]:
        return False
    return text.startswith("/") or _suffix(text) in _SUFFIXES[kind]


def _suffix(address: str) -> str:
    try:
        return PurePosixPath(urlsplit(address).path).suffix.lower()
    except ValueError:
        return ""
