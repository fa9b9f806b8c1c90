"""Prompt help: a chat model rewrites one prompt into several, for the user to look over."""

import json
from typing import Any, Final

from openai import AsyncOpenAI

from core.i18n import N_
from core.providers.answers import Vendor, asking, http_client
from core.providers.errors import ProviderError

_TASK: Final = (
    "You help somebody who makes {kind}s with a generator. Rewrite the prompt that follows into "
    "{number} variations of it. Each keeps its subject and what happens, and differs in viewpoint, "
    "light, setting or style. Each is one paragraph of at most 60 words in the prompt's language. "
    'Answer with JSON only: {{"prompts": ["…", "…"]}}.'
)
_SECONDS: Final = 60.0


async def vary(  # noqa: PLR0913  # where to ask, and what for
    prompt: str, kind: str, number: int, *, model: str, api_key: str, base_url: str | None = None
) -> list[str]:
    """Return variations of a prompt.

    Args:
        prompt: the text, as typed.
        kind: what they are for, `image` or `video`.
        number: how many.
        model: a chat model of the server's.
        api_key: the server's key; empty: it wants none.
        base_url: the server's address up to `/v1`; None: OpenAI's own.

    Returns:
        `number` texts, or fewer where the model gave fewer.

    Raises:
        ProviderError: there are none; the text says why.
    """
    vendor = Vendor(title="The chat model", key_setting="OPENAI_API_KEY", secrets=(api_key,))
    task = _TASK.format(kind=kind, number=number)
    messages: list[Any] = [
        {"role": "system", "content": task},
        {"role": "user", "content": prompt},
    ]
    async with http_client(base_url) as http:
        client = AsyncOpenAI(
            api_key=api_key or "none",
            base_url=base_url,
            max_retries=0,  # it costs a little, and the user is there to ask again
            timeout=_SECONDS,
            http_client=http,
        )
        async with asking(vendor):
            answer = await client.chat.completions.create(
                model=model, messages=messages, response_format={"type": "json_object"}
            )
    said = answer.choices[0].message.content if answer.choices else None
    try:
        prompts = json.loads(said or "")["prompts"]
        texts = [text.strip() for text in prompts if isinstance(text, str) and text.strip()]
    except (ValueError, KeyError, TypeError):
        texts = []
    if not texts:
        raise ProviderError(N_("The chat model did not answer with prompts. Please try again."))
    return texts[:number]
