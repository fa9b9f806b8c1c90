"""The media routes: originals, display copies, previews and posters.

Streamlit keeps `/media/` for itself, hence `/content/`. Previews and posters never change,
so owners' browsers cache them. Originals are revalidated (304 if they are cached), because every
view is logged. Other viewers (admins, or guests with `?share=` and the key of a share) must not
cache anything, and their views of previews are logged as well.

Files in an object store are not streamed here: browsers are redirected to an address there that is
signed for a short time.
"""

import logging
import re
import unicodedata
from collections.abc import Callable
from contextlib import ExitStack
from http import HTTPStatus
from pathlib import Path
from typing import Final
from urllib.parse import quote

from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Route

from core.generation.kept_replies import ReplyKeeper
from core.i18n import N_
from core.i18n import gettext as _
from core.media.formats import media_type
from core.media.storage import RemoteFile
from core.models import OPEN_STATES, Asset, AssetState, Kind, Via
from core.web.http.errors import LoginRequired, NotFound
from core.web.http.requests import requester
from core.web.identity.middleware import current_user_id
from core.web.identity.permissions import Access, to_asset
from core.web.resources import WebStudio

_SAFE: Final = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Scripts in a provider's file do not run when it is opened. No `sandbox`: a browser's own page
    # for a clip could not load the clip then.
    "Content-Security-Policy": "default-src 'none'; img-src 'self'; media-src 'self'; "
    "style-src 'unsafe-inline'; frame-ancestors 'none'",
}
_IMMUTABLE: Final = {"Cache-Control": "private, immutable, max-age=31536000"}
_NO_STORE: Final = {"Cache-Control": "no-store"}
_OTHERS: Final = {"Cache-Control": "private, no-store"}
_NAME_CHARACTERS: Final = 48
_NO_FILE: Final = N_("There is no such file.")

# Players use a signed address again when a user seeks or plays a clip again.
_SIGNED_SECONDS: Final = 15 * 60
_WHILE_SIGNED: Final = {"Cache-Control": f"private, max-age={_SIGNED_SECONDS - 5 * 60}"}
_SIGNED_SECONDS_OTHERS: Final = 2 * 60  # files are readable for so long after a share is withdrawn

_log = logging.getLogger(__name__)


def content_routes(open_studio: Callable[[], WebStudio]) -> list[Route]:
    """Return `GET /content/{asset_id}`, `/display`, `/preview`, `/poster`, `/partial`, `/kept`.

    Args:
        open_studio: returns the shared studio; may raise `DatabaseUnavailable`.
    """

    # Plain functions: Starlette runs them in its thread pool, where they may block.
    def original(request: Request) -> Response:
        return _original(request, open_studio(), shown=False)

    def display(request: Request) -> Response:
        return _original(request, open_studio(), shown=True)

    def preview(request: Request) -> Response:
        return _still(request, open_studio(), "preview")

    def poster(request: Request) -> Response:
        return _still(request, open_studio(), "poster")

    def kept(request: Request) -> Response:
        return _kept(request, open_studio())

    def partial(request: Request) -> Response:
        return _partial(request, open_studio())

    return [
        Route("/content/{asset_id}", original),
        Route("/content/{asset_id}/display", display),
        Route("/content/{asset_id}/kept", kept),
        Route("/content/{asset_id}/partial", partial),
        Route("/content/{asset_id}/preview", preview),
        Route("/content/{asset_id}/poster", poster),
    ]


def file_name(prompt: str, asset: Asset, extension: str) -> str:
    """Return the file name of a download, such as `a-red-fox-image-2.png`."""
    return f"{slug(prompt)}-{asset.kind}-{asset.slot}{extension}"


def slug(prompt: str) -> str:
    """Return a prompt's first words as part of a file name, such as `a-red-fox`."""
    text = unicodedata.normalize("NFC", prompt[: 4 * _NAME_CHARACTERS]).lower()
    kept = "".join(each if each == "_" or _is_word_character(each) else "-" for each in text)
    words = re.sub(r"-+", "-", kept).strip("-_")
    cut = _NAME_CHARACTERS
    while 0 < cut < len(words) and unicodedata.category(words[cut]).startswith("M"):
        cut -= 1  # a mark belongs to the letter before it
    return words[:cut].strip("-_") or "fivefold"


def _is_word_character(character: str) -> bool:
    """Whether a character is a letter, a mark on one, a number, or joins letters."""
    return unicodedata.category(character)[0] in "LMN" or character in "\u200c\u200d"


def _original(request: Request, studio: WebStudio, *, shown: bool) -> Response:
    """Return an item's file: the original, or the copy that browsers display."""
    asset, access = _asset(request, studio)
    place = _locate(studio, asset, asset.displayed if shown else asset.path)
    download = request.query_params.get("download") == "1"
    prompt = studio.store.jobs.prompts([asset.job_id]).get(asset.job_id, "") if download else ""
    name = file_name(prompt, asset, Path(place.name).suffix)
    disposition = "attachment" if download else "inline"
    own = access.via == Via.OWN
    if isinstance(place, RemoteFile):
        kept = _NO_STORE if own else _OTHERS
        response = _redirect(request, place, name, disposition, kept, own=own)
    else:
        kept = {"Cache-Control": "private, no-cache"} if own else _OTHERS
        tag = f"{asset.sha256}-display" if shown and asset.display_path else asset.sha256
        response = _file(request, place, name, disposition, kept | {"ETag": f'"{tag}"'})
    if response.status_code == HTTPStatus.NOT_MODIFIED or _from_start(request):
        view = "play" if asset.kind == Kind.VIDEO else "view"
        _log_view(request, studio, asset, access, "download" if download else view)
    elif not own:
        _log_view(request, studio, asset, access, "part")
    return response


