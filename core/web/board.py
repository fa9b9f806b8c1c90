"""What the board shows: a job or a gallery as plain JSON, ready to be drawn.

The front end decides nothing: every word it shows stands here.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final

from core.models import Asset, AssetState, Job, JobStatus, Kind
from core.web.moments import moment_text, span_text

Json = dict[str, Any]

GENERATING: Final = "Your content is being generated. Please check back later."

_TITLES: Final = {Kind.VIDEO: "Videos", Kind.IMAGE: "Images"}  # in the order they are shown
_NOUNS: Final = {Kind.VIDEO: ("video", "videos"), Kind.IMAGE: ("image", "images")}
_LOOKS: Final = {
    AssetState.QUEUED: ("waiting", "Waiting"),
    AssetState.SUBMITTING: ("drawing", "Starting"),
    AssetState.RUNNING: ("drawing", "Drawing"),
    AssetState.SAVING: ("saving", "Saving"),
    AssetState.DONE: ("done", ""),
    AssetState.FAILED: ("failed", "Could not be made"),
    AssetState.UNKNOWN: ("failed", "Outcome not known"),
    AssetState.CANCELLED: ("failed", "Cancelled"),
}
_STATUS: Final = {
    JobStatus.PROCESSING: "In the making",
    JobStatus.COMPLETED: "Completed",
    JobStatus.FAILED: "Completed in part",
    JobStatus.CANCELLED: "Cancelled",
}
_ALT_CHARACTERS: Final = 140
_KIB: Final = 1024


def snapshot(
    job: Job,
    assets: Sequence[Asset],
    *,
    zone: tzinfo,
    today: datetime,
    title_of: Callable[[str], str] = str,
) -> Json:
    """Return everything that a job's page shows.

    Args:
        job: the job.
        assets: its items.
        zone: the browser's zone.
        today: the present time.
        title_of: turns a provider's name into one for people.
    """
    return {
        "job": _heading(job, assets, zone, today),
        "sections": [
            {
                "kind": str(kind),
                "title": title,
                "count": _tally([each for each in assets if each.kind == kind]),
                "items": [item(each, job.prompt) for each in assets if each.kind == kind],
                "more": False,
            }
            for kind, title in _TITLES.items()
        ],
        "facts": _facts(job, assets, zone, today, title_of),
    }


def gallery(
    found: Mapping[Kind, Sequence[Asset]],
    counts: Mapping[Kind, int],
    prompts: Mapping[str, str],
) -> Json:
    """Return everything that the gallery shows.

    Args:
        found: the finished items to show, by kind, newest first.
        counts: how many there are in all.
        prompts: the prompts, by job id.
    """
    return {
        "sections": [
            {
                "kind": str(kind),
                "title": title,
                "count": f"{counts[kind]:,}",
                "items": [
                    item(each, prompts.get(each.job_id, "")) | {"job": each.job_id}
                    for each in found[kind]
                ],
                "more": counts[kind] > len(found[kind]),
            }
            for kind, title in _TITLES.items()
            if counts[kind]
        ],
    }


def card(job: Job, assets: Sequence[Asset], *, zone: tzinfo, today: datetime) -> Json:
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
        "summary": f"{len(made)} of {len(assets)} ready" if active else _made(assets),
        "time": moment_text(job.created_at, zone, today),
        "stills": [f"/content/{each.id}/preview" for each in made][:4],
    }


def ended_toast(job: Job) -> str:
    """Return what is said in passing when a job ends under the user's eyes."""
    if job.status == JobStatus.FAILED and not job.image_paths + job.video_paths:
        return "Your content could not be made."
    return {
        JobStatus.COMPLETED: "Your content is ready.",
        JobStatus.CANCELLED: "The job was cancelled.",
    }.get(job.status, "Your content is ready in part.")


