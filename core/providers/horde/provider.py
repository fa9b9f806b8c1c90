"""The AI Horde: volunteers' computers that run Stable Diffusion for anyone, free of charge.

Its limits are those of its API (https://aihorde.net/api) and of its source (Haidra-Org/AI-Horde,
`horde/apis/v2` and `horde/exceptions.py`): two requests for images in a second and 90 in a minute
from one address, ten requests of one image's `status` in a minute, one of its `check` in a second.
An image that no volunteer took up in 20 minutes is dropped, and a file's address is valid for 30.
"""

import asyncio
import random
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import httpx2

from core.i18n import N_
from core.models import Kind
from core.providers import base, errors
from core.providers.horde import replies
from core.providers.horde.request import LARGE, OPTIONS, SMALL, request_body
from core.providers.http.call_errors import provider_errors
from core.providers.http.client import http_client, read_body
from core.providers.http.download import Fetcher, fetch_with_retries
from core.providers.http.polling import MAX_UNANSWERED, resumable
from core.providers.responses.reader import Reply, number, read_reply
from core.providers.responses.vendor_errors import Vendor, body_of
from core.providers.responses.vendor_message import code_and_message

ANONYMOUS: Final = "0000000000"
MODELS: Final = ("stable_diffusion", "AlbedoBase XL (SDXL)")
CLIENT_AGENT: Final = "fivefold:0.1:fivefold"  # name, version, contact
IMPOSSIBLE: Final = 3  # polls in a row: volunteers come and go at any moment

# Five items that are polled every four seconds make 75 requests a minute, and each item three more
# beside its polls: together fewer than the 90 that one address may send.
_LIMITS: Final = base.Limits(at_once=5, per_minute=4)

# `rc` of the Horde's responses: README_return_codes.md of its source.
_REJECTED: Final = frozenset(
    {"CorruptPrompt", "InvalidPromptSize", "InvalidPromptEncoding", "NulByteInPayload"}
)
_LATER: Final = {"MaintenanceMode": 60.0, "NoValidWorkers": 600.0, "TimeoutIP": 600.0}  # seconds
_GONE_STATUSES: Final = frozenset({404, 410})
STATUS_EVERY: Final = 8  # polls of `check` without `done`; then `status`, which is limited


