"""What image and video models behind OpenAI's endpoints can do, and how each is called.

Parameters and sizes are those of OpenAI's API reference as the SDK (openai 3.54) documents them.
Other servers have models of any name; one that is not known to be OpenAI's is called in the way of
such servers (vLLM-Omni, SGLang, LocalAI, stable-diffusion.cpp).
"""

import re
from collections.abc import Mapping
from typing import Any, Final

from core.i18n import N_
from core.models import Cost, Kind, Task
from core.providers.base import AUTO, Capability, Option
from core.providers.errors import RequestRejected
from core.providers.openai.dialects import Dialect
from core.providers.responses.reader import number
from core.settings.sections import TokenPrice

PARTIAL_IMAGES: Final = 2
_STANDARD: Final = {"1:1": (1024, 1024), "3:2": (1536, 1024), "2:3": (1024, 1536)}
_ANY_SIZE: Final = {  # from gpt-image-2 on: any whose sides are multiples of 16
    "1:1": (1024, 1024),
    "16:9": (1536, 864),
    "9:16": (864, 1536),
    "4:3": (1280, 960),
    "3:4": (960, 1280),
    "3:2": (1536, 1024),
    "2:3": (1024, 1536),
}
_DIFFUSION: Final = {  # near a megapixel, in multiples of 64, as Stable Diffusion XL was trained
    "1:1": (1024, 1024),
    "16:9": (1344, 768),
    "9:16": (768, 1344),
    "4:3": (1152, 864),
    "3:4": (864, 1152),
}
_CLIPS: Final = {
    "16:9": (1280, 720),
    "9:16": (720, 1280),
    "1:1": (720, 720),
    "4:3": (960, 720),
    "3:4": (720, 960),
}
_DIFFUSION_OPTIONS: Final = (
    Option(name="steps", title=N_("Steps"), type="integer", minimum=1, maximum=150),
    Option(name="guidance", title=N_("Guidance"), type="number", minimum=0, maximum=30),
    Option(name="negative_prompt", title=N_("Negative prompt"), maximum=2000),
)
_SIZES: Final = tuple(
    "512x512 768x768 1024x1024 1536x1536 2048x2048 1536x1024 1024x1536 1920x1088 1088x1920"  # noqa: SIM905  # reads better
    " 2048x1152 1152x2048 2560x1440 1440x2560 3840x2160 2160x3840".split()
)
# `quality` names them for these models only: openai 3.54, `types/image_generate_params.py`.
_FINEST: Final = re.compile(r"gpt-image-2\.5-(sunburst|flare)(-2026-09-08)?")


# From the vendor's page of the model, November 2026. Other prices are unknown.
PRICES: Final = {"gpt-image-2.6-sunburst": TokenPrice(text_in=5.0, image_in=8.0, image_out=30.0)}


def cost_of(usage: Mapping[str, Any] | None, price: TokenPrice | None) -> float | None:
    """Return the cost of an image in US dollars; None: usage or price is unknown."""
    if usage is None or price is None:
        return None
    total, out = number(usage.get("input_tokens")), number(usage.get("output_tokens"))
    if total is None or out is None:
        return None  # half of it would be a wrong cost
    details = usage.get("input_tokens_details")
    given = details if isinstance(details, Mapping) else {}
    image_in = number(given.get("image_tokens")) or 0.0
    text_in = number(given.get("text_tokens"))
    tokens = (
        (max(total - image_in, 0.0) if text_in is None else text_in, price.text_in),
        (image_in, price.image_in),
        (out, price.image_out),
    )
    return round(float(sum(many * each for many, each in tokens)) / 1e6, 6)


def is_gpt_image(model: str) -> bool:
    """Whether a model is a current one of OpenAI's: streams, reports tokens, takes no seed."""
    return model.startswith(("gpt-image", "chatgpt-image"))


