"""The AI Horde: volunteers' computers that run Stable Diffusion for anyone, free of charge.

Its rules are those of its API (https://aihorde.net/api) and of its source (Haidra-Org/AI-Horde,
`horde/apis/v2` and `horde/exceptions.py`): two requests for images in a second and 90 in a minute
from one address, ten looks at one image's `status` in a minute, one look at its `check` in a
second. What nobody took up in 20 minutes is forgotten, and a finished file's address holds for 30.
"""

import asyncio
import base64
import binascii
import math
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

import httpx2

from core.i18n import N_
from core.models import Kind
from core.providers.answers import Vendor, as_image_file, asking, download, http_client, known
from core.providers.base import (
    Capability,
    Limits,
    Option,
    Outcome,
    Provider,
    Report,
    Request,
    Submission,
)
from core.providers.errors import (
    GenerationFailed,
    InvalidCredentials,
    PromptRejected,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRejected,
)

ANONYMOUS: Final = "0000000000"
ANY: Final = "any"
"""The model that is whichever a volunteer happens to have."""
MODELS: Final = ("stable_diffusion", "AlbedoBase XL (SDXL)")
CLIENT_AGENT: Final = "fivefold:0.1:fivefold"  # name, version, contact
UNANSWERED: Final = 5  # polls in a row, until an image is left for later
IMPOSSIBLE: Final = 3  # polls in a row: volunteers come and go from one moment to the next

# Five items that are polled every four seconds make 75 requests a minute, and each item three more
# beside its polls: together fewer than the 90 that one address may send.
_LIMITS: Final = Limits(at_once=5, per_minute=4)

# Sides are multiples of 64 and within 2 % of the ratio. 576 × 576 pixels and 50 steps are what the
# Horde always makes for users without credit; models of the XL family need larger images.
_SMALL: Final = {
    "1:1": (512, 512),
    "16:9": (576, 320),
    "9:16": (320, 576),
    "4:3": (512, 384),
    "3:4": (384, 512),
    "3:2": (576, 384),
    "2:3": (384, 576),
}
_LARGE: Final = {
    "1:1": (1024, 1024),
    "16:9": (1344, 768),
    "9:16": (768, 1344),
    "4:3": (1024, 768),
    "3:4": (768, 1024),
    "3:2": (1152, 768),
    "2:3": (768, 1152),
}
_OPTIONS: Final = (
    Option(
        name="steps",
        title=N_("Steps"),
        type="integer",
        default=25,
        minimum=1,
        maximum=50,
        help=N_("More take longer and show more detail."),
    ),
    Option(
        name="guidance", title=N_("Guidance"), type="number", default=7.0, minimum=0.0, maximum=30.0
    ),
    Option(name="negative_prompt", title=N_("Negative prompt"), maximum=1000),
)

# `rc` of the Horde's answers: README_return_codes.md of its source.
_REJECTED: Final = frozenset(
    {"CorruptPrompt", "InvalidPromptSize", "InvalidPromptEncoding", "NulByteInPayload"}
)
_LATER: Final = {"MaintenanceMode": 60.0, "NoValidWorkers": 600.0, "TimeoutIP": 600.0}  # seconds
_FORGOTTEN: Final = frozenset({404, 410})
_RUN_OUT: Final = _FORGOTTEN | {401, 403}  # what a file's address answers then


