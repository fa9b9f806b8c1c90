"""Following a remote task, whatever its vendor says of it on the way."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from core.i18n import N_
from core.providers.base import Report
from core.providers.errors import ProviderError, ProviderUnavailable
from core.providers.responses.reader import Reply, State
from core.providers.responses.refusals import Vendor

UNANSWERED: Final = 5
"""Polls in a row that say nothing, until a task is left for later: it stays resumable, and is asked
after in growing intervals, for as long as `Deadlines.follow`."""
LOOK_EVERY: Final = 5
"""Polls that say nothing that is known, until it is tried whether the file is there."""
LONGEST_PAUSE_SECONDS: Final = 60.0
_GONE: Final = frozenset({404, 410})


async def wait_for(  # noqa: PLR0913  # what is asked, how often, and what is done meanwhile
    ask: Callable[[], Awaitable[Reply]],
    report: Report,
    vendor: Vendor,
    *,
    failed: Callable[[Reply], ProviderError],
    is_there: Callable[[], Awaitable[bool]] | None = None,
    poll_seconds: float,
) -> Reply:
    """Return when a task has ended well, with what was said then.

    A task has ended only where a word says so that is known to mean it; what is unknown, refused or
    unreadable is waited for.

    Args:
        ask: asks after the task once.
        report: told of its progress.
        vendor: who makes it.
        failed: returns the error of a task that has failed or was cancelled.
        is_there: tries whether its file is there; None: only the task itself says it.
        poll_seconds: between two questions.

    Raises:
        ProviderUnavailable: nothing was learnt in so many polls; the task may be asked after later.
        ProviderError: it has failed.
    """
    unanswered = polls = 0
    while True:
        pause, polls = poll_seconds, polls + 1
        try:
            reply = await ask()
        except ProviderError as error:
            unanswered += 1
            if unanswered == UNANSWERED:
                raise left_for_later(error, vendor) from None
            pause = max(pause, min(error.retry_after or 0.0, LONGEST_PAUSE_SECONDS))
        else:
            if reply.state in {State.FAILED, State.CANCELLED}:
                raise failed(reply)
            unknown = reply.state in {None, State.UNKNOWN}
            if reply.state == State.DONE or (unknown and any(each.sure for each in reply.media)):
                await report(1.0)
                return reply
            unanswered = unanswered + 1 if reply.state is None and not reply.id else 0
            look = unknown and is_there is not None and polls % LOOK_EVERY == 0
            if look and is_there is not None and await is_there():
                await report(1.0)
                return reply
            if unanswered == UNANSWERED:
                raise vendor.unreadable(reply.message)
            waiting = N_("waiting for its turn at {provider}").format(provider=vendor.title)
            queued = reply.state == State.WAITING
            await report(reply.progress, waiting=waiting if queued else "")
        await asyncio.sleep(pause * random.uniform(1.0, 1.2))


def left_for_later(error: ProviderError, vendor: Vendor) -> ProviderUnavailable:
    """Return the error of a task that may be asked after again, with what is known."""
    if isinstance(error, ProviderUnavailable):
        return error
    message = error.message
    if error.details.get("status") in _GONE:
        sentence = N_("{provider} does not know this task, or not yet or not any more.")
        message = sentence.format(provider=vendor.title)
    return ProviderUnavailable(message, retry_after=error.retry_after, details=error.details)
