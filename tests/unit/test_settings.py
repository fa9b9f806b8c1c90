import json
import pwd
from pathlib import Path

import pytest

from core.settings import InvalidSetting, Settings, load_settings, warnings_about

DOCS = Path(__file__).parents[2] / "README.md"


def test_the_environment_wins_and_an_empty_value_counts_as_not_set(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("PORT", "8600")
    monkeypatch.setenv("PUBLIC_URL", "https://studio.example.org/")
    monkeypatch.setenv("SESSION_DAYS", "")
    settings = load_settings()
    assert (settings.port, settings.session_days) == (8600, 30)
    assert settings.link_base == "https://studio.example.org"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "http"),
        ("PORT", "70000"),
        ("PUBLIC_URL", "studio"),
        ("LOG_LEVEL", "loud"),
        ("LOGIN", "none"),
        ("TRUSTED_PROXIES", "10.0.0.1/8"),
        ("TRUSTED_PROXIES", "*"),
    ],
)
def test_a_setting_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSetting, match=f"{name}='{value}'"):
        load_settings()


def test_a_secret_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MONGODB_URI", "mongodb://ana:hidden@db")
    assert "hidden" not in repr(load_settings())


def test_every_setting_is_in_the_readmes_table() -> None:
    table = DOCS.read_text()
    assert [name for name in Settings.model_fields if f"`{name.upper()}`" not in table] == []


@pytest.mark.parametrize("missing", ["METADATA_URL", "CLIENT_ID", "CLIENT_SECRET"])
def test_a_provider_of_identities_needs_all_that_reaches_it(
    monkeypatch: pytest.MonkeyPatch, missing: str
) -> None:
    monkeypatch.setenv("LOGIN", "oidc")
    for name in {"METADATA_URL", "CLIENT_ID", "CLIENT_SECRET"} - {missing}:
        monkeypatch.setenv(f"OIDC_{name}", "https://a-secret-or-so")
    with pytest.raises(InvalidSetting, match=f"LOGIN=oidc needs OIDC_{missing}") as refused:
        load_settings()
    assert "a-secret" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "typed", "read"),
    [
        ("SMTP_TLS", "STARTTLS", "starttls"),
        ("SMTP_TLS", "  SSL\t", "ssl"),
        ("LOGIN", "'Passphrase'", "passphrase"),
        ("LOG_LEVEL", "debug", "DEBUG"),
        ("LOG_FORMAT", '"JSON" ', "json"),
        ("WORKER_QUEUES", "IO, gpu", "io,gpu"),
        ("DIFFUSERS_DEVICE", "CUDA:0", "cuda:0"),
        ("PORT", "\u00a08600\ufeff", 8600),
        ("AI_HORDE", "TRUE ", True),
        ("PUBLIC_URL", "HTTPS://studio.example ", "https://studio.example"),
        ("BUDGETS", """'{"USD": 20}'""", {"USD": 20.0}),
        (
            "BUDGETS",
            '{"usd": 20, " Credits ": 5, "Marks": 1}',
            {"USD": 20, "credits": 5, "Marks": 1},
        ),
        ("BUDGETS", '{"$": 0}', {"USD": 0.0}),
        ("ASSUMED_COSTS", '{"Usd": 1, "openai/GPT ": 2}', {"USD": 1, "openai/GPT": 2}),
        ("OPENAI_IMAGE_MODELS", "“a, b”", ("a", "b")),
    ],
)
def test_values_are_read_as_people_type_them(
    monkeypatch: pytest.MonkeyPatch, name: str, typed: str, read: object
) -> None:
    monkeypatch.setenv(name, typed)
    assert getattr(load_settings(), name.lower()) == read


