import json
import os
import subprocess
import sys
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Callable
from html import escape
from pathlib import Path
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import SecretStr

from core.redaction import REDACTED, Redactor
from core.settings import Settings
from core.web.identity.cookies import Identity
from tests.product import ROOT

STRANGE = (
    "sk-live-1234567890abcdef",
    "sk-live\u00a01234567890",  # what copying from a web page gives
    "tab\tand blank 12345",
    "pass\"word'with\\back/slash@:",
    "pässwörd-日本語",
    "emoji-😀-in-it",
    "percent%40encoded+plus",
    "<b>&amp;</b>secret",
    "two\nlines-of-it",
)
SPELLINGS: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "repr": repr,
    "ascii": ascii,
    "repr of an exception's arguments": lambda s: repr(ValueError("bad", {"key": f"Bearer {s}"})),
    "repr of bytes": lambda s: repr(s.encode()),
    "repr of Latin-1 bytes": lambda s: repr(s.encode("latin-1", "replace")),
    "bytes read as Latin-1": lambda s: s.encode().decode("latin-1"),
    "JSON": json.dumps,
    "JSON with its letters": lambda s: json.dumps(s, ensure_ascii=False),
    "repr in JSON": lambda s: json.dumps(repr(s)),
    "JSON in JSON": lambda s: json.dumps(json.dumps(s)),
    "URL": quote,
    "URL's query": quote_plus,
    "URL, all of it, in small letters": lambda s: quote(s, safe="").replace("%C2%A0", "%c2%a0"),
    "URL twice": lambda s: quote(quote(s, safe="")),
    "HTML": escape,
    "base64": lambda s: b64encode(s.encode()).decode(),
    "base64 for URLs": lambda s: urlsafe_b64encode(s.encode()).decode(),
    "basic authentication": lambda s: b64encode(f"ana:{s}".encode()).decode(),
    "base64 in the midst": lambda s: b64encode(f"ab:{s}:more".encode()).decode(),
    "hex": lambda s: s.encode().hex(),
    "replaced letters": lambda s: s.encode("ascii", "replace").decode(),
    "escaped letters": lambda s: s.encode("ascii", "backslashreplace").decode(),
    "XML references": lambda s: s.encode("ascii", "xmlcharrefreplace").decode(),
}


