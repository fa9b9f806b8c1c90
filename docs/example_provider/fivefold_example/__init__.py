"""A provider for Fivefold: flowing colours, drawn here and now, free of charge."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from core.media.encoding import encode_clip, encode_png
from core.models import Kind
from core.providers.base import Capability, Option, Outcome, Provider, Report, Request, Submission
from core.settings import Settings

RATIOS = {"1:1": (512, 512), "16:9": (640, 360), "9:16": (360, 640)}
SCALE = Option(
    name="scale",
    title="Scale",
    type="number",
    default=4.0,
    minimum=1.0,
    maximum=20.0,
    help="How many waves there are from one side to the other.",
)


class Plasma(Provider):
    """Draws sine waves in the colours that the prompt and the seed give."""

    name = "plasma"
    title = "Plasma"
    notice = "An example: the prompt only chooses the colours."
    local = True  # its limits are then each worker's

    def capabilities(self) -> Sequence[Capability]:
        """One model for images and one for clips; forms and checks are made of this."""
        shared: dict[str, Any] = {"ratios": RATIOS, "options": (SCALE,), "paid": False, "limit": 2}
        return [
            Capability(kind=Kind.IMAGE, model="waves-1", **shared),
            Capability(
                kind=Kind.VIDEO, model="waves-1", seconds=(1, 2, 3), default_seconds=2, **shared
            ),
        ]

    async def submit(self, request: Request) -> Submission:
        """Take the request. Without a `remote_id`, it is begun anew after a restart."""
        return Submission(handle=request)

    async def follow(self, submission: Submission, report: Report) -> Outcome:
        """Say how far it is; here, it is drawn when it is fetched."""
        await report(1.0)
        return Outcome(cost=0.0, details={"seed": submission.handle.params["seed"]})

    async def fetch(self, submission: Submission, destination: Path) -> None:
        """Write the file, in a thread: what computes must not hold up the event loop."""
        await asyncio.to_thread(_write, submission.handle, destination)

    async def cancel(self, submission: Submission) -> None:
        """Nothing is left to be stopped."""

    async def check(self) -> str:
        """Say that it is well; one that cannot work raises a `ProviderError` instead."""
        return "Draws waves; needs nothing."


def from_settings(_settings: Settings) -> list[Provider]:
    """Return what is switched on; a provider that lacks its key or address is left out."""
    return [Plasma()]


def _write(request: Request, path: Path) -> None:
    params = request.params
    width, height = params["width"], params["height"]
    if request.kind == Kind.IMAGE:
        path.write_bytes(encode_png(Image.fromarray(_waves(request, 0.0))))
        return
    total = params["seconds"] * params["fps"]
    encode_clip(
        (_waves(request, at / total) for at in range(total)), path, width, height, params["fps"]
    )


def _waves(request: Request, turn: float) -> NDArray[np.uint8]:
    """Return one frame; `turn` goes from 0 to 1 in a clip, which ends as it began."""
    params = request.params
    chance = np.random.default_rng([params["seed"], *request.prompt.encode()])
    y, x = np.mgrid[0 : params["height"], 0 : params["width"]] / params["width"]
    layers = []
    for angle, start in chance.uniform(0, 2 * np.pi, (3, 2)):  # red, green, blue
        along = (x * np.cos(angle) + y * np.sin(angle)) * params["scale"]
        layers.append(127.5 + 127.5 * np.sin(2 * np.pi * (along + turn) + start))
    return np.stack(layers, axis=-1).astype(np.uint8)
