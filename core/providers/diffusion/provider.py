"""Stable Diffusion and its kin on the worker's own machine, through Hugging Face's diffusers.

One thread loads the models, one at a time, and runs them; images that wait and are alike are made
in one call.
"""

import asyncio
import logging
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

from core.i18n import N_
from core.models import Kind
from core.providers.base import (
    Capability,
    Deadlines,
    Option,
    Outcome,
    Provider,
    Report,
    Request,
    Submission,
)
from core.providers.diffusion.pipelines import (
    FPS,
    Item,
    Pipeline,
    best_device,
    libraries,
    on_disk,
    reason,
)
from core.providers.errors import GenerationFailed, ProviderError

WAITING: Final = N_("waiting for its turn on this machine's GPU")
BATCH_ON_CPU: Final = 1  # a CPU gains nothing from more, and the first would come later
GATHER_SECONDS: Final = 0.2  # for the rest of a batch to come, once its first item is there
PATIENCE_SECONDS: Final = 120.0  # how long a model waits for another one that is loaded already
STOP_SECONDS: Final = 30.0  # a step of a large model takes seconds
PROGRESS_SECONDS: Final = 0.25

IMAGE_RATIOS: Final = {  # near SDXL's million pixels, and multiples of 64 as it wants
    "1:1": (1024, 1024),
    "16:9": (1344, 768),
    "9:16": (768, 1344),
    "4:3": (1024, 768),
    "3:4": (768, 1024),
}
VIDEO_RATIOS: Final = {  # near Wan's 832 × 480, and multiples of 16 as it wants
    "16:9": (848, 480),
    "9:16": (480, 848),
    "1:1": (480, 480),
    "4:3": (640, 480),
    "3:4": (480, 640),
}
_OPTIONS: Final = (
    Option(
        name="steps",
        title=N_("Steps"),
        type="integer",
        minimum=1,
        maximum=150,
        help=N_("More take longer and show more detail. Fast models want 1 to 8."),
    ),
    Option(
        name="guidance",
        title=N_("Guidance"),
        type="number",
        minimum=0,
        maximum=30,
        help=N_("How closely to follow the prompt. Fast models want 0 or 1."),
    ),
    Option(
        name="negative_prompt",
        title=N_("Negative prompt"),
        maximum=2000,
        help=N_("What should not be seen."),
    ),
)
_SIZE: Final = Option(
    name="size",
    title=N_("Size"),
    choices=("512x512", "768x512", "512x768", "768x768"),
    help=N_("For Stable Diffusion 1 and 2, which know smaller pictures only. Replaces the shape."),
)

_log = logging.getLogger(__name__)


