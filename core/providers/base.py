"""The interface of every provider: what it can do, and how it is called."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, Protocol, get_args

from core.i18n import N_
from core.i18n import gettext as _
from core.models import PROMPT_MAX_CHARACTERS, Cost, InvalidInput, Kind, Task
from core.providers.errors import ProviderError
from core.providers.options import Option as Option  # noqa: PLC0414  # plug-ins take it from here

Queue = Literal["io", "gpu"]
QUEUES: Final = get_args(Queue)

AUTO: Final = "auto"
"""The aspect ratio that a model chooses itself, mostly that of the source where there is one."""


def what_is_made(kind: Kind, task: Task) -> str:
    """Return the name for people of a task's output, such as "clips of an image"."""
    if task == Task.ANIMATE:
        return _("clips of an image")
    if task == Task.UPSCALE:
        return _("larger videos") if kind == Kind.VIDEO else _("larger images")
    return _("videos") if kind == Kind.VIDEO else _("images")


class Report(Protocol):
    """Reports the progress of an item. What is not given stays as last reported."""

    async def __call__(
        self, share: float | None = None, *, waiting: str = "", preview: bytes | None = None
    ) -> None:
        """Report.

        Args:
            share: of it that is done, from 0 to 1.
            waiting: what it waits for, a text for the user; empty: it is being made.
            preview: a preview, as the content of an image file.
        """


@dataclass(frozen=True, kw_only=True)
class Deadlines:
    """How long each step of one item may take, in seconds."""

    submit: float = 300.0  # some answer only when the picture is there
    follow: float = 3600.0
    fetch: float = 300.0
    cancel: float = 20.0


@dataclass(frozen=True, kw_only=True)
class Limits:
    """How many items may be requested over the whole installation; None: any number.

    Attributes:
        at_once: items in flight; for a `local` provider, on each worker.
        per_minute: items begun in any 60 seconds.
        per_day: items begun in any 24 hours.
    """

    at_once: int | None = None
    per_minute: int | None = None
    per_day: int | None = None

    def narrowed(self, other: "Limits") -> "Limits":
        """Return the stricter of each pair of limits."""
        return Limits(
            at_once=_least(self.at_once, other.at_once),
            per_minute=_least(self.per_minute, other.per_minute),
            per_day=_least(self.per_day, other.per_day),
        )


def _least(*numbers: int | None) -> int | None:
    return min((each for each in numbers if each is not None), default=None)


@dataclass(frozen=True, kw_only=True)
class Capability:
    """What one model can do. Forms, validation and estimates follow from it.

    Attributes:
        kind: what it makes.
        model: its name at the provider.
        task: what it does to make it: of a text alone, or to an item (`Request.source`).
        ratios: aspect ratio → (width, height) in pixels, the preferred one first; the pixels are
            about right where `exact` is not set, or where the ratio is `AUTO`. What is upscaled
            keeps the ratio of its source.
        seconds: the clip lengths it can make, in seconds; empty for images.
        default_seconds: the clip length where the user chose none.
        options: what else can be chosen.
        exact: whether its files have exactly the requested size and length. Where not, any size is
            kept as it is, for it has been paid for.
        seed: `item`: each item gets a seed of its own; `job`: all items of a job get the same,
            and the provider varies them by `Request.slot`; `none`: it takes no seed.
        max_pixels: the most pixels that what is upscaled may have in the end; None: not known.
        max_prompt: the longest prompt it takes, in characters.
        prompt_units: what its characters are: those of Python, or UTF-16 code units.
        limit: items of this model in flight at once: over the whole installation, or, for a
            `local` provider, on each worker.
        per_minute: items of it begun in any minute; None: any number.
        per_day: items of it begun in any day; None: any number.
        queue: which workers serve it: `io`, or `gpu` for what needs one.
        paid: whether a call costs money.
        cost: what one item is expected to cost.
        price: returns what one item with given `Request.params` is expected to cost, where that
            depends on them.
    """

    kind: Kind
    model: str
    task: Task = Task.CREATE
    ratios: Mapping[str, tuple[int, int]]
    seconds: Sequence[int] = ()
    default_seconds: int | None = None
    options: Sequence[Option] = ()
    exact: bool = True
    seed: Literal["item", "job", "none"] = "item"
    max_pixels: int | None = None
    max_prompt: int = PROMPT_MAX_CHARACTERS
    prompt_units: Literal["characters", "utf-16"] = "characters"
    limit: int = 1
    per_minute: int | None = None
    per_day: int | None = None
    queue: Queue = "io"
    paid: bool = True
    cost: Cost = field(default_factory=Cost)
    price: Callable[[Mapping[str, Any]], Cost] | None = None

    def estimate(self, params: Mapping[str, Any]) -> Cost:
        """Return what one item with these `Request.params` is expected to cost."""
        return self.cost if self.price is None else self.price(params)

    def check_options(self, params: Mapping[str, Any]) -> None:
        """Check that the chosen options go together.

        Raises:
            InvalidInput: two of them do not; the text says which.
        """
        titles = {option.name: _(option.title) for option in self.options}
        for option in self.options:
            value = params.get(option.name)
            other, ruled_out = option.excludes.get(str(value), ("", ""))
            if other and params.get(other) == ruled_out:
                said = _("“{title}: {choice}” does not go with “{other}: {others}”.")
                title, others = titles[option.name], titles.get(other, other)
                raise InvalidInput(
                    said.format(title=title, choice=value, other=others, others=ruled_out)
                )

    def prompt_length(self, prompt: str) -> int:
        """Return how long a prompt is, as this model counts."""
        if self.prompt_units == "utf-16":
            return len(prompt.encode("utf-16-le")) // 2
        return len(prompt)


