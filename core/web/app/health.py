"""`GET /health`: whether this installation works, and its id."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.generation.disk_space import full_disks
from core.media.storage import ContentStore, open_content
from core.settings import Settings, load_settings
from core.store import DatabaseError, DatabaseUnavailable
from core.web.http.security_headers import NO_STORE
from core.web.resources import WebStudio


def health_routes(open_studio: Callable[[], WebStudio]) -> list[Route]:
    """Return the route, for load balancers and for `doctor`.

    It responds with 200 and `installation`, a random id that is the same for all processes on one
    database, or with 503 if the database does not answer. `disk` is `full` if nothing new can be
    stored; only `doctor` and the log say which disk, since this route is public.
    """

    def health(_: Request) -> Response:
        try:
            studio = open_studio()
            studio.store.ping()  # `installation` is cached
            found = studio.store.installation()
        except (DatabaseError, DatabaseUnavailable):
            settings = load_settings()  # without a database there may be no studio
            disk = _disk(settings, open_content(settings.content_url))
            return JSONResponse({"database": "does not answer", **disk}, 503, NO_STORE)
        disk = _disk(studio.settings, studio.content)
        return JSONResponse({"installation": found, **disk}, headers=NO_STORE)

    return [Route("/health", health)]


def _disk(settings: Settings, content: ContentStore) -> dict[str, str]:
    return {"disk": "full"} if full_disks(settings, content) else {}
