"""Requests to the AI Horde: sizes, options, and the body for one image."""

from typing import Any, Final

from core.i18n import N_
from core.providers.base import Option, Request

ANY: Final = "any"
"""The model that is whichever a volunteer happens to have."""

# Sides are multiples of 64 and within 2 % of the ratio. 576 × 576 pixels and 50 steps are what the
# Horde always makes for users without credit; models of the XL family need larger images.
SMALL: Final = {
    "1:1": (512, 512),
    "16:9": (576, 320),
    "9:16": (320, 576),
    "4:3": (512, 384),
    "3:4": (384, 512),
    "3:2": (576, 384),
    "2:3": (384, 576),
}
LARGE: Final = {
    "1:1": (1024, 1024),
    "16:9": (1344, 768),
    "9:16": (768, 1344),
    "4:3": (1024, 768),
    "3:4": (768, 1024),
    "3:2": (1152, 768),
    "2:3": (768, 1152),
}
OPTIONS: Final = (
    Option(
        name="steps",
        title=N_("Steps"),
        type="integer",
        default=25,
        minimum=1,
        maximum=50,
        help=N_("More take longer and show more detail."),
    ),
    Option(
        name="guidance", title=N_("Guidance"), type="number", default=7.0, minimum=0.0, maximum=30.0
    ),
    Option(name="negative_prompt", title=N_("Negative prompt"), maximum=1000),
)


def request_body(request: Request) -> dict[str, Any]:
    """Return the body of a request for one image."""
    params = request.params
    prompt = request.prompt.replace("###", " ")  # the Horde's separator of the negative prompt
    if negative := params.get("negative_prompt"):
        prompt += f" ### {negative}"
    return {
        "prompt": prompt,
        "params": {
            "width": params["width"],
            "height": params["height"],
            "steps": params.get("steps", 25),
            "cfg_scale": round(params.get("guidance", 7.0), 2),  # more decimals are refused
            "seed": str(params["seed"]),
            "n": 1,
            "sampler_name": "k_euler_a",
            "karras": True,
        },
        # A field that is left out means the Horde's default model; an empty one means any.
        "models": [] if request.model == ANY else [request.model],
        "nsfw": False,
        "censor_nsfw": True,
        "r2": True,
        "shared": False,
        "allow_downgrade": True,  # smaller rather than not at all, when the queue is long
    }
