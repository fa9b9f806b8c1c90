"""What must be true at the end, whatever was killed; every breach is one sentence."""

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from PIL import Image

from core import models
from core.generation.item_run import MAX_ATTEMPTS
from core.media.folder import FolderStore
from core.media.inspection import BrokenMedia, inspect
from tests.servers.provider import Sketch

NOTHING: Final[dict[str, Any]] = {
    "charges": 0,
    "sketches": 0,
    "answered": 0,
    "faults": [],
    "tasks": [],
}
SPOILT: Final = {"truncate", "garbage"}


@dataclass(frozen=True)
class Outcome:
    """What a run left behind.

    Attributes:
        jobs: with their assets.
        notices: the outbox; None: nobody looked after it.
        ledger: the vendor's.
        content: the files.
        resent: how often the user sent an asset again, by its id.
        states: the states that each asset went through, by its id.
    """

    jobs: Sequence[tuple[models.Job, Sequence[models.Asset]]]
    notices: Sequence[models.Notice] | None
    ledger: Mapping[str, Mapping[str, Any]]
    content: FolderStore
    resent: Counter[str] = field(default_factory=Counter)
    states: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def assets(self) -> Iterator[models.Asset]:
        for _, assets in self.jobs:
            yield from assets

    def account(self, asset: models.Asset) -> Mapping[str, Any]:
        return self.ledger.get(asset.id, NOTHING)


def violations(outcome: Outcome) -> list[str]:
    """Return every promise that was broken."""
    found = [*_strangers(outcome), *_left_over(outcome)]
    for job, assets in outcome.jobs:
        found += _job(outcome, job, assets)
        for asset in assets:
            found += [*_ending(outcome, asset), *_money(outcome, asset), *_reply(outcome, asset)]
            if asset.state == models.AssetState.DONE:
                found += _files(outcome, asset)
    return found


def _job(outcome: Outcome, job: models.Job, assets: Sequence[models.Asset]) -> Iterator[str]:
    states = {asset.state for asset in assets}
    if job.status == models.JobStatus.PROCESSING:
        yield f"{job.id}: has not ended; its items are {Counter(each.state for each in assets)}"
        return
    if not states <= set(models.ENDED_STATES):
        yield f"{job.id}: is {job.status}, but items are {states}"
    if (job.status == models.JobStatus.COMPLETED) != (states == {models.AssetState.DONE}):
        yield f"{job.id}: is {job.status}, but its items are {states}"
    for kind, paths in ((models.Kind.IMAGE, job.image_paths), (models.Kind.VIDEO, job.video_paths)):
        saved = [asset.path for asset in assets if asset.kind == kind and asset.path]
        if list(paths) != saved:
            yield f"{job.id}: names the {kind}s {paths} instead of {saved}"
    if models.AssetState.DONE in states and job.generated_at is None:
        yield f"{job.id}: has files, but no time at which the last one was saved"
    if outcome.notices is not None:
        yield from _told(job, [notice for notice in outcome.notices if notice.job_id == job.id])


def _told(job: models.Job, rows: Sequence[models.Notice]) -> Iterator[str]:
    if Counter(row.channel for row in rows) != Counter({models.TERMINAL, *job.notify.channels}):
        yield f"{job.id}: has the notices {[(row.channel, row.recipient) for row in rows]}"
    for row in rows:
        if row.status != "sent":
            yield f"{job.id}: its notice over {row.channel} is {row.status} ({row.error})"


def _ending(outcome: Outcome, asset: models.Asset) -> Iterator[str]:
    met = outcome.account(asset)["faults"]
    if asset.lease is not None and asset.state in models.ENDED_STATES:
        yield f"{asset.id}: has ended, but is still held by {asset.lease.owner}"
    if asset.state == models.AssetState.FAILED:
        if asset.error is None or asset.error.code == "internal_error":
            yield f"{asset.id}: failed by our own mistake: {asset.error}"
        elif not met and asset.attempts < MAX_ATTEMPTS:
            yield f"{asset.id}: failed without a fault of the vendor: {asset.error}"
    if asset.state == models.AssetState.DONE and any(
        each.call == asset.call for each in asset.kept
    ):
        yield f"{asset.id}: is done, and its reply is still kept"
    states = outcome.states.get(asset.id, [])
    if str(models.AssetState.DONE) in states[:-1]:
        yield f"{asset.id}: was done and went on: {' '.join(states)}"


