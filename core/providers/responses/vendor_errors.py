"""From a vendor's response to a `ProviderError`: our sentence, with the vendor's own message in it.

Whether a call that creates something may have been charged follows from whether its first byte was
sent, and from what its status is documented to mean. A call that only reads may always be retried.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

from core.i18n import N_
from core.providers import errors
from core.providers.responses.loose_json import read_json
from core.providers.responses.vendor_message import (
    code_and_message,
    is_out_of_funds,
    is_prompt_rejection,
)
from core.system.http_headers import retry_after

_MESSAGE_CHARACTERS: Final = 250
_RETRYABLE_READS: Final = frozenset({408, 409, 425, 500, 502, 503, 504})
_OPEN_OUTCOMES: Final = frozenset({*_RETRYABLE_READS, HTTPStatus.SEE_OTHER})
"""Statuses of a creating call after which something may have been created; after `SEE_OTHER` it is
elsewhere (RFC 9110, 15.4.4)."""


@dataclass(frozen=True, kw_only=True)
class Vendor:
    """What a vendor's errors mean, and how they read.

    Attributes:
        title: its name for people.
        key_setting: the setting that holds its key.
        secrets: what must not show in any text.
        uncharged: statuses of creating calls that are documented as not charged; such a call may be
            retried.
        rejection_codes: error codes that mean that the prompt is rejected.
        balance_codes: error codes, or parts of messages, that mean that the balance is spent.
    """

    title: str
    key_setting: str
    secrets: tuple[str, ...] = ()
    uncharged: frozenset[int] = frozenset({429, 503})
    rejection_codes: frozenset[str] = frozenset()
    balance_codes: frozenset[str] = frozenset()

    def error_from_response(
        self, status: int, headers: Mapping[str, str], body: object, *, creating: bool
    ) -> errors.ProviderError:
        """Return the error of a response that is no success.

        Args:
            status: its HTTP status.
            headers: its headers.
            body: decoded JSON, or text.
            creating: whether the call could have been charged.
        """
        code, raw = code_and_message(body)
        message = self.cleaned(raw)
        if self._is_balance_spent(status, code, raw):
            return self._balance_spent(message)
        # What a broken server says of content is not about this prompt.
        about_prompt = raw if status < HTTPStatus.INTERNAL_SERVER_ERROR else ""
        if code in self.rejection_codes or is_prompt_rejection(code, about_prompt):
            return self.prompt_rejected(message)
        if status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return self._key_rejected(status, message)
        unavailable = self._unavailable(status, headers, message, creating=creating)
        if unavailable is not None:
            return unavailable
        text = self._text(
            N_("{provider} does not take this request ({status}): {said}"),
            N_("{provider} does not take this request ({status})."),
            message,
            status=status,
        )
        return errors.RequestRejected(text, details={"status": status})

    def error_from_message(self, code: str, message: str) -> errors.ProviderError:
        """Return the error that a vendor reports within a reply, an event or a task.

        Args:
            code: its code; empty: none.
            message: its message; empty: none.
        """
        cleaned = self.cleaned(message)
        if code in self.rejection_codes or is_prompt_rejection(code, message):
            return self.prompt_rejected(cleaned)
        if self._is_balance_spent(HTTPStatus.OK, code, message):
            return self._balance_spent(cleaned)
        text = self._text(
            N_("{provider} could not make this: {said}"),
            N_("{provider} could not make this, and did not say why."),
            cleaned,
        )
        return errors.GenerationFailed(text, details={"code": self.cleaned(code)} if code else {})

    def prompt_rejected(self, message: str) -> errors.PromptRejected:
        """Return the error of a rejected prompt; `message` is the vendor's, cleaned."""
        return errors.PromptRejected(
            self._text(
                N_("{provider} does not accept this prompt: {said}"),
                N_("{provider} does not accept this prompt."),
                message,
            )
        )

    def no_response(
        self, error: BaseException | None, *, creating: bool, sent: bool = True
    ) -> errors.ProviderError:
        """Return the error of a call that was broken off without a response.

        Args:
            error: what broke it off.
            creating: whether it could have been charged.
            sent: whether its first byte was sent.
        """
        if creating and sent:
            return errors.OutcomeUnknown()
        for cause in () if error is None else _cause_chain(error):
            if isinstance(cause, UnicodeError) or type(cause).__name__ == "LocalProtocolError":
                return self.not_sent(cause)
        sentence = (
            N_("{provider} cannot be reached.") if error is None else _unreachable_sentence(error)
        )
        return errors.ProviderUnavailable(sentence.format(provider=self.title))

    def not_sent(self, error: BaseException) -> errors.ProviderError:
        """Return the error of a call that failed before anything was sent, at no cost."""
        if isinstance(error, errors.ProviderError):
            return error
        if isinstance(error, UnicodeError) or type(error).__name__ == "LocalProtocolError":
            sentence = N_("The key in {setting} holds a character that no key has.")
            return errors.InvalidCredentials(sentence.format(setting=self.key_setting))
        sentence = N_("Nothing was sent to {provider}, so nothing was charged: {reason}")
        reason = self.cleaned(str(error)) or type(error).__name__
        return errors.ProviderError(
            sentence.format(provider=self.title, reason=reason), code="not_sent"
        )

    def checked_key(self, key: str) -> str:
        """Return a key that can be sent: never one that an HTTP library would quote in its errors.

        Raises:
            InvalidCredentials: it has a character that is not printable ASCII.
        """
        if key.isascii() and key.isprintable() and " " not in key:
            return key
        raise self.not_sent(UnicodeError())

    def unreadable_response(self, message: str = "") -> errors.ProviderUnavailable:
        """Return the error of a reading call whose response holds nothing that is known.

        Args:
            message: the message in it; empty: none.
        """
        text = self._text(
            N_("{provider} gave an answer that cannot be read: {said}"),
            N_("{provider} gave an answer that cannot be read."),
            self.cleaned(message),
        )
        return errors.ProviderUnavailable(text)

    def no_file(self, message: str) -> errors.ProviderUnavailable:
        """Return the error of a task that seems to have ended, with a message instead of a file."""
        sentence = N_("{provider} has no file of this task, and says: {said}")
        return errors.ProviderUnavailable(
            sentence.format(provider=self.title, said=self.cleaned(message))
        )

    def error_from_sdk(
        self, error: Exception, *, creating: bool, sent: bool = True
    ) -> errors.ProviderError:
        """Return what an error of an SDK by Stainless (OpenAI's, Runway's) means."""
        response = getattr(error, "response", None)
        if response is None:
            return self.no_response(error, creating=creating, sent=sent)
        found = self.error_from_response(
            response.status_code, response.headers, body_of(response), creating=creating
        )
        found.reply = self.redacted(_content(response)) if creating else None
        return found

    def cleaned(self, text: str) -> str:
        """Return a vendor's message as one short line without secrets."""
        text = text.encode(errors="replace").decode()  # half a character cannot be stored
        for secret in filter(None, self.secrets):
            text = text.replace(secret, "…")
        line = re.sub(r"\b(sk|key)[-_][\w*-]{6,}", "…", " ".join(text.split()))
        if len(line) > _MESSAGE_CHARACTERS:
            line = f"{line[: _MESSAGE_CHARACTERS - 1]}…"
        return line

    def redacted(self, reply: bytes | None) -> bytes | None:
        """Return a raw reply without secrets, of at most `REPLY_MAX_BYTES`; None: there is none."""
        if not reply:
            return None
        for secret in filter(None, self.secrets):
            reply = reply.replace(secret.encode(), "…".encode())
        return reply[: errors.REPLY_MAX_BYTES]

    def _text(self, with_message: str, without: str, message: str, **fields: object) -> str:
        """Return the sentence that fits, filled in."""
        sentence = with_message if message else without
        return sentence.format(provider=self.title, said=message, **fields)

    def _key_rejected(self, status: int, message: str) -> errors.InvalidCredentials:
        sentences = (
            (
                N_("{provider} does not accept the key in {setting}: {said}"),
                N_("{provider} does not accept the key in {setting}. Please look it over."),
            )
            if status == HTTPStatus.UNAUTHORIZED
            else (
                N_("{provider} does not allow this with the key in {setting}: {said}"),
                N_(
                    "{provider} does not allow this with the key in {setting}. Please look it over."
                ),
            )
        )
        text = self._text(*sentences, message, setting=self.key_setting)
        return errors.InvalidCredentials(text, details={"status": int(status)})

    def _balance_spent(self, message: str) -> errors.BalanceSpent:
        return errors.BalanceSpent(
            self._text(
                N_("The account at {provider} has no money left: {said}"),
                N_(
                    "The account at {provider} has no money left. Please top it up, then try again."
                ),
                message,
            )
        )

    def _unavailable(
        self, status: int, headers: Mapping[str, str], message: str, *, creating: bool
    ) -> errors.ProviderError | None:
        """Return the error of a busy or broken server; None where the request is to blame."""
        wait, details = retry_after(headers), {"status": status}
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            text = self._text(N_("{provider} is busy: {said}"), N_("{provider} is busy."), message)
            return errors.RateLimited(text, retry_after=wait, details=details)
        if status in (self.uncharged if creating else _RETRYABLE_READS | self.uncharged):
            text = self._text(
                N_("{provider} is out of order at the moment ({status}): {said}"),
                N_("{provider} is out of order at the moment ({status})."),
                message,
                status=status,
            )
            return errors.ProviderUnavailable(text, retry_after=wait, details=details)
        if creating and (status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _OPEN_OUTCOMES):
            text = self._text(
                N_(
                    "{provider} answered with an error ({status}) that leaves open whether it was "
                    "made; it may have been charged. It said: {said}"
                ),
                N_(
                    "{provider} answered with an error ({status}) that leaves open whether it was "
                    "made; it may have been charged."
                ),
                message,
                status=status,
            )
            return errors.OutcomeUnknown(text, details=details)
        return None

    def _is_balance_spent(self, status: int, code: str, message: str) -> bool:
        lowered = message.lower()
        named = (
            code in self.balance_codes
            or any(each in lowered for each in self.balance_codes)
            or is_out_of_funds(code, message)
        )
        broken = status >= HTTPStatus.INTERNAL_SERVER_ERROR
        return status == HTTPStatus.PAYMENT_REQUIRED or (named and not broken)


def body_of(response: Any) -> object:  # noqa: ANN401  # of httpx or of httpx2
    """Return the body of a response that has been read, decoded if it is JSON."""
    raw = _content(response)
    if raw is None:
        return None
    document = read_json(raw)
    return raw.decode("utf-8", "replace") if document is None else document


def _content(response: Any) -> bytes | None:  # noqa: ANN401  # as above
    try:
        content: bytes = response.content
    except Exception:  # noqa: BLE001  # not read, whichever library's error says so
        return None
    return content


def _unreachable_sentence(error: BaseException) -> str:
    """Return why the vendor could not be reached, as far as the error tells."""
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
    names = {each.__name__ for cause in _cause_chain(error) for each in type(cause).__mro__}
    known = next((text for name, text in sentences if name in names), None)
    return known or N_("{provider} cannot be reached.")


def _cause_chain(error: BaseException) -> Iterator[BaseException]:
    seen: list[BaseException] = []
    at: BaseException | None = error
    while at is not None and at not in seen:
        seen.append(at)
        yield at
        at = at.__cause__ or at.__context__
