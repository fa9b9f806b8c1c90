"""What RunwayML's models can do is read from the SDK's types."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

from core.providers.base import AUTO, Capability
from core.providers.errors import RequestRejected
from core.providers.runway.catalogue import ENDPOINTS, Model, models, models_of

LATER = '''
from __future__ import annotations

from typing import Iterable, Union
from typing_extensions import Annotated, Literal, Required, TypeAlias, TypedDict


class Reference(TypedDict, total=False):
    uri: Required[str]


class New(TypedDict, total=False):
    model: Required[Literal["gen9", "gen9_fast"]]

    prompt_text: Required[Annotated[str, "promptText"]]
    """A text up to 12,000
    characters (measured in UTF-16 code units)."""

    duration: Required[Union[Literal["auto"], int]]
    """Numeric durations must be between 3
    and 8 seconds. Defaults to 7."""

    ratio: Required[Literal["1280:720", "1920:1080", "2000:700"]]

    look: Required[Literal["warm", "cold", "Warm"]]
    """How it looks, with `warm` first.

    And more."""

    loop: bool

    references: Iterable[Reference]


class Tail(TypedDict, total=False):
    model: Required[Literal["aaa_tail"]]
    prompt_text: Required[str]
    duration: int


class WantsMore(TypedDict, total=False):
    model: Required[Literal["wants_more"]]
    prompt_text: Required[str]
    duration: int
    references: Required[Iterable[Reference]]


class Endless(TypedDict, total=False):
    model: Required[Literal["endless"]]
    prompt_text: str


class Drawing(TypedDict, total=False):
    model: Required[Literal["drawing_vector"]]
    prompt_text: str
    duration: int


TextToVideoCreateParams: TypeAlias = Union[Tail, New, WantsMore, Endless, Drawing]
'''


@pytest.fixture
def later(tmp_path: Path) -> ModuleType:
    """The types of an SDK that is yet to come."""
    path = tmp_path / "later_types.py"
    path.write_text(LATER)
    spec = importlib.util.spec_from_file_location("later_types", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["later_types"] = module  # where the types' hints are looked up
    spec.loader.exec_module(module)
    return module


def found(endpoint: str, model: str) -> Model:
    (it,) = [
        each for each in models() if (each.endpoint, each.capability.model) == (endpoint, model)
    ]
    return it


def can(endpoint: str, model: str) -> Capability:
    return found(endpoint, model).capability


def option_names(capability: Capability) -> set[str]:
    return {option.name for option in capability.options}


def test_an_upgraded_sdk_brings_its_models_with_it(later: ModuleType) -> None:
    tail, new, fast = models_of("text_to_video", later)
    assert [each.capability.model for each in (tail, new, fast)] == [
        "aaa_tail",
        "gen9",
        "gen9_fast",
    ]
    capability = new.capability
    assert (capability.max_prompt, capability.prompt_units) == (12_000, "utf-16")
    assert (list(capability.seconds), capability.default_seconds) == ([3, 4, 5, 6, 7, 8], 7)
    assert capability.ratios == {"16:9": (1280, 720)}
    size, look, loop = capability.options
    assert size.choices == ["1280x720", "1920x1080", "2000x700"]
    assert (look.choices, look.default) == (("warm", "cold"), "warm")
    assert look.help == "How it looks, with warm first."
    assert (loop.type, loop.default) == ("flag", None)
    assert capability.seed == "none"
    params = {"width": 2000, "height": 700, "ratio": "16:9", "size": "2000x700", "seconds": 3}
    assert fast.arguments(params | {"look": "cold", "fps": 24, "seed": 1}) == {
        "model": "gen9_fast",
        "ratio": "2000:700",
        "duration": 3,
        "look": "cold",
    }


def test_what_is_not_said_is_guessed(later: ModuleType) -> None:
    tail = models_of("text_to_video", later)[0]
    assert (tail.capability.seconds, tail.capability.default_seconds) == ((5, 10), 5)
    assert tail.capability.ratios == {AUTO: (1280, 720)}
    params = {"width": 1280, "height": 720, "ratio": AUTO, "seconds": 5}
    assert tail.arguments(params) == {"model": "aaa_tail", "duration": 5}


def test_types_without_their_source_are_read_all_the_same(
    later: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "later_types.py").unlink()
    new = models_of("text_to_video", later)[1].capability
    assert (new.max_prompt, list(new.seconds)) == (4000, [5, 10])


def test_the_recommended_models_come_first_and_the_rest_by_name() -> None:
    for endpoint, first in [
        ("text_to_image", "gen4_image"),
        ("text_to_video", "gen4.5"),
        ("image_to_video", "gen4_turbo"),
    ]:
        names = [each.capability.model for each in models() if each.endpoint == endpoint]
        assert names[0] == first
        assert names[2:] == sorted(names[2:])
        assert len(names) == len(set(names)) > 15


def test_what_cannot_be_asked_for_is_left_out() -> None:
    names = {each.capability.model for each in models()}
    assert "gen4_image_turbo" not in names  # wants reference images
    assert not [name for name in names if "vector" in name or "edit" in name]


@pytest.mark.parametrize(
    "model", models(), ids=lambda each: f"{each.endpoint}-{each.capability.model}"
)
def test_every_shape_of_every_model_can_be_asked_for(model: Model) -> None:
    capability = model.capability
    assert (capability.kind, capability.task) == ENDPOINTS[model.endpoint]
    sizes = [option for option in capability.options if option.name == "size"]
    lengths = {"seconds": capability.default_seconds} if capability.seconds else {}
    cases = [
        {"width": width, "height": height, "ratio": ratio} | lengths
        for ratio, (width, height) in capability.ratios.items()
    ]
    for choice in sizes[0].choices if sizes else ():
        width, height = map(int, choice.split("x"))
        ratio = next(iter(capability.ratios))
        cases.append({"width": width, "height": height, "ratio": ratio, "size": choice} | lengths)
    for params in cases:
        arguments = model.arguments(params)
        assert ("ratio" in arguments) == bool(model.ratios)
        assert not model.ratios or arguments["ratio"] in model.ratios
    assert capability.default_seconds is None or capability.default_seconds in capability.seconds


def test_gen_4_5_is_as_the_sdk_says() -> None:
    capability = can("text_to_video", "gen4.5")
    assert capability.ratios == {"16:9": (1280, 720), "9:16": (720, 1280)}
    assert list(capability.seconds) == list(range(2, 11))
    assert (capability.max_prompt, capability.prompt_units) == (1000, "utf-16")
    assert capability.seed == "item"
    assert not capability.options  # mp4 is what we can show
    assert not capability.exact
    assert capability.cost.unit == "credits"


def test_lengths_and_settings_are_read() -> None:
    veo = can("text_to_video", "veo3.1")
    assert veo.seconds == (4, 6, 8)
    assert option_names(veo) == {"size", "audio", "negative_prompt"}
    assert can("text_to_image", "gpt_image_2").max_prompt == 32_000
    assert option_names(can("text_to_image", "gpt_image_2")) == {"size", "background", "quality"}
    hailuo = can("text_to_video", "hailuo3")
    (resolution,) = hailuo.options
    assert resolution.choices == ("768p", "2k")
    assert hailuo.ratios["16:9"] == (1280, 720)
    assert AUTO not in hailuo.ratios


def test_a_shape_is_called_by_its_simple_aspect_ratio() -> None:
    images = can("text_to_image", "gen4_image")
    assert images.ratios["16:9"] == (1280, 720)
    assert next(iter(images.ratios)) == "1:1"
    assert "1920x1080" in next(each for each in images.options if each.name == "size").choices
    assert can("image_to_video", "gen4.5").ratios["21:9"] == (1584, 672)


def test_a_clip_follows_its_image_where_the_model_lets_it() -> None:
    wan = found("image_to_video", "wan3")
    assert list(wan.capability.ratios) == [AUTO]
    params = {"width": 1280, "height": 720, "ratio": AUTO, "seconds": 5}
    assert wan.arguments(params)["ratio"] == "auto_480p"
    assert wan.arguments(params | {"resolution": "1080p"})["ratio"] == "auto_1080p"
    hailuo = found("image_to_video", "hailuo3")
    assert hailuo.arguments(params)["ratio"] == "adaptive"
    framed = [{"uri": "runway://x", "position": "first"}]
    assert hailuo.source("runway://x") == {"prompt_image": framed}
    plain = found("image_to_video", "gen4_turbo").source("runway://x")
    assert plain == {"prompt_image": "runway://x"}


def test_upscalers_take_a_file_and_no_prompt() -> None:
    larger = found("image_upscale", "magnific_precision_upscaler_v2")
    assert (larger.prompted, larger.capability.max_pixels) == (False, 25_300_000)
    assert larger.source("runway://x") == {"image_uri": "runway://x"}
    by_name = {each.name: each for each in larger.capability.options}
    scale, sharpen = by_name["scale_factor"], by_name["sharpen"]
    assert (scale.choices, scale.default, scale.parse("4")) == (("2", "4", "8", "16"), 2, 4)
    assert (sharpen.type, sharpen.minimum, sharpen.maximum) == ("integer", 0, 100)
    params = {"width": 64, "height": 64, "ratio": "1:1", "scale_factor": 4, "sharpen": 5}
    model = "magnific_precision_upscaler_v2"
    assert larger.arguments(params) == {"model": model, "scale_factor": 4, "sharpen": 5}
    clips = [each for each in models() if each.endpoint == "video_upscale"]
    assert [each.capability.model for each in clips] == ["magnific_video_upscaler_creative"]
    params = {"width": 64, "height": 64, "ratio": AUTO, "seconds": 2.0, "resolution": "4k"}
    assert clips[0].arguments(params).keys() == {"model", "resolution"}


def test_one_task_makes_one_file() -> None:
    names = {option.name for each in models() for option in each.capability.options}
    assert "output_count" not in names


def test_a_size_that_a_model_does_not_make_is_refused() -> None:
    params = {"width": 64, "height": 64, "ratio": "1:1", "seconds": 5}
    with pytest.raises(RequestRejected, match="64:64"):
        found("text_to_video", "gen4.5").arguments(params)
