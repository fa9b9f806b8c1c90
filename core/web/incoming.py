"""What is looked at of a request before anything is done for it."""

from urllib.parse import urlsplit

from starlette.requests import Request

from core.i18n import gettext as _
from core.web.answers import Refused
from core.web.identity import whose


def same_origin(request: Request) -> bool:
    """Return whether a page of ours sent a request, and not another site's.

    Browsers say where a request comes from in `Sec-Fetch-Site`; on plain HTTP beyond
    localhost only `Origin` tells. A request with neither comes from no page of ours.
    """
    site = request.headers.get("sec-fetch-site")
    origin = urlsplit(request.headers.get("origin", ""))
    host = request.headers.get("host")
    return site == "same-origin" if site else bool(host) and origin.netloc == host


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
