"""What a page can say by itself, before and without its websocket.

Streamlit's page shows a grey skeleton until its websocket is open. A script beside it says in one
sentence why it will not be: the page has another address than ours, or a proxy lets no websocket
through.
"""

import json
from importlib.resources import files
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.i18n import gettext as _
from core.web.http.requests import same_origin
from core.web.http.security_headers import NO_STORE

SCRIPT: Final = "/first.js"
_TAG: Final = b'<script defer src="./first.js"></script></head>'
_CODE: Final = (files("core.web") / "frontend" / "pages" / "connection_check.js").read_text(
    encoding="utf-8"
)


def first_page_routes() -> list[Route]:
    """Return `GET /first.js` and `POST /origin`, which says whether its page is ours.

    The second answers any page with `ours`, and `message` where it is not.
    """

    def script(_request: Request) -> Response:
        sentence = _(
            "This page cannot keep a connection to Fivefold. If you look after this server: a "
            "proxy in front of it has to let websockets (“Upgrade”) through."
        )
        code = f"const NO_CONNECTION = {json.dumps(sentence)};\n{_CODE}"
        return Response(code, media_type="text/javascript", headers=NO_STORE)

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
        told = {"ours": False, "message": message, "address": address}
        return JSONResponse(told, headers=NO_STORE)

    return [Route(SCRIPT, script), Route("/origin", origin, methods=["POST"])]


class FirstPage:
    """Puts the script into Streamlit's page, whatever path it is asked for by."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and change its answer where that is a page of Streamlit's."""
        if scope["type"] != "http" or scope["method"] != "GET" or scope["path"].count("/") != 1:
            await self._app(scope, receive, send)
            return
        # As it is on the disk: compressed it could not be changed, and parts of it would not fit.
        kept = [each for each in scope["headers"] if each[0] not in _NEGOTIATING]
        start: Message | None = None
        body = b""

        async def say(message: Message) -> None:
            nonlocal start, body
            if message["type"] == "http.response.start" and _is_page(message):
                start = message
            elif start is None or message["type"] != "http.response.body":
                await send(message)
            else:
                body += message.get("body", b"")
                if not message.get("more_body", False):
                    body = body.replace(b"</head>", _TAG, 1)
                    MutableHeaders(scope=start)["content-length"] = str(len(body))
                    await send(start)
                    await send({"type": "http.response.body", "body": body})
                    start = None

        await self._app({**scope, "headers": kept}, receive, say)


_NEGOTIATING: Final = (b"accept-encoding", b"range", b"if-range")


def _is_page(message: Message) -> bool:
    headers = MutableHeaders(raw=message["headers"])
    named = headers.get("content-type", "").startswith("text/html")
    return bool(message["status"] == 200) and named and "etag" in headers  # noqa: PLR2004  # a file