def test_an_env_file_may_come_from_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_bytes(b'\xef\xbb\xbfPORT=8600\r\nSMTP_TLS=STARTTLS \r\nOPENAI_API_KEY=" sk-1 "\r\n')
    monkeypatch.setitem(Settings.model_config, "env_file", file)
    settings = load_settings()
    assert (settings.port, settings.smtp_tls) == (8600, "starttls")
    assert settings.openai_api_key.get_secret_value() == "sk-1"
    file.write_bytes("OIDC_TITLE=Bücher".encode("latin-1"))
    with pytest.raises(InvalidSetting, match="is not in UTF-8"):
        load_settings()


@pytest.mark.parametrize(
    ("name", "value", "sentence"),
    [
        ("SMTP_TLS", "startls", "one of ssl, starttls, none; did you mean `starttls`?"),
        ("LOG_LEVEL", "warn", "did you mean `WARNING`?"),
        ("PUBLIC_URL", "https://studio.example:abc", "an address such as"),
        ("OPENAI_BASE_URL", "https://", "an address such as"),
    ],
)
def test_a_near_word_is_suggested(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, sentence: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(InvalidSetting) as refused:
        load_settings()
    assert f"{name}={value!r}: it is" in str(refused.value)
    assert sentence in str(refused.value)


KEYS = ("OPENAI_API_KEY", "RUNWAYML_API_SECRET", "AI_HORDE_API_KEY")


@pytest.mark.parametrize("name", KEYS)
def test_blanks_around_a_key_are_no_part_of_it(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(name, " \u00a0sk-abcdef\u200b\r\n")
    assert getattr(load_settings(), name.lower()).get_secret_value() == "sk-abcdef"


@pytest.mark.parametrize("wrong", ["\u00a0", " ", "é", "–", "\t", "\x7f", "😀"])
@pytest.mark.parametrize("name", [*KEYS, "OPENAI_SERVERS"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str, wrong: str
) -> None:
    key = f"sk-abc{wrong}defgh"
    server = json.dumps({"own": {"base_url": "http://x/v1", "api_key": key}})
    monkeypatch.setenv(name, server if name == "OPENAI_SERVERS" else key)
    with pytest.raises(InvalidSetting, match=f"{name}.*: its character 7 ") as refused:
        load_settings()
    assert "sk-abc" not in str(refused.value)
    assert "defgh" not in str(refused.value)


@pytest.mark.parametrize(
    ("uri", "reason"),
    [
        ("mongodb://ana:p@ss@db/", "`@` is written %40"),
        ("mongodb://ana:p/ss@db/studio?replicaSet=rs0", "`/` is written %2F"),
        ("mongodb://ana:p:ss@db:27017", "`:` is written %3A"),
        ("mongodb://ana:p?ss#[x]@db/?w=majority", "`#` is written %23, `?` is written %3F"),
        ("mongodb://ana:100%@db", "%25"),
        ("mongodb://db:abc/", "the port 'abc'"),
        ("mongodb://a:27017,b:270170/", "the port '270170'"),
        ("mongodb://", "names no host"),
        ("mongodb+srv://ana:x@db.example:27017/", "has no port"),
        ("http://db", "starts with mongodb://"),
        ("db.example:27017", "starts with mongodb://"),
    ],
)
def test_an_address_of_a_database_that_cannot_be_read_is_refused_with_the_reason(
    monkeypatch: pytest.MonkeyPatch, uri: str, reason: str
) -> None:
    monkeypatch.setenv("MONGODB_URI", uri)
    with pytest.raises(InvalidSetting, match="MONGODB_URI: ") as refused:
        load_settings()
    assert reason in str(refused.value)
    assert "p@ss" not in str(refused.value)


@pytest.mark.parametrize(
    "uri",
    [
        "mongodb://db",
        "mongodb://[::1]:27017/?directConnection=true",
        "mongodb://a:27017,b:27018,c/studio?replicaSet=rs0",
        "mongodb://ana:p%40s%2Fs@db/?appName=x@y",
        "mongodb+srv://ana:x@cluster.example/?retryWrites=true",
        "mongodb://%2Ftmp%2Fmongodb.sock",
    ],
)
def test_an_address_of_a_database_that_the_driver_reads_is_taken(
    monkeypatch: pytest.MonkeyPatch, uri: str
) -> None:
    monkeypatch.setenv("MONGODB_URI", uri)
    assert load_settings().mongodb_uri.get_secret_value() == uri


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("OPENAI_KEY", "OPENAI_API_KEY"),
        ("OPENAI_APIKEY", "OPENAI_API_KEY"),
        ("OPENAI_API_TOKEN", "OPENAI_API_KEY"),
        ("OPEN_AI_API_KEY", "OPENAI_API_KEY"),
        ("RUNWAY_API_KEY", "RUNWAYML_API_SECRET"),
        ("RUNWAYML_API_KEY", "RUNWAYML_API_SECRET"),
        ("SMTP_PASS", "SMTP_PASSWORD"),
        ("SMTP_USERNAME", "SMTP_USER"),
        ("MONGO_URI", "MONGODB_URI"),
        ("MONGODB_URL", "MONGODB_URI"),
        ("BIND_ADRESS", "BIND_ADDRESS"),
        ("TRUSTED_PROXY", "TRUSTED_PROXIES"),
        ("public-url", "PUBLIC_URL"),
    ],
)
@pytest.mark.parametrize("where", ["environment", "file"])
def test_a_misspelt_setting_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, typed: str, meant: str
) -> None:
    if where == "file":
        (tmp_path / ".env").write_text(f"{typed}=something\n")
        monkeypatch.setitem(Settings.model_config, "env_file", tmp_path / ".env")
    else:
        monkeypatch.setenv(typed, "something")
    sentence = f"{typed.upper()} is no setting; did you mean {meant}?"
    assert sentence in warnings_about(load_settings())
    monkeypatch.setenv(meant, "10.0.0.1" if "PROX" in meant else "")
    if "PROX" in meant:
        assert sentence not in warnings_about(load_settings())


