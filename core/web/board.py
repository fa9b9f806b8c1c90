"""What the board shows: a job or a gallery as plain JSON, ready to be drawn.

The front end decides nothing: every word it shows stands here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from core.models import (
    ENDED_STATES,
    OPEN_STATES,
    Asset,
    AssetState,
    ChannelName,
    Cost,
    Job,
    JobStatus,
    Kind,
    Notify,
    When,
)
from core.models.notices import ALWAYS
from core.outcome import CHANNEL_TITLES, counted, ending, made_text
from core.web.moments import moment_text, span_text
from core.web.money import amount_text, amounts_text

Json = dict[str, Any]

GENERATING: Final = "Your content is being generated. Please check back later."

_TITLES: Final = {Kind.VIDEO: "Videos", Kind.IMAGE: "Images"}  # in the order they are shown
_LOOKS: Final = {
    AssetState.QUEUED: ("waiting", "Waiting"),
    AssetState.SUBMITTING: ("drawing", "Starting"),
    AssetState.RUNNING: ("drawing", "Drawing"),
    AssetState.SAVING: ("saving", "Saving"),
    AssetState.DONE: ("done", ""),
    AssetState.FAILED: ("failed", "Could not be made"),
    AssetState.UNKNOWN: ("unknown", "Outcome not known"),
    AssetState.CANCELLED: ("cancelled", "Cancelled"),
}
_CANCELLING: Final = ("drawing", "Cancelling …")
_UNKNOWN: Final = (
    "It was sent, but the answer never came; it may have been charged. "
    "Only you can decide to send it again."
)
_TO_MAKE_AGAIN: Final = (AssetState.FAILED, AssetState.CANCELLED)
_STATUS: Final = {
    JobStatus.PROCESSING: "In the making",
    JobStatus.COMPLETED: "Completed",
    JobStatus.FAILED: "Completed in part",
    JobStatus.CANCELLED: "Cancelled",
}
_TIMES: Final = {"submitted_at": "Sent", "started_at": "Taken", "saved_at": "Saved"}
_ALT_CHARACTERS: Final = 140
_KIB: Final = 1024


@dataclass(frozen=True, kw_only=True)
class View:
    """Who looks, and when: what the words depend on beside what they are about.

    Attributes:
        zone: the browser's zone.
        today: the present time.
        title_of: turns a provider's name into one for people.
        animates: whether an image can be made clips of.
    """

    zone: tzinfo
    today: datetime
    title_of: Callable[[str], str] = str
    animates: bool = False

    def moment(self, moment: datetime) -> str:
        """Return a time in words."""
        return moment_text(moment, self.zone, self.today)


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
                "items": [item(each, job.prompt, view) for each in assets if each.kind == kind],
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
                    item(each, prompts.get(each.job_id, ""), view) | {"job": each.job_id}
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
        "stills": [f"/content/{each.id}/preview" for each in made][:4],
    }


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


def item(asset: Asset, prompt: str, view: View) -> Json:
    """Return one tile.

    Args:
        asset: the item.
        prompt: its job's prompt.
        view: who looks, and when.
    """
    cancelling = asset.cancel_requested and asset.state in OPEN_STATES
    state, label = _CANCELLING if cancelling else _LOOKS[asset.state]
    if asset.state == AssetState.RUNNING and asset.waiting and not cancelling:
        state, label = _LOOKS[AssetState.QUEUED]
    name = f"{'Video' if asset.kind == Kind.VIDEO else 'Image'} {asset.slot}"
    width, height = asset.width or asset.params["width"], asset.height or asset.params["height"]
    drawing = state == "drawing" and asset.state == AssetState.RUNNING and not cancelling
    percent = round(100 * asset.progress) if drawing else None
    tile: Json = {
        "id": asset.id,
        "kind": str(asset.kind),
        "name": name,
        "state": state,
        "label": label if percent is None else f"{label} · {percent}%",
        "percent": percent,
        "message": "" if cancelling else _message(asset),
        "width": width,
        "height": height,
        "prompt": prompt,
        "acts": [] if cancelling else _acts(asset, name),
        "made": made_by(asset, prompt, view),
    }
    if asset.partial and asset.state in OPEN_STATES:
        tile["partial"] = f"/content/{asset.id}/partial?number={asset.partial}"
    if asset.state == AssetState.QUEUED and asset.error and not cancelling:
        tile["label"] = "Trying again shortly"
    if asset.state == AssetState.DONE:
        address = f"/content/{asset.id}"
        tile |= {
            "message": "",
            "original": address,
            "preview": f"{address}/preview",
            "poster": f"{address}/poster",
            "download": f"{address}?download=1",
            "alt": f"{name} of “{_cut(prompt)}”",
            "facts": _file_facts(asset),
            "weight": _weight(asset.bytes),
        }
        if view.animates and asset.kind == Kind.IMAGE:
            tile["animate"] = f"/?animate={asset.id}"
    return tile


def _message(asset: Asset) -> str:
    if asset.state == AssetState.UNKNOWN:
        return _UNKNOWN
    if asset.state == AssetState.RUNNING:
        return asset.waiting[:1].upper() + asset.waiting[1:]
    return asset.error.message if asset.error else ""


def _acts(asset: Asset, name: str) -> list[Json]:
    """Return what the user can do about one item, as buttons."""
    if asset.state in OPEN_STATES:
        return [_act("cancel", asset.id, "Cancel", f"Cancel {name}")]
    if asset.state in _TO_MAKE_AGAIN:
        return [_act("retry", asset.id, "Try again", f"Try again: {name}")]
    if asset.state == AssetState.UNKNOWN:
        again = _send_again(f"Send {name} again?", [asset])
        return [_act("resend", asset.id, "Send again", f"Send again: {name}", again)]
    return []


def _job_acts(job: Job, assets: Sequence[Asset]) -> list[Json]:
    """Return what the user can do about the whole job, as buttons."""
    if job.status == JobStatus.PROCESSING:
        if not any(each.state in OPEN_STATES and not each.cancel_requested for each in assets):
            return []
        question = {
            "title": "Cancel this job?",
            "text": (
                "What is ready stays. What has not begun is not made, "
                "and what is under way is stopped where that is possible."
            ),
            "yes": "Cancel the job",
            "no": "Keep going",
        }
        return [_act("cancel", None, "Cancel", "Cancel the job", question)]
    acts = []
    if any(each.state in _TO_MAKE_AGAIN for each in assets):
        missing = "Try the missing ones again"
        acts.append(_act("retry", None, missing, missing))
    if unknown := [each for each in assets if each.state == AssetState.UNKNOWN]:
        again = _send_again(f"Send {counted(unknown)} again?", unknown)
        acts.append(_act("resend", None, "Send again", f"Send again: {counted(unknown)}", again))
    return acts


def _act(name: str, on: str | None, text: str, label: str, question: Json | None = None) -> Json:
    """Return a button.

    Args:
        name: what it asks for: `cancel`, `retry` or `resend`.
        on: the item that it is about; None: the whole job.
        text: what it says.
        label: what it says to those who do not see where it is.
        question: what is asked before it is done; None: it is done at once.
    """
    return {"name": name, "on": on, "text": text, "label": label, "question": question}


def _send_again(title: str, assets: Sequence[Asset]) -> Json:
    it = "It" if len(assets) == 1 else "They"
    return {
        "title": title,
        "text": (
            f"{it} may have been made and charged the first time. "
            f"If you send {'it' if len(assets) == 1 else 'them'} again, "
            f"{it.lower()} may be charged twice."
        ),
        "yes": "Send again",
        "no": "Leave it" if len(assets) == 1 else "Leave them",
    }


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
        "sentence": _going_on(assets) if active else ending(job, assets),
        "percent": _percent(assets),
        "ready": f"{done} of {len(assets)} ready",
        "time": view.moment(job.created_at),
        "acts": _job_acts(job, assets),
    }


def _going_on(assets: Sequence[Asset]) -> str:
    left = [each for each in assets if each.state in OPEN_STATES]
    cancelling = left and all(each.cancel_requested for each in left)
    return "What is left is being cancelled." if cancelling else GENERATING


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
    if job.status == JobStatus.PROCESSING:
        facts.append(
            ("You are told", f"{wish_text(job.notify, view)}: {channels_text(job.notify)}")
        )
    if cost := amounts_text(job.cost):
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


def made_by(asset: Asset, prompt: str, view: View) -> list[tuple[str, str]]:
    """Return how one item was made, as label and text: what was sent, and what came back."""
    times = asset.timings
    facts = [
        ("Prompt", asset.prompt or prompt),
        ("Made by", f"{view.title_of(asset.provider)} ({asset.model})"),
        *((_words(name), str(value)) for name, value in asset.params.items()),
        *((_words(name), _flat(value)) for name, value in asset.details.items()),
        ("Image it is made of", asset.source or ""),
        ("Id at the provider", asset.remote_id or ""),
        ("Cost", _cost(asset.cost)),
        ("Attempts", str(asset.attempts) if asset.attempts > 1 else ""),
        *((label, view.moment(times[name])) for name, label in _TIMES.items() if name in times),
    ]
    if {"submitted_at", "saved_at"} <= set(times):
        took = times["saved_at"] - times["submitted_at"]
        facts.append(("Took", span_text(max(took, timedelta(0)))))
    return [(label, text) for label, text in facts if text]


def _cost(cost: Cost) -> str:
    if cost.actual is not None or cost.earlier:
        return amount_text(cost.spent, cost.unit) if cost.spent else "nothing"
    return "" if cost.estimated is None else f"about {amount_text(cost.estimated, cost.unit)}"


def _words(name: str) -> str:
    return name.replace("_", " ").capitalize()


def _flat(value: object) -> str:
    """Return a value that a provider sent as one line."""
    if isinstance(value, Mapping):
        return ", ".join(
            f"{_words(str(name)).lower()} {_flat(each)}"
            for name, each in value.items()
            if each not in (None, {}, [])
        )
    return str(value)


def _file_facts(asset: Asset) -> str:
    parts = [f"{asset.width} × {asset.height}"] if asset.width else []
    if asset.seconds:
        parts.append(f"{asset.seconds:g} s")
    return " · ".join(parts)


def _weight(size: int | None) -> str:
    mib = (size or 0) / _KIB**2
    return f"{mib:.1f} MB" if mib >= 1 else f"{max(1, round(mib * _KIB))} KB"


def _cut(prompt: str) -> str:
    line = " ".join(prompt.split())
    return line if len(line) <= _ALT_CHARACTERS else f"{line[: _ALT_CHARACTERS - 1]}…"
