"""Replies as servers really send them: what was paid for is saved, and nothing is paid twice.

Good replies of every provider's stand-in are mutated by seed, all but the media in them: at the
level of the readers, and over HTTP through a whole provider.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from starlette.applications import Starlette

from core.media.inspection import inspect
from core.models import Kind, Task
from core.providers.base import Provider, Request
from core.providers.errors import ProviderUnavailable
from core.providers.horde.provider import Horde
from core.providers.openai.images import Picture
from core.providers.openai.provider import OpenAI, Server
from core.providers.responses.media_search import Medium
from core.providers.responses.reader import read_reply
from core.providers.runway.provider import Runway
from tests.contract.fakes import Reports
from tests.profiles import by_profile
from tests.servers import horde, local, openai, runway
from tests.servers.odd import Odd
from tests.servers.recorded import Exchange, Recorded
from tests.servers.wire import VendorRecords, serving

JSON = "application/json"
KEY = "sk-a-very-secret-key-for-tests"
HTTP_CASES = by_profile(60, 2_000)  # of each provider; its forms share them
READ_CASES = by_profile(800, 2_000)  # likewise
RESUMED = 20  # times that a task is left for later and resumed, as the executor does
SQUARE = {"width": 64, "height": 64, "ratio": "1:1", "seed": 7}
CLIP = {"width": 64, "height": 64, "ratio": "1:1", "seed": 7, "seconds": 1, "fps": 24}


def request(kind: Kind, model: str, params: dict[str, Any]) -> Request:
    return Request(asset_id="a", kind=kind, prompt="a fox", slot=1, model=model, params=params)


def _openai(url: str) -> Provider:
    images = ["gpt-image-2.6-sunburst", "sd-3.5"]
    server = Server(
        api_key=KEY,
        base_url=f"{url}/v1",
        dialect="openai",
        image_models=images,
        video_models=["wan-2.2"],
    )
    return OpenAI(server, poll_seconds=0.0)


def _localai(url: str) -> Provider:
    models: dict[str, Any] = {"image_models": ["stablediffusion"], "video_models": ["wan"]}
    server = Server(api_key=KEY, base_url=f"{url}/v1", dialect="localai", **models)
    return OpenAI(server, poll_seconds=0.0)


def _runway(url: str) -> Provider:
    return Runway(KEY, base_url=url, poll_seconds=0.0)


def _horde(url: str) -> Provider:
    return Horde(KEY, base_url=url, poll_seconds=0.0)


@contextmanager
def standing(what: str) -> Iterator[tuple[Odd, VendorRecords, Callable[[], Provider]]]:
    records = VendorRecords(KEY)
    apps: dict[str, Any] = {
        "openai-stream": lambda: openai.application(records, answer="stream", seconds=0.0),
        "openai-b64": lambda: openai.application(records, answer="b64_json", seconds=0.0),
        "openai-url": lambda: openai.application(records, answer="url", seconds=0.0),
        "openai-clip": lambda: openai.application(records, seconds=0.0),
        "runway": lambda: runway.application(records, seconds=0.0),
        "runway-clip": lambda: runway.application(records, seconds=0.0),
        "horde": lambda: horde.application(records, seconds=0.0),
        "localai": lambda: local.localai(records, []),
        "localai-clip": lambda: local.localai(records, []),
    }
    make = {"openai": _openai, "localai": _localai, "runway": _runway, "horde": _horde}[
        what.partition("-")[0]
    ]
    odd = Odd(apps[what]())
    with serving(odd) as url:
        yield odd, records, lambda: make(url)


REQUESTS = {
    "openai-stream": request(Kind.IMAGE, "gpt-image-2.6-sunburst", SQUARE),
    "openai-b64": request(Kind.IMAGE, "sd-3.5", SQUARE),
    "openai-url": request(Kind.IMAGE, "sd-3.5", SQUARE),
    "openai-clip": request(Kind.VIDEO, "wan-2.2", CLIP),
    "runway": request(Kind.IMAGE, "gen4_image", SQUARE | {"width": 720, "height": 720}),
    "runway-clip": request(
        Kind.VIDEO, "gen4.5", CLIP | {"width": 1280, "height": 720, "ratio": "16:9", "seconds": 2}
    ),
    "horde": request(Kind.IMAGE, "stable_diffusion", SQUARE),
    "localai": request(Kind.IMAGE, "stablediffusion", SQUARE),
    "localai-clip": request(Kind.VIDEO, "wan", CLIP),
}


def shared(cases: int, what: str) -> int:
    """Return how many cases a form has of those of its provider."""
    provider = what.partition("-")[0]
    return -(-cases // sum(each.partition("-")[0] == provider for each in REQUESTS))


async def made(provider: Provider, asked: Request, path: Path) -> None:
    """Make an item as the executor does: what is left for later is resumed, and never made anew."""
    submission = await provider.submit(asked)
    assert asked.task == Task.CREATE
    for number in range(RESUMED):
        try:
            await provider.follow(submission, Reports())
            await provider.fetch(submission, path)
        except ProviderUnavailable:
            if number == RESUMED - 1 or submission.remote_id is None:
                raise
        else:
            return


@pytest.mark.timeout(3600)
@pytest.mark.parametrize("what", list(REQUESTS))
def test_whatever_is_odd_about_a_reply_its_media_are_saved_and_paid_for_once(
    what: str, tmp_path: Path
) -> None:
    with standing(what) as (odd, records, open_provider), asyncio.Runner() as runner:
        provider = open_provider()

        @settings(
            max_examples=shared(HTTP_CASES, what),
            database=None,
            suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
        )
        @given(seed=st.integers(0, 2**32))
        def case(seed: int) -> None:
            odd.seed = seed
            records.charges.clear()
            path = tmp_path / "x"
            runner.run(made(provider, REQUESTS[what], path))
            kind = REQUESTS[what].kind
            if kind == Kind.IMAGE:
                with Image.open(path) as image:
                    image.load()
            else:
                inspect(path, kind, width=None, height=None, seconds=None)
            assert records.charges.total() == 1

        case()
        runner.run(provider.close())


def replies(what: str, path: Path) -> tuple[list[Exchange], bytes]:
    """Return a provider's good replies that hold a medium or begin one, and the file it made."""
    with standing(what) as (odd, _records, open_provider), asyncio.Runner() as runner:
        recorded = Recorded(odd.app)
        odd.app = recorded
        provider = open_provider()
        runner.run(made(provider, REQUESTS[what], path))
        runner.run(provider.close())
    found = [each for each in recorded.exchanges if holds(each)]
    assert found
    return found, path.read_bytes()


