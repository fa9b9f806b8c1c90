"""A provider whose every step is told what to do, for tests of those who drive providers."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from core.media.encoding import encode_clip, encode_png
from core.models import Kind
from core.providers.base import Capability, Provider, Report, Request, Submission
from core.providers.registry import Catalogue

SIZE = {"1:1": (64, 64)}


class FakeProvider(Provider):
    """Makes tiny files at once; `fail_submit` and `fail_follow` raise; `hold` stalls `follow`."""

    name = "fake"
    title = "Fake"

    def __init__(self, *, paid: bool = False, resumable: bool = False) -> None:
        self.paid = paid
        self.resumable = resumable
        self.submitted: list[str] = []
        self.cancelled: list[Submission] = []
        self.fail_submit: list[Exception] = []
        self.fail_follow: list[Exception] = []
        self.content: bytes | None = None
        self.hold = asyncio.Event()
        self.hold.set()

    def capabilities(self) -> Sequence[Capability]:
        return (
            Capability(kind=Kind.IMAGE, model="tiny", ratios=SIZE, limit=50, paid=self.paid),
            Capability(
                kind=Kind.VIDEO,
                model="tiny",
                ratios=SIZE,
                seconds=(1,),
                default_seconds=1,
                limit=50,
                paid=self.paid,
            ),
        )

    async def submit(self, request: Request) -> Submission:
        self.submitted.append(request.asset_id)
        if self.fail_submit:
            raise self.fail_submit.pop(0)
        return Submission(f"remote-{request.asset_id}" if self.resumable else None, request.kind)

    async def follow(self, submission: Submission, report: Report) -> None:
        await report(0.5)
        await self.hold.wait()
        if self.fail_follow:
            raise self.fail_follow.pop(0)
        assert submission

    async def fetch(self, submission: Submission, destination: Path) -> None:
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

    async def check(self) -> str:
        return "Fine."


def catalogue_of(provider: Provider) -> Catalogue:
    return Catalogue({provider.name: provider})
