"""Who makes what, and how: choices, prompts of single items, sizes, seeds, consent."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.cli.model_options import ModelOptions
from core.models import Asset as Item
from core.models import AssetState, Cost, InvalidInput, Job, Kind, Task, parse_prompt
from core.providers.base import AUTO, Capability, Option
from core.providers.registry import Catalogue
from core.studio.order import Choice, Order
from core.studio.parameters import upscaled_size
from core.studio.planning import SEEDS, plan
from core.studio.styles import STYLES
from tests.contract.fakes import FakeProvider

QUALITY = Option(name="quality", title="Quality", choices=("low", "high"))
STEPS = Option(name="steps", title="Steps", type="integer", minimum=1, maximum=50, default=20)
GRAIN = Option(name="grain", title="Grain", type="number", minimum=0, maximum=1)
SOUND = Option(name="sound", title="Sound", type="flag")
AVOID = Option(name="avoid", title="Avoid", maximum=10)
SIZE = Option(name="size", title="Exact size", choices=("auto", "640x480", "48×32"))


def image(model: str = "oil", **more: Any) -> Capability:
    sizes = {"1:1": (64, 64), "16:9": (128, 72)}
    return Capability(**({"kind": Kind.IMAGE, "model": model, "ratios": sizes} | more))


def video(model: str = "reel", **more: Any) -> Capability:
    fields: dict[str, Any] = {"ratios": {"16:9": (128, 72), "1:1": (64, 64)}, "seconds": (4, 8)}
    fields |= {"kind": Kind.VIDEO, "model": model, "default_seconds": 8}
    return Capability(**(fields | more))


class DeclaringProvider(FakeProvider):
    """Declares these capabilities; it makes nothing here."""

    def __init__(self, name: str, *able: Capability, consent: str = "") -> None:
        super().__init__()
        self.name, self.title, self.consent = name, name.title(), consent
        self._able = able

    def capabilities(self) -> Sequence[Capability]:
        return self._able


def catalogue(*providers: DeclaringProvider) -> Catalogue:
    return Catalogue({each.name: each for each in providers})


CATALOGUE = catalogue(
    DeclaringProvider(
        "acme", image(options=(QUALITY, AVOID)), image("ink"), video(options=(QUALITY, STEPS))
    ),
    DeclaringProvider("beta", video("film", task=Task.ANIMATE)),
    DeclaringProvider("strict", image(), video(), consent="Nothing is private."),
    DeclaringProvider("zoom", image("lens", task=Task.UPSCALE, seed="none", max_pixels=128 * 128)),
)


def order(prompt: str = "a fox", **more: Any) -> Order:
    return Order(**({"user_id": "ana", "prompt": prompt} | more))


def planned(of: Catalogue | Capability, **more: Any) -> tuple[Job, list[Item]]:
    if isinstance(of, Capability):
        other = video() if of.kind == Kind.IMAGE else image()
        of = catalogue(DeclaringProvider("acme", of, other))
    return plan(order(**more), of)


def refusal(of: Catalogue | Capability, **more: Any) -> str:
    with pytest.raises(InvalidInput, match=r"\w") as caught:
        planned(of, **more)
    return str(caught.value)


def images(**options: Any) -> Mapping[Kind, Choice]:
    return {Kind.IMAGE: Choice(options=options)}


def by(assets: Sequence[Item], kind: Kind) -> list[Item]:
    return [asset for asset in assets if asset.kind == kind]


# Who makes it


def test_without_a_choice_the_first_who_needs_no_consent_makes_it() -> None:
    first = catalogue(DeclaringProvider("strict", image(), video(), consent="Yes?"), *_plain())
    _, assets = planned(first)
    assert {(asset.provider, asset.model) for asset in assets} == {
        ("plain", "oil"),
        ("too", "reel"),
    }


def _plain() -> list[DeclaringProvider]:
    return [DeclaringProvider("plain", image()), DeclaringProvider("too", video())]


def test_each_kind_has_its_own_provider_model_and_options() -> None:
    chosen = {
        Kind.IMAGE: Choice(provider="acme", model="ink"),
        Kind.VIDEO: Choice(model="reel", options={"quality": " high ", "steps": "7"}),
    }
    _, assets = planned(CATALOGUE, choices=chosen)
    assert {asset.model for asset in by(assets, Kind.IMAGE)} == {"ink"}
    assert "quality" not in assets[0].params
    clip = by(assets, Kind.VIDEO)[0].params
    assert (clip["quality"], clip["steps"], clip["seconds"]) == ("high", 7, 8)


@pytest.mark.parametrize("nothing", [{}, {"quality": None, "steps": ""}, {"steps": "  "}])
def test_what_is_not_chosen_has_its_default_or_is_left_to_the_model(
    nothing: dict[str, Any],
) -> None:
    _, assets = planned(CATALOGUE, choices={Kind.VIDEO: Choice(options=nothing)})
    params = by(assets, Kind.VIDEO)[0].params
    assert params["steps"] == 20
    assert "quality" not in params


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (
            {"choices": {Kind.IMAGE: Choice(provider="gone")}},
            "There is no provider “gone” here; there are: acme, beta, strict, zoom.",
        ),
        (
            {"choices": {Kind.IMAGE: Choice(provider="acme", model="gone")}},
            "Acme makes no images with a model “gone”.",
        ),
        (
            {"choices": {Kind.VIDEO: Choice(model="gone")}},
            "No configured provider makes videos with a model “gone”.",
        ),
        ({"choices": {Kind.IMAGE: Choice(provider="beta")}}, "Beta makes no images."),
        (
            {"choices": {Kind.VIDEO: Choice(provider="beta", model="film")}},
            "Beta makes no videos with a model “film”.",
        ),
        (
            {"choices": images(grain="1")},
            "oil has no option “grain”; it has: quality, avoid.",
        ),
        (
            {"choices": {Kind.IMAGE: Choice(model="ink", options={"quality": "high"})}},
            "ink has no option “quality”; it has: none.",
        ),
        ({"choices": images(quality="best")}, "“Quality” is one of low, high, not “best”."),
        ({"choices": images(avoid="x" * 11)}, "“Avoid” has at most 10 characters."),
        ({"ratio": "2:1"}, "oil makes images in 1:1, 16:9, not 2:1."),
        ({"ratio": AUTO}, "oil makes images in 1:1, 16:9, not auto."),
        ({"seconds": 5}, "A clip lasts 4 or 8 seconds here, not 5."),
        ({"images": 4}, "The number of images goes from 5 to 20."),
        ({"videos": 21}, "The number of videos goes from 5 to 20."),
        ({"style": "baroque"}, f"There is no style “baroque”; there are {', '.join(STYLES)}."),
        (
            {"choices": {Kind.IMAGE: Choice(provider="strict")}, "accepted": {"acme"}},
            "Strict can be used only if you accept this: Nothing is private.",
        ),
    ],
)
def test_what_cannot_be_had_is_said_in_a_sentence(more: dict[str, Any], sentence: str) -> None:
    assert refusal(CATALOGUE, **more) == sentence


@pytest.mark.parametrize(
    ("lengths", "words"),
    [(range(2, 6), "2 to 5 seconds"), ((6,), "6 seconds"), ((10, 5), "5 or 10 seconds")],
)
def test_the_lengths_that_there_are_are_said(lengths: Sequence[int], words: str) -> None:
    clip = video(seconds=lengths, default_seconds=lengths[0])
    assert refusal(clip, seconds=99) == f"A clip lasts {words} here, not 99."


def test_who_accepts_the_conditions_is_served() -> None:
    chosen = {kind: Choice(provider="strict") for kind in Kind}
    _, assets = planned(CATALOGUE, choices=chosen, accepted=frozenset({"strict"}))
    assert {asset.provider for asset in assets} == {"strict"}


# Options


@pytest.mark.parametrize(
    ("option", "typed", "value"),
    [
        (STEPS, " 7 ", 7),
        (STEPS, 7, 7),
        (GRAIN, "0.5", 0.5),
        (GRAIN, 0, 0.0),
        (SOUND, "Yes", True),
        (SOUND, False, False),
        (SOUND, "off", False),
        (AVOID, " rain ", "rain"),
        (QUALITY, "low", "low"),
    ],
)
def test_an_option_is_read_as_the_provider_takes_it(
    option: Option, typed: object, value: object
) -> None:
    found = option.parse(typed)
    assert (found, type(found)) == (value, type(value))


@pytest.mark.parametrize(
    ("option", "typed"),
    [
        *[(STEPS, typed) for typed in ("0", "51", "7.5", "many", "1e1")],
        *[(GRAIN, typed) for typed in ("-0.1", "1.1", "nan", "inf", "much")],
        *[(SOUND, typed) for typed in ("perhaps", "2")],
        (QUALITY, "LOW"),
    ],
)
def test_a_value_that_an_option_does_not_take_is_refused(option: Option, typed: str) -> None:
    with pytest.raises(InvalidInput, match=f"^“{option.title}” .*{re.escape(typed)}.*\\.$"):
        option.parse(typed)


@given(typed=st.text() | st.integers() | st.floats() | st.booleans() | st.none())
def test_no_value_breaks_an_option(typed: object) -> None:
    for option in (STEPS, GRAIN, SOUND, AVOID, QUALITY, SIZE):
        try:
            value = option.parse(typed)
        except InvalidInput:
            continue
        assert value == option.default or option.parse(value) == value


@pytest.mark.parametrize(
    ("size", "pixels"),
    [(None, (128, 72)), ("auto", (128, 72)), ("640x480", (640, 480)), ("48×32", (48, 32))],
)
def test_an_exact_size_replaces_the_pixels_of_the_ratio(
    size: str | None, pixels: tuple[int, int]
) -> None:
    _, assets = planned(image(options=(SIZE,)), ratio="16:9", choices=images(size=size))
    params = assets[0].params
    assert (params["width"], params["height"], params["ratio"]) == (*pixels, "16:9")


# Shape, length, seed, price


def test_the_shape_can_be_left_to_the_model() -> None:
    of = catalogue(
        DeclaringProvider(
            "acme", image(ratios={AUTO: (64, 48), "1:1": (64, 64)}), video(ratios={AUTO: (8, 8)})
        )
    )
    for ratio in (None, AUTO):
        job, assets = planned(of, ratio=ratio)
        assert job.options.ratio == AUTO
        assert {asset.params["ratio"] for asset in assets} == {AUTO}
        assert (assets[0].params["width"], assets[0].params["height"]) == (64, 48)


def test_each_kind_has_its_own_preferred_shape_where_none_was_chosen() -> None:
    job, assets = planned(CATALOGUE)
    ratios = {asset.kind: asset.params["ratio"] for asset in assets}
    assert ratios == {Kind.IMAGE: "1:1", Kind.VIDEO: "16:9"}
    assert (job.options.ratio, job.options.seconds) == ("1:1", 8)


@given(seed=st.none() | st.integers(0, SEEDS - 1))
def test_seeds_go_by_item_by_job_or_not_at_all(seed: int | None) -> None:
    seeds = {}
    for way in ("item", "job", "none"):
        job, assets = planned(image(seed=way), seed=seed)
        start = job.options.seed
        assert seed in (None, start)
        assert 0 <= start < SEEDS
        seeds[way] = [
            (each.params.get("seed", start) - start) % SEEDS for each in by(assets, Kind.IMAGE)
        ]
        assert all(("seed" in each.params) == (way != "none") for each in by(assets, Kind.IMAGE))
        assert all(0 <= each.params.get("seed", 0) < SEEDS for each in assets)
    assert seeds == {"item": [0, 1, 2, 3, 4], "job": [0] * 5, "none": [0] * 5}


def test_each_item_says_what_it_is_expected_to_cost() -> None:
    def price(params: Mapping[str, Any]) -> Cost:
        return Cost(estimated=params["seconds"] * 1.5, unit="credits")

    _, assets = planned(video(price=price), seconds=4)
    costs = {asset.kind: (asset.cost.estimated, asset.cost.unit) for asset in assets}
    assert costs == {Kind.IMAGE: (None, "USD"), Kind.VIDEO: (6.0, "credits")}


# Prompts


def test_items_can_have_prompts_of_their_own_and_blank_ones_have_the_jobs() -> None:
    given = {Kind.IMAGE: ["one", "  ", "", "four", "a fox", "six too many"], Kind.VIDEO: ["moving"]}
    job, assets = planned(CATALOGUE, variations=given)
    assert job.prompt == "a fox"
    assert [each.prompt for each in by(assets, Kind.IMAGE)] == ["one", None, None, "four", None]
    assert [each.prompt for each in by(assets, Kind.VIDEO)] == ["moving", None, None, None, None]


def test_a_style_adds_its_words_to_every_prompt_but_the_jobs() -> None:
    words = STYLES["oil"][1]
    given = {Kind.IMAGE: ["one\n"]}
    job, assets = planned(CATALOGUE, prompt="a fox ", style="oil", variations=given)
    assert (job.prompt, job.options.style) == ("a fox ", "oil")
    assert [each.prompt for each in assets[:2]] == [f"one, {words}", f"a fox, {words}"]
    assert {each.prompt for each in by(assets, Kind.VIDEO)} == {f"a fox, {words}"}


@pytest.mark.parametrize(
    ("units", "prompt", "length"),
    [
        ("characters", "x" * 11, 11),
        ("characters", "🦊" * 11, 11),
        ("utf-16", "🦊" * 6, 12),
        ("utf-16", "ä" * 11, 11),
    ],
)
def test_a_prompt_is_as_long_as_its_model_counts(units: str, prompt: str, length: int) -> None:
    short = image(max_prompt=10, prompt_units=units)
    assert refusal(short, prompt=prompt) == (
        f"Acme takes prompts of at most 10 characters for oil; this one has {length}."
    )
    planned(short, prompt=prompt[:5])


def test_what_style_and_single_prompts_add_counts_too() -> None:
    short = image(max_prompt=30)
    assert "this one has 31." in refusal(short, variations={Kind.IMAGE: ["x", "x" * 31]})
    longer = len(f"a fox, {STYLES['photo'][1]}")
    assert refusal(short, style="photo").endswith(f"this one has {longer} with its style.")
    too_long = refusal(image(), variations={Kind.IMAGE: ["x" * 4001]})
    assert too_long == "A prompt has at most 4,000 characters; this one has 4,001."


@given(prompts=st.lists(st.text(max_size=30), max_size=7), style=st.sampled_from([None, *STYLES]))
def test_every_item_has_a_prompt_that_is_one(prompts: list[str], style: str | None) -> None:
    try:
        _, assets = planned(CATALOGUE, variations={Kind.IMAGE: prompts}, style=style)
    except InvalidInput:
        return
    for asset in assets:
        prompt = asset.prompt or "a fox"
        assert parse_prompt(prompt) == prompt


# Clips of an image


def done(**changed: Any) -> Item:
    _, assets = planned(CATALOGUE)
    ended = {"state": AssetState.DONE, "path": "x/ana/x.png"}
    return assets[0].model_copy(update=ended | changed)


def test_an_image_is_animated_by_who_can_and_no_image_is_made() -> None:
    source = done()
    job, assets = planned(CATALOGUE, task=Task.ANIMATE, source=source, images=9, videos=1)
    assert (job.requested.images, job.requested.videos) == (0, 1)
    assert [(each.kind, each.provider, each.model) for each in assets] == [
        (Kind.VIDEO, "beta", "film")
    ]
    assert {(each.task, each.source) for each in assets} == {(Task.ANIMATE, source.id)}
    assert job.options.ratio == "16:9"


@pytest.mark.parametrize("changed", [{"state": AssetState.RUNNING}, {"kind": Kind.VIDEO}])
def test_only_a_finished_image_is_animated(changed: dict[str, Any]) -> None:
    sentence = "Only a finished image can be animated."
    assert refusal(CATALOGUE, task=Task.ANIMATE, source=done(**changed)) == sentence
    assert refusal(CATALOGUE, task=Task.ANIMATE) == sentence


def test_animating_needs_a_number_and_somebody_who_can() -> None:
    animated = {"task": Task.ANIMATE, "source": done()}
    assert refusal(CATALOGUE, **animated, videos=0) == "The number of videos goes from 1 to 20."
    sentence = "No configured provider makes clips of an image."
    assert refusal(catalogue(DeclaringProvider("acme", image(), video())), **animated) == sentence


# More pixels for an item


def test_an_item_is_upscaled_alone_and_keeps_its_prompt_and_shape() -> None:
    source = done(width=64, height=36, params={"width": 9, "height": 9, "ratio": "16:9", "seed": 1})
    long = "a fox " * 800  # as long as a prompt with its style may be
    ignored = {"images": 0, "videos": 99, "seconds": 99, "ratio": "9:1", "style": "oil"}
    job, (asset,) = planned(CATALOGUE, prompt=long, task=Task.UPSCALE, source=source, **ignored)
    assert (job.requested.images, job.requested.videos) == (1, 0)
    assert (job.options.ratio, job.options.seconds, job.options.style) == ("16:9", None, None)
    assert (asset.provider, asset.model, asset.kind) == ("zoom", "lens", Kind.IMAGE)
    assert (asset.task, asset.source) == (Task.UPSCALE, source.id)
    assert asset.params == {"width": 128, "height": 72, "ratio": "16:9"}
    assert (job.prompt, asset.prompt, asset.words) == (long, None, long)


def test_a_clip_is_upscaled_as_long_as_it_is_by_the_factor_that_was_chosen() -> None:
    scale = Option(
        name="scale_factor", title="Scale", type="integer", choices=("2", "4"), default=2
    )
    able = video("lens", task=Task.UPSCALE, seconds=(), default_seconds=None, options=(scale,))
    source = done(kind=Kind.VIDEO, width=64, height=36, seconds=1.5, params={})
    order = {"task": Task.UPSCALE, "source": source}
    for chosen, size in ({}, (128, 72)), ({"scale_factor": "4"}, (256, 144)):
        choices = {Kind.VIDEO: Choice(options=chosen)}
        job, (asset,) = planned(
            catalogue(DeclaringProvider("zoom", able)), **order, choices=choices
        )
        assert (job.requested.images, job.requested.videos) == (0, 1)
        assert upscaled_size(source, chosen) == size
        assert (asset.params["width"], asset.params["height"]) == size
        assert (asset.params["seconds"], asset.params["ratio"]) == (1.5, AUTO)


def test_only_what_is_finished_is_upscaled_by_who_can_and_not_without_end() -> None:
    unfinished = "Only what is finished can be upscaled."
    assert refusal(CATALOGUE, task=Task.UPSCALE) == unfinished
    running = done(state=AssetState.RUNNING)
    assert refusal(CATALOGUE, task=Task.UPSCALE, source=running) == unfinished
    clip = done(kind=Kind.VIDEO)
    nobody = "No configured provider makes larger videos."
    assert refusal(CATALOGUE, task=Task.UPSCALE, source=clip) == nobody
    much = "lens makes at most 0.0164 million pixels; this would be 0.0177."
    assert refusal(CATALOGUE, task=Task.UPSCALE, source=done(width=68, height=65)) == much


# As it is typed on the command line


def test_an_option_goes_to_every_kind_that_has_it_or_to_the_one_that_is_named() -> None:
    chosen = ModelOptions(options=["quality=high", "avoid=a=b"]).choices(CATALOGUE)
    assert chosen[Kind.IMAGE] == Choice(options={"quality": "high", "avoid": "a=b"})
    assert chosen[Kind.VIDEO] == Choice(options={"quality": "high"})
    chosen = ModelOptions(options=["quality=high", "image.quality=low"]).choices(CATALOGUE)
    assert [chosen[kind].options["quality"] for kind in Kind] == ["low", "high"]


def test_providers_and_models_are_chosen_by_kind_and_must_be_there() -> None:
    chosen = ModelOptions(image_provider="acme", image_model="ink", video_model="reel")
    assert chosen.choices(CATALOGUE) == {
        Kind.IMAGE: Choice(provider="acme", model="ink"),
        Kind.VIDEO: Choice(model="reel"),
    }
    with pytest.raises(InvalidInput, match=r"^There is no provider “gone” here"):
        ModelOptions(video_provider="gone").choices(CATALOGUE)


def test_who_animates_chooses_for_clips_alone() -> None:
    chosen = ModelOptions(image_provider="gone", video_provider="beta").choices(
        CATALOGUE, Task.ANIMATE, done()
    )
    assert chosen == {Kind.VIDEO: Choice(provider="beta")}
    assert ModelOptions().choices(CATALOGUE, Task.UPSCALE, done()) == {Kind.IMAGE: Choice()}


@pytest.mark.parametrize(
    "typed", ["quality", "=high", "grain=1", "video.avoid=rain", "sound.quality=low", ".=", ""]
)
def test_what_is_no_option_is_answered_with_those_that_are(typed: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        ModelOptions(options=[typed]).choices(CATALOGUE)
    there = "image.quality, image.avoid, video.quality, video.steps"
    assert str(caught.value) == f"“{typed}” is no NAME=VALUE of: {there}."
    with pytest.raises(InvalidInput, match=r"of: none\.$"):
        ModelOptions(options=[typed]).choices(catalogue(*_plain()))


@pytest.mark.parametrize(
    ("minimum", "maximum", "typed"),
    [(1, None, "0"), (None, 3, "4"), (None, None, "nan"), (None, None, "inf"), (1, 3, "-inf")],
)
def test_a_number_out_of_bounds_is_refused_whichever_bounds_there_are(
    minimum: float | None, maximum: float | None, typed: str
) -> None:
    option = Option(name="n", title="N", type="number", minimum=minimum, maximum=maximum)
    with pytest.raises(InvalidInput, match=r"^“N” goes .+, not .+\.$"):
        option.parse(typed)


def test_choices_that_do_not_go_together_are_refused_before_anything_is_made() -> None:
    clear = Option(
        name="clear", title="Clear", choices=("yes", "no"), excludes={"yes": ("form", "flat")}
    )
    form = Option(name="form", title="Form", choices=("flat", "deep"), default="flat")
    able = image(options=(clear, form))
    said = refusal(able, choices=images(clear="yes"))
    assert said == "“Clear: yes” does not go with “Form: flat”."
    assert refusal(able, choices=images(clear="yes", form="flat")) == said
    for good in ({"clear": "yes", "form": "deep"}, {"clear": "no"}, {}):
        _job, items = planned(able, choices=images(**good))
        assert items[0].params.get("clear") == good.get("clear")
