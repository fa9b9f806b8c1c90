"""Stable Diffusion on this machine, with tiny random pipelines: the real code path on a CPU."""

import asyncio
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from core.media.inspection import inspect
from core.models import Kind
from core.providers.base import Outcome, Provider, Request, Submission
from core.providers.diffusion import batch_runner
from core.providers.diffusion.pipelines import Item, Pipeline
from core.providers.diffusion.provider import Diffusion
from core.providers.errors import GenerationFailed, PromptRejected, ProviderError
from tests.contract.fakes import Reports
from tests.contract.tiny_pipelines import tiny_stable_diffusion, tiny_wan

SECONDS = 240

# Diffusers still passes an argument that the hub's client has given up.
pytestmark = pytest.mark.filterwarnings("ignore:The `local_dir_use_symlinks` argument:UserWarning")
# The hub's client warns of what diffusers passes on.
pytestmark = pytest.mark.filterwarnings("ignore:The `local_dir_use_symlinks`:UserWarning")


def require_torch() -> None:
    """Skip the test where PyTorch is not installed; fail it where REQUIRE_TORCH is set."""
    if all(find_spec(name) for name in ("torch", "diffusers", "transformers")):
        return
    message = "requirements-gpu.txt is not installed"
    if os.environ.get("REQUIRE_TORCH") == "1":
        pytest.fail(message)
    pytest.skip(message)


@pytest.fixture(scope="session")
def image_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    require_torch()
    return str(tiny_stable_diffusion(tmp_path_factory.mktemp("tiny-sd")))


@pytest.fixture(scope="session")
def video_model(tmp_path_factory: pytest.TempPathFactory) -> str:
    require_torch()
    return str(tiny_wan(tmp_path_factory.mktemp("tiny-wan")))


class Watched:
    """What the provider's thread has done."""

    def __init__(self) -> None:
        self.loaded: list[str] = []
        self.batches: list[int] = []
        self.arguments: list[dict[str, Any]] = []
        self.pipes: list[weakref.ref[Any]] = []


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Watched:
    seen = Watched()

    class Recorded(Pipeline):
        def __init__(self, model: str, kind: Kind, device: str) -> None:
            seen.loaded.append(model)
            super().__init__(model, kind, device)
            seen.pipes.append(weakref.ref(self._pipe))

        def _arguments(self, items: Any) -> dict[str, Any]:
            seen.batches.append(len(items))
            seen.arguments.append(super()._arguments(items))
            return seen.arguments[-1]

    monkeypatch.setattr(batch_runner, "Pipeline", Recorded)
    return seen


@pytest.fixture(autouse=True)
def no_thread_is_left() -> Iterator[None]:
    yield
    assert Diffusion.name not in [thread.name for thread in threading.enumerate()]


def in_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_runner, "BATCH_ON_CPU", 8)
    monkeypatch.setattr(batch_runner, "GATHER_SECONDS", 5.0)


@asynccontextmanager
async def opened(images: str = "", videos: str = "", *, batch: int = 4) -> AsyncIterator[Diffusion]:
    provider = Diffusion(
        [images] if images else [], [videos] if videos else [], device="cpu", batch=batch
    )
    try:
        async with asyncio.timeout(SECONDS):
            yield provider
    finally:
        await provider.close()


def an_image(model: str, seed: int = 7, **params: Any) -> Request:
    return Request(
        asset_id=f"image-{seed}",
        kind=Kind.IMAGE,
        prompt="a sailing boat on a calm sea",
        slot=1,
        model=model,
        params={"width": 64, "height": 64, "seed": seed, "steps": 2} | params,
    )


def a_clip(model: str, seconds: int = 1) -> Request:
    return Request(
        asset_id="clip",
        kind=Kind.VIDEO,
        prompt="a sailing boat on a calm sea",
        slot=1,
        model=model,
        params={"width": 64, "height": 48, "seconds": seconds, "fps": 24, "seed": 7, "steps": 2},
    )


async def followed(provider: Provider, submission: Submission, path: Path) -> Outcome:
    outcome = await provider.follow(submission, Reports())
    await provider.fetch(submission, path)
    return outcome


async def made(provider: Provider, request: Request, path: Path) -> Outcome:
    return await followed(provider, await provider.submit(request), path)


async def begun(submission: Submission) -> Item:
    item: Item = submission.handle
    while not item.share:
        await asyncio.sleep(0.01)
    return item


