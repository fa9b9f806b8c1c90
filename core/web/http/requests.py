"""What is looked at of a request before anything is done for it."""

from starlette.requests import HTTPConnection, Request

from core.i18n import gettext as _
from core.web.http.errors import Refused
from core.web.identity.middleware import whose


def same_origin(connection: HTTPConnection) -> bool:
    """Return whether a page of ours sent a request, and not another site's: `Gate` decided it."""
    return bool(connection.state.same_origin)


async def read_body(request: Request, most: int) -> bytes | None:
    """Return what a request carries; None: it is too long, and was not read to its end.

    Args:
        request: the request.
        most: how many bytes are read.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            return None
    return body


def logged_in(request: Request) -> str:
    """Return who is asking, where somebody must be logged in.

    Raises:
        Refused: nobody is.
        DatabaseUnavailable: somebody may be, but that cannot be looked up.
    """
    user_id = whose(request)
    if user_id is None:
        raise Refused(401, _("Please log in."))
    return user_id