@pytest.mark.parametrize(
    "name",
    ["OPENAI_LOG", "OPENAI_ORG_ID", "LOGNAME", "LANG", "SESSION_MANAGER", "XDG_DATA_DIRS", "MAIL"]
    + ["AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY", "HOSTNAME", "GPG_KEY", "DBUS_SESSION_BUS_ADDRESS"],
)
def test_other_programs_variables_are_left_alone(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "something")
    assert not [each for each in warnings_about(load_settings()) if each.startswith(name)]


def test_a_home_that_there_is_not_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME", raising=False)

    def unknown(number: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setenv("DATA_DIR", "~/x")
    with pytest.raises(InvalidSetting, match="DATA_DIR='~/x': `~` stands for the home folder"):
        load_settings()


def test_links_lead_where_the_pages_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BIND_ADDRESS", "::1")
    assert load_settings().link_base == "http://[::1]:8501"


def test_lines_that_set_nothing_are_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / ".env"
    file.write_text("\n# a comment\nPORT: 8600\n\nexport LOG_LEVEL=DEBUG\nset PORT=8600\nPORT\n")
    monkeypatch.setitem(Settings.model_config, "env_file", file)
    settings = load_settings()
    assert settings.log_level == "DEBUG"
    said = warnings_about(settings)
    assert [each.partition(" of ")[0] for each in said] == ["Line 3", "Line 6", "Line 7"]


def test_variables_in_paths_are_resolved(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/srv/ana")
    settings = Settings(data_dir=Path("x"), content_url="$HOME/made")
    assert settings.content_url == "/srv/ana/made"
    monkeypatch.setenv("DATA_DIR", "$HOME/data")
    assert load_settings().data_dir == Path("/srv/ana/data")
    assert Settings(content_url="s3://bucket/a$HOME").content_url == "s3://bucket/a$HOME"


def test_an_ipv6_address_may_have_its_brackets() -> None:
    settings = Settings(bind_address="[::1]")
    assert settings.bind_address == "::1"
    assert settings.local
