"""Reading a request: its user, client, origin and body."""

from typing import Final

from starlette.requests import HTTPConnection, Request

from core.accounts.login import Requester
from core.web.http.errors import BodyTooLarge, LoginRequired
from core.web.identity.middleware import current_user_id

_ADDRESS_CHARACTERS: Final = 64
_AGENT_CHARACTERS: Final = 200


def same_origin(connection: HTTPConnection) -> bool:
    """Return whether a page of ours sent a request, as `Gate` decided."""
    return bool(connection.state.same_origin)


def requester(connection: HTTPConnection) -> Requester:
    """Return the client's address and user agent.

    Behind a trusted proxy (`TRUSTED_PROXIES`) the address is the one that the proxy reports.
    """
    return Requester(
        address=connection.client.host[:_ADDRESS_CHARACTERS] if connection.client else "",
        agent=connection.headers.get("user-agent", "")[:_AGENT_CHARACTERS],
    )


async def read_body(request: Request, most: int, too_large: str) -> bytes:
    """Return the body of a request.

    Args:
        request: the request.
        most: how many bytes it may have; more are not read to their end.
        too_large: the sentence for the user where it has more.

    Raises:
        BodyTooLarge: it has more.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise BodyTooLarge(too_large)
    return body


def logged_in(request: Request) -> str:
    """Return the id of the user who is logged in.

    Raises:
        LoginRequired: the client is not logged in.
        DatabaseUnavailable: the session could not be looked up.
    """
    user_id = current_user_id(request)
    if user_id is None:
        raise LoginRequired
    return user_id
