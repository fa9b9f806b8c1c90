"""Snapshots of a job as JSON for its page, and patches between them.

All words are chosen here; the front end only draws them.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Final, Protocol

from core.i18n import N_, ngettext
from core.i18n import gettext as _
from core.models import (
    ENDED_STATES,
    OPEN_STATES,
    TERMINAL,
    Asset,
    AssetState,
    Job,
    JobStatus,
    Kind,
    Notify,
    Share,
    When,
)
from core.models.job_summary import (
    ending,
    identical,
    identical_text,
    made_text,
    status_text,
)
from core.notifications.registry import channel_title
from core.store.work.eta import Eta
from core.studio.styles import STYLES
from core.web.jobs.action_buttons import job_actions
from core.web.jobs.item_view import tile
from core.web.text.dates import span_text
from core.web.text.money import amounts_text, job_cost_text
from core.web.text.view_context import ViewContext

Json = dict[str, Any]

_NO_ETA: Final = Eta()

GENERATING: Final = N_("Your content is being generated. Please check back later.")
_GENERATING_THEIRS: Final = N_("This is being made at the moment. What is ready is shown already.")

# Images come first: they are generated first, and do not push the clips out of sight.
_TITLES: Final = {Kind.IMAGE: N_("Images"), Kind.VIDEO: N_("Videos")}
_MINUTE: Final = 60
_HOUR: Final = 3600


class DrawTile(Protocol):
    """A function like `core.web.jobs.item_view.tile`, which may cache."""

    def __call__(self, asset: Asset, prompt: str, view: ViewContext, eta: Eta, /) -> Json:
        """Return one item as a tile."""
        ...


def snapshot(
    job: Job, assets: Sequence[Asset], view: ViewContext, eta: Eta = _NO_ETA, draw: DrawTile = tile
) -> Json:
    """Return everything that a job's page shows.

    Args:
        job: the job.
        assets: its items.
        view: the view context.
        eta: places and expected times of its items.
        draw: returns the tiles.
    """
    return {
        "now": view.today.isoformat(),
        "job": _heading(job, assets, view, eta),
        "sections": [
            {
                "kind": str(kind),
                "title": _(title),
                "count": _tally([each for each in assets if each.kind == kind]),
                "items": [
                    draw(each, job.prompt, view, eta) for each in assets if each.kind == kind
                ],
            }
            for kind, title in _TITLES.items()
            if any(each.kind == kind for each in assets)
        ],
        "facts": _facts(job, assets, view),
    }


def patch(before: Json, after: Json) -> Json | None:
    """Return what changed between two snapshots; empty: nothing.

    Returns:
        `now` with `job`, `facts`, `counts` by kind and the changed `tiles`, each only if it
        changed; None: the items are others, so that a new snapshot is needed.
    """
    changed: Json = {each: after[each] for each in ("job", "facts") if after[each] != before[each]}
    if _kinds_and_ids(before) != _kinds_and_ids(after):
        return None
    counts, tiles = {}, []
    for old, new in zip(before["sections"], after["sections"], strict=True):
        if old["count"] != new["count"]:
            counts[new["kind"]] = new["count"]
        pairs = zip(old["items"], new["items"], strict=True)
        tiles += [each for former, each in pairs if each is not former and each != former]
    changed |= ({"counts": counts} if counts else {}) | ({"tiles": tiles} if tiles else {})
    return {"now": after["now"]} | changed if changed else {}


def _kinds_and_ids(shown: Json) -> list[tuple[str, list[str]]]:
    return [(each["kind"], [item["id"] for item in each["items"]]) for each in shown["sections"]]


def card(job: Job, assets: Sequence[Asset], view: ViewContext) -> Json:
    """Return a job as a card of the list of recent jobs."""
    made = [each for each in assets if each.state == AssetState.DONE]
    active = job.status == JobStatus.PROCESSING
    return {
        "id": job.id,
        "href": f"/job?id={job.id}",
        "prompt": job.prompt,
        "status": str(job.status),
        "label": status_text(job),
        "percent": _percent(assets) if active else None,
        "summary": _ready(len(made), len(assets)) if active else made_text(assets),
        "time": view.moment(job.created_at),
        "stills": [view.address(each.id, "preview") for each in made[:4]],
    }


def admin_note(owner: str) -> str:
    """Return the note for admins above somebody else's job."""
    note = _("You are looking at {owner}'s work as an admin; this look is logged.")
    return note.format(owner=owner)


def share_note(share: Share, view: ViewContext) -> str:
    """Return the note for guests: whose job it is, and until when it is shared."""
    note = _("Fivefold · {owner} shares this with you until {ends}.")
    return note.format(owner=share.user_id, ends=view.moment(share.expires_at))


def ended_toast(job: Job) -> str:
    """Return the toast for a job that ends while its page is open."""
    some = bool(job.image_paths + job.video_paths)
    if job.status == JobStatus.COMPLETED:
        return _("Your content is ready.")
    if job.status == JobStatus.CANCELLED:
        return _("The rest was cancelled.") if some else _("The job was cancelled.")
    if some:
        return _("Your content is ready in part.")
    if job.cost or job.uncertain_cost:
        return _("Your content is not ready.")
    return _("Your content could not be made.")


