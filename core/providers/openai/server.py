"""The configuration of a server that speaks OpenAI's API."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from core.providers.openai.models import PARTIAL_IMAGES
from core.settings.sections import TokenPrice

REJECTED: Final = frozenset({"moderation_blocked", "content_policy_violation"})
"""Error codes that mean that a prompt is rejected."""
SPENT: Final = frozenset(
    {
        "insufficient_quota",
        "billing_hard_limit_reached",
        "insufficient balance",
        "insufficient credit",
        "not enough credit",
    }
)
"""Error codes, or parts of messages, that mean that the balance is spent."""


@dataclass(frozen=True, kw_only=True)
class Server:
    """A server that speaks OpenAI's API.

    Attributes:
        name: of the provider.
        title: for people.
        base_url: its address up to `/v1`; None: OpenAI's own.
        api_key: its key; empty: it needs none.
        key_setting: the setting that holds the key.
        image_models: its image models, the preferred one first.
        video_models: its text-to-video models.
        animate_models: its image-to-video models.
        paid: whether its calls cost money.
        limit: concurrent items of one model.
        extra: more fields for every creating call, passed on as they are.
        moderated: whether prompts are screened, free of charge, before anything is made.
        partial_images: previews to request (0 to 3), of models that stream.
        prices: by model.
        dialect: one of `DIALECTS`; empty: it is detected.
        closed_ports: ports of this machine that its addresses of files may not lead to.
    """

    name: str = "openai"
    title: str = "OpenAI"
    base_url: str | None = None
    api_key: str = field(default="", repr=False)
    key_setting: str = "OPENAI_API_KEY"
    image_models: Sequence[str] = ()
    video_models: Sequence[str] = ()
    animate_models: Sequence[str] = ()
    paid: bool = True
    limit: int = 20
    extra: Mapping[str, Any] = field(default_factory=dict)
    moderated: bool = False
    partial_images: int = PARTIAL_IMAGES
    prices: Mapping[str, TokenPrice] = field(default_factory=dict)
    dialect: str = ""
    closed_ports: Collection[int] = ()
