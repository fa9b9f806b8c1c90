"""Polling a remote task until it has ended, whatever its vendor reports on the way."""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Final

from core.i18n import N_
from core.providers.base import Report
from core.providers.errors import ProviderError, ProviderUnavailable
from core.providers.responses.reader import Reply, State
from core.providers.responses.vendor_errors import Vendor

MAX_UNANSWERED: Final = 5
"""Polls in a row without a usable response, until `ProviderUnavailable` is raised. The task stays
resumable and is polled again in growing intervals, for as long as `Deadlines.follow`."""
FILE_CHECK_EVERY: Final = 5
"""Polls with an unknown state between two checks whether the file exists."""
LONGEST_PAUSE_SECONDS: Final = 60.0
_GONE_STATUSES: Final = frozenset({404, 410})


async def poll(  # noqa: PLR0913  # what is polled, how often, and what is done meanwhile
    ask: Callable[[], Awaitable[Reply]],
    report: Report,
    vendor: Vendor,
    *,
    failed: Callable[[Reply], ProviderError],
    file_exists: Callable[[], Awaitable[bool]] | None = None,
    poll_seconds: float,
) -> Reply:
    """Return the last response of a task that has succeeded.

    A task has ended only where its state is known to mean so. Unknown states, errors of the call
    and unreadable responses are waited out.

    Args:
        ask: polls the task once.
        report: takes its progress.
        vendor: who runs it.
        failed: returns the error of a task that has failed or was cancelled.
        file_exists: returns whether its file is there; None: only the task itself tells.
        poll_seconds: between two polls.

    Raises:
        ProviderUnavailable: `MAX_UNANSWERED` polls in a row were of no use; the task is resumable.
        ProviderError: it has failed.
    """
    unanswered = polls = 0
    while True:
        pause, polls = poll_seconds, polls + 1
        try:
            reply = await ask()
        except ProviderError as error:
            unanswered += 1
            if unanswered == MAX_UNANSWERED:
                raise resumable(error, vendor) from None
            pause = max(pause, min(error.retry_after or 0.0, LONGEST_PAUSE_SECONDS))
        else:
            if reply.state in {State.FAILED, State.CANCELLED}:
                raise failed(reply)
            unknown = reply.state in {None, State.UNKNOWN}
            if reply.state == State.DONE or (unknown and any(each.sure for each in reply.media)):
                await report(1.0)
                return reply
            unanswered = unanswered + 1 if reply.state is None and not reply.id else 0
            look = unknown and file_exists is not None and polls % FILE_CHECK_EVERY == 0
            if look and file_exists is not None and await file_exists():
                await report(1.0)
                return reply
            if unanswered == MAX_UNANSWERED:
                raise vendor.unreadable_response(reply.message)
            waiting = N_("waiting for its turn at {provider}").format(provider=vendor.title)
            queued = reply.state == State.WAITING
            await report(reply.progress, waiting=waiting if queued else "")
        await asyncio.sleep(pause * random.uniform(1.0, 1.2))


def resumable(error: ProviderError, vendor: Vendor) -> ProviderUnavailable:
    """Return an error that leaves a task resumable, with what is known of the failure."""
    if isinstance(error, ProviderUnavailable):
        return error
    message = error.message
    if error.details.get("status") in _GONE_STATUSES:
        sentence = N_("{provider} does not know this task, or not yet or not any more.")
        message = sentence.format(provider=vendor.title)
    return ProviderUnavailable(message, retry_after=error.retry_after, details=error.details)
