"""A pipeline of diffusers in memory: loaded from a folder or the hub, and run for some items.

PyTorch and diffusers are imported here when the first pipeline is loaded, and nowhere else.
"""

import gc
import importlib
import inspect
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from PIL import Image

from core.i18n import N_
from core.models import Kind
from core.providers.base import Request
from core.providers.errors import GenerationFailed, PromptRejected, ProviderError

FPS: Final = 16  # what Wan was trained at
_STEPS_SHARE: Final = 0.95  # of an item's progress; the rest is decoding
_ALIKE: Final = ("width", "height", "seconds", "steps", "guidance")
_PACKAGES: Final = ("torch", "diffusers", "transformers")
_WEIGHTS: Final = (".safetensors", ".bin")
_INDEX: Final = "model_index.json"
_REASON_CHARACTERS: Final = 300
_OUT_OF_MEMORY: Final = "out_of_memory"
# Messages of GPUs' and CPUs' allocators; only some raise an error type of their own.
_TOO_MUCH: Final = ("out of memory", "can't allocate memory", "STATUS_ALLOC_FAILED")


class NotInstalled(ProviderError):
    """Stable Diffusion needs PyTorch and diffusers, which are not installed."""

    code = "not_installed"

    def __init__(self) -> None:
        super().__init__(
            N_(
                "Stable Diffusion needs PyTorch and diffusers: pip install -r "
                "requirements-gpu.txt, then start a worker with --queues gpu."
            )
        )


@dataclass(frozen=True)
class Made:
    """The result of an item: its frames, of which an image has one, and details to keep."""

    frames: Sequence[Image.Image]
    details: Mapping[str, Any]


@dataclass(eq=False)
class Item:
    """A request in the queue or in a call; `made` may be cancelled at any time."""

    request: Request
    waiting: str
    share: float = 0.0
    made: Future[Made] = field(default_factory=Future)

    @property
    def alike(self) -> tuple[object, ...]:
        """The properties that items made in one call have in common."""
        request, params = self.request, self.request.params
        # Some pipelines distinguish no negative prompt from an empty one.
        bare = "negative_prompt" not in params
        return (request.kind, request.model, bare, *(params.get(name) for name in _ALIKE))

    def settle(self, outcome: Made | ProviderError) -> None:
        """Set its result or error, unless it was cancelled."""
        with suppress(InvalidStateError):
            if isinstance(outcome, Made):
                self.made.set_result(outcome)
            else:
                self.made.set_exception(outcome)


class _AllCancelled(Exception):
    """All items of the current call were cancelled."""


