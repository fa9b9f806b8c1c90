"""A job of ten items and a worker for it, on a real MongoDB, with a provider that obeys."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from core.generation.executor import Executor
from core.generation.heartbeat import Heartbeat
from core.generation.worker import WorkerProcess
from core.media.folder import FolderStore
from core.models import Asset, AssetState, JobStatus
from core.settings import Settings
from core.store import Store
from core.studio.order import Order
from core.studio.planning import plan
from tests.conftest import claim
from tests.contract.fakes import FakeProvider, catalogue_of


class JobHarness:
    """A job of ten items, an executor and the provider that it drives."""

    def __init__(self, settings: Settings, store: Store, provider: FakeProvider) -> None:
        self.settings = settings
        self.store = store
        self.content = FolderStore(Path(settings.content_url))
        self.provider = provider
        self.catalogue = catalogue_of(provider)
        self.job, self.assets = plan(Order(user_id="ana", prompt="x"), self.catalogue)
        store.jobs.create(self.job, self.assets)
        self.first = self.assets[0].id

    async def make(self, asset_id: str | None = None, lease_seconds: float = 60.0) -> None:
        """Hand an item out and make it."""
        asset_id = asset_id or self.first
        heartbeat = Heartbeat(self.store, "test:1", lease_seconds)
        executor = Executor(self.store, self.catalogue, self.content, heartbeat)
        self.store.queue.hand_out([asset_id], "ticket", 60)
        beating = asyncio.create_task(heartbeat.run())
        try:
            await executor.run(asset_id, "ticket")
        except asyncio.CancelledError:
            await executor.hand_back_all()
            raise
        finally:
            beating.cancel()

    @asynccontextmanager
    async def worker(
        self,
        **changed: Any,  # values of settings
    ) -> AsyncIterator[tuple[asyncio.Event, asyncio.Event]]:
        """Run a whole worker beside the block; yield the events that stop it, soon or at once."""
        stop, at_once = asyncio.Event(), asyncio.Event()
        settings = self.settings.model_copy(update=changed)
        worker = WorkerProcess(settings, self.store, self.catalogue)
        task = asyncio.create_task(worker.run(stop, at_once))
        try:
            yield stop, at_once
        finally:
            at_once.set()
            await asyncio.wait_for(task, 120)

    def asset(self, asset_id: str | None = None) -> Asset:
        found = self.store.assets.get(asset_id or self.first)
        assert found is not None
        return found

    @property
    def status(self) -> JobStatus:
        job = self.store.jobs.get(self.job.id)
        assert job is not None
        return job.status

    def states(self) -> Counter[AssetState]:
        return Counter(asset.state for asset in self.store.assets.of_job(self.job.id))

    def abandoned(self, state: AssetState, remote_id: str | None = None) -> None:
        """Leave the first asset as a worker that was killed leaves it."""
        asset = claim(self.store, self.first, -1, "dead:1")
        assert asset is not None
        if state in (AssetState.SUBMITTING, AssetState.RUNNING, AssetState.SAVING):
            self.store.transitions.submitting(asset)
        if state in (AssetState.RUNNING, AssetState.SAVING):
            self.store.transitions.running(asset, remote_id)
        if state == AssetState.SAVING:
            self.store.transitions.saving(asset)


NewHarness = Callable[[FakeProvider], JobHarness]


async def until(condition: Callable[[], bool], seconds: float = 240) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.01)


def run(main: Coroutine[Any, Any, None] | Awaitable[None]) -> None:
    asyncio.run(main)  # type: ignore[arg-type]
