"""The built-in illustrator as a provider: it draws in a pool of processes.

A drawing takes seconds of a core, so it never runs in the event loop's process. The processes of
the pool report progress in an array that they share with this one.
"""

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from multiprocessing import get_context
from multiprocessing.sharedctypes import RawArray
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

from pebble import ProcessExpired, ProcessPool

from core.i18n import N_
from core.media.bounded_process import end_with_parent
from core.models import Kind, Task
from core.providers import base
from core.providers.errors import GenerationFailed, ProviderUnavailable

DRAWING_TIMEOUT: Final = 600.0  # seconds; a drawing that takes longer hangs
START_SECONDS: Final = 30.0  # a drawing that no process has begun by then never will be
STOP_SECONDS: Final = 5.0
PROGRESS_SECONDS: Final = 0.25
_RESTARTING: Final = N_("The illustrator starts anew.")
_CELLS: Final = 256  # drawings whose progress is kept; far more than cores

IMAGE_RATIOS: Final = {
    "1:1": (1024, 1024),
    "16:9": (1280, 720),
    "9:16": (720, 1280),
    "4:3": (1152, 864),
    "3:4": (864, 1152),
}
VIDEO_RATIOS: Final = {
    "16:9": (1280, 720),
    "9:16": (720, 1280),
    "1:1": (720, 720),
    "4:3": (960, 720),
    "3:4": (720, 960),
}
_LARGEST_IMAGE: Final = 4096 * 4096
_LARGEST_CLIP: Final = 3840 * 2160


@dataclass(frozen=True)
class _Drawing:
    result: asyncio.Future[bytes]
    started: Callable[[], bool]
    begun_at: float
    cell: int


class Illustrator(base.Provider):
    """Draws what the prompt mentions, without key or network. Not an AI model.

    Args:
        processes: number of concurrent drawings; 0: one per CPU core.
    """

    name = "illustrator"
    title = N_("Built-in illustrator")
    notice = N_("Built-in illustrator, not an AI model: add a key for real generation.")
    local = True
    rank = 90

    def __init__(self, processes: int = 0) -> None:
        self._processes = processes or os.cpu_count() or 1
        self.limits = base.Limits(at_once=self._processes)
        self._pool: ProcessPool | None = None
        self._progress = RawArray("d", _CELLS)
        self._free_cells = list(range(_CELLS))

    def capabilities(self) -> Sequence[base.Capability]:
        """Return one model that draws images and clips, animates images, and upscales both."""
        each: dict[str, Any] = {"model": "illustrator-1", "limit": self._processes, "paid": False}
        drawn = {**each, "seed": "job"}
        clip = {"ratios": VIDEO_RATIOS, "seconds": range(3, 11), "default_seconds": 5, **drawn}
        larger = {"task": Task.UPSCALE, "seed": "none", **each}
        image, film = {base.AUTO: (2048, 2048)}, {base.AUTO: (2560, 1440)}
        return (
            base.Capability(kind=Kind.IMAGE, ratios=IMAGE_RATIOS, **drawn),
            base.Capability(kind=Kind.VIDEO, **clip),
            base.Capability(kind=Kind.VIDEO, task=Task.ANIMATE, **clip),
            base.Capability(kind=Kind.IMAGE, ratios=image, max_pixels=_LARGEST_IMAGE, **larger),
            base.Capability(kind=Kind.VIDEO, ratios=film, max_pixels=_LARGEST_CLIP, **larger),
        )

    async def submit(self, request: base.Request) -> base.Submission:
        """Schedule the drawing in the pool, with the content of its source."""
        path = request.source
        source = None if path is None else await asyncio.to_thread(path.read_bytes)
        if self._pool is not None and not self._pool.active:
            await self.close()  # it breaks when an idle process dies
        if self._pool is None:
            self._pool = ProcessPool(
                max_workers=self._processes,
                initializer=_prepare_process,
                initargs=(self._progress,),
                context=get_context("spawn"),
            )
        cell = self._free_cells.pop()
        self._progress[cell] = 0.0
        try:
            future = self._pool.schedule(
                _draw, args=(request, source, cell), timeout=DRAWING_TIMEOUT
            )
        except RuntimeError:  # it broke a moment ago
            self._free_cells.append(cell)
            await self.close()
            raise ProviderUnavailable(_RESTARTING) from None
        future.add_done_callback(lambda _: self._free_cells.append(cell))
        result = asyncio.wrap_future(future)
        return base.Submission(handle=_Drawing(result, future.running, time.monotonic(), cell))

    async def follow(self, submission: base.Submission, report: base.Report) -> base.Outcome:
        """Wait for the drawing.

        Raises:
            GenerationFailed: it could not be drawn.
        """
        drawing: _Drawing = submission.handle
        while not drawing.result.done():
            waited = time.monotonic() - drawing.begun_at
            if waited > START_SECONDS and not drawing.started():
                # A process that was killed while idle has left the pool locked.
                await self.close()
                raise ProviderUnavailable(_RESTARTING)
            await report(self._progress[drawing.cell])
            await asyncio.wait([drawing.result], timeout=PROGRESS_SECONDS)
        if drawing.result.cancelled():
            raise GenerationFailed(N_("The drawing was stopped."))
        try:
            drawing.result.result()
        except ProcessExpired:
            raise GenerationFailed(
                N_("The illustrator's process was ended from outside, perhaps for lack of memory.")
            ) from None
        except TimeoutError:
            raise GenerationFailed(
                N_("The drawing was not finished in {minutes} minutes.").format(
                    minutes=round(DRAWING_TIMEOUT / 60)
                )
            ) from None
        except BrokenProcessPool:
            raise ProviderUnavailable(_RESTARTING) from None
        return base.Outcome(cost=0.0)

    async def fetch(self, submission: base.Submission, destination: Path) -> None:
        """Write the drawing's file."""
        drawing: _Drawing = submission.handle
        await asyncio.to_thread(destination.write_bytes, drawing.result.result())

    async def cancel(self, submission: base.Submission) -> None:
        """Stop the drawing and its process; the pool starts another."""
        drawing: _Drawing = submission.handle
        drawing.result.cancel()

    async def check(self) -> str:
        """Return how many drawings it makes at once."""
        return f"{self.notice} Draws {self._processes} at a time."

    async def close(self) -> None:
        """Stop the pool's processes."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()  # type: ignore[no-untyped-call]  # Pebble leaves it untyped
            with suppress(TimeoutError):
                await asyncio.to_thread(pool.join, STOP_SECONDS)


_progress: Any = None
"""The shared array, in the pool's processes."""


