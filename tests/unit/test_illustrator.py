"""The illustrator's promises: any prompt, the same again, other in every slot, smooth in motion."""

import itertools

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.providers.illustrator.canvas.noise import Array
from core.providers.illustrator.render import draw_clip, draw_image
from core.providers.illustrator.scene import STYLES, read_scene
from tests.profiles import by_profile, examples


def image(
    prompt: str, *, seed: int = 1, slot: int = 1, width: int = 160, height: int = 160
) -> Array:
    return np.asarray(draw_image(prompt, seed=seed, slot=slot, width=width, height=height))


def clip(prompt: str, *, slot: int = 1, seconds: float = 0.5, fps: int = 24) -> list[Array]:
    frames = draw_clip(prompt, seed=1, slot=slot, width=192, height=108, seconds=seconds, fps=fps)
    return list(frames)


def layout(picture: Array) -> Array:
    """What is seen from across the room: coarse lightness, whatever the palette."""
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (16, 16), interpolation=cv2.INTER_AREA).astype(np.float32)
    standard: Array = (small - small.mean()) / (small.std() + 1)
    return standard


@pytest.mark.parametrize("prompt", ["a lighthouse at dusk, oil painting", "neon city in the rain"])
def test_the_same_arguments_give_the_same_pixels(prompt: str) -> None:
    assert np.array_equal(image(prompt), image(prompt))


def test_the_seed_changes_the_picture() -> None:
    assert not np.array_equal(image("mountains", seed=1), image("mountains", seed=2))


@pytest.mark.parametrize("prompt", ["a sailing boat on the sea", "snowy mountains at night"])
def test_slots_are_other_compositions_not_other_colours(prompt: str) -> None:
    slots = range(1, by_profile(10, 20) + 1)
    views = [layout(image(prompt, slot=slot, width=64, height=64)) for slot in slots]
    nearest = min(float(np.abs(a - b).mean()) for a, b in itertools.combinations(views, 2))
    assert nearest > 0.05


@pytest.mark.parametrize(("width", "height"), [(256, 144), (144, 256), (160, 120), (120, 160)])
def test_images_have_the_size_asked_for(width: int, height: int) -> None:
    picture = draw_image("a castle", seed=1, slot=1, width=width, height=height)
    assert picture.size == (width, height)
    assert picture.mode == "RGB"


def test_progress_is_told_and_ends_at_one() -> None:
    progress: list[float] = []
    draw_image("the sea", seed=1, slot=1, width=96, height=96, on_progress=progress.append)
    assert progress == sorted(progress)
    assert progress[-1] == 1


@pytest.mark.parametrize(("seconds", "fps", "count"), [(0.5, 24, 12), (0.25, 30, 8), (1.0, 5, 5)])
def test_clips_have_the_frames_asked_for(seconds: float, fps: int, count: int) -> None:
    frames = clip("a forest", seconds=seconds, fps=fps)
    assert len(frames) == count
    assert {frame.shape for frame in frames} == {(108, 192, 3)}
    assert {frame.dtype for frame in frames} == {np.dtype(np.uint8)}


@pytest.mark.parametrize(
    "prompt",
    [
        "a sailing boat on a calm sea",
        "cherry blossom meadow in spring",
        "a rocket in space",
        "city at night",
        "mountains at dawn, mosaic",
    ],
)
def test_clips_move_smoothly(prompt: str) -> None:
    frames = [cv2.GaussianBlur(frame, (0, 0), 2).astype(np.float32) for frame in clip(prompt)]
    steps = [float(np.abs(b - a).mean()) for a, b in itertools.pairwise(frames)]
    assert min(steps) > 0.01  # nothing stands still
    assert max(steps) < 5  # nothing jumps
    assert float(np.abs(frames[-1] - frames[0]).mean()) > max(steps) * 1.2  # and it gets somewhere


