"""Turning what goes wrong in a call, made with an SDK or with httpx2, into a `ProviderError`."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx2

from core.i18n import N_
from core.providers.errors import OutcomeUnknown, ProviderError
from core.providers.http.client import Call, ReplyTooLarge, observe_call
from core.providers.responses.vendor_errors import Vendor, body_of


@asynccontextmanager
async def provider_errors(vendor: Vendor, *, creating: bool = False) -> AsyncIterator[Call]:
    """Raise a `ProviderError` for whatever goes wrong with the call in the block.

    Args:
        vendor: who is called.
        creating: whether the call may be charged. Whatever goes wrong after its first byte was sent
            then means that the outcome is not known, unless the vendor says more.
    """
    with observe_call() as call:
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
            raise vendor.error_from_response(
                response.status_code, response.headers, body_of(response), creating=creating
            ) from None
        except Exception as error:
            found = _error_from_exception(vendor, error, call, creating=creating)
            if found is None:
                raise
            if creating and call.sent and found.reply is None:
                found.reply = vendor.redacted(call.reply)
            # Not chained: errors may quote the key that was sent, or was to be.
            raise found from None


def _error_from_exception(
    vendor: Vendor, error: Exception, call: Call, *, creating: bool
) -> ProviderError | None:
    """Return what any other exception means; None: it is a mistake of ours."""
    names = {each.__name__ for each in type(error).__mro__}
    if isinstance(error, ReplyTooLarge):
        sentence = N_("{provider}'s answer has no end; it may have been charged.")
        endless = OutcomeUnknown(sentence.format(provider=vendor.title))
        return endless if creating else vendor.unreadable_response()
    if "APIError" in names:
        return vendor.error_from_sdk(error, creating=creating, sent=call.sent)
    requested = "RequestError" in names
    refused = requested and "TransportError" not in names and not call.sent
    if refused or (not call.sent and not requested and (creating or "UnicodeError" in names)):
        return vendor.not_sent(error)
    if requested:  # it broke off, or what came cannot be decoded
        return vendor.no_response(error, creating=creating, sent=call.sent)
    return OutcomeUnknown(details={"error": type(error).__name__}) if creating else None
