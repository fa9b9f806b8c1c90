"""The first check of every request and websocket: host, origin, path and upgrade."""

import logging
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.i18n import gettext as _
from core.web.http.errors import error_response
from core.web.http.origins import Origins, RequestSource
from core.web.http.security_headers import NO_STORE
from core.web.page_list import page_paths

SOCKET: Final = "/_stcore/stream"
"""The one websocket that there is: Streamlit's."""

# What a browser needs of Streamlit beside its pages. Not served: uploads
# (`/_stcore/upload_file`; no page has an uploader), metrics, script-health, agents, components with
# files of their own, the app's static folder.
_STREAMLIT: Final = frozenset(
    {"/_stcore/health", "/_stcore/host-config", "/favicon.png", "/manifest.json", "/index.html"}
)
_STREAMLIT_FOLDERS: Final = ("/static/", "/media/")  # its scripts; our icon
_OIDC: Final = frozenset({"/auth/login", "/auth/logout", "/oauth2callback"})
_READING: Final = frozenset({"GET", "HEAD"})
_PATH_CHARACTERS: Final = 2_000

_log = logging.getLogger(__name__)


class Gate:
    """Accepts or rejects a request by its host, origin, path and upgrade, before Streamlit sees it.

    Routes read the decision about the origin by `core.web.http.requests.same_origin`.
    Streamlit's own check of websockets, which asks servers outside for this machine's address,
    finds nothing to do: the `Host` that it compares with is the origin that was accepted.

    Args:
        app: the next ASGI app.
        origins: which are ours.
        routes: our own.
        oidc: whether Streamlit's routes for an identity provider are served.
    """

    def __init__(
        self, app: ASGIApp, origins: Origins, routes: Iterable[Route], *, oidc: bool
    ) -> None:
        self._app = app
        self._origins = origins
        self._ours = tuple(routes)
        self._pages = page_paths()
        self._readable = _STREAMLIT | self._pages | (_OIDC if oidc else frozenset())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or reject it."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        source = RequestSource.of(scope)
        scope = self._without_prefix(scope)
        refusal = self._refusal(scope, source)
        if refusal is not None:
            await _refuse(refusal, scope, receive, send)
            return
        accepted = self._origins.accepts(source)
        if scope["type"] == "websocket":
            if not accepted:
                _log.warning(
                    "a websocket of another origin was refused: %.200s, host %.200s",
                    ", ".join(source.origins),
                    ", ".join(source.hosts),
                )
                await send({"type": "websocket.close", "code": 1008, "reason": ""})
                return
            scope = {**scope, "headers": _with_canonical_host(scope["headers"], source)}
        decided = {
            "same_origin": accepted,
            "address": self._origins.address,
            "cookie_path": self._origins.cookie_path(source),
        }
        scope = {**scope, "state": scope.get("state", {}) | decided}
        await self._app(scope, receive, self._with_prefix(send))

    def _with_prefix(self, send: Send) -> Send:
        """Return a `send` that puts the prefix before the paths of redirections."""
        prefix = self._origins.prefix
        if not prefix:
            return send

        async def send_prefixed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                to = headers.get("location", "")
                if to.startswith("/") and not to.startswith(("//", f"{prefix}/")):
                    headers["location"] = prefix + to
            await send(message)

        return send_prefixed

    def _without_prefix(self, scope: Scope) -> Scope:
        """Return a scope whose path has no prefix, whether the proxy has removed it or not."""
        prefix = self._origins.prefix
        if not prefix or not f"{scope['path']}/".startswith(f"{prefix}/"):
            return scope
        path = scope["path"].removeprefix(prefix)
        raw = scope.get("raw_path", b"").removeprefix(prefix.encode())
        return {**scope, "path": path, "raw_path": raw}

    def _refusal(self, scope: Scope, source: RequestSource) -> Response | None:
        client = HTTPConnection(scope)
        if self._origins.refuses_host(source):
            return error_response(client, 400, self._wrong_host())
        path: str = scope["path"]
        if len(path) > _PATH_CHARACTERS:
            return _nothing(client)
        if scope["type"] == "websocket":
            return None if path == SOCKET else _nothing(client)
        reading = scope["method"] in _READING
        if reading and (to := self._moved(path)):
            query = scope["query_string"].decode("latin-1")
            return RedirectResponse(to + (f"?{query}" if query else ""), 301, NO_STORE)
        if (reading and self._is_readable(path)) or any(
            route.path_regex.match(path) for route in self._ours
        ):
            return None
        return _nothing(client)

    def _moved(self, path: str) -> str:
        """Return the relative address of a page with a wrong slash at its end; empty: none is."""
        if not path:  # PUBLIC_URL without its last slash; pages name files beside them
            return self._origins.prefix.rpartition("/")[2] + "/"
        page = path.rstrip("/")
        moved = page != path and page in self._pages
        return "../" * (len(path) - len(page)) + page[1:] if moved else ""

    def _is_readable(self, path: str) -> bool:
        return path in self._readable or path.startswith(_STREAMLIT_FOLDERS)

    def _wrong_host(self) -> str:
        if not self._origins.address:
            return _("Fivefold is not opened by this name.")
        return _("Fivefold is opened at {address}, not by this name.").format(
            address=self._origins.address
        )


def _with_canonical_host(
    headers: list[tuple[bytes, bytes]], source: RequestSource
) -> list[tuple[bytes, bytes]]:
    if not source.origins:
        return headers
    host = urlsplit(source.origins[0]).netloc.encode("latin-1")
    return [each for each in headers if each[0].lower() != b"host"] + [(b"host", host)]


def _nothing(client: HTTPConnection) -> Response:
    return error_response(client, 404, _("There is nothing here."))


async def _refuse(refusal: Response, scope: Scope, receive: Receive, send: Send) -> None:
    """Send a response; for a websocket in place of the upgrade."""
    if scope["type"] == "http" or "websocket.http.response" in scope.get("extensions", {}):
        await refusal(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": 1008, "reason": ""})