class Pipeline:
    """A model in memory.

    Args:
        model: its name or folder.
        kind: the kind that it is to make.
        device: what to run on, as PyTorch calls it; empty: the best there is.

    Raises:
        ProviderError: it cannot be loaded; the text says why.
    """

    def __init__(self, model: str, kind: Kind, device: str) -> None:
        self.model = model
        self._torch, self._diffusers = libraries()
        self.device = best_device(self._torch, device)
        failure = self._load(kind)
        if failure is not None:  # raised here, so that no traceback keeps half a model in memory
            self._free()
            raise failure

    @property
    def on_cpu(self) -> bool:
        """Whether it runs without a GPU."""
        return self.device == "cpu"

    def make(self, items: Sequence[Item]) -> bool:
        """Make items in one call, and settle each.

        Returns:
            whether they fitted into memory; if not, none is settled.
        """
        try:
            self._call(items)
        except _AllCancelled:
            return True
        except Exception as error:
            if not _is_out_of_memory(error):
                raise
        else:
            return True
        self._free()  # here, where no traceback keeps tensors in memory any more
        return False

    def too_large(self, request: Request) -> ProviderError:
        """Return the error of an item that does not fit into memory even alone."""
        params = request.params
        sentence = (
            N_(
                "The memory of {device} is too small for a clip of {width} × {height} pixels and "
                "{seconds} s with {model}. Choose something smaller or shorter, or a smaller model."
            )
            if request.kind == Kind.VIDEO
            else N_(
                "The memory of {device} is too small for an image of {width} × {height} pixels "
                "with {model}. Choose something smaller, or a smaller model."
            )
        )
        said = sentence.format(
            device=self.device,
            model=self.model,
            width=params["width"],
            height=params["height"],
            seconds=params.get("seconds"),
        )
        return GenerationFailed(said, code=_OUT_OF_MEMORY)

    def unload(self) -> None:
        """Free its memory; it cannot be used any more."""
        del self._pipe
        self._free()

    def _free(self) -> None:
        gc.collect()
        if not self.on_cpu:
            self._torch.accelerator.empty_cache()

    def _load(self, kind: Kind) -> ProviderError | None:
        """Load it from this disk, else from the hub; return the error, if any."""
        failure: ProviderError | None = None
        attempts = [True] if Path(self.model).is_dir() else [True, False]
        for only_here in attempts:
            try:
                self._read(kind, only_here=only_here)
            except Exception as error:
                if _is_out_of_memory(error):
                    return GenerationFailed(
                        N_(
                            "The memory of {device} is too small for {model}. "
                            "Choose a smaller model."
                        ).format(device=self.device, model=self.model),
                        code=_OUT_OF_MEMORY,
                    )
                if not isinstance(error, OSError) and only_here is attempts[-1]:
                    raise
                failure = ProviderError(
                    N_(
                        "The weights of {model} are not on this machine's disk and could not be "
                        "downloaded ({reason}). Put them into a folder, or let the worker reach "
                        "the Hugging Face Hub, with HF_TOKEN where the model wants a login."
                    ).format(model=self.model, reason=reason(error)),
                    code="no_weights",
                )
            else:
                return None
        return failure

    def _read(self, kind: Kind, *, only_here: bool) -> None:
        diffusers = self._diffusers
        classes = {Kind.IMAGE: "AutoPipelineForText2Image", Kind.VIDEO: "DiffusionPipeline"}
        config = diffusers.DiffusionPipeline.load_config(self.model, local_files_only=only_here)
        pipe: Any = getattr(diffusers, classes[kind]).from_pretrained(
            self.model, dtype=self._dtype(config), local_files_only=only_here
        )
        self._parameters = inspect.signature(pipe.__call__).parameters
        if kind == Kind.VIDEO and "num_frames" not in self._parameters:
            raise ProviderError(
                N_("{model} is a {pipeline}, which makes no clips.").format(
                    model=self.model, pipeline=type(pipe).__name__
                ),
                code="wrong_model",
            )
        pipe.set_progress_bar_config(disable=True)
        self._pipe = pipe.to(self.device)

    def _dtype(self, config: Mapping[str, Any]) -> Any:  # noqa: ANN401  # PyTorch's, or a dict
        torch = self._torch
        if self.on_cpu:
            return torch.float32
        cuda = self.device.startswith("cuda")
        old = cuda and not torch.cuda.is_bf16_supported(including_emulation=False)
        # U-Nets are published in float16, in which the later transformers overflow.
        dtype = torch.float16 if "unet" in config or old else torch.bfloat16
        if config.get("_class_name") == "WanPipeline":  # its VAE is meant to run in full precision
            return {"default": dtype, "vae": torch.float32}
        return dtype

    def _call(self, items: Sequence[Item]) -> None:
        arguments = self._arguments(items)
        output = self._pipe(**arguments)
        if items[0].request.kind == Kind.VIDEO:
            found = list(output.frames)
        else:
            found = [[image] for image in output.images]
        flags = getattr(output, "nsfw_content_detected", None) or [False] * len(items)
        used = {
            "steps": self._used("num_inference_steps", arguments),
            "guidance": self._used("guidance_scale", arguments),
            "device": self.device,
        }
        details = {name: value for name, value in used.items() if value is not None}
        for item, frames, flagged in zip(items, found, flags, strict=True):
            if flagged:
                item.settle(
                    PromptRejected(
                        N_(
                            "The safety checker of {model} blacked this picture out. "
                            "Please put the prompt in other words, or take another seed."
                        ).format(model=self.model)
                    )
                )
            else:
                item.settle(Made(frames, details))

    def _arguments(self, items: Sequence[Item]) -> dict[str, Any]:
        """Return the arguments of the call: the chosen values that the pipeline takes."""
        torch, params = self._torch, items[0].request.params

        def on_step(
            pipe: Any,  # noqa: ANN401  # each model's pipeline is a class of its own
            index: int,
            _time: object,
            tensors: dict[str, object],
        ) -> dict[str, object]:
            if all(item.made.done() for item in items):
                raise _AllCancelled
            share = (index + 1) / len(pipe.scheduler.timesteps) * _STEPS_SHARE
            for item in items:
                item.share = max(item.share, share)
            return tensors

        wanted = {
            "prompt": [item.request.prompt for item in items],
            "width": params["width"],
            "height": params["height"],
            "num_inference_steps": params.get("steps"),
            "guidance_scale": params.get("guidance"),
            # One for each item, so that it does not depend on the others in this call, and on the
            # CPU, so that a seed gives the same noise on every machine.
            "generator": [
                torch.Generator("cpu").manual_seed(item.request.params["seed"]) for item in items
            ],
            "output_type": "pil",
            "callback_on_step_end": on_step,
        }
        if "negative_prompt" in params:
            wanted["negative_prompt"] = [item.request.params["negative_prompt"] for item in items]
        if items[0].request.kind == Kind.VIDEO:
            # A multiple of 16 plus one suits VAEs that compress 2, 4, 8 or 16 frames into one.
            wanted |= {"num_frames": params["seconds"] * FPS + 1, "frame_rate": FPS}
        return {
            name: value
            for name, value in wanted.items()
            if value is not None and name in self._parameters
        }

    def _used(self, name: str, arguments: Mapping[str, Any]) -> Any:  # noqa: ANN401  # any number
        known = self._parameters.get(name)
        return arguments.get(name, None if known is None else known.default)


