"""RunwayML: images and clips, of a text or of an item; each a task that is resumed by its id.

What it charges is in its tasks, in credits: an estimate while they run, the cost when they have
ended. States, failure codes and what may be retried are those of its API's documentation
(docs.dev.runwayml.com), version 2024-11-06.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx
import runwayml

from core.i18n import N_
from core.models import Kind
from core.providers import base, errors
from core.providers.http.call_errors import provider_errors
from core.providers.http.client import Call, ReplyTooLarge, httpx_client, read_body
from core.providers.http.download import Fetcher, fetch_with_retries
from core.providers.http.polling import poll
from core.providers.responses.media_search import Medium
from core.providers.responses.reader import Reply, State, number, read_reply
from core.providers.responses.signatures import kind_of
from core.providers.responses.vendor_errors import Vendor
from core.providers.responses.vendor_message import first_field
from core.providers.runway.catalogue import models

MAX_RETRIES: Final = 4  # of calls that cost nothing
_LARGEST_LIMIT: Final = 1_000_000  # a vendor's number may be any
UNLIMITED: Final = 20  # items of one model in flight, where RunwayML sets no limit
RETRY_SECONDS: Final = 30.0  # after a failure that RunwayML did not charge
UPLOAD_SECONDS: Final = 45.0  # with all retries, so that enough is left for the paid call
_REJECTED: Final = ("SAFETY.", "INPUT_PREPROCESSING.SAFETY.")
_TEMPORARY: Final = frozenset(
    {"INTERNAL", "INPUT_PREPROCESSING.INTERNAL", "THIRD_PARTY.UNAVAILABLE"}
)


class Runway(base.Provider):
    """RunwayML, with the models that its SDK knows.

    Args:
        api_secret: the key.
        base_url: its address, without `/v1`; None: the SDK's default.
        poll_seconds: between two polls of a task; RunwayML wants no less than five.
        timeout: seconds to wait for a response.
    """

    name = "runwayml"
    title = "RunwayML"
    rank = 20
    deadlines = base.Deadlines(submit=120.0, follow=7200.0)

    def __init__(
        self,
        api_secret: str,
        *,
        base_url: str | None = None,
        poll_seconds: float = 5.0,
        timeout: float = 60.0,
    ) -> None:
        secret = api_secret.strip()
        self._poll_seconds = poll_seconds
        self._vendor = Vendor(
            title=self.title,
            key_setting="RUNWAYML_API_SECRET",
            secrets=(secret,),
            uncharged=frozenset({429, 502, 503, 504}),
            balance_codes=frozenset({"not have enough credits"}),
        )
        self._models = {
            (each.capability.kind, each.capability.task, each.capability.model): each
            for each in models()
        }
        self._offered = tuple(each.capability for each in models())
        self._balance: int | None = None
        self._setup_error: errors.ProviderError | None = None
        address = (base_url or "").strip() or None
        try:
            self._client = runwayml.AsyncRunwayML(
                api_key=self._vendor.checked_key(secret),
                base_url=address,
                max_retries=0,  # nothing that costs money is sent twice
                timeout=httpx.Timeout(timeout, connect=10.0),
                http_client=httpx_client(address),
            )
            self._fetcher = Fetcher(self._vendor, str(self._client.base_url))
        except Exception as error:  # noqa: BLE001  # one setting's mistake takes no other down
            self._setup_error = self._vendor.not_sent(error)

    def capabilities(self) -> Sequence[base.Capability]:
        """Return what the SDK's models can do, within the account's limits if known."""
        return self._offered

    async def submit(self, request: base.Request) -> base.Submission:
        """Start a task, after uploading its source, which is free."""
        model = self._models.get((request.kind, request.task, request.model))
        if model is None:
            sentence = N_("{provider} has no model “{model}” for this.")
            raise errors.RequestRejected(sentence.format(provider=self.title, model=request.model))
        if self._setup_error is not None:
            raise self._setup_error
        arguments = model.arguments(request.params)
        if self._balance is not None and self._balance <= 0:
            raise errors.BalanceSpent(
                N_(
                    "The account at {provider} has no credits left. "
                    "Please top it up, then try again."
                ).format(provider=self.title)
            )
        given: dict[str, Any] = {"prompt_text": request.prompt} if model.prompted else {}
        if request.source is not None:
            given |= model.source(await self._uploaded(request.source))
        create = getattr(self._client, model.endpoint).with_streaming_response.create
        async with (
            provider_errors(self._vendor, creating=True) as call,
            create(**given, **arguments) as response,
        ):
            raw = await _partial_body(response, call)
            details: dict[str, Any] = {"request": arguments}
            if (request_id := response.headers.get("x-request-id")) is not None:
                details["request_id"] = request_id
            return self._submission(raw, request.kind, details)

    async def follow(self, submission: base.Submission, report: base.Report) -> base.Outcome:
        """Poll a task until it has ended."""
        if submission.remote_id is None:
            await report(1.0)
            return base.Outcome()
        kind = _kind(submission) or Kind.VIDEO
        ended = await poll(
            lambda: self._task(submission, kind),
            report,
            self._vendor,
            failed=self._ended,
            poll_seconds=self._poll_seconds,
        )
        return base.Outcome(cost=_credits(ended, "cost"))

    async def fetch(self, submission: base.Submission, destination: Path) -> None:
        """Write a task's file, byte for byte as it came."""
        await fetch_with_retries(
            lambda: self._download(submission, destination), self._vendor, self._poll_seconds
        )

    async def reread(self, reply: bytes, request: base.Request) -> base.Submission:
        """Return the task, or the media, that a kept reply holds."""
        return self._submission(reply, request.kind, {})

    async def cancel(self, submission: base.Submission) -> None:
        """Delete a task. A running one stops, but is charged all the same."""
        try:
            async with provider_errors(self._vendor):
                await self._retrying.tasks.delete(str(submission.remote_id))
        except errors.ProviderError as error:
            if error.details.get("status") != HTTPStatus.NOT_FOUND:
                raise

    async def check(self) -> str:
        """Request the account's balance and limits, which costs nothing."""
        known = await self._update_account()
        return f"{self.status}; tier limits known for {known} models"

    async def refresh(self) -> None:
        """Update the balance and the limits of each model: concurrent items, items a day."""
        await self._update_account()

    async def close(self) -> None:
        """Close the connections."""
        if self._setup_error is None:
            await self._client.close()

    @property
    def _retrying(self) -> runwayml.AsyncRunwayML:
        """The client for calls that cost nothing."""
        return self._client.with_options(max_retries=MAX_RETRIES)

    def _submission(self, raw: bytes, kind: Kind, details: Mapping[str, Any]) -> base.Submission:
        """Return the task, or the media, in the response of a creating call.

        Raises:
            ProviderError: it holds neither.
        """
        reply = read_reply(raw, kind)
        if reply.id:
            estimated = _credits(reply, "estimatedCost")
            return base.Submission(reply.id, kind, details, estimated, reply=raw)
        if reply.media:
            return base.Submission(handle=reply.media, details=details, reply=raw)
        if reply.refused:
            raise self._vendor.error_from_message(reply.code, reply.message)
        raise errors.OutcomeUnknown(
            N_(
                "{provider} took this request, but what it answered cannot be read; "
                "it may have been charged."
            ).format(provider=self.title),
            reply=self._vendor.redacted(raw),
        )

    async def _uploaded(self, source: Path) -> str:
        """Upload a file and return its address at RunwayML, which expires."""
        try:
            async with asyncio.timeout(UPLOAD_SECONDS), provider_errors(self._vendor):
                return (await self._retrying.uploads.create_ephemeral(file=source)).uri
        except (ValueError, TypeError, AttributeError):  # no JSON, or without the field
            raise self._vendor.unreadable_response() from None
        except OSError as error:
            raise self._vendor.no_response(error, creating=False) from error

    async def _task(self, submission: base.Submission, kind: Kind) -> Reply:
        """Return a task; the caller retries."""
        raw = await self._raw_task(submission)
        reply = await asyncio.to_thread(read_reply, raw, kind)
        # A task that waits for its turn is THROTTLED; a PENDING one begins at once.
        return replace(reply, state=State.RUNNING) if reply.word == "PENDING" else reply

    async def _raw_task(self, submission: base.Submission) -> bytes:
        asked = self._client.tasks.with_streaming_response
        async with (
            provider_errors(self._vendor),
            asked.retrieve(quote(str(submission.remote_id), safe="")) as response,
        ):
            return await read_body(response.http_response.aiter_bytes())

    def _ended(self, task: Reply) -> errors.ProviderError:
        """Return the error of a task that has ended without a file."""
        cost = _credits(task, "cost")
        if task.state == State.CANCELLED:
            sentence = N_("This task was cancelled at {provider}.").format(provider=self.title)
            return errors.GenerationFailed(sentence, code="cancelled_at_provider", cost=cost)
        code = task.text("failureCode") or task.code
        said = self._vendor.cleaned(task.text("failure") or task.message)
        fields: dict[str, Any] = {"cost": cost, "details": {"failure_code": code, "failure": said}}
        if code.startswith(_REJECTED):
            sentence = N_(
                "{provider} does not make this, for reasons of safety. "
                "Please put the prompt in other words."
            )
            return errors.PromptRejected(sentence.format(provider=self.title), **fields)
        if code == "ASSET.INVALID":
            sentence = N_("{provider} cannot use this file: {said}")
            return errors.RequestRejected(sentence.format(provider=self.title, said=said), **fields)
        if code.startswith("INTERNAL.BAD_OUTPUT"):
            sentence = N_("What {provider} made came out too badly to be handed over.")
            return errors.GenerationFailed(sentence.format(provider=self.title), **fields)
        if code in _TEMPORARY:
            sentence = N_("{provider} failed for reasons of its own.").format(provider=self.title)
            free = cost == 0
            return errors.GenerationFailed(
                sentence, retryable=free, retry_after=RETRY_SECONDS, **fields
            )
        sentence = (
            N_("{provider} could not make this: {said}")
            if said
            else N_("{provider} could not make this, and did not say why.")
        )
        return errors.GenerationFailed(sentence.format(provider=self.title, said=said), **fields)

    async def _download(self, submission: base.Submission, destination: Path) -> None:
        """Write a task's file from its address, which expires."""
        kind = _kind(submission)
        if submission.remote_id is None:
            media: Sequence[Medium] = submission.handle
            kind = next((kind_of(each.decoded()) for each in media if not each.address), None)
            await self._fetcher.save(media, destination, kind or Kind.VIDEO)
            return
        # After a crash only the task's id is known; the kind follows from the address.
        raw = await self._raw_task(submission)
        kinds = [kind] if kind else [Kind.VIDEO, Kind.IMAGE]
        found = {each: read_reply(raw, each).media for each in kinds}
        if not any(found.values()):
            sentence = N_("{provider} has no file of this task yet.")
            raise errors.ProviderUnavailable(sentence.format(provider=self.title))
        for each in kinds:
            try:
                await self._fetcher.save(found[each], destination, each)
            except errors.ProviderError:
                if each == kinds[-1]:
                    raise
            else:
                return

    async def _update_account(self) -> int:
        """Update balance and limits; return for how many models there are limits."""
        if self._setup_error is not None:
            raise self._setup_error
        asked = self._retrying.organization.with_streaming_response
        async with provider_errors(self._vendor), asked.retrieve() as response:
            raw = await read_body(response.http_response.aiter_bytes())
        found = read_reply(raw, Kind.IMAGE)
        balance, tier = number(found.fact("creditBalance")), found.mapping("tier")
        if balance is None or tier is None:
            raise self._vendor.unreadable_response()
        models_of_tier = first_field(tier, ["models"])
        limits = models_of_tier if isinstance(models_of_tier, dict) else {}
        if limits:  # else the known ones stay
            self._offered = tuple(_limited(each, limits.get(each.model)) for each in self._offered)
        self.status = N_("{number} credits left").format(number=f"{int(balance):,}")
        self._balance = int(balance)
        return len(limits)


