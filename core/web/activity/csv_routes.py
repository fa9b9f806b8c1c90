"""The activity as CSV: one route, streamed."""

import logging
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import chain
from typing import Final, NamedTuple
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

from core.i18n import gettext as _
from core.models import InvalidInput, Job, LoginEntry, Via, ViewEntry, now
from core.models.times import parse_zone
from core.store.accounts.users import UserStore
from core.store.jobs.activity import ActivityStore
from core.store.jobs.activity_scope import PERIODS, ActionKind, Scope
from core.web.http.errors import Forbidden, LoginRequired, NotFound
from core.web.http.requests import logged_in, requester
from core.web.http.security_headers import NO_STORE
from core.web.resources import WebStudio
from core.web.text.csv_tables import Row, csv_lines

_TYPE: Final = "text/csv; charset=utf-8; header=present"  # RFC 4180, section 3
_log = logging.getLogger(__name__)


class _Table(NamedTuple):
    columns: tuple[str, ...]
    rows: Callable[[ActivityStore, Scope], Iterator[Row]]


def activity_csv_routes(open_studio: Callable[[], WebStudio]) -> list[Route]:
    """Return `GET /activity/{which}.csv`, where `which` is `logins`, `views` or `jobs`.

    Its query: `days` (7, 30, 90 or 365), `deeds` (kinds of action, repeated), `zone` (of the days
    and times), and for admins `user` (whose activity) or `everybody=1`.

    Args:
        open_studio: returns the shared studio; may raise `DatabaseUnavailable`.
    """

    # A plain function: Starlette runs it in its thread pool, where it may block.
    def export(request: Request) -> Response:
        return _export(request, open_studio)

    return [Route("/activity/{which}.csv", export)]


def export_address(which: str, scope: Scope, viewer: str) -> str:
    """Return the address of the CSV of a scope.

    Args:
        which: `logins`, `views` or `jobs`.
        scope: the period, user and actions.
        viewer: the id of the requester.
    """
    query: dict[str, object] = {"days": scope.days, "zone": scope.zone.key}
    if scope.kinds and which == "views":
        query["deeds"] = [str(deed) for deed in scope.kinds]
    if scope.user_id is None:
        query["everybody"] = 1
    elif scope.user_id != viewer:
        query["user"] = scope.user_id
    return f"/activity/{which}.csv?{urlencode(query, doseq=True)}"


def activity_view_entry(viewer: str, of: str | None, address: str) -> ViewEntry:
    """Return the log entry for an admin who views the activity of others.

    Args:
        viewer: the admin.
        of: whose activity; None: everybody's.
        address: the admin's IP address.
    """
    return ViewEntry(
        user_id=viewer,
        owner=of,
        job_id=None,
        asset_id=None,
        action="open_activity",
        time=now(),
        via=Via.ADMIN,
        address=address,
    )


def _export(request: Request, open_studio: Callable[[], WebStudio]) -> Response:
    user_id = logged_in(request)
    which = request.path_params["which"]
    if which not in _TABLES:
        raise NotFound(_("There is no such file. There are logins.csv, views.csv and jobs.csv."))
    store = open_studio().store
    scope = _scope(request, user_id, store.users)
    rows = _TABLES[which].rows(store.activity, scope)
    if request.method == "HEAD":
        rows = iter(())
    else:
        if scope.user_id != user_id:
            entry = activity_view_entry(user_id, scope.user_id, requester(request).address)
            store.view_log.note(entry)
        _log.info("%s exports %s of %s", user_id, which, scope.user_id or "everybody")
    cells = ([_cell(each, scope.zone) for each in row] for row in rows)
    lines = csv_lines(_TABLES[which].columns, cells)
    first = next(lines)  # raises before the response has begun
    return StreamingResponse(
        chain([first], lines),
        media_type=_TYPE,
        headers=NO_STORE | {"Content-Disposition": f'attachment; filename="fivefold-{which}.csv"'},
    )