def item(asset: Asset, prompt: str) -> Json:
    """Return one tile."""
    state, label = _LOOKS[asset.state]
    name = f"{'Video' if asset.kind == Kind.VIDEO else 'Image'} {asset.slot}"
    width, height = asset.width or asset.params["width"], asset.height or asset.params["height"]
    percent = round(100 * asset.progress) if asset.state == AssetState.RUNNING else None
    tile: Json = {
        "id": asset.id,
        "kind": str(asset.kind),
        "name": name,
        "state": state,
        "label": label if percent is None else f"{label} · {percent}%",
        "percent": percent,
        "message": asset.error.message if asset.error else "",
        "width": width,
        "height": height,
        "prompt": prompt,
    }
    if asset.state == AssetState.QUEUED and asset.error:
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
    return tile


def _label(job: Job) -> str:
    if job.status == JobStatus.FAILED and not job.image_paths + job.video_paths:
        return "Nothing made"
    return _STATUS[job.status]


def _heading(job: Job, assets: Sequence[Asset], zone: tzinfo, today: datetime) -> Json:
    active = job.status == JobStatus.PROCESSING
    done = sum(each.state == AssetState.DONE for each in assets)
    return {
        "id": job.id,
        "prompt": job.prompt,
        "status": str(job.status),
        "label": _label(job),
        "active": active,
        "sentence": GENERATING if active else _ending(job, assets),
        "percent": _percent(assets),
        "ready": f"{done} of {len(assets)} ready",
        "time": moment_text(job.created_at, zone, today),
    }


def _ending(job: Job, assets: Sequence[Asset]) -> str:
    """Return what came of an ended job, as one honest sentence."""
    if job.status == JobStatus.COMPLETED:
        return f"{_made(assets)} are ready."
    begun = "The rest was cancelled" if job.status == JobStatus.CANCELLED else "Some are missing"
    counts = " and ".join(
        f"{sum(each.state == AssetState.DONE for each in of_kind)} of {len(of_kind)} {nouns[1]}"
        for kind, nouns in _NOUNS.items()
        if (of_kind := [each for each in assets if each.kind == kind])
    )
    return f"{begun}: {counts} were made."


def _made(assets: Sequence[Asset]) -> str:
    parts = []
    for kind, (one, many) in _NOUNS.items():
        number = sum(each.kind == kind and each.state == AssetState.DONE for each in assets)
        parts.append(f"{number} {one if number == 1 else many}")
    return " and ".join(parts)


def _tally(assets: Sequence[Asset]) -> str:
    done = sum(each.state == AssetState.DONE for each in assets)
    return f"{done}" if done == len(assets) else f"{done} of {len(assets)}"


def _percent(assets: Sequence[Asset]) -> int:
    """Return how far a job is; 100 only when all of it has ended."""
    ended = ("done", "failed")
    shares = [1.0 if _LOOKS[each.state][0] in ended else 0.98 * each.progress for each in assets]
    return int(100 * sum(shares) / max(len(shares), 1))


def _facts(
    job: Job,
    assets: Sequence[Asset],
    zone: tzinfo,
    today: datetime,
    title_of: Callable[[str], str],
) -> list[tuple[str, str]]:
    """Return how the job was made, as label and text."""
    makers = dict.fromkeys(f"{title_of(each.provider)} ({each.model})" for each in assets)
    facts = [("Made by", ", ".join(makers))]
    for kind, title in _TITLES.items():
        sizes = dict.fromkeys(
            f"{each.params['width']} × {each.params['height']}"
            for each in assets
            if each.kind == kind
        )
        facts.append((title, ", ".join(sizes)))
    if job.options.seconds:
        facts.append(("Clip length", f"{job.options.seconds} s"))
    facts.append(("Seed", str(job.options.seed)))
    facts.append(("Requested", moment_text(job.created_at, zone, today)))
    if job.generated_at:
        facts.append(("Ready", moment_text(job.generated_at, zone, today)))
        facts.append(("Took", span_text(max(job.generated_at - job.created_at, timedelta(0)))))
    return facts


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
