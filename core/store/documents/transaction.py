"""Running writes in a transaction, while somebody waits for them."""

from collections.abc import Callable
from typing import Any, Final, TypeVar

from pymongo import timeout
from pymongo.client_session import ClientSession
from pymongo.database import Database

T = TypeVar("T")

STORE_SECONDS: Final = 10  # somebody waits; the driver alone would try for two minutes


def in_transaction(
    database: Database[dict[str, Any]],
    write: Callable[[ClientSession], T],
    seconds: float = STORE_SECONDS,
) -> T:
    """Return what `write` returns, all of whose writes are stored, or none.

    Args:
        database: where.
        write: is called again where another transaction got in its way.
        seconds: how long it is tried.
    """
    with timeout(seconds), database.client.start_session() as session:
        return session.with_transaction(write)
