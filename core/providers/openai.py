"""OpenAI, and every server that speaks its images and `/v1/videos` endpoints.

An image is the answer to its own request: nothing can be asked after it later, so a connection
that breaks off leaves a paid image `unknown`. A video is a task with an id.
"""

import asyncio
import base64
import binascii
import random
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urljoin

import httpx2
import openai
from openai.types import ImagesResponse

from core.i18n import N_
from core.models import Kind, Task
from core.providers.answers import (
    Vendor,
    as_image_file,
    asking,
    check_type,
    download,
    http_client,
    save,
)
from core.providers.base import (
    Capability,
    Deadlines,
    Limits,
    Outcome,
    Provider,
    Report,
    Request,
    Submission,
)
from core.providers.errors import (
    GenerationFailed,
    OutcomeUnknown,
    PromptRejected,
    ProviderError,
    ProviderUnavailable,
)
from core.providers.openai_models import (
    PARTIAL_IMAGES,
    PRICES,
    Price,
    cost_of,
    diffusion_body,
    image_body,
    image_capability,
    is_gpt_image,
    video_capability,
)

MODERATION_MODEL: Final = "omni-moderation-latest"  # free of charge
SECONDS: Final = 900.0  # a large image on a small machine
READS: Final = 4  # times that what costs nothing is asked again
UNANSWERED: Final = 5  # polls in a row, until a video is left for later
_REJECTED: Final = frozenset({"moderation_blocked", "content_policy_violation"})
_SPENT: Final = frozenset({"insufficient_quota", "billing_hard_limit_reached"})
# What came of a call that came through: where it may have been charged, and where it is free.
_EMPTY: Final = (
    N_("{provider} answered with nothing in it; it may have been charged."),
    N_("{provider} answered with nothing in it; this item is tried again shortly."),
)
_BROKEN_OFF: Final = (
    N_("{provider} broke off; it may have been charged."),
    N_("{provider} broke off; this item is tried again shortly."),
)
_ERROR: Final = (
    N_("{provider} ended with an error; it may have been charged."),
    N_("{provider} ended with an error; this item is tried again shortly."),
)


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that speaks OpenAI's language.

    Attributes:
        name: of the provider.
        title: for people.
        base_url: its address up to `/v1`; None: OpenAI's own.
        api_key: its key; empty: it wants none.
        key_setting: the setting that holds the key.
        image_models: its image models, the preferred one first.
        video_models: its text-to-video models.
        animate_models: its image-to-video models.
        paid: whether its calls cost money.
        limit: items of one model in flight at once.
        extra: more fields for every creating call, passed on as they are.
        moderated: whether prompts are screened, free of charge, before anything is made.
        partial_images: half-done pictures to ask for (0 to 3), of models that stream.
        prices: by model.
    """

    name: str = "openai"
    title: str = "OpenAI"
    base_url: str | None = None
    api_key: str = field(default="", repr=False)
    key_setting: str = "OPENAI_API_KEY"
    image_models: Sequence[str] = ()
    video_models: Sequence[str] = ()
    animate_models: Sequence[str] = ()
    paid: bool = True
    limit: int = 20
    extra: Mapping[str, Any] = field(default_factory=dict)
    moderated: bool = False
    partial_images: int = PARTIAL_IMAGES
    prices: Mapping[str, Price] = field(default_factory=dict)


@dataclass
class _Picture:
    """An image on its way: as a stream of events, or what the server answered at once."""

    model: str
    stream: openai.AsyncStream[Any] | None = None
    encoded: str | None = None
    address: str | None = None
    outcome: Outcome = field(default_factory=Outcome)


class OpenAI(Provider):
    """Images, one request each; and clips from servers that have `/v1/videos`.

    Args:
        server: who is asked.
        poll_seconds: how often a video is asked after.
        seconds: to wait for an answer, at most.
    """

    deadlines = Deadlines(submit=SECONDS + 60, follow=7200.0)

    def __init__(
        self, server: Server, *, poll_seconds: float = 3.0, seconds: float = SECONDS
    ) -> None:
        self.name = server.name
        self.title = server.title
        self.limits = Limits(at_once=server.limit * 2)
        self._server = server
        self._poll_seconds = poll_seconds
        self._seconds = seconds
        self._prices = PRICES | dict(server.prices)
        self._vendor = Vendor(
            title=server.title,
            key_setting=server.key_setting,
            secrets=(server.api_key,),
            rejected=_REJECTED,
            spent=_SPENT,
        )
        self._made: openai.AsyncOpenAI | None = None
        self._files: httpx2.AsyncClient | None = None
        self._screened: dict[str, str] = {}

    def capabilities(self) -> Sequence[Capability]:
        """What the configured models can do."""
        server = self._server
        limits: dict[str, Any] = {"limit": server.limit, "paid": server.paid}
        return [
            *(image_capability(model, **limits) for model in server.image_models),
            *(video_capability(model, task=Task.CREATE, **limits) for model in server.video_models),
            *(
                video_capability(model, task=Task.ANIMATE, **limits)
                for model in server.animate_models
            ),
        ]

    async def submit(self, request: Request) -> Submission:
        """Ask for one image or clip."""
        if self._server.moderated:
            await self._screen(request.prompt)
        async with asking(self._vendor, creating=self._server.paid):
            if request.kind == Kind.IMAGE:
                return await self._submit_image(request)
            return await self._submit_video(request)

    async def follow(self, submission: Submission, report: Report) -> Outcome:
        """Wait for the image or clip."""
        if submission.remote_id is not None:
            return await self._follow_video(submission.remote_id, report)
        picture: _Picture = submission.handle
        if picture.stream is not None:
            await self._read_stream(picture, picture.stream, report)
        await report(1.0)
        return picture.outcome

    async def fetch(self, submission: Submission, destination: Path) -> None:
        """Write the file."""
        if submission.remote_id is not None:
            await self._fetch_video(submission.remote_id, destination)
            return
        picture: _Picture = submission.handle
        if picture.encoded is not None:
            content = _decoded(picture.encoded, self.title)
            await asyncio.to_thread(_write_image, destination, content)
        else:
            address = urljoin(str(self._client.base_url), picture.address or "")
            files = self._file_client
            await download(files, address, destination, Kind.IMAGE, self._vendor)
            await asyncio.to_thread(_write_image, destination, None)

    async def cancel(self, submission: Submission) -> None:
        """Delete a clip's task. An image that is being made cannot be stopped, only left alone."""
        if submission.remote_id is None:
            picture: _Picture = submission.handle
            if picture.stream is not None:
                await picture.stream.close()
            sentence = N_("{provider} cannot be told to stop.")
            raise ProviderError(sentence.format(provider=self.title))
        try:
            async with asking(self._vendor):
                await self._reading.videos.delete(submission.remote_id)
        except ProviderError as error:
            if error.details.get("status") != HTTPStatus.NOT_FOUND:
                raise

    async def check(self) -> str:
        """List the server's models, which costs nothing, and say which of ours it lacks."""
        async with asking(self._vendor):
            there = {model.id async for model in await self._reading.models.list()}
        ours = [each.model for each in self.capabilities()]
        missing = [model for model in dict.fromkeys(ours) if model not in there]
        if missing:
            raise ProviderError(f"{self.title} answers, but does not list {', '.join(missing)}.")
        return f"The key is accepted; {', '.join(dict.fromkeys(ours))}."

    async def close(self) -> None:
        """Close the connections."""
        if self._made is not None:
            await self._made.close()
        if self._files is not None:
            await self._files.aclose()
        self._made = self._files = None

    @property
    def _client(self) -> openai.AsyncOpenAI:
        """The client for what costs money: nothing is sent twice."""
        if self._made is None:
            base_url = self._server.base_url
            self._made = openai.AsyncOpenAI(
                api_key=self._server.api_key or "none",
                base_url=base_url,
                max_retries=0,
                timeout=httpx2.Timeout(self._seconds, connect=10.0),
                http_client=http_client(base_url),
            )
        return self._made

    @property
    def _reading(self) -> openai.AsyncOpenAI:
        """The client for what costs nothing."""
        return self._client.with_options(max_retries=READS, timeout=60.0)

    @property
    def _file_client(self) -> httpx2.AsyncClient:
        if self._files is None:
            self._files = http_client(self._server.base_url)
        return self._files

    async def _screen(self, prompt: str) -> None:
        """Have a prompt screened; what was found is remembered for the job's other items."""
        if prompt not in self._screened:
            async with asking(self._vendor):
                answer = await self._reading.moderations.create(
                    model=MODERATION_MODEL, input=prompt
                )
            (found,) = answer.results
            words = [name for name, is_so in found.categories.to_dict().items() if is_so]
            self._screened = {**dict(list(self._screened.items())[-99:]), prompt: ", ".join(words)}
        if self._screened[prompt]:
            raise PromptRejected(
                N_(
                    "OpenAI's moderation objects to this prompt ({reasons}). "
                    "Please put it in other words."
                ).format(reasons=self._screened[prompt])
            )

    async def _submit_image(self, request: Request) -> Submission:
        body: dict[str, Any] = image_body(request.model, request.params, request.end_user)
        if self._server.extra:
            body["extra_body"] = body.get("extra_body", {}) | dict(self._server.extra)
        streams = is_gpt_image(request.model)
        if streams:
            body |= {"stream": True, "partial_images": self._server.partial_images}
        answer = await self._client.images.with_raw_response.generate(prompt=request.prompt, **body)
        details = _request_id(answer.headers)
        picture = _Picture(request.model)
        if streams and "text/event-stream" in answer.headers.get("content-type", ""):
            picture.stream = answer.parse()
        else:
            # A server that knows no streams answers at once, and the SDK would drop what it said.
            content = await answer.http_response.aread()
            self._read_answer(picture, content)
        return Submission(handle=picture, details=details)

    def _read_answer(self, picture: _Picture, content: bytes) -> None:
        try:
            answer = ImagesResponse.model_validate_json(content)
            image = (answer.data or [])[0]
        except (ValueError, IndexError):
            raise self._lost(*_EMPTY) from None
        picture.encoded, picture.address = image.b64_json, image.url
        if not (image.b64_json or image.url):
            raise self._lost(*_EMPTY)
        usage = None if answer.usage is None else answer.usage.to_dict()
        said = {"revised_prompt": image.revised_prompt, "quality": answer.quality}
        picture.outcome = self._outcome(picture.model, usage, said)

    async def _read_stream(
        self, picture: _Picture, stream: openai.AsyncStream[Any], report: Report
    ) -> None:
        total = self._server.partial_images + 1
        try:
            async for event in _all_of(stream):
                if event.type == "image_generation.partial_image":
                    share = (event.partial_image_index + 1) / total
                    preview = _decoded(event.b64_json, self.title)
                    await report(min(share, 0.95), preview=preview)
                elif event.type == "image_generation.completed":
                    picture.encoded = event.b64_json
                    facts = {"quality": event.quality}
                    picture.outcome = self._outcome(picture.model, event.usage.to_dict(), facts)
        except openai.APIStatusError as error:
            raise self._vendor.sdk(error, creating=True) from None
        except openai.APIConnectionError:
            raise self._lost(*_BROKEN_OFF) from None
        except openai.APIError as error:  # an event that says what went wrong
            if error.code in _REJECTED:
                said = self._vendor.cleaned(error.message)
                raise self._refused(said) from None
            raise self._lost(*_ERROR) from None
        except httpx2.TransportError:
            raise self._lost(*_BROKEN_OFF) from None
        if picture.encoded is None:
            raise self._lost(*_EMPTY)

    def _outcome(self, model: str, usage: dict[str, Any] | None, said: dict[str, Any]) -> Outcome:
        details = {name: value for name, value in said.items() if value is not None}
        if usage is not None:
            details["usage"] = usage
        cost = cost_of(usage, self._prices.get(model)) if self._server.paid else 0.0
        return Outcome(cost=cost, details=details)

    def _lost(self, paid: str, free: str) -> ProviderError:
        """Return the error of an answer without an image, though the call came through.

        Args:
            paid: what to say where the call may have been charged.
            free: what to say where it costs nothing.
        """
        if not self._server.paid:
            return ProviderUnavailable(free.format(provider=self.title))
        return OutcomeUnknown(paid.format(provider=self.title))

    def _refused(self, said: str) -> ProviderError:
        sentence = N_("{provider} does not accept this prompt: {said}")
        return PromptRejected(sentence.format(provider=self.title, said=said))

    async def _submit_video(self, request: Request) -> Submission:
        params = request.params
        body: dict[str, Any] = {
            "model": request.model,
            "seconds": str(params["seconds"]),
            "size": f"{params['width']}x{params['height']}",
            "extra_body": diffusion_body(params) | dict(self._server.extra),
        }
        if request.source is not None:
            body["input_reference"] = request.source
        answer = await self._client.videos.with_raw_response.create(prompt=request.prompt, **body)
        remote_id = getattr(answer.parse(), "id", None)  # None where it is no such answer
        if not remote_id:
            raise self._lost(*_EMPTY)
        return Submission(remote_id, details=_request_id(answer.headers))

    async def _follow_video(self, remote_id: str, report: Report) -> Outcome:
        unanswered = 0
        while True:
            try:
                async with asking(self._vendor):
                    task = await self._reading.videos.retrieve(remote_id)
            except ProviderUnavailable:
                unanswered += 1
                if unanswered == UNANSWERED:
                    raise
            else:
                unanswered = 0
                if task.status == "completed":
                    await report(1.0)
                    return Outcome(cost=None if self._server.paid else 0.0)
                if task.status not in {"queued", "in_progress"}:
                    raise self._failed(task.error)
                waiting = N_("waiting for its turn at {provider}").format(provider=self.title)
                share = (task.progress or 0) / 100  # servers of others may leave it out
                await report(share, waiting=waiting if task.status == "queued" else "")
            await asyncio.sleep(self._poll_seconds * random.uniform(1.0, 1.2))

    def _failed(self, error: Any) -> ProviderError:  # noqa: ANN401  # the SDK's, or none
        said = self._vendor.cleaned(getattr(error, "message", None) or "it did not say why")
        if getattr(error, "code", None) in _REJECTED:
            return self._refused(said)
        sentence = N_("{provider} could not make this: {said}")
        return GenerationFailed(sentence.format(provider=self.title, said=said))

    async def _fetch_video(self, remote_id: str, destination: Path) -> None:
        async with asking(self._vendor):
            videos = self._reading.videos.with_streaming_response
            async with videos.download_content(remote_id) as answer:
                check_type(answer.headers.get("content-type", ""), Kind.VIDEO, self._vendor)
                await save(answer.iter_bytes(), destination, Kind.VIDEO, self._vendor)


async def _all_of(stream: openai.AsyncStream[Any]) -> AsyncIterator[Any]:
    async with stream:
        async for event in stream:
            yield event


def _request_id(headers: Mapping[str, str]) -> dict[str, str]:
    found = headers.get("x-request-id")
    return {} if found is None else {"request_id": found}


def _decoded(encoded: str, title: str) -> bytes:
    try:
        return base64.b64decode(encoded, validate=True)
    except binascii.Error:
        sentence = N_("{provider} sent something that is no image.")
        raise GenerationFailed(sentence.format(provider=title)) from None


def _write_image(destination: Path, content: bytes | None) -> None:
    """Write an image as PNG or JPEG; None: make one of what is there already."""
    content = destination.read_bytes() if content is None else content
    try:
        destination.write_bytes(as_image_file(content))
    except OSError:
        destination.write_bytes(content)  # whoever looks it over says what is wrong with it
