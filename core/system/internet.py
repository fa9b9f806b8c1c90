"""Public IP addresses, and requests to exactly those addresses that were checked.

Users choose where webhooks are posted, and vendors where a file is fetched from. Neither may reach
this machine or a private network. A host name is resolved once, its addresses are checked, and the
request goes to those addresses, so that a second answer of the DNS cannot lead elsewhere.
"""

import socket
import ssl
import threading
from collections.abc import AsyncIterator, Mapping, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

import httpx2
import psutil

CONNECT_SECONDS: Final = 5.0
"""For one of several addresses of a host."""
# Everything else in IPv6 is local, reserved or multicast (RFC 4291); ranges within this one that
# are not global either are known to `ipaddress`. 6to4 (RFC 3056) and NAT64 (RFC 6052) carry an
# IPv4 address: the first is out of use, the second is how networks without IPv4 reach it.
_UNICAST: Final = IPv6Network("2000::/3")
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")
_NAT64: Final = IPv6Network("64:ff9b::/96")
# Not global but for two anycast addresses (IANA's special-purpose registries); `ipaddress` of
# earlier Pythons does not know them, and Oracle's cloud serves metadata at 192.0.0.192.
_SPECIAL: Final = (IPv4Network("192.0.0.0/24"), IPv6Network("3fff::/20"))
# Microsoft's cloud serves virtual machines there; it is a public address by its number.
_CLOUD_SERVICES: Final = frozenset({IPv4Address("168.63.129.16")})


def is_public(address: str) -> bool:
    """Return whether an IP address is a public one, and not one of this machine.

    A request to this machine's own public address would bypass the firewall in front of it.
    """
    ip = plain_address(address)
    if isinstance(ip, IPv6Address) and (ip not in _UNICAST or ip in _SIX_TO_FOUR):
        return False
    if (
        ip in _CLOUD_SERVICES
        or any(ip in network for network in _SPECIAL)
        or ip.is_multicast
        or not ip.is_global
    ):
        return False
    return ip not in _own_addresses()


def is_this_machine(address: str) -> bool:
    """Return whether an IP address belongs to this machine."""
    ip = plain_address(address)
    return ip.is_loopback or ip.is_unspecified or ip in _own_addresses()


def plain_address(address: str) -> IPv4Address | IPv6Address:
    """Return an IP address; for an IPv6 address that embeds an IPv4 address, the latter."""
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        embedded = IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None
        return ip.ipv4_mapped or embedded or ip
    return ip


def _own_addresses() -> set[IPv4Address | IPv6Address]:
    return {
        ip_address(each.address.partition("%")[0])
        for interface in psutil.net_if_addrs().values()
        for each in interface
        if each.family in {socket.AF_INET, socket.AF_INET6}
    }


@asynccontextmanager
async def request_checked(  # noqa: PLR0913  # a request, and where to
    method: str,
    url: httpx2.URL,
    addresses: Sequence[str],
    *,
    headers: Mapping[str, str],
    content: bytes = b"",
    tls: ssl.SSLContext,
    silent_seconds: float | None = None,
) -> AsyncIterator[httpx2.Response]:
    """Send a request to the first of a host's addresses that can be connected to.

    No proxy of the environment is used, for a proxy would look the name up for itself, and often
    reaches what is private. It goes through httpx2's transport without its client, which would log
    the address: those of Slack and Discord are secrets.

    Args:
        method: of the request.
        url: the URL, with the host's name.
        addresses: the host's addresses, checked by the caller.
        headers: further headers of the request.
        content: the request's body.
        tls: context for secure connections.
        silent_seconds: seconds without data after which it ends; None: the caller limits the time.

    Raises:
        httpx2.TransportError: no address could be reached, or the connection broke.
    """
    extensions = {
        "sni_hostname": url.raw_host.decode("ascii"),
        "timeout": {"connect": CONNECT_SECONDS, "read": silent_seconds, "write": silent_seconds},
    }
    named = {"Host": url.netloc.decode("ascii"), "Connection": "close", **headers}
    unreachable: httpx2.TransportError = httpx2.ConnectError("no address")
    async with httpx2.AsyncHTTPTransport(verify=tls, trust_env=False) as transport:
        for address in addresses:
            there = url.copy_with(host=address)
            request = httpx2.Request(
                method, there, headers=named, content=content, extensions=extensions
            )
            try:
                response = await transport.handle_async_request(request)
            except (httpx2.ConnectError, httpx2.ConnectTimeout) as error:
                unreachable = error
                continue
            try:
                yield response
            finally:
                await response.aclose()
            return
    raise unreachable


def look_up(host: bytes, port: int | None, seconds: float) -> list[str]:
    """Resolve a host name, without waiting for a resolver that hangs.

    Args:
        host: the name, IDNA-encoded.
        port: the port to connect to.
        seconds: how long to wait.

    Raises:
        OSError: the host has no address, or none was found in time.
        ValueError: the name is invalid.
    """
    found: Future[list[str]] = Future()

    def ask() -> None:
        try:
            entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, ValueError) as error:
            found.set_exception(error)
        else:
            found.set_result(list(dict.fromkeys(str(entry[4][0]) for entry in entries)))

    threading.Thread(target=ask, name="look-up", daemon=True).start()
    return found.result(seconds)
