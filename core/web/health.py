"""`GET /health`: whether this Fivefold works, and which one it is."""

from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.store import DatabaseError, DatabaseUnavailable
from core.web.studio import Studio


def health_routes(open_studio: Callable[[], Studio]) -> list[Route]:
    """Return the route, for load balancers and for `doctor`.

    It answers 200 with `installation`, which is the same for all processes on one database and
    tells nothing else; 503 where the database does not answer.
    """

    def health(_: Request) -> Response:
        try:
            store = open_studio().store
            store.ping()  # what it is called is remembered
            found = store.installation()
        except (DatabaseError, DatabaseUnavailable):
            return JSONResponse({"database": "does not answer"}, 503)
        return JSONResponse({"installation": found}, headers={"Cache-Control": "no-store"})

    return [Route("/health", health)]
