"""Several items as a zip, with a folder for each job and a manifest of their details."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import Any, Final

from pydantic_core import to_json
from starlette.responses import Response, StreamingResponse

from core.models import Asset, Job, Via
from core.web.files.routes import file_name, slug
from core.web.files.zip_stream import ZIP, Source, log_failure, missing_text, stream_zip
from core.web.http.security_headers import NO_STORE
from core.web.identity.permissions import Access
from core.web.resources import WebStudio
from core.web.text.csv_tables import csv_lines
from core.web.text.view_context import ViewContext

Json = dict[str, Any]

_SHORT_ID: Final = 6  # characters of its random end; its beginning is the time
_COLUMNS: Final = (
    *("file", "id", "job", "kind", "prompt", "provider", "model", "width", "height", "seconds"),
    *("bytes", "sha256", "seed", "parameters", "cost", "unit", "saved_at"),
    *("favourite", "rating", "collections", "note"),
)
_OWNERS: Final = ("collections", "note")
"""The columns for the owner only."""


def zip_response(
    studio: WebStudio, assets: Sequence[Asset], access: Access, view: ViewContext, address: str
) -> Response:
    """Return finished items as a zip that is streamed.

    Missing files are listed in `missing.txt`; each file that is sent is logged.

    Args:
        studio: the connections.
        assets: the items, at least one.
        access: the viewer's permission.
        view: the view context.
        address: the network address of the request.
    """
    jobs = studio.store.jobs.by_ids(list({asset.job_id for asset in assets}))
    names = _names(assets, jobs)

    def entries() -> Iterator[tuple[str, Source]]:
        hidden = () if access.via == Via.OWN else _OWNERS
        columns = [each for each in _COLUMNS if each not in hidden]
        every = [_row(asset, jobs.get(asset.job_id), names[asset.id]) for asset in assets]
        rows = [{name: row[name] for name in columns} for row in every]
        yield "manifest.json", [to_json(rows, indent=2, inf_nan_mode="null")]
        yield "manifest.csv", [_csv(rows, columns)]
        missing = []
        for asset in assets:
            try:
                with studio.content.opened(asset.user_id, asset.path or "") as place:
                    entry = access.entry("download_many", asset.job_id, asset.id, address)
                    studio.store.view_log.note(entry)
                    yield names[asset.id], place
            except FileNotFoundError:
                missing.append(names[asset.id])
        if missing:
            yield "missing.txt", missing_text(missing)

    blocks = stream_zip(entries())
    first = next(blocks)  # raises before the response has begun
    day = view.today.astimezone(view.zone).date()
    name = f"fivefold-{len(assets)}-items-{day.isoformat()}.zip"
    headers = NO_STORE | {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(chain([first], log_failure(blocks)), media_type=ZIP, headers=headers)


def _names(assets: Sequence[Asset], jobs: Mapping[str, Job]) -> dict[str, str]:
    """Return the names of the items' files in the zip, by their ids."""
    folders: dict[str, str] = {}
    names = {}
    for asset in assets:
        prompt = jobs[asset.job_id].prompt if asset.job_id in jobs else ""
        if asset.job_id not in folders:
            folder = f"{slug(prompt)}-{asset.job_id[-_SHORT_ID:]}"
            taken = folder in folders.values()
            folders[asset.job_id] = f"{slug(prompt)}-{asset.job_id}" if taken else folder
        file = file_name(asset.prompt or prompt, asset, Path(asset.path or "").suffix)
        names[asset.id] = f"{folders[asset.job_id]}/{file}"
    return names


def _row(asset: Asset, job: Job | None, name: str) -> Json:
    """Return an item's row of the manifest, by the names of the columns."""
    known = asset.cost.actual is not None or asset.cost.earlier
    return {
        "file": name,
        "id": asset.id,
        "job": asset.job_id,
        "kind": str(asset.kind),
        "prompt": asset.prompt or (job.prompt if job else ""),
        "provider": asset.provider,
        "model": asset.model,
        "width": asset.width,
        "height": asset.height,
        "seconds": asset.seconds,
        "bytes": asset.bytes,
        "sha256": asset.sha256,
        "seed": asset.params.get("seed"),
        "parameters": asset.params,
        "cost": asset.cost.spent if known else None,
        "unit": asset.cost.unit if known else None,
        "saved_at": asset.timings.get("saved_at"),
        "favourite": asset.favourite,
        "rating": asset.rating,
        "collections": list(asset.collections),
        "note": asset.note,
    }


def _csv(rows: Sequence[Json], columns: Sequence[str]) -> bytes:
    return b"".join(csv_lines(columns, ([_cell(each[name]) for name in columns] for each in rows)))


def _cell(value: object) -> object:
    if isinstance(value, list):
        value = "; ".join(value)
    elif isinstance(value, dict):
        value = to_json(value, inf_nan_mode="null").decode()
    elif isinstance(value, datetime):
        value = value.isoformat(timespec="seconds")
    return "" if value is None else value
