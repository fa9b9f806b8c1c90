"""What RunwayML's models can do, read from the types of its SDK.

The SDK has a `TypedDict` for each model of each endpoint, with its ratios, lengths and settings as
`Literal`s; longest prompts and ranges stand in the docstrings of its fields. So an upgraded SDK
brings its models with it. What is documented nowhere is left to RunwayML, which rejects it at no
cost.
"""

import ast
import inspect
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, Final, Literal, Required, get_args, get_origin, get_type_hints

from core.i18n import N_
from core.models import PROMPT_MAX_CHARACTERS, Cost, Kind, Task
from core.providers.base import AUTO, Capability, Option
from core.providers.errors import RequestRejected
from core.providers.runway.shapes import ratio_words, shapes_of

ENDPOINTS: Final = {
    "text_to_image": (Kind.IMAGE, Task.CREATE),
    "text_to_video": (Kind.VIDEO, Task.CREATE),
    "image_to_video": (Kind.VIDEO, Task.ANIMATE),
    "image_upscale": (Kind.IMAGE, Task.UPSCALE),
    "video_upscale": (Kind.VIDEO, Task.UPSCALE),
}
"""Endpoint → the kind that it makes, and the task that it does."""

_RECOMMENDED: Final = {
    "text_to_image": ("gen4_image",),
    "text_to_video": ("gen4.5",),
    "image_to_video": ("gen4_turbo", "gen4.5"),
    "image_upscale": (),
    "video_upscale": (),
}
# Parts of names: no pixels, not from text, no more pixels.
_USELESS: Final = frozenset({"vector", "edit", "rate"})
_SOURCE_FIELDS: Final = {
    "image_to_video": "prompt_image",
    "image_upscale": "image_uri",
    "video_upscale": "video_uri",
}
_HANDLED: Final = frozenset(
    {"model", "prompt_text", "ratio", "duration", "seed", *_SOURCE_FIELDS.values()}
)
# Files that we cannot show, what needs reference images, and several files of one task.
_NOT_OFFERED: Final = frozenset(
    {"output_format", "prores_profile", "edit", "precise_edit", "output_count"}
)
_TEXTS: Final = frozenset({"negative_prompt"})
_SECONDS: Final = (5, 10)  # where a model documents none: what nearly all take
_USUAL_SECONDS: Final = 5
_UPSCALED: Final = {"image_upscale": 25_300_000}  # pixels: documented at the endpoint only


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model at one endpoint.

    Attributes:
        endpoint: one of `ENDPOINTS`, and the SDK's resource of that name.
        capability: what it can do, without the limits of the account.
        ratios: what the argument `ratio` may be; empty: it takes none.
        takes: the other arguments that are passed on from `Request.params` as they are.
        prompted: whether it takes a prompt.
        positions: whether the image has to be called the first frame.
    """

    endpoint: str
    capability: Capability
    ratios: Sequence[str]
    takes: frozenset[str]
    prompted: bool
    positions: bool

    def arguments(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return the arguments of the SDK's `create`, without prompt and source.

        Args:
            params: `Request.params`.

        Raises:
            RequestRejected: the model does not make this size.
        """
        arguments = {"model": self.capability.model}
        if self.ratios:
            arguments["ratio"] = self._ratio(params)
        if self.capability.seconds:
            arguments["duration"] = params["seconds"]
        return arguments | {name: params[name] for name in sorted(self.takes) if name in params}

    def source(self, uri: str) -> dict[str, Any]:
        """Return the argument for the item that a clip begins with, or that is upscaled."""
        frame = [{"uri": uri, "position": "first"}] if self.positions else uri
        return {_SOURCE_FIELDS[self.endpoint]: frame}

    def _ratio(self, params: Mapping[str, Any]) -> str:
        wanted = [f"{params['width']}:{params['height']}", str(params.get("ratio"))]
        if params.get("ratio") == AUTO and "size" not in params:
            wanted = [f"{AUTO}_{params.get('resolution')}", *ratio_words(self.ratios)]
        for each in wanted:
            if each in self.ratios:
                return each
        sentence = N_("{model} does not make {ratio}.")
        raise RequestRejected(sentence.format(model=self.capability.model, ratio=wanted[0]))


@cache
def models() -> tuple[Model, ...]:
    """Return all models that Fivefold can use, by endpoint, the recommended ones first."""
    return tuple(
        model
        for endpoint in ENDPOINTS
        for model in models_of(endpoint, import_module(f"runwayml.types.{endpoint}_create_params"))
    )


def models_of(endpoint: str, types: ModuleType) -> list[Model]:
    """Return the models of an endpoint.

    Args:
        endpoint: one of `ENDPOINTS`.
        types: the SDK's module with its parameters.
    """
    union = getattr(types, f"{endpoint.title().replace('_', '')}CreateParams")
    docs = _docs(types)
    found = [
        model
        for each in get_args(union) or (union,)
        for model in _models(endpoint, each, docs[each.__name__])
    ]
    first = _RECOMMENDED[endpoint]

    def place(model: Model) -> tuple[int, str]:
        name = model.capability.model
        return (first.index(name) if name in first else len(first), name)

    return sorted(found, key=place)


