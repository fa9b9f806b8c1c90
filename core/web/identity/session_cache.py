"""Which sessions go on: asked of the database often enough that an ended one ends everywhere."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from cachetools import TTLCache
from starlette.concurrency import run_in_threadpool

from core.models import LoginSession
from core.store import DatabaseError, DatabaseUnavailable
from core.store.accounts.login_sessions import LoginSessionStore, hashed

LOOK_SECONDS: Final = 2.0
_REMEMBERED: Final = 10_000

_log = logging.getLogger(__name__)


class LiveSessions:
    """What the database said of sessions within the last seconds.

    Used from one event loop; all that waits is done in threads.

    Args:
        open_sessions: returns the database's sessions; may raise `DatabaseUnavailable`.
    """

    def __init__(self, open_sessions: Callable[[], LoginSessionStore]) -> None:
        self._open = open_sessions
        self._known: TTLCache[str, LoginSession | None] = TTLCache(_REMEMBERED, LOOK_SECONDS)
        self._watched: dict[str, list[tuple[bool, asyncio.Event]]] = defaultdict(list)
        self._looking: asyncio.Task[None] | None = None

    async def find(self, secret: str) -> LoginSession | None:
        """Return the session of a cookie's secret, or None where it has ended.

        Raises:
            DatabaseError, DatabaseUnavailable: that is not known.
        """
        session_id = hashed(secret)
        try:
            return self._known[session_id]
        except KeyError:
            found = await run_in_threadpool(self._find, session_id)
            self._known[session_id] = found
            return found

    def ended(self, session_id: str) -> None:
        """Have an end that this process brought about seen at once."""
        self._known.pop(session_id, None)
        for going_on, event in self._watched.get(session_id, ()):
            if going_on:
                event.set()

    @contextmanager
    def watched(self, session_id: str, *, going_on: bool) -> Iterator[asyncio.Event]:
        """Give an event that is set when a session is no longer what it was.

        Args:
            session_id: the session; `hashed` makes it of the cookie's secret.
            going_on: whether it goes on; False: that could not be found out.
        """
        watcher = (going_on, asyncio.Event())
        self._watched[session_id].append(watcher)
        loop = asyncio.get_running_loop()
        if self._looking is None or self._looking.done() or self._looking.get_loop() is not loop:
            self._looking = loop.create_task(self._look())
        try:
            yield watcher[1]
        finally:
            self._watched[session_id].remove(watcher)
            if not self._watched[session_id]:
                del self._watched[session_id]

    async def _look(self) -> None:
        """Ask for all that are watched at once, every two seconds, while there are any."""
        while self._watched:
            await asyncio.sleep(LOOK_SECONDS)
            ids = list(self._watched)
            try:
                living = await run_in_threadpool(self._living, ids)
            except (DatabaseError, DatabaseUnavailable) as error:
                _log.warning("sessions could not be looked up: %s", error)
                continue
            except Exception:  # noqa: BLE001  # whatever it is, ended sessions must not go on
                _log.exception("sessions could not be looked up")
                continue
            for session_id in ids:
                if session_id not in living:
                    self._known.pop(session_id, None)
                for going_on, event in self._watched.get(session_id, ()):
                    if not going_on or session_id not in living:
                        event.set()

    def _living(self, ids: list[str]) -> dict[str, LoginSession]:
        return self._open().active(ids)

    def _find(self, session_id: str) -> LoginSession | None:
        sessions = self._open()
        found = sessions.active([session_id]).get(session_id)
        if found is not None:
            sessions.touch(found)
        return found
