"""The contract that every provider keeps, run over each of them."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import psutil
import pytest

from core.media.inspection import inspect
from core.models import Kind
from core.providers.base import AUTO, Provider, Request
from core.providers.errors import GenerationFailed, ProviderUnavailable
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
        if capability.kind == Kind.VIDEO:
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
            async with asyncio.timeout(30):
                while not clip.handle.result.done() and not provider_progress(provider):
                    await asyncio.sleep(0.05)
            await provider.cancel(clip)
            image = await provider.submit(a_request(provider, Kind.IMAGE))
            async with asyncio.timeout(60):
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
            async with asyncio.timeout(30):
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