def _scope(request: Request, user_id: str, users: UserStore) -> Scope:
    """Return the scope that the query names.

    Raises:
        InvalidInput: a parameter is wrong; the text says why.
        Forbidden, LoginRequired, NotFound: the user may not view it.
    """
    query = request.query_params
    days = query.get("days", "30")
    if days not in map(str, PERIODS):
        some, last = ", ".join(map(str, PERIODS[:-1])), PERIODS[-1]
        raise InvalidInput(
            _("The period is {some} or {last} days; please choose one of them.").format(
                some=some, last=last
            )
        )
    named = query.getlist("deeds")
    if not set(named) <= set(ActionKind):
        known = ", ".join(ActionKind)
        raise InvalidInput(
            _("The kinds of action are {kinds}; please choose among them.").format(kinds=known)
        )
    viewer = users.get(user_id)
    if viewer is None:
        raise LoginRequired
    wanted, everybody = query.get("user", user_id), query.get("everybody", "") == "1"
    if (everybody or wanted != user_id) and not viewer.sees_all:
        raise Forbidden(_("Only admins see what others do. Leave out “user” and “everybody”."))
    account = None if everybody else users.get(wanted)
    if account is None and not everybody:
        raise NotFound(_("There is no account of this user id."))
    zone = parse_zone(query.get("zone") or viewer.zone or "UTC")
    return Scope.of(account, int(days), zone, now(), [ActionKind(each) for each in named])


def _cell(value: object, zone: ZoneInfo) -> object:
    if isinstance(value, datetime):
        return value.astimezone(zone).isoformat(timespec="seconds")
    return value


def _login_rows(activity: ActivityStore, scope: Scope) -> Iterator[Row]:
    return map(_login_row, activity.every_login(scope))


def _login_row(entry: LoginEntry) -> Row:
    return (
        *(entry.time, entry.user_id, entry.outcome, entry.reason),
        *(entry.method, entry.address, entry.agent),
    )


def _view_rows(activity: ActivityStore, scope: Scope) -> Iterator[Row]:
    return (_view_row(entry, scope) for entry in activity.every_view(scope))


def _view_row(entry: ViewEntry, scope: Scope) -> Row:
    """Return a view's cells; owners do not see the IP addresses of others."""
    address = entry.address if scope.user_id in (None, entry.user_id) else ""
    return (
        *(entry.time, entry.user_id, entry.action, owner_of(entry)),
        *(entry.job_id, entry.asset_id, str(entry.via), address),
    )


def owner_of(entry: ViewEntry) -> str:
    """Return the owner of the viewed content; empty: all users."""
    if entry.action == "open_activity":
        return entry.owner or ""
    return entry.owner or entry.user_id  # entries without an owner are about one's own content


def _job_rows(activity: ActivityStore, scope: Scope) -> Iterator[Row]:
    return map(_job_row, activity.every_job(scope))


def _job_row(job: Job) -> Row:
    """Return a job's cells; without the prompt if it is in the bin."""
    costs = "; ".join(f"{amount:.10g} {unit}" for unit, amount in sorted(job.cost.items()))
    return (
        *(job.created_at, job.user_id, job.id, "" if job.binned_at else job.prompt),
        *(str(job.status), job.generated_at),
        *(job.requested.images, job.requested.videos),
        *(len(job.image_paths), len(job.video_paths), costs),
    )


_TABLES: Final = {
    "logins": _Table(
        ("time", "user_id", "outcome", "reason", "method", "address", "browser"), _login_rows
    ),
    "views": _Table(
        ("time", "user_id", "action", "owner", "job_id", "asset_id", "via", "address"), _view_rows
    ),
    "jobs": _Table(
        (
            *("time", "user_id", "job_id", "prompt", "status", "generated_at"),
            *("images_wanted", "videos_wanted", "images", "videos", "cost"),
        ),
        _job_rows,
    ),
}
