"""RunwayML: images and clips, of a text or of an item; each a task that is resumed by its id.

What it charges for stands in its tasks, in credits: an estimate while they run, the cost when they
have ended. States, failure codes and what may be sent again are those of its API's documentation
(docs.dev.runwayml.com), version 2024-11-06.
"""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import httpx2
import runwayml
from runwayml.types import organization_retrieve_response

from core.i18n import N_
from core.models import Kind
from core.providers.answers import (
    KEPT_ALIVE,
    Vendor,
    as_image_file,
    asking,
    download,
    http_client,
    may_use_proxy,
)
from core.providers.base import (
    Capability,
    Deadlines,
    Outcome,
    Provider,
    Report,
    Request,
    Submission,
)
from core.providers.errors import (
    BalanceSpent,
    GenerationFailed,
    OutcomeUnknown,
    PromptRejected,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRejected,
)
from core.providers.runway_catalogue import models

READS: Final = 4  # times that what costs nothing is asked again
UNANSWERED: Final = 5  # polls in a row, until a task is left for later
UNLIMITED: Final = 20  # items of one model in flight, where RunwayML sets no limit
AGAIN_SECONDS: Final = 30.0  # after a failure of its own that RunwayML did not charge
UPLOAD_SECONDS: Final = 45.0  # in all, so that enough is left for the paid call
_IMAGES: Final = frozenset({".png", ".jpg", ".jpeg", ".webp"})
_EXPIRED: Final = frozenset({401, 403, 404, 410})  # what an old address of a file answers
_REJECTED: Final = ("SAFETY.", "INPUT_PREPROCESSING.SAFETY.")
_TEMPORARY: Final = frozenset(
    {"INTERNAL", "INPUT_PREPROCESSING.INTERNAL", "THIRD_PARTY.UNAVAILABLE"}
)


