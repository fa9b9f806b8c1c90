"""The prefill of Create from an address: values of the form, or a task for an item."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from core.i18n import gettext as _
from core.models import Asset, AssetState, Job, Kind, Task
from core.store import Store
from core.studio.styles import styled
from core.web.create.fields import MODELS, NUMBERS, PROMPT

_TASKS: Final = {"animate": Task.ANIMATE, "upscale": Task.UPSCALE}
_COMMON_PARAMS: Final = frozenset({"width", "height", "ratio", "seconds", "fps", "seed"})


@dataclass(frozen=True)
class Prefill:
    """The form that an address describes."""

    task: Task = Task.CREATE
    #: The source of the task; None for `CREATE`.
    source: Asset | None = None
    #: The values of the form's fields, by their names, and the prompt.
    texts: Mapping[str, str] = field(default_factory=dict)
    #: Whether to discard what the form held before.
    replace: bool = False
    #: Why part of it is not possible; empty: all of it is.
    problem: str = ""


def read(params: Mapping[str, str], user_id: str, store: Store) -> Prefill:
    """Return the prefill for an address.

    `remix` names an item whose form to fill in, `like` the same without its seed, `animate` and
    `upscale` the source of a task. Only a user's own items count.

    Args:
        params: the query of the address.
        user_id: the requester.
        store: the database.

    Raises:
        DatabaseError: an item could not be read.
    """
    for name in ("remix", "like"):
        if name in params:
            return _again(params[name], user_id, store, with_seed=name == "remix")
    for name, task in _TASKS.items():
        if name in params:
            source = store.assets.get(params[name], user_id)
            if source is None or not _takes(task, source):
                return Prefill(problem=_why_not(task, source))
            return Prefill(task, source, params)
    return Prefill(texts=params)


def _takes(task: Task, source: Asset) -> bool:
    done = source.state == AssetState.DONE and source.binned_at is None
    return done and (task != Task.ANIMATE or source.kind == Kind.IMAGE)


def _why_not(task: Task, source: Asset | None) -> str:
    if source is None:
        return _("The item that this link is about is not among yours.")
    if source.binned_at is not None:
        return _("The item that this link is about lies in your bin.")
    if task == Task.ANIMATE:
        return _("Only a finished image can be animated.")
    return _("Only what is finished can be upscaled.")


def _again(asset_id: str, user_id: str, store: Store, *, with_seed: bool) -> Prefill:
    """Return the form that an item was ordered with."""
    asset = store.assets.get(asset_id, user_id)
    job = None if asset is None else store.jobs.get(asset.job_id, user_id)
    if asset is None or job is None:
        return Prefill(problem=_why_not(Task.CREATE, None))
    texts = texts_of(asset, job, store.assets.of_job(job.id), with_seed=with_seed)
    if asset.task == Task.CREATE:
        return Prefill(texts=texts, replace=True)
    source = None if asset.source is None else store.assets.get(asset.source, user_id)
    if source is None or not _takes(asset.task, source):
        return Prefill(
            texts=texts,
            replace=True,
            problem=_("What this item was made of is gone, so this makes something new."),
        )
    return Prefill(asset.task, source, texts, replace=True)


def texts_of(asset: Asset, job: Job, items: Sequence[Asset], *, with_seed: bool) -> dict[str, str]:
    """Return the values of the form that an item was ordered with.

    Args:
        asset: the item.
        job: its job.
        items: all items of the job.
        with_seed: whether to include its seed.
    """
    alike = {item.kind: item for item in reversed(items)} | {asset.kind: asset}
    texts = {PROMPT: _own_prompt(asset, job)}
    if asset.task == Task.CREATE:
        for kind, number in (
            (Kind.IMAGE, job.requested.images),
            (Kind.VIDEO, job.requested.videos),
        ):
            texts[NUMBERS[kind]] = str(number)
    ratios = {str(item.params.get("ratio")) for item in alike.values()}
    if len(ratios) == 1:  # otherwise each kind has its own
        texts["ratio"] = ratios.pop()
    for kind, item in alike.items():
        texts[MODELS[kind]] = f"{item.provider}/{item.model}"
        if "seconds" in item.params:
            texts["seconds"] = str(item.params["seconds"])
        for name, value in item.params.items():
            if name not in _COMMON_PARAMS:
                texts[f"{kind}.{name}"] = _text(value)
    if job.options.style is not None:
        texts["style"] = job.options.style
    if with_seed:
        texts["seed"] = str(asset.params.get("seed", job.options.seed))
    return texts


def _own_prompt(asset: Asset, job: Job) -> str:
    """Return the prompt as typed for an item, without the words of its style."""
    if asset.prompt is None:
        return "" if "prompt" in job.unreadable else job.prompt
    if asset.prompt == styled(job.prompt, job.options.style):
        return job.prompt
    return asset.prompt.removesuffix(styled("", job.options.style))


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)
