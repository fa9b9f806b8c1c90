"""Decoding untrusted files in a process of its own, bounded in memory and time.

Each call gets a fresh process, forked from a small server that has the decoders loaded: its memory
is freed when it ends, and a crash costs one item.
"""

import asyncio
import os
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from functools import partial
from multiprocessing import connection, get_context, parent_process
from typing import Any, Final, TypeVar, cast
from weakref import WeakKeyDictionary

from pebble import ProcessExpired
from pebble.concurrent import process

MEMORY_BYTES: Final = 2 * 2**30
"""The memory that a call may allocate; copying a 4K clip of 10 bits takes about half of it."""
CONCURRENT_FILES: Final = 2
CONCURRENT_PREVIEWS: Final = 1  # separate, so that they do not wait behind a long clip

_T = TypeVar("_T")

_context: Final = get_context("forkserver")
_context.set_forkserver_preload(["core.media.inspection", "core.media.display_copies"])
_slots: WeakKeyDictionary[
    asyncio.AbstractEventLoop, tuple[asyncio.Semaphore, asyncio.Semaphore]
] = WeakKeyDictionary()


class OutOfBounds(Exception):
    """The call took too much memory or time, or its process died."""


async def bounded(
    call: Callable[..., _T], *args: object, seconds: float, preview: bool = False
) -> _T:
    """Run a call in a process of its own; cancelling this ends the process.

    A process that dies may have been killed from outside, so the call is tried a second time.

    Args:
        call: a function of a module, or a partial of one.
        args: its arguments; they are pickled.
        seconds: how long it may take.
        preview: whether it makes a preview, which may be missing.

    Raises:
        OutOfBounds: it took too much, twice.
        Exception: whatever the call raises.
    """
    of_loop = (asyncio.Semaphore(CONCURRENT_FILES), asyncio.Semaphore(CONCURRENT_PREVIEWS))
    slots = _slots.setdefault(asyncio.get_running_loop(), of_loop)[preview]
    decorated: Any = process  # its types say `mp_context`, which it does not read
    task = decorated(timeout=seconds, context=_context)(partial(_limited, call))
    async with slots:
        for again in (True, False):
            future = _cancellable(await asyncio.to_thread(task, *args))
            try:
                return cast("_T", await asyncio.wrap_future(future))
            except ProcessExpired as error:
                if not again:
                    raise OutOfBounds from error
            except (MemoryError, TimeoutError) as error:
                raise OutOfBounds from error
    raise AssertionError  # the loop has returned or raised


def _cancellable(future: Future[_T]) -> Future[_T]:
    """Ignore a result that arrives after its call was cancelled.

    Pebble checks for that only before it reads the result, and its thread would die of an error.
    """
    for name in ("set_result", "set_exception"):
        setattr(future, name, partial(_unless_cancelled, getattr(future, name)))
    return future


def _unless_cancelled(settle: Callable[[Any], None], result: object) -> None:
    with suppress(InvalidStateError):
        settle(result)


def end_with_parent() -> None:
    """End this process when its parent has ended; returns only where there is none."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _limited(call: Callable[..., _T], *args: object) -> _T:
    """Run the call under limits that hold until the process ends."""
    import resource  # noqa: PLC0415  # not needed in the web process

    threading.Thread(target=end_with_parent, daemon=True).start()
    os.nice(10)  # pages and heartbeats come first
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # each of its threads takes memory of its own
    # macOS does not enforce this limit; there, only pixels and time bound a call.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no picture of a user in a core dump
    return call(*args)
