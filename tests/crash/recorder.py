"""What happens to the assets of a running product, as its database tells it."""

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import islice
from typing import Any, Final, Self

from pymongo import MongoClient
from pymongo.errors import PyMongoError

from core.models import ENDED_STATES, AssetState

_ENDED: Final = [str(state) for state in ENDED_STATES]


@dataclass(frozen=True)
class Event:
    """A change of an asset: a new state, a new holder, or both.

    Attributes:
        at: `time.monotonic()` when it was heard.
        asset_id: the asset.
        state: the state that it entered; None: the same as before.
        owner: who has held it last.
        token: the new lease's; None: no new lease.
    """

    at: float
    asset_id: str
    state: str | None
    owner: str
    token: str | None


class Recorder:
    """Follows the assets' change stream through every death of the database.

    Args:
        find_uri: returns the database's address, or None while there is none.
        database: its name.
    """

    def __init__(self, find_uri: Callable[[], str | None], database: str = "fivefold") -> None:
        self.events: list[Event] = []
        self._find_uri = find_uri
        self._database = database
        self._owners: dict[str, str] = {}
        self._resume: Any = None
        self._heard = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)

    def wait(self, state: str, since: int, number: int, seconds: float) -> Event | None:
        """Return the event, after the first `since` ones, in which so many items have entered."""

        def found() -> Event | None:
            entered = (event for event in self.events[since:] if event.state == state)
            return next(islice(entered, number - 1, None), None)

        with self._heard:
            return self._heard.wait_for(found, seconds)

    def orphans(self, moment: float, pid: int) -> set[str]:
        """Return the assets that a process held at a moment."""
        held: dict[str, tuple[str, bool]] = {}
        for event in self.events:
            if event.at <= moment:
                free = event.state in {*_ENDED, str(AssetState.QUEUED)} and event.token is None
                held[event.asset_id] = (event.owner, not free)
        return {name for name, (owner, on) in held.items() if on and names(owner, [pid])}

    def recovery(self, asset_id: str, moment: float) -> float | None:
        """Return how long it took until an orphan had a new holder or had ended."""
        for event in self.events:
            if event.at > moment and event.asset_id == asset_id and (event.token or event.state):
                return event.at - moment
        return None

    def states(self, asset_id: str) -> list[str]:
        """Return the states that an asset went through."""
        return [each.state for each in self.events if each.asset_id == asset_id and each.state]

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                if (uri := self._find_uri()) is not None:
                    self._follow(uri)
            except PyMongoError:  # the database was killed
                self._stop.wait(0.05)

    def _follow(self, uri: str) -> None:
        with MongoClient[dict[str, Any]](uri, serverSelectionTimeoutMS=2000) as client:
            assets = client[self._database]["assets"]
            with assets.watch(resume_after=self._resume, max_await_time_ms=200) as stream:
                while not self._stop.is_set():
                    change = stream.try_next()
                    self._resume = stream.resume_token
                    if change is not None:
                        self._note(change)

    def _note(self, change: Any) -> None:  # a change document
        asset_id = change["documentKey"]["_id"]
        if change["operationType"] == "insert":
            changed = change["fullDocument"]
        else:
            changed = change.get("updateDescription", {}).get("updatedFields", {})
        lease = changed.get("lease") or {}
        token = lease.get("token") or changed.get("lease.token")
        owner = lease.get("owner") or changed.get("lease.owner")
        if owner:
            self._owners[asset_id] = owner
        if changed.get("state") or token:
            event = Event(
                time.monotonic(),
                asset_id,
                changed.get("state"),
                self._owners.get(asset_id, ""),
                token,
            )
            with self._heard:
                self.events.append(event)
                self._heard.notify_all()


def names(owner: str, pids: Iterable[int]) -> int | None:
    """Return which of some processes is the owner of a lease."""
    parts = "".join(letter if letter.isdigit() else " " for letter in owner).split()
    return next((pid for pid in pids if str(pid) in parts), None)
