"""Jobs, their items, and the workers that make them."""

from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from core.i18n import N_
from core.models import base
from core.models.notices import Notify

MIN_ITEMS: Final = 5
MAX_ITEMS: Final = 20


class Kind(StrEnum):
    """What an asset is."""

    IMAGE = "image"
    VIDEO = "video"


class Task(StrEnum):
    """What is done: create from a prompt, or change a finished item.

    `ANIMATE`: an image becomes a clip. `UPSCALE`: an item gets more pixels.
    """

    CREATE = "create"
    ANIMATE = "animate"
    UPSCALE = "upscale"


class JobStatus(StrEnum):
    """Where a job stands. `FAILED`: it ended and something is missing."""

    PROCESSING = N_("Processing")
    COMPLETED = N_("Completed")
    FAILED = N_("Failed")
    CANCELLED = N_("Cancelled")


class AssetState(StrEnum):
    """Where an asset stands; see the state picture in `docs/architecture.md`."""

    QUEUED = "queued"
    SUBMITTING = "submitting"
    RUNNING = "running"
    SAVING = "saving"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"
    CANCELLED = "cancelled"


ACTIVE_STATES: Final = (AssetState.SUBMITTING, AssetState.RUNNING, AssetState.SAVING)
OPEN_STATES: Final = (AssetState.QUEUED, *ACTIVE_STATES)
ENDED_STATES: Final = (
    AssetState.DONE,
    AssetState.FAILED,
    AssetState.UNKNOWN,
    AssetState.CANCELLED,
)


Scalar = str | int | float | bool | None
_SIDES: Final = ("width", "height")


def _are_params(params: dict[str, Any]) -> dict[str, Any]:
    """Check what code relies on: plain values, sizes that are numbers of pixels, a length."""
    for name, value in params.items():
        if not isinstance(value, Scalar):
            raise ValueError(f"{name} is not a plain value")  # noqa: TRY004  # pydantic's own way
    for name in _SIDES:
        side = params.get(name)
        if side is not None and not (isinstance(side, int) and 0 < side < _MOST_PIXELS):
            raise ValueError(f"{name} is not a number of pixels")
    seconds = params.get("seconds")
    if seconds is not None and not (isinstance(seconds, int | float) and seconds > 0):
        raise ValueError("seconds is not a length")
    return params


_MOST_PIXELS: Final = 2**31


class Requested(base.Document):
    """How many items a job asks for."""

    images: base.Count
    videos: base.Count


class Options(base.Document):
    """What the user chose for the whole job."""

    #: The aspect ratio, such as `16:9`.
    ratio: str
    #: The length of the clips; None: the provider decides.
    seconds: int | None = None
    #: Where the random numbers of the items start.
    seed: int
    #: The name of a style; None: none.
    style: str | None = None


class Job(base.Document):
    """One prompt and what came of it. Field names are the assignment's."""

    id: str = Field(alias="_id")
    user_id: str
    prompt: str
    #: Paths of the finished clips, in slot order, as pages display them.
    video_paths: tuple[str, ...] = ()
    #: Paths of the finished images, likewise.
    image_paths: tuple[str, ...] = ()
    status: Annotated[JobStatus, base.STORED] = JobStatus.PROCESSING
    #: When the last item was saved; None while the job is processing.
    generated_at: base.Moment | None = None
    created_at: base.Moment
    updated_at: base.Moment
    #: How many items the order asked for.
    requested: Requested
    options: Options
    #: Where and when its owner is notified.
    notify: Notify = Notify()
    #: What its items have cost, by unit.
    cost: dict[str, base.Amount] = {}
    #: What they may have cost besides, by unit, as no provider said; 0: nobody knows how much.
    uncertain_cost: dict[str, base.Amount] = {}
    #: When the whole job was put into the bin.
    binned_at: base.Moment | None = None
    #: The language that the order was placed in.
    language: base.Language | None = None
    #: Fields that could not be read; their values are placeholders. Never stored.
    unreadable: tuple[str, ...] = Field(default=(), exclude=True)


class AssetError(base.Document):
    """Why an item failed: a code for programs, a sentence for the user."""

    code: str
    message: str
    retryable: bool = False


Length = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""Of a clip, in seconds."""


class Cost(base.Document):
    """What an item costs, in `unit`; None: not known."""

    #: What the provider, or experience, says in advance.
    estimated: base.Amount | None = None
    #: What the provider said afterwards.
    actual: base.Amount | None = None
    #: What the item cost before it was retried.
    earlier: base.Amount = 0.0
    #: What it may have cost then besides, as nobody said what came of it.
    risked: base.Amount = 0.0
    #: `USD`, a provider's own unit such as `credits`, or empty for what is free.
    unit: str = "USD"

    @property
    def spent(self) -> float:
        """What it has cost so far, as far as that is known."""
        return self.earlier + (self.actual or 0.0)


class Kept(base.Document):
    """A response to a paid call, or a file from it, that did not become the item's file."""

    #: The raw response, or a file in no format that is supported.
    what: Literal["reply", "file"]
    #: The content store, or the database where that could not take it.
    place: Literal["content", "database"] = "content"
    #: Its path in the content store, or its name in the database.
    path: str
    bytes: int
    #: The extension of a file, such as `.mp4`.
    suffix: str = ""
    #: The call that it came from.
    call: str | None = None