class Horde(Provider):
    """Images from volunteers' computers. Nothing is charged, so all calls may be made again.

    Args:
        api_key: the user's key; the default is everybody's.
        base_url: the Horde's address.
        models: offered ones, the preferred one first; `ANY` is whichever is free first.
        poll_seconds: how often an image is asked after.
        timeout: seconds to wait for an answer.
    """

    name = "ai-horde"
    title = "AI Horde"
    notice = N_(
        "Free of charge: volunteers' computers draw. Without a key of one's own it is slow."
    )
    limits = _LIMITS

    def __init__(
        self,
        api_key: str = ANONYMOUS,
        *,
        base_url: str = "https://aihorde.net",
        models: Sequence[str] = MODELS,
        poll_seconds: float = 4.0,
        timeout: float = 30.0,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._models = tuple(models)
        self._poll_seconds = poll_seconds
        self._timeout = timeout
        self._headers = {"apikey": api_key, "Client-Agent": CLIENT_AGENT}
        self._made: httpx2.AsyncClient | None = None
        self._vendor = Vendor(
            title=self.title,
            key_setting="AI_HORDE_API_KEY",
            secrets=() if api_key == ANONYMOUS else (api_key,),
            free=frozenset({HTTPStatus.TOO_MANY_REQUESTS, *range(500, 600)}),
            rejected=_REJECTED,
        )
        self.consent = (
            N_(
                "Prompts are sent to volunteers' computers all over the world, and their owners "
                "can read them and see the images. Prompts and images are also shared with LAION "
                "for research."
            )
            if api_key == ANONYMOUS
            else N_(
                "Prompts are sent to volunteers' computers all over the world, and their owners "
                "can read them and see the images."
            )
        )

    def capabilities(self) -> Sequence[Capability]:
        """Images by each of the models."""
        return [
            Capability(
                kind=Kind.IMAGE,
                model=model,
                ratios=_LARGE if "XL" in model else _SMALL,
                options=_OPTIONS,
                exact=False,
                limit=_LIMITS.at_once or 1,
                paid=False,
            )
            for model in self._models
        ]

    async def submit(self, request: Request) -> Submission:
        """Put one image into the Horde's queue."""
        answer = await self._ask("POST", "generate/async", _order(request))
        if not isinstance(answer.get("id"), str):
            raise self._odd()
        return Submission(answer["id"], details=known(answer, ("warnings",)))

    async def follow(self, submission: Submission, report: Report) -> Outcome:
        """Wait until a volunteer has drawn the image.

        Raises:
            GenerationFailed: no volunteer could make it, or it was stopped.
            PromptRejected: the volunteer's filter blackened it.
            RequestRejected: no volunteer who is there can make such an image.
        """
        remote_id = str(submission.remote_id)
        begun, share = time.monotonic(), 0.0
        unanswered = impossible = 0
        while True:
            pause = self._poll_seconds
            try:
                task = await self._look("check", remote_id)
            except (ProviderUnavailable, RateLimited) as error:
                unanswered += 1
                if unanswered == UNANSWERED:
                    raise
                pause = max(pause, min(error.retry_after or 0.0, 60.0))
            else:
                unanswered = 0
                if task.get("done"):
                    break
                if task.get("faulted"):
                    raise GenerationFailed(
                        N_("No volunteer could make this image."), retryable=True
                    )
                impossible = impossible + 1 if task.get("is_possible") is False else 0
                if impossible == IMPOSSIBLE:
                    await self._give_up(submission)
                share = max(share, _share(time.monotonic() - begun, _number(task, "wait_time")))
                await report(share, waiting=_waiting(task))
            await asyncio.sleep(pause * random.uniform(1.0, 1.2))
        outcome = self._outcome(await self._look("status", remote_id))
        await report(1.0)
        return outcome

    async def fetch(self, submission: Submission, destination: Path) -> None:
        """Write the image's file: the Horde's are WebP and become PNG."""
        remote_id = str(submission.remote_id)
        try:
            await self._fetch(remote_id, destination)
        except ProviderUnavailable as error:
            if error.details.get("status") not in _RUN_OUT:
                raise
            await self._fetch(remote_id, destination)  # each look at it gives a fresh address
        await asyncio.to_thread(_as_kept, destination)

    async def cancel(self, submission: Submission) -> None:
        """Take the image out of the Horde's queue."""
        try:
            await self._ask("DELETE", f"generate/status/{submission.remote_id}")
        except GenerationFailed:
            return  # forgotten already

    async def check(self) -> str:
        """Say whose key it is, and how much credit there is; free of charge."""
        await self._ask("GET", "status/heartbeat")
        try:
            user = await self._ask("GET", "find_user")
        except GenerationFailed:  # it answers 404, and quotes the key
            raise InvalidCredentials(
                f"{self.title} does not know the key in AI_HORDE_API_KEY. Please look it over."
            ) from None
        return f"The key is accepted: {user.get('username')}, {_number(user, 'kudos'):,.0f} kudos."

    async def close(self) -> None:
        """Close the connections."""
        made, self._made = self._made, None
        if made is not None:
            await made.aclose()

    @property
    def _client(self) -> httpx2.AsyncClient:
        if self._made is None:
            self._made = http_client(self._base_url)
        return self._made

    async def _ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """Return what the Horde answers.

        Raises:
            GenerationFailed: it does not know what is asked about (any more).
            ProviderError: whatever else went wrong.
        """
        async with asking(self._vendor):
            answer = await self._client.request(
                method,
                f"{self._base_url}/api/v2/{path}",
                json=body,
                headers=self._headers,
                timeout=self._timeout,
            )
            self._look_over(answer)
            answer.raise_for_status()
        try:
            said = answer.json()
        except ValueError:
            raise self._odd() from None
        if not isinstance(said, dict):
            raise self._odd()
        return said

    def _look_over(self, answer: httpx2.Response) -> None:
        """Raise what an answer means that means something else elsewhere."""
        if answer.is_success:
            return
        if answer.status_code in _FORGOTTEN and answer.request.method != "POST":
            sentence = N_("{provider} has forgotten this image.")
            raise GenerationFailed(sentence.format(provider=self.title), retryable=True)
        try:
            body = answer.json()
        except ValueError:
            return
        if not isinstance(body, dict):
            return
        code, said = body.get("rc"), self._vendor.cleaned(str(body.get("message", "")))
        if code in _LATER:
            sentence = N_("{provider} makes nothing at the moment: {said}")
            raise ProviderUnavailable(
                sentence.format(provider=self.title, said=said), retry_after=_LATER[code]
            )
        if answer.status_code == HTTPStatus.FORBIDDEN:  # never the key's fault here
            sentence = N_("{provider} does not allow this: {said}")
            raise RequestRejected(sentence.format(provider=self.title, said=said))

    async def _look(self, at: str, remote_id: str) -> dict[str, Any]:
        return await self._ask("GET", f"generate/{at}/{remote_id}")

    async def _give_up(self, submission: Submission) -> None:
        """Take an image that nobody can make out of the queue, where it would wait in vain."""
        with suppress(ProviderError):
            await self.cancel(submission)
        raise RequestRejected(
            N_(
                "None of the volunteers who are there can make this image. "
                "Please choose another model or ratio, or fewer steps."
            )
        )

    def _generation(self, task: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return the image of a task that has ended."""
        generations = task.get("generations") or []
        if not generations:
            raise GenerationFailed(
                N_("It was stopped before a volunteer had made it."), retryable=True
            )
        generation: Mapping[str, Any] = generations[0]
        notes = generation.get("gen_metadata") or []
        if generation.get("censored") or any(each.get("type") == "censorship" for each in notes):
            raise PromptRejected(
                N_(
                    "The volunteer's filter blackened this image. "
                    "Please put the prompt in other words."
                )
            )
        return generation

    def _outcome(self, task: Mapping[str, Any]) -> Outcome:
        generation = self._generation(task)
        details = known(generation, ("model", "seed")) | known(task, ("kudos", "shared"))
        if generation.get("worker_name"):
            details["worker"] = generation["worker_name"]
        return Outcome(cost=0.0, details=details)

    async def _fetch(self, remote_id: str, destination: Path) -> None:
        image = str(self._generation(await self._look("status", remote_id)).get("img") or "")
        if image.startswith(("http://", "https://")):
            await download(self._client, image, destination, Kind.IMAGE, self._vendor)
            return
        try:
            content = base64.b64decode(image, validate=True)
        except binascii.Error:
            sentence = N_("{provider} sent something that is no image.")
            raise GenerationFailed(sentence.format(provider=self.title), retryable=True) from None
        await asyncio.to_thread(destination.write_bytes, content)

    def _odd(self) -> ProviderError:
        return ProviderUnavailable(
            N_(
                "{provider} answers with something else than expected; "
                "this item is tried again shortly."
            ).format(provider=self.title)
        )


def _order(request: Request) -> dict[str, Any]:
    """Return a request as the Horde takes it."""
    params = request.params
    prompt = request.prompt.replace("###", " ")  # after these the Horde reads what is unwanted
    if unwanted := params.get("negative_prompt"):
        prompt += f" ### {unwanted}"
    return {
        "prompt": prompt,
        "params": {
            "width": params["width"],
            "height": params["height"],
            "steps": params.get("steps", 25),
            "cfg_scale": round(params.get("guidance", 7.0), 2),  # more decimals are refused
            "seed": str(params["seed"]),
            "n": 1,
            "sampler_name": "k_euler_a",
            "karras": True,
        },
        # A field that is left out means the Horde's default model; an empty one means any.
        "models": [] if request.model == ANY else [request.model],
        "nsfw": False,
        "censor_nsfw": True,
        "r2": True,
        "shared": False,
        "allow_downgrade": True,  # smaller rather than not at all, when the queue is long
    }


def _number(said: Mapping[str, Any], name: str) -> float:
    value = said.get(name)
    return float(value) if isinstance(value, int | float) else 0.0


def _share(elapsed: float, left: float) -> float:
    return min(elapsed / max(elapsed + left, 0.001), 0.95)


def _waiting(task: Mapping[str, Any]) -> str:
    if _number(task, "processing"):
        return ""
    place = max(1, round(_number(task, "queue_position")))
    minutes = max(1, math.ceil(_number(task, "wait_time") / 60))
    said = N_("place {place} in the queue, about {minutes} min")
    return said.format(place=f"{place:,}", minutes=f"{minutes:,}")


def _as_kept(path: Path) -> None:
    """Make a PNG of an image that is neither PNG nor JPEG."""
    content = path.read_bytes()
    try:
        path.write_bytes(as_image_file(content))
    except OSError:
        return  # whoever looks it over says what is wrong with it
