"""A whole Fivefold with strange secrets, made to fail: what it writes holds none of them."""

import json
import re
from base64 import b64encode
from pathlib import Path
from urllib.parse import parse_qs, quote, urlsplit

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from core.web.identity.cookies import Identity
from tests.product import Product, free_port
from tests.servers.wire import serving

PROMPT = "a prompt that is nobody's business"
SECRETS = {
    "OPENAI_API_KEY": "sk-\"strange'\\{key}#12345-for-tests",
    "SMTP_PASSWORD": "mail\u00a0wörd-98765-for-tests",
    "SESSION_SECRET": "sign/with+this=secret&more-for-tests",
    "AI_HORDE_API_KEY": "horde-key-%41%42-7788-for-tests",
}
PROXY_PASSWORD = "pr0xy-p%C3%A4ss-for-tests"  # noqa: S105  # made up, as are the others


def mirror(request: Request) -> JSONResponse:
    """Refuse, and quote what came with the request, as careless servers do."""
    key = request.headers["authorization"]
    message = f"Incorrect API key provided: {key}."
    return JSONResponse({"error": {"message": message, "headers": dict(request.headers)}}, 401)


def spellings(secret: str) -> set[str]:
    """The spellings to search for; made here by other means than the product's."""
    return {
        secret,
        repr(secret)[1:-1],
        ascii(secret)[1:-1],
        json.dumps(secret)[1:-1],
        quote(secret, safe=""),
        b64encode(secret.encode()).decode().rstrip("=")[:-1],
    }


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_nothing_that_a_failing_installation_writes_holds_a_secret(
    tmp_path: Path, log_format: str
) -> None:
    server = Starlette(routes=[Route("/{rest:path}", mirror, methods=["GET", "POST"])])
    with serving(server) as vendor:
        product = Product(
            tmp_path,
            LOG_LEVEL="DEBUG",
            LOG_FORMAT=log_format,
            OPENAI_BASE_URL=f"{vendor}/v1",
            OPENAI_VIDEO_MODELS="clips-1",
            OPENAI_LOG="debug",  # the SDK's own variable, which writes whole requests
            SMTP_HOST="127.0.0.1",
            SMTP_PORT=str(free_port()),
            SMTP_USER="ana",
            MAIL_FROM="ana@example.org",
            HTTPS_PROXY=f"http://ana:{PROXY_PASSWORD}@127.0.0.1:{free_port()}",
            AI_HORDE="true",
            **SECRETS,
        )
        product.start()
        try:
            output = fail_all_over(product)
        finally:
            product.stop()
    written = product.output + output
    tokens = re.findall(r"(?:invite|key)=([\w.-]{20,})", output)
    assert len(tokens) == 1, output  # the invitation, printed for whoever made it
    for secret in {*SECRETS.values(), PROXY_PASSWORD}:
        for spelled in spellings(secret):
            assert spelled not in written
    assert product.output.replace(f"“{PROMPT}”", "", 1).count(PROMPT) == 0  # once: the notice
    assert PROMPT not in output
    assert tokens[0] not in product.output
    assert SHARE.rpartition(".")[2] not in product.output
    # It did fail, and at length.
    assert "Connection refused" in product.output
    assert "✘" in output  # of `doctor`


SHARE = Identity(SECRETS["SESSION_SECRET"], days=1, secure=False).share_key("01jd" + "0" * 22)


def fail_all_over(product: Product) -> str:
    """Let every process meet errors that quote secrets; return what commands printed."""
    made = product.command(
        *("generate", PROMPT, "--user", "ana", "--images", "5", "--videos", "5", "--wait"),
        *("--email", "ana@example.org", "--notify", "email,app"),
        *("--image-provider", "openai", "--video-provider", "openai"),
    )
    invited = product.command("user", "invite")
    link = re.search(r"http\S+", invited.stdout)
    assert link is not None, invited.stdout + invited.stderr
    invite = parse_qs(urlsplit(link[0]).query)["invite"][0]
    with httpx2.Client(base_url=product.url, trust_env=False, timeout=20) as browser:
        for path in (
            f"/shared?key={SHARE}",
            f"/login?invite={invite}",
            f"/jobs/{'0' * 26}/events?share={SHARE}",
            f"/mail/confirm/{invite}",
            f"/content/%00?share={SHARE}",
            f"/oauth2callback?code={invite}&state={invite}",
        ):
            browser.get(path)
        login = {"user_id": "ana", "invite": invite, "passphrase": "x"}
        browser.post("/auth/login", json=login | {"register": True})
        browser.post("/auth/login", json={"user_id": "ana"})
        with browser.stream("GET", "/events/cards") as stream:
            next(stream.iter_bytes())
    doctor = product.command("doctor")
    return "\n".join(each.stdout + each.stderr for each in (made, invited, doctor))
