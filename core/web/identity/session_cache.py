"""The session cache: login sessions, at most two seconds old."""

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

CHECK_SECONDS: Final = 2.0
_MAX_SESSIONS: Final = 10_000

_log = logging.getLogger(__name__)


class SessionCache:
    """Looks up login sessions, and notices within seconds when one ends.

    Used from one event loop; queries run in threads.

    Args:
        open_sessions: returns the database's sessions; may raise `DatabaseUnavailable`.
    """

    def __init__(self, open_sessions: Callable[[], LoginSessionStore]) -> None:
        self._open = open_sessions
        self._known: TTLCache[str, LoginSession | None] = TTLCache(_MAX_SESSIONS, CHECK_SECONDS)
        self._watched: dict[str, list[tuple[bool, asyncio.Event]]] = defaultdict(list)
        self._checking: asyncio.Task[None] | None = None

    async def find(self, secret: str) -> LoginSession | None:
        """Return the session of a cookie's secret; None: it has ended.

        Raises:
            DatabaseError, DatabaseUnavailable: it could not be looked up.
        """
        session_id = hashed(secret)
        try:
            return self._known[session_id]
        except KeyError:
            found = await run_in_threadpool(self._find, session_id)
            self._known[session_id] = found
            return found

    def ended(self, session_id: str) -> None:
        """Forget a session that this process has just ended, and set the events of its watchers."""
        self._known.pop(session_id, None)
        for active, event in self._watched.get(session_id, ()):
            if active:
                event.set()

    @contextmanager
    def watched(self, session_id: str, *, active: bool) -> Iterator[asyncio.Event]:
        """Provide an event that is set when the state of a session changes.

        Args:
            session_id: the session; `hashed` makes it of the cookie's secret.
            active: whether it is known to be active; False: it could not be looked up.
        """
        watcher = (active, asyncio.Event())
        self._watched[session_id].append(watcher)
        loop = asyncio.get_running_loop()
        if self._checking is None or self._checking.done() or self._checking.get_loop() is not loop:
            self._checking = loop.create_task(self._check())
        try:
            yield watcher[1]
        finally:
            self._watched[session_id].remove(watcher)
            if not self._watched[session_id]:
                del self._watched[session_id]

    async def _check(self) -> None:
        """Look up all watched sessions in one query, every two seconds, while there are any."""
        while self._watched:
            await asyncio.sleep(CHECK_SECONDS)
            ids = list(self._watched)
            try:
                active_now = await run_in_threadpool(self._active_now, ids)
            except (DatabaseError, DatabaseUnavailable) as error:
                _log.warning("sessions could not be looked up: %s", error)
                continue
            except Exception:  # noqa: BLE001  # ended sessions must not stay active
                _log.exception("sessions could not be looked up")
                continue
            for session_id in ids:
                if session_id not in active_now:
                    self._known.pop(session_id, None)
                for active, event in self._watched.get(session_id, ()):
                    if not active or session_id not in active_now:
                        event.set()

    def _active_now(self, ids: list[str]) -> dict[str, LoginSession]:
        return self._open().active(ids)

    def _find(self, session_id: str) -> LoginSession | None:
        sessions = self._open()
        found = sessions.active([session_id]).get(session_id)
        if found is not None:
            sessions.touch(found)
        return found
