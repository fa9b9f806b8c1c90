"""Types that vendors publish, closed; and what went over the wire, to be held against them."""

import asyncio
import json
import types
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cache
from os import PathLike
from pathlib import Path
from typing import (
    Annotated,
    Any,
    Literal,
    NotRequired,
    Required,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, create_model
from starlette.types import ASGIApp
from typing_extensions import is_typeddict

from core.models import Kind
from core.providers.base import Provider, Request
from tests.contract.fakes import Reports
from tests.servers.recorded import Exchange, Recorded
from tests.servers.wire import serving

CLOSED = ConfigDict(extra="forbid", strict=True)


@cache
def closed(published: Any) -> Any:
    """Return a published type as one that takes nothing that is not in it, by its wire names."""
    origin, inner = get_origin(published), get_args(published)
    if inner and origin is not Literal:
        return _closed_generic(origin, inner)
    if is_typeddict(published):
        hints = get_type_hints(published, include_extras=True)
        return _model(published, [_of_hint(name, hint) for name, hint in hints.items()])
    if isinstance(published, type) and issubclass(published, BaseModel):
        fields = published.model_fields.items()
        told = [(each.alias or name, each.annotation, each.is_required()) for name, each in fields]
        return _model(published, told)
    return bytes if published is PathLike else published


def _closed_generic(origin: Any, inner: tuple[Any, ...]) -> Any:
    if origin in {Annotated, Required, NotRequired}:
        return closed(inner[0])
    if origin in {Union, types.UnionType}:
        return Union[tuple(map(closed, inner))]  # noqa: UP007  # of as many as there are
    if origin in {dict, Mapping}:
        return dict[str, closed(inner[1])]  # type: ignore[misc]
    if getattr(origin, "__name__", "") in {"list", "Iterable", "Sequence", "SequenceNotStr"}:
        return list[closed(inner[0])]  # type: ignore[misc]
    return bytes  # one of the forms that the SDK takes a file in


def _of_hint(name: str, hint: Any) -> tuple[str, Any, bool]:
    """Return a TypedDict's field: its name on the wire, its type, and whether it must be there."""
    required = get_origin(hint) is Required  # these SDKs say it of every such field
    inner = get_args(hint)[0] if required else hint
    more = get_args(inner)[1:] if get_origin(inner) is Annotated else ()
    alias = next((each.alias for each in more if getattr(each, "alias", None)), name)
    return alias, inner, required


def _model(published: Any, fields: list[tuple[str, Any, bool]]) -> Any:
    made: dict[str, Any] = {
        f"field_{number}": (closed(kind), Field(... if required else None, alias=alias))
        for number, (alias, kind, required) in enumerate(fields)
    }
    return create_model(published.__name__, __config__=CLOSED, **made)


def fits(published: Any, body: bytes | str) -> Any:
    """Return a body's JSON, which is of a published type."""
    TypeAdapter(closed(published)).validate_json(body, strict=True)
    return json.loads(body)


@contextmanager
def seen(application: ASGIApp) -> Iterator[tuple[str, list[Exchange]]]:
    recorded = Recorded(application)
    with serving(recorded) as url:
        yield url, recorded.exchanges


def make(provider: Provider, path: Path, *requests: Request) -> None:
    async def run() -> None:
        try:
            for request in requests:
                submission = await provider.submit(request)
                await provider.follow(submission, Reports())
                await provider.fetch(submission, path)
        finally:
            await provider.close()

    asyncio.run(run())


def order(kind: Kind, model: str, params: dict[str, Any], **more: Any) -> Request:
    usual = {"asset_id": "a", "prompt": "a fox", "slot": 1, "end_user": "0123abcd"}
    told: dict[str, Any] = usual | more
    return Request(kind=kind, model=model, params=params, **told)


def of_path(exchanges: list[Exchange], ending: str, method: str = "POST") -> list[Exchange]:
    found = [each for each in exchanges if (each.method, each.path) == (method, ending)]
    assert found, [(each.method, each.path) for each in exchanges]
    return found
