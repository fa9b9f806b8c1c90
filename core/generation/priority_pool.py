"""Threads for what must not wait in line: leases, leadership, dispatching.

The writes of a thousand items share the loop's default pool; behind them in one queue, a heartbeat
would come too late.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, TypeVar

THREADS: Final = 8

_T = TypeVar("_T")
_pool: Final = ThreadPoolExecutor(THREADS, "vital")


async def without_queueing(call: Callable[..., _T], *args: Any) -> _T:  # noqa: ANN401  # passed on
    """Run a blocking call in a thread that no item's work is waiting for."""
    return await asyncio.get_running_loop().run_in_executor(_pool, partial(call, *args))
