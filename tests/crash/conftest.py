"""The brokers that the product is killed over."""

from tests.brokers import rabbitmq, redis

__all__ = ["rabbitmq", "redis"]
