"""The routes that keep pages up to date: Server-Sent Events, or single snapshots."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, Final

import anyio
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from core.i18n import gettext as _
from core.i18n import language
from core.store import DatabaseUnavailable
from core.web.http.errors import LoginRequired, NotFound, TooManyStreams
from core.web.http.requests import logged_in
from core.web.http.security_headers import NO_STORE
from core.web.identity.middleware import current_user_id
from core.web.identity.session_cache import SessionCache
from core.web.inbox.feeds import BellFeed, NoticesFeed
from core.web.live.feeds import CARDS, CardsFeed, Feed, JobFeed, Viewer, read_feed
from core.web.live.hub import LAST_EVENTS, Event, Hub, Listener
from core.web.resources import WebStudio
from core.web.text.dates import zone_of

Json = dict[str, Any]

HEARTBEAT_SECONDS: Final = 5  # by which both sides notice a dead connection
LIFE_SECONDS: Final = 600.0  # then the browser connects again
_SEND_SECONDS: Final = 20.0
_SHUTDOWN_SECONDS: Final = 2.0  # for streams to end when the server stops
_ID_CHARACTERS: Final = 100
_MOST_CARDS: Final = 200


def event_routes(
    open_studio: Callable[[], WebStudio], sessions: SessionCache, hub: Hub
) -> list[Route]:
    """Return the routes for a job, for the cards of a user's recent jobs, and for their notices.

    `GET /jobs/{id}/events`, `GET /events/cards`, `/events/notices` and `/events/bell` push: first
    `snapshot`, then `patch`, and `ended`, `gone` or `trouble`; see `core.web.live.hub.Event`.
    The same with `/live` respond with one snapshot. In the query: `zone`, the time zone; for a
    job `share`, the key of the share link that is used; for cards their `limit`.

    Args:
        open_studio: returns the shared studio; may raise `DatabaseUnavailable`.
        sessions: signal when a login ends.
        hub: publishes what changes.
    """

    async def push(request: Request, feed: Feed) -> Response:
        if hub.is_full(feed.viewer):
            raise TooManyStreams
        with ExitStack() as opened:
            listener = opened.enter_context(hub.subscribe(feed))
            opened.enter_context(_ending(listener, sessions, request))
            first = _checked(await listener.next())
            stopping = anyio.Event()  # the server stops
            opened.enter_context(_closing(listener, stopping.wait()))
            return _Stream(_written(first, listener), stopping, opened.pop_all())

    async def respond_once(_request: Request, feed: Feed) -> Response:
        shown = await run_in_threadpool(lambda: read_feed(open_studio(), feed))
        if shown is None:
            raise _nothing()
        return JSONResponse(shown, headers=NO_STORE)

    return [
        _route("/jobs/{id}/events", push, _job_feed),
        _route("/jobs/{id}/live", respond_once, _job_feed),
        _route("/events/cards", push, _card_feed),
        _route("/events/cards/live", respond_once, _card_feed),
        _route("/events/notices", push, _notices_feed),
        _route("/events/notices/live", respond_once, _notices_feed),
        _route("/events/bell", push, _bell_feed),  # asked for by `GET /bell`
    ]


def _route(
    path: str,
    respond: Callable[[Request, Feed], Awaitable[Response]],
    feed_of: Callable[[Request], Feed],
) -> Route:
    async def endpoint(request: Request) -> Response:
        return await respond(request, feed_of(request))

    return Route(path, endpoint)


def _checked(first: Event | None) -> Event:
    """Return the first event of a stream; raise the error that it stands for."""
    if first is None:  # the login ended meanwhile
        raise LoginRequired
    if first.name == "trouble":
        raise DatabaseUnavailable("the event stream could not be drawn")
    if first.name == "gone":
        raise _nothing()
    return first


def _nothing() -> NotFound:
    return NotFound(_("There is nothing here, or not any more."))


def _job_feed(request: Request) -> Feed:
    viewer, job_id = _viewer(request), request.path_params["id"]
    if not viewer.share_key:
        logged_in(request)
    if not job_id.isascii() or len(job_id) > _ID_CHARACTERS:
        raise _nothing()
    return JobFeed(viewer, job_id)


def _card_feed(request: Request) -> Feed:
    logged_in(request)
    viewer = _viewer(request)
    try:
        limit = int(request.query_params.get("limit", CARDS))
    except ValueError:
        limit = CARDS
    return CardsFeed(viewer, min(max(limit, 1), _MOST_CARDS))


def _notices_feed(request: Request) -> Feed:
    logged_in(request)
    return NoticesFeed(_viewer(request))


def _bell_feed(request: Request) -> Feed:
    logged_in(request)
    return BellFeed(_viewer(request))


def _viewer(request: Request) -> Viewer:
    query = request.query_params
    return Viewer(
        user_id=current_user_id(request),
        share_key=query.get("share", "") if "id" in request.path_params else "",
        zone=str(zone_of(query.get("zone"))),
        language=language(),
    )


@contextmanager
def _ending(listener: Listener, sessions: SessionCache, request: Request) -> Iterator[None]:
    """Close a listener when its login ends, and after `LIFE_SECONDS` in any case."""
    with ExitStack() as opened:
        later = asyncio.get_running_loop().call_later(LIFE_SECONDS, listener.close)
        opened.callback(later.cancel)
        if request.state.session is not None:
            watched = sessions.watched(request.state.session.id, active=True)
            opened.enter_context(_closing(listener, opened.enter_context(watched).wait()))
        yield


@contextmanager
def _closing(listener: Listener, waiting: Coroutine[Any, Any, object]) -> Iterator[None]:
    """Close a listener when `waiting` is done."""
    task = asyncio.create_task(waiting)
    task.add_done_callback(lambda _task: listener.close())
    try:
        yield
    finally:
        task.cancel()


async def _written(first: Event, listener: Listener) -> AsyncIterator[ServerSentEvent]:
    event: Event | None = first
    while event is not None:
        data = json.dumps(event.data, ensure_ascii=False, separators=(",", ":"))
        yield ServerSentEvent(data, event=event.name)
        event = None if event.name in LAST_EVENTS else await listener.next()


def _heartbeat() -> ServerSentEvent:
    return ServerSentEvent("1", event="beat")  # browsers ignore events without data


class _Stream(EventSourceResponse):
    """A stream that closes what was opened for it, however it ends."""

    def __init__(
        self, events: AsyncIterator[ServerSentEvent], stopping: anyio.Event, opened: ExitStack
    ) -> None:
        super().__init__(
            events,
            headers=NO_STORE,
            ping=HEARTBEAT_SECONDS,
            ping_message_factory=_heartbeat,
            send_timeout=_SEND_SECONDS,
            shutdown_event=stopping,
            shutdown_grace_period=_SHUTDOWN_SECONDS,
        )
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it."""
        with self._opened:
            await super().__call__(scope, receive, send)
