"""Errors of providers, as types that carry what the handler needs.

    ProviderError
    ├── PromptRejected        the provider rejects this prompt; a retry will not help
    ├── RequestRejected       it rejects such a request; a retry will not help
    ├── InvalidCredentials    the key is missing, wrong or not allowed
    ├── BalanceSpent          the account has no money left
    ├── RateLimited           too many requests; carries `retry_after`
    ├── ProviderUnavailable   it is down or broken; nothing was charged
    ├── GenerationFailed      it tried and failed; a retry may or may not help
    └── OutcomeUnknown        a paid call was sent and no response came

Each text is a sentence for the user, in English; `core.i18n.translated` translates it.
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from core.i18n import N_

REPLY_MAX_BYTES: Final = 64 * 1024**2
"""Bytes of a vendor's raw reply that are kept, at most."""


_AGAIN: Final = re.compile(r"[;,] (this item|it) is (tried|asked|asked for) again shortly\.$")


class ProviderError(Exception):
    """The provider could not make this item.

    Args:
        message: the sentence for the user; None: the type's own.
        code: for programs.
        retryable: whether Fivefold itself may retry, free of charge.
        retry_after: seconds to wait before, by the provider.
        cost: what it cost all the same, in the capability's unit.
        details: what to keep about it; plain JSON, no secrets.
        reply: the raw reply of a call that may have been charged, without secrets, at most
            `REPLY_MAX_BYTES`; `Provider.reread` reads it again. None: there was none.
    """

    sentence = N_("The provider could not make this item.")
    code = "provider_error"
    retryable = False
    ended = False  # whether the provider's task is over; trying again then means a new one

    def __init__(  # noqa: PLR0913  # each is independent, and all but the first are rare
        self,
        message: str | None = None,
        *,
        code: str | None = None,
        retryable: bool | None = None,
        retry_after: float | None = None,
        cost: float | None = None,
        details: Mapping[str, Any] | None = None,
        reply: bytes | None = None,
    ) -> None:
        super().__init__(message or self.sentence)
        self.code = code or self.code
        self.retryable = self.retryable if retryable is None else retryable
        self.retry_after = retry_after
        self.cost = cost
        self.details = details or {}
        self.reply = reply

    @property
    def message(self) -> str:
        """The sentence for the user."""
        return str(self)

    @property
    def final(self) -> str:
        """The sentence once there are no more retries."""
        return _AGAIN.sub(".", self.message)


class PromptRejected(ProviderError):
    """The provider rejects this prompt."""

    sentence = N_("The provider does not accept this prompt. Please put it in other words.")
    code = "prompt_rejected"
    ended = True


class RequestRejected(ProviderError):
    """The provider rejects such a request."""

    sentence = N_("The provider does not take such a request. Please choose other settings.")
    code = "request_rejected"
    ended = True


class InvalidCredentials(ProviderError):
    """The key is missing, wrong or not allowed."""

    sentence = N_("The provider does not accept the configured key.")
    code = "invalid_credentials"


class BalanceSpent(ProviderError):
    """The account has no money left."""

    sentence = N_(
        "The account at the provider has no money left. Please top it up, then try again."
    )
    code = "balance_spent"


class RateLimited(ProviderError):
    """Too many requests; see `retry_after`."""

    sentence = N_("The provider is busy.")
    code = "rate_limited"
    retryable = True


class ProviderUnavailable(ProviderError):
    """The provider is down or broken; nothing was charged."""

    sentence = N_("The provider cannot be reached.")
    code = "provider_unavailable"
    retryable = True


class GenerationFailed(ProviderError):
    """The provider tried and failed."""

    code = "generation_failed"
    ended = True


class OutcomeUnknown(ProviderError):
    """A paid call was sent and no response came."""

    sentence = N_("The request was sent, but its outcome is not known; it may have been charged.")
    code = "outcome_unknown"
