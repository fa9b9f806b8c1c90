"""What a vendor's HTTP answers mean, and getting a finished file from where the vendor says.

The vendors' SDKs and our own requests end here alike. A call that creates something may have been
charged unless its answer is documented as free; one that only reads may always be made again.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from io import BytesIO
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

import httpx2
from PIL import Image

from core.i18n import N_
from core.models import Kind
from core.providers.errors import (
    BalanceSpent,
    InvalidCredentials,
    OutcomeUnknown,
    PromptRejected,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRejected,
)

MIB: Final = 1024**2
MAX_BYTES: Final = {Kind.IMAGE: 100 * MIB, Kind.VIDEO: 4096 * MIB}
KEPT_ALIVE: Final = 20
"""Connections that an HTTP client keeps: looking through a thousand idle ones takes a core."""
_SILENT_SECONDS: Final = 60.0
_MESSAGE_CHARACTERS: Final = 300
_ASK_AGAIN: Final = frozenset({408, 409, 425, 500, 502, 503, 504})  # what only reads
_ODD_TYPES: Final = frozenset({"", "application/octet-stream", "binary/octet-stream"})

# By name, for httpx and its fork httpx2 have these classes each. Nothing was sent before them.
_BEFORE_SENDING: Final = frozenset(
    {"ConnectError", "ConnectTimeout", "PoolTimeout", "ProxyError", "UnsupportedProtocol"}
)


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """How a vendor's errors read.

    Attributes:
        title: its name for people.
        key_setting: the setting that holds its key.
        secrets: what must not show in any text.
        free: statuses of creating calls that are documented as not charged; they may be sent again.
        rejected: codes in an answer that mean that the prompt is refused.
        spent: codes, or parts of messages, that mean that there is no money left.
    """

    title: str
    key_setting: str
    secrets: tuple[str, ...] = ()
    free: frozenset[int] = frozenset({429, 503})
    rejected: frozenset[str] = frozenset()
    spent: frozenset[str] = frozenset()

    def answer(
        self, status: int, headers: Mapping[str, str], body: object, *, creating: bool
    ) -> ProviderError:
        """Return what an answer that is no success means.

        Args:
            status: its HTTP status.
            headers: its headers.
            body: what it says, decoded JSON or text.
            creating: whether the call could have been charged.
        """
        code, message = _said(body)
        said = self.cleaned(message)
        if self._is_spent(status, code, message):
            sentence = N_(
                "The account at {provider} has no money left. Please top it up, then try again."
            )
            return BalanceSpent(sentence.format(provider=self.title))
        if code in self.rejected:
            sentence = (
                N_("{provider} does not accept this prompt: {said}")
                if said
                else N_("{provider} does not accept this prompt.")
            )
            return PromptRejected(sentence.format(provider=self.title, said=said))
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            sentence = (
                N_("{provider} does not accept the key in {setting}. Please look it over.")
                if status == HTTPStatus.UNAUTHORIZED
                else N_(
                    "{provider} does not allow this with the key in {setting}. Please look it over."
                )
            )
            return InvalidCredentials(
                sentence.format(provider=self.title, setting=self.key_setting)
            )
        trouble = self._trouble(status, headers, creating=creating)
        if trouble is not None:
            return trouble
        sentence = (
            N_("{provider} does not take this request ({status}): {said}")
            if said
            else N_("{provider} does not take this request ({status}).")
        )
        return RequestRejected(
            sentence.format(provider=self.title, status=status, said=said),
            details={"status": status},
        )

    def _trouble(
        self, status: int, headers: Mapping[str, str], *, creating: bool
    ) -> ProviderError | None:
        """Return what an answer means that is not about the request; None where it is."""
        wait = retry_after(headers)
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return RateLimited(
                N_("{provider} is busy; this item is tried again shortly.").format(
                    provider=self.title
                ),
                retry_after=wait,
            )
        if status in (self.free if creating else _ASK_AGAIN | self.free):
            return ProviderUnavailable(
                N_(
                    "{provider} is out of order at the moment; this item is tried again shortly."
                ).format(provider=self.title),
                retry_after=wait,
            )
        if creating and (status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _ASK_AGAIN):
            return OutcomeUnknown(
                N_(
                    "{provider} answered with an error ({status}) that leaves open whether it was "
                    "made; it may have been charged."
                ).format(provider=self.title, status=status)
            )
        return None

    def no_answer(self, error: BaseException, *, creating: bool) -> ProviderError:
        """Return what a call means that was broken off without an answer."""
        if creating and not _before_sending(error):
            return OutcomeUnknown()
        return ProviderUnavailable(
            N_("{provider} cannot be reached; this item is tried again shortly.").format(
                provider=self.title
            )
        )

    def sdk(self, error: Exception, *, creating: bool) -> ProviderError:
        """Return what an error of an SDK by Stainless (OpenAI's, Runway's) means."""
        response = getattr(error, "response", None)
        if response is not None:
            body = getattr(error, "body", None)
            return self.answer(response.status_code, response.headers, body, creating=creating)
        return self.no_answer(error, creating=creating)

    def cleaned(self, text: str) -> str:
        """Return a vendor's own words as one line without secrets, not too long."""
        for secret in filter(None, self.secrets):
            text = text.replace(secret, "…")
        line = re.sub(r"\b(sk|key)[-_][\w*-]{6,}", "…", " ".join(text.split()))
        if len(line) > _MESSAGE_CHARACTERS:
            line = f"{line[: _MESSAGE_CHARACTERS - 1]}…"
        return line

    def _is_spent(self, status: int, code: str, message: str) -> bool:
        words = message.lower()
        named = code in self.spent or any(each in words for each in self.spent)
        return status == HTTPStatus.PAYMENT_REQUIRED or (named and status < 500)  # noqa: PLR2004


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Return the seconds to wait that an answer asks for; None where it does not (RFC 9110)."""
    for name, unit in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        try:
            seconds = float(text) / unit
        except ValueError:
            continue
        return seconds if 0 <= seconds < float("inf") else None
    try:
        at = parsedate_to_datetime(headers.get("retry-after", ""))
    except (ValueError, OverflowError):
        return None
    at = at if at.tzinfo else at.replace(tzinfo=UTC)
    return max(0.0, (at - datetime.now(UTC)).total_seconds())


def may_use_proxy(base_url: str | None) -> bool:
    """Whether the proxy that the environment may name is for this address, too.

    It is for vendors on the internet, and does not reach what runs on this machine.
    """
    return urlsplit(base_url or "").hostname not in {"localhost", "127.0.0.1", "::1"}


def http_client(base_url: str | None = None) -> httpx2.AsyncClient:
    """Return a client for a vendor: it goes nowhere by itself, and keeps few connections.

    Args:
        base_url: the vendor's address; None: the SDK knows it.
    """
    return httpx2.AsyncClient(
        follow_redirects=False,
        trust_env=may_use_proxy(base_url),
        limits=httpx2.Limits(max_connections=None, max_keepalive_connections=KEPT_ALIVE),
    )


async def download(  # noqa: PLR0913  # where from, where to, and what it must be
    client: httpx2.AsyncClient,
    address: str,
    destination: Path,
    kind: Kind,
    vendor: Vendor,
    *,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Stream a finished file to disk, from exactly the address that the provider gave.

    Args:
        client: to ask with; one that sends no key of its own.
        address: where the file is.
        destination: where it goes.
        kind: what it has to be.
        vendor: who made it.
        headers: more to send.

    Raises:
        ProviderUnavailable: it did not come whole, or not at all; it may be asked for again.
        ProviderError: what is there is not such a file.
    """
    if _scheme(address) not in {"http", "https"}:
        sentence = N_("{provider} gave an address that no file can be fetched from.")
        raise ProviderError(sentence.format(provider=vendor.title))
    timeout = httpx2.Timeout(_SILENT_SECONDS)
    try:
        async with client.stream(
            "GET", address, headers=headers, follow_redirects=False, timeout=timeout
        ) as answer:
            if answer.is_redirect:
                sentence = N_("{provider} sends its file on to somewhere else.")
                raise ProviderError(sentence.format(provider=vendor.title))
            if not answer.is_success:
                raise ProviderUnavailable(
                    N_(
                        "{provider}'s file is not there ({status}); it is asked for again shortly."
                    ).format(provider=vendor.title, status=answer.status_code),
                    details={"status": answer.status_code},
                )
            check_type(answer.headers.get("content-type", ""), kind, vendor)
            await save(answer.aiter_bytes(), destination, kind, vendor)
    except (httpx2.RequestError, httpx2.InvalidURL) as error:
        raise ProviderUnavailable(
            N_("{provider}'s file did not come whole; it is asked for again shortly.").format(
                provider=vendor.title
            )
        ) from error


