"""`GET /prompts`: a user's earlier prompts; `GET /prompts/surprise`: a random one."""

from collections.abc import Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.i18n import language
from core.web.create.prompt_ideas import surprise
from core.web.http.requests import logged_in
from core.web.http.security_headers import NO_STORE
from core.web.resources import WebStudio

HISTORY: Final = 50
"""How many different prompts are returned."""


def prompt_routes(open_studio: Callable[[], WebStudio]) -> list[Route]:
    """Return the two routes.

    The first returns `prompts`, those of the user's latest jobs, the newest first; the second
    returns a `prompt` in the language of the request that differs from its `last`.

    Args:
        open_studio: returns the shared studio; may raise `DatabaseUnavailable`.
    """

    def history(request: Request) -> Response:
        prompts = open_studio().store.jobs.history(logged_in(request), HISTORY)
        return JSONResponse({"prompts": prompts}, headers=NO_STORE)

    def random_prompt(request: Request) -> Response:
        logged_in(request)
        prompt = surprise(language(), request.query_params.get("last", ""))
        return JSONResponse({"prompt": prompt}, headers=NO_STORE)

    return [Route("/prompts", history), Route("/prompts/surprise", random_prompt)]
