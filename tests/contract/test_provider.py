"""The contract that every provider keeps, run over each of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import av
import numpy as np
import psutil
import pytest
from PIL import Image, ImageDraw

from core.media.inspection import inspect
from core.models import Kind, Task
from core.providers.base import AUTO, Provider, Request
from core.providers.errors import GenerationFailed, ProviderUnavailable
from core.providers.illustrator.camera import move_over
from core.providers.illustrator.enlarge import enlarge
from core.providers.illustrator.provider import Illustrator
from tests.contract.fakes import FakeProvider, Reports

Make = Callable[[], Provider]

every_provider = pytest.mark.parametrize(
    "make", [pytest.param(lambda: Illustrator(2), id="illustrator"), FakeProvider]
)
every_kind = pytest.mark.parametrize("kind", list(Kind))


@asynccontextmanager
async def opened(make: Make) -> AsyncIterator[Provider]:
    provider = make()
    try:
        yield provider
    finally:
        await provider.close()


def a_request(provider: Provider, kind: Kind, slot: int = 1) -> Request:
    capability = next(each for each in provider.capabilities() if each.kind == kind)
    ratio = "1:1" if "1:1" in capability.ratios else next(iter(capability.ratios))
    width, height = capability.ratios[ratio]
    seconds = {"seconds": min(capability.seconds), "fps": 24} if capability.seconds else {}
    return Request(
        asset_id=f"job-{kind}-{slot}",
        kind=kind,
        prompt="a sailing boat on a calm sea",
        slot=slot,
        model=capability.model,
        params={"width": width, "height": height, "seed": 7} | seconds,
    )


@every_provider
def test_what_it_declares_is_coherent(make: Make) -> None:
    capabilities = make().capabilities()
    assert capabilities
    for capability in capabilities:
        assert capability.ratios
        assert capability.limit >= 1
        for ratio, (width, height) in capability.ratios.items():
            if ratio == AUTO:
                continue
            across, down = map(int, ratio.split(":"))
            assert width % 2 == height % 2 == 0
            assert abs(width * down - height * across) < 0.02 * width * down
        if capability.kind == Kind.VIDEO and capability.task != Task.UPSCALE:
            assert capability.default_seconds in capability.seconds
        else:
            assert not capability.seconds


@every_provider
@every_kind
def test_it_makes_what_it_promised_and_reports_progress(
    make: Make, kind: Kind, tmp_path: Path
) -> None:
    report = Reports()

    async def main() -> None:
        async with opened(make) as provider:
            request = a_request(provider, kind)
            submission = await provider.submit(request)
            await provider.follow(submission, report)
            await provider.fetch(submission, tmp_path / "file")
            params = request.params
            found = inspect(
                tmp_path / "file",
                kind,
                width=params["width"],
                height=params["height"],
                seconds=params.get("seconds"),
            )
            assert found.extension == ("png" if kind == Kind.IMAGE else "mp4")

    asyncio.run(main())
    assert report.shares == sorted(report.shares)
    assert all(0 <= fraction <= 1 for fraction in report.shares)


@every_provider
def test_it_says_how_it_is_at_no_cost(make: Make) -> None:
    assert asyncio.run(make().check())


def test_a_cancelled_drawing_ends_its_process_and_the_pool_draws_on(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(lambda: Illustrator(1)) as provider:
            clip = await provider.submit(a_request(provider, Kind.VIDEO))
            async with asyncio.timeout(120):
                while not clip.handle.result.done() and not provider_progress(provider):
                    await asyncio.sleep(0.05)
            await provider.cancel(clip)
            image = await provider.submit(a_request(provider, Kind.IMAGE))
            async with asyncio.timeout(120):
                await provider.follow(image, Reports())
            await provider.fetch(image, tmp_path / "image.png")

    asyncio.run(main())
    assert (tmp_path / "image.png").stat().st_size > 0


def drawing_processes() -> list[psutil.Process]:
    """The pool's processes, among whatever else this process has started."""
    return [
        child
        for child in psutil.Process().children()
        if any("spawn_main" in part for part in child.cmdline())
    ]


def provider_progress(provider: Provider) -> bool:
    return any(getattr(provider, "_progress"))  # noqa: B009  # the one sign that it draws


