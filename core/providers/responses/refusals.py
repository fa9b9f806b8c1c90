"""What a vendor's answers mean: one place that joins our sentence and the vendor's own words.

The vendors' SDKs and our own requests end here alike. Whether a call that creates something may
have been charged follows from whether its first byte left, and from what its answer is documented
to mean; a call that only reads may always be made again.
"""

import asyncio
import re
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

import httpx2

from core.i18n import N_
from core.providers.errors import (
    REPLY_MAX_BYTES,
    BalanceSpent,
    GenerationFailed,
    InvalidCredentials,
    OutcomeUnknown,
    PromptRejected,
    ProviderError,
    ProviderUnavailable,
    RateLimited,
    RequestRejected,
)
from core.providers.http.client import Call, ReplyTooLarge, observed
from core.providers.responses.loose_json import read_json
from core.providers.responses.wording import is_about_money, objects, words
from core.system.http_headers import retry_after

_MESSAGE_CHARACTERS: Final = 250
_ASK_AGAIN: Final = frozenset({408, 409, 425, 500, 502, 503, 504})  # what only reads


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
        code, message = words(body)
        said = self.cleaned(message)
        if self._is_spent(status, code, message):
            return self._spent(said)
        if code in self.rejected or objects(code, message if status < 500 else ""):  # noqa: PLR2004
            return self.refused(said)
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return self._not_allowed(status, said)
        trouble = self._trouble(status, headers, said, creating=creating)
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

    def failed(self, code: str, message: str) -> ProviderError:
        """Return what a vendor means that says so itself: in a reply, an event or a task.

        Args:
            code: its code; empty: none.
            message: its words; empty: none.
        """
        said = self.cleaned(message)
        if code in self.rejected or objects(code, message):
            return self.refused(said)
        if self._is_spent(HTTPStatus.OK, code, message):
            return self._spent(said)
        sentence = (
            N_("{provider} could not make this: {said}")
            if said
            else N_("{provider} could not make this, and did not say why.")
        )
        details = {"code": self.cleaned(code)} if code else {}
        return GenerationFailed(sentence.format(provider=self.title, said=said), details=details)

    def refused(self, said: str) -> PromptRejected:
        """Return the error of a prompt that is refused, with the vendor's own words."""
        sentence = (
            N_("{provider} does not accept this prompt: {said}")
            if said
            else N_("{provider} does not accept this prompt.")
        )
        return PromptRejected(sentence.format(provider=self.title, said=said))

    def no_answer(
        self, error: BaseException | None, *, creating: bool, sent: bool = True
    ) -> ProviderError:
        """Return what a call means that was broken off without an answer.

        Args:
            error: what broke it off.
            creating: whether it could have been charged.
            sent: whether its first byte left.
        """
        if creating and sent:
            return OutcomeUnknown()
        for cause in () if error is None else _causes(error):
            if isinstance(cause, UnicodeError) or type(cause).__name__ == "LocalProtocolError":
                return self.not_sent(cause)
        sentence = N_("{provider} cannot be reached.") if error is None else _unreachable(error)
        return ProviderUnavailable(sentence.format(provider=self.title))

    def not_sent(self, error: BaseException) -> ProviderError:
        """Return what went wrong before anything was sent, which cost nothing."""
        if isinstance(error, ProviderError):
            return error
        if isinstance(error, UnicodeError) or type(error).__name__ == "LocalProtocolError":
            sentence = N_("The key in {setting} holds a character that no key has.")
            return InvalidCredentials(sentence.format(setting=self.key_setting))
        sentence = N_("Nothing was sent to {provider}, so nothing was charged: {reason}")
        reason = self.cleaned(str(error)) or type(error).__name__
        return ProviderError(sentence.format(provider=self.title, reason=reason), code="not_sent")

    def checked_key(self, key: str) -> str:
        """Return a key that can be sent: never one that an HTTP library would quote in its errors.

        Raises:
            InvalidCredentials: it holds what is no printable ASCII.
        """
        if key.isascii() and key.isprintable() and " " not in key:
            return key
        raise self.not_sent(UnicodeError())

    def unreadable(self, message: str = "") -> ProviderUnavailable:
        """Return the error of an answer of a reading call that says nothing that is known.

        Args:
            message: the words in it; empty: none.
        """
        said = self.cleaned(message)
        sentence = (
            N_("{provider} gave an answer that cannot be read: {said}")
            if said
            else N_("{provider} gave an answer that cannot be read.")
        )
        return ProviderUnavailable(sentence.format(provider=self.title, said=said))

    def no_file(self, message: str) -> ProviderUnavailable:
        """Return the error of a task that seems to have ended, but has words instead of a file."""
        sentence = N_("{provider} has no file of this task, and says: {said}")
        return ProviderUnavailable(sentence.format(provider=self.title, said=self.cleaned(message)))

    def sdk(self, error: Exception, *, creating: bool, sent: bool = True) -> ProviderError:
        """Return what an error of an SDK by Stainless (OpenAI's, Runway's) means."""
        response = getattr(error, "response", None)
        if response is not None:
            body = body_of(response)
            found = self.answer(response.status_code, response.headers, body, creating=creating)
            found.reply = None if not creating else self.redacted(_content(response))
            return found
        return self.no_answer(error, creating=creating, sent=sent)

    def cleaned(self, text: str) -> str:
        """Return a vendor's own words as one line without secrets, not too long."""
        text = text.encode(errors="replace").decode()  # half a character cannot be stored
        for secret in filter(None, self.secrets):
            text = text.replace(secret, "…")
        line = re.sub(r"\b(sk|key)[-_][\w*-]{6,}", "…", " ".join(text.split()))
        if len(line) > _MESSAGE_CHARACTERS:
            line = f"{line[: _MESSAGE_CHARACTERS - 1]}…"
        return line

    def redacted(self, reply: bytes | None) -> bytes | None:
        """Return a raw reply without secrets, not too long; None: there is none."""
        if not reply:
            return None
        for secret in filter(None, self.secrets):
            reply = reply.replace(secret.encode(), "…".encode())
        return reply[:REPLY_MAX_BYTES]

    def _not_allowed(self, status: int, said: str) -> InvalidCredentials:
        if status == HTTPStatus.UNAUTHORIZED:
            sentence = (
                N_("{provider} does not accept the key in {setting}: {said}")
                if said
                else N_("{provider} does not accept the key in {setting}. Please look it over.")
            )
        else:
            sentence = (
                N_("{provider} does not allow this with the key in {setting}: {said}")
                if said
                else N_(
                    "{provider} does not allow this with the key in {setting}. Please look it over."
                )
            )
        return InvalidCredentials(
            sentence.format(provider=self.title, setting=self.key_setting, said=said),
            details={"status": int(status)},
        )

    def _spent(self, said: str) -> BalanceSpent:
        sentence = (
            N_("The account at {provider} has no money left: {said}")
            if said
            else N_(
                "The account at {provider} has no money left. Please top it up, then try again."
            )
        )
        return BalanceSpent(sentence.format(provider=self.title, said=said))

    def _trouble(
        self, status: int, headers: Mapping[str, str], said: str, *, creating: bool
    ) -> ProviderError | None:
        """Return what an answer means that is not about the request; None where it is."""
        wait, details = retry_after(headers), {"status": status}
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            sentence = N_("{provider} is busy: {said}") if said else N_("{provider} is busy.")
            text = sentence.format(provider=self.title, said=said)
            return RateLimited(text, retry_after=wait, details=details)
        if status in (self.free if creating else _ASK_AGAIN | self.free):
            sentence = (
                N_("{provider} is out of order at the moment ({status}): {said}")
                if said
                else N_("{provider} is out of order at the moment ({status}).")
            )
            text = sentence.format(provider=self.title, status=status, said=said)
            return ProviderUnavailable(text, retry_after=wait, details=details)
        made = {*_ASK_AGAIN, HTTPStatus.SEE_OTHER}  # what came of it is elsewhere (RFC 9110)
        if creating and (status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in made):
            sentence = (
                N_(
                    "{provider} answered with an error ({status}) that leaves open whether it was "
                    "made; it may have been charged. It said: {said}"
                )
                if said
                else N_(
                    "{provider} answered with an error ({status}) that leaves open whether it was "
                    "made; it may have been charged."
                )
            )
            text = sentence.format(provider=self.title, status=status, said=said)
            return OutcomeUnknown(text, details=details)
        return None

    def _is_spent(self, status: int, code: str, message: str) -> bool:
        lowered = message.lower()
        named = (
            code in self.spent
            or any(each in lowered for each in self.spent)
            or is_about_money(code, message)
        )
        return status == HTTPStatus.PAYMENT_REQUIRED or (named and status < 500)  # noqa: PLR2004


