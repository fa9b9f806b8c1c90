"""`GET /health`: whether this Fivefold works, and which one it is."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.generation.room import full_disks
from core.media.storage import open_content
from core.settings import load_settings
from core.store import DatabaseError, DatabaseUnavailable
from core.web.answers import NOT_KEPT
from core.web.studio import Studio


def health_routes(open_studio: Callable[[], Studio]) -> list[Route]:
    """Return the route, for load balancers and for `doctor`.

    It answers 200 with `installation`, which is the same for all processes on one database and
    tells nothing else; 503 where the database does not answer. `disk` is `full` where nothing new
    can be stored; which disk that is, `doctor` and the log tell, for anybody may ask here.
    """

    def health(_: Request) -> Response:
        try:
            store = open_studio().store
            store.ping()  # what it is called is remembered
            found = store.installation()
        except (DatabaseError, DatabaseUnavailable):
            return JSONResponse({"database": "does not answer", **_disk()}, 503, NOT_KEPT)
        return JSONResponse({"installation": found, **_disk()}, headers=NOT_KEPT)

    return [Route("/health", health)]


def _disk() -> dict[str, str]:
    settings = load_settings()
    return {"disk": "full"} if full_disks(settings, open_content(settings.content_url)) else {}