def _limited(capability: base.Capability, limit: object) -> base.Capability:
    """Return a capability within the account's limits."""
    if not isinstance(limit, dict):
        return replace(capability, limit=1, per_day=None)
    at_once = number(first_field(limit, ["maxconcurrentgenerations"]))
    per_day = number(first_field(limit, ["maxdailygenerations"]))
    return replace(
        capability,
        limit=UNLIMITED if at_once is None else int(min(at_once, _LARGEST_LIMIT)),
        per_day=None if per_day is None else int(min(per_day, _LARGEST_LIMIT)),
    )


def _credits(task: Reply, name: str) -> float | None:
    """Return the credits in a field of a task; None: there are none."""
    return number((task.mapping(name) or {}).get("credits"))


def _kind(submission: base.Submission) -> Kind | None:
    """Return the kind that a task makes; None: only its id is known."""
    return submission.handle if isinstance(submission.handle, Kind) else None


async def _partial_body(response: Any, call: Call) -> bytes:  # noqa: ANN401  # the SDK's
    """Return the body of a response, perhaps cut off, if it has the id of a task."""
    try:
        return await read_body(response.http_response.aiter_bytes(), call)
    except (httpx.RequestError, httpx.StreamError, ReplyTooLarge):
        if read_reply(call.reply or b"", Kind.VIDEO).id:
            return call.reply or b""
        raise
