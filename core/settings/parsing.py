"""How settings are read as they are typed: trimmed, folded, checked, and near names suggested."""

import difflib
import io
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from dotenv.parser import parse_stream
from pydantic import AfterValidator, BeforeValidator, SecretStr
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

# Copied along from web pages and documents: a byte order mark, and blanks of no width.
_INVISIBLE: Final = "\ufeff\u200b\u200c\u200d\u2060"
_QUOTES: Final = (("'", "'"), ('"', '"'), ("‘", "’"), ("“", "”"), ("„", "“"))
_SYNONYMS: Final = {
    "SECRET": "KEY",
    "TOKEN": "KEY",
    "URI": "URL",
    "PASS": "PASSWORD",
    "PASSWD": "PASSWORD",
    "USERNAME": "USER",
    "MONGO": "MONGODB",
    "RUNWAY": "RUNWAYML",
    "HORDE": "AI_HORDE",
}
_NEAR: Final = 0.8
_UNITS: Final = {"usd": "USD", "$": "USD", "us$": "USD", "credits": "credits", "credit": "credits"}
_MONGODB_FORM: Final = "mongodb://user:password@host:port/?replicaSet=name"


def trimmed(value: str) -> str:
    """Return a value without blanks around it, and without quotes that a shell would remove."""
    value = _stripped(value)
    for left, right in _QUOTES:
        if len(value) > 1 and value.startswith(left) and value.endswith(right):
            return _stripped(value[1:-1])
    return value


def _stripped(value: str) -> str:
    former = None
    while former != value:
        former, value = value, value.strip().strip(_INVISIBLE)
    return value


class Environment(EnvSettingsSource):
    """The environment, each value trimmed."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return _trimmed_all(super()._load_env_vars())


class EnvFile(DotEnvSettingsSource):
    """The file `.env`, each value trimmed."""

    def _read_env_files(self) -> Mapping[str, str | None]:
        return _trimmed_all(super()._read_env_files())


def unreadable_lines(file: Path) -> list[int]:
    """Return the numbers of lines of an env file that set nothing, and are no comment either."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):  # reading the settings says that
        return []
    found = parse_stream(io.StringIO(text))
    return [
        each.original.line + each.original.string[: -len(each.original.string.lstrip())].count("\n")
        for each in found
        if each.error or (each.key is not None and each.value is None)
    ]


def _trimmed_all(found: Mapping[str, str | None]) -> dict[str, str | None]:
    return {
        name.strip(_INVISIBLE): None if value is None else trimmed(value)
        for name, value in found.items()
    }


def choice(*values: str) -> BeforeValidator:
    """Return a validator that takes one of some words, in small or capital letters."""

    def pick(value: object) -> object:
        if not isinstance(value, str):
            return value
        for each in values:
            if value.casefold() == each.casefold():
                return each
        near = difflib.get_close_matches(value.casefold(), [each.casefold() for each in values], 1)
        known = {each.casefold(): each for each in values}
        ask = f"; did you mean `{known[near[0]]}`?" if near else ""
        raise ValueError(f"it is one of {', '.join(values)}{ask}")

    return BeforeValidator(pick)


def _web_address(value: str) -> str:
    if not value:
        return value
    try:
        parts = urlsplit(value)
        fits = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is none, a bracket
        fits = False
    if not fits or any(character.isspace() for character in value):
        raise ValueError("it is an address such as https://studio.example.org")
    return parts.scheme + value[len(parts.scheme) :]


WebAddress: Final = AfterValidator(_web_address)
"""Takes `http://` and `https://` addresses; the scheme may be in capital letters."""


def expanded(value: object) -> object:
    """Return a path with `~` and variables such as `$HOME` resolved.

    Raises:
        ValueError: this account has no home folder.
    """
    if not isinstance(value, str):
        return value
    try:
        return Path(os.path.expandvars(value)).expanduser()
    except RuntimeError:
        raise ValueError(
            "`~` stands for the home folder, and this account has none (HOME is not set); "
            "write the whole path"
        ) from None


def expanded_text(value: object) -> object:
    """Return a folder's path as text, as `expanded` does; an address is left as it is.

    Raises:
        ValueError: this account has no home folder.
    """
    return str(expanded(value)) if isinstance(value, str) and value[:1] in ("~", "$") else value


def unbracketed(value: object) -> object:
    """Return an address without the brackets that IPv6 has in URLs."""
    return value[1:-1] if isinstance(value, str) and re.fullmatch(r"\[.*\]", value) else value


def _key(value: SecretStr) -> SecretStr:
    """Return an API key as it can be sent, without blanks around it."""
    key = _stripped(value.get_secret_value())
    for place, character in enumerate(key, 1):
        if not "!" <= character <= "~":
            raise ValueError(
                f"its character {place} (U+{ord(character):04X}) is in no key; please copy the "
                "key again"
            )
    return SecretStr(key)


