"""`POST /jobs/{id}/acts`: the owner's actions on a job or one of its items."""

from collections.abc import Callable
from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.i18n import gettext as _
from core.models import InvalidInput
from core.store import Store
from core.studio import jobs
from core.web.http.errors import Forbidden
from core.web.http.requests import logged_in, read_body, same_origin
from core.web.http.security_headers import NO_STORE
from core.web.live.hub import Hub
from core.web.resources import WebStudio

_BODY_BYTES: Final = 1_024
_ACTIONS: Final[dict[str, Callable[[Store, str, str, str | None], int]]] = {
    "cancel": jobs.cancel,
    "retry": jobs.retry,
    "resend": jobs.send_again,
    "recover": jobs.recover,
    "first": jobs.make_next,
}


class _Action(BaseModel):
    """The JSON body."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Literal["cancel", "retry", "resend", "recover", "first"]
    #: An item's id; None: the whole job.
    on: str | None = Field(default=None, max_length=100, pattern=r"^[!-~]+$")


def action_routes(open_studio: Callable[[], WebStudio], hub: Hub) -> list[Route]:
    """Return the route; it responds with `{}`.

    It does nothing to jobs that are not the user's own, and responds in the same way.

    Args:
        open_studio: returns the shared studio; may raise `DatabaseUnavailable`.
        hub: publishes the change.
    """

    def carry_out(job_id: str, user_id: str, action: _Action) -> None:
        _ACTIONS[action.name](open_studio().store, user_id, job_id, action.on)

    async def act(request: Request) -> Response:
        job_id = request.path_params["id"]
        user_id, action = _user(request), await _read(request)
        if job_id.isascii():  # no other can be an id
            await run_in_threadpool(carry_out, job_id, user_id, action)
        hub.changed(job_id)
        return JSONResponse({}, headers=NO_STORE)

    return [Route("/jobs/{id}/acts", act, methods=["POST"])]


def _user(request: Request) -> str:
    user_id = logged_in(request)
    if not same_origin(request):
        raise Forbidden(_("This is done on Fivefold's own pages only."))
    return user_id


async def _read(request: Request) -> _Action:
    body = await read_body(request, _BODY_BYTES, _("That is too much for what a button asks."))
    try:
        return _Action.model_validate_json(body)
    except ValidationError:
        raise InvalidInput(_("That is nothing that a button asks for.")) from None
