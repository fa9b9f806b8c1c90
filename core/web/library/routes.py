"""The library's routes: finding items, counting them, and keeping what their owner makes of them.

Whoever is logged in has a library of their own; an admin may look into others' (`user`), which is
logged, and change nothing there.
"""

from collections.abc import Callable, Sequence
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
from core.models import Asset, AssetState, InvalidInput, Kind, Via
from core.store.jobs.library import PAGE, Change, parse_ids
from core.store.jobs.library_filter import Filter
from core.web.http.errors import Forbidden, LoginRequired, NotFound
from core.web.http.requests import logged_in, read_body, requester, same_origin
from core.web.http.security_headers import NO_STORE
from core.web.identity.permissions import Access, to_gallery
from core.web.jobs.item_view import tile
from core.web.library.query import read_filter, read_limit
from core.web.library.zip_download import bundled
from core.web.resources import Studio
from core.web.text.viewer import View

Json = dict[str, Any]

OWNERS_COLLECTIONS: Final = N_("Collections are for their owner alone.")

_BODY_BYTES: Final = 128 * 1024  # 500 ids, in an address's letters
_FORM_FIELDS: Final = 1_000
_NO_CHANGE: Final = N_("That is no change that can be made here.")


class _Asked(BaseModel):
    """What a body may hold; nothing else, and of no other type."""

    model_config = ConfigDict(strict=True, extra="forbid")


class _Items(_Asked):
    ids: list[str] = []
    job: str | None = None
    favourite: bool | None = None
    rating: int | None = None
    note: str | None = None
    collect: str = ""
    uncollect: str = ""
    bin: bool | None = None
    remove: Literal[True] | None = None


class _Collection(_Asked):
    name: str
    rename: str | None = None
    delete: Literal[True] | None = None


Asked = TypeVar("Asked", _Items, _Collection)


