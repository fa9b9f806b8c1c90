"""Downloading a finished file from the address that the vendor gives.

Every redirect is checked, the key is sent to the provider's own origin only, the body is bounded
while it is read, and its kind is told by its bytes.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import httpx2

from core import __version__
from core.i18n import N_
from core.models import Kind
from core.providers.errors import (
    REPLY_MAX_BYTES,
    BalanceSpent,
    InvalidCredentials,
    ProviderError,
    ProviderUnavailable,
    RequestRejected,
)
from core.providers.http.client import BoundedBody, ReplyTooLarge, tls
from core.providers.http.polling import resumable
from core.providers.http.ssrf_guard import AddressForbidden, SsrfGuard
from core.providers.responses.media_search import Medium
from core.providers.responses.reader import read_reply
from core.providers.responses.signatures import HEAD, is_text, kind_of
from core.providers.responses.vendor_errors import Vendor
from core.system.backoff import Backoff
from core.system.internet import request_checked

MIB: Final = 1024**2
MAX_BYTES: Final = {Kind.IMAGE: 100 * MIB, Kind.VIDEO: 4096 * MIB}
MAX_HOPS: Final = 10
MAX_ADDRESSES: Final = 24
"""Addresses of one reply that are tried, at most."""
MAX_ATTEMPTS: Final = 6
"""How often a file that is not there yet is requested before it is left for later."""
LONGEST_PAUSE_SECONDS: Final = 30.0
_READ_TIMEOUT_SECONDS: Final = 60.0
_RETRY_WITHOUT_KEY: Final = frozenset({400, 401, 403, 404})  # statuses that a key may have caused


class Fetcher:
    """Downloads the files of one provider.

    Args:
        vendor: who made them.
        base_url: the provider's configured address.
        key: the headers that hold its key.
        closed_ports: ports of this machine that are Fivefold's own.
    """

    def __init__(
        self,
        vendor: Vendor,
        base_url: str,
        key: Mapping[str, str] | None = None,
        closed_ports: Collection[int] = (),
    ) -> None:
        self._vendor = vendor
        self._guard = SsrfGuard(base_url, closed_ports)
        self._key = dict(key or {})

    async def save(self, media: Sequence[Medium], destination: Path, kind: Kind) -> None:
        """Write the first of some media that is a file of a kind, byte for byte as it came.

        Args:
            media: addresses or contents, the likeliest first.
            destination: the file to write.
            kind: what it has to be.

        Raises:
            ProviderUnavailable: none could be downloaded whole; it may be tried again.
            ProviderError: an address is forbidden, or the file too large.
        """
        errors: list[ProviderError] = []
        left, tried = list(media), 0
        while left and tried < MAX_ADDRESSES:
            medium = left.pop(0)
            if not medium.address:
                if content := await asyncio.to_thread(medium.decoded):
                    await asyncio.to_thread(destination.write_bytes, content)
                    return
                continue
            for url in self._guard.candidates(medium.address):
                tried += 1
                try:
                    found = await self._fetch(url, destination, kind)
                except ProviderError as error:
                    errors.append(error)
                    if "status" in error.details and self._guard.is_other_host(url):
                        break  # another host has responded: the address means what it says
                else:
                    if found is None:
                        return
                    left = [*found, *left]
                    break
        if not errors:
            sentence = N_("{provider} gave an address that no file can be fetched from.")
            raise ProviderError(sentence.format(provider=self._vendor.title))
        # An error that may pass says more than one that cannot.
        raise next((each for each in errors if each.retryable), errors[0])

    async def is_there(self, address: str, kind: Kind) -> bool:
        """Whether an address has a file of a kind now."""
        url = next(iter(self._guard.candidates(address)), None)
        try:
            if url is None:
                return False
            async with self._follow_redirects(url) as response:
                async for part in BoundedBody(response, MAX_BYTES[kind], cut=True):
                    return kind_of(part[:HEAD]) == kind
        except (ProviderError, AddressForbidden, httpx2.RequestError, httpx2.InvalidURL):
            return False
        return False

    async def _fetch(
        self, url: httpx2.URL, destination: Path, kind: Kind
    ) -> Sequence[Medium] | None:
        """Write what one address leads to.

        Returns:
            None: it is the file; else the media in the reply that came instead.
        """
        try:
            async with self._follow_redirects(url) as response:
                said = response.headers.get("content-type", "").partition(";")[0].strip()
                await self._write(response, destination, kind)
        except AddressForbidden:
            raise ProviderError(
                N_(
                    "{provider} gave an address of this machine or of a private network. "
                    "No file is fetched from there."
                ).format(provider=self._vendor.title),
                code="address_refused",
            ) from None
        except (httpx2.RequestError, httpx2.InvalidURL) as error:
            raise ProviderUnavailable(
                N_("{provider}'s file did not come whole.").format(provider=self._vendor.title)
            ) from error
        head = await asyncio.to_thread(_head, destination)
        if kind_of(head) == kind or (kind_of(head) is None and not is_text(head)):
            return None
        size = (await asyncio.to_thread(destination.stat)).st_size
        if kind_of(head) is None and 0 < size <= REPLY_MAX_BYTES:
            raw = await asyncio.to_thread(destination.read_bytes)
            reply = await asyncio.to_thread(read_reply, raw, kind)
            if reply.media:
                return reply.media
        sentence = (
            N_("{provider} sent {said} instead of a video.")
            if kind == Kind.VIDEO
            else N_("{provider} sent {said} instead of an image.")
        )
        title = self._vendor.title
        raise ProviderUnavailable(sentence.format(provider=title, said=said or "nothing"))

    async def _write(self, response: httpx2.Response, destination: Path, kind: Kind) -> None:
        body = BoundedBody(response, MAX_BYTES[kind], cut=False)
        try:
            with await asyncio.to_thread(destination.open, "wb") as file:
                async for part in body:
                    await asyncio.to_thread(file.write, part)
        except ReplyTooLarge:
            raise ProviderError(
                N_("{provider}'s file is larger than {size} MiB.").format(
                    provider=self._vendor.title, size=f"{MAX_BYTES[kind] // MIB:,}"
                )
            ) from None

    @asynccontextmanager
    async def _follow_redirects(self, url: httpx2.URL) -> AsyncIterator[httpx2.Response]:
        """Open the response at an address, through all its redirects.

        Raises:
            AddressForbidden: it leads to a private address.
            ProviderUnavailable: there is nothing, or not yet.
        """
        with_key = True
        for _hop in range(MAX_HOPS):
            key = self._key if with_key and self._guard.is_same_origin(url) else {}
            async with self._send(url, key) as response:
                target = response.headers.get("location")
                if response.is_success:
                    yield response
                    return
                if response.is_redirect and target:
                    url = url.join(target).copy_with(fragment=None, username=None, password=None)
                    if url.scheme not in {"http", "https"} or not url.host:
                        raise AddressForbidden(url.scheme)
                elif key and response.status_code in _RETRY_WITHOUT_KEY:
                    with_key = False
                else:
                    raise ProviderUnavailable(
                        N_("{provider}'s file is not there ({status}).").format(
                            provider=self._vendor.title, status=response.status_code
                        ),
                        details={"status": response.status_code},
                    )
        sentence = N_("{provider} sends its file on and on to somewhere else.")
        raise ProviderUnavailable(sentence.format(provider=self._vendor.title))

    @asynccontextmanager
    async def _send(
        self, url: httpx2.URL, key: Mapping[str, str]
    ) -> AsyncIterator[httpx2.Response]:
        """Send one request, to permitted addresses only."""
        addresses = await self._guard.addresses(url)
        headers = {"Accept": "*/*", "User-Agent": f"Fivefold/{__version__}", **key}
        proxy = self._guard.proxy(url)
        if proxy is None:
            if not addresses:
                raise httpx2.ConnectError("no address was found")
            async with request_checked(
                "GET",
                url,
                addresses,
                headers=headers,
                tls=tls(),
                silent_seconds=_READ_TIMEOUT_SECONDS,
            ) as response:
                yield response
            return
        # The proxy decides what is reached: it may resolve names that do not resolve here.
        async with httpx2.AsyncHTTPTransport(verify=tls(), proxy=httpx2.Proxy(proxy)) as transport:
            timeout = httpx2.Timeout(_READ_TIMEOUT_SECONDS).as_dict()
            request = httpx2.Request("GET", url, headers=headers, extensions={"timeout": timeout})
            response = await transport.handle_async_request(request)
            try:
                yield response
            finally:
                await response.aclose()


async def fetch_with_retries(
    fetch: Callable[[], Awaitable[None]], vendor: Vendor, pause: float
) -> None:
    """Fetch a file that may not be there yet, `MAX_ATTEMPTS` times at most.

    Args:
        fetch: tries once.
        vendor: whose file it is.
        pause: seconds before the second attempt; each further pause is twice as long.

    Raises:
        ProviderError: that of the last attempt, or one that no retry can change.
    """
    backoff = Backoff(first=pause, longest=LONGEST_PAUSE_SECONDS)
    for number in range(MAX_ATTEMPTS):
        try:
            await fetch()
        except (RequestRejected, InvalidCredentials, BalanceSpent) as error:
            if number == MAX_ATTEMPTS - 1:  # of looking up the address, which never ends an item
                raise resumable(error, vendor) from None
        except ProviderError as error:
            if not error.retryable or number == MAX_ATTEMPTS - 1:
                raise
        else:
            return
        await asyncio.sleep(backoff.seconds(number + 1))


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)
