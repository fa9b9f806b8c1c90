"""Jobs, their items, and the workers that make them."""

from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from core.i18n import N_
from core.models.base import (
    STORED,
    VITAL,
    Amount,
    Count,
    Document,
    Fraction,
    Language,
    Lease,
    Moment,
)
from core.models.notices import Notify

MIN_ITEMS: Final = 5
MAX_ITEMS: Final = 20


class Kind(StrEnum):
    """What an asset is."""

    IMAGE = "image"
    VIDEO = "video"


class Task(StrEnum):
    """What is done to make an asset: of a prompt alone, or to a finished item.

    `ANIMATE`: a clip is made of an image. `UPSCALE`: an item is made again with more pixels.
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


class Requested(Document):
    """How many items a job asks for."""

    images: Count
    videos: Count


class Options(Document):
    """What the user chose for the whole job."""

    ratio: str
    seconds: int | None = None
    seed: int
    style: str | None = None


class Job(Document):
    """One prompt and what came of it. Field names are the assignment's.

    `uncertain_cost`: what its items may have cost besides `cost`, by unit, as nobody said what did;
    0: nobody knows how much.

    `binned_at`: since when the whole job lies in its owner's bin. `language`: the one that the
    order was placed in, by its code.
    """

    id: str = Field(alias="_id")
    user_id: str
    prompt: str
    video_paths: tuple[str, ...] = ()
    image_paths: tuple[str, ...] = ()
    status: Annotated[JobStatus, STORED] = JobStatus.PROCESSING
    generated_at: Moment | None = None
    created_at: Moment
    updated_at: Moment
    requested: Requested
    options: Options
    notify: Notify = Notify()
    cost: dict[str, Amount] = {}
    uncertain_cost: dict[str, Amount] = {}
    binned_at: Moment | None = None
    language: Language | None = None
    #: Fields that could not be read; what stands in them is a stand-in. Never stored.
    unreadable: tuple[str, ...] = Field(default=(), exclude=True)


class AssetError(Document):
    """Why an item failed: a code for programs, a sentence for the user."""

    code: str
    message: str
    retryable: bool = False


Length = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""Of a clip, in seconds."""


class Cost(Document):
    """What an item costs, in `unit` ("USD", "credits"; "" for what is free); None: not known.

    `earlier`: what it cost before it was made again. `risked`: what it may have cost then besides,
    as nobody ever said what came of it.
    """

    estimated: Amount | None = None
    actual: Amount | None = None
    earlier: Amount = 0.0
    risked: Amount = 0.0
    unit: str = "USD"

    @property
    def spent(self) -> float:
        """What it has cost so far, as far as that is known."""
        return self.earlier + (self.actual or 0.0)


class Kept(Document):
    """Something that came of a paid call and did not become the item's file, as it came.

    `what`: the vendor's raw reply, or the file that is in no way one of ours. `path`: where it
    lies in the content store, or its name in the `database` where that could not take it.
    `suffix`: what a file looks like, such as `.mp4`. `call`: of which call it came.
    """

    what: Literal["reply", "file"]
    place: Literal["content", "database"] = "content"
    path: str
    bytes: int
    suffix: str = ""
    call: str | None = None


class Asset(Document):
    """One item of a job, the unit of work. Its id is also the stem of its file name.

    `prompt`: what it is made of, where that is not the job's prompt. `task`: what is done to make
    it; `source`: the id of the item that this is done to. `attempts`: how often it was begun.
    `waits`: how often it was put off since, at no fault of its own. `waiting`: what it waits for
    at its provider. `call`: the lease under which its provider was last called; it tells a late
    answer. `called_at`: when its provider was called. `partial`: how many pictures of it half done
    have come. `details`: what its provider said of it.

    `path`: its file as it came. `display_path`: the copy of it that browsers display, as PNG, JPEG
    or MP4; None: the file itself is displayed. `display_note`: why there is no copy, though there
    should be. `width`, `height` and `seconds` are those of what is displayed.

    `charged`: whether it was paid for, or may have been, though it ended without a file. `kept`:
    what came of that. `reread`: whether that is read again instead of calling the provider.

    What its owner makes of it: `favourite`; `rating`, 1 to 5, 0: none; `collections`, by name;
    `note`; `binned_at`: since when it lies in the bin. `words`: its prompt, for the search.
    """

    id: str = Field(alias="_id")
    job_id: str
    user_id: str
    kind: Kind
    slot: Count
    provider: str
    model: str
    params: Annotated[dict[str, Any], AfterValidator(_are_params)]
    prompt: Annotated[str | None, VITAL] = None
    task: Annotated[Task, VITAL] = Task.CREATE
    source: Annotated[str | None, VITAL] = None
    state: Annotated[AssetState, STORED] = AssetState.QUEUED
    progress: Fraction = 0.0
    waiting: str = ""
    partial: Count = 0
    remote_id: Annotated[str | None, VITAL] = None
    path: Annotated[str | None, VITAL] = None
    display_path: str | None = None
    display_note: str = ""
    preview: str | None = None
    poster: str | None = None
    width: Count | None = None
    height: Count | None = None
    seconds: Length | None = None
    bytes: Count | None = None
    sha256: str | None = None
    attempts: Count = 0
    waits: Count = 0
    call: Annotated[str | None, VITAL] = None
    called_at: tuple[Moment, ...] = ()
    details: dict[str, Any] = {}
    error: AssetError | None = None
    cost: Cost = Cost()
    charged: bool = False
    kept: tuple[Kept, ...] = ()
    reread: bool = False
    lease: Lease | None = None
    cancel_requested: bool = False
    next_attempt_at: Moment
    timings: dict[str, Moment] = {}
    favourite: bool = False
    rating: Annotated[int, Field(ge=0, le=5)] = 0
    collections: tuple[str, ...] = ()
    note: str = ""
    binned_at: Moment | None = None
    words: str = ""
    #: Fields that could not be read; what stands in them is a stand-in. Never stored.
    unreadable: tuple[str, ...] = Field(default=(), exclude=True)

    @property
    def displayed(self) -> str | None:
        """The path of what pages display: the copy for that, or the file itself."""
        return self.display_path or self.path


class Receipt(Document):
    """What is kept of an item that was removed: what it cost, and when its provider was called."""

    id: str = Field(alias="_id")
    job_id: str
    user_id: str
    kind: Kind
    provider: str
    model: str
    state: str | None = None
    cost: Cost = Cost()
    timings: dict[str, Moment] = {}
    called_at: tuple[Moment, ...] = ()
    charged: bool = False
    removed_at: Moment


class Worker(Document):
    """A worker process as it announces itself. Its id is the `owner` of its leases.

    `broker`: where it hears of work besides the database; empty: by that alone.
    `queues`: what it serves, and how many items of each at once. `accounts`: a line on the
    account at each provider that says one.
    """

    id: str = Field(alias="_id")
    host: str
    pid: int
    broker: str
    queues: dict[str, Count]
    accounts: dict[str, str] = {}
    started_at: Moment
    seen_at: Moment