def test_a_drawing_whose_process_dies_fails_alone(tmp_path: Path) -> None:
    async def main() -> None:
        async with opened(lambda: Illustrator(1)) as provider:
            clip = await provider.submit(a_request(provider, Kind.VIDEO))
            async with asyncio.timeout(120):
                while not provider_progress(provider):
                    await asyncio.sleep(0.05)
            for process in drawing_processes():
                process.kill()
            with pytest.raises(GenerationFailed, match="ended from outside"):
                await provider.follow(clip, Reports())
            image = await provider.submit(a_request(provider, Kind.IMAGE))
            await provider.follow(image, Reports())
            await provider.fetch(image, tmp_path / "image.png")

    asyncio.run(main())
    assert (tmp_path / "image.png").stat().st_size > 0


def test_a_pool_whose_processes_died_idle_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.providers.illustrator.provider.START_SECONDS", 3.0)

    async def draw(provider: Provider, name: str) -> None:
        image = await provider.submit(a_request(provider, Kind.IMAGE))
        await provider.follow(image, Reports())
        await provider.fetch(image, tmp_path / name)

    async def main() -> None:
        async with opened(lambda: Illustrator(1)) as provider:
            await draw(provider, "first.png")
            idle = drawing_processes()
            for process in idle:
                process.kill()
            psutil.wait_procs(idle, timeout=10)
            for _ in range(3):  # each refusal is one that the executor tries again
                with suppress(ProviderUnavailable):
                    await draw(provider, "second.png")
                    break

    asyncio.run(main())
    assert (tmp_path / "second.png").stat().st_size > 0


def test_the_same_request_is_drawn_the_same_way(tmp_path: Path) -> None:
    async def draw(name: str) -> bytes:
        async with opened(lambda: Illustrator(1)) as provider:
            submission = await provider.submit(a_request(provider, Kind.IMAGE))
            await provider.follow(submission, Reports())
            await provider.fetch(submission, tmp_path / name)
        return (tmp_path / name).read_bytes()

    assert asyncio.run(draw("a.png")) == asyncio.run(draw("b.png"))


# What the illustrator makes of an item, whoever made that


