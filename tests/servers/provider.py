"""Providers over the stand-in vendor, each a kind of its own, added by a real entry point.

Answers are read by the product's own reader, so that the vendor may be as odd as others.
`studio` is paid and can be resumed, `instant` is paid and cannot, `sketch` is free and cannot.
"""

import asyncio
import os
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from pathlib import Path
from typing import ClassVar

import httpx2

from core.models import Cost, Kind
from core.providers import errors
from core.providers.base import Capability, Outcome, Provider, Report, Request, Submission
from core.providers.registry import ENTRY_POINTS
from core.providers.responses.reader import State, read_reply
from core.settings import Settings

RATIOS = {"1:1": (64, 64)}
PATIENCE = 5  # unanswered questions about a task in a row, until it is left for later
_BEFORE_SENDING = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)


class StandIn(Provider):
    """What the three have in common.

    Args:
        url: of the stand-in.
        limit: items of one model in flight at once.
        poll_seconds: how often a task is asked after.
        timeout: seconds to wait for an answer.
    """

    kinds: ClassVar[Mapping[Kind, str]]
    paid: ClassVar[bool] = True

    def __init__(
        self, url: str, *, limit: int = 50, poll_seconds: float = 0.2, timeout: float = 10.0
    ) -> None:
        self._limit = limit
        self._poll_seconds = poll_seconds
        self._client = httpx2.AsyncClient(
            base_url=url,
            timeout=timeout,
            trust_env=False,
            limits=httpx2.Limits(max_connections=None, max_keepalive_connections=20),
        )

    @classmethod
    def from_settings(cls, settings: Settings) -> list[Provider]:
        """Return the provider where STANDIN_URL, which is no setting of ours, names the vendor."""
        del settings
        url = os.environ.get("STANDIN_URL")
        if not url:
            return []
        provider = cls(
            url,
            limit=int(os.environ.get("STANDIN_LIMIT", "50")),
            poll_seconds=float(os.environ.get("STANDIN_POLL_SECONDS", "0.2")),
            timeout=float(os.environ.get("STANDIN_TIMEOUT_SECONDS", "10")),
        )
        return [provider]

    def capabilities(self) -> Sequence[Capability]:
        return [
            Capability(
                kind=kind,
                model=model,
                ratios=RATIOS,
                seconds=(1,) if kind == Kind.VIDEO else (),
                default_seconds=1 if kind == Kind.VIDEO else None,
                limit=self._limit,
                paid=self.paid,
                cost=Cost(estimated=0.05 if self.paid else 0.0),
            )
            for kind, model in self.kinds.items()
        ]

    async def check(self) -> str:
        await self._ask("GET", "/health")
        return "The stand-in answers."

    async def close(self) -> None:
        await self._client.aclose()

    async def _create(self, path: str, request: Request) -> httpx2.Response:
        """Send the one request that costs money, once."""
        order = {
            "kind": request.kind,
            "model": request.model,
            "asset_id": request.asset_id,
            **{name: request.params.get(name) for name in ("width", "height", "seconds")},
        }
        try:
            response = await self._client.post(path, json=order)
        except _BEFORE_SENDING as error:
            raise errors.ProviderUnavailable from error
        except httpx2.TransportError as error:
            raise errors.OutcomeUnknown if self.paid else errors.ProviderUnavailable from error
        return _checked(response)

    async def _ask(self, method: str, path: str) -> httpx2.Response:
        """Send a request that is free of charge."""
        try:
            response = await self._client.request(method, path)
        except httpx2.TransportError as error:
            raise errors.ProviderUnavailable from error
        return _checked(response)