def _prepare_process(progress: Any) -> None:  # noqa: ANN401  # ctypes arrays have no static type
    global _progress  # noqa: PLW0603  # a pool's initializer can keep things nowhere else
    _progress = progress
    os.nice(10)  # pages and heartbeats come first
    threading.Thread(target=end_with_parent, daemon=True).start()


def _draw(request: base.Request, source: bytes | None, cell: int) -> bytes:
    """Draw one item and return its file's content: a PNG or an MP4."""
    # Imported here: the pages' process knows this module, but never draws.
    from core.media.encoding import encode_clip, encode_png  # noqa: PLC0415
    from core.providers.illustrator.render import draw_clip, draw_image  # noqa: PLC0415

    def set_progress(fraction: float) -> None:
        _progress[cell] = fraction

    params = request.params
    if request.task == Task.UPSCALE and source is not None:
        return _upscale(request, source, set_progress)
    place = {key: params[key] for key in ("seed", "width", "height")} | {"slot": request.slot}
    if request.kind == Kind.IMAGE:
        return encode_png(draw_image(request.prompt, **place, on_progress=set_progress))
    length = {key: params[key] for key in ("seconds", "fps")}
    if source is None:
        frames = draw_clip(request.prompt, **place, **length)
    else:
        from core.providers.illustrator.camera import move_over  # noqa: PLC0415

        frames = move_over(_picture(source), request.prompt, **place, **length)
    total = round(params["seconds"] * params["fps"])

    def reported() -> Iterator[Any]:
        for index, frame in enumerate(frames):
            set_progress(index / total)
            yield frame

    with TemporaryDirectory(prefix="fivefold-") as folder:
        path = Path(folder) / "clip.mp4"
        encode_clip(reported(), path, params["width"], params["height"], params["fps"])
        return path.read_bytes()


def _upscale(request: base.Request, source: bytes, on_progress: Callable[[float], None]) -> bytes:
    """Return an item's content upscaled to the requested size."""
    from PIL import Image  # noqa: PLC0415  # as above

    from core.media.encoding import encode_png  # noqa: PLC0415
    from core.providers.illustrator.enlarge import enlarge, enlarge_clip  # noqa: PLC0415

    width, height = request.params["width"], request.params["height"]
    if request.kind == Kind.IMAGE:
        return encode_png(Image.fromarray(enlarge(_picture(source), width, height)))
    with TemporaryDirectory(prefix="fivefold-") as folder:
        given, path = Path(folder) / "given.mp4", Path(folder) / "clip.mp4"
        given.write_bytes(source)
        enlarge_clip(given, path, width, height, on_progress)
        return path.read_bytes()


def _picture(source: bytes) -> Any:  # noqa: ANN401  # an array, of a library that is loaded here
    """Return the pixels of an image as it is displayed, RGB."""
    import numpy as np  # noqa: PLC0415  # as above
    from PIL import Image  # noqa: PLC0415

    from core.media.stills import displayed, on_background  # noqa: PLC0415

    with Image.open(BytesIO(source)) as image:
        return np.asarray(on_background(displayed(image)))
