"""The bell in the header: the latest notices of the user."""

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlencode

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.i18n import gettext as _
from core.i18n import translated
from core.models import InvalidInput, Notice, NoticeStatus
from core.notifications.registry import channel_type
from core.store import Store
from core.studio.notices import mark_read
from core.web.http.errors import Forbidden
from core.web.http.requests import logged_in, read_body, same_origin
from core.web.http.security_headers import NO_STORE
from core.web.resources import WebStudio

ALL_NOTICES: Final = "/notifications"
"""The page of all notices."""

_BODY_BYTES: Final = 1_024


def bell_routes(open_studio: Callable[[], WebStudio]) -> list[Route]:
    """Return `GET /bell` and `POST /bell/read`.

    Both respond with `user`, `unread` and at most ten `notices`, the newest first. The second
    first marks them as read: those of the `job_id` in its JSON body, all without a body.

    Args:
        open_studio: returns the shared studio; may raise `DatabaseUnavailable`.
    """

    def bell(request: Request) -> Response:
        user_id = logged_in(request)
        return JSONResponse(bell_data(open_studio().store, user_id), headers=NO_STORE)

    async def read(request: Request) -> Response:
        user_id, job_id = logged_in(request), await _job_read(request)

        def mark() -> dict[str, Any]:
            store = open_studio().store
            mark_read(store, user_id, job_id)
            return bell_data(store, user_id)

        return JSONResponse(await run_in_threadpool(mark), headers=NO_STORE)

    return [Route("/bell", bell), Route("/bell/read", read, methods=["POST"])]


async def _job_read(request: Request) -> str | None:
    """Return the job whose notices to mark as read; None: all notices."""
    if not same_origin(request):
        raise Forbidden(_("Notifications are marked as read on Fivefold's own pages only."))
    body = await read_body(request, _BODY_BYTES, _("That is no job's id."))
    try:
        job_id = json.loads(body).get("job_id") if body else None
    except (ValueError, AttributeError, RecursionError):
        raise InvalidInput(_("That is not JSON with a job's id.")) from None
    if job_id is not None and not (isinstance(job_id, str) and job_id.isascii()):
        raise InvalidInput(_("That is no job's id."))
    return job_id


def bell_data(store: Store, user_id: str) -> dict[str, Any]:
    """Return what the bell of a user shows; see `bell_routes`."""
    notices = sorted(store.notices.in_app(user_id), key=_time, reverse=True)
    return {
        "user": user_id,
        "unread": store.notices.unread(user_id),
        "notices": [_shown(notice) for notice in notices],
    }


def _shown(notice: Notice) -> dict[str, Any]:
    failed = notice.status == NoticeStatus.FAILED
    if failed:
        title, text = (
            _(channel_type(notice.channel).failure),
            translated(notice.error or ""),
        )
    else:
        title, text = notice.title, notice.text
    to_job = notice.job_id is not None and not failed
    return {
        "id": notice.id,
        "title": title,
        "text": text,
        "href": f"/job?{urlencode({'id': notice.job_id})}" if to_job else ALL_NOTICES,
        "time": _time(notice).isoformat(),
        "unread": notice.read_at is None,
        "failed": failed,
    }


def _time(notice: Notice) -> datetime:
    """Return when a notice was sent or failed."""
    return notice.sent_at or notice.due_at
