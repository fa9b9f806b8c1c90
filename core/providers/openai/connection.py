"""The connection to a server that speaks OpenAI's API: its client, its dialect, its models."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

import httpx2
import openai

from core.models import Kind
from core.providers.errors import ProviderError
from core.providers.http.call_errors import provider_errors
from core.providers.http.client import http_client, open_response, read_body
from core.providers.http.download import Fetcher
from core.providers.openai.dialects import DIALECTS, Dialect, detect_dialect, owners
from core.providers.openai.server import REJECTED, SPENT, Server
from core.providers.responses.reader import Reply, read_reply
from core.providers.responses.vendor_errors import Vendor

MAX_RETRIES: Final = 4  # of calls that cost nothing
READ_TIMEOUT: Final = 60.0  # seconds, of calls that cost nothing
MODELS_TIMEOUT: Final = 10.0  # seconds for the list of models before a creating call


class Connection:
    """A server with the clients and the key to call it.

    Args:
        server: as it is configured.
        timeout: seconds to wait for a response of a creating call.

    Attributes:
        vendor: what its errors mean.
        client: for creating calls; retries nothing.
        fetcher: downloads its files.
        known_dialect: its dialect; None: not detected yet.
    """

    client: openai.AsyncOpenAI
    fetcher: Fetcher

    def __init__(self, server: Server, timeout: float) -> None:
        key = server.api_key.strip()
        self.vendor = Vendor(
            title=server.title,
            key_setting=server.key_setting,
            secrets=(key,),
            rejection_codes=REJECTED,
            balance_codes=SPENT,
        )
        self.known_dialect = DIALECTS.get(server.dialect if server.base_url else "openai")
        self._timeout = httpx2.Timeout(timeout, connect=10.0)
        self._setup_error: ProviderError | None = None
        try:
            self._http = http_client(server.base_url)
            self.client = openai.AsyncOpenAI(
                api_key=self.vendor.checked_key(key) or "none",
                base_url=(server.base_url or "").strip() or None,
                max_retries=0,
                timeout=self._timeout,
                http_client=self._http,
            )
            bearer = dict(self.client.auth_headers)
            base_url = str(self.client.base_url)
            self.fetcher = Fetcher(self.vendor, base_url, bearer, server.closed_ports)
        except Exception as error:  # noqa: BLE001  # one setting's mistake takes no other down
            self._setup_error = self.vendor.not_sent(error)

    @property
    def dialect(self) -> Dialect:
        """The server's dialect, or OpenAI's where it is not detected yet."""
        return self.known_dialect or DIALECTS["openai"]

    @property
    def retrying(self) -> openai.AsyncOpenAI:
        """The client for calls that cost nothing."""
        return self.client.with_options(max_retries=MAX_RETRIES, timeout=READ_TIMEOUT)

    def require_usable(self) -> None:
        """Check that the settings could be used.

        Raises:
            ProviderError: they could not; the text says why.
        """
        if self._setup_error is not None:
            raise self._setup_error

    async def close(self) -> None:
        """Close the connections."""
        if self._setup_error is None:
            await self.client.close()

    async def detected_dialect(self) -> Dialect:
        """Return the server's dialect, detecting it where the settings do not name it."""
        if self.known_dialect is None:
            try:
                async with asyncio.timeout(MODELS_TIMEOUT):
                    await self.list_models()
            except (ProviderError, TimeoutError):
                return DIALECTS["openai"]  # for this call only
        return self.dialect

    async def list_models(self) -> Mapping[str, str]:
        """Return the owners of the models that the server lists, by the models' names."""
        listing = self.retrying.models.with_streaming_response
        reply, headers = await self.read(listing.list(), Kind.IMAGE)
        models = owners(reply)
        if self.known_dialect is None:
            self.known_dialect = await detect_dialect(models, headers, self._get)
        return models

    def request(
        self, method: str, path: str, body: object = None
    ) -> AbstractAsyncContextManager[httpx2.Response]:
        """Send a request that the SDK has no method for, to a path below the server's root."""
        url = str(self.client.base_url).rstrip("/").removesuffix("/v1") + path
        more: dict[str, Any] = {"headers": dict(self.client.auth_headers), "json": body}
        return open_response(self._http, method, url, timeout=self._timeout, **more)

    async def read(self, call: Any, kind: Kind) -> tuple[Reply, Mapping[str, str]]:  # noqa: ANN401  # a context manager of the SDK's
        """Return the reply and the headers of a call that costs nothing."""
        async with provider_errors(self.vendor), call as response:
            raw = await read_body(response.http_response.aiter_bytes())
            return await asyncio.to_thread(read_reply, raw, kind), response.headers

    async def task(self, remote_id: str) -> Reply:
        """Return the state of a clip's task."""
        retrieving = self.retrying.videos.with_streaming_response
        return (await self.read(retrieving.retrieve(remote_id), Kind.VIDEO))[0]

    def content_url(self, remote_id: str) -> str:
        """Return the URL of a task's file."""
        base_url = str(self.client.base_url).rstrip("/")
        return f"{base_url}/videos/{quote(remote_id, safe='')}/content"

    async def _get(self, path: str) -> Reply:
        """Return the reply at a path below the server's root; empty: there is nothing."""
        try:
            async with provider_errors(self.vendor), self.request("GET", path) as response:
                raw = await read_body(response.aiter_bytes())
        except ProviderError as error:
            if error.details.get("status", 500) < HTTPStatus.INTERNAL_SERVER_ERROR:
                return Reply()
            raise
        return await asyncio.to_thread(read_reply, raw, Kind.IMAGE)