@asynccontextmanager
async def asking(vendor: Vendor, *, creating: bool = False) -> AsyncIterator[Call]:
    """Turn what goes wrong in the block, with an SDK or with httpx2, into a `ProviderError`.

    Args:
        vendor: who is asked.
        creating: whether what is asked for may be charged. Whatever goes wrong after its first
            byte left then means that the outcome is not known, unless the vendor said more.
    """
    with observed() as call:
        try:
            yield call
        except (TimeoutError, asyncio.CancelledError):
            raise
        except ProviderError as error:
            if creating and call.sent and error.reply is None:
                error.reply = vendor.redacted(call.reply)
            raise
        except httpx2.HTTPStatusError as error:
            response = error.response
            raise vendor.answer(
                response.status_code, response.headers, body_of(response), creating=creating
            ) from None
        except Exception as error:
            found = _meaning(vendor, error, call, creating=creating)
            if found is None:
                raise
            if creating and call.sent and found.reply is None:
                found.reply = vendor.redacted(call.reply)
            # Not chained: errors may quote the key that was sent, or was to be.
            raise found from None


def body_of(response: Any) -> object:  # noqa: ANN401  # of httpx or of httpx2
    """Return the body of an answer that was read, decoded if it is JSON."""
    raw = _content(response)
    if raw is None:
        return None
    document = read_json(raw)
    return raw.decode("utf-8", "replace") if document is None else document