def _scheme(address: str) -> str:
    try:
        return urlsplit(address).scheme
    except ValueError:  # no address at all
        return ""


def check_type(content_type: str, kind: Kind, vendor: Vendor) -> None:
    """Make sure that an answer is said to be a file of a kind.

    Raises:
        ProviderUnavailable: it is said to be something else, mostly an error's page.
    """
    said = content_type.partition(";")[0].strip().lower()
    if said not in _ODD_TYPES and not said.startswith(f"{kind}/"):
        sentence = (
            N_("{provider} sent {said} instead of a video.")
            if kind == Kind.VIDEO
            else N_("{provider} sent {said} instead of an image.")
        )
        raise ProviderUnavailable(sentence.format(provider=vendor.title, said=said))


async def save(parts: AsyncIterator[bytes], destination: Path, kind: Kind, vendor: Vendor) -> None:
    """Write what comes to a file, up to the size that a file of its kind may have.

    Raises:
        ProviderError: it is too large.
    """
    size = 0
    with await asyncio.to_thread(destination.open, "wb") as file:
        async for part in parts:
            size += len(part)
            if size > MAX_BYTES[kind]:
                raise ProviderError(
                    N_("{provider}'s file is larger than {size} MiB.").format(
                        provider=vendor.title, size=f"{MAX_BYTES[kind] // MIB:,}"
                    )
                )
            await asyncio.to_thread(file.write, part)


