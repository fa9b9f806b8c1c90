"""The language of a request, for our routes."""

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from core.i18n import LANGUAGES, negotiated, speaking


class LocaleMiddleware:
    """Sets the language while a request is handled.

    Our pages name theirs in the query (`language`), since its user may have chosen another than the
    browser's; without that, `Accept-Language` decides.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on. Its threads inherit the language."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with speaking(requested_language(HTTPConnection(scope))):
            await self._app(scope, receive, send)


def requested_language(client: HTTPConnection) -> str:
    """Return the code of the language that a request asks for."""
    chosen = client.query_params.get("language")
    if chosen in LANGUAGES:
        return str(chosen)
    return negotiated(client.headers.get("accept-language"))
