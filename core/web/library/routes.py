"""The routes of the library: searching, filtering, changing and downloading items.

Users have a library each; admins may view those of others (`user`), which is logged, and change
nothing there.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Literal, TypeVar
from urllib.parse import parse_qs

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.i18n import N_
from core.i18n import gettext as _
from core.models import InvalidInput, Via
from core.store.jobs.library import Change
from core.studio.library import (
    Edit,
    delete_collection,
    edit_items,
    items_by_id,
    rename_collection,
)
from core.web.http.errors import Forbidden, LoginRequired, NotFound
from core.web.http.requests import logged_in, read_body, requester, same_origin
from core.web.http.security_headers import NO_STORE
from core.web.identity.permissions import Access, to_gallery
from core.web.library.items import facets_of, page_of, tiles_of
from core.web.library.query import read_filter, read_limit
from core.web.library.zip_download import zip_response
from core.web.resources import WebStudio
from core.web.text.view_context import ViewContext

Json = dict[str, Any]

_BODY_BYTES: Final = 128 * 1024  # 500 ids, URL-encoded
_FORM_FIELDS: Final = 1_000
_NO_CHANGE: Final = N_("That is no change that can be made here.")


class _Body(BaseModel):
    """A JSON body: no other fields, no other types."""

    model_config = ConfigDict(strict=True, extra="forbid")


class _Items(_Body):
    ids: list[str] = []
    job: str | None = None
    favourite: bool | None = None
    rating: int | None = None
    note: str | None = None
    collect: str = ""
    uncollect: str = ""
    bin: bool | None = None
    remove: Literal[True] | None = None

    def edit(self) -> Edit:
        """Return the requested edit."""
        marks = self.model_dump(include={"favourite", "rating", "note", "collect", "uncollect"})
        return Edit(
            ids=self.ids,
            job=self.job,
            change=Change(**marks),
            bin=self.bin,
            delete=bool(self.remove),
        )


class _Collection(_Body):
    name: str
    rename: str | None = None
    delete: Literal[True] | None = None


Body = TypeVar("Body", _Items, _Collection)


def library_routes(open_studio: Callable[[], WebStudio]) -> list[Route]:
    """Return the routes under `/library`; each needs a login.

    - `GET /library/items`: a page of tiles (`items`), the token of the `next`, and on the first
      page their `total`. Its query is that of `read_filter`, with `after`, `limit` and `zone`.
    - `GET /library/facets`: what can be filtered by, with numbers; `bin=1`: in the bin.
    - `POST /library/items`: changes `ids`, or all items of a `job`.
    - `POST /library/collections`: renames or deletes one.
    - `POST /library/archive.zip`: a form whose `ids`, separated by commas, are downloaded.

    Args:
        open_studio: returns the shared studio; may raise `DatabaseUnavailable`.
    """

    # Plain functions: Starlette runs them in its thread pool, where they may block.
    def items(request: Request) -> Response:
        return _json(_search(request, open_studio()))

    def facets(request: Request) -> Response:
        return _json(_facets(request, open_studio()))

    async def change(request: Request) -> Response:
        return await _with_body(
            request, lambda body: _json(_edit(request, open_studio(), _read(_Items, body)))
        )

    async def collections(request: Request) -> Response:
        return await _with_body(
            request,
            lambda body: _json(_edit_collection(request, open_studio(), _read(_Collection, body))),
        )

    async def archive(request: Request) -> Response:
        return await _with_body(request, lambda body: _archive(request, open_studio(), body))

    return [
        Route("/library/items", items, methods=["GET"]),
        Route("/library/items", change, methods=["POST"]),
        Route("/library/facets", facets),
        Route("/library/collections", collections, methods=["POST"]),
        Route("/library/archive.zip", archive, methods=["POST"]),
    ]


def _search(request: Request, studio: WebStudio) -> Json:
    access, view = _viewer(request, studio)
    query = request.query_params
    wanted = read_filter(query, access.owner, view.zone)
    found = page_of(studio, wanted, view, query.get("after", ""), read_limit(query))
    if not view.owns:
        studio.store.view_log.note(access.entry("open_gallery", address=requester(request).address))
    return found


def _facets(request: Request, studio: WebStudio) -> Json:
    access, view = _viewer(request, studio)
    binned = request.query_params.get("bin") == "1"
    return facets_of(studio, access.owner, view, binned=binned)


def _edit(request: Request, studio: WebStudio, body: _Items) -> Json:
    owner, view = _owner(request, studio)
    edited = edit_items(studio.store, owner, body.edit())
    return {"items": tiles_of(studio, edited.items, view), "gone": edited.gone}


def _edit_collection(request: Request, studio: WebStudio, body: _Collection) -> Json:
    owner, _view = _owner(request, studio)
    if body.rename is not None:
        rename_collection(studio.store, owner, body.name, body.rename)
    elif body.delete:
        delete_collection(studio.store, owner, body.name)
    else:
        raise InvalidInput(_(_NO_CHANGE))
    return {}


def _archive(request: Request, studio: WebStudio, body: bytes) -> Response:
    try:
        form = parse_qs(body.decode(errors="replace"), max_num_fields=_FORM_FIELDS)
    except ValueError:
        raise InvalidInput(_("That is too much at a time.")) from None
    access, view = _viewer(request, studio, form.get("user", [""])[0])
    ids = [each for each in ",".join(form.get("ids", [])).split(",") if each]
    items = items_by_id(studio.store, access.owner, ids, own=view.owns)
    if not items:
        raise NotFound(_("Nothing of that is there any more."))
    return zip_response(studio, items, access, view, requester(request).address)


def _viewer(request: Request, studio: WebStudio, owner: str = "") -> tuple[Access, ViewContext]:
    """Return the permission to view a library, and the view context.

    Args:
        request: the request.
        studio: the connections.
        owner: whose library; empty: the one that the address names, or the viewer's own.

    Raises:
        LoginRequired: the client is not logged in.
        Forbidden: it is the library of another user.
    """
    user = studio.store.users.get(logged_in(request))
    if user is None:
        raise LoginRequired
    owner = owner or request.query_params.get("user", "")
    access = to_gallery(studio.store, user.id, owner)
    if owner not in ("", access.owner):
        raise Forbidden(_("Only admins see what others made."))
    view = studio.view(user.zone or request.query_params.get("zone", ""))
    return access, replace(view, via=access.via)


def _owner(request: Request, studio: WebStudio) -> tuple[str, ViewContext]:
    """Return the owner of a library who changes it.

    Raises:
        Forbidden: it is the library of another user.
    """
    access, view = _viewer(request, studio)
    if access.via != Via.OWN:
        raise Forbidden(_("Only its owner can change this."))
    return access.owner, view


def _read(model: type[Body], body: bytes) -> Body:
    try:
        return model.model_validate_json(body)
    except ValidationError:
        raise InvalidInput(_(_NO_CHANGE)) from None


async def _with_body(request: Request, make: Callable[[bytes], Response]) -> Response:
    """Respond to a request with a body, in a thread that may block."""
    if not same_origin(request):
        raise Forbidden(_("The library is changed on Fivefold's own pages only."))
    body = await read_body(request, _BODY_BYTES, _("That is too much at a time."))
    return await run_in_threadpool(make, body)


def _json(content: Json) -> Response:
    return JSONResponse(content, headers=NO_STORE)
