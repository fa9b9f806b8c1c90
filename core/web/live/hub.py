"""The hub: pushes feeds to the browsers of one process, driven by one change stream.

The change stream only says which jobs to read. Events come from reading those, once for all their
viewers, and each reading checks again who may view them. Every feed is also polled every few
seconds, so nothing depends on the stream alone. No viewer has a thread.
"""

import asyncio
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, NamedTuple

from starlette.concurrency import run_in_threadpool

from core.i18n import speaking
from core.store import DatabaseError, DatabaseUnavailable
from core.web.live.feeds import Feed, Reading, Viewer
from core.web.resources import WebStudio

Json = dict[str, Any]

DEBOUNCE_SECONDS: Final = 0.15  # changes within this time are sent together
MOST_LISTENERS: Final = 4_000  # an open page has one at most
MOST_OF_ONE_VIEWER: Final = 1_000  # so that one viewer cannot use them all
_KEPT_EVENTS: Final = 50  # of a slow browser; with more it gets a new snapshot
_PAUSE_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


class Event(NamedTuple):
    """An event for a browser."""

    #: `snapshot`, `patch`, `ended` (no more changes are expected), `gone` (it may not be viewed any
    #: more) or `trouble` (the database does not answer).
    name: str
    data: Json


_ENDED: Final = Event("ended", {})
_GONE: Final = Event("gone", {})
_TROUBLE: Final = Event("trouble", {})
LAST_EVENTS: Final = ("ended", "gone")


