"""Workers of different queues share the work of one installation, without a broker."""

import subprocess
import sys
from contextlib import AsyncExitStack
from importlib.util import find_spec
from pathlib import Path

import pytest

from core.models import AssetState, JobStatus, Kind
from core.providers.registry import Catalogue
from core.store import Store, open_store
from core.studio.order import Order
from core.studio.planning import plan
from tests.conftest import announced
from tests.contract.fakes import FakeProvider, catalogue_of
from tests.contract.tiny_pipelines import tiny_stable_diffusion
from tests.integration.job_harness import NewHarness, run, until
from tests.product import ROOT, Product


@pytest.mark.parametrize(("first", "second", "queue"), [("io", "gpu", "gpu"), ("gpu", "io", "io")])
def test_who_leads_hands_out_to_queues_that_it_does_not_serve(
    new_harness: NewHarness, first: str, second: str, queue: str
) -> None:
    harness = new_harness(FakeProvider(queue="gpu" if queue == "gpu" else "io"))

    async def main() -> None:
        async with harness.worker(worker_queues=first):
            await until(lambda: harness.store.workers.leader() is not None)
            leader = harness.store.workers.leader()
            async with harness.worker(worker_queues=second):
                await until(lambda: harness.status == JobStatus.COMPLETED)
            assert harness.store.workers.leader() == leader

    run(main())
    assert len(harness.provider.submitted) == 10, "each once"


def test_two_workers_of_one_queue_share_it(new_harness: NewHarness) -> None:
    harness = new_harness(FakeProvider())

    async def main() -> None:
        harness.provider.hold.clear()
        async with harness.worker(worker_concurrency=5), harness.worker(worker_concurrency=5):
            await until(lambda: harness.states()[AssetState.RUNNING] == 10)
            holders = [each.lease.owner for each in assets() if each.lease is not None]
            assert len(set(holders)) == 2, holders
            harness.provider.hold.set()
            await until(lambda: harness.status == JobStatus.COMPLETED)

    def assets() -> list:  # type: ignore[type-arg]
        return harness.store.assets.of_job(harness.job.id)

    run(main())
    assert len(harness.provider.submitted) == 10


def test_limits_hold_over_workers_without_a_broker(new_harness: NewHarness) -> None:
    harness = new_harness(FakeProvider(limit=3))

    async def main() -> None:
        async with AsyncExitStack() as workers:
            for _ in range(3):
                await workers.enter_async_context(harness.worker())
            await until(lambda: harness.status == JobStatus.COMPLETED)

    run(main())
    assert harness.provider.most_at_once <= 3


def test_the_leader_may_be_killed_and_the_other_queue_goes_on(new_harness: NewHarness) -> None:
    harness = new_harness(FakeProvider(queue="gpu"))
    harness.store.workers.lead("dead:1", 1)
    harness.store.queue.hand_out([each.id for each in harness.assets], "lost", 1, "io")

    async def main() -> None:
        async with harness.worker(worker_queues="gpu"):
            await until(lambda: harness.status == JobStatus.COMPLETED)

    run(main())


@pytest.mark.parametrize("leads", ["gpu", "io"])
def test_what_was_left_behind_is_cancelled_by_whoever_is_there(
    new_harness: NewHarness, leads: str
) -> None:
    harness = new_harness(FakeProvider(queue="gpu", resumable=True))
    harness.abandoned(AssetState.RUNNING, remote_id=f"remote-{harness.first}")
    harness.store.job_actions.cancel(harness.job.id, "ana")

    async def main() -> None:
        async with harness.worker(worker_queues=leads):
            await until(lambda: harness.status == JobStatus.CANCELLED)

    run(main())


def test_a_worker_that_hears_by_a_broker_is_handed_nothing_by_one_without(
    new_harness: NewHarness,
) -> None:
    """It would not look for it; `doctor` says that they do not hear of the same work."""
    harness = new_harness(FakeProvider(queue="gpu"))
    elsewhere = announced(id="other", broker="redis://elsewhere", queues={"gpu": 9})
    harness.store.workers.announce(elsewhere)

    async def main() -> None:
        async with harness.worker(worker_queues="io"):
            await until(lambda: harness.store.workers.leader() is not None)
            harness.store.jobs.create(*plan(Order(user_id="ben", prompt="y"), also_io()))
            await until(lambda: len(made_io.submitted) == 10)

    made_io = FakeProvider()
    made_io.name = "fake-io"

    def also_io() -> Catalogue:
        harness.catalogue.providers[made_io.name] = made_io
        return catalogue_of(made_io)

    run(main())
    assert harness.provider.submitted == []
    assert harness.states() == {AssetState.QUEUED: 10}


@pytest.mark.skipif(find_spec("diffusers") is None, reason="diffusers is not installed here")
def test_the_recipe_of_the_documentation_works(tmp_path: Path) -> None:
    """`make run`, then `python -m core worker --queues gpu`: two processes, real pipelines."""
    model = tiny_stable_diffusion(tmp_path / "tiny")
    product = Product(
        tmp_path, DIFFUSERS_IMAGE_MODELS=str(model), DIFFUSERS_DEVICE="cpu", DRAWING_PROCESSES="1"
    )
    product.start()
    settings = product.settings
    gpu = None
    try:
        assert "No worker serves the queue “gpu”" in product.output
        assert "No worker serves the queue “gpu”" in product.command("doctor").stdout
        chosen = ["--image-provider", "diffusers", "--ratio", "1:1", "--option", "image.steps=1"]
        result = product.command("generate", "the sea", "--user", "ana", *chosen)
        assert result.returncode == 0, result.stderr
        gpu = subprocess.Popen(
            [sys.executable, "-m", "core", "worker", "--queues", "gpu"],
            cwd=ROOT,
            env=product.environment,
            stderr=subprocess.PIPE,
        )
        with open_store(settings) as store:
            run(until(lambda: images(store) == {AssetState.DONE}, 240))
        assert "No worker serves" not in product.command("doctor").stdout
    finally:
        if gpu is not None:
            gpu.terminate()
            gpu.communicate(timeout=60)
        product.stop()


def images(store: Store) -> set[AssetState]:
    """The states that ana's images have."""
    [job] = store.jobs.of_user("ana")
    return {each.state for each in store.assets.of_job(job.id) if each.kind == Kind.IMAGE}
