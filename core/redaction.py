"""Keeps secrets out of what is logged and printed, however they are spelled there.

What is known by value (settings, the environment, keys that were made here, tokens that were
issued or shown to this process) is found in every spelling that libraries log: as it is, with
escapes (`repr`, JSON, URLs, HTML), in base64, in hex. What is not known by value is found by its
place: the password in an address, `Authorization`, a link's `?key=`.
"""

import io
import json
import re
import sys
from base64 import b64encode
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from html import escape
from pathlib import Path
from typing import Final, TextIO
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretStr

REDACTED: Final = "[redacted]"

_LEAST: Final = 4  # shorter secrets are found by their place only: every text has such letters
_WORD: Final = 8  # shorter secrets are found where they stand alone, not within words
_BASE64_LEAST: Final = 8
_TOKENS: Final = 4096  # that are remembered, the last ones
_TOKEN_LEAST: Final = 20
_PASSWORD_CHARACTERS: Final = 512  # of one in an address that is not known by value
# Names of variables and fields that hold a secret.
_SECRET_NAME: Final = re.compile(
    r"(?:^|[_-])(?:api_?key|apikey|key|token|secret|password|passwd|passphrase|credentials?|auth)"
    r"(?:$|[_-])",
    re.IGNORECASE,
)
_TOKEN: Final = re.compile(rf"[A-Za-z0-9_-]{{{_TOKEN_LEAST},}}")
_NAMED_CONTROLS: Final = {"\n": "n", "\r": "r", "\t": "t", "\f": "f", "\b": "b", "\v": "v"}

_QUOTED: Final = r"\"(?:\\.|[^\"\\])*\"|'(?:\\.|[^'\\])*'|[^\s,;)}\]\"'\\]+"
_PLACES: Final = (
    # The password in an address; it may have an unescaped "@" or "/".
    # All parts are bounded: else a text of many addresses would be read again from each of them.
    (
        re.compile(
            r"(\b[A-Za-z][\w+.-]{0,30}://[^\s:/@'\"]{0,256}:)"
            rf"[^\s'\"]{{1,{_PASSWORD_CHARACTERS}}}(?=@)"
        ),
        rf"\1{REDACTED}",
    ),
    (
        re.compile(
            r"(?i)(\b(?:proxy-)?authorization\b[\"']?\s*[:=,]\s*\(?b?[\"']?)[^\"'\r\n]+",
        ),
        rf"\1{REDACTED}",
    ),
    (
        re.compile(
            r"(?i)(\b(?:set-cookie|cookie|(?:x-)?api-key|(?<![\w-])x-[\w-]{0,60}(?:token|secret|key))\b"
            r"[\"']?\s*[:=,]\s*\(?b?[\"']?)[^\"'\r\n]+"
        ),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"(?i)\b(bearer\s+)(?=\S*\d)[\w.~+/=-]{8,}"), rf"\1{REDACTED}"),
    (
        re.compile(
            r"(?i)((?:[?&]|%3f|%26|&amp;)(?:key|share|invite|token|ticket|code|state|nonce|sig|signature|"
            r"secret|password|passphrase|api_?key|client_secret|(?:access|id|refresh)_token|"
            r"x-amz-(?:signature|credential|security-token))(?:=|%3d))[^\s&\"'<>#]+"
        ),
        rf"\1{REDACTED}",
    ),
    (
        re.compile(
            r"(?i)(\b(?:api_?key|client_secret|passphrase|password|(?:access|id|refresh|confirm|"
            rf"unsubscribe)_token)[\"']?\s*[:=]\s*)(?:{_QUOTED})"
        ),
        rf"\1{REDACTED}",
    ),
    (re.compile(r"(/mail/(?:confirm|unsubscribe)/)[\w%.~-]+"), rf"\1{REDACTED}"),
    # What itsdangerous signs for us: a share's key, a session's cookie, a ticket.
    (re.compile(r"\b[0-9a-z]{26}\.[\w-]{27}(?![\w-])"), REDACTED),
    (re.compile(r"(?<![\w-])[\w-]{22,}\.[\w-]{6}\.[\w-]{27}(?![\w-])"), REDACTED),
)


