"""What the board shows: a job or a gallery as plain JSON, ready to be drawn.

The front end decides nothing: every word it shows stands here.
"""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any, Final

from core.models import (
    ENDED_STATES,
    OPEN_STATES,
    Asset,
    AssetState,
    ChannelName,
    Job,
    JobStatus,
    Kind,
    Notify,
    Share,
    When,
)
from core.models.notices import ALWAYS
from core.outcome import CHANNEL_TITLES, ending, made_text
from core.web.buttons import job_acts
from core.web.moments import span_text
from core.web.money import amounts_text
from core.web.tiles import tile
from core.web.view import View

Json = dict[str, Any]

GENERATING: Final = "Your content is being generated. Please check back later."
_GENERATING_THEIRS: Final = "This is being made at the moment. What is ready is shown already."

_TITLES: Final = {Kind.VIDEO: "Videos", Kind.IMAGE: "Images"}  # in the order they are shown
_STATUS: Final = {
    JobStatus.PROCESSING: "In the making",
    JobStatus.COMPLETED: "Completed",
    JobStatus.FAILED: "Completed in part",
    JobStatus.CANCELLED: "Cancelled",
}


def snapshot(job: Job, assets: Sequence[Asset], view: View) -> Json:
    """Return everything that a job's page shows.

    Args:
        job: the job.
        assets: its items.
        view: who looks, and when.
    """
    return {
        "job": _heading(job, assets, view),
        "sections": [
            {
                "kind": str(kind),
                "title": title,
                "count": _tally([each for each in assets if each.kind == kind]),
                "items": [tile(each, job.prompt, view) for each in assets if each.kind == kind],
                "more": False,
            }
            for kind, title in _TITLES.items()
            if any(each.kind == kind for each in assets)
        ],
        "facts": _facts(job, assets, view),
    }


def gallery(
    found: Mapping[Kind, Sequence[Asset]],
    counts: Mapping[Kind, int],
    prompts: Mapping[str, str],
    view: View,
) -> Json:
    """Return everything that the gallery shows.

    Args:
        found: the finished items to show, by kind, newest first.
        counts: how many there are in all.
        prompts: the prompts, by job id.
        view: who looks, and when.
    """
    return {
        "sections": [
            {
                "kind": str(kind),
                "title": title,
                "count": f"{counts[kind]:,}",
                "items": [
                    tile(each, prompts.get(each.job_id, ""), view) | {"job": each.job_id}
                    for each in found[kind]
                ],
                "more": counts[kind] > len(found[kind]),
            }
            for kind, title in _TITLES.items()
            if counts[kind]
        ],
    }


def card(job: Job, assets: Sequence[Asset], view: View) -> Json:
    """Return a job as a card of the list of recent jobs."""
    made = [each for each in assets if each.state == AssetState.DONE]
    active = job.status == JobStatus.PROCESSING
    return {
        "id": job.id,
        "href": f"/job?id={job.id}",
        "prompt": job.prompt,
        "status": str(job.status),
        "label": _label(job),
        "percent": _percent(assets) if active else None,
        "summary": f"{len(made)} of {len(assets)} ready" if active else made_text(assets),
        "time": view.moment(job.created_at),
        "stills": [view.address(each.id, "preview") for each in made[:4]],
    }


def admin_note(owner: str) -> str:
    """Return what an admin is reminded of above somebody else's work."""
    return f"You are looking at {owner}'s work as an admin; this look is logged."


def share_note(share: Share, view: View) -> str:
    """Return whose work a guest sees, and for how long."""
    ends = view.moment(share.expires_at)
    return f"Fivefold · {share.user_id} shares this with you until {ends}."


def ended_toast(job: Job) -> str:
    """Return what is said in passing when a job ends under the user's eyes."""
    if job.status == JobStatus.FAILED and not job.image_paths + job.video_paths:
        return "Your content could not be made."
    return {
        JobStatus.COMPLETED: "Your content is ready.",
        JobStatus.CANCELLED: (
            "The rest was cancelled."
            if job.image_paths + job.video_paths
            else "The job was cancelled."
        ),
    }.get(job.status, "Your content is ready in part.")


