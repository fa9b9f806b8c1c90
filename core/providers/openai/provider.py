"""OpenAI, and every server with its images and `/v1/videos` endpoints.

An image is the response to its own request and cannot be retrieved later, so a connection that
breaks off leaves a paid image `unknown`. A video is a task with an id.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from core.i18n import N_
from core.models import Kind, Task
from core.providers import base
from core.providers.errors import OutcomeUnknown, ProviderError, ProviderUnavailable
from core.providers.http.call_errors import provider_errors
from core.providers.http.client import Call
from core.providers.http.download import fetch_with_retries
from core.providers.http.polling import poll
from core.providers.openai import models
from core.providers.openai.connection import Connection
from core.providers.openai.dialects import Dialect
from core.providers.openai.images import Picture, request_id
from core.providers.openai.moderation import MODEL, Moderation
from core.providers.openai.server import Server
from core.providers.responses.media_search import Medium
from core.providers.responses.reader import Reply, State, last_part, read_reply

__all__ = ["OpenAI", "Server"]

TIMEOUT: Final = 900.0  # seconds; a large image on a small machine


class OpenAI(base.Provider):
    """Images, one request each; and clips from servers that have `/v1/videos`.

    Args:
        server: as it is configured.
        poll_seconds: between two polls of a clip's task.
        timeout: seconds to wait for a response.
    """

    rank = 10
    deadlines = base.Deadlines(submit=TIMEOUT + 60, follow=7200.0)

    def __init__(
        self, server: Server, *, poll_seconds: float = 3.0, timeout: float = TIMEOUT
    ) -> None:
        self.name = server.name
        self.title = server.title
        self.limits = base.Limits(at_once=server.limit * 2)
        self._server = server
        self._poll_seconds = poll_seconds
        self._prices = models.PRICES | dict(server.prices)
        self._connection = Connection(server, timeout)
        self._vendor = self._connection.vendor
        self._moderation = Moderation(self._vendor, self._moderated)

    def capabilities(self) -> Sequence[base.Capability]:
        """Return what the configured models can do."""
        server = self._server
        shared: dict[str, Any] = {
            "limit": server.limit,
            "paid": server.paid,
            "dialect": self._connection.dialect,
        }
        return [
            *(models.image_capability(model, **shared) for model in server.image_models),
            *(
                models.video_capability(model, task=Task.CREATE, **shared)
                for model in server.video_models
            ),
            *(
                models.video_capability(model, task=Task.ANIMATE, **shared)
                for model in server.animate_models
            ),
        ]

    async def submit(self, request: base.Request) -> base.Submission:
        """Request one image or clip."""
        self._connection.require_usable()
        if self._server.moderated:
            await self._moderation.screen(request.prompt)
        dialect = await self._connection.detected_dialect()
        async with provider_errors(self._vendor, creating=self._server.paid) as call:
            if request.kind == Kind.IMAGE:
                return await self._submit_image(request, dialect, call)
            return await self._submit_video(request, dialect, call)

    async def follow(self, submission: base.Submission, report: base.Report) -> base.Outcome:
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

    async def fetch(self, submission: base.Submission, destination: Path) -> None:
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
            await self._connection.fetcher.save(picture.media, destination, kind)

        await fetch_with_retries(fetch, self._vendor, self._poll_seconds)

    async def cancel(self, submission: base.Submission) -> None:
        """Delete a clip's task. An image that is being made cannot be stopped."""
        if submission.remote_id is None:
            picture: Picture = submission.handle
            await picture.close()
            sentence = N_("{provider} cannot be told to stop.")
            raise ProviderError(sentence.format(provider=self.title))
        try:
            async with provider_errors(self._vendor):
                deleting = self._connection.retrying.videos.with_streaming_response
                async with deleting.delete(submission.remote_id):
                    pass  # the response is of no interest
        except ProviderError as error:
            if error.details.get("status") != HTTPStatus.NOT_FOUND:
                raise

    async def reread(self, reply: bytes, request: base.Request) -> base.Submission:
        """Return the image, the clip or the clip's task in a kept reply."""
        if request.kind == Kind.VIDEO:
            return self._clip(await asyncio.to_thread(read_reply, reply, Kind.VIDEO), reply, {})
        picture = Picture(request.model)
        await picture.read(reply)
        self._require_media(picture)
        return base.Submission(handle=picture, reply=reply)

    async def check(self) -> str:
        """List the server's models, which costs nothing, and report which of ours it lacks."""
        self._connection.require_usable()
        there = await self._connection.list_models()
        ours = list(dict.fromkeys(each.model for each in self.capabilities()))
        dialect = self._connection.dialect
        missing = [model for model in ours if model not in there]
        if missing and dialect.listed not in there:
            raise ProviderError(f"{self.title} answers, but does not list {', '.join(missing)}.")
        return f"The key is accepted; {', '.join(ours)}."

    async def close(self) -> None:
        """Close the connections."""
        await self._connection.close()

    async def _moderated(self, prompt: str) -> Reply:
        moderating = self._connection.retrying.moderations.with_streaming_response
        return (
            await self._connection.read(moderating.create(model=MODEL, input=prompt), Kind.IMAGE)
        )[0]

    async def _submit_image(
        self, request: base.Request, dialect: Dialect, call: Call
    ) -> base.Submission:
        body = models.image_body(request.model, request.params, request.end_user, dialect)
        if self._server.extra:
            body["extra_body"] = body.get("extra_body", {}) | dict(self._server.extra)
        if dialect.is_openai and models.is_gpt_image(request.model):
            body |= {"stream": True, "partial_images": self._server.partial_images}
        prompt = dialect.prompt(request.prompt, request.params)
        picture = Picture(request.model)
        response = await picture.open(
            self._connection.client.images.with_streaming_response.generate(prompt=prompt, **body)
        )
        details = request_id(response.headers)
        if "text/event-stream" in response.headers.get("content-type", ""):
            picture.parts = response.http_response.aiter_bytes()
            return base.Submission(handle=picture, details=details)
        await picture.read(await picture.whole(response.http_response, call))
        self._require_media(picture)
        return base.Submission(handle=picture, details=details, reply=picture.reply)

    def _require_media(self, picture: Picture) -> None:
        """Check that a response holds media.

        Raises:
            ProviderError: there is neither an image nor an address of one; it says why.
        """
        if picture.media:
            return
        if picture.failure is not None:
            raise self._vendor.error_from_message(*picture.failure)
        said = self._vendor.cleaned(picture.said)
        text = picture.no_media_sentence(said, paid=self._server.paid).format(
            provider=self.title, said=said
        )
        if not self._server.paid:
            raise ProviderUnavailable(text)
        raise OutcomeUnknown(text, reply=self._vendor.redacted(picture.reply))

    def _outcome(self, picture: Picture, reply: bytes | None) -> base.Outcome:
        details = dict(picture.details)
        if picture.usage is not None:
            details["usage"] = picture.usage
        price = self._prices.get(picture.model)
        cost = models.cost_of(picture.usage, price) if self._server.paid else 0.0
        return base.Outcome(cost=cost, details=details, reply=reply)

    async def _submit_video(
        self, request: base.Request, dialect: Dialect, call: Call
    ) -> base.Submission:
        if dialect.clip_route:
            return await self._submit_clip(request, dialect, call)
        body = models.video_body(request.model, request.params, dialect)
        body["extra_body"] |= dict(self._server.extra)
        if request.source is not None:
            body["input_reference"] = request.source
        picture = Picture(request.model, Kind.VIDEO)
        response = await picture.open(
            self._connection.client.videos.with_streaming_response.create(
                prompt=request.prompt, **body
            )
        )
        raw = await picture.whole(response.http_response, call)
        reply = await asyncio.to_thread(read_reply, raw, Kind.VIDEO)
        if not (reply.id or reply.media or reply.refused):  # only where it is (RFC 9110, 15.3.3)
            reply = replace(reply, id=last_part(response.headers.get("location", "")))
        return self._clip(reply, raw, request_id(response.headers), broken=picture.broken)

    async def _submit_clip(
        self, request: base.Request, dialect: Dialect, call: Call
    ) -> base.Submission:
        """Request a clip that is the response itself."""
        given = request.model, request.prompt, request.params, request.source
        body = await asyncio.to_thread(dialect.clip, *given) | dict(self._server.extra)
        picture = Picture(request.model, Kind.VIDEO)
        response = await picture.open(self._connection.request("POST", dialect.clip_route, body))
        raw = await picture.whole(response, call)
        reply = replace(await asyncio.to_thread(read_reply, raw, Kind.VIDEO), id="")
        return self._clip(reply, raw, request_id(response.headers), broken=picture.broken)

    def _clip(
        self,
        reply: Reply,
        raw: bytes,
        details: Mapping[str, Any],
        *,
        broken: BaseException | None = None,
    ) -> base.Submission:
        """Return the clip, or the task, in the response of a creating call.

        Raises:
            ProviderError: it holds neither.
        """
        here = [medium for medium in reply.media if not medium.address]
        if here or (reply.media and not reply.id):
            picture = Picture("", Kind.VIDEO, media=here or reply.media)
            return base.Submission(handle=picture, details=details, reply=raw)
        if reply.state == State.FAILED and reply.message:
            raise self._vendor.error_from_message(reply.code, reply.message)
        if reply.id:
            return base.Submission(reply.id, details=details, reply=raw)
        picture = Picture("", Kind.VIDEO, said=reply.message, broken=broken, reply=raw)
        if reply.refused:
            picture.failure = reply.code, reply.message
        self._require_media(picture)
        raise AssertionError

    async def _follow_video(self, remote_id: str, report: base.Report) -> base.Outcome:
        async def file_exists() -> bool:
            return await self._connection.fetcher.is_there(
                self._connection.content_url(remote_id), Kind.VIDEO
            )

        await poll(
            lambda: self._connection.task(remote_id),
            report,
            self._vendor,
            failed=lambda reply: self._vendor.error_from_message(reply.code, reply.message),
            file_exists=file_exists,
            poll_seconds=self._poll_seconds,
        )
        return base.Outcome(cost=None if self._server.paid else 0.0)

    async def _fetch_video(self, remote_id: str, destination: Path) -> None:
        """Write a clip from its content URL, else from the address in its task."""
        content = Medium(self._connection.content_url(remote_id))
        try:
            await self._connection.fetcher.save([content], destination, Kind.VIDEO)
        except ProviderUnavailable:
            task = await self._connection.task(remote_id)
            if not task.media and task.message:
                raise self._vendor.no_file(task.message) from None
            if not task.media:
                raise
            await self._connection.fetcher.save(task.media, destination, Kind.VIDEO)
