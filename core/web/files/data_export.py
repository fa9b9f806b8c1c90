"""The export of all data of a user, as a zip."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from core.generation.kept_replies import ReplyKeeper
from core.models import EPOCH, TOMBSTONE, AssetState, Job, User, ViewEntry, now
from core.store.jobs.activity_scope import Scope
from core.web.files.routes import file_name
from core.web.files.zip_stream import ZIP, Source, log_failure, missing_text, stream_zip
from core.web.http.errors import LoginRequired
from core.web.http.requests import logged_in, requester
from core.web.http.security_headers import NO_STORE
from core.web.identity.permissions import Access
from core.web.resources import WebStudio

_ALL_DAYS: Final = 36_500  # longer than any log is kept


def data_export_routes(open_studio: Callable[[], WebStudio]) -> list[Route]:
    """Return `GET /account/archive.zip`: all data of the user who is logged in.

    Where a zip cannot be completed, the response is aborted; it then has no central directory, so
    that neither browsers nor programs take it for complete.

    Args:
        open_studio: returns the shared studio; may raise `DatabaseUnavailable`.
    """

    # A plain function: Starlette runs it in its thread pool, where it may block.
    def archive(request: Request) -> Response:
        return _archive(request, open_studio())

    return [Route("/account/archive.zip", archive)]


def _archive(request: Request, studio: WebStudio) -> Response:
    user = studio.store.users.get(logged_in(request))
    if user is None:
        raise LoginRequired
    name = f"fivefold-{user.id}-{now():%Y-%m-%d}.zip"
    headers = NO_STORE | {"Content-Disposition": f'attachment; filename="{name}"'}
    if request.method == "HEAD":
        return Response(headers=headers, media_type=ZIP)
    blocks = stream_zip(_entries(studio, user))
    first = next(blocks)  # raises before the response has begun
    entry = Access(user.id, user.id).entry("download_all", address=requester(request).address)
    studio.store.view_log.note(entry)
    return StreamingResponse(chain([first], log_failure(blocks)), media_type=ZIP, headers=headers)


def _entries(studio: WebStudio, user: User) -> Iterator[tuple[str, Source]]:
    """Return all data of a user, with names in the archive."""
    activity = studio.store.activity
    logged = Scope.of(user, _ALL_DAYS, ZoneInfo("UTC"), now())
    ever = replace(logged, since=EPOCH)
    job_ids = [job.id for job in activity.every_job(ever)]  # a cursor would time out
    # The address and secret of a webhook would allow to send messages in our name.
    hidden = {"webhook": {"url", "secret"}}
    yield "account.json", _json(user.model_dump(by_alias=True, exclude=hidden))
    logins = (entry.model_dump(exclude={"session"}) for entry in activity.every_login(logged))
    yield "logins.json", _array(logins)
    yield "views.json", _array(_view(entry, user) for entry in activity.every_view(logged))
    yield "jobs.json", _array(_job_document(studio, job) for job in activity.every_job(ever))
    yield "removed.json", _array(studio.store.bin.receipts(user.id))
    missing: list[str] = []
    for job_id in job_ids:
        yield from _files(studio, user.id, job_id, missing)
    if missing:
        yield "missing.txt", missing_text(missing)


def _files(
    studio: WebStudio, user_id: str, job_id: str, missing: list[str]
) -> Iterator[tuple[str, Path]]:
    """Return a job's finished files, each of which exists until the next is requested.

    Args:
        studio: the connections.
        user_id: the owner.
        job_id: the job.
        missing: the names of files that are gone are added here.
    """
    job = studio.store.jobs.get(job_id, user_id)
    if job is None:  # removed since it was listed
        missing.append(f"all of {job_id}")
        return
    keeper = ReplyKeeper(studio.store, studio.content)
    for asset in studio.store.assets.of_job(job.id, binned=True):
        for number, kept in enumerate(asset.kept, 1):
            name = f"{asset.id}-{number}-{kept.what}{kept.suffix or '.txt'}"
            name = f"{job.created_at:%Y-%m-%d}-{job.id}/kept/{name}"
            try:
                with keeper.opened(asset, kept) as place:
                    yield name, place
            except FileNotFoundError:
                missing.append(name)
        if asset.path is None or asset.state != AssetState.DONE or asset.binned_at == TOMBSTONE:
            continue
        file = file_name(job.prompt, asset, Path(asset.path).suffix)
        folder = f"{asset.kind}s" if asset.binned_at is None else "bin"
        name = f"{job.created_at:%Y-%m-%d}-{job.id}/{folder}/{file}"
        try:
            with studio.content.opened(user_id, asset.path) as place:
                yield name, place
        except FileNotFoundError:
            missing.append(name)


def _job_document(studio: WebStudio, job: Job) -> dict[str, Any]:
    """Return a job with its items as stored, without the fields of workers."""
    items = studio.store.assets.of_job(job.id, binned=True)
    hidden = {"lease", "call"}
    return job.to_document() | {
        "assets": [item.model_dump(by_alias=True, exclude=hidden) for item in items]
    }


def _view(entry: ViewEntry, user: User) -> dict[str, Any]:
    """Return a logged view; without the IP address of others."""
    return entry.model_dump(exclude=set() if entry.user_id == user.id else {"address"})


def _array(documents: Iterable[dict[str, Any]]) -> Iterator[bytes]:
    """Write documents as one JSON array, one in memory at a time."""
    before = b"[\n"
    for document in documents:
        yield before + _json(document)
        before = b",\n"
    yield b"[]\n" if before == b"[\n" else b"\n]\n"


def _json(document: dict[str, Any]) -> bytes:
    return to_json(document, indent=2, inf_nan_mode="null")
