"""Getting a finished file from where the vendor says.

Every hop is checked, the key goes to the provider's own origin and never beyond, what comes is
bounded while it is read and judged by its bytes.
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
from core.providers.http.address_rules import Walled, Walls
from core.providers.http.client import BoundedBody, ReplyTooLarge, tls
from core.providers.http.polling import left_for_later
from core.providers.responses.media_search import Medium
from core.providers.responses.reader import read_reply
from core.providers.responses.refusals import Vendor
from core.providers.responses.signatures import HEAD, is_text, kind_of
from core.system.backoff import Backoff
from core.system.internet import request_checked

MIB: Final = 1024**2
MAX_BYTES: Final = {Kind.IMAGE: 100 * MIB, Kind.VIDEO: 4096 * MIB}
MAX_HOPS: Final = 10
MAX_PLACES: Final = 24
"""Addresses of one reply that are tried."""
ROUNDS: Final = 6
"""How often a file that is not there yet is asked for, before it is left for later."""
LONGEST_PAUSE_SECONDS: Final = 30.0
_SILENT_SECONDS: Final = 60.0
_WITHOUT_KEY: Final = frozenset({400, 401, 403, 404})  # where a key may be in the way


class Fetcher:
    """Fetches the files of one provider.

    Args:
        vendor: who made them.
        base_url: where the provider is configured to be.
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
        self._walls = Walls(base_url, closed_ports)
        self._key = dict(key or {})

    async def save(self, media: Sequence[Medium], destination: Path, kind: Kind) -> None:
        """Write the first of some media that is such a file, byte for byte as it came.

        Args:
            media: where it is, or what it is, the likeliest first.
            destination: where it goes.
            kind: what it has to be.

        Raises:
            ProviderUnavailable: none came whole; they may be asked for again.
            ProviderError: what is there may not be fetched, or is too large.
        """
        errors: list[ProviderError] = []
        left, tried = list(media), 0
        while left and tried < MAX_PLACES:
            medium = left.pop(0)
            if not medium.address:
                if content := await asyncio.to_thread(medium.decoded):
                    await asyncio.to_thread(destination.write_bytes, content)
                    return
                continue
            for url in self._walls.places(medium.address):
                tried += 1
                try:
                    found = await self._fetch(url, destination, kind)
                except ProviderError as error:
                    errors.append(error)
                    if "status" in error.details and self._walls.is_elsewhere(url):
                        break  # it is where it says that it is
                else:
                    if found is None:
                        return
                    left = [*found, *left]
                    break
        if not errors:
            sentence = N_("{provider} gave an address that no file can be fetched from.")
            raise ProviderError(sentence.format(provider=self._vendor.title))
        # What may come yet says more than what never can.
        raise next((each for each in errors if each.retryable), errors[0])

    async def is_there(self, address: str, kind: Kind) -> bool:
        """Whether an address has a file of a kind now."""
        url = next(iter(self._walls.places(address)), None)
        try:
            if url is None:
                return False
            async with self._opened(url) as response:
                async for part in BoundedBody(response, MAX_BYTES[kind], cut=True):
                    return kind_of(part[:HEAD]) == kind
        except (ProviderError, Walled, httpx2.RequestError, httpx2.InvalidURL):
            return False
        return False

    async def _fetch(
        self, url: httpx2.URL, destination: Path, kind: Kind
    ) -> Sequence[Medium] | None:
        """Write what one address leads to.

        Returns:
            None: it is the file; else the media that stand in the reply that came instead.
        """
        try:
            async with self._opened(url) as response:
                said = response.headers.get("content-type", "").partition(";")[0].strip()
                await self._write(response, destination, kind)
        except Walled:
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
    async def _opened(self, url: httpx2.URL) -> AsyncIterator[httpx2.Response]:
        """Open what an address leads to, wherever it is sent on to.

        Raises:
            Walled: it leads to where it may not.
            ProviderUnavailable: there is nothing, or not yet.
        """
        with_key = True
        for _hop in range(MAX_HOPS):
            key = self._key if with_key and self._walls.is_own(url) else {}
            async with self._asked(url, key) as response:
                target = response.headers.get("location")
                if response.is_success:
                    yield response
                    return
                if response.is_redirect and target:
                    url = url.join(target).copy_with(fragment=None, username=None, password=None)
                    if url.scheme not in {"http", "https"} or not url.host:
                        raise Walled(url.scheme)
                elif key and response.status_code in _WITHOUT_KEY:
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
    async def _asked(
        self, url: httpx2.URL, key: Mapping[str, str]
    ) -> AsyncIterator[httpx2.Response]:
        """Send one request to where the walls let it."""
        addresses = await self._walls.addresses(url)
        headers = {"Accept": "*/*", "User-Agent": f"Fivefold/{__version__}", **key}
        proxy = self._walls.proxy(url)
        if proxy is None:
            if not addresses:
                raise httpx2.ConnectError("no address was found")
            async with request_checked(
                "GET", url, addresses, headers=headers, tls=tls(), silent_seconds=_SILENT_SECONDS
            ) as response:
                yield response
            return
        # The proxy decides what is reached: it may know names that are not known here.
        async with httpx2.AsyncHTTPTransport(verify=tls(), proxy=httpx2.Proxy(proxy)) as transport:
            timeout = httpx2.Timeout(_SILENT_SECONDS).as_dict()
            request = httpx2.Request("GET", url, headers=headers, extensions={"timeout": timeout})
            response = await transport.handle_async_request(request)
            try:
                yield response
            finally:
                await response.aclose()


async def insist(fetch: Callable[[], Awaitable[None]], vendor: Vendor, pause: float) -> None:
    """Ask for a file until it is there, and a few times at most.

    Args:
        fetch: asks once.
        vendor: who is asked.
        pause: seconds before the second time; each further one is twice as long.

    Raises:
        ProviderError: what came of the last time, or what waiting does not change.
    """
    backoff = Backoff(first=pause, longest=LONGEST_PAUSE_SECONDS)
    for number in range(ROUNDS):
        try:
            await fetch()
        except (RequestRejected, InvalidCredentials, BalanceSpent) as error:
            if number == ROUNDS - 1:  # of asking where it is, which never ends an item
                raise left_for_later(error, vendor) from None
        except ProviderError as error:
            if not error.retryable or number == ROUNDS - 1:
                raise
        else:
            return
        await asyncio.sleep(backoff.seconds(number + 1))


def _head(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)