@dataclass(frozen=True, kw_only=True)
class Request:
    """A request for one item.

    Attributes:
        asset_id: unique, and the same on every attempt.
        kind: what to make.
        prompt: the text to make it of.
        slot: which of the job's items of this kind it is, from 1.
        model: one of the provider's models.
        params: the chosen values: `width`, `height` (pixels), `seed` where it takes one, for clips
            `seconds`, `fps`, and the capability's options that are not left to the model. For
            what is upscaled: the size, and the length of a clip, that are to come.
        task: what is to be done.
        source: the item to animate or upscale, a PNG, JPEG or MP4 file that exists until `submit`
            returns; None: it is made of the text alone.
        end_user: a pseudonym of the user, the same for all of their items.
    """

    asset_id: str
    kind: Kind
    prompt: str
    slot: int
    model: str
    params: Mapping[str, Any]
    task: Task = Task.CREATE
    source: Path | None = None
    end_user: str = ""


@dataclass(frozen=True)
class Submission:
    """A request that the provider has accepted.

    Attributes:
        remote_id: the id to resume it by; None: the provider cannot resume it.
        handle: the provider's own, for this process only.
        details: fields of the response worth keeping, such as `request_id`; plain JSON, no secrets.
        cost: the provider's estimate, in the capability's unit; None: unknown.
        reply: the raw reply of the creating call, without secrets, at most `REPLY_MAX_BYTES`, for
            `Provider.reread`; None: there is none to read again.
    """

    remote_id: str | None = None
    handle: Any = field(default=None, repr=False)
    details: Mapping[str, Any] = field(default_factory=dict)
    cost: float | None = None
    reply: bytes | None = field(default=None, repr=False)


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The result of an item that a provider has made.

    Attributes:
        cost: what it cost, in the capability's unit; None: unknown.
        details: fields of the response worth keeping, such as `revised_prompt`, `seed`, `usage`.
        reply: as `Submission.reply`, where the creating call's reply ended only in `follow`, as a
            stream does; None: `Submission.reply` has it, or there is none.
    """

    cost: float | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    reply: bytes | None = field(default=None, repr=False)


class Provider(ABC):
    """A generator of images or clips.

    Every method may raise a `ProviderError`, whose text is fit for the user. An instance
    belongs to one event loop and is closed at its end; `capabilities` may be called from any
    thread.

    Attributes:
        name: as it is kept with every item, and written on the command line.
        title: for people.
        notice: what users must know about it; shown wherever it is used.
        consent: what users must accept before anything is sent to it; empty: nothing.
        rank: of several that make the same kind, the one of the lowest rank is preferred. Those
            that Fivefold brings along have higher ones than a plug-in that does not set it.
        local: whether it works on the worker's own machine.
        limits: of all its models together.
        deadlines: how long its steps may take.
        status: one line on its account, such as its balance; kept up to date by `refresh`.
    """

    name: str
    title: str
    notice: str = ""
    consent: str = ""
    rank: int = 0
    local: bool = False
    limits: Limits = Limits()
    deadlines: Deadlines = Deadlines()
    status: str = ""

    @abstractmethod
    def capabilities(self) -> Sequence[Capability]:
        """Return what it can do, the recommended model of each kind first."""

    @abstractmethod
    async def submit(self, request: Request) -> Submission:
        """Request one item. A paid call happens here and nowhere else."""

    @abstractmethod
    async def follow(self, submission: Submission, report: Report) -> Outcome:
        """Return when the item is made; report its progress meanwhile."""

    @abstractmethod
    async def fetch(self, submission: Submission, destination: Path) -> None:
        """Write the finished file to `destination`, byte for byte as it was made."""

    @abstractmethod
    async def cancel(self, submission: Submission) -> None:
        """Stop the work as far as the provider can; that it has ended already is no error."""

    @abstractmethod
    async def check(self) -> str:
        """Return one line on its health, at no cost; raise a `ProviderError` if it is unhealthy."""

    async def reread(self, reply: bytes, request: Request) -> Submission:
        """Return the submission that a kept reply of a creating call holds, at no cost.

        Args:
            reply: `Submission.reply`, `Outcome.reply` or `ProviderError.reply` of the call.
            request: the request that it answered.

        Returns:
            a submission that `follow` and `fetch` take as they take one of `submit`.

        Raises:
            ProviderError: it holds neither media nor the id of a task.
        """
        del reply, request
        raise ProviderError(
            N_("Kept replies of {provider} cannot be read again.").format(provider=self.title)
        )

    async def refresh(self) -> None:
        """Refresh what changes at the provider: limits, balance. Workers call it every minute."""
        return

    async def close(self) -> None:
        """Release its resources; the default has none."""
        return