def library_routes(open_studio: Callable[[], Studio]) -> list[Route]:
    """Return the routes under `/library`; each needs a login.

    - `GET /library/items`: a page of tiles (`items`), the token of the `next`, and on the first
      page their `total`. Its query is that of `read_filter`, with `after`, `limit` and `zone`.
    - `GET /library/facets`: what can be filtered by, with numbers; `bin=1`: in the bin.
    - `POST /library/items`: keeps what the owner makes of `ids`, or of a whole `job`.
    - `POST /library/collections`: renames or dissolves one.
    - `POST /library/archive.zip`: a form whose `ids`, with commas between, are downloaded.

    Args:
        open_studio: returns the shared studio; may raise `DatabaseUnavailable`.
    """

    # Plain functions: Starlette runs them in its thread pool, where they may wait.
    def items(request: Request) -> Response:
        return _json(_found(request, open_studio()))

    def facets(request: Request) -> Response:
        return _json(_facets(request, open_studio()))

    async def change(request: Request) -> Response:
        return await _with_body(
            request, lambda body: _json(_changed(request, open_studio(), _read(_Items, body)))
        )

    async def collections(request: Request) -> Response:
        return await _with_body(
            request, lambda body: _json(_arranged(request, open_studio(), _read(_Collection, body)))
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


def items_of(
    studio: Studio, wanted: Filter, view: View, after: str = "", limit: int = PAGE
) -> Json:
    """Return a page of the library: `items`, the token of the `next`, and at first the `total`.

    Args:
        studio: where everything is.
        wanted: which items, in which order.
        view: who looks, and when.
        after: the token of the page before; empty: the first page.
        limit: how many items at most.

    Raises:
        InvalidInput: the token or the words are of no use; the text says why.
    """
    library = studio.store.library
    page = library.find(wanted, after, limit)
    shown: Json = {"items": tiles_of(studio, page.assets, view), "next": page.next}
    if not after:
        everything = len(page.assets) if page.next is None else library.total(wanted)
        shown["total"] = everything
    return shown


def facets_of(studio: Studio, owner: str, view: View, *, binned: bool = False) -> Json:
    """Return what a user's items can be filtered by, with numbers, the most frequent first.

    Collections are for their owner alone.

    Args:
        studio: where everything is.
        owner: whose items.
        view: who looks, and when.
        binned: of those in the bin instead of all others.
    """
    facets = studio.store.library.facets(owner, binned=binned, collections=view.owns)
    days = {"first": facets.first, "last": facets.last}
    return {
        "counts": {str(kind): facets.kinds[kind] for kind in Kind} | {"bin": facets.binned},
        "providers": [
            {"name": name, "title": view.title_of(name), "count": number}
            for name, number in facets.providers.most_common()
        ],
        "models": _counted(facets.models.most_common()),
        "ratios": _counted(facets.ratios.most_common()),
        "collections": _counted(
            sorted(facets.collections.items(), key=lambda each: each[0].casefold())
        ),
        "days": {
            name: moment and moment.astimezone(view.zone).date().isoformat()
            for name, moment in days.items()
        },
    }


def _found(request: Request, studio: Studio) -> Json:
    access, view = _looker(request, studio)
    query = request.query_params
    wanted = read_filter(query, access.owner, view.zone)
    if wanted.binned and access.via != Via.OWN:
        raise Forbidden(_("What somebody deleted is for nobody else to see."))
    if wanted.collection and access.via != Via.OWN:
        raise Forbidden(_(OWNERS_COLLECTIONS))
    found = items_of(studio, wanted, view, query.get("after", ""), read_limit(query))
    if access.via != Via.OWN:
        studio.store.view_log.note(access.entry("open_gallery", address=requester(request).address))
    return found


def _facets(request: Request, studio: Studio) -> Json:
    access, view = _looker(request, studio)
    binned = request.query_params.get("bin") == "1" and access.via == Via.OWN
    return facets_of(studio, access.owner, view, binned=binned)


def _changed(request: Request, studio: Studio, asked: _Items) -> Json:
    access, view = _owner(request, studio)
    store, owner = studio.store, access.owner
    ids = parse_ids(asked.ids)
    if asked.job is not None:
        job = store.jobs.get(asked.job, owner)
        if job is None:
            raise NotFound(_("There is no such job."))
        made = store.assets.of_job(job.id, binned=True)
        ids = [asset.id for asset in made if asset.state == AssetState.DONE]
    store.library.change(
        owner,
        ids,
        Change(
            favourite=asked.favourite,
            rating=asked.rating,
            note=asked.note,
            collect=asked.collect,
            uncollect=asked.uncollect,
        ),
    )
    if asked.bin and asked.job is not None:
        store.bin.put_job(owner, asked.job)
    elif asked.bin:
        store.bin.put(owner, ids)
    elif asked.bin is False:
        store.bin.restore(owner, ids)
    if asked.remove:
        store.bin.remove(owner, ids)
    changed = store.library.named(owner, ids)
    gone = set(ids) - {asset.id for asset in changed}
    return {
        "items": tiles_of(studio, changed, view),
        "gone": [each for each in ids if each in gone],
    }


def _arranged(request: Request, studio: Studio, asked: _Collection) -> Json:
    access, _view = _owner(request, studio)
    if asked.rename is not None:
        studio.store.library.rename(access.owner, asked.name, asked.rename)
    elif asked.delete:
        studio.store.library.dissolve(access.owner, asked.name)
    else:
        raise InvalidInput(_(_NO_CHANGE))
    return {}


def _archive(request: Request, studio: Studio, body: bytes) -> Response:
    try:
        form = parse_qs(body.decode(errors="replace"), max_num_fields=_FORM_FIELDS)
    except ValueError:
        raise InvalidInput(_("That is too much at a time.")) from None
    access, view = _looker(request, studio, form.get("user", [""])[0])
    ids = parse_ids([each for each in ",".join(form.get("ids", [])).split(",") if each])
    assets = studio.store.library.named(access.owner, ids)
    if access.via != Via.OWN:
        assets = [asset for asset in assets if asset.binned_at is None]
    if not assets:
        raise NotFound(_("Nothing of that is there any more."))
    return bundled(studio, assets, access, view, requester(request).address)


def _looker(request: Request, studio: Studio, owner: str = "") -> tuple[Access, View]:
    """Return whose library is asked for, with the right to look at it, and who looks.

    Args:
        request: what is asked.
        studio: where everything is.
        owner: whose library is asked for; empty: the one that the address names, or one's own.
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


def _owner(request: Request, studio: Studio) -> tuple[Access, View]:
    """Return who changes something in the own library."""
    access, view = _looker(request, studio)
    if access.via != Via.OWN:
        raise Forbidden(_("Only its owner can change this."))
    return access, view


def tiles_of(studio: Studio, assets: Sequence[Asset], view: View) -> list[Json]:
    """Return finished items as tiles.

    Args:
        studio: knows the prompts of their jobs.
        assets: the items.
        view: who looks, and when.
    """
    prompts = studio.store.jobs.prompts(list({asset.job_id for asset in assets}))
    return [tile(asset, prompts.get(asset.job_id, ""), view) for asset in assets]


def _counted(found: Sequence[tuple[str, int]]) -> list[Json]:
    return [{"name": name, "count": number} for name, number in found]


def _read(model: type[Asked], body: bytes) -> Asked:
    try:
        return model.model_validate_json(body)
    except ValidationError:
        raise InvalidInput(_(_NO_CHANGE)) from None


async def _with_body(request: Request, make: Callable[[bytes], Response]) -> Response:
    """Answer a request with a body, in a thread that may wait."""
    if not same_origin(request):
        raise Forbidden(_("The library is changed on Fivefold's own pages only."))
    body = await read_body(request, _BODY_BYTES, _("That is too much at a time."))
    return await run_in_threadpool(make, body)


def _json(answer: Json) -> Response:
    return JSONResponse(answer, headers=NO_STORE)
