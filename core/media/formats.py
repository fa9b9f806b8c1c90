"""The file formats that are read: their extensions and content types."""

from typing import Final

MEDIA_TYPES: Final = {
    "png": "image/png",
    "jpg": "image/jpeg",
    "webp": "image/webp",
    "gif": "image/gif",
    "avif": "image/avif",
    "tiff": "image/tiff",
    "bmp": "image/bmp",
    "jp2": "image/jp2",
    "qoi": "image/qoi",
    "ppm": "image/x-portable-pixmap",
    "mp4": "video/mp4",
    "mov": "video/quicktime",
    "webm": "video/webm",
    "mkv": "video/matroska",
    "avi": "video/x-msvideo",
    "ts": "video/mp2t",
    "mpg": "video/mpeg",
    "ogv": "video/ogg",
    "flv": "video/x-flv",
    "wmv": "video/x-ms-wmv",
    "h264": "video/h264",
    "hevc": "video/h265",
    "ivf": "video/x-ivf",
    "y4m": "video/x-yuv4mpeg",
    "nut": "video/x-nut",
    "mxf": "application/mxf",
}
"""By the extension of a file's name, as far as registered with IANA."""

STILL_EXTENSIONS: Final = {
    "PNG": "png",
    "JPEG": "jpg",
    "MPO": "jpg",
    "WEBP": "webp",
    "GIF": "gif",
    "AVIF": "avif",
    "TIFF": "tiff",
    "BMP": "bmp",
    "JPEG2000": "jp2",
    "QOI": "qoi",
    "PPM": "ppm",
}
"""By Pillow's name. No others are opened: each is code that reads untrusted files."""

MOVING_STILLS: Final = frozenset({"PNG", "WEBP", "GIF", "AVIF"})
"""Formats of animations; TIFF with several pages, or JPEG with several pictures, is none."""

CLIP_EXTENSIONS: Final = {
    "mov": "mov",  # MP4 too, distinguished by its brand
    "matroska": "mkv",  # WebM too, likewise
    "avi": "avi",
    "mpegts": "ts",
    "mpeg": "mpg",
    "mpegvideo": "mpg",
    "ogg": "ogv",
    "flv": "flv",
    "asf": "wmv",
    "h264": "h264",
    "hevc": "hevc",
    "ivf": "ivf",
    "yuv4mpegpipe": "y4m",
    "nut": "nut",
    "mxf": "mxf",
}
"""By the first of FFmpeg's names. No others are opened: a playlist (HLS, DASH, concat) or a session
description (SDP) would have FFmpeg open further files and addresses, chosen by a stranger."""

DISPLAY: Final = "-display"
"""The suffix of a display copy's name after the asset's id."""

DISPLAY_EXTENSIONS: Final = ("png", "jpg", "mp4")


def media_type(name: str) -> str:
    """Return the content type of a file by its name."""
    return MEDIA_TYPES.get(name.rpartition(".")[2].lower(), "application/octet-stream")
