"""OpenAI, and every server that speaks its images and `/v1/videos` endpoints.

An image is the answer to its own request: nothing can be asked after it later, so a connection
that breaks off leaves a paid image `unknown`. A video is a task with an id.
"""

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx2
import openai

from core.i18n import N_
from core.models import Kind, Task
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
    OutcomeUnknown,
    ProviderError,
    ProviderUnavailable,
)
from core.providers.http.call_errors import provider_errors
from core.providers.http.client import Call, http_client, open_response, read_body
from core.providers.http.download import Fetcher, fetch_with_retries
from core.providers.http.polling import poll
from core.providers.openai.dialects import DIALECTS, Dialect, detect_dialect, owners
from core.providers.openai.images import Picture, request_id
from core.providers.openai.models import (
    PRICES,
    cost_of,
    image_body,
    image_capability,
    is_gpt_image,
    video_body,
    video_capability,
)
from core.providers.openai.moderation import MODEL, Moderation
from core.providers.openai.server import REJECTED, SPENT, Server
from core.providers.responses.media_search import Medium
from core.providers.responses.reader import Reply, State, last_part, read_reply
from core.providers.responses.vendor_errors import Vendor

__all__ = ["OpenAI", "Server"]

SECONDS: Final = 900.0  # a large image on a small machine
MAX_RETRIES: Final = 4  # times that what costs nothing is asked again
MODELS_SECONDS: Final = 10.0  # to be told the models, before a creating call


