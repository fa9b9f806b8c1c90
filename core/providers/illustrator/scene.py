"""Parsing a prompt into a `Scene`: what to draw, in which light and style."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from core.providers.illustrator.canvas.palette import COLOURS

_SETTINGS = {
    "space": "space galaxy cosmos cosmic nebula universe orbit planet spaceship"
    " spacecraft astronaut saturn mars jupiter asteroid milkyway 🚀 🪐 🌌",
    "city": "city town skyline street downtown skyscraper building metropolis urban cyberpunk tokyo"
    " york london paris alley rooftop 🏙 🌃 🌆",
    "desert": "desert dune sahara canyon cactus camel oasis egypt pyramid mesa 🏜 🌵 🐪",
    "forest": "forest wood woodland jungle rainforest grove trail 🌲 🌳 fox deer stag owl 🦊 🦌",
    "arctic": "arctic antarctic antarctica polar tundra glacier iceberg ice frozen penguin ❄ 🧊 🐧",
    "lake": "lake river pond fjord lagoon reflection waterfall stream canoe swan 🦢 🏞",
    "sea": "sea ocean beach coast shore island wave harbour harbor lighthouse sail sailboat boat"
    " ship yacht whale dolphin surf cliff bay tropical pier 🌊 🐳 🐋 ⛵ 🏖 🏝 🐬",
    "mountains": "mountain mount peak alps alpine summit hiking hill valley himalaya volcano dragon"
    " castle 🏔 ⛰ 🗻 🌋 🏰",
    "meadow": "meadow field grass prairie flower garden farm pasture tulip poppy"
    " countryside poppies sunflower lavender wheat spring picnic barn windmill horse blossom"
    " sakura 🌸 🌷 🌻 🌾 🌼",
}
_TIMES = {
    "night": "night midnight moon moonlit moonlight star starry aurora nocturnal firefly 🌙 🌃"
    " fireflies ⭐ 🌌 🌕",
    "sunset": "sunset golden evening sundown glow 🌅 🌇",
    "dawn": "dawn sunrise morning daybreak 🌄",
    "dusk": "dusk twilight gloaming nightfall",
    "day": "day noon midday sunny sunshine sunlit daylight bright afternoon ☀ 🌞",
}
_WEATHERS = {
    "storm": "storm stormy thunder lightning thunderstorm tempest hurricane ⛈ ⚡",
    "snow": "snow snowfall snowing blizzard snowstorm ❄ ☃ 🌨",
    "rain": "rain rainy drizzle downpour wet puddle 🌧 ☔",
    "fog": "fog foggy mist misty haze hazy smoke 🌫",
    "cloudy": "overcast grey-skies gloomy",
    "clouds": "cloud cloudy ☁ ⛅",
    "clear": "clear cloudless",
}
_SEASONS = {
    "winter": "winter wintry christmas xmas snow snowy snowfall frost frosty icy ❄ ⛄ 🎄",
    "autumn": "autumn autumnal fall october november harvest 🍂 🍁",
    "spring": "spring blossom cherry sakura april 🌸 🌷",
    "summer": "summer july august tropical ☀",
}
_MOODS = {
    "dramatic": "dramatic epic majestic moody fierce",
    "dreamy": "dreamy dream magical magic fantasy fairytale ethereal surreal whimsical",
    "neon": "neon cyberpunk synthwave vaporwave retrowave",
    "pastel": "pastel soft gentle delicate",
    "noir": "noir monochrome black-and-white greyscale grayscale",
    "calm": "calm peaceful serene quiet tranquil still cosy cozy",
    "aurora": "aurora borealis northern-lights",
}
_SUBJECTS = {
    "lighthouse": "lighthouse",
    "boat": "boat sailboat sail yacht ship regatta ⛵",
    "castle": "castle palace fortress 🏰",
    "cabin": "cabin house cottage hut chalet barn home 🏠 🏡",
    "windmill": "windmill mill",
    "balloon": "balloon hot-air 🎈",
    "rocket": "rocket spaceship spacecraft shuttle 🚀",
    "planet": "planet saturn jupiter ringed 🪐",
    "whale": "whale orca 🐳 🐋",
    "fox": "fox 🦊",
    "deer": "deer stag elk reindeer moose 🦌",
    "cat": "cat kitten 🐈 🐱",
    "cactus": "cactus cacti saguaro 🌵",
    "tree": "tree oak blossom cherry sakura 🌸",
    "palm": "palm tropical 🌴 🏝 🏖",
    "birds": "bird gull seagull flock crane swallow geese goose eagle 🐦 🕊",
    "moon": "moon moonlit moonlight 🌙 🌕",
}
STYLES = {
    "oil": "oil impasto",
    "watercolour": "watercolour watercolor aquarelle gouache",
    "sketch": "sketch pencil charcoal graphite drawing",
    "ink": "ink etching engraving linocut woodcut",
    "impressionist": "impressionist impressionism monet",
    "expressionist": "expressionist expressionism vangogh gogh swirl swirling",
    "pointillist": "pointillist pointillism",
    "stained glass": "stained-glass stained",
    "mosaic": "mosaic tessellation",
    "woodblock": "ukiyo ukiyoe woodblock hokusai japanese",
    "pop": "pop-art pop comic",
    "cubist": "cubist cubism picasso abstract",
}
# The setting of a subject, for prompts that name no place.
_HOMES = {
    "lighthouse": "sea", "boat": "sea", "whale": "sea", "palm": "sea", "castle": "mountains",
    "rocket": "space", "planet": "space", "fox": "forest", "deer": "forest", "cactus": "desert",
    "balloon": "meadow", "cabin": "lake", "windmill": "meadow", "tree": "meadow",
}  # fmt: skip


@dataclass(frozen=True)
class Scene:
    """The content of one picture: a prompt, parsed for one slot of its job."""

    setting: str
    time: str
    weather: str
    season: str
    moods: frozenset[str]
    colours: tuple[str, ...]
    subjects: tuple[str, ...]
    style: str


def read_scene(prompt: str, *, seed: int = 0, slot: int = 1) -> Scene:
    """Return the scene of any text; a hash of the prompt chooses what it leaves open.

    Words are matched whole, with simple plurals and -ing forms. Where the prompt names no time of
    day, it changes from slot to slot.
    """
    text = prompt.lower()
    words = _words(text)
    rng = np.random.default_rng([zlib.crc32(prompt.encode("utf-8", "replace")), seed & 0xFFFFFFFF])
    subjects = tuple(_found(_SUBJECTS, words))
    settings = _found(_SETTINGS, words)
    home = next((_HOMES[name] for name in subjects if name in _HOMES), "")
    fallback = ("mountains", "sea", "lake", "meadow", "desert", "forest")
    setting = _first(settings, home or fallback[int(rng.integers(len(fallback)))])
    if setting == "space" and not {"rocket", "planet"} & set(subjects):
        subjects += ("planet",)
    moods = frozenset(_found(_MOODS, words))
    hours = ["sunset", "day", "dawn", "dusk", "day", "sunset", "night"]
    if {"palm", "cactus"} & set(subjects):
        subjects = tuple(name for name in subjects if name != "tree")
    season = _first(_found(_SEASONS, words), "summer")
    if season in ("spring", "autumn") or "calm" in moods:
        hours = ["day", "sunset", "dawn", "day", "sunset"]
    weather = _first(_found(_WEATHERS, words), "clear")
    if weather in ("storm", "rain", "fog"):
        hours = ["day", "dusk", "dawn", "day", "sunset"]
    hour = hours[(int(rng.integers(len(hours))) + slot) % len(hours)]
    if setting == "city" and "neon" in moods:
        hour = "night"
    colours = tuple(name for name in COLOURS if name in words)
    return Scene(
        setting=setting,
        time=_first(_found(_TIMES, words), hour),
        weather=weather,
        season="winter" if setting == "arctic" else season,
        moods=moods,
        colours=colours,
        subjects=subjects,
        style=_first(_found(STYLES, words), ""),
    )


def _words(text: str) -> set[str]:
    """Return the words of `text`, their stems, hyphenated pairs, and its symbols (emoji)."""
    tokens = re.findall(r"[^\W_]+", text)
    words = set(tokens) | {f"{a}-{b}" for a, b in pairwise(tokens)}
    for token in list(words):
        for ending, stem in (("ies", "y"), ("es", ""), ("s", ""), ("ing", ""), ("ed", "")):
            if token.endswith(ending) and len(token) > len(ending) + 2:
                words.add(token.removesuffix(ending) + stem)
    return words | {char for char in text if not char.isalnum() and ord(char) > 0x2000}


def _found(table: dict[str, str], words: set[str]) -> list[str]:
    return [name for name, keys in table.items() if not words.isdisjoint(keys.split())]


def _first(names: list[str], default: str) -> str:
    return names[0] if names else default
