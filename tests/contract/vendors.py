"""Every vendor with a stand-in: how it is asked, and what each of its refusals means.

The properties that all of them share are in `test_vendors.py`.
"""

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx2

from core.models import Kind, Task
from core.providers import errors
from core.providers.base import Request
from core.providers.horde.provider import Horde
from core.providers.openai.provider import OpenAI, Server
from core.providers.runway.provider import Runway
from tests.contract.world import World
from tests.product import free_port
from tests.servers import horde, openai, runway
from tests.servers.wire import VendorRecords, serving

KEY: Final = "sk-a-very-secret-key-for-tests"
SUNBURST: Final = "gpt-image-2.6-sunburst"
OPENAI: Final = Server(
    api_key=KEY,
    image_models=[SUNBURST, "sd-3.5"],
    video_models=["wan-2.2"],
    animate_models=["wan-2.2"],
)


class OpenAIWorld(World):
    """OpenAI's stand-in."""

    @asynccontextmanager
    async def provider(self, timeout: float = 10.0, **changed: Any) -> AsyncIterator[OpenAI]:  # noqa: ASYNC109  # of its calls
        server = replace(OPENAI, **{"base_url": f"{self.url}/v1", **changed})
        opened = OpenAI(server, poll_seconds=0.02, timeout=timeout)
        try:
            yield opened
        finally:
            await opened.close()


class RunwayWorld(World):
    """RunwayML's stand-in."""

    def __init__(self, url: str, records: VendorRecords, account: runway.Account) -> None:
        super().__init__(url, records)
        self.account = account

    @asynccontextmanager
    async def provider(self, **changed: Any) -> AsyncIterator[Runway]:
        given: dict[str, Any] = {"base_url": self.url, "poll_seconds": 0.02} | changed
        opened = Runway(given.pop("api_key", KEY), **given)
        try:
            yield opened
        finally:
            await opened.close()

    def call(self, method: str, path: str) -> httpx2.Response:
        """Ask as somebody else with the same key does."""
        headers = {"Authorization": f"Bearer {KEY}", "X-Runway-Version": runway.VERSION}
        return httpx2.request(method, f"{self.url}{path}", headers=headers, trust_env=False)


class HordeWorld(World):
    """The AI Horde's stand-in."""

    @asynccontextmanager
    async def provider(self, api_key: str = KEY, **changed: Any) -> AsyncIterator[Horde]:
        given: dict[str, Any] = {"base_url": self.url, "poll_seconds": 0.02, "timeout": 10.0}
        opened = Horde(api_key, **(given | changed))
        try:
            yield opened
        finally:
            await opened.close()


@contextmanager
def openai_world(answer: openai.Answer = "stream") -> Iterator[OpenAIWorld]:
    records = VendorRecords(KEY)
    with serving(openai.application(records, answer=answer)) as url:
        yield OpenAIWorld(url, records)


@contextmanager
def runway_world(seconds: float = 0.15, throttled: float = 0.0) -> Iterator[RunwayWorld]:
    records, account = VendorRecords(KEY), runway.Account()
    app = runway.application(records, account=account, seconds=seconds, throttled=throttled)
    with serving(app) as url:
        yield RunwayWorld(url, records, account)


@contextmanager
def horde_world() -> Iterator[HordeWorld]:
    records = VendorRecords(KEY)
    with serving(horde.application(records, seconds=0.3)) as url:
        yield HordeWorld(url, records)


def request_of(  # noqa: PLR0913  # one keyword each
    kind: Kind,
    model: str,
    params: dict[str, Any],
    *,
    prompt: str = "a fox",
    source: Path | None = None,
    task: Task = Task.CREATE,
    end_user: str = "",
) -> Request:
    return Request(
        asset_id="a",
        kind=kind,
        prompt=prompt,
        slot=1,
        model=model,
        params=params,
        source=source,
        task=task,
        end_user=end_user,
    )


def openai_image(prompt: str = "a fox", model: str = SUNBURST, **params: Any) -> Request:
    sizes = {"width": 256, "height": 144, "ratio": "16:9"} | params
    return request_of(Kind.IMAGE, model, sizes, prompt=prompt, end_user="0123abcd")


def openai_clip(source: Path | None = None) -> Request:
    params = {"width": 128, "height": 72, "seconds": 1, "fps": 24, "seed": 7, "steps": 4}
    task = Task.CREATE if source is None else Task.ANIMATE
    return request_of(Kind.VIDEO, "wan-2.2", params, source=source, task=task)


def runway_image(
    model: str = "gen4_image", width: int = 720, height: int = 720, **params: Any
) -> Request:
    sizes = {"width": width, "height": height, "ratio": "1:1", "seed": 7} | params
    return request_of(Kind.IMAGE, model, sizes)