class Runway(Provider):
    """RunwayML, with the models that its SDK knows.

    Args:
        api_secret: the key.
        base_url: its address, without `/v1`; None: the SDK's own choice.
        poll_seconds: how often a task is asked after; RunwayML wants no less than five.
        timeout: seconds to wait for an answer.
    """

    name = "runwayml"
    title = "RunwayML"
    deadlines = Deadlines(submit=120.0, follow=7200.0)

    def __init__(
        self,
        api_secret: str,
        *,
        base_url: str | None = None,
        poll_seconds: float = 5.0,
        timeout: float = 60.0,
    ) -> None:
        self._secret = api_secret
        self._base_url = base_url
        self._poll_seconds = poll_seconds
        self._timeout = timeout
        self._vendor = Vendor(
            title=self.title,
            key_setting="RUNWAYML_API_SECRET",
            secrets=(api_secret,),
            free=frozenset({429, 502, 503, 504}),
            spent=frozenset({"not have enough credits"}),
        )
        self._models = {
            (each.capability.kind, each.capability.task, each.capability.model): each
            for each in models()
        }
        self._offered = tuple(each.capability for each in models())
        self._balance: int | None = None
        self._made: runwayml.AsyncRunwayML | None = None
        self._files: httpx2.AsyncClient | None = None

    def capabilities(self) -> Sequence[Capability]:
        """What the SDK's models can do, within the account's limits as far as they are known."""
        return self._offered

    async def submit(self, request: Request) -> Submission:
        """Start a task; an item that it is done to is uploaded before, which is free."""
        model = self._models.get((request.kind, request.task, request.model))
        if model is None:
            sentence = N_("{provider} has no model “{model}” for this.")
            raise RequestRejected(sentence.format(provider=self.title, model=request.model))
        arguments = model.arguments(request.params)
        if self._balance is not None and self._balance <= 0:
            raise BalanceSpent(
                N_(
                    "The account at {provider} has no credits left. "
                    "Please top it up, then try again."
                ).format(provider=self.title)
            )
        given: dict[str, Any] = {"prompt_text": request.prompt} if model.prompted else {}
        if request.source is not None:
            given |= model.source(await self._uploaded(request.source))
        create = getattr(self._client, model.endpoint).with_raw_response.create
        async with asking(self._vendor, creating=True):
            answer = await create(**given, **arguments)
        try:
            task = await answer.parse()
            remote_id = task.id  # None where the answer has none, whatever its type says
        except (ValueError, AttributeError):
            remote_id = None
        if not remote_id:
            raise OutcomeUnknown(
                N_(
                    "{provider} took this request, but what it answered cannot be read; "
                    "it may have been charged."
                ).format(provider=self.title)
            )
        details: dict[str, Any] = {"request": arguments}
        if (request_id := answer.headers.get("x-request-id")) is not None:
            details["request_id"] = request_id
        estimated = _credits(task, "estimated_cost")
        return Submission(remote_id, request.kind, details, estimated)

    async def follow(self, submission: Submission, report: Report) -> Outcome:
        """Ask after a task until it has ended."""
        unanswered = 0
        while True:
            try:
                task = await self._task(submission)
            except (ProviderUnavailable, RateLimited):
                unanswered += 1
                if unanswered == UNANSWERED:
                    raise
            else:
                unanswered = 0
                if task.status == "SUCCEEDED":
                    await report(1.0)
                    return Outcome(cost=_credits(task, "cost"))
                if task.status in {"FAILED", "CANCELLED"}:
                    raise self._ended(task)
                throttled = task.status == "THROTTLED"
                waiting = N_("waiting for its turn at {provider}").format(provider=self.title)
                share = getattr(task, "progress", None)
                await report(share, waiting=waiting if throttled else "")
            await asyncio.sleep(self._poll_seconds * random.uniform(1.0, 1.2))

    async def fetch(self, submission: Submission, destination: Path) -> None:
        """Write a task's file; an image that is neither PNG nor JPEG becomes a PNG."""
        try:
            await self._download(submission, destination)
        except ProviderUnavailable as error:
            if error.details.get("status") not in _EXPIRED:
                raise
            await self._download(submission, destination)  # the task has a fresh address now

    async def cancel(self, submission: Submission) -> None:
        """Delete a task. One that is running already stops, but is charged all the same."""
        try:
            async with asking(self._vendor):
                await self._reading.tasks.delete(str(submission.remote_id))
        except ProviderError as error:
            if error.details.get("status") != HTTPStatus.NOT_FOUND:
                raise

    async def check(self) -> str:
        """Ask for the account's balance and limits, which costs nothing."""
        known = await self._learn()
        return f"{self.status}; tier limits known for {known} models"

    async def refresh(self) -> None:
        """Learn the balance, and how many items of each model may be in flight and begun a day."""
        await self._learn()

    async def close(self) -> None:
        """Close the connections."""
        if self._made is not None:
            await self._made.close()
        if self._files is not None:
            await self._files.aclose()
        self._made = self._files = None

    @property
    def _client(self) -> runwayml.AsyncRunwayML:
        """The client for what costs money: nothing is sent twice."""
        if self._made is None:
            limits = httpx.Limits(max_connections=None, max_keepalive_connections=KEPT_ALIVE)
            self._made = runwayml.AsyncRunwayML(
                api_key=self._secret,
                base_url=self._base_url,
                max_retries=0,
                timeout=httpx.Timeout(self._timeout, connect=10.0),
                http_client=httpx.AsyncClient(
                    limits=limits,
                    follow_redirects=False,
                    trust_env=may_use_proxy(self._base_url),
                ),
            )
        return self._made

    @property
    def _reading(self) -> runwayml.AsyncRunwayML:
        """The client for what costs nothing."""
        return self._client.with_options(max_retries=READS)

    @property
    def _file_client(self) -> httpx2.AsyncClient:
        """A client that has no key."""
        if self._files is None:
            self._files = http_client(self._base_url)
        return self._files

    @asynccontextmanager
    async def _readable(self) -> AsyncIterator[None]:
        """Ask for what costs nothing; an answer that is no such thing is no answer."""
        try:
            async with asking(self._vendor):
                yield
        except (ValueError, TypeError, AttributeError):  # not JSON, or without what must be there
            raise ProviderUnavailable(
                N_(
                    "{provider} gave an answer that cannot be read; it is asked again shortly."
                ).format(provider=self.title)
            ) from None

    async def _uploaded(self, source: Path) -> str:
        """Return the address of a file at RunwayML, where it stays for a while."""
        try:
            async with asyncio.timeout(UPLOAD_SECONDS), self._readable():
                return (await self._reading.uploads.create_ephemeral(file=source)).uri
        except (httpx.TransportError, OSError) as error:  # the SDK wraps those of one call of two
            raise self._vendor.no_answer(error, creating=False) from error

    async def _task(self, submission: Submission) -> Any:  # noqa: ANN401  # a union of the SDK's
        """Return a task as it stands; who asks asks again."""
        try:
            async with self._readable():
                task: Any = await self._client.tasks.retrieve(str(submission.remote_id))
                if task.status is None:
                    raise ValueError(task)
                return task
        except RequestRejected as error:
            if error.details.get("status") != HTTPStatus.NOT_FOUND:
                raise
            sentence = N_("{provider} no longer knows this task.")
            raise GenerationFailed(sentence.format(provider=self.title)) from None

    def _ended(self, task: Any) -> ProviderError:  # noqa: ANN401  # as above
        """Return the error of a task that has ended without a file."""
        cost = _credits(task, "cost")
        if task.status == "CANCELLED":
            sentence = N_("This task was cancelled at {provider}.").format(provider=self.title)
            return GenerationFailed(sentence, code="cancelled_at_provider", cost=cost)
        code = getattr(task, "failure_code", None) or ""
        said = self._vendor.cleaned(getattr(task, "failure", None) or "it did not say why")
        told: dict[str, Any] = {"cost": cost, "details": {"failure_code": code, "failure": said}}
        if code.startswith(_REJECTED):
            sentence = N_(
                "{provider} does not make this, for reasons of safety. "
                "Please put the prompt in other words."
            )
            return PromptRejected(sentence.format(provider=self.title), **told)
        if code == "ASSET.INVALID":
            sentence = N_("{provider} cannot use this file: {said}")
            return RequestRejected(sentence.format(provider=self.title, said=said), **told)
        if code.startswith("INTERNAL.BAD_OUTPUT"):
            sentence = N_("What {provider} made came out too badly to be handed over.")
            return GenerationFailed(sentence.format(provider=self.title), **told)
        if code in _TEMPORARY:
            sentence = N_("{provider} failed for reasons of its own.").format(provider=self.title)
            free = cost == 0
            return GenerationFailed(sentence, retryable=free, retry_after=AGAIN_SECONDS, **told)
        sentence = N_("{provider} could not make this: {said}")
        return GenerationFailed(sentence.format(provider=self.title, said=said), **told)

    async def _download(self, submission: Submission, destination: Path) -> None:
        task = await self._task(submission)
        address = next(iter(getattr(task, "output", None) or ()), None)
        if address is None:
            sentence = N_("{provider} keeps no file of this task.")
            raise GenerationFailed(sentence.format(provider=self.title))
        # After a crash the task's id is all there is, and only the file's name tells its kind.
        suffix = Path(urlsplit(address).path).suffix.lower()
        kind = submission.handle or (Kind.IMAGE if suffix in _IMAGES else Kind.VIDEO)
        await download(self._file_client, address, destination, kind, self._vendor)
        if kind == Kind.IMAGE:
            await asyncio.to_thread(_convert, destination)

    async def _learn(self) -> int:
        """Take over what the account says of itself; return for how many models it has limits."""
        async with self._readable():
            found = await self._reading.organization.retrieve()
            limits = found.tier.models
            offered = tuple(_limited(each, limits.get(each.model)) for each in self._offered)
            self.status = N_("{number} credits left").format(number=f"{found.credit_balance:,}")
        self._balance = found.credit_balance
        self._offered = offered  # read by other threads: they see the old or the new one
        return len(limits)


def _limited(
    capability: Capability, limit: organization_retrieve_response.TierModels | None
) -> Capability:
    """Return what a model can do within an account's limits."""
    if limit is None:
        return replace(capability, limit=1, per_day=None)
    at_once = limit.max_concurrent_generations
    return replace(
        capability,
        limit=UNLIMITED if at_once is None else at_once,
        per_day=limit.max_daily_generations,
    )


def _credits(task: object, name: str) -> float | None:
    """Return what a task says of its cost; None where it says nothing."""
    return getattr(getattr(task, name, None), "credits", None)


def _convert(path: Path) -> None:
    """Make an image a PNG, unless it is one, or a JPEG."""
    content = path.read_bytes()
    try:
        converted = as_image_file(content)
    except OSError:
        return  # whoever looks it over says what is wrong with it
    if converted is not content:
        path.write_bytes(converted)
