"""The routes by which pages are kept up to date: pushed as Server-Sent Events, or asked for."""

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
from core.web.identity.middleware import whose
from core.web.identity.session_cache import LiveSessions
from core.web.inbox.feeds import BellFeed, NoticesFeed
from core.web.live.feeds import CARDS, CardsChannel, Channel, JobChannel, Looker, look
from core.web.live.hub import LAST_EVENTS, Event, Hub, Listener
from core.web.resources import Studio
from core.web.text.dates import zone_of

Json = dict[str, Any]

BEAT_SECONDS: Final = 5  # between two signs of life, by which both sides notice a dead connection
LIFE_SECONDS: Final = 600.0  # then the browser connects again
_SEND_SECONDS: Final = 20.0
_FAREWELL_SECONDS: Final = 2.0  # for a stream to end well when the server stops
_ID_CHARACTERS: Final = 100
_MOST_CARDS: Final = 200


def event_routes(
    open_studio: Callable[[], Studio], sessions: LiveSessions, hub: Hub
) -> list[Route]:
    """Return the routes: for a job, for the cards of one's recent work, and for one's notices.

    `GET /jobs/{id}/events`, `GET /events/cards`, `/events/notices` and `/events/bell` push: first
    `snapshot`, then `patch`, and `ended`, `gone` or `trouble`; see `core.web.live.hub.Event`.
    The same with `/live` answer once with the snapshot. In the query: `zone`, the zone of the
    times; for a job `share`, the key of the link that it is looked at by; for cards their `limit`.

    Args:
        open_studio: returns the shared studio; may raise `DatabaseUnavailable`.
        sessions: tells when a login ends.
        hub: tells what changes.
    """

    async def push(request: Request, channel: Channel) -> Response:
        if hub.is_full(channel.looker):
            raise TooManyStreams
        with ExitStack() as opened:
            listener = opened.enter_context(hub.listening(channel))
            opened.enter_context(_ending(listener, sessions, request))
            first = _checked(await listener.next())
            stopping = anyio.Event()  # the server stops
            opened.enter_context(_closing(listener, stopping.wait()))
            return _Stream(_written(first, listener), stopping, opened.pop_all())

    async def ask(_request: Request, channel: Channel) -> Response:
        shown = await run_in_threadpool(lambda: look(open_studio(), channel))
        if shown is None:
            raise _nothing()
        return JSONResponse(shown, headers=NO_STORE)

    return [
        _route("/jobs/{id}/events", push, _job_channel),
        _route("/jobs/{id}/live", ask, _job_channel),
        _route("/events/cards", push, _card_channel),
        _route("/events/cards/live", ask, _card_channel),
        _route("/events/notices", push, _notices_channel),
        _route("/events/notices/live", ask, _notices_channel),
        _route("/events/bell", push, _bell_channel),  # asked for by `GET /bell`
    ]


def _route(
    path: str,
    respond: Callable[[Request, Channel], Awaitable[Response]],
    channel_of: Callable[[Request], Channel],
) -> Route:
    async def endpoint(request: Request) -> Response:
        return await respond(request, channel_of(request))

    return Route(path, endpoint)


def _checked(first: Event | None) -> Event:
    """Return the first event of a stream, where there is something to stream."""
    if first is None:  # the login ended meanwhile
        raise LoginRequired
    if first.name == "trouble":
        raise DatabaseUnavailable("the event stream could not be drawn")
    if first.name == "gone":
        raise _nothing()
    return first


def _nothing() -> NotFound:
    return NotFound(_("There is nothing here, or not any more."))


def _job_channel(request: Request) -> Channel:
    looker, job_id = _looker(request), request.path_params["id"]
    if not looker.share_key:
        logged_in(request)
    if not job_id.isascii() or len(job_id) > _ID_CHARACTERS:
        raise _nothing()
    return JobChannel(looker, job_id)


def _card_channel(request: Request) -> Channel:
    logged_in(request)
    looker = _looker(request)
    try:
        limit = int(request.query_params.get("limit", CARDS))
    except ValueError:
        limit = CARDS
    return CardsChannel(looker, min(max(limit, 1), _MOST_CARDS))


def _notices_channel(request: Request) -> Channel:
    logged_in(request)
    return NoticesFeed(_looker(request))


def _bell_channel(request: Request) -> Channel:
    logged_in(request)
    return BellFeed(_looker(request))


def _looker(request: Request) -> Looker:
    asked = request.query_params
    return Looker(
        user_id=whose(request),
        share_key=asked.get("share", "") if "id" in request.path_params else "",
        zone=str(zone_of(asked.get("zone"))),
        language=language(),
    )


@contextmanager
def _ending(listener: Listener, sessions: LiveSessions, request: Request) -> Iterator[None]:
    """Close a listener when its login ends, and after a while in any case."""
    with ExitStack() as opened:
        later = asyncio.get_running_loop().call_later(LIFE_SECONDS, listener.close)
        opened.callback(later.cancel)
        if request.state.session is not None:
            watched = sessions.watched(request.state.session.id, going_on=True)
            opened.enter_context(_closing(listener, opened.enter_context(watched).wait()))
        yield


@contextmanager
def _closing(listener: Listener, waiting: Coroutine[Any, Any, object]) -> Iterator[None]:
    """Close a listener once something has been waited for."""
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


def _beat() -> ServerSentEvent:
    return ServerSentEvent("1", event="beat")  # browsers tell scripts of no event without data


class _Stream(EventSourceResponse):
    """A stream that gives back what was opened for it, however it ends."""

    def __init__(
        self, events: AsyncIterator[ServerSentEvent], stopping: anyio.Event, opened: ExitStack
    ) -> None:
        super().__init__(
            events,
            headers=NO_STORE,
            ping=BEAT_SECONDS,
            ping_message_factory=_beat,
            send_timeout=_SEND_SECONDS,
            shutdown_event=stopping,
            shutdown_grace_period=_FAREWELL_SECONDS,
        )
        self._opened = opened

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve it."""
        with self._opened:
            await super().__call__(scope, receive, send)
