"""Carrying messages to executors: Taskiq over the broker that `BROKER_URL` names.

A message is only a hint, "this item was handed out with this ticket": the truth is in MongoDB.
So it is acknowledged on receipt, and one that is lost, doubled or late does no harm.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from taskiq import AsyncBroker, AsyncTaskiqDecoratedTask, BrokerMessage
from taskiq.acks import AcknowledgeType
from taskiq.receiver import Receiver

from core.providers.base import QUEUES

Run = Callable[[str, str], Awaitable[None]]
"""Makes the item of this id, which was handed out with this ticket."""

CONNECT_SECONDS: Final = 10.0
SEND_SECONDS: Final = 5.0
RESTART_SECONDS: Final = 1.0

_log = logging.getLogger(__name__)


class BrokerUnavailable(Exception):
    """The broker does not take messages at the moment."""


class Engine:
    """Sends items to the workers that serve their queue, and runs those that come here.

    Args:
        broker_url: `redis://…`, `amqp://…`, or empty: this process alone.
        namespace: keeps the queues of several Fivefolds on one broker apart.
        serves: queues that this worker serves, and how many items of each at once.
        run: makes an item.

    Attributes:
        broker: the broker's address without credentials; empty: none.
    """

    def __init__(
        self, broker_url: str, namespace: str, serves: Mapping[str, int], run: Run
    ) -> None:
        parts = urlsplit(broker_url)
        address = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
        self.broker = f"{parts.scheme}://{address}{parts.path}" if broker_url else ""
        self._serves = serves
        self._lines = {
            queue: _Line(partial(_broker, broker_url, f"{namespace}.{queue}"), run)
            for queue in QUEUES
        }

    async def send(self, queue: str, messages: Sequence[tuple[str, str]]) -> None:
        """Send (asset id, ticket) pairs to whoever serves a queue.

        Raises:
            BrokerUnavailable: not all of them were sent.
        """
        await self._lines[queue].send(messages)

    async def serve(self, stop: asyncio.Event) -> None:
        """Run what arrives until `stop` is set, then wait for what is running."""
        await asyncio.gather(
            *(self._lines[queue].serve(number, stop) for queue, number in self._serves.items())
        )

    async def close(self) -> None:
        """Close the connections."""
        for line in self._lines.values():
            await line.close()


class _Line:
    """One queue: its broker, connected when it is first needed and again after trouble."""

    def __init__(self, new_broker: Callable[[], AsyncBroker], run: Run) -> None:
        async def make(asset_id: str, ticket: str) -> None:  # Taskiq wants a plain function
            await run(asset_id, ticket)

        self._new_broker = new_broker
        self._make = make
        self._connecting = asyncio.Lock()
        self._broker: AsyncBroker | None = None
        self._task: AsyncTaskiqDecoratedTask[[str, str], Coroutine[Any, Any, None]] | None = None

    async def send(self, messages: Sequence[tuple[str, str]]) -> None:
        try:
            async with asyncio.timeout(CONNECT_SECONDS + SEND_SECONDS):
                await self._connected()
                assert self._task is not None  # noqa: S101  # for mypy: connected
                await asyncio.gather(*(self._task.kiq(*message) for message in messages))
        except Exception as error:
            await self.close()
            raise BrokerUnavailable(str(error.__cause__ or error)) from error

    async def serve(self, at_once: int, stop: asyncio.Event) -> None:
        """Receive, in a loop: an error of the listener ends a receiver, and it begins anew."""
        while not stop.is_set():
            try:
                broker = await self._connected()
                receiver = Receiver(
                    broker,
                    max_async_tasks=at_once,
                    ack_type=AcknowledgeType.WHEN_RECEIVED,
                    run_startup=False,
                )
                await receiver.listen(stop)
            except Exception as error:  # noqa: BLE001  # whatever it is, the next one may work
                _log.warning("the broker is not heard (%s); trying again", _reason(error))
                await self.close()
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), RESTART_SECONDS)

    async def close(self) -> None:
        broker, self._broker = self._broker, None
        if broker is not None:
            with suppress(Exception):
                await asyncio.wait_for(broker.shutdown(), SEND_SECONDS)

    async def _connected(self) -> AsyncBroker:
        async with self._connecting:
            if self._broker is None:
                broker = self._new_broker()
                broker.is_worker_process = True
                self._task = broker.register_task(self._make, task_name="make")
                await asyncio.wait_for(broker.startup(), CONNECT_SECONDS)
                self._broker = broker
            return self._broker


class _InProcessBroker(AsyncBroker):
    """Messages from this process to itself; Taskiq's own has no bound on running tasks."""

    def __init__(self) -> None:
        super().__init__()
        self._messages: asyncio.Queue[bytes] = asyncio.Queue()

    async def kick(self, message: BrokerMessage) -> None:
        self._messages.put_nowait(message.message)

    async def listen(self) -> AsyncGenerator[bytes, None]:
        while True:
            yield await self._messages.get()


def _broker(url: str, name: str) -> AsyncBroker:
    """Return a broker whose messages go through the queue `name`."""
    scheme = urlsplit(url).scheme
    if not scheme:
        return _InProcessBroker()
    if scheme in ("redis", "rediss"):
        from taskiq_redis import ListQueueBroker  # noqa: PLC0415  # only where it is used

        # Waiting for a message takes as long as it takes.
        return ListQueueBroker(url, queue_name=name, socket_timeout=None, socket_keepalive=True)
    from taskiq_aio_pika import AioPikaBroker, Exchange, Queue  # noqa: PLC0415  # likewise

    return AioPikaBroker(
        url,
        exchange=Exchange(name=name),
        task_queues=[Queue(name=name)],
        dead_letter_queue=Queue(name=f"{name}.dead"),
    )


def _reason(error: BaseException) -> str:
    """Return what is at the bottom of an exception group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
