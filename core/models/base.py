"""What all documents share, and how what users type is read."""

import re
from datetime import UTC, datetime
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from ulid import ULID

from core.i18n import LANGUAGES, number
from core.i18n import gettext as _

PROMPT_MAX_CHARACTERS: Final = 4000
USER_ID_MAX_CHARACTERS: Final = 64
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
DUE_NOW: Final = EPOCH
"""When an item or a notice is due that waits for nothing, whatever any machine's clock says."""
TOMBSTONE: Final = EPOCH
"""`binned_at` of what is being removed: nobody is shown it any more, and nobody can restore it."""

FIRST_YEAR, LAST_YEAR = 1969, 2999  # what is put first is due a moment before DUE_NOW

_USER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
# File names that Windows keeps for devices, whatever follows the first dot:
# https://learn.microsoft.com/windows/win32/fileio/naming-a-file
_RESERVED = frozenset(
    ["con", "prn", "aux", "nul"]
    + [f"{device}{digit}" for device in ("com", "lpt") for digit in range(10)]
)


class Vital:
    """Marks a field for which its default must not stand in where it cannot be read.

    A default says what holds where nothing was written yet. Where something was written that
    cannot be read, the default of such a field would open what was closed, or pay again.

    Args:
        stored: whether every stored document has the field, so that one without it is damaged.
    """

    def __init__(self, *, stored: bool = False) -> None:
        self.stored = stored


VITAL: Final = Vital()
STORED: Final = Vital(stored=True)


def _is_offered(code: str) -> str:
    if code not in LANGUAGES:
        raise ValueError("not a language of this version")
    return code


Language = Annotated[str, AfterValidator(_is_offered)]
"""The code of a language that this version speaks."""


def _is_of_the_calendar(moment: datetime) -> datetime:
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(f"not in the years {FIRST_YEAR} to {LAST_YEAR}")
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)


Moment = Annotated[datetime, Field(strict=True), AfterValidator(_is_of_the_calendar)]
"""A time in UTC, far enough from both ends of the calendar for every time zone."""
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""An amount of money, or of a provider's own unit; never negative, always a number."""
Fraction = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
"""A part of a whole, from 0 to 1."""
Count = Annotated[int, Field(ge=0, le=2**63 - 1)]
"""How many or how large; as large as MongoDB can store it."""


class InvalidInput(ValueError):
    """What the user typed cannot be used; the text says why and what to do."""


def now() -> datetime:
    """Return the present time in UTC, cut to the milliseconds that MongoDB keeps."""
    moment = datetime.now(UTC)
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def new_id() -> str:
    """Return a new unique id that sorts by its time of creation (a ULID in lower case)."""
    return str(ULID()).lower()


def time_of_id(text: str) -> datetime | None:
    """Return when an id of `new_id` was made; None: it is none."""
    try:
        return ULID.from_str(text.upper()).datetime
    except ValueError:
        return None


def parse_user_id(text: str) -> str:
    """Return the one spelling (lower case) under which a user_id is stored and compared.

    Args:
        text: what was typed; blanks around it are dropped.

    Raises:
        InvalidInput: it is empty, too long, has other characters, or is a reserved file name.
    """
    typed = text.strip()
    if not typed:
        raise InvalidInput(_("Please type a user id."))
    if len(typed) > USER_ID_MAX_CHARACTERS:
        raise InvalidInput(
            _("A user id has at most {most} characters.").format(most=USER_ID_MAX_CHARACTERS)
        )
    if not _USER_ID.fullmatch(typed):
        raise InvalidInput(
            _(
                "A user id has letters, digits, dots, underscores and hyphens, "
                "and starts with a letter or a digit."
            )
        )
    if typed.lower().split(".", 1)[0] in _RESERVED:
        raise InvalidInput(
            _("“{typed}” is a reserved file name; please choose another user id.").format(
                typed=typed
            )
        )
    return typed.lower()


def parse_prompt(text: str) -> str:
    """Return the prompt as typed.

    Raises:
        InvalidInput: it is empty, only blanks, or longer than `PROMPT_MAX_CHARACTERS`.
    """
    if not text.strip():
        raise InvalidInput(_("Please describe what you would like to see."))
    if len(text) > PROMPT_MAX_CHARACTERS:
        raise InvalidInput(
            _("A prompt has at most {most} characters; this one has {length}.").format(
                most=number(PROMPT_MAX_CHARACTERS), length=number(len(text))
            )
        )
    if "\x00" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidInput(_("The prompt has a character that is not text; please remove it."))
    return text


def encodable(value: Any) -> Any:  # noqa: ANN401  # of any type, and the same afterwards
    """Return a value whose texts can be stored: halves of characters (UTF-16) are replaced."""
    if isinstance(value, str):
        return value if _is_encodable(value) else value.encode(errors="replace").decode()
    if isinstance(value, dict):
        return {encodable(name): encodable(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [encodable(each) for each in value]
    return value


def _is_encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Document(BaseModel):
    """A stored document; unknown fields of a newer version are ignored."""

    model_config = ConfigDict(
        extra="ignore",
        populate_by_name=True,
        frozen=True,
        hide_input_in_errors=True,  # prompts and notes are no matter for a log
    )

    def to_document(self) -> dict[str, Any]:
        """Return the document as MongoDB stores it."""
        document: dict[str, Any] = encodable(self.model_dump(by_alias=True))
        return document

    @classmethod
    def from_document(cls, document: dict[str, Any]) -> Self:
        """Read a stored document."""
        return cls.model_validate(document)


class Lease(Document):
    """Who works on an item, until when; the token fences off everybody else's writes."""

    owner: str
    token: str
    until: Moment