def _label(job: Job) -> str:
    if job.status == JobStatus.FAILED and not job.image_paths + job.video_paths:
        return "Nothing made"
    return _STATUS[job.status]


def _heading(job: Job, assets: Sequence[Asset], view: View) -> Json:
    active = job.status == JobStatus.PROCESSING
    done = sum(each.state == AssetState.DONE for each in assets)
    return {
        "id": job.id,
        "prompt": job.prompt,
        "status": str(job.status),
        "label": _label(job),
        "active": active,
        "sentence": _going_on(assets, view) if active else _ending(job, assets, view),
        "percent": _percent(assets),
        "ready": f"{done} of {len(assets)} ready",
        "time": view.moment(job.created_at),
        "acts": job_acts(job, assets) if view.owns else [],
    }


def _going_on(assets: Sequence[Asset], view: View) -> str:
    left = [each for each in assets if each.state in OPEN_STATES]
    if left and all(each.cancel_requested for each in left):
        return "What is left is being cancelled."
    return GENERATING if view.owns else _GENERATING_THEIRS


def _ending(job: Job, assets: Sequence[Asset], view: View) -> str:
    if not view.owns:  # nobody else is asked for a decision
        undecided = {"state": AssetState.FAILED}
        assets = [
            each.model_copy(update=undecided) if each.state == AssetState.UNKNOWN else each
            for each in assets
        ]
    return ending(job, assets)


def _tally(assets: Sequence[Asset]) -> str:
    done = sum(each.state == AssetState.DONE for each in assets)
    return f"{done}" if done == len(assets) else f"{done} of {len(assets)}"


def _percent(assets: Sequence[Asset]) -> int:
    """Return how far a job is; 100 only when all of it has ended."""
    shares = [1.0 if each.state in ENDED_STATES else 0.98 * each.progress for each in assets]
    return int(100 * sum(shares) / max(len(shares), 1))


def _facts(job: Job, assets: Sequence[Asset], view: View) -> list[tuple[str, str]]:
    """Return how the job was made, as label and text."""
    makers = dict.fromkeys(f"{view.title_of(each.provider)} ({each.model})" for each in assets)
    facts = [("Made by", ", ".join(makers))]
    for kind, title in _TITLES.items():
        if not any(each.kind == kind for each in assets):
            continue
        sizes = dict.fromkeys(
            f"{each.params['width']} × {each.params['height']}"
            for each in assets
            if each.kind == kind
        )
        facts.append((title, ", ".join(sizes)))
    if job.options.seconds and job.requested.videos:
        facts.append(("Clip length", f"{job.options.seconds} s"))
    facts.append(("Seed", str(job.options.seed)))
    facts.append(("Requested", view.moment(job.created_at)))
    if job.options.style:
        facts.append(("Style", job.options.style))
    if job.status == JobStatus.PROCESSING and view.owns:
        facts.append(
            ("You are told", f"{wish_text(job.notify, view)}: {channels_text(job.notify)}")
        )
    if not view.is_guest and (cost := amounts_text(job.cost)):
        facts.append(("Cost", cost))
    if job.generated_at:
        facts.append(("Ready", view.moment(job.generated_at)))
        facts.append(("Took", span_text(max(job.generated_at - job.created_at, timedelta(0)))))
    return facts


def wish_text(wish: Notify, view: View) -> str:
    """Return when a job in the making is to be announced, in words."""
    if wish.when == When.AT and wish.at is not None:
        return f"When it is ready, not before {view.moment(wish.at)}"
    if wish.when == When.DAILY:
        return f"In the daily digest at {wish.daily} ({wish.timezone})"
    return "As soon as it is ready"


def channels_text(wish: Notify) -> str:
    """Return by what a job is to be announced, in words."""
    channels = wish.channels or (ALWAYS,)
    return ", ".join(CHANNEL_TITLES[ChannelName(name)] for name in channels)
