"""Screening prompts with OpenAI's moderation, free of charge, before anything is paid for."""

from collections.abc import Awaitable, Callable
from typing import Final

from cachetools import FIFOCache

from core.i18n import N_
from core.providers.errors import PromptRejected
from core.providers.responses.reader import Reply
from core.providers.responses.vendor_errors import Vendor

MODEL: Final = "omni-moderation-latest"  # free of charge
_CACHED: Final = 100


class Moderation:
    """Screens prompts, and caches the results for a job's other items.

    Args:
        vendor: what its errors mean.
        ask: calls the moderation for one prompt.
    """

    def __init__(self, vendor: Vendor, ask: Callable[[str], Awaitable[Reply]]) -> None:
        self._vendor = vendor
        self._ask = ask
        self._found: FIFOCache[str, str] = FIFOCache(_CACHED)

    async def screen(self, prompt: str) -> None:
        """Check that a prompt may be used.

        Raises:
            PromptRejected: it may not.
            ProviderError: the moderation could not be called.
        """
        if prompt not in self._found:
            reply = await self._ask(prompt)
            results = reply.fact("results")
            found = results[0] if isinstance(results, list) and results else None
            if not isinstance(found, dict):
                raise self._vendor.unreadable_response()
            categories = found.get("categories")
            named = categories if isinstance(categories, dict) else {}
            words = [name for name, is_so in named.items() if is_so is True]
            flagged = ", ".join(words) or ("flagged" if found.get("flagged") is True else "")
            self._found[prompt] = flagged
        if self._found[prompt]:
            raise PromptRejected(
                N_(
                    "OpenAI's moderation objects to this prompt ({reasons}). "
                    "Please put it in other words."
                ).format(reasons=self._found[prompt])
            )
