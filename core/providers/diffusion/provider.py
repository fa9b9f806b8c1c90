"""Stable Diffusion and similar models on the worker's own machine, by Hugging Face's diffusers."""

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from core.i18n import N_
from core.models import Kind
from core.providers import base
from core.providers.diffusion import pipelines
from core.providers.diffusion.batch_runner import BatchRunner
from core.providers.errors import GenerationFailed

WAITING: Final = N_("waiting for its turn on this machine's GPU")
PROGRESS_SECONDS: Final = 0.25

IMAGE_RATIOS: Final = {  # near SDXL's million pixels, in multiples of 64
    "1:1": (1024, 1024),
    "16:9": (1344, 768),
    "9:16": (768, 1344),
    "4:3": (1024, 768),
    "3:4": (768, 1024),
}
VIDEO_RATIOS: Final = {  # near Wan's 832 × 480, in multiples of 16
    "16:9": (848, 480),
    "9:16": (480, 848),
    "1:1": (480, 480),
    "4:3": (640, 480),
    "3:4": (480, 640),
}
_OPTIONS: Final = (
    base.Option(
        name="steps",
        title=N_("Steps"),
        type="integer",
        minimum=1,
        maximum=150,
        help=N_("More take longer and show more detail. Fast models want 1 to 8."),
    ),
    base.Option(
        name="guidance",
        title=N_("Guidance"),
        type="number",
        minimum=0,
        maximum=30,
        help=N_("How closely to follow the prompt. Fast models want 0 or 1."),
    ),
    base.Option(
        name="negative_prompt",
        title=N_("Negative prompt"),
        maximum=2000,
        help=N_("What should not be seen."),
    ),
)
_SIZE: Final = base.Option(
    name="size",
    title=N_("Size"),
    choices=("512x512", "768x512", "512x768", "768x768"),
    help=N_("For Stable Diffusion 1 and 2, which know smaller pictures only. Replaces the shape."),
)


class Diffusion(base.Provider):
    """Runs models of the Hugging Face Hub, or from folders, on this machine.

    Args:
        image_models: names or folders of text-to-image models, the preferred one first.
        video_models: names or folders of text-to-video models, such as Wan.
        device: what to run on, as PyTorch calls it; empty: the best there is.
        batch: number of images that a GPU makes in one call.
    """

    name = "diffusers"
    title = "Stable Diffusion"
    local = True
    rank = 30
    deadlines = base.Deadlines(follow=14_400.0)  # weights may have to be downloaded first

    def __init__(
        self,
        image_models: Sequence[str],
        video_models: Sequence[str],
        *,
        device: str = "",
        batch: int = 4,
    ) -> None:
        self._image_models = tuple(image_models)
        self._video_models = tuple(video_models)
        self._device = device
        self._batch = batch
        self._runner: BatchRunner | None = None

    def capabilities(self) -> Sequence[base.Capability]:
        """Return one for each configured model."""
        images = [
            base.Capability(
                kind=Kind.IMAGE,
                model=model,
                ratios=IMAGE_RATIOS,
                options=(_SIZE, *_OPTIONS),
                limit=2 * self._batch,  # one batch waits while another is made
                queue="gpu",
                paid=False,
            )
            for model in self._image_models
        ]
        clips = [
            base.Capability(
                kind=Kind.VIDEO,
                model=model,
                ratios=VIDEO_RATIOS,
                seconds=range(1, 6),
                default_seconds=5,
                options=_OPTIONS,
                exact=False,  # other models than Wan round to sizes of their own
                limit=2 * self._batch,
                queue="gpu",
                paid=False,
            )
            for model in self._video_models
        ]
        return (*images, *clips)

    async def submit(self, request: base.Request) -> base.Submission:
        """Queue the item."""
        if self._runner is None:
            self._runner = BatchRunner(self._device, self._batch, self.name)
        item = pipelines.Item(request, WAITING)
        self._runner.add(item)
        return base.Submission(handle=item)

    async def follow(self, submission: base.Submission, report: base.Report) -> base.Outcome:
        """Wait for the item.

        Raises:
            GenerationFailed: it could not be made, or was stopped.
            PromptRejected: the model's safety checker blacked it out.
            ProviderError: the model cannot be used here; the text says why.
        """
        item: pipelines.Item = submission.handle
        result = asyncio.wrap_future(item.made)
        while not result.done():
            await report(item.share, waiting=item.waiting)
            await asyncio.wait([result], timeout=PROGRESS_SECONDS)
        if result.cancelled():
            raise GenerationFailed(N_("The work was stopped."))
        made = result.result()
        await report(1.0)
        return base.Outcome(cost=0.0, details=made.details)

    async def fetch(self, submission: base.Submission, destination: Path) -> None:
        """Write the picture as PNG, or the clip as MP4."""
        await asyncio.to_thread(_write, submission.handle, destination)

    async def cancel(self, submission: base.Submission) -> None:
        """Stop at the next step, unless other items are made in the same call."""
        item: pipelines.Item = submission.handle
        item.made.cancel()

    async def check(self) -> str:
        """Return what it runs on and which weights are on disk; loads no model.

        Raises:
            ProviderError: a package or the device is missing.
        """
        return await asyncio.to_thread(self._health)

    async def close(self) -> None:
        """End the thread and free the model."""
        runner, self._runner = self._runner, None
        if runner is not None:
            await asyncio.to_thread(runner.close)

    def _health(self) -> str:
        torch, diffusers = pipelines.libraries()
        device = pipelines.best_device(torch, self._device)
        if device.startswith("cuda"):
            device += f" ({torch.cuda.get_device_name(device)})"
        models = [*self._image_models, *self._video_models]
        state = {True: "on disk", False: "to be downloaded when first used"}
        weights = [f"{model}: {state[pipelines.on_disk(model)]}" for model in models]
        versions = f"PyTorch {torch.__version__}, diffusers {diffusers.__version__}"
        return f"Runs on {device} with {versions}. {'; '.join(weights)}."


def _write(item: pipelines.Item, destination: Path) -> None:
    # Imported here: the web process imports this module, but makes nothing.
    import numpy as np  # noqa: PLC0415

    from core.media.encoding import encode_clip, encode_png  # noqa: PLC0415

    frames = item.made.result().frames
    if item.request.kind == Kind.IMAGE:
        destination.write_bytes(encode_png(frames[0]))
    else:
        pixels = (np.asarray(frame.convert("RGB")) for frame in frames)
        encode_clip(pixels, destination, *frames[0].size, pipelines.FPS)
