from typing import Any

import pytest

from core.models import Asset, AssetState, Job, Kind, Task
from core.providers.base import Capability, Option
from core.providers.openai.provider import OpenAI, Server
from core.studio.offers import Offer
from core.studio.order import Order
from core.studio.planning import plan
from core.web.create.form import Form
from core.web.create.prefill import texts_of
from core.web.create.prompt_ideas import surprise
from tests.catalogue import illustrator_only
from tests.contract.fakes import FakeProvider

WIDE = {"1:1": (64, 64), "16:9": (128, 72), "21:9": (168, 72)}
NARROW = {"1:1": (64, 64), "16:9": (128, 72)}
QUALITY = Option(name="quality", title="Quality", choices=("low", "high"))
STEPS = Option(name="steps", title="Steps", type="integer", minimum=1, maximum=150)
AUDIO = Option(name="audio", title="Audio", type="flag", default=True)
WORDS = Option(name="negative", title="Negative prompt", maximum=10)


def offer(kind: Kind, model: str, **more: Any) -> Offer:
    length: dict[str, Any] = {"seconds": (4, 8), "default_seconds": 8} if kind == "video" else {}
    return Offer(FakeProvider(), Capability(kind=kind, model=model, **(length | more)))


def form(**values: Any) -> Form:
    images = [
        offer(Kind.IMAGE, "wide", ratios=WIDE, options=(QUALITY, STEPS, WORDS)),
        offer(Kind.IMAGE, "square", ratios={"1:1": (64, 64)}, seed="none"),
    ]
    videos = [
        offer(Kind.VIDEO, "long", ratios=WIDE, options=(AUDIO,)),
        offer(Kind.VIDEO, "short", ratios=NARROW, seconds=(4,), seed="none"),
    ]
    offers = {Kind.IMAGE: images, Kind.VIDEO: videos}
    return Form(
        {kind: {each.key: each for each in all_} for kind, all_ in offers.items()}, values=values
    )


def test_what_nobody_chose_is_the_usual_and_not_in_the_address() -> None:
    plain = form()
    assert plain.address() == {}
    assert (plain.value("images"), plain.value("seconds"), plain.value("ratio")) == (5, 8, None)
    assert plain.options(Kind.VIDEO) == {"audio": "yes"}
    assert plain.options(Kind.IMAGE) == {}


def test_an_address_fills_the_form_and_the_form_names_the_same_address() -> None:
    address = {
        "images": "7",
        "image_model": "fake/square",
        "videos": "20",
        "seconds": "4",
        "style": "oil",
        "seed": "0",
        "video.audio": "no",
    }
    filled = form()
    assert filled.fill(address) == []
    assert filled.address() == address
    order = Order.of(filled.selection, user_id="ana", prompt="the sea")
    assert (order.images, order.videos, order.seconds, order.seed) == (7, 20, 4, 0)
    assert order.choices[Kind.IMAGE].model == "square"
    assert order.choices[Kind.VIDEO].options == {"audio": "no"}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("images", "4"),
        ("images", "1e9"),
        ("images", "9" * 5000),
        ("images", ""),
        ("videos", "-5"),
        ("image_model", "openai/none"),
        ("video_model", "<script>"),
        ("ratio", "2:1"),
        ("ratio", "None"),
        ("seconds", "5"),
        ("style", "__class__"),
        ("seed", "2147483648"),
        ("seed", "nan"),
        ("image.quality", "best"),
        ("image.steps", "0"),
        ("image.steps", "inf"),
        ("image.negative", "x" * 11),
        ("video.audio", "True"),
    ],
)
def test_what_an_address_cannot_ask_for_is_named_and_changes_nothing(name: str, text: str) -> None:
    filled = form()
    assert filled.fill({name: text, "no_such_field": "1"}) == [name]
    assert filled.address() == {}


def test_changing_the_model_keeps_what_fits_and_brings_back_what_did_not() -> None:
    filled = form(ratio="21:9", seed=7, **{"image.quality": "high"})
    assert (filled.value("ratio"), filled.value("seed")) == ("21:9", 7)
    filled.values |= {"video_model": "fake/short"}
    assert (filled.value("ratio"), filled.value("seed")) == (None, 7)
    assert "seconds" not in filled.fields  # there is one length only
    filled.values |= {"image_model": "fake/square"}
    assert not {"seed", "image.quality"} & set(filled.fields)
    assert filled.selection.seed is None
    filled.values |= {"image_model": "fake/wide", "video_model": "fake/long"}
    assert (filled.value("ratio"), filled.value("image.quality")) == ("21:9", "high")


def test_where_there_is_one_shape_only_there_is_nothing_to_choose() -> None:
    one = {"1:1": (64, 64)}
    offers = {
        kind: {each.key: each}
        for kind in Kind
        for each in [offer(kind, "one", ratios=one, seed="none")]
    }
    assert set(Form(offers).fields) == {
        *("image_model", "video_model", "images", "videos", "seconds", "style"),
    }