def image_capability(model: str, *, limit: int, paid: bool, dialect: Dialect) -> Capability:
    """Return what an image model can do.

    Args:
        model: its name.
        limit: concurrent items of it.
        paid: whether a call costs money.
        dialect: of the server.
    """
    shared: dict[str, Any] = {
        "kind": Kind.IMAGE,
        "model": model,
        "exact": False,
        "limit": limit,
        "paid": paid,
        "cost": Cost(estimated=None if paid else 0.0),
    }
    of_openai = dialect.is_openai  # another server's may have a name of OpenAI's
    if of_openai and is_gpt_image(model):
        sizes = _STANDARD if _version(model) < (2, 0) else _ANY_SIZE
        return Capability(
            **shared,
            seed="none",
            ratios=sizes | {AUTO: (1024, 1024)},
            options=_gpt_image_options(model),
            max_prompt=32_000,
        )
    if of_openai and model == "dall-e-3":
        return Capability(
            **shared,
            seed="none",
            ratios={"1:1": (1024, 1024), "16:9": (1792, 1024), "9:16": (1024, 1792)},
            options=(
                Option(name="quality", title=N_("Quality"), choices=("standard", "hd")),
                Option(name="style", title=N_("Style"), choices=("vivid", "natural")),
            ),
        )
    if of_openai and model == "dall-e-2":
        sizes_2 = ("256x256", "512x512", "1024x1024")
        size = Option(name="size", title=N_("Exact size"), choices=sizes_2)
        ratios = {"1:1": (1024, 1024)}
        return Capability(**shared, seed="none", ratios=ratios, options=(size,), max_prompt=1000)
    size = Option(
        name="size",
        title=N_("Exact size"),
        choices=_SIZES,
        help=N_("In place of the ratio's, about one megapixel. Not every model can make each."),
    )
    options = (*dialect.offered(_DIFFUSION_OPTIONS), size)
    return Capability(**shared, ratios=_DIFFUSION, options=options)


def image_body(
    model: str, params: Mapping[str, Any], end_user: str, dialect: Dialect
) -> dict[str, Any]:
    """Return the arguments of `images.generate` for one image, without prompt and streaming.

    Args:
        model: its name.
        params: `Request.params`.
        end_user: `Request.end_user`.
        dialect: of the server.

    Raises:
        RequestRejected: the options do not go together.
    """
    size = f"{params['width']}x{params['height']}"
    if dialect.is_openai and is_gpt_image(model):
        chosen = {name: params[name] for name in ("quality", "background") if name in params}
        chosen |= {"output_format": params.get("format", "png")}
        if chosen.get("background") == "transparent" and chosen["output_format"] == "jpeg":
            raise RequestRejected(N_("A JPEG has no transparent background. Please choose PNG."))
        chosen |= {"moderation": params["moderation"]} if "moderation" in params else {}
        chosen |= {"size": AUTO if params.get("ratio") == AUTO else size}
        return {"model": model, "n": 1, "safety_identifier": end_user} | chosen
    if dialect.is_openai and model.startswith("dall-e"):
        chosen = {name: params[name] for name in ("quality", "style") if name in params}
        legacy = {"response_format": "b64_json", "user": end_user}
        return {"model": model, "n": 1, "size": size} | legacy | chosen
    return {"model": model, "n": 1, "size": size, "extra_body": dialect.body(params)}


def video_capability(
    model: str, *, limit: int, paid: bool, task: Task, dialect: Dialect
) -> Capability:
    """Return what a video model of a `/v1/videos` server can do; arguments as above."""
    return Capability(
        kind=Kind.VIDEO,
        model=model,
        task=task,
        ratios=_CLIPS,
        seconds=range(1, 16),
        default_seconds=5,
        options=dialect.offered(_DIFFUSION_OPTIONS, clips=True),
        exact=False,
        limit=limit,
        paid=paid,
        cost=Cost(estimated=None if paid else 0.0),
    )


def video_body(model: str, params: Mapping[str, Any], dialect: Dialect) -> dict[str, Any]:
    """Return the arguments of `videos.create` for one clip, without prompt and source."""
    return {
        "model": model,
        "seconds": str(params["seconds"]),
        "size": f"{params['width']}x{params['height']}",
        "extra_body": dialect.body(params, clips=True),
    }


def _gpt_image_options(model: str) -> tuple[Option, ...]:
    qualities = ("low", "medium", "high") + (("xhigh", "max") if _FINEST.fullmatch(model) else ())
    return (
        Option(
            name="quality",
            title=N_("Quality"),
            choices=qualities,
            help=N_("More costs more; without a choice the model decides."),
        ),
        Option(
            name="background",
            title=N_("Background"),
            choices=("opaque", "transparent"),
            excludes={"transparent": ("format", "jpeg")},
        ),
        Option(name="format", title=N_("File format"), choices=("png", "jpeg"), default="png"),
        Option(
            name="moderation",
            title=N_("Moderation"),
            choices=("auto", "low"),
            help=N_("How strictly OpenAI filters what is made."),
        ),
    )


def _version(model: str) -> tuple[int, int]:
    found = re.search(r"-(\d+)(?:\.(\d+))?", model)
    return (0, 0) if found is None else (int(found[1]), int(found[2] or 0))
