"""Carrying messages to executors: Taskiq over the broker that `BROKER_URL` names.

A message is only a hint, "this item was handed out with this ticket": the truth is in MongoDB.
So it is acknowledged on receipt, and one that is lost, doubled or late does no harm.
"""

import asyncio
import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from typing import Final
from urllib.parse import urlsplit

from taskiq import AsyncBroker, BrokerMessage
from taskiq.acks import AcknowledgeType
from taskiq.receiver import Receiver

from core.providers.base import QUEUES

Run = Callable[[str, str], Awaitable[None]]
"""Makes the item of this id, which was handed out with this ticket."""

CONNECT_SECONDS: Final = 10.0
SEND_SECONDS: Final = 5.0
RESTART_SECONDS: Final = 1.0
CLOSE_SECONDS: Final = 1.0
TASK: Final = "make"

_log = logging.getLogger(__name__)


class BrokerUnavailable(Exception):
    """The broker does not take messages at the moment."""


class Transport:
    """Sends items to the workers that serve their queue, and runs those that come here.

    Args:
        broker_url: `redis://…`, `amqp://…`, or empty: messages stay in this process, and other
            workers look in the database for what was handed out to their queues (`Collector`).
        namespace: keeps the queues of several Fivefolds on one broker apart.
        serves: queues that this worker serves, and how many items of each at once.
        run: makes an item.

    Attributes:
        broker: the broker's address without credentials; empty: none.
    """

    def __init__(
        self, broker_url: str, namespace: str, serves: Mapping[str, int], run: Run
    ) -> None:
        self.broker = address(broker_url)
        self._serves = serves
        self._inboxes = {} if broker_url else {queue: _InProcessBroker() for queue in serves}
        served = QUEUES if broker_url else serves
        self._lines = {
            queue: _Line(_factory(broker_url, f"{namespace}.{queue}", inbox), run)
            for queue in served
            for inbox in [self._inboxes.get(queue)]
        }

    async def send(self, queue: str, messages: Sequence[tuple[str, str]]) -> None:
        """Send (asset id, ticket) pairs to whoever serves a queue.

        Raises:
            BrokerUnavailable: not all of them were sent.
        """
        if queue in self._lines:  # else its workers find them by themselves
            await self._lines[queue].send(messages)

    def waiting(self, queue: str) -> int:
        """Return how many messages of a queue wait in this process."""
        return self._inboxes[queue].waiting if queue in self._inboxes else 0

    async def serve(self, stop: asyncio.Event) -> None:
        """Run what arrives until `stop` is set, then wait for what is running."""
        await asyncio.gather(
            *(self._lines[queue].serve(number, stop) for queue, number in self._serves.items())
        )

    async def close(self) -> None:
        """Close the connections."""
        for line in self._lines.values():
            await line.close()


def address(broker_url: str) -> str:
    """Return a broker's address without credentials; empty where there is none."""
    parts = urlsplit(broker_url)
    host = f"{parts.hostname}:{parts.port}" if parts.port else parts.hostname
    return f"{parts.scheme}://{host}{parts.path}" if broker_url else ""


async def check(broker_url: str) -> str:
    """Return which broker answers.

    Raises:
        BrokerUnavailable: it does not; the text says why.
    """
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            if urlsplit(broker_url).scheme.startswith("redis"):
                from redis.asyncio import Redis  # noqa: PLC0415  # only where it is used

                async with Redis.from_url(broker_url) as connection:
                    await connection.ping()
            else:
                import aio_pika  # noqa: PLC0415  # likewise

                await (await aio_pika.connect(broker_url)).close()
    except Exception as error:
        reason = str(error) or type(error).__name__
        raise BrokerUnavailable(f"{address(broker_url)} does not answer: {reason}") from error
    return f"{address(broker_url)} answers"