def _heading(job: Job, assets: Sequence[Asset], view: ViewContext, eta: Eta) -> Json:
    active = job.status == JobStatus.PROCESSING
    done = sum(each.state == AssetState.DONE for each in assets)
    return {
        "id": job.id,
        "prompt": job.prompt,
        "status": str(job.status),
        "label": status_text(job),
        "active": active,
        "sentence": _going_on(assets, view) if active else _ending(job, assets, view),
        "toast": "" if active else ended_toast(job),
        "percent": _percent(assets),
        "ready": _ready(done, len(assets)),
        "left": left_text(eta.left) if active else "",
        "time": view.moment(job.created_at),
        "acts": job_actions(job, assets, eta) if view.owns else [],
    }


def left_text(seconds: float | None) -> str:
    """Return the remaining time in words; empty: it is not known."""
    if seconds is None:
        return ""
    if seconds < _MINUTE:
        return _("less than a minute left")
    if seconds < _HOUR:
        minutes = round(seconds / _MINUTE)
        text = ngettext("about {count} minute left", "about {count} minutes left", minutes)
        return text.format(count=minutes)
    hours = round(seconds / _HOUR)
    return ngettext("about {count} hour left", "about {count} hours left", hours).format(
        count=hours
    )


def _ready(done: int, number: int) -> str:
    return _("{done} of {number} ready").format(done=done, number=number)


def _going_on(assets: Sequence[Asset], view: ViewContext) -> str:
    left = [each for each in assets if each.state in OPEN_STATES]
    if left and all(each.cancel_requested for each in left):
        return _("What is left is being cancelled.")
    going_on = _(GENERATING) if view.owns else _(_GENERATING_THEIRS)
    return " ".join([going_on, *identical_text(assets)])


def _ending(job: Job, assets: Sequence[Asset], view: ViewContext) -> str:
    if not assets:  # all of them are in the bin
        return _("There is nothing here, or not any more.")
    if not view.owns:  # only owners are asked for a decision
        undecided = {"state": AssetState.FAILED}
        assets = [
            each.model_copy(update=undecided) if each.state == AssetState.UNKNOWN else each
            for each in assets
        ]
    return ending(job, assets)


def _tally(assets: Sequence[Asset]) -> str:
    done = sum(each.state == AssetState.DONE for each in assets)
    if done == len(assets):
        return f"{done}"
    return _("{done} of {number}").format(done=done, number=len(assets))


def _percent(assets: Sequence[Asset]) -> int:
    """Return a job's progress; 100 only when all items have ended."""
    shares = [1.0 if each.state in ENDED_STATES else 0.98 * each.progress for each in assets]
    return int(100 * sum(shares) / max(len(shares), 1))


def _facts(job: Job, assets: Sequence[Asset], view: ViewContext) -> list[tuple[str, str]]:
    """Return the details of a job as labels and texts."""
    models = dict.fromkeys(f"{view.title_of(each.provider)} ({each.model})" for each in assets)
    facts = [(_("Made by"), ", ".join(models))]
    for kind, title in _TITLES.items():
        if not any(each.kind == kind for each in assets):
            continue
        sizes = dict.fromkeys(
            f"{each.params['width']} × {each.params['height']}"
            for each in assets
            if each.kind == kind and {"width", "height"} <= set(each.params)
        )
        facts.append((_(title), ", ".join(sizes)))
    if job.options.seconds and job.requested.videos:
        facts.append((_("Clip length"), _("{seconds} s").format(seconds=job.options.seconds)))
    facts.append((_("Seed"), str(job.options.seed)))
    facts.append((_("Requested"), view.moment(job.created_at)))
    if job.options.style:
        title, _words = STYLES.get(job.options.style, (job.options.style, ""))
        facts.append((_("Style"), _(title)))
    if job.status == JobStatus.PROCESSING and view.owns:
        notified = f"{notify_text(job.notify, view)}: {channels_text(job.notify)}"
        facts.append((_("You are told"), notified))
    for same in identical(assets):
        titles = {Kind.IMAGE: _("Identical images"), Kind.VIDEO: _("Identical videos")}
        facts.append((titles[same[0].kind], ", ".join(str(each.slot) for each in same)))
    if not view.is_guest and (amounts_text(job.cost) or job.uncertain_cost):
        facts.append((_("Cost"), job_cost_text(job)))
    if job.generated_at:
        facts.append((_("Ready"), view.moment(job.generated_at)))
        took = max(job.generated_at - job.created_at, timedelta(0))
        facts.append((_("Took"), span_text(took)))
    return facts


def notify_text(notify: Notify, view: ViewContext) -> str:
    """Return when the user is notified of a job, in words."""
    if notify.when == When.AT and notify.at is not None:
        text = _("When it is ready, not before {time}")
        return text.format(time=view.moment(notify.at))
    if notify.when == When.DAILY:
        text = _("In the daily digest at {time} ({zone})")
        return text.format(time=notify.daily, zone=notify.timezone)
    return _("As soon as it is ready")


def channels_text(notify: Notify) -> str:
    """Return by which channels the user is notified of a job, in words."""
    channels = notify.channels or (TERMINAL,)
    return ", ".join(map(channel_title, channels))