class Studio(StandIn):
    """Paid, by tasks that can be asked after by their ids."""

    name = "studio"
    title = "Studio"
    kinds: ClassVar[Mapping[Kind, str]] = {Kind.IMAGE: "still-1", Kind.VIDEO: "clip-1"}

    async def submit(self, request: Request) -> Submission:
        created = (await self._create("/tasks", request)).content
        reply = read_reply(created, request.kind)
        if not reply.id:
            raise errors.OutcomeUnknown(reply=created)
        return Submission(reply.id)

    async def follow(self, submission: Submission, report: Report) -> Outcome:
        unanswered = 0
        while True:
            try:
                asked = await self._ask("GET", f"/tasks/{submission.remote_id}")
            except errors.ProviderUnavailable:
                unanswered += 1
                if unanswered == PATIENCE:
                    raise
            else:
                unanswered = 0
                task = read_reply(asked.content, Kind.IMAGE)
                if task.state == State.DONE:
                    return Outcome()
                if task.state in {State.FAILED, State.CANCELLED}:
                    raise errors.GenerationFailed
                await report(task.progress)
            await asyncio.sleep(self._poll_seconds)

    async def fetch(self, submission: Submission, destination: Path) -> None:
        try:
            async with self._client.stream(
                "GET", f"/tasks/{submission.remote_id}/file"
            ) as response:
                _checked(response)
                with destination.open("wb") as file:
                    async for part in response.aiter_bytes():
                        file.write(part)
        except (httpx2.TransportError, errors.GenerationFailed) as error:
            # Its task has ended well, so the file must turn up.
            raise errors.ProviderUnavailable from error

    async def cancel(self, submission: Submission) -> None:
        await self._ask("DELETE", f"/tasks/{submission.remote_id}")


class AtOnce(StandIn):
    """What it makes is the answer to the request."""

    path: ClassVar[str]

    async def submit(self, request: Request) -> Submission:
        return await self.reread((await self._create(self.path, request)).content, request)

    async def reread(self, reply: bytes, request: Request) -> Submission:
        media = read_reply(reply, request.kind).media
        # What is no such file is taken as it is, for somebody else to find that out.
        return Submission(handle=media[0].decoded() if media else reply, reply=reply)

    async def follow(self, submission: Submission, report: Report) -> Outcome:
        del submission
        await report(1.0)
        return Outcome()

    async def fetch(self, submission: Submission, destination: Path) -> None:
        made: bytes = submission.handle
        destination.write_bytes(made)

    async def cancel(self, submission: Submission) -> None:
        """Nothing is left to be stopped."""


class Instant(AtOnce):
    """Paid; images only."""

    name = "instant"
    title = "Instant"
    path = "/images"
    kinds: ClassVar[Mapping[Kind, str]] = {Kind.IMAGE: "instant-1"}


class Sketch(AtOnce):
    """Free of charge."""

    name = "sketch"
    title = "Sketch"
    path = "/sketches"
    paid = False
    kinds: ClassVar[Mapping[Kind, str]] = {Kind.IMAGE: "sketch-1", Kind.VIDEO: "sketch-1"}


def install(folder: Path, *names: str, **others: str) -> Path:
    """Make the providers known to whoever has the returned folder on the PYTHONPATH.

    Args:
        folder: where the installed package's metadata is written.
        names: of the providers, the one to be preferred first.
        others: more entry points, by their names.
    """
    entries = {
        f"{number}-{name}": f"{__name__}:{name.capitalize()}"
        for number, name in enumerate(names, 1)
    }
    lines = [f"{name} = {value}" for name, value in (entries | others).items()]
    metadata = folder / "fivefold_standin-1.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: fivefold-standin\nVersion: 1.0\n"
    )
    (metadata / "entry_points.txt").write_text("\n".join([f"[{ENTRY_POINTS}]", *lines, ""]))
    return folder


def _checked(response: httpx2.Response) -> httpx2.Response:
    """Return an answer of success; raise what any other means."""
    if response.is_success:
        return response
    if response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        raise errors.RateLimited(retry_after=float(response.headers.get("Retry-After", 1)))
    if response.status_code in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
        raise errors.InvalidCredentials
    if response.is_server_error:
        raise errors.ProviderUnavailable
    raise errors.GenerationFailed