class Asset(base.Document):
    """One item of a job, the unit of work. Its id is also the stem of its file name."""

    id: str = Field(alias="_id")
    job_id: str
    user_id: str
    kind: Kind
    #: Its number among the items of its kind, from 1.
    slot: base.Count
    #: The name of the provider.
    provider: str
    model: str
    #: What the provider is asked for: size, length, seed and options.
    params: Annotated[dict[str, Any], AfterValidator(_are_params)]
    #: Its own prompt; None: the job's.
    prompt: Annotated[str | None, base.VITAL] = None
    #: What is done to make it.
    task: Annotated[Task, base.VITAL] = Task.CREATE
    #: The id of the item that this is done to.
    source: Annotated[str | None, base.VITAL] = None
    state: Annotated[AssetState, base.STORED] = AssetState.QUEUED
    #: How far the provider is, from 0 to 1.
    progress: base.Fraction = 0.0
    #: What it waits for at its provider, in words.
    waiting: str = ""
    #: How many previews of it have arrived so far.
    partial: base.Count = 0
    #: The id of its task at the provider, by which it is resumed.
    remote_id: Annotated[str | None, base.VITAL] = None
    #: The file as it came from the provider.
    path: Annotated[str | None, base.VITAL] = None
    #: The copy that browsers display (PNG, JPEG or MP4); None: the file itself.
    display_path: str | None = None
    #: Why there is no such copy, though one is needed.
    display_note: str = ""
    #: A small still picture.
    preview: str | None = None
    #: A still of a clip, larger than the preview; of an image, the preview.
    poster: str | None = None
    #: In pixels, of what is displayed; so is the height.
    width: base.Count | None = None
    height: base.Count | None = None
    #: The length of a clip, of what is displayed.
    seconds: Length | None = None
    #: The size of the file as it came.
    bytes: base.Count | None = None
    sha256: str | None = None
    #: How often it was started.
    attempts: base.Count = 0
    #: How often it was put off since, through no fault of its own.
    waits: base.Count = 0
    #: The lease under which its provider was last called; it identifies a late response.
    call: Annotated[str | None, base.VITAL] = None
    #: When its provider was called, by the database's clock.
    called_at: tuple[base.Moment, ...] = ()
    #: What the provider said of it.
    details: dict[str, Any] = {}
    #: Why it failed, or why it is tried again.
    error: AssetError | None = None
    cost: Cost = Cost()
    #: Whether it was, or may have been, charged, though it ended without a file.
    charged: bool = False
    #: What is kept of the responses to its paid calls.
    kept: tuple[Kept, ...] = ()
    #: Whether that is read again instead of calling the provider.
    reread: bool = False
    #: Which worker holds it; None: nobody does.
    lease: base.Lease | None = None
    #: Whether its owner wants it cancelled.
    cancel_requested: bool = False
    #: When it may be started next; also its place in its owner's queue.
    next_attempt_at: base.Moment
    #: When it was queued, submitted, started, saved or failed, by `queued_at` and so on.
    timings: dict[str, base.Moment] = {}
    #: Whether its owner marked it as a favourite.
    favourite: bool = False
    #: Its owner's stars; 0: none.
    rating: Annotated[int, Field(ge=0, le=5)] = 0
    #: The names of the collections that it is in.
    collections: tuple[str, ...] = ()
    #: Its owner's note.
    note: str = ""
    #: When it was put into the bin.
    binned_at: base.Moment | None = None
    #: The words of its prompt, for the search.
    words: str = ""
    #: Fields that could not be read; their values are placeholders. Never stored.
    unreadable: tuple[str, ...] = Field(default=(), exclude=True)

    @property
    def displayed(self) -> str | None:
        """The path of what pages display: the copy for that, or the file itself."""
        return self.display_path or self.path


class Receipt(base.Document):
    """What is kept of an item that was removed, for budgets, limits and statistics."""

    id: str = Field(alias="_id")
    job_id: str
    user_id: str
    kind: Kind
    provider: str
    model: str
    state: str | None = None
    cost: Cost = Cost()
    timings: dict[str, base.Moment] = {}
    called_at: tuple[base.Moment, ...] = ()
    charged: bool = False
    removed_at: base.Moment


class Worker(base.Document):
    """A worker process as it announces itself. Its id is the `owner` of its leases."""

    id: str = Field(alias="_id")
    host: str
    pid: int
    #: The broker it listens to, without credentials; empty: it looks in the database.
    broker: str
    #: The queues that it serves, each with the number of items at once.
    queues: dict[str, base.Count]
    #: What providers say of their accounts, by provider.
    accounts: dict[str, str] = {}
    started_at: base.Moment
    #: When it last announced itself, by the database's clock.
    seen_at: base.Moment