ApiKey: Final = AfterValidator(_key)
"""Takes keys of printable ASCII, as HTTP headers can carry them."""


def _mongodb(value: SecretStr) -> SecretStr:
    uri = value.get_secret_value()
    if uri and (reason := _unusable(uri)):
        raise ValueError(f"{reason}; its form is {_MONGODB_FORM}")
    return value


MongoAddress: Final = AfterValidator(_mongodb)
"""Accepts addresses of a MongoDB whose parts can be distinguished."""


def _unusable(uri: str) -> str:
    """Return why an address of a database cannot be used, without quoting it; empty: it can."""
    scheme, slashes, rest = uri.partition("://")
    if not slashes or scheme not in ("mongodb", "mongodb+srv"):
        return "it starts with mongodb:// or mongodb+srv://"
    # As far as the last "@" before the options: an unescaped "/" or "@" in a password would end
    # it too early.
    userinfo, _, hosts = re.split(r"\?(?=\w+=)", rest, maxsplit=1)[0].rpartition("@")
    user, colon, password = userinfo.partition(":")
    for name, part in (("user", user), ("password", password)):
        if wrong := sorted(set(part) & set("@:/?#[]")):
            escapes = ", ".join(f"`{each}` is written %{ord(each):02X}" for each in wrong)
            return f"the {name} in it has characters that must be escaped: {escapes}"
        if re.search(r"%(?![0-9A-Fa-f]{2})", part):
            return f"the {name} in it has a `%` that must be written %25"
    if colon and not unquote(user):
        return "it has a password but no user"
    return _unusable_hosts(re.split(r"[/?]", hosts, maxsplit=1)[0], srv=scheme.endswith("srv"))


def _unusable_hosts(hosts: str, *, srv: bool) -> str:
    for host in hosts.split(","):
        found = re.fullmatch(r"(\[[^\]]+\]|[^:\[\]]+)(?::(.*))?", host)
        if found is None:
            return "it names no host" if not host else "a host in it cannot be read"
        port = found[2]
        if port is None:
            continue
        if srv:
            return "with mongodb+srv:// it has no port"
        if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):  # noqa: PLR2004
            return f"the port {port!r} in it is no number from 1 to 65535"
    return ""


def by_unit(value: object) -> object:
    """Return amounts by the units that are meant, however they are spelled.

    Raises:
        ValueError: one is given twice.
    """
    if not isinstance(value, Mapping):
        return value
    found: dict[object, object] = {}
    for key, amount in value.items():
        name = _stripped(key) if isinstance(key, str) else key
        known = _UNITS.get(name.casefold(), name) if isinstance(name, str) else name
        if known in found:
            raise ValueError(f"it says twice what holds for {known}")
        found[known] = amount
    return found


def folded(value: object) -> object:
    """Return a text in small letters and without blanks."""
    return "".join(value.lower().split()) if isinstance(value, str) else value


def known_broker(value: SecretStr) -> SecretStr:
    """Return a broker's address.

    Raises:
        ValueError: it is of no kind that there is.
    """
    url = value.get_secret_value()
    if url and not url.startswith(("redis://", "rediss://", "amqp://", "amqps://")):
        raise ValueError("it starts with redis://, rediss://, amqp:// or amqps://")
    return value


def listed(value: object) -> object:
    """Return the parts of a text with commas between them."""
    if isinstance(value, str):
        return [each.strip() for each in value.split(",") if each.strip()]
    return value


def misspelt(given: Iterable[str], known: Mapping[str, bool]) -> dict[str, str]:
    """Return names that look like settings and are none, each with the setting that is meant.

    Args:
        given: the names of variables, in the environment or in `.env`.
        known: the names of the settings, in capital letters, and whether each has a value: then
            nothing is missing.
    """
    found = {}
    for name in given:
        if name.upper() in known:
            continue
        best = max(known, key=lambda each: _likeness(name, each))
        if _likeness(name, best) >= _NEAR and not known[best]:
            found[name] = best
    return found


def _likeness(name: str, setting: str) -> float:
    """Return how near a name is to a setting's, from 0 to 1."""
    mine, its = _words(name), _words(setting)
    if "".join(mine) == "".join(its):
        return 1.0
    first = difflib.SequenceMatcher(None, mine[0], its[0]).ratio()
    if first < 0.7:  # noqa: PLR2004  # another program's
        return 0.0
    if len(mine) > 1 and mine[0] == its[0] and mine[-1] == its[-1] and set(mine) <= set(its):
        return 0.95  # one word is missing: OPENAI_KEY
    return difflib.SequenceMatcher(None, "_".join(mine), "_".join(its)).ratio()


def _words(name: str) -> list[str]:
    words = re.split(r"[_\-.]+", name.strip("_-.").upper())
    return [part for word in words for part in _SYNONYMS.get(word, word).split("_")] or [""]
