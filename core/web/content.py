"""The media route: originals, previews and posters, to their owner only.

Streamlit keeps `/media/` for itself, hence `/content/`. A preview or poster never changes and
stays in the browser's cache. An original is asked for every time (and answered with 304 where
the browser has it), because every look at content is logged.

What lies in an object store is not sent through here: the browser is sent there, with an address
that is signed for a short while.
"""

import logging
import re
from collections.abc import Callable
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

from core.media.storage import RemoteFile, StorageUnavailable
from core.models import Asset, AssetState, Kind, ViewEntry, now
from core.store import DatabaseError, DatabaseUnavailable
from core.web.studio import Studio

_SAFE: Final = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_FOR_EVER: Final = {"Cache-Control": "private, immutable, max-age=31536000"}
_NOT_KEPT: Final = {"Cache-Control": "no-store"}
_NAME_CHARACTERS: Final = 48

# Players come back to a signed address when somebody seeks or plays a clip again.
_SIGNED_SECONDS: Final = 15 * 60
_WHILE_SIGNED: Final = {"Cache-Control": f"private, max-age={_SIGNED_SECONDS - 5 * 60}"}

_log = logging.getLogger(__name__)


class _Refused(Exception):
    """A request that gets no file, with its HTTP status."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def content_routes(open_studio: Callable[[], Studio]) -> list[Route]:
    """Return `GET /content/{asset_id}` and its `/preview`, `/poster` and `/partial`.

    Args:
        open_studio: returns the shared studio; may raise `DatabaseUnavailable`.
    """

    # Plain functions: Starlette runs them in its thread pool, where they may wait.
    def original(request: Request) -> Response:
        return _answer(lambda: _original(request, open_studio()))

    def preview(request: Request) -> Response:
        return _answer(lambda: _still(request, open_studio(), "preview"))

    def poster(request: Request) -> Response:
        return _answer(lambda: _still(request, open_studio(), "poster"))

    def partial(request: Request) -> Response:
        return _answer(lambda: _partial(request, open_studio()))

    return [
        Route("/content/{asset_id}", original),
        Route("/content/{asset_id}/partial", partial),
        Route("/content/{asset_id}/preview", preview),
        Route("/content/{asset_id}/poster", poster),
    ]


def file_name(prompt: str, asset: Asset, extension: str) -> str:
    """Return what a download is called, such as `a-red-fox-image-2.png`."""
    words = re.sub(r"[^\w]+", "-", prompt[: 4 * _NAME_CHARACTERS].lower()).strip("-_")
    stem = words[:_NAME_CHARACTERS].strip("-_") or "fivefold"
    return f"{stem}-{asset.kind}-{asset.slot}{extension}"


def _answer(make: Callable[[], Response]) -> Response:
    try:
        return make()
    except _Refused as refusal:
        return PlainTextResponse(str(refusal), refusal.status, _SAFE | _NOT_KEPT)
    except (DatabaseError, DatabaseUnavailable) as error:
        _log.warning("content was not served: %s", error)
        sentence = "The database does not answer at the moment. Please try again in a minute."
        return PlainTextResponse(sentence, 503, _SAFE | _NOT_KEPT)
    except StorageUnavailable as error:
        _log.warning("content was not served: %s", error)
        sentence = "The files cannot be reached at the moment. Please try again in a minute."
        return PlainTextResponse(sentence, 503, _SAFE | _NOT_KEPT)


def _original(request: Request, studio: Studio) -> Response:
    asset = _asset(request, studio)
    place = _locate(studio, asset, asset.path)
    download = request.query_params.get("download") == "1"
    prompt = studio.store.jobs.prompts([asset.job_id]).get(asset.job_id, "") if download else ""
    name = file_name(prompt, asset, Path(place.name).suffix)
    disposition = "attachment" if download else "inline"
    if isinstance(place, RemoteFile):
        answer = _redirect(request, place, name, disposition, _NOT_KEPT)
    else:
        answer = _file(request, place, name, disposition, f'"{asset.sha256}"')
    fresh = answer.status_code == HTTPStatus.NOT_MODIFIED
    if request.method == "GET" and (fresh or _from_start(request)):
        look = "play" if asset.kind == Kind.VIDEO else "view"
        _log_view(studio, asset, "download" if download else look)
    return answer


def _still(request: Request, studio: Studio, which: str) -> Response:
    asset = _asset(request, studio)
    place = _locate(studio, asset, asset.preview if which == "preview" else asset.poster)
    if isinstance(place, RemoteFile):
        return _redirect(request, place, place.name, "inline", _WHILE_SIGNED)
    return FileResponse(
        place,
        media_type="image/webp",
        headers=_SAFE | _FOR_EVER,
        filename=place.name,
        content_disposition_type="inline",
    )


def _partial(request: Request, studio: Studio) -> Response:
    """Return the latest picture of an item half done."""
    asset = _own(request, studio)
    webp = None if asset is None else studio.store.assets.partial(asset.id)
    if webp is None:
        raise _Refused(404, "There is no such file.")
    return Response(webp, media_type="image/webp", headers=_SAFE | _NOT_KEPT)


def _file(request: Request, path: Path, name: str, disposition: str, tag: str) -> Response:
    headers = _SAFE | {"Cache-Control": "private, no-cache", "ETag": tag}
    if tag in _tags(request.headers.get("if-none-match", "")):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return FileResponse(path, headers=headers, filename=name, content_disposition_type=disposition)


def _redirect(
    request: Request, file: RemoteFile, name: str, disposition: str, kept: dict[str, str]
) -> Response:
    disposition = f"{disposition}; filename*=utf-8''{quote(name)}"
    address = file.address(request.method, disposition, _SIGNED_SECONDS)
    return RedirectResponse(address, HTTPStatus.TEMPORARY_REDIRECT, _SAFE | kept)


def _own(request: Request, studio: Studio) -> Asset | None:
    user_id = request.state.user_id
    if user_id is None:
        raise _Refused(401, "Please log in.")
    return studio.store.assets.get(request.path_params["asset_id"], user_id)


def _asset(request: Request, studio: Studio) -> Asset:
    asset = _own(request, studio)
    if asset is None or asset.state != AssetState.DONE:
        raise _Refused(404, "There is no such file.")
    return asset


def _locate(studio: Studio, asset: Asset, stored: str | None) -> Path | RemoteFile:
    try:
        return studio.content.locate(asset.user_id, stored or "")
    except FileNotFoundError:
        _log.warning("%s: its file is gone: %s", asset.id, stored)
        raise _Refused(404, "There is no such file.") from None


def _tags(header: str) -> set[str]:
    """Return the entity tags of `If-None-Match`, weak ones too (RFC 9110, 13.1.2)."""
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}


def _from_start(request: Request) -> bool:
    """Whether the first byte is asked for; players fetch the rest in further requests."""
    wanted = re.match(r"\s*bytes\s*=\s*(\d*)-", request.headers.get("range", ""), re.IGNORECASE)
    return wanted is None or (wanted[1].strip("0") == "" and wanted[1] != "")


def _log_view(studio: Studio, asset: Asset, action: str) -> None:
    entry = ViewEntry(
        user_id=asset.user_id, job_id=asset.job_id, asset_id=asset.id, action=action, time=now()
    )
    studio.store.views.add(entry)
