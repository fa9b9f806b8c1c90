"""The documents of Fivefold as typed models. MongoDB's `_id` is `id` here."""

import re
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field
from ulid import ULID

PROMPT_MAX_CHARACTERS: Final = 4000
USER_ID_MAX_CHARACTERS: Final = 64
AT_ONCE: Final = datetime(1970, 1, 1, tzinfo=UTC)  # due whatever any machine's clock says
MIN_ITEMS: Final = 5
MAX_ITEMS: Final = 20

_USER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
# File names that Windows keeps for devices, whatever follows the first dot:
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul"]
    + [f"{device}{digit}" for device in ("com", "lpt") for digit in range(10)]
)


class InvalidInput(ValueError):
    """What the user typed cannot be used; the text says why and what to do."""


class Kind(StrEnum):
    """What an asset is."""

    IMAGE = "image"
    VIDEO = "video"


class JobStatus(StrEnum):
    """Where a job stands. `FAILED`: it ended and something is missing."""

    PROCESSING = "Processing"
    COMPLETED = "Completed"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


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


def now() -> datetime:
    """Return the present time in UTC, cut to the milliseconds that MongoDB keeps."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def new_id() -> str:
    """Return a new unique id that sorts by its time of making (a ULID in lower case)."""
    return str(ULID()).lower()


def parse_user_id(text: str) -> str:
    """Return the one spelling (lower case) under which a user_id is stored and compared.

    Args:
        text: what was typed; blanks around it are dropped.

    Raises:
        InvalidInput: it is empty, too long, has other characters, or is a reserved file name.
    """
    typed = text.strip()
    if not typed:
        raise InvalidInput("Please type a user id.")
    if len(typed) > USER_ID_MAX_CHARACTERS:
        raise InvalidInput(f"A user id has at most {USER_ID_MAX_CHARACTERS} characters.")
    if not _USER_ID.fullmatch(typed):
        raise InvalidInput(
            "A user id has letters, digits, dots, underscores and hyphens, "
            "and starts with a letter or a digit."
        )
    if typed.lower().split(".", 1)[0] in _RESERVED:
        raise InvalidInput(f"“{typed}” is a reserved file name; please choose another user id.")
    return typed.lower()


def parse_prompt(text: str) -> str:
    """Return the prompt as typed.

    Raises:
        InvalidInput: it is empty, only blanks, or longer than `PROMPT_MAX_CHARACTERS`.
    """
    if not text.strip():
        raise InvalidInput("Please describe what you would like to see.")
    if len(text) > PROMPT_MAX_CHARACTERS:
        raise InvalidInput(
            f"A prompt has at most {PROMPT_MAX_CHARACTERS:,} characters; "
            f"this one has {len(text):,}."
        )
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidInput("The prompt has a character that is not text; please remove it.")
    return text


class Document(BaseModel):
    """A stored document; unknown fields of a newer version are ignored."""

    model_config = ConfigDict(extra="ignore", populate_by_name=True, frozen=True)

    def to_document(self) -> dict[str, Any]:
        """Return the document as MongoDB stores it."""
        return self.model_dump(by_alias=True)

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Read a stored document."""
        return cls.model_validate(document)


class Requested(Document):
    """How many items a job asks for."""

    images: int
    videos: int


class Options(Document):
    """What the user chose for the whole job."""

    ratio: str
    seconds: int | None = None
    seed: int
    style: str | None = None


class Notify(Document):
    """Where and when the user wants to be told. `at` is UTC; None: as soon as it ends."""

    channels: tuple[str, ...] = ("terminal",)
    at: datetime | None = None
    timezone: str = "UTC"
    email: str | None = None


class Job(Document):
    """One prompt and what came of it. Field names are the assignment's."""

    id: str = Field(alias="_id")
    user_id: str
    prompt: str
    video_paths: tuple[str, ...] = ()
    image_paths: tuple[str, ...] = ()
    status: JobStatus = JobStatus.PROCESSING
    generated_at: datetime | None = None
    created_at: datetime
    updated_at: datetime
    requested: Requested
    options: Options
    notify: Notify = Notify()
    cost: dict[str, float] = {}


class AssetError(Document):
    """Why an item failed: a code for programs, a sentence for the user."""

    code: str
    message: str
    retryable: bool = False


class Cost(Document):
    """What an item costs, in `unit` ("USD", "credits"); None where it is not known.

    `earlier`: what it cost before it was made again.
    """

    estimated: float | None = None
    actual: float | None = None
    earlier: float = 0.0
    unit: str = "USD"

    @property
    def spent(self) -> float:
        """What it has cost so far, as far as that is known."""
        return self.earlier + (self.actual or 0.0)


class Lease(Document):
    """Who works on an item, until when; the token fences off everybody else's writes."""

    owner: str
    token: str
    until: datetime


class Asset(Document):
    """One item of a job, the unit of work. Its id is also the stem of its file name.

    `prompt`: what it is made of, where that is not the job's prompt. `source`: the id of the image
    that it is a clip of. `attempts`: how often it was begun. `waits`: how often it was put off
    since, at no fault of its own. `waiting`: what it waits for at its provider. `call`: the lease
    under which its provider was last called; it tells a late answer. `called_at`: when its
    provider was called. `partial`: how many pictures of it half done have come. `details`: what
    its provider said of it.
    """

    id: str = Field(alias="_id")
    job_id: str
    user_id: str
    kind: Kind
    slot: int
    provider: str
    model: str
    params: dict[str, Any]
    prompt: str | None = None
    source: str | None = None
    state: AssetState = AssetState.QUEUED
    progress: float = 0.0
    waiting: str = ""
    partial: int = 0
    remote_id: str | None = None
    path: str | None = None
    preview: str | None = None
    poster: str | None = None
    width: int | None = None
    height: int | None = None
    seconds: float | None = None
    bytes: int | None = None
    sha256: str | None = None
    attempts: int = 0
    waits: int = 0
    call: str | None = None
    called_at: tuple[datetime, ...] = ()
    details: dict[str, Any] = {}
    error: AssetError | None = None
    cost: Cost = Cost()
    lease: Lease | None = None
    cancel_requested: bool = False
    next_attempt_at: datetime
    timings: dict[str, datetime] = {}


class Worker(Document):
    """A worker process as it announces itself. Its id is the `owner` of its leases.

    `broker`: where it hears of work; only workers with the same one share work.
    `queues`: what it serves, and how many items of each at once. `accounts`: a line on the
    account at each provider that says one.
    """

    id: str = Field(alias="_id")
    host: str
    pid: int
    broker: str
    queues: dict[str, int]
    accounts: dict[str, str] = {}
    started_at: datetime
    seen_at: datetime


class User(Document):
    """An account. `id` is the lower-case user_id."""

    id: str = Field(alias="_id")
    created_at: datetime
    last_login_at: datetime | None = None


class Notice(Document):
    """One row of the outbox: a message to one recipient over one channel."""

    id: str = Field(alias="_id")
    job_id: str
    user_id: str
    channel: str
    recipient: str
    status: str = "due"
    due_at: datetime
    created_at: datetime
    sent_at: datetime | None = None
    attempts: int = 0
    error: str | None = None


class LoginEntry(Document):
    """One attempt to log in, successful or not. `user_id` is what was typed."""

    user_id: str
    outcome: str
    reason: str
    address: str
    agent: str
    time: datetime


class ViewEntry(Document):
    """One look at content: a page opened, an image viewed, a video played, a download."""

    user_id: str
    job_id: str | None
    asset_id: str | None
    action: str
    time: datetime
