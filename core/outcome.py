"""What came of a job and how users are told, in words: the same on pages and in messages."""

from collections.abc import Sequence
from typing import Final

from core.models import Asset, AssetState, ChannelName, Job, JobStatus, Kind

NOUNS: Final = {Kind.VIDEO: ("video", "videos"), Kind.IMAGE: ("image", "images")}
"""Both kinds, in the order in which they are shown."""


CHANNEL_TITLES: Final = {
    ChannelName.APP: "App",
    ChannelName.EMAIL: "E-mail",
    ChannelName.DESKTOP: "Desktop",
    ChannelName.WEBHOOK: "Webhook",
    ChannelName.TERMINAL: "Terminal",
}
"""What the ways of being told are called."""


def headline(job: Job, assets: Sequence[Asset]) -> str:
    """Return what happened to a job that has ended, in a few words."""
    if any(each.state == AssetState.UNKNOWN for each in assets):
        return "Your decision is needed"
    if job.status == JobStatus.COMPLETED:
        return "Your content is ready"
    made = any(each.state == AssetState.DONE for each in assets)
    if job.status == JobStatus.CANCELLED:
        return "Your request was cancelled"
    return "Your content is ready in part" if made else "Your content could not be made"


def ending(job: Job, assets: Sequence[Asset]) -> str:
    """Return what came of a job that has ended, in honest words."""
    if job.status == JobStatus.COMPLETED:
        return f"{made_text(assets)} {'is' if len(assets) == 1 else 'are'} ready."
    undecided = [each for each in assets if each.state == AssetState.UNKNOWN]
    if not undecided:
        return _what_is_missing(job, assets)
    need = "needs" if len(undecided) == 1 else "need"
    return f"{_what_is_missing(job, assets)} {counted(undecided)} {need} your decision."


def made_text(assets: Sequence[Asset]) -> str:
    """Return how many of each kind were made, such as `5 videos and 4 images`."""
    parts = []
    for kind, (one, many) in NOUNS.items():
        if not any(each.kind == kind for each in assets):
            continue
        number = sum(each.kind == kind and each.state == AssetState.DONE for each in assets)
        parts.append(f"{number} {one if number == 1 else many}")
    return " and ".join(parts)


def counted(assets: Sequence[Asset]) -> str:
    """Return how many there are, without the kinds of which there are none."""
    numbers = {kind: sum(each.kind == kind for each in assets) for kind in NOUNS}
    return " and ".join(
        f"{number} {NOUNS[kind][number != 1]}" for kind, number in numbers.items() if number
    )


def _what_is_missing(job: Job, assets: Sequence[Asset]) -> str:
    cancelled = job.status == JobStatus.CANCELLED
    if not any(each.state == AssetState.DONE for each in assets):
        return "It was cancelled before anything was ready." if cancelled else "Nothing is ready."
    begun = "The rest was cancelled" if cancelled else "Some are missing"
    counts = " and ".join(
        f"{sum(each.state == AssetState.DONE for each in of_kind)} of {len(of_kind)} {nouns[1]}"
        for kind, nouns in NOUNS.items()
        if (of_kind := [each for each in assets if each.kind == kind])
    )
    return f"{begun}: {counts} were made."
