"""The contract that every generator keeps: what it can do, and how it is asked."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final, Literal, get_args

from core.models import PROMPT_MAX_CHARACTERS, Cost, Kind

Report = Callable[[float], Awaitable[None]]
"""Called with the share that is done, from 0 to 1."""


Queue = Literal["io", "gpu"]
QUEUES: Final = get_args(Queue)


@dataclass(frozen=True, kw_only=True)
class Deadlines:
    """How long each step of one item may take, in seconds."""

    submit: float = 300.0  # some answer only when the picture is there
    follow: float = 3600.0
    fetch: float = 300.0
    cancel: float = 20.0


@dataclass(frozen=True, kw_only=True)
class Capability:
    """What one model can do. Forms, validation and estimates are drawn from it.

    Attributes:
        kind: what it makes.
        model: its name at the provider.
        ratios: aspect ratio → (width, height) in pixels, the preferred one first.
        seconds: the clip lengths it can make, in seconds; empty for images.
        default_seconds: the clip length where the user chose none.
        max_prompt: the longest prompt it takes, in characters.
        limit: items of this model in flight at once: over the whole installation, or, for a
            `local` provider, on each worker.
        queue: which workers serve it: `io`, or `gpu` for what needs one.
        paid: whether a call costs money.
        cost: what one item is expected to cost.
    """

    kind: Kind
    model: str
    ratios: Mapping[str, tuple[int, int]]
    seconds: Sequence[int] = ()
    default_seconds: int | None = None
    max_prompt: int = PROMPT_MAX_CHARACTERS
    limit: int = 1
    queue: Queue = "io"
    paid: bool = True
    cost: Cost = field(default_factory=Cost)


@dataclass(frozen=True, kw_only=True)
class Request:
    """One item to be made.

    Attributes:
        asset_id: unique, and the same on every attempt.
        kind: what to make.
        prompt: the text, as typed.
        slot: which of the job's items of this kind it is, from 1.
        model: one of the provider's models.
        params: what was chosen: `width`, `height` (pixels), `seed`, for clips `seconds`, `fps`.
    """

    asset_id: str
    kind: Kind
    prompt: str
    slot: int
    model: str
    params: Mapping[str, Any]


@dataclass(frozen=True)
class Submission:
    """A request that the provider has taken.

    Attributes:
        remote_id: what to resume it by; None where the provider cannot resume.
        handle: the provider's own, for this process only.
    """

    remote_id: str | None = None
    handle: Any = field(default=None, repr=False)


class Provider(ABC):
    """A generator of images or clips.

    Every method may raise a `ProviderError`, whose text is fit for the user. An instance
    belongs to one event loop and is closed at its end.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    notice: ClassVar[str] = ""  # what users must know about it; shown wherever it is used
    local: ClassVar[bool] = False  # whether it works on the worker's own machine
    limit: int | None = None  # items of all its models in flight at once, as `Capability.limit`
    deadlines: Deadlines = Deadlines()

    @abstractmethod
    def capabilities(self) -> Sequence[Capability]:
        """Return what it can do, the recommended model of each kind first."""

    @abstractmethod
    async def submit(self, request: Request) -> Submission:
        """Ask for one item. A paid call happens here and nowhere else."""

    @abstractmethod
    async def follow(self, submission: Submission, report: Report) -> None:
        """Return when the item is made; report how far it is meanwhile."""

    @abstractmethod
    async def fetch(self, submission: Submission, destination: Path) -> None:
        """Write the finished file to `destination`, byte for byte as it was made."""

    @abstractmethod
    async def cancel(self, submission: Submission) -> None:
        """Stop the work as far as the provider can; what has ended already is no error."""

    @abstractmethod
    async def check(self) -> str:
        """Return one line on its health, at no cost; raise a `ProviderError` where it is ill."""

    async def close(self) -> None:
        """Free what it holds. The default has nothing to free."""
        return
