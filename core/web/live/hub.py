"""What is pushed to browsers: one hub a process, fed by one change stream.

The change stream only says which jobs to look at. What is told comes from reading them, for all
their viewers at once, and who may see it is decided anew at every reading. Nothing depends on the
stream alone: everything is looked at every few seconds anyway. No viewer has a thread.
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
from core.web.live.feeds import Channel, Looker, Reading
from core.web.resources import Studio

Json = dict[str, Any]

GATHER_SECONDS: Final = 0.15  # changes of this long are told together
MOST_LISTENERS: Final = 4_000  # a page has one for the bell, and perhaps another one
MOST_OF_ONE: Final = 1_000  # so that nobody alone shuts all others out
_KEPT_EVENTS: Final = 50  # for a browser that does not keep up; then it is told the whole again
_PAUSE_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


class Event(NamedTuple):
    """What a browser is told.

    Attributes:
        name: `snapshot`, `patch`, `ended` (no more changes are to be expected), `gone` (it may not
            be seen any more) or `trouble` (the database does not answer).
        data: the details.
    """

    name: str
    data: Json


_ENDED: Final = Event("ended", {})
_GONE: Final = Event("gone", {})
_TROUBLE: Final = Event("trouble", {})
LAST_EVENTS: Final = ("ended", "gone")


class Listener:
    """One browser's view of a channel."""

    def __init__(self) -> None:
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self.begins = True  # it is to be told the whole

    async def next(self) -> Event | None:
        """Return the next event; None: there are no more."""
        return await self._events.get()

    def tell(self, events: Sequence[Event]) -> None:
        """Have it told; who does not keep up begins again."""
        if self._events.qsize() > _KEPT_EVENTS:
            self._drop()
            self.begins = True
            return
        for event in events:
            self._events.put_nowait(event)

    def close(self) -> None:
        """Let it hear nothing more, also of what it was told already."""
        self._drop()
        self._events.put_nowait(None)

    def _drop(self) -> None:
        with suppress(asyncio.QueueEmpty):
            while True:
                self._events.get_nowait()


