"""Protection against server-side request forgery by the addresses of vendors' files.

They may lead anywhere on the internet, and to the host that the provider is configured at, but to
no other private address: a reply must not open services that trust whoever reaches them.
"""

import asyncio
import ipaddress
from collections.abc import Collection, Iterator
from typing import Final
from urllib.parse import urljoin
from urllib.request import getproxies, proxy_bypass

import httpx2

from core.providers.http.client import may_use_proxy
from core.system.internet import is_public, is_this_machine, look_up, plain_address

LOOK_UP_SECONDS: Final = 10.0
_WEB: Final = frozenset({80, 443})
_FIRST_FREE_PORT: Final = 1024
# Well-known services that trust whoever reaches them, and serve no files.
_SERVICES: Final = frozenset(
    {1433, 1521, 2375, 2376, 2379, 3306, 3389, 4369, 5432, 5672, 5984, 6000, 6379, 6443, 6667}
    | {8086, 9042, 9092, 9200, 9300, 10250, 11211, 15672, 25672, 27017, 27018, 27019, 50000}
)
_PORTS: Final = {"http": 80, "https": 443}


class AddressForbidden(Exception):
    """A vendor gave an address that no file is fetched from."""


class SsrfGuard:
    """Decides which addresses a provider's files may be fetched from.

    Args:
        base_url: the provider's configured address.
        closed_ports: ports of this machine that are Fivefold's own.
    """

    def __init__(self, base_url: str, closed_ports: Collection[int] = ()) -> None:
        self.base = httpx2.URL(base_url)
        self._closed = frozenset(closed_ports) | _SERVICES

    def is_same_origin(self, url: httpx2.URL) -> bool:
        """Whether an address has the provider's own origin, which may be sent the key."""
        return _origin(url) == _origin(self.base)

    def is_other_host(self, url: httpx2.URL) -> bool:
        """Whether an address certainly names another host than the provider's."""
        local = url.host in {"localhost", "0.0.0.0", "::", "::1"} or url.host.startswith("127.")  # noqa: S104  # names that servers give for themselves
        return url.host != self.base.host and not local

    def candidates(self, address: str) -> Iterator[httpx2.URL]:
        """Yield the URLs that a vendor's address may mean, the likeliest first.

        Servers use names of their own for themselves, such as `localhost` or a container's; from
        here they are reached at their configured host.
        """
        base = self.base
        folder = base.copy_with(path=base.path.rstrip("/") + "/", query=None)
        starts = [folder]
        if "://" not in address and not address.startswith("/"):
            starts.append(base.copy_with(path="/", query=None))
        seen: list[httpx2.URL] = []
        for start in starts:
            try:
                text = urljoin(str(start), address.strip())
                url = httpx2.URL(text).copy_with(fragment=None, username=None, password=None)
            except (httpx2.InvalidURL, ValueError):
                continue
            if url.scheme not in _PORTS or not url.host or not _has_valid_port(url):
                continue
            renamed = url.copy_with(host=base.host)
            moved = renamed.copy_with(scheme=base.scheme, port=base.port)
            seen += [url, renamed, moved]
        yield from dict.fromkeys(seen)

    async def addresses(self, url: httpx2.URL) -> list[str]:
        """Return the IP addresses to connect to for a URL; none: its host does not resolve here.

        Raises:
            AddressForbidden: it has private addresses only.
        """
        found = await _resolve(url)
        home = await _resolve(self.base) if found else []
        allowed = [each for each in found if is_public(each) or self._is_own_host(each, url, home)]
        if found and not allowed:
            raise AddressForbidden(url.host)
        return allowed

    def proxy(self, url: httpx2.URL) -> str | None:
        """Return the proxy of the environment to fetch a URL through; None: there is none."""
        if not may_use_proxy(str(self.base)) or not may_use_proxy(str(url)):
            return None
        proxies = getproxies()
        found = proxies.get(url.scheme) or proxies.get("all")
        return None if found is None or proxy_bypass(url.host) else found

    def _is_own_host(self, address: str, url: httpx2.URL, home: list[str]) -> bool:
        """Whether a private address is the provider's own host, at a permitted port."""
        if plain_address(address).is_link_local and address not in home:
            return False
        private = [each for each in home if not is_public(each)]
        here = is_this_machine(address) and any(map(is_this_machine, private))
        if not here and plain_address(address) not in map(plain_address, private):
            return False
        port = _port(url)
        if port == _port(self.base):
            return True
        return port not in self._closed and (port in _WEB or port >= _FIRST_FREE_PORT)


async def _resolve(url: httpx2.URL) -> list[str]:
    try:
        return [str(ipaddress.ip_address(url.host))]
    except ValueError:
        pass
    try:
        found = await asyncio.to_thread(look_up, url.raw_host, _port(url), LOOK_UP_SECONDS)
    except (OSError, ValueError, TimeoutError):
        return []
    return found


def _origin(url: httpx2.URL) -> tuple[str, str, int]:
    return url.scheme, url.host.lower().rstrip("."), _port(url)


def _port(url: httpx2.URL) -> int:
    return url.port or _PORTS.get(url.scheme, 0)


def _has_valid_port(url: httpx2.URL) -> bool:
    return url.port is None or 0 < url.port < 2**16