def _money(outcome: Outcome, asset: models.Asset) -> Iterator[str]:
    account = outcome.account(asset)
    charges, met = account["charges"], account["faults"]
    allowed = 0 if asset.provider == Sketch.name else 1 + outcome.resent[asset.id]
    if charges > allowed:
        yield f"{asset.id}: was charged {charges} times, {allowed} allowed"
    if asset.state == models.AssetState.DONE and asset.provider != Sketch.name and charges == 0:
        yield f"{asset.id}: is done, but was never charged"
    if asset.state == models.AssetState.UNKNOWN and asset.remote_id is not None:
        yield f"{asset.id}: is unknown, though its task is {asset.remote_id}"
    if asset.state == models.AssetState.UNKNOWN and asset.provider == Sketch.name:
        yield f"{asset.id}: is unknown, though it is free of charge"
    for task in account["tasks"]:
        taken = task["status"] == "SUCCEEDED" and task["followed"] and task["downloads"]
        ended = task["cancelled"] or (task["status"] == "FAILED" and task["followed"])
        never_heard_of = asset.state == models.AssetState.UNKNOWN or outcome.resent[asset.id]
        if not (taken or ended or never_heard_of):
            yield f"{asset.id} ({asset.state}): nobody followed {task}"
        if taken and asset.state == models.AssetState.FAILED and not SPOILT & set(met):
            yield f"{asset.id}: failed, though its file was fetched: {asset.error}"


def _reply(outcome: Outcome, asset: models.Asset) -> Iterator[str]:
    """Yield where what a reply carried, however oddly, came to nothing.

    A reply may be lost with the worker that it was sent to; then another had to take the item up.
    """
    account = outcome.account(asset)
    if not account["answered"] or SPOILT & set(account["faults"]):
        return
    if asset.state == models.AssetState.UNKNOWN and asset.attempts == 1:
        yield f"{asset.id}: is unknown, though it was answered: {asset.error}"
    if asset.state == models.AssetState.FAILED and not account["tasks"]:
        yield f"{asset.id}: failed, though the answer had its file: {asset.error}"


def _files(outcome: Outcome, asset: models.Asset) -> Iterator[str]:
    try:
        place = outcome.content.locate(asset.user_id, asset.path or "")
        found = inspect(place, asset.kind, width=64, height=64, seconds=asset.seconds)
        if (found.sha256, found.bytes) != (asset.sha256, asset.bytes):
            yield f"{asset.id}: its file is not the one that was stored"
        for name in (asset.preview, asset.poster):
            with Image.open(outcome.content.locate(asset.user_id, name or "")) as picture:
                picture.load()
    except (FileNotFoundError, BrokenMedia, OSError) as error:
        yield f"{asset.id}: is done, but {type(error).__name__}: {error}"


def _strangers(outcome: Outcome) -> Iterator[str]:
    known = {asset.id for asset in outcome.assets()}
    for asset_id in outcome.ledger:
        if asset_id not in known:
            yield f"{asset_id}: was charged, but is no item of ours"


def _left_over(outcome: Outcome) -> Iterator[str]:
    for path in outcome.content.root.rglob("*.part"):
        yield f"{path.name}: was left half written"
    unfinished = set(strays(outcome))
    for path in _nameless(outcome):
        if path not in unfinished:
            digest = hashlib.sha256(path.read_bytes()).hexdigest()[:12]
            yield f"{path.name} ({digest}): nobody knows this file"


def strays(outcome: Outcome) -> list[Path]:
    """Return whole files of items that are not done: they ended another way after a kill.

    They break no promise, but nobody needs them.
    """
    not_done = {asset.id for asset in outcome.assets() if asset.state != models.AssetState.DONE}
    return [path for path in _nameless(outcome) if _item(path) in not_done]


def _item(path: Path) -> str:
    """Return the id of the item that a file is of: an original, a still, or a kept reply."""
    return path.name.partition(".")[0].removesuffix("-poster")


def _nameless(outcome: Outcome) -> list[Path]:
    """Return the whole files that no document names."""
    named = set()
    for asset in outcome.assets():
        kept = {each.path for each in asset.kept}
        for name in {asset.path, asset.preview, asset.poster, *kept} - {None, ""}:
            with suppress(FileNotFoundError):  # `_files` says so
                named.add(outcome.content.locate(asset.user_id, str(name)))
    files = (path for path in outcome.content.root.rglob("*") if path.is_file())
    return [path for path in files if path not in named and path.suffix != ".part"]