def _models(endpoint: str, params: type, docs: Mapping[str, str]) -> Iterator[Model]:
    """Yield the models that a `TypedDict` describes, mostly one."""
    kind, task = ENDPOINTS[endpoint]
    hints = get_type_hints(params)
    hints_with_extras = get_type_hints(params, include_extras=True)
    required = {name for name, hint in hints_with_extras.items() if get_origin(hint) is Required}
    options = [
        option
        for name, hint in hints.items()
        if name not in _HANDLED | _NOT_OFFERED
        and (option := _option(name, hint, docs.get(name, ""), required=name in required))
    ]
    takes = {option.name for option in options} | ({"seed"} & hints.keys())
    upscales = task == Task.UPSCALE
    lasts = kind == Kind.VIDEO and not upscales
    needed = {_SOURCE_FIELDS[endpoint]} if upscales else {"prompt_text", *["duration"] * lasts}
    if required - _HANDLED - takes or needed - hints.keys():
        return
    ratios = [each for each in _literals(hints.get("ratio")) if isinstance(each, str)]
    shapes, shape_options = shapes_of(ratios, kind, task)
    prompt = docs.get("prompt_text", "")
    longest = re.search(r"up to ([\d,]+) characters", prompt)
    length = docs.get("duration", "")
    seconds = _seconds(hints["duration"], length) if lasts else ()
    for name in _literals(hints["model"]):
        if _USELESS & set(re.split(r"\W|_", name)):
            continue
        capability = Capability(
            kind=kind,
            model=name,
            task=task,
            ratios=shapes,
            seconds=seconds,
            default_seconds=_default_seconds(seconds, length),
            options=(*shape_options, *options),
            exact=False,  # RunwayML documents neither the frame rate nor the exact length
            seed="item" if "seed" in takes else "none",
            max_pixels=_UPSCALED.get(endpoint),
            max_prompt=int(longest[1].replace(",", "")) if longest else PROMPT_MAX_CHARACTERS,
            prompt_units="utf-16" if "UTF-16" in prompt else "characters",
            cost=Cost(unit="credits"),
        )
        yield Model(
            endpoint=endpoint,
            capability=capability,
            ratios=ratios,
            takes=frozenset(takes),
            prompted="prompt_text" in hints,
            # These take an image without a position for something to go by, not to begin with.
            positions="position" in docs.get("prompt_image", ""),
        )


def _option(name: str, hint: object, doc: str, *, required: bool) -> Option | None:
    """Return a parameter as an option; None: it is too complex for one."""
    fields: dict[str, Any] = {
        "name": name,
        "title": name.replace("_", " ").capitalize(),
        "help": doc.partition("\n\n")[0].replace("`", ""),
    }
    if hint is bool:
        return Option(**fields, type="flag", default=False if required else None)
    literals = _literals(hint)
    if hint is int:
        found = re.search(r"from (\d+)\D* to (\d+)", doc)
        least, most = (None, None) if found is None else (int(found[1]), int(found[2]))
        return Option(**fields, type="integer", minimum=least, maximum=most)
    if literals and all(isinstance(each, int) for each in literals):
        found = re.search(r"Defaults to (\d+)", doc)
        usual = literals[0] if required else None
        numbers = tuple(map(str, literals))
        default = usual if found is None else int(found[1])
        return Option(**fields, type="integer", choices=numbers, default=default)
    if literals and all(isinstance(each, str) for each in literals):
        unlike: dict[str, str] = {}  # some are there twice: "768p", and "768P" as deprecated
        for each in literals:
            unlike.setdefault(each.lower(), each)
        choices = tuple(unlike.values())
        return Option(**fields, choices=choices, default=choices[0] if required else None)
    return Option(**fields) if name in _TEXTS and not required else None


def _seconds(hint: object, doc: str) -> Sequence[int]:
    numbers = [each for each in _literals(hint) if isinstance(each, int)]
    if numbers:
        return tuple(sorted(numbers))
    found = re.search(r"(?:from|between) (\d+) (?:to|and) (\d+)", doc)
    return _SECONDS if found is None else range(int(found[1]), int(found[2]) + 1)


def _default_seconds(seconds: Sequence[int], doc: str) -> int | None:
    found = re.search(r"Defaults to (\d+)", doc)
    usual = _USUAL_SECONDS if found is None else int(found[1])
    return min(seconds, key=lambda each: abs(each - usual), default=None)


def _literals(hint: object) -> list[Any]:
    """Return the values of a `Literal`, also of one inside a union."""
    if get_origin(hint) is Literal:
        return list(get_args(hint))
    return [value for each in get_args(hint) for value in _literals(each)]


def _docs(module: ModuleType) -> Mapping[str, Mapping[str, str]]:
    """Return the docstrings of a module's fields, by class and field, paragraphs as lines."""
    docs: dict[str, dict[str, str]] = defaultdict(dict)
    try:
        tree = ast.parse(inspect.getsource(module))
    except OSError:  # installed without its source
        return docs
    for each in tree.body:
        if not isinstance(each, ast.ClassDef):
            continue
        for field, doc in zip(each.body, each.body[1:], strict=False):
            match field, doc:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    paragraphs = inspect.cleandoc(text).split("\n\n")
                    docs[each.name][name] = "\n\n".join(" ".join(p.split()) for p in paragraphs)
    return docs
