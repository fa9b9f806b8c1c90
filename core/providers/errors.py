"""What can go wrong at a provider, as types that carry what the handler needs.

    ProviderError
    ├── PromptRejected        the provider refuses this prompt; asking again will not help
    ├── InvalidCredentials    the key is missing, wrong or not allowed
    ├── RateLimited           too many requests; carries `retry_after`
    ├── ProviderUnavailable   it is down or broken; nothing was charged
    ├── GenerationFailed      it tried and failed; asking again may or may not help
    └── OutcomeUnknown        a paid call was sent and its answer never came

Each text is a sentence for the user.
"""


class ProviderError(Exception):
    """The provider could not make this item."""

    code = "provider_error"
    retryable = False  # whether Fivefold itself may try again, free of charge

    def __init__(
        self, message: str | None = None, *, code: str | None = None, retryable: bool | None = None
    ) -> None:
        super().__init__(message or (type(self).__doc__ or "").strip())
        self.code = code or self.code
        self.retryable = self.retryable if retryable is None else retryable

    @property
    def message(self) -> str:
        """The sentence for the user."""
        return str(self)


class PromptRejected(ProviderError):
    """The provider does not accept this prompt. Please put it in other words."""

    code = "prompt_rejected"


class InvalidCredentials(ProviderError):
    """The provider does not accept the configured key."""

    code = "invalid_credentials"


class RateLimited(ProviderError):
    """The provider is busy; this item is tried again shortly."""

    code = "rate_limited"
    retryable = True

    def __init__(self, message: str | None = None, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after  # seconds, as the provider said


class ProviderUnavailable(ProviderError):
    """The provider cannot be reached; this item is tried again shortly."""

    code = "provider_unavailable"
    retryable = True


class GenerationFailed(ProviderError):
    """The provider could not make this item."""

    code = "generation_failed"


class OutcomeUnknown(ProviderError):
    """The request was sent, but its outcome is not known; it may have been charged."""

    code = "outcome_unknown"