def test_it_says_what_it_can_do_without_pytorch() -> None:
    code = (
        "import sys\n"
        "from core.providers.diffusion.provider import Diffusion\n"
        "images, clips = Diffusion(['a/b'], ['c/d'], batch=4).capabilities()\n"
        "assert (images.model, clips.model, images.queue) == ('a/b', 'c/d', 'gpu')\n"
        "assert images.limit == 8 and not images.paid\n"
        "assert not {'torch', 'diffusers', 'transformers'} & sys.modules.keys()\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_its_sizes_suit_the_models_and_their_names() -> None:
    images, clips = Diffusion(["a/b"], ["c/d"]).capabilities()
    for capability, multiple in ((images, 64), (clips, 16)):
        for ratio, (width, height) in capability.ratios.items():
            across, down = map(int, ratio.split(":"))
            assert width % multiple == height % multiple == 0
            assert abs(width * down - height * across) < 0.02 * width * down
    assert clips.default_seconds in clips.seconds


def test_an_image_is_made_and_its_progress_told(
    image_model: str, tmp_path: Path, watched: Watched
) -> None:
    report = Reports()

    async def main() -> Outcome:
        async with opened(image_model) as provider:
            submission = await provider.submit(an_image(image_model, steps=30))
            outcome = await provider.follow(submission, report)
            await provider.fetch(submission, tmp_path / "image")
            return outcome

    outcome = asyncio.run(main())
    found = inspect(tmp_path / "image", Kind.IMAGE, width=64, height=64, seconds=None)
    assert found.extension == "png"
    assert report.shares == sorted(report.shares)
    assert report.shares[-1] == 1
    assert f"loading the model {image_model}" in report.waiting
    assert outcome.cost == 0
    assert outcome.details == {"steps": 30, "guidance": 7.5, "device": "cpu"}
    assert watched.loaded == [image_model]


@pytest.mark.parametrize("seconds", [1, 3])
def test_a_clip_is_as_long_as_asked(video_model: str, tmp_path: Path, seconds: int) -> None:
    report = Reports()

    async def main() -> None:
        async with opened(videos=video_model) as provider:
            submission = await provider.submit(a_clip(video_model, seconds))
            outcome = await provider.follow(submission, report)
            await provider.fetch(submission, tmp_path / "clip")
            assert outcome.details == {"steps": 2, "guidance": 5.0, "device": "cpu"}

    asyncio.run(main())
    found = inspect(tmp_path / "clip", Kind.VIDEO, width=64, height=48, seconds=seconds)
    assert found.extension == "mp4"
    assert report.shares == sorted(report.shares)
    assert report.shares[-1] == 1


def test_the_same_seed_makes_the_same_picture(
    image_model: str, tmp_path: Path, watched: Watched
) -> None:
    async def main() -> list[bytes]:
        pictures = []
        async with opened(image_model) as provider:
            for number, seed in enumerate((1, 1, 2)):
                path = tmp_path / str(number)
                await made(provider, an_image(image_model, seed), path)
                pictures.append(path.read_bytes())
        return pictures

    first, again, other = asyncio.run(main())
    assert first == again
    assert first != other
    assert watched.loaded == [image_model]  # once for all of them


def test_images_that_wait_are_made_together_and_each_is_its_own(
    image_model: str, tmp_path: Path, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches(monkeypatch)

    async def main(batch: int, folder: Path) -> list[Any]:
        folder.mkdir()
        async with opened(image_model, batch=batch) as provider:
            submissions = [await provider.submit(an_image(image_model, seed)) for seed in (1, 2, 3)]
            paths = [folder / str(number) for number in range(3)]
            await asyncio.gather(
                *(
                    followed(provider, submission, path)
                    for submission, path in zip(submissions, paths, strict=True)
                )
            )
        stills = [
            inspect(path, Kind.IMAGE, width=64, height=64, seconds=None).still for path in paths
        ]
        return [import_module("numpy").asarray(still, dtype=int) for still in stills]

    together = asyncio.run(main(3, tmp_path / "together"))
    assert watched.batches == [3]
    alone = asyncio.run(main(1, tmp_path / "alone"))
    assert watched.batches == [3, 1, 1, 1]
    for index, picture in enumerate(together):
        # How exactly a batch repeats a single image depends on the processor's arithmetic.
        own, *others = (abs(picture - alone[(index + step) % 3]).mean() for step in range(3))
        assert own < 2
        assert min(others) > 10 * own


def test_only_what_is_alike_is_made_together(
    image_model: str, tmp_path: Path, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches(monkeypatch)
    monkeypatch.setattr(batch_runner, "GATHER_SECONDS", 0.5)

    async def main() -> None:
        async with opened(image_model) as provider:
            requests = [
                an_image(image_model, 1),
                an_image(image_model, 2, steps=3),
                an_image(image_model, 3, width=128),
                an_image(image_model, 4, negative_prompt="fog"),
                an_image(image_model, 5, negative_prompt="rain"),
            ]
            submissions = [await provider.submit(request) for request in requests]
            for number, submission in enumerate(submissions):
                await followed(provider, submission, tmp_path / str(number))

    asyncio.run(main())
    assert watched.batches == [1, 1, 1, 2]
    assert watched.arguments[-1]["negative_prompt"] == ["fog", "rain"]


def test_what_was_chosen_reaches_the_model(
    image_model: str, tmp_path: Path, watched: Watched
) -> None:
    chosen: dict[str, Any] = {"steps": 3, "guidance": 2.5, "negative_prompt": "fog", "ratio": "1:1"}

    async def main() -> Outcome:
        async with opened(image_model) as provider:
            await made(provider, an_image(image_model), tmp_path / "plain")
            return await made(provider, an_image(image_model, **chosen), tmp_path / "chosen")

    outcome = asyncio.run(main())
    assert outcome.details == {"steps": 3, "guidance": 2.5, "device": "cpu"}
    plain, with_choices = watched.arguments
    assert "negative_prompt" not in plain
    assert "guidance_scale" not in plain
    assert with_choices["num_inference_steps"] == 3
    assert with_choices["guidance_scale"] == 2.5
    assert with_choices["negative_prompt"] == ["fog"]
    assert (tmp_path / "plain").read_bytes() != (tmp_path / "chosen").read_bytes()


def test_another_model_takes_the_place_of_the_former(
    image_model: str, video_model: str, tmp_path: Path, watched: Watched
) -> None:
    async def main() -> None:
        async with opened(image_model, video_model) as provider:
            await made(provider, an_image(image_model), tmp_path / "image")
            await made(provider, a_clip(video_model), tmp_path / "clip")
            former, present = watched.pipes
            assert former() is None
            assert present() is not None

    asyncio.run(main())
    assert watched.loaded == [image_model, video_model]
    assert all(pipe() is None for pipe in watched.pipes)


def test_what_needs_the_loaded_model_goes_first_for_a_while(
    image_model: str, video_model: str, tmp_path: Path, watched: Watched
) -> None:
    async def main() -> None:
        async with opened(image_model, video_model) as provider:
            requests = [
                an_image(image_model, 1, steps=20),
                a_clip(video_model),
                an_image(image_model, 2),
            ]
            submissions = [await provider.submit(request) for request in requests]
            for number, submission in enumerate(submissions):
                await followed(provider, submission, tmp_path / str(number))

    asyncio.run(main())
    assert watched.loaded == [image_model, video_model]


def test_a_cancelled_image_stops_at_its_next_step_and_others_go_on(
    image_model: str, tmp_path: Path
) -> None:
    async def main() -> None:
        async with opened(image_model) as provider:
            long = await provider.submit(an_image(image_model, steps=500))
            waiting = await provider.submit(an_image(image_model, 8))
            item = await begun(long)
            await provider.cancel(long)
            await provider.cancel(waiting)
            for stopped in (long, waiting):
                with pytest.raises(GenerationFailed, match="stopped"):
                    await provider.follow(stopped, Reports())
            await made(provider, an_image(image_model, 9), tmp_path / "next")
            assert item.share < 0.9

    asyncio.run(main())
    inspect(tmp_path / "next", Kind.IMAGE, width=64, height=64, seconds=None)


def test_the_others_of_a_batch_outlive_a_cancelled_one(
    image_model: str, tmp_path: Path, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches(monkeypatch)

    async def main() -> None:
        async with opened(image_model, batch=2) as provider:
            one = await provider.submit(an_image(image_model, 1, steps=50))
            other = await provider.submit(an_image(image_model, 2, steps=50))
            await begun(one)
            await provider.cancel(one)
            with pytest.raises(GenerationFailed, match="stopped"):
                await provider.follow(one, Reports())
            await followed(provider, other, tmp_path / "other")

    asyncio.run(main())
    assert watched.batches == [2]
    inspect(tmp_path / "other", Kind.IMAGE, width=64, height=64, seconds=None)


def test_closing_stops_what_is_being_made(image_model: str) -> None:
    async def main() -> Item:
        async with opened(image_model) as provider:
            return await begun(await provider.submit(an_image(image_model, steps=500)))

    assert 0 < asyncio.run(main()).share < 1


def test_a_batch_that_is_too_much_is_made_one_by_one(
    image_model: str, tmp_path: Path, watched: Watched, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_batches(monkeypatch)
    memory_for(monkeypatch, 2)  # guidance doubles what goes through the model

    async def main() -> None:
        async with opened(image_model, batch=2) as provider:
            for seeds in ((1, 2), (3, 4)):
                both = [await provider.submit(an_image(image_model, seed)) for seed in seeds]
                for submission in both:
                    await followed(provider, submission, tmp_path / "image")

    asyncio.run(main())
    assert watched.batches == [2, 1, 1, 1, 1]  # what was too much is not tried again


def test_an_image_that_is_too_large_fails_with_a_sentence(
    image_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> GenerationFailed:
        async with opened(image_model) as provider:
            with monkeypatch.context() as patch:
                memory_for(patch, 0)
                with pytest.raises(GenerationFailed) as failed:
                    await made(provider, an_image(image_model), tmp_path / "image")
            await made(provider, an_image(image_model), tmp_path / "image")
            return failed.value

    error = asyncio.run(main())
    assert error.code == "out_of_memory"
    assert "64 × 64" in error.message
    assert "smaller" in error.message


def memory_for(monkeypatch: pytest.MonkeyPatch, samples: int) -> None:
    """Let the model's allocator find too little memory for more samples than these."""
    torch, unets = import_module("torch"), import_module("diffusers").UNet2DConditionModel
    forward = unets.forward

    def limited(self: Any, sample: Any, *args: Any, **kwargs: Any) -> Any:
        if len(sample) > samples:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return forward(self, sample, *args, **kwargs)

    monkeypatch.setattr(unets, "forward", limited)


def test_a_model_that_breaks_fails_its_items_alone(
    image_model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with opened(image_model) as provider:
            with monkeypatch.context() as patch:
                patch.setattr(import_module("diffusers").UNet2DConditionModel, "forward", None)
                with pytest.raises(GenerationFailed, match=r"failed: .*not callable"):
                    await made(provider, an_image(image_model), tmp_path / "image")
            await made(provider, an_image(image_model), tmp_path / "image")

    asyncio.run(main())


def test_a_picture_that_the_safety_checker_hides_is_a_rejected_prompt(tmp_path: Path) -> None:
    require_torch()
    model = str(tiny_stable_diffusion(tmp_path / "checked", checked=True))

    async def main() -> None:
        async with opened(model) as provider:
            with pytest.raises(PromptRejected, match="safety checker"):
                await made(provider, an_image(model), tmp_path / "image")

    asyncio.run(main())


@pytest.mark.parametrize("model", ["nobody/nothing", "/nowhere/at-all", ""])
def test_missing_weights_are_a_sentence(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_torch()
    monkeypatch.setattr(import_module("huggingface_hub").constants, "HF_HUB_OFFLINE", True)
    name = model or str(tmp_path)  # a folder that is empty

    async def main() -> None:
        async with opened(name) as provider:
            with pytest.raises(ProviderError, match="are not on this machine's disk") as failed:
                await made(provider, an_image(name), tmp_path / "image")
            assert failed.value.code == "no_weights"
            assert not failed.value.retryable
            assert f"{name}: to be downloaded" in await provider.check()

    asyncio.run(main())


def test_a_model_of_images_makes_no_clips(image_model: str, tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(videos=image_model) as provider:
            with pytest.raises(ProviderError, match="makes no clips") as failed:
                await made(provider, a_clip(image_model), tmp_path / "clip")
            assert failed.value.code == "wrong_model"

    asyncio.run(main())


def test_without_pytorch_it_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)

    async def main() -> None:
        async with opened("a/b") as provider:
            with pytest.raises(ProviderError, match=r"requirements-gpu\.txt") as failed:
                await made(provider, an_image("a/b"), tmp_path / "image")
            assert failed.value.code == "not_installed"
            with pytest.raises(ProviderError, match="--queues gpu"):
                await provider.check()

    asyncio.run(main())


def test_it_says_what_it_runs_on_and_loads_nothing(image_model: str, watched: Watched) -> None:
    async def main() -> str:
        async with opened(image_model) as provider:
            return await provider.check()

    line = asyncio.run(main())
    assert line.startswith("Runs on cpu with PyTorch 2.")
    assert f"{image_model}: on disk" in line
    assert not watched.loaded


def test_a_device_that_is_not_there_is_a_sentence(image_model: str, tmp_path: Path) -> None:
    device = "mps" if sys.platform == "linux" else "cuda"

    async def main() -> None:
        provider = Diffusion([image_model], [], device=device)
        try:
            for asked in (provider.check(), made(provider, an_image(image_model), tmp_path / "a")):
                with pytest.raises(ProviderError, match=f"finds no “{device}”") as failed:
                    await asked
                assert failed.value.code == "no_device"
        finally:
            await provider.close()

    asyncio.run(main())
