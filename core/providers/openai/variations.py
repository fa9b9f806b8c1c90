"""Prompt variations: a chat model rewrites one prompt into several, for the user to edit."""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from openai import AsyncOpenAI

from core.i18n import N_
from core.providers.errors import ProviderError, RequestRejected
from core.providers.http.call_errors import provider_errors
from core.providers.http.client import http_client, read_body
from core.providers.responses.loose_json import read_json
from core.providers.responses.vendor_errors import Vendor

_TASK: Final = (
    "You help somebody who makes {kind}s with a generator. Rewrite the prompt that follows into "
    "{number} variations of it. Each keeps its subject and what happens, and differs in viewpoint, "
    "light, setting or style. Each is one paragraph of at most 60 words in the prompt's language. "
    'Answer with JSON only: {{"prompts": ["…", "…"]}}.'
)
_SECONDS: Final = 60.0
_UNKNOWN_FIELD: Final = frozenset({400, 404, 415, 422, 501})
_CONTENTS: Final = ("choices", "message", "content", "text", "output", "response", "parts")
_NAMES: Final = frozenset(
    {"prompts", "variations", "prompt_variations", "results", "items", "data"}
)
_TEXTS: Final = ("prompt", "text", "variation", "content", "description")
_OPENING: Final = re.compile(r"[\[{]")
_LISTED: Final = re.compile(r"(?m)^\s*(?:\d{1,2}[.)]|[-*•])\s+(\S.{8,})$")  # a list without JSON


async def vary(  # noqa: PLR0913  # the prompt and the server
    prompt: str, kind: str, number: int, *, model: str, api_key: str, base_url: str | None = None
) -> list[str]:
    """Return variations of a prompt.

    Args:
        prompt: the text, as typed.
        kind: of the items, `image` or `video`.
        number: of variations.
        model: a chat model of the server.
        api_key: the server's key; empty: it needs none.
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
            api_key=vendor.checked_key(api_key.strip()) or "none",
            base_url=base_url,
            max_retries=0,  # it costs a little, and the user can retry
            timeout=_SECONDS,
            http_client=http,
        )
        creating = client.chat.completions.with_streaming_response.create

        async def ask(**more: Any) -> bytes:  # noqa: ANN401  # the SDK's own arguments
            async with (
                provider_errors(vendor),
                creating(model=model, messages=messages, **more) as response,
            ):
                return await read_body(response.http_response.aiter_bytes())

        try:
            raw = await ask(response_format={"type": "json_object"})
        except RequestRejected as error:
            if error.details.get("status") not in _UNKNOWN_FIELD:
                raise
            raw = await ask()  # other servers have other formats, or none
    texts = read_prompts(raw)
    if not texts:
        raise ProviderError(N_("The chat model did not answer with prompts. Please try again."))
    return texts[:number]


def read_prompts(raw: bytes) -> list[str]:
    """Return the prompts in a chat model's response, in whatever form.

    Args:
        raw: the body, in the form of `chat.completions`.
    """
    document = read_json(raw)
    said = "\n".join(_contents(document)) if document is not None else raw.decode(errors="replace")
    said = re.sub(r"(?is)<(think|thinking|reasoning)>.*?</\1>", " ", said)
    said = said.rpartition("</think>")[2]  # reasoning that began before the response
    for found in _documents(said):
        if texts := _texts(found):
            return texts
    return [each[1].strip(' *"“”') for each in _LISTED.finditer(said) if each[1].strip()]


def _contents(document: object) -> Iterator[str]:
    """Yield the texts of the messages, which may be lists of parts."""
    if isinstance(document, str):
        yield document
    elif isinstance(document, list):
        for each in document:
            yield from _contents(each)
    elif isinstance(document, dict):
        if "prompts" in document:
            yield json.dumps(document)
        for name in _CONTENTS:
            yield from _contents(document.get(name))


def _documents(said: str) -> Iterator[Any]:
    """Yield the JSON documents within a text, the largest first."""
    decoder = json.JSONDecoder(strict=False)
    at, found = 0, []
    while (start := _OPENING.search(said, at)) is not None:
        try:
            document, at = decoder.raw_decode(said, start.start())
        except (ValueError, RecursionError):
            at = start.end()
        else:
            found.append((at - start.start(), document))
    found.sort(key=lambda each: -each[0])
    yield from (document for _length, document in found)


def _texts(document: object) -> list[str]:
    """Return the prompts in decoded JSON: a list of texts or of objects, perhaps in a field."""
    if isinstance(document, dict):
        named = [value for key, value in document.items() if key.lower() in _NAMES]
        lists = [value for value in document.values() if isinstance(value, list | dict)]
        found = next((texts for each in [*named, *lists] if (texts := _texts(each))), [])
        texts = [each.strip() for each in document.values() if isinstance(each, str)]
        return found or ([each for each in texts if each] if len(texts) > 1 else [])
    if not isinstance(document, list):
        return []
    texts = [each if isinstance(each, str) else _text_of(each) for each in document]
    return [each.strip() for each in texts if each.strip()]


def _text_of(item: object) -> str:
    """Return the prompt in one of a list of objects."""
    if not isinstance(item, dict):
        return ""
    texts = {str(key).lower(): each for key, each in item.items() if isinstance(each, str)}
    named = next((texts[name] for name in _TEXTS if name in texts), "")
    return named or max(texts.values(), key=len, default="")