class Listener:
    """One browser that listens to a feed."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self.needs_snapshot = True

    async def next(self) -> Event | None:
        """Return the next event; None: there are no more."""
        return await self._events.get()

    def send(self, events: Sequence[Event]) -> None:
        """Queue events; a browser that does not keep up gets a new snapshot instead."""
        if self._events.qsize() > _KEPT_EVENTS:
            self._drop()
            self.needs_snapshot = True
            return
        for event in events:
            self._events.put_nowait(event)

    def close(self) -> None:
        """End the events, including those that are queued."""
        self._drop()
        self._events.put_nowait(None)

    def _drop(self) -> None:
        with suppress(asyncio.QueueEmpty):
            while True:
                self._events.get_nowait()


class _Subscription:
    """A feed with its listeners and the last snapshot."""

    def __init__(self, feed: Feed) -> None:
        self.feed = feed
        self.listeners: set[Listener] = set()
        self.shown: Json | None = None
        self.read_at = 0.0

    @property
    def is_old(self) -> bool:
        """Whether the last reading is so old that a change may have been missed."""
        return time.monotonic() - self.read_at > self.feed.poll_seconds

    def is_due(self, changes: "_Changes") -> bool:
        """Return whether to draw the feed again."""
        return (
            changes.anything
            or any(each.needs_snapshot for each in self.listeners)
            or self.is_old
            or not self.feed.jobs.isdisjoint(changes.jobs)
            or self.feed.viewer.user_id in changes.owners
        )

    def needs(self, studio: WebStudio, changes: "_Changes") -> set[str]:
        """Return the jobs to read for drawing it."""
        is_complete = (
            self.shown is not None
            and not changes.anything
            and not self.is_old
            and self.feed.viewer.user_id not in changes.owners
        )
        return set(self.feed.needs(studio, changes.jobs if is_complete else None))


class _Changes:
    """What has changed since the last reading."""

    def __init__(self) -> None:
        self.anything = False
        self.jobs: set[str] = set()
        self.owners: set[str] = set()  # of new jobs, and of notices


class Hub:
    """Sends changes to all listeners of one process. It lives on one event loop.

    Args:
        open_studio: returns the shared studio; may raise `DatabaseUnavailable`.
    """

    def __init__(self, open_studio: Callable[[], WebStudio]) -> None:
        self._open = open_studio
        self._subscriptions: dict[Hashable, _Subscription] = {}
        self._changes = _Changes()
        self._wake = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def is_full(self, viewer: Viewer) -> bool:
        """Return whether there is no room for another listener of this viewer."""
        listening = Counter[str]()
        for subscription in self._subscriptions.values():
            listening[subscription.feed.viewer.key] += len(subscription.listeners)
        return listening.total() >= MOST_LISTENERS or listening[viewer.key] >= MOST_OF_ONE_VIEWER

    @contextmanager
    def subscribe(self, feed: Feed) -> Iterator[Listener]:
        """Yield a listener of a feed: it gets a snapshot first, then what changes."""
        subscription = self._subscriptions.setdefault(feed.key, _Subscription(feed))
        listener = Listener()
        subscription.listeners.add(listener)
        self._wake.set()
        loop = asyncio.get_running_loop()
        if self._running is None or self._running.done() or self._running.get_loop() is not loop:
            self._wake = asyncio.Event()
            self._wake.set()
            self._running = loop.create_task(self._run())
        try:
            yield listener
        finally:
            subscription.listeners.discard(listener)
            if not subscription.listeners and self._subscriptions.get(feed.key) is subscription:
                del self._subscriptions[feed.key]
            self._wake.set()

    def changed(self, job_id: str | None, owner: str | None = None) -> None:
        """Read a job again at once; called on the event loop. See `ChangeStream.watch`.

        Without listeners nothing is remembered, since each begins with a snapshot.
        """
        if not self._subscriptions:
            return
        self._changes.anything |= job_id is None and owner is None
        if job_id is not None:
            self._changes.jobs.add(job_id)
        if owner is not None:
            self._changes.owners.add(owner)
        self._wake.set()

    async def _run(self) -> None:
        """Read and publish as long as there are listeners."""
        stop = threading.Event()
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._watch, args=(loop, stop), daemon=True).start()
        try:
            while self._subscriptions:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self._until_next_poll())
                await asyncio.sleep(DEBOUNCE_SECONDS)
                self._wake.clear()
                await self._publish()
        finally:
            stop.set()

    def _watch(self, loop: asyncio.AbstractEventLoop, stop: threading.Event) -> None:
        def changed(job_id: str | None, owner: str | None) -> None:
            with suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self.changed, job_id, owner)

        while not stop.is_set():
            try:
                self._open().store.change_stream.watch(changed, stop)
            except (DatabaseError, DatabaseUnavailable) as error:
                _log.warning("changes could not be watched: %s", error)
            except Exception:  # noqa: BLE001  # without it, changes come by polling only
                _log.exception("changes could not be watched")
            stop.wait(_PAUSE_SECONDS)

    def _until_next_poll(self) -> float:
        first = min(
            (each.read_at + each.feed.poll_seconds for each in self._subscriptions.values()),
            default=0.0,
        )
        return max(first - time.monotonic(), 0.0)

    async def _publish(self) -> None:
        changes, self._changes = self._changes, _Changes()
        chosen = [each for each in self._subscriptions.values() if each.is_due(changes)]
        if chosen:
            await self._publish_to(chosen, changes)

    async def _publish_to(self, chosen: Sequence[_Subscription], changes: _Changes) -> None:
        try:
            drawn = await run_in_threadpool(self._draw, chosen, changes)
        except (DatabaseError, DatabaseUnavailable) as error:
            _log.warning("nothing could be pushed: %s", error)
        except Exception:  # noqa: BLE001  # the next reading may succeed
            if len(chosen) > 1:  # one feed that fails does not stop the others
                for subscription in chosen:
                    await self._publish_to([subscription], changes)
                return
            _log.exception("nothing was pushed")
        else:
            for subscription, (shown, events) in zip(chosen, drawn, strict=True):
                self._deliver(subscription, shown, events)
            return
        for subscription in chosen:
            subscription.read_at = time.monotonic()
            subscription.shown = None  # a snapshot follows
            for listener in subscription.listeners:
                listener.send([_TROUBLE])
                listener.needs_snapshot = False

    def _draw(
        self, chosen: Sequence[_Subscription], changes: _Changes
    ) -> list[tuple[Json | None, list[Event] | None]]:
        """Return the snapshot of each feed, and the events for listeners with the last one."""
        studio = self._open()
        needed = set().union(*(each.needs(studio, changes) for each in chosen))
        reading = Reading(studio, needed)
        drawn = []
        for subscription in chosen:
            with speaking(subscription.feed.viewer.language):
                shown = subscription.feed.draw(reading)
            before, events = subscription.shown, None
            if shown is not None and before is not None:
                patch = subscription.feed.patch(before, shown)
                events = None if patch is None else [Event("patch", patch)] if patch else []
            drawn.append((shown, events))
        return drawn

    def _deliver(
        self, subscription: _Subscription, shown: Json | None, events: list[Event] | None
    ) -> None:
        subscription.read_at = time.monotonic()
        subscription.shown = shown
        whole = [_GONE] if shown is None else [Event("snapshot", shown)]
        over = shown is not None and not subscription.feed.is_live(shown)
        for listener in subscription.listeners:
            news = whole if listener.needs_snapshot or events is None else events
            listener.needs_snapshot = False
            listener.send([*news, _ENDED] if over else news)