def runway_clip(source: Path | None = None, model: str = "gen4.5", **params: Any) -> Request:
    sizes = {"width": 1280, "height": 720, "ratio": "16:9", "seconds": 2, "fps": 24, "seed": 7}
    task = Task.CREATE if source is None else Task.ANIMATE
    return request_of(Kind.VIDEO, model, sizes | params, source=source, task=task)


def horde_image(prompt: str = "a fox", model: str = "stable_diffusion", **params: Any) -> Request:
    sizes = {"width": 128, "height": 64, "ratio": "2:1", "seed": 7, "steps": 20, "guidance": 7.256}
    return request_of(Kind.IMAGE, model, sizes | params, prompt=prompt)


Refusals = list[tuple[dict[str, Any], type[errors.ProviderError], bool]]
"""What a vendor answers to a creating call, what that means, and whether it is sent again."""

OPENAI_REFUSES: Final[Refusals] = [
    ({"status": 429}, errors.RateLimited, True),
    ({"status": 503}, errors.ProviderUnavailable, True),
    ({"status": 500}, errors.OutcomeUnknown, False),
    ({"status": 502}, errors.OutcomeUnknown, False),
    (
        {"status": 400, "code": "invalid_size", "message": f"No; {KEY}"},
        errors.RequestRejected,
        False,
    ),
    ({"status": 404, "code": "model_not_found"}, errors.RequestRejected, False),
    ({"status": 403}, errors.InvalidCredentials, False),
    ({"status": 400, "code": "moderation_blocked"}, errors.PromptRejected, False),
    ({"status": 400, "code": "content_policy_violation"}, errors.PromptRejected, False),
    ({"status": 429, "code": "insufficient_quota"}, errors.BalanceSpent, False),
    ({"status": 400, "code": "billing_hard_limit_reached"}, errors.BalanceSpent, False),
]
RUNWAY_REFUSES: Final[Refusals] = [
    ({"status": 429}, errors.RateLimited, True),
    ({"status": 502}, errors.ProviderUnavailable, True),
    ({"status": 503}, errors.ProviderUnavailable, True),
    ({"status": 504}, errors.ProviderUnavailable, True),
    ({"status": 500}, errors.OutcomeUnknown, False),
    ({"status": 400, "message": f"No such ratio; {KEY}"}, errors.RequestRejected, False),
    ({"status": 404}, errors.RequestRejected, False),
    ({"status": 403}, errors.InvalidCredentials, False),
]
HORDE_REFUSES: Final[Refusals] = [
    ({"status": 429, "code": "TooManyPrompts"}, errors.RateLimited, True),
    ({"status": 500}, errors.ProviderUnavailable, True),
    ({"status": 503}, errors.ProviderUnavailable, True),
    ({"status": 524}, errors.ProviderUnavailable, True),  # a proxy's own
    ({"status": 400, "code": "MaintenanceMode"}, errors.ProviderUnavailable, True),
    ({"status": 400, "code": "NoValidWorkers"}, errors.ProviderUnavailable, True),
    ({"status": 403, "code": "TimeoutIP"}, errors.ProviderUnavailable, True),
    ({"status": 400, "code": "CorruptPrompt"}, errors.PromptRejected, False),
    (
        {"status": 400, "code": "InvalidSize", "message": f"No; {KEY}"},
        errors.RequestRejected,
        False,
    ),
    (
        {"status": 403, "code": "KudosUpfront", "message": f"No; {KEY}"},
        errors.RequestRejected,
        False,
    ),
    ({"status": 404, "code": "WorkerNotFound"}, errors.RequestRejected, False),
]


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """One kind of item of one vendor."""

    name: str
    open: Callable[[], Any]  # a context manager with its world
    request: Callable[[], Request]
    refusals: Refusals = field(repr=False)
    key_setting: str  # which its message about a wrong key names
    path: str = ""  # of its API below its address
    paid: bool = True
    resumable: bool = True

    @property
    def unanswered(self) -> type[errors.ProviderError]:
        """What a creating call without an answer is: it may be sent again where it is free."""
        return errors.OutcomeUnknown if self.paid else errors.ProviderUnavailable

    @property
    def nowhere(self) -> str:
        """An address at which nobody answers."""
        return f"http://127.0.0.1:{free_port()}{self.path}"


_openai = partial(
    Vendor,
    open=openai_world,
    refusals=OPENAI_REFUSES,
    key_setting="OPENAI_API_KEY",
    path="/v1",
)
_runway = partial(
    Vendor, open=runway_world, refusals=RUNWAY_REFUSES, key_setting="RUNWAYML_API_SECRET"
)
VENDORS: Final = [
    _openai(name="openai-image", request=openai_image, resumable=False),
    _openai(name="openai-clip", request=openai_clip),
    _runway(name="runway-image", request=runway_image),
    _runway(name="runway-clip", request=runway_clip),
    Vendor(
        name="horde-image",
        open=horde_world,
        request=horde_image,
        refusals=HORDE_REFUSES,
        key_setting="AI_HORDE_API_KEY",
        paid=False,
    ),
]
