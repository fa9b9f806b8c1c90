"""Variations: a chat model rewrites a prompt into one for each item."""

import asyncio
from typing import Final

from core.i18n import gettext as _
from core.i18n import translated
from core.models import InvalidInput, Kind
from core.providers.errors import (
    BalanceSpent,
    InvalidCredentials,
    ProviderError,
    RateLimited,
    RequestRejected,
)
from core.studio.studio import Studio

CHAT_CALL_USD: Final = 0.05
"""What a call of a chat model counts in a budget, unless `ASSUMED_COSTS` names the model.

Its server reports no cost. A call takes and returns a few thousand tokens, which costs less with
all but the most expensive models.
"""


def can_vary(studio: Studio) -> bool:
    """Return whether a chat model is configured that rewrites prompts."""
    return bool(studio.settings.openai_chat_model)


def vary(studio: Studio, user_id: str, prompt: str, kind: Kind, number: int) -> list[str]:
    """Have a chat model rewrite a prompt, on the user's budget.

    Args:
        studio: its settings name the model.
        user_id: who pays.
        prompt: the text, as typed.
        kind: what the prompts are for.
        number: how many are wanted.

    Returns:
        `number` prompts, or fewer if the model returned fewer.

    Raises:
        InvalidInput: there are none, or the budget does not allow it; the text says why.
        DatabaseError: the budget could not be read, so the model was not called.
    """
    from core.providers.openai import variations  # noqa: PLC0415  # loads an SDK

    settings, spending = studio.settings, studio.store.budgets
    model, api_key = settings.openai_chat_model, settings.openai_api_key.get_secret_value()
    booking = None
    if api_key:  # a server that needs no key sends no bill
        booking = spending.book(user_id, "openai", model, kind, CHAT_CALL_USD)
    call = variations.vary(
        prompt,
        kind,
        number,
        model=model,
        api_key=api_key,
        base_url=settings.openai_base_url or None,
    )
    try:
        return asyncio.run(call)
    except (BalanceSpent, InvalidCredentials, RateLimited, RequestRejected) as error:
        spending.unbook(booking)
        raise InvalidInput(translated(str(error))) from None
    except (ProviderError, TimeoutError) as error:
        why = translated(str(error)) or _("The chat model did not answer in time.")
        raise InvalidInput(why) from None