def photograph(width: int, height: int) -> Image.Image:
    """A picture with a hard edge, brighter from left to right."""
    band = Image.linear_gradient("L").rotate(90).resize((width, height))
    picture = Image.merge("RGB", (band, band, band))
    ImageDraw.Draw(picture).rectangle((0, 0, width, height // 4), fill="black")
    return picture


def spoken_clip(path: Path, width: int, height: int, frames: int, rate: int) -> None:
    """A clip with sound, at a rate that is not ours."""
    still = np.asarray(photograph(width, height))
    with av.open(str(path), "w", format="mp4") as container:
        video = container.add_stream("libx264", rate=rate)
        video.width, video.height, video.pix_fmt = width, height, "yuv420p"
        audio = container.add_stream("aac", rate=44100)
        for _ in range(frames):
            container.mux(video.encode(av.VideoFrame.from_ndarray(still, format="rgb24")))
        container.mux(video.encode(None))
        wave = np.zeros((1, 44100 * frames // rate), np.float32)
        sound = av.AudioFrame.from_ndarray(wave, format="fltp", layout="mono")
        sound.sample_rate = 44100
        container.mux(audio.encode(sound))
        container.mux(audio.encode(None))


def drawn(request: Request, path: Path) -> Path:
    """Have the illustrator make an item; what it is made of is gone once it was taken."""

    async def main() -> None:
        async with opened(lambda: Illustrator(1)) as provider:
            submission = await provider.submit(request)
            if request.source is not None:
                request.source.unlink()
            await provider.follow(submission, Reports())
            await provider.fetch(submission, path)

    asyncio.run(main())
    return path


def of_item(kind: Kind, task: Task, source: Path, prompt: str = "", **params: Any) -> Request:
    return Request(
        asset_id="a",
        kind=kind,
        prompt=prompt,
        slot=1,
        model="illustrator-1",
        params=params,
        task=task,
        source=source,
    )


@pytest.mark.parametrize("name", ["a.png", "a.jpg"])
def test_the_illustrator_upscales_an_image(tmp_path: Path, name: str) -> None:
    picture = photograph(96, 64)
    picture.save(tmp_path / name)
    request = of_item(Kind.IMAGE, Task.UPSCALE, tmp_path / name, width=192, height=128)
    inspect(drawn(request, tmp_path / "x"), Kind.IMAGE, width=192, height=128, seconds=None)
    with Image.open(tmp_path / "x") as large:
        small = np.asarray(large.resize(picture.size, Image.Resampling.BOX), np.int16)
    assert np.abs(small - np.asarray(picture)).mean() < 2.0


def test_an_upscaled_edge_is_crisp_and_has_no_halo() -> None:
    picture = np.full((40, 40, 3), 200, np.uint8)
    picture[:, :20] = 60
    large = enlarge(picture, 80, 80)
    assert (large.min(), large.max()) == (60, 200)
    plain = Image.fromarray(picture).resize((80, 80), Image.Resampling.BICUBIC)
    steepest = [
        np.abs(np.diff(np.asarray(each, np.int16)[40, :, 0])).max() for each in (large, plain)
    ]
    assert steepest[0] > steepest[1]


def test_the_illustrator_upscales_a_clip_with_its_rate_length_and_sound(tmp_path: Path) -> None:
    spoken_clip(tmp_path / "a.mp4", 96, 64, frames=45, rate=30)
    request = of_item(
        Kind.VIDEO, Task.UPSCALE, tmp_path / "a.mp4", width=192, height=128, seconds=1.5
    )
    made = drawn(request, tmp_path / "x")
    inspect(made, Kind.VIDEO, width=192, height=128, seconds=1.5)
    with av.open(str(made)) as container:
        assert container.streams.video[0].average_rate == 30
        assert sum(frame.samples for frame in container.decode(audio=0)) >= 44100
    assert made.read_bytes().find(b"moov") < made.read_bytes().find(b"mdat")


def middles(clip: Path) -> list[float]:
    """How bright the first and the last frame are."""
    with av.open(str(clip)) as container:
        frames = [frame.to_ndarray(format="gray") for frame in container.decode(video=0)]
    return [float(frame[frame.shape[0] // 2 :].mean()) for frame in (frames[0], frames[-1])]


@pytest.mark.parametrize(("width", "height"), [(640, 360), (96, 200), (1500, 300)])
def test_the_illustrator_animates_any_image(tmp_path: Path, width: int, height: int) -> None:
    photograph(width, height).save(tmp_path / "a.png")
    size = {"width": 320, "height": 180}
    lasts = {"seconds": 1, "fps": 24}
    request = of_item(
        Kind.VIDEO, Task.ANIMATE, tmp_path / "a.png", "Look to the right", seed=3, **size, **lasts
    )
    made = drawn(request, tmp_path / "x")
    inspect(made, Kind.VIDEO, **size, seconds=1)
    first, last = middles(made)
    assert first > 10  # the picture is seen, and
    assert abs(last - first) > 1  # the camera moves


def test_the_prompt_names_the_move_and_without_one_each_slot_has_another() -> None:
    picture = np.asarray(photograph(320, 180))

    def film(prompt: str, slot: int = 1) -> list[Any]:
        size: dict[str, Any] = {"width": 160, "height": 90, "seconds": 1.0, "fps": 8}
        return list(move_over(picture, prompt, seed=5, slot=slot, **size))

    left, right = film("slowly to the LEFT"), film("to the right")
    brighter = [frames[-1].mean() - frames[0].mean() for frames in (left, right)]
    assert brighter[0] * brighter[1] < 0
    closer, wider = film("Closer!"), film("zoom out")
    darkness = [(frames[-1] < 30).mean() for frames in (closer, wider)]
    assert darkness[0] < darkness[1]  # the dark edge goes out of sight, or comes into it
    assert len({frames[-1].tobytes() for frames in (film("", slot) for slot in range(1, 7))}) == 6
    closer_again = film("Closer!", 2)
    assert closer_again[-1].tobytes() != closer[-1].tobytes() == film("Closer!")[-1].tobytes()
    assert film("")[3].shape == (90, 160, 3)