@pytest.mark.parametrize("spell", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize("secret", STRANGE, ids=ascii)
def test_a_secret_is_found_in_every_spelling(secret: str, spell: Callable[[str], str]) -> None:
    redact = Redactor()
    redact.add(secret)
    text = f"it said: {spell(secret)}, and ended"
    found = redact.known(text)
    assert spell(secret).strip("\"'") not in found
    assert REDACTED in found
    assert found.startswith("it said: ")
    assert found.endswith(", and ended")


@settings(deadline=None)
@given(
    secret=st.text(min_size=8, max_size=60).filter(lambda s: len(set(s.strip())) > 1),
    spell=st.sampled_from([str, repr, ascii, json.dumps, quote_plus, SPELLINGS["repr in JSON"]]),
)
def test_any_text_can_be_a_secret(secret: str, spell: Callable[[str], str]) -> None:
    redact = Redactor()
    redact.add(secret)
    spelled = spell(secret)
    assert spelled not in redact.known(f"({spelled})")


def test_every_secret_of_the_settings_is_known() -> None:
    chosen = Settings(
        mongodb_uri=SecretStr("mongodb://ana:p%40ss%2Fw0rd@db/?replicaSet=rs0"),
        broker_url=SecretStr("amqp://fivefold:br0ker-word@mq"),
        openai_api_key=SecretStr("sk-of-openai-1"),
        openai_base_url="https://ana:in-the-address@proxy.example/v1",
        openai_servers={
            "own": {
                "base_url": "http://gpu:8000/v1",
                "api_key": "nested-key-99",
                "extra": {"headers": {"X-Token": "deeper-token-7"}},
            }
        },
        smtp_password=SecretStr("abcd efgh ijkl mnop"),
    )
    redact = Redactor()
    redact.add_all_in(chosen)
    for secret in (
        "p%40ss%2Fw0rd",
        "p@ss/w0rd",
        "br0ker-word",
        "sk-of-openai-1",
        "in-the-address",
        "nested-key-99",
        "deeper-token-7",
        "abcd efgh ijkl mnop",
    ):
        assert redact.known(f"<{secret}>") == f"<{REDACTED}>", secret
    assert redact.known("database fivefold at gpu:8000, 0000000000") == (
        "database fivefold at gpu:8000, 0000000000"
    )


IDENTITY = Identity("a key", days=1, secure=False)
SHARE = IDENTITY.share_key("01jd0000000000000000000000")
TOKEN = "Zr3-kQ_81mNbVcXyLp0sD7fGhJ2wEtUa"  # noqa: S105  # made up


@pytest.mark.parametrize(
    "text",
    [
        f"GET /shared?key={TOKEN} 500",
        f"GET /shared?lang=de&key={quote(SHARE)} 500",
        f"no share {SHARE!r}",
        f"location /login%3Finvite%3D{TOKEN}",
        f"GET /mail/confirm/{TOKEN} 404",
        f"POST http://x/mail/unsubscribe/{TOKEN}",
        f"headers [(b'authorization', b'Bearer {TOKEN}')]",
        f"Authorization: Basic {TOKEN}",
        f"'Cookie': 'a=1; fivefold_session={TOKEN}.aZ0f3Q.{TOKEN[:27]}'",
        f"fivefold_session={TOKEN}.aZ0f3Q.{TOKEN[:27]}",
        f"{{'user_id': 'ana', 'passphrase': '{TOKEN}'}}",
        f"{{'passphrase': 'correct horse {TOKEN}'}}",
        f"smtp://ana:{TOKEN}@mail.example",
        f"https://s3/b/k?X-Amz-Algorithm=A&X-Amz-Signature={TOKEN}&x=1",
        f"/oauth2callback?code={TOKEN}&state={TOKEN}",
        f"x-api-key={TOKEN}",
        f"{{'access_token': '{TOKEN}', 'expires_in': 3600}}",
    ],
)
def test_what_stands_in_a_secrets_place_is_redacted(text: str) -> None:
    found = Redactor()(text)
    assert TOKEN not in found
    assert SHARE not in found
    assert quote(SHARE) not in found


@pytest.mark.parametrize(
    "text",
    [
        "01jd0000000000000000000000-image-3: saved as /files/50%/a=b.png state=done",
        "ana exports views of everybody",
        "core.generation.item_run: OPENAI_API_KEY: it has a character that no key has",
        "GET /library/items?kind=image&page=2 200",
        "tokens used: 1,024; key frames: 24; basic authentication is off",
        "http://localhost:8501/job?id=01jd0000000000000000000000",
        "Traceback (most recent call last):",
    ],
)
def test_ordinary_lines_stay_as_they_are(text: str) -> None:
    assert Redactor()(text) == text


def test_an_issued_token_is_redacted_wherever_it_stands() -> None:
    redact = Redactor()
    redact.issue(TOKEN)
    assert redact(f"KeyError: '{TOKEN}'") == f"KeyError: '{REDACTED}'"
    for number in range(5000):
        redact.issue(f"another-token-of-length-{number:06}")
    assert TOKEN in redact(TOKEN), "they are remembered without end"


CHILD = """
import asyncio, logging, multiprocessing, sys, threading, warnings
from core.settings import load_settings
from core.runtime.process import prepare
settings = load_settings()
prepare("web", "DEBUG", sys.argv[1])
key = settings.smtp_password.get_secret_value()
def raises(): raise ValueError("refused", {"Authorization": "Bearer " + key})
def in_thread():
    t = threading.Thread(target=raises); t.start(); t.join()
async def in_loop():
    asyncio.get_running_loop().call_soon(raises)
    task = asyncio.create_task(lost()); await asyncio.sleep(0); await asyncio.sleep(0)
    del task
async def lost(): raises()
class Odd:
    def __del__(self): raises()
if __name__ == "__main__":
    logging.getLogger("uvicorn.error").error("with %r", [key])
    handler = logging.StreamHandler(); other = logging.getLogger("other"); other.propagate = False
    other.addHandler(handler); other.error("from another handler: %s", key)
    try: raises()
    except ValueError: logging.getLogger("core.x").exception("broke", extra={"a": key})
    logging.getLogger("core.x").error("%d", key)
    logging.getLogger("openai").setLevel(logging.DEBUG)
    logging.getLogger("openai").debug("Request options: %s", {"prompt": "a private prompt"})
    logging.getLogger("sse_starlette.sse").debug("chunk: %s", b"a private prompt")
    logging.getLogger("core.x").debug("our own debugging")
    warnings.warn(key)
    in_thread(); asyncio.run(in_loop()); Odd()
    print("for the user:", key)
    sys.stderr.writelines(["lines: ", key, "\\n"])
    raises()
"""


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("secret", ["sk-\"quo'ted\\12345", "näh!@-:/?#é 77"])
def test_nothing_that_a_process_writes_holds_a_secret(
    tmp_path: Path, log_format: str, secret: str
) -> None:
    script = tmp_path / "child.py"
    script.write_text("from core.redaction import guard_output\nguard_output()\n" + CHILD)
    secret = "".join(c for c in secret if c.isascii() and c.isprintable())
    done = subprocess.run(
        [sys.executable, str(script), log_format],
        env=os.environ | {"SMTP_PASSWORD": secret, "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    output = done.stdout + done.stderr
    assert done.returncode == 1
    for spelled in (secret, repr(secret), json.dumps(secret)[1:-1], quote(secret)):
        assert spelled not in output
    assert output.count(REDACTED) >= 10, output
    assert "a private prompt" not in output
    assert "our own debugging" in output
    for line in ("Thread", "ValueError", "UserWarning", "never retrieved", "Exception ignored"):
        assert line in output


SPAWNED = """
import multiprocessing, os
def broke(): raise ValueError(os.environ["SMTP_PASSWORD"])
if __name__ == "__main__":
    child = multiprocessing.get_context("spawn").Process(target=broke); child.start(); child.join()
"""


def test_spawned_children_are_guarded_by_the_module_that_they_import(tmp_path: Path) -> None:
    main = (ROOT / "core" / "__main__.py").read_text().partition("from core.cli.main")[0]
    (tmp_path / "begin.py").write_text(main + SPAWNED)
    done = subprocess.run(
        [sys.executable, str(tmp_path / "begin.py")],
        env=os.environ | {"SMTP_PASSWORD": "käse-and-wein 12", "PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert "ValueError" in done.stderr
    assert "wein 12" not in done.stderr


@pytest.mark.parametrize(
    "part",
    ["http://", "http://x:", "http://a:b", "x-", "x-token-", "cookie = ", "authorization  ", "a.-+"]
    + ["?key=", "&amp;", "bearer ", "a:", "api-key", "0" * 26 + ".", "password='", "%3f"],
)
def test_a_text_that_a_stranger_wrote_does_not_hold_the_process(part: str) -> None:
    """A log line may be an address of 64 KiB; no part may be read anew from each character."""
    text = part * (200_000 // len(part))
    assert Redactor()(text + "@x-session-token: abc").endswith(REDACTED)


@pytest.mark.parametrize("user", ["", "u", "us"])
def test_a_password_in_a_header_may_be_in_latin_1(user: str) -> None:
    redact = Redactor()
    redact.add("pässword-key-1234")
    header = b64encode(f"{user}:pässword-key-1234".encode("latin-1")).decode()
    assert redact(f"sent {header}") == f"sent {REDACTED}"
