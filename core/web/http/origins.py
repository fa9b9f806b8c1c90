"""Checks of origin and host: one decision for requests, websockets, the login and `doctor`.

An origin is scheme, host and port (RFC 6454). A page cannot choose the `Origin`, `Host` and
`Sec-Fetch-Site` that its browser sends, nor add a forwarding header to a cross-site request.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv6Address, ip_address
from typing import Final, NamedTuple, Self
from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.types import Scope

from core.settings import Settings

_PORTS: Final = {"http": 80, "https": 443}
_SECURE: Final = {"ws": "http", "wss": "https"}  # a websocket has its page's scheme
# Nobody can register a name under these (RFC 2606, 6761, 6762, 8375; ICANN's .internal), so
# another site's page cannot have one that leads here.
_PRIVATE_NAMES: Final = ("localhost", "local", "internal", "home.arpa", "lan", "test", "example")
_FORWARDING: Final = ("forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host")
_HOST_CHARACTERS: Final = 253


class Origin(NamedTuple):
    """Scheme, host and port, normalised."""

    scheme: str
    host: str
    port: int

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    @property
    def is_address(self) -> bool:
        """Whether the host is an IP address, which no name server can lead elsewhere."""
        try:
            return bool(ip_address(self.host))
        except ValueError:
            return False

    @property
    def is_private(self) -> bool:
        """Whether no page of another site can have this host (DNS rebinding)."""
        last = tuple(f".{name}" for name in _PRIVATE_NAMES)
        return self.is_address or "." not in self.host or self.host.endswith(last)


def parse_origin(text: str) -> Origin | None:
    """Return the origin that an address begins with; None: it has none."""
    try:
        parts = urlsplit(text)
    except ValueError:
        return None
    return _origin(parts.scheme, parts.netloc)


def parse_origin_header(text: str) -> Origin | None:
    """Return the origin in an `Origin` header; None: it is `null`, or more or less than one."""
    scheme, _, netloc = text.partition("://")
    return _origin(scheme.lower(), netloc)


def parse_host(text: str, scheme: str) -> Origin | None:
    """Return the origin that a `Host` header names under a scheme; None: it is malformed."""
    return _origin(scheme, text)


def _origin(scheme: str, netloc: str) -> Origin | None:
    """Return a normalised origin.

    Lower case, no default port, no last dot, IPv6 in its short form, other alphabets as DNS has
    them. Anything that no browser would send is None.
    """
    if scheme not in _PORTS or not netloc or any(each in netloc for each in "@/\\?#% \t\r\n,"):
        return None
    try:
        parts = urlsplit(f"//{netloc}")
        host, port = parts.hostname or "", parts.port
        if netloc.startswith("["):
            host = str(IPv6Address(host))
        else:
            host = host.removesuffix(".")
            host = host if host.isascii() else host.encode("idna").decode()
    except (AddressValueError, UnicodeError, ValueError):
        return None
    if not host or len(host) > _HOST_CHARACTERS or host.startswith(".") or port == 0:
        return None
    return Origin(scheme, host.lower(), port or _PORTS[scheme])


class RequestSource(NamedTuple):
    """The headers of a request about its origin and host."""

    hosts: Sequence[str]
    origins: Sequence[str]
    referer: str
    site: str
    scheme: str
    forwarded: bool
    websocket: bool

    @classmethod
    def of(cls, scope: Scope) -> Self:
        """Return those of an ASGI scope."""
        headers = Headers(scope=scope)
        scheme: str = scope["scheme"]
        # A proxy or a program adds this header, never a page of another site, so it is trusted from
        # any client here. (Addresses in logs are trusted from TRUSTED_PROXIES only.)
        forwarded = headers.get("x-forwarded-proto", "").split(",")[0].strip().lower()
        forwarded = _SECURE.get(forwarded, forwarded)
        return cls(
            hosts=headers.getlist("host"),
            origins=headers.getlist("origin"),
            referer=headers.get("referer", ""),
            site=",".join(headers.getlist("sec-fetch-site")),
            scheme=forwarded if forwarded in _PORTS else _SECURE.get(scheme, scheme),
            forwarded=any(name in headers for name in _FORWARDING),
            websocket=scope["type"] == "websocket",
        )


@dataclass(frozen=True)
class Origins:
    """The origins that our pages have.

    Attributes:
        public: `PUBLIC_URL`'s; None: it is not set.
        own: this machine's names with our port, where pages are open to this machine only; empty:
            they are open to a network, and any host leads here.
        any_name: whether, on a network and without `PUBLIC_URL`, a page may have a name that
            anybody can register; another site's page could have that, too (DNS rebinding).
        prefix: the path that all addresses begin with, such as `/studio`; empty: none.
        address: where users open Fivefold, for sentences; empty: that is not known.
    """

    public: Origin | None = None
    own: frozenset[Origin] = frozenset()
    any_name: bool = True
    prefix: str = ""
    address: str = ""

    @classmethod
    def of(cls, settings: Settings) -> Self:
        """Return the origins by the settings."""
        names = ("localhost", "127.0.0.1", "::1") if settings.local else ()
        return cls(
            public=parse_origin(settings.public_url),
            own=frozenset(Origin("http", name, settings.port) for name in names),
            any_name=False,
            prefix=settings.prefix,
            address=settings.link_base if settings.public_url or settings.local else "",
        )

    def refuses_host(self, source: RequestSource) -> bool:
        """Return whether a request's host is not ours, or malformed.

        Where pages are open to this machine only, another site's page can reach them under a name
        of its own (DNS rebinding). A proxy may send what it likes as `Host`: then `Origin` or
        `Referer` must be `PUBLIC_URL`'s, which no other site's page can bring about.
        """
        if not source.hosts:
            return False  # an HTTP/1.0 proxy; browsers always send it
        host = parse_host(source.hosts[0], source.scheme)
        if len(source.hosts) > 1 or host is None:
            return True
        if not self.own or host.host in {each.host for each in self.own}:
            return False
        public = self.public
        return public is None or not (
            host.host == public.host
            or host.is_private  # `proxy_pass http://backend`; no page of another site has one
            or [parse_origin_header(each) for each in source.origins] == [public]
            or parse_origin(source.referer) == public
        )

    def cookie_path(self, source: RequestSource) -> str:
        """Return the path that a cookie is for: not for others' pages under the same name."""
        public = [parse_origin_header(each) for each in source.origins] == [self.public]
        return self.prefix if public and self.prefix else "/"

    def accepts(self, source: RequestSource) -> bool:
        """Return whether a page of ours sent what changes something or opens a websocket.

        `Origin` decides. Where it is missing, no browser sent it, or a proxy took it away: then a
        browser's `Sec-Fetch-Site` counts. Programs, which carry no cookie that is not their own,
        may open a websocket without either.
        """
        if self.refuses_host(source) or len(source.origins) > 1:
            return False
        host = parse_host(source.hosts[0], source.scheme) if source.hosts else None
        same = source.site == "same-origin"
        if not source.origins:
            known = self.public is not None or host is None or self._is_nameable(host)
            return known and (same or (source.websocket and not source.site))
        if source.site and not same:
            return False
        origin = parse_origin_header(source.origins[0])
        return origin is not None and self._is_ours(origin, host, source, same=same)

    def _is_ours(
        self, origin: Origin, host: Origin | None, source: RequestSource, *, same: bool
    ) -> bool:
        if origin == self.public:
            return True
        if self.own:
            # What comes through a proxy was sent by another machine's browser, whose own port
            # this is not.
            through_proxy = source.forwarded and self.public is not None
            return origin in self.own and not through_proxy
        if self.public is not None:
            # Opened by its address in the network; but never less safe than PUBLIC_URL.
            return origin == host and origin.is_address and origin.scheme >= self.public.scheme
        if origin.scheme == "https" and same:
            return True  # it has shown the browser a certificate, which no rebound name can
        return origin == host and self._is_nameable(origin)

    def _is_nameable(self, host: Origin) -> bool:
        return self.any_name or bool(self.own) or host.is_private
