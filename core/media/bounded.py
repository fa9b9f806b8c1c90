"""Decoding what strangers send in a process of its own, bounded in memory and time.

Each call gets a fresh process, forked from a small server that has the decoders loaded: its memory
comes back when it ends, and whatever happens to it costs one item.
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
"""What a call may allocate. A 4K clip with ten bits a colour takes about half of it to copy."""
CONCURRENT_FILES: Final = 2
CONCURRENT_PREVIEWS: Final = 1  # beside the files, so that they do not wait behind a long clip

_T = TypeVar("_T")

_context: Final = get_context("forkserver")
_context.set_forkserver_preload(["core.media.inspection", "core.media.playable"])
_slots: WeakKeyDictionary[
    asyncio.AbstractEventLoop, tuple[asyncio.Semaphore, asyncio.Semaphore]
] = WeakKeyDictionary()


class OutOfBounds(Exception):
    """The call took too much memory or time, or its process died."""


async def bounded(
    call: Callable[..., _T], *args: object, seconds: float, preview: bool = False
) -> _T:
    """Run a call in a process of its own; cancelling this ends the process.

    A process that dies at once may have been ended from outside, so it is tried a second time.

    Args:
        call: a function of a module.
        args: its arguments; they are pickled.
        seconds: how long it may take.
        preview: whether it is about a preview, which nobody minds to miss.

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
    """Let a result that comes when its call was cancelled be none.

    Pebble looks only before it reads the result whether somebody has cancelled, and its thread
    would die of an error then.
    """
    for name in ("set_result", "set_exception"):
        setattr(future, name, partial(_unless_cancelled, getattr(future, name)))
    return future


def _unless_cancelled(tell: Callable[[Any], None], result: object) -> None:
    with suppress(InvalidStateError):
        tell(result)


def end_with_parent() -> None:
    """End this process when the one that started it is gone; never returns before."""
    parent = parent_process()
    if parent is not None:
        connection.wait([parent.sentinel])
        os._exit(1)


def _limited(call: Callable[..., _T], *args: object) -> _T:
    """Run the call under limits that only the process's end takes away."""
    import resource  # noqa: PLC0415  # the pages' process never comes here

    threading.Thread(target=end_with_parent, daemon=True).start()
    os.nice(10)  # pages and heartbeats come first
    os.environ["OPENBLAS_NUM_THREADS"] = "1"  # each of its threads takes memory for itself
    # macOS knows the limit and does not keep it; there, pixels and time are what bounds a call.
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    with suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # no picture of a user in a core dump
    return call(*args)
