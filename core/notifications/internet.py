"""Which addresses are anybody's on the internet: where users may let Fivefold post to."""

import socket
import threading
from concurrent.futures import Future
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from typing import Final

import psutil

# Everything else in IPv6 is local, reserved or multicast (RFC 4291); ranges within this one that
# are not global either are known to `ipaddress`. 6to4 (RFC 3056) and NAT64 (RFC 6052) carry an
# IPv4 address: the first is out of use, the second is how networks without IPv4 reach it.
_UNICAST: Final = IPv6Network("2000::/3")
_SIX_TO_FOUR: Final = IPv6Network("2002::/16")
_NAT64: Final = IPv6Network("64:ff9b::/96")


def is_public(address: str) -> bool:
    """Whether an IP address is anybody's on the internet, and none of this machine's own.

    A post to this machine's own public address would pass by the firewall before it.
    """
    ip = ip_address(address)
    if isinstance(ip, IPv6Address):
        embedded = IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None
        ip = ip.ipv4_mapped or embedded or ip
    if isinstance(ip, IPv6Address) and (ip not in _UNICAST or ip in _SIX_TO_FOUR):
        return False
    return ip.is_global and not ip.is_multicast and ip not in _own_addresses()


def _own_addresses() -> set[IPv4Address | IPv6Address]:
    return {
        ip_address(each.address)
        for interface in psutil.net_if_addrs().values()
        for each in interface
        if each.family in {socket.AF_INET, socket.AF_INET6}
    }


def look_up(host: bytes, port: int | None, seconds: float) -> list[str]:
    """Return the IP addresses of a host, without waiting for a resolver that hangs.

    Args:
        host: its name, as it is asked for (IDNA).
        port: the port to connect to.
        seconds: how long to wait.

    Raises:
        OSError: there is none, or none was found in time.
        ValueError: it is no name.
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
