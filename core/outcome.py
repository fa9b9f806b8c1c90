"""What came of a job and how users are told, in words: the same on pages and in messages."""

from collections.abc import Sequence
from typing import Final

from core.i18n import N_, listed, ngettext, number
from core.i18n import gettext as _
from core.models import Asset, AssetState, ChannelName, Job, JobStatus, Kind

KINDS: Final = (Kind.VIDEO, Kind.IMAGE)
"""Both kinds, in the order in which they are shown."""

CHANNEL_TITLES: Final = {
    ChannelName.APP: N_("App"),
    ChannelName.EMAIL: N_("E-mail"),
    ChannelName.DESKTOP: N_("Desktop"),
    ChannelName.WEBHOOK: N_("Webhook"),
    ChannelName.TERMINAL: N_("Terminal"),
}
"""What the ways of being told are called."""


def channel_title(name: str) -> str:
    """Return what a way of being told is called; its plain name where this version has none."""
    titles = {str(channel): title for channel, title in CHANNEL_TITLES.items()}
    return _(titles[name]) if name in titles else name


def headline(job: Job, assets: Sequence[Asset]) -> str:
    """Return what happened to a job that has ended, in a few words."""
    if any(each.state == AssetState.UNKNOWN for each in assets):
        return _("Your decision is needed")
    if job.status == JobStatus.COMPLETED:
        return _("Your content is ready")
    made = any(each.state == AssetState.DONE for each in assets)
    if job.status == JobStatus.CANCELLED:
        return _("Your request was cancelled")
    return _("Your content is ready in part") if made else _("Your content could not be made")


def ending(job: Job, assets: Sequence[Asset]) -> str:
    """Return what came of a job that has ended, in honest words."""
    if job.status == JobStatus.COMPLETED:
        return ngettext("{made} is ready.", "{made} are ready.", len(assets)).format(
            made=made_text(assets)
        )
    undecided = [each for each in assets if each.state == AssetState.UNKNOWN]
    if not undecided:
        return _what_is_missing(job, assets)
    need = ngettext(
        "{items} needs your decision.", "{items} need your decision.", len(undecided)
    ).format(items=counted(undecided))
    return f"{_what_is_missing(job, assets)} {need}"


def made_text(assets: Sequence[Asset]) -> str:
    """Return how many of each kind were made, such as `5 videos and 4 images`."""
    of_kinds = [[each for each in assets if each.kind == kind] for kind in KINDS]
    return listed(
        [
            count_text(same[0].kind, sum(each.state == AssetState.DONE for each in same))
            for same in of_kinds
            if same
        ]
    )


def counted(assets: Sequence[Asset]) -> str:
    """Return how many there are, without the kinds of which there are none."""
    numbers = {kind: sum(each.kind == kind for each in assets) for kind in KINDS}
    return listed([count_text(kind, many) for kind, many in numbers.items() if many])


def count_text(kind: Kind, count: int) -> str:
    """Return a number of items of a kind, such as `5 videos`."""
    if kind == Kind.VIDEO:
        return ngettext("{count} video", "{count} videos", count).format(count=number(count))
    return ngettext("{count} image", "{count} images", count).format(count=number(count))


def _what_is_missing(job: Job, assets: Sequence[Asset]) -> str:
    cancelled = job.status == JobStatus.CANCELLED
    if not any(each.state == AssetState.DONE for each in assets):
        if cancelled:
            return _("It was cancelled before anything was ready.")
        return _("Nothing is ready.")
    counts = []
    for kind in KINDS:
        if of_kind := [each for each in assets if each.kind == kind]:
            text = (
                _("{made} of {all} videos") if kind == Kind.VIDEO else _("{made} of {all} images")
            )
            made = sum(each.state == AssetState.DONE for each in of_kind)
            counts.append(text.format(made=made, all=len(of_kind)))
    said = (
        _("The rest was cancelled: {counts} were made.")
        if cancelled
        else _("Some are missing: {counts} were made.")
    )
    return said.format(counts=listed(counts))
