"""The outcome of a job in words: the same on pages and in messages."""

from collections.abc import Sequence
from typing import Final

from core.i18n import N_, listed, ngettext, number, translated
from core.i18n import gettext as _
from core.models import Asset, AssetState, Job, JobStatus, Kind

KINDS: Final = (Kind.VIDEO, Kind.IMAGE)
"""Both kinds, in the order in which they are shown."""

IN_PART: Final = "Completed in part"
"""The status of a job that failed, but of which something is there."""

STATUSES: Final = {
    str(JobStatus.PROCESSING): N_("In the making"),
    str(JobStatus.COMPLETED): N_("Completed"),
    IN_PART: N_("Completed in part"),
    str(JobStatus.FAILED): N_("Failed"),
    str(JobStatus.CANCELLED): N_("Cancelled"),
}
"""What the outcomes of jobs are called, on every page and on the command line."""
_MAYBE: Final = N_("It may have been charged.")
_NO_ANSWER: Final = N_("It was sent, but the answer never came; it may have been charged.")


def status_of(job: Job) -> str:
    """Return where a job stands, as a key of `STATUSES`."""
    some = bool(job.image_paths + job.video_paths)
    return IN_PART if some and job.status == JobStatus.FAILED else str(job.status)


def status_text(job: Job) -> str:
    """Return where a job stands, in a word or two."""
    return _(STATUSES[status_of(job)])


def headline(job: Job, assets: Sequence[Asset]) -> str:
    """Return what happened to a job that has ended, in a few words."""
    if any(each.state == AssetState.UNKNOWN for each in assets):
        return _("Your decision is needed")
    if job.status == JobStatus.COMPLETED:
        return _("Your content is ready")
    made = any(each.state == AssetState.DONE for each in assets)
    if job.status == JobStatus.CANCELLED:
        return _("Your request was cancelled")
    if made:
        return _("Your content is ready in part")
    if any(each.charged for each in assets):  # some of it may well have been made
        return _("Your content is not ready")
    return _("Your content could not be made")


def ending(job: Job, assets: Sequence[Asset]) -> str:
    """Return what came of a job that has ended, in honest words."""
    if job.status == JobStatus.COMPLETED:
        said = ngettext("{made} is ready.", "{made} are ready.", len(assets)).format(
            made=made_text(assets)
        )
        return " ".join([said, *identical_text(assets)])
    parts = [_what_is_missing(job, assets), *_missing_text(job, assets)]
    return " ".join([*parts, *identical_text(assets)])


def identical(assets: Sequence[Asset]) -> list[list[Asset]]:
    """Return the finished items whose files are the same, byte for byte, together."""
    same: dict[tuple[Kind, str], list[Asset]] = {}
    for each in assets:
        if each.state == AssetState.DONE and each.sha256:
            same.setdefault((each.kind, each.sha256), []).append(each)
    return [found for found in same.values() if len(found) > 1]


def identical_text(assets: Sequence[Asset]) -> list[str]:
    """Return a sentence for each set of items whose files are the same."""
    said = {
        Kind.IMAGE: N_("{count} of these images are identical: the server may ignore the seed."),
        Kind.VIDEO: N_("{count} of these videos are identical: the server may ignore the seed."),
    }
    return [_(said[same[0].kind]).format(count=number(len(same))) for same in identical(assets)]


def why(asset: Asset) -> str:
    """Return why an item that has ended has no file, and what is left of it, in sentences.

    That is the stored sentence, ours with the provider's own words, then what may have been paid.
    """
    said = asset.error.message if asset.error else ""
    parts = [translated(said)] if said else []
    if asset.state == AssetState.UNKNOWN and not said:
        said, parts = _NO_ANSWER, [_(_NO_ANSWER)]
    if asset.state == AssetState.FAILED and asset.error and asset.error.retryable:
        tried = ngettext("It was tried once.", "It was tried {number} times.", asset.attempts)
        parts.append(tried.format(number=number(asset.attempts)))
    paid = asset.charged or asset.state == AssetState.UNKNOWN
    if paid and "charge" not in said:  # it is stored in English
        parts.append(_("It was charged.") if asset.cost.actual else _(_MAYBE))
    if asset.charged and asset.remote_id is not None:
        parts.append(_("Asking for it again costs nothing."))
    if asset.kept:
        file = any(each.what == "file" for each in asset.kept)
        parts.append(_("The file that came is kept.") if file else _("The reply is kept."))
    return " ".join(parts)


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


def _missing_text(job: Job, assets: Sequence[Asset]) -> list[str]:
    """Return a sentence for each way in which items are missing."""
    of_state = {
        state: [each for each in assets if each.state == state]
        for state in (AssetState.FAILED, AssetState.CANCELLED, AssetState.UNKNOWN)
    }
    failed, cancelled, unknown = of_state.values()
    parts = []
    if failed:
        text = ngettext("{items} failed.", "{items} failed.", len(failed))
        parts.append(text.format(items=counted(failed)))
    if cancelled and job.status != JobStatus.CANCELLED:
        text = ngettext("{items} was cancelled.", "{items} were cancelled.", len(cancelled))
        parts.append(text.format(items=counted(cancelled)))
    if unknown:
        text = ngettext("{items} needs your decision.", "{items} need your decision.", len(unknown))
        parts.append(text.format(items=counted(unknown)))
    return parts


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