class Horde(base.Provider):
    """Images from volunteers' computers. Nothing is charged, so all calls may be retried.

    Args:
        api_key: the account's key; the default is anonymous.
        base_url: the Horde's address.
        models: offered ones, the preferred one first; `ANY` is whichever is free first.
        poll_seconds: between two polls of an image.
        timeout: seconds to wait for a response.
    """

    name = "ai-horde"
    title = "AI Horde"
    notice = N_(
        "Free of charge: volunteers' computers draw. Without a key of one's own it is slow."
    )
    limits = _LIMITS
    rank = 100

    def __init__(
        self,
        api_key: str = ANONYMOUS,
        *,
        base_url: str = "https://aihorde.net",
        models: Sequence[str] = MODELS,
        poll_seconds: float = 4.0,
        timeout: float = 30.0,
    ) -> None:
        self._base_url = base_url.strip().rstrip("/")
        api_key = api_key.strip()
        self._models = tuple(models)
        self._poll_seconds = poll_seconds
        self._timeout = timeout
        self._headers = {"apikey": api_key, "Client-Agent": CLIENT_AGENT}
        self._vendor = Vendor(
            title=self.title,
            key_setting="AI_HORDE_API_KEY",
            secrets=() if api_key == ANONYMOUS else (api_key,),
            uncharged=frozenset({HTTPStatus.TOO_MANY_REQUESTS, *range(500, 600)}),
            rejection_codes=_REJECTED,
        )
        self._setup_error: errors.ProviderError | None = None
        try:
            self._vendor.checked_key(api_key)
            self._client = http_client(self._base_url)
            self._fetcher = Fetcher(self._vendor, self._base_url)
        except Exception as error:  # noqa: BLE001  # one setting's mistake takes no other down
            self._setup_error = self._vendor.not_sent(error)
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

    def capabilities(self) -> Sequence[base.Capability]:
        """Return one for each model."""
        return [
            base.Capability(
                kind=Kind.IMAGE,
                model=model,
                ratios=LARGE if "XL" in model else SMALL,
                options=OPTIONS,
                exact=False,
                limit=_LIMITS.at_once or 1,
                paid=False,
            )
            for model in self._models
        ]

    async def submit(self, request: base.Request) -> base.Submission:
        """Queue one image at the Horde."""
        answer, raw = await self._call("POST", "generate/async", request_body(request))
        if answer.id:
            warnings = answer.fact("warnings")
            details = {} if warnings is None else {"warnings": warnings}
            return base.Submission(answer.id, details=details, reply=raw)
        if answer.refused:
            raise self._vendor.error_from_message(answer.code, answer.message)
        raise self._vendor.unreadable_response()

    async def follow(self, submission: base.Submission, report: base.Report) -> base.Outcome:
        """Wait until a volunteer has made the image.

        Raises:
            GenerationFailed: no volunteer could make it, or it was stopped.
            PromptRejected: the volunteer's filter blackened it.
            RequestRejected: no present volunteer can make such an image.
        """
        remote_id = str(submission.remote_id)
        begun, share = time.monotonic(), 0.0
        unanswered = impossible = polls = 0
        while True:
            pause, polls = self._poll_seconds, polls + 1
            try:
                task = await self._poll(remote_id, polls)
            except errors.ProviderError as error:
                unanswered += 1
                if unanswered == MAX_UNANSWERED:
                    raise self._after_polls(error) from None
                pause = max(pause, min(error.retry_after or 0.0, 60.0))
            else:
                unanswered = 0
                if replies.is_done(task):
                    break
                if task.fact("faulted") is True:
                    raise errors.GenerationFailed(
                        N_("No volunteer could make this image."), retryable=True
                    )
                impossible = impossible + 1 if task.fact("is_possible") is False else 0
                if impossible == IMPOSSIBLE:
                    await self._give_up(submission)
                share = max(share, replies.progress_of(task, time.monotonic() - begun))
                await report(share, waiting=replies.waiting_text(task))
            await asyncio.sleep(pause * random.uniform(1.0, 1.2))
        outcome = replies.outcome_of(await self._get("status", remote_id))
        await report(1.0)
        return outcome

    async def fetch(self, submission: base.Submission, destination: Path) -> None:
        """Write the image's file as it came: the Horde's are WebP."""
        remote_id = str(submission.remote_id)

        async def fetch() -> None:  # each response has a fresh address
            task = await self._get("status", remote_id)
            replies.check_censorship(task)
            if not task.media:
                raise self._vendor.unreadable_response()
            await self._fetcher.save(task.media, destination, Kind.IMAGE)

        await fetch_with_retries(fetch, self._vendor, self._poll_seconds)

    async def reread(self, reply: bytes, request: base.Request) -> base.Submission:
        """Return the submission of the image whose id is in a kept reply."""
        answer = read_reply(reply, request.kind)
        if not answer.id:
            raise self._vendor.unreadable_response()
        return base.Submission(answer.id, reply=reply)

    async def cancel(self, submission: base.Submission) -> None:
        """Remove the image from the Horde's queue."""
        path = f"generate/status/{quote(str(submission.remote_id), safe='')}"
        try:
            await self._call("DELETE", path)
        except errors.ProviderError as error:
            if error.details.get("status") not in _GONE_STATUSES:
                raise

    async def check(self) -> str:
        """Return the owner of the key and the credit; free of charge."""
        await self._call("GET", "status/heartbeat")
        try:
            user, _raw = await self._call("GET", "find_user")
        except errors.ProviderError as error:  # it responds 404, and quotes the key
            if error.details.get("status") not in _GONE_STATUSES:
                raise
            raise errors.InvalidCredentials(
                f"{self.title} does not know the key in AI_HORDE_API_KEY. Please look it over."
            ) from None
        name = user.text("username")
        return f"The key is accepted: {name}, {number(user.fact('kudos')) or 0:,.0f} kudos."

    async def close(self) -> None:
        """Close the connections."""
        if self._setup_error is None:
            await self._client.aclose()

    async def _call(
        self, method: str, path: str, body: Mapping[str, Any] | None = None
    ) -> tuple[Reply, bytes]:
        """Return the Horde's reply, and its raw body."""
        if self._setup_error is not None:
            raise self._setup_error
        async with (
            provider_errors(self._vendor),
            self._client.stream(
                method,
                f"{self._base_url}/api/v2/{path}",
                json=body,
                headers=self._headers,
                timeout=self._timeout,
            ) as answer,
        ):
            if not answer.is_success:
                await answer.aread()
                self._check_response(answer)
                answer.raise_for_status()
            raw = await read_body(answer.aiter_bytes())
        return await asyncio.to_thread(read_reply, raw, Kind.IMAGE), raw

    def _check_response(self, answer: httpx2.Response) -> None:
        """Raise the error of a response that means something else at other vendors."""
        if answer.status_code in _GONE_STATUSES and answer.request.method != "POST":
            sentence = N_("{provider} does not know this image (any more).")
            raise errors.ProviderUnavailable(
                sentence.format(provider=self.title), details={"status": answer.status_code}
            )
        code, message = code_and_message(body_of(answer))
        said = self._vendor.cleaned(message)
        if code in _LATER:
            sentence = N_("{provider} makes nothing at the moment: {said}")
            raise errors.ProviderUnavailable(
                sentence.format(provider=self.title, said=said), retry_after=_LATER[code]
            )
        forbidden = answer.status_code == HTTPStatus.FORBIDDEN  # never the key's fault here
        if forbidden and code not in _REJECTED:
            sentence = N_("{provider} does not allow this: {said}")
            raise errors.RequestRejected(sentence.format(provider=self.title, said=said or "403"))

    async def _get(self, at: str, remote_id: str) -> Reply:
        return (await self._call("GET", f"generate/{at}/{quote(remote_id, safe='')}"))[0]

    async def _poll(self, remote_id: str, polls: int) -> Reply:
        """Return an image's `check`, and now and then its `status` where that tells nothing."""
        task = await self._get("check", remote_id)
        if task.document is None:
            raise self._vendor.unreadable_response()
        if not isinstance(task.fact("done"), bool) and polls % STATUS_EVERY == 0:
            return await self._get("status", remote_id)
        return task

    def _after_polls(self, error: errors.ProviderError) -> errors.ProviderError:
        """Return the error of an image whose polls failed repeatedly."""
        if error.details.get("status") in _GONE_STATUSES:
            sentence = N_("{provider} has forgotten this image.")  # making it anew is free
            return errors.GenerationFailed(sentence.format(provider=self.title), retryable=True)
        return resumable(error, self._vendor)

    async def _give_up(self, submission: base.Submission) -> None:
        """Remove an image that no volunteer can make from the queue, and raise the error."""
        with suppress(errors.ProviderError):
            await self.cancel(submission)
        raise errors.RequestRejected(
            N_(
                "None of the volunteers who are there can make this image. "
                "Please choose another model or ratio, or fewer steps."
            )
        )
