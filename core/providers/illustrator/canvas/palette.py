"""Light and colour of a picture, by hour, weather and mood."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from core.providers.illustrator.canvas.noise import Array
    from core.providers.illustrator.scene import Scene

_TO_LMS = np.array(
    [[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]], np.float32
)
_TO_LAB = np.array(
    [[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]], np.float32
)

_FROM_LMS, _FROM_LAB = np.linalg.inv(_TO_LMS), np.linalg.inv(_TO_LAB)


def hex_colour(code: str) -> Array:
    """Return '#rrggbb' as three float32 in 0..1."""
    return np.array([int(code[i : i + 2], 16) for i in (1, 3, 5)], np.float32) / 255


def to_oklab(rgb: Array) -> Array:
    """Convert sRGB (0..1, last axis 3) to OKLab (https://bottosson.github.io/posts/oklab/)."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((np.maximum(rgb, 0) + 0.055) / 1.055) ** 2.4)
    lab: Array = np.cbrt(linear @ _TO_LMS.T) @ _TO_LAB.T
    return lab.astype(np.float32)


def from_oklab(lab: Array) -> Array:
    """Convert OKLab to sRGB, clipped to 0..1."""
    linear = np.clip((lab @ _FROM_LAB.T) ** 3 @ _FROM_LMS.T, 0, 1)
    rgb: Array = np.where(linear <= 0.0031308, linear * 12.92, 1.055 * linear ** (1 / 2.4) - 0.055)
    return rgb.astype(np.float32)


def mix(a: Array, b: Array, amount: float) -> Array:
    """Return the colour that lies `amount` (0..1) of the way from `a` to `b`, in OKLab."""
    return from_oklab(to_oklab(a) * (1 - amount) + to_oklab(b) * amount)


def gradient(stops: list[Array], position: Array) -> Array:
    """Return colours for `position` (0..1, any shape) along evenly spaced `stops`."""
    labs = np.stack([to_oklab(stop) for stop in stops])
    where = np.linspace(0, 1, len(stops))
    table = from_oklab(
        np.stack([np.interp(np.linspace(0, 1, 1024), where, labs[:, i]) for i in range(3)], -1)
    )
    index = (np.clip(position, 0, 1) * 1023).astype(np.int32)
    colours: Array = np.take(table, index, axis=0)
    return colours


@dataclass(frozen=True)
class Light:
    """The light of one picture; colours are sRGB float32 in 0..1."""

    sky: tuple[Array, ...]  # zenith first, horizon last
    sun: Array  # colour of the disc and its glow (the moon's at night)
    key: Array  # what the light adds to surfaces that face it
    shade: Array  # what the sky adds to every surface
    height: float  # of the sun above the horizon, 0..1 of the sky
    stars: float = 0.0

    @property
    def haze(self) -> Array:
        """The colour that distance fades to."""
        return mix(mix(self.sky[-1], self.sky[-2], 0.45), self.shade, 0.2)

    def surface(self, albedo: Array, lit: Array | float) -> Array:
        """Return the colour of a surface, `lit` being 0 in shadow and 1 facing the light."""
        amount = np.asarray(lit, np.float32)[..., None]
        return albedo * (self.shade + self.key * amount)


# (sky from zenith to horizon), sun, key light, shade, sun height, stars
_HOURS: dict[str, list[tuple[str, str, str, str, float, float]]] = {
    "dawn": [
        ("#6f8fc4 #a9bbdc #e9c9d3 #ffdcc2 #fff0d2", "#fff2cf", "#ffd0a0", "#8a8fb0", 0.20, 0.0),
        ("#4f7fae #8fb8cc #d9d8c8 #ffdf9f #ffeec4", "#fff4c8", "#ffd896", "#7f93a6", 0.16, 0.0),
    ],
    "day": [
        ("#2667b0 #4f96d2 #8fc3e6 #c9e4ee #eaf4ee", "#fffbe8", "#fff0cf", "#7d93b4", 0.72, 0.0),
        ("#1f7fb5 #55aed0 #9ad3dc #d3ebe0 #f3f4de", "#fffbe8", "#ffefc4", "#7b9aae", 0.66, 0.0),
    ],
    "sunset": [
        ("#2c2d63 #6a4484 #c9587a #f98a5c #ffc56f", "#ffe7a6", "#ff9a58", "#5c4f83", 0.13, 0.05),
        ("#35507f #7c7a9c #d9937f #ffae5e #ffd98c", "#fff0b8", "#ffa552", "#665f82", 0.17, 0.0),
        ("#3a1f4d #84305f #d8504e #f9853b #ffc152", "#ffe08a", "#ff8440", "#5a3f6b", 0.10, 0.05),
    ],
    "dusk": [
        ("#151a45 #2f3b7c #6a5aa6 #c07fae #f2b0a4", "#ffd9b8", "#c79cc0", "#525894", 0.05, 0.45),
        ("#10243f #24506f #4f8093 #b79a94 #f0b58c", "#ffdcae", "#c8a8a4", "#4c6484", 0.05, 0.40),
    ],
    "night": [
        ("#04081c #0a1638 #142a58 #27487a #476c98", "#eaf0ff", "#93aede", "#36467a", 0.62, 1.0),
        ("#070a24 #15154a #2a2a6c #3f4c8a #5f7aa6", "#f2f0ff", "#9aa4e2", "#3b427c", 0.55, 1.0),
    ],
}

COLOURS = {
    "red": "#d8383a", "crimson": "#b3173a", "scarlet": "#e0302a", "orange": "#f58a2c",
    "amber": "#f7a823", "gold": "#efb73e", "yellow": "#f6d13f", "lime": "#9ad63c",
    "green": "#3f9a55", "emerald": "#1f9c70", "teal": "#1f9aa0", "turquoise": "#2cc2c4",
    "cyan": "#33c6e6", "blue": "#3a78d8", "azure": "#4a9fe8", "indigo": "#4b46b5",
    "violet": "#8052cf", "purple": "#8a4bc4", "lavender": "#b59fe3", "magenta": "#d93fb0",
    "pink": "#f28fb8", "rose": "#ea7f98", "peach": "#ffbd94", "brown": "#8a5a3a",
    "white": "#f4f4f2", "silver": "#b9c3cf", "grey": "#8b929c", "black": "#1b1d26",
}  # fmt: skip


def light_for(scene: Scene, rng: np.random.Generator) -> Light:
    """Return the light of a scene's hour, weather, moods and colours."""
    hours = _HOURS[scene.time]
    sky, sun, key, shade, height, stars = hours[int(rng.integers(len(hours)))]
    light = Light(
        tuple(hex_colour(code) for code in sky.split()),
        hex_colour(sun),
        hex_colour(key),
        hex_colour(shade),
        height,
        stars,
    )
    if scene.weather in ("rain", "storm", "snow", "fog", "cloudy"):
        dark = {"storm": 0.55, "rain": 0.72, "cloudy": 0.9}.get(scene.weather, 0.96)
        light = _graded(light, chroma=0.9 if scene.weather == "fog" else 0.55, lightness=dark)
        light = replace(light, key=light.key * 0.6, stars=0.0)
    if "pastel" in scene.moods:
        light = _graded(light, chroma=0.75, lightness=0.8, lift=0.22)
    if "dreamy" in scene.moods:
        light = _graded(light, chroma=0.95, lightness=0.94, lift=0.07, tint="#e9a8e0", amount=0.2)
    if "dramatic" in scene.moods:
        light = replace(_graded(light, chroma=1.1, lightness=0.86), key=light.key * 1.15)
    if "neon" in scene.moods:
        light = _graded(light, chroma=1.3, lightness=0.8, tint="#a02be0", amount=0.3)
    # A colour in the prompt mainly tints the water or the subject where there is one.
    share = 0.12 if scene.setting in ("sea", "lake") or scene.subjects else 0.4
    for colour in scene.colours[:2]:
        light = _graded(light, tint=COLOURS[colour], amount=share / min(2, len(scene.colours)))
    if "noir" in scene.moods:
        light = _graded(light, chroma=0.05, lightness=0.92)
    return light


def _graded(
    light: Light,
    *,
    chroma: float = 1.0,
    lightness: float = 1.0,
    lift: float = 0.0,
    tint: str = "",
    amount: float = 0.0,
) -> Light:
    """Return the light graded in OKLab; a tint changes the hue, not the lightness."""

    def grade(colour: Array) -> Array:
        lab = to_oklab(colour)
        lab[0] = lab[0] * lightness + lift
        lab[1:] *= chroma
        if tint:
            lab[1:] = lab[1:] * (1 - amount) + to_oklab(hex_colour(tint))[1:] * amount
        return from_oklab(lab)

    return replace(
        light,
        sky=tuple(grade(colour) for colour in light.sky),
        sun=grade(light.sun),
        key=grade(light.key),
        shade=grade(light.shade),
    )
