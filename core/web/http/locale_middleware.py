"""The language that our routes answer in."""

from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from core.i18n import LANGUAGES, negotiated, speaking


class SpokenLanguage:
    """Speaks the reader's language while a request is answered.

    Our pages say in the query which one they are shown in (`language`), for its reader may have
    chosen another than the browser's; without that, it is what the browser asks for.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on. Threads that answer it speak the same language."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with speaking(requested_language(HTTPConnection(scope))):
            await self._app(scope, receive, send)


def requested_language(client: HTTPConnection) -> str:
    """Return the code of the language that a request wants to be answered in."""
    chosen = client.query_params.get("language")
    if chosen in LANGUAGES:
        return str(chosen)
    return negotiated(client.headers.get("accept-language"))
