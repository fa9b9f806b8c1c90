"""Every setting of Fivefold, typed, with its default. Nothing else reads the environment."""

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    SecretStr,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from core.redaction import redact
from core.settings import parsing, sections

LOOPBACK: Final = ("127.0.0.1", "localhost", "::1")


class InvalidSetting(Exception):
    """A setting in the environment or `.env` cannot be used."""


class Settings(BaseSettings):
    """Settings read from the environment, then from `.env`, then the defaults.

    An empty value counts as not set, so that `PORT= make run` means the default.
    """

    model_config = SettingsConfigDict(
        env_file=".env",
        env_file_encoding="utf-8-sig",  # editors on Windows put a byte order mark first
        env_ignore_empty=True,
        extra="ignore",
        frozen=True,
    )

    bind_address: Annotated[str, BeforeValidator(parsing.unbracketed)] = "127.0.0.1"
    """Address the web process listens on; `0.0.0.0` opens it to a network."""
    port: int = Field(8501, ge=1, le=65535)
    """Port of the web page."""
    public_url: Annotated[str, parsing.WebAddress] = ""
    """Address that links in notifications start with; empty: `http://localhost:PORT`."""
    data_dir: Annotated[Path, BeforeValidator(parsing.expanded)] = Path(".data")
    """Folder of the embedded database and the signing secret."""
    content_url: Annotated[str, BeforeValidator(parsing.expanded_text)] = "./generated_content"
    """Folder that generated files are saved in, or `s3://bucket/prefix`."""
    mongodb_uri: Annotated[SecretStr, parsing.MongoAddress] = SecretStr("")
    """A MongoDB replica set to use instead of the embedded one."""
    mongodb_database: str = Field("fivefold", pattern=r"^[A-Za-z0-9_-]{1,38}$")
    """Name of the database."""
    broker_url: Annotated[SecretStr, AfterValidator(parsing.known_broker)] = SecretStr("")
    """Redis (`redis://`) or RabbitMQ (`amqp://`) that carries work to workers on several
    machines; empty: workers look for it in the database."""
    worker_queues: Annotated[str, BeforeValidator(parsing.folded)] = Field(
        "io", pattern=r"^(io|gpu)(,(io|gpu))*$"
    )
    """What a worker serves: `io` (hosted providers, the illustrator), `gpu` (local models), or
    `io,gpu`."""
    worker_concurrency: int = Field(200, ge=1, le=10_000)
    """Items of each queue that a worker makes at once."""
    login: Annotated[str, parsing.choice("user_id", "passphrase", "oidc")] = "user_id"
    """How people prove who they are: `user_id` (typing it is enough, unless its owner has set a
    passphrase), `passphrase`, or `oidc` (an OpenID Connect provider)."""
    registration: Annotated[str, parsing.choice("open", "closed", "invite")] = "open"
    """Who may make an account: anybody (`open`), nobody (`closed`), or whoever has an `invite`
    link."""
    oidc_metadata_url: Annotated[str, parsing.WebAddress] = ""
    """The OpenID Connect provider's metadata, such as
    `https://id.example.org/.well-known/openid-configuration`."""
    oidc_client_id: str = ""
    """What the provider calls this Fivefold."""
    oidc_client_secret: SecretStr = SecretStr("")
    """The secret that goes with it."""
    oidc_title: str = "your organisation"
    """What the login button calls the provider."""
    oidc_prompt: str = Field("", pattern=r"^[a-z_ ]*$")
    """The `prompt` that the provider is asked for, such as `login` or `select_account`; empty:
    none, since not every provider takes one."""
    oidc_claim: str = "preferred_username"
    """The claim that a new account's user_id is made from; take one that people cannot change
    themselves."""
    trusted_proxies: sections.Names = ()
    """Addresses or networks of proxies whose `X-Forwarded-For` and `X-Forwarded-Proto` are
    believed."""
    log_days: int = Field(365, ge=1, le=3650)
    """Days that logins and views are kept in the logs."""
    bin_days: int = Field(30, ge=0, le=3650)
    """Days that deleted items can be restored from the bin."""
    session_days: int = Field(30, ge=1, le=365)
    """Days that a login lasts."""
    session_secret: SecretStr = SecretStr("")
    """Key that signs the session cookie; empty: made at first start, kept in
    `DATA_DIR/session.key`."""
    drawing_processes: int = Field(0, ge=0, le=64)
    """Processes that the built-in illustrator draws in; `0`: one a CPU core."""
    openai_api_key: Annotated[SecretStr, parsing.ApiKey] = SecretStr("")
    """Key for OpenAI; switches it on."""
    openai_base_url: Annotated[str, parsing.WebAddress] = ""
    """Address of a server that speaks OpenAI's language, up to `/v1`, instead of OpenAI's own;
    switches it on, with or without a key."""
    openai_image_models: sections.Names = ("gpt-image-2.6-sunburst", "gpt-image-2.6-flare")
    """Image models there, the preferred one first."""
    openai_video_models: sections.Names = ()
    """Video models there; OpenAI itself has none any more."""
    openai_chat_model: str = ""
    """Chat model there that suggests variations of a prompt; empty: none does."""
    openai_moderation: bool = False
    """Whether OpenAI's free moderation looks at each prompt before it is paid for."""
    openai_partial_images: int = Field(2, ge=0, le=3)
    """Previews of an image in the making; each costs about 100 tokens more."""
    openai_dialect: sections.DialectName = ""
    """How a server of one's own wants seed, steps and negative prompt: `openai`, `sd-server` or
    `localai`; empty: it is asked, free of charge."""
    openai_prices: dict[str, sections.TokenPrice] = {}
    """Prices of models that Fivefold does not know, as JSON."""
    openai_servers: dict[str, sections.OpenAIServer] = {}
    """More servers that speak OpenAI's language, by name, as JSON."""
    runwayml_api_secret: Annotated[SecretStr, parsing.ApiKey] = SecretStr("")
    """Key for RunwayML; switches it on."""
    runwayml_base_url: Annotated[str, parsing.WebAddress] = ""
    """Address to use instead of RunwayML's own."""
    diffusers_image_models: sections.Names = ()
    """Stable Diffusion models (names or folders) that workers of the queue `gpu` run themselves."""
    diffusers_video_models: sections.Names = ()
    """Text-to-video models (names or folders) for the same workers."""
    diffusers_device: Annotated[str, BeforeValidator(parsing.folded)] = Field(
        "", pattern=r"^(cuda(:\d+)?|mps|cpu)?$"
    )
    """What they run on: `cuda`, `mps` or `cpu`; empty: the best there is."""
    diffusers_batch: int = Field(4, ge=1, le=64)
    """Items of one kind that a GPU makes together."""
    ai_horde: bool = False
    """Whether users may choose the AI Horde, where volunteers' computers draw."""
    ai_horde_api_key: Annotated[SecretStr, parsing.ApiKey] = SecretStr("0000000000")
    """Key for the AI Horde; the default is anonymous."""
    ai_horde_models: sections.Names = ("stable_diffusion", "AlbedoBase XL (SDXL)")
    """Models of the AI Horde to offer; `any` is whichever is free."""
    ai_horde_base_url: Annotated[str, parsing.WebAddress] = "https://aihorde.net"
    """Address of the AI Horde."""
    limits: dict[str, sections.LimitSetting] = {}
    """Stricter limits by `provider` or `provider/model`, as JSON with `at_once`, `per_minute`
    and `per_day`, over the whole installation."""
    budgets: Annotated[dict[sections.Unit, sections.Amount], BeforeValidator(parsing.by_unit)] = {}
    """What each user may spend in a calendar month (UTC), by unit, as JSON such as `{"USD": 20,
    "credits": 2000}`; other units have no bound."""
    assumed_costs: Annotated[
        dict[sections.Unit, sections.Amount], BeforeValidator(parsing.by_unit)
    ] = {}
    """What an item counts with in a budget while nobody knows what it costs, by
    `provider/model`, `provider` or unit, as JSON such as `{"USD": 0.25}`; without it such an
    order holds what is left of the budget."""
    smtp_host: str = ""
    """Mail server; empty: Gmail's, where SMTP_USER is set."""
    smtp_port: int = Field(0, ge=0, le=65535)
    """Its port; `0`: the usual one, 465, 587 or 25 by SMTP_TLS."""
    smtp_user: str = ""
    """Who logs in there; empty: nobody does."""
    smtp_password: SecretStr = SecretStr("")
    """The password; for Gmail an app password."""
    smtp_oauth2_file: Annotated[Path | None, BeforeValidator(parsing.expanded)] = None
    """File with yagmail's OAuth2 credentials for Gmail, instead of a password."""
    smtp_tls: Annotated[str, parsing.choice("ssl", "starttls", "none")] = "ssl"
    """`ssl`: encrypted from the start; `starttls`; or `none`."""
    smtp_connections: int = Field(4, ge=1, le=50)
    """Connections to it at once."""
    mail_from: str = ""
    """Sender of the mail; empty: SMTP_USER."""
    webhook_private: bool = False
    """Whether webhooks may lead to this machine and to private networks."""
    lease_seconds: float = Field(15.0, ge=2, le=600)
    """Seconds after which an item or message of a dead process is taken over."""
    log_level: Annotated[str, parsing.choice("DEBUG", "INFO", "WARNING", "ERROR")] = "INFO"
    """`DEBUG`, `INFO`, `WARNING` or `ERROR`."""
    log_format: Annotated[str, parsing.choice("text", "json")] = "text"
    """`text`, or `json` for one JSON object a line."""

    @classmethod
    def settings_customise_sources(  # pydantic-settings names them
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Read the environment and `.env` as people type them."""
        del env_settings, dotenv_settings, file_secret_settings
        return init_settings, parsing.Environment(settings_cls), parsing.EnvFile(settings_cls)

    @field_validator("trusted_proxies")
    @classmethod
    def _networks(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for each in value:
            ip_network(each)  # says what is wrong with it
        return value

    @model_validator(mode="after")
    def _complete(self) -> Self:
        if self.login == "oidc":
            for name in ("oidc_metadata_url", "oidc_client_id", "oidc_client_secret"):
                value = getattr(self, name)
                if not (value.get_secret_value() if isinstance(value, SecretStr) else value):
                    raise ValueError(f"LOGIN=oidc needs {name.upper()}")
        return self

    @property
    def mails(self) -> bool:
        """Whether mail can be sent."""
        return bool(self.smtp_host or self.smtp_user or self.smtp_oauth2_file)

    @property
    def local(self) -> bool:
        """Whether the pages can be opened on this machine only."""
        return self.bind_address in LOOPBACK

    @property
    def prefix(self) -> str:
        """`PUBLIC_URL`'s path, such as `/studio`, with no slash at its end; empty: it has none."""
        return urlsplit(self.public_url).path.rstrip("/")

    @property
    def link_base(self) -> str:
        """Start of every link, without a slash at its end."""
        here = "[::1]" if self.bind_address == "::1" else "localhost"  # which may mean IPv4 alone
        return (self.public_url or f"http://{here}:{self.port}").rstrip("/")


SECRETS: Final = frozenset(
    name for name, field in Settings.model_fields.items() if field.annotation is SecretStr
) | {"openai_servers"}  # it holds keys


def _shown(name: str, value: object) -> str:
    return "" if name in SECRETS else f"={redact(repr(value))}"


def _reason(item: Any) -> str:  # noqa: ANN401  # pydantic's
    where = "/".join(map(str, item["loc"][1:]))
    message: str = item["msg"].removeprefix("Value error, ")
    return f"{where}: {message}" if where else message


def warnings_about(settings: Settings) -> list[str]:
    """Return a sentence for each variable or line that sets nothing, though it looks so."""
    sources = (parsing.Environment(Settings).env_vars, parsing.EnvFile(Settings).env_vars)
    known = {name.upper(): name in settings.model_fields_set for name in Settings.model_fields}
    found = parsing.misspelt([name for source in sources for name in source], known)
    said = [f"{name.upper()} is no setting; did you mean {meant}?" for name, meant in found.items()]
    file = Path(str(Settings.model_config.get("env_file")))
    return said + [
        f"Line {line} of {file} sets nothing: it has to be of the form NAME=value."
        for line in parsing.unreadable_lines(file)
    ]


def load_settings(**chosen: Any) -> Settings:  # noqa: ANN401  # values of settings
    """Read the settings.

    Args:
        chosen: settings that win over the environment.

    Raises:
        InvalidSetting: one or more values cannot be used; the text names each with the reason.
    """
    try:
        settings = Settings(**chosen)
    except ValidationError as error:
        reasons = "; ".join(
            f"{name.upper()}{_shown(name, item['input'])}: {_reason(item)}"
            if name
            else _reason(item)
            for item in error.errors()
            for name in ["".join(map(str, item["loc"][:1]))]  # none: about several settings
        )
        raise InvalidSetting(f"These settings cannot be used: {reasons}") from None
    except UnicodeDecodeError:
        file = Settings.model_config.get("env_file")
        raise InvalidSetting(f"The file {file} is not in UTF-8. Save it so.") from None
    except SettingsError as error:  # a setting that is no JSON; it may hold a key, so not chained
        name = re.search(r'field "(\w+)"', str(error))
        which = name[1].upper() if name else "One of them"
        raise InvalidSetting(f"These settings cannot be used: {which}: it is no JSON") from None
    redact.add_all_in(settings)
    return settings