def known(values: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return those of the named values that are there."""
    return {name: values[name] for name in names if values.get(name) is not None}


def _meaning(
    vendor: Vendor, error: Exception, call: Call, *, creating: bool
) -> ProviderError | None:
    """Return what any other error means; None: it is a mistake of our own."""
    names = {each.__name__ for each in type(error).__mro__}
    if isinstance(error, ReplyTooLarge):
        sentence = N_("{provider}'s answer has no end; it may have been charged.")
        endless = OutcomeUnknown(sentence.format(provider=vendor.title))
        return endless if creating else vendor.unreadable()
    if "APIError" in names:
        return vendor.sdk(error, creating=creating, sent=call.sent)
    requested = "RequestError" in names
    refused = requested and "TransportError" not in names and not call.sent
    if refused or (not call.sent and not requested and (creating or "UnicodeError" in names)):
        return vendor.not_sent(error)
    if requested:  # it broke off, or what came cannot be decoded
        return vendor.no_answer(error, creating=creating, sent=call.sent)
    return OutcomeUnknown(details={"error": type(error).__name__}) if creating else None


def _content(response: Any) -> bytes | None:  # noqa: ANN401  # as above
    try:
        content: bytes = response.content
    except Exception:  # noqa: BLE001  # not read, whichever library's error says so
        return None
    return content


def _unreachable(error: BaseException) -> str:
    """Return the sentence of why nobody could be reached, as far as the error says it."""
    sentences = (
        ("gaierror", N_("{provider} cannot be reached: no address was found for its name.")),
        ("ConnectionRefusedError", N_("{provider} cannot be reached: nobody answers there.")),
        (
            "SSLCertVerificationError",
            N_("{provider} cannot be reached: its certificate cannot be trusted."),
        ),
        ("SSLError", N_("{provider} cannot be reached: no secure connection could be made.")),
        ("ProxyError", N_("{provider} cannot be reached: the proxy does not let us through.")),
        ("ConnectTimeout", N_("{provider} cannot be reached: it did not answer in time.")),
    )
    names = {each.__name__ for cause in _causes(error) for each in type(cause).__mro__}
    said = next((text for name, text in sentences if name in names), None)
    return said or N_("{provider} cannot be reached.")


def _causes(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in seen:
        seen.append(at)
        yield at
        at = at.__cause__ or at.__context__