class Redactor:
    """Replaces secrets in texts; safe to use from several threads at once."""

    def __init__(self) -> None:
        self._known: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
        self._tokens: OrderedDict[str, None] = OrderedDict()

    def add(self, *secrets: str) -> None:
        """Know secrets by their values from now on; very short ones are left out."""
        for each in secrets:
            for secret in {each, each.strip()}:
                anonymous = len(set(secret)) == 1  # the AI Horde's "0000000000"
                if len(secret) >= _LEAST and not anonymous and secret not in self._known:
                    self._known = self._known | {secret: _patterns(secret)}

    def add_all_in(self, value: object) -> None:
        """Know every secret in settings, a mapping or a sequence of such, however deep."""
        self.add(*_secrets_in(value))

    def issue(self, token: str) -> None:
        """Know a token of a user (of a link, a cookie) for a while: the last thousands are."""
        for part in _TOKEN.findall(token):
            self._tokens[part] = None
        while len(self._tokens) > _TOKENS:
            self._tokens.popitem(last=False)

    def known(self, text: str) -> str:
        """Return a text without the secrets that are known by value."""
        for found in self._known.values():
            for needle, pattern in found:
                if needle in text:
                    text = pattern.sub(REDACTED, text)
        return text

    def __call__(self, text: str) -> str:
        """Return a text without secrets, tokens, and what looks like one."""
        text = self.known(text)
        for place, instead in _PLACES:
            text = place.sub(instead, text)
        if self._tokens:
            text = _TOKEN.sub(
                lambda found: REDACTED if found[0] in self._tokens else found[0], text
            )
        return text


redact: Final = Redactor()
"""The one of this process."""


def learn_environment(environment: Mapping[str, str], env_file: Path | None = None) -> None:
    """Know the secrets in environment variables and in a `.env`, by the variables' names."""
    for name, value in (*environment.items(), *_env_file(env_file)):
        redact.add(*_of_variable(name, value))


def guard_output() -> None:
    """Keep secrets out of what this process prints, and let no character fail it.

    Standard error is what libraries, warnings and exceptions' hooks write to, so it is redacted
    like the log. Standard output is meant for whoever asked (a new invitation, say): only known
    secrets are redacted there. Letters that the terminal's encoding lacks are replaced.
    """
    sys.stdout = _guarded(sys.stdout, redact.known)
    sys.stderr = _guarded(sys.stderr, redact)


class _Guard(io.TextIOWrapper):
    clean: Callable[[str], str]

    def write(self, text: str, /) -> int:
        super().write(self.clean(text))
        return len(text)


