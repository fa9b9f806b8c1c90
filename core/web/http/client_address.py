"""Who asks, as far as the network tells."""

from typing import Final

from starlette.requests import HTTPConnection

from core.accounts.rules import Visitor

_ADDRESS_CHARACTERS: Final = 64
_AGENT_CHARACTERS: Final = 200


def visitor(connection: HTTPConnection) -> Visitor:
    """Return who asks.

    Behind a proxy that is trusted (`TRUSTED_PROXIES`) the server has put the address that the
    proxy names in place of the proxy's own.
    """
    return Visitor(
        address=connection.client.host[:_ADDRESS_CHARACTERS] if connection.client else "",
        agent=connection.headers.get("user-agent", "")[:_AGENT_CHARACTERS],
    )
