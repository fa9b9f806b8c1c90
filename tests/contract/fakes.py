"""A provider whose steps a test controls, for tests of those who drive providers."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from core.media.encoding import encode_clip, encode_png
from core.models import Kind
from core.providers.base import (
    Capability,
    Outcome,
    Provider,
    Queue,
    Report,
    Request,
    Submission,
)
from core.providers.registry import Catalogue

SIZE = {"1:1": (64, 64)}


class FakeProvider(Provider):
    """Makes tiny files at once; `fail_submit` and `fail_follow` raise; `hold` stalls `follow`."""

    name = "fake"
    title = "Fake"

    def __init__(
        self,
        *,
        paid: bool = False,
        resumable: bool = False,
        limit: int = 50,
        queue: Queue = "io",
    ) -> None:
        self.paid = paid
        self.each: dict[str, Any] = {"limit": limit, "queue": queue, "paid": paid}
        self.resumable = resumable
        self.submitted: list[str] = []
        self.cancelled: list[Submission] = []
        self.fail_submit: list[Exception] = []
        self.fail_follow: list[Exception] = []
        self.fail_fetch: list[Exception] = []
        self.fail_reread: list[Exception] = []
        self.reply: bytes | None = None
        self.reread_replies: list[bytes] = []
        self.content: bytes | None = None
        self.outcome = Outcome()
        self.requests: list[Request] = []
        self.fail_cancel: list[Exception] = []
        self.hold = asyncio.Event()
        self.hold.set()
        self.hold_submit = asyncio.Event()
        self.hold_submit.set()
        self.hold_fetch = asyncio.Event()
        self.hold_fetch.set()
        self.at_once = self.most_at_once = 0

    def capabilities(self) -> Sequence[Capability]:
        return (
            Capability(kind=Kind.IMAGE, model="tiny", ratios=SIZE, **self.each),
            Capability(
                kind=Kind.VIDEO,
                model="tiny",
                ratios=SIZE,
                seconds=(1,),
                default_seconds=1,
                **self.each,
            ),
        )

    async def submit(self, request: Request) -> Submission:
        self.submitted.append(request.asset_id)
        self.requests.append(request)
        await self.hold_submit.wait()
        if self.fail_submit:
            raise self.fail_submit.pop(0)
        remote_id = f"remote-{request.asset_id}" if self.resumable else None
        return Submission(remote_id, request.kind, reply=self.reply)

    async def reread(self, reply: bytes, request: Request) -> Submission:
        self.reread_replies.append(reply)
        if self.fail_reread:
            raise self.fail_reread.pop(0)
        return Submission(None, request.kind, reply=reply)

    async def follow(self, submission: Submission, report: Report) -> Outcome:
        assert submission
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await report(0.5)
            await self.hold.wait()
        finally:
            self.at_once -= 1
        if self.fail_follow:
            raise self.fail_follow.pop(0)
        return self.outcome

    async def fetch(self, submission: Submission, destination: Path) -> None:
        await self.hold_fetch.wait()
        if self.fail_fetch:
            raise self.fail_fetch.pop(0)
        remote_kind = Kind.VIDEO if "video" in (submission.remote_id or "") else Kind.IMAGE
        kind = submission.handle or remote_kind
        if self.content is not None:
            destination.write_bytes(self.content)
        elif kind == Kind.IMAGE:
            destination.write_bytes(encode_png(Image.new("RGB", (64, 64), "teal")))
        else:
            frame = np.zeros((64, 64, 3), np.uint8)
            await asyncio.to_thread(encode_clip, [frame] * 24, destination, 64, 64, 24)

    async def cancel(self, submission: Submission) -> None:
        self.cancelled.append(submission)
        if self.fail_cancel:
            raise self.fail_cancel.pop(0)

    async def check(self) -> str:
        return "Fine."


class Reports:
    """A `Report` that records what it is given."""

    def __init__(self) -> None:
        self.shares: list[float] = []
        self.waiting: list[str] = []
        self.previews: list[bytes] = []

    async def __call__(
        self, share: float | None = None, *, waiting: str = "", preview: bytes | None = None
    ) -> None:
        if share is not None:
            self.shares.append(share)
        if waiting:
            self.waiting.append(waiting)
        if preview is not None:
            self.previews.append(preview)


def catalogue_of(provider: Provider) -> Catalogue:
    return Catalogue({provider.name: provider})