def _guarded(stream: TextIO, clean: Callable[[str], str]) -> TextIO:
    if not isinstance(stream, io.TextIOWrapper) or isinstance(stream, _Guard):
        return stream  # there is none, or it is somebody's in memory
    stream.flush()
    guard = _Guard(
        stream.buffer,
        encoding=stream.encoding,
        errors="backslashreplace" if clean is redact else "replace",
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
    guard.clean = clean
    return guard


def _secrets_in(value: object, name: str = "") -> Iterator[str]:
    """Yield the secrets in a value; of plain texts, those whose field's name says so."""
    if isinstance(value, SecretStr):
        value = value.get_secret_value()
        yield value
    if isinstance(value, BaseModel):
        for field in type(value).model_fields:
            yield from _secrets_in(getattr(value, field), field)
    elif isinstance(value, str):
        yield from _of_variable(name, value)
    elif isinstance(value, Mapping):
        for key, each in value.items():
            yield from _secrets_in(each, str(key))
    elif isinstance(value, list | tuple | set | frozenset):
        for each in value:
            yield from _secrets_in(each, name)


def _of_variable(name: str, value: str) -> Iterator[str]:
    """Yield what is secret in a variable: all of it, a header, or an address's password."""
    if _SECRET_NAME.search(name) and not name.lower().endswith(("_file", "_path", "sock", "_tls")):
        yield value
    if name.upper().startswith("OTEL_") and name.upper().endswith("_HEADERS"):
        for pair in value.split(","):
            yield unquote(pair.partition("=")[2].strip())
    if "://" in value:
        yield from _passwords(value)
    if value.lstrip().startswith("{"):
        try:
            found = json.loads(value)
        except ValueError:  # whoever reads the setting says so
            return
        yield from _secrets_in(found)


def _passwords(address: str) -> Iterable[str]:
    """Return the password in an address, also where it has letters that need an escape."""
    authority = address.partition("://")[2]
    userinfo = authority.rpartition("@")[0]
    passwords = {userinfo.partition(":")[2]} if ":" in userinfo else set()
    with suppress(ValueError):  # a bracket in it, say
        passwords.add(urlsplit(address).password or "")
    return {each for found in passwords for each in (found, unquote(found))}


def _env_file(path: Path | None) -> Iterator[tuple[str, str]]:
    try:
        text = "" if path is None else path.read_text("utf-8-sig", errors="replace")
    except OSError:
        return
    for line in text.splitlines():
        name, equals, value = line.strip().removeprefix("export ").partition("=")
        if equals and not name.startswith("#"):
            yield name.strip(), value.strip().strip("\"'")


def _patterns(secret: str) -> list[tuple[str, re.Pattern[str]]]:
    """Return patterns of all spellings of a secret, each with letters that it cannot be without."""
    alone = len(secret) < _WORD
    left, right = (r"(?<![^\W_])", r"(?![^\W_])") if alone else ("", "")
    spelled = left + "".join(map(_spellings, secret)) + right
    found = [(_needle(secret), re.compile(spelled))]
    raw = secret.encode("utf-8", "surrogatepass")
    headers = secret.encode("latin-1", "ignore")  # as some clients write a password in one
    for encoding in dict.fromkeys((raw, headers if len(headers) == len(secret) else raw)):
        found += _in_base64(encoding)
    if not alone:
        found += [(text, re.compile(text)) for text in (raw.hex(), raw.hex().upper())]
    return found


def _in_base64(raw: bytes) -> Iterator[tuple[str, re.Pattern[str]]]:
    for before in range(3):  # where it begins within a group of three bytes
        encoded = b64encode(bytes(before) + raw).decode().rstrip("=")
        # The characters at both ends depend on what is before and after it.
        core = encoded[(before * 8 + 5) // 6 : (before + len(raw)) * 8 // 6]
        if len(core) >= _BASE64_LEAST:
            letters = {"+": r"(?:\+|-|%2[Bb])", "/": r"(?:\\*/|_|%2[Ff])"}
            pattern = "".join(letters.get(each, each) for each in core)
            yield _needle(core), re.compile(rf"[\w+/=-]*{pattern}[\w+/=-]*")


def _needle(text: str) -> str:
    """Return the longest run of letters and digits, which no spelling changes."""
    return max(re.findall(r"[A-Za-z0-9]+", text), key=len, default="")


def _spellings(character: str) -> str:
    """Return a pattern of how one character is written in a log."""
    if character.isascii() and character.isalnum():
        return character
    code = ord(character)
    units = character.encode("utf-16-be", "surrogatepass")
    raw = character.encode("utf-8", "surrogatepass")
    ways = [
        r"\\+" if character == "\\" else rf"\\*{re.escape(character)}",
        "".join(rf"%(?:25)*(?i:{byte:02x})" for byte in raw),  # in an address, perhaps twice
        "".join(rf"\\+x(?i:{byte:02x})" for byte in raw),  # the `repr` of bytes
        "".join(rf"\\+u(?i:{units[at : at + 2].hex()})" for at in range(0, len(units), 2)),  # JSON
        rf"\\+U(?i:{code:08x})",
        rf"&\#(?:{code}|(?i:x0*{code:x}));",
    ]
    if code < 256:  # noqa: PLR2004  # a byte in Latin-1, as headers are
        ways += [rf"\\+x(?i:{code:02x})", rf"%(?i:{code:02x})"]
    if not character.isascii():
        ways += [re.escape(raw.decode("latin-1")), r"\?", "\ufffd"]
    if character == " ":
        ways.append(r"\+")
    if character in _NAMED_CONTROLS:
        ways.append(rf"\\+{_NAMED_CONTROLS[character]}")
    if escape(character) != character:
        ways.append(re.escape(escape(character)))
    return f"(?:{'|'.join(ways)})"
