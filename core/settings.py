"""Every setting of Fivefold, typed, with its default. Nothing else reads the environment."""

from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict


class InvalidSetting(Exception):
    """A setting in the environment or `.env` cannot be used."""


def _expanded(value: object) -> object:
    return Path(value).expanduser() if isinstance(value, str) else value


def _known_broker(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    if url and not url.startswith(("redis://", "rediss://", "amqp://", "amqps://")):
        raise ValueError("it starts with redis://, rediss://, amqp:// or amqps://")
    return value


class Settings(BaseSettings):
    """Settings read from the environment, then from `.env`, then the defaults.

    An empty value counts as not set, so that `PORT= make run` means the default.
    """

    model_config = SettingsConfigDict(
        env_file=".env", env_ignore_empty=True, extra="ignore", frozen=True
    )

    bind_address: str = Field(
        "127.0.0.1",
        description="Address the web process listens on; `0.0.0.0` opens it to a network.",
    )
    port: int = Field(8501, ge=1, le=65535, description="Port of the web page.")
    public_url: str = Field(
        "",
        pattern=r"^(https?://.+)?$",
        description="Address that links in notifications start with; "
        "empty: `http://localhost:PORT`.",
    )
    data_dir: Annotated[Path, BeforeValidator(_expanded)] = Field(
        Path(".data"), description="Folder of the embedded database and the signing secret."
    )
    content_url: str = Field(
        "./generated_content",
        description="Folder that generated files are saved in, or `s3://bucket/prefix`.",
    )
    mongodb_uri: SecretStr = Field(
        SecretStr(""),
        description="A MongoDB replica set to use instead of the embedded one.",
    )
    mongodb_database: str = Field(
        "fivefold", pattern=r"^[A-Za-z0-9_-]{1,38}$", description="Name of the database."
    )
    broker_url: Annotated[SecretStr, AfterValidator(_known_broker)] = Field(
        SecretStr(""),
        description="Redis (`redis://`) or RabbitMQ (`amqp://`) that carries work to workers on "
        "several machines; empty: one worker, no broker.",
    )
    worker_queues: str = Field(
        "io",
        pattern=r"^(io|gpu)(,(io|gpu))*$",
        description="What a worker serves: `io` (hosted providers, the illustrator), `gpu` "
        "(local models), or `io,gpu`.",
    )
    worker_concurrency: int = Field(
        200, ge=1, le=10_000, description="Items of each queue that a worker makes at once."
    )
    session_days: int = Field(30, ge=1, le=365, description="Days that a login lasts.")
    session_secret: SecretStr = Field(
        SecretStr(""),
        description="Key that signs the session cookie; empty: made at first start, "
        "kept in `DATA_DIR/session.key`.",
    )
    drawing_processes: int = Field(
        0,
        ge=0,
        le=64,
        description="Processes that the built-in illustrator draws in; `0`: one a CPU core.",
    )
    lease_seconds: float = Field(
        15.0,
        ge=2,
        le=600,
        description="Seconds after which an item of a dead worker is taken over.",
    )
    log_level: str = Field(
        "INFO",
        pattern=r"^(DEBUG|INFO|WARNING|ERROR)$",
        description="`DEBUG`, `INFO`, `WARNING` or `ERROR`.",
    )
    log_format: str = Field(
        "text",
        pattern=r"^(text|json)$",
        description="`text`, or `json` for one JSON object a line.",
    )

    @property
    def link_base(self) -> str:
        """Start of every link, without a slash at its end."""
        return (self.public_url or f"http://localhost:{self.port}").rstrip("/")


SECRETS: Final = frozenset(
    name for name, field in Settings.model_fields.items() if field.annotation is SecretStr
)


def _shown(name: str, value: object) -> str:
    return "" if name in SECRETS else f"={value!r}"


def load_settings(**chosen: Any) -> Settings:  # noqa: ANN401  # values of settings
    """Read the settings.

    Args:
        chosen: settings that win over the environment.

    Raises:
        InvalidSetting: one or more values cannot be used; the text names each with the reason.
    """
    try:
        return Settings(**chosen)
    except ValidationError as error:
        reasons = "; ".join(
            f"{name.upper()}{_shown(name, item['input'])}: {item['msg']}"
            for item in error.errors()
            for name in [str(item["loc"][0])]
        )
        raise InvalidSetting(f"These settings cannot be used: {reasons}") from None
