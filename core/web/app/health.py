"""`GET /health`: whether this Fivefold works, and which one it is."""

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

    It answers 200 with `installation`, which is the same for all processes on one database and
    tells nothing else; 503 where the database does not answer. `disk` is `full` where nothing new
    can be stored; which disk that is, `doctor` and the log tell, for anybody may ask here.
    """

    def health(_: Request) -> Response:
        try:
            studio = open_studio()
            studio.store.ping()  # what it is called is remembered
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
