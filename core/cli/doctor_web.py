"""The check of links and pages: requests as a browser sends them.

A page is empty until its websocket is open, so one is opened where a browser opens it.
"""

from contextlib import suppress
from http import HTTPStatus
from typing import Final

import httpx2
from websockets.exceptions import InvalidStatus, WebSocketException
from websockets.sync.client import connect
from websockets.typing import Origin as OriginHeader
from websockets.typing import Subprotocol

from core.settings import Settings
from core.store import open_store
from core.web.http.origins import Origin, Origins, RequestSource, parse_origin

SECONDS: Final = 5.0
_SOCKET: Final = "/_stcore/stream"
_NOT_RUNNING: Final = {  # a proxy's statuses for a server that is not running
    HTTPStatus.BAD_GATEWAY,
    HTTPStatus.SERVICE_UNAVAILABLE,
    HTTPStatus.GATEWAY_TIMEOUT,
}
_WORDS: Final = 200


def check_links(settings: Settings) -> str:
    """Check that links in messages lead here, and that pages work there.

    Returns:
        What they start with; or that nothing responds there, if no worker runs either.

    Raises:
        LookupError: they do not lead here, or pages opened there stay empty; the text says why.
    """
    base, origin = settings.link_base, accepted_origin(settings)
    with open_store(settings) as store:
        installation, running = store.installation(), bool(store.workers.alive())
    try:
        # Not through the proxy that the environment may name: it does not reach our loopback.
        response = httpx2.get(f"{base}/health", timeout=SECONDS, trust_env=False)
    except (httpx2.HTTPError, httpx2.InvalidURL) as error:
        return _unreachable(base, type(error).__name__, running=running)
    if response.status_code in _NOT_RUNNING:
        return _unreachable(base, f"HTTP {response.status_code}", running=running)
    _check_installation(base, response, installation)
    _check_websocket(base, origin)
    if settings.public_url:
        return f"start with {base}, which leads here"
    return f"start with {base}: for this machine only, which is what is served"


def accepted_origin(settings: Settings) -> Origin:
    """Return the origin of pages opened by a link, as the web process will accept it.

    Raises:
        LookupError: it would refuse that, or others than this machine cannot follow a link.
    """
    if not settings.public_url and (settings.mails or not settings.local):
        raise LookupError(
            f"Links in messages start with {settings.link_base}, which only this machine can open. "
            "Set PUBLIC_URL to the address that users open Fivefold by."
        )
    origin = parse_origin(settings.link_base)
    if origin is not None:
        host = str(origin).partition("://")[2]
        source = RequestSource(
            hosts=[host],
            origins=[str(origin)],
            referer="",
            site="same-origin",
            scheme=origin.scheme,
            forwarded=False,
            websocket=True,
        )
        if Origins.of(settings).accepts(source):
            return origin
    raise LookupError(
        f"Pages opened at {settings.link_base} would be refused: no browser's page has that "
        "origin. PUBLIC_URL has to be scheme, host, port and path alone."
    )


def _unreachable(base: str, what: str, *, running: bool) -> str:
    message = (
        f"{base} cannot be reached from here ({what}). Is Fivefold running, and is PUBLIC_URL "
        "right?"
    )
    if running:
        raise LookupError(message)
    return message  # it is not running, which is not a fault of the links


def _check_installation(base: str, response: httpx2.Response, installation: str) -> None:
    to = response.next_request.url if response.next_request else None
    if to is not None and to.path.endswith("/health"):
        raise LookupError(
            f"{base} sends browsers on to {str(to).removesuffix('/health')}. PUBLIC_URL has to be "
            "the address where they end: pages opened at another one are refused."
        )
    try:
        found = response.json()["installation"]
    except (ValueError, LookupError, TypeError):
        found = None
    if found == installation:
        return
    if response.is_success:
        raise LookupError(f"{base} does not lead to this Fivefold. Is PUBLIC_URL right?")
    reason = ": ".join(filter(None, (f"HTTP {response.status_code}", _reason(response))))
    raise LookupError(
        f"{base} does not lead to this Fivefold ({reason}). Is PUBLIC_URL right, and was Fivefold "
        "started with it?"
    )


def _reason(response: httpx2.Response) -> str:
    """Return the sentence of an error, from problem details (RFC 9457) or plain text."""
    kind, text = response.headers.get("content-type", ""), ""
    if kind.startswith("application/problem+json"):
        with suppress(ValueError, LookupError, TypeError):
            text = str(response.json()["detail"])
    elif kind.startswith("text/plain"):
        text = response.text
    return "".join(filter(str.isprintable, text[:_WORDS])).strip()


def _check_websocket(base: str, origin: Origin) -> None:
    secure = origin.scheme == "https"
    try:
        with connect(
            f"{'wss' if secure else 'ws'}://{base.partition('://')[2]}{_SOCKET}",
            origin=OriginHeader(str(origin)),
            subprotocols=[Subprotocol("streamlit")],
            # The same certificates are trusted as above.
            ssl=httpx2.create_ssl_context(trust_env=False) if secure else None,
            proxy=None,
            open_timeout=SECONDS,
            close_timeout=1,
        ) as opened:
            # Some proxies accept the upgrade themselves and forward nothing.
            replied = opened.ping().wait(SECONDS)
        why = "" if replied else "it opens, and nothing comes back"
    except InvalidStatus as error:
        if error.response.status_code == HTTPStatus.FORBIDDEN:
            raise LookupError(
                f"{base} refuses the websocket of pages that are opened there (origin {origin}, "
                "HTTP 403). Was Fivefold started with this PUBLIC_URL, and does the proxy pass "
                "Origin on as it is?"
            ) from None
        why = f"HTTP {error.response.status_code}"
    except (WebSocketException, OSError, EOFError) as error:
        why = type(error).__name__
    if why:
        raise LookupError(
            f"{base} leads here, but no websocket can be opened there ({why}), so pages stay "
            "empty. The proxy in front of Fivefold has to let websockets (“Upgrade”) through."
        )