def test_clips_of_an_image_have_its_shape_and_an_upscale_has_none() -> None:
    _, [image, *_] = made()
    wide = image.model_copy(update={"width": 1280, "height": 700})
    animated = offer(Kind.VIDEO, "moves", ratios=WIDE, task=Task.ANIMATE)
    clip = Form({Kind.VIDEO: {animated.key: animated}}, Task.ANIMATE, wide)
    assert (clip.value("ratio"), clip.value("videos"), "images" in clip.fields) == (
        *("16:9", 1),
        False,
    )
    scale = Option(
        name="scale_factor", title="Scale", type="integer", choices=("2", "4"), default=2
    )
    larger = offer(Kind.IMAGE, "more", ratios=WIDE, task=Task.UPSCALE, options=(scale,))
    upscaled = Form({Kind.IMAGE: {larger.key: larger}}, Task.UPSCALE, wide)
    assert set(upscaled.fields) == {"image_model", "image.scale_factor"}
    assert upscaled.options(Kind.IMAGE) == {"scale_factor": "2"}


def made(**more: Any) -> tuple[Job, list[Asset]]:
    job, assets = plan(Order(user_id="ana", prompt="the sea", **more), illustrator_only())
    return job, [asset.model_copy(update={"state": AssetState.DONE}) for asset in assets]


def test_an_item_gives_back_the_form_that_it_was_made_with() -> None:
    job, assets = made(images=6, videos=7, seconds=3, seed=11, style="oil", ratio="16:9")
    texts = texts_of(assets[2], job, assets, with_seed=True)
    assert texts == {
        "prompt": "the sea",
        "images": "6",
        "videos": "7",
        "ratio": "16:9",
        "image_model": "illustrator/illustrator-1",
        "video_model": "illustrator/illustrator-1",
        "seconds": "3",
        "style": "oil",
        "seed": "11",
    }
    again = texts_of(assets[2], job, assets, with_seed=False)
    assert texts.items() - again.items() == {("seed", "11")}


def test_an_item_of_a_prompt_of_its_own_gives_that_without_the_words_of_its_style() -> None:
    job, assets = made(style="oil", variations={Kind.IMAGE: ["the sea at night"]})
    prompts = [texts_of(asset, job, assets, with_seed=False)["prompt"] for asset in assets[:2]]
    assert prompts == ["the sea at night", "the sea"]


def test_each_kind_keeps_its_best_shape_where_none_was_chosen() -> None:
    job, assets = made()
    assert "ratio" not in texts_of(assets[0], job, assets, with_seed=True)


@pytest.mark.parametrize("language", ["en", "de", "xx"])
def test_surprises_hardly_ever_repeat_and_never_at_once(language: str) -> None:
    found = [surprise(language) for _ in range(500)]
    assert len(set(found)) > 450
    assert all(20 < len(each) < 200 and not each.endswith((",", " ")) for each in found)
    assert all(surprise(language, last) != last for last in found[:50])


def test_surprises_are_in_the_language_that_is_read() -> None:
    english = {surprise("en").split()[0] for _ in range(300)}
    german = {surprise("de").split()[0] for _ in range(300)}
    assert english <= {"A", "An"}
    assert german <= {"Ein", "Eine"}


BACKGROUND = Option(
    name="background",
    title="Background",
    choices=("opaque", "transparent"),
    excludes={"transparent": ("format", "jpeg")},
)
FORMAT = Option(name="format", title="Format", choices=("png", "jpeg"), default="png")


@pytest.mark.parametrize("first", ["image.background", "image.format"])
def test_what_does_not_go_together_is_not_offered_together(first: str) -> None:
    chosen = {"image.background": "transparent", "image.format": "jpeg"}
    (second,) = chosen.keys() - {first}
    able = offer(Kind.IMAGE, "both", ratios=NARROW, options=(BACKGROUND, FORMAT))
    filled = Form({Kind.IMAGE: {able.key: able}})
    assert chosen[second] in (filled.fields[second].choices or ())
    assert filled.choose(first, chosen[first])
    assert chosen[second] not in (filled.fields[second].choices or ())
    assert not filled.choose(second, chosen[second])
    assert filled.fill({second: chosen[second]}) == [second]
    assert filled.options(Kind.IMAGE).get(second.partition(".")[2]) != chosen[second]
    assert filled.choose(first, filled.fields[first].default)
    assert filled.choose(second, chosen[second])
    both = Form({Kind.IMAGE: {able.key: able}}, values=dict(chosen))  # as nobody can choose it
    assert both.options(Kind.IMAGE) != {"background": "transparent", "format": "jpeg"}


def test_openais_images_are_offered_transparent_where_their_format_can_be() -> None:
    (able,) = (each for each in OpenAI(Server(image_models=["gpt-image-2"])).capabilities())
    options = {each.name: each for each in able.options}
    assert options["background"].excludes == {"transparent": ("format", "jpeg")}
    assert "jpeg" in options["format"].choices
