"""The real brokers start, keep what they were given through a SIGKILL, and leave nothing."""

import asyncio
from pathlib import Path

import aio_pika
import psutil
import redis

from tests.brokers import RabbitMQ, Redis, require


def test_redis_keeps_its_data_through_a_sigkill(tmp_path: Path) -> None:
    require("redis")
    broker = Redis(tmp_path / "redis").start()
    try:
        with redis.Redis.from_url(broker.url) as client:
            client.rpush("queue", "asset-1")
        broker.kill()
        broker.start()
        with redis.Redis.from_url(broker.url) as client:
            assert client.lrange("queue", 0, -1) == [b"asset-1"]
    finally:
        broker.stop()
    assert broker.process.poll() is not None


def test_rabbitmq_keeps_its_data_through_a_sigkill_and_leaves_no_process(tmp_path: Path) -> None:
    require("rabbitmq")

    async def put() -> None:
        async with await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel(publisher_confirms=True)
            await channel.declare_queue("work", durable=True)
            message = aio_pika.Message(b"asset-1", delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(message, "work")

    async def get() -> bytes:
        async with await aio_pika.connect(broker.url) as connection:
            channel = await connection.channel()
            queue = await channel.declare_queue("work", durable=True, passive=True)
            message = await queue.get(timeout=10)
            await message.ack()
            return message.body

    broker = RabbitMQ(tmp_path / "rabbitmq").start()
    try:
        asyncio.run(put())
        broker.kill()
        broker.start()
        assert asyncio.run(get()) == b"asset-1"
    finally:
        broker.stop()
    left = [
        process
        for process in psutil.process_iter(["environ"])
        if (process.info["environ"] or {}).get("HOME") == str(broker.folder)
    ]
    _, left = psutil.wait_procs(left, timeout=60)  # the helpers of its runtime see that it ended
    assert left == []
