"""What a user asks for, as typed: nothing here is checked yet (see `planning`)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

from core.models import MIN_ITEMS, Asset, Kind, Notify, Task


@dataclass(frozen=True, kw_only=True)
class Choice:
    """The model for one kind, and its options."""

    #: A provider's name; None: the preferred one.
    provider: str | None = None
    #: One of its models; None: the preferred one.
    model: str | None = None
    #: Values by the names of the model's `Option`s, as typed.
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Selection:
    """What is to be generated, without the prompt: enough for a quote."""

    #: An image is animated in any number of clips; upscaling gives one item, whose shape, length
    #: and prompt are those of the source.
    task: Task = Task.CREATE
    #: A finished item of the user's that the task is done to; None for `CREATE`.
    source: Asset | None = None
    images: int = MIN_ITEMS
    videos: int = MIN_ITEMS
    #: Aspect ratio; None: the preference of each model.
    ratio: str | None = None
    #: Clip length in seconds; None: the model's default.
    seconds: int | None = None
    #: Repeats a result where the model can; None: random.
    seed: int | None = None
    #: One of `core.studio.styles.STYLES`; None: no style.
    style: str | None = None
    #: The model for each kind; the preferred one for a kind that is missing.
    choices: Mapping[Kind, Choice] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Order(Selection):
    """A selection with a prompt, to be placed for a user."""

    #: As `core.models.parse_user_id` returns it.
    user_id: str
    #: As typed; ignored for `UPSCALE`, which takes the source's.
    prompt: str
    #: Prompts of single items, by kind and in slot order, instead of `prompt`.
    variations: Mapping[Kind, Sequence[str]] = field(default_factory=dict)
    #: Names of the providers whose conditions the user accepts.
    accepted: frozenset[str] = frozenset()
    #: When and by which channels to notify; None: as the user's preferences say.
    notify: Notify | None = None

    @classmethod
    def of(cls, selection: Selection, **more: Any) -> "Order":  # noqa: ANN401  # the fields above
        """Return an order for a selection.

        Args:
            selection: what is to be generated.
            more: the other fields of an order.
        """
        chosen = {each.name: getattr(selection, each.name) for each in fields(Selection)}
        return cls(**chosen, **more)
