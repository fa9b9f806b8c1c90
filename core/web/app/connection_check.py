"""What we add to Streamlit's page: preloaded modules, and a check of its connection.

Streamlit's page shows a grey skeleton until its websocket is open. A module of ours says in one
sentence why it does not open: the page has another address than ours, or a proxy lets no websocket
through. The modules that are drawn first are preloaded with the page.
"""

from html import escape
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.i18n import gettext as _
from core.i18n import language
from core.web.frontend import assets
from core.web.http.requests import same_origin
from core.web.http.security_headers import NO_STORE
from core.web.identity.cookies import COOKIE
from core.web.page_list import page_paths

_CONNECTION_CHECK: Final = "pages/connection_check.js"


def connection_check_routes() -> list[Route]:
    """Return `POST /origin`, which says whether the page that asks has an origin of ours.

    The response has `ours`; where that is false, also `message` and `address`.
    """

    def origin(request: Request) -> Response:
        if same_origin(request):
            return JSONResponse({"ours": True}, headers=NO_STORE)
        address = request.state.address
        message = (
            _("Fivefold is opened at {address}. Here it cannot log you in.").format(address=address)
            if address
            else _(
                "Fivefold does not know this address. If you look after this server: set "
                "PUBLIC_URL to the address that users open it by."
            )
        )
        body = {"ours": False, "message": message, "address": address}
        return JSONResponse(body, headers=NO_STORE)

    return [Route("/origin", origin, methods=["POST"])]


class ConnectionCheck:
    """Adds our modules to Streamlit's page, at every path that it is served at."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and change its response where that is a page of Streamlit's."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"] not in _PATHS:
            await self._app(scope, receive, send)
            return
        # Whole and uncompressed, since only that can be changed.
        kept = [each for each in scope["headers"] if each[0] not in _NEGOTIATING]
        start: Message | None = None
        body = b""

        async def send_page(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_page(message):
                start = message
            elif start is None or message["type"] != "http.response.body":
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    body = body.replace(b"</head>", _head(scope).encode() + b"</head>", 1)
                    headers = MutableHeaders(scope=start)
                    headers["content-length"] = str(len(body))
                    for name in _VALIDATORS:
                        del headers[name]
                    await send(start)
                    await send({"type": "http.response.body", "body": body})
                    start = None

        await self._app({**scope, "headers": kept}, receive, send_page)


_PATHS: Final = page_paths() | {"/index.html"}
_NEGOTIATING: Final = (
    *(b"accept-encoding", b"range", b"if-range"),
    *(b"if-none-match", b"if-modified-since"),
)
_VALIDATORS: Final = ("etag", "last-modified")


def _is_page(message: Message) -> bool:
    headers = MutableHeaders(raw=message["headers"])
    named = headers.get("content-type", "").startswith("text/html")
    return bool(message["status"] == 200) and named and "etag" in headers  # noqa: PLR2004  # a file


def _head(scope: Scope) -> str:
    """Return the HTML of the modules that are added to the page's head."""
    cookies = b";".join(value for name, value in scope["headers"] if name == b"cookie")
    drawn_first = "header/header.js" if COOKIE.encode() in cookies else "pages/login.js"
    wanted = [*assets.needed(drawn_first), *assets.texts(language())]
    links = "".join(
        f'<link rel="modulepreload" href="./{assets.address(path)}">'
        if path.endswith(".js")
        else f'<link rel="preload" as="fetch" crossorigin href="./{assets.address(path)}">'
        for path in wanted
    )
    no_connection = _(
        "This page cannot keep a connection to Fivefold. If you look after this server: a "
        "proxy in front of it has to let websockets (“Upgrade”) through."
    )
    check = f"./{assets.address(_CONNECTION_CHECK)}"
    module = f'<script type="module" src="{check}" data-no-connection="{escape(no_connection)}">'
    return f"{links}{module}</script>"
