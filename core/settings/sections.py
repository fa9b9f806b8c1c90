"""Settings that are more than one value: lists, amounts by unit, prices, servers, limits."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SecretStr
from pydantic_settings import NoDecode

from core.settings.parsing import ApiKey, WebAddress, listed


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


DialectName = Literal["", "openai", "sd-server", "localai"]  # of `core.providers.openai.dialects`


class TokenPrice(_Part):
    """US dollars for a million tokens."""

    text_in: float = 0.0
    image_in: float = 0.0
    image_out: float = 0.0


class OpenAIServer(_Part):
    """One more server that speaks OpenAI's language; as `core.providers.openai.server.Server`."""

    base_url: Annotated[str, Field(min_length=1), WebAddress]
    title: str = ""
    api_key: Annotated[SecretStr, ApiKey] = SecretStr("")
    image_models: tuple[str, ...] = ()
    video_models: tuple[str, ...] = ()
    animate_models: tuple[str, ...] = ()
    paid: bool = False
    limit: int = Field(4, ge=1)
    extra: dict[str, Any] = {}
    dialect: DialectName = ""


class LimitSetting(_Part):
    """How much may be asked of a provider or model over the whole installation."""

    at_once: int | None = Field(None, ge=0)
    per_minute: int | None = Field(None, ge=0)
    per_day: int | None = Field(None, ge=0)


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(listed)]
"""Names with commas between them."""
Unit = Annotated[str, Field(min_length=1)]
"""What a provider counts in, such as `USD`."""
Amount = Annotated[float, Field(ge=0, allow_inf_nan=False)]
"""Of money, in some unit."""