class Diffusion(Provider):
    """Runs models of the Hugging Face Hub, or from folders, on this machine.

    Args:
        image_models: names or folders of text-to-image models, the preferred one first.
        video_models: names or folders of text-to-video models, such as Wan.
        device: what to run on, as PyTorch calls it; empty: the best there is.
        batch: how many images a GPU makes in one call.
    """

    name = "diffusers"
    title = "Stable Diffusion"
    local = True
    rank = 30
    deadlines = Deadlines(follow=14_400.0)  # weights may have to be downloaded first

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
        self._bench: _Bench | None = None

    def capabilities(self) -> Sequence[Capability]:
        """One for each configured model."""
        images = [
            Capability(
                kind=Kind.IMAGE,
                model=model,
                ratios=IMAGE_RATIOS,
                options=(_SIZE, *_OPTIONS),
                limit=2 * self._batch,  # a full batch waits while another one is made
                queue="gpu",
                paid=False,
            )
            for model in self._image_models
        ]
        clips = [
            Capability(
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

    async def submit(self, request: Request) -> Submission:
        """Put the item into the thread's queue."""
        if self._bench is None:
            self._bench = _Bench(self._device, self._batch)
        item = Item(request, WAITING)
        self._bench.add(item)
        return Submission(handle=item)

    async def follow(self, submission: Submission, report: Report) -> Outcome:
        """Wait for the item.

        Raises:
            GenerationFailed: it could not be made, or was stopped.
            PromptRejected: the model's safety checker hides it.
            ProviderError: the model cannot be used here; the text says why.
        """
        item: Item = submission.handle
        result = asyncio.wrap_future(item.made)
        while not result.done():
            await report(item.share, waiting=item.waiting)
            await asyncio.wait([result], timeout=PROGRESS_SECONDS)
        if result.cancelled():
            raise GenerationFailed(N_("The work was stopped."))
        made = result.result()
        await report(1.0)
        return Outcome(cost=0.0, details=made.details)

    async def fetch(self, submission: Submission, destination: Path) -> None:
        """Write the picture as PNG, or the clip as MP4."""
        await asyncio.to_thread(_write, submission.handle, destination)

    async def cancel(self, submission: Submission) -> None:
        """Stop at the next step; where others are made in the same call, drop it from them."""
        item: Item = submission.handle
        item.made.cancel()

    async def check(self) -> str:
        """Say what it runs on and which weights are here; nothing is loaded.

        Raises:
            ProviderError: a package or the device is missing.
        """
        return await asyncio.to_thread(self._health)

    async def close(self) -> None:
        """End the thread and free the model."""
        bench, self._bench = self._bench, None
        if bench is not None:
            await asyncio.to_thread(bench.close)

    def _health(self) -> str:
        torch, diffusers = libraries()
        device = best_device(torch, self._device)
        if device.startswith("cuda"):
            device += f" ({torch.cuda.get_device_name(device)})"
        models = [*self._image_models, *self._video_models]
        weights = [
            f"{model}: {'on disk' if on_disk(model) else 'to be downloaded when first used'}"
            for model in models
        ]
        versions = f"PyTorch {torch.__version__}, diffusers {diffusers.__version__}"
        return f"Runs on {device} with {versions}. {'; '.join(weights)}."


class _Bench:
    """The thread that models are run in, and what waits for it."""

    def __init__(self, device: str, batch: int) -> None:
        self._device = device
        self._batch = batch
        self._waiting: list[tuple[float, Item]] = []  # with when they came
        self._making: list[Item] = []
        self._alone: set[tuple[object, ...]] = set()  # what fits into memory only one by one
        self._pipeline: Pipeline | None = None
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=Diffusion.name, daemon=True)
        self._thread.start()

    def add(self, item: Item) -> None:
        """Put an item into the queue."""
        with self._changed:
            self._waiting.append((time.monotonic(), item))
            self._changed.notify()

    def close(self) -> None:
        """Stop what is being made at its next step, and end the thread."""
        with self._changed:
            self._closing = True
            for item in [*self._making, *(item for _, item in self._waiting)]:
                item.made.cancel()
            self._changed.notify()
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while (item := self._next()) is not None:
            try:
                self._serve(item)
            except Exception as error:  # noqa: BLE001  # whatever a library does, the thread goes on
                self._fail(item.request.model, error)
            self._making = []
        if self._pipeline is not None:
            self._pipeline.unload()

    def _fail(self, model: str, error: Exception) -> None:
        """Fail what was being made, or all that waits for a model that cannot be loaded."""
        if isinstance(error, ProviderError):
            failure = error
        else:
            _log.error("%s failed", model, exc_info=error)
            failure = GenerationFailed(f"{model} failed: {reason(error)}.")
        for item in self._making or self._take(lambda each: each.request.model == model):
            item.settle(failure)

    def _next(self) -> Item | None:
        """Wait for an item and return it, still in the queue; None: there is no more."""
        with self._changed:
            while not self._closing:
                self._waiting = [each for each in self._waiting if not each[1].made.done()]
                if self._waiting:
                    return self._preferred()
                self._changed.wait()
        return None

    def _preferred(self) -> Item:
        """Return the first item, or one that needs no other model, as long as that is fair."""
        came_at, first = self._waiting[0]
        loaded = None if self._pipeline is None else self._pipeline.model
        if time.monotonic() - came_at > PATIENCE_SECONDS:
            return first
        return next((item for _, item in self._waiting if item.request.model == loaded), first)

    def _serve(self, item: Item) -> None:
        """Make an item, and those that can be made along with it."""
        request = item.request
        if self._pipeline is None or self._pipeline.model != request.model:
            item.waiting = N_("loading the model {model}").format(model=request.model)
            if self._pipeline is not None:
                self._pipeline.unload()
                self._pipeline = None
            self._pipeline = Pipeline(request.model, request.kind, self._device)
        self._gather(item, self._pipeline)
        if self._making:  # not all cancelled meanwhile
            self._make(self._pipeline, self._making)

    def _gather(self, item: Item, pipeline: Pipeline) -> None:
        """Take an item, and others like it, out of the queue."""
        most = min(self._batch, BATCH_ON_CPU) if pipeline.on_cpu else self._batch
        # A clip keeps a GPU busy by itself; more at once need the memory and save no time.
        if item.request.kind == Kind.VIDEO or item.alike in self._alone:
            most = 1

        def all_there() -> bool:
            return sum(each.alike == item.alike for _, each in self._waiting) >= most

        with self._changed:
            self._changed.wait_for(all_there, GATHER_SECONDS)
            self._making = self._take(lambda each: each.alike == item.alike, most)

    def _take(self, wanted: Callable[[Item], bool], most: int | None = None) -> list[Item]:
        """Take items out of the queue, the first to come first."""
        with self._changed:
            alive = [item for _, item in self._waiting if not item.made.done()]
            taken = [item for item in alive if wanted(item)][:most]
            self._waiting = [each for each in self._waiting if each[1] not in taken]
        return taken

    def _make(self, pipeline: Pipeline, items: Sequence[Item]) -> None:
        """Make items in one call, or one by one where memory is short."""
        for item in items:
            item.waiting = ""
        if pipeline.make(items):
            return
        if len(items) == 1:
            items[0].settle(pipeline.too_large(items[0].request))
            return
        _log.warning("%d at once are too many for %s's memory", len(items), pipeline.device)
        self._alone.add(items[0].alike)
        for item in items:
            if not item.made.done():
                self._make(pipeline, [item])


def _write(item: Item, destination: Path) -> None:
    # Imported here: the pages' process knows this module, but makes nothing.
    import numpy as np  # noqa: PLC0415

    from core.media.encoding import encode_clip, encode_png  # noqa: PLC0415

    frames = item.made.result().frames
    if item.request.kind == Kind.IMAGE:
        destination.write_bytes(encode_png(frames[0]))
    else:
        pixels = (np.asarray(frame.convert("RGB")) for frame in frames)
        encode_clip(pixels, destination, *frames[0].size, FPS)