def _still(request: Request, studio: WebStudio, which: str) -> Response:
    asset, access = _asset(request, studio)
    place = _locate(studio, asset, asset.preview if which == "preview" else asset.poster)
    own = access.via == Via.OWN
    if not own:
        _log_view(request, studio, asset, access, "preview")
    if isinstance(place, RemoteFile):
        kept = _WHILE_SIGNED if own else _OTHERS
        return _redirect(request, place, place.name, "inline", kept, own=own)
    return FileResponse(
        place,
        media_type="image/webp",
        headers=_SAFE | (_IMMUTABLE if own else _OTHERS),
        filename=place.name,
        content_disposition_type="inline",
    )


def _kept(request: Request, studio: WebStudio) -> Response:
    """Return what is kept of an item's paid calls: the last `what=reply` or `what=file`.

    It is for the owner and admins, as an attachment, because its content is not trusted.
    """
    asset, access = _find(request, studio)
    wanted = request.query_params.get("what", "reply")
    kept = [each for each in asset.kept if each.what == wanted]
    if not kept or access.via == Via.SHARE:
        raise NotFound(_(_NO_FILE))
    # It exists until it is sent, also if a worker deletes it meanwhile.
    opened = ExitStack()
    try:
        keeper = ReplyKeeper(studio.store, studio.content)
        place = opened.enter_context(keeper.opened(asset, kept[-1]))
        _log_view(request, studio, asset, access, "download")
        return FileResponse(
            place,
            media_type="application/octet-stream",
            headers=_SAFE | (_NO_STORE if access.via == Via.OWN else _OTHERS),
            filename=f"{asset.id}-{wanted}{kept[-1].suffix or '.txt'}",
            background=BackgroundTask(opened.close),
        )
    except FileNotFoundError:
        opened.close()
        raise NotFound(_(_NO_FILE)) from None
    except Exception:
        opened.close()
        raise


def _partial(request: Request, studio: WebStudio) -> Response:
    """Return the latest preview of an unfinished item."""
    asset, access = _find(request, studio)
    webp = studio.store.assets.partial(asset.id) if asset.state in OPEN_STATES else None
    if webp is None:
        raise NotFound(_(_NO_FILE))
    own = access.via == Via.OWN
    if not own:
        _log_view(request, studio, asset, access, "preview")
    kept = _NO_STORE if own else _OTHERS
    return Response(webp, media_type="image/webp", headers=_SAFE | kept)


def _file(
    request: Request, path: Path, name: str, disposition: str, about: dict[str, str]
) -> Response:
    headers = _SAFE | about
    if about["ETag"] in _tags(request.headers.get("if-none-match", "")):
        return Response(status_code=HTTPStatus.NOT_MODIFIED, headers=headers)
    return FileResponse(
        path,
        media_type=media_type(path.name),
        headers=headers,
        filename=name,
        content_disposition_type=disposition,
    )


def _redirect(  # noqa: PLR0913  # what an address is signed for, and for how long
    request: Request,
    file: RemoteFile,
    name: str,
    disposition: str,
    kept: dict[str, str],
    *,
    own: bool,
) -> Response:
    disposition = f"{disposition}; filename*=utf-8''{quote(name)}"
    seconds = _SIGNED_SECONDS if own else _SIGNED_SECONDS_OTHERS
    address = file.address(request.method, disposition, seconds)
    return RedirectResponse(address, HTTPStatus.TEMPORARY_REDIRECT, _SAFE | kept)


def _find(request: Request, studio: WebStudio) -> tuple[Asset, Access]:
    """Return the item of a request, with the permission to view it.

    Raises:
        LoginRequired, NotFound: the client may not view it.
    """
    user_id, share_key = current_user_id(request), request.query_params.get("share", "")
    if user_id is None and not share_key:
        raise LoginRequired
    asset_id = request.path_params["asset_id"]
    found = to_asset(studio.store, studio.identity, user_id, asset_id, share_key)
    if found is None:
        raise NotFound(_(_NO_FILE))
    return found


def _asset(request: Request, studio: WebStudio) -> tuple[Asset, Access]:
    asset, access = _find(request, studio)
    if asset.state != AssetState.DONE:
        raise NotFound(_(_NO_FILE))
    return asset, access


def _locate(studio: WebStudio, asset: Asset, stored: str | None) -> Path | RemoteFile:
    try:
        return studio.content.locate(asset.user_id, stored or "")
    except FileNotFoundError:
        _log.warning("%s: its file is gone: %s", asset.id, stored)
        raise NotFound(_(_NO_FILE)) from None


def _tags(header: str) -> set[str]:
    """Return the entity tags of `If-None-Match`, weak ones too (RFC 9110, 13.1.2)."""
    return {tag.strip().removeprefix("W/") for tag in header.split(",")}


def _from_start(request: Request) -> bool:
    """Whether the first byte is requested; players fetch the rest in further requests."""
    wanted = re.match(r"\s*bytes\s*=\s*(\d*)-", request.headers.get("range", ""), re.IGNORECASE)
    return wanted is None or (wanted[1].strip("0") == "" and wanted[1] != "")


def _log_view(
    request: Request, studio: WebStudio, asset: Asset, access: Access, action: str
) -> None:
    """Log a view; a HEAD request is none."""
    if request.method == "GET":
        address = requester(request).address
        studio.store.view_log.note(access.entry(action, asset.job_id, asset.id, address))