def holds(reply: Exchange) -> bool:
    if "event-stream" in reply.media_type or (reply.method, reply.media_type) == ("POST", JSON):
        return True
    kinds = (Kind.IMAGE, Kind.VIDEO)
    return reply.media_type == JSON and any(
        read_reply(reply.response_body, each).media for each in kinds
    )


@pytest.mark.parametrize("what", list(REQUESTS))
def test_whatever_is_odd_about_a_reply_its_reader_finds_what_was_paid_for(
    what: str, tmp_path: Path
) -> None:
    kind = REQUESTS[what].kind
    good, file = replies(what, tmp_path / "x")
    read = [read_reply(each.response_body, kind) for each in good]
    odd = Odd(Starlette())
    with asyncio.Runner() as runner:
        for seed in range(shared(READ_CASES, what)):
            odd.seed = seed
            reply = good[seed % len(good)]
            plain = read[seed % len(good)]
            if "event-stream" in reply.media_type:
                picture = Picture(REQUESTS[what].model)
                runner.run(picture.read(odd.frames(reply.response_body)))
                assert contents(picture.media[:1]) == {file}, (seed, odd.sent)
                continue
            found = read_reply(
                odd.document(reply.response_body, creating=reply.method == "POST"), kind
            )
            if plain.media:
                assert contents(found.media[:1]) == contents(plain.media), (seed, odd.sent)
            else:
                assert found.id == plain.id != "", (seed, odd.sent)


def contents(media: Sequence[Medium]) -> set[str | bytes]:
    return {each.address or each.decoded() for each in media}
