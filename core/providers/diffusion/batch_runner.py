"""Running diffusion models in one thread: one model at a time, similar images in one call."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from core.i18n import N_
from core.models import Kind
from core.providers.diffusion.pipelines import Item, Pipeline, reason
from core.providers.errors import GenerationFailed, ProviderError

BATCH_ON_CPU: Final = 1  # a CPU gains nothing from more, and the first would be ready later
GATHER_SECONDS: Final = 0.2  # to wait for the rest of a batch, once its first item has arrived
PATIENCE_SECONDS: Final = 120.0  # for which items of the loaded model go before an older one
STOP_SECONDS: Final = 30.0  # a step of a large model takes seconds

_log = logging.getLogger(__name__)


class BatchRunner:
    """The thread that runs the models, and its queue.

    Args:
        device: what to run on, as PyTorch calls it; empty: the best there is.
        batch: number of images that a GPU makes in one call.
        name: of the thread.
    """

    def __init__(self, device: str, batch: int, name: str) -> None:
        self._device = device
        self._batch = batch
        self._waiting: list[tuple[float, Item]] = []  # with the time of arrival
        self._current: list[Item] = []
        self._alone: set[tuple[object, ...]] = set()  # `Item.alike` that fit only singly
        self._pipeline: Pipeline | None = None
        self._closing = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._thread.start()

    def add(self, item: Item) -> None:
        """Queue an item."""
        with self._changed:
            self._waiting.append((time.monotonic(), item))
            self._changed.notify()

    def close(self) -> None:
        """Stop the current items at their next step, and end the thread."""
        with self._changed:
            self._closing = True
            for item in [*self._current, *(item for _, item in self._waiting)]:
                item.made.cancel()
            self._changed.notify()
        self._thread.join(STOP_SECONDS)

    def _run(self) -> None:
        while (item := self._next()) is not None:
            try:
                self._serve(item)
            except Exception as error:  # noqa: BLE001  # no error of a library ends the thread
                self._fail(item.request.model, error)
            self._current = []
        if self._pipeline is not None:
            self._pipeline.unload()

    def _fail(self, model: str, error: Exception) -> None:
        """Fail the current items, or all that wait for a model that cannot be loaded."""
        if isinstance(error, ProviderError):
            failure = error
        else:
            _log.error("%s failed", model, exc_info=error)
            failure = GenerationFailed(f"{model} failed: {reason(error)}.")
        for item in self._current or self._take(lambda each: each.request.model == model):
            item.settle(failure)

    def _next(self) -> Item | None:
        """Wait for an item and return it, still queued; None: the runner is closed."""
        with self._changed:
            while not self._closing:
                self._waiting = [each for each in self._waiting if not each[1].made.done()]
                if self._waiting:
                    return self._preferred()
                self._changed.wait()
        return None

    def _preferred(self) -> Item:
        """Return the first item, or one of the loaded model until the first has waited too long."""
        arrived_at, first = self._waiting[0]
        loaded = None if self._pipeline is None else self._pipeline.model
        if time.monotonic() - arrived_at > PATIENCE_SECONDS:
            return first
        return next((item for _, item in self._waiting if item.request.model == loaded), first)

    def _serve(self, item: Item) -> None:
        """Make an item, and those that fit into the same call."""
        request = item.request
        if self._pipeline is None or self._pipeline.model != request.model:
            item.waiting = N_("loading the model {model}").format(model=request.model)
            if self._pipeline is not None:
                self._pipeline.unload()
                self._pipeline = None
            self._pipeline = Pipeline(request.model, request.kind, self._device)
        self._gather(item, self._pipeline)
        if self._current:  # unless all were cancelled meanwhile
            self._make(self._pipeline, self._current)

    def _gather(self, item: Item, pipeline: Pipeline) -> None:
        """Take an item, and others that can be made with it, out of the queue."""
        most = min(self._batch, BATCH_ON_CPU) if pipeline.on_cpu else self._batch
        # A clip uses a GPU fully; several at once need more memory and save no time.
        if item.request.kind == Kind.VIDEO or item.alike in self._alone:
            most = 1

        def all_there() -> bool:
            return sum(each.alike == item.alike for _, each in self._waiting) >= most

        with self._changed:
            self._changed.wait_for(all_there, GATHER_SECONDS)
            self._current = self._take(lambda each: each.alike == item.alike, most)

    def _take(self, wanted: Callable[[Item], bool], most: int | None = None) -> list[Item]:
        """Take matching items out of the queue, the first to arrive first."""
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