def as_image_file(content: bytes) -> bytes:
    """Return an image as PNG or JPEG: untouched where it is one, else as PNG.

    Raises:
        OSError: it is no image.
    """
    try:
        with Image.open(BytesIO(content)) as image:
            if image.format in {"PNG", "JPEG"}:
                return content
            buffer = BytesIO()
            image.save(buffer, "PNG")
            return buffer.getvalue()
    except Image.DecompressionBombError as error:
        raise OSError(str(error)) from error


@asynccontextmanager
async def asking(vendor: Vendor, *, creating: bool = False) -> AsyncIterator[None]:
    """Turn what goes wrong in the block, with an SDK or with httpx2, into a `ProviderError`."""
    try:
        yield
    except (ProviderError, TimeoutError, asyncio.CancelledError):
        raise
    except httpx2.HTTPStatusError as error:
        answer = error.response
        raise vendor.answer(
            answer.status_code, answer.headers, _body(answer), creating=creating
        ) from None
    except httpx2.RequestError as error:
        raise vendor.no_answer(error, creating=creating) from error
    except Exception as error:
        if not _of_an_sdk(error):
            raise
        # Not chained: a vendor's answer may quote the key that it was sent.
        raise vendor.sdk(error, creating=creating) from None


def _of_an_sdk(error: Exception) -> bool:
    names = {each.__name__ for each in type(error).__mro__}
    return "APIError" in names


def _body(answer: httpx2.Response) -> object:
    try:
        return answer.json()
    except (ValueError, httpx2.ResponseNotRead):
        return None


def _said(body: object) -> tuple[str, str]:
    """Return the code and the message of an error's body, whichever of the usual shapes it has."""
    if isinstance(body, Mapping):
        inner = body.get("error", body)
        if isinstance(inner, str):
            return str(body.get("code") or body.get("rc") or ""), inner
        if isinstance(inner, Mapping):
            message = inner.get("message") or inner.get("detail") or ""
            code = inner.get("code") or inner.get("rc") or inner.get("type") or ""
            return str(code), message if isinstance(message, str) else ""
    return "", body if isinstance(body, str) else ""


def _before_sending(error: BaseException) -> bool:
    causes: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in causes:
        causes.append(at)
        at = at.__cause__ or at.__context__
    return any(type(each).__name__ in _BEFORE_SENDING for each in causes)


def known(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return those of the named values that are there."""
    return {name: values[name] for name in names if values.get(name) is not None}
