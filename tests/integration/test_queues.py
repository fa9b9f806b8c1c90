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
from tests.integration.bench import NewBench, run, until
from tests.product import ROOT, Product


@pytest.mark.parametrize(("first", "second", "queue"), [("io", "gpu", "gpu"), ("gpu", "io", "io")])
def test_who_leads_hands_out_to_queues_that_it_does_not_serve(
    new_bench: NewBench, first: str, second: str, queue: str
) -> None:
    bench = new_bench(FakeProvider(queue="gpu" if queue == "gpu" else "io"))

    async def main() -> None:
        async with bench.worker(worker_queues=first):
            await until(lambda: bench.store.workers.leader() is not None)
            leader = bench.store.workers.leader()
            async with bench.worker(worker_queues=second):
                await until(lambda: bench.status == JobStatus.COMPLETED)
            assert bench.store.workers.leader() == leader

    run(main())
    assert len(bench.provider.submitted) == 10, "each once"


def test_two_workers_of_one_queue_share_it(new_bench: NewBench) -> None:
    bench = new_bench(FakeProvider())

    async def main() -> None:
        bench.provider.hold.clear()
        async with bench.worker(worker_concurrency=5), bench.worker(worker_concurrency=5):
            await until(lambda: bench.states()[AssetState.RUNNING] == 10)
            holders = [each.lease.owner for each in assets() if each.lease is not None]
            assert len(set(holders)) == 2, holders
            bench.provider.hold.set()
            await until(lambda: bench.status == JobStatus.COMPLETED)

    def assets() -> list:  # type: ignore[type-arg]
        return bench.store.assets.of_job(bench.job.id)

    run(main())
    assert len(bench.provider.submitted) == 10


def test_limits_hold_over_workers_without_a_broker(new_bench: NewBench) -> None:
    bench = new_bench(FakeProvider(limit=3))

    async def main() -> None:
        async with AsyncExitStack() as workers:
            for _ in range(3):
                await workers.enter_async_context(bench.worker())
            await until(lambda: bench.status == JobStatus.COMPLETED)

    run(main())
    assert bench.provider.most_at_once <= 3


def test_the_leader_may_be_killed_and_the_other_queue_goes_on(new_bench: NewBench) -> None:
    bench = new_bench(FakeProvider(queue="gpu"))
    bench.store.workers.lead("dead:1", 1)
    bench.store.queue.hand_out([each.id for each in bench.assets], "lost", 1, "io")

    async def main() -> None:
        async with bench.worker(worker_queues="gpu"):
            await until(lambda: bench.status == JobStatus.COMPLETED)

    run(main())


@pytest.mark.parametrize("leads", ["gpu", "io"])
def test_what_was_left_behind_is_cancelled_by_whoever_is_there(
    new_bench: NewBench, leads: str
) -> None:
    bench = new_bench(FakeProvider(queue="gpu", resumable=True))
    bench.abandoned(AssetState.RUNNING, remote_id=f"remote-{bench.first}")
    bench.store.job_actions.cancel(bench.job.id, "ana")

    async def main() -> None:
        async with bench.worker(worker_queues=leads):
            await until(lambda: bench.status == JobStatus.CANCELLED)

    run(main())


def test_a_worker_that_hears_by_a_broker_is_handed_nothing_by_one_without(
    new_bench: NewBench,
) -> None:
    """It would not look for it; `doctor` says that they do not hear of the same work."""
    bench = new_bench(FakeProvider(queue="gpu"))
    elsewhere = announced(id="other", broker="redis://elsewhere", queues={"gpu": 9})
    bench.store.workers.announce(elsewhere)

    async def main() -> None:
        async with bench.worker(worker_queues="io"):
            await until(lambda: bench.store.workers.leader() is not None)
            bench.store.jobs.create(*plan(Order(user_id="ben", prompt="y"), also_io()))
            await until(lambda: len(made_io.submitted) == 10)

    made_io = FakeProvider()
    made_io.name = "fake-io"

    def also_io() -> Catalogue:
        bench.catalogue.providers[made_io.name] = made_io
        return catalogue_of(made_io)

    run(main())
    assert bench.provider.submitted == []
    assert bench.states() == {AssetState.QUEUED: 10}


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
        told = product.command("generate", "the sea", "--user", "ana", *chosen)
        assert told.returncode == 0, told.stderr
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