def test_clips_are_told_apart_from_a_zoom_on_a_still() -> None:
    """Far and near move differently: no single shift explains the last frame from the first."""
    first, *_, last = clip("mountains by day", slot=1, seconds=2, fps=8)
    grey = [cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY) for frame in (first, last)]
    flow = np.asarray(cv2.calcOpticalFlowFarneback(*grey, None, 0.5, 3, 21, 3, 7, 1.5, 0))  # type: ignore[call-overload]
    sky, foot = np.abs(flow[:30, :, 0]).mean(), np.abs(flow[-25:, :, 0]).mean()
    assert foot > 2 * sky


def test_night_is_darker_than_day() -> None:
    day, night = (image(f"the sea at {hour}").mean() for hour in ("noon", "night"))
    assert night < 0.7 * day


def test_a_named_colour_is_seen() -> None:
    red, blue = (image(f"a {name} sky over the desert").mean((0, 1)) for name in ("red", "blue"))
    assert red[0] - red[2] > blue[0] - blue[2] + 10


def test_noir_is_nearly_grey() -> None:
    picture = image("noir city").astype(np.float32)
    plain = image("city").astype(np.float32)
    assert np.ptp(picture, axis=-1).mean() < 0.6 * np.ptp(plain, axis=-1).mean()


@pytest.mark.parametrize(
    ("prompt", "field", "value"),
    [
        ("Two lighthouses on the coast", "setting", "sea"),
        ("snow on the hills", "weather", "snow"),
        ("it is raining in Paris", "weather", "rain"),
        ("misty woods", "weather", "fog"),
        ("autumn leaves", "season", "autumn"),
        ("GOLDEN HOUR in the Alps", "time", "sunset"),
        ("🌊🌙", "setting", "sea"),
        ("🌊🌙", "time", "night"),
        ("a castle in watercolor", "style", "watercolour"),
        ("a stained-glass whale", "style", "stained glass"),
    ],
)
def test_words_and_symbols_are_understood(prompt: str, field: str, value: str) -> None:
    assert getattr(read_scene(prompt), field) == value


def test_words_match_whole() -> None:
    assert "cat" not in read_scene("a catalogue of locations").subjects
    assert read_scene("a seasoned oceanographer").setting != "sea"
    assert read_scene("training").weather == "clear"


def test_subjects_are_found_with_their_home() -> None:
    scene = read_scene("foxes")
    assert "fox" in scene.subjects
    assert scene.setting == "forest"


@pytest.fixture(scope="module")
def plain() -> Array:
    return image("sunset over the sea", slot=2)


@pytest.mark.parametrize("style", sorted(STYLES))
def test_every_style_redraws_the_picture(style: str, plain: Array) -> None:
    styled = image(f"sunset over the sea, {STYLES[style].split()[0]}", slot=2)
    assert styled.shape == plain.shape
    assert not np.array_equal(styled, plain)


@examples(fast=8, deep=300)
@given(
    prompt=st.text(min_size=1, max_size=200),
    seed=st.integers(0, 2**63 - 1),
    slot=st.integers(1, 20),
)
def test_any_prompt_draws(prompt: str, seed: int, slot: int) -> None:
    picture = image(prompt, seed=seed, slot=slot, width=64, height=48)
    assert picture.shape == (48, 64, 3)
    assert picture.std() > 3  # a picture, not a blank


@examples(fast=8, deep=300)
@given(
    setting=st.sampled_from(
        ["space", "city", "desert", "forest", "arctic", "lake", "sea", "mountains", "meadow"],
    ),
    rest=st.lists(
        st.sampled_from(
            [
                "night",
                "dawn",
                "storm",
                "snow",
                "fog",
                "rain",
                "winter",
                "autumn",
                "spring",
                "neon",
                "noir",
                "dreamy",
                "aurora",
                "lighthouse",
                "boat",
                "castle",
                "cabin",
                "windmill",
                "balloon",
                "rocket",
                "whale",
                "fox",
                "deer",
                "cat",
                "cactus",
                "tree",
                "palm",
                "birds",
                "moon",
                "turquoise",
                "red",
            ]
        ),
        max_size=5,
    ),
    slot=st.integers(1, 20),
)
def test_any_mixture_of_known_words_draws(setting: str, rest: list[str], slot: int) -> None:
    picture = image(" ".join([setting, *rest]), slot=slot, width=64, height=80)
    assert picture.std() > 3