def libraries() -> tuple[ModuleType, ModuleType]:
    """Return PyTorch and diffusers.

    Raises:
        NotInstalled: they are not there.
    """
    try:
        torch, diffusers, transformers = map(importlib.import_module, _PACKAGES)
    except ImportError:
        raise NotInstalled from None
    diffusers.utils.logging.disable_progress_bar()  # a worker's log is no terminal
    transformers.utils.logging.disable_progress_bar()
    return torch, diffusers


def best_device(torch: ModuleType, wanted: str) -> str:
    """Return the device to run on.

    Args:
        torch: PyTorch.
        wanted: the chosen one; empty: the best there is.

    Raises:
        ProviderError: the chosen one is not there.
    """
    found = torch.accelerator.current_accelerator(check_available=True)
    best = "cpu" if found is None else str(found.type)
    if wanted and wanted != "cpu" and not wanted.startswith(best):
        raise ProviderError(
            N_(
                "PyTorch finds no “{wanted}” on this machine, only “{best}”. Is the driver there, "
                "and is it the build of PyTorch for it?"
            ).format(wanted=wanted, best=best),
            code="no_device",
        )
    return wanted or best


def on_disk(model: str) -> bool:
    """Return whether a model's weights are on this machine's disk."""
    folder = Path(model)
    if not folder.is_dir():
        hub = importlib.import_module("huggingface_hub")
        try:
            index = hub.try_to_load_from_cache(model, _INDEX)
        except ValueError:  # a folder's path that leads nowhere
            return False
        if not isinstance(index, str):
            return False
        folder = Path(index).parent
    return any(path.suffix in _WEIGHTS for path in folder.rglob("*"))


def reason(error: Exception) -> str:
    """Return the beginning of what a library says; some say it at length."""
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0][:_REASON_CHARACTERS].rstrip(".")


def _is_out_of_memory(error: Exception) -> bool:
    return isinstance(error, MemoryError) or any(said in str(error) for said in _TOO_MUCH)
