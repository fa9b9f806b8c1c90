"""`GET /prompts`: what a user has asked for before; `GET /prompts/surprise`: something new."""

import logging
from collections.abc import Callable
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.i18n import language
from core.store import DatabaseError, DatabaseUnavailable
from core.web.create.prompt_ideas import surprise
from core.web.http.errors import NOT_KEPT, SORRY, Refused, no_answer, said
from core.web.http.requests import logged_in
from core.web.resources import Studio

HISTORY: Final = 50
"""How many different prompts are remembered."""

_log = logging.getLogger(__name__)


def prompt_routes(open_studio: Callable[[], Studio]) -> list[Route]:
    """Return the two routes.

    The first answers with `prompts`, those of the user's latest jobs, the newest first; the second
    with `prompt`, in the language of the request, and another one than its `last`.

    Args:
        open_studio: returns the shared studio; may raise `DatabaseUnavailable`.
    """

    def history(request: Request) -> Response:
        def answer(user_id: str) -> dict[str, Any]:
            return {"prompts": open_studio().store.jobs.history(user_id, HISTORY)}

        return _answer(request, answer)

    def something_new(request: Request) -> Response:
        last = request.query_params.get("last", "")
        return _answer(request, lambda _user: {"prompt": surprise(language(), last)})

    return [Route("/prompts", history), Route("/prompts/surprise", something_new)]


def _answer(request: Request, make: Callable[[str], dict[str, Any]]) -> Response:
    """Answer whoever is logged in."""
    try:
        return JSONResponse(make(logged_in(request)), headers=NOT_KEPT)
    except Refused as refusal:
        return said(refusal.status, str(refusal))
    except (DatabaseError, DatabaseUnavailable) as error:
        _log.warning("prompts were not told: %s", error)
        return said(503, no_answer(SORRY))
