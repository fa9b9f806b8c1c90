"""Reading kept responses again in this process, without a worker."""

import asyncio
import os
import socket
from collections.abc import Sequence
from typing import Final

from core.generation.executor import Executor
from core.generation.heartbeat import Heartbeat
from core.media.storage import open_content
from core.models import OPEN_STATES, Asset, new_id
from core.providers.registry import open_catalogue
from core.settings import Settings
from core.store import Store

_TICKET_SECONDS: Final = 30.0
_LOOK_SECONDS: Final = 0.5


async def recover_all(settings: Settings, store: Store, assets: Sequence[Asset]) -> list[Asset]:
    """Read again what is kept of items, one after the other; nothing is paid.

    Where a worker takes an item first, its end is waited for; a kill leaves the item to the next
    worker, or to the next call of this.

    Args:
        settings: providers, leases, where files go.
        store: the database.
        assets: the items; those of which nothing is kept stay as they are.

    Returns:
        the items as they are then.
    """
    catalogue = open_catalogue(settings)
    heartbeat = Heartbeat(
        store, f"{socket.gethostname()}:{os.getpid()}:recover", settings.lease_seconds
    )
    executor = Executor(store, catalogue, open_content(settings.content_url), heartbeat)
    beating = asyncio.create_task(heartbeat.run())
    try:
        return [await _recover(store, executor, asset) for asset in assets]
    finally:
        beating.cancel()
        await catalogue.close()


async def _recover(store: Store, executor: Executor, asset: Asset) -> Asset:
    begun = await asyncio.to_thread(
        store.job_actions.recover, asset.job_id, asset.user_id, asset.id
    )
    found = await asyncio.to_thread(store.assets.get, asset.id)
    begun += found is not None and found.reread  # by a call of this that was killed
    while begun and found is not None and found.state in OPEN_STATES:
        ticket = new_id()
        await asyncio.to_thread(store.queue.hand_out, [asset.id], ticket, _TICKET_SECONDS)
        await executor.run(asset.id, ticket)
        found = await asyncio.to_thread(store.assets.get, asset.id)
        if found is not None and found.error is not None and found.state in OPEN_STATES:
            break  # put back, to be tried again later: by a worker, or by the next call of this
        if found is not None and found.state in OPEN_STATES:
            await asyncio.sleep(_LOOK_SECONDS)  # a worker has it
    return found or asset