class _Line:
    """One queue: a connection to send by and one to receive by, each made anew after trouble."""

    def __init__(self, new_broker: Callable[[], AsyncBroker], run: Run) -> None:
        async def make(asset_id: str, ticket: str) -> None:  # Taskiq wants a plain function
            await run(asset_id, ticket)

        self._new_broker = new_broker
        self._make = make
        self._sender: AsyncBroker | None = None

    async def send(self, messages: Sequence[tuple[str, str]]) -> None:
        try:
            if self._sender is None:
                self._sender = await self._connected(receives=False)
            task = self._sender.register_task(self._make, task_name=TASK)
            async with asyncio.timeout(SEND_SECONDS):
                await asyncio.gather(*(task.kiq(*message) for message in messages))
        except Exception as error:
            await self.close()
            raise BrokerUnavailable(_reason(error.__cause__ or error)) from error

    async def serve(self, at_once: int, stop: asyncio.Event) -> None:
        """Receive, in a loop: an error of the listener ends a receiver, and it begins anew."""
        while not stop.is_set():
            broker = None
            try:
                broker = await self._connected(receives=True)
                receiver = Receiver(
                    broker,
                    max_async_tasks=at_once,
                    ack_type=AcknowledgeType.WHEN_RECEIVED,
                    run_startup=False,
                )
                await receiver.listen(stop)
            except Exception as error:  # noqa: BLE001  # whatever it is, the next one may work
                _log.warning("the broker is not heard (%s); trying again", _reason(error))
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), RESTART_SECONDS)
            finally:
                await _closed(broker)

    async def close(self) -> None:
        sender, self._sender = self._sender, None
        await _closed(sender)

    async def _connected(self, *, receives: bool) -> AsyncBroker:
        broker = self._new_broker()
        broker.is_worker_process = receives
        broker.register_task(self._make, task_name=TASK)
        try:
            await asyncio.wait_for(broker.startup(), CONNECT_SECONDS)
        except BaseException:
            await _closed(broker)  # a robust connection would go on trying by itself
            raise
        return broker


async def _closed(broker: AsyncBroker | None) -> None:
    if broker is not None:
        with suppress(Exception):  # it is given up anyway
            await asyncio.wait_for(broker.shutdown(), CLOSE_SECONDS)


class _InProcessBroker(AsyncBroker):
    """Messages from this process to itself; Taskiq's own has no bound on running tasks."""

    def __init__(self) -> None:
        super().__init__()
        self._messages: asyncio.Queue[bytes] = asyncio.Queue()

    @property
    def waiting(self) -> int:
        return self._messages.qsize()

    async def kick(self, message: BrokerMessage) -> None:
        self._messages.put_nowait(message.message)

    async def listen(self) -> AsyncGenerator[bytes, None]:
        while True:
            yield await self._messages.get()


def _factory(url: str, name: str, inbox: AsyncBroker | None) -> Callable[[], AsyncBroker]:
    """Return what makes brokers whose messages go through the queue `name`, or `inbox`."""
    scheme = urlsplit(url).scheme
    if inbox is not None:
        return lambda: inbox
    if scheme in ("redis", "rediss"):
        from taskiq_redis import ListQueueBroker  # noqa: PLC0415  # only where it is used

        # Waiting for a message takes as long as it takes.
        return lambda: ListQueueBroker(
            url, queue_name=name, socket_timeout=None, socket_keepalive=True
        )
    from taskiq_aio_pika import AioPikaBroker, Exchange, Queue, QueueType  # noqa: PLC0415  # likewise

    # Classic: a quorum of one member takes minutes to find itself again after a crash.
    queue = Queue(name=name, type=QueueType.CLASSIC)
    return lambda: AioPikaBroker(
        url,
        qos=1,  # what one worker has fetched and not begun, another cannot take
        exchange=Exchange(name=name),
        task_queues=[queue],
        dead_letter_queue=Queue(name=f"{name}.dead", type=QueueType.CLASSIC),
    )


def _reason(error: BaseException) -> str:
    """Return what is at the bottom of an exception group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"