class _Told:
    """A channel with who listens and what they know."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self.listeners: set[Listener] = set()
        self.shown: Json | None = None
        self.looked_at = 0.0

    @property
    def is_old(self) -> bool:
        """Whether it was not looked at for so long that a change may have been missed."""
        return time.monotonic() - self.looked_at > self.channel.look_seconds

    def wanted(self, changes: "_Changes") -> bool:
        """Return whether it is to be drawn again."""
        return (
            changes.anything
            or any(each.begins for each in self.listeners)
            or self.is_old
            or not self.channel.jobs.isdisjoint(changes.jobs)
            or self.channel.looker.user_id in changes.owners
        )

    def needs(self, studio: Studio, changes: "_Changes") -> set[str]:
        """Return the jobs to be read for that."""
        sure = (
            self.shown is not None
            and not changes.anything
            and not self.is_old
            and self.channel.looker.user_id not in changes.owners
        )
        return set(self.channel.needs(studio, changes.jobs if sure else None))


class _Changes:
    """What has changed since the last reading."""

    def __init__(self) -> None:
        self.anything = False
        self.jobs: set[str] = set()
        self.owners: set[str] = set()  # of new jobs, and of notices


class Hub:
    """Tells all listeners of one process what changes. It lives on one event loop.

    Args:
        open_studio: returns the shared studio; may raise `DatabaseUnavailable`.
    """

    def __init__(self, open_studio: Callable[[], Studio]) -> None:
        self._open = open_studio
        self._told: dict[Hashable, _Told] = {}
        self._changes = _Changes()
        self._wake = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def is_full(self, looker: Looker) -> bool:
        """Return whether somebody cannot listen (any more) at the moment."""
        listening = Counter[str]()
        for told in self._told.values():
            listening[told.channel.looker.who] += len(told.listeners)
        return listening.total() >= MOST_LISTENERS or listening[looker.who] >= MOST_OF_ONE

    @contextmanager
    def listening(self, channel: Channel) -> Iterator[Listener]:
        """Give a listener of a channel: first it is told the whole, then what changes."""
        told = self._told.setdefault(channel.key, _Told(channel))
        listener = Listener()
        told.listeners.add(listener)
        self._wake.set()
        loop = asyncio.get_running_loop()
        if self._running is None or self._running.done() or self._running.get_loop() is not loop:
            self._wake = asyncio.Event()
            self._wake.set()
            self._running = loop.create_task(self._run())
        try:
            yield listener
        finally:
            told.listeners.discard(listener)
            if not told.listeners and self._told.get(channel.key) is told:
                del self._told[channel.key]
            self._wake.set()

    def changed(self, job_id: str | None, owner: str | None = None) -> None:
        """Have a job looked at at once; called on the event loop. See `ChangeStream.watch`.

        While nobody listens there is nothing to remember: whoever comes is told the whole.
        """
        if not self._told:
            return
        self._changes.anything |= job_id is None and owner is None
        if job_id is not None:
            self._changes.jobs.add(job_id)
        if owner is not None:
            self._changes.owners.add(owner)
        self._wake.set()

    async def _run(self) -> None:
        """Read and tell for as long as anybody listens."""
        stop = threading.Event()
        loop = asyncio.get_running_loop()
        threading.Thread(target=self._watch, args=(loop, stop), daemon=True).start()
        try:
            while self._told:
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._wake.wait(), self._until_next_look())
                await asyncio.sleep(GATHER_SECONDS)
                self._wake.clear()
                await self._tell()
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
            except Exception:  # noqa: BLE001  # without it, all would be told late from now on
                _log.exception("changes could not be watched")
            stop.wait(_PAUSE_SECONDS)

    def _until_next_look(self) -> float:
        first = min(
            (each.looked_at + each.channel.look_seconds for each in self._told.values()),
            default=0.0,
        )
        return max(first - time.monotonic(), 0.0)

    async def _tell(self) -> None:
        changes, self._changes = self._changes, _Changes()
        chosen = [each for each in self._told.values() if each.wanted(changes)]
        if chosen:
            await self._tell_to(chosen, changes)

    async def _tell_to(self, chosen: Sequence[_Told], changes: _Changes) -> None:
        try:
            drawn = await run_in_threadpool(self._draw, chosen, changes)
        except (DatabaseError, DatabaseUnavailable) as error:
            _log.warning("nothing could be pushed: %s", error)
        except Exception:  # noqa: BLE001  # whatever it is, the next look may go well
            if len(chosen) > 1:  # one that cannot be drawn keeps no other from being told
                for told in chosen:
                    await self._tell_to([told], changes)
                return
            _log.exception("nothing was pushed")
        else:
            for told, (shown, events) in zip(chosen, drawn, strict=True):
                self._pass_on(told, shown, events)
            return
        for told in chosen:
            told.looked_at = time.monotonic()
            told.shown = None  # whatever it knew, it is told the whole afterwards
            for listener in told.listeners:
                listener.tell([_TROUBLE])
                listener.begins = False

    def _draw(
        self, chosen: Sequence[_Told], changes: _Changes
    ) -> list[tuple[Json | None, list[Event] | None]]:
        """Return what each channel shows now, with what those are told who know the former."""
        studio = self._open()
        needed = set().union(*(each.needs(studio, changes) for each in chosen))
        reading = Reading(studio, needed)
        drawn = []
        for told in chosen:
            with speaking(told.channel.looker.language):
                shown = told.channel.draw(reading)
            before, events = told.shown, None
            if shown is not None and before is not None:
                patch = told.channel.patch(before, shown)
                events = None if patch is None else [Event("patch", patch)] if patch else []
            drawn.append((shown, events))
        return drawn

    def _pass_on(self, told: _Told, shown: Json | None, events: list[Event] | None) -> None:
        told.looked_at = time.monotonic()
        told.shown = shown
        whole = [_GONE] if shown is None else [Event("snapshot", shown)]
        over = shown is not None and not told.channel.goes_on(shown)
        for listener in told.listeners:
            news = whole if listener.begins or events is None else events
            listener.begins = False
            listener.tell([*news, _ENDED] if over else news)
