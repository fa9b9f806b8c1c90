"""Handing out ready items: fairly over users, within the limits of the whole installation.

Every worker has a dispatcher; the one that holds the leader lease works.
"""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from typing import Final, TypeVar

from core import telemetry
from core.generation.leader_lease import LeaderLease
from core.generation.priority_pool import without_queueing
from core.generation.transport import BrokerUnavailable, Transport
from core.models import Worker, new_id
from core.providers.base import QUEUES
from core.providers.registry import Catalogue
from core.store import DatabaseError, Store
from core.store.work.queue import Lane, QueueStore

POLL_SECONDS: Final = 1.0  # where the change stream is silent or broken
TICKET_SECONDS: Final = 10.0  # a message that has not arrived by then is taken for lost
PAUSE_SECONDS: Final = 1.0

MINUTE: Final = 60
DAY: Final = 24 * 3600
BATCH: Final = 1000  # of what is handed out whatever the limits; the rest has the next round

_T = TypeVar("_T", str, Lane)
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Batch:
    """Items that were handed out together."""

    queue: str
    asset_ids: list[str]
    ticket: str


class Dispatcher:
    """Looks for work while it leads, and sends each item to the queue that makes it.

    Args:
        store: the database.
        transport: carries the messages.
        catalogue: the configured providers, for limits and queues.
        leader_lease: only the leader hands out.
        full: says that a disk is full; nothing new is begun then.
    """

    def __init__(
        self,
        store: Store,
        transport: Transport,
        catalogue: Catalogue,
        leader_lease: LeaderLease,
        full: Callable[[], str],
    ) -> None:
        self._store = store
        self._transport = transport
        self._catalogue = catalogue
        self._wake = asyncio.Event()
        self._served: dict[Lane, str] = {}  # whose turn was the last one in each lane
        self._lane: Lane = ("", "")  # which lane's was
        self._leader_lease = leader_lease
        self._full = full
        self._said = ""

    async def run(self, stop: asyncio.Event) -> None:
        """Hand out work whenever this one leads, until `stop` is set."""
        loop = asyncio.get_running_loop()
        unwatch = threading.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(self._wake.set)

        watch = asyncio.create_task(asyncio.to_thread(self._store.queue.watch, wake, unwatch))
        stopped = asyncio.create_task(stop.wait())
        try:
            while not stop.is_set():
                self._wake.clear()
                if not (self._leader_lease.held and await self._hand_out_safely()):
                    await self._wait(stopped)
        finally:
            stopped.cancel()
            unwatch.set()
            await watch

    async def _wait(self, stopped: asyncio.Task[bool]) -> None:
        """Return when there may be something to do: woken, stopped, or after a while."""
        waking = asyncio.create_task(self._wake.wait())
        await asyncio.wait(
            [stopped, waking], timeout=POLL_SECONDS, return_when=asyncio.FIRST_COMPLETED
        )
        waking.cancel()

    async def _hand_out_safely(self) -> int:
        try:
            return await self._hand_out()
        except DatabaseError as error:
            _log.warning("the database does not answer: %s", error)
        except BrokerUnavailable as error:
            _log.warning("the broker does not take messages: %s", error)
            await asyncio.sleep(PAUSE_SECONDS)
        except Exception:  # noqa: BLE001  # whatever a provider says of itself, the others go on
            _log.exception("nothing was handed out")
            await asyncio.sleep(PAUSE_SECONDS)
        return 0

    async def _hand_out(self) -> int:
        """Hand out all that may begin now, and return how many items that were."""
        batches = await without_queueing(self._reserve)
        for number, batch in enumerate(batches):
            messages = [(asset_id, batch.ticket) for asset_id in batch.asset_ids]
            try:
                await self._transport.send(batch.queue, messages)
            except BrokerUnavailable:
                with suppress(DatabaseError):
                    await without_queueing(self._take_back, batches[number:])
                raise
            telemetry.handed_out(len(messages))
        return sum(len(batch.asset_ids) for batch in batches)

    def _reserve(self) -> list[_Batch]:
        """Put a ticket on all that may begin now. In one thread: each hop to one costs a wait."""
        queue = self._store.queue
        # Who has no broker looks in the database for what is handed out.
        workers = [
            each
            for each in self._store.workers.alive()
            if each.broker in ("", self._transport.broker)
        ]
        limits = _Limits(self._catalogue, workers, queue)
        # Orphaned items are in flight at their provider already: they go first, unlimited.
        chosen = [
            (limits.queue(lane), queue.orphaned(lane, BATCH))
            for lane in limits.lanes()
            if limits.served(limits.queue(lane))
        ]
        if limits.served(limits.any_queue):  # any worker can cancel at a provider
            chosen.append((limits.any_queue, queue.to_cancel(BATCH)))
        for lane in [] if self._no_room() else _after(self._lane, queue.lanes()):
            free = limits.free(lane)
            if free > 0:
                asset_ids = self._next(lane, free)
                limits.take(lane, len(asset_ids))
                chosen.append((limits.queue(lane), asset_ids))
                self._lane = lane if asset_ids else self._lane
        batches = [_Batch(name, asset_ids, new_id()) for name, asset_ids in chosen if asset_ids]
        for batch in batches:
            if self._leader_lease.held:
                queue.hand_out(batch.asset_ids, batch.ticket, TICKET_SECONDS, batch.queue)
        return batches if self._leader_lease.held else []

    def _no_room(self) -> bool:
        """Whether what would be made could not be saved; said once."""
        said, self._said = self._said, self._full()
        if self._said != said:
            _log.warning(self._said or "there is room again, so new items are begun")
        return bool(self._said)

    def _take_back(self, batches: Sequence[_Batch]) -> None:
        for batch in batches:
            self._store.queue.take_back(batch.asset_ids, batch.ticket)

    def _next(self, lane: Lane, number: int) -> list[str]:
        """Return a lane's next items, one a user in turn, going on after who came last."""
        users = _after(self._served.get(lane, ""), self._store.queue.users(lane))
        each_at_most = -(-number // max(len(users), 1))
        found: dict[str, list[str]] = {}
        for user in users:
            if sum(map(len, found.values())) >= number:
                break
            found[user] = self._store.queue.due(lane, user, each_at_most)
        chosen = list(islice(_in_turn(list(found.values())), number))
        owners = {asset_id: user for user, ids in found.items() for asset_id in ids}
        if chosen:
            self._served[lane] = owners[chosen[-1]]
        return chosen


class _Limits:
    """How many more items of each lane may begin.

    A provider has room again as soon as it has made an item; a worker, when that is saved.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        workers: Sequence[Worker],
        queue: QueueStore,
    ) -> None:
        self._catalogue = catalogue
        self._queue = queue
        self._workers: Counter[str] = Counter()
        self._room: Counter[str] = Counter()
        for worker in workers:
            self._workers.update(worker.queues.keys())
            self._room.update(worker.queues)
        self._lanes: Counter[Lane] = Counter()
        self._providers: Counter[str] = Counter()
        # Those on their way count as begun; asked first, so that none is missed.
        self._beginning = queue.handed_out()
        for lane, number in queue.in_flight().items():
            self._hold(lane, number)
        for lane, number in queue.saving().items():
            self._lanes[lane] -= number
            self._providers[lane[0]] -= number

    @property
    def any_queue(self) -> str:
        """A queue that is served, where any will do."""
        served: list[str] = [queue for queue in QUEUES if self.served(queue)]
        return served[0] if served else QUEUES[0]

    def lanes(self) -> list[Lane]:
        return list(self._lanes)

    def queue(self, lane: Lane) -> str:
        found = self._catalogue.model(*lane)
        return found.queue if found else self.any_queue  # any worker can say that it is missing

    def served(self, queue: str) -> bool:
        return self._workers[queue] > 0

    def free(self, lane: Lane) -> int:
        name, model = lane
        provider, found = self._catalogue.providers.get(name), self._catalogue.model(name, model)
        queue = self.queue(lane)
        room = self._room[queue]
        if provider is None or found is None:
            return room
        machines = self._workers[queue] if provider.local else 1
        bounds = [room]
        for limits, which, in_flight in (
            (self._catalogue.limits(name, model), model, self._lanes[lane]),
            (self._catalogue.limits(name), None, self._providers[name]),
        ):
            if limits.at_once is not None:
                bounds.append(limits.at_once * machines - in_flight)
            for number, seconds in ((limits.per_minute, MINUTE), (limits.per_day, DAY)):
                if number is not None:
                    bounds.append(number - self._begun(name, which, seconds))
        return max(0, min(bounds))

    def take(self, lane: Lane, number: int) -> None:
        self._hold(lane, number)
        self._beginning[lane] += number

    def _begun(self, provider: str, model: str | None, seconds: int) -> int:
        """Return how many items a provider, or one of its models, began lately or is about to."""
        beginning = sum(
            number
            for (name, each), number in self._beginning.items()
            if name == provider and model in (None, each)
        )
        return beginning + self._queue.called(provider, model, seconds)

    def _hold(self, lane: Lane, number: int) -> None:
        self._lanes[lane] += number
        self._providers[lane[0]] += number
        self._room[self.queue(lane)] -= number


def _in_turn(lists: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the first of each list, then the second of each, and so on."""
    return (each for each in chain.from_iterable(zip_longest(*lists)) if each is not None)


def _after(last: _T, each: Sequence[_T]) -> list[_T]:
    """Return what is sorted in turn, beginning after `last`."""
    ordered = sorted(each)
    return [one for one in ordered if one > last] + [one for one in ordered if one <= last]
