from pathlib import Path

import pytest

from core.settings import InvalidSetting, Settings, load_settings

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