class OpenAI(Provider):
    """Images, one request each; and clips from servers that have `/v1/videos`.

    Args:
        server: who is asked.
        poll_seconds: how often a video is asked after.
        seconds: to wait for an answer, at most.
    """

    rank = 10
    deadlines = Deadlines(submit=SECONDS + 60, follow=7200.0)

    def __init__(
        self, server: Server, *, poll_seconds: float = 3.0, seconds: float = SECONDS
    ) -> None:
        self.name = server.name
        self.title = server.title
        self.limits = Limits(at_once=server.limit * 2)
        self._server = server
        self._poll_seconds = poll_seconds
        self._prices = PRICES | dict(server.prices)
        key = server.api_key.strip()
        self._vendor = Vendor(
            title=server.title,
            key_setting=server.key_setting,
            secrets=(key,),
            rejection_codes=REJECTED,
            balance_codes=SPENT,
        )
        self._dialect = DIALECTS.get(server.dialect if server.base_url else "openai")
        self._moderation = Moderation(self._vendor, self._moderated)
        self._setup_error: ProviderError | None = None
        try:
            self._http = http_client(server.base_url)
            self._timeout = httpx2.Timeout(seconds, connect=10.0)
            self._client = openai.AsyncOpenAI(
                api_key=self._vendor.checked_key(key) or "none",
                base_url=(server.base_url or "").strip() or None,
                max_retries=0,
                timeout=self._timeout,
                http_client=self._http,
            )
            bearer = dict(self._client.auth_headers)
            base_url = str(self._client.base_url)
            self._fetcher = Fetcher(self._vendor, base_url, bearer, server.closed_ports)
        except Exception as error:  # noqa: BLE001  # one setting's mistake takes no other down
            self._setup_error = self._vendor.not_sent(error)

    def capabilities(self) -> Sequence[Capability]:
        """What the configured models can do."""
        server = self._server
        shared: dict[str, Any] = {
            "limit": server.limit,
            "paid": server.paid,
            "dialect": self._dialect or DIALECTS["openai"],
        }
        return [
            *(image_capability(model, **shared) for model in server.image_models),
            *(video_capability(model, task=Task.CREATE, **shared) for model in server.video_models),
            *(
                video_capability(model, task=Task.ANIMATE, **shared)
                for model in server.animate_models
            ),
        ]

    async def submit(self, request: Request) -> Submission:
        """Ask for one image or clip."""
        self._require_usable()
        if self._server.moderated:
            await self._moderation.screen(request.prompt)
        dialect = await self._detect_dialect()
        async with provider_errors(self._vendor, creating=self._server.paid) as call:
            if request.kind == Kind.IMAGE:
                return await self._submit_image(request, dialect, call)
            return await self._submit_video(request, dialect, call)

    async def follow(self, submission: Submission, report: Report) -> Outcome:
        """Wait for the image or clip."""
        if submission.remote_id is not None:
            return await self._follow_video(submission.remote_id, report)
        picture: Picture = submission.handle
        if picture.parts is not None:
            async with provider_errors(self._vendor, creating=self._server.paid) as call:
                call.sent = True
                try:
                    await picture.read_events(picture.parts, self._server.partial_images, report)
                finally:
                    await picture.close()
                    call.reply = picture.reply
                self._require_media(picture)
            await report(1.0)
            return self._outcome(picture, picture.reply)
        await report(1.0)
        return self._outcome(picture, None)

    async def fetch(self, submission: Submission, destination: Path) -> None:
        """Write the file, byte for byte as it came."""
        if submission.remote_id is not None:
            remote_id = submission.remote_id
            await fetch_with_retries(
                lambda: self._fetch_video(remote_id, destination), self._vendor, self._poll_seconds
            )
            return
        picture: Picture = submission.handle
        kind = picture.kind

        async def fetch() -> None:
            await self._fetcher.save(picture.media, destination, kind)

        await fetch_with_retries(fetch, self._vendor, self._poll_seconds)

    async def cancel(self, submission: Submission) -> None:
        """Delete a clip's task. An image that is being made cannot be stopped, only left alone."""
        if submission.remote_id is None:
            picture: Picture = submission.handle
            await picture.close()
            sentence = N_("{provider} cannot be told to stop.")
            raise ProviderError(sentence.format(provider=self.title))
        try:
            async with provider_errors(self._vendor):
                deleting = self._retrying.videos.with_streaming_response
                async with deleting.delete(submission.remote_id):
                    pass  # what it says of it is of no interest
        except ProviderError as error:
            if error.details.get("status") != HTTPStatus.NOT_FOUND:
                raise

    async def reread(self, reply: bytes, request: Request) -> Submission:
        """Return what a kept reply holds: its image or clip, or a clip's task."""
        if request.kind == Kind.VIDEO:
            return self._clip(await asyncio.to_thread(read_reply, reply, Kind.VIDEO), reply, {})
        picture = Picture(request.model)
        await picture.read(reply)
        self._require_media(picture)
        return Submission(handle=picture, reply=reply)

    async def check(self) -> str:
        """List the server's models, which costs nothing, and say which of ours it lacks."""
        self._require_usable()
        there = await self._list_models()
        ours = list(dict.fromkeys(each.model for each in self.capabilities()))
        dialect = self._dialect or DIALECTS["openai"]
        missing = [model for model in ours if model not in there]
        if missing and dialect.listed not in there:
            raise ProviderError(f"{self.title} answers, but does not list {', '.join(missing)}.")
        return f"The key is accepted; {', '.join(ours)}."

    async def close(self) -> None:
        """Close the connections."""
        if self._setup_error is None:
            await self._client.close()

    @property
    def _retrying(self) -> openai.AsyncOpenAI:
        """The client for what costs nothing."""
        return self._client.with_options(max_retries=MAX_RETRIES, timeout=60.0)

    def _require_usable(self) -> None:
        if self._setup_error is not None:
            raise self._setup_error

    async def _detect_dialect(self) -> Dialect:
        """Return the server's dialect, asking it once where the settings do not say it."""
        if self._dialect is None:
            try:
                async with asyncio.timeout(MODELS_SECONDS):
                    await self._list_models()
            except (ProviderError, TimeoutError):
                return DIALECTS["openai"]  # for this once
        return self._dialect or DIALECTS["openai"]

    async def _list_models(self) -> Mapping[str, str]:
        """Return the owners of the models that the server lists, by the models' names."""
        listing = self._retrying.models.with_streaming_response
        reply, headers = await self._read(listing.list(), Kind.IMAGE)
        models = owners(reply)
        if self._dialect is None:
            self._dialect = await detect_dialect(models, headers, self._get)
        return models

    async def _get(self, path: str) -> Reply:
        """Return what the server has at a path below its root; empty: nothing."""
        try:
            async with provider_errors(self._vendor), self._request("GET", path) as answer:
                raw = await read_body(answer.aiter_bytes())
        except ProviderError as error:
            if error.details.get("status", 500) < HTTPStatus.INTERNAL_SERVER_ERROR:
                return Reply()
            raise
        return await asyncio.to_thread(read_reply, raw, Kind.IMAGE)

    def _request(
        self, method: str, path: str, body: object = None
    ) -> AbstractAsyncContextManager[httpx2.Response]:
        """Send what the SDK has no call for, below the server's root."""
        url = str(self._client.base_url).rstrip("/").removesuffix("/v1") + path
        more: dict[str, Any] = {"headers": dict(self._client.auth_headers), "json": body}
        return open_response(self._http, method, url, timeout=self._timeout, **more)

    async def _read(self, asked: Any, kind: Kind) -> tuple[Reply, Mapping[str, str]]:  # noqa: ANN401  # a context manager of the SDK's
        """Return what a call that costs nothing is answered, and its headers."""
        async with provider_errors(self._vendor), asked as answer:
            raw = await read_body(answer.http_response.aiter_bytes())
            return await asyncio.to_thread(read_reply, raw, kind), answer.headers

    async def _moderated(self, prompt: str) -> Reply:
        moderating = self._retrying.moderations.with_streaming_response
        return (await self._read(moderating.create(model=MODEL, input=prompt), Kind.IMAGE))[0]

    async def _submit_image(self, request: Request, dialect: Dialect, call: Call) -> Submission:
        body = image_body(request.model, request.params, request.end_user, dialect)
        if self._server.extra:
            body["extra_body"] = body.get("extra_body", {}) | dict(self._server.extra)
        if dialect.is_openai and is_gpt_image(request.model):
            body |= {"stream": True, "partial_images": self._server.partial_images}
        prompt = dialect.prompt(request.prompt, request.params)
        picture = Picture(request.model)
        answer = await picture.open(
            self._client.images.with_streaming_response.generate(prompt=prompt, **body)
        )
        details = request_id(answer.headers)
        if "text/event-stream" in answer.headers.get("content-type", ""):
            picture.parts = answer.http_response.aiter_bytes()
            return Submission(handle=picture, details=details)
        await picture.read(await picture.whole(answer.http_response, call))
        self._require_media(picture)
        return Submission(handle=picture, details=details, reply=picture.reply)

    def _require_media(self, picture: Picture) -> None:
        """Raise what it means that an answer holds nothing.

        Raises:
            ProviderError: there is neither an image nor an address of one.
        """
        if picture.media:
            return
        if picture.failure is not None:
            raise self._vendor.error_from_message(*picture.failure)
        said = self._vendor.cleaned(picture.said)
        text = picture.nothing(said, paid=self._server.paid).format(provider=self.title, said=said)
        if not self._server.paid:
            raise ProviderUnavailable(text)
        raise OutcomeUnknown(text, reply=self._vendor.redacted(picture.reply))

    def _outcome(self, picture: Picture, reply: bytes | None) -> Outcome:
        details = dict(picture.details)
        if picture.usage is not None:
            details["usage"] = picture.usage
        price = self._prices.get(picture.model)
        cost = cost_of(picture.usage, price) if self._server.paid else 0.0
        return Outcome(cost=cost, details=details, reply=reply)

    async def _submit_video(self, request: Request, dialect: Dialect, call: Call) -> Submission:
        if dialect.clip_route:
            return await self._submit_clip(request, dialect, call)
        body = video_body(request.model, request.params, dialect)
        body["extra_body"] |= dict(self._server.extra)
        if request.source is not None:
            body["input_reference"] = request.source
        picture = Picture(request.model, Kind.VIDEO)
        answer = await picture.open(
            self._client.videos.with_streaming_response.create(prompt=request.prompt, **body)
        )
        raw = await picture.whole(answer.http_response, call)
        reply = await asyncio.to_thread(read_reply, raw, Kind.VIDEO)
        if not (reply.id or reply.media or reply.refused):  # only where it is (RFC 9110, 15.3.3)
            reply = replace(reply, id=last_part(answer.headers.get("location", "")))
        return self._clip(reply, raw, request_id(answer.headers), broken=picture.broken)

    async def _submit_clip(self, request: Request, dialect: Dialect, call: Call) -> Submission:
        """Ask for a clip that is the answer itself."""
        given = request.model, request.prompt, request.params, request.source
        body = await asyncio.to_thread(dialect.clip, *given) | dict(self._server.extra)
        picture = Picture(request.model, Kind.VIDEO)
        answer = await picture.open(self._request("POST", dialect.clip_route, body))
        raw = await picture.whole(answer, call)
        reply = replace(await asyncio.to_thread(read_reply, raw, Kind.VIDEO), id="")
        return self._clip(reply, raw, request_id(answer.headers), broken=picture.broken)

    def _clip(
        self,
        reply: Reply,
        raw: bytes,
        details: Mapping[str, Any],
        *,
        broken: BaseException | None = None,
    ) -> Submission:
        """Return the clip, or the task, that an answer to a creating call holds.

        Raises:
            ProviderError: it holds neither.
        """
        here = [medium for medium in reply.media if not medium.address]
        if here or (reply.media and not reply.id):
            picture = Picture("", Kind.VIDEO, media=here or reply.media)
            return Submission(handle=picture, details=details, reply=raw)
        if reply.state == State.FAILED and reply.message:
            raise self._vendor.error_from_message(reply.code, reply.message)
        if reply.id:
            return Submission(reply.id, details=details, reply=raw)
        picture = Picture("", Kind.VIDEO, said=reply.message, broken=broken, reply=raw)
        if reply.refused:
            picture.failure = reply.code, reply.message
        self._require_media(picture)
        raise AssertionError

    async def _task(self, remote_id: str) -> Reply:
        retrieving = self._retrying.videos.with_streaming_response
        return (await self._read(retrieving.retrieve(remote_id), Kind.VIDEO))[0]

    async def _follow_video(self, remote_id: str, report: Report) -> Outcome:
        async def file_exists() -> bool:
            return await self._fetcher.is_there(self._content_of(remote_id), Kind.VIDEO)

        await poll(
            lambda: self._task(remote_id),
            report,
            self._vendor,
            failed=lambda reply: self._vendor.error_from_message(reply.code, reply.message),
            file_exists=file_exists,
            poll_seconds=self._poll_seconds,
        )
        return Outcome(cost=None if self._server.paid else 0.0)

    async def _fetch_video(self, remote_id: str, destination: Path) -> None:
        """Write a clip from where its servers keep it, else from where its task says it is."""
        content = Medium(self._content_of(remote_id))
        try:
            await self._fetcher.save([content], destination, Kind.VIDEO)
        except ProviderUnavailable:
            task = await self._task(remote_id)
            if not task.media and task.message:
                raise self._vendor.no_file(task.message) from None
            if not task.media:
                raise
            await self._fetcher.save(task.media, destination, Kind.VIDEO)

    def _content_of(self, remote_id: str) -> str:
        base_url = str(self._client.base_url).rstrip("/")
        return f"{base_url}/videos/{quote(remote_id, safe='')}/content"
